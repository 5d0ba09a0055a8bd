/*
 * C-GET (PS3.4 C.4.3) as performer: the instances go out on the requester's
 * own association, as C-STORE sub-operations in the presentation contexts in
 * which the peer may be SCP: as they are stored where that syntax was
 * accepted, else converted to an accepted one if dicom/convert.h can (which is
 * tried before: a message that has begun cannot be taken back), else they count
 * as failed. While the peer digests one instance the next file is
 * opened and read ahead.
 */
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "service/client/outgoing.h"
#include "service/retrieve.h"

/* One sub-operation, made ready. */
struct get_item {
	const struct assoc_context *context; /* NULL: none serves */
	struct object_file file;             /* fd -1: not open */
	char sop_class[65], sop_instance[65];
};

struct get {
	struct session *session;
	const struct dimse *rq;
	struct retrieve retrieve;
	int64_t start_ms, stopped_ms; /* stopped 0: the server goes on */
	char why[65]; /* the first failure, for the peer's people */
};

/* After the server has said that it stops: for what is under way. */
#define STOP_GRACE_MS 2000

static bool
serves(struct str abstract)
{
	static const char *const classes[] = {
	    UID_PatientRootQueryRetrieveInformationModelGet,
	    UID_StudyRootQueryRetrieveInformationModelGet,
	    UID_PatientStudyOnlyQueryRetrieveInformationModelGet,
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(classes); i++)
		if (str_eq_text(abstract, classes[i]))
			return true;
	return false;
}

static void
note_why(struct get *g, const char *why)
{
	if (g->why[0] == '\0')
		(void)str_printable(g->why, sizeof(g->why), str_from(why));
}

/* Which class it is whose objects cannot be sent. It must have been proposed
 * with its role (PS3.7 D.3.3.4), which is often forgotten. */
static void
note_no_context(struct get *g, const struct get_item *item)
{
	const struct dict_uid *known = dict_uid(str_from(item->sop_class));
	char what[120];

	if (g->why[0] == '\0')
		log_warning("dicom",
		    "'%s' at %s cannot be given instances of %s: it did not "
		    "propose that class in a fitting syntax, with the SCP role",
		    g->session->assoc->calling,
		    g->session->assoc->conn->peer.address,
		    known != NULL ? known->name : item->sop_class);
	snprintf(what, sizeof(what), "no context, as SCP, for %.60s",
	    known != NULL ? known->name : item->sop_class);
	note_why(g, what);
}

/* Open the file and have its bytes on their way into memory. */
static void
prepare(struct get *g, const struct index_row *row, struct get_item *item)
{
	const struct session *s = g->session;
	struct err e;

	*item = (struct get_item){.file = {.fd = -1}};
	(void)str_copy(item->sop_class, sizeof(item->sop_class),
	    row->value[COLUMN_SOPClassUID]);
	(void)str_copy(item->sop_instance, sizeof(item->sop_instance),
	    row->value[COLUMN_SOPInstanceUID]);
	item->context = outgoing_context(
	    s->assoc, row->value[COLUMN_SOPClassUID], row->syntax);
	if (item->context == NULL) {
		note_no_context(g, item);
		return;
	}
	if (!object_open(
		s->store, (const char *)row->path.p, &item->file, &e)) {
		item->file.fd = -1;
		log_error("dicom", "cannot send instance %s: %s",
		    item->sop_instance, e.text);
		note_why(g, "a file cannot be read, see the archive's log");
		return;
	}
	outgoing_read_ahead(&item->file);
	if (outgoing_check(item->context, &item->file, &e))
		return;
	object_close(&item->file);
	item->file.fd = -1;
	log_error("dicom", "cannot send instance %s in %.*s: %s",
	    item->sop_instance, STR_ARG(item->context->syntax), e.text);
	note_why(g, "a file cannot be converted, see the archive's log");
}

static void
close_item(struct get_item *item)
{
	if (item->file.fd >= 0)
		object_close(&item->file);
	item->file.fd = -1;
}

static bool
send_item(
    struct get *g, const struct get_item *item, uint16_t id, struct err *e)
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
			g->retrieve.cancelled = true;
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

/* Its connection asks, while the peer keeps us waiting. */
static bool
stop(void *ctx)
{
	struct get *g = ctx;

	if (g->stopped_ms == 0 && service_stopping(g->session))
		g->stopped_ms = clock_mono_ms();
	return g->stopped_ms != 0 &&
	       clock_mono_ms() >= g->stopped_ms + STOP_GRACE_MS;
}

