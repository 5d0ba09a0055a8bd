/*
 * The dictionaries: order and uniqueness of the tables, look-ups by all keys,
 * repeating groups, layouts of transfer syntaxes, statuses.
 */
#include "dicom/dict.h"
#include "base/thread.h"
#include "test.h"

static const struct {
	uint32_t tag;
	const char *keyword;
} listed[] = {
#define DICOM_TAG(tag, vr, vm, keyword, name, retired) {tag, #keyword},
#include "dicom/tags.def"
#undef DICOM_TAG
};

TEST(tags_are_sorted_and_found)
{
	const struct dict_tag *found;
	size_t i;

	CHECK(ARRAY_LEN(listed) > 5000);
	for (i = 0; i < ARRAY_LEN(listed); i++) {
		CHECK(i == 0 || listed[i - 1].tag < listed[i].tag);
		found = dict_tag(listed[i].tag);
		CHECK(found != NULL && found->tag == listed[i].tag &&
		      !strcmp(found->keyword, listed[i].keyword));
		CHECK(dict_keyword(str_from(listed[i].keyword)) == found);
	}
}

TEST(well_known_tags)
{
	const struct dict_tag *t = dict_tag(TAG_PatientName);

	CHECK_EQ(TAG_PatientName, 0x00100010);
	if (!CHECK(t != NULL))
		return;
	CHECK_EQ(t->vr, VR_PN);
	CHECK(!strcmp(t->name, "Patient's Name"));
	CHECK(!strcmp(t->vm, "1"));
	CHECK(!t->retired);
	CHECK_EQ(TAG_CommandField, 0x00000100);
	CHECK_EQ(TAG_TransferSyntaxUID, 0x00020010);
	CHECK_EQ(TAG_DirectoryRecordSequence, 0x00041220);
	CHECK_EQ((uint32_t)TAG_DataSetTrailingPadding, 0xfffcfffcU);
	CHECK(dict_tag(TAG(0x0008, 0x0000 + 2)) == NULL);
	CHECK(dict_tag(0xfffee000) == NULL);
	CHECK(dict_tag(0xffffffff) == NULL);
	CHECK(dict_tag(TAG_NumberOfStudyRelatedInstances) != NULL);
	CHECK(dict_tag(TAG(0x0028, 0x0060))->retired);
}

TEST(repeating_groups)
{
	const struct dict_tag *t = dict_tag(0x60023000);

	CHECK(
	    t != NULL && t->vr == VR_OW && !strcmp(t->keyword, "OverlayData"));
	t = dict_tag(0x60fe0010);
	CHECK(t != NULL && !strcmp(t->keyword, "OverlayRows"));
	t = dict_tag(0x501e3000);
	CHECK(t != NULL && !strcmp(t->keyword, "CurveData"));
	t = dict_tag(0x7f020010);
	CHECK(t != NULL && !strcmp(t->keyword, "VariablePixelData"));
	t = dict_tag(0x7fe00010);
	CHECK(t != NULL && !strcmp(t->keyword, "PixelData"));
	t = dict_tag(0x002031a2);
	CHECK(t != NULL && !strcmp(t->keyword, "SourceImageIDs"));
	t = dict_tag(0x00280452);
	CHECK(t != NULL && !strcmp(t->keyword, "CoefficientCoding"));
	t = dict_tag(0x00280892);
	CHECK(t != NULL && !strcmp(t->keyword, "NumberOfTables"));
	t = dict_tag(0x10001235);
	CHECK(t != NULL && !strcmp(t->keyword, "ShiftTableTriplet"));
	t = dict_tag(0x10101234);
	CHECK(t != NULL && !strcmp(t->keyword, "ZonalMap"));
	CHECK(dict_tag(0x60013000) == NULL);
	CHECK(dict_tag(0x60029999) == NULL);
}

