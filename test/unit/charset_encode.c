/*
 * Code extensions on the way out: the examples of PS3.5 Annexes H to K byte
 * for byte, a round trip of every character of every set, and mixtures.
 */
#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/charset.h"
#include "dicom/charset_tables.h"
#include "test.h"

static struct buf encoded, decoded;

/* What the text becomes; NULL where it does not fit. */
static struct str
encode(const char *charset, const char *utf8, bool person_name)
{
	buf_fini(&encoded);
	buf_init(&encoded, 4 * MIB);
	if (!charset_encode_2022(
		str_from(charset), str_from(utf8), person_name, &encoded)) {
		CHECK_EQ(encoded.n, 0);
		return str_of(NULL, 0);
	}
	return buf_str(&encoded);
}

static bool
comes_back(const char *charset, const char *utf8, bool person_name)
{
	struct str bytes = encode(charset, utf8, person_name);
	bool lossy = false;

	buf_fini(&decoded);
	buf_init(&decoded, 4 * MIB);
	if (bytes.p == NULL)
		return false;
	charset_decode(str_from(charset), bytes, person_name, &decoded, &lossy);
	return !lossy && str_eq_text(buf_str(&decoded), utf8);
}

TEST(japanese)
{
	const char *name = "Yamada^Tarou=山田^太郎=やまだ^たろう";
	const char *half = "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう";

	CHECK_STR(encode("\\ISO 2022 IR 87", name, true),
	    "Yamada^Tarou="
	    "\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B="
	    "\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B");
	CHECK_STR(encode("ISO 2022 IR 13\\ISO 2022 IR 87", half, true),
	    "\xd4\xcf\xc0\xde^\xc0\xdb\xb3="
	    "\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J="
	    "\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J");
	/* The supplementary set, and from there to the first and back. */
	CHECK(
	    comes_back("\\ISO 2022 IR 87\\ISO 2022 IR 159", "丂山丂 a", false));
}

TEST(korean)
{
	CHECK_STR(
	    encode("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", true),
	    "Hong^Gildong="
	    "\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7="
	    "\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf");
	/* Each line begins anew. */
	CHECK_STR(encode("\\ISO 2022 IR 149", "길\r\n길동", false),
	    "\x1b$)C\xb1\xe6\r\n\x1b$)C\xb1\xe6\xb5\xbf");
}

TEST(chinese)
{
	CHECK_STR(encode("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东=", true),
	    "Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=");
	CHECK_STR(
	    encode("GB18030", "王^小东", true), "\xcd\xf5^\xd0\xa1\xb6\xab");
}

TEST(several_codes_of_one_byte)
{
	const char *sets = "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126";

	/* Back to Latin-1 before the delimiter and at the end. */
	CHECK_STR(encode(sets, "Müller^Люк", true),
	    "M\xfcller^\x1b-L\xbb\xee\xda\x1b-A");
	CHECK_STR(encode(sets, "Люк^é", true), "\x1b-L\xbb\xee\xda\x1b-A^\xe9");
	CHECK_STR(encode(sets, "ΔЛ a\\Δ", false),
	    "\x1b-F\xc4\x1b-L\xbb a\x1b-A\\\x1b-F\xc4\x1b-A");
	/* In a text that is no name ^ and = are letters. */
	CHECK_STR(encode(sets, "Л^Л=", false), "\x1b-L\xbb^\xbb=\x1b-A");
	CHECK(encode(sets, "山", false).p == NULL);
	CHECK(encode("ISO 2022 IR 100\\ISO 2022 IR 144", "Δ", false).p == NULL);
}

TEST(what_does_not_fit)
{
	CHECK(encode("\\ISO 2022 IR 87", "é", false).p == NULL);
	CHECK(encode("\\ISO 2022 IR 87", "a\xff", false).p == NULL);
	CHECK(encode("\\ISO 2022 IR 87", "a\x1b", false).p == NULL);
	CHECK(encode("\\ISO 2022 IR 6", "😀", false).p == NULL);
	CHECK(encode("ISO_IR 192\\ISO 2022 IR 87", "山", false).p == NULL);
	CHECK(encode("KLINGON\\ISO 2022 IR 87", "山", false).p == NULL);
	CHECK_STR(encode("\\ISO 2022 IR 87", "", false), "");
	CHECK_STR(encode("\\FOO\\ISO 2022 IR 87", "a", false), "a");
	CHECK_STR(encode("ISO_IR 100", "é", true), "\xe9");
	/* The terms may be too many. */
	buf_fini(&decoded);
	buf_init(&decoded, 1 * MIB);
	while (decoded.n < 4000)
		buf_text(&decoded, "\\ISO 2022 IR 100");
	buf_text(&decoded, "\\ISO 2022 IR 144");
	CHECK(encode(buf_cstr(&decoded), "Л", false).p == NULL);
	CHECK(encode(buf_cstr(&decoded), "é", false).p != NULL);
}

