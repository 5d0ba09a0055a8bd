/*
 * What messages ask for: orders with their groups and control codes,
 * appointments, patients, reports.
 */
#include "order.h"

/* As the manual shows it. */
TEST(manual_sample_one)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\r"
		 "PID|||ID200||DOE^JANE||19510224|F\r"
		 "ORC|NW|54847|||IP||^^^20190315085226||201903150852||||||"
		 "201903150852\r"
		 "OBR|1|54847||21100^CT|R||20190315095000|20190315100000||||||"
		 "||||CT|||CTAWP73120\r"));
	CHECK_EQ(order.kind, ORDER_KIND_STEPS);
	CHECK_EQ(order.step_count, 1);
	CHECK_EQ(order.steps[0].action, ORDER_PUT);
	CHECK_EQ(order.steps[0].status, STATUS_SCHEDULED);
	CHECK_STR(value(0, FIELD_PatientID), "ID200");
	CHECK_STR(value(0, FIELD_PatientName), "DOE^JANE");
	CHECK_STR(value(0, FIELD_PatientBirthDate), "19510224");
	CHECK_STR(value(0, FIELD_PatientSex), "F");
	CHECK_STR(value(0, FIELD_AccessionNumber), "54847");
	CHECK_STR(value(0, FIELD_RequestedProcedureDescription), "CT");
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "21100");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "21100");
	CHECK_STR(value(0, FIELD_Modality), "CT");
	CHECK_STR(value(0, FIELD_ScheduledStationAETitle), "CTAWP73120");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartDate), "20190315");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartTime), "0852");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStatus), "IP");
	CHECK(trace_count > 10);
}

TEST(manual_sample_two)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01||P|2.3\rPID|||7||ROE^RICHARD\rORC|NW\r"
		 "OBR|||2005-9999|1234^BRAIN||200512301613529400|||||||||||||||"
		 "CT\r"));
	CHECK_STR(value(0, FIELD_AccessionNumber), "2005-9999");
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "1234");
	CHECK_STR(value(0, FIELD_ScheduledStationAETitle), "CT");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartDate), "20051230");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartTime), "161352.94");
}

/* What Conquest's import takes from a message, which counts from 0. */
TEST(conquest)
{
	CHECK(read_with("conquest",
	    HEAD "ORM^001|1|P|2.0.0\rPID|16|12345|1|2050|Doe^Jane||19591206|F\r"
		 "ORC|NW||2005-9999||SC\r"
		 "OBR|||2005-9999|1234^BRAIN||200512301613|20051230161353||||||"
		 "|||15^House^Greg|||||CT|||ROOM1|||R\r"));
	CHECK_STR(value(0, FIELD_PatientID), "2050");
	CHECK_STR(value(0, FIELD_PatientName), "Doe^Jane");
	CHECK_STR(value(0, FIELD_AccessionNumber), "2005-9999");
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "1234");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "1234^BRAIN");
	CHECK_STR(value(0, FIELD_RequestedProcedureDescription), "BRAIN");
	CHECK_STR(value(0, FIELD_Modality), "CT");
	CHECK_STR(value(0, FIELD_ScheduledStationName), "ROOM1");
	CHECK_STR(value(0, FIELD_RequestedProcedurePriority), "ROUTINE");
	CHECK_STR(value(0, FIELD_RequestingPhysician), "House^Greg");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartDate), "20051230");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartTime), "161353");
	CHECK_STR(value(0, FIELD_FillerOrderNumber), "2005-9999");
}

TEST(groups)
{
	/* Two orders, the first with two procedures; one ZDS for all. */
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3.1\rPID|||ID||A^B\r"
		 "ORC|NW|P1|F1\rOBR|1|||X^One\rNTE|1||first\rNTE|2||second\r"
		 "OBR|2|||Y^Two\r"
		 "ORC|CA|P2|F2\rOBR|1|||Z^Three\rZDS|1.2.3\r"));
	CHECK_EQ(order.step_count, 3);
	CHECK_STR(value(0, FIELD_PlacerOrderNumber), "P1");
	CHECK_STR(value(1, FIELD_PlacerOrderNumber), "P1");
	CHECK_STR(value(2, FIELD_PlacerOrderNumber), "P2");
	CHECK_STR(value(0, FIELD_RequestedProcedureDescription), "One");
	CHECK_STR(value(1, FIELD_RequestedProcedureDescription), "Two");
	CHECK_STR(value(2, FIELD_RequestedProcedureDescription), "Three");
	CHECK_STR(value(0, FIELD_RequestedProcedureComments), "first\nsecond");
	CHECK_STR(value(1, FIELD_RequestedProcedureComments), "(none)");
	CHECK_STR(value(0, FIELD_StudyInstanceUID), "1.2.3");
	CHECK_STR(value(2, FIELD_StudyInstanceUID), "1.2.3");
	CHECK_EQ(order.steps[0].action, ORDER_PUT);
	CHECK_EQ(order.steps[1].action, ORDER_PUT);
	CHECK_EQ(order.steps[2].action, ORDER_CANCEL);
}

