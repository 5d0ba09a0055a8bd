/*
 * UTF-8 to what a value of (0008,0005) says: the sets of one value, and code
 * extensions (PS3.5 6.1.2.5).
 *
 * With extensions the encoder keeps the sets designated as G0 and G1, those of
 * value 1 at the beginning. A character that neither holds designates the
 * first listed set that holds it. Before a delimiter, a control character and
 * the end G0 goes back to that of value 1, and so does G1 where value 1 has
 * one; behind them whatever else was designated counts as forgotten, so it is
 * designated anew, as the clause wants.
 */
#include "dicom/charset.h"

#include "base/utf8.h"
#include "dicom/charset_terms.h"

#include <errno.h>
#include <iconv.h>

#define ESC 0x1b

/* What a text can become at most: each character of two bytes may need two
 * designations of four. */
static size_t
most(struct str text)
{
	must(text.n < SIZE_MAX / 32);
	return 16 * text.n + 16;
}

static bool
encode_codes(
    const struct charset_repertoire *r, struct str utf8, struct buf *out)
{
	uint32_t c;
	uint8_t code;
	size_t n;

	for (; utf8.n > 0; utf8 = str_of(utf8.p + n, utf8.n - n)) {
		n = utf8_next(utf8, &c);
		if (n == 0 || c == 0 || c == ESC)
			return false;
		if (c <= ' ' || c == 0x7f) {
			buf_u8(out, (uint8_t)c);
			continue;
		}
		code = charset_code(r->g0, c);
		if (code == 0)
			code = charset_code(r->g1, c);
		if (code == 0)
			return false;
		buf_u8(out, code);
	}
	return true;
}

static bool
encode_chinese(const char *encoding, struct str utf8, struct buf *out)
{
	iconv_t cd = iconv_open(encoding, "UTF-8");
	char *from = (char *)(uintptr_t)utf8.p, chunk[1024], *to;
	size_t left = utf8.n, room, done;

	if (cd == (iconv_t)-1)
		return false;
	do {
		to = chunk;
		room = sizeof(chunk);
		done = iconv(cd, &from, &left, &to, &room);
		if (done != 0 && (done != (size_t)-1 || errno != E2BIG))
			break;
		buf_add(out, str_of(chunk, sizeof(chunk) - room));
	} while (left > 0);
	iconv_close(cd);
	return done == 0;
}

static bool
encode(const struct charset_repertoire *r, struct str utf8, struct buf *out)
{
	switch (r->mode) {
	case CHARSET_CODES:
		return encode_codes(r, utf8, out);
	case CHARSET_GB18030:
		return encode_chinese("GB18030", utf8, out);
	case CHARSET_GBK:
		/* Some write the euro sign as 80, which is no code of GBK. */
		return memmem(utf8.p, utf8.n, "\xe2\x82\xac", 3) == NULL &&
		       encode_chinese("GBK", utf8, out);
	case CHARSET_UTF8:
		break;
	}
	buf_add(out, utf8);
	return true;
}

bool
charset_encode(struct str charset, struct str utf8, struct buf *out)
{
	struct charset_repertoire r;
	struct buf encoded;
	bool done;

	if (str_find(charset, '\\') != charset.n)
		return false;
	r = charset_repertoire(charset);
	if (r.guessed || charset_is_double(r.g1) || !utf8_valid(utf8) ||
	    str_find(utf8, 0) != utf8.n || str_find(utf8, ESC) != utf8.n)
		return false;
	if (utf8.n == 0)
		return true;
	/* Apart, so that nothing of a text that does not fit is left in out. */
	buf_init(&encoded, most(utf8));
	done = encode(&r, utf8, &encoded);
	if (done)
		buf_add(out, buf_str(&encoded));
	buf_fini(&encoded);
	return done;
}

struct encoder {
	struct charset_repertoire initial;
	enum charset_set g0, g1;
	enum charset_set listed[CHARSET_LISTED];
	size_t listed_count;
	struct buf *out;
};

