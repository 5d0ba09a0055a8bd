/*
 * The tables romanize.def and base/letters.def, and Hangul syllables, which are
 * computed: 19 initial, 21 middle and 28 final sounds (Unicode Standard 3.12),
 * written by the Revised Romanization.
 */
#include "service/worklist/romanize.h"

#include "base/utf8.h"

#define HANGUL_FIRST   0xac00
#define HANGUL_LAST    0xd7a3
#define HANGUL_MIDDLES 21
#define HANGUL_FINALS  28
#define PARTS          20

static const struct {
	uint32_t character;
	const char *text;
} table[] = {
#define ROMAN(character, text) {character, text},
#include "service/worklist/romanize.def"
#undef ROMAN
};

static const char *
find(uint32_t character)
{
	size_t low = 0, high = ARRAY_LEN(table), middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (table[middle].character == character)
			return table[middle].text;
		if (table[middle].character < character)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void
put(struct buf *out, const char *text, bool upper)
{
	for (; *text != '\0'; text++)
		if (upper && *text >= 'a' && *text <= 'z')
			buf_u8(out, (uint8_t)(*text - 'a' + 'A'));
		else
			buf_u8(out, (uint8_t)*text);
}

static bool
is_hangul(uint32_t c)
{
	return c >= HANGUL_FIRST && c <= HANGUL_LAST;
}

static void
put_hangul(struct buf *out, uint32_t c, bool upper)
{
	static const char *const initials[] = {"g", "kk", "n", "d", "tt", "r",
	    "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h"};
	static const char *const middles[HANGUL_MIDDLES] = {"a", "ae", "ya",
	    "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u",
	    "wo", "we", "wi", "yu", "eu", "ui", "i"};
	static const char *const finals[HANGUL_FINALS] = {"", "k", "k", "k",
	    "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m",
	    "p", "p", "t", "t", "ng", "t", "t", "k", "t", "p", "t"};
	uint32_t n = c - HANGUL_FIRST;

	put(out, initials[n / (HANGUL_MIDDLES * HANGUL_FINALS)], upper);
	put(out, middles[n / HANGUL_FINALS % HANGUL_MIDDLES], upper);
	put(out, finals[n % HANGUL_FINALS], upper);
}

/* Of a word in capitals, or of a capital, which is the first of its letters. */
static bool
put_letter(struct buf *out, uint32_t c, bool upper)
{
	uint32_t small = utf8_small(c);
	const char *text = utf8_letter(small);
	char first[2] = "";

	if (text == NULL)
		return false;
	first[0] = text[0];
	put(out, first, upper || small != c);
	put(out, text + 1, upper);
	return true;
}

bool
romanize_knows(uint32_t character)
{
	return is_hangul(character) || find(character) != NULL ||
	       utf8_letter(utf8_small(character)) != NULL;
}

static void
put_part(struct buf *out, uint32_t c, bool upper)
{
	const char *text;

	if (c < 0x80) {
		buf_u8(out, (uint8_t)c);
		return;
	}
	text = find(c);
	if (text != NULL)
		put(out, text, upper);
	else if (is_hangul(c))
		put_hangul(out, c, upper);
	else if (!put_letter(out, c, upper) && !utf8_is_mark(c))
		buf_printf(out, "U+%04X", (unsigned)c);
}

void
romanize(struct buf *out, uint32_t character, bool upper)
{
	uint32_t parts[PARTS];
	size_t n, i;

	if (character < 0x80 || romanize_knows(character)) {
		put_part(out, character, upper);
		return;
	}
	n = utf8_parts(character, parts, PARTS);
	if (n == 0)
		put_part(out, character, upper);
	for (i = 0; i < n; i++)
		put_part(out, parts[i], upper);
}