TEST(imaging_orders_have_steps)
{
	CHECK(read_with("ihe-omi",
	    HEAD "OMI^O23^OMI_O23|1|P|2.5.1\rPID|||ID^^^ISS||A^B\r"
		 "ORC|NW|P1|F1\rTQ1|1||||||20260102103000||S\r"
		 "OBR|1|P1|F1|X^One^L\r"
		 "IPC|ACC|RP|1.2.3|S1|CT|C^Head^L|CT1||AE1\r"
		 "IPC|ACC|RP|1.2.3|S2|MR|M^Neck^L|MR1||AE2\r"));
	CHECK_EQ(order.step_count, 2);
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "S1");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "S2");
	CHECK_STR(value(1, FIELD_Modality), "MR");
	CHECK_STR(value(1, FIELD_ScheduledStationAETitle), "AE2");
	CHECK_STR(value(1, FIELD_AccessionNumber), "ACC");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartTime), "103000");
	CHECK_STR(value(0, FIELD_RequestedProcedurePriority), "STAT");
	CHECK_STR(value(0, FIELD_IssuerOfPatientID), "ISS");
	CHECK_STR(value(0, FIELD_ScheduledProtocolCode), "C^Head^L");
}

TEST(control_codes)
{
	static const struct {
		const char *control, *status;
		enum order_action action;
		enum order_status to;
	} cases[] = {
	    {"NW", "SC", ORDER_PUT, STATUS_SCHEDULED},
	    {"NW", "IP", ORDER_PUT, STATUS_SCHEDULED},
	    {"XO", "IP", ORDER_UPDATE, STATUS_NONE},
	    {"XO", "CM", ORDER_UPDATE, STATUS_COMPLETED},
	    {"CA", "CA", ORDER_CANCEL, STATUS_CANCELED},
	    {"DC", "", ORDER_DISCONTINUE, STATUS_NONE},
	    {"HD", "", ORDER_HOLD, STATUS_NONE},
	    {"RL", "", ORDER_RELEASE, STATUS_NONE},
	    {"SC", "IP", ORDER_STATUS, STATUS_STARTED},
	    {"SC", "A", ORDER_STATUS, STATUS_STARTED},
	    {"SC", "CM", ORDER_STATUS, STATUS_COMPLETED},
	    {"SC", "SC", ORDER_STATUS, STATUS_SCHEDULED},
	    {"RE", "CM", ORDER_INFORM, STATUS_COMPLETED},
	    {"", "", ORDER_UPDATE, STATUS_NONE},
	    {"QQ", "", ORDER_UPDATE, STATUS_NONE},
	};
	char text[300];
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text),
		    HEAD "ORM^O01|1|P|2.3\rPID|||ID||A^B\rORC|%s|P|||%s\r"
			 "OBR|1|||X\r",
		    cases[i].control, cases[i].status);
		CHECK(read_with("manual", text));
		CHECK_EQ(order.steps[0].action, cases[i].action);
		CHECK_EQ(order.steps[0].status, cases[i].to);
	}
}

TEST(replacement_and_children)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\rPID|||ID||A^B\rORC|RP|P1\rOBR|1|||X\r"
		 "ORC|RO|P2\rOBR|1|||Y\r"));
	CHECK_EQ(order.steps[0].action, ORDER_CANCEL);
	CHECK_EQ(order.steps[1].action, ORDER_PUT);
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\rPID|||ID||A^B\rORC|PA|P1\rOBR|1|||X\r"
		 "ORC|CH|P2\rOBR|1|||Y\rORC|CH|P3\rOBR|1|||Z\r"));
	CHECK_EQ(order.step_count, 2);
	CHECK_STR(value(0, FIELD_AccessionNumber), "P2");
}

