/*
 * The reader of multipart/form-data, see multipart.h.
 *
 * The buffer holds what has come. A part's bytes are given up to the next mark
 * ("\r\n--boundary"), or, while none is in sight, up to where one could still
 * begin. Behind a mark stands "\r\n" (a part) or "--" (the end), nothing else.
 */
#include "web/http/multipart.h"

#define HEAD_MAX   (8 * KIB)
#define HEAD_LINES 16
/* What may follow the last mark: line ends. */
#define TAIL_MAX 64

static bool
break_off(struct multipart *m)
{
	m->broken = true;
	return false;
}

static bool
wrong(struct multipart *m, struct err *e, const char *what)
{
	(void)fail(
	    e, ERR_MALFORMED, "the body is no multipart/form-data: %s", what);
	return break_off(m);
}

static bool
is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* RFC 2046 5.1.1, bchars. */
static bool
is_boundary(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!is_token(s.p[i]) &&
		    (s.p[i] == 0 || strchr("'()+_,-./:=? ", s.p[i]) == NULL))
			return false;
	return s.n > 0 && s.n <= MULTIPART_BOUNDARY && s.p[s.n - 1] != ' ';
}

/* A quoted string into out, cut at its room; what stands behind a backslash is
 * itself only for quotes and backslashes: browsers do not double those. */
static bool
take_quoted(struct str *rest, char *out, size_t room)
{
	size_t i, n = 0;
	uint8_t c;

	for (i = 1; i < rest->n && rest->p[i] != '"'; i++) {
		c = rest->p[i];
		if (c == '\\' && i + 1 < rest->n &&
		    (rest->p[i + 1] == '"' || rest->p[i + 1] == '\\'))
			c = rest->p[++i];
		if (c < ' ' || c == 0x7f)
			c = '_';
		if (n + 1 < room)
			out[n++] = (char)c;
	}
	out[n] = '\0';
	if (i >= rest->n)
		return false;
	*rest = str_of(rest->p + i + 1, rest->n - i - 1);
	return true;
}

static bool
take_value(struct str *rest, char *out, size_t room)
{
	size_t n = 0;

	if (rest->n > 0 && rest->p[0] == '"')
		return take_quoted(rest, out, room);
	while (n < rest->n && is_token(rest->p[n]))
		n++;
	(void)str_copy(out, room, str_of(rest->p, n));
	*rest = str_of(rest->p + n, rest->n - n);
	return n > 0;
}

static struct str
skip_blank(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_of(s.p + 1, s.n - 1);
	return s;
}

struct parameter {
	const char *name;
	char *out;
	size_t room;
	bool there;
};

/* "; name=value", those that are known, each once. */
static bool
take_parameters(struct str rest, struct parameter *known, size_t n)
{
	char value[MULTIPART_NAME];
	struct str name;
	size_t i;

	for (;;) {
		rest = skip_blank(rest);
		if (rest.n == 0)
			return true;
		if (rest.p[0] != ';')
			return false;
		rest = skip_blank(str_of(rest.p + 1, rest.n - 1));
		for (i = 0; i < rest.n && is_token(rest.p[i]); i++)
			;
		name = str_of(rest.p, i);
		rest = str_of(rest.p + i, rest.n - i);
		if (i == 0 || rest.n == 0 || rest.p[0] != '=')
			return false;
		rest = str_of(rest.p + 1, rest.n - 1);
		if (!take_value(&rest, value, sizeof(value)))
			return false;
		for (i = 0; i < n; i++) {
			if (!str_eq_nocase(name, str_from(known[i].name)))
				continue;
			if (known[i].there)
				return false;
			known[i].there = true;
			(void)str_copy(
			    known[i].out, known[i].room, str_from(value));
		}
	}
}

/* Is the type what stands before the first ';'? *rest: from there on. */
static bool
is_type(struct str s, const char *type, struct str *rest)
{
	size_t at = str_find(s, ';');

	*rest = str_of(s.p + at, s.n - at);
	return str_eq_nocase(str_trim(str_of(s.p, at)), str_from(type));
}

