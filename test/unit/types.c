/*
 * HL7 data types to DICOM values, and the table of fields.
 */
#include "hl7/types.h"

#include "base/limit.h"
#include "test.h"

static struct arena arena;
static struct er7_message message;
static struct types_result result;

/* The text of raw, as field f. */
static struct str
convert(enum field f, const char *raw, bool whole)
{
	struct err e;

	arena_fini(&arena);
	arena_init(&arena, 8 * MIB);
	if (!CHECK(
		er7_parse(&arena, STR("MSH|^~\\&|A\r"), "UTF-8", &message, &e)))
		return STR("");
	result = types_convert(&arena, &message, f, str_from(raw), whole);
	return result.text;
}

static const char *
date_and_time(const char *ts)
{
	static char text[32];
	char date[9], time[14];

	if (!types_time(str_from(ts), date, time))
		return "no";
	snprintf(text, sizeof(text), "%s %s", date, time);
	return text;
}

#define CHECK_TIME(ts, want) CHECK_STR(str_from(date_and_time(ts)), want)

TEST(times)
{
	CHECK_TIME("20190315", "20190315 ");
	CHECK_TIME("201903150852", "20190315 0852");
	CHECK_TIME("20190315085226.1200+0100", "20190315 085226.12");
	CHECK_TIME("200512301613529400", "20051230 161352.94");
	CHECK_TIME("20190315000000", "20190315 000000");
	CHECK_TIME("2019031524", "20190315 ");
	CHECK_TIME("11/08/2020 16:25", "20200811 1625");
	CHECK_TIME("24.02.1951", "19510224 ");
	CHECK_TIME("2020-08-11T16:25:07", "20200811 162507");
	CHECK_TIME("11/08/2020 9:05:07.5", "20200811 090507.5");
	CHECK_TIME("11/08/2020 2:05 PM", "20200811 1405");
	CHECK_TIME("11/08/2020 12:05:00 am", "20200811 000500");
	CHECK_TIME("11/08/2020 14:05 PM", "20200811 1405");
	CHECK_TIME("20200811 16:25", "20200811 1625");
	CHECK_TIME("20200811T162507.25+0100", "20200811 162507.25");
	CHECK_TIME("20200811+0100", "20200811 ");
	CHECK_TIME("20190229", "no");
	CHECK_TIME("20200229", "20200229 ");
	CHECK_TIME("201913", "no");
	CHECK_TIME("1951", "no");
	CHECK_TIME("", "no");
	CHECK_TIME("tomorrow", "no");
	CHECK_TIME("99/99/9999", "no");
}

TEST(names)
{
	CHECK_STR(convert(FIELD_PatientName, "DOE^JOHN^Q^JR^DR^MD", true),
	    "DOE^JOHN^Q^DR^JR MD");
	CHECK_STR(convert(FIELD_PatientName, "van Dam&van&Dam^Jan", true),
	    "van Dam^Jan");
	CHECK_STR(convert(FIELD_PatientName, "SMITH JOHN", true), "SMITH JOHN");
	CHECK_STR(convert(FIELD_PatientName,
		      "Yamada^Tarou^^^^^^A~\xe5\xb1\xb1^\xe5\xa4\xaa^^^^^^I~"
		      "yama^taro^^^^^^P",
		      true),
	    "Yamada^Tarou=\xe5\xb1\xb1^\xe5\xa4\xaa=yama^taro");
	CHECK_STR(convert(FIELD_PatientName, "A\\S\\B\\R\\C^D\\E\\E", true),
	    "A B~C^D E");
	CHECK_STR(
	    convert(FIELD_RequestingPhysician, "1234^HOUSE^GREGORY^^^DR", true),
	    "HOUSE^GREGORY^^DR");
	CHECK_STR(convert(FIELD_RequestingPhysician, "HOUSE^GREGORY", true),
	    "HOUSE^GREGORY");
	CHECK_STR(convert(FIELD_RequestingPhysician, "1234", false), "1234");
	CHECK_STR(convert(FIELD_PatientName, "", true), "");
}

TEST(codes_and_the_like)
{
	CHECK_STR(convert(FIELD_PatientSex, "female", false), "F");
	CHECK_STR(convert(FIELD_PatientSex, "U", false), "");
	CHECK(result.note != NULL && !result.bad);
	CHECK_STR(convert(FIELD_Modality, "ct", false), "CT");
	CHECK_STR(
	    convert(FIELD_RequestedProcedurePriority, "s", false), "STAT");
	CHECK_STR(convert(FIELD_RequestedProcedurePriority, "Routine", false),
	    "ROUTINE");
	CHECK_STR(
	    convert(FIELD_StudyInstanceUID, "1.2.840.3", true), "1.2.840.3");
	CHECK_STR(convert(FIELD_StudyInstanceUID, "1.02.3", true), "");
	CHECK(result.bad);
	CHECK_STR(convert(FIELD_StudyInstanceUID, "1..3", true), "");
	CHECK_STR(convert(FIELD_StudyInstanceUID, "", true), "");
	CHECK(!result.bad);
	CHECK_STR(convert(FIELD_PatientWeight, "71.5", false), "71.5");
	CHECK_STR(convert(FIELD_PatientWeight, "heavy", false), "");
	CHECK_STR(convert(FIELD_RequestedProcedureCode,
		      "P1^Head^L~P2^Ne\\S\\ck^L^X", true),
	    "P1^Head^L\\P2^Ne ck^L");
	CHECK_STR(convert(FIELD_PatientID, " A\\.br\\B ", false), "A B");
	CHECK_STR(
	    convert(FIELD_IssuerOfPatientID, "ISS&1.2&ISO", false), "ISS");
	CHECK_STR(convert(FIELD_IssuerOfPatientID, "&1.2&ISO", false), "1.2");
	CHECK_STR(convert(FIELD_IssuerOfPatientID, "A\\T\\B", false), "A&B");
	CHECK_STR(convert(FIELD_PatientComments, "A\\.br\\B", true), "A\nB");
	CHECK_STR(convert(FIELD_AccessionNumber, "12345678901234567", false),
	    "12345678901234567");
	CHECK(result.note != NULL && !result.bad);
}

TEST(names_back)
{
	struct buf out;

	buf_init(&out, 1000);
	types_name_build(&out, &er7_usual, STR("DOE^JOHN^Q^DR^JR"));
	CHECK_STR(buf_str(&out), "DOE^JOHN^Q^JR^DR");
	buf_clear(&out);
	types_name_build(&out, &er7_usual, STR("DOE"));
	CHECK_STR(buf_str(&out), "DOE");
	buf_clear(&out);
	types_name_build(&out, &er7_usual, STR("Y^T==y^t"));
	CHECK_STR(buf_str(&out), "Y^T^^^^^^A~y^t^^^^^^P");
	CHECK_STR(convert(FIELD_PatientName, buf_cstr(&out), true), "Y^T==y^t");
	buf_fini(&out);
	arena_fini(&arena);
}

TEST(fields)
{
	CHECK_EQ(field_find(STR("PATIENT ID")), FIELD_PatientID);
	CHECK_EQ(field_find(STR("start date")),
	    FIELD_ScheduledProcedureStepStartDate);
	CHECK_EQ(field_find(STR("Modality")), FIELD_Modality);
	CHECK_EQ(field_find(STR("nothing")), FIELD_COUNT);
	CHECK(field_info(FIELD_RequestedProcedureID)->required);
	CHECK(!field_info(FIELD_Modality)->required);
	CHECK_EQ(FIELD_RequestedTiming, FIELD_SHOWN - 1);
}

TEST_MAIN
