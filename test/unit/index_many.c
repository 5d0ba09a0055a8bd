/*
 * Searching an index of many rows: plans that never walk a table, and pages.
 */
#include "archive.h"

#define BY(what, how, text)                                                    \
	.column = COLUMN_##what, .kind = CONDITION_##how, .a = STR(text)

/* Rows without files, many. */
struct many {
	int from, to;
};

static bool
insert_many(struct upsert *u, void *ctx, struct err *e)
{
	const struct many *m = ctx;
	char id[32], name[40], study[32], series[32], uid[32], date[16];
	struct row r;
	int i;

	for (i = m->from; i < m->to; i++) {
		r = (struct row){.path = STR("x"), .syntax = STR("1.2")};
		snprintf(id, sizeof(id), "ID%06d", i / 2);
		snprintf(name, sizeof(name), "name%d^x%d", i % 997, i);
		snprintf(study, sizeof(study), "1.2.%d", i);
		snprintf(series, sizeof(series), "1.3.%d", i);
		snprintf(uid, sizeof(uid), "1.4.%d", i);
		snprintf(
		    date, sizeof(date), "2026%02d%02d", i % 12 + 1, i % 28 + 1);
		r.value[COLUMN_PatientID] = str_from(id);
		r.value[COLUMN_PatientName] = str_from(name);
		r.value[COLUMN_PatientBirthDate] = str_from(date);
		r.value[COLUMN_PatientSex] = STR("F");
		r.value[COLUMN_StudyInstanceUID] = str_from(study);
		r.value[COLUMN_StudyID] = str_from(id);
		r.value[COLUMN_StudyDate] = str_from(date);
		r.value[COLUMN_StudyTime] = str_from(date + 2);
		r.value[COLUMN_AccessionNumber] = str_from(uid);
		r.value[COLUMN_StudyDescription] = str_from(name);
		r.value[COLUMN_InstitutionName] = str_from(name);
		r.value[COLUMN_ReferringPhysicianName] = str_from(name);
		r.value[COLUMN_SeriesInstanceUID] = str_from(series);
		r.value[COLUMN_SeriesNumber] = str_from(id + 4);
		r.value[COLUMN_SeriesDate] = str_from(date);
		r.value[COLUMN_SeriesTime] = str_from(date + 2);
		r.value[COLUMN_SeriesDescription] = str_from(name);
		r.value[COLUMN_StationName] = str_from(name);
		r.value[COLUMN_BodyPartExamined] = str_from(name);
		r.value[COLUMN_PerformedProcedureStepStartDate] =
		    str_from(date);
		r.value[COLUMN_Modality] = i % 100 != 0 ? STR("CT") : STR("MR");
		r.value[COLUMN_SOPInstanceUID] = str_from(uid);
		r.value[COLUMN_SOPClassUID] = STR(UID_CTImageStorage);
		r.value[COLUMN_InstanceNumber] = str_from(id + 4);
		r.time_key[0] = r.time_key[1] = str_from(date + 2);
		r.patient_key = r.referring_key = str_from(name);
		if (!upsert_insert(u, &r, e))
			return false;
	}
	return true;
}

static bool
add_many(struct archive *t, int n)
{
	struct many m;

	for (m.from = 0; m.from < n; m.from = m.to) {
		m.to = m.from + 1000 < n ? m.from + 1000 : n;
		if (!CHECK(commit_run(t->store->commit, false, insert_many, &m,
			       &t->e) == COMMIT_DONE)) {
			printf("%s\n", t->e.text);
			return false;
		}
	}
	return true;
}

/* Whether a step of the plan walks one of the tables. */
static bool
walks(const char *plan)
{
	static const char *const tables[] = {"SCAN p", "SCAN s", "SCAN e",
	    "SCAN i", "SCAN x", "SCAN y", "SCAN z", "SCAN k", "SCAN w",
	    "SCAN patient", "SCAN study", "SCAN series", "SCAN instance",
	    "SCAN name_key", "SCAN word"};
	const char *at;
	size_t i;

	/* All names of a kind. */
	if (strstr(plan, "name_key_owner (kind=?)") != NULL)
		return true;
	for (i = 0; i < ARRAY_LEN(tables); i++) {
		at = strstr(plan, tables[i]);
		if (at != NULL && (at[strlen(tables[i])] == '\n' ||
				      at[strlen(tables[i])] == ' '))
			return true;
	}
	return false;
}

static void
check_plan(struct archive *t, enum index_level level, struct condition *c)
{
	struct search s = {.level = level, .conditions = c, .count = 1};
	struct buf plan;
	int i;

	for (i = 0; i < COLUMN_COUNT; i++)
		s.want[i] = true;
	buf_init(&plan, MIB);
	if (!CHECK(index_explain(t->store, &s, &plan, &t->e)))
		printf("%s\n", t->e.text);
	if (!CHECK(!walks(buf_cstr(&plan))))
		printf("level %d, %s, condition %d:\n%s", level,
		    column_info(c->column)->keyword, c->kind, buf_cstr(&plan));
	buf_fini(&plan);
}

