/*
 * JSON output: commas, nesting, escapes, repair.
 */
#include "base/json.h"
#include "base/limit.h"
#include "test.h"

TEST(nesting)
{
	struct buf b;
	struct json j;

	buf_init(&b, 4 * KIB);
	json_init(&j, &b);
	json_object(&j);
	json_key(&j, "a");
	json_i64(&j, -5);
	json_key(&j, "b");
	json_array(&j);
	json_text(&j, "x");
	json_bool(&j, true);
	json_bool(&j, false);
	json_object(&j);
	json_end_object(&j);
	json_array(&j);
	json_end_array(&j);
	json_i64(&j, INT64_MIN);
	json_end_array(&j);
	json_key(&j, "c");
	json_object(&j);
	json_key(&j, "d");
	json_str(&j, str_from(NULL));
	json_end_object(&j);
	json_end_object(&j);
	CHECK_STR(buf_str(&b),
	    "{\"a\":-5,\"b\":[\"x\",true,false,{},[],-9223372036854775808],"
	    "\"c\":{\"d\":\"\"}}");
	buf_fini(&b);
}

TEST(lists_at_the_top)
{
	struct buf b;
	struct json j;

	buf_init(&b, 4 * KIB);
	json_init(&j, &b);
	json_array(&j);
	json_i64(&j, 1);
	json_i64(&j, 2);
	json_end_array(&j);
	CHECK_STR(buf_str(&b), "[1,2]");
	buf_fini(&b);
}

TEST(escapes)
{
	struct buf b;
	struct json j;

	buf_init(&b, 4 * KIB);
	json_init(&j, &b);
	json_str(&j, STR("q\"b\\n\nr\rt\tz\0e\x1b\x7f\xc3\xa4\xff"
			 "</script>\xe2\x80\xa8"));
	CHECK_STR(buf_str(&b),
	    "\"q\\\"b\\\\n\\nr\\rt\\tz\\u0000e\\u001b\\u007f\xc3\xa4"
	    "\xef\xbf\xbd\\u003c/script>\\u2028\"");
	buf_fini(&b);
}

TEST(deep)
{
	struct buf b;
	struct json j;
	int i;

	buf_init(&b, 4 * KIB);
	json_init(&j, &b);
	for (i = 0; i < 31; i++)
		json_array(&j);
	for (i = 0; i < 31; i++)
		json_end_array(&j);
	CHECK_EQ(b.n, 62);
	CHECK_EQ(j.depth, 0);
	buf_fini(&b);
}

TEST(cap)
{
	struct buf b;
	struct json j;

	buf_init(&b, 8);
	json_init(&j, &b);
	json_text(&j, "123456");
	CHECK(!b.over);
	buf_clear(&b);
	json_init(&j, &b);
	json_text(&j, "1234567");
	CHECK(b.over);
	buf_fini(&b);
}

TEST_MAIN
