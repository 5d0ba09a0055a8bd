/*
 * Tables of 96 characters and of 94 by 94, filled through iconv from the
 * encodings that hold the same sets in their upper half: ISO 8859, EUC-JP,
 * EUC-KR and EUC-CN.
 *
 * Beyond JIS X 0208 itself the cells that NEC filled (row 13 and rows 89 to
 * 92) are known: Japanese family names are written with them every day.
 */
#include "dicom/charset_tables.h"

#include "base/thread.h"

#include <iconv.h>
#include <stdatomic.h>

#define CELLS 94

static const char *const encodings[SET_COUNT] = {
    [SET_LATIN1] = "ISO-8859-1",
    [SET_LATIN2] = "ISO-8859-2",
    [SET_LATIN3] = "ISO-8859-3",
    [SET_LATIN4] = "ISO-8859-4",
    [SET_CYRILLIC] = "ISO-8859-5",
    [SET_ARABIC] = "ISO-8859-6",
    [SET_GREEK] = "ISO-8859-7",
    [SET_HEBREW] = "ISO-8859-8",
    [SET_LATIN5] = "ISO-8859-9",
    [SET_LATIN9] = "ISO-8859-15",
    [SET_THAI] = "TIS-620",
    [SET_KANJI] = "EUC-JP",
    [SET_KANJI_EXTRA] = "EUC-JP",
    [SET_KOREAN] = "EUC-KR",
    [SET_CHINESE] = "EUC-CN",
};

static uint16_t singles[SET_THAI - SET_LATIN1 + 1][96];
static uint16_t doubles[SET_CHINESE - SET_KANJI + 1][CELLS][CELLS];
static uint16_t codes[SET_CHINESE - SET_KANJI + 1][0x10000];
static atomic_bool filled[SET_COUNT];
static struct mutex filling = MUTEX_INIT;

/* The one character of the Basic Multilingual Plane that code stands for; 0
 * when there is none. */
static uint16_t
convert(iconv_t cd, const char *code, size_t n)
{
	char in[4], *from = in;
	uint8_t out[16];
	char *to = (char *)out;
	size_t room = sizeof(out);
	uint32_t c;

	must(n <= sizeof(in));
	memcpy(in, code, n);
	iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &from, &n, &to, &room) != 0 || room != sizeof(out) - 4)
		return 0;
	c = (uint32_t)out[0] | (uint32_t)out[1] << 8 | (uint32_t)out[2] << 16 |
	    (uint32_t)out[3] << 24;
	/* The private use area means nothing outside its maker's house. */
	if (c > 0xffff || (c >= 0xd800 && c <= 0xf8ff))
		return 0;
	return (uint16_t)c;
}

static void
fill_single(enum charset_set set, iconv_t cd)
{
	char code;
	int i;

	for (i = 0; i < 96; i++) {
		code = (char)(uint8_t)(0xa0 + i);
		singles[set - SET_LATIN1][i] = convert(cd, &code, 1);
	}
}

static void
fill_double(enum charset_set set, iconv_t cd)
{
	uint8_t code[3] = {0x8f};
	int row, cell, skip = set == SET_KANJI_EXTRA ? 0 : 1;

	for (row = 0; row < CELLS; row++) {
		for (cell = 0; cell < CELLS; cell++) {
			code[1] = (uint8_t)(0xa1 + row);
			code[2] = (uint8_t)(0xa1 + cell);
			doubles[set - SET_KANJI][row][cell] = convert(cd,
			    (char *)code + skip, sizeof(code) - (size_t)skip);
		}
	}
}

/* The rows of NEC, through the shifted form of their codes. */
static void
fill_nec_rows(iconv_t cd)
{
	static const int rows[] = {13, 89, 90, 91, 92};
	uint8_t code[2];
	size_t i;
	int row, cell;
	uint16_t *to;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		row = rows[i];
		for (cell = 1; cell <= CELLS; cell++) {
			code[0] = (uint8_t)((row - 1) / 2 +
					    (row <= 62 ? 0x81 : 0xc1));
			if (row % 2 == 0)
				code[1] = (uint8_t)(cell + 0x9e);
			else
				code[1] = (uint8_t)(cell + 0x3f + (cell >= 64));
			to = &doubles[0][row - 1][cell - 1];
			if (*to == 0)
				*to = convert(cd, (char *)code, 2);
		}
	}
}

