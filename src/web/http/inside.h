/*
 * What the parts of the HTTP server share. Only for src/web/http and web.c.
 */
#ifndef WEB_HTTP_INSIDE_H
#define WEB_HTTP_INSIDE_H

#include "base/map.h"
#include "base/thread.h"
#include "net/pool.h"
#include "service/door.h"
#include "web/http/call.h"
#include "web/http/certificate.h"
#include "web/http/origin.h"
#include "web/web.h"

#include <stdatomic.h>

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

enum phase {
	PHASE_HEAD, /* the head of the first request is awaited */
	PHASE_BODY,
	PHASE_RUN, /* we work; the client cannot be late */
	PHASE_SEND,
	PHASE_IDLE
};

/* A connection that was handed to libmicrohttpd. Its thread writes the
 * numbers, the watch reads them. */
struct client {
	struct web *web;
	int fd;
	bool secure, loopback;
	char address[CONN_ADDRESS_ROOM];
	atomic_int phase;
	atomic_int_fast64_t since_ms; /* of the phase */
	atomic_int_fast64_t bytes;    /* in it */
	atomic_int_fast64_t ours_ms;  /* of it, not held against the client */
	atomic_int_fast64_t held_ms;  /* suspended since; 0: not */
	bool ended;                   /* by the watch, once */
	/* The watch's own: where the stretch began that it looks at. */
	int64_t mark_phase_ms, mark_ms, mark_ours_ms;
	uint64_t mark_bytes;
	struct client *before, *after;
};

struct counts {
	atomic_uint_fast64_t requests[6]; /* by the status' first digit */
	atomic_uint_fast64_t bytes_out, connections;
};

struct web {
	struct store *store;
	struct lot *lot;
	struct door door;
	uint16_t port; /* under the lock; 0: closed */
	/* Two servers: which one a connection gets, its first byte decides. */
	struct MHD_Daemon *plain, *secure;
	struct pool *workers, *uploads, *passwords;
	atomic_uint password_queue;
	struct certificate certificate;
	struct guard *guard;
	/* Of the one-time link for the first administrator; "": none. */
	char setup[VISIT_TOKEN];
	struct mutex lock; /* config, origin; never held for long */
	struct web_config config;
	struct origin origin;
	struct mutex gate; /* closing; submitting under it */
	struct cond calm;  /* no call is under way */
	bool closing;
	size_t running;
	struct mutex list_lock;
	struct client *clients;
	size_t client_count; /* connections, also those that said nothing yet */
	struct map shares;   /* struct share, by address */
	struct lot_item tick;
	struct counts counts;
	/* Memory of HL7 text that is being uploaded. */
	atomic_uint_fast64_t orders_held;
	int64_t started_ms;
};

/* door.c: connections from the listener to one of the two servers. */
void door_arrived(void *ctx, struct conn *c);
bool door_start(struct web *w, bool secure, struct err *e) MUST_USE;

/* exchange.c: libmicrohttpd's callbacks. */
struct MHD_Daemon *exchange_daemon(
    struct web *w, bool secure, struct err *e) MUST_USE;
/* False when the server is closing. */
bool exchange_submit(struct web *w, struct pool *p, struct pool_job *job);

/* share.c: a connection from this address; false when there are too many. */
bool share_take(struct web *w, const char *address);
void share_give(struct web *w, const char *address);

/* head.c: the head of a request into call.headers. False when two programs
 * could read it in two ways. The line's pointers are as libmicrohttpd gave
 * them. */
struct head_line {
	const char *method, *target, *version;
	size_t target_n;
};
bool head_take(struct MHD_Connection *connection, const struct head_line *line,
    struct call *c);

/* watch.c: who is too slow is cut off. */
struct client *watch_add(struct web *w, int fd, bool secure);
void watch_remove(struct client *c);
void watch_phase(struct client *c, enum phase phase);
/* Suspended by us, and again not. */
void watch_hold(struct client *c);
void watch_go_on(struct client *c);
/* Of the lot. */
void watch_tick(struct lot_item *item);
/* Cut all off. */
void watch_end_all(struct web *w);

/* answer.c: a reply as libmicrohttpd takes it. The reply is emptied. */
struct MHD_Response *answer_make(struct call *c, struct reply *r,
    struct client *client, struct MHD_Connection *connection);

#endif
