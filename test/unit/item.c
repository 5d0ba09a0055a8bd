/*
 * The worklist: what messages do to it, the journal beside it, searching.
 */
#include "worklist.h"

#include "dicom/value.h"
#include "store/worklist/hl7_node.h"

TEST(new_order)
{
	struct item *items;
	struct str uid;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT
	    "ORC|NW|P1|F1|||||^^^20260102103000\r"
	    "OBR|1|P1|F1|X^Head||||||||||||||A1|R1|S1||||CT\r"));
	items = list_all(&n);
	if (!CHECK_EQ(n, 1))
		return;
	CHECK_EQ(items[0].status, STATUS_SCHEDULED);
	CHECK_STR(items[0].value[FIELD_PatientName], "DOE^JANE");
	CHECK_STR(items[0].value[FIELD_AccessionNumber], "A1");
	CHECK_STR(items[0].value[FIELD_Modality], "CT");
	CHECK_STR(items[0].facility, "FAC");
	uid = items[0].value[FIELD_StudyInstanceUID];
	CHECK(str_starts(uid, STR("1.2.3.")) && uid.n > 20 && uid.n <= 64);
	CHECK(archive_reopen(&t));
	items = list_all(&n);
	CHECK_EQ(n, 1);
	archive_end(&t);
}

TEST(the_same_again)
{
	static const char one[] = HEAD("1") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X^Head||||||||||||||A1|R1|S1\r";
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(one));
	CHECK(!take(one));
	CHECK_EQ(sent.outcome, ITEM_REPEATED);
	(void)list_all(&n);
	CHECK_EQ(n, 1);
	/* After a deletion a repetition does not bring it back, a replay
	 * does. */
	CHECK(item_delete(t.store, list_all(&n)->id, &t.e));
	CHECK(!take(one));
	(void)list_all(&n);
	CHECK_EQ(n, 0);
	CHECK(take_as(one, true));
	(void)list_all(&n);
	CHECK_EQ(n, 1);
	/* The same order in another message changes it. */
	CHECK(take(HEAD("2") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X^Head||||||||||||||A1|R1|S1||||MR\r"));
	CHECK_EQ(n, 1);
	CHECK_STR(list_all(&n)->value[FIELD_Modality], "MR");
	archive_end(&t);
}

#define OBR "OBR|1|P1||X^Head||||||||||||||A1|R1|S1||||CT\r"

TEST(life_of_an_order)
{
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	CHECK(take(HEAD("2") PATIENT "ORC|HD|P1\r" OBR));
	CHECK_EQ(only_status(), STATUS_HELD);
	CHECK(take(HEAD("3") PATIENT "ORC|RL|P1\r" OBR));
	CHECK_EQ(only_status(), STATUS_SCHEDULED);
	CHECK(take(HEAD("4") PATIENT "ORC|SC|P1|||IP\r" OBR));
	CHECK_EQ(only_status(), STATUS_STARTED);
	CHECK(take(HEAD("5") PATIENT "ORC|NW|P1\r" OBR));
	CHECK_EQ(only_status(), STATUS_STARTED);
	CHECK(take(HEAD("6") PATIENT "ORC|DC|P1\r" OBR));
	CHECK_EQ(only_status(), STATUS_DISCONTINUED);
	CHECK(take(HEAD("7") PATIENT "ORC|CA|P1\r" OBR));
	CHECK_EQ(only_status(), STATUS_CANCELED);
	/* Unknown, and nothing to worry about. */
	CHECK(take(HEAD("8") PATIENT "ORC|CA|P9\rOBR|1|P9\r"));
	CHECK_EQ(only_status(), STATUS_CANCELED);
	/* Another patient's: not found. */
	CHECK(take(HEAD("9") "PID|||ID2||ROE^R\rORC|NW|P1\r" OBR));
	(void)list_all(&n);
	CHECK_EQ(n, 2);
	archive_end(&t);
}

TEST(changes)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	/* Another accession number finds it by the order number. */
	CHECK(take(HEAD("2") "PID|||ID1|||||\"\"\rORC|XO|P1\r"
			     "OBR|1|P1||||||||||||||||A2\r"));
	items = list_all(&n);
	CHECK_EQ(n, 1);
	CHECK_STR(items[0].value[FIELD_AccessionNumber], "A2");
	CHECK_STR(items[0].value[FIELD_PatientName], "DOE^JANE");
	CHECK_STR(items[0].value[FIELD_PatientSex], "");
	CHECK_STR(items[0].value[FIELD_Modality], "CT");
	/* A change of what is not there makes it, if it can. */
	CHECK(take(HEAD("3") PATIENT "ORC|XO|P7\r"
				     "OBR|1|P7||||||||||||||||A7|R7\r"));
	CHECK(!take(HEAD("4") "PID|||ID1\rORC|XO|P8\rOBR|1|P8\r"));
	CHECK_EQ(sent.outcome, ITEM_REFUSED);
	CHECK_EQ(sent.refused.code, 204);
	(void)list_all(&n);
	CHECK_EQ(n, 2);
	archive_end(&t);
}

