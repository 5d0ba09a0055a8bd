/*
 * Modality Performed Procedure Steps as provider (PS3.4 F.7 and F.8): N-CREATE
 * and N-SET of the modality, N-GET of whoever wants to know.
 *
 * A step, and what it says of the items of the worklist, is on disk before the
 * answer leaves (store/worklist/mpps.h). Two N-SETs of one step at once: the
 * later one is applied to what the first has left.
 */
#include "service/service.h"

#include "base/log.h"
#include "dicom/value.h"
#include "service/worklist/performed.h"

/* PS3.4 Table F.7.2-2. */
#define NO_LONGER    "Performed Procedure Step Object may no longer be updated"
#define NO_LONGER_ID 0xa710
/* N-SETs of one step that meet are applied anew so many times. */
#define ATTEMPTS 200

/* Answers a request, and its data set. rsp is to be sent. */
typedef bool answer_fn(struct session *s, const struct dimse *rq,
    struct str bytes, struct arena *a, struct dimse *rsp, struct err *e);

static bool
serves(struct str abstract)
{
	return str_eq_text(abstract, UID_ModalityPerformedProcedureStep);
}

static bool
serves_retrieve(struct str abstract)
{
	return str_eq_text(
	    abstract, UID_ModalityPerformedProcedureStepRetrieve);
}

static void
refuse(struct dimse *rsp, uint16_t status, const char *why)
{
	rsp->status = status;
	dimse_comment(rsp, why);
}

/* The store could not. */
static void
refuse_because(struct dimse *rsp, const struct err *why)
{
	uint16_t status = STATUS_ProcessingFailure;

	if (why->code == ERR_LIMIT || why->code == ERR_FULL)
		status = STATUS_ResourceLimitation;
	else if (why->code == ERR_MISSING)
		status = STATUS_NoSuchInstance;
	else if (why->code == ERR_CONFLICT)
		status = STATUS_DuplicateSOPInstance;
	if (why->code == ERR_IO || why->code == ERR_CORRUPT)
		log_error("dicom", "performed procedure step %s: %s",
		    rsp->sop_instance, why->text);
	refuse(rsp, status, service_comment(why));
}

static bool
send_answer(struct session *s, const struct dimse *rq, const struct dimse *rsp,
    struct str data, struct err *e)
{
	const char *name = dimse_command_name(rq->command);

	if (rsp->status != STATUS_Success) {
		log_warning("dicom",
		    "%s of '%s' at %s for the procedure step '%s': %s (%04X)"
		    "%s%s",
		    name, s->assoc->calling, s->assoc->conn->peer.address,
		    rsp->sop_instance, status_name(rsp->status),
		    (unsigned)rsp->status, rsp->comment[0] != '\0' ? ": " : "",
		    rsp->comment);
		(void)str_copy(s->activity.detail, sizeof(s->activity.detail),
		    str_from(rsp->comment));
	} else if (s->config.debug) {
		log_info("dicom", "'%s' %s: message %u: %s", s->assoc->calling,
		    name, (unsigned)rq->message_id, rsp->sop_instance);
	}
	return dimse_send(s->assoc, rsp, data, e);
}

static bool
serve_with(
    struct session *s, const struct dimse *rq, answer_fn *answer, struct err *e)
{
	struct dimse rsp = dimse_response(rq, STATUS_Success);
	struct buf bytes;
	struct arena a;
	bool ok = true;

	arena_init(&a, PERFORMED_ARENA);
	buf_init(&bytes, LIMIT_IDENTIFIER);
	if (!dimse_read_all(s->assoc, &bytes, e)) {
		ok = e->code == ERR_LIMIT && s->assoc->end == ASSOC_OPEN;
		refuse(&rsp, STATUS_ResourceLimitation,
		    "the procedure step is too large");
		if (ok)
			ok = send_answer(s, rq, &rsp, STR(""), e);
	} else {
		ok = answer(s, rq, buf_str(&bytes), &a, &rsp, e);
	}
	buf_fini(&bytes);
	arena_fini(&a);
	return ok;
}

static void
say(const struct session *s, const struct mpps *m,
    const struct mpps_outcome *outcome)
{
	static const char *const words[] = {
	    [MPPS_IN_PROGRESS] = "in progress",
	    [MPPS_COMPLETED] = "completed",
	    [MPPS_DISCONTINUED] = "discontinued",
	};

	log_info("worklist",
	    "procedure step %s of '%s' is %s: worklist items %zu, changed %zu%s",
	    m->uid, s->assoc->calling, words[m->state], outcome->linked,
	    outcome->changed,
	    outcome->linked == 0 ? " (unscheduled; kept until one comes)" : "");
}

