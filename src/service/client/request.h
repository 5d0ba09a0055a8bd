/*
 * A request of ours under way (PS3.7 9.1 and 9.3): sent, its answers awaited
 * one by one, cancelled. For the parts of this module.
 *
 * A peer may be hostile. What answers another message, or answers what was
 * never asked, ends the association: nobody knows any more what its answers
 * mean. What it asks of us meanwhile is answered: a C-ECHO, and the rest with
 * a refusal; a flood of that ends the association too.
 */
#ifndef SERVICE_CLIENT_REQUEST_H
#define SERVICE_CLIENT_REQUEST_H

#include "service/client/client.h"

struct request {
	struct assoc *a;
	const struct client_query *q;
	struct client_end *end;
	const struct assoc_context *context;
	uint16_t command, id;
	bool takes_stores; /* C-STORE requests are the caller's to serve */
	bool cancelled;
	unsigned strays; /* requests in a row that brought nothing */
};

/* Sends the request; clears *end. */
bool request_begin(struct request *r, uint16_t command, struct err *e) MUST_USE;
/* The next response to it, or C-STORE-RQ; its data set is unread. */
bool request_next(struct request *r, struct dimse *m, struct err *e) MUST_USE;
/* What a response says, into *end. */
void request_note(struct request *r, const struct dimse *m);
/* Tell the caller; cancel when he has enough. */
bool request_tell(struct request *r, const struct dataset *identifier,
    struct err *e) MUST_USE;
/* Send C-CANCEL, once. From then on the peer has a timeout to end. */
bool request_cancel(struct request *r, struct err *e) MUST_USE;
/* Read and parse the data set of m into the arena, which is reset. *out is
 * NULL when there is none or it does not parse. */
bool request_read(struct request *r, const struct dimse *m,
    struct dataset **out, struct err *e) MUST_USE;
/* Refuse a request of the peer, whose data set is drained. */
bool request_refuse(struct request *r, const struct dimse *rq, uint16_t status,
    const char *comment, struct err *e) MUST_USE;

#endif
