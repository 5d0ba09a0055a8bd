/*
 * Re-encoding between the uncompressed transfer syntaxes.
 */
#include "dicom/convert.h"

#include "base/buf.h"
#include "dicom/build.h"
#include "test.h"

#define UNDEFINED LENGTH_UNDEFINED

static const struct syntax implicit = {
    UID_ImplicitVRLittleEndian, false, false, false, false};
static const struct syntax little = {
    UID_ExplicitVRLittleEndian, true, false, false, false};
static const struct syntax big = {
    UID_ExplicitVRBigEndian, true, true, false, false};
static const struct syntax deflated = {
    UID_DeflatedExplicitVRLittleEndian, true, false, true, false};
static const struct syntax jpeg = {
    UID_JPEGBaseline8Bit, true, false, false, true};

static struct buf
start(void)
{
	struct buf b;

	buf_init(&b, 64 * MIB);
	return b;
}

static bool
add_to_buf(void *ctx, struct str bytes, struct err *e)
{
	(void)e;
	buf_add(ctx, bytes);
	return true;
}

/* In parts of step bytes, whole for 0. */
static bool
convert_all(struct syntax from, struct syntax to, struct str bytes, size_t step,
    struct buf *out, struct err *e)
{
	struct convert *c = convert_new(from, to, add_to_buf, out);
	bool ok = true;
	size_t at, n;

	for (at = 0; ok && at < bytes.n; at += n) {
		n = step > 0 && step < bytes.n - at ? step : bytes.n - at;
		ok = convert_feed(c, str_of(bytes.p + at, n), e);
	}
	ok = ok && convert_end(c, e);
	convert_free(&c);
	return ok;
}

/* Frees 'in' and 'want'. */
static void
expect(struct syntax from, struct syntax to, struct buf *in, struct buf *want)
{
	static const size_t steps[] = {0, 1, 3, 7, 1000};
	struct buf out;
	struct err e = {0};
	size_t i;

	for (i = 0; i < ARRAY_LEN(steps); i++) {
		out = start();
		if (!CHECK(
			convert_all(from, to, buf_str(in), steps[i], &out, &e)))
			printf("message: %s\n", e.text);
		CHECK(str_eq(buf_str(&out), buf_str(want)));
		buf_fini(&out);
	}
	buf_fini(in);
	buf_fini(want);
}

/* Values of every unit, sequences, an unknown private element. */
static struct buf
example(struct syntax s, bool undefined)
{
	struct buf b = start();

	build_element(&b, TAG_Modality, VR_CS, STR("CT"), s);
	build_header(&b, TAG_ReferencedImageSequence, VR_SQ,
	    undefined ? UNDEFINED : 8 + (s.explicit_vr ? 44 : 40), s);
	build_header(&b, TAG(0xfffe, 0xe000), VR_NONE,
	    undefined ? UNDEFINED : (s.explicit_vr ? 36 : 32), s);
	build_element(
	    &b, TAG_ReferencedSOPInstanceUID, VR_UI, STR("1.2.3.4\0"), s);
	build_header(&b, TAG_ReferencedSOPSequence, VR_SQ, 0, s);
	build_element(&b, TAG_Rows, VR_US, STR(""), s);
	if (undefined)
		build_header(&b, TAG(0xfffe, 0xe00d), VR_NONE, 0, s);
	build_header(&b, TAG(0xfffe, 0xe000), VR_NONE, 0, s);
	if (undefined)
		build_header(&b, TAG(0xfffe, 0xe0dd), VR_NONE, 0, s);
	build_element(&b, TAG_SimpleFrameList, VR_UL, STR("\1\2\3\4"), s);
	build_element(
	    &b, TAG_RealWorldValueSlope, VR_FD, STR("\1\2\3\4\5\6\7\10"), s);
	build_element(&b, TAG_Rows, VR_US, STR("\1\2\3\4\5\6"), s);
	build_element(&b, TAG_PixelData, VR_OW, STR("\1\2\3\4"), s);
	return b;
}

