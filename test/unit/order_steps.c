/*
 * Orders: which steps a message has, whose they are, what each is to do.
 */
#include "order.h"

#define PATIENT "PID|||ID||A^B\r"

/* Each group has the patient that stands before it. */
TEST(several_patients)
{
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3.1\rPID|||ONE||A^B\rPV1||O|WARD1\r"
		 "ORC|NW|P1\rOBR|1|||X\rPID|||TWO||C^D\r"
		 "ORC|NW|P2\rOBR|1|||Y\rOBR|2|||Z\r"));
	CHECK_EQ(order.step_count, 3);
	CHECK_STR(value(0, FIELD_PatientID), "ONE");
	CHECK_STR(value(0, FIELD_CurrentPatientLocation), "WARD1");
	CHECK_STR(value(1, FIELD_PatientID), "TWO");
	CHECK_STR(value(1, FIELD_CurrentPatientLocation), "(none)");
	CHECK_STR(value(2, FIELD_PatientID), "TWO");
	CHECK_STR(value(2, FIELD_PlacerOrderNumber), "P2");
}

/* An OBR of another patient inherits nothing. */
TEST(nothing_inherited_across_patients)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3.1\rPID|||ONE||A^B\rORC|CA|P1\rOBR|1|||X\r"
		 "PID|||TWO||C^D\rOBR|1|||Y\r"));
	CHECK_EQ(order.step_count, 2);
	CHECK_EQ(order.steps[0].action, ORDER_CANCEL);
	CHECK_EQ(order.steps[1].action, ORDER_UPDATE);
	CHECK_STR(value(1, FIELD_PlacerOrderNumber), "(none)");
}

/* Comments behind PID are the patient's. */
TEST(comments)
{
	CHECK(read_with("dcm4chee",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT
		 "PD1|\rNTE|1||deaf\rNTE|2||in a\\.br\\wheelchair\rPV1||O\r"
		 "ORC|NW|P1\rNTE|1||call first\rOBR|1|||X\rNTE|1||twice\r"
		 "ORC|NW|P2\rOBR|1|||Y\r"));
	CHECK_STR(value(0, FIELD_PatientComments), "deaf\nin a\nwheelchair");
	CHECK_STR(
	    value(0, FIELD_RequestedProcedureComments), "call first\ntwice");
	CHECK_STR(value(1, FIELD_PatientComments), "deaf\nin a\nwheelchair");
	CHECK_STR(value(1, FIELD_RequestedProcedureComments), "(none)");
	CHECK(read_with("dcm4chee",
	    HEAD "ADT^A08|1|P|2.3.1\r" PATIENT "NTE|1||deaf\rOBX|1\r"
		 "NTE|1||no\r"));
	CHECK_STR(order.patient[FIELD_PatientComments].text, "deaf");
	CHECK(read_with("ihe-orm", HEAD "ORM^O01|1|P|2.3.1\r" PATIENT
					"ORC|XO|P1\rOBR|1|||X\rNTE|1||\"\"\r"));
	CHECK(order.steps[0].value[FIELD_RequestedProcedureComments].given);
	CHECK_STR(value(0, FIELD_RequestedProcedureComments), "");
}

/* Also by a mapping that knows nothing of IPC the steps stay several. */
TEST(steps_by_the_manual)
{
	CHECK(read_with("manual",
	    HEAD "OMI^O23|1|P|2.5.1\r" PATIENT "ORC|NW|P1\rOBR|1|||X^One\r"
		 "IPC|ACC|RP|1.2.3|S1|CT|C^Head^L|CT1|R1|AE1\r"
		 "IPC|ACC|RP|1.2.3|S2|MR|M^Neck^L|MR1|R2|AE2\r"));
	CHECK_EQ(order.step_count, 2);
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "S1");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "S2");
	CHECK_STR(value(1, FIELD_Modality), "MR");
	CHECK_STR(value(1, FIELD_ScheduledStationName), "MR1");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepLocation), "R2");
	CHECK_STR(value(1, FIELD_ScheduledStationAETitle), "AE2");
	CHECK_STR(value(1, FIELD_StudyInstanceUID), "1.2.3");
	CHECK_STR(value(1, FIELD_ScheduledProtocolCode), "M^Neck^L");
	CHECK_STR(value(1, FIELD_AccessionNumber), "P1");
	CHECK(read_with("manual",
	    HEAD "OMI^O23|1|P|2.5.1\r" PATIENT "ORC|NW|P1\rOBR|1|||X\r"
		 "IPC|ACC||||CT\rIPC|ACC||||MR\rIPC|ACC||||US\r"));
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "X");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "X-2");
	CHECK_STR(value(2, FIELD_ScheduledProcedureStepID), "X-3");
	/* One alone keeps what the mapping says. */
	CHECK(read_with("manual",
	    HEAD "OMI^O23|1|P|2.5.1\r" PATIENT "ORC|NW|P1\rOBR|1|||X\r"
		 "IPC|ACC|RP|1.2.3|S1|CT\r"));
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "X");
}

