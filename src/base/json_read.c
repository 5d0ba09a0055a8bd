/*
 * One scanner that steps over a value (RFC 8259), counting brackets; no
 * recursion. Names and strings are compared and copied where they lie.
 */
#include "base/json_read.h"

#include "base/buf.h"

static void
skip_space(struct str *s)
{
	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t' ||
			       s->p[0] == '\n' || s->p[0] == '\r'))
		*s = str_of(s->p + 1, s->n - 1);
}

/* The byte that must come next, after spaces. */
static bool
skip_byte(struct str *s, uint8_t byte)
{
	skip_space(s);
	if (s->n == 0 || s->p[0] != byte)
		return false;
	*s = str_of(s->p + 1, s->n - 1);
	return true;
}

/* How long the string is that begins here, with its quotes; 0: none does. */
static size_t
string_length(struct str s)
{
	size_t i;

	if (s.n == 0 || s.p[0] != '"')
		return 0;
	for (i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

static bool
is_word(uint8_t c)
{
	return c == '+' || c == '-' || c == '.' || (c >= '0' && c <= '9') ||
	       ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* A number, true, false or null. */
static size_t
word_length(struct str s)
{
	size_t i = 0;

	while (i < s.n && is_word(s.p[i]))
		i++;
	return i;
}

static size_t
nested_length(struct str s)
{
	size_t i = 0, depth = 0, n;

	while (i < s.n) {
		n = 1;
		if (s.p[i] == '"') {
			n = string_length(str_of(s.p + i, s.n - i));
			if (n == 0)
				return 0;
		} else if (s.p[i] == '{' || s.p[i] == '[') {
			depth++;
		} else if (s.p[i] == '}' || s.p[i] == ']') {
			depth--;
		}
		i += n;
		if (depth == 0)
			return i;
	}
	return 0;
}

/* Cut a value off. */
static bool
take_value(struct str *s, struct str *value)
{
	size_t n;

	skip_space(s);
	if (s->n == 0)
		return false;
	if (s->p[0] == '"')
		n = string_length(*s);
	else if (s->p[0] == '{' || s->p[0] == '[')
		n = nested_length(*s);
	else
		n = word_length(*s);
	if (n == 0)
		return false;
	*value = str_of(s->p, n);
	*s = str_of(s->p + n, s->n - n);
	return true;
}

bool
json_member(struct str object, const char *name, struct str *value)
{
	struct str key, want = str_from(name);

	*value = STR("");
	if (!skip_byte(&object, '{'))
		return false;
	for (;;) {
		if (!take_value(&object, &key) || key.p[0] != '"' ||
		    !skip_byte(&object, ':') || !take_value(&object, value))
			return false;
		if (str_eq(str_of(key.p + 1, key.n - 2), want))
			return true;
		if (!skip_byte(&object, ','))
			return false;
	}
}

bool
json_element(struct str *rest, struct str *value)
{
	if (!skip_byte(rest, '[') && !skip_byte(rest, ','))
		return false;
	return take_value(rest, value);
}

static bool
hex4(struct str s, unsigned *out)
{
	static const char digits[] = "0123456789abcdef";
	const char *at;
	size_t i;

	*out = 0;
	for (i = 0; i < 4; i++) {
		if (i >= s.n || s.p[i] == '\0')
			return false;
		at = strchr(digits,
		    s.p[i] >= 'A' && s.p[i] <= 'F' ? s.p[i] | 0x20 : s.p[i]);
		if (at == NULL)
			return false;
		*out = *out << 4 | (unsigned)(at - digits);
	}
	return true;
}

/* UTF-8 of a unit below the surrogates; what we write escapes no others. */
static bool
put_unit(struct buf *b, unsigned c)
{
	if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
		return false;
	if (c < 0x80) {
		buf_u8(b, (uint8_t)c);
	} else if (c < 0x800) {
		buf_u8(b, (uint8_t)(0xc0 | c >> 6));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_u8(b, (uint8_t)(0xe0 | c >> 12));
		buf_u8(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	}
	return true;
}

/* The escape behind a backslash; how long it was, 0: none. */
static size_t
put_escape(struct buf *b, struct str s)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	unsigned c;

	if (s.n == 0 || s.p[0] == '\0')
		return 0;
	if (s.p[0] == 'u')
		return hex4(str_of(s.p + 1, s.n - 1), &c) && put_unit(b, c) ? 5
									    : 0;
	at = strchr(from, s.p[0]);
	if (at == NULL)
		return 0;
	buf_u8(b, (uint8_t)to[at - from]);
	return 1;
}

bool
json_string(struct str value, char *out, size_t room)
{
	struct buf b;
	size_t i, n;
	bool ok = value.n >= 2 && string_length(value) == value.n;

	out[0] = '\0';
	if (!ok)
		return false;
	value = str_of(value.p + 1, value.n - 2);
	buf_init(&b, room - 1);
	for (i = 0; ok && i < value.n; i += n) {
		n = 1;
		if (value.p[i] == '\\') {
			i++;
			n = put_escape(&b, str_of(value.p + i, value.n - i));
			ok = n > 0;
		} else {
			buf_u8(&b, value.p[i]);
			ok = value.p[i] != '\0';
		}
	}
	ok = ok && !b.over;
	if (ok)
		(void)str_copy(out, room, buf_str(&b));
	buf_fini(&b);
	return ok;
}

bool
json_integer(struct str value, int64_t *out)
{
	return str_i64(value, out);
}

bool
json_is_true(struct str value)
{
	return str_eq(value, STR("true"));
}
