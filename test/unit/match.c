/*
 * Attribute matching, PS3.4 C.2.2.2; and that no pattern is slow.
 */
#include "dicom/match.h"
#include "base/clock.h"
#include "base/limit.h"
#include "test.h"

static struct arena arena;

static bool
wild(const char *pattern, const char *value)
{
	return match_wild(str_from(pattern), str_from(value));
}

static bool
matches(enum vr vr, const char *key, const char *value)
{
	bool yes;

	arena_init(&arena, 1 * MIB);
	yes = match_value(&arena, vr, str_from(key), str_from(value));
	CHECK(!arena.over);
	arena_fini(&arena);
	return yes;
}

TEST(stars)
{
	CHECK(wild("*", ""));
	CHECK(wild("*", "abc"));
	CHECK(wild("", ""));
	CHECK(!wild("", "a"));
	CHECK(wild("a*", "a"));
	CHECK(wild("a*", "abc"));
	CHECK(!wild("a*", "ba"));
	CHECK(wild("*c", "abc"));
	CHECK(!wild("*c", "abcd"));
	CHECK(wild("*b*", "abc"));
	CHECK(wild("a*b*c", "a--b--b--c"));
	CHECK(!wild("a*b*c", "a--c--b"));
	CHECK(wild("**a**", "a"));
	CHECK(!wild("ab*bc", "abc"));
	CHECK(wild("ab*bc", "abbc"));
	CHECK(wild("*aab", "aaaab"));
	CHECK(wild("*ab*ab", "abab"));
	CHECK(!wild("*ab*ab", "ab"));
	CHECK(!wild("*abc*", "ab"));
}

TEST(question_marks)
{
	CHECK(wild("?", "a"));
	CHECK(wild("?", "é"));
	CHECK(wild("?", "王"));
	CHECK(wild("?", "\xf0\x9f\x98\x80"));
	CHECK(!wild("?", ""));
	CHECK(!wild("?", "ab"));
	CHECK(!wild("??", "é"));
	CHECK(wild("a?c", "aéc"));
	CHECK(wild("*?", "é"));
	CHECK(!wild("*?", ""));
	CHECK(wild("?*?", "ab"));
	CHECK(!wild("?*?", "é"));
	CHECK(wild("*?c*", "abc"));
	CHECK(wild("*a?c", "xxaéc"));
	CHECK(wild("*?é*", "aébc"));
	CHECK(!wild("*?a", "a"));
	CHECK(wild("?*", "王^小"));
	CHECK(wild("*^?", "王^小"));
}

/* Pieces longer than those that are tried at each place. */
TEST(long_pieces)
{
	CHECK(
	    wild("*bcdefghij?lmnopqrstuvwxyz*", "abcdefghijklmnopqrstuvwxyz"));
	CHECK(wild("*bcdefghij?lmnopqrstuvwxyz*",
	    "abcdefghij\xe7\x8e\x8blmnopqrstuvwxyz"));
	CHECK(
	    !wild("*bcdefghij?lmnopqrstuvwxyz*", "abcdefghijklmnopqrstuvwxy!"));
	CHECK(!wild(
	    "*bcdefghij?lmnopqrstuvwxyz*", "abcdefghijlmnopqrstuvwxyz...."));
	CHECK(wild("*????????????????????*é", "王王王王王王王王王王"
					      "王王王王王王王王王王é"));
	CHECK(!wild("*?????????????????????*é", "王王王王王王王王王王"
						"王王王王王王王王王王é"));
	CHECK(wild("*a??????????????????????????????????????????????????????"
		   "???????????????????z*",
	    "aa1234567890123456789012345678901234567890123456789012345678901"
	    "234567890123z--"));
	CHECK(!wild("*a??????????????????????????????????????????????????????"
		    "???????????????????z*",
	    "ab123456789012345678901234567890123456789012345678901234567890"
	    "12345678901234z--"));
}

/* Recursion that is right without a doubt, for short inputs. */
static bool
plainly(const char *p, const char *v)
{
	for (; *p != '\0'; p++) {
		if (*p == '*')
			return plainly(p + 1, v) ||
			       (*v != '\0' && plainly(p, v + 1));
		if (*v == '\0' || (*p != '?' && *p != *v))
			return false;
		v++;
	}
	return *v == '\0';
}