/* Two procedures of one order that IHE's own fields do not tell apart. */
TEST(procedures_of_one_order)
{
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "ORC|NW|P1\rOBR|1|||X^One\r"
		 "OBR|2|||Y^Two\r"));
	CHECK_STR(value(0, FIELD_RequestedProcedureID), "X");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "Y");
	/* A change finds them by the same, but does not rename what it finds.
	 */
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "ORC|XO|P1\rOBR|1|||X^One\r"
		 "OBR|2|||Y^Two\r"));
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "Y");
	CHECK(order.steps[1].value[FIELD_ScheduledProcedureStepID].stand_in);
	CHECK(order.steps[1].value[FIELD_RequestedProcedureID].stand_in);
	CHECK(!order.steps[1].value[FIELD_PlacerOrderNumber].stand_in);
	/* A number of a change is the order's only where it is mapped. */
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "ORC|XO||F1\rOBR|1|||X\r"));
	CHECK_STR(value(0, FIELD_AccessionNumber), "F1");
	CHECK(order.steps[0].value[FIELD_AccessionNumber].stand_in);
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "ORC|NW||F1\rOBR|1|||X\r"));
	CHECK(!order.steps[0].value[FIELD_AccessionNumber].stand_in);
}

/* The same one twice, as both hands of a patient: they are two. */
TEST(the_same_procedure_twice)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "ORC|NW|P1\rOBR|1|||X^Hand\r"
		 "OBR|2|||Y^Foot\rOBR|3|||X^Hand\rOBR|4|||X^Hand\r"
		 "ORC|NW|P2\rOBR|1|||X^Hand\r"));
	CHECK_EQ(order.step_count, 5);
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepID), "X");
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "Y");
	CHECK_STR(value(2, FIELD_ScheduledProcedureStepID), "X-2");
	CHECK_STR(value(3, FIELD_ScheduledProcedureStepID), "X-3");
	CHECK_STR(value(4, FIELD_ScheduledProcedureStepID), "X");
	CHECK_STR(value(2, FIELD_RequestedProcedureID), "X");
	/* Without an ORC; and with one IPC each that says nothing of it. */
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "OBR|1|P1||X\rOBR|2|P1||X\r"));
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "X-2");
	CHECK(read_with("ihe-omi",
	    HEAD "OMI^O23|1|P|2.5.1\r" PATIENT "ORC|NW|P1\rOBR|1|||X\r"
		 "IPC|A|R\rOBR|2|||X\rIPC|A|R\r"));
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "R-2");
	/* Whom the sender gave one number is one. */
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "ORC|NW|P1\r"
		 "OBR|1|||X||||||||||||||A|R|S1\r"
		 "OBR|2|||X||||||||||||||A|R|S1\r"));
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "S1");
	CHECK(read_with("ihe-omi",
	    HEAD "OMI^O23|1|P|2.5.1\r" PATIENT "ORC|NW|P1\rOBR|1|||X\r"
		 "IPC|A|R|1.2|S1\rOBR|2|||X\rIPC|A|R|1.2|S1\r"));
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "S1");
	/* The other patient's is his first. */
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "OBR|1|P1||X\r"
		 "PID|||TWO||C^D\rOBR|1|P2||X\r"));
	CHECK_STR(value(1, FIELD_ScheduledProcedureStepID), "X");
}