static void
fill(enum charset_set set)
{
	iconv_t cd = iconv_open("UTF-32LE", encodings[set]);

	if (cd == (iconv_t)-1)
		return;
	if (charset_is_double(set))
		fill_double(set, cd);
	else
		fill_single(set, cd);
	iconv_close(cd);
	if (set != SET_KANJI)
		return;
	cd = iconv_open("UTF-32LE", "CP932");
	if (cd == (iconv_t)-1)
		return;
	fill_nec_rows(cd);
	iconv_close(cd);
}

/* The way back; of several codes the first. */
static void
fill_codes(enum charset_set set)
{
	uint16_t *to = codes[set - SET_KANJI], c;
	int row, cell;

	for (row = 0; row < CELLS; row++) {
		for (cell = 0; cell < CELLS; cell++) {
			c = doubles[set - SET_KANJI][row][cell];
			if (c != 0 && to[c] == 0)
				to[c] = (uint16_t)((row + 0x21) << 8 |
						   (cell + 0x21));
		}
	}
}

static void
need(enum charset_set set)
{
	if (atomic_load_explicit(&filled[set], memory_order_acquire))
		return;
	mutex_lock(&filling);
	if (!atomic_load_explicit(&filled[set], memory_order_relaxed)) {
		fill(set);
		if (charset_is_double(set))
			fill_codes(set);
		atomic_store_explicit(&filled[set], true, memory_order_release);
	}
	mutex_unlock(&filling);
}

bool
charset_is_double(enum charset_set set)
{
	return set >= SET_KANJI && set <= SET_CHINESE;
}

uint32_t
charset_single(enum charset_set set, uint8_t code)
{
	switch (set) {
	case SET_ASCII:
		return code >= 0x21 && code <= 0x7e ? code : 0;
	case SET_ROMAJI:
		/* 5C stays the separator of values that it is for DICOM,
		 * whatever it looks like: PS3.5 6.1.2.3 note 3. */
		if (code == 0x7e)
			return 0x203e;
		return code >= 0x21 && code <= 0x7d ? code : 0;
	case SET_KATAKANA:
		return code >= 0xa1 && code <= 0xdf ? 0xff61U + code - 0xa1 : 0;
	default:
		break;
	}
	if (set < SET_LATIN1 || set > SET_THAI || code < 0xa0)
		return 0;
	need(set);
	return singles[set - SET_LATIN1][code - 0xa0];
}

uint32_t
charset_double(enum charset_set set, uint8_t lead, uint8_t trail)
{
	if (!charset_is_double(set) || lead < 0x21 || lead > 0x7e ||
	    trail < 0x21 || trail > 0x7e)
		return 0;
	need(set);
	return doubles[set - SET_KANJI][lead - 0x21][trail - 0x21];
}

uint8_t
charset_code(enum charset_set set, uint32_t character)
{
	int code;

	if (set == SET_ASCII || set == SET_ROMAJI) {
		if (set == SET_ROMAJI && character == 0x203e)
			return 0x7e;
		return charset_single(set, (uint8_t)character) == character &&
			       character < 0x80
			   ? (uint8_t)character
			   : 0;
	}
	/* No other set of one byte has anything below. */
	if (character < 0xa0)
		return 0;
	for (code = 0xa0; code <= 0xff; code++)
		if (charset_single(set, (uint8_t)code) == character)
			return (uint8_t)code;
	return 0;
}

uint16_t
charset_double_code(enum charset_set set, uint32_t character)
{
	if (!charset_is_double(set) || character > 0xffff)
		return 0;
	need(set);
	return codes[set - SET_KANJI][character];
}