TEST(no_plan_walks_a_table)
{
	static const struct str list[] = {
	    {(const uint8_t *)"20260101", 8}, {(const uint8_t *)"2", 1}};
	struct condition c = {.list = list, .list_count = 2};
	struct archive t;
	int column, kind, level, pass;

	if (!archive_begin(&t) || !add_many(&t, 2000))
		return;
	for (pass = 0; pass < 2; pass++) {
		for (column = 0; column < COLUMN_COUNT; column++) {
			const struct column_info *info =
			    column_info((enum column)column);

			for (kind = 0; kind < 5; kind++) {
				if (info->kind == COLUMN_KIND_MADE ||
				    kind == CONDITION_PATTERN)
					continue;
				/* Names and times have no such. */
				if (info->kind == COLUMN_KIND_NAME &&
				    kind == CONDITION_RANGE)
					continue;
				if (info->kind == COLUMN_KIND_TIME &&
				    kind != CONDITION_IS &&
				    kind != CONDITION_RANGE)
					continue;
				c.column = (enum column)column;
				c.kind = (enum condition_kind)kind;
				c.a = c.b = STR("10");
				if (info->kind == COLUMN_KIND_DATE)
					c.a = c.b = STR("20260101");
				for (level = (int)info->level; level < 4;
				     level++)
					check_plan(
					    &t, (enum index_level)level, &c);
			}
		}
		archive_exec(&t, "ANALYZE");
	}
	c = (struct condition){
	    .column = COLUMN_ModalitiesInStudy,
	    .kind = CONDITION_MODALITY,
	    .a = STR("MR"),
	};
	check_plan(&t, LEVEL_STUDY, &c);
	archive_end(&t);
}

/* A larger index: each study with a series and three instances, each patient
 * with two studies. */
#define LARGE 20000

static bool
insert_large_study(struct upsert *u, int i, struct err *e)
{
	char id[32], name[48], study[32], series[32], uid[32], date[16];
	char about[40], number[2] = "0", accession[20], station[16];
	struct row r = {.path = STR("x"), .syntax = STR("1.2")};
	int k;

	snprintf(id, sizeof(id), "PID%07d", i / 2);
	snprintf(name, sizeof(name), "family%05d^given%d", i / 2 * 7 % 100000,
	    i / 2 % 89);
	snprintf(study, sizeof(study), "1.2.%d", i);
	snprintf(series, sizeof(series), "1.3.%d", i);
	snprintf(date, sizeof(date), "20%02d%02d%02d", i / 336 % 60,
	    i / 28 % 12 + 1, i % 28 + 1);
	snprintf(accession, sizeof(accession), "A%dX", 1000000 + i * 31);
	snprintf(about, sizeof(about), "Region %d of the body", i % 503);
	snprintf(station, sizeof(station), "ROOM%d", i % 211);
	r.value[COLUMN_PatientID] = str_from(id);
	r.value[COLUMN_PatientName] = r.patient_key = str_from(name);
	r.value[COLUMN_PatientSex] = i % 4 < 2 ? STR("F") : STR("M");
	r.value[COLUMN_StudyInstanceUID] = str_from(study);
	r.value[COLUMN_StudyDate] = str_from(date);
	r.value[COLUMN_AccessionNumber] = str_from(accession);
	r.value[COLUMN_StudyDescription] = str_from(about);
	r.value[COLUMN_SeriesInstanceUID] = str_from(series);
	r.value[COLUMN_StationName] = str_from(station);
	r.value[COLUMN_Modality] = i % 100 != 0 ? STR("CT") : STR("MR");
	r.value[COLUMN_SOPInstanceUID] = str_from(uid);
	r.value[COLUMN_SOPClassUID] =
	    i % 100 != 0 ? STR(UID_CTImageStorage) : STR(UID_MRImageStorage);
	for (k = 0; k < 3; k++) {
		snprintf(uid, sizeof(uid), "1.4.%d.%d", i, k);
		r.value[COLUMN_SOPInstanceUID] = str_from(uid);
		number[0] = (char)('0' + k);
		r.value[COLUMN_InstanceNumber] = str_from(number);
		if (!upsert_insert(u, &r, e))
			return false;
	}
	return true;
}

static bool
insert_large(struct upsert *u, void *ctx, struct err *e)
{
	const struct many *m = ctx;
	int i;

	for (i = m->from; i < m->to; i++)
		if (!insert_large_study(u, i, e))
			return false;
	return true;
}

struct question {
	const char *name;
	enum index_level level;
	bool relational;
	size_t answers;
	struct condition c[4];
};