TEST(changes_leave_and_delete)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\rPID|||ID|||||\"\"\rORC|XO|P1\r"
		 "OBR|1|P9||X\r"));
	CHECK(!order.steps[0].value[FIELD_PatientName].given);
	CHECK(order.steps[0].value[FIELD_PatientSex].given);
	CHECK_STR(value(0, FIELD_PatientSex), "");
	CHECK_STR(value(0, FIELD_AccessionNumber), "P1");
}

TEST(what_is_missing)
{
	CHECK(!read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\rPID|||||A^B\rORC|NW|1\rOBR|1|||X\r"));
	CHECK_EQ(problem.code, 101);
	CHECK(!problem.reject);
	CHECK(strcmp(problem.segment, "PID") == 0 && problem.field == 3);
	CHECK(strstr(problem.text, "PATIENT ID") != NULL);
	CHECK(!read_with("manual", HEAD "ORM^O01|1|P|2.3\rPID|||1||A^B\r"));
	CHECK_EQ(problem.code, 100);
	CHECK(!read_with("manual", HEAD "QBP^Q22|1|P|2.3\r"));
	CHECK(problem.reject && problem.code == 200);
	CHECK(read_with("manual", HEAD "ORM^001|1|P|2.3\rPID|||1||A\r"
				       "ORC|NW|1\rOBR|1|||X\r"));
}

TEST(appointments)
{
	CHECK(read_with("manual",
	    HEAD "SIU^S12|1|P|2.5\rSCH|A1|F1|||||R^Reason|||||"
		 "^^^20260102093000\rPID|||ID||A^B\rRGS|1\r"
		 "AIS|1||X^Head^L|20260102100000\rAIG|1||CT1^Scanner\r"
		 "AIL|1||ROOM\rAIP|1||77^HOUSE^G^X\r"));
	CHECK_EQ(order.step_count, 1);
	CHECK_EQ(order.steps[0].action, ORDER_PUT);
	CHECK_STR(value(0, FIELD_PlacerOrderNumber), "A1");
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "A1");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartTime), "100000");
	CHECK_STR(value(0, FIELD_ScheduledStationAETitle), "CT1");
	CHECK_STR(value(0, FIELD_ScheduledStationName), "Scanner");
	CHECK_STR(
	    value(0, FIELD_ScheduledPerformingPhysicianName), "HOUSE^G^X");
	CHECK(read_with("manual", HEAD "SIU^S15|1|P|2.5\rSCH|A1\r"));
	CHECK_EQ(order.steps[0].action, ORDER_CANCEL);
	CHECK(!read_with("manual", HEAD "SIU^S99|1|P|2.5\rSCH|A1\r"));
	CHECK_EQ(problem.code, 201);
}

TEST(patients)
{
	CHECK(read_with("manual",
	    HEAD "ADT^A08|1|P|2.5\rPID|||ID^^^ISS||NEW^NAME||\"\"\r"));
	CHECK_EQ(order.kind, ORDER_KIND_PATIENT);
	CHECK_STR(order.patient[FIELD_PatientName].text, "NEW^NAME");
	CHECK(order.patient[FIELD_PatientBirthDate].given);
	CHECK(!order.patient[FIELD_PatientSex].given);
	CHECK(read_with("manual",
	    HEAD "ADT^A40|1|P|2.5\rPID|||NEW^^^ISS||A^B\rMRG|OLD^^^ISS\r"
		 "PID|||N2||C^D\rMRG|O2\r"));
	CHECK_EQ(order.kind, ORDER_KIND_MERGE);
	CHECK_EQ(order.merge_count, 2);
	CHECK_STR(order.merges[0].id, "NEW");
	CHECK_STR(order.merges[0].prior_id, "OLD");
	CHECK_STR(order.merges[0].prior_issuer, "ISS");
	CHECK_STR(order.merges[1].prior_id, "O2");
	/* An authority by its name, on both sides. */
	CHECK(read_with("manual",
	    HEAD "ADT^A40|1|P|2.5\rPID|||NEW^^^ISS&1.2&ISO||A^B\r"
		 "MRG|OLD^^^ISS&1.2&ISO\rMRG|O2^^^&1.3&ISO\r"));
	CHECK_STR(order.merges[0].issuer, "ISS");
	CHECK_STR(order.merges[0].prior_issuer, "ISS");
	CHECK_STR(order.merges[1].prior_issuer, "1.3");
	CHECK(
	    read_with("manual", HEAD "ADT^A37|1|P|2.5\rPID|||N1\rPID|||O1\r"));
	CHECK(order.merge_count == 1 && order.merges[0].undo);
	CHECK(!read_with("manual", HEAD "ADT^A40|1|P|2.5\rPID|||N1\r"));
	CHECK(read_with("manual", HEAD "ADT^A11|1|P|2.5\rPID|||N1\r"));
	CHECK_EQ(order.kind, ORDER_KIND_NOTHING);
	CHECK(!read_with("manual", HEAD "ADT^Z99|1|P|2.5\rPID|||N1\r"));
}

