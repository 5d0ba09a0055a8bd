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

struct sender_events {
	/* The file of an item, when its turn comes. */
	bool (*open)(void *ctx, const struct sender_item *item,
	    struct object_file *out, struct err *e);
	/* Once for each item that was answered, or that could not be sent
	 * (then why is set and status is one of our own, 0xA7xx or 0xC0xx). */
	void (*result)(void *ctx, const struct sender_item *item,
	    uint16_t status, const char *comment);
	/* Asked between items: true ends the sending early. */
	bool (*stop)(void *ctx);
};

struct sender_config {
	struct client client;
	struct node to;
	char originator_ae[17]; /* of a C-MOVE; empty: none */
	uint16_t originator_id;
	uint16_t priority, window;
};

struct sender *sender_new(const struct sender_config *config,
    const struct sender_events *events, void *ctx);
/* Sends; the association stays open for the next call. False: the node cannot
 * be reached or the association broke; items without a result were not
 * answered, and may have arrived. The next call opens another. */
bool sender_send(struct sender *s, const struct sender_item *items, size_t n,
    struct err *e) MUST_USE;
void sender_free(struct sender **s);

#endif
