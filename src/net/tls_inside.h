/*
 * For the TLS parts of this module only: what struct tls holds.
 */
#ifndef NET_TLS_INSIDE_H
#define NET_TLS_INSIDE_H

#include "base/buf.h"
#include "net/tls.h"

#include <gnutls/gnutls.h>
#include <stdatomic.h>

struct tls {
	atomic_uint refs;
	bool server;
	bool verifies; /* against the trusted certificates of a file */
	enum tls_client_cert client_cert;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
};

/* A small file as it is; ERR_USAGE names it. NUL-terminated by buf_cstr(). */
bool tls_read_file(const char *path, struct buf *out, struct err *e) MUST_USE;
/* SHA-256 of a certificate in DER. */
bool tls_fingerprint_of(
    const gnutls_datum_t *der, char out[TLS_FINGERPRINT_ROOM]) MUST_USE;

#endif