static const struct {
	const char *charset;
	enum charset_set set;
	int least; /* characters */
} sets[] = {
    {"\\ISO 2022 IR 6", SET_ASCII, 94},
    {"\\ISO 2022 IR 100", SET_LATIN1, 96},
    {"\\ISO 2022 IR 101", SET_LATIN2, 96},
    {"\\ISO 2022 IR 109", SET_LATIN3, 89},
    {"\\ISO 2022 IR 110", SET_LATIN4, 96},
    {"\\ISO 2022 IR 144", SET_CYRILLIC, 96},
    {"\\ISO 2022 IR 127", SET_ARABIC, 48},
    {"\\ISO 2022 IR 126", SET_GREEK, 90},
    {"\\ISO 2022 IR 138", SET_HEBREW, 59},
    {"\\ISO 2022 IR 148", SET_LATIN5, 96},
    {"\\ISO 2022 IR 203", SET_LATIN9, 96},
    {"\\ISO 2022 IR 166", SET_THAI, 87},
    {"\\ISO 2022 IR 13", SET_KATAKANA, 63},
    {"\\ISO 2022 IR 13", SET_ROMAJI, 94},
    {"\\ISO 2022 IR 87", SET_KANJI, 6879},
    {"\\ISO 2022 IR 159", SET_KANJI_EXTRA, 6000},
    {"\\ISO 2022 IR 149", SET_KOREAN, 8200},
    {"\\ISO 2022 IR 58", SET_CHINESE, 7400},
};

static void
put_utf8(struct buf *out, uint32_t c)
{
	if (c >= 0x800) {
		buf_u8(out, (uint8_t)(0xe0 | c >> 12));
		buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else if (c >= 0x80) {
		buf_u8(out, (uint8_t)(0xc0 | c >> 6));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_u8(out, (uint8_t)c);
	}
}

/* All characters of a set, one after the other. */
static int
fill(enum charset_set set, struct buf *out)
{
	int high, low, n = 0;
	uint32_t c;

	for (high = 0x21; high <= 0x7e && charset_is_double(set); high++)
		for (low = 0x21; low <= 0x7e; low++) {
			c = charset_double(set, (uint8_t)high, (uint8_t)low);
			if (c != 0)
				put_utf8(out, c);
			n += c != 0;
		}
	for (low = 0x21; low <= 0xff && !charset_is_double(set); low++) {
		c = charset_single(set, (uint8_t)low);
		if (c != 0)
			put_utf8(out, c);
		n += c != 0;
	}
	return n;
}

TEST(every_character_of_every_set)
{
	struct buf all;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sets); i++) {
		buf_init(&all, 1 * MIB);
		if (!CHECK(fill(sets[i].set, &all) >= sets[i].least))
			printf("%s\n", sets[i].charset);
		if (!CHECK(comes_back(sets[i].charset, buf_cstr(&all), false)))
			printf("%s\n", sets[i].charset);
		buf_fini(&all);
	}
}

TEST(all_sets_in_one_text)
{
	struct buf charset, text;
	size_t i, k;
	uint32_t c;

	buf_init(&charset, 1 * MIB);
	buf_init(&text, 1 * MIB);
	buf_text(&charset, "ISO 2022 IR 6");
	for (i = 1; i < ARRAY_LEN(sets); i++)
		buf_text(&charset, sets[i].charset);
	for (k = 0; k < 60; k++) {
		for (i = 0; i < ARRAY_LEN(sets); i++) {
			c = charset_is_double(sets[i].set)
				? charset_double(
				      sets[i].set, 0x31, (uint8_t)(0x21 + k))
				: charset_single(sets[i].set,
				      (uint8_t)((i == 0 || i == 13 ? 0x21
								   : 0xa1) +
						k));
			if (c != 0)
				put_utf8(&text, c);
		}
		buf_text(&text, k % 3 == 0 ? "^" : k % 3 == 1 ? "\\" : "= ");
	}
	CHECK(comes_back(buf_cstr(&charset), buf_cstr(&text), true));
	CHECK(comes_back(buf_cstr(&charset), buf_cstr(&text), false));
	buf_fini(&charset);
	buf_fini(&text);
	buf_fini(&encoded);
	buf_fini(&decoded);
}

TEST_MAIN