/* A report that names its study where our preset does not look. */
TEST(reports_of_others)
{
	CHECK(read_with("dcm4chee",
	    HEAD "ORU^R01|1|P|2.5\rPID|||ID||A^B\rOBR|1|P|F|X\r"
		 "OBX|1|CE|||L1^Left lung^L~R1\rOBX|2|RP|||http://x\r"
		 "ZDS|1.2.3^^Application^DICOM\r"));
	CHECK_STR(order.reports[0].text, "Left lung\nR1");
	CHECK_STR(order.reports[0].study, "1.2.3");
	CHECK_STR(order.reports[0].title, "X");
	CHECK(!read_with("manual", HEAD "ORU^R01|1|P|2.5\rPID|||ID||A\r"));
	CHECK_EQ(problem.code, 100);
	CHECK(
	    !read_with("manual", HEAD "ORU^R01|1|P|2.5\rPID|||ID||A\rOBR|1\r"));
	CHECK(strstr(problem.text, "belongs to no study") != NULL);
}

/* Each OBR has what stands behind it; what has nothing shares. */
TEST(reports_of_several_exams)
{
	CHECK(read_with("manual",
	    HEAD "ORU^R01|1|P|2.5\rPID|||ID||A^B\r"
		 "OBR|1|P1|F1|X^Head||||||||||||||ACC1|||||||F\r"
		 "OBX|1|TX|||Head one\rOBX|2|TX|||\rOBX|3|TX|||two\r"
		 "OBR|2|P2|F2|Y^Foot||||||||||||||ACC2|||||||P\r"
		 "OBX|1|TX|||Foot\r"
		 "OBR|3|P2|F2|Z^Toe\rOBX|1|TX|||Toe\r"
		 "OBR|4|P3|F3|W^Hand||||||||||||||ACC3|||||||F\r"
		 "PID|||ID2||C^D\r"
		 "OBR|5|P4|F4|V^Arm||||||||||||||ACC4|||||||F\r"
		 "OBX|1|ED|||^AP^PDF^Base64^JVBERi0=\r"
		 "OBX|2|ED|||^x^y^hex^255044462D\r"
		 "OBX|3|ED|||^AP^PDF^hex^255044462D\r"));
	if (!CHECK_EQ(order.report_count, 5))
		return;
	CHECK_STR(order.reports[0].accession, "ACC1");
	CHECK_STR(order.reports[0].text, "Head one\n\ntwo");
	CHECK_STR(order.reports[0].filler, "F1");
	CHECK_STR(order.reports[1].accession, "ACC2");
	CHECK_STR(order.reports[1].title, "Foot");
	CHECK_STR(order.reports[1].status, "P");
	CHECK_STR(order.reports[1].text, "Foot\nToe");
	CHECK_STR(order.reports[2].accession, "ACC3");
	CHECK_STR(order.reports[2].text, "Foot\nToe");
	CHECK_STR(order.reports[2].patient_id, "ID");
	CHECK_STR(order.reports[3].patient_id, "ID2");
	CHECK_STR(order.reports[3].pdf, "JVBERi0=");
	CHECK(!order.reports[3].more && !order.reports[3].hex);
	CHECK_STR(order.reports[4].accession, "ACC4");
	CHECK_STR(order.reports[4].pdf, "255044462D");
	CHECK(order.reports[4].more && order.reports[4].hex);
	CHECK_STR(order.patient[FIELD_PatientID].text, "ID");
	/* One order for all, and a study for all. */
	CHECK(read_with("manual",
	    HEAD "ORU^R01|1|P|2.5\rPID|||ID||A^B\r"
		 "ORC|RE|ACC1|F1\rOBR|1|P|F1|X^Head\rOBX|1|TX|||one\r"
		 "OBR|2|P|F2|Y^Foot\rOBX|1|TX|||two\r"));
	CHECK_EQ(order.report_count, 1);
	CHECK_STR(order.reports[0].text, "one\ntwo");
	CHECK(read_with("manual",
	    HEAD "ORU^R01|1|P|2.5\rPID|||ID||A^B\r"
		 "OBR|1||F1|X^Head\rOBR|2||F2|Y^Foot\rOBX|1|TX|||two\r"
		 "OBX|2|ST|113014^Study^DCM||1.2.3\r"));
	CHECK_EQ(order.report_count, 2);
	CHECK_STR(order.reports[0].text, "two");
	CHECK_STR(order.reports[0].study, "");
	CHECK_STR(order.reports[1].study, "1.2.3");
}

