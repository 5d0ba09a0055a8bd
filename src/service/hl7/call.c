/*
 * The sending side of MLLP. A host answers on the same connection; an answer
 * that names another control id belongs to a message that was given up, and is
 * passed over.
 */
#include "service/hl7/call.h"

#include "base/clock.h"
#include "base/limit.h"
#include "hl7/ack.h"
#include "net/mllp.h"

/* Answers to others that may stand before ours. */
#define STRAY_MAX 100
/* Taken from the connection at once. */
#define TAKE_MAX (64 * KIB)

struct hl7_call {
	struct conn *conn;
	struct mllp in;
	struct hl7_host host;
	struct str left; /* of what conn_take() gave, not fed yet */
};

bool
hl7_host_parse(const char *word, struct hl7_host *out, struct err *e)
{
	struct str s = str_from(word), host;
	char shown[100];
	uint64_t port;
	size_t at = s.n, i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] == ':')
			at = i;
	host = str_of(s.p, at);
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_of(host.p + 1, host.n - 2);
	else if (str_find(host, ':') < host.n)
		host.n = 0;
	for (i = 0; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] > '~' || host.p[i] == '/' ||
		    host.p[i] == '@' || host.p[i] == '[')
			host.n = 0;
	if (at < s.n && host.n > 0 &&
	    str_u64(str_of(s.p + at + 1, s.n - at - 1), &port) && port > 0 &&
	    port <= UINT16_MAX &&
	    str_copy(out->host, sizeof(out->host), host)) {
		out->port = (uint16_t)port;
		return true;
	}
	return fail(e, ERR_USAGE,
	    "'%s' is no HL7 host; allowed: HOST:PORT (an IPv6 address in "
	    "brackets), or the name of an HL7 node",
	    str_printable(shown, sizeof(shown), str_from(word)));
}

static bool
open_conn(struct conn **out, const struct hl7_host *host, struct err *e)
{
	if (host->secure && host->tls == NULL)
		return fail(e, ERR_USAGE, "TLS is not set up here: %.200s",
		    host->trouble != NULL ? host->trouble : "");
	if (!conn_open(
		out, host->host, host->port, host->timeout_ms, host->watch, e))
		return false;
	(*out)->progress_ms = host->timeout_ms;
	if (!host->secure)
		return true;
	(*out)->hard_deadline_ms = clock_mono_ms() + host->timeout_ms;
	conn_secure(*out, host->tls, host->host, "");
	if (!conn_handshake_wait(*out, e)) {
		conn_free(out);
		return false;
	}
	(*out)->hard_deadline_ms = 0;
	return true;
}

bool
hl7_call_open(struct hl7_call **out, const struct hl7_host *host, struct err *e)
{
	struct conn *conn;

	*out = NULL;
	if (!open_conn(&conn, host, e))
		return fail_in(
		    e, "HL7 host %s:%u", host->host, (unsigned)host->port);
	*out = must_zalloc(sizeof(**out));
	(*out)->conn = conn;
	(*out)->host = *host;
	mllp_init(&(*out)->in);
	return true;
}

void
hl7_call_close(struct hl7_call **pc)
{
	if (*pc == NULL)
		return;
	mllp_fini(&(*pc)->in);
	conn_free(&(*pc)->conn);
	free(*pc);
	*pc = NULL;
}

/* The next message that the host sends. */
static bool
next_message(struct hl7_call *c, struct str *out, struct err *e)
{
	enum mllp_kind kind = MLLP_NOTHING;
	const char *why;

	for (;;) {
		if (!mllp_feed(&c->in, &c->left, &kind, out, &why, e))
			return false;
		if (kind == MLLP_MESSAGE)
			return true;
		if (kind != MLLP_NOTHING)
			continue;
		if (conn_take(c->conn, TAKE_MAX, &c->left, e))
			continue;
		if (e->code != ERR_CLOSED)
			return false;
		/* Some close instead of ending their frame. */
		mllp_end(&c->in, &kind, out, &why);
		return kind == MLLP_MESSAGE;
	}
}

/* HL7 table 0357, where the versions put it. */
static bool
is_passing(struct arena *a, const struct er7_message *m)
{
	const struct er7_segment *err = er7_find(m, "ERR", NULL);
	struct str code, old;

	if (err == NULL)
		return false;
	code = er7_text(a, m, er7_component(m, er7_field(err, 3), 1));
	old = er7_component(m, er7_field(err, 1), 4);
	old = er7_text(a, m, er7_subcomponent(m, old, 1));
	return str_eq_text(code, "206") || str_eq_text(code, "207") ||
	       str_eq_text(old, "206") || str_eq_text(old, "207");
}

static bool
no_acknowledgement(struct str bytes, struct err *e)
{
	char shown[100];

	bytes.n = str_find(bytes, '\r');
	if (bytes.n > 60)
		bytes.n = 60;
	return fail(e, ERR_PROTOCOL,
	    "what it answered is no acknowledgement: "
	    "'%s'",
	    str_printable(shown, sizeof(shown), bytes));
}

/* *ours false: it answers something else. */
static bool
read_answer(struct str bytes, struct str control, struct arena *a,
    struct hl7_answer *out, bool *ours, struct err *e)
{
	struct er7_message m;
	struct str id;
	struct err why;

