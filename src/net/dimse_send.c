/*
 * Sending messages: commands and data sets cut into PDUs of one PDV each, as
 * long as the peer takes them (PS3.8 D.1, Annex E: fragments of even length).
 *
 * PDUs are gathered in a->out and leave when a message is complete or
 * BLOCK_IO has gathered, so a small message is one write and a large one
 * costs one write and a few reads for each BLOCK_IO. Only whole PDUs leave: if
 * a source fails an A-ABORT can still follow.
 */
#include "net/dimse.h"

#include "base/os.h"

#define HEADERS     (PDU_HEADER + PDV_HEADER)
#define COMMAND_CAP (4 * KIB)

static bool
flush(struct assoc *a, struct err *e)
{
	bool ok = assoc_send(a, &a->out, e);

	buf_clear(&a->out);
	return ok;
}

static void
open_pdu(struct assoc *a)
{
	a->out_at = a->out.n;
	a->out_open = true;
	buf_u8(&a->out, PDU_DATA_TF);
	buf_u8(&a->out, 0);
	buf_fill(&a->out, 0, 8);
	buf_u8(&a->out, a->out_context);
	buf_u8(&a->out, a->out_control);
}

static size_t
pdu_content(const struct assoc *a)
{
	return a->out.n - a->out_at - HEADERS;
}

static bool
close_pdu(struct assoc *a, bool last, struct err *e)
{
	uint32_t n = (uint32_t)pdu_content(a);

	buf_set_u32be(&a->out, a->out_at + 2, n + PDV_HEADER);
	buf_set_u32be(
	    &a->out, a->out_at + PDU_HEADER, n + PDV_HEADER - PDV_LENGTH);
	if (last)
		a->out.p[a->out_at + HEADERS - 1] |= PDV_IS_LAST;
	a->out_open = false;
	return a->out.n < BLOCK_IO || flush(a, e);
}

/* Room in the PDU being built; a full one is closed and the next begun, so
 * that the last one is known when it is closed. */
static bool
make_room(struct assoc *a, size_t *room, struct err *e)
{
	size_t most = (a->max_out - PDV_HEADER) & ~(size_t)1;

	if (pdu_content(a) == most) {
		if (!close_pdu(a, false, e))
			return false;
		open_pdu(a);
	}
	*room = most - pdu_content(a);
	return true;
}

static bool
add(struct assoc *a, struct str s, struct err *e)
{
	size_t room, n;

	while (s.n > 0) {
		if (!make_room(a, &room, e))
			return false;
		n = s.n < room ? s.n : room;
		buf_add(&a->out, str_of(s.p, n));
		must(!a->out.over);
		s.p += n;
		s.n -= n;
	}
	return true;
}

/* The command, and the first PDU of the data set when there is one. */
static bool
begin(struct assoc *a, const struct dimse *m, bool has_data, struct err *e)
{
	struct dimse message = *m;
	struct buf command;
	bool ok;

	must(!a->out_open);
	if (a->end != ASSOC_OPEN)
		return fail(e, ERR_CLOSED, "the association has ended: %s",
		    assoc_end_text(a->end));
	conn_message_begin(a->conn);
	message.has_data = has_data;
	buf_init(&command, COMMAND_CAP);
	dimse_command_build(&command, &message);
	must(!command.over);
	buf_clear(&a->out);
	a->out_context = m->context;
	a->out_control = PDV_IS_COMMAND;
	open_pdu(a);
	ok = add(a, buf_str(&command), e) && close_pdu(a, true, e);
	buf_fini(&command);
	if (ok && has_data) {
		a->out_control = 0;
		open_pdu(a);
	}
	return ok;
}

/* The account of the message ends, and what is left leaves. */
static bool
finish(struct assoc *a, struct err *e)
{
	bool ok = a->out.n == 0 || flush(a, e);

	conn_message_end(a->conn);
	return ok;
}

bool
dimse_send_begin(struct assoc *a, const struct dimse *m, struct err *e)
{
	a->out_open = false;
	return begin(a, m, true, e);
}

bool
dimse_send_part(struct assoc *a, struct str part, struct err *e)
{
	if (a->end != ASSOC_OPEN)
		return fail(e, ERR_CLOSED, "the association has ended: %s",
		    assoc_end_text(a->end));
	must(a->out_open);
	return add(a, part, e);
}

bool
dimse_send_end(struct assoc *a, struct err *e)
{
	if (a->end != ASSOC_OPEN)
		return fail(e, ERR_CLOSED, "the association has ended: %s",
		    assoc_end_text(a->end));
	must(a->out_open);
	return close_pdu(a, true, e) && finish(a, e);
}

bool
dimse_send(
    struct assoc *a, const struct dimse *m, struct str data, struct err *e)
{
	a->out_open = false;
	if (data.n == 0)
		return begin(a, m, false, e) && finish(a, e);
	return begin(a, m, true, e) && add(a, data, e) && dimse_send_end(a, e);
}

/* The file cannot give what its size promised: the message cannot be finished
 * and must not look complete. */
static bool
source_failed(struct assoc *a, ssize_t got, struct err *e)
{
	a->out_open = false;
	buf_clear(&a->out);
	if (got < 0)
		(void)fail_errno(e, "cannot read the file being sent");
	else
		(void)fail(e, ERR_CORRUPT, "the file being sent is too short");
	assoc_abort(a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	return false;
}

bool
dimse_send_file(struct assoc *a, const struct dimse *m, int fd, off_t at,
    uint64_t size, struct err *e)
{
	size_t room, n;
	uint8_t *to;
	ssize_t got;

	if (!dimse_send_begin(a, m, e))
		return false;
	while (size > 0) {
		if (!make_room(a, &room, e))
			return false;
		n = size < room ? (size_t)size : room;
		to = buf_space(&a->out, n);
		must(to != NULL);
		got = os_pread_full(fd, to, n, at);
		if (got < 0 || (size_t)got < n)
			return source_failed(a, got, e);
		buf_filled(&a->out, n);
		at += (off_t)n;
		size -= n;
	}
	return dimse_send_end(a, e);
}
