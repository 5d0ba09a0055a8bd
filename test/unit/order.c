/*
 * What messages ask for: orders with their groups and control codes,
 * appointments, patients, reports.
 */
#include "hl7/order.h"

#include "base/limit.h"
#include "test.h"

static struct arena arena;
static struct order_message order;
static struct order_problem problem;
static struct order_trace *traces;
static size_t trace_count;

static bool
read_with(const char *preset, const char *message)
{
	struct er7_message m;
	struct err e;

	arena_fini(&arena);
	arena_init(&arena, 16 * MIB);
	if (!CHECK(er7_parse(&arena, str_from(message), "UTF-8", &m, &e)))
		return false;
	return order_read(&arena, &m, mapping_preset(preset), &order, &traces,
	    &trace_count, &problem);
}

static struct str
value(size_t step, enum field f)
{
	if (step >= order.step_count)
		return STR("(no such step)");
	return order.steps[step].value[f].given
		   ? order.steps[step].value[f].text
		   : STR("(none)");
}

#define HEAD "MSH|^~\\&|APP|FAC|||20190315||"

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
	CHECK(
	    read_with("manual", HEAD "ADT^A37|1|P|2.5\rPID|||N1\rPID|||O1\r"));
	CHECK(order.merge_count == 1 && order.merges[0].undo);
	CHECK(!read_with("manual", HEAD "ADT^A40|1|P|2.5\rPID|||N1\r"));
	CHECK(read_with("manual", HEAD "ADT^A11|1|P|2.5\rPID|||N1\r"));
	CHECK_EQ(order.kind, ORDER_KIND_NOTHING);
	CHECK(!read_with("manual", HEAD "ADT^Z99|1|P|2.5\rPID|||N1\r"));
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
	CHECK_STR(order.report.text, "Line one\nLine two\nMore\ntext");
	CHECK_STR(order.report.pdf, "JVBERi0=");
	CHECK_STR(order.report.study, "1.2.3");
	CHECK_STR(order.report.accession, "ACC");
	CHECK_STR(order.report.status, "F");
	CHECK_STR(order.report.title, "Head CT");
	arena_fini(&arena);
}

TEST_MAIN
