/*
 * The head of a request, strictly (RFC 9112 3, 5, 6.3, 11.2): what a program
 * before us could have read otherwise is refused, else one of the two sees a
 * request where the other sees a body.
 *
 * libmicrohttpd before 1.0 is lenient: it takes a bare LF for the end of a
 * line, a line that begins with NUL for the end of the head, text behind a NUL
 * for nothing, and joins folded lines to the wrong place. None of that can be
 * seen in the values it gives, but in where they lie: it parses in place, and
 * in a head that is as it should be each value ends two bytes, CR and LF,
 * before the next name begins. Later versions refuse all of it themselves.
 */
#include "web/http/inside.h"

#include <microhttpd.h>

struct scan {
	struct call *call;
	const char *at; /* where the next name must begin */
	bool clear, exact;
};

static bool
is_token(struct str s)
{
	size_t i;
	uint8_t c;

	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= 'a' && c <= 'z') &&
		    (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return s.n > 0;
}

/* No control characters: a CR is a line's end to some, and none to others. */
static bool
is_plain(struct str s, bool tabs)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && !(tabs && s.p[i] == '\t')) ||
		    s.p[i] == 0x7f)
			return false;
	return true;
}

static enum MHD_Result
take_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_n,
    const char *value, size_t value_n)
{
	struct scan *s = cls;
	struct call *c = s->call;
	struct call_pair *to = &c->headers[c->header_count];

	(void)kind;
	if (c->header_count == CALL_HEADERS) {
		s->clear = false;
		return MHD_NO;
	}
	if (value == NULL)
		value = name + name_n;
	to->name = arena_dup(&c->arena, str_of(name, name_n));
	to->value = arena_dup(&c->arena, str_of(value, value_n));
	c->header_count++;
	if (!is_token(to->name) || !is_plain(to->value, true))
		s->clear = false;
	if (name != s->at || value <= name + name_n)
		s->exact = false;
	s->at = value + value_n + 2;
	return MHD_YES;
}

static bool
parses_leniently(void)
{
	return MHD_get_version()[0] == '0';
}

/* Does the head lie as it came, line by line? */
static bool
is_exact(struct MHD_Connection *connection, const struct head_line *line,
    const struct scan *s)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	const char *method_end = line->method + strlen(line->method);

	return s->exact && info != NULL && line->target == method_end + 1 &&
	       line->version == line->target + line->target_n + 1 &&
	       s->at + 2 == line->method + info->header_size;
}

static size_t
times(const struct call *c, const char *name)
{
	size_t i, n = 0;

	for (i = 0; i < c->header_count; i++)
		if (str_eq_nocase(c->headers[i].name, str_from(name)))
			n++;
	return n;
}

/* How long the body is, can be told in one way only. */
static bool
length_is_clear(const struct call *c, const char *version)
{
	struct str coding = call_header(c, "Transfer-Encoding");
	struct str length = call_header(c, "Content-Length");
	uint64_t n;

	if (times(c, "Content-Length") > 1 || times(c, "Transfer-Encoding") > 1)
		return false;
	if (coding.p != NULL)
		return length.p == NULL && strcmp(version, "HTTP/1.1") == 0 &&
		       str_eq_nocase(coding, STR("chunked"));
	return length.p == NULL || str_u64(length, &n);
}

bool
head_take(struct MHD_Connection *connection, const struct head_line *line,
    struct call *c)
{
	struct scan s = {.call = c, .clear = true, .exact = true};

	s.at = line->version + strlen(line->version) + 2;
	(void)MHD_get_connection_values_n(
	    connection, MHD_HEADER_KIND, take_header, &s);
	if (parses_leniently() && !is_exact(connection, line, &s))
		return false;
	return s.clear && times(c, "Host") <= 1 &&
	       is_token(str_from(line->method)) && is_plain(c->path, false) &&
	       is_plain(c->query, false) && length_is_clear(c, line->version);
}
