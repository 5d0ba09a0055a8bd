/*
 * Storage commitment (PS3.4 Annex J), the Push Model, in both roles.
 *
 * As provider: an N-ACTION is answered with success once its row is flushed
 * (table commitment) and a job is there that will see it through. Then the
 * same worker, of the small retrieve pool, looks for the outcome, until that
 * is found, LOOK_MS or LOOK_BYTES are spent, or the peer says something and
 * has waited for POLITE_MS. What is found in that time goes out on the same
 * association as soon as that is idle (commitment/report.h). Everything else
 * is the job's: it waits REPORT_DELAY_MS for the association to do it, then
 * looks itself and opens an association to the node that asked, again and
 * again if need be. A peer that is no known node, or does not listen, is told
 * when it associates again.
 *
 * The same transaction again is answered again, and looked into anew.
 *
 * As user: the N-EVENT-REPORT for what we have asked of another archive is
 * taken on any association of its AE title, also where it did not negotiate
 * its role, and kept in the row, for the job that waits (job_commit.c).
 */
#include "service/commitment/report.h"
#include "service/commitment/result.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/table/job.h"

#define LOOK_MS         2000
#define POLITE_MS       200
#define LOOK_BYTES      (1 * GIB)
#define REPORT_DELAY_MS 3000

struct look {
	struct conn *conn;
	int64_t polite_ms, until_ms;
};

static bool
serves(struct str abstract)
{
	return str_eq_text(abstract, UID_StorageCommitmentPushModel);
}

/* Read the data set and answer it: as service_identifier(), with the statuses
 * of these services and an arena for lists that are longer than identifiers. */
typedef bool answer_fn(struct session *s, const struct dimse *rq,
    struct arena *a, struct str bytes, struct err *e);

static bool
refuse(struct session *s, const struct dimse *rq, uint16_t status,
    const char *why, struct err *e)
{
	log_warning("dicom", "%s of '%s' at %s refused (%04X): %s",
	    dimse_command_name(rq->command), s->assoc->calling,
	    s->assoc->conn->peer.address, (unsigned)status, why);
	return service_refuse(s, rq, status, why, e);
}

/* PS3.7 10.1.1.1.8 and 10.1.4.1.10: the statuses these services know. */
static uint16_t
status_of(const struct err *why)
{
	switch (why->code) {
	case ERR_MALFORMED:
		return STATUS_InvalidArgumentValue;
	case ERR_LIMIT:
	case ERR_FULL:
		return STATUS_ResourceLimitation;
	case ERR_MISSING:
		return STATUS_NoSuchInstance;
	default:
		return STATUS_ProcessingFailure;
	}
}

static bool
refuse_because(struct session *s, const struct dimse *rq, const struct err *why,
    struct err *e)
{
	uint16_t status = status_of(why);

	if (why->code == ERR_IO || why->code == ERR_CORRUPT) {
		log_error("dicom", "%s of '%s': %s",
		    dimse_command_name(rq->command), s->assoc->calling,
		    why->text);
		return service_refuse(s, rq, status,
		    "processing failure, see the log of the archive", e);
	}
	return refuse(s, rq, status, why->text, e);
}

static bool
with_information(
    struct session *s, const struct dimse *rq, answer_fn *answer, struct err *e)
{
	struct buf bytes;
	struct arena a;
	struct err why;
	bool ok = false;

	arena_init(&a, REFERENCES_ARENA);
	buf_init(&bytes, LIMIT_IDENTIFIER);
	if (dimse_read_all(s->assoc, &bytes, e)) {
		ok = answer(s, rq, &a, buf_str(&bytes), e);
	} else if (e->code == ERR_LIMIT && s->assoc->end == ASSOC_OPEN) {
		why = *e;
		ok = refuse_because(s, rq, &why, e);
	}
	buf_fini(&bytes);
	arena_fini(&a);
	return ok;
}

/* A job that will see it through: the one of the same request made before
 * while it has not ended, or a new one. */
static bool
find_job(
    struct store *store, struct commitment *c, struct arena *a, struct err *e)
{
	struct job job = {
	    .kind = "report", .next_ms = c->asked_ms + REPORT_DELAY_MS};
	struct job_item item = {.done = false};
	struct commitment before;

	if (commitment_find(
		store, false, c->ae, c->transaction, a, &before, e) &&
	    job_find(store, before.job, a, &job, e) &&
	    (job.state == JOB_WAITING || job.state == JOB_RUNNING)) {
		c->job = before.job;
		return true;
	}
	if (e->code != ERR_MISSING && e->code != ERR_NONE)
		return false;
	job = (struct job){
	    .kind = "report", .next_ms = c->asked_ms + REPORT_DELAY_MS};
	(void)str_printable(job.node, sizeof(job.node), str_from(c->ae));
	job.detail = STR("{}");
	memcpy(item.name, c->transaction, sizeof(item.name));
	return job_add(store, &job, &item, 1, &c->job, e);
}

/* The request is on disk when this returns true. */
static bool
accept_request(struct session *s, const struct references *r, struct arena *a,
    struct commitment *c, struct buf *text, struct err *e)
{
	const struct assoc *assoc = s->assoc;