static bool
await_answer(
    struct get *g, const struct get_item *item, uint16_t id, struct err *e)
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
	if (m.status != STATUS_Success && !status_is_warning(m.status)) {
		log_warning("dicom", "'%s' refused instance %s: %s (%04X) %s",
		    g->session->assoc->calling, item->sop_instance,
		    status_name(m.status), (unsigned)m.status, m.comment);
		note_why(g, status_name(m.status));
	}
	retrieve_count(&g->retrieve, item->sop_instance, m.status);
	return true;
}

/* One batch. now: the item under way; next: opened while the peer answers. */
static bool
send_rows(struct get *g, const struct index_row *rows, size_t n, struct err *e)
{
	struct assoc *a = g->session->assoc;
	struct get_item now = {.file = {.fd = -1}}, next = now;
	bool ok = true;
	uint16_t id;
	size_t i;

	if (n > 0)
		prepare(g, &rows[0], &next);
	for (i = 0; i < n && ok; i++) {
		now = next;
		next.file.fd = -1;
		ok = retrieve_look(&g->retrieve, e) ||
		     service_gone(g->session, e);
		if (!ok || retrieve_over(&g->retrieve))
			break;
		if (now.file.fd >= 0) {
			id = a->next_message_id++;
			ok = send_item(g, &now, id, e);
			close_item(&now);
			if (i + 1 < n)
				prepare(g, &rows[i + 1], &next);
			ok = ok && await_answer(g, &now, id, e);
		} else {
			retrieve_count(&g->retrieve, now.sop_instance,
			    STATUS_ProcessingFailure);
			if (i + 1 < n)
				prepare(g, &rows[i + 1], &next);
		}
		ok = ok && retrieve_tell(&g->retrieve, e);
	}
	close_item(&now);
	close_item(&next);
	if (ok && g->retrieve.stopping && !g->retrieve.cancelled)
		retrieve_fail_rest(&g->retrieve, i);
	return ok;
}

/* False: the association has ended. *why: the index failed. */
static bool
send_all(struct get *g, struct err *why, struct err *e)
{
	struct retrieve *r = &g->retrieve;

	while (r->row_count > 0) {
		if (!send_rows(g, r->rows, r->row_count, e))
			return false;
		if (r->cancelled || r->stopping || !retrieve_next(r, why))
			break;
	}
	return true;
}

static void
record(const struct get *g)
{
	const struct retrieve *r = &g->retrieve;
	struct activity *row = &g->session->activity;
	long long took = (long long)(clock_mono_ms() - g->start_ms);

	snprintf(row->detail, sizeof(row->detail), "got %llu of %llu%s%s",
	    (unsigned long long)(r->completed + r->warned),
	    (unsigned long long)r->total, g->why[0] != '\0' ? ": " : "",
	    g->why);
	log_info("dicom",
	    "'%s' at %s got %llu of %llu instances in %lld ms: %llu with "
	    "warnings, %llu failed%s%s%s",
	    g->session->assoc->calling, row->address,
	    (unsigned long long)(r->completed + r->warned),
	    (unsigned long long)r->total, took, (unsigned long long)r->warned,
	    (unsigned long long)r->failed, r->cancelled ? "; cancelled" : "",
	    g->why[0] != '\0' ? "; " : "", g->why);
}

static bool
answer(struct session *s, const struct dimse *rq, struct str identifier,
    struct err *e)
{
	struct get g = {.session = s, .rq = rq, .start_ms = clock_mono_ms()};
	const struct conn_watch watch = {stop, &g};
	struct conn *c = s->assoc->conn;
	struct err why = {0};
	bool ok = true;

	c->watch = &watch;

	if (retrieve_init(&g.retrieve, s, rq, identifier, &why)) {
		ok = send_all(&g, &why, e);
		if (g.retrieve.stopping)
			note_why(&g, "the archive was stopped");
		record(&g);
	}
	if (ok && why.code != ERR_NONE)
		ok = service_fail(s, rq, &why, e);
	else if (ok)
		ok = retrieve_answer(
		    &g.retrieve, g.why[0] != '\0' ? g.why : NULL, e);
	c->watch = NULL;
	retrieve_fini(&g.retrieve);
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
    .extended = retrieve_extended,
    .serve = serve,
};