static bool
is_g1(enum charset_set set)
{
	return (set >= SET_KATAKANA && set <= SET_THAI) || set == SET_KOREAN ||
	       set == SET_CHINESE;
}

static void
designate(struct encoder *c, enum charset_set set)
{
	const struct charset_designation *d = charset_designations;

	while (d->bytes != NULL && d->set != set)
		d++;
	if (d->bytes == NULL)
		return;
	buf_u8(c->out, ESC);
	buf_text(c->out, d->bytes);
	if (d->g1)
		c->g1 = set;
	else
		c->g0 = set;
}

/* Both halves as at the beginning of a value. */
static void
go_back(struct encoder *c)
{
	if (c->g0 != c->initial.g0)
		designate(c, c->initial.g0);
	if (c->g1 != c->initial.g1 && c->initial.g1 != SET_NONE)
		designate(c, c->initial.g1);
	c->g1 = c->initial.g1;
}

/* Does the set hold the character? Then its code goes out, if asked for. */
static bool
put_code(struct encoder *c, enum charset_set set, uint32_t character, bool put)
{
	uint16_t high = is_g1(set) ? 0x8080 : 0, two;
	uint8_t one;

	if (charset_is_double(set)) {
		two = charset_double_code(set, character);
		if (two != 0 && put)
			buf_u16be(c->out, two | high);
		return two != 0;
	}
	one = charset_code(set, character);
	if (one != 0 && put)
		buf_u8(c->out, one);
	return one != 0;
}

static bool
encode_character(struct encoder *c, uint32_t character)
{
	enum charset_set set;
	size_t i;

	/* What is in G1 stays there beside any G0. */
	if (put_code(c, c->g0, character, true) ||
	    put_code(c, c->g1, character, true))
		return true;
	if (put_code(c, c->initial.g0, character, false)) {
		designate(c, c->initial.g0);
		return put_code(c, c->g0, character, true);
	}
	for (i = 0; i < c->listed_count; i++) {
		set = c->listed[i];
		if (!put_code(c, set, character, false))
			continue;
		designate(c, set);
		return put_code(c, set, character, true);
	}
	return false;
}

static bool
encode_extended(struct encoder *c, struct str utf8, bool person_name)
{
	uint32_t character;
	bool delimiter;
	size_t n;

	for (; utf8.n > 0; utf8 = str_of(utf8.p + n, utf8.n - n)) {
		n = utf8_next(utf8, &character);
		if (n == 0 || character == 0 || character == ESC)
			return false;
		delimiter =
		    character < ' ' || character == '\\' ||
		    (person_name && (character == '^' || character == '='));
		/* A space is in every set; readers expect it in the first. */
		if (delimiter)
			go_back(c);
		else if (character == ' ' && c->g0 != c->initial.g0)
			designate(c, c->initial.g0);
		if (delimiter || character == ' ' || character == 0x7f)
			buf_u8(c->out, (uint8_t)character);
		else if (!encode_character(c, character))
			return false;
	}
	go_back(c);
	return true;
}

bool
charset_encode_2022(
    struct str charset, struct str utf8, bool person_name, struct buf *out)
{
	struct encoder c = {0};
	struct buf encoded;
	bool done;

	if (str_find(charset, '\\') == charset.n)
		return charset_encode(charset, utf8, out);
	c.initial = charset_repertoire(charset);
	if (c.initial.guessed || c.initial.mode != CHARSET_CODES ||
	    !utf8_valid(utf8))
		return false;
	/* Of value 1 a set of two bytes is only listed. */
	if (charset_is_double(c.initial.g1))
		c.initial.g1 = SET_NONE;
	c.g0 = c.initial.g0;
	c.g1 = c.initial.g1;
	c.listed_count = charset_listed(charset, c.listed);
	buf_init(&encoded, most(utf8));
	c.out = &encoded;
	done = encode_extended(&c, utf8, person_name) && !encoded.over;
	if (done && encoded.n > 0)
		buf_add(out, buf_str(&encoded));
	buf_fini(&encoded);
	return done;
}