/* A replacement that names nothing new is a change. */
TEST(a_lone_replacement)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3.1\r" PATIENT "ORC|RP|P1\rOBR|1|||X^New\r"));
	CHECK_EQ(order.steps[0].action, ORDER_UPDATE);
	CHECK_EQ(order.steps[0].status, STATUS_NONE);
}

/* HL7 table 0119, whole. */
TEST(every_control_code)
{
	static const char *const codes[] = {
	    [ORDER_PUT] = "NW RO CH PA nw",
	    [ORDER_UPDATE] = "XO XX XR RP RU SN NA ?? Q",
	    [ORDER_CANCEL] = "CA OC CR",
	    [ORDER_DISCONTINUE] = "DC OD DR",
	    [ORDER_HOLD] = "HD OH HR",
	    [ORDER_RELEASE] = "RL OE OR",
	    [ORDER_STATUS] = "SC",
	    [ORDER_INFORM] = "RE OK SS SR RQ RR LI UN AF RF DF FU UA UC UD UF "
			     "UH UM UR UX DE PR CN OF PY",
	};
	struct str rest, code;
	char text[200];
	size_t i;

	for (i = 0; i < ARRAY_LEN(codes); i++) {
		rest = str_from(codes[i]);
		while (codes[i] != NULL && str_split(&rest, ' ', &code)) {
			snprintf(text, sizeof(text),
			    HEAD "ORM^O01|1|P|2.3\r" PATIENT
				 "ORC|%.*s|P1\rOBR|1|||X\r",
			    STR_ARG(code));
			CHECK(read_with("manual", text));
			if (!CHECK_EQ(order.steps[0].action, i))
				printf("%.*s\n", STR_ARG(code));
		}
	}
}

/* HL7 table 0038, and words; of a new order, a change, a change of status. */
TEST(every_status)
{
	static const struct {
		const char *code;
		enum order_status put, update, status;
	} cases[] = {
	    {"", STATUS_SCHEDULED, STATUS_NONE, STATUS_NONE},
	    {"SC", STATUS_SCHEDULED, STATUS_NONE, STATUS_SCHEDULED},
	    {"IP", STATUS_SCHEDULED, STATUS_NONE, STATUS_STARTED},
	    {"A", STATUS_STARTED, STATUS_STARTED, STATUS_STARTED},
	    {"HD", STATUS_HELD, STATUS_HELD, STATUS_HELD},
	    {"CA", STATUS_CANCELED, STATUS_CANCELED, STATUS_CANCELED},
	    {"RP", STATUS_CANCELED, STATUS_CANCELED, STATUS_CANCELED},
	    {"DC", STATUS_DISCONTINUED, STATUS_DISCONTINUED,
		STATUS_DISCONTINUED},
	    {"CM", STATUS_COMPLETED, STATUS_COMPLETED, STATUS_COMPLETED},
	    {"AR", STATUS_ARRIVED, STATUS_ARRIVED, STATUS_ARRIVED},
	    {"arrived", STATUS_ARRIVED, STATUS_ARRIVED, STATUS_ARRIVED},
	    {"ER", STATUS_NONE, STATUS_NONE, STATUS_NONE},
	    {"Final", STATUS_SCHEDULED, STATUS_NONE, STATUS_NONE},
	};
	static const char *const controls[] = {"NW", "XO", "SC"};
	char text[200];
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		const enum order_status want[] = {
		    cases[i].put, cases[i].update, cases[i].status};

		for (j = 0; j < ARRAY_LEN(controls); j++) {
			snprintf(text, sizeof(text),
			    HEAD "ORM^O01|1|P|2.3\r" PATIENT
				 "ORC|%s|P1|||%s\rOBR|1|||X\r",
			    controls[j], cases[i].code);
			CHECK(read_with("manual", text));
			if (!CHECK_EQ(order.steps[0].status, want[j]))
				printf("%s %s\n", controls[j], cases[i].code);
		}
	}
}

TEST(replaced_by_the_filler)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT "ORC|RU|P1\rOBR|1|||X\r"
		 "ORC|RO|P2\rOBR|1|||Y\r"));
	CHECK_EQ(order.steps[0].action, ORDER_CANCEL);
	CHECK_EQ(order.steps[1].action, ORDER_PUT);
}

