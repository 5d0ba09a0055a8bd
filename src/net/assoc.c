/*
 * Associations: their states, their orderly and disorderly ends. Accepting
 * and requesting stand in assoc_accept.c and assoc_request.c.
 *
 * After an A-ABORT or A-ASSOCIATE-RJ of ours (Sta13) the peer gets
 * ASSOC_CLOSE_MS to close: closing at once with its bytes unread would send a
 * reset, which can destroy the PDU that says why.
 */
#include "net/assoc.h"

#include "base/clock.h"
#include "base/rd.h"

struct assoc *
assoc_new(struct conn *c, bool requestor)
{
	struct assoc *a = must_zalloc(sizeof(*a));

	a->conn = c;
	a->requestor = requestor;
	a->state = UL_STA1;
	a->next_message_id = 1;
	a->async_invoked = a->async_performed = 1;
	arena_init(&a->arena, LIMIT_ASSOC_ARENA);
	buf_init(&a->command, LIMIT_COMMAND_SET);
	buf_init(&a->out, 2 * LIMIT_PDU_OUT);
	return a;
}

enum ul_action
assoc_step(struct assoc *a, enum ul_event event)
{
	struct ul_step step = ul_step(a->state, event, a->requestor);

	a->state = step.next;
	if (step.action != UL_NONE)
		return step.action;
	a->state = UL_STA13;
	return UL_AA_8;
}

enum ul_event
assoc_event(uint8_t pdu_type)
{
	switch (pdu_type) {
	case PDU_ASSOCIATE_RQ:
		return UL_EVT6;
	case PDU_ASSOCIATE_AC:
		return UL_EVT3;
	case PDU_ASSOCIATE_RJ:
		return UL_EVT4;
	case PDU_DATA_TF:
		return UL_EVT10;
	case PDU_RELEASE_RQ:
		return UL_EVT12;
	case PDU_RELEASE_RP:
		return UL_EVT13;
	case PDU_ABORT:
		return UL_EVT16;
	default:
		return UL_EVT19;
	}
}

/* The A-ABORT itself, which must not keep a worker long: a peer that does not
 * read gets none. */
static void
send_abort(struct assoc *a, uint8_t source, uint8_t reason)
{
	struct buf pdu;
	struct err ignored;

	if (a->unsendable)
		return;
	a->unsendable = true;
	buf_init(&pdu, 64);
	pdu_abort_build(&pdu, source, reason);
	conn_message_end(a->conn);
	a->conn->hard_deadline_ms = clock_mono_ms() + ASSOC_CLOSE_MS;
	(void)!conn_write(a->conn, buf_str(&pdu), &ignored);
	buf_fini(&pdu);
}

bool
assoc_violated(struct assoc *a, uint8_t reason)
{
	if (a->end != ASSOC_OPEN)
		return false;
	a->state = UL_STA13;
	a->end = ASSOC_ABORTED_BY_US;
	send_abort(a, ABORT_BY_PROVIDER, reason);
	conn_finish(a->conn, ASSOC_CLOSE_MS);
	return false;
}

bool
assoc_unread(struct assoc *a, struct err *e)
{
	if (a->end != ASSOC_OPEN)
		return false;
	a->end = ASSOC_LOST;
	if (e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED) {
		/* Before the request is complete there is nobody to tell:
		 * ARTIM expired is AA-2. */
		if (a->state != UL_STA2)
			send_abort(a, ABORT_BY_PROVIDER, ABORT_NOT_SPECIFIED);
		if (e->code == ERR_CANCELLED)
			a->end = ASSOC_ABORTED_BY_US;
	} else if (e->code == ERR_CLOSED) {
		(void)fail(e, ERR_CLOSED, "the peer closed the connection");
	}
	a->unsendable = true;
	a->state = UL_STA1;
	return false;
}

bool
assoc_aborted(struct assoc *a, const uint8_t body[4], struct err *e)
{
	uint8_t source = ABORT_BY_USER, reason = 0;

	(void)pdu_abort_parse(str_of(body, 4), &source, &reason, e);
	a->state = UL_STA1;
	a->end = ASSOC_ABORTED_BY_PEER;
	a->unsendable = true;
	return fail(e, ERR_CLOSED, "%s", pdu_abort_text(source, reason));
}

