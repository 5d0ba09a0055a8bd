/*
 * Requests: sending, waiting, cancelling.
 */
#include "service/client/request.h"

#include "base/clock.h"
#include "dicom/build.h"
#include "service/client/account.h"

/* How often the caller is asked whether to stop while a peer is silent. */
#define ASK_MS 200

static bool
send_request(struct request *r, struct err *e)
{
	struct dimse m = {.context = r->context->id,
	    .command = r->command,
	    .message_id = r->id};
	struct buf identifier;
	bool ok;

	(void)str_copy(m.sop_class, sizeof(m.sop_class), r->context->abstract);
	if (r->q->destination != NULL)
		(void)str_copy(m.destination, sizeof(m.destination),
		    str_from(r->q->destination));
	buf_init(&identifier, LIMIT_IDENTIFIER);
	ok =
	    build_dataset(&identifier, r->q->identifier, r->context->layout, e);
	if (!ok)
		(void)fail_in(e, "the identifier");
	else if (identifier.n == 0)
		ok = fail(e, ERR_USAGE, "the identifier is empty");
	else
		ok = dimse_send(r->a, &m, buf_str(&identifier), e);
	buf_fini(&identifier);
	return ok;
}

static void
count(const struct assoc *a, uint16_t command)
{
	struct activity *row = account(a);

	row->finds += command == C_FIND_RQ;
	row->gets += command == C_GET_RQ;
	row->moves += command == C_MOVE_RQ;
}

bool
request_begin(struct request *r, uint16_t command, struct err *e)
{
	r->context = assoc_find_context(r->a, str_from(r->q->model), STR(""));
	if (r->context == NULL)
		return fail(e, ERR_UNSUPPORTED,
		    "%s was not accepted for this information model",
		    dimse_command_name(command));
	*r->end = (struct client_end){0};
	r->command = command;
	r->id = r->a->next_message_id++;
	count(r->a, command);
	return send_request(r, e);
}

bool
request_cancel(struct request *r, struct err *e)
{
	struct dimse m = {.context = r->context->id,
	    .command = C_CANCEL_RQ,
	    .message_id = r->id};

	if (r->cancelled)
		return true;
	r->cancelled = true;
	if (!dimse_send(r->a, &m, STR(""), e))
		return false;
	r->a->conn->hard_deadline_ms =
	    clock_mono_ms() + r->a->conn->progress_ms;
	return true;
}