bool
multipart_init(struct multipart *m, struct str type, multipart_read_fn *read,
    void *ctx, struct err *e)
{
	char boundary[MULTIPART_NAME] = "";
	struct parameter known = {
	    "boundary", boundary, sizeof(boundary), false};
	struct str rest;

	m->read = read;
	m->ctx = ctx;
	m->parts = m->at = m->n = 0;
	m->begun = m->in_part = m->ended = m->broken = false;
	if (!is_type(type, "multipart/form-data", &rest) ||
	    !take_parameters(rest, &known, 1) ||
	    !is_boundary(str_from(boundary)))
		return wrong(m, e, "the Content-Type names no boundary");
	memcpy(m->mark, "\r\n--", 4);
	(void)str_copy(m->mark + 4, sizeof(m->mark) - 4, str_from(boundary));
	m->mark_n = strlen(m->mark);
	return true;
}

/* At least one more byte; *more false at the end of the body. */
static bool
fill(struct multipart *m, bool *more, struct err *e)
{
	ssize_t got;

	memmove(m->p, m->p + m->at, m->n - m->at);
	m->n -= m->at;
	m->at = 0;
	must(m->n < sizeof(m->p));
	got = m->read(m->ctx, m->p + m->n, sizeof(m->p) - m->n, e);
	if (got < 0)
		return break_off(m);
	must((size_t)got <= sizeof(m->p) - m->n);
	m->n += (size_t)got;
	*more = got > 0;
	return true;
}

/* n bytes are there. */
static bool
need(struct multipart *m, size_t n, struct err *e)
{
	bool more;

	while (m->n - m->at < n) {
		if (!fill(m, &more, e))
			return false;
		if (!more)
			return wrong(m, e, "it ends before its last mark");
	}
	return true;
}

/* After the last mark; everything has been read then. */
static bool
take_tail(struct multipart *m, struct err *e)
{
	size_t i, seen = 0;
	bool more = true;

	m->ended = true;
	while (more) {
		for (i = m->at; i < m->n; i++)
			if (m->p[i] != '\r' && m->p[i] != '\n')
				return wrong(m, e,
				    "something stands behind its last mark");
		seen += m->n - m->at;
		m->at = m->n;
		if (seen > TAIL_MAX)
			return wrong(m, e, "it goes on behind its last mark");
		if (!fill(m, &more, e))
			return false;
	}
	return true;
}

/* What stands behind a mark. */
static bool
take_mark(struct multipart *m, struct err *e)
{
	const uint8_t *p;

	if (!need(m, m->mark_n + 2, e))
		return false;
	m->at += m->mark_n;
	p = m->p + m->at;
	m->at += 2;
	m->in_part = false;
	if (p[0] == '-' && p[1] == '-')
		return take_tail(m, e);
	if (p[0] != '\r' || p[1] != '\n')
		return wrong(m, e, "a mark that is none");
	return true;
}

/* The first mark may stand at the very beginning. */
static bool
take_first(struct multipart *m, struct err *e)
{
	m->begun = true;
	/* As if a line had ended before. */
	m->p[0] = '\r';
	m->p[1] = '\n';
	m->n = 2;
	if (!need(m, m->mark_n, e))
		return false;
	if (m->n >= 4 && m->p[2] == '\r' && m->p[3] == '\n')
		m->at = 2;
	if (!need(m, m->mark_n, e))
		return false;
	if (memcmp(m->p + m->at, m->mark, m->mark_n) != 0)
		return wrong(m, e, "it does not begin with its mark");
	return take_mark(m, e);
}