/* An A-ABORT among the whole PDUs that lie unread. */
static bool
find_abort(struct assoc *a, uint8_t body[4])
{
	struct str all = {NULL, 0}, found;
	struct err ignored;
	bool bad = false;
	struct rd r;
	uint8_t type;
	uint32_t n;

	/* False at the end of the stream, and all is set nevertheless. */
	(void)!conn_look(a->conn, &all, &ignored);
	r = rd_over(all, &bad);
	rd_skip(&r, a->pdu_left);
	while (rd_more(&r)) {
		type = rd_u8(&r);
		rd_skip(&r, 1);
		n = rd_u32be(&r);
		found = rd_take(&r, n);
		if (!bad && type == PDU_ABORT && n == 4) {
			memcpy(body, found.p, 4);
			return true;
		}
	}
	return false;
}

bool
assoc_unsent(struct assoc *a, struct err *e)
{
	uint8_t body[4];

	if (a->end != ASSOC_OPEN)
		return false;
	/* Part of a PDU may be out: an A-ABORT would be taken for its rest. */
	a->unsendable = true;
	if (e->code == ERR_CLOSED && find_abort(a, body))
		return assoc_aborted(a, body, e);
	return assoc_unread(a, e);
}

bool
assoc_send(struct assoc *a, const struct buf *pdu, struct err *e)
{
	must(!pdu->over);
	if (conn_write(a->conn, buf_str(pdu), e))
		return true;
	return assoc_unsent(a, e);
}

void
assoc_gather(struct assoc *a)
{
	conn_hold(a->conn);
}

bool
assoc_flush(struct assoc *a, struct err *e)
{
	struct err why;

	if (conn_release(a->conn, &why) || a->end != ASSOC_OPEN)
		return true;
	*e = why;
	return assoc_unsent(a, e);
}

bool
assoc_read_header(struct assoc *a, struct assoc_header *h, struct err *e)
{
	uint8_t bytes[PDU_HEADER];
	bool bad = false;
	struct rd r;

	if (!conn_read(a->conn, bytes, sizeof(bytes), e))
		return assoc_unread(a, e);
	r = rd_over(str_of(bytes, sizeof(bytes)), &bad);
	h->type = rd_u8(&r);
	rd_skip(&r, 1);
	h->length = rd_u32be(&r);
	memset(h->body, 0, sizeof(h->body));
	if (h->type < PDU_ASSOCIATE_RJ || h->type == PDU_DATA_TF ||
	    h->type > PDU_ABORT)
		return true;
	if (h->length == sizeof(h->body)) {
		if (!conn_read(a->conn, h->body, sizeof(h->body), e))
			return assoc_unread(a, e);
	} else if (h->type != PDU_ABORT) {
		h->type = 0;
	}
	return true;
}

static bool
send_release(struct assoc *a, enum pdu_type type, struct err *e)
{
	struct buf pdu;
	bool ok;

	buf_init(&pdu, 64);
	pdu_release_build(&pdu, type);
	ok = assoc_send(a, &pdu, e);
	buf_fini(&pdu);
	return ok;
}

/* AA-8 for what came as h. */
static bool
unforeseen(struct assoc *a, const struct assoc_header *h, struct err *e)
{
	if (assoc_event(h->type) == UL_EVT19) {
		(void)fail(e, ERR_PROTOCOL, "a PDU that is none: type %u",
		    (unsigned)h->type);
		return assoc_violated(a, ABORT_UNRECOGNIZED_PDU);
	}
	(void)fail(
	    e, ERR_PROTOCOL, "an unexpected PDU of type %u", (unsigned)h->type);
	return assoc_violated(a, ABORT_UNEXPECTED_PDU);
}

bool
assoc_next_data(struct assoc *a, uint32_t *length, struct err *e)
{
	struct assoc_header h;

	if (a->end != ASSOC_OPEN)
		return fail(e, ERR_CLOSED, "the association has ended: %s",
		    assoc_end_text(a->end));
	if (!assoc_read_header(a, &h, e))
		return false;
	switch (assoc_step(a, assoc_event(h.type))) {
	case UL_DT_2:
		*length = h.length;
		return true;
	case UL_AR_2:
		(void)assoc_step(a, UL_EVT14);
		if (!send_release(a, PDU_RELEASE_RP, e))
			return false;
		a->end = ASSOC_RELEASED;
		a->unsendable = true;
		return fail(e, ERR_CLOSED, "the peer released the association");
	case UL_AA_3:
		return assoc_aborted(a, h.body, e);
	default:
		return unforeseen(a, &h, e);
	}
}

/* Data that came while we wait for the answer to our release. */
static bool
drop_data(struct assoc *a, uint32_t n, struct err *e)
{
	struct str part;

	while (n > 0) {
		if (!conn_take(a->conn, n, &part, e))
			return assoc_unread(a, e);
		n -= (uint32_t)part.n;
	}
	return true;
}