TEST(vr_of_implicit_elements)
{
	CHECK_EQ(dict_vr(TAG_PixelData), VR_OW);
	CHECK_EQ(dict_vr(TAG_WaveformData), VR_OW);
	CHECK_EQ(dict_vr(TAG_SmallestImagePixelValue), VR_US);
	CHECK_EQ(dict_vr(TAG_LUTData), VR_US);
	CHECK_EQ(dict_vr(TAG_RedPaletteColorLookupTableData), VR_OW);
	CHECK_EQ(dict_vr(TAG_ReferencedSeriesSequence), VR_SQ);
	CHECK_EQ(dict_vr(TAG_OffsetOfTheNextDirectoryRecord), VR_UL);
	CHECK_EQ(dict_vr(0x00080000), VR_UL);
	CHECK_EQ(dict_vr(0x00090000), VR_UL);
	CHECK_EQ(dict_vr(0x00090010), VR_LO);
	CHECK_EQ(dict_vr(0x000900ff), VR_LO);
	CHECK_EQ(dict_vr(0x00090100), VR_UN);
	CHECK_EQ(dict_vr(0x00091010), VR_UN);
	CHECK_EQ(dict_vr(0x00081234), VR_UN);
}

static bool
parses_to(const char *text, uint32_t want)
{
	uint32_t tag = 0;

	return dict_tag_parse(str_from(text), &tag) && tag == want;
}

TEST(tags_from_text)
{
	uint32_t tag;

	CHECK(parses_to("PatientID", 0x00100020));
	CHECK(parses_to("(0010,0020)", 0x00100020));
	CHECK(parses_to("00100020", 0x00100020));
	CHECK(parses_to("7fe00010", 0x7fe00010));
	CHECK(parses_to("(7FE0,0010)", 0x7fe00010));
	CHECK(parses_to("00091010", 0x00091010));
	CHECK(!dict_tag_parse(STR(""), &tag));
	CHECK(!dict_tag_parse(STR("patientid"), &tag));
	CHECK(!dict_tag_parse(STR("PatientI"), &tag));
	CHECK(!dict_tag_parse(STR("PatientIDs"), &tag));
	CHECK(!dict_tag_parse(STR("(0010 0020)"), &tag));
	CHECK(!dict_tag_parse(STR("(0010,002g)"), &tag));
	CHECK(!dict_tag_parse(STR("0010002"), &tag));
	CHECK(!dict_tag_parse(str_of("PatientID\0", 10), &tag));
}

TEST(uids_are_unique_and_found)
{
	const struct dict_uid *u;
	size_t i, storage = 0, syntaxes = 0;

	for (i = 0; (u = dict_uid_at(i)) != NULL; i++) {
		CHECK(dict_uid(str_from(u->uid)) == u);
		storage += u->kind == UID_KIND_STORAGE;
		syntaxes += u->kind == UID_KIND_TRANSFER_SYNTAX;
	}
	CHECK(i > 450);
	CHECK(storage > 200);
	CHECK(syntaxes >= 60);
	CHECK(dict_uid_at(SIZE_MAX) == NULL);
	CHECK(dict_uid(STR("")) == NULL);
	CHECK(dict_uid(STR("1.2.840.10008.5.1.4.1.1")) == NULL);
}

TEST(kinds_of_uids)
{
	const struct dict_uid *u = dict_uid(STR("1.2.840.10008.5.1.4.1.1.2\0"));

	CHECK(u != NULL && u->kind == UID_KIND_STORAGE && !u->retired &&
	      !strcmp(u->keyword, "CTImageStorage"));
	u = dict_uid(str_from(UID_UltrasoundImageStorageRetired));
	CHECK(u != NULL && u->kind == UID_KIND_STORAGE && u->retired);
	u = dict_uid(STR("1.3.12.2.1107.5.9.1"));
	CHECK(u != NULL && u->kind == UID_KIND_STORAGE);
	u = dict_uid(str_from(UID_Verification));
	CHECK(u != NULL && u->kind == UID_KIND_SERVICE);
	u = dict_uid(str_from(UID_StudyRootQueryRetrieveInformationModelFind));
	CHECK(u != NULL && u->kind == UID_KIND_SERVICE);
	u = dict_uid(str_from(UID_StorageCommitmentPushModel));
	CHECK(u != NULL && u->kind == UID_KIND_SERVICE);
	u = dict_uid(str_from(UID_MediaStorageDirectoryStorage));
	CHECK(u != NULL && u->kind == UID_KIND_SERVICE);
	u = dict_uid(str_from(UID_DICOMApplicationContext));
	CHECK(u != NULL && u->kind == UID_KIND_OTHER);
}

