/*
 * JSON output (RFC 8259). Wrong nesting is a bug of ours and asserted; text
 * is escaped so far that it may also stand in a script.
 */
#include "base/json.h"
#include "base/utf8.h"

#include <inttypes.h>

void
json_init(struct json *j, struct buf *out)
{
	*j = (struct json){.out = out, .first[0] = true};
}

/* The comma before a value, unless a key stands before it. */
static void
separate(struct json *j)
{
	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (!j->first[j->depth])
		buf_u8(j->out, ',');
	j->first[j->depth] = false;
}

static void
begin(struct json *j, uint8_t bracket)
{
	separate(j);
	buf_u8(j->out, bracket);
	must(j->depth + 1 < (int)ARRAY_LEN(j->first));
	j->first[++j->depth] = true;
}

static void
end(struct json *j, uint8_t bracket)
{
	must(j->depth > 0 && !j->after_key);
	j->depth--;
	buf_u8(j->out, bracket);
}

void
json_object(struct json *j)
{
	begin(j, '{');
}

void
json_array(struct json *j)
{
	begin(j, '[');
}

void
json_end_object(struct json *j)
{
	end(j, '}');
}

void
json_end_array(struct json *j)
{
	end(j, ']');
}

static bool
is_plain(uint32_t c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != '<' && c != 0x7f &&
	       c != 0x2028 && c != 0x2029;
}

static void
put_escaped(struct buf *out, uint32_t c)
{
	switch (c) {
	case '"':
		buf_text(out, "\\\"");
		break;
	case '\\':
		buf_text(out, "\\\\");
		break;
	case '\n':
		buf_text(out, "\\n");
		break;
	case '\r':
		buf_text(out, "\\r");
		break;
	case '\t':
		buf_text(out, "\\t");
		break;
	default:
		buf_printf(out, "\\u%04x", (unsigned)c);
	}
}

/* One bit in each byte of a word that is not plain: a control character, DEL
 * or above, or one of "\\<. Borrows only set bits too many, of bytes behind one
 * that is set rightly. */
static uint64_t
special(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x80 * ones;
	uint64_t quote = word ^ '"' * ones, slash = word ^ '\\' * ones;
	uint64_t less = word ^ '<' * ones, del = word ^ 0x7f * ones;

	return (word | (word - 0x20 * ones) | (quote - ones) | (slash - ones) |
		   (less - ones) | (del - ones)) &
	       tops;
}

/* Bytes at the front that are plain ASCII: most of what there is. */
static size_t
plain_run(struct str s)
{
	uint64_t word;
	size_t n;

	for (n = 0; n + sizeof(word) <= s.n; n += sizeof(word)) {
		memcpy(&word, s.p + n, sizeof(word));
		if (special(word) != 0)
			break;
	}
	while (n < s.n && s.p[n] >= 0x20 && s.p[n] < 0x7f && s.p[n] != '"' &&
	       s.p[n] != '\\' && s.p[n] != '<')
		n++;
	return n;
}

/* Plain text in quotes; a key has a colon behind it. */
static void
put_plain(struct buf *out, struct str s, bool key)
{
	size_t n = s.n + (key ? 3 : 2);
	uint8_t *p = buf_space(out, n);

	if (p == NULL)
		return;
	*p++ = '"';
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p += s.n;
	*p++ = '"';
	if (key)
		*p = ':';
	buf_filled(out, n);
}

static void
put_string(struct buf *out, struct str s)
{
	size_t at = plain_run(s), plain = 0, n;
	uint32_t c = 0;

	if (at == s.n) {
		put_plain(out, s, false);
		return;
	}
	buf_u8(out, '"');
	while (at < s.n) {
		at += plain_run(str_of(s.p + at, s.n - at));
		if (at == s.n)
			break;
		n = utf8_next(str_of(s.p + at, s.n - at), &c);
		if (n > 0 && is_plain(c)) {
			at += n;
			continue;
		}
		buf_add(out, str_of(s.p + plain, at - plain));
		if (n == 0)
			buf_text(out, "\xef\xbf\xbd");
		else
			put_escaped(out, c);
		at += n > 0 ? n : 1;
		plain = at;
	}
	if (at > plain)
		buf_add(out, str_of(s.p + plain, at - plain));
	buf_u8(out, '"');
}

void
json_key(struct json *j, const char *key)
{
	struct str s = str_from(key);

	must(j->depth > 0 && !j->after_key);
	separate(j);
	if (plain_run(s) == s.n) {
		put_plain(j->out, s, true);
	} else {
		put_string(j->out, s);
		buf_u8(j->out, ':');
	}
	j->after_key = true;
}

void
json_str(struct json *j, struct str s)
{
	separate(j);
	put_string(j->out, s);
}

void
json_text(struct json *j, const char *text)
{
	json_str(j, str_from(text));
}

void
json_i64(struct json *j, int64_t v)
{
	char text[24];
	size_t at = sizeof(text);
	uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	separate(j);
	do
		text[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (v < 0)
		text[--at] = '-';
	buf_add(j->out, str_of(text + at, sizeof(text) - at));
}

void
json_bool(struct json *j, bool v)
{
	separate(j);
	buf_text(j->out, v ? "true" : "false");
}
