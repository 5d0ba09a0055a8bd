/*
 * Counting, telling, and going through the rows.
 */
#include "service/retrieve.h"

#include "base/clock.h"
#include "dicom/build.h"

#define PENDING_EVERY 10
#define PENDING_MS    1000
/* (0008,0058) has a 16-bit length: what does not fit is left out. */
#define FAILED_LIST_CAP 65534

size_t
retrieve_extended(struct str proposed, uint8_t *answer, size_t room)
{
	size_t n = proposed.n < 2 ? proposed.n : 2;

	if (n > room)
		n = room;
	memset(answer, 0, n);
	if (n > 0)
		answer[0] = proposed.p[0] == 1;
	return n;
}

/* How many instances there are, behind the first batch. */
static bool
count_all(struct retrieve *r, struct err *why)
{
	struct store *store = r->session->store;
	struct search count = r->query.search;
	struct index_row *rows = r->rows;
	size_t n = r->row_count;
	struct arena scratch;
	bool ok = true;

	r->total = n;
	memset(count.want, 0, sizeof(count.want));
	arena_init(&scratch, query_rows_budget(&r->query));
	while (ok && n == LIMIT_ROWS) {
		int64_t after_id = rows[n - 1].id;

		arena_reset(&scratch);
		ok = index_search(
		    store, &count, after_id, &scratch, &rows, &n, why);
		if (ok)
			r->total += n;
	}
	arena_fini(&scratch);
	return ok;
}

bool
retrieve_init(struct retrieve *r, struct session *s, const struct dimse *rq,
    struct str identifier, struct err *why)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	enum query_model model;

	*r = (struct retrieve){
	    .session = s, .rq = rq, .cancelled = s->cancelled};
	buf_init(&r->failed_list, FAILED_LIST_CAP);
	must(query_model_of(context->abstract, &model));
	if (!query_read_retrieve(
		&s->arena, model, identifier, context->layout, &r->query, why))
		return false;
	arena_init(&r->arena, query_rows_budget(&r->query));
	r->told_ms = clock_mono_ms();
	return index_search(s->store, &r->query.search, 0, &r->arena, &r->rows,
		   &r->row_count, why) &&
	       count_all(r, why);
}

void
retrieve_fini(struct retrieve *r)
{
	buf_fini(&r->failed_list);
	arena_fini(&r->arena);
}

bool
retrieve_next(struct retrieve *r, struct err *why)
{
	bool last = r->row_count < LIMIT_ROWS;
	int64_t after_id = last ? 0 : r->rows[r->row_count - 1].id;

	r->row_count = 0;
	if (last)
		return true;
	arena_reset(&r->arena);
	return index_search(r->session->store, &r->query.search, after_id,
	    &r->arena, &r->rows, &r->row_count, why);
}

static void
note_failed(struct retrieve *r, struct str uid)
{
	if (r->failed_list.n + 1 + uid.n > FAILED_LIST_CAP)
		return;
	if (r->failed_list.n > 0)
		buf_u8(&r->failed_list, '\\');
	buf_add(&r->failed_list, uid);
}

void
retrieve_count(struct retrieve *r, const char *sop_instance, uint16_t status)
{
	if (status == STATUS_Success) {
		r->completed++;
	} else if (status_is_warning(status)) {
		r->warned++;
	} else {
		r->failed++;
		note_failed(r, str_from(sop_instance));
		return;
	}
	r->session->activity.instances_out++;
}

uint64_t
retrieve_done(const struct retrieve *r)
{
	return r->completed + r->failed + r->warned;
}

static uint16_t
clamp(uint64_t n)
{
	return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

static struct dimse
response(const struct retrieve *r, uint16_t status)
{
	struct dimse rsp = dimse_response(r->rq, status);
	uint64_t done = retrieve_done(r);

	rsp.has_counts = true;
	rsp.completed = clamp(r->completed);
	rsp.failed = clamp(r->failed);
	rsp.warning = clamp(r->warned);
	/* Instances that came since they were counted make no debt. */
	rsp.remaining = r->total > done ? clamp(r->total - done) : 0;
	return rsp;
}

bool
retrieve_tell(struct retrieve *r, struct err *e)
{
	uint64_t done = retrieve_done(r);
	int64_t now = clock_mono_ms();
	struct dimse rsp;

	/* The final response follows at once. */
	if (done >= r->total)
		return true;
	if (!(done > 0 && r->told_at == 0) &&
	    done < r->told_at + PENDING_EVERY && now < r->told_ms + PENDING_MS)
		return true;
	r->told_ms = now;
	r->told_at = done;
	rsp = response(r, STATUS_Pending);
	return dimse_send(r->session->assoc, &rsp, STR(""), e);
}

bool
retrieve_look(struct retrieve *r, struct err *e)
{
	if (r->cancelled ||
	    !dimse_cancelled(r->session->assoc, r->rq->message_id, e))
		return true;
	if (e->code != ERR_CANCELLED)
		return false;
	r->cancelled = true;
	return true;
}

bool
retrieve_over(struct retrieve *r)
{
	if (!r->stopping && service_stopping(r->session))
		r->stopping = true;
	return r->stopping || r->cancelled;
}

void
retrieve_fail_rest(struct retrieve *r, size_t at)
{
	struct err ignored;
	char uid[65];
	uint64_t rest;
	size_t i;

	do {
		for (i = at; i < r->row_count; i++) {
			(void)str_copy(uid, sizeof(uid),
			    r->rows[i].value[COLUMN_SOPInstanceUID]);
			retrieve_count(r, uid, STATUS_ProcessingFailure);
		}
		at = 0;
		/* Nobody is named behind the end of the list. */
	} while (r->row_count > 0 &&
		 r->failed_list.n < FAILED_LIST_CAP - 2 * 65 &&
		 retrieve_next(r, &ignored));
	rest = retrieve_done(r);
	if (r->total > rest)
		r->failed += r->total - rest;
}

static uint16_t
final_status(const struct retrieve *r)
{
	if (r->cancelled)
		return STATUS_Cancel;
	if (r->failed > 0 && r->completed + r->warned == 0)
		return STATUS_OutOfResourcesSubOperations;
	if (r->failed > 0 || r->warned > 0)
		return STATUS_SubOperationsWarning;
	return STATUS_Success;
}

bool
retrieve_answer(struct retrieve *r, const char *comment, struct err *e)
{
	struct session *s = r->session;
	struct dimse rsp = response(r, final_status(r));
	const struct assoc_context *context =
	    assoc_context(s->assoc, r->rq->context);
	struct dataset *list;
	struct buf out;
	bool ok;

	if (comment != NULL)
		dimse_comment(&rsp, comment);
	if (r->failed == 0)
		return dimse_send(s->assoc, &rsp, STR(""), e);
	list = dataset_new(&s->arena);
	buf_init(&out, 2 * FAILED_LIST_CAP);
	ok = list != NULL &&
	     dataset_put(list, TAG_FailedSOPInstanceUIDList, VR_UI,
		 buf_str(&r->failed_list)) &&
	     build_dataset(&out, list, context->layout, e);
	/* Without the list the counts still tell. */
	ok = dimse_send(s->assoc, &rsp, ok ? buf_str(&out) : STR(""), e);
	buf_fini(&out);
	return ok;
}
