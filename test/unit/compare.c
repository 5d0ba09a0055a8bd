/*
 * Messages side by side.
 */
#include "hl7/compare.h"

#include "base/limit.h"
#include "test.h"

static struct arena arena;
static struct er7_message left, right;
static struct buf out;

static size_t
compare(const char *a, const char *b)
{
	size_t differences;
	struct err e;

	arena_fini(&arena);
	arena_init(&arena, 8 * MIB);
	buf_clear(&out);
	CHECK(er7_parse(&arena, str_from(a), "UTF-8", &left, &e));
	CHECK(er7_parse(&arena, str_from(b), "UTF-8", &right, &e));
	compare_text(&arena, &left, &right, &out, &differences);
	return differences;
}

TEST(equal_and_different)
{
	buf_init(&out, 1 * MIB);
	CHECK_EQ(compare("MSH|^~\\&|A\rPID|1\r", "MSH|^~\\&|A\nPID|1\n"), 0);
	CHECK_EQ(buf_str(&out).n, 0);
	CHECK_EQ(compare("MSH|^~\\&|A\rPID|1|x\r", "MSH|^~\\&|B\rPID|1\r"), 2);
	/* MSH-3 is MSH 2 as the manual counts. */
	CHECK_STR(buf_str(&out), "MSH 2\n  - A\n  + B\nPID 2\n  - x\n  + \n");
}

TEST(segments_are_paired_by_name)
{
	CHECK_EQ(compare("MSH|^~\\&|A\rPID|1\rNTE|x\rOBR|1\r",
		     "MSH|^~\\&|A\rPID|1\rOBR|1\r"),
	    2);
	CHECK_STR(buf_str(&out), "NTE 0\n  - NTE\n  + \nNTE 1\n  - x\n  + \n");
	CHECK_EQ(
	    compare("MSH|^~\\&|A\rOBR|1\r", "MSH|^~\\&|A\rPV1\rOBR|1\r"), 1);
}

TEST(html_is_escaped)
{
	(void)compare("MSH|^~\\&|<script>\"&\r", "MSH|^~\\&|B\r");
	buf_clear(&out);
	compare_html(&arena, "<a>", &left, "b", &right, &out);
	CHECK(memmem(out.p, out.n, "<script>", 8) == NULL);
	CHECK(memmem(out.p, out.n, "&lt;script&gt;&quot;&amp;", 25) != NULL);
	CHECK(memmem(out.p, out.n, "&lt;a&gt;", 9) != NULL);
	CHECK(memmem(out.p, out.n, "class=\"d\"", 9) != NULL);
	buf_fini(&out);
	arena_fini(&arena);
}

TEST_MAIN