/* A change that names no step is about all of the order. */
TEST(changes_of_the_order)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\rOBR|1|P1||X\rOBR|2|P1||Y\r"));
	CHECK(take(HEAD("2") PATIENT "ORC|XO|P1||||||||||||||||||ROOM2\r"
				     "PV1||O|WARD9\r"));
	items = list_all(&n);
	CHECK_EQ(n, 2);
	CHECK_STR(items[0].value[FIELD_CurrentPatientLocation], "WARD9");
	CHECK_STR(items[1].value[FIELD_CurrentPatientLocation], "WARD9");
	CHECK_STR(items[0].value[FIELD_ScheduledProcedureStepID], "X");
	CHECK_STR(items[1].value[FIELD_ScheduledProcedureStepID], "Y");
	/* One that names a step is about that alone. */
	CHECK(take(HEAD("3") PATIENT "ORC|XO|P1\rOBR|1|P1||Y^Neck\r"));
	items = list_all(&n);
	CHECK_EQ(n, 2);
	CHECK_STR(items[0].value[FIELD_RequestedProcedureDescription], "");
	CHECK_STR(items[1].value[FIELD_RequestedProcedureDescription], "Neck");
	archive_end(&t);
}

TEST(steps_share_a_study)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X||||||||||||||A1|R1|S1\r"
	    "ORC|NW|P1\rOBR|2|P1||X||||||||||||||A1|R1|S2\r"
	    "ORC|NW|P1\rOBR|3|P1||X||||||||||||||A1|R2|S3\r"));
	items = list_all(&n);
	if (!CHECK_EQ(n, 3))
		return;
	CHECK(str_eq(items[0].value[FIELD_StudyInstanceUID],
	    items[1].value[FIELD_StudyInstanceUID]));
	CHECK(!str_eq(items[0].value[FIELD_StudyInstanceUID],
	    items[2].value[FIELD_StudyInstanceUID]));
	/* One step, then the rest of the order. */
	CHECK(take(HEAD("2") PATIENT
	    "ORC|CA|P1\rOBR|1|P1||X||||||||||||||A1|R1|S2\r"));
	items = list_all(&n);
	CHECK_EQ(items[0].status, STATUS_SCHEDULED);
	CHECK_EQ(items[1].status, STATUS_CANCELED);
	CHECK(take(HEAD("3") PATIENT "ORC|CA|P1\rOBR|1|P1\r"));
	items = list_all(&n);
	CHECK_EQ(items[0].status, STATUS_CANCELED);
	CHECK_EQ(items[2].status, STATUS_CANCELED);
	archive_end(&t);
}

/* A cancellation that comes before its step does not hit the others. */
TEST(what_is_not_here_is_not_another)
{
	struct journal_entry one;
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X||||||||||||||A1|R1|S1\r"
	    "ORC|NW|P1\rOBR|2|P1||X||||||||||||||A1|R1|S2\r"));
	CHECK(take(HEAD("2") PATIENT
	    "ORC|CA|P1\rOBR|1|P1||X||||||||||||||A1|R2|S3\r"));
	items = list_all(&n);
	if (!CHECK_EQ(n, 2))
		return;
	CHECK_EQ(items[0].status, STATUS_SCHEDULED);
	CHECK_EQ(items[1].status, STATUS_SCHEDULED);
	CHECK(journal_find(t.store, sent.journal_id, &t.arena, &one, &t.e));
	CHECK(strcmp(one.outcome, "applied") == 0);
	CHECK(strstr(one.reason, "no such order") != NULL);
	/* The procedure as a whole. */
	CHECK(take(HEAD("3") PATIENT
	    "ORC|HD|P1\rOBR|1|P1||X||||||||||||||A1|R1|S9\r"));
	items = list_all(&n);
	CHECK_EQ(items[0].status, STATUS_HELD);
	CHECK_EQ(items[1].status, STATUS_HELD);
	CHECK(journal_find(t.store, sent.journal_id, &t.arena, &one, &t.e));
	CHECK_STR(str_from(one.reason), "");
	archive_end(&t);
}