TEST(all_short_patterns)
{
	static const char letters[] = "*?ab";
	char pattern[6], value[6];
	int p, v, i, j, wrong = 0;

	for (p = 0; p < 4 * 4 * 4 * 4 * 4; p++) {
		for (i = 0, j = p; i < 5; i++, j /= 4)
			pattern[i] = letters[j % 4];
		pattern[5] = '\0';
		for (v = 0; v < 64; v++) {
			for (i = 0; i < 5; i++)
				value[i] = (v >> i & 1) ? 'a' : 'b';
			value[v % 6] = '\0';
			value[5] = '\0';
			wrong +=
			    wild(pattern, value) != plainly(pattern, value);
		}
	}
	CHECK_EQ(wrong, 0);
}

/* A matcher that tries every division of the value would not come back within
 * anybody's patience; a linear one hardly notices. */
static bool
matches_many(const char *piece, size_t repeat, struct str value)
{
	size_t n = strlen(piece), i;
	char *pattern = must_alloc(n * repeat + 1);
	bool yes;

	for (i = 0; i < repeat; i++)
		memcpy(pattern + i * n, piece, n);
	pattern[n * repeat] = 'b';
	yes = match_wild(str_of(pattern, n * repeat + 1), value);
	free(pattern);
	return yes;
}

