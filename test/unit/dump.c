/*
 * Data sets as text for people.
 */
#include "dicom/dump.h"

#include "dicom/build.h"
#include "dicom/file.h"
#include "test.h"

static const struct syntax little = {
    UID_ExplicitVRLittleEndian, true, false, false, false};

static struct arena arena;

static struct dataset *
start(void)
{
	arena_fini(&arena);
	arena_init(&arena, 1 * MIB);
	return dataset_new(&arena);
}

static void
expect(const struct dataset *ds, const char *want)
{
	struct buf out;
	struct err e;

	buf_init(&out, 1 * MIB);
	CHECK(dump_dataset(&out, ds, STR(""), &e));
	CHECK_STR(buf_str(&out), want);
	buf_fini(&out);
}

TEST(text)
{
	struct dataset *ds = start();

	must(dataset_put_text(ds, TAG_ImageType, VR_CS, "ORIGINAL\\PRIMARY"));
	must(dataset_put_text(ds, TAG_PatientName, VR_PN, "DOE^JOHN "));
	must(dataset_put_text(ds, TAG_PatientID, VR_LO, ""));
	must(dataset_put_text(ds, 0x00090010, VR_LO, "MAKER"));
	must(dataset_put_text(ds, 0x00091010, VR_LT, "a\\b"));
	expect(ds, "(0008,0008) CS [ORIGINAL\\PRIMARY]  # 16, 2 ImageType\n"
		   "(0009,0010) LO [MAKER]  # 5, 1 PrivateCreator\n"
		   "(0009,1010) LT [a\\b]  # 3, 1 Private\n"
		   "(0010,0010) PN [DOE^JOHN]  # 9, 1 PatientName\n"
		   "(0010,0020) LO (no value)  # 0, 0 PatientID\n");
}

/* Nothing in a value can look like another line. */
TEST(control_characters)
{
	struct dataset *ds = start();

	must(dataset_put_text(
	    ds, TAG_SpecificCharacterSet, VR_CS, "ISO_IR 192"));
	must(dataset_put_text(ds, TAG_Modality, VR_CS, "A\nB\x1b\xc3"));
	must(dataset_put_text(
	    ds, TAG_PatientID, VR_LO, "a\n(0010,0010)\x7f \xc2\x9b\xc3\xa4"));
	expect(ds, "(0008,0005) CS [ISO_IR 192]  # 10, 1 SpecificCharacterSet\n"
		   "(0008,0060) CS [A\\x0aB\\x1b\\xc3]  # 5, 1 Modality\n"
		   "(0010,0020) LO [a\\x0a(0010,0010)\\x7f \\u009b\xc3\xa4]"
		   "  # 19, 1 PatientID\n");
}

TEST(numbers)
{
	struct dataset *ds = start();

	must(dataset_put_u16(ds, TAG_Rows, 512));
	must(dataset_put(ds, TAG_Columns, VR_SS, STR("\xff\xff\1\0\7")));
	must(dataset_put(
	    ds, TAG_FrameIncrementPointer, VR_AT, STR("\x18\0\x63\x10")));
	must(dataset_put(
	    ds, TAG_RealWorldValueSlope, VR_FD, STR("\0\0\0\0\0\0\xf8\x3f")));
	must(dataset_put(
	    ds, TAG_ExaminedBodyThickness, VR_FL, STR("\0\0\x20\x40")));
	must(dataset_put(ds, 0x00091010, VR_OB, STR("\1\xab")));
	must(dataset_put(ds, 0x00091011, VR_OW, STR("\1\2\3\4")));
	must(dataset_put(
	    ds, 0x00091012, VR_SV, STR("\xff\xff\xff\xff\xff\xff\xff\xff")));
	expect(ds, "(0009,1010) OB 01\\ab  # 2, 1 Private\n"
		   "(0009,1011) OW 0201\\0403  # 4, 1 Private\n"
		   "(0009,1012) SV -1  # 8, 1 Private\n"
		   "(0010,9431) FL 2.5  # 4, 1 ExaminedBodyThickness\n"
		   "(0028,0009) AT (0018,1063)  # 4, 1 FrameIncrementPointer\n"
		   "(0028,0010) US 512  # 2, 1 Rows\n"
		   "(0028,0011) SS -1\\1…  # 5, 2 Columns\n"
		   "(0040,9225) FD 1.5  # 8, 1 RealWorldValueSlope\n");
}

