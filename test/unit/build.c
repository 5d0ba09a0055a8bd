/*
 * Data sets to bytes.
 */
#include "dicom/build.h"

#include "test.h"

static const struct syntax implicit = {
    UID_ImplicitVRLittleEndian, false, false, false, false};
static const struct syntax little = {
    UID_ExplicitVRLittleEndian, true, false, false, false};
static const struct syntax big = {
    UID_ExplicitVRBigEndian, true, true, false, false};
static const struct syntax deflated = {
    UID_DeflatedExplicitVRLittleEndian, true, false, true, false};

static void
check_bytes(struct buf *b, struct str want, const char *what)
{
	if (!CHECK(!b->over && str_eq(buf_str(b), want)))
		printf("in %s\n", what);
	buf_fini(b);
}

static struct buf
start(void)
{
	struct buf b;

	buf_init(&b, 1 * MIB);
	return b;
}

TEST(headers)
{
	struct buf b = start();

	build_header(&b, TAG_PatientID, VR_LO, 0x102, little);
	check_bytes(&b, STR("\x10\0\x20\0LO\2\1"), "explicit short");
	b = start();
	build_header(&b, TAG_PixelData, VR_OW, 0x1020304, little);
	check_bytes(&b, STR("\xe0\x7f\x10\0OW\0\0\4\3\2\1"), "explicit long");
	b = start();
	build_header(&b, TAG_PatientID, VR_LO, 0x1020304, implicit);
	check_bytes(&b, STR("\x10\0\x20\0\4\3\2\1"), "implicit");
	b = start();
	build_header(&b, TAG_PatientID, VR_LO, 0x102, big);
	check_bytes(&b, STR("\0\x10\0\x20LO\1\2"), "big endian short");
	b = start();
	build_header(&b, TAG_PixelData, VR_OW, 0x1020304, big);
	check_bytes(&b, STR("\x7f\xe0\0\x10OW\0\0\1\2\3\4"), "big endian long");
	b = start();
	build_header(&b, TAG(0xfffe, 0xe000), VR_NONE, 0x102, little);
	check_bytes(&b, STR("\xfe\xff\0\xe0\2\1\0\0"), "item");
	b = start();
	build_header(&b, 0x00091010, VR_NONE, 2, little);
	check_bytes(&b, STR("\x09\0\x10\x10UN\0\0\2\0\0\0"), "no VR");
}

TEST(padding)
{
	struct buf b = start();

	build_element(&b, TAG_PatientID, VR_LO, STR("abc"), little);
	check_bytes(&b, STR("\x10\0\x20\0LO\4\0abc "), "text");
	b = start();
	build_element(&b, TAG_SOPInstanceUID, VR_UI, STR("1.2"), little);
	check_bytes(&b,
	    STR("\x08\0\x18\0UI\4\0"
		"1.2\0"),
	    "UID");
	b = start();
	build_element(&b, 0x00091010, VR_OB, STR("abc"), implicit);
	check_bytes(&b, STR("\x09\0\x10\x10\4\0\0\0abc\0"), "bytes");
}

TEST(big_endian_units)
{
	struct buf b = start();

	build_element(&b, TAG_Rows, VR_US, STR("\1\2\3\4"), big);
	check_bytes(&b, STR("\0\x28\0\x10US\0\4\2\1\4\3"), "US");
	b = start();
	build_element(&b, TAG_SimpleFrameList, VR_UL, STR("\1\2\3\4"), big);
	check_bytes(&b, STR("\0\x08\x11\x61UL\0\4\4\3\2\1"), "UL");
	b = start();
	build_element(
	    &b, TAG_FrameIncrementPointer, VR_AT, STR("\1\2\3\4"), big);
	check_bytes(&b,
	    STR("\0\x28\0\x09"
		"AT\0\4\2\1\4\3"),
	    "AT");
	b = start();
	build_element(&b, 0x00091010, VR_UN, STR("\1\2\3\4"), big);
	check_bytes(&b, STR("\0\x09\x10\x10UN\0\0\0\0\0\4\1\2\3\4"), "UN");
	b = start();
	build_element(&b, TAG_Rows, VR_US, STR("\1\2\3"), big);
	check_bytes(&b, STR("\0\x28\0\x10US\0\4\2\1\3\0"), "broken unit");
}

/* PS3.5 6.2.2 note 4. */
TEST(long_values_of_short_vrs_become_un)
{
	static uint8_t value[0x10000];
	struct buf b = start();

	build_element(&b, TAG_Rows, VR_US, str_of(value, 0xfffe), little);
	CHECK(!memcmp(b.p, "\x28\0\x10\0US\xfe\xff", 8));
	CHECK_EQ(b.n, 8 + 0xfffe);
	buf_fini(&b);
	b = start();
	value[0] = 1;
	build_element(&b, TAG_Rows, VR_US, str_of(value, 0xffff), big);
	CHECK(!memcmp(b.p, "\0\x28\0\x10UN\0\0\0\1\0\0\1\0", 14));
	CHECK_EQ(b.n, 12 + 0x10000);
	buf_fini(&b);
	b = start();
	build_element(&b, TAG_Rows, VR_US, str_of(value, 0x10000), implicit);
	CHECK(!memcmp(b.p, "\x28\0\x10\0\0\0\1\0", 8));
	buf_fini(&b);
}

