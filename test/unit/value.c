/*
 * UIDs, dates, times and person names.
 */
#include "dicom/value.h"
#include "base/limit.h"
#include "test.h"

TEST(uids_that_are_valid)
{
	char longest[65];

	memset(longest, '1', 64);
	longest[1] = '.';
	longest[64] = '\0';
	CHECK(uid_valid(STR("1.2.840.10008.1.2")));
	CHECK(uid_valid(STR("0.0")));
	CHECK(uid_valid(STR("2")));
	CHECK(uid_valid(str_from(longest)));
}

TEST(uids_that_are_not)
{
	char longer[66];

	memset(longer, '1', 65);
	longer[65] = '\0';
	CHECK(!uid_valid(STR("")));
	CHECK(!uid_valid(STR(".")));
	CHECK(!uid_valid(STR("1.")));
	CHECK(!uid_valid(STR(".1")));
	CHECK(!uid_valid(STR("1..2")));
	CHECK(!uid_valid(STR("1.02")));
	CHECK(!uid_valid(STR("01")));
	CHECK(!uid_valid(STR("1.2a")));
	CHECK(!uid_valid(STR("1.2 ")));
	CHECK(!uid_valid(STR("../../etc")));
	CHECK(!uid_valid(str_of("1.2\0", 4)));
	CHECK(!uid_valid(str_from(longer)));
}

TEST(new_uids)
{
	char a[UID_ROOM], b[UID_ROOM];
	int i;

	for (i = 0; i < 200; i++) {
		uid_new(a);
		uid_new(b);
		CHECK(uid_valid(str_from(a)));
		CHECK(str_starts(str_from(a), STR("2.25.")));
		CHECK(strcmp(a, b) != 0);
	}
}

TEST(uids_that_are_met)
{
	CHECK(uid_met(STR("1.2.840.10008.1.2")));
	CHECK(uid_met(STR("1.02.0003")));
	CHECK(uid_met(STR("1.2.3a-F_4.")));
	CHECK(!uid_met(STR("")));
	CHECK(!uid_met(STR("x")));
	CHECK(!uid_met(STR(".1")));
	CHECK(!uid_met(STR("1 2")));
	CHECK(!uid_met(STR("1.2\\3")));
	CHECK(!uid_met(STR("1/../2")));
	CHECK(!uid_met(STR("1.2*")));
	CHECK(!uid_met(STR("1234567890123456789012345678901234567890123456789"
			   "0123456789012345")));
}

TEST(uids_from_hashes)
{
	char a[UID_ROOM], b[UID_ROOM];

	/* SHA-256 of "abc", the first 16 bytes without the highest bit:
	 * 3a7816bf8f01cfea414140de5dae2223. */
	uid_from_hash(STR("abc"), a);
	CHECK_STR(str_from(a), "2.25.77718760768398167686456413793352032803");
	uid_from_hash(STR("abc"), b);
	CHECK(!strcmp(a, b));
	uid_from_hash(STR("abd"), b);
	CHECK(strcmp(a, b) != 0);
	uid_from_hash(STR(""), b);
	CHECK(uid_valid(str_from(b)));
}

static const char *
date(const char *da)
{
	static char out[9];

	return date_parse(str_from(da), out) ? out : "-";
}

TEST(dates)
{
	CHECK(!strcmp(date("20240229"), "20240229"));
	CHECK(!strcmp(date("2024.02.29"), "20240229"));
	CHECK(!strcmp(date(" 19991231 "), "19991231"));
	CHECK(!strcmp(date("20000229"), "20000229"));
	CHECK(!strcmp(date("20230229"), "-"));
	CHECK(!strcmp(date("19000229"), "-"));
	CHECK(!strcmp(date("20241301"), "-"));
	CHECK(!strcmp(date("20240001"), "-"));
	CHECK(!strcmp(date("20240100"), "-"));
	CHECK(!strcmp(date("20240431"), "-"));
	CHECK(!strcmp(date("2024.0229"), "-"));
	CHECK(!strcmp(date("202402.29"), "-"));
	CHECK(!strcmp(date("2024022"), "-"));
	CHECK(!strcmp(date("202402290"), "-"));
	CHECK(!strcmp(date("2024-02-29"), "-"));
	CHECK(!strcmp(date(""), "-"));
}

static const char *
moment(const char *tm, bool end)
{
	static char out[14];

	return time_parse(str_from(tm), end, out) ? out : "-";
}

TEST(times)
{
	CHECK(!strcmp(moment("10", false), "100000.000000"));
	CHECK(!strcmp(moment("10", true), "105959.999999"));
	CHECK(!strcmp(moment("1030", true), "103059.999999"));
	CHECK(!strcmp(moment("103015", false), "103015.000000"));
	CHECK(!strcmp(moment("103015", true), "103015.999999"));
	CHECK(!strcmp(moment("103015.5", false), "103015.500000"));
	CHECK(!strcmp(moment("103015.5", true), "103015.599999"));
	CHECK(!strcmp(moment("103015.123456", true), "103015.123456"));
	CHECK(!strcmp(moment("10:30", false), "103000.000000"));
	CHECK(!strcmp(moment("10:30:15.25 ", false), "103015.250000"));
	CHECK(!strcmp(moment("235960", false), "235960.000000"));
}

