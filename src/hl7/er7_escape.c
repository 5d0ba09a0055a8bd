/*
 * Escape sequences (HL7 2.5.1, 2.7): out of a value, and into one.
 *
 * \X..\ are bytes in the message's set; several in a row are decoded together,
 * for a character may be spread over them. \C..\ and \M..\ switch the set (ISO
 * 2022): the text up to the next of them is turned back to the bytes it was
 * and decoded in the set named.
 */
#include "hl7/er7.h"

#include "base/limit.h"
#include "hl7/encoding.h"

#include <ctype.h>

/* The body of a sequence: \X with a line of hex at most. */
#define BODY_MAX 1024

/* \Cxxyy\ and \Mxxyyzz\: the escape sequence, and how to decode what follows.
 * shift: the bytes stand behind the escape sequence itself. */
static const struct {
	const char *body;
	const char *encoding;
	bool shift;
} sets[] = {
    {"C2842", NULL, false}, /* ASCII: back to the message's own */
    {"C284A", "ISO-2022-JP", true},
    {"C2949", "WINDOWS-31J", false},
    {"C2D41", "ISO-8859-1", false},
    {"C2D42", "ISO-8859-2", false},
    {"C2D43", "ISO-8859-3", false},
    {"C2D44", "ISO-8859-4", false},
    {"C2D4C", "ISO-8859-5", false},
    {"C2D47", "ISO-8859-6", false},
    {"C2D46", "ISO-8859-7", false},
    {"C2D48", "ISO-8859-8", false},
    {"C2D4D", "ISO-8859-9", false},
    {"C2D54", "TIS-620", false},
    {"M2442", "ISO-2022-JP-2", true},
    {"M242844", "ISO-2022-JP-2", true},
    {"M242843", "ISO-2022-JP-2", true},
    {"M2441", "ISO-2022-JP-2", true},
    {"M242943", "EUC-KR", false},
    {"M242941", "GB2312", false},
};

struct unescape {
	const struct er7_message *m;
	struct buf out;
	struct buf bytes; /* of \X..\ not decoded yet */
	struct buf held;  /* text in another set, from its switch on */
	size_t set;       /* index of sets; ARRAY_LEN: the message's */
};

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (uint8_t)tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Where text goes now. */
static struct buf *
target(struct unescape *u)
{
	return u->set < ARRAY_LEN(sets) ? &u->held : &u->out;
}

/* One line break for CR LF, CR and LF. */
static void
add_breaks(struct buf *out, struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\r') {
			buf_u8(out, '\n');
			i += i + 1 < s.n && s.p[i + 1] == '\n';
		} else if (s.p[i] != '\0') {
			buf_u8(out, s.p[i]);
		}
	}
}

static void
flush_bytes(struct unescape *u)
{
	struct buf text;
	bool lossy;

	if (u->bytes.n == 0)
		return;
	buf_init(&text, 3 * LIMIT_HL7_FRAME);
	encoding_decode(u->m->charset, buf_str(&u->bytes), &text, &lossy);
	add_breaks(target(u), buf_str(&text));
	buf_fini(&text);
	buf_clear(&u->bytes);
}

/* The text in another set is whole: decode it. */
static void
flush_held(struct unescape *u)
{
	const char *body = u->set < ARRAY_LEN(sets) ? sets[u->set].body : NULL;
	struct buf raw;
	bool lossy;
	size_t i;

	if (body == NULL)
		return;
	buf_init(&raw, 2 * LIMIT_HL7_FRAME);
	if (sets[u->set].shift) {
		buf_u8(&raw, 0x1b);
		for (i = 1; body[i] != '\0' && body[i + 1] != '\0'; i += 2)
			buf_u8(&raw, (uint8_t)(hex((uint8_t)body[i]) << 4 |
					       hex((uint8_t)body[i + 1])));
	}
	if (encoding_back(u->m->charset, buf_str(&u->held), &raw))
		encoding_decode(
		    sets[u->set].encoding, buf_str(&raw), &u->out, &lossy);
	else
		buf_add(&u->out, buf_str(&u->held));
	buf_fini(&raw);
	buf_clear(&u->held);
	u->set = ARRAY_LEN(sets);
}

static bool
hex_bytes(struct unescape *u, struct str body)
{
	size_t i;

	if (body.n == 0 || body.n % 2 != 0)
		return false;
	for (i = 0; i < body.n; i++)
		if (hex(body.p[i]) < 0)
			return false;
	for (i = 0; i < body.n; i += 2)
		buf_u8(&u->bytes,
		    (uint8_t)(hex(body.p[i]) << 4 | hex(body.p[i + 1])));
	return true;
}

static bool
switch_set(struct unescape *u, struct str body)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(sets); i++)
		if (str_eq_nocase(body, str_from(sets[i].body)))
			break;
	if (i == ARRAY_LEN(sets))
		return false;
	flush_bytes(u);
	flush_held(u);
	if (sets[i].encoding != NULL)
		u->set = i;
	return true;
}

