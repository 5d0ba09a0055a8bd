/*
 * Value representations against PS3.5 Table 6.2-1 and 7.1.2.
 */
#include "dicom/vr.h"
#include "test.h"

TEST(names_there_and_back)
{
	int vr;
	const char *name;

	CHECK_EQ(VR_COUNT, 35);
	for (vr = VR_NONE + 1; vr < VR_COUNT; vr++) {
		name = vr_name((enum vr)vr);
		CHECK_EQ(strlen(name), 2);
		CHECK_EQ(vr_from_bytes((uint8_t)name[0], (uint8_t)name[1]), vr);
	}
	CHECK(!strcmp(vr_name(VR_NONE), "UN"));
	CHECK_EQ(vr_from_bytes('U', 'N'), VR_UN);
}

TEST(other_bytes_are_none)
{
	CHECK_EQ(vr_from_bytes(0, 0), VR_NONE);
	CHECK_EQ(vr_from_bytes('c', 's'), VR_NONE);
	CHECK_EQ(vr_from_bytes('?', '?'), VR_NONE);
	CHECK_EQ(vr_from_bytes('O', 'X'), VR_NONE);
	CHECK_EQ(vr_from_bytes(0xff, 0xff), VR_NONE);
}

TEST(long_lengths)
{
	static const char *const longs[] = {"OB", "OD", "OF", "OL", "OV", "OW",
	    "SQ", "SV", "UC", "UN", "UR", "UT", "UV"};
	size_t i, count = 0;
	int vr;

	for (i = 0; i < ARRAY_LEN(longs); i++)
		CHECK(vr_is_long(
		    vr_from_bytes((uint8_t)longs[i][0], (uint8_t)longs[i][1])));
	for (vr = VR_NONE + 1; vr < VR_COUNT; vr++)
		count += vr_is_long((enum vr)vr);
	CHECK_EQ(count, ARRAY_LEN(longs));
}

TEST(units_limits_and_padding)
{
	CHECK_EQ(vr_unit(VR_US), 2);
	CHECK_EQ(vr_unit(VR_AT), 2);
	CHECK_EQ(vr_unit(VR_FL), 4);
	CHECK_EQ(vr_unit(VR_OV), 8);
	CHECK_EQ(vr_unit(VR_OB), 1);
	CHECK_EQ(vr_unit(VR_LO), 1);
	CHECK_EQ(vr_max(VR_LO), 64);
	CHECK_EQ(vr_max(VR_LT), 10240);
	CHECK_EQ(vr_max(VR_UT), 0);
	CHECK_EQ(vr_pad(VR_UI), 0);
	CHECK_EQ(vr_pad(VR_OB), 0);
	CHECK_EQ(vr_pad(VR_UN), 0);
	CHECK_EQ(vr_pad(VR_CS), ' ');
	CHECK_EQ(vr_pad(VR_PN), ' ');
}

TEST(kinds)
{
	CHECK_EQ(vr_kind(VR_PN), VR_KIND_LOCAL);
	CHECK_EQ(vr_kind(VR_CS), VR_KIND_TEXT);
	CHECK_EQ(vr_kind(VR_SQ), VR_KIND_SEQUENCE);
	CHECK_EQ(vr_kind(VR_UN), VR_KIND_BINARY);
	CHECK_EQ(vr_kind(VR_NONE), VR_KIND_BINARY);
	CHECK(vr_is_multi(VR_PN));
	CHECK(vr_is_multi(VR_UI));
	CHECK(vr_is_multi(VR_UC));
	CHECK(!vr_is_multi(VR_LT));
	CHECK(!vr_is_multi(VR_ST));
	CHECK(!vr_is_multi(VR_UT));
	CHECK(!vr_is_multi(VR_UR));
	CHECK(!vr_is_multi(VR_OB));
	CHECK(!vr_is_multi(VR_SQ));
}

TEST_MAIN