static struct dataset *
example(struct arena *a)
{
	struct dataset *ds = dataset_new(a), *item;

	must(dataset_put_u32(ds, TAG(8, 0), 99));
	must(dataset_put_text(ds, TAG_PatientID, VR_LO, "id"));
	item = dataset_put_item(ds, TAG_ReferencedImageSequence);
	must(dataset_put_u16(item, TAG_Rows, 0x102));
	(void)dataset_put_item(item, TAG_ReferencedSOPSequence);
	(void)dataset_put_item(ds, TAG_ReferencedImageSequence);
	return ds;
}

TEST(whole_data_set)
{
	struct buf b = start();
	struct arena a;
	struct err e;

	arena_init(&a, 1 * MIB);
	CHECK(build_dataset(&b, example(&a), little, &e));
	check_bytes(&b,
	    STR("\x08\0\x40\x11SQ\0\0\x2e\0\0\0"
		"\xfe\xff\0\xe0\x1e\0\0\0"
		"\x08\0\x99\x11SQ\0\0\x08\0\0\0\xfe\xff\0\xe0\0\0\0\0"
		"\x28\0\x10\0US\2\0\2\1"
		"\xfe\xff\0\xe0\0\0\0\0"
		"\x10\0\x20\0LO\2\0id"),
	    "explicit");
	b = start();
	CHECK(build_dataset(&b, example(&a), implicit, &e));
	check_bytes(&b,
	    STR("\x08\0\x40\x11\x2a\0\0\0"
		"\xfe\xff\0\xe0\x1a\0\0\0"
		"\x08\0\x99\x11\x08\0\0\0\xfe\xff\0\xe0\0\0\0\0"
		"\x28\0\x10\0\2\0\0\0\2\1"
		"\xfe\xff\0\xe0\0\0\0\0"
		"\x10\0\x20\0\2\0\0\0id"),
	    "implicit");
	b = start();
	CHECK(build_dataset(&b, example(&a), big, &e));
	check_bytes(&b,
	    STR("\0\x08\x11\x40SQ\0\0\0\0\0\x2e"
		"\xff\xfe\xe0\0\0\0\0\x1e"
		"\0\x08\x11\x99SQ\0\0\0\0\0\x08\xff\xfe\xe0\0\0\0\0\0"
		"\0\x28\0\x10US\0\2\1\2"
		"\xff\xfe\xe0\0\0\0\0\0"
		"\0\x10\0\x20LO\0\2id"),
	    "big endian");
	arena_fini(&a);
}

TEST(deflated_data_set)
{
	struct buf b = start(), want = start(), back = start();
	struct dataset *ds;
	struct arena a;
	struct err e;

	arena_init(&a, 1 * MIB);
	CHECK(build_dataset(&want, example(&a), little, &e));
	CHECK(build_dataset(&b, example(&a), deflated, &e));
	CHECK_EQ(b.n % 2, 0);
	CHECK(!str_eq(buf_str(&b), buf_str(&want)));
	if (CHECK(dataset_read(&a, buf_str(&b), deflated, 1000, 0, &ds, &e))) {
		CHECK(build_dataset(&back, ds, little, &e));
		CHECK(str_eq(buf_str(&back), buf_str(&want)));
	}
	buf_fini(&b);
	buf_fini(&back);
	buf_fini(&want);
	arena_fini(&a);
}

TEST(a_cap_is_a_limit)
{
	struct arena a;
	struct buf b;
	struct err e;
	size_t cap, built = 0;

	arena_init(&a, 1 * MIB);
	for (cap = 0; cap < 90; cap++) {
		buf_init(&b, cap);
		e.code = ERR_NONE;
		if (build_dataset(&b, example(&a), little, &e))
			built++;
		else
			CHECK_EQ(e.code, ERR_LIMIT);
		buf_fini(&b);
		buf_init(&b, cap);
		if (!build_dataset(&b, example(&a), deflated, &e))
			CHECK_EQ(e.code, ERR_LIMIT);
		buf_fini(&b);
	}
	CHECK_EQ(built, 90 - 68);
	arena_fini(&a);
}

TEST(a_skipped_value_is_not_lost_silently)
{
	struct buf b = start();
	struct dataset *ds;
	struct arena a;
	struct err e;

	arena_init(&a, 1 * MIB);
	build_element(&b, TAG_PatientID, VR_LO, STR("abcdef"), little);
	CHECK(dataset_read(&a, buf_str(&b), little, 4, 0, &ds, &e));
	CHECK(!build_dataset(&b, ds, little, &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	arena_fini(&a);
	buf_fini(&b);
}

TEST(nesting)
{
	struct buf b = start();
	struct dataset *ds, *item;
	struct arena a;
	struct err e;
	int depth;

	arena_init(&a, 1 * MIB);
	ds = item = dataset_new(&a);
	for (depth = 0; depth < LIMIT_SQ_DEPTH; depth++)
		item = dataset_put_item(item, TAG_ReferencedImageSequence);
	CHECK(build_dataset(&b, ds, little, &e));
	CHECK_EQ(b.n, LIMIT_SQ_DEPTH * 20);
	CHECK(dataset_read(&a, buf_str(&b), little, 100, 0, &ds, &e));
	(void)dataset_put_item(item, TAG_ReferencedImageSequence);
	ds = dataset_new(&a);
	item = ds;
	for (depth = 0; depth <= LIMIT_SQ_DEPTH; depth++)
		item = dataset_put_item(item, TAG_ReferencedImageSequence);
	buf_clear(&b);
	CHECK(!build_dataset(&b, ds, little, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	arena_fini(&a);
	buf_fini(&b);
}

TEST_MAIN
