/*
 * Specific Character Set: defined terms, the ISO 2022 machine, and the three
 * encodings that stand alone (UTF-8, GB18030, GBK).
 *
 * The machine (PS3.5 6.1.2.5) keeps the sets designated as G0 and G1. Value 1
 * of (0008,0005) is active at the beginning and again behind each delimiter
 * and control character; a designation may name any set of PS3.3 Table C.12-3,
 * listed or not. What breaks the rules is read as it was most likely meant:
 * upper-half bytes while nothing is designated as G1 belong to the set that
 * was there last, or to the two-byte set that (0008,0005) lists, and a text
 * that claims no set for them is UTF-8 where it is valid, else Latin-1. What
 * cannot be read becomes U+FFFD, one for each byte, so that the output is at
 * most three times as long as the input.
 */
#include "dicom/charset.h"

#include "base/rd.h"
#include "base/utf8.h"
#include "dicom/charset_terms.h"

#include <errno.h>
#include <iconv.h>

#define ESC         0x1b
#define REPLACEMENT 0xfffd

struct decoder {
	struct charset_repertoire initial;
	enum charset_set g0, g1, spare;
	bool spare_is_guess;
	bool person_name;
	bool lossy;
	struct buf *out;
};

/* What a text can become at most, decoded or encoded. */
static size_t
most(struct str text)
{
	must(text.n < SIZE_MAX / 8);
	return 3 * text.n;
}

static void
put(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_u8(out, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buf_u8(out, (uint8_t)(0xc0 | c >> 6));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
		return;
	}
	/* The tables hold nothing beyond the Basic Multilingual Plane. */
	buf_u8(out, (uint8_t)(0xe0 | c >> 12));
	buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
}

static void
put_or_replace(struct decoder *d, uint32_t c)
{
	if (c == 0) {
		c = REPLACEMENT;
		d->lossy = true;
	}
	put(d->out, c);
}

static void
reset(struct decoder *d)
{
	d->g0 = d->initial.g0;
	d->g1 = d->initial.g1;
}

static void
escape(struct decoder *d, struct rd *r)
{
	struct rd ahead = *r;
	struct str rest = rd_rest(&ahead), bytes;
	size_t i;

	for (i = 0; charset_designations[i].bytes != NULL; i++) {
		bytes = str_from(charset_designations[i].bytes);
		if (!str_starts(rest, bytes))
			continue;
		rd_skip(r, bytes.n);
		if (charset_designations[i].g1) {
			d->g1 = d->spare = charset_designations[i].set;
			d->spare_is_guess = false;
		} else {
			d->g0 = charset_designations[i].set;
		}
		return;
	}
	put_or_replace(d, 0);
}

/* A code of two bytes whose first is c. A second byte from elsewhere is left
 * where it is: it may be a delimiter. */
static void
two_bytes(struct decoder *d, struct rd *r, enum charset_set set, uint8_t c)
{
	uint8_t half = c & 0x80, next;
	struct rd ahead = *r;
	uint32_t found = 0;

	if (rd_more(&ahead)) {
		next = rd_u8(&ahead);
		if ((next & 0x80) == half && (next & 0x7f) > 0x20 &&
		    (next & 0x7f) < 0x7f) {
			found = charset_double(set, c & 0x7f, next & 0x7f);
			*r = ahead;
		}
	}
	put_or_replace(d, found);
}

static void
lower_half(struct decoder *d, struct rd *r, uint8_t c)
{
	if (charset_is_double(d->g0)) {
		two_bytes(d, r, d->g0, c);
		return;
	}
	put_or_replace(d, charset_single(d->g0, c));
	if (c == '\\' || (d->person_name && (c == '^' || c == '=')))
		reset(d);
}

static void
upper_half(struct decoder *d, struct rd *r, uint8_t c)
{
	enum charset_set set = d->g1;

	if (set == SET_NONE) {
		set = d->spare;
		d->lossy = d->lossy || d->spare_is_guess;
	}
	if (charset_is_double(set))
		two_bytes(d, r, set, c);
	else
		put_or_replace(d, charset_single(set, c));
}

static void
decode_codes(struct decoder *d, struct str text)
{
	bool bad = false;
	struct rd r = rd_over(text, &bad);
	uint8_t c;

	d->g0 = d->initial.g0;
	d->g1 = d->initial.g1;
	while (rd_more(&r)) {
		c = rd_u8(&r);
		if (c == ESC) {
			escape(d, &r);
		} else if (c < 0x20) {
			reset(d);
			put_or_replace(d, c);
		} else if (c == ' ' || c == 0x7f) {
			put(d->out, c);
		} else if (c < 0x80) {
			lower_half(d, &r, c);
		} else if (c >= 0xa0) {
			upper_half(d, &r, c);
		} else {
			put_or_replace(d, 0);
		}
	}
}

