/*
 * Sending instances to a node (C-STORE as user): by C-MOVE's sub-operations,
 * the job queue, the command line. Contexts are proposed for what is to be
 * sent: for each class and stored syntax one, and one with the uncompressed
 * syntaxes to convert to. What one association cannot hold goes in the next.
 * As many operations are in flight as the node grants.
 */
#ifndef SERVICE_CLIENT_SENDER_H
#define SERVICE_CLIENT_SENDER_H

#include "service/client/client.h"
#include "store/object.h"

struct sender;

struct sender_item {
	char sop_class[65], sop_instance[65], syntax[65];
	struct str path; /* for open(); NUL-terminated */
};

/* What items get that the node was never asked to store. */
#define SENDER_NO_CONTEXT STATUS_CannotUnderstand /* C000: it takes no such */
#define SENDER_NO_FILE    STATUS_OutOfResources   /* A700: not readable here */

struct sender_events {
	/* The file of an item, when its turn comes. */
	bool (*open)(void *ctx, const struct sender_item *item,
	    struct object_file *out, struct err *e);
	/* Once for each item that was answered, or that could not be sent
	 * (status is one of the two above, comment says why). Answers come in
	 * the node's order. comment holds a peer's bytes. */
	void (*result)(void *ctx, const struct sender_item *item,
	    uint16_t status, const char *comment);
	/* Asked between items, and every WAIT_WATCH_MS while the node keeps us
	 * waiting, within this thread: true ends the sending early. A
	 * connection attempt ends at once; what is under way has a second to
	 * be finished and answered, then the association is aborted. May be
	 * NULL. */
	bool (*stop)(void *ctx);
};

struct sender_config {
	struct client client;
	struct node to;
	char originator_ae[17]; /* of a C-MOVE; empty: none */
	uint16_t originator_id;
	uint16_t priority;
	uint16_t window; /* operations in flight to ask for; 0 and 1: one */
};

struct sender *sender_new(const struct sender_config *config,
    const struct sender_events *events, void *ctx);
/* Sends; the association stays open for the next call. False: the node cannot
 * be reached or the association broke (codes as in client.h), or stop() said
 * so (ERR_CANCELLED); items without a result were not answered, and may have
 * arrived. The next call opens another association. The order of sending is
 * that of the items, except that those which need other contexts than the open
 * association has come last. */
bool sender_send(struct sender *s, const struct sender_item *items, size_t n,
    struct err *e) MUST_USE;
/* Was there an association in the last sender_send()? */
bool sender_reached(const struct sender *s);
void sender_free(struct sender **s);

#endif