TEST(no_pattern_is_slow)
{
	uint8_t *text = must_alloc(MIB);
	struct str value = str_of(text, MIB);

	memset(text, 'a', MIB);
	CHECK(match_wild(STR("*a*a*a*a*"), value));
	CHECK(!matches_many("*a", 4, value));
	CHECK(!matches_many("*a", 100000, value));
	CHECK(!matches_many("*?a", 100000, value));
	CHECK(!matches_many("*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 1000, value));
	CHECK(
	    !matches_many("*aaaaaaaaaaaaa?aaaaaaaaaaaaaaaaaaab", 1000, value));
	CHECK(
	    !matches_many("*?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 10000, value));
	CHECK(!matches_many("a", 200000, value));
	CHECK(!matches_many("*?????", 1000, value));
	free(text);
}

TEST(kinds)
{
	CHECK_EQ(match_kind(VR_LO, STR("")), MATCH_UNIVERSAL);
	CHECK_EQ(match_kind(VR_LO, STR("*")), MATCH_UNIVERSAL);
	CHECK_EQ(match_kind(VR_DA, STR(" ** ")), MATCH_UNIVERSAL);
	CHECK_EQ(match_kind(VR_LO, STR("A*")), MATCH_WILD);
	CHECK_EQ(match_kind(VR_LO, STR("A?")), MATCH_WILD);
	CHECK_EQ(match_kind(VR_LO, STR("A-B")), MATCH_SINGLE);
	CHECK_EQ(match_kind(VR_IS, STR("1?")), MATCH_SINGLE);
	CHECK_EQ(match_kind(VR_UI, STR("1.2")), MATCH_SINGLE);
	CHECK_EQ(match_kind(VR_UI, STR("1.2\\1.3")), MATCH_UID_LIST);
	CHECK_EQ(match_kind(VR_DA, STR("20240101")), MATCH_SINGLE);
	CHECK_EQ(match_kind(VR_DA, STR("20240101-")), MATCH_RANGE);
	CHECK_EQ(match_kind(VR_TM, STR("-10")), MATCH_RANGE);
	CHECK_EQ(match_kind(VR_DT, STR("2024-0500")), MATCH_SINGLE);
	CHECK_EQ(match_kind(VR_DT, STR("2024-2025")), MATCH_RANGE);
}

static bool
splits(enum vr vr, const char *key, const char *from, const char *to)
{
	struct str a, b;

	return match_range_split(vr, str_from(key), &a, &b) &&
	       str_eq_text(a, from) && str_eq_text(b, to);
}

TEST(keys_of_dates_and_times)
{
	static const struct {
		enum vr vr;
		const char *key;
		enum match_moment is;
		const char *read;
	} rows[] = {
	    {VR_DA, "", MATCH_MOMENT_PLAIN, ""},
	    {VR_DA, "*", MATCH_MOMENT_PLAIN, "*"},
	    {VR_DA, "20240101", MATCH_MOMENT_PLAIN, "20240101"},
	    {VR_DA, "20240101-20240131", MATCH_MOMENT_PLAIN,
		"20240101-20240131"},
	    {VR_DA, "-20240131", MATCH_MOMENT_PLAIN, "-20240131"},
	    {VR_DA, "20240101-", MATCH_MOMENT_PLAIN, "20240101-"},
	    {VR_DA, "20240101\\x", MATCH_MOMENT_PLAIN, "20240101\\x"},
	    /* As registers have them who know no better. */
	    {VR_DA, "1950", MATCH_MOMENT_PLAIN, "1950"},
	    {VR_DA, "19500000", MATCH_MOMENT_PLAIN, "19500000"},
	    {VR_DA, "00000000", MATCH_MOMENT_PLAIN, "00000000"},
	    {VR_DA, "2024.01.01", MATCH_MOMENT_READ, "20240101"},
	    {VR_DA, "2024-01-01", MATCH_MOMENT_READ, "20240101"},
	    {VR_DA, "2024/01/01", MATCH_MOMENT_READ, "20240101"},
	    {VR_DA, "2024-01-01-", MATCH_MOMENT_READ, "20240101-"},
	    {VR_DA, "-2024-01-31", MATCH_MOMENT_READ, "-20240131"},
	    {VR_DA, "2024-01-01-2024-01-31", MATCH_MOMENT_READ,
		"20240101-20240131"},
	    {VR_DA, "2024.01.01 - 2024.01.31", MATCH_MOMENT_READ,
		"20240101-20240131"},
	    {VR_DA, "20240101 - 2024/01/31", MATCH_MOMENT_READ,
		"20240101-20240131"},
	    {VR_DA, "20240201-20240231", MATCH_MOMENT_READ,
		"20240201-20240229"},
	    {VR_DA, "20230201-20230230", MATCH_MOMENT_READ,
		"20230201-20230228"},
	    {VR_DA, "2024AB01", MATCH_MOMENT_LETTER, "2024AB01"},
	    {VR_DA, "2024-0131", MATCH_MOMENT_WRONG, "2024-0131"},
	    {VR_DA, "2024-01/31", MATCH_MOMENT_WRONG, "2024-01/31"},
	    {VR_DA, "01-JAN-2024", MATCH_MOMENT_LETTER, "01-JAN-2024"},
	    {VR_DA, "202401*", MATCH_MOMENT_LETTER, "202401*"},
	    {VR_DA, "2024.13.01", MATCH_MOMENT_LETTER, "2024.13.01"},
	    {VR_DA, "2024AB01-", MATCH_MOMENT_WRONG, "2024AB01-"},
	    {VR_DA, "20240101-20240131-", MATCH_MOMENT_WRONG,
		"20240101-20240131-"},
	    {VR_DA, "20240101-2024", MATCH_MOMENT_WRONG, "20240101-2024"},
	    {VR_DA, "20240132-", MATCH_MOMENT_WRONG, "20240132-"},
	    {VR_DA, "20241301-", MATCH_MOMENT_WRONG, "20241301-"},
	    {VR_DA, "-", MATCH_MOMENT_WRONG, "-"},
	    {VR_DA, "--", MATCH_MOMENT_WRONG, "--"},
	    {VR_TM, "10", MATCH_MOMENT_PLAIN, "10"},
	    {VR_TM, "10:30:00", MATCH_MOMENT_PLAIN, "10:30:00"},
	    {VR_TM, "10:30-11:30", MATCH_MOMENT_PLAIN, "10:30-11:30"},
	    {VR_TM, "-1130", MATCH_MOMENT_PLAIN, "-1130"},
	    {VR_TM, "0000-2400", MATCH_MOMENT_READ, "0000-235959.999999"},
	    {VR_TM, "00:00:00-24:00:00", MATCH_MOMENT_READ,
		"00:00:00-235959.999999"},
	    {VR_TM, "-24", MATCH_MOMENT_READ, "-235959.999999"},
	    {VR_TM, "99", MATCH_MOMENT_LETTER, "99"},
	    {VR_TM, "24", MATCH_MOMENT_LETTER, "24"},
	    {VR_TM, "noon", MATCH_MOMENT_LETTER, "noon"},
	    {VR_TM, "2400-", MATCH_MOMENT_WRONG, "2400-"},
	    {VR_TM, "10-99", MATCH_MOMENT_WRONG, "10-99"},
	    {VR_TM, "10-2430", MATCH_MOMENT_WRONG, "10-2430"},
	    {VR_TM, "10-11-", MATCH_MOMENT_WRONG, "10-11-"},
	    {VR_DT, "20240101", MATCH_MOMENT_PLAIN, "20240101"},
	    {VR_DT, "2024-0500", MATCH_MOMENT_PLAIN, "2024-0500"},
	    {VR_DT, "202401-20240201", MATCH_MOMENT_PLAIN, "202401-20240201"},
	    {VR_DT, "tomorrow", MATCH_MOMENT_LETTER, "tomorrow"},
	    {VR_DT, "20240101-x", MATCH_MOMENT_WRONG, "20240101-x"},
	    {VR_LO, " 2024AB01-", MATCH_MOMENT_PLAIN, " 2024AB01-"},
	};
	struct arena a;
	struct str read;
	size_t i;

	arena_init(&a, 64 * KIB);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		if (!CHECK_EQ(match_moment(
				  &a, rows[i].vr, str_from(rows[i].key), &read),
			rows[i].is))
			printf("  of '%s'\n", rows[i].key);
		CHECK_STR(read, rows[i].read);
	}
	arena_fini(&a);
}

TEST(splitting_ranges)
{
	struct str a, b;

	CHECK(splits(VR_DA, "20240101-20241231", "20240101", "20241231"));
	CHECK(splits(VR_DA, "20240101 - 20241231 ", "20240101", "20241231"));
	CHECK(splits(VR_DA, "-20241231", "", "20241231"));
	CHECK(splits(VR_DA, "20240101-", "20240101", ""));
	CHECK(splits(VR_TM, "10-11", "10", "11"));
	CHECK(splits(VR_DT, "2024-0500-", "2024-0500", ""));
	CHECK(splits(VR_DT, "-2024-0500", "", "2024-0500"));
	CHECK(splits(VR_DT, "2024-0500-2025+0100", "2024-0500", "2025+0100"));
	CHECK(splits(VR_DT, "2024-0500-2025-0500", "2024-0500", "2025-0500"));
	CHECK(splits(VR_DT, "202401-202402", "202401", "202402"));
	CHECK(!match_range_split(VR_DA, STR("20240101"), &a, &b));
	CHECK(!match_range_split(VR_DA, STR("2024-01-01"), &a, &b));
	CHECK(!match_range_split(VR_DA, STR(""), &a, &b));
	CHECK(!match_range_split(VR_LO, STR("a-b"), &a, &b));
	CHECK(!match_range_split(VR_DT, STR("2024-0500"), &a, &b));
}

TEST(universal_and_empty)
{
	CHECK(matches(VR_LO, "", "anything"));
	CHECK(matches(VR_LO, "*", ""));
	CHECK(matches(VR_DA, "*", ""));
	CHECK(matches(VR_UI, "", ""));
	CHECK(!matches(VR_LO, "A", ""));
	CHECK(!matches(VR_LO, "?", ""));
	CHECK(!matches(VR_PN, "A*", ""));
	CHECK(!matches(VR_DA, "-20240101", ""));
	CHECK(!matches(VR_DA, "-", ""));
	CHECK(!matches(VR_UI, "1.2", ""));
}

TEST(single_values)
{
	CHECK(matches(VR_LO, "ID 1", "ID 1 "));
	CHECK(matches(VR_SH, " A ", "A"));
	CHECK(!matches(VR_LO, "id", "ID"));
	CHECK(!matches(VR_CS, "ct", "CT"));
	CHECK(!matches(VR_LO, "A", "AB"));
	CHECK(matches(VR_IS, "1", "001"));
	CHECK(!matches(VR_IS, "1", "10"));
	CHECK(matches(VR_LT, "a\\b", "a\\b"));
	CHECK(!matches(VR_LT, "a", "a\\b"));
	CHECK(matches(VR_LO, "A*", "ABC"));
	CHECK(!matches(VR_LO, "a*", "ABC"));
	CHECK(!matches(VR_IS, "1*", "10"));
}

TEST(several_values)
{
	CHECK(matches(VR_CS, "MR", "CT\\MR\\SR"));
	CHECK(matches(VR_CS, "CT\\US", "MR\\US"));
	CHECK(!matches(VR_CS, "CT\\US", "MR\\SR"));
	CHECK(matches(VR_LO, "B*", "ABC\\BCD"));
	CHECK(!matches(VR_LO, "C", "ABC\\BCD"));
	CHECK(!matches(VR_LO, "\\A", "\\B"));
	CHECK(matches(VR_PN, "ROE", "DOE\\ROE"));
}

TEST(uids)
{
	CHECK(matches(VR_UI, "1.2.3", "1.2.3"));
	CHECK(matches(VR_UI, "1.2.3\\1.2.4", "1.2.4"));
	CHECK(!matches(VR_UI, "1.2.3\\1.2.4", "1.2.5"));
	CHECK(!matches(VR_UI, "1.2.3", "1.2.30"));
	CHECK(match_value(&arena, VR_UI, str_of("1.2.3\0", 6), STR("1.2.3")));
	CHECK(match_value(&arena, VR_UI, STR("1.2.3"), str_of("1.2.3\0", 6)));
}

TEST(dates)
{
	CHECK(matches(VR_DA, "20240229", "20240229"));
	CHECK(matches(VR_DA, "2024.02.29", "20240229"));
	CHECK(matches(VR_DA, "20240229", "2024.02.29"));
	CHECK(!matches(VR_DA, "20240229", "20240228"));
	CHECK(matches(VR_DA, "20240101-20241231", "20240101"));
	CHECK(matches(VR_DA, "20240101-20241231", "20241231"));
	CHECK(matches(VR_DA, "20240101-20241231", "2024.06.01"));
	CHECK(!matches(VR_DA, "20240101-20241231", "20250101"));
	CHECK(!matches(VR_DA, "20240101-20241231", "20231231"));
	CHECK(matches(VR_DA, "-20240101", "19000101"));
	CHECK(!matches(VR_DA, "-20240101", "20240102"));
	CHECK(matches(VR_DA, "20240101-", "20991231"));
	CHECK(!matches(VR_DA, "20240101-", "20231231"));
	CHECK(!matches(VR_DA, "20241231-20240101", "20240601"));
	CHECK(!matches(VR_DA, "20240101-", "unknown"));
	CHECK(!matches(VR_DA, "2024-", "20240601"));
	CHECK(matches(VR_DA, "20240229", "20200101\\20240229"));
}

TEST(times)
{
	CHECK(matches(VR_TM, "2230", "223000"));
	CHECK(matches(VR_TM, "223000", "2230"));
	CHECK(matches(VR_TM, "10", "101530.5"));
	CHECK(!matches(VR_TM, "10", "110000"));
	CHECK(matches(VR_TM, "08-10", "105959.999999"));
	CHECK(!matches(VR_TM, "08-10", "110000"));
	CHECK(!matches(VR_TM, "08-10", "075959.9"));
	CHECK(matches(VR_TM, "-10", "000000"));
	CHECK(matches(VR_TM, "1000-", "10:00:00"));
	CHECK(!matches(VR_TM, "1000-", "095959"));
	CHECK(!matches(VR_TM, "22-02", "230000"));
	CHECK(matches(VR_TM, "101530.5", "101530.50"));
	CHECK(!matches(VR_TM, "101530", "101531"));
}

TEST(datetimes)
{
	CHECK(matches(VR_DT, "19980128103000.0000", "19980128103000"));
	CHECK(matches(VR_DT, "19980128133000+0000", "19980128103000-0300"));
	CHECK(!matches(VR_DT, "19980128103000+0000", "19980128103000-0300"));
	CHECK(matches(VR_DT, "1998", "19980128103000"));
	CHECK(matches(VR_DT, "199801-199802", "19980228235959"));
	CHECK(!matches(VR_DT, "199801-199802", "19980301"));
	CHECK(matches(VR_DT, "19980128-", "19980128000000"));
	CHECK(matches(VR_DT, "-19980128", "19980128235959"));
	CHECK(!matches(VR_DT, "-19980128", "19980129"));
}

TEST(names)
{
	CHECK(matches(VR_PN, "DOE^JOHN", "Doe^John"));
	CHECK(matches(VR_PN, "DOE^JOHN^^^", "DOE^JOHN"));
	CHECK(matches(VR_PN, "DOE^JOHN", "DOE^JOHN^^"));
	CHECK(matches(VR_PN, "DOE ^ JOHN", "DOE^JOHN"));
	CHECK(!matches(VR_PN, "DOE", "DOE^JOHN"));
	CHECK(!matches(VR_PN, "JOHN^DOE", "DOE^JOHN"));
	CHECK(matches(VR_PN, "muller", "M\xc3\xbcller"));
	CHECK(matches(VR_PN, "M\xc3\xbcLLER*", "muller^hans"));
	CHECK(matches(VR_PN, "DOE*", "DOE^JOHN"));
	CHECK(matches(VR_PN, "DOE^*", "DOE^JOHN"));
	CHECK(matches(VR_PN, "DOE^*", "DOE"));
	CHECK(matches(VR_PN, "DOE^*^*", "DOE^JOHN"));
	CHECK(!matches(VR_PN, "DOE^?*", "DOE"));
	CHECK(matches(VR_PN, "*^JOHN", "DOE^JOHN"));
	CHECK(matches(VR_PN, "D?E^J*", "DOE^JOHN"));
	CHECK(!matches(VR_PN, "D?E", "DE"));
	CHECK(matches(VR_PN, "^", "DOE"));
}

TEST(names_of_several_groups)
{
	static const char yamada[] = "Yamada^Tarou=山田^太郎=やまだ^たろう";

	CHECK(matches(VR_PN, "yamada^tarou", yamada));
	CHECK(matches(VR_PN, "山田^太郎", yamada));
	CHECK(matches(VR_PN, "やまだ*", yamada));
	CHECK(matches(VR_PN, "=山田*", yamada));
	CHECK(matches(VR_PN, "YAMADA^TAROU=山田^太郎", yamada));
	CHECK(matches(VR_PN, "*=*=やまだ^たろう", yamada));
	CHECK(!matches(VR_PN, "=やまだ*", yamada));
	CHECK(!matches(VR_PN, "YAMADA^TAROU=山口^太郎", yamada));
	CHECK(!matches(VR_PN, "YAMADA^TAROU=山田", "Yamada^Tarou"));
	CHECK(matches(VR_PN, "YAMADA^TAROU=*", "Yamada^Tarou"));
}

TEST(names_beyond_the_budget)
{
	arena_init(&arena, 64);
	CHECK(!match_value(&arena, VR_PN, STR("A LONG NAME THAT DOES NOT FIT"),
	    STR("A LONG NAME THAT DOES NOT FIT")));
	CHECK(arena.over);
	arena_fini(&arena);
}

TEST(numbers)
{
	struct arena a;

	arena_init(&a, 1 * MIB);
#define SAME(vr, x, y) match_value(&a, (vr), STR(x), STR(y))
	CHECK(SAME(VR_DS, "1", "1.0"));
	CHECK(SAME(VR_DS, "01", "1"));
	CHECK(SAME(VR_DS, ".5", "0.50"));
	CHECK(SAME(VR_DS, "5.", "+5"));
	CHECK(SAME(VR_DS, "-1.5E+1", "-15"));
	CHECK(SAME(VR_DS, "100", "1e2"));
	CHECK(SAME(VR_DS, "0.001", "1E-3"));
	CHECK(SAME(VR_DS, "-0", "0.0"));
	CHECK(SAME(VR_DS, "2", "1\\2.0\\3"));
	CHECK(SAME(VR_IS, "+7", "007"));
	CHECK(SAME(VR_IS, " 7", "7 "));
	CHECK(!SAME(VR_DS, "1", "10"));
	CHECK(!SAME(VR_DS, "1", "-1"));
	CHECK(!SAME(VR_DS, "1.000000000000000001", "1"));
	CHECK(!SAME(VR_DS, "1E", "1"));
	CHECK(!SAME(VR_DS, "1E99999999999", "1"));
	CHECK(!SAME(VR_DS, ".", "0"));
	CHECK(!SAME(VR_SH, "01", "1"));
	CHECK(SAME(VR_DS, "x", "x"));
	CHECK(SAME(VR_US, "\x01\x00", "\x02\x00\x01\x00"));
	CHECK(SAME(VR_US, "\x05\x00\x01\x00", "\x02\x00\x01\x00"));
	CHECK(!SAME(VR_US, "\x00\x02", "\x02\x00"));
	CHECK(!SAME(VR_US, "**", "\x01\x00"));
	CHECK(SAME(VR_US, "**", "**"));
	CHECK(SAME(VR_US, "", "\x01\x00"));
	CHECK(!SAME(VR_AT, "\x01\x00\x02\x00", "\x02\x00\x01\x00"));
	CHECK(SAME(VR_PN, "^^^^", "Doe"));
	CHECK(SAME(VR_PN, "^^=^^", "^^^^"));
	CHECK(SAME(VR_PN, "^", ""));
	CHECK(!SAME(VR_PN, "*^x", ""));
	CHECK(SAME(VR_PN, "Roe\\doe", "Doe\\Foe"));
	CHECK(!SAME(VR_PN, "Roe\\", "Doe\\Foe"));
	CHECK(SAME(VR_OB, "abc", "abc"));
	CHECK(!SAME(VR_OB, "a", "abc"));
#undef SAME
	arena_fini(&a);
}

TEST_MAIN