/* A parent without children is the order itself. */
TEST(parent_alone)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT "ORC|PA|P1\rOBR|1|||X\r"));
	CHECK_EQ(order.step_count, 1);
	CHECK_EQ(order.steps[0].action, ORDER_PUT);
}

/* "" deletes, wherever it stands; what stands elsewhere does not come back. */
TEST(deletions)
{
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT "PV1||O|||||||||||||||||\"\"\r"
		 "ORC|XO|P1|||\"\"||^^^\"\"^^\"\"\r"
		 "OBR|1|||X|||||||||\"\"||||||||||||||^^^20260102\r"));
	CHECK(order.steps[0].value[FIELD_MedicalAlerts].given);
	CHECK_STR(value(0, FIELD_MedicalAlerts), "");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartDate), "");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartTime), "");
	CHECK_STR(value(0, FIELD_RequestedProcedurePriority), "");
	CHECK_STR(value(0, FIELD_AdmissionID), "");
	CHECK_EQ(order.steps[0].status, STATUS_NONE);
}

/* OBR-4 has the code of the procedure, and that of the step behind it. */
TEST(codes)
{
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT "ORC|NW|P1\r"
		 "OBR|1|||P5^Head CT^L^X1^Axial^L~^^^X2^Coronal^M\r"
		 "ORC|NW|P2\rOBR|1|||P5^Head CT^L^^Axial\r"));
	CHECK_STR(value(0, FIELD_RequestedProcedureCode), "P5^Head CT^L");
	CHECK_STR(
	    value(0, FIELD_ScheduledProtocolCode), "X1^Axial^L\\X2^Coronal^M");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepDescription), "Axial");
	CHECK_STR(value(1, FIELD_ScheduledProtocolCode), "P5^Head CT^L");
}

/* REQUESTED TIMING shows what stands where the priority is read. */
TEST(timing)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT
		 "ORC|NW|P1\rOBR|1|||X|||||||||||||||||||||||S\r"));
	CHECK_STR(value(0, FIELD_RequestedProcedurePriority), "STAT");
	CHECK_STR(value(0, FIELD_RequestedTiming), "S");
}

/* The date and the time are of one place. */
TEST(start_of_one_place)
{
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT
		 "ORC|NW|P1|||||^^^202601021130||||||||20260103\r"
		 "OBR|1|||X\r"));
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartDate), "20260103");
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartTime), "(none)");
	/* A29: without any the order is taken all the same. */
	CHECK(read_with("manual",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT "ORC|NW|P1\rOBR|1|||X\r"));
	CHECK_STR(value(0, FIELD_ScheduledProcedureStepStartDate), "(none)");
}

TEST(observations)
{
	CHECK(read_with("ihe-orm",
	    HEAD "ORM^O01|1|P|2.3\r" PATIENT "PV1||O\r"
		 "OBX|1|NM|8302-2^Height^LN||172|cm\rORC|NW|P1\rOBR|1|||X\r"
		 "OBX|1|NM|^Body Weight||82.5|kg\rOBX|2|NM|X^Y||1|kg\r"
		 "ORC|NW|P2\rOBR|1|||Y\rOBX|1|NM|29463-7||900|g\r"
		 "ORC|NW|P3\rOBR|1|||Z\rOBX|1|NM|Body weight||13|stone\r"));
	CHECK_STR(value(0, FIELD_PatientWeight), "82.5");
	CHECK_STR(value(0, FIELD_PatientSize), "1.72");
	CHECK_STR(value(1, FIELD_PatientWeight), "0.9");
	CHECK_STR(value(1, FIELD_PatientSize), "1.72");
	CHECK_STR(value(2, FIELD_PatientWeight), "(none)");
	CHECK_EQ(traces[trace_count - 2].field, FIELD_PatientWeight);
	CHECK(traces[trace_count - 2].note != NULL);
	CHECK(read_with("manual",
	    HEAD "ADT^A08|1|P|2.3\r" PATIENT "OBX|1|NM|Body weight||70|KG\r"));
	CHECK_STR(order.patient[FIELD_PatientWeight].text, "70");
}

/* A thousand steps among as many comments as there may be: no message makes
 * the server search it again and again. */