TEST(between_all)
{
	const struct syntax all[] = {implicit, little, big};
	struct buf in, want;
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(all); i++) {
		for (j = 0; j < ARRAY_LEN(all); j++) {
			CHECK(convert_possible(all[i], all[j]));
			in = example(all[i], true);
			want = example(all[j], true);
			expect(all[i], all[j], &in, &want);
			in = example(all[i], false);
			want = example(all[j], true);
			expect(all[i], all[j], &in, &want);
		}
	}
}

TEST(deflated_both_ways)
{
	struct buf packed = start(), in = example(implicit, false), want;
	struct err e;

	CHECK(convert_all(implicit, deflated, buf_str(&in), 0, &packed, &e));
	CHECK_EQ(packed.n % 2, 0);
	want = example(big, true);
	expect(deflated, big, &packed, &want);
	buf_fini(&in);
}

TEST(big_values_pass_through)
{
	struct buf in = start(), want = start(), value = start();
	uint32_t i;

	for (i = 0; i < 100001; i++)
		buf_u32le(&value, i * 2654435761U);
	build_element(&in, TAG_Modality, VR_CS, STR("CT"), little);
	build_element(&in, TAG_PixelData, VR_OW, buf_str(&value), little);
	build_element(&want, TAG_Modality, VR_CS, STR("CT"), big);
	build_element(&want, TAG_PixelData, VR_OW, buf_str(&value), big);
	expect(little, big, &in, &want);
	in = start();
	want = start();
	build_element(&in, TAG_Modality, VR_CS, STR("CT"), little);
	build_element(&in, TAG_PixelData, VR_OB, buf_str(&value), little);
	build_element(&want, TAG_Modality, VR_CS, STR("CT"), implicit);
	build_element(&want, TAG_PixelData, VR_OB, buf_str(&value), implicit);
	expect(little, implicit, &in, &want);
	buf_fini(&value);
}

TEST(vrs_from_implicit)
{
	struct buf in = start(), want = start();

	build_element(&in, 0x00090010, VR_LO, STR("AB"), implicit);
	build_element(&in, 0x00091010, VR_LO, STR("CD"), implicit);
	build_element(
	    &in, TAG_SmallestImagePixelValue, VR_SS, STR("\1\0"), implicit);
	build_element(&in, TAG_PixelData, VR_OB, STR("ab"), implicit);
	build_element(&want, 0x00090010, VR_LO, STR("AB"), little);
	build_element(&want, 0x00091010, VR_UN, STR("CD"), little);
	build_element(
	    &want, TAG_SmallestImagePixelValue, VR_US, STR("\1\0"), little);
	build_element(&want, TAG_PixelData, VR_OW, STR("ab"), little);
	expect(implicit, little, &in, &want);
}

/* PS3.5 6.2.2: UN is little endian in every syntax. */
TEST(un_is_copied)
{
	struct buf in = start(), want = start();

	build_element(&in, 0x00091010, VR_UN, STR("\1\2\3\4"), little);
	build_element(&want, 0x00091010, VR_UN, STR("\1\2\3\4"), implicit);
	expect(little, implicit, &in, &want);
	in = start();
	want = start();
	build_element(&in, TAG_Rows, VR_UN, STR("\1\2"), big);
	build_element(&want, TAG_Rows, VR_UN, STR("\1\2"), little);
	expect(big, little, &in, &want);
}

TEST(un_of_undefined_length_becomes_a_sequence)
{
	struct buf in = start(), want = start();

	build_header(&in, 0x00091010, VR_UN, UNDEFINED, big);
	build_header(&in, TAG(0xfffe, 0xe000), VR_NONE, UNDEFINED, implicit);
	build_element(&in, TAG_Rows, VR_US, STR("\1\2"), implicit);
	build_header(&in, TAG(0xfffe, 0xe00d), VR_NONE, 0, implicit);
	build_header(&in, TAG(0xfffe, 0xe0dd), VR_NONE, 0, implicit);
	build_element(&in, TAG_Columns, VR_US, STR("\1\2"), big);
	build_header(&want, 0x00091010, VR_SQ, UNDEFINED, big);
	build_header(&want, TAG(0xfffe, 0xe000), VR_NONE, UNDEFINED, big);
	build_element(&want, TAG_Rows, VR_US, STR("\1\2"), big);
	build_header(&want, TAG(0xfffe, 0xe00d), VR_NONE, 0, big);
	build_header(&want, TAG(0xfffe, 0xe0dd), VR_NONE, 0, big);
	build_element(&want, TAG_Columns, VR_US, STR("\1\2"), big);
	expect(big, big, &in, &want);
}