static bool
take_line(struct multipart *m, struct str line, struct multipart_part *out,
    bool *disposition, struct err *e)
{
	struct parameter known[] = {
	    {"name", out->name, sizeof(out->name), false},
	    {"filename", out->file, sizeof(out->file), false}};
	size_t colon = str_find(line, ':'), i;
	struct str name = str_of(line.p, colon), value, rest;

	for (i = 0; i < line.n; i++)
		if ((line.p[i] < ' ' && line.p[i] != '\t') ||
		    (i < colon && !is_token(line.p[i])))
			return wrong(m, e, "the head of a part is not clear");
	if (colon == 0 || colon == line.n)
		return wrong(m, e, "the head of a part is not clear");
	value = str_trim(str_of(line.p + colon + 1, line.n - colon - 1));
	/* RFC 7578 4.7: nothing is encoded. */
	if (str_eq_nocase(name, STR("Content-Transfer-Encoding")) &&
	    !str_eq_nocase(value, STR("binary")) &&
	    !str_eq_nocase(value, STR("8bit")) &&
	    !str_eq_nocase(value, STR("7bit")))
		return wrong(m, e, "a part is encoded");
	if (!str_eq_nocase(name, STR("Content-Disposition")))
		return true;
	if (*disposition || !is_type(value, "form-data", &rest) ||
	    !take_parameters(rest, known, 2))
		return wrong(m, e, "a Content-Disposition is not clear");
	*disposition = true;
	out->has_file = known[1].there;
	return true;
}

static bool
take_head(struct multipart *m, struct multipart_part *out, struct err *e)
{
	bool disposition = false, more;
	size_t lines = 0, bytes = 0, n;
	const uint8_t *end;

	for (;;) {
		end = memmem(m->p + m->at, m->n - m->at, "\r\n", 2);
		if (end == NULL) {
			if (m->n - m->at > HEAD_MAX)
				return wrong(
				    m, e, "the head of a part is long");
			if (!fill(m, &more, e))
				return false;
			if (!more)
				return wrong(m, e, "it ends in a part's head");
			continue;
		}
		n = (size_t)(end - (m->p + m->at));
		if ((bytes += n) > HEAD_MAX || ++lines > HEAD_LINES)
			return wrong(m, e, "the head of a part is long");
		if (n > 0 && !take_line(m, str_of(m->p + m->at, n), out,
				 &disposition, e))
			return false;
		m->at += n + 2;
		if (n == 0)
			return disposition ||
			       wrong(m, e, "a part has no Content-Disposition");
	}
}

/* How much of the part lies in the buffer; 0 at its end. */
static bool
at_hand(struct multipart *m, size_t *n, struct err *e)
{
	const uint8_t *mark;
	bool more;

	for (;;) {
		mark = memmem(m->p + m->at, m->n - m->at, m->mark, m->mark_n);
		if (mark != NULL) {
			*n = (size_t)(mark - (m->p + m->at));
			return true;
		}
		/* A mark may have begun. */
		*n = m->n - m->at;
		if (*n >= m->mark_n) {
			*n -= m->mark_n - 1;
			return true;
		}
		if (!fill(m, &more, e))
			return false;
		if (!more)
			return wrong(m, e, "it ends before its last mark");
	}
}

bool
multipart_next(
    struct multipart *m, struct multipart_part *out, bool *end, struct err *e)
{
	size_t n = 1;

	*end = false;
	*out = (struct multipart_part){0};
	if (m->broken)
		return wrong(m, e, "it is broken");
	if (!m->begun && !take_first(m, e))
		return false;
	while (m->in_part && n > 0) {
		if (!at_hand(m, &n, e))
			return false;
		m->at += n;
	}
	if (m->in_part && !take_mark(m, e))
		return false;
	if (m->ended) {
		*end = true;
		return true;
	}
	if (++m->parts > LIMIT_UPLOAD_PARTS) {
		(void)fail(e, ERR_LIMIT, "more than %d files in one request",
		    LIMIT_UPLOAD_PARTS);
		return break_off(m);
	}
	if (!take_head(m, out, e))
		return false;
	m->in_part = true;
	/* An empty part: its mark's line end is that of the head. */
	m->at -= 2;
	if (!need(m, m->mark_n, e))
		return false;
	if (memcmp(m->p + m->at, m->mark, m->mark_n) != 0)
		m->at += 2;
	return true;
}

ssize_t
multipart_read(void *ctx, void *p, size_t room, struct err *e)
{
	struct multipart *m = ctx;
	size_t n;

	if (m->broken) {
		(void)wrong(m, e, "it is broken");
		return -1;
	}
	if (!m->in_part || m->ended)
		return 0;
	if (!at_hand(m, &n, e))
		return -1;
	n = n < room ? n : room;
	memcpy(p, m->p + m->at, n);
	m->at += n;
	return (ssize_t)n;
}
