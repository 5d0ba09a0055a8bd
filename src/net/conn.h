/*
 * A connection: a byte stream that reads as blocking with deadlines over a
 * non-blocking socket; plain, or TLS (conn_secure) behind the same calls.
 *
 * Two limits for a slow peer: time without progress, and a minimum rate over
 * one message (limit.h). conn_message_begin() starts the account of a message.
 * The input buffer exists only while bytes are in it or a worker runs: an idle
 * connection costs a few hundred bytes.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/buf.h"
#include "base/err.h"

#define CONN_ADDRESS_ROOM 48

struct tls;
struct tls_session;

struct conn_peer {
	char address[CONN_ADDRESS_ROOM]; /* numeric, v4-mapped shown as v4 */
	uint16_t port;
	bool loopback;
};

/* Somebody who may end a wait for a peer: asked about every WAIT_WATCH_MS
 * while a connection waits or is written to, in the thread that waits. True
 * fails the call with ERR_CANCELLED. */
struct conn_watch {
	bool (*stop)(void *ctx);
	void *ctx;
};

struct conn {
	int fd;
	struct conn_peer peer;
	uint16_t local_port;
	int progress_ms; /* greatest time without a byte */
	/* The account of one message: bytes both ways, and the time spent
	 * waiting for the peer (our own work is not held against it). The
	 * start is 0 between messages, when only progress_ms counts. */
	int64_t message_start_ms, message_bytes, message_wait_ms;
	int64_t hard_deadline_ms; /* 0: none; e.g. ARTIM for the handshake */
	const struct conn_watch *watch; /* NULL: nobody */
	int64_t watched_ms;             /* when it was asked last */
	uint64_t bytes_in, bytes_out; /* of the stream, not of TLS around it */
	struct tls_session *tls;      /* NULL: plain */
	bool greeted;                 /* it began as TLS does */
	uint8_t *in;                  /* NULL when idle */
	size_t in_at, in_n, in_room;  /* in_n bytes from in_at on */
	struct buf held;              /* written, and not sent yet */
	bool holds;
	int64_t held_since_ms;
};

/* Takes the descriptor (made non-blocking, TCP_NODELAY set). */
struct conn *conn_new(int fd);
/* Closes the socket; a lingering reset is avoided for orderly closes. */
void conn_free(struct conn **);
/* Gives the socket to the caller and forgets it; nothing may be buffered. */
int conn_give(struct conn **);
/* Connect with a deadline, which counts for the name service too; the error
 * says which address and why. The watch (or NULL) stays the connection's. */
bool conn_open(struct conn **, const char *host, uint16_t port, int timeout_ms,
    const struct conn_watch *watch, struct err *e);

/* Speak TLS from the first byte on. host and pin (a fingerprint) are for a
 * client, which demands them of the server; see tls_session.h. */
void conn_secure(
    struct conn *c, struct tls *tls, const char *host, const char *pin);
/* The handshake as far as it goes without waiting for the peer: *done, or call
 * again when the connection is readable. What is no TLS hello is named
 * (ERR_PROTOCOL); a certificate that is refused, ours or theirs, is
 * ERR_DENIED. */
bool conn_handshake(struct conn *c, bool *done, struct err *e) MUST_USE;
/* To its end, within the deadlines. */
bool conn_handshake_wait(struct conn *c, struct err *e) MUST_USE;
/* Of the peer's certificate; "" when plain or when it has shown none. */
const char *conn_fingerprint(const struct conn *c);

void conn_message_begin(struct conn *c);
void conn_message_end(struct conn *c);
/* Exactly n bytes into p. ERR_CLOSED with text "closed" when the peer ended
 * the stream (orderly or reset), ERR_TIMEOUT when it is too slow. */
bool conn_read(struct conn *c, void *p, size_t n, struct err *e) MUST_USE;
/* Between 1 and max bytes that have arrived, as a slice of the connection's
 * own buffer, valid until the next read: for streaming without a copy. */
bool conn_take(
    struct conn *c, size_t max, struct str *out, struct err *e) MUST_USE;
/* The first n (at most 16) bytes without consuming them: "is this TLS?" */
bool conn_peek(struct conn *c, void *p, size_t n, struct err *e) MUST_USE;
/* The first byte that has come, looked at and left where it is: not in the
 * buffer yet, so that TLS may still begin. *there is false when none has come;
 * never blocks. ERR_CLOSED when the peer has gone without a word. */
bool conn_first(
    struct conn *c, uint8_t *first, bool *there, struct err *e) MUST_USE;
/* Everything, in one system call where the socket takes it. */
bool conn_write(struct conn *c, struct str s, struct err *e) MUST_USE;
/* Header and body in one call (writev). */
bool conn_write2(
    struct conn *c, struct str a, struct str b, struct err *e) MUST_USE;
/* Let small writes gather and leave together: when there are CONN_HELD bytes,
 * at the first write CONN_HELD_MS after one that stayed, or at conn_release().
 * Until then nothing may be awaited from the peer. A write that fails may be
 * told by a later one, or by the release. */
#define CONN_HELD    (16 * 1024)
#define CONN_HELD_MS 20
void conn_hold(struct conn *c);
bool conn_release(struct conn *c, struct err *e) MUST_USE;
/* Bytes are buffered here or in the socket; never blocks. Also true at the
 * end of the stream (a read will tell). */
bool conn_readable(struct conn *c);
/* Bytes are buffered in the process: must be read before parking. */
bool conn_buffered(const struct conn *c);
/* The input buffer has no room: nothing more is taken in before some of it is
 * read. */
bool conn_full(const struct conn *c);
/* Wait up to wait_ms for input; true when conn_readable(). In TLS also what
 * came is looked into: records that are TLS's own business are none. */
bool conn_wait(struct conn *c, int wait_ms);
/* Take in what has arrived, without waiting, up to the buffer's size, and show
 * all that is buffered; nothing is consumed. ERR_CLOSED at the end of the
 * stream, *buffered is set all the same. */
bool conn_look(struct conn *c, struct str *buffered, struct err *e) MUST_USE;
/* Remove n buffered bytes, the first of them at offset 'at'. */
void conn_cut(struct conn *c, size_t at, size_t n);
/* Nothing more will be written: tell the peer, then drop what it sends until
 * it closes, for at most wait_ms, so that no reset overtakes our last bytes. */
void conn_finish(struct conn *c, int wait_ms);
/* Give the input buffer back; only when nothing is buffered. */
void conn_idle(struct conn *c);
/* Make every wait on any connection of the process end with ERR_CANCELLED
 * (shutdown). Returns nothing; safe to call once. */
void conn_stop_all(void);
bool conn_stopping(void);

#endif
