/*
 * One connection's TLS over a non-blocking socket: nothing here waits. Each
 * call does what it can and says when the socket must be waited for; conn.c
 * waits, with its deadlines.
 *
 * Renegotiation (TLS 1.2) is refused. A stream that ends without close_notify
 * ends like any broken connection. The descriptor stays the caller's.
 */
#ifndef NET_TLS_SESSION_H
#define NET_TLS_SESSION_H

#include "base/str.h"
#include "net/tls.h"

struct tls_session;

enum tls_outcome {
	TLS_DONE,
	TLS_WAIT,  /* for the socket: see tls_session_waits_to_write() */
	TLS_FAILED /* for good; *e says why */
};

/* host and pin are a client's: the name that the server's certificate must
 * bear where authorities are trusted, and the fingerprint that is all that
 * counts if it is not empty. */
struct tls_session *tls_session_new(
    struct tls *t, int fd, const char *host, const char *pin);
void tls_session_free(struct tls_session **);

enum tls_outcome tls_session_handshake(struct tls_session *s, struct err *e);
/* At most n bytes, *got of them when done; ERR_CLOSED "closed" at the end. */
enum tls_outcome tls_session_read(
    struct tls_session *s, void *p, size_t n, size_t *got, struct err *e);
/* Some of the bytes, *taken of them when done. After TLS_WAIT the same call
 * must follow. */
enum tls_outcome tls_session_write(struct tls_session *s, struct str a,
    struct str b, size_t *taken, struct err *e);
bool tls_session_waits_to_write(const struct tls_session *s);
/* Decrypted bytes lie here. */
bool tls_session_pending(const struct tls_session *s);
/* close_notify, if the socket takes it at once. */
void tls_session_bye(struct tls_session *s);

bool tls_session_is_server(const struct tls_session *s);
/* Of the peer's certificate; "" when it has shown none. */
const char *tls_session_fingerprint(const struct tls_session *s);
/* "TLS1.3 TLS_AES_128_GCM_SHA256", for the log. */
void tls_session_describe(const struct tls_session *s, char *out, size_t room);

#endif