TEST(long_values_of_short_vrs_become_un)
{
	static uint8_t value[0x10000];
	struct buf in = start(), want = start();
	struct str bytes = str_of(value, sizeof(value));

	memset(value, 1, sizeof(value) / 2);
	value[0] = 2;
	build_element(&in, TAG_Rows, VR_US, bytes, implicit);
	build_element(&want, TAG_Rows, VR_UN, bytes, little);
	expect(implicit, little, &in, &want);
	in = start();
	want = start();
	build_element(&in, TAG_Rows, VR_US, bytes, implicit);
	build_element(&want, TAG_Rows, VR_UN, bytes, big);
	expect(implicit, big, &in, &want);
	/* An odd 16-bit length that is too long with its padding. */
	in = start();
	want = start();
	buf_add(&in, STR("\0\x28\0\x10US\xff\xff"));
	build_element(&want, TAG_Rows, VR_US, str_of(value, 0xfffe), big);
	buf_add(&in, str_of(want.p + 8, 0xfffe));
	buf_u8(&in, 9);
	buf_clear(&want);
	value[0xfffe] = 9;
	build_header(&want, TAG_Rows, VR_UN, 0x10000, little);
	buf_add(&want, str_of(value, 0xffff));
	buf_u8(&want, 0);
	expect(big, little, &in, &want);
}

TEST(group_lengths_are_dropped_and_odd_lengths_padded)
{
	struct buf in = start(), want = start();

	buf_add(&in, STR("\x08\0\0\0UL\4\0\xff\0\0\0"));
	buf_add(&in, STR("\x08\0\x60\0"
			 "CS\3\0"
			 "ABC"));
	buf_add(&in, STR("\x08\0\x18\0UI\3\0"
			 "1.2"));
	buf_add(&in, STR("\x28\0\x10\0US\3\0\1\2\3"));
	build_element(&want, TAG_Modality, VR_CS, STR("ABC "), big);
	build_element(&want, TAG_SOPInstanceUID, VR_UI, STR("1.2\0"), big);
	buf_add(&want, STR("\0\x28\0\x10US\0\4\2\1\3\0"));
	expect(little, big, &in, &want);
}

TEST(compressed_pixel_data)
{
	struct buf in = start(), out = start();
	struct err e;

	CHECK(!convert_possible(jpeg, little));
	CHECK(!convert_possible(little, jpeg));
	CHECK(convert_possible(deflated, implicit));
	build_header(&in, TAG_PixelData, VR_OB, UNDEFINED, little);
	build_header(&in, TAG(0xfffe, 0xe0dd), VR_NONE, 0, little);
	CHECK(!convert_all(little, implicit, buf_str(&in), 0, &out, &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	buf_clear(&in);
	build_header(&in, 0x00091010, VR_OB, UNDEFINED, little);
	build_header(&in, TAG(0xfffe, 0xe0dd), VR_NONE, 0, little);
	CHECK(!convert_all(little, implicit, buf_str(&in), 0, &out, &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	buf_fini(&in);
	buf_fini(&out);
}

static bool
refuse(void *ctx, struct str bytes, struct err *e)
{
	(void)ctx;
	(void)bytes;
	return fail(e, ERR_FULL, "no room");
}

TEST(the_sink_may_fail)
{
	const struct syntax all[] = {implicit, big, deflated};
	struct buf in = example(little, true);
	struct convert *c;
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(all); i++) {
		c = convert_new(little, all[i], refuse, NULL);
		e.code = ERR_NONE;
		CHECK(
		    !convert_feed(c, buf_str(&in), &e) || !convert_end(c, &e));
		CHECK_EQ(e.code, ERR_FULL);
		convert_free(&c);
	}
	buf_fini(&in);
}

TEST(malformed_input)
{
	struct buf in = example(little, true), out = start();
	struct err e;

	in.n--;
	CHECK(!convert_all(little, implicit, buf_str(&in), 0, &out, &e));
	CHECK_EQ(e.code, ERR_MALFORMED);
	buf_fini(&in);
	buf_fini(&out);
}

TEST_MAIN
