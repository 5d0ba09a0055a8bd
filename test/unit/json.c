/*
 * JSON output: commas, nesting, escapes, repair; and reading it back.
 */
#include "base/json.h"
#include "base/json_read.h"
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

TEST(read_back)
{
	static const char text[] =
	    " {\"a\\\"b\":[1,{\"x\":\"]\"}], \"list\" : [\"1.2\", \"1.3\" ,\"\"],"
	    "\"n\":-12,\"yes\":true,\"no\":false,\"t\":\"\\u00e4\\n\\/\\u20ac\"} ";
	struct str v, rest, all = str_from(text);
	char out[16];
	int64_t n;
	size_t cut;

	CHECK(json_member(all, "list", &rest));
	CHECK(json_element(&rest, &v) && json_string(v, out, sizeof(out)));
	CHECK_STR(str_from(out), "1.2");
	CHECK(!json_string(v, out, 3));
	CHECK(json_string(v, out, 4));
	CHECK(json_element(&rest, &v) && json_element(&rest, &v));
	CHECK(json_string(v, out, sizeof(out)) && out[0] == '\0');
	CHECK(!json_element(&rest, &v));
	CHECK(json_member(all, "n", &v) && json_integer(v, &n) && n == -12);
	CHECK(json_member(all, "yes", &v) && json_is_true(v));
	CHECK(json_member(all, "no", &v) && !json_is_true(v));
	CHECK(json_member(all, "t", &v) && json_string(v, out, sizeof(out)));
	CHECK_STR(str_from(out), "\xc3\xa4\n/\xe2\x82\xac");
	CHECK(!json_member(all, "x", &v));
	CHECK(!json_integer(str_from("\"1\""), &n));
	CHECK(!json_string(str_from("true"), out, sizeof(out)));
	/* Cut anywhere: nothing is read behind the end. */
	for (cut = 0; cut < sizeof(text); cut++) {
		uint8_t *part = must_alloc(cut + 1);

		memcpy(part, text, cut);
		(void)json_member(str_of(part, cut), "none", &v);
		rest = str_of(part, cut);
		while (json_element(&rest, &v))
			(void)json_string(v, out, sizeof(out));
		free(part);
	}
}

TEST(read_nonsense)
{
	static const char *const wrong[] = {"", "{", "}", "[", "{\"a\"}",
	    "{\"a\":}", "{a:1}", "{\"a\" 1}", "[\"a", "{\"a\":[1}", "{\"a\":[",
	    "{,\"a\":1}"};
	char out[8];
	struct str v;
	size_t i;

	for (i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK(!json_member(str_from(wrong[i]), "b", &v));
	CHECK(!json_string(STR("\"\\x\""), out, sizeof(out)));
	CHECK(!json_string(STR("\"\\ud800\""), out, sizeof(out)));
	CHECK(!json_string(STR("\"\\u12\""), out, sizeof(out)));
	CHECK(!json_string(STR("\""), out, sizeof(out)));
}

TEST_MAIN
