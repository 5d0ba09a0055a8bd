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
#include "dicom/charset_tables.h"

#include <errno.h>
#include <iconv.h>

#define ESC         0x1b
#define REPLACEMENT 0xfffd

enum mode { MODE_CODES, MODE_UTF8, MODE_GB18030, MODE_GBK };

struct repertoire {
	enum mode mode;
	enum charset_set g0, g1;
	enum charset_set spare; /* for upper-half bytes without G1 */
	bool guessed;           /* value 1 is not a defined term */
};

struct decoder {
	struct repertoire initial;
	enum charset_set g0, g1, spare;
	bool spare_is_guess;
	bool person_name;
	bool lossy;
	struct buf *out;
};

static const struct {
	const char *number;
	enum charset_set g0, g1;
	bool alone;   /* as ISO_IR n, Tables C.12-2 and C.12-5 */
	bool extends; /* as ISO 2022 IR n, Tables C.12-3 and C.12-4 */
	enum mode mode;
} terms[] = {
    {"6", SET_ASCII, SET_NONE, true, true, MODE_CODES},
    {"100", SET_ASCII, SET_LATIN1, true, true, MODE_CODES},
    {"101", SET_ASCII, SET_LATIN2, true, true, MODE_CODES},
    {"109", SET_ASCII, SET_LATIN3, true, true, MODE_CODES},
    {"110", SET_ASCII, SET_LATIN4, true, true, MODE_CODES},
    {"144", SET_ASCII, SET_CYRILLIC, true, true, MODE_CODES},
    {"127", SET_ASCII, SET_ARABIC, true, true, MODE_CODES},
    {"126", SET_ASCII, SET_GREEK, true, true, MODE_CODES},
    {"138", SET_ASCII, SET_HEBREW, true, true, MODE_CODES},
    {"148", SET_ASCII, SET_LATIN5, true, true, MODE_CODES},
    {"203", SET_ASCII, SET_LATIN9, true, true, MODE_CODES},
    {"13", SET_ROMAJI, SET_KATAKANA, true, true, MODE_CODES},
    {"166", SET_ASCII, SET_THAI, true, true, MODE_CODES},
    {"87", SET_ASCII, SET_NONE, false, true, MODE_CODES},
    {"159", SET_ASCII, SET_NONE, false, true, MODE_CODES},
    {"149", SET_ASCII, SET_KOREAN, false, true, MODE_CODES},
    {"58", SET_ASCII, SET_CHINESE, false, true, MODE_CODES},
    {"192", SET_ASCII, SET_NONE, true, false, MODE_UTF8},
};

/* Names that are no defined terms and stand in real files, in the spelling
 * that squeeze() leaves. */
static const struct {
	const char *name;
	const char *number; /* NULL: GB18030 */
} aliases[] = {
    {"GB18030", NULL},
    {"GBK", NULL},
    {"GB2312", NULL},
    {"GB231280", NULL},
    {"ISO2022GBK", NULL},
    {"ISO2022GB18030", NULL},
    {"UTF8", "192"},
    {"UNICODE", "192"},
    {"ISO106461", "192"},
    {"LATIN1", "100"},
    {"ISO88591", "100"},
    {"ISO88592", "101"},
    {"ISO88593", "109"},
    {"ISO88594", "110"},
    {"ISO88595", "144"},
    {"ISO88596", "127"},
    {"ISO88597", "126"},
    {"ISO88598", "138"},
    {"ISO88599", "148"},
    {"ISO885915", "203"},
    {"ISO885911", "166"},
    {"TIS620", "166"},
    {"ASCII", "6"},
    {"USASCII", "6"},
    {"ISO646", "6"},
};

/* PS3.3 Tables C.12-3 and C.12-4. */
static const struct {
	const char *bytes; /* behind ESC */
	bool g1;
	enum charset_set set;
} designations[] = {
    {"(B", false, SET_ASCII},
    {"(J", false, SET_ROMAJI},
    {")I", true, SET_KATAKANA},
    {"-A", true, SET_LATIN1},
    {"-B", true, SET_LATIN2},
    {"-C", true, SET_LATIN3},
    {"-D", true, SET_LATIN4},
    {"-L", true, SET_CYRILLIC},
    {"-G", true, SET_ARABIC},
    {"-F", true, SET_GREEK},
    {"-H", true, SET_HEBREW},
    {"-M", true, SET_LATIN5},
    {"-b", true, SET_LATIN9},
    {"-T", true, SET_THAI},
    {"$B", false, SET_KANJI},
    {"$(D", false, SET_KANJI_EXTRA},
    {"$)C", true, SET_KOREAN},
    {"$)A", true, SET_CHINESE},
    /* JIS X 0208 as it was in 1978: its other shapes are the same words. */
    {"$@", false, SET_KANJI},
};

/* Letters and digits of a term, in upper case; longer ones are cut. */
static struct str
squeeze(struct str term, uint8_t out[24])
{
	size_t i, n = 0;
	uint8_t c;

	for (i = 0; i < term.n && n < 24; i++) {
		c = term.p[i];
		if (c >= 'a' && c <= 'z')
			c = (uint8_t)(c - 'a' + 'A');
		if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			out[n++] = c;
	}
	return str_of(out, n);
}