/* Of so many MiB; whether it is refused. */
static bool
long_report(size_t mib)
{
	struct buf b;
	size_t i;
	bool ok;

	buf_init(&b, 16 * MIB);
	buf_text(&b, HEAD "ORU^R01|1|P|2.5\rPID|||ID\rOBR|1|P|F|X\r");
	for (i = 0; i < mib * 1024; i++)
		buf_printf(&b, "OBX|1|TX|||%01021d\r", 0);
	ok = read_with("manual", buf_cstr(&b));
	buf_fini(&b);
	return !ok;
}

/* What a line is about, the units of numbers and the notes are a part of the
 * report; what was deleted or sent by mistake is not. */
TEST(lines_of_reports)
{
	static const char head[] =
	    HEAD "ORU^R01|1|P|2.5\rPID|||ID||A^B\rNTE|1||deaf\rOBR|1|P|F|X\r";
	char text[1024];

	snprintf(text, sizeof(text), "%s%s", head,
	    "OBX|1|TX|F^Findings||Clear.\rOBX|2|TX|F^Findings||All of it.\r"
	    "OBX|3|TX|71020&IMP^Chest||Normal.\r"
	    "OBX|4|NM|B^BSA||1.9|m2\rOBX|5|SN|N^Nodule||>^5|mm\r"
	    "NTE|1||Measured twice.\rOBX|6|CE|R^BI-RADS||4^Suspicious^BR\r"
	    "OBX|7|TX|F^Findings||Gone.||||||D\rOBX|8|NM|||7\r");
	CHECK(read_with("manual", text));
	CHECK_STR(order.reports[0].text,
	    "Findings:\nClear.\nAll of it.\n\nImpression:\nNormal.\n"
	    "BSA: 1.9 m2\nNodule: >5 mm\nMeasured twice.\n"
	    "BI-RADS: Suspicious\n7");
	CHECK(!order.reports[0].taken_back);
	/* Of one thing it needs no heading. */
	snprintf(text, sizeof(text), "%s%s", head,
	    "OBX|1|FT|F^Findings||Clear.\rOBX|2|FT|F^Findings||Normal.\r");
	CHECK(read_with("manual", text));
	CHECK_STR(order.reports[0].text, "Clear.\nNormal.");
	snprintf(text, sizeof(text), "%s%s", head, "NTE|1||All is well.\r");
	CHECK(read_with("manual", text));
	CHECK_STR(order.reports[0].text, "All is well.");
	CHECK(long_report(5));
	CHECK_EQ(problem.code, 102);
	CHECK(!problem.reject);
	CHECK(strstr(problem.text, "4 MiB") != NULL);
	snprintf(text, sizeof(text), "%s%s", head,
	    "OBX|1|TX|F^Findings||Clear.||||||W\r");
	CHECK(read_with("manual", text));
	CHECK(order.reports[0].taken_back);
}

