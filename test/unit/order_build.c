/*
 * Records as messages: what is written reads as the same record, whatever
 * stands in it, by every preset.
 */
#include "hl7/order.h"

#include "base/limit.h"
#include "test.h"

static const struct order_sender sender = {
    .application = "FILEROOM",
    .facility = "RAD^1.2.3^ISO",
    .receiving_application = "HIS",
    .receiving_facility = "A|B",
    .control_id = "id&1",
    .now = "20260102030405",
};

static struct arena arena;
static struct order_message order;
static struct order_problem problem;
static struct buf message;
static struct str record[FIELD_COUNT];

static void
begin(void)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++)
		record[f] = STR("");
	record[FIELD_PatientID] = STR("ID200");
	record[FIELD_PatientName] = STR("DOE^JANE^^DR^III");
	record[FIELD_RequestedProcedureID] = STR("21100");
}

static bool
read_message(const char *preset, struct str text)
{
	struct er7_message m;
	struct err e;

	arena_fini(&arena);
	arena_init(&arena, 64 * MIB);
	return CHECK(er7_parse(&arena, text, "ISO-8859-1", &m, &e)) &&
	       order_read(&arena, &m, mapping_preset(preset), &order, NULL,
		   NULL, &problem);
}

static void
build(enum order_status status, const char *control)
{
	buf_fini(&message);
	buf_init(&message, 16 * MIB);
	order_build(&message, record, status, control, &sender);
	CHECK(!message.over);
}

static bool
is_same(enum order_status status)
{
	size_t f;

	if (!CHECK_EQ(order.kind, ORDER_KIND_STEPS) ||
	    !CHECK_EQ(order.step_count, 1))
		return false;
	for (f = 0; f < FIELD_COUNT; f++)
		if (!CHECK(str_eq(order.steps[0].value[f].text, record[f]))) {
			printf("%s ", field_info((enum field)f)->keyword);
			test_show(record[f]);
			printf(" came back as ");
			test_show(order.steps[0].value[f].text);
			printf("\n");
			return false;
		}
	return CHECK_EQ(order.steps[0].status, status);
}

static bool
comes_back(enum order_status status, const char *control)
{
	size_t i;

	build(status, control);
	for (i = 0; mapping_presets[i] != NULL; i++)
		if (!CHECK(
			read_message(mapping_presets[i], buf_str(&message))) ||
		    !is_same(status)) {
			printf("by %s: ", mapping_presets[i]);
			test_show(buf_str(&message));
			printf("\n%s\n", problem.text);
			return false;
		}
	return true;
}

static bool
has(const char *text)
{
	struct str all = buf_str(&message), want = str_from(text);

	for (; all.n >= want.n; all = str_of(all.p + 1, all.n - 1))
		if (str_starts(all, want))
			return true;
	return false;
}

/* What others read stands where the manual's table has it. */
TEST(usual_places)
{
	begin();
	record[FIELD_IssuerOfPatientID] = STR("HOSP");
	record[FIELD_PatientBirthDate] = STR("19510224");
	record[FIELD_PatientSex] = STR("F");
	record[FIELD_AccessionNumber] = STR("A1");
	record[FIELD_Modality] = STR("CT");
	record[FIELD_ScheduledStationAETitle] = STR("CT1");
	record[FIELD_ScheduledStationName] = STR("ROOM1");
	record[FIELD_ScheduledProcedureStepStartDate] = STR("20260102");
	record[FIELD_ScheduledProcedureStepStartTime] = STR("0930");
	record[FIELD_ScheduledProcedureStepStatus] = STR("IP");
	record[FIELD_RequestingPhysician] = STR("HOUSE^GREG");
	record[FIELD_StudyInstanceUID] = STR("1.2.3");
	record[FIELD_RequestedProcedureDescription] = STR("Head");
	record[FIELD_RequestedProcedurePriority] = STR("STAT");
	comes_back(STATUS_SCHEDULED, "NW");
	CHECK(has("MSH|^~\\&|FILEROOM|RAD\\S\\1.2.3\\S\\ISO|HIS|A\\F\\B|"
		  "20260102030405||ORM^O01|id\\T\\1|P|2.3.1||||||UNICODE "
		  "UTF-8\r"));
	CHECK(has("\rPID|1||ID200^^^HOSP||DOE^JANE^^III^DR||19510224|F\r"));
	CHECK(has("\rORC|NW|A1|||IP||^^^202601020930||20260102030405||||||"
		  "202601020930\rOBR|1|||21100^Head||||||||||||"
		  "HOUSE\\S\\GREG^HOUSE^GREG||CT|||CT1|||ROOM1|||STAT\r"));
	CHECK(has("\rZDS|1.2.3\rZFR|1|WorklistStatus|SCHEDULED\r"));
}

