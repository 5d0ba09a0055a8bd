/*
 * The state machine of the HL7 port's stream.
 */
#include "net/mllp.h"

#include "base/limit.h"

#define START 0x0b
#define END   0x1c
#define QUERY 0x10
#define CR    0x0d

/* Before a start block; more is no HL7 stream. */
#define SKIP_MAX (4 * KIB)
/* A Study Instance UID has 64 characters, a patient ID may have more. */
#define QUERY_MAX 256

enum state {
	STATE_BETWEEN,
	STATE_FRAME, /* behind a start block */
	STATE_BARE,  /* a message without start block */
	STATE_QUERY
};

void
mllp_init(struct mllp *m)
{
	*m = (struct mllp){.state = STATE_BETWEEN};
	buf_init(&m->frame, LIMIT_HL7_FRAME);
}

void
mllp_fini(struct mllp *m)
{
	buf_fini(&m->frame);
}

void
mllp_idle(struct mllp *m)
{
	if (m->taken) {
		buf_clear(&m->frame);
		m->taken = false;
	}
	buf_shrink(&m->frame, 0);
}

bool
mllp_open(const struct mllp *m)
{
	return m->state != STATE_BETWEEN || (m->frame.n > 0 && !m->taken);
}

struct str
mllp_unfinished(const struct mllp *m)
{
	return m->taken ? STR("") : buf_str(&m->frame);
}

static bool
is_filler(uint8_t c)
{
	return c == '\0' || c == '\n' || c == CR || c == ' ' || c == END;
}

/* The frame is taken: what is in it is valid until the next byte. */
static enum mllp_kind
complete(struct mllp *m, struct str *out)
{
	m->state = STATE_BETWEEN;
	m->taken = true;
	*out = buf_str(&m->frame);
	/* An empty frame is a keep-alive. */
	return out->n > 0 ? MLLP_MESSAGE : MLLP_NOTHING;
}

static enum mllp_kind
drop(struct mllp *m, struct str *out, const char *reason, const char **why)
{
	m->taken = true;
	*out = buf_str(&m->frame);
	*why = reason;
	return MLLP_DROPPED;
}

static bool
ends_with_text(const struct buf *b, const char *text)
{
	return str_ends(buf_str(b), str_from(text));
}

/* Neither in a frame nor in a query. Bytes that are no filler are kept, to see
 * whether they are a message that lacks its start block. */
static enum mllp_kind
between(struct mllp *m, uint8_t c, struct str *out, const char **why,
    bool *hopeless)
{
	bool rubbish = m->frame.n > 0;

	if (c == START || (c == QUERY && !rubbish)) {
		m->state = c == START ? STATE_FRAME : STATE_QUERY;
		m->skipped = 0;
		if (!rubbish)
			return MLLP_NOTHING;
		return drop(m, out, "bytes before a start block", why);
	}
	if (!rubbish && is_filler(c))
		return MLLP_NOTHING;
	buf_u8(&m->frame, c);
	if (m->frame.n >= 3 && ends_with_text(&m->frame, "MSH")) {
		/* What stands before it is forgotten. */
		buf_clear(&m->frame);
		buf_text(&m->frame, "MSH");
		m->state = STATE_BARE;
		m->skipped = 0;
		return MLLP_NOTHING;
	}
	*hopeless = ++m->skipped > SKIP_MAX;
	return MLLP_NOTHING;
}

/* Two bytes a letter, with a byte order mark or by what MSH begins with. */
static bool
is_wide(const struct buf *b)
{
	static const uint8_t begins[][2] = {
	    {0xff, 0xfe}, {0xfe, 0xff}, {'M', 0}, {0, 'M'}};
	size_t i;

	for (i = 0; b->n >= 2 && i < ARRAY_LEN(begins); i++)
		if (memcmp(b->p, begins[i], 2) == 0)
			return true;
	return false;
}

/* An end block where a letter would begin. */
static bool
ends_wide(const struct buf *b)
{
	return b->n % 2 == 1 && b->p[b->n - 1] == END && is_wide(b);
}

/* A line that is empty ends a message without frame. */
static bool
blank_line(const struct buf *b)
{
	return ends_with_text(b, "\r\r") || ends_with_text(b, "\n\n") ||
	       ends_with_text(b, "\r\n\r\n");
}

