/*
 * Reading messages (PS3.8 9.3.5 and Annex E): the fragments of commands are
 * gathered, those of data sets handed out as they lie in the connection's
 * buffer.
 *
 * What a peer may not do ends in an A-ABORT: a PDV that leaves its PDU or is
 * shorter than its own header, a context that was not accepted or changes
 * within a message, data where a command is due and the reverse, more than
 * LIMIT_BARREN PDUs or PDVs in a row that bring nothing.
 */
#include "net/dimse.h"

#include "base/rd.h"

static bool
violated(struct assoc *a, uint8_t reason, const char *what, struct err *e)
{
	(void)fail(e, ERR_PROTOCOL, "%s", what);
	return assoc_violated(a, reason);
}

static bool
ended(const struct assoc *a, struct err *e)
{
	return fail(e, ERR_CLOSED, "the association has ended: %s",
	    assoc_end_text(a->end));
}

/* A PDU or PDV without content. */
static bool
count_barren(struct assoc *a, struct err *e)
{
	if (++a->barren <= LIMIT_BARREN)
		return true;
	return violated(
	    a, ABORT_NOT_SPECIFIED, "a flood of empty fragments", e);
}

/* The body of a P-DATA-TF with at least one PDV header in it. */
static bool
next_pdu(struct assoc *a, struct err *e)
{
	if (a->end != ASSOC_OPEN)
		return ended(a, e);
	while (a->pdu_left == 0) {
		if (!assoc_next_data(a, &a->pdu_left, e))
			return false;
		if (a->pdu_left == 0 && !count_barren(a, e))
			return false;
	}
	if (a->pdu_left > LIMIT_PDU_DATA)
		return violated(a, ABORT_INVALID_PARAMETER,
		    "a P-DATA-TF PDU that is too long", e);
	if (a->pdu_left < PDV_HEADER)
		return violated(a, ABORT_INVALID_PARAMETER,
		    "a PDV that does not fit its PDU", e);
	return true;
}

/* The header of the next PDV: what it announces is in a->pdv_*. */
static bool
next_pdv(struct assoc *a, struct err *e)
{
	uint8_t bytes[PDV_HEADER], context, control;
	bool bad = false;
	struct rd r;
	uint32_t n;

	if (!next_pdu(a, e))
		return false;
	if (!conn_read(a->conn, bytes, sizeof(bytes), e))
		return assoc_unread(a, e);
	r = rd_over(str_of(bytes, sizeof(bytes)), &bad);
	n = rd_u32be(&r);
	context = rd_u8(&r);
	control = rd_u8(&r);
	if (n < PDV_HEADER - PDV_LENGTH || n > a->pdu_left - PDV_LENGTH)
		return violated(a, ABORT_INVALID_PARAMETER,
		    "a PDV whose length is impossible", e);
	a->pdu_left -= PDV_HEADER;
	a->pdv_left = n - (PDV_HEADER - PDV_LENGTH);
	a->pdv_context = context;
	a->pdv_command = (control & PDV_IS_COMMAND) != 0;
	a->pdv_last = (control & PDV_IS_LAST) != 0;
	if (assoc_context(a, context) == NULL)
		return violated(a, ABORT_INVALID_PARAMETER,
		    "a presentation context that was not accepted", e);
	if (a->pdv_left > 0)
		a->barren = 0;
	else if (!a->pdv_last)
		return count_barren(a, e);
	return true;
}

/* Up to the rest of the current PDV. */
static bool
take_part(struct assoc *a, struct str *part, struct err *e)
{
	if (!conn_take(a->conn, a->pdv_left, part, e))
		return assoc_unread(a, e);
	a->pdv_left -= (uint32_t)part->n;
	a->pdu_left -= (uint32_t)part->n;
	a->message_bytes += part->n;
	if (a->message_small && a->message_bytes > LIMIT_DATA_SMALL)
		return violated(
		    a, ABORT_NOT_SPECIFIED, "a data set without end", e);
	return true;
}

/* The command's fragments into a->command. */
static bool
gather_command(struct assoc *a, uint8_t *context, struct err *e)
{
	bool first = true;
	struct str part;

	buf_clear(&a->command);
	do {
		if (!next_pdv(a, e))
			return false;
		if (!a->pdv_command)
			return violated(a, ABORT_UNEXPECTED_PARAMETER,
			    "a data fragment where a command is due", e);
		if (!first && a->pdv_context != *context)
			return violated(a, ABORT_UNEXPECTED_PARAMETER,
			    "a command in two presentation contexts", e);
		first = false;
		*context = a->pdv_context;
		while (a->pdv_left > 0) {
			if (!take_part(a, &part, e))
				return false;
			buf_add(&a->command, part);
			if (a->command.over)
				return violated(a, ABORT_INVALID_PARAMETER,
				    "a command set that is too long", e);
		}
	} while (!a->pdv_last);
	return true;
}

bool
dimse_read(struct assoc *a, struct dimse *out, struct err *e)
{
	uint8_t byte;

	if (a->message_open && !dimse_drain(a, e))
		return false;
	memset(out, 0, sizeof(*out));
	a->looked_at = a->message_bytes = 0;
	a->message_small = true;
	if (a->end == ASSOC_OPEN) {
		/* However long the peer takes to begin, from here on it must
		 * keep up the rate. */
		if (!conn_peek(a->conn, &byte, 1, e))
			return assoc_unread(a, e);
		conn_message_begin(a->conn);
	}
	if (!gather_command(a, &out->context, e))
		return false;
	if (!dimse_command_parse(buf_str(&a->command), out, e))
		return assoc_violated(a, ABORT_INVALID_PARAMETER);
	if (out->has_data) {
		a->message_open = true;
		a->message_small = out->command != C_STORE_RQ;
		a->pdv_context = out->context;
		a->pdv_last = false;
	} else {
		conn_message_end(a->conn);
	}
	return true;
}

