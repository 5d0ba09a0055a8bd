/*
 * The certificate and key of HTTPS. Each handshake takes what is in force then:
 * another pair needs no restart. Our own, signed by itself, is made when the
 * settings name none.
 */
#ifndef WEB_HTTP_CERTIFICATE_H
#define WEB_HTTP_CERTIFICATE_H

#include "base/err.h"
#include "base/thread.h"

#define CERTIFICATE_CHAIN 16
#define CERTIFICATE_STAMP 12
#define CERTIFICATE_PATH  4096

struct certificate_pair;

struct certificate {
	struct mutex lock;
	struct certificate_pair *pair; /* newest first; old ones stay in use */
	char cert[CERTIFICATE_PATH], key[CERTIFICATE_PATH];
	int64_t loaded[CERTIFICATE_STAMP], seen[CERTIFICATE_STAMP];
	bool stale;
};

void certificate_init(struct certificate *c);
void certificate_fini(struct certificate *c);
/* The files, beneath the data folder unless they begin with /; both empty: our
 * own. Read when they are others than before or certificate_changed() has said
 * so. ERR_USAGE names the file that is no use, and what was in force stays. */
bool certificate_take(struct certificate *c, const char *data, const char *cert,
    const char *key, struct err *e) MUST_USE;
/* Asked every now and then: true once for each change of a file, when the files
 * have been the same for two askings. */
bool certificate_changed(struct certificate *c);

/* What libmicrohttpd asks for each handshake: a callback of the kind
 * gnutls_certificate_retrieve_function2, without its first argument; the
 * session's certificate is that of 'c'. */
struct gnutls_pcert_st;
struct gnutls_privkey_st;
bool certificate_now(struct certificate *c, struct gnutls_pcert_st **chain,
    unsigned *count, struct gnutls_privkey_st **key);

#endif
