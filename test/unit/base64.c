/*
 * Base64: the vectors of RFC 4648 section 10, in every cut, and what is none.
 */
#include "base/base64.h"
#include "test.h"

static bool
decode(const char *text, size_t cut, struct buf *out)
{
	struct str in = str_from(text);
	struct base64 d = {0};

	buf_clear(out);
	if (cut > in.n)
		cut = in.n;
	return base64_decode(&d, str_of(in.p, cut), out) &&
	       base64_decode(&d, str_of(in.p + cut, in.n - cut), out) &&
	       base64_end(&d, out);
}

TEST(vectors)
{
	static const char *const vectors[][2] = {
	    {"", ""},
	    {"Zg==", "f"},
	    {"Zm8=", "fo"},
	    {"Zm9v", "foo"},
	    {"Zm9vYg==", "foob"},
	    {"Zm9vYmE=", "fooba"},
	    {"Zm9vYmFy", "foobar"},
	    {" Zm9v\r\nYmFy\n", "foobar"},
	    {"Zm9vYg", "foob"},
	    {"Zm9vYmE", "fooba"},
	    {"Zg= =\t", "f"},
	};
	struct buf out;
	size_t i, cut;

	buf_init(&out, 100);
	for (i = 0; i < ARRAY_LEN(vectors); i++)
		for (cut = 0; cut <= strlen(vectors[i][0]); cut++) {
			CHECK(decode(vectors[i][0], cut, &out));
			CHECK_STR(buf_str(&out), vectors[i][1]);
		}
	buf_fini(&out);
}

TEST(what_is_none)
{
	static const char *const bad[] = {
	    "Z", "Zm9vY", "Zg=a", "=", "Zm9v=", "Zg===", "Zm9-", "Zm\x80v"};
	struct buf out;
	size_t i;

	buf_init(&out, 100);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!decode(bad[i], 2, &out));
	buf_fini(&out);
}

/* Every byte in every place, and the cap. */
TEST(all_bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[9] = {0};
	struct buf out;
	uint32_t v;

	buf_init(&out, 6);
	for (v = 0; v < 1 << 24; v += 251) {
		text[0] = text[4] = digits[v >> 18];
		text[1] = text[5] = digits[v >> 12 & 63];
		text[2] = text[6] = digits[v >> 6 & 63];
		text[3] = text[7] = digits[v & 63];
		CHECK(decode(text, 3, &out) && out.n == 6 && !out.over);
		CHECK_EQ(out.p[3] << 16 | out.p[4] << 8 | out.p[5], v);
	}
	CHECK(decode("AAAAAAAAAAAA", 3, &out));
	CHECK(out.over);
	buf_fini(&out);
}

TEST_MAIN
