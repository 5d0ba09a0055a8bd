/*
 * What C-GET and C-MOVE share (PS3.4 C.4.2 and C.4.3): the instances that an
 * identifier names, batch by batch; the counts of sub-operations; pending
 * responses; the final response with its status and the list of what failed.
 */
#ifndef SERVICE_RETRIEVE_H
#define SERVICE_RETRIEVE_H

#include "service/query/query.h"
#include "service/service.h"

struct retrieve {
	struct session *session;
	const struct dimse *rq;
	struct query query;
	bool cancelled; /* by a C-CANCEL */
	bool stopping;  /* the server is */
	/* The batch; none: no more. */
	struct index_row *rows;
	size_t row_count;
	/* Sub-operations. */
	uint64_t total, completed, failed, warned;
	/* The rest is this module's own. */
	struct arena arena;
	struct buf failed_list; /* UIDs, separated by backslashes */
	int64_t told_ms;        /* of the last pending response */
	uint64_t told_at;       /* sub-operations done at that time */
};

/* PS3.4 C.5.2.1, C.5.3.1: relational retrieval, because unique keys of upper
 * levels are never insisted on; no views of multi-frame objects. */
size_t retrieve_extended(struct str proposed, uint8_t *answer, size_t room);

/* Read the identifier, count the instances, have the first batch. False with
 * the reason: to be answered by service_fail(). retrieve_fini() follows in any
 * case. */
bool retrieve_init(struct retrieve *r, struct session *s,
    const struct dimse *rq, struct str identifier, struct err *why) MUST_USE;
void retrieve_fini(struct retrieve *r);
/* The batch after this one. */
bool retrieve_next(struct retrieve *r, struct err *why) MUST_USE;

/* One sub-operation has ended. */
void retrieve_count(
    struct retrieve *r, const char *sop_instance, uint16_t status);
uint64_t retrieve_done(const struct retrieve *r);

/* A pending response when one is due: after the first sub-operation, after
 * every tenth, each second. False: the association has ended. */
bool retrieve_tell(struct retrieve *r, struct err *e) MUST_USE;
/* Look for a C-CANCEL, without waiting: r->cancelled. False: the requester
 * has gone. */
bool retrieve_look(struct retrieve *r, struct err *e) MUST_USE;
/* Is it to end before its end? Sets r->stopping. */
bool retrieve_over(struct retrieve *r);
/* What is left of this batch from 'at' on, and of those after it, has
 * failed. */
void retrieve_fail_rest(struct retrieve *r, size_t at);
/* The final response. comment: NULL for none. Returns as serve(). */
bool retrieve_answer(
    struct retrieve *r, const char *comment, struct err *e) MUST_USE;

#endif
