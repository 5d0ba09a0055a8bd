/*
 * Retrieval (PS3.4 C.4.3): C-GET of the Patient Root and Study Root models as
 * performer.
 *
 * The instances go out as C-STORE sub-operations in the presentation contexts
 * in which the peer may be SCP: as they are stored where that syntax was
 * accepted, else converted to an accepted one if dicom/convert.h can, else
 * they count as failed. While the peer digests one instance the next file is
 * opened and read ahead. Pending responses come after the first
 * sub-operation, and then every PENDING_EVERY or PENDING_MS.
 */
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "dicom/build.h"
#include "service/client/outgoing.h"
#include "service/query/query.h"

#define PENDING_EVERY 10
#define PENDING_MS    1000
/* (0008,0058) has a 16-bit length: what does not fit is left out. */
#define FAILED_LIST_CAP 65534

/* One sub-operation, made ready. */
struct item {
	const struct assoc_context *context; /* NULL: none serves */
	struct object_file file;             /* fd -1: not open */
	char sop_class[65], sop_instance[65];
};

struct get {
	struct session *session;
	const struct dimse *rq;
	struct query query;
	struct arena rows; /* of one batch */
	uint64_t total, completed, failed, warned;
	struct buf failed_list; /* UIDs, separated by backslashes */
	int64_t told_ms;        /* of the last pending response */
	uint64_t told_at;       /* sub-operations done at that time */
	bool cancelled;
};

static bool
serves(struct str abstract)
{
	return str_eq_text(
		   abstract, UID_PatientRootQueryRetrieveInformationModelGet) ||
	       str_eq_text(
		   abstract, UID_StudyRootQueryRetrieveInformationModelGet);
}

/* PS3.4 C.5.3.1: relational retrieval, and views: no. */
static size_t
extended(struct str proposed, uint8_t *answer, size_t room)
{
	size_t n = proposed.n < 2 ? proposed.n : 2;

	if (n > room)
		n = room;
	memset(answer, 0, n);
	return n;
}

static uint64_t
done(const struct get *g)
{
	return g->completed + g->failed + g->warned;
}

