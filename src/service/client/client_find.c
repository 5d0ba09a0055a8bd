/*
 * C-FIND as user (PS3.4 C.4.1.2, PS3.7 9.1.2): each pending answer is handed
 * on; one without an identifier, or with one that does not parse, is counted
 * and told as such, and the rest still comes.
 */
#include "service/client/request.h"

static bool
take_answer(struct request *r, const struct dimse *m, struct err *e)
{
	struct dataset *identifier;

	/* Answers on their way when we cancelled are read and dropped. */
	if (r->cancelled)
		return true;
	if (!request_read(r, m, &identifier, e))
		return false;
	if (identifier != NULL)
		r->end->answers++;
	else
		r->end->unreadable++;
	return request_tell(r, identifier, e);
}

bool
client_find(struct assoc *a, const struct client_query *q,
    struct client_end *end, struct err *e)
{
	struct request r = {.a = a, .q = q, .end = end};
	struct dimse m;
	bool ok;

	if (!request_begin(&r, C_FIND_RQ, e))
		return false;
	for (;;) {
		ok = request_next(&r, &m, e);
		if (!ok)
			break;
		request_note(&r, &m);
		if (!status_is_pending(m.status)) {
			ok = dimse_drain(a, e);
			break;
		}
		ok = take_answer(&r, &m, e);
		if (!ok)
			break;
	}
	a->conn->hard_deadline_ms = 0;
	return ok;
}
