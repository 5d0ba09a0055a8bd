/*
 * The deflated transfer syntax: there and back, what senders add, damage and
 * bombs; the same however the bytes are cut.
 */
#include "dicom/inflate.h"

#include "base/buf.h"
#include "dicom/deflate.h"
#include "dicom/parse.h"
#include "test.h"

#include <zlib.h>

static struct buf
start(void)
{
	struct buf b;

	buf_init(&b, 4 * MIB);
	return b;
}

static bool
add_to_buf(void *ctx, struct str part, struct err *e)
{
	struct buf *b = ctx;

	must(part.n > 0);
	buf_add(b, part);
	return !b->over || fail(e, ERR_FULL, "no room");
}

static struct buf
deflated(struct str bytes)
{
	struct buf out = start();
	struct deflate *d = deflate_new(add_to_buf, &out);
	struct err e;

	must(deflate_feed(d, bytes, &e) && deflate_end(d, &e));
	deflate_free(&d);
	return out;
}

/* code ERR_NONE: want comes out, else it fails with why. Frees 'in'. */
static void
expect(struct buf *in, struct str want, enum err_code code, const char *why)
{
	static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 100};
	struct inflate *f;
	struct buf out;
	struct err e;
	size_t i, at, n;
	bool ok;

	for (i = 0; i < ARRAY_LEN(steps); i++) {
		e = (struct err){0};
		out = start();
		f = inflate_new(add_to_buf, &out);
		ok = true;
		for (at = 0; ok && at < in->n; at += n) {
			n = steps[i] < in->n - at ? steps[i] : in->n - at;
			ok = inflate_feed(f, str_of(in->p + at, n), &e);
		}
		ok = ok && inflate_end(f, &e);
		CHECK_EQ(ok ? ERR_NONE : e.code, code);
		CHECK(strstr(e.text, why) != NULL);
		CHECK(str_eq(buf_str(&out), want));
		inflate_free(&f);
		buf_fini(&out);
	}
	buf_fini(in);
}

static struct buf
sample(void)
{
	struct buf b = start();
	uint32_t i;

	for (i = 0; i < 40000; i++)
		buf_u16le(&b, (uint16_t)(i % 7 * (i >> 9)));
	return b;
}

TEST(there_and_back)
{
	struct buf plain = sample(), b = deflated(buf_str(&plain));

	CHECK(b.n < plain.n / 4);
	CHECK_EQ(b.n % 2, 0);
	expect(&b, buf_str(&plain), ERR_NONE, "");
	b = deflated(STR(""));
	CHECK(b.n > 0 && b.n % 2 == 0);
	expect(&b, STR(""), ERR_NONE, "");
	b = deflated(buf_str(&plain));
	buf_fill(&b, 0, 31);
	expect(&b, buf_str(&plain), ERR_NONE, "");
	b = start();
	expect(&b, STR(""), ERR_NONE, "");
	buf_fini(&plain);
}

TEST(even_lengths)
{
	struct buf plain = sample(), b;
	size_t n;

	for (n = 0; n < 64; n++) {
		b = deflated(str_of(plain.p + 2000, n));
		CHECK_EQ(b.n % 2, 0);
		expect(&b, str_of(plain.p + 2000, n), ERR_NONE, "");
	}
	buf_fini(&plain);
}

TEST(cut_off)
{
	struct buf b = start(), whole = deflated(STR("abcdefgh"));

	buf_u8(&b, whole.p[0]);
	expect(&b, STR(""), ERR_MALFORMED, "cut off");
	b = start();
	buf_add(&b, str_of(whole.p, 4));
	expect(&b, STR("abc"), ERR_MALFORMED, "cut off");
	buf_fini(&whole);
}

TEST(damaged)
{
	struct buf b = start();

	buf_text(&b, "\xff\xff\xff");
	expect(&b, STR(""), ERR_MALFORMED, "damaged");
}