static void
check_question(struct archive *t, const struct question *q)
{
	struct search s = {.level = q->level,
	    .conditions = q->c,
	    .relational = q->relational,
	    .want_file = true,
	    .want_patient = true};
	struct index_row *rows;
	struct buf plan;
	size_t n;
	int i;

	for (i = 0; i < 4 && (i == 0 || q->c[i].column > 0 || q->c[i].a.n > 0);
	     i++)
		s.count++;
	for (i = 0; i < COLUMN_COUNT; i++)
		s.want[i] = true;
	arena_reset(&t->arena);
	buf_init(&plan, MIB);
	if (!CHECK(index_search(t->store, &s, 0, &t->arena, &rows, &n, &t->e) &&
		   index_explain(t->store, &s, &plan, &t->e)))
		printf("%s\n", t->e.text);
	if (!CHECK_EQ(n, q->answers))
		printf("%s\n", q->name);
	if (!CHECK(!walks(buf_cstr(&plan))))
		printf("%s:\n%s", q->name, buf_cstr(&plan));
	buf_fini(&plan);
}

#define UIDS .list = large_uids, .list_count = 2

TEST(no_question_walks_a_large_index)
{
	static const struct str large_uids[] = {
	    {(const uint8_t *)"1.2.17", 6}, {(const uint8_t *)"1.2.4711", 8}};
	static const struct question questions[] = {
	    {"name, prefix", LEVEL_STUDY, false, 28,
		{{BY(PatientName, PATTERN, "FAMILY001*")}}},
	    {"name, infix", LEVEL_STUDY, false, 2,
		{{BY(PatientName, PATTERN, "*ly00070*")}}},
	    {"name, both ends", LEVEL_PATIENT, false, 1,
		{{BY(PatientName, PATTERN, "f*ly00070^*ven10")}}},
	    {"name, exact", LEVEL_STUDY, false, 2,
		{{BY(PatientName, IS, "Family00070^Given10")}}},
	    {"date range", LEVEL_STUDY, false, 100,
		{{.column = COLUMN_StudyDate,
		    .kind = CONDITION_RANGE,
		    .a = STR("20070101"),
		    .b = STR("20070416")}}},
	    {"date range, modality", LEVEL_STUDY, false, 3,
		{{.column = COLUMN_StudyDate,
		     .kind = CONDITION_RANGE,
		     .a = STR("20070101"),
		     .b = STR("20071228")},
		    {BY(ModalitiesInStudy, MODALITY, "MR")}}},
	    {"all dates, name", LEVEL_STUDY, false, 2,
		{{BY(StudyDate, RANGE, "19000101")},
		    {BY(PatientName, PATTERN, "*ly00070*")}}},
	    {"common modality, accession", LEVEL_STUDY, false, 1,
		{{BY(ModalitiesInStudy, MODALITY, "CT")},
		    {BY(AccessionNumber, IS, "A1000155X")}}},
	    {"accession", LEVEL_STUDY, false, 1,
		{{BY(AccessionNumber, IS, "A1000155X")}}},
	    {"accession, infix", LEVEL_STUDY, false, 1,
		{{BY(AccessionNumber, PATTERN, "*1000155*")}}},
	    {"accession, short infix", LEVEL_STUDY, false, 0,
		{{BY(AccessionNumber, PATTERN, "*Y*")}}},
	    {"patient", LEVEL_STUDY, false, 2,
		{{BY(PatientID, IS, "PID0000123")}}},
	    {"patient, infix", LEVEL_STUDY, false, 2,
		{{BY(PatientID, PATTERN, "*D0000123")}}},
	    {"studies", LEVEL_STUDY, false, 2,
		{{.column = COLUMN_StudyInstanceUID,
		    .kind = CONDITION_ANY_OF,
		    UIDS}}},
	    {"series in studies", LEVEL_SERIES, false, 2,
		{{.column = COLUMN_StudyInstanceUID,
		    .kind = CONDITION_ANY_OF,
		    UIDS}}},
	    {"image in series", LEVEL_INSTANCE, false, 1,
		{{BY(SeriesInstanceUID, IS, "1.3.17")},
		    {BY(InstanceNumber, IS, "2")}}},
	    {"images of an entity", LEVEL_INSTANCE, false, 3,
		{{BY(StudyInstanceUID, IS, "1.2.17")},
		    {BY(SeriesInstanceUID, IS, "1.3.17")}}},
	    {"station", LEVEL_SERIES, false, 95,
		{{BY(StationName, IS, "ROOM7")}}},
	    {"station, infix", LEVEL_SERIES, false, 95,
		{{BY(StationName, PATTERN, "*M77")}}},
	    {"description, prefix", LEVEL_STUDY, false, 40,
		{{BY(StudyDescription, PREFIX, "Region 77 ")}}},
	    {"description, infix", LEVEL_STUDY, false, 40,
		{{BY(StudyDescription, PATTERN, "*on 77 of*body")}}},
	    {"name, dates, modality", LEVEL_STUDY, false, 1,
		{{BY(PatientName, PATTERN, "*ly00350*")},
		    {BY(StudyDate, RANGE, "20000101")},
		    {BY(ModalitiesInStudy, MODALITY, "M?")}}},
	    {"rare class", LEVEL_STUDY, false, 1,
		{{BY(SOPClassesInStudy, CLASS, UID_MRImageStorage)},
		    {BY(PatientID, IS, "PID0000050")}}},
	    {"station and number, relational", LEVEL_STUDY, true, 95,
		{{BY(StationName, IS, "ROOM7")},
		    {BY(InstanceNumber, IS, "2")}}},
	    {"patients by modality, relational", LEVEL_PATIENT, true, 200,
		{{BY(Modality, IS, "MR")}}},
	    {"image, relational", LEVEL_PATIENT, true, 1,
		{{BY(SOPInstanceUID, IS, "1.4.4711.1")}}},
	    {"moment", LEVEL_STUDY, false, 3,
		{{.column = COLUMN_StudyDate,
		    .kind = CONDITION_DATE_TIME,
		    .a = STR("20070101"),
		    .b = STR("20070103"),
		    .time_a = STR("10"),
		    .time_b = STR("11")}}},
	};
	struct archive t;
	struct many m;
	int pass;
	size_t i;

	if (!archive_begin(&t))
		return;
	for (m.from = 0; m.from < LARGE; m.from = m.to) {
		m.to = m.from + 1000;
		if (!CHECK(commit_run(t.store->commit, false, insert_large, &m,
			       &t.e) == COMMIT_DONE)) {
			printf("%s\n", t.e.text);
			return;
		}
	}
	CHECK(archive_int(&t, "SELECT (SELECT count(*) FROM instance) +"
			      " (SELECT count(*) FROM series) +"
			      " (SELECT count(*) FROM study) +"
			      " (SELECT count(*) FROM patient)") >= 100000);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < ARRAY_LEN(questions); i++)
			check_question(&t, &questions[i]);
		archive_exec(&t, "ANALYZE");
	}
	archive_end(&t);
}