static size_t
find_number(struct str number)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(terms); i++)
		if (str_eq_text(number, terms[i].number))
			break;
	return i;
}

/* The row of terms[] that a value names, or ARRAY_LEN(terms); *chinese for
 * GB18030, GBK and their relatives. */
static size_t
understand(struct str term, bool *chinese)
{
	static const char *const heads[] = {"ISO2022IR", "ISOIR", "ISO2022"};
	uint8_t room[24];
	struct str name = squeeze(term, room), head;
	size_t i;

	*chinese = false;
	for (i = 0; i < ARRAY_LEN(aliases); i++) {
		if (!str_eq_text(name, aliases[i].name))
			continue;
		*chinese = aliases[i].number == NULL;
		return find_number(str_from(aliases[i].number));
	}
	for (i = 0; i < ARRAY_LEN(heads); i++) {
		head = str_from(heads[i]);
		if (str_starts(name, head))
			return find_number(
			    str_of(name.p + head.n, name.n - head.n));
	}
	return ARRAY_LEN(terms);
}

static void
read_first(struct repertoire *r, struct str term)
{
	bool chinese;
	size_t row;

	if (term.n == 0)
		return;
	row = understand(term, &chinese);
	if (chinese) {
		r->mode = str_eq_text(term, "GBK") ? MODE_GBK : MODE_GB18030;
		return;
	}
	if (row == ARRAY_LEN(terms)) {
		r->guessed = true;
		return;
	}
	r->mode = terms[row].mode;
	r->g0 = terms[row].g0;
	r->g1 = terms[row].g1;
}

/* Value 1 says what is active; the others only help where the text lacks a
 * designation. */
static struct repertoire
read_charset(struct str charset)
{
	struct repertoire r = {
	    MODE_CODES, SET_ASCII, SET_NONE, SET_NONE, false};
	struct str rest = charset, term;
	bool chinese, first = true, empty = false;
	size_t row;

	if (rest.n == 0)
		return r;
	while (str_split(&rest, '\\', &term)) {
		term = str_trim(term);
		if (first) {
			read_first(&r, term);
			empty = term.n == 0;
			first = false;
			continue;
		}
		row = understand(term, &chinese);
		if (row < ARRAY_LEN(terms) && r.spare == SET_NONE)
			r.spare = terms[row].g1;
		/* Not allowed there, but there is no doubt what is meant. */
		if (empty && r.mode == MODE_CODES) {
			if (chinese)
				r.mode = MODE_GB18030;
			else if (row < ARRAY_LEN(terms))
				r.mode = terms[row].mode;
		}
	}
	return r;
}

bool
charset_known(struct str charset)
{
	static const char alone[] = "ISO_IR ", extends[] = "ISO 2022 IR ";
	struct str rest = charset, term, head;
	size_t row, count = 0;

	if (rest.n == 0)
		return true;
	while (str_split(&rest, '\\', &term)) {
		term = str_trim(term);
		count++;
		if (count == 1 && (term.n == 0 || str_eq_text(term, "GBK") ||
				      str_eq_text(term, "GB18030")))
			continue;
		head = str_from(alone);
		if (!str_starts(term, head))
			head = str_from(extends);
		if (!str_starts(term, head))
			return false;
		row = find_number(str_of(term.p + head.n, term.n - head.n));
		if (row == ARRAY_LEN(terms))
			return false;
		if (head.n == sizeof(alone) - 1 ? !terms[row].alone
						: !terms[row].extends)
			return false;
	}
	return true;
}

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

	for (i = 0; i < ARRAY_LEN(designations); i++) {
		bytes = str_from(designations[i].bytes);
		if (!str_starts(rest, bytes))
			continue;
		rd_skip(r, bytes.n);
		if (designations[i].g1) {
			d->g1 = d->spare = designations[i].set;
			d->spare_is_guess = false;
		} else {
			d->g0 = designations[i].set;
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
decode_extended(struct repertoire initial, struct str text, bool person_name,
    struct buf *out, bool *lossy)
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
	struct repertoire r;
	bool lost = false;

	text = without_padding(text);
	if (is_plain(text)) {
		if (text.n > 0)
			buf_add(out, text);
	} else {
		r = read_charset(charset);
		if (r.mode == MODE_UTF8)
			decode_utf8(text, out, &lost);
		else if (r.mode == MODE_CODES)
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

static bool
encode_codes(const struct repertoire *r, struct str utf8, struct buf *out)
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
encode(const struct repertoire *r, struct str utf8, struct buf *out)
{
	switch (r->mode) {
	case MODE_CODES:
		return encode_codes(r, utf8, out);
	case MODE_GB18030:
		return encode_chinese("GB18030", utf8, out);
	case MODE_GBK:
		return encode_chinese("GBK", utf8, out);
	case MODE_UTF8:
		break;
	}
	buf_add(out, utf8);
	return true;
}

bool
charset_encode(struct str charset, struct str utf8, struct buf *out)
{
	struct repertoire r;
	struct buf encoded;
	bool done;

	if (str_find(charset, '\\') != charset.n)
		return false;
	r = read_charset(charset);
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