bool
dimse_read_part(struct assoc *a, struct str *part, struct err *e)
{
	uint8_t context = a->pdv_context;

	*part = STR("");
	if (!a->message_open)
		return true;
	if (a->end != ASSOC_OPEN)
		return ended(a, e);
	while (a->pdv_left == 0) {
		if (a->pdv_last) {
			a->message_open = false;
			conn_message_end(a->conn);
			return true;
		}
		if (!next_pdv(a, e))
			return false;
		if (a->pdv_command)
			return violated(a, ABORT_UNEXPECTED_PARAMETER,
			    "a command fragment within a data set", e);
		if (a->pdv_context != context)
			return violated(a, ABORT_UNEXPECTED_PARAMETER,
			    "a message in two presentation contexts", e);
	}
	return take_part(a, part, e);
}

bool
dimse_drain(struct assoc *a, struct err *e)
{
	struct str part;

	do {
		if (!dimse_read_part(a, &part, e))
			return false;
	} while (part.n > 0);
	return true;
}

bool
dimse_read_all(struct assoc *a, struct buf *out, struct err *e)
{
	struct str part;

	for (;;) {
		if (!dimse_read_part(a, &part, e))
			return false;
		if (part.n == 0)
			return true;
		buf_add(out, part);
		if (!out->over)
			continue;
		if (!dimse_drain(a, e))
			return false;
		return fail(e, ERR_LIMIT, "a data set of more than %zu bytes",
		    out->cap);
	}
}

/* A place in what lies unread: a PDU and its first byte's offset. */
struct look {
	struct assoc *a;
	size_t header_at; /* of the PDU's header; SIZE_MAX: already read */
	size_t body_at;
	uint32_t length;
};

/* Take one PDV out of the unread bytes, as if the peer had not sent it. */
static void
cut_pdv(const struct look *l, size_t pdv_at, size_t n)
{
	struct conn *c = l->a->conn;
	uint32_t length = l->length - (uint32_t)n;
	uint8_t *field;

	conn_cut(c, pdv_at, n);
	if (l->header_at == SIZE_MAX) {
		l->a->pdu_left = length;
	} else if (length == 0) {
		conn_cut(c, l->header_at, PDU_HEADER);
	} else {
		field = c->in + c->in_at + l->header_at + 2;
		field[0] = (uint8_t)(length >> 24);
		field[1] = (uint8_t)(length >> 16);
		field[2] = (uint8_t)(length >> 8);
		field[3] = (uint8_t)length;
	}
}

/* Is there a C-CANCEL-RQ for the message in this PDU? It is then cut out. */
static bool
cancel_in_pdu(const struct look *l, struct str body, uint16_t message_id)
{
	bool bad = false, command_due = true;
	struct rd r = rd_over(body, &bad);
	struct dimse m = {0};
	struct err ignored;
	struct str fragment;
	uint8_t context, control;
	uint32_t n;
	size_t at;

	while (rd_more(&r)) {
		at = body.n - rd_left(&r);
		n = rd_u32be(&r);
		context = rd_u8(&r);
		control = rd_u8(&r);
		if (bad || n < 2 || assoc_context(l->a, context) == NULL)
			return false;
		fragment = rd_take(&r, n - 2);
		if (bad)
			return false;
		if ((control & (PDV_IS_COMMAND | PDV_IS_LAST)) ==
			(PDV_IS_COMMAND | PDV_IS_LAST) &&
		    command_due &&
		    dimse_command_parse(fragment, &m, &ignored) &&
		    m.command == C_CANCEL_RQ && m.message_id == message_id &&
		    !m.has_data) {
			cut_pdv(l, l->body_at + at, PDV_LENGTH + (size_t)n);
			return true;
		}
		/* Only a whole command may be followed by another. */
		command_due = (control & PDV_IS_LAST) != 0;
	}
	return false;
}

/* Go through the whole PDUs that lie unread. */
static bool
look_for_cancel(
    struct assoc *a, struct str all, uint16_t message_id, struct err *e)
{
	struct look l = {a, SIZE_MAX, 0, a->pdu_left};
	bool bad = false;
	struct rd r = rd_over(all, &bad);
	struct str body = rd_take(&r, a->pdu_left);
	uint8_t type = PDU_DATA_TF;

	while (!bad) {
		if (type == PDU_ABORT)
			return fail(e, ERR_CLOSED, "aborted by the peer"), true;
		if (type == PDU_DATA_TF && cancel_in_pdu(&l, body, message_id))
			return fail(e, ERR_CANCELLED, "cancelled by the peer"),
			       true;
		l.header_at = all.n - rd_left(&r);
		if (!rd_more(&r))
			break;
		type = rd_u8(&r);
		rd_skip(&r, 1);
		l.length = rd_u32be(&r);
		l.body_at = all.n - rd_left(&r);
		body = rd_take(&r, l.length);
	}
	return false;
}

bool
dimse_cancelled(struct assoc *a, uint16_t message_id, struct err *e)
{
	struct str all = {NULL, 0};
	bool going;

	if (a->end != ASSOC_OPEN)
		return fail(e, ERR_CLOSED, "the association has ended"), true;
	if (a->message_open)
		return false;
	going = conn_look(a->conn, &all, e);
	if (all.n > 0 && a->looked_at != a->conn->bytes_in) {
		/* An abort that was found is there to be found again. */
		if (look_for_cancel(a, all, message_id, e))
			return true;
		a->looked_at = a->conn->bytes_in;
	}
	return !going;
}