/* Only what the places do not carry travels twice. */
TEST(what_does_not_fit)
{
	begin();
	record[FIELD_ScheduledProcedureStepID] = STR("S1");
	record[FIELD_Allergies] = STR("nuts, \"\" and a|b");
	record[FIELD_AccessionNumber] = STR("");
	record[FIELD_PlacerOrderNumber] = STR("P1");
	comes_back(STATUS_STARTED, "XO");
	CHECK(has("\rZFR|1|WorklistStatus|STARTED\r"));
	CHECK(has("|AccessionNumber|\"\"\r"));
	CHECK(has("|Allergies|nuts, \"\" and a\\F\\b\r"));
	CHECK(has("|ScheduledProcedureStepID|S1\r"));
	CHECK(!str_eq(buf_str(&message), STR("")));
	/* By now the status is another than the code that came. */
	record[FIELD_ScheduledProcedureStepStatus] = STR("IP");
	comes_back(STATUS_CANCELED, "CA");
	CHECK(has("\rORC|CA|P1|||CA|"));
	CHECK(has("|ScheduledProcedureStepStatus|IP\r"));
}

TEST(quotes_do_not_delete)
{
	size_t f;

	begin();
	for (f = 0; f < FIELD_COUNT; f++)
		record[f] = STR("\"\"");
	comes_back(STATUS_HELD, "NW");
	CHECK(!has("|\"\"|") && !has("|\"\"\r") && !has("^\"\""));
}

/* Longer than a reader takes in any other place. */
TEST(long_values)
{
	static char bars[LIMIT_HL7_VALUE / 2], words[3 * LIMIT_HL7_VALUE];

	memset(bars, '|', sizeof(bars));
	memset(words, 'w', sizeof(words));
	begin();
	record[FIELD_PatientName] = str_of(words, sizeof(words));
	record[FIELD_RequestedProcedureDescription] =
	    str_of(bars, sizeof(bars));
	record[FIELD_CommentsOnTheScheduledProcedureStep] =
	    str_of(words, sizeof(words));
	comes_back(STATUS_SCHEDULED, "NW");
}

/* A ZFR of somebody else's changes nothing. */
TEST(foreign_segment)
{
	CHECK(read_message("manual",
	    STR("MSH|^~\\&|||||||ORM^O01|1|P|2.3\rPID|||ID||A\rORC|NW|P\r"
		"OBR|1|||X\rZFR|1|Allergies|nuts\r")));
	CHECK(!order.steps[0].value[FIELD_Allergies].given);
}

/* A receiver in between may join records: each group has its own. */
TEST(several_records)
{
	CHECK(read_message("ihe-orm",
	    STR("MSH|^~\\&|||||||ORM^O01|1|P|2.3\rPID|||ID||A\rORC|NW|P1\r"
		"OBR|1|||X\rZFR|1|WorklistStatus|ON HOLD\r"
		"ZFR|2|Allergies|nuts\rORC|NW|P2\rOBR|1|||Y\r"
		"ZFR|1|WorklistStatus|COMPLETED\rORC|NW|P3\r"
		"OBR|1|||Z||||||||||||||ACC|RP\r")));
	CHECK_EQ(order.step_count, 3);
	CHECK_STR(order.steps[0].value[FIELD_Allergies].text, "nuts");
	CHECK_EQ(order.steps[0].status, STATUS_HELD);
	CHECK(!order.steps[1].value[FIELD_Allergies].given);
	CHECK_STR(order.steps[1].value[FIELD_AccessionNumber].text, "P2");
	CHECK_EQ(order.steps[1].status, STATUS_COMPLETED);
	/* And the third is no record: the preset counts. */
	CHECK_STR(order.steps[2].value[FIELD_AccessionNumber].text, "ACC");
}

static uint64_t seed = 20260102;

static unsigned
any(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static struct str
any_text(bool required)
{
	static const char *const pieces[] = {"A", "b c", " ", "^", "~", "&",
	    "|", "\\", "\"", "\"\"", "\\F\\", "\\.br\\", "\\X0D\\", "\\X22\\",
	    "\\E\\", "\n", "\n\n", "\t", "\x0b", "\x1c", "\x1b$B", "=", "#",
	    "\xe5\xb1\xb1\xe7\x94\xb0", "\xed\x99\x8d", "\xf0\x9f\xa9\xbb",
	    "\xc3\x84", "\xd9\x85", "20260102", "0930", "16.94", "STAT", "S",
	    "IP", "M", "1.2.840", "-1.5", "MSH|", "\nPID|", "\nZFR|", "'", "/"};
	struct buf out;
	struct str text;
	unsigned n = any(5) == 0 ? any(40) : any(4);

	buf_init(&out, 10000);
	for (n += required; n > 0; n--)
		buf_text(&out, pieces[any(ARRAY_LEN(pieces))]);
	text = arena_dup(&arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

TEST(any_record)
{
	static const char *const controls[] = {
	    "NW", "NW", "XO", "CA", "SC", "DC", "HD", ""};
	struct arena own;
	bool ok = true;
	size_t i, f;

	for (i = 0; i < 2000 && ok; i++) {
		arena_fini(&arena);
		arena_init(&arena, MIB);
		for (f = 0; f < FIELD_COUNT; f++) {
			bool required = field_info((enum field)f)->required;

			record[f] = STR("");
			if (required || any(3) == 0)
				record[f] = any_text(required);
		}
		own = arena;
		arena = (struct arena){0};
		ok = comes_back(1 + any(STATUS_COUNT - 1),
		    controls[any(ARRAY_LEN(controls))]);
		arena_fini(&own);
	}
	arena_fini(&arena);
	buf_fini(&message);
}

TEST_MAIN