/* A bad one between good ones is undone whole, and all are journalled. */
TEST(batch_and_journal)
{
	static const char *const texts[] = {
	    HEAD("1") PATIENT "ORC|NW|P1\r" OBR,
	    HEAD("2") PATIENT "ORC|NW|P2\rOBR|1|P2||X||||||||||||||A2|R2|S2\r"
			      "ORC|XO|P3\rOBR|1|P3\r",
	    HEAD("3") "PID|||ID3||C^D\rORC|NW|P4\r"
		      "OBR|1|P4||X||||||||||||||A4|R4|S4\r",
	};
	struct item_message m[3] = {0};
	struct order_message order[3];
	struct order_problem problem;
	struct journal_entry *list, one;
	struct er7_message parsed;
	size_t i, n;

	if (!archive_begin(&t))
		return;
	for (i = 0; i < 3; i++) {
		CHECK(er7_parse(
		    &t.arena, str_from(texts[i]), "UTF-8", &parsed, &t.e));
		CHECK(order_read(&t.arena, &parsed, mapping_preset("ihe-orm"),
		    &order[i], NULL, NULL, &problem));
		m[i].raw = str_from(texts[i]);
		m[i].order = &order[i];
	}
	/* The second lacks the name its last step would need. */
	order[1].steps[1].value[FIELD_PatientName].given = false;
	order[1].steps[1].value[FIELD_PatientName].text = STR("");
	CHECK(item_take(t.store, &rules, m, 3, &t.e));
	CHECK_EQ(m[0].outcome, ITEM_APPLIED);
	CHECK_EQ(m[1].outcome, ITEM_REFUSED);
	CHECK_EQ(m[2].outcome, ITEM_APPLIED);
	(void)list_all(&n);
	CHECK_EQ(n, 2);
	CHECK(journal_list(t.store, false, 0, 100, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 3);
	CHECK(journal_list(t.store, true, 0, 100, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK_STR(str_from(list[0].control_id), "2");
	CHECK_STR(str_from(list[0].outcome), "refused");
	CHECK(list[0].reason[0] != '\0');
	CHECK_EQ(list[0].id, m[1].journal_id);
	CHECK(journal_find(t.store, m[1].journal_id, &t.arena, &one, &t.e));
	CHECK_STR(one.raw, texts[1]);
	/* A replay that fails again takes its place in the list. */
	m[1].replays = one.id;
	CHECK(item_take(t.store, &rules, &m[1], 1, &t.e));
	CHECK_EQ(m[1].outcome, ITEM_REFUSED);
	CHECK(journal_list(t.store, true, 0, 100, &t.arena, &list, &n, &t.e));
	CHECK(n == 1 && list[0].id == m[1].journal_id);
	/* The mapping has been mended. */
	order[1].steps[1].value[FIELD_PatientName] =
	    order[1].steps[0].value[FIELD_PatientName];
	order[1].steps[1].value[FIELD_RequestedProcedureID] =
	    order[1].steps[0].value[FIELD_RequestedProcedureID];
	m[1].replays = list[0].id;
	CHECK(item_take(t.store, &rules, &m[1], 1, &t.e));
	CHECK_EQ(m[1].outcome, ITEM_APPLIED);
	CHECK(journal_find(t.store, list[0].id, &t.arena, &one, &t.e));
	CHECK_STR(str_from(one.outcome), "replayed");
	CHECK(journal_find(t.store, m[1].journal_id, &t.arena, &one, &t.e));
	CHECK_STR(str_from(one.outcome), "applied");
	CHECK(journal_list(t.store, true, 0, 100, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(journal_expire(t.store, INT64_MAX, &t.e));
	CHECK(journal_list(t.store, false, 0, 100, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(!journal_find(t.store, one.id, &t.arena, &one, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	archive_end(&t);
}

TEST(patients)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	CHECK(take("MSH|^~\\&|APP|FAC|||20260101||ADT^A08|2|P|2.3.1\r"
		   "PID|||ID1||NEW^NAME||\"\"\r"));
	items = list_all(&n);
	CHECK_STR(items[0].value[FIELD_PatientName], "NEW^NAME");
	CHECK_STR(items[0].value[FIELD_PatientBirthDate], "");
	CHECK_STR(items[0].value[FIELD_PatientSex], "F");
	CHECK(take("MSH|^~\\&|APP|FAC|||20260101||ADT^A10|3|P|2.3.1\r"
		   "PID|||ID1\r"));
	CHECK_EQ(only_status(), STATUS_ARRIVED);
	archive_end(&t);
}

/* An order for so many hours from now, by the clock of the place. */
static void
order_for(int number, int hours, bool timed)
{
	time_t at = time(NULL) + hours * 3600;
	char text[512], when[16];
	struct tm tm;

	CHECK(localtime_r(&at, &tm) != NULL);
	CHECK(strftime(when, sizeof(when), timed ? "%Y%m%d%H%M%S" : "%Y%m%d",
		  &tm) > 0);
	snprintf(text, sizeof(text),
	    HEAD("o%d") PATIENT "ORC|NW|P%d|||||^^^%s\r"
				"OBR|1|P%d||X||||||||||||||A%d|R%d|S1\r",
	    number, number, when, number, number, number);
	CHECK(take(text));
}

static void
day_here(char out[16])
{
	time_t now = time(NULL);
	struct tm tm;

	CHECK(localtime_r(&now, &tm) != NULL);
	CHECK(strftime(out, 16, "%Y%m%d", &tm) > 0);
}

/* Who arrives comes for what is scheduled now, not for next week. */
TEST(arrivals)
{
	static const struct {
		int hours;
		bool timed;
		enum order_status then;
	} orders[] = {
	    {0, true, STATUS_ARRIVED},
	    {0, false, STATUS_ARRIVED},
	    {3, true, STATUS_ARRIVED},
	    {-3, true, STATUS_ARRIVED},
	    {30, true, STATUS_SCHEDULED},
	    {48, false, STATUS_SCHEDULED},
	    {-48, false, STATUS_SCHEDULED},
	    {24 * 7, true, STATUS_SCHEDULED},
	};
	enum order_status then;
	struct item item;
	char before[16], today[16];
	size_t i;

	if (!archive_begin(&t))
		return;
	day_here(before);
	for (i = 0; i < ARRAY_LEN(orders); i++)
		order_for((int)i, orders[i].hours, orders[i].timed);
	CHECK(take("MSH|^~\\&|APP|FAC|||20260101||ADT^A10|1|P|2.3.1\r"
		   "PID|||ID1||NEW^NAME\r"));
	day_here(today);
	for (i = 0; i < ARRAY_LEN(orders); i++) {
		CHECK(
		    item_find(t.store, (int64_t)i + 1, &t.arena, &item, &t.e));
		then = orders[i].then;
		/* Midnight came in between: that one was of yesterday. */
		if (i == 1 && strcmp(before, today) != 0)
			then = item.status;
		if (!CHECK_EQ(item.status, then))
			printf("%d hours\n", orders[i].hours);
		CHECK_STR(item.value[FIELD_PatientName], "NEW^NAME");
	}
	archive_end(&t);
}

/* One code twice in an order: two items, that come and go together. */
TEST(the_same_procedure_twice)
{
	static const char twice[] =
	    "OBR|1|P1||X^Hand||||||||||||||A1\rOBR|2|P1||X^Hand||||||||||||||A1\r";
	struct item *items;
	char text[512];
	size_t n;

	if (!archive_begin(&t))
		return;
	snprintf(text, sizeof(text), HEAD("1") PATIENT "ORC|NW|P1\r%s", twice);
	CHECK(take(text));
	items = list_all(&n);
	if (!CHECK_EQ(n, 2))
		return;
	CHECK_STR(items[0].value[FIELD_ScheduledProcedureStepID], "X");
	CHECK_STR(items[1].value[FIELD_ScheduledProcedureStepID], "X-2");
	snprintf(text, sizeof(text), HEAD("2") PATIENT "ORC|XO|P1\r%s", twice);
	CHECK(take(text));
	(void)list_all(&n);
	CHECK_EQ(n, 2);
	snprintf(text, sizeof(text), HEAD("3") PATIENT "ORC|CA|P1\r%s", twice);
	CHECK(take(text));
	items = list_all(&n);
	CHECK_EQ(n, 2);
	CHECK_EQ(items[0].status, STATUS_CANCELED);
	CHECK_EQ(items[1].status, STATUS_CANCELED);
	archive_end(&t);
}

/* A change of two procedures, of which one is known, makes the other. */
TEST(a_second_procedure_comes_later)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X||||||||||||||A1|R1|S1\r"));
	CHECK(take(
	    HEAD("2") PATIENT "ORC|XO|P1\rOBR|1|P1||X||||||||||||||A1|R1|S1\r"
			      "OBR|2|P1||Y||||||||||||||A1|R1|S2\r"));
	items = list_all(&n);
	if (!CHECK_EQ(n, 2))
		return;
	CHECK_STR(items[0].value[FIELD_ScheduledProcedureStepID], "S1");
	CHECK_STR(items[1].value[FIELD_ScheduledProcedureStepID], "S2");
	archive_end(&t);
}

#define SIU(event, id)                                                         \
	"MSH|^~\\&|APP|FAC|||20260101||SIU^" event "|" id "|P|2.5\r"           \
	"SCH|P1|F1\r" PATIENT "RGS|1\r"

/* An appointment and the order for it are one step, whichever comes first. */
TEST(an_appointment_of_an_order)
{
	static const char order[] = HEAD("1") PATIENT
	    "ORC|NW|P1|F1\rOBR|1|P1|F1|X^Head||||||||||||||A1|R1|S1\r";
	struct item *items;
	size_t n, i;

	for (i = 0; i < 2; i++) {
		if (!archive_begin(&t))
			return;
		CHECK(i == 1 || take(order));
		CHECK(take(SIU("S12", "2") "AIS|1||X^Head|202601020900\r"));
		CHECK(i == 0 || take(order));
		items = list_all(&n);
		if (!CHECK_EQ(n, 1))
			return;
		CHECK_STR(items[0].value[FIELD_ScheduledProcedureStepID], "S1");
		CHECK_STR(items[0].value[FIELD_ScheduledProcedureStepStartDate],
		    "20260102");
		archive_end(&t);
	}
}

/* What is told of one service leaves the others alone. */
TEST(services_of_an_appointment)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(SIU("S12", "1") "AIS|1||X^Head|202601020900\r"
				   "AIS|2||Y^Foot|202601021000\r"
				   "AIG|1||CT1\r"));
	CHECK(take(SIU("S13", "2") "AIS|1||Y^Foot|202601031100\r"
				   "AIG|1|D|CT1\rAIG|2|A|CT2\r"));
	items = list_all(&n);
	if (!CHECK_EQ(n, 2))
		return;
	CHECK_STR(items[0].value[FIELD_RequestedProcedureDescription], "Head");
	CHECK_STR(
	    items[0].value[FIELD_ScheduledProcedureStepStartTime], "0900");
	CHECK_STR(items[0].value[FIELD_ScheduledStationAETitle], "CT1");
	CHECK_STR(items[1].value[FIELD_RequestedProcedureDescription], "Foot");
	CHECK_STR(
	    items[1].value[FIELD_ScheduledProcedureStepStartDate], "20260103");
	CHECK_STR(items[1].value[FIELD_ScheduledStationAETitle], "CT2");
	/* One is taken out; a third that nobody knows is none of them. */
	CHECK(take(SIU("S14", "3") "AIS|1|D|X^Head\r"));
	CHECK(take(SIU("S14", "4") "AIS|1|D|Z^Arm\r"));
	items = list_all(&n);
	CHECK_EQ(items[0].status, STATUS_CANCELED);
	CHECK_EQ(items[1].status, STATUS_SCHEDULED);
	CHECK(take(SIU("S15", "5")));
	items = list_all(&n);
	CHECK_EQ(items[1].status, STATUS_CANCELED);
	/* Without any number nobody looks for it. */
	CHECK(
	    take("MSH|^~\\&|APP|FAC|||20260101||SIU^S12|6|P|2.5\rSCH|\r" PATIENT
		 "AIS|1||X^Head\r"));
	CHECK(!take(HEAD("7") "PID|||||DOE\rORC|XO\rOBR|1|||X\r"));
	archive_end(&t);
}

TEST(by_hand)
{
	struct item item = {0}, out;
	int64_t id, other;

	if (!archive_begin(&t))
		return;
	item.value[FIELD_PatientID] = STR("ID");
	item.value[FIELD_PatientName] = STR("A^B");
	CHECK(!item_new(t.store, &rules, &item, &id, &t.e));
	CHECK(strstr(t.e.text, "REQUESTED PROCEDURE ID") != NULL);
	item.value[FIELD_RequestedProcedureID] = STR("R");
	CHECK(item_new(t.store, &rules, &item, &id, &t.e));
	CHECK(item_new(t.store, &rules, &item, &other, &t.e));
	CHECK(id != other);
	CHECK(item_find(t.store, id, &t.arena, &out, &t.e));
	CHECK_STR(out.value[FIELD_ScheduledProcedureStepID], "R");
	out.value[FIELD_Modality] = STR("US");
	CHECK(item_edit(t.store, &rules, &out, &t.e));
	CHECK(item_find(t.store, id, &t.arena, &out, &t.e));
	CHECK_STR(out.value[FIELD_Modality], "US");
	out.value[FIELD_PatientID] = STR("");
	CHECK(!item_edit(t.store, &rules, &out, &t.e));
	CHECK(item_delete(t.store, id, &t.e));
	CHECK(!item_delete(t.store, id, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(!item_find(t.store, id, &t.arena, &out, &t.e));
	archive_end(&t);
}

/* Items by day and station. */
static void
fill(size_t count)
{
	struct item item = {0};
	char text[4][32];
	int64_t id;
	size_t i;

	for (i = 0; i < count; i++) {
		snprintf(text[0], 32, "ID%zu", i);
		snprintf(text[1], 32, "NAME%zu^X", i % 7);
		snprintf(text[2], 32, "202601%02zu", 1 + i % 20);
		snprintf(text[3], 32, "%02zu3000", i % 24);
		item.value[FIELD_PatientID] = str_from(text[0]);
		item.value[FIELD_PatientName] = str_from(text[1]);
		item.value[FIELD_RequestedProcedureID] = STR("R");
		item.value[FIELD_AccessionNumber] = str_from(text[0]);
		item.value[FIELD_ScheduledProcedureStepStartDate] =
		    str_from(text[2]);
		item.value[FIELD_ScheduledProcedureStepStartTime] =
		    str_from(text[3]);
		item.value[FIELD_ScheduledStationAETitle] = i % 5 == 0 ? STR("")
							    : i % 2
								? STR("CT1")
								: STR("MR1");
		item.value[FIELD_Modality] = i % 2 ? STR("CT") : STR("MR");
		CHECK(item_new(t.store, &rules, &item, &id, &t.e));
	}
}

static size_t
count(const struct item_search *s)
{
	struct item *items, last;
	size_t n, all = 0;
	struct str before = STR("");

	/* In pages, and in their order. */
	CHECK(item_list(t.store, s, NULL, 7, &t.arena, &items, &n, &t.e));
	while (n > 0) {
		for (size_t i = 0; i < n; i++) {
			struct str date =
			    items[i]
				.value[FIELD_ScheduledProcedureStepStartDate];

			CHECK(str_cmp(before, date) <= 0);
			before = date;
		}
		all += n;
		last = items[n - 1];
		CHECK(item_list(
		    t.store, s, &last, 7, &t.arena, &items, &n, &t.e));
	}
	return all;
}

TEST(searching)
{
	struct item_search s = {0};

	if (!archive_begin(&t))
		return;
	fill(200);
	CHECK_EQ(count(&s), 200);
	s.date_from = s.date_to = STR("20260105");
	CHECK_EQ(count(&s), 10);
	s.station_ae = STR("CT1");
	CHECK_EQ(count(&s), 0);
	s.station_ae = STR("MR1");
	CHECK_EQ(count(&s), 10);
	s.date_from = STR("20260101");
	CHECK_EQ(count(&s), 20);
	s.without_ae = true;
	CHECK_EQ(count(&s), 30);
	s.modality = STR("CT");
	CHECK_EQ(count(&s), 0);
	s = (struct item_search){.accession = STR("ID7")};
	CHECK_EQ(count(&s), 1);
	s = (struct item_search){.name = STR("name3*")};
	CHECK_EQ(count(&s), 29);
	s = (struct item_search){.date_to = STR("20260102")};
	CHECK_EQ(count(&s), 20);
	s.status[STATUS_CANCELED] = true;
	CHECK_EQ(count(&s), 0);
	s.status[STATUS_SCHEDULED] = true;
	CHECK_EQ(count(&s), 20);
	archive_end(&t);
}

TEST(plans)
{
	static const struct {
		struct item_search s;
		const char *index;
	} cases[] = {
	    {{.study = {(const uint8_t *)"1", 1}}, "item_study"},
	    {{.accession = {(const uint8_t *)"1", 1},
		 .date_from = {(const uint8_t *)"2", 1}},
		"item_accession"},
	    {{.patient_id = {(const uint8_t *)"1", 1}}, "item_patient"},
	    {{.name = {(const uint8_t *)"D*", 2},
		 .date_from = {(const uint8_t *)"2", 1}},
		"item_name"},
	    {{.station_ae = {(const uint8_t *)"1", 1},
		 .date_from = {(const uint8_t *)"2", 1},
		 .date_to = {(const uint8_t *)"2", 1}},
		"item_station"},
	    {{.station_ae = {(const uint8_t *)"1", 1},
		 .without_ae = true,
		 .date_from = {(const uint8_t *)"2", 1},
		 .date_to = {(const uint8_t *)"2", 1}},
		"item_station"},
	    {{.date_from = {(const uint8_t *)"2", 1},
		 .modality = {(const uint8_t *)"CT", 2}},
		"item_start"},
	    {{.step_id = {(const uint8_t *)"2", 1}}, "item_step"},
	    /* What modalities ask. */
	    {{.station_ae = {(const uint8_t *)"1", 1},
		 .without_ae = true,
		 .status = {[STATUS_SCHEDULED] = true}},
		"item_open "},
	    {{.modality = {(const uint8_t *)"CT", 2},
		 .status = {[STATUS_SCHEDULED] = true}},
		"item_open_start"},
	    {{.station_ae = {(const uint8_t *)"1", 1}}, "item_stations"},
	};
	struct buf plan;
	size_t i;

	if (!archive_begin(&t))
		return;
	buf_init(&plan, 64 * KIB);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&plan);
		CHECK(item_explain(t.store, &cases[i].s, &plan, &t.e));
		if (!CHECK(strstr(buf_cstr(&plan), cases[i].index) != NULL))
			printf("%s", buf_cstr(&plan));
		CHECK(strstr(buf_cstr(&plan), "SCAN item\n") == NULL);
	}
	buf_fini(&plan);
	archive_end(&t);
}

TEST(progress_and_expiry)
{
	struct item_search s = {0};
	size_t n;
	uint64_t gone;

	if (!archive_begin(&t))
		return;
	fill(40);
	CHECK(item_progress(
	    t.store, STR(""), STR("ID3"), STR(""), STATUS_STARTED, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK(item_progress(
	    t.store, STR(""), STR("ID3"), STR(""), STATUS_STARTED, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(item_progress(t.store, STR(""), STR("ID4"), STR("other"),
	    STATUS_STARTED, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(item_progress(t.store, STR(""), STR("ID5"), STR("R"),
	    STATUS_COMPLETED, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK(item_progress(
	    t.store, STR(""), STR("ID5"), STR(""), STATUS_STARTED, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(item_expire(t.store, "20260111", &gone, &t.e));
	CHECK_EQ(gone, 19); /* what has been started stays */
	CHECK_EQ(count(&s), 21);
	/* Without a date the day on which it was made counts. */
	archive_exec(&t, "UPDATE item SET ScheduledProcedureStepStartDate = ''"
			 " WHERE id = (SELECT max(id) FROM item)");
	CHECK(item_expire(t.store, "20260111", &gone, &t.e));
	CHECK_EQ(gone, 0);
	archive_exec(&t,
	    "UPDATE item SET created = 0 WHERE id = (SELECT max(id) FROM"
	    " item)");
	CHECK(item_expire(t.store, "20260111", &gone, &t.e));
	CHECK_EQ(gone, 1);
	archive_end(&t);
}

/* The study first; the accession number where no item has that study. */
TEST(open_items)
{
	struct item item = {.value = {[FIELD_PatientID] = STR("ID"),
				[FIELD_PatientName] = STR("A^B"),
				[FIELD_RequestedProcedureID] = STR("R"),
				[FIELD_AccessionNumber] = STR("A1"),
				[FIELD_StudyInstanceUID] = STR("1.2")}};
	int64_t id;
	bool open;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(item_new(t.store, &rules, &item, &id, &t.e));
	item.value[FIELD_StudyInstanceUID] = STR("1.3");
	CHECK(item_new(t.store, &rules, &item, &id, &t.e));
	CHECK(item_open(t.store, STR("1.2"), STR(""), &open, &t.e) && open);
	CHECK(item_open(t.store, STR("9"), STR(""), &open, &t.e) && !open);
	CHECK(item_open(t.store, STR("9"), STR("A1"), &open, &t.e) && open);
	CHECK(item_open(t.store, STR(""), STR("A1"), &open, &t.e) && open);
	CHECK(item_open(t.store, STR(""), STR(""), &open, &t.e) && !open);
	CHECK(item_progress(t.store, STR("1.2"), STR("A1"), STR(""),
	    STATUS_COMPLETED, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK(item_open(t.store, STR("1.2"), STR("A1"), &open, &t.e) && !open);
	CHECK(item_progress(
	    t.store, STR("9"), STR("A1"), STR(""), STATUS_STARTED, &n, &t.e));
	CHECK_EQ(n, 1);
	/* The wrong entry was chosen. */
	CHECK(item_progress(
	    t.store, STR("1.3"), STR(""), STR(""), STATUS_SCHEDULED, &n, &t.e));
	CHECK_EQ(n, 1);
	archive_end(&t);
}

/* Orders of one visit that share an accession number are not one. */
TEST(a_shared_accession_number)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	CHECK(take(HEAD("2") PATIENT
	    "ORC|NW|P2\rOBR|1|P2||X^Head||||||||||||||A1|R1|S1||||MR\r"));
	items = list_all(&n);
	if (!CHECK_EQ(n, 2))
		return;
	CHECK_STR(items[0].value[FIELD_Modality], "CT");
	CHECK_STR(items[1].value[FIELD_Modality], "MR");
	/* Without a number of its own it is the one there is. */
	CHECK(take(HEAD("3") PATIENT
	    "ORC|CA\rOBR|1|||X^Head||||||||||||||A1|R1|S1\r"));
	items = list_all(&n);
	CHECK_EQ(items[0].status, STATUS_CANCELED);
	archive_end(&t);
}

/* F48, F49: root and AE list; never above 64 characters, never changed. */
TEST(study_uids)
{
	static const struct {
		const char *root, *begins;
	} roots[] = {
	    {"1.2.3", "1.2.3."},
	    {"1.2.3.", "1.2.3."},
	    {"", "2.25."},
	    {"2.25", "2.25."},
	    {"1.2.840.10008.1234567890.1234567890.12345", "1.2.840.10008.12"},
	    {"1.2.840.10008.1234567890.1234567890.1234567890.123456789012",
		"2.25."},
	};
	struct item_rules r = {.uid_for = "CT1, MR1"};
	struct item item = {.value = {[FIELD_PatientID] = STR("ID"),
				[FIELD_PatientName] = STR("A^B"),
				[FIELD_RequestedProcedureID] = STR("R"),
				[FIELD_ScheduledStationAETitle] = STR("MR1")}};
	struct item out;
	struct str uid;
	int64_t id;
	size_t i, n;

	if (!archive_begin(&t))
		return;
	for (i = 0; i < ARRAY_LEN(roots); i++) {
		(void)str_copy(
		    r.uid_root, sizeof(r.uid_root), str_from(roots[i].root));
		CHECK(item_new(t.store, &r, &item, &id, &t.e));
		CHECK(item_find(t.store, id, &t.arena, &out, &t.e));
		uid = out.value[FIELD_StudyInstanceUID];
		CHECK(str_starts(uid, str_from(roots[i].begins)));
		CHECK(uid.n <= 64);
		CHECK(uid_valid(uid));
	}
	item.value[FIELD_ScheduledStationAETitle] = STR("US1");
	CHECK(item_new(t.store, &r, &item, &id, &t.e));
	CHECK(item_find(t.store, id, &t.arena, &out, &t.e));
	CHECK_EQ(out.value[FIELD_StudyInstanceUID].n, 0);
	archive_end(&t);
	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	uid = list_all(&n)->value[FIELD_StudyInstanceUID];
	uid = arena_dup(&t.arena, uid);
	(void)str_copy(r.uid_root, sizeof(r.uid_root), uid);
	CHECK(take(HEAD("2") PATIENT "ORC|XO|P1\r" OBR "ZDS|\"\"\r"));
	CHECK_STR(list_all(&n)->value[FIELD_StudyInstanceUID], r.uid_root);
	archive_end(&t);
}

TEST(nodes_and_mappings)
{
	struct hl7_node n = {.name = "HIS", .host = "10.1.1.1", .port = 3001},
			*list;
	struct hl7_mapping_row *rows;
	int64_t before, after;
	struct str text;
	size_t count_of;
	bool found;

	if (!archive_begin(&t))
		return;
	CHECK(hl7_version(t.store, &before, &t.e));
	CHECK(!hl7_node_known(t.store, "10.1.1.1"));
	CHECK(hl7_node_put(t.store, &n, true, &t.e));
	CHECK(!hl7_node_put(t.store, &n, true, &t.e));
	CHECK_EQ(t.e.code, ERR_CONFLICT);
	CHECK(hl7_node_known(t.store, "10.1.1.1"));
	CHECK(!hl7_node_known(t.store, "10.1.1.2"));
	CHECK(hl7_node_list(t.store, &t.arena, &list, &count_of, &t.e));
	CHECK_EQ(count_of, 1);
	CHECK_STR(str_from(list[0].name), "HIS");
	CHECK(hl7_node_delete(t.store, "HIS", &t.e));
	CHECK(!hl7_node_delete(t.store, "HIS", &t.e));
	CHECK(!hl7_node_known(t.store, "10.1.1.1"));
	CHECK(hl7_mapping_put(t.store, STR(""), STR(""), STR("g"), &t.e));
	CHECK(hl7_mapping_put(t.store, STR("A"), STR(""), STR("a"), &t.e));
	CHECK(hl7_mapping_put(t.store, STR("A"), STR("F"), STR("af"), &t.e));
	CHECK(hl7_mapping_find(
	    t.store, STR("A"), STR("F"), &t.arena, &text, &found, &t.e));
	CHECK_STR(text, "af");
	CHECK(hl7_mapping_find(
	    t.store, STR("A"), STR("X"), &t.arena, &text, &found, &t.e));
	CHECK_STR(text, "a");
	CHECK(hl7_mapping_find(
	    t.store, STR("B"), STR("F"), &t.arena, &text, &found, &t.e));
	CHECK_STR(text, "g");
	CHECK(hl7_mapping_put(t.store, STR(""), STR(""), STR(""), &t.e));
	CHECK(hl7_mapping_find(
	    t.store, STR("B"), STR("F"), &t.arena, &text, &found, &t.e));
	CHECK(!found);
	CHECK(hl7_mapping_list(t.store, &t.arena, &rows, &count_of, &t.e));
	CHECK_EQ(count_of, 2);
	CHECK(hl7_version(t.store, &after, &t.e));
	CHECK(after > before);
	archive_end(&t);
}

TEST_MAIN