/* Every event of the chapter: what it does, or that it does nothing. */
TEST(patient_events)
{
	static const char update[] = "A01 A02 A03 A04 A05 A06 A07 A08 A14 A28 "
				     "A31";
	static const char merge[] = "A18 A30 A34 A36 A39 A40 A46 A47";
	char text[200], event[8];
	unsigned i;

	for (i = 1; i <= 63; i++) {
		enum order_kind want = ORDER_KIND_NOTHING;

		snprintf(event, sizeof(event), "A%02u", i);
		snprintf(text, sizeof(text),
		    HEAD "ADT^%s|1|P|2.5\rPID|||N1\rMRG|O1\rPID|||N2\r", event);
		if (!CHECK_EQ(read_with("manual", text), i < 63))
			printf("%s\n", event);
		if (strstr(update, event) != NULL || i == 9 || i == 10)
			want = ORDER_KIND_PATIENT;
		else if (strstr(merge, event) != NULL || i == 37)
			want = ORDER_KIND_MERGE;
		if (i < 63 && !CHECK_EQ(order.kind, want))
			printf("%s\n", event);
		if (want == ORDER_KIND_PATIENT)
			CHECK_EQ(order.patient_status,
			    i == 9 || i == 10 ? STATUS_ARRIVED : STATUS_NONE);
	}
	CHECK_EQ(problem.code, 201);
	CHECK(problem.reject);
}

TEST(kinds)
{
	static const struct {
		const char *type;
		enum order_kind kind;
	} cases[] = {
	    {"ACK", ORDER_KIND_ACK},
	    {"ACK^O01", ORDER_KIND_ACK},
	    {"ORR^O02", ORDER_KIND_ACK},
	    {"ORG^O20", ORDER_KIND_ACK},
	    {"ORI^O24", ORDER_KIND_ACK},
	    {"DFT^P03", ORDER_KIND_NOTHING},
	    {"BAR^P01", ORDER_KIND_NOTHING},
	    {"MFN^M01", ORDER_KIND_NOTHING},
	    {"MDM^T02", ORDER_KIND_NOTHING},
	    {"orm^o01", ORDER_KIND_STEPS},
	    {"OMG^O19^OMG_O19", ORDER_KIND_STEPS},
	    {"OMI^O23", ORDER_KIND_STEPS},
	    /* It does not say what it is, but there is an order in it. */
	    {"", ORDER_KIND_STEPS},
	};
	char text[200];
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text),
		    HEAD "%s|7|P|2.5\rPID|||N1||A\rORC|NW|1\r", cases[i].type);
		CHECK(read_with("manual", text));
		if (!CHECK_EQ(order.kind, cases[i].kind))
			printf("%s\n", cases[i].type);
		CHECK_STR(order.control_id, "7");
		CHECK_STR(order.application, "APP");
		CHECK_STR(order.facility, "FAC");
	}
	CHECK(!read_with("manual", HEAD "|7|P|2.5\rPID|||N1||A\r"));
	CHECK(problem.reject && problem.code == 200);
	CHECK(strstr(problem.text, "MSH-9") != NULL);
	CHECK(!read_with("manual", HEAD "OML^O21|7|P|2.5\r"));
	CHECK(strstr(problem.text, "'OML'") != NULL);
	CHECK(!read_with("manual", HEAD "Q\x1b[31m\"|7|P|2.5\r"));
	CHECK(strchr(problem.text, 0x1b) == NULL);
}

