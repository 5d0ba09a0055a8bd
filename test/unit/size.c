/*
 * Sizes in bytes as people write them.
 */
#include "app/settings.h"
#include "test.h"

static uint64_t
parsed(const char *text)
{
	uint64_t v = 0;

	CHECK(size_parse(str_from(text), &v));
	return v;
}

TEST(units)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {{"0", 0}, {"4096", 4096}, {"7 B", 7}, {"1 kB", 1000},
	    {"1KB", 1000}, {"1 KiB", 1024}, {"500MB", 500000000},
	    {"3 MiB", 3145728}, {"2 GiB", 2147483648}, {" 2 gib ", 2147483648},
	    {"2 GB", 2000000000}, {"1 TB", 1000000000000},
	    {"1 TiB", 1099511627776}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ(parsed(rows[i].text), rows[i].bytes);
	CHECK(parsed("18446744073709551615") == UINT64_MAX);
}

TEST(what_is_no_size)
{
	static const char *const rows[] = {"", " ", "GiB", "-1", "+1",
	    "1.5 GiB", "2 G", "2GiBs", "2 GiB 3", "0x10", "1 XB",
	    "18446744073709551616", "16777216 TiB", "1,000"};
	uint64_t v = 77;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (!CHECK(!size_parse(str_from(rows[i]), &v)))
			printf("  '%s'\n", rows[i]);
}

TEST(text_is_exact_and_comes_back)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {{0, "0"}, {1, "1"}, {1023, "1023"}, {1024, "1 KiB"},
	    {1000, "1 kB"}, {2147483648, "2 GiB"}, {500000000, "500 MB"},
	    {2147483649, "2147483649"}, {1536, "1536"},
	    {1099511627776, "1 TiB"}};
	char text[32];
	uint64_t v;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_STR(
		    str_from(size_text(rows[i].bytes, text)), rows[i].text);
		CHECK(size_parse(str_from(text), &v));
		CHECK_EQ(v, rows[i].bytes);
	}
}

TEST_MAIN