TEST(many_steps)
{
	struct er7_message m;
	struct buf out;
	struct err e;
	int i;

	buf_init(&out, MIB);
	buf_text(&out, HEAD "OMI^O23|1|P|2.5.1\r" PATIENT "ORC|NW|P1\r"
			    "OBR|1|||X\r");
	for (i = 0; i < 1000; i++)
		buf_printf(&out, "IPC|A|R|1.2|S%d|CT\r", i);
	for (i = 0; i < LIMIT_HL7_SEGMENTS - 1004; i++)
		buf_text(&out, i < 2 ? "NTE|1||x\r" : "NTE|1\r");
	arena_fini(&arena);
	arena_init(&arena, 64 * MIB);
	CHECK(er7_parse(&arena, buf_str(&out), "UTF-8", &m, &e));
	CHECK(order_read(&arena, &m, mapping_preset("dcm4chee"), &order, NULL,
	    NULL, &problem));
	CHECK_EQ(order.step_count, 1000);
	CHECK_STR(value(999, FIELD_ScheduledProcedureStepID), "S999");
	buf_text(&out, "IPC|A\r");
	buf_fini(&out);
	arena_fini(&arena);
}

/* What no field of an order is so long as, and what becomes too much in many
 * steps, is refused before the message costs anything. */
TEST(large_values)
{
	struct buf out;
	int i;

	buf_init(&out, 4 * MIB);
	buf_text(&out, HEAD "ORM^O01|1|P|2.3\rPID|||ID||A^");
	buf_fill(&out, 'x', LIMIT_HL7_VALUE);
	buf_text(&out, "\rORC|NW|P1\rOBR|1|||X\r");
	CHECK(!read_with("manual", buf_cstr(&out)));
	CHECK_STR(str_from(problem.text),
	    "PID-5 is longer than 65536 bytes, which no value of a worklist "
	    "is");
	CHECK_EQ(problem.code, 102);
	buf_clear(&out);
	buf_text(&out, HEAD "OMI^O23|1|P|2.3\r" PATIENT "ORC|NW|P1\r"
			    "OBR|1|||X\r");
	for (i = 0; i < 1000; i++)
		buf_printf(&out, "IPC|A|R|1.2|S%d|CT\r", i);
	for (i = 0; i < 30; i++) {
		buf_text(&out, "NTE|1||");
		buf_fill(&out, 'x', 1000);
		buf_u8(&out, '\r');
	}
	CHECK(!read_with("ihe-omi", buf_cstr(&out)));
	CHECK(strstr(problem.text, "16777216 bytes") != NULL);
	buf_fini(&out);
}

/* Names and codes of very many repetitions. */
TEST(many_repetitions)
{
	struct buf out;
	int i;

	buf_init(&out, 4 * MIB);
	buf_text(&out, HEAD "OMI^O23|1|P|2.3\rPID|||ID||");
	buf_fill(&out, '~', 900);
	buf_text(&out, "A^B\rORC|NW|P1\rOBR|1|||X^Y");
	buf_fill(&out, '~', 60000);
	buf_text(&out, "\r");
	for (i = 0; i < 1000; i++)
		buf_printf(&out, "IPC|A|R|1.2|S%d|CT\r", i);
	CHECK(read_with("dcm4chee", buf_cstr(&out)));
	CHECK_EQ(order.step_count, 1000);
	CHECK_STR(value(999, FIELD_PatientName), "A^B");
	CHECK_STR(value(999, FIELD_ScheduledProtocolCode), "X^Y");
	buf_fini(&out);
}

TEST(too_many_steps)
{
	struct buf out;
	int i;

	buf_init(&out, MIB);
	buf_text(&out, HEAD "OMI^O23|1|P|2.5.1\r" PATIENT "ORC|NW|P1\r"
			    "OBR|1|||X\r");
	for (i = 0; i < 1001; i++)
		buf_text(&out, "IPC|A\r");
	CHECK(!read_with("ihe-omi", buf_cstr(&out)));
	CHECK_EQ(problem.code, 102);
	CHECK(strstr(problem.text, "1000") != NULL);
	buf_fini(&out);
	arena_fini(&arena);
}

TEST_MAIN
