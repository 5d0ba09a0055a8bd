/*
 * UTF-8 as the Unicode Standard defines it (table 3-7): no overlong forms, no
 * surrogates, nothing above U+10FFFF.
 *
 * Folding keeps the marks of scripts in which they spell (the voicing marks
 * of kana, the vowels of Indic scripts): only accents, and the optional
 * points of Hebrew and Arabic, are stripped. Letters that Unicode does not
 * take apart follow by a table of ours (letters.def), last, so that it can be
 * applied to what was folded without it.
 */
#include "base/utf8.h"

#include <utf8proc.h>

static const struct {
	uint32_t character;
	const char *text;
} letters[] = {
#define LETTER(character, text) {character, text},
#include "base/letters.def"
#undef LETTER
};

/* The length a first byte asks for, and the range of the second. */
static size_t
shape(uint8_t first, uint8_t *low, uint8_t *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first < 0x80)
		return 1;
	if (first < 0xc2)
		return 0;
	if (first < 0xe0)
		return 2;
	if (first < 0xf0) {
		if (first == 0xe0)
			*low = 0xa0;
		if (first == 0xed)
			*high = 0x9f;
		return 3;
	}
	if (first == 0xf0)
		*low = 0x90;
	if (first == 0xf4)
		*high = 0x8f;
	return first <= 0xf4 ? 4 : 0;
}

