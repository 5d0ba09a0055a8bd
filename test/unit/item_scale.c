/*
 * A worklist of twenty thousand items costs what one of a hundred does: the
 * steps of the database's own machine are counted, not time. A look-up that
 * goes through a table instead of an index shows at once.
 */
#include "worklist.h"

#include "store/worklist/merge.h"
#include "store/worklist/report.h"

#include <inttypes.h>
#include <sqlite3.h>

#define FEW  100
#define MANY 20000

/* Steps are counted in tens. */
static uint64_t steps;

static int
count_steps(void *ctx)
{
	(void)ctx;
	steps += 10;
	return 0;
}

static int
watch(sqlite3 *db, const char **message, const struct sqlite3_api_routines *api)
{
	(void)message;
	(void)api;
	sqlite3_progress_handler(db, 10, count_steps, NULL);
	return SQLITE_OK;
}

static const char *const columns[] = {
#define FIELD(id, name, type, room, segment, position, component) #id,
#include "hl7/fields.def"
#undef FIELD
};

/* What differs from item to item. */
static const struct {
	enum field field;
	const char *sql;
} values[] = {
    {FIELD_PatientID, "'ID' || i"},
    {FIELD_PatientName, "'NAME' || i || '^X'"},
    {FIELD_AccessionNumber, "'A' || i"},
    {FIELD_PlacerOrderNumber, "'P' || i"},
    {FIELD_FillerOrderNumber, "'F' || i"},
    {FIELD_StudyInstanceUID, "'1.2.3.' || i"},
    {FIELD_RequestedProcedureID, "'R' || (i % 50)"},
    {FIELD_ScheduledProcedureStepID, "'S' || i"},
    {FIELD_ScheduledStationAETitle, "'CT' || (i % 10)"},
    {FIELD_ScheduledProcedureStepStartDate,
	"strftime('%Y%m%d', 1800000000 + i / 10 * 3600, 'unixepoch')"},
};

static void
fill_items(int from, int to)
{
	struct buf sql;
	size_t f, i;

	buf_init(&sql, 64 * KIB);
	buf_printf(&sql,
	    "WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < %d) INSERT INTO item (status, name_key, application,"
	    " facility, created, changed",
	    from, to);
	for (f = 0; f < FIELD_COUNT; f++)
		buf_printf(&sql, ", %s", columns[f]);
	buf_text(&sql,
	    ") SELECT 1 + (i % 4), 'name' || i || '^x', 'APP', 'FAC', 0, 0");
	for (f = 0; f < FIELD_COUNT; f++) {
		for (i = 0; i < ARRAY_LEN(values); i++)
			if (values[i].field == f)
				break;
		buf_printf(
		    &sql, ", %s", i < ARRAY_LEN(values) ? values[i].sql : "''");
	}
	buf_text(&sql, " FROM n");
	archive_exec(&t, buf_cstr(&sql));
	buf_fini(&sql);
}

static void
fill(int from, int to)
{
	static const char *const others[] = {
	    "INSERT INTO hl7_journal (sent, at, source, application, facility,"
	    " control, type, outcome, reason, hash, raw) SELECT 0, i, 's',"
	    " 'APP', 'FAC', 'c' || i, 'ORM^O01', 'applied', '',"
	    " randomblob(32), randomblob(300)",
	    "INSERT INTO patient_alias (prior_id, prior_issuer, PatientID,"
	    " IssuerOfPatientID, ended_by, at, journal)"
	    " SELECT 'MA' || i, '', 'MB' || i, '', 0, i, i",
	    "INSERT INTO patient_edit (PatientID, IssuerOfPatientID, given,"
	    " PatientName, PatientBirthDate, PatientSex, at, journal)"
	    " SELECT 'ED' || i, '', 1, 'N', '', '', i, i",
	    "INSERT INTO report (StudyInstanceUID, AccessionNumber, PatientID,"
	    " IssuerOfPatientID, application, facility, filler, title, status,"
	    " at, journal, text, pdf) SELECT '1.2.3.' || i, 'A' || i,"
	    " 'ID' || i, '', 'RIS', 'FAC', 'RF' || i, '', 'F', i, i, 'T', x''",
	};
	char sql[2048];
	size_t i;

	fill_items(from, to);
	for (i = 0; i < ARRAY_LEN(others); i++) {
		const char *select = strstr(others[i], " SELECT ");

		snprintf(sql, sizeof(sql),
		    "WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1"
		    " FROM n WHERE i < %d) %s FROM n",
		    from, to, others[i]);
		must(select != NULL);
		archive_exec(&t, sql);
	}
}

/* Everything is done to item 50, which has been there from the first. */
static int serial;

static void
message(const char *type, const char *rest)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "MSH|^~\\&|RIS|FAC|||20260101||%s|x%d|P|2.5\r%s", type, ++serial,
	    rest);
	if (!CHECK(take(text)))
		printf("%s: %s\n", type, sent.refused.text);
}

static void
new_order(void)
{
	char rest[512];

	snprintf(rest, sizeof(rest),
	    "PID|||NEW%d||A^B\rORC|NW|NP%d|NF%d\r"
	    "OBR|1|NP%d|NF%d|X||||||||||||||NA%d|R1|S1\r",
	    serial, serial, serial, serial, serial, serial);
	message("ORM^O01", rest);
}

static void
changed_order(void)
{
	message("ORM^O01",
	    "PID|||ID50||A^B\rORC|XO|P50\rOBR|1|P50||||||||||||||||A50|R0|S50"
	    "||||US\r");
}

