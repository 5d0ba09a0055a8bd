/*
 * TLS beneath a connection (PS3.15 B.12, BCP 195): what one side needs, read
 * from PEM files once and then shared by its connections. Immutable: another
 * certificate is another struct tls, old connections keep theirs.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"

struct tls;

enum tls_client_cert {
	TLS_CLIENT_CERT_NONE,    /* not asked for */
	TLS_CLIENT_CERT_REQUEST, /* asked for, verified when it comes */
	TLS_CLIENT_CERT_REQUIRE
};

#define TLS_FINGERPRINT_ROOM 65 /* SHA-256 in lower-case hex */

struct tls_config {
	bool server;
	const char *cert, *key; /* PEM files; a client may have none: "" */
	const char *ca;         /* PEM file of who is trusted; "": anybody */
	enum tls_client_cert client_cert; /* of a server */
};

/* ERR_USAGE names the file and what is wrong with it (missing, no PEM, the key
 * is not the certificate's, expired is only logged). */
bool tls_new(struct tls **, const struct tls_config *, struct err *e) MUST_USE;
struct tls *tls_ref(struct tls *);
void tls_unref(struct tls **);

/* The fingerprint of the first certificate in a PEM file. */
bool tls_fingerprint(
    const char *path, char out[TLS_FINGERPRINT_ROOM], struct err *e) MUST_USE;

/* tls_make.c: a self-signed certificate of this name, EC P-256, for 30 years,
 * and its key, readable by its owner only. Nothing that is there is written
 * over: of a key without certificate the certificate is made, both there is
 * success, a certificate without key an error. Whole and flushed, or not there.
 */
bool tls_make(const char *cert, const char *key, const char *name,
    struct err *e) MUST_USE;

#endif