TEST(pages)
{
	struct search s = {.level = LEVEL_STUDY};
	struct condition c = {BY(PatientName, PREFIX, "name")};
	struct index_row *rows;
	struct archive t;
	int64_t after;
	size_t n, sum;
	int pass;

	if (!archive_begin(&t) || !add_many(&t, 1201))
		return;
	for (pass = 0; pass < 2; pass++) {
		s.conditions = &c;
		s.count = (size_t)pass;
		sum = 0;
		after = 0;
		do {
			if (!CHECK(index_search(
				t.store, &s, after, &t.arena, &rows, &n, &t.e)))
				break;
			CHECK(n == 0 || rows[0].id > after);
			CHECK(n == LIMIT_ROWS || sum + n == 1201);
			sum += n;
			after = n > 0 ? rows[n - 1].id : after;
		} while (n == LIMIT_ROWS);
		CHECK_EQ(sum, 1201);
	}
	archive_end(&t);
}

/* Above ten thousand answers the later pages are found another way. */
TEST(pages_of_many)
{
	static const enum column by[] = {
	    COLUMN_PatientName, COLUMN_StudyDate, COLUMN_ModalitiesInStudy};
	struct condition c;
	struct search s = {.level = LEVEL_STUDY, .conditions = &c, .count = 1};
	struct index_row *rows;
	struct archive t;
	int64_t after;
	size_t n, sum, i;

	if (!archive_begin(&t) || !add_many(&t, 10200))
		return;
	for (i = 0; i < ARRAY_LEN(by); i++) {
		c = (struct condition){.column = by[i], .a = STR("name")};
		c.kind = CONDITION_PREFIX;
		if (by[i] == COLUMN_StudyDate) {
			c.kind = CONDITION_RANGE;
			c.a = STR("20260101");
		} else if (by[i] == COLUMN_ModalitiesInStudy) {
			c.kind = CONDITION_MODALITY;
			c.a = STR("CT");
		}
		sum = 0;
		after = 0;
		do {
			arena_reset(&t.arena);
			if (!CHECK(index_search(
				t.store, &s, after, &t.arena, &rows, &n, &t.e)))
				break;
			CHECK(n == 0 || rows[0].id > after);
			sum += n;
			after = n > 0 ? rows[n - 1].id : after;
		} while (n == LIMIT_ROWS);
		CHECK_EQ(
		    sum, by[i] == COLUMN_ModalitiesInStudy ? 10098 : 10200);
	}
	archive_end(&t);
}

TEST_MAIN