static enum mllp_kind
inside(struct mllp *m, uint8_t c, struct str *out, const char **why)
{
	bool wide = is_wide(&m->frame);

	if (c == CR && ends_wide(&m->frame)) {
		m->frame.n--;
		return complete(m, out);
	}
	if (c == END && !wide)
		return complete(m, out);
	if (c == START && !wide) {
		m->state = STATE_FRAME;
		if (m->frame.n == 0)
			return MLLP_NOTHING;
		return drop(m, out, "a start block within a message", why);
	}
	buf_u8(&m->frame, c);
	if (m->frame.over) {
		m->state = STATE_BETWEEN;
		return drop(m, out, "the message is too large", why);
	}
	if (m->state == STATE_BARE && blank_line(&m->frame))
		return complete(m, out);
	return MLLP_NOTHING;
}

static enum mllp_kind
in_query(struct mllp *m, uint8_t c, struct str *out, const char **why)
{
	if (c == CR) {
		(void)complete(m, out);
		return MLLP_QUERY;
	}
	if (c == START) {
		m->state = STATE_FRAME;
		return drop(m, out, "a start block within a query", why);
	}
	buf_u8(&m->frame, c);
	if (m->frame.n <= QUERY_MAX)
		return MLLP_NOTHING;
	m->state = STATE_BETWEEN;
	return drop(m, out, "a token query of more than 256 bytes", why);
}

/* Bytes of a frame that end nothing, all at once, as far as the cap; the byte
 * that passes it is met alone. */
static size_t
plain_run(const struct mllp *m, struct str in)
{
	size_t room = LIMIT_HL7_FRAME - m->frame.n, n = 0;

	if (m->state != STATE_FRAME || ends_wide(&m->frame))
		return 0;
	if (room < in.n)
		in.n = room;
	while (n < in.n && in.p[n] != START && in.p[n] != END)
		n++;
	return n;
}

bool
mllp_feed(struct mllp *m, struct str *in, enum mllp_kind *kind, struct str *out,
    const char **why, struct err *e)
{
	bool hopeless = false;
	size_t n;

	*kind = MLLP_NOTHING;
	*why = NULL;
	if (m->taken) {
		buf_clear(&m->frame);
		m->taken = false;
	}
	while (in->n > 0 && *kind == MLLP_NOTHING && !hopeless) {
		if (m->taken) { /* a keep-alive */
			buf_clear(&m->frame);
			m->taken = false;
		}
		n = plain_run(m, *in);
		if (n > 0) {
			buf_add(&m->frame, str_of(in->p, n));
			*in = str_of(in->p + n, in->n - n);
			continue;
		}
		if (m->state == STATE_BETWEEN)
			*kind = between(m, in->p[0], out, why, &hopeless);
		else if (m->state == STATE_QUERY)
			*kind = in_query(m, in->p[0], out, why);
		else
			*kind = inside(m, in->p[0], out, why);
		*in = str_of(in->p + 1, in->n - 1);
	}
	if (hopeless)
		return fail(e, ERR_PROTOCOL,
		    "no HL7 message begins within %d bytes", (int)SKIP_MAX);
	return true;
}

/* Senders that end a message by ending the stream are real. One that died
 * while it wrote looks the same: it gets no answer, sends the whole message
 * when it lives again, and that has the last word. */
static bool
begins_a_message(struct str s)
{
	return str_starts(s, STR("MSH")) || str_starts(s, STR("FHS")) ||
	       str_starts(s, STR("BHS")) ||
	       str_starts(s, STR("\xef\xbb\xbfMSH"));
}

void
mllp_end(
    struct mllp *m, enum mllp_kind *kind, struct str *out, const char **why)
{
	*kind = MLLP_NOTHING;
	*why = NULL;
	if (m->taken) {
		buf_clear(&m->frame);
		m->taken = false;
	}
	if ((m->state != STATE_FRAME && m->state != STATE_BARE) ||
	    m->frame.n == 0)
		return;
	if (ends_wide(&m->frame)) {
		m->frame.n--;
		*kind = complete(m, out);
		return;
	}
	if (begins_a_message(buf_str(&m->frame))) {
		*kind = complete(m, out);
		return;
	}
	m->state = STATE_BETWEEN;
	*kind = drop(m, out, "the connection ended within the message", why);
}

void
mllp_frame(struct buf *out, struct str message)
{
	buf_u8(out, START);
	buf_add(out, message);
	buf_u8(out, END);
	buf_u8(out, CR);
}
