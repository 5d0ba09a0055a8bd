/*
 * C-MOVE and C-GET as user (PS3.4 C.4.2.2 and C.4.3.2, PS3.7 9.1.3 and 9.1.4).
 *
 * In a C-GET the peer sends its instances as C-STORE requests on the same
 * association. They are taken in the contexts in which it was granted the
 * role, as our own server takes them; they need not be of the study that was
 * asked for (some archives change UIDs), but those that are not are counted.
 */
#include "service/client/request.h"

#include "base/log.h"
#include "service/client/account.h"
#include "service/receive.h"
#include "service/service.h"

struct retrieve {
	struct request r;
	const struct receiver *to;
	void *to_ctx;
};

/* The final answer's Failed SOP Instance UID List. */
static bool
take_failed_list(struct request *r, const struct dimse *m, struct err *e)
{
	struct dataset *identifier;

	if (!request_read(r, m, &identifier, e))
		return false;
	if (identifier != NULL)
		r->end->failed_list =
		    dataset_str(identifier, TAG_FailedSOPInstanceUIDList);
	return true;
}

static bool
was_asked_for(const struct dataset *identifier, const char *study)
{
	struct str all =
	    str_trim(dataset_str(identifier, TAG_StudyInstanceUID));
	struct str uid;

	if (all.n == 0)
		return true;
	while (str_split(&all, '\\', &uid))
		if (str_eq_text(str_trim(uid), study))
			return true;
	return false;
}

static void
count(struct retrieve *g, const struct received *got)
{
	struct client_end *end = g->r.end;
	struct activity *row = account(g->r.a);

	row->stores++;
	if (got->why.code != ERR_NONE) {
		row->stores_failed++;
		account_note(g->r.a, got->why.text);
		end->refused++;
		(void)str_copy(end->refusal, sizeof(end->refusal),
		    str_from(got->why.text));
		return;
	}
	row->instances_in++;
	if (got->result.outcome == OBJECT_SAME)
		end->same++;
	else
		end->kept++;
	if (!was_asked_for(g->r.q->identifier, got->result.study))
		end->foreign++;
}

static bool
refuse(
    struct retrieve *g, const struct dimse *rq, const char *why, struct err *e)
{
	struct client_end *end = g->r.end;

	end->refused++;
	(void)str_copy(end->refusal, sizeof(end->refusal), str_from(why));
	return request_refuse(&g->r, rq, STATUS_SOPClassNotSupported, why, e) &&
	       request_tell(&g->r, NULL, e);
}

static bool
take_instance(struct retrieve *g, const struct dimse *rq, struct err *e)
{
	struct assoc *a = g->r.a;
	const struct assoc_context *context = assoc_context(a, rq->context);
	struct received got;
	struct dimse rsp;

	if (!context->peer_scu)
		return refuse(g, rq,
		    "no C-STORE was granted in this presentation context", e);
	if (rq->sop_class[0] != '\0' &&
	    !str_eq_text(context->abstract, rq->sop_class))
		return refuse(
		    g, rq, "the SOP Class is not that of the context", e);
	if (!receive_instance(a, rq, g->to, g->to_ctx, &got, e))
		return false;
	count(g, &got);
	rsp = dimse_response(rq, got.status);
	if (got.comment != NULL)
		dimse_comment(&rsp, got.comment);
	return dimse_send(a, &rsp, STR(""), e) && request_tell(&g->r, NULL, e);
}

/* Up to the final answer. */
static bool
run(struct retrieve *g, struct err *e)
{
	struct request *r = &g->r;
	struct dimse m;

	for (;;) {
		if (!request_next(r, &m, e))
			return false;
		if (m.command == C_STORE_RQ) {
			if (!take_instance(g, &m, e))
				return false;
			continue;
		}
		request_note(r, &m);
		if (!status_is_pending(m.status))
			return take_failed_list(r, &m, e);
		if (!request_tell(r, NULL, e))
			return false;
	}
}

bool
client_move(struct assoc *a, const struct client_query *q,
    struct client_end *end, struct err *e)
{
	struct retrieve m = {.r = {.a = a, .q = q, .end = end}};
	bool ok;

	if (q->destination == NULL || q->destination[0] == '\0')
		return fail(e, ERR_USAGE, "a C-MOVE without destination");
	ok = request_begin(&m.r, C_MOVE_RQ, e) && run(&m, e);
	a->conn->hard_deadline_ms = 0;
	return ok;
}

bool
client_get_into(struct assoc *a, const struct client_query *q,
    const struct receiver *to, void *to_ctx, struct client_end *end,
    struct err *e)
{
	struct retrieve g = {
	    .r = {.a = a, .q = q, .end = end, .takes_stores = true},
	    .to = to,
	    .to_ctx = to_ctx};
	bool ok = request_begin(&g.r, C_GET_RQ, e) && run(&g, e);

	a->conn->hard_deadline_ms = 0;
	return ok;
}

bool
client_get(struct assoc *a, const struct client_query *q, struct intake *intake,
    struct client_end *end, struct err *e)
{
	struct receive_archive to = {.intake = intake};

	return client_get_into(a, q, &receive_archive, &to, end, e);
}