static bool
gave_up(struct request *r, enum err_code code, struct err *e)
{
	assoc_abort(r->a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	if (r->cancelled)
		return fail(e, ERR_CANCELLED,
		    "cancelled; the node did not end its answers");
	return fail(
	    e, code, "no answer to the %s", dimse_command_name(r->command));
}

/* Wait for the next message to begin. */
static bool
await(struct request *r, struct err *e)
{
	struct conn *c = r->a->conn;
	int patience =
	    r->q->patience_ms > 0 ? r->q->patience_ms : c->progress_ms;
	int64_t until = clock_mono_ms() + patience, left;

	for (;;) {
		if (!r->cancelled && r->q->stop != NULL &&
		    r->q->stop(r->q->ctx) && !request_cancel(r, e))
			return false;
		if (r->cancelled && c->hard_deadline_ms < until)
			until = c->hard_deadline_ms;
		left = until - clock_mono_ms();
		if (left <= 0)
			return gave_up(r, ERR_TIMEOUT, e);
		if (r->q->stop != NULL && left > ASK_MS)
			left = ASK_MS;
		if (conn_wait(c, (int)left))
			return true;
	}
}

bool
request_refuse(struct request *r, const struct dimse *rq, uint16_t status,
    const char *comment, struct err *e)
{
	struct dimse rsp = dimse_response(rq, status);

	if (comment != NULL)
		dimse_comment(&rsp, comment);
	return dimse_drain(r->a, e) && dimse_send(r->a, &rsp, STR(""), e);
}

/* PS3.7 C.5 for what we did not offer to do. */
static bool
refuse_stray(struct request *r, const struct dimse *m, struct err *e)
{
	if (m->command == C_ECHO_RQ)
		return request_refuse(r, m, STATUS_Success, NULL, e);
	if ((m->command & 0x0100) != 0)
		return request_refuse(r, m, STATUS_NoSuchSOPClass,
		    "this side is a client of this association", e);
	return request_refuse(r, m, STATUS_SOPClassNotSupported,
	    "this side is a client of this association", e);
}

static bool
violated(struct request *r, const struct dimse *m, struct err *e)
{
	assoc_abort(r->a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	return fail(e, ERR_PROTOCOL,
	    "a %s for message %u came, while %s %u is under way",
	    dimse_command_name(m->command), (unsigned)m->message_id,
	    dimse_command_name(r->command), (unsigned)r->id);
}

static bool
flooded(struct request *r, const struct dimse *m, struct err *e)
{
	assoc_abort(r->a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	return fail(e, ERR_PROTOCOL,
	    "a flood of requests from the node, a %s the last",
	    dimse_command_name(m->command));
}

static bool
is_answer(const struct request *r, const struct dimse *m)
{
	return m->command == (r->command | 0x8000) && m->message_id == r->id &&
	       m->context == r->context->id;
}

/* Reading failed after a C-CANCEL because its time was over. */
static bool
broke(struct request *r, struct err *e)
{
	if (r->cancelled && e->code == ERR_TIMEOUT)
		return fail(e, ERR_CANCELLED,
		    "cancelled; the node did not end its answers");
	return false;
}

bool
request_next(struct request *r, struct dimse *m, struct err *e)
{
	for (;;) {
		if (r->a->message_open && !dimse_drain(r->a, e))
			return broke(r, e);
		if (!await(r, e))
			return false;
		if (!dimse_read(r->a, m, e))
			return broke(r, e);
		if (is_answer(r, m) ||
		    (r->takes_stores && m->command == C_STORE_RQ)) {
			r->strays = 0;
			return true;
		}
		if (m->is_response)
			return violated(r, m, e);
		if (++r->strays > LIMIT_BARREN)
			return flooded(r, m, e);
		/* Nothing of the peer's is under way that it could cancel. */
		if (m->command != C_CANCEL_RQ && !refuse_stray(r, m, e))
			return broke(r, e);
	}
}

void
request_note(struct request *r, const struct dimse *m)
{
	struct client_end *end = r->end;

	end->status = m->status;
	(void)str_copy(
	    end->comment, sizeof(end->comment), str_from(m->comment));
	if (!m->has_counts)
		return;
	end->has_counts = true;
	end->remaining = m->remaining;
	end->completed = m->completed;
	end->failed = m->failed;
	end->warning = m->warning;
}

bool
request_tell(struct request *r, const struct dataset *identifier, struct err *e)
{
	if (r->cancelled || r->q->answer == NULL)
		return true;
	if (r->q->answer(r->q->ctx, identifier, r->end))
		return true;
	return request_cancel(r, e);
}

bool
request_read(struct request *r, const struct dimse *m, struct dataset **out,
    struct err *e)
{
	struct buf bytes;
	struct err ignored;
	bool ok;

	*out = NULL;
	arena_reset(r->q->arena);
	if (!m->has_data)
		return true;
	buf_init(&bytes, LIMIT_IDENTIFIER);
	ok = dimse_read_all(r->a, &bytes, e);
	if (ok) {
		if (bytes.n == 0 || !dataset_read(r->q->arena, buf_str(&bytes),
					r->context->layout, LIMIT_HEADER_VALUE,
					0, out, &ignored))
			*out = NULL;
	} else if (e->code == ERR_LIMIT && r->a->end == ASSOC_OPEN) {
		ok = true;
	} else {
		(void)broke(r, e);
	}
	buf_fini(&bytes);
	return ok;
}