static void
order_without_number(void)
{
	message("ORM^O01",
	    "PID|||ID50||A^B\rORC|SC||||A\rOBR|1||||||||||||||||||A50\r");
}

static void
correction(void)
{
	message("ADT^A08", "PID|||ID50||A^B||19510224|F\r");
}

static void
merge_and_undo(void)
{
	message("ADT^A40", "PID|||ID51\rMRG|ID50\r");
	message("ADT^A37", "PID|||ID51\rPID|||ID50\r");
}

static void
new_report(void)
{
	message("ORU^R01",
	    "PID|||ID50\rOBR|1||RF50|X||||||||||||||A50|||||||P\r"
	    "OBX|1|TX|||Text\r");
}

static void
progress(void)
{
	bool open;
	size_t n;

	CHECK(item_open(t.store, STR("1.2.3.50"), STR("A50"), &open, &t.e));
	CHECK(item_progress(t.store, STR("1.2.3.50"), STR("A50"), STR("S50"),
	    STATUS_STARTED, &n, &t.e));
	CHECK(item_progress(t.store, STR("1.2.3.50"), STR("A50"), STR("S50"),
	    STATUS_SCHEDULED, &n, &t.e));
}

static void
lists(void)
{
	struct item_search s = {.accession = STR("A50"),
	    .modality = STR("US"),
	    .date_from = STR("20000101")};
	struct journal_entry *entries;
	struct report *reports;
	struct merge *merges;
	struct item *items;
	size_t n;

	CHECK(item_list(t.store, &s, NULL, 10, &t.arena, &items, &n, &t.e));
	s = (struct item_search){.name = STR("NAME52^X")};
	CHECK(item_list(t.store, &s, NULL, 10, &t.arena, &items, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK(journal_list(t.store, true, 0, 10, &t.arena, &entries, &n, &t.e));
	CHECK(
	    journal_list(t.store, false, 0, 10, &t.arena, &entries, &n, &t.e));
	CHECK(report_list(
	    t.store, STR("1.2.3.50"), 10, &t.arena, &reports, &n, &t.e));
	CHECK(n >= 1);
	CHECK(merge_list(t.store, 0, 10, &t.arena, &merges, &n, &t.e));
}

static const struct {
	const char *name;
	void (*fn)(void);
} works[] = {
    {"a new order", new_order},
    {"a changed order", changed_order},
    {"an order by its accession number", order_without_number},
    {"a correction", correction},
    {"a merge and its undoing", merge_and_undo},
    {"a report", new_report},
    {"progress", progress},
    {"lists", lists},
};

static void
measure(uint64_t out[ARRAY_LEN(works)])
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(works); i++) {
		/* The first time is that of statements being prepared. */
		works[i].fn();
		steps = 0;
		works[i].fn();
		out[i] = steps;
	}
}

static void
compare(const char *when, const uint64_t few[], const uint64_t many[])
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(works); i++)
		if (!CHECK(many[i] <= few[i] + few[i] / 2 + 100))
			printf("%s, %s: %" PRIu64 " steps, %" PRIu64
			       " with few\n",
			    works[i].name, when, many[i], few[i]);
}

TEST(many_cost_what_few_do)
{
	uint64_t few[ARRAY_LEN(works)], many[ARRAY_LEN(works)];

	must(sqlite3_auto_extension((void (*)(void))watch) == SQLITE_OK);
	if (!archive_begin(&t))
		return;
	fill(1, FEW);
	measure(few);
	CHECK(few[0] > 100);
	fill(FEW + 1, MANY);
	measure(many);
	compare("without statistics", few, many);
	archive_exec(&t, "ANALYZE");
	CHECK(archive_reopen(&t));
	measure(many);
	compare("with statistics", few, many);
	archive_end(&t);
	(void)sqlite3_cancel_auto_extension((void (*)(void))watch);
}

/* Steps of going through all that the search finds, a batch at a time. */
static uint64_t
steps_of_all(const struct item_search *search, size_t *found)
{
	struct item last, *items;
	const struct item *after = NULL;
	struct arena pages[2]; /* the last item lies in the other one */
	size_t n = 1, i;

	for (i = 0; i < 2; i++)
		arena_init(&pages[i], 16 * MIB);
	steps = 0;
	*found = 0;
	for (i = 0; n > 0; i = 1 - i) {
		arena_reset(&pages[i]);
		if (!CHECK(item_list(t.store, search, after, 200, &pages[i],
			&items, &n, &t.e)))
			break;
		*found += n;
		if (n > 0)
			last = items[n - 1];
		after = &last;
	}
	for (i = 0; i < 2; i++)
		arena_fini(&pages[i]);
	return steps;
}

TEST(a_batch_of_many_costs_no_more_for_those_before)
{
	struct item_search all = {0}, name = {.name = STR("n*")},
			   procedure = {.procedure_id = STR("R1")};
	uint64_t plain;
	size_t n;

	must(sqlite3_auto_extension((void (*)(void))watch) == SQLITE_OK);
	if (!archive_begin(&t))
		return;
	fill_items(1, MANY);
	archive_exec(&t, "UPDATE item SET RequestedProcedureID = 'R1'");
	plain = steps_of_all(&all, &n);
	CHECK_EQ(n, MANY);
	CHECK(steps_of_all(&name, &n) <= 6 * plain);
	CHECK_EQ(n, MANY);
	CHECK(steps_of_all(&procedure, &n) <= 6 * plain);
	CHECK_EQ(n, MANY);
	archive_end(&t);
	(void)sqlite3_cancel_auto_extension((void (*)(void))watch);
}

TEST_MAIN