/* Valid UTF-8, without what may not be in a text. */
static void
add_clean(struct str utf8, struct buf *out, bool *lossy)
{
	size_t i, from = 0;

	for (i = 0; i < utf8.n; i++) {
		if (utf8.p[i] != 0 && utf8.p[i] != ESC)
			continue;
		buf_add(out, str_of(utf8.p + from, i - from));
		put(out, REPLACEMENT);
		*lossy = true;
		from = i + 1;
	}
	if (from < utf8.n)
		buf_add(out, str_of(utf8.p + from, utf8.n - from));
}

static void
decode_utf8(struct str text, struct buf *out, bool *lossy)
{
	struct buf repaired;

	if (utf8_valid(text)) {
		add_clean(text, out, lossy);
		return;
	}
	*lossy = true;
	buf_init(&repaired, most(text));
	utf8_repair(text, &repaired);
	add_clean(buf_str(&repaired), out, lossy);
	buf_fini(&repaired);
}

/* GB18030 holds GBK and reads it alike. */
static void
decode_gb18030(struct str text, struct buf *out, bool *lossy)
{
	iconv_t cd = iconv_open("UTF-8", "GB18030");
	char *from = (char *)(uintptr_t)text.p, chunk[1024], *to;
	size_t left = text.n, room;

	if (cd == (iconv_t)-1) {
		decode_utf8(text, out, lossy);
		*lossy = true;
		return;
	}
	while (left > 0) {
		to = chunk;
		room = sizeof(chunk);
		errno = 0;
		if (iconv(cd, &from, &left, &to, &room) == (size_t)-1 &&
		    errno != E2BIG) {
			add_clean(
			    str_of(chunk, sizeof(chunk) - room), out, lossy);
			put(out, REPLACEMENT);
			*lossy = true;
			from++;
			left--;
			iconv(cd, NULL, NULL, NULL, NULL);
			continue;
		}
		add_clean(str_of(chunk, sizeof(chunk) - room), out, lossy);
	}
	iconv_close(cd);
}

/* Bytes that mean themselves in every repertoire but JIS X 0201, and need no
 * look at it. */
static bool
is_plain(struct str text)
{
	size_t i;

	for (i = 0; i < text.n; i++)
		if (text.p[i] >= 0x7e || text.p[i] == ESC || text.p[i] == 0)
			return false;
	return true;
}

static bool
has_upper(struct str text)
{
	size_t i;

	for (i = 0; i < text.n; i++)
		if (text.p[i] >= 0x80)
			return true;
	return false;
}

static void
decode_extended(struct charset_repertoire initial, struct str text,
    bool person_name, struct buf *out, bool *lossy)
{
	struct decoder d = {.initial = initial,
	    .spare = initial.spare,
	    .person_name = person_name,
	    .out = out};

	if (initial.g1 == SET_NONE && initial.spare == SET_NONE &&
	    has_upper(text)) {
		if (str_find(text, ESC) == text.n && utf8_valid(text)) {
			decode_utf8(text, out, lossy);
			*lossy = true;
			return;
		}
		d.spare = SET_LATIN1;
		d.spare_is_guess = true;
	}
	decode_codes(&d, text);
	*lossy = d.lossy;
}

/* As str_trim_end() does, but for padding with NUL alone. */
static struct str
without_padding(struct str text)
{
	while (text.n > 0 && text.p[text.n - 1] == 0)
		text.n--;
	return text;
}

void
charset_decode(struct str charset, struct str text, bool person_name,
    struct buf *out, bool *lossy)
{
	struct charset_repertoire r;
	bool lost = false;

	text = without_padding(text);
	if (is_plain(text)) {
		if (text.n > 0)
			buf_add(out, text);
	} else {
		r = charset_repertoire(charset);
		if (r.mode == CHARSET_UTF8)
			decode_utf8(text, out, &lost);
		else if (r.mode == CHARSET_CODES)
			decode_extended(r, text, person_name, out, &lost);
		else
			decode_gb18030(text, out, &lost);
	}
	if (lossy != NULL)
		*lossy = lost;
}

struct str
charset_to_utf8(
    struct arena *a, struct str charset, struct str text, bool person_name)
{
	struct buf out;
	struct str copy;

	text = without_padding(text);
	if (is_plain(text))
		return text;
	buf_init(&out, most(text));
	charset_decode(charset, text, person_name, &out, NULL);
	copy = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return copy;
}