TEST(sequences_and_their_character_sets)
{
	struct dataset *ds = start(), *item;

	must(dataset_put_text(
	    ds, TAG_SpecificCharacterSet, VR_CS, "ISO_IR 100"));
	must(dataset_put_text(ds, TAG_PatientID, VR_LO, "\xe4"));
	item = dataset_put_item(ds, TAG_RequestAttributesSequence);
	must(dataset_put_text(
	    item, TAG_SpecificCharacterSet, VR_CS, "ISO_IR 192"));
	must(dataset_put_text(item, TAG_PatientID, VR_LO, "\xc3\xa4"));
	item = dataset_put_item(ds, TAG_RequestAttributesSequence);
	must(dataset_put_text(item, TAG_PatientID, VR_LO, "\xe4"));
	(void)dataset_put_item(item, TAG_ReferencedSOPSequence);
	expect(ds,
	    "(0008,0005) CS [ISO_IR 100]  # 10, 1 SpecificCharacterSet\n"
	    "(0010,0020) LO [ä]  # 1, 1 PatientID\n"
	    "(0040,0275) SQ (2 items)  # u/l, 2 RequestAttributesSequence\n"
	    " item 1\n"
	    "  (0008,0005) CS [ISO_IR 192]  # 10, 1 SpecificCharacterSet\n"
	    "  (0010,0020) LO [ä]  # 2, 1 PatientID\n"
	    " item 2\n"
	    "  (0008,1199) SQ (1 items)  # u/l, 1 ReferencedSOPSequence\n"
	    "   item 1\n"
	    "  (0010,0020) LO [ä]  # 1, 1 PatientID\n");
}

TEST(long_values_are_cut)
{
	struct dataset *ds = start();
	char text[3000];
	struct buf out;
	struct err e;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	must(dataset_put_text(ds, TAG_PatientComments, VR_LT, text));
	must(dataset_put_text(ds, TAG_ImageType, VR_CS, text));
	must(dataset_put_text(ds, 0x00091010, VR_OB, text));
	buf_init(&out, 1 * MIB);
	CHECK(dump_dataset(&out, ds, STR(""), &e));
	CHECK(out.n < 3 * 150);
	CHECK(strstr(buf_cstr(&out), "x…]") != NULL);
	CHECK(strstr(buf_cstr(&out), "78…  # 2999") != NULL);
	buf_fini(&out);
	buf_init(&out, 100);
	CHECK(!dump_dataset(&out, ds, STR(""), &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	buf_fini(&out);
}

TEST(a_file)
{
	const struct file_meta meta = {
	    .sop_class = STR("1.2"),
	    .sop_instance = STR("1.2.3"),
	    .syntax = STR(UID_ExplicitVRLittleEndian),
	};
	struct buf file, out;
	struct err e;
	const char *text;

	buf_init(&file, 1 * MIB);
	buf_init(&out, 1 * MIB);
	must(file_meta_build(&file, &meta, &e));
	build_element(&file, TAG_PatientID, VR_LO, STR("id"), little);
	build_element(&file, TAG_PixelData, VR_OW, STR("abcd"), little);
	CHECK(dump_file(&out, buf_str(&file), &e));
	text = buf_cstr(&out);
	CHECK(strstr(text, "(0002,0003) UI [1.2.3]  # 6, 1 "
			   "MediaStorageSOPInstanceUID\n") != NULL);
	CHECK(strstr(text,
		  "(0010,0020) LO [id]  # 2, 1 PatientID\n"
		  "(7fe0,0010) OW (not read)  # 4, 0 PixelData\n") != NULL);
	buf_clear(&out);
	CHECK(!dump_file(&out, str_of(file.p, file.n - 1), &e));
	CHECK_EQ(e.code, ERR_MALFORMED);
	CHECK(!dump_file(&out, STR("no such thing"), &e));
	buf_fini(&out);
	buf_fini(&file);
}

TEST_MAIN