/* .br, .sp n, .sk n and the others that format. */
static bool
format_text(struct unescape *u, struct str body)
{
	struct str command = str_of(body.p, body.n < 3 ? body.n : 3), rest;
	uint64_t n = 1;
	uint8_t c;

	if (body.n < 3)
		return false;
	rest = str_trim(str_of(body.p + 3, body.n - 3));
	if (rest.n > 0 && rest.p[0] == '+')
		rest = str_of(rest.p + 1, rest.n - 1);
	if (rest.n > 0 && !str_u64(rest, &n))
		n = 1;
	if (n > 80)
		n = 80;
	if (str_eq(command, STR(".br")) || str_eq(command, STR(".ce"))) {
		c = '\n';
		n = 1;
	} else if (str_eq(command, STR(".sp"))) {
		c = '\n';
	} else if (str_eq(command, STR(".sk"))) {
		c = ' ';
	} else {
		return str_eq(command, STR(".in")) ||
		       str_eq(command, STR(".ti")) ||
		       str_eq(command, STR(".fi")) ||
		       str_eq(command, STR(".nf"));
	}
	buf_fill(target(u), c, (size_t)n);
	return true;
}

static bool
delimiter_of(const struct er7_delimiters *d, struct str body, char *out)
{
	if (body.n != 1)
		return false;
	switch (body.p[0]) {
	case 'F':
		*out = d->field;
		return true;
	case 'S':
		*out = d->component;
		return d->component != 0;
	case 'T':
		*out = d->subcomponent;
		return d->subcomponent != 0;
	case 'R':
		*out = d->repetition;
		return d->repetition != 0;
	case 'E':
		*out = d->escape;
		return true;
	case 'P':
		*out = '#';
		return true;
	case 'H': /* highlighting begins and ends */
	case 'N':
		*out = 0;
		return true;
	default:
		return false;
	}
}

/* False: unknown, to be kept as it stands. */
static bool
sequence(struct unescape *u, struct str body)
{
	char c;

	if (body.n == 0 || body.n > BODY_MAX)
		return false;
	if (body.p[0] == 'X')
		return hex_bytes(u, str_of(body.p + 1, body.n - 1));
	if (body.p[0] == 'C' || body.p[0] == 'M')
		return switch_set(u, body);
	if (delimiter_of(&u->m->d, body, &c)) {
		flush_bytes(u);
		if (c != 0)
			buf_u8(target(u), (uint8_t)c);
		return true;
	}
	if (body.p[0] != '.')
		return false;
	flush_bytes(u);
	return format_text(u, body);
}

static void
unescape(struct unescape *u, struct str s)
{
	uint8_t mark = (uint8_t)u->m->d.escape;
	struct str body;
	size_t at;

	while (s.n > 0) {
		at = str_find(s, mark);
		if (at > 0) {
			flush_bytes(u);
			add_breaks(target(u), str_of(s.p, at));
		}
		if (at == s.n)
			break;
		body = str_of(s.p + at + 1, s.n - at - 1);
		body.n = str_find(body, mark);
		if (at + 1 + body.n < s.n && sequence(u, body)) {
			at += body.n + 2;
		} else {
			flush_bytes(u);
			buf_u8(target(u), mark);
			at++;
		}
		s = str_of(s.p + at, s.n - at);
	}
	flush_bytes(u);
	flush_held(u);
}

static bool
is_plain(const struct er7_message *m, struct str s)
{
	return (m->d.escape == 0 || str_find(s, (uint8_t)m->d.escape) == s.n) &&
	       str_find(s, '\r') == s.n && str_find(s, '\0') == s.n;
}

struct str
er7_text(struct arena *a, const struct er7_message *m, struct str s)
{
	struct unescape u = {.m = m, .set = ARRAY_LEN(sets)};
	struct str text;

	if (is_plain(m, s))
		return s;
	buf_init(&u.out, 3 * LIMIT_HL7_FRAME);
	buf_init(&u.bytes, LIMIT_HL7_FRAME);
	buf_init(&u.held, 3 * LIMIT_HL7_FRAME);
	if (m->d.escape == 0)
		add_breaks(&u.out, s);
	else
		unescape(&u, s);
	text = arena_dup(a, buf_str(&u.out));
	buf_fini(&u.held);
	buf_fini(&u.bytes);
	buf_fini(&u.out);
	return text;
}

void
er7_escape(struct buf *out, const struct er7_delimiters *d, struct str utf8)
{
	size_t i, quote = er7_is_delete(utf8) ? str_find(utf8, '"') : utf8.n;

	for (i = 0; i < utf8.n; i++) {
		char c = (char)utf8.p[i], name = 0;

		if (c == d->field)
			name = 'F';
		else if (c != 0 && c == d->component)
			name = 'S';
		else if (c != 0 && c == d->subcomponent)
			name = 'T';
		else if (c != 0 && c == d->repetition)
			name = 'R';
		else if (c != 0 && c == d->escape)
			name = 'E';
		if (d->escape == 0) {
			/* What cannot be escaped must not divide either. */
			if (name != 0 || c == '\r' || c == '\n' || c == 0x0b ||
			    c == 0x1c || c == 0)
				c = ' ';
			buf_u8(out, (uint8_t)c);
		} else if (name != 0) {
			buf_printf(out, "%c%c%c", d->escape, name, d->escape);
		} else if (c == '\n' || c == '\r') {
			i += c == '\r' && i + 1 < utf8.n &&
			     utf8.p[i + 1] == '\n';
			buf_printf(out, "%c.br%c", d->escape, d->escape);
		} else if (c == 0x0b || c == 0x1c || i == quote) {
			/* The frame bytes of MLLP may not stand in a message,
			 * and "" alone deletes. */
			buf_printf(out, "%cX%02X%c", d->escape, c, d->escape);
		} else if (c != 0) {
			buf_u8(out, (uint8_t)c);
		}
	}
}