static bool
is_syntax(const char *uid, bool explicit_vr, bool big_endian, bool deflated,
    bool encapsulated)
{
	struct syntax s = syntax_of(str_from(uid));

	return s.uid != NULL && !strcmp(s.uid, uid) &&
	       s.explicit_vr == explicit_vr && s.big_endian == big_endian &&
	       s.deflated == deflated && s.encapsulated == encapsulated;
}

TEST(layouts_of_syntaxes)
{
	struct syntax s;

	CHECK(is_syntax(UID_ImplicitVRLittleEndian, 0, 0, 0, 0));
	CHECK(is_syntax(UID_ExplicitVRLittleEndian, 1, 0, 0, 0));
	CHECK(is_syntax(UID_ExplicitVRBigEndian, 1, 1, 0, 0));
	CHECK(is_syntax(UID_DeflatedExplicitVRLittleEndian, 1, 0, 1, 0));
	CHECK(is_syntax(UID_JPIPReferencedDeflate, 1, 0, 1, 0));
	CHECK(is_syntax(UID_PrivateGEBigEndian, 0, 0, 0, 0));
	CHECK(is_syntax(UID_JPEGBaseline8Bit, 1, 0, 0, 1));
	CHECK(is_syntax(UID_RLELossless, 1, 0, 0, 1));
	CHECK(is_syntax(UID_HTJ2K, 1, 0, 0, 1));
	CHECK(is_syntax(UID_DeflatedImageFrameCompression, 1, 0, 0, 1));
	CHECK(is_syntax(
	    UID_EncapsulatedUncompressedExplicitVRLittleEndian, 1, 0, 0, 1));
	s = syntax_of(STR("1.2.840.10008.1.2.1 "));
	CHECK(s.uid != NULL && !s.encapsulated);
	s = syntax_of(STR("1.2.3"));
	CHECK(
	    s.uid == NULL && s.explicit_vr && !s.big_endian && s.encapsulated);
	s = syntax_of(str_from(UID_CTImageStorage));
	CHECK(s.uid == NULL);
}

TEST(statuses)
{
	CHECK(!strcmp(status_name(STATUS_Success), "Success"));
	CHECK(!strcmp(status_name(0xa700), "Refused: Out of resources"));
	CHECK(!strcmp(status_name(0xa7ff), "Refused: Out of resources"));
	CHECK(!strcmp(status_name(0xc123), "Error: Cannot understand"));
	CHECK(!strcmp(status_name(0x4711), "Unknown status"));
	CHECK(status_is_pending(0xff00) && status_is_pending(0xff01));
	CHECK(!status_is_pending(0) && !status_is_pending(0xfe00));
	CHECK(status_is_warning(0xb000) && status_is_warning(0xb007));
	CHECK(status_is_warning(0x0001) && status_is_warning(0x0107) &&
	      status_is_warning(0x0116));
	CHECK(!status_is_warning(0) && !status_is_warning(0x0110) &&
	      !status_is_warning(0xa700));
}

static void
look_up(void *arg)
{
	size_t *found = arg, i;
	const struct dict_uid *u;

	for (i = 0; (u = dict_uid_at(i)) != NULL; i++)
		*found += dict_uid(str_from(u->uid)) == u;
	*found += dict_keyword(STR("PixelData")) != NULL;
}

/* With the thread sanitizer this shows that building the indexes is safe. */
TEST(threads_share_the_indexes)
{
	struct thread threads[4];
	size_t found[4] = {0}, i;

	for (i = 0; i < 4; i++)
		CHECK(thread_start(&threads[i], "dict", look_up, &found[i]));
	for (i = 0; i < 4; i++)
		thread_join(&threads[i]);
	for (i = 1; i < 4; i++)
		CHECK_EQ(found[i], found[0]);
	CHECK(found[0] > 450);
}

TEST_MAIN