TEST(times_that_are_not)
{
	static const char *const wrong[] = {"", "1", "24", "1060", "103061",
	    "103015.", "103015.1234567", "10301", "103", "1030:15",
	    "10:", "10-11", "ab", "10:30:"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK(!strcmp(moment(wrong[i], false), "-"));
}

static int
order(const char *a, bool end_a, const char *b, bool end_b)
{
	struct datetime x, y;

	if (!datetime_parse(str_from(a), end_a, &x) ||
	    !datetime_parse(str_from(b), end_b, &y))
		return 99;
	return datetime_cmp(&x, &y);
}

TEST(datetimes)
{
	CHECK_EQ(order("2024", false, "20240101000000", false), 0);
	CHECK_EQ(order("2024", true, "20241231235959.999999", false), 0);
	CHECK_EQ(order("202402", true, "20240229235959.999999", false), 0);
	CHECK_EQ(order("20240229", true, "20240301", false), -1);
	CHECK_EQ(
	    order("19980128103000.0000", false, "19980128103000", false), 0);
	CHECK_EQ(
	    order("19980128103000-0300", false, "19980128133000+0000", false),
	    0);
	CHECK_EQ(
	    order("19980128103000", false, "19980128103000-0300", false), 0);
	CHECK_EQ(order("20231231235959", false, "20240101", false), -1);
	CHECK_EQ(order("20240301", false, "20240229", false), 1);
	CHECK_EQ(order("0001", false, "0002", false), -1);
}

TEST(datetimes_that_are_not)
{
	static const char *const wrong[] = {"", "202", "20241", "202413",
	    "20240230", "2024022924", "20240229106", "2024022910+2400",
	    "2024022910+01", "2024022910x", "20240229 10"};
	struct datetime out;
	size_t i;

	for (i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK(!datetime_parse(str_from(wrong[i]), false, &out));
}

static struct arena arena;

static struct str
key(const char *pn)
{
	return pn_key(&arena, str_from(pn));
}

TEST(names)
{
	CHECK_STR(pn_alphabetic(STR("DOE^JOHN^^^ ")), "DOE^JOHN");
	CHECK_STR(pn_alphabetic(STR("DOE^JOHN^^=X^Y")), "DOE^JOHN");
	CHECK_STR(pn_alphabetic(STR("=X^Y")), "");
	CHECK_STR(pn_alphabetic(STR("^^^")), "");
	CHECK_STR(pn_alphabetic(STR("")), "");
	arena_init(&arena, 1 * MIB);
	CHECK_STR(key("DOE^JOHN^^^"), "doe^john");
	CHECK_STR(key(" Doe ^ John  Paul ^^Dr."), "doe^john paul^^dr.");
	CHECK_STR(key("M\xc3\xbcller^J\xc3\xbcrgen"), "muller^jurgen");
	CHECK_STR(key("Łukasz^Øyvind=Đoković"), "lukasz^oyvind=dokovic");
	CHECK_STR(pn_accents_key(&arena, STR("Łukasz^Żó=Đ")), "łukasz^zo=đ");
	CHECK_STR(key("A^=B^==="), "a=b");
	CHECK_STR(key("=B"), "=b");
	CHECK_STR(key("^^="), "");
	CHECK_STR(key(""), "");
	CHECK(!arena.over);
	arena_fini(&arena);
}

TEST(names_beyond_the_budget)
{
	static char many[20000];

	memset(many, '^', sizeof(many));
	many[0] = 'A';
	arena_init(&arena, 1 * KIB);
	CHECK(pn_key(&arena, str_of(many, sizeof(many))).n == 0);
	CHECK(arena.over);
	arena_fini(&arena);
}

static struct str
later(const char *day, int days)
{
	char out[9];

	(void)str_copy(out, sizeof(out), str_from(day));
	date_add(out, days);
	return arena_dup(&arena, str_from(out));
}

TEST(days_later)
{
	arena_init(&arena, 1 * KIB);
	CHECK_STR(later("20261121", 0), "20261121");
	CHECK_STR(later("20261130", 1), "20261201");
	CHECK_STR(later("20261231", 1), "20270101");
	CHECK_STR(later("20270101", -1), "20261231");
	CHECK_STR(later("20280228", 1), "20280229");
	CHECK_STR(later("20270301", -1), "20270228");
	CHECK_STR(later("20260101", 365), "20270101");
	CHECK_STR(later("20260301", -31), "20260129");
	CHECK_STR(later("99991231", 1), "99991231");
	CHECK_STR(later("no date", 1), "no date");
	arena_fini(&arena);
}

TEST_MAIN
