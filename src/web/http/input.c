/*
 * The reader of JSON from outside (RFC 8259), see input.h. It goes forward
 * once, looks at one byte at a time and never calls itself.
 */
#include "web/http/input.h"

#include "base/utf8.h"

struct scan {
	struct arena *arena;
	const uint8_t *p;
	size_t n, at;
	struct err *e;
};

static bool
wrong(struct scan *s, const char *what)
{
	return fail(s->e, ERR_MALFORMED,
	    "the body is no JSON that is understood here: %s at byte %zu", what,
	    s->at);
}

static void
skip_space(struct scan *s)
{
	while (s->at < s->n && (s->p[s->at] == ' ' || s->p[s->at] == '\t' ||
				   s->p[s->at] == '\n' || s->p[s->at] == '\r'))
		s->at++;
}

/* The next byte behind spaces, 0 at the end. */
static uint8_t
next(struct scan *s)
{
	skip_space(s);
	return s->at < s->n ? s->p[s->at] : 0;
}

static bool
take(struct scan *s, uint8_t byte)
{
	if (next(s) != byte)
		return false;
	s->at++;
	return true;
}

static bool
take_hex4(struct scan *s, uint32_t *out)
{
	size_t end = s->at + 4;
	uint8_t c;

	*out = 0;
	if (s->n - s->at < 4)
		return false;
	for (; s->at < end; s->at++) {
		c = s->p[s->at];
		if (c >= '0' && c <= '9')
			c = (uint8_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (uint8_t)((c | 0x20) - 'a' + 10);
		else
			return false;
		*out = *out << 4 | c;
	}
	return true;
}

static size_t
put_utf8(uint8_t *p, uint32_t c)
{
	if (c < 0x80) {
		p[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (uint8_t)(0xc0 | c >> 6);
		p[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (uint8_t)(0xe0 | c >> 12);
		p[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		p[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (uint8_t)(0xf0 | c >> 18);
	p[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	p[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	p[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* What stands behind "\u": a unit, or a pair of surrogates. */
static bool
take_unit(struct scan *s, uint32_t *c)
{
	uint32_t low;

	if (!take_hex4(s, c))
		return false;
	if (*c < 0xd800 || *c > 0xdfff)
		return *c != 0;
	if (*c > 0xdbff || s->n - s->at < 6 || s->p[s->at] != '\\' ||
	    s->p[s->at + 1] != 'u')
		return false;
	s->at += 2;
	if (!take_hex4(s, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* An escape is never shorter than what it stands for. */
static bool
take_escape(struct scan *s, uint8_t *p, size_t *n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	uint32_t c;

	if (s->at == s->n || s->p[s->at] == 0)
		return false;
	if (s->p[s->at] == 'u') {
		s->at++;
		if (!take_unit(s, &c))
			return false;
		*n += put_utf8(p + *n, c);
		return true;
	}
	at = strchr(from, s->p[s->at++]);
	if (at == NULL)
		return false;
	p[(*n)++] = (uint8_t)to[at - from];
	return true;
}

static bool
take_text(struct scan *s, struct str *out)
{
	uint8_t *p;
	size_t n = 0, end;

	if (!take(s, '"'))
		return wrong(s, "text was expected");
	for (end = s->at; end < s->n && s->p[end] != '"'; end++)
		if (s->p[end] == '\\')
			end++;
	if (end >= s->n)
		return wrong(s, "text that does not end");
	p = arena_alloc(s->arena, end - s->at + 1);
	if (p == NULL)
		return fail(s->e, ERR_LIMIT, "the body is too large");
	while (s->at < end) {
		if (s->p[s->at] < ' ')
			return wrong(s, "a control character");
		if (s->p[s->at] != '\\')
			p[n++] = s->p[s->at++];
		else if (s->at++, !take_escape(s, p, &n))
			return wrong(s, "an escape that is none");
	}
	s->at = end + 1;
	*out = str_of(p, n);
	return utf8_valid(*out) || wrong(s, "text that is no UTF-8");
}

static bool
take_list(struct scan *s, struct input *in)
{
	size_t room = 0;
	struct str *grown;

	in->kind = INPUT_LIST_OF_TEXT;
	s->at++;
	if (take(s, ']'))
		return true;
	do {
		if (in->list_count == INPUT_LIST)
			return fail(s->e, ERR_LIMIT, "a list is too long");
		if (in->list_count == room) {
			room = room == 0 ? 8 : room * 4;
			grown = arena_array(s->arena, room, sizeof(*grown));
			if (grown == NULL)
				return fail(
				    s->e, ERR_LIMIT, "the body is too large");
			if (in->list_count > 0)
				memcpy(grown, in->list,
				    in->list_count * sizeof(*grown));
			in->list = grown;
		}
		if (!take_text(s, &in->list[in->list_count]))
			return false;
		in->list_count++;
	} while (take(s, ','));
	return take(s, ']') || wrong(s, "a list that does not end");
}

static bool
take_word(struct scan *s, struct input *in)
{
	size_t from = s->at;
	struct str word;
	uint64_t v;
	bool minus;

	while (s->at < s->n && s->p[s->at] != ',' && s->p[s->at] != '}' &&
	       s->p[s->at] > ' ')
		s->at++;
	word = str_of(s->p + from, s->at - from);
	if (str_eq_text(word, "null")) {
		in->kind = INPUT_NULL;
		return true;
	}
	if (str_eq_text(word, "true") || str_eq_text(word, "false")) {
		in->kind = INPUT_BOOL;
		in->number = word.n == 4;
		return true;
	}
	in->kind = INPUT_NUMBER;
	minus = word.n > 0 && word.p[0] == '-';
	if (minus)
		word = str_of(word.p + 1, word.n - 1);
	s->at = from;
	if ((word.n > 1 && word.p[0] == '0') || !str_u64(word, &v) ||
	    v > INT64_MAX)
		return wrong(s, "a value that is not taken");
	s->at = from + word.n + minus;
	in->number = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool
take_value(struct scan *s, struct input *in)
{
	switch (next(s)) {
	case '"':
		in->kind = INPUT_TEXT;
		return take_text(s, &in->text);
	case '[':
		return take_list(s, in);
	default:
		return take_word(s, in);
	}
}

static bool
take_member(struct scan *s, struct input *out, size_t *n)
{
	size_t i;

	if (*n == INPUT_MEMBERS)
		return fail(s->e, ERR_LIMIT, "too many members");
	out[*n] = (struct input){0};
	if (!take_text(s, &out[*n].name))
		return false;
	for (i = 0; i < *n; i++)
		if (str_eq(out[i].name, out[*n].name))
			return wrong(s, "a name that comes twice");
	if (!take(s, ':'))
		return wrong(s, "a colon was expected");
	if (!take_value(s, &out[*n]))
		return false;
	(*n)++;
	return true;
}

bool
input_read(struct arena *a, struct str json, struct input out[INPUT_MEMBERS],
    size_t *n, struct err *e)
{
	struct scan s = {.arena = a, .p = json.p, .n = json.n, .e = e};

	*n = 0;
	if (!take(&s, '{'))
		return wrong(&s, "an object was expected");
	if (!take(&s, '}')) {
		do
			if (!take_member(&s, out, n))
				return false;
		while (take(&s, ','));
		if (!take(&s, '}'))
			return wrong(&s, "an object that does not end");
	}
	skip_space(&s);
	return s.at == s.n || wrong(&s, "something behind the object");
}
