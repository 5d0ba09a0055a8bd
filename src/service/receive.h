/*
 * One C-STORE as performer (PS3.4 B.2.3), whoever asked for it: the peer of an
 * association (service/store.c), or we ourselves by a C-GET
 * (service/client). The data set streams into a receiver and is read to its
 * end in every case, so that the association stays in step. The answer is left
 * to the caller.
 */
#ifndef SERVICE_RECEIVE_H
#define SERVICE_RECEIVE_H

#include "net/dimse.h"
#include "store/object.h"

/* Where instances go. begin, write…, then commit or abort; after either of
 * them, and after a begin that failed, nothing is held. */
struct receiver {
	bool (*begin)(
	    void *ctx, const struct object_header *header, struct err *e);
	bool (*write)(void *ctx, struct str part, struct err *e);
	bool (*commit)(void *ctx, struct object_result *out, struct err *e);
	void (*abort)(void *ctx);
};

/* Into the archive; ctx is one of these. */
struct receive_archive {
	struct intake *intake;
	struct object *object; /* NULL between instances */
};
extern const struct receiver receive_archive;

struct received {
	uint16_t status;     /* to answer with */
	const char *comment; /* to answer with; NULL: none */
	struct err why;      /* ERR_NONE: it is kept, and result holds */
	struct object_result result;
};
/* False: the association broke (or our data set's reading), nothing is kept.
 * Otherwise *out is to be answered. */
bool receive_instance(struct assoc *a, const struct dimse *rq,
    const struct receiver *to, void *ctx, struct received *out,
    struct err *e) MUST_USE;

#endif