/* In words, and with what the sender or the mapping could do. */
TEST(words)
{
	static const struct {
		const char *message, *text;
		unsigned code;
	} cases[] = {
	    {"ORM^O01|1|P|2.3\rORC|NW|1\rOBR|1|||X\r",
		"there is no PID segment: the order has no PATIENT ID", 100},
	    {"ORM^O01|1|P|2.3\rPID||E1|||A\rORC|NW|1\r",
		"PID-3 is empty: the order has no PATIENT ID; PID-2 has a "
		"value, the mapping could take that",
		101},
	    {"ORM^O01|1|P|2.3\rPID||||E1|A\rORC|NW|1\r",
		"PID-3 is empty: the order has no PATIENT ID; PID-4 has a "
		"value, the mapping could take that",
		101},
	    {"ORM^O01|1|P|2.3\rPID|||1||\rORC|NW|1\r",
		"PID-5 is empty: the order has no PATIENT NAME", 101},
	    {"ORM^O01|1|P|2.3\rPID|||1||\"\"\rORC|NW|1\r",
		"PID-5 is empty: the order has no PATIENT NAME", 101},
	    {"ORM^O01|1|P|2.3\rPID|||1||A\rORC|NW\rOBR|1\r",
		"OBR-4 is empty: the order has no REQUESTED PROCEDURE ID", 101},
	    {"ORM^O01|1|P|2.3\rPID|||1||A\rORC|NW\r",
		"there is no OBR segment: the order has no REQUESTED "
		"PROCEDURE ID",
		100},
	    {"ADT^A08|1|P|2.3\rPID|||\r",
		"PID-3 is empty: the patient has no PATIENT ID", 101},
	    {"ADT^A40|1|P|2.3\rMRG|O\r",
		"an MRG segment without a PID segment before it", 100},
	    {"ADT^A40|1|P|2.3\rPID|||N\rMRG|\r",
		"MRG-1 is empty: the patient to be merged has no ID", 101},
	    {"SIU^S12|1|P|2.3\rSCH|1\rPID|||1\r",
		"PID-5 is empty: the appointment has no PATIENT NAME", 101},
	    {"SIU^S12|1|P|2.3\rPID|||1||A\r",
		"SCH-1, SCH-2 and AIS-3 are empty: nothing tells which "
		"appointment it is",
		101},
	};
	char text[300];
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), HEAD "%s", cases[i].message);
		CHECK(!read_with("manual", text));
		CHECK_STR(str_from(problem.text), cases[i].text);
		CHECK_EQ(problem.code, cases[i].code);
		CHECK(!problem.reject);
	}
}

/* For the mapping of a sender that names no place at all. */
TEST(mapping_without_places)
{
	struct mapping none = {0};
	struct er7_message m;
	struct err e;

	arena_fini(&arena);
	arena_init(&arena, MIB);
	CHECK(er7_parse(&arena,
	    STR(HEAD "ORM^O01|1|P|2.3\rPID|||1||A\rORC|NW|1\r"), "UTF-8", &m,
	    &e));
	CHECK(!order_read(&arena, &m, &none, &order, NULL, NULL, &problem));
	CHECK_STR(str_from(problem.text),
	    "the mapping names no place for PATIENT ID");
}

/* What a person is told about what was found (A28). */
TEST(notes)
{
	size_t i, numbers = 0, longer = 0, dates = 0;

	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\rPID|||1||A||Aug 15, 1942\rORC|NW|1\r"
		 "OBR|1|||12345678901234567^X||||||||||||1173^HOUSE^GREG\r"));
	CHECK_STR(value(0, FIELD_RequestingPhysician), "1173");
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "12345678901234567");
	CHECK_STR(value(0, FIELD_PatientBirthDate), "(none)");
	for (i = 0; i < trace_count; i++) {
		if (traces[i].note == NULL)
			continue;
		numbers += strstr(traces[i].note, "component 0") != NULL;
		longer += strstr(traces[i].note, "16 characters") != NULL;
		dates += strstr(traces[i].note, "no date") != NULL;
	}
	CHECK_EQ(numbers, 1);
	CHECK_EQ(longer, 2);
	CHECK_EQ(dates, 1);
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3\rPID|||1||A\r"
		 "PV1||O|||||||||||||B6\rORC|NW|1\r"
		 "OBR|1|||X||||||||||||1173^HOUSE^GREG^^JR^DR\r"));
	CHECK_STR(value(0, FIELD_RequestingPhysician), "HOUSE^GREG^^DR^JR");
	CHECK_STR(value(0, FIELD_PregnancyStatus), "3");
}

TEST(appointments_of_several_services)
{
	static const char message[] =
	    HEAD "SIU^%s|1|P|2.5\rSCH|A1\rPID|||ID||A^B\r"
		 "RGS|1\rAIS|1||X^Head|20260102100000\r"
		 "AIS|2||Y^Neck|20260102110000\rAIG|1||CT1\r"
		 "RGS|2\rAIS|1||Z^Knee|20260102120000\rAIG|1||MR1\r";
	char text[400];

	snprintf(text, sizeof(text), message, "S12");
	CHECK(read_with("manual", text));
	CHECK_EQ(order.step_count, 3);
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "A1");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "A1-2");
	CHECK_STR(value(2, FIELD_ScheduledProcedureStepID), "A1-3");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepStartTime), "110000");
	CHECK_STR(value(1, FIELD_ScheduledStationAETitle), "CT1");
	CHECK_STR(value(2, FIELD_ScheduledStationAETitle), "MR1");
	CHECK_STR(value(2, FIELD_RequestedProcedureDescription), "Knee");
	snprintf(text, sizeof(text), message, "S14");
	CHECK(read_with("manual", text));
	CHECK_EQ(order.steps[1].action, ORDER_UPDATE);
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "A1-2");
	/* Called off it is as a whole. */
	snprintf(text, sizeof(text), message, "S15");
	CHECK(read_with("manual", text));
	CHECK_EQ(order.steps[1].action, ORDER_CANCEL);
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "(none)");
}

