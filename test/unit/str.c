/*
 * Slices: comparison, trimming, splitting, numbers, copies.
 */
#include "base/str.h"
#include "test.h"

TEST(empty_slices)
{
	struct str none = str_from(NULL);

	CHECK_EQ(none.n, 0);
	CHECK(str_eq(none, STR("")));
	CHECK(str_eq_nocase(none, STR("")));
	CHECK_EQ(str_cmp(none, STR("")), 0);
	CHECK(str_starts(none, none) && str_ends(none, none));
	CHECK_EQ(str_find(none, 'a'), 0);
	CHECK_EQ(str_trim(none).n, 0);
	CHECK_EQ(str_trim(STR(" \0 ")).n, 0);
}

TEST(equality)
{
	CHECK(str_eq(STR("a\0b"), STR("a\0b")));
	CHECK(!str_eq(STR("a\0b"), STR("a\0c")));
	CHECK(!str_eq(STR("a"), STR("ab")));
	CHECK(str_eq_text(STR("abc"), "abc"));
	CHECK(!str_eq_text(STR("abc"), "ab"));
	CHECK(!str_eq_text(STR("abc"), NULL));
	CHECK(str_eq_nocase(STR("CS_x"), STR("cs_X")));
	CHECK(!str_eq_nocase(STR("["), STR("{")));
	CHECK(!str_eq_nocase(STR("\xc4"), STR("\xe4")));
}

TEST(order)
{
	CHECK(str_cmp(STR("a"), STR("b")) < 0);
	CHECK(str_cmp(STR("ab"), STR("a")) > 0);
	CHECK(str_cmp(STR("a"), STR("ab")) < 0);
	CHECK(str_cmp(STR("\xff"), STR("a")) > 0);
	CHECK_EQ(str_cmp(STR("ab"), STR("ab")), 0);
}

TEST(begins_ends_find)
{
	CHECK(str_starts(STR("abc"), STR("ab")));
	CHECK(str_starts(STR("abc"), STR("")));
	CHECK(!str_starts(STR("a"), STR("ab")));
	CHECK(str_ends(STR("abc"), STR("bc")));
	CHECK(!str_ends(STR("abc"), STR("ab")));
	CHECK_EQ(str_find(STR("abc"), 'c'), 2);
	CHECK_EQ(str_find(STR("abc"), 'x'), 3);
}

TEST(trim)
{
	CHECK_STR(str_trim(STR("  a b  ")), "a b");
	CHECK_STR(str_trim(STR("1.2\0")), "1.2");
	CHECK_STR(str_trim(STR("1.2 \0 ")), "1.2");
	CHECK_STR(str_trim_end(STR("  a \0")), "  a");
	CHECK_STR(str_trim(STR("\ta\t")), "\ta\t");
}

TEST(split)
{
	struct str rest = STR("a\\\\bc"), part;

	CHECK(str_split(&rest, '\\', &part));
	CHECK_STR(part, "a");
	CHECK(str_split(&rest, '\\', &part));
	CHECK_STR(part, "");
	CHECK(str_split(&rest, '\\', &part));
	CHECK_STR(part, "bc");
	CHECK(!str_split(&rest, '\\', &part));

	rest = STR("");
	CHECK(str_split(&rest, '\\', &part));
	CHECK_STR(part, "");
	CHECK(!str_split(&rest, '\\', &part));

	rest = STR("a\\");
	CHECK(str_split(&rest, '\\', &part));
	CHECK_STR(part, "a");
	CHECK(str_split(&rest, '\\', &part));
	CHECK_STR(part, "");
	CHECK(!str_split(&rest, '\\', &part));

	rest = str_from(NULL);
	CHECK(!str_split(&rest, '\\', &part));
}

TEST(unsigned_numbers)
{
	uint64_t v = 7;

	CHECK(str_u64(STR("0"), &v) && v == 0);
	CHECK(str_u64(STR("0042"), &v) && v == 42);
	CHECK(str_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	v = 7;
	CHECK(!str_u64(STR("18446744073709551616"), &v));
	CHECK(!str_u64(STR("99999999999999999999999"), &v));
	CHECK(!str_u64(STR(""), &v));
	CHECK(!str_u64(STR("+1"), &v));
	CHECK(!str_u64(STR("-1"), &v));
	CHECK(!str_u64(STR("1 "), &v));
	CHECK(!str_u64(STR("1/"), &v));
	CHECK(!str_u64(STR(":"), &v));
	CHECK_EQ(v, 7);
}

TEST(signed_numbers)
{
	int64_t v = 7;

	CHECK(str_i64(STR("-9223372036854775808"), &v) && v == INT64_MIN);
	CHECK(str_i64(STR("9223372036854775807"), &v) && v == INT64_MAX);
	CHECK(str_i64(STR("+5"), &v) && v == 5);
	CHECK(str_i64(STR("-0"), &v) && v == 0);
	v = 7;
	CHECK(!str_i64(STR("9223372036854775808"), &v));
	CHECK(!str_i64(STR("-9223372036854775809"), &v));
	CHECK(!str_i64(STR("-"), &v));
	CHECK(!str_i64(STR("--1"), &v));
	CHECK(!str_i64(STR("-+1"), &v));
	CHECK(!str_i64(STR(""), &v));
	CHECK_EQ(v, 7);
}

TEST(copies)
{
	char out[4];

	CHECK(str_copy(out, sizeof(out), STR("abc")));
	CHECK_STR(str_from(out), "abc");
	CHECK(!str_copy(out, sizeof(out), STR("abcd")));
	CHECK_STR(str_from(out), "abc");
	CHECK(str_copy(out, sizeof(out), str_from(NULL)));
	CHECK_STR(str_from(out), "");
	CHECK(!str_copy(out, 1, STR("a")));
	CHECK_STR(str_from(out), "");
}

TEST(printable)
{
	char out[16], small[6];

	CHECK_STR(str_from(str_printable(out, sizeof(out), STR("a\n\xff~"))),
	    "a\\x0a\\xff~");
	/* Never half an escape. */
	CHECK_STR(
	    str_from(str_printable(small, sizeof(small), STR("ab\n"))), "ab");
	CHECK_STR(str_from(str_printable(small, sizeof(small), STR("a\nbc"))),
	    "a\\x0a");
	CHECK_STR(str_from(str_printable(small, 1, STR("a"))), "");
}

TEST_MAIN
