/*
 * UTF-8: the well-formed sequences of the Unicode Standard and no others,
 * repair, cutting, and folding over all of Unicode.
 */
#include "base/utf8.h"
#include "base/limit.h"
#include "test.h"

#include <utf8proc.h>

TEST(every_code_point_and_back)
{
	uint32_t c, got;
	uint8_t out[4];
	size_t n, wrong = 0;

	for (c = 0; c <= 0x10ffff; c++) {
		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		n = (size_t)utf8proc_encode_char((utf8proc_int32_t)c, out);
		if (utf8_next(str_of(out, n), &got) != n || got != c)
			wrong++;
		if (n > 1 && utf8_next(str_of(out, n - 1), &got) != 0)
			wrong++;
	}
	CHECK_EQ(wrong, 0);
}

TEST(malformed)
{
	static const char *const rows[] = {"\x80", "\xbf", "\xc0\x80",
	    "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
	    "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xc3(",
	    "\xe2\x82", "\xe2\x28\xa1", "\xf0\x9f\x98", "\xfe", "ok\xc3"};
	uint32_t c;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(!utf8_valid(str_from(rows[i])));
		if (rows[i][0] != 'o')
			CHECK_EQ(utf8_next(str_from(rows[i]), &c), 0);
	}
	CHECK(utf8_valid(STR("")));
	CHECK(utf8_valid(str_from(NULL)));
	CHECK(utf8_valid(STR("a\0\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
	CHECK_EQ(utf8_next(STR(""), &c), 0);
}

TEST(repair)
{
	struct buf b;

	buf_init(&b, 100);
	utf8_repair(STR("a\xff\xc3\xa4\xed\xa0\x80z\xe2\x82"), &b);
	CHECK_STR(buf_str(&b),
	    "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"
	    "\xef\xbf\xbd\xef\xbf\xbd");
	CHECK(utf8_valid(buf_str(&b)));
	buf_clear(&b);
	utf8_repair(str_from(NULL), &b);
	CHECK_EQ(b.n, 0);
	buf_fini(&b);
}

TEST(cut)
{
	struct str s = STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
	size_t n;

	for (n = 0; n < ARRAY_LEN(want); n++)
		CHECK_EQ(utf8_cut(s, n).n, want[n]);
	/* Without a first byte there is no character to keep whole. */
	CHECK_EQ(utf8_cut(STR("\x80\x80\x80\x80\x80\x80"), 5).n, 5);
	CHECK_EQ(utf8_cut(str_from(NULL), 5).n, 0);
}

static void
check_fold(const char *text, const char *want)
{
	struct arena a;

	arena_init(&a, 64 * KIB);
	if (!CHECK_STR(utf8_fold(&a, str_from(text)), want))
		printf("  folding '%s'\n", text);
	arena_fini(&a);
}

TEST(fold)
{
	check_fold("", "");
	check_fold("  M\xc3\x9cLLER^J\xc3\xb6rg \t x ", "muller^jorg x");
	check_fold("Mu\xcc\x88ller", "muller");
	check_fold("STRASSE", "strasse");
	check_fold("Stra\xc3\x9f"
		   "e",
	    "strasse");
	check_fold("\xef\xbc\xa1\xef\xbd\x82", "ab");
	check_fold("\xce\x9f\xce\x94\xce\x9f\xce\xa3", "\xce\xbf\xce\xb4\xce"
						       "\xbf\xcf\x83");
	check_fold("\xc4\xb0", "i");
	check_fold("a\xc2\xa0\xe3\x80\x80z", "a z");
	check_fold("a\xff", "a\xef\xbf\xbd");
	/* Kana with and without the voicing mark are different letters. */
	check_fold("\xe3\x83\x90", "\xe3\x83\x8f\xe3\x82\x99");
	check_fold("\xef\xbe\x8a\xef\xbe\x9e", "\xe3\x83\x8f\xe3\x82\x99");
	check_fold("\xe5\xb1\xb1\xe7\x94\xb0", "\xe5\xb1\xb1\xe7\x94\xb0");
}

/* Letters that Unicode does not take apart. */
TEST(fold_letters)
{
	static const struct {
		const char *text, *folded;
	} cases[] = {
	    {"Łukasz Wałęsa", "lukasz walesa"},
	    {"SØRENSEN", "sorensen"},
	    {"Øré ǿ", "ore o"},
	    {"Işık ISIK ışık İSİK", "isik isik isik isik"},
	    {"Đoković", "dokovic"},
	    {"Ægir Þórðarson", "aegir thordarson"},
	    {"Œuvré", "oeuvre"},
	    {"Ħaż-Żgħir", "haz-zghir"},
	    {"Əliyev", "eliyev"},
	    {"Trần Thị Hường Đỗ", "tran thi huong do"},
	    {"Weiß WEIẞ", "weiss weiss"},
	    {"O’Neill O‘Neill Oʼneill", "o'neill o'neill o'neill"},
	    {"Smith‐Jones Smith‑Jones Smith–Jones",
		"smith-jones smith-jones smith-jones"},
	    /* What spells differently is another name. */
	    {"が", "が"},
	    {"ﾔﾏﾀﾞ", "ヤマダ"},
	    {"ヤマダ", "ヤマダ"},
	    {"やまだ", "やまだ"},
	    {"Ѓорѓи", "горги"},
	    {"ΟΔΟΣ οδος", "οδοσ οδοσ"},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++)
		check_fold(cases[i].text, cases[i].folded);
}

/* All of them, and their capitals; the table is in order. */
TEST(every_letter)
{
	static const struct {
		uint32_t character;
		const char *text;
	} letters[] = {
#define LETTER(character, text) {character, text},
#include "base/letters.def"
#undef LETTER
	};
	utf8proc_int32_t forms[2];
	uint8_t out[4];
	struct arena a;
	struct str s;
	size_t i, k;

	arena_init(&a, 64 * KIB);
	for (i = 0; i < ARRAY_LEN(letters); i++) {
		CHECK(
		    i == 0 || letters[i].character > letters[i - 1].character);
		CHECK_STR(str_from(utf8_letter(letters[i].character)),
		    letters[i].text);
		forms[0] = (utf8proc_int32_t)letters[i].character;
		forms[1] = utf8proc_toupper(forms[0]);
		for (k = 0; k < 2; k++) {
			s.p = out;
			s.n = (size_t)utf8proc_encode_char(forms[k], out);
			CHECK_STR(utf8_fold(&a, s), letters[i].text);
			/* It is by the table that it folds. */
			s = utf8_fold_accents(&a, s);
			CHECK(k == 1 || (s.n > 1 && s.p[0] >= 0x80));
			CHECK(s.n >= strlen(letters[i].text));
			CHECK_STR(utf8_fold_letters(&a, s), letters[i].text);
		}
		arena_reset(&a);
	}
	CHECK(utf8_letter('a') == NULL);
	CHECK(utf8_letter(0xe4) == NULL);
	CHECK(utf8_letter(0x10ffff) == NULL);
	arena_fini(&a);
}

TEST(folding_twice_changes_nothing)
{
	struct arena a;
	struct str once, twice;
	uint32_t c;
	uint8_t out[4];
	size_t n, wrong = 0;

	arena_init(&a, 64 * KIB);
	for (c = 0; c <= 0x2ffff; c++) {
		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		/* Skip the ideographs: half of the time for nothing. */
		if (c == 0x4e00 || c == 0xac00)
			c += 0x2b00;
		n = (size_t)utf8proc_encode_char((utf8proc_int32_t)c, out);
		once = utf8_fold(&a, str_of(out, n));
		twice = utf8_fold(&a, once);
		/* Keys of older archives become those of today by it. */
		if (!str_eq(once, utf8_fold_letters(&a,
				      utf8_fold_accents(&a, str_of(out, n))))) {
			wrong++;
			printf("U+%04x\n", (unsigned)c);
		}
		if (!utf8_valid(once) || !str_eq(once, twice)) {
			wrong++;
			printf("U+%04x\n", (unsigned)c);
		}
		arena_reset(&a);
	}
	CHECK_EQ(wrong, 0);
	arena_fini(&a);
}

TEST(fold_keeps_to_the_budget)
{
	struct arena a;

	arena_init(&a, 32);
	CHECK(utf8_fold(&a, STR("\xc3\xa4 name that is longer")).p == NULL);
	CHECK(a.over);
	arena_fini(&a);
	arena_init(&a, 16);
	CHECK(utf8_fold(&a, STR("a name that is longer")).p == NULL);
	CHECK(a.over);
	arena_fini(&a);
}

TEST(parts_of_characters)
{
	uint32_t parts[4];
	struct arena a;
	struct buf out;

	CHECK_EQ(utf8_parts('a', parts, 4), 1);
	CHECK_EQ(utf8_parts(0xe4, parts, 4), 2);
	CHECK_EQ(parts[0], 'a');
	CHECK(utf8_is_mark(parts[1]) && !utf8_is_mark('a'));
	CHECK_EQ(utf8_parts(0x110000, parts, 4), 0);
	/* A ligature of eighteen letters, of which four have room. */
	CHECK_EQ(utf8_parts(0xfdfa, parts, 4), 4);
	CHECK(utf8_is_upper(0xc4) && !utf8_is_upper(0xe4));
	buf_init(&out, 8);
	utf8_put(&out, 0x5c71);
	CHECK_STR(buf_str(&out), "\xe5\xb1\xb1");
	buf_fini(&out);
	arena_init(&a, 1 * KIB);
	CHECK_STR(utf8_compose(&a, STR("a\xcc\x88")), "\xc3\xa4");
	CHECK_STR(utf8_compose(&a, STR("\xff")), "\xff");
	arena_fini(&a);
}

TEST_MAIN