static bool
create(struct session *s, const struct dimse *rq, struct str bytes,
    struct arena *a, struct dimse *rsp, struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	struct item_watch watch = notify_watch(&s->config.arrival.notify);
	struct mpps_outcome outcome;
	struct mpps m;
	struct err why;

	if (!performed_create(a, bytes, context->layout, &m, rsp))
		return send_answer(s, rq, rsp, STR(""), e);
	/* PS3.7 10.1.5.1.4: who names none gets one. */
	if (rsp->sop_instance[0] == '\0')
		uid_new(rsp->sop_instance);
	memcpy(m.uid, rsp->sop_instance, sizeof(m.uid));
	(void)str_copy(m.ae, sizeof(m.ae), str_from(s->assoc->calling));
	if (mpps_create(s->store, &m, &watch, &outcome, &why))
		say(s, &m, &outcome);
	else
		refuse_because(rsp, &why);
	return send_answer(s, rq, rsp, STR(""), e);
}

/* One attempt; false with ERR_CONFLICT: the step was changed meanwhile. What
 * else is wrong stands in rsp. */
static bool
set_once(struct session *s, const struct dimse *rq, struct str bytes,
    struct arena *a, struct dimse *rsp, struct err *why)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	struct item_watch watch = notify_watch(&s->config.arrival.notify);
	struct mpps_outcome outcome;
	struct mpps m;

	*rsp = dimse_response(rq, STATUS_Success);
	if (!mpps_find(s->store, rq->sop_instance, a, &m, why)) {
		refuse_because(rsp, why);
		return true;
	}
	if (m.state != MPPS_IN_PROGRESS) {
		refuse(rsp, STATUS_ProcessingFailure, NO_LONGER);
		rsp->error_id = NO_LONGER_ID;
		return true;
	}
	if (!performed_set(a, &m, bytes, context->layout, rsp))
		return true;
	if (mpps_update(s->store, &m, &watch, &outcome, why)) {
		if (m.state != MPPS_IN_PROGRESS)
			say(s, &m, &outcome);
		return true;
	}
	refuse_because(rsp, why);
	return why->code != ERR_CONFLICT;
}

static bool
set(struct session *s, const struct dimse *rq, struct str bytes,
    struct arena *a, struct dimse *rsp, struct err *e)
{
	struct err why;
	size_t i;

	for (i = 0; i < ATTEMPTS; i++) {
		arena_reset(a);
		if (set_once(s, rq, bytes, a, rsp, &why))
			break;
		refuse(rsp, STATUS_ProcessingFailure, why.text);
	}
	return send_answer(s, rq, rsp, STR(""), e);
}

static bool
get(struct session *s, const struct dimse *rq, struct str bytes,
    struct arena *a, struct dimse *rsp, struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	struct buf data;
	struct mpps m;
	struct err why;
	bool ok;

	(void)bytes;
	buf_init(&data, 2 * LIMIT_IDENTIFIER);
	if (!mpps_find(s->store, rq->sop_instance, a, &m, &why))
		refuse_because(rsp, &why);
	else if (!performed_get(a, &m, rq, context->layout, &data, rsp))
		buf_clear(&data);
	rsp->has_data = data.n > 0;
	ok = send_answer(s, rq, rsp, buf_str(&data), e);
	buf_fini(&data);
	return ok;
}

/* Before the data set is read. */
static bool
has_bad_name(const struct dimse *rq)
{
	struct str uid = str_from(rq->sop_instance);
	size_t i;

	for (i = 0; i < uid.n; i++)
		if (uid.p[i] != '.' && (uid.p[i] < '0' || uid.p[i] > '9'))
			return true;
	return rq->sop_instance_long ||
	       (uid.n == 0 && rq->command != N_CREATE_RQ);
}

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	answer_fn *answer = rq->command == N_CREATE_RQ ? create
			    : rq->command == N_SET_RQ  ? set
						       : get;

	if (has_bad_name(rq))
		return service_refuse(s, rq, STATUS_InvalidObjectInstance,
		    "the SOP Instance UID is not valid", e);
	return serve_with(s, rq, answer, e);
}

const struct service service_mpps_create = {
    .name = "Modality Performed Procedure Step",
    .command = N_CREATE_RQ,
    .pool = POOL_STORE,
    .serves = serves,
    .takes = service_takes_plain,
    .serve = serve,
};

const struct service service_mpps_set = {
    .name = "Modality Performed Procedure Step",
    .command = N_SET_RQ,
    .pool = POOL_STORE,
    .serves = serves,
    .takes = service_takes_plain,
    .serve = serve,
};

const struct service service_mpps_get = {
    .name = "Modality Performed Procedure Step Retrieve",
    .command = N_GET_RQ,
    .pool = POOL_STORE,
    .serves = serves_retrieve,
    .takes = service_takes_plain,
    .serve = serve,
};