static uint16_t
clamp(uint64_t n)
{
	return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

static struct dimse
response(const struct get *g, uint16_t status)
{
	struct dimse rsp = dimse_response(g->rq, status);

	rsp.has_counts = true;
	rsp.completed = clamp(g->completed);
	rsp.failed = clamp(g->failed);
	rsp.warning = clamp(g->warned);
	/* Instances that came since they were counted make no debt. */
	rsp.remaining = g->total > done(g) ? clamp(g->total - done(g)) : 0;
	return rsp;
}

static bool
tell_pending(struct get *g, struct err *e)
{
	struct dimse rsp = response(g, STATUS_Pending);
	int64_t now = clock_mono_ms();

	if (done(g) > 1 && done(g) < g->told_at + PENDING_EVERY &&
	    now < g->told_ms + PENDING_MS)
		return true;
	g->told_ms = now;
	g->told_at = done(g);
	return dimse_send(g->session->assoc, &rsp, STR(""), e);
}

static void
count_failed(struct get *g, const char *sop_instance)
{
	struct str uid = str_from(sop_instance);

	g->failed++;
	if (g->failed_list.n + 1 + uid.n > FAILED_LIST_CAP)
		return;
	if (g->failed_list.n > 0)
		buf_u8(&g->failed_list, '\\');
	buf_add(&g->failed_list, uid);
}

/* Open the file and have its bytes on their way into memory. */
static void
prepare(struct get *g, const struct index_row *row, struct item *item)
{
	const struct session *s = g->session;
	struct err e;

	*item = (struct item){.file = {.fd = -1}};
	(void)str_copy(item->sop_class, sizeof(item->sop_class),
	    row->value[COLUMN_SOPClassUID]);
	(void)str_copy(item->sop_instance, sizeof(item->sop_instance),
	    row->value[COLUMN_SOPInstanceUID]);
	item->context = outgoing_context(
	    s->assoc, row->value[COLUMN_SOPClassUID], row->syntax);
	if (item->context == NULL) {
		log_debug("dicom", "no context for an instance of class %s",
		    item->sop_class);
		return;
	}
	if (!object_open(
		s->store, (const char *)row->path.p, &item->file, &e)) {
		item->file.fd = -1;
		log_error("dicom", "cannot send instance %s: %s",
		    item->sop_instance, e.text);
		return;
	}
	outgoing_read_ahead(&item->file);
}

static void
close_item(struct item *item)
{
	if (item->file.fd >= 0)
		object_close(&item->file);
	item->file.fd = -1;
}

static bool
send_item(struct get *g, const struct item *item, uint16_t id, struct err *e)
{
	struct assoc *a = g->session->assoc;
	struct dimse m = {.message_id = id, .priority = g->rq->priority};

	(void)str_copy(
	    m.sop_class, sizeof(m.sop_class), str_from(item->sop_class));
	(void)str_copy(m.sop_instance, sizeof(m.sop_instance),
	    str_from(item->sop_instance));
	if (outgoing_send(a, item->context, &item->file, &m, e))
		return true;
	if (outgoing_file_failed(a, e))
		log_error("dicom", "cannot send instance %s: %s",
		    item->sop_instance, e->text);
	return false;
}

/* Something else came while a sub-operation is under way (PS3.7 D.3.3.3 allows
 * it): a C-ECHO is answered, more than that has to wait for the end. */
static bool
meanwhile(struct get *g, const struct dimse *m, struct err *e)
{
	struct session *s = g->session;

	if (m->command == C_CANCEL_RQ) {
		if (m->message_id == g->rq->message_id)
			g->cancelled = true;
		return true;
	}
	if (m->command == C_ECHO_RQ)
		return service_echo.serve(s, m, e);
	if (!m->is_response)
		return service_refuse(s, m, STATUS_ResourceLimitation,
		    "a retrieval is under way in this association", e);
	(void)fail(e, ERR_PROTOCOL, "a %s that answers nothing",
	    dimse_command_name(m->command));
	assoc_abort(s->assoc, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	return false;
}

static bool
await_answer(struct get *g, const struct item *item, uint16_t id, struct err *e)
{
	struct dimse m;

	for (;;) {
		if (!dimse_read(g->session->assoc, &m, e))
			return false;
		if (m.command == C_STORE_RSP && m.message_id == id)
			break;
		if (!meanwhile(g, &m, e))
			return false;
	}
	if (m.status == STATUS_Success) {
		g->completed++;
	} else if (status_is_warning(m.status)) {
		g->warned++;
	} else {
		log_warning("dicom", "'%s' refused instance %s: %s (%04X) %s",
		    g->session->assoc->calling, item->sop_instance,
		    status_name(m.status), (unsigned)m.status, m.comment);
		count_failed(g, item->sop_instance);
		return true;
	}
	g->session->activity.instances_out++;
	return true;
}

static bool
check_cancel(struct get *g, struct err *e)
{
	if (g->cancelled ||
	    !dimse_cancelled(g->session->assoc, g->rq->message_id, e))
		return true;
	if (e->code != ERR_CANCELLED)
		return service_gone(g->session, e);
	g->cancelled = true;
	return true;
}

/* One batch. now: the item under way; next: opened while the peer answers. */
static bool
send_rows(struct get *g, const struct index_row *rows, size_t n, struct err *e)
{
	struct assoc *a = g->session->assoc;
	struct item now = {.file = {.fd = -1}}, next = now;
	bool ok = true;
	uint16_t id;
	size_t i;

	if (n > 0)
		prepare(g, &rows[0], &next);
	for (i = 0; i < n && ok; i++) {
		now = next;
		next.file.fd = -1;
		ok = check_cancel(g, e);
		if (!ok || g->cancelled)
			break;
		if (now.file.fd >= 0) {
			id = a->next_message_id++;
			ok = send_item(g, &now, id, e);
			close_item(&now);
			if (i + 1 < n)
				prepare(g, &rows[i + 1], &next);
			ok = ok && await_answer(g, &now, id, e);
		} else {
			count_failed(g, now.sop_instance);
			if (i + 1 < n)
				prepare(g, &rows[i + 1], &next);
		}
		if (ok && done(g) < g->total)
			ok = tell_pending(g, e);
	}
	close_item(&now);
	close_item(&next);
	return ok;
}

/* How many instances there are; *first is the first batch, in g->rows. */
static bool
count_all(
    struct get *g, struct index_row **first, size_t *first_n, struct err *why)
{
	struct store *store = g->session->store;
	struct search count = g->query.search;
	struct arena scratch;
	struct index_row *rows;
	size_t n;
	bool ok;

	if (!index_search(
		store, &g->query.search, 0, &g->rows, first, first_n, why))
		return false;
	g->total = n = *first_n;
	rows = *first;
	memset(count.want, 0, sizeof(count.want));
	arena_init(&scratch, query_rows_budget(&g->query));
	for (ok = true; ok && n == LIMIT_ROWS;) {
		int64_t after_id = rows[n - 1].id;

		arena_reset(&scratch);
		ok = index_search(
		    store, &count, after_id, &scratch, &rows, &n, why);
		if (ok)
			g->total += n;
	}
	arena_fini(&scratch);
	return ok;
}

static uint16_t
final_status(const struct get *g)
{
	if (g->cancelled)
		return STATUS_Cancel;
	if (g->failed > 0 && g->completed + g->warned == 0)
		return STATUS_OutOfResourcesSubOperations;
	if (g->failed > 0 || g->warned > 0)
		return STATUS_SubOperationsWarning;
	return STATUS_Success;
}

static bool
answer_end(struct get *g, struct err *e)
{
	struct session *s = g->session;
	struct dimse rsp = response(g, final_status(g));
	const struct assoc_context *context =
	    assoc_context(s->assoc, g->rq->context);
	struct dataset *list;
	struct buf out;
	bool ok;

	log_debug("dicom", "C-GET: %llu sent, %llu with warnings, %llu failed",
	    (unsigned long long)g->completed, (unsigned long long)g->warned,
	    (unsigned long long)g->failed);
	if (g->failed == 0)
		return dimse_send(s->assoc, &rsp, STR(""), e);
	list = dataset_new(&s->arena);
	buf_init(&out, 2 * FAILED_LIST_CAP);
	ok = list != NULL &&
	     dataset_put(list, TAG_FailedSOPInstanceUIDList, VR_UI,
		 buf_str(&g->failed_list)) &&
	     build_dataset(&out, list, context->layout, e);
	/* Without the list the counts still tell. */
	ok = dimse_send(s->assoc, &rsp, ok ? buf_str(&out) : STR(""), e);
	buf_fini(&out);
	return ok;
}

/* False: the association has ended. *why: the index failed. */
static bool
send_all(struct get *g, struct err *why, struct err *e)
{
	struct index_row *rows;
	int64_t after_id;
	size_t n;

	if (!count_all(g, &rows, &n, why))
		return true;
	for (;;) {
		if (!send_rows(g, rows, n, e))
			return false;
		if (g->cancelled || n < LIMIT_ROWS)
			return true;
		after_id = rows[n - 1].id;
		arena_reset(&g->rows);
		if (!index_search(g->session->store, &g->query.search, after_id,
			&g->rows, &rows, &n, why))
			return true;
	}
}

static bool
answer(struct session *s, const struct dimse *rq, struct str identifier,
    struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	enum query_model model =
	    str_eq_text(context->abstract,
		UID_StudyRootQueryRetrieveInformationModelGet)
		? QUERY_STUDY_ROOT
		: QUERY_PATIENT_ROOT;
	struct get g = {.session = s, .rq = rq};
	struct err why = {0};
	bool ok;

	if (!query_read_retrieve(
		&s->arena, model, identifier, context->layout, &g.query, &why))
		return service_fail(s, rq, &why, e);
	arena_init(&g.rows, query_rows_budget(&g.query));
	buf_init(&g.failed_list, FAILED_LIST_CAP);
	ok = send_all(&g, &why, e);
	if (ok && why.code != ERR_NONE)
		ok = service_fail(s, rq, &why, e);
	else if (ok)
		ok = answer_end(&g, e);
	buf_fini(&g.failed_list);
	arena_fini(&g.rows);
	return ok;
}

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	s->activity.gets++;
	return service_identifier(s, rq, answer, e);
}

const struct service service_get = {
    .name = "Retrieval",
    .command = C_GET_RQ,
    .pool = POOL_RETRIEVE,
    .serves = serves,
    .takes = service_takes_plain,
    .extended = extended,
    .serve = serve,
};