/* What zlib and gzip put around the stream, which some senders do. */
TEST(wrappers)
{
	struct buf plain = sample(), b = start();
	uLongf n = compressBound(plain.n);
	uint8_t *room = must_alloc(n);
	uint32_t crc = (uint32_t)crc32(0, plain.p, (uInt)plain.n);
	struct str raw, want = buf_str(&plain);

	must(compress(room, &n, plain.p, plain.n) == Z_OK);
	buf_add(&b, str_of(room, n));
	expect(&b, want, ERR_NONE, "");
	b = start();
	buf_add(&b, str_of(room, n));
	b.p[n - 1] ^= 1;
	expect(&b, want, ERR_MALFORMED, "damaged");

	/* Without the two bytes before and the four behind it. */
	raw = str_of(room + 2, n - 6);
	b = start();
	buf_add(&b, raw);
	buf_u32le(&b, crc);
	buf_u32le(&b, (uint32_t)plain.n);
	buf_u8(&b, 0);
	expect(&b, want, ERR_NONE, "");
	b = start();
	buf_add(&b, raw);
	buf_u32le(&b, crc ^ 1);
	buf_u32le(&b, (uint32_t)plain.n);
	expect(&b, want, ERR_MALFORMED, "wrong checksum");
	b = start();
	buf_add(&b, raw);
	buf_u32le(&b, crc);
	buf_u32le(&b, (uint32_t)plain.n);
	buf_u8(&b, 7);
	expect(&b, want, ERR_MALFORMED, "after the end");
	b = start();
	buf_add(&b, raw);
	buf_u8(&b, 7);
	expect(&b, want, ERR_MALFORMED, "after its end");
	free(room);
	buf_fini(&plain);
}

TEST(the_sink_may_fail)
{
	struct buf plain = sample(), b = deflated(buf_str(&plain)), out;
	struct inflate *f;
	struct deflate *d;
	struct err e;

	buf_init(&out, 10);
	f = inflate_new(add_to_buf, &out);
	CHECK(!inflate_feed(f, buf_str(&b), &e));
	CHECK_EQ(e.code, ERR_FULL);
	inflate_free(&f);
	buf_clear(&out);
	d = deflate_new(add_to_buf, &out);
	CHECK(!deflate_feed(d, buf_str(&plain), &e) || !deflate_end(d, &e));
	CHECK_EQ(e.code, ERR_FULL);
	deflate_free(&d);
	buf_fini(&out);
	buf_fini(&b);
	buf_fini(&plain);
}

/* An element that promises 4 GiB costs nothing, and the inflating stops. */
TEST(bomb)
{
	static const uint8_t zeros[1 * MIB];
	static const struct parse_events none;
	struct syntax syntax =
	    syntax_of(STR(UID_DeflatedExplicitVRLittleEndian));
	struct parse *p = parse_new(syntax, &none, NULL);
	struct buf b = start();
	struct deflate *d = deflate_new(add_to_buf, &b);
	struct err e = {0};
	unsigned i;

	must(deflate_feed(d, STR("\x09\0\x10\x10OB\0\0\xfe\xff\xff\xff"), &e));
	for (i = 0; i < 80; i++)
		must(deflate_feed(d, str_of(zeros, sizeof(zeros)), &e));
	must(deflate_end(d, &e));
	deflate_free(&d);
	CHECK(b.n < 100 * KIB);
	CHECK(!parse_feed(p, buf_str(&b), &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	CHECK(parse_bytes(p) >= LIMIT_INFLATE_FREE - 64 * KIB);
	CHECK(parse_bytes(p) <= LIMIT_INFLATE_FREE + 64 * KIB);
	parse_free(&p);
	buf_fini(&b);
}

/* Much that is no bomb: 65 MiB, less than 200 times what went in. */
TEST(no_bomb)
{
	static uint8_t block[1 * MIB];
	static const struct parse_events none;
	struct syntax syntax =
	    syntax_of(STR(UID_DeflatedExplicitVRLittleEndian));
	struct parse *p = parse_new(syntax, &none, NULL);
	struct buf b = start();
	struct deflate *d;
	struct err e = {0};
	uint64_t x = 1;
	size_t i;

	for (i = 0; i < sizeof(block); i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		block[i] = i % 64 == 0 ? (uint8_t)(x >> 56) : 0;
	}
	d = deflate_new(add_to_buf, &b);
	must(deflate_feed(d, STR("\x09\0\x10\x10OB\0\0\0\0\x10\4"), &e));
	for (i = 0; i < 65; i++)
		must(deflate_feed(d, str_of(block, sizeof(block)), &e));
	must(deflate_end(d, &e));
	deflate_free(&d);
	CHECK(parse_feed(p, buf_str(&b), &e) && parse_end(p, &e));
	parse_free(&p);
	buf_fini(&b);
}

TEST_MAIN