TEST(appointment_without_number)
{
	CHECK(read_with("manual",
	    HEAD "SIU^S12|1|P|2.5\rPID|||ID||A^B\r"
		 "AIS|1|A|34^SEPTO^T|20201023083000\rAIL|1|A|UCI^R1\r"));
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "34");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "34");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepLocation), "UCI");
	CHECK(read_with("manual", HEAD "SIU^S15|1|P|2.5\rPID|||ID||A^B\r"
				       "AIS|1|A|34^SEPTO^T|20201023083000\r"));
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "34");
}

TEST(appointment_events)
{
	static const struct {
		const char *event, *code;
		enum order_action action;
		enum order_status status;
	} cases[] = {
	    {"S12", "Booked", ORDER_PUT, STATUS_SCHEDULED},
	    {"S13", "", ORDER_UPDATE, STATUS_NONE},
	    {"S14", "Started", ORDER_UPDATE, STATUS_STARTED},
	    {"S14", "Arrived", ORDER_UPDATE, STATUS_ARRIVED},
	    {"S14", "Complete", ORDER_UPDATE, STATUS_COMPLETED},
	    {"S14", "CANCELLED", ORDER_UPDATE, STATUS_CANCELED},
	    {"S15", "", ORDER_CANCEL, STATUS_NONE},
	    {"S16", "Dc", ORDER_DISCONTINUE, STATUS_DISCONTINUED},
	    {"S17", "Deleted", ORDER_DELETE, STATUS_CANCELED},
	    {"S18", "", ORDER_UPDATE, STATUS_NONE},
	    {"S19", "", ORDER_UPDATE, STATUS_NONE},
	    {"S20", "", ORDER_UPDATE, STATUS_NONE},
	    {"S21", "", ORDER_UPDATE, STATUS_NONE},
	    {"S22", "", ORDER_UPDATE, STATUS_NONE},
	    {"S23", "", ORDER_INFORM, STATUS_NONE},
	    {"S24", "", ORDER_INFORM, STATUS_NONE},
	    {"S26", "Noshow", ORDER_CANCEL, STATUS_CANCELED},
	};
	char text[300];
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text),
		    HEAD "SIU^%s|1|P|2.5\rSCH|A1||||||||||"
			 "||||||||||||||%s\rPID|||ID||A^B\r",
		    cases[i].event, cases[i].code);
		CHECK(read_with("manual", text));
		if (!CHECK_EQ(order.steps[0].action, cases[i].action) ||
		    !CHECK_EQ(order.steps[0].status, cases[i].status))
			printf("%s\n", cases[i].event);
	}
}

TEST(reports)
{
	CHECK(read_with("ihe-orm",
	    HEAD "ORU^R01|1|P|2.5\rPID|||ID||A^B\r"
		 "OBR|1|P|F|X^Head CT||||||||||||||ACC|||||||F\r"
		 "OBX|1|TX|||Line one~Line two\rOBX|2|FT|||More\\.br\\text\r"
		 "OBX|3|ED|PDF||^AP^PDF^Base64^JVBERi0=\r"
		 "OBX|4|RP|113014^Study^DCM||1.2.3^^Application\r"));
	CHECK_EQ(order.kind, ORDER_KIND_REPORT);
	CHECK_STR(order.reports[0].text, "Line one\nLine two\nMore\ntext");
	CHECK_STR(order.reports[0].pdf, "JVBERi0=");
	CHECK_STR(order.reports[0].study, "1.2.3");
	CHECK_STR(order.reports[0].accession, "ACC");
	CHECK_STR(order.reports[0].status, "F");
	CHECK_STR(order.reports[0].title, "Head CT");
	arena_fini(&arena);
}

TEST_MAIN