	*c = (struct commitment){.asked_ms = clock_utc_ms()};
	(void)str_copy(c->ae, sizeof(c->ae), str_from(assoc->calling));
	(void)str_copy(c->title, sizeof(c->title), str_from(assoc->called));
	(void)str_copy(c->address, sizeof(c->address),
	    str_from(assoc->conn->peer.address));
	memcpy(c->transaction, r->transaction, sizeof(c->transaction));
	references_to_text(r, text);
	must(!text->over);
	c->items = buf_str(text);
	e->code = ERR_NONE;
	return find_job(s->store, c, a, e) &&
	       commitment_put(s->store, c, &c->id, e);
}

static bool
looked_enough(void *ctx, uint64_t bytes)
{
	const struct look *l = ctx;

	int64_t now = clock_mono_ms();

	return bytes > LOOK_BYTES || now > l->until_ms ||
	       (now > l->polite_ms && conn_readable(l->conn));
}

static void
look(struct session *s, struct commitment *c, struct arena *a)
{
	int64_t now = clock_mono_ms();
	struct look l = {s->assoc->conn, now + POLITE_MS, now + LOOK_MS};
	struct verify v = {.store = s->store, .stop = looked_enough, .ctx = &l};
	struct references r;
	struct err why;

	if (!report_settle(s->store, c, &v, a, &r, &why) &&
	    why.code != ERR_CANCELLED)
		log_error("dicom", "storage commitment %s of '%s': %s",
		    c->transaction, c->ae, why.text);
	report_soon(s);
}

static bool
take_request(struct session *s, const struct dimse *rq, struct arena *a,
    struct str bytes, struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	struct references r;
	struct commitment c;
	struct buf text;
	struct err why;
	bool ok;

	if (!references_read_action(a, bytes, context->layout, &r, &why))
		return refuse_because(s, rq, &why, e);
	buf_init(&text, REFERENCES_ARENA);
	if (!accept_request(s, &r, a, &c, &text, &why))
		ok = refuse_because(s, rq, &why, e);
	else
		ok = service_answer(s, rq, STATUS_Success, NULL, e);
	if (ok && c.id != 0) {
		arena_reset(a);
		look(s, &c, a);
	}
	buf_fini(&text);
	return ok;
}

/* What is wrong with a request before its data set is read; 0: nothing. */
static uint16_t
objection(const struct dimse *rq, uint16_t no_such_type, bool known_type,
    const char **why)
{
	*why = "the well-known SOP Instance is 1.2.840.10008.1.20.1.1";
	if (!str_eq_text(str_from(rq->sop_instance),
		UID_StorageCommitmentPushModelInstance))
		return STATUS_NoSuchInstance;
	*why = "no such Action or Event Type in storage commitment";
	if (!known_type)
		return no_such_type;
	*why = "a data set is needed";
	return rq->has_data ? STATUS_Success : STATUS_InvalidArgumentValue;
}

static bool
serve_request(struct session *s, const struct dimse *rq, struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	const char *why;
	uint16_t status;

	if (!context->peer_scu)
		return refuse(s, rq, STATUS_UnrecognizedOperation,
		    "the SCU role was not negotiated", e);
	status = objection(rq, STATUS_NoSuchActionType,
	    rq->event_or_action == COMMITMENT_REQUEST, &why);
	if (status != STATUS_Success)
		return refuse(s, rq, status, why, e);
	return with_information(s, rq, take_request, e);
}

const struct service service_commitment = {
    .name = "Storage Commitment",
    .command = N_ACTION_RQ,
    .pool = POOL_RETRIEVE,
    .serves = serves,
    .takes = service_takes_plain,
    .serve = serve_request,
};

static bool
take_result(struct session *s, const struct dimse *rq, struct arena *a,
    struct str bytes, struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	const char *peer =
	    s->assoc->requestor ? s->assoc->called : s->assoc->calling;
	struct err why;

	if (!result_take(s->store, peer, bytes, context->layout, a, &why)) {
		/* The SOP Instance is known; the transaction is not. */
		if (why.code == ERR_MISSING)
			why.code = ERR_MALFORMED;
		return refuse_because(s, rq, &why, e);
	}
	return service_answer(s, rq, STATUS_Success, NULL, e);
}

static bool
serve_result(struct session *s, const struct dimse *rq, struct err *e)
{
	const char *why;
	uint16_t status = objection(rq, STATUS_NoSuchEventType,
	    rq->event_or_action == COMMITMENT_COMPLETE ||
		rq->event_or_action == COMMITMENT_FAILURES,
	    &why);

	if (status != STATUS_Success)
		return refuse(s, rq, status, why, e);
	return with_information(s, rq, take_result, e);
}

const struct service service_commitment_result = {
    .name = "Storage Commitment Result",
    .command = N_EVENT_REPORT_RQ,
    .pool = POOL_RETRIEVE,
    .serves = serves,
    .takes = service_takes_plain,
    .serve = serve_result,
};
