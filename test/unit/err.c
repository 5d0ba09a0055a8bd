/*
 * Errors: codes from errno, prefixes, texts that are too long.
 */
#include "base/err.h"
#include "test.h"

#include <errno.h>

TEST(fail_sets_and_returns_false)
{
	struct err e = {0};

	CHECK(!fail(&e, ERR_LIMIT, "more than %d contexts", 128));
	CHECK_EQ(e.code, ERR_LIMIT);
	CHECK_STR(str_from(e.text), "more than 128 contexts");
}

TEST(fail_may_quote_itself)
{
	struct err e = {0};

	fail(&e, ERR_IO, "inner");
	CHECK(!fail(&e, ERR_CORRUPT, "outer (%s)", e.text));
	CHECK_STR(str_from(e.text), "outer (inner)");
	CHECK_EQ(e.code, ERR_CORRUPT);
}

TEST(fail_errno_maps_codes)
{
	static const struct {
		int number;
		enum err_code code;
	} rows[] = {{ENOSPC, ERR_FULL}, {EDQUOT, ERR_FULL},
	    {ENOENT, ERR_MISSING}, {EIO, ERR_IO}, {EACCES, ERR_IO}};
	struct err e = {0};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		errno = rows[i].number;
		CHECK(!fail_errno(&e, "cannot open '%s'", "x"));
		CHECK_EQ(e.code, rows[i].code);
	}
	errno = ENOENT;
	fail_errno(&e, "cannot open '%s'", "x");
	CHECK_STR(
	    str_from(e.text), "cannot open 'x': No such file or directory");
}

TEST(fail_in_prefixes_and_keeps_code)
{
	struct err e = {0};

	fail(&e, ERR_FULL, "no room");
	CHECK(!fail_in(&e, "storing '%s'", "1.2.3"));
	CHECK_EQ(e.code, ERR_FULL);
	CHECK_STR(str_from(e.text), "storing '1.2.3': no room");
}

TEST(long_texts_are_cut)
{
	struct err e = {0};
	int i;

	fail(&e, ERR_IO, "x");
	for (i = 0; i < 100; i++)
		fail_in(&e, "0123456789");
	CHECK_EQ(strlen(e.text), sizeof(e.text) - 1);
	CHECK(str_starts(str_from(e.text), STR("0123456789: 0123456789: ")));
}

TEST(every_code_has_its_own_name)
{
	int i, k;

	for (i = 0; i <= ERR_USAGE; i++) {
		CHECK(strlen(err_name((enum err_code)i)) > 1);
		for (k = 0; k < i; k++)
			CHECK(strcmp(err_name((enum err_code)i),
				  err_name((enum err_code)k)) != 0);
	}
	CHECK_STR(str_from(err_name(ERR_FULL)), "full");
}

TEST_MAIN