size_t
utf8_next(struct str s, uint32_t *code_point)
{
	static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint8_t low, high;
	uint32_t c;
	size_t n, i;

	if (s.n == 0)
		return 0;
	n = shape(s.p[0], &low, &high);
	if (n == 0 || n > s.n)
		return 0;
	c = s.p[0] & masks[n];
	for (i = 1; i < n; i++) {
		if (s.p[i] < low || s.p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	*code_point = c;
	return n;
}

/* The length of the valid text at the beginning. */
static size_t
valid_part(struct str s)
{
	size_t at = 0, n;
	uint32_t c;

	while (at < s.n) {
		n = utf8_next(str_of(s.p + at, s.n - at), &c);
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

bool
utf8_valid(struct str s)
{
	return valid_part(s) == s.n;
}

void
utf8_repair(struct str s, struct buf *out)
{
	size_t n;

	while (s.n > 0) {
		n = valid_part(s);
		buf_add(out, str_of(s.p, n));
		if (n == s.n)
			return;
		buf_text(out, "\xef\xbf\xbd");
		s = str_of(s.p + n + 1, s.n - n - 1);
	}
}

struct str
utf8_cut(struct str s, size_t n)
{
	size_t at = n;

	if (s.n <= n)
		return s;
	/* No character has more than three bytes behind its first. */
	while (at > 0 && n - at < 4 && (s.p[at] & 0xc0) == 0x80)
		at--;
	if ((s.p[at] & 0xc0) == 0x80)
		at = n;
	return str_of(s.p, at);
}

static bool
stripped(utf8proc_int32_t c)
{
	return (c >= 0x300 && c <= 0x36f) || (c >= 0x483 && c <= 0x487) ||
	       (c >= 0x591 && c <= 0x5bd) || c == 0x5bf || c == 0x5c1 ||
	       c == 0x5c2 || c == 0x5c4 || c == 0x5c5 || c == 0x5c7 ||
	       (c >= 0x64b && c <= 0x65f) || c == 0x670 || c == 0x640 ||
	       (c >= 0x1ab0 && c <= 0x1aff) || (c >= 0x1dc0 && c <= 0x1dff) ||
	       (c >= 0x20d0 && c <= 0x20ff) || (c >= 0xfe20 && c <= 0xfe2f);
}

static bool
is_space(utf8proc_int32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 ||
	       utf8proc_category(c) == UTF8PROC_CATEGORY_ZS ||
	       utf8proc_category(c) == UTF8PROC_CATEGORY_ZL ||
	       utf8proc_category(c) == UTF8PROC_CATEGORY_ZP;
}

/* Strips marks and collapses spaces in place; the number that remain. */
static size_t
thin(utf8proc_int32_t *c, size_t n)
{
	size_t i, kept = 0;
	bool space = false;

	for (i = 0; i < n; i++) {
		if (stripped(c[i]))
			continue;
		if (is_space(c[i])) {
			space = true;
			continue;
		}
		if (space && kept > 0)
			c[kept++] = ' ';
		space = false;
		c[kept++] = c[i];
	}
	return kept;
}

/* Most texts: what fold_valid() would make of them, many times faster. */
static bool
fold_ascii(struct arena *a, struct str s, struct str *folded)
{
	uint8_t *out = arena_array(a, s.n, 1);
	size_t i, n = 0;
	bool space = false;

	for (i = 0; out != NULL && i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c == 0 || c >= 0x80)
			return false;
		if (c == ' ' || (c >= 0x09 && c <= 0x0d)) {
			space = true;
			continue;
		}
		if (space && n > 0)
			out[n++] = ' ';
		space = false;
		out[n++] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	}
	*folded = str_of(out, n);
	return true;
}

static struct str
fold_valid(struct arena *a, struct str s)
{
	const utf8proc_option_t how =
	    UTF8PROC_CASEFOLD | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE;
	utf8proc_ssize_t n;
	utf8proc_int32_t *c;
	uint8_t *out;
	size_t i, m, at = 0;

	n = utf8proc_decompose(s.p, (utf8proc_ssize_t)s.n, NULL, 0, how);
	must(n >= 0);
	c = arena_array(a, (size_t)n, sizeof(*c));
	if (c == NULL)
		return str_of(NULL, 0);
	must(utf8proc_decompose(s.p, (utf8proc_ssize_t)s.n, c, n, how) == n);
	m = thin(c, (size_t)n);
	out = arena_array(a, m, 4);
	if (out == NULL)
		return str_of(NULL, 0);
	for (i = 0; i < m; i++)
		at += (size_t)utf8proc_encode_char(c[i], out + at);
	return str_of(out, at);
}

struct str
utf8_fold_accents(struct arena *a, struct str s)
{
	struct buf repaired;
	struct str folded;

	if (s.n > SIZE_MAX / 64) {
		a->over = true;
		return str_of(NULL, 0);
	}
	if (s.n == 0)
		return STR("");
	if (fold_ascii(a, s, &folded))
		return folded;
	if (utf8_valid(s))
		return fold_valid(a, s);
	buf_init(&repaired, 3 * s.n);
	utf8_repair(s, &repaired);
	folded = fold_valid(a, buf_str(&repaired));
	buf_fini(&repaired);
	return folded;
}

const char *
utf8_letter(uint32_t small)
{
	size_t low = 0, high = ARRAY_LEN(letters), middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (letters[middle].character == small)
			return letters[middle].text;
		if (letters[middle].character < small)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
utf8_is_ascii(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return false;
	return true;
}

struct str
utf8_fold_letters(struct arena *a, struct str folded)
{
	const char *text;
	uint8_t *out;
	size_t n, at = 0;
	struct str part;
	uint32_t c;

	if (utf8_is_ascii(folded))
		return folded;
	out = arena_alloc(a, folded.n);
	if (out == NULL)
		return str_of(NULL, 0);
	for (; folded.n > 0; folded = str_of(folded.p + n, folded.n - n)) {
		n = utf8_next(folded, &c);
		text = n > 1 ? utf8_letter(c) : NULL;
		n = n > 0 ? n : 1;
		part = text != NULL ? str_from(text) : str_of(folded.p, n);
		must(part.n <= n);
		memcpy(out + at, part.p, part.n);
		at += part.n;
	}
	return str_of(out, at);
}

struct str
utf8_fold(struct arena *a, struct str s)
{
	return utf8_fold_letters(a, utf8_fold_accents(a, s));
}

size_t
utf8_columns(struct str s)
{
	size_t columns = 0, n;
	uint32_t c;

	while (s.n > 0) {
		n = utf8_next(s, &c);
		columns +=
		    n > 0 ? (size_t)utf8proc_charwidth((utf8proc_int32_t)c) : 1;
		if (n == 0)
			n = 1;
		s = str_of(s.p + n, s.n - n);
	}
	return columns;
}

size_t
utf8_parts(uint32_t code_point, uint32_t *parts, size_t room)
{
	utf8proc_int32_t out[32];
	utf8proc_ssize_t n;
	int boundary = 0;
	size_t i;

	if (code_point > 0x10ffff)
		return 0;
	n = utf8proc_decompose_char((utf8proc_int32_t)code_point, out,
	    ARRAY_LEN(out), UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
	if (n < 0 || n > (utf8proc_ssize_t)ARRAY_LEN(out))
		return 0;
	for (i = 0; i < (size_t)n && i < room; i++)
		parts[i] = (uint32_t)out[i];
	return i;
}

bool
utf8_is_mark(uint32_t code_point)
{
	utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code_point);

	return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC ||
	       c == UTF8PROC_CATEGORY_ME;
}

bool
utf8_is_upper(uint32_t code_point)
{
	return utf8proc_category((utf8proc_int32_t)code_point) ==
	       UTF8PROC_CATEGORY_LU;
}

uint32_t
utf8_small(uint32_t code_point)
{
	return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
}

void
utf8_put(struct buf *out, uint32_t code_point)
{
	utf8proc_uint8_t bytes[4];
	utf8proc_ssize_t n =
	    utf8proc_encode_char((utf8proc_int32_t)code_point, bytes);

	buf_add(out, str_of(bytes, (size_t)n));
}

struct str
utf8_compose(struct arena *a, struct str s)
{
	utf8proc_uint8_t *made = NULL;
	utf8proc_ssize_t n;
	struct str copy;

	n = utf8proc_map(s.p, (utf8proc_ssize_t)s.n, &made,
	    UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
	if (n < 0)
		return s;
	copy = arena_dup(a, str_of(made, (size_t)n));
	free(made);
	return copy;
}