/* One PDU on the way to the end of a release. */
static bool
release_step(struct assoc *a, struct err *e)
{
	struct assoc_header h;

	if (!assoc_read_header(a, &h, e))
		return false;
	switch (assoc_step(a, assoc_event(h.type))) {
	case UL_AR_3:
		a->end = ASSOC_RELEASED;
		return true;
	case UL_AR_6:
		return drop_data(a, h.length, e);
	case UL_AR_8:
		/* The acceptor's side waits for its own answer first. */
		if (a->state == UL_STA10)
			return true;
		(void)assoc_step(a, UL_EVT14);
		return send_release(a, PDU_RELEASE_RP, e);
	case UL_AR_10:
		(void)assoc_step(a, UL_EVT14);
		if (!send_release(a, PDU_RELEASE_RP, e))
			return false;
		a->end = ASSOC_RELEASED;
		return true;
	case UL_AA_3:
		return assoc_aborted(a, h.body, e);
	default:
		return unforeseen(a, &h, e);
	}
}

bool
assoc_release(struct assoc *a, struct err *e)
{
	if (a->end != ASSOC_OPEN || a->state != UL_STA6)
		return fail(e, ERR_CLOSED, "the association has ended: %s",
		    assoc_end_text(a->end));
	conn_message_end(a->conn);
	a->conn->hard_deadline_ms = clock_mono_ms() + WAIT_ARTIM_MS;
	(void)assoc_step(a, UL_EVT11);
	if (!send_release(a, PDU_RELEASE_RQ, e))
		return false;
	if (!drop_data(a, a->pdu_left, e))
		return false;
	a->pdu_left = a->pdv_left = 0;
	a->message_open = false;
	while (a->end == ASSOC_OPEN)
		if (!release_step(a, e))
			return false;
	a->unsendable = true;
	return true;
}

void
assoc_abort(struct assoc *a, uint8_t source, uint8_t reason)
{
	/* With nothing of the peer's unread no reset can follow a close, and
	 * thousands of idle associations can be ended without waiting. */
	bool wait;

	if (a->end != ASSOC_OPEN)
		return;
	wait = a->message_open || a->pdu_left > 0 || conn_readable(a->conn);
	(void)assoc_step(a, UL_EVT15);
	a->end = ASSOC_ABORTED_BY_US;
	send_abort(a, source, reason);
	conn_finish(a->conn, wait ? ASSOC_CLOSE_MS : 0);
}

void
assoc_free(struct assoc **ap)
{
	struct assoc *a = *ap;

	if (a == NULL)
		return;
	if (a->end == ASSOC_OPEN && a->state == UL_STA6)
		assoc_abort(a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	if (a->freed != NULL)
		a->freed(a, a->account);
	conn_free(&a->conn);
	arena_fini(&a->arena);
	buf_fini(&a->command);
	buf_fini(&a->out);
	free(a);
	*ap = NULL;
}

void
assoc_idle(struct assoc *a)
{
	buf_clear(&a->command);
	buf_shrink(&a->command, 0);
	if (!a->out_open) {
		buf_clear(&a->out);
		buf_shrink(&a->out, 0);
	}
	conn_idle(a->conn);
}

const struct assoc_context *
assoc_context(const struct assoc *a, uint8_t id)
{
	size_t i;

	for (i = 0; i < a->context_count; i++)
		if (a->contexts[i].id == id)
			return a->contexts[i].result == CONTEXT_ACCEPTED
				   ? &a->contexts[i]
				   : NULL;
	return NULL;
}

const struct assoc_context *
assoc_find_context(
    const struct assoc *a, struct str abstract, struct str syntax)
{
	const struct assoc_context *c;
	size_t i;

	for (i = 0; i < a->context_count; i++) {
		c = &a->contexts[i];
		if (c->result == CONTEXT_ACCEPTED &&
		    str_eq(c->abstract, abstract) &&
		    (syntax.n == 0 || str_eq(c->syntax, syntax)))
			return c;
	}
	return NULL;
}

const char *
assoc_end_text(enum assoc_end end)
{
	switch (end) {
	case ASSOC_OPEN:
		return "open";
	case ASSOC_REJECTED:
		return "rejected";
	case ASSOC_RELEASED:
		return "released";
	case ASSOC_ABORTED_BY_PEER:
		return "aborted by the peer";
	case ASSOC_ABORTED_BY_US:
		return "aborted by this side";
	case ASSOC_LOST:
		return "connection lost";
	}
	return "unknown";
}