	*out = (struct hl7_answer){0};
	*ours = false;
	if (!er7_parse(a, bytes, "UTF-8", &m, &why) ||
	    !ack_read(a, &m, out->code, &id, &out->text))
		return no_acknowledgement(bytes, e);
	id = str_trim(id);
	if (id.n > 0 && control.n > 0 && !str_eq(id, control))
		return true;
	*ours = true;
	out->taken = str_eq_nocase(str_from(out->code), STR("AA")) ||
		     str_eq_nocase(str_from(out->code), STR("CA"));
	out->passing = !out->taken && is_passing(a, &m);
	return true;
}

static bool
await_answer(struct hl7_call *c, struct str control, struct arena *a,
    struct hl7_answer *out, struct err *e)
{
	struct str bytes;
	bool ours = false;
	unsigned i;

	c->conn->hard_deadline_ms = clock_mono_ms() + c->host.timeout_ms;
	for (i = 0; i < STRAY_MAX && !ours; i++)
		if (!next_message(c, &bytes, e) ||
		    !read_answer(bytes, control, a, out, &ours, e))
			return false;
	c->conn->hard_deadline_ms = 0;
	return ours || fail(e, ERR_PROTOCOL,
			   "it answers other messages than the one sent");
}

static struct str
control_of(struct str message, struct arena *a)
{
	struct er7_message m;
	struct err e;

	if (!er7_parse(a, message, "UTF-8", &m, &e))
		return STR("");
	return str_trim(er7_get(a, &m, "MSH", 10, 1));
}

bool
hl7_call_send(struct hl7_call *c, struct str message, struct arena *a,
    struct hl7_answer *out, struct err *e)
{
	struct buf frame;
	bool ok;

	*out = (struct hl7_answer){0};
	buf_init(&frame, LIMIT_HL7_FRAME + 16);
	mllp_frame(&frame, message);
	if (frame.over) {
		ok = fail(e, ERR_LIMIT, "the message is larger than %lu MiB",
		    LIMIT_HL7_FRAME / MIB);
	} else {
		conn_message_begin(c->conn);
		ok = conn_write(c->conn, buf_str(&frame), e);
		conn_message_end(c->conn);
		ok = ok && await_answer(c, control_of(message, a), a, out, e);
	}
	buf_fini(&frame);
	if (!ok && e->code == ERR_TIMEOUT)
		(void)fail(e, ERR_TIMEOUT, "no acknowledgement within %d s",
		    c->host.timeout_ms / 1000);
	else if (!ok && e->code == ERR_CLOSED)
		(void)fail(e, ERR_CLOSED,
		    "it closed the connection without an acknowledgement");
	return ok || fail_in(e, "HL7 host %s:%u", c->host.host,
			 (unsigned)c->host.port);
}

static const char *
code_words(const char *code)
{
	static const struct {
		const char *code, *words;
	} rows[] = {
	    {"AA", "accepted"},
	    {"CA", "accepted"},
	    {"AE", "refused: there is an error in the message"},
	    {"CE", "refused: there is an error in the message"},
	    {"AR", "rejected: it does not take such messages, or not now"},
	    {"CR", "rejected: it does not take such messages, or not now"},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq_nocase(str_from(code), str_from(rows[i].code)))
			return rows[i].words;
	return "an answer that HL7 does not know";
}

void
hl7_answer_text(const struct hl7_answer *answer, char *out, size_t room)
{
	char why[160] = "", code[16];

	if (!answer->taken)
		str_printable(why, sizeof(why), str_trim(answer->text));
	snprintf(out, room, "%s %s%s%s",
	    str_printable(code, sizeof(code), str_from(answer->code)),
	    code_words(answer->code), why[0] != '\0' ? ": " : "", why);
}

/* Text of two bytes a character, or with segments that end as they should. */
static bool
is_wire_form(struct str message)
{
	size_t i;

	if (str_find(message, '\0') < message.n)
		return true;
	if (message.n == 0 || message.p[message.n - 1] != '\r')
		return false;
	for (i = 0; i + 1 < message.n; i++)
		if (message.p[i] == '\r' && message.p[i + 1] == '\n')
			return false;
	return true;
}

/* A CR that no LF follows: then the LFs of the message are its own. */
static bool
has_bare_cr(struct str message)
{
	size_t i;

	for (i = 0; i < message.n; i++)
		if (message.p[i] == '\r' &&
		    (i + 1 == message.n || message.p[i + 1] != '\n'))
			return true;
	return false;
}

struct str
hl7_wire_form(struct arena *a, struct str message)
{
	bool bare = has_bare_cr(message);
	uint8_t *p;
	size_t i, n = 0;

	if (is_wire_form(message))
		return message;
	p = arena_alloc(a, message.n + 1);
	if (p == NULL)
		return message;
	for (i = 0; i < message.n; i++) {
		if (message.p[i] != '\n')
			p[n++] = message.p[i];
		else if (i > 0 && message.p[i - 1] == '\r')
			continue;
		else
			p[n++] = bare ? '\n' : '\r';
	}
	while (n > 0 && (p[n - 1] == '\r' || p[n - 1] == '\n'))
		n--;
	p[n++] = '\r';
	return str_of(p, n);
}
