/*
 * The stream of the HL7 port: every deviation that is tolerated, and every
 * cut of it.
 */
#include "net/mllp.h"

#include "base/limit.h"
#include "test.h"

/* What comes of a stream: M, Q or D and the text, one a line; E at an error;
 * what the end of the stream gives is marked with a dot. */
static struct buf seen;

static void
note(enum mllp_kind kind, struct str out)
{
	static const char letters[] = " MQD";

	if (kind == MLLP_NOTHING)
		return;
	buf_u8(&seen, (uint8_t)letters[kind]);
	buf_add(&seen, out);
	buf_u8(&seen, '\n');
}

static void
feed(struct mllp *m, struct str in)
{
	enum mllp_kind kind;
	const char *why;
	struct str out;
	struct err e;

	do {
		if (!mllp_feed(m, &in, &kind, &out, &why, &e)) {
			buf_text(&seen, "E\n");
			return;
		}
		CHECK((kind == MLLP_DROPPED) == (why != NULL));
		note(kind, out);
	} while (in.n > 0);
}

static const char *
read_all(struct str in, size_t step)
{
	enum mllp_kind kind;
	const char *why;
	struct mllp m;
	struct str out;
	size_t i, n;

	mllp_init(&m);
	buf_clear(&seen);
	for (i = 0; i < in.n; i += n) {
		n = in.n - i < step ? in.n - i : step;
		feed(&m, str_of(in.p + i, n));
	}
	mllp_end(&m, &kind, &out, &why);
	if (kind != MLLP_NOTHING)
		buf_u8(&seen, '.');
	note(kind, out);
	mllp_idle(&m);
	CHECK(m.frame.n == 0 || mllp_open(&m));
	mllp_fini(&m);
	return buf_cstr(&seen);
}

static void
expect(struct str in, const char *want)
{
	size_t step;

	for (step = 1; step <= in.n + 1; step++)
		if (!CHECK_STR(str_from(read_all(in, step)), want))
			return;
}

TEST(frames)
{
	buf_init(&seen, 64 * MIB);
	expect(STR("\x0bMSH|a\r\x1c\r"), "MMSH|a\r\n");
	expect(
	    STR("\x0bMSH|a\r\x1c\r\x0bMSH|b\r\x1c\r"), "MMSH|a\r\nMMSH|b\r\n");
	expect(STR("\x0b\x1c\r\x0bMSH|a\x1c\r"), "MMSH|a\n");
}

TEST(ends)
{
	expect(STR("\x0bMSH|a\x1c\x0bMSH|b\x1c\n\x0bMSH|c\x1c\r\n\0\0\x1c\r"
		   "\x0bMSH|d\x1c"),
	    "MMSH|a\nMMSH|b\nMMSH|c\nMMSH|d\n");
	expect(STR("\x0bMSH|a\rPID"), ".MMSH|a\rPID\n");
	expect(STR("\x0bPID|a"), ".DPID|a\n");
	expect(STR("\x0b"
		   "FHS|a\rMSH|b\r"),
	    ".MFHS|a\rMSH|b\r\n");
	expect(STR("\x0bMSH|a\x0bMSH|b\x1c\r"), "DMSH|a\nMMSH|b\n");
}

TEST(without_start)
{
	expect(STR("MSH|a\rPID|1\r\x1c\r"), "MMSH|a\rPID|1\r\n");
	expect(STR("MSH|a\nPID|1\n\nMSH|b\x1c"), "MMSH|a\nPID|1\n\n\nMMSH|b\n");
	expect(STR("MSH|a\r\n\r\n"), "MMSH|a\r\n\r\n\n");
	expect(STR("MSH|a\rPID|1"), ".MMSH|a\rPID|1\n");
	expect(STR("log text \x0bMSH|a\x1c\r"), "Dlog text \nMMSH|a\n");
	expect(STR("\xef\xbb\xbfMSH|a\x1c\r"), "MMSH|a\n");
}

/* Letters of UTF-16 that have the bytes of the frame in them. */
TEST(wide)
{
	static const char bodies[][13] = {"\xff\xfeM\0|\0\x1c\x04\x0b\x04\r",
	    "\xfe\xff\0M\0|\x04\x1c\x04\x0b\0\r",
	    "M\0S\0|\0\x1c\x04\x0b\x04\r"};
	struct buf in, want;
	size_t i;

	buf_init(&in, 1000);
	buf_init(&want, 1000);
	for (i = 0; i < ARRAY_LEN(bodies); i++) {
		struct str body = str_of(bodies[i], 12);

		buf_clear(&in);
		buf_clear(&want);
		mllp_frame(&in, body);
		mllp_frame(&in, STR("MSH|b"));
		buf_u8(&want, 'M');
		buf_add(&want, body);
		buf_text(&want, "\nMMSH|b\n");
		(void)read_all(buf_str(&in), in.n);
		CHECK(str_eq(buf_str(&seen), buf_str(&want)));
		(void)read_all(buf_str(&in), 1);
		CHECK(str_eq(buf_str(&seen), buf_str(&want)));
		/* No more than its end. */
		buf_clear(&in);
		mllp_frame(&in, body);
		in.n--;
		buf_clear(&want);
		buf_text(&want, ".M");
		buf_add(&want, body);
		buf_u8(&want, '\n');
		(void)read_all(buf_str(&in), in.n);
		CHECK(str_eq(buf_str(&seen), buf_str(&want)));
	}
	buf_fini(&want);
	buf_fini(&in);
}

TEST(queries)
{
	expect(STR("\x10"
		   "1.2.3\r"),
	    "Q1.2.3\n");
	expect(STR("\x0bMSH|a\x1c\r\x10X\r\x0bMSH|b\x1c\r\x10\r"),
	    "MMSH|a\nQX\nMMSH|b\nQ\n");
	expect(STR("\x10X\x0bMSH|b\x1c\r"), "DX\nMMSH|b\n");
	expect(STR("\x10X"), "");
}

TEST(too_much)
{
	struct buf in;

	buf_init(&in, 64 * MIB);
	buf_fill(&in, 'x', 4 * KIB + 1);
	CHECK_STR(str_from(read_all(buf_str(&in), in.n)), "E\n");
	buf_clear(&in);
	buf_u8(&in, 0x10);
	buf_fill(&in, 'x', 257);
	(void)read_all(buf_str(&in), in.n);
	CHECK_EQ(seen.p[0], 'D');
	buf_clear(&in);
	buf_u8(&in, 0x0b);
	buf_fill(&in, 'x', LIMIT_HL7_FRAME + 1);
	buf_text(&in, "\x1c\r\x0bMSH|a\x1c\r");
	(void)read_all(buf_str(&in), 64 * KIB);
	CHECK_EQ(seen.p[0], 'D');
	CHECK(str_ends(buf_str(&seen), STR("MMSH|a\n")));
	/* The last bytes before the cap, in one piece with many others. */
	(void)read_all(buf_str(&in), in.n - 1);
	CHECK(str_ends(buf_str(&seen), STR("MMSH|a\n")));
	buf_fini(&in);
	buf_fini(&seen);
}

TEST_MAIN
