/*
 * Searching the index: every kind of condition at every level, pages, names in
 * several groups, and plans that never walk a table.
 */
#include "archive.h"

#include "dicom/match.h"
#include "store/index/word.h"

static const struct sample samples[] = {
    {.instance = "1.1.1.1",
	.sop_class = UID_CTImageStorage,
	.study = "1.1",
	.series = "1.1.1",
	.patient = "A1",
	.issuer = "H",
	.name = "Doe^Jane",
	.birth = "19700102",
	.sex = "F",
	.modality = "CT",
	.date = "20260102",
	.time = "1030",
	.accession = "ACC1",
	.description = "Head and neck",
	.referring = "House^Gregory",
	.number = "1",
	.series_number = "1"},
    {.instance = "1.1.1.2",
	.sop_class = UID_CTImageStorage,
	.study = "1.1",
	.series = "1.1.1",
	.patient = "A1",
	.issuer = "H",
	.modality = "CT",
	.number = "002",
	.series_number = "1"},
    {.instance = "1.1.2.1",
	.sop_class = UID_MRImageStorage,
	.study = "1.1",
	.series = "1.1.2",
	.patient = "A1",
	.issuer = "H",
	.modality = "MR",
	.number = "1",
	.series_number = "2"},
    {.instance = "1.2.1.1",
	.sop_class = UID_CTImageStorage,
	.study = "1.2",
	.series = "1.2.1",
	.patient = "A2",
	.name = "M\xc3\xbcller^J\xc3\xb6rg",
	.charset = "ISO_IR 192",
	.birth = "1980.01.02",
	.modality = "CT",
	.date = "20260203",
	.time = "103059.5",
	.accession = "ACC2",
	.description = "HEAD",
	.number = "1",
	.series_number = "+3"},
    {.instance = "1.3.1.1",
	.sop_class = UID_CTImageStorage,
	.study = "1.3",
	.series = "1.3.1",
	.patient = "B_%",
	.name =
	    "Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e",
	.charset = "ISO_IR 192",
	.modality = "US",
	.date = "20250101",
	.time = "235959",
	.description = "100%",
	.number = "1"},
};

static bool
fill(struct archive *t)
{
	struct object_result out;
	size_t i;

	if (!archive_begin(t))
		return false;
	for (i = 0; i < ARRAY_LEN(samples); i++)
		if (!CHECK(archive_put(t, &samples[i], &out)))
			printf("%s\n", t->e.text);
	return true;
}

/* The unique keys of the rows found, separated by spaces. */
static const char *
found(struct archive *t, enum index_level level, const struct condition *c,
    size_t count)
{
	static const enum column keys[] = {COLUMN_PatientID,
	    COLUMN_StudyInstanceUID, COLUMN_SeriesInstanceUID,
	    COLUMN_SOPInstanceUID};
	static char text[512];
	struct search s = {.level = level, .conditions = c, .count = count};
	struct index_row *rows;
	struct buf b;
	size_t n, i;

	s.want[keys[level]] = true;
	buf_init(&b, sizeof(text));
	if (!CHECK(index_search(t->store, &s, 0, &t->arena, &rows, &n, &t->e)))
		printf("%s\n", t->e.text);
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_u8(&b, ' ');
		buf_add(&b, rows[i].value[keys[level]]);
	}
	(void)str_copy(text, sizeof(text), buf_str(&b));
	buf_fini(&b);
	return text;
}

#define FIND(level, want, ...)                                                 \
	do {                                                                   \
		struct condition c = {__VA_ARGS__};                            \
		CHECK_STR(str_from(found(&t, level, &c, 1)), want);            \
	} while (0)

#define BY(what, how, text)                                                    \
	.column = COLUMN_##what, .kind = CONDITION_##how, .a = STR(text)

TEST(everything)
{
	struct archive t;

	if (!fill(&t))
		return;
	CHECK_STR(str_from(found(&t, LEVEL_PATIENT, NULL, 0)), "A1 A2 B_%");
	CHECK_STR(str_from(found(&t, LEVEL_STUDY, NULL, 0)), "1.1 1.2 1.3");
	CHECK_STR(str_from(found(&t, LEVEL_SERIES, NULL, 0)),
	    "1.1.1 1.1.2 1.2.1 1.3.1");
	CHECK_STR(str_from(found(&t, LEVEL_INSTANCE, NULL, 0)),
	    "1.1.1.1 1.1.1.2 1.1.2.1 1.2.1.1 1.3.1.1");
	archive_end(&t);
}

TEST(equal)
{
	struct archive t;

	if (!fill(&t))
		return;
	FIND(LEVEL_STUDY, "1.1", BY(PatientID, IS, "A1"));
	FIND(LEVEL_STUDY, "", BY(PatientID, IS, "a1"));
	FIND(LEVEL_STUDY, "", BY(PatientID, IS, "A"));
	FIND(LEVEL_STUDY, "1.3", BY(PatientID, IS, "B_%"));
	FIND(LEVEL_STUDY, "", BY(PatientID, IS, "' OR 1=1 --"));
	FIND(LEVEL_STUDY, "1.1", BY(IssuerOfPatientID, IS, "H"));
	FIND(LEVEL_STUDY, "1.2", BY(PatientBirthDate, IS, "19800102"));
	FIND(LEVEL_STUDY, "1.2", BY(PatientBirthDate, IS, "1980.01.02"));
	FIND(LEVEL_STUDY, "1.1", BY(PatientSex, IS, "F"));
	FIND(LEVEL_STUDY, "1.2", BY(AccessionNumber, IS, "ACC2"));
	FIND(LEVEL_SERIES, "1.1.2", BY(SeriesNumber, IS, "02"));
	FIND(LEVEL_SERIES, "1.2.1", BY(SeriesNumber, IS, "3"));
	FIND(LEVEL_INSTANCE, "1.1.1.2", BY(InstanceNumber, IS, "2"));
	FIND(
	    LEVEL_INSTANCE, "1.1.2.1", BY(SOPClassUID, IS, UID_MRImageStorage));
	FIND(LEVEL_INSTANCE, "1.1.1.1 1.1.1.2",
	    BY(SeriesInstanceUID, IS, "1.1.1"));
	archive_end(&t);
}

TEST(names)
{
	struct archive t;

	if (!fill(&t))
		return;
	FIND(LEVEL_STUDY, "1.1", BY(PatientName, IS, "DOE^JANE"));
	FIND(LEVEL_STUDY, "1.1", BY(PatientName, IS, "doe^jane^^"));
	FIND(LEVEL_STUDY, "", BY(PatientName, IS, "doe"));
	FIND(LEVEL_STUDY, "1.2", BY(PatientName, IS, "MULLER^JORG"));
	FIND(LEVEL_STUDY, "1.1", BY(PatientName, PREFIX, "do"));
	FIND(LEVEL_STUDY, "1.1", BY(PatientName, PREFIX, "Doe^"));
	FIND(LEVEL_STUDY, "1.2", BY(PatientName, PATTERN, "*LL?R^*"));
	FIND(LEVEL_STUDY, "1.1", BY(PatientName, PATTERN, "d?e*"));
	FIND(LEVEL_STUDY, "1.3", BY(PatientName, PREFIX, "yamada"));
	FIND(LEVEL_STUDY, "1.3",
	    BY(PatientName, PREFIX, "\xe5\xb1\xb1\xe7\x94\xb0"));
	FIND(LEVEL_STUDY, "1.3",
	    BY(PatientName, IS,
		"yamada^tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83"
		"\x8e"));
	FIND(LEVEL_STUDY, "1.3", BY(PatientName, PATTERN, "*=\xe5\xb1\xb1*"));
	FIND(LEVEL_STUDY, "1.1", BY(ReferringPhysicianName, PREFIX, "HOUSE"));
	FIND(LEVEL_PATIENT, "A1", BY(PatientName, PREFIX, "DOE"));
	FIND(LEVEL_INSTANCE, "1.2.1.1", BY(PatientName, PREFIX, "MULL"));
	archive_end(&t);
}

TEST(patterns)
{
	struct archive t;

	if (!fill(&t))
		return;
	FIND(LEVEL_STUDY, "1.1 1.2", BY(PatientID, PREFIX, "A"));
	FIND(LEVEL_STUDY, "1.3", BY(StudyDescription, PREFIX, "100%"));
	FIND(LEVEL_STUDY, "", BY(StudyDescription, PREFIX, "H_"));
	FIND(LEVEL_STUDY, "1.1", BY(StudyDescription, PREFIX, "Head "));
	FIND(LEVEL_STUDY, "1.1", BY(StudyDescription, PATTERN, "*neck"));
	FIND(LEVEL_STUDY, "1.1", BY(StudyDescription, PATTERN, "He*ne?k"));
	FIND(LEVEL_STUDY, "1.1 1.2", BY(AccessionNumber, PATTERN, "ACC?"));
	archive_end(&t);
}

TEST(ranges)
{
	struct archive t;

	if (!fill(&t))
		return;
	FIND(LEVEL_STUDY, "1.1 1.2", BY(StudyDate, RANGE, "20260101"));
	FIND(LEVEL_STUDY, "1.1", .column = COLUMN_StudyDate,
	    .kind = CONDITION_RANGE, .a = STR("20260102"),
	    .b = STR("20260102"));
	FIND(LEVEL_STUDY, "1.3", .column = COLUMN_StudyDate,
	    .kind = CONDITION_RANGE, .b = STR("20251231"));
	FIND(LEVEL_STUDY, "1.1 1.2", .column = COLUMN_StudyTime,
	    .kind = CONDITION_RANGE, .a = STR("10"), .b = STR("10"));
	FIND(LEVEL_STUDY, "1.1 1.2", BY(StudyTime, IS, "10"));
	FIND(LEVEL_STUDY, "1.2", .column = COLUMN_StudyTime,
	    .kind = CONDITION_RANGE, .a = STR("103001"), .b = STR("1030"));
	/* What has no birth date is in no range. */
	FIND(LEVEL_PATIENT, "A1 A2", .column = COLUMN_PatientBirthDate,
	    .kind = CONDITION_RANGE, .b = STR("20251231"));
	archive_end(&t);
}

TEST(lists_and_modalities)
{
	static const struct str uids[] = {{(const uint8_t *)"1.3", 3},
	    {(const uint8_t *)"1.1", 3}, {(const uint8_t *)"nowhere\"", 8}};
	static const struct str names[] = {{(const uint8_t *)"doe^jane", 8},
	    {(const uint8_t *)"YAMADA^TAROU", 12}};
	struct condition two[2];
	struct archive t;

	if (!fill(&t))
		return;
	FIND(LEVEL_STUDY, "1.1 1.3", .column = COLUMN_StudyInstanceUID,
	    .kind = CONDITION_ANY_OF, .list = uids, .list_count = 3);
	FIND(LEVEL_SERIES, "1.1.1 1.1.2 1.3.1",
	    .column = COLUMN_StudyInstanceUID, .kind = CONDITION_ANY_OF,
	    .list = uids, .list_count = 3);
	FIND(LEVEL_STUDY, "1.1 1.3", .column = COLUMN_PatientName,
	    .kind = CONDITION_ANY_OF, .list = names, .list_count = 2);
	FIND(LEVEL_STUDY, "1.1", BY(ModalitiesInStudy, MODALITY, "MR"));
	FIND(LEVEL_STUDY, "1.1 1.2", BY(ModalitiesInStudy, MODALITY, "CT"));
	two[0] = (struct condition){BY(ModalitiesInStudy, MODALITY, "CT")};
	two[1] = (struct condition){BY(StudyDate, RANGE, "20260201")};
	CHECK_STR(str_from(found(&t, LEVEL_STUDY, two, 2)), "1.2");
	two[0] = (struct condition){BY(Modality, IS, "MR")};
	CHECK_STR(str_from(found(&t, LEVEL_STUDY, two + 1, 1)), "1.2");
	archive_end(&t);
}

TEST(a_lower_level_cannot_be_asked)
{
	struct condition c = {BY(Modality, IS, "MR")};
	struct search s = {.level = LEVEL_STUDY, .conditions = &c, .count = 1};
	struct index_row *rows;
	struct archive t;
	size_t n;

	if (!fill(&t))
		return;
	CHECK(!index_search(t.store, &s, 0, &t.arena, &rows, &n, &t.e));
	CHECK_EQ(t.e.code, ERR_UNSUPPORTED);
	archive_end(&t);
}

/* The unique keys of the rows found by a relational search. */
static const char *
related(struct archive *t, enum index_level level, const struct condition *c,
    size_t count)
{
	static const enum column keys[] = {COLUMN_PatientID,
	    COLUMN_StudyInstanceUID, COLUMN_SeriesInstanceUID,
	    COLUMN_SOPInstanceUID};
	static char text[512];
	struct search s = {.level = level,
	    .conditions = c,
	    .count = count,
	    .relational = true,
	    .want_file = true};
	struct index_row *rows;
	struct buf b;
	size_t n, i;

	s.want[keys[level]] = true;
	s.want[COLUMN_SOPInstanceUID] = true;
	buf_init(&b, sizeof(text));
	if (!CHECK(index_search(t->store, &s, 0, &t->arena, &rows, &n, &t->e)))
		printf("%s\n", t->e.text);
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_u8(&b, ' ');
		buf_add(&b, rows[i].value[keys[level]]);
		if (level == LEVEL_INSTANCE)
			continue;
		buf_u8(&b, '/');
		buf_add(&b, rows[i].value[COLUMN_SOPInstanceUID]);
	}
	(void)str_copy(text, sizeof(text), buf_str(&b));
	buf_fini(&b);
	return text;
}

#define RELATED(level, want, ...)                                              \
	do {                                                                   \
		struct condition c[] = {__VA_ARGS__};                          \
		CHECK_STR(                                                     \
		    str_from(related(&t, level, c, ARRAY_LEN(c))), want);      \
	} while (0)

TEST(relational_conditions_are_of_one_chain)
{
	static const struct str classes[] = {
	    {(const uint8_t *)UID_MRImageStorage, 25}};
	struct archive t;

	if (!fill(&t))
		return;
	RELATED(LEVEL_STUDY, "1.1/1.1.2.1", {BY(Modality, IS, "MR")});
	RELATED(LEVEL_PATIENT, "A1/1.1.2.1", {BY(Modality, IS, "MR")});
	RELATED(
	    LEVEL_STUDY, "1.1/1.1.1.1 1.2/1.2.1.1", {BY(Modality, IS, "CT")});
	/* Series 2 is MR, series 1 has an image number 2. */
	RELATED(LEVEL_STUDY, "", {BY(Modality, IS, "MR")},
	    {BY(InstanceNumber, IS, "2")});
	RELATED(LEVEL_STUDY, "1.1/1.1.1.2", {BY(Modality, IS, "CT")},
	    {BY(InstanceNumber, IS, "2")});
	RELATED(LEVEL_SERIES, "1.1.1/1.1.1.2", {BY(InstanceNumber, IS, "2")});
	RELATED(LEVEL_PATIENT, "B_%/1.3.1.1",
	    {BY(StudyDescription, IS, "100%")}, {BY(PatientID, PREFIX, "B")});
	RELATED(LEVEL_PATIENT, "A1/1.1.2.1",
	    {.column = COLUMN_SOPClassUID,
		.kind = CONDITION_ANY_OF,
		.list = classes,
		.list_count = 1},
	    {BY(PatientSex, IS, "F")});
	RELATED(LEVEL_INSTANCE, "1.1.2.1", {BY(Modality, IS, "MR")});
	/* Nothing of below is asked: the first chain there is. */
	RELATED(LEVEL_PATIENT, "A1/1.1.1.1", {BY(PatientID, IS, "A1")});
	RELATED(LEVEL_STUDY, "1.1/1.1.1.1", {BY(PatientID, IS, "A1")});
	RELATED(LEVEL_SERIES, "1.1.1/1.1.1.1 1.1.2/1.1.2.1",
	    {BY(PatientID, IS, "A1")});
	archive_end(&t);
}

TEST(the_first_instance_stands_for_all)
{
	static const char *const want[4] = {
	    "1.1.1.1", "1.1.1.1", "1.1.1.1", "1.1.1.1"};
	struct search s = {.want_file = true, .want_patient = true};
	struct index_row *rows, instance;
	struct index_counts counts;
	struct archive t;
	int level, pass;
	size_t n;

	if (!fill(&t))
		return;
	for (pass = 0; pass < 2; pass++) {
		CHECK(index_instance(
		    t.store, str_from(want[0]), &t.arena, &instance, &t.e));
		for (level = 0; level < 4; level++) {
			s.level = (enum index_level)level;
			if (!CHECK(index_search(
				t.store, &s, 0, &t.arena, &rows, &n, &t.e)))
				printf("%s\n", t.e.text);
			CHECK(n >= 3);
			CHECK_STR(rows[0].path, (const char *)instance.path.p);
			CHECK_EQ(rows[0].path.p[rows[0].path.n], 0);
			CHECK_EQ(rows[0].size, instance.size);
			CHECK_STR(rows[0].syntax, UID_ExplicitVRLittleEndian);
			CHECK_EQ(rows[0].patient, 1);
			CHECK_EQ(rows[n - 1].patient, 3);
		}
		archive_exec(&t, "ANALYZE");
	}
	CHECK(index_patient_counts(t.store, 1, &counts, &t.e));
	CHECK_EQ(counts.studies, 1);
	CHECK_EQ(counts.series, 2);
	CHECK_EQ(counts.instances, 3);
	CHECK(index_patient_counts(t.store, 99, &counts, &t.e));
	CHECK_EQ(counts.studies, 0);
	archive_end(&t);
}

#define MOMENT(from, at, to, end)                                              \
	.column = COLUMN_StudyDate, .kind = CONDITION_DATE_TIME,               \
	.a = STR(from), .time_a = STR(at), .b = STR(to), .time_b = STR(end)

TEST(date_and_time_as_one)
{
	struct archive t;

	if (!fill(&t))
		return;
	/* 1.1: 20260102 1030, 1.2: 20260203 103059.5, 1.3: 20250101 235959 */
	FIND(LEVEL_STUDY, "1.1 1.2",
	    MOMENT("20260102", "1030", "20260203", "1030"));
	FIND(LEVEL_STUDY, "1.2",
	    MOMENT("20260102", "1031", "20260203", "103059.5"));
	FIND(
	    LEVEL_STUDY, "1.1", MOMENT("20260102", "", "20260203", "103059.4"));
	FIND(LEVEL_STUDY, "1.1 1.2 1.3", MOMENT("20250101", "2359", "", ""));
	FIND(LEVEL_STUDY, "1.3", MOMENT("", "", "20260102", "1029"));
	FIND(LEVEL_STUDY, "1.1 1.3", MOMENT("", "", "20260102", ""));
	FIND(LEVEL_STUDY, "", MOMENT("20260103", "00", "20260202", "2359"));
	/* A date without a time may be at any. */
	archive_exec(&t, "UPDATE study SET StudyTime = '', StudyTime_key = ''"
			 " WHERE id = 1");
	FIND(
	    LEVEL_STUDY, "1.1", MOMENT("20260102", "2359", "20260102", "2359"));
	archive_end(&t);
}

TEST(modalities_and_classes_of_a_study)
{
	static const struct str two[] = {
	    {(const uint8_t *)"MR", 2}, {(const uint8_t *)"US", 2}};
	static const struct str wild[] = {
	    {(const uint8_t *)"M?", 2}, {(const uint8_t *)"U*", 2}};
	static const struct str classes[] = {
	    {(const uint8_t *)UID_MRImageStorage, 25},
	    {(const uint8_t *)"9.9", 3}};
	struct condition both[2];
	struct archive t;
	int i;

	if (!fill(&t))
		return;
	for (i = 0; i < 2; i++) {
		FIND(LEVEL_STUDY, "1.1", BY(ModalitiesInStudy, MODALITY, "M*"));
		FIND(LEVEL_STUDY, "1.1 1.2",
		    BY(ModalitiesInStudy, MODALITY, "*T"));
		FIND(LEVEL_STUDY, "1.1 1.3", .column = COLUMN_ModalitiesInStudy,
		    .kind = CONDITION_MODALITY, .list = two, .list_count = 2);
		FIND(LEVEL_STUDY, "1.1 1.3", .column = COLUMN_ModalitiesInStudy,
		    .kind = CONDITION_MODALITY, .list = wild, .list_count = 2);
		FIND(LEVEL_PATIENT, "A1", BY(PatientID, IS, "A1"));
		FIND(LEVEL_SERIES, "1.1.1 1.1.2",
		    BY(ModalitiesInStudy, MODALITY, "MR"));
		FIND(LEVEL_STUDY, "1.1",
		    BY(SOPClassesInStudy, CLASS, UID_MRImageStorage));
		FIND(LEVEL_STUDY, "", BY(SOPClassesInStudy, CLASS, "1.2"));
		FIND(LEVEL_STUDY, "1.1", .column = COLUMN_SOPClassesInStudy,
		    .kind = CONDITION_CLASS, .list = classes, .list_count = 2);
		/* As a test of what another condition has found. */
		both[0] = (struct condition){BY(StudyInstanceUID, IS, "1.1")};
		both[1] = (struct condition){
		    BY(SOPClassesInStudy, CLASS, UID_MRImageStorage)};
		CHECK_STR(str_from(found(&t, LEVEL_STUDY, both, 2)), "1.1");
		both[0].a = STR("1.2");
		CHECK_STR(str_from(found(&t, LEVEL_STUDY, both, 2)), "");
		both[1] =
		    (struct condition){BY(ModalitiesInStudy, MODALITY, "?T")};
		CHECK_STR(str_from(found(&t, LEVEL_STUDY, both, 2)), "1.2");
		both[0].a = STR("1.3");
		CHECK_STR(str_from(found(&t, LEVEL_STUDY, both, 2)), "");
		archive_exec(&t, "ANALYZE");
	}
	archive_end(&t);
}

TEST(all_of_a_row)
{
	struct search s = {.level = LEVEL_INSTANCE};
	struct index_row *rows;
	struct archive t;
	size_t n;
	int i;

	if (!fill(&t))
		return;
	for (i = 0; i < COLUMN_COUNT; i++)
		s.want[i] = true;
	CHECK(index_search(t.store, &s, 0, &t.arena, &rows, &n, &t.e));
	CHECK_EQ(n, 5);
	CHECK_STR(rows[0].value[COLUMN_PatientName], "Doe^Jane");
	CHECK_STR(rows[0].value[COLUMN_ModalitiesInStudy], "CT\\MR");
	CHECK_STR(rows[0].value[COLUMN_SOPClassesInStudy],
	    "1.2.840.10008.5.1.4.1.1.2\\1.2.840.10008.5.1.4.1.1.4");
	CHECK_STR(rows[0].value[COLUMN_NumberOfStudyRelatedInstances], "3");
	CHECK_STR(rows[0].value[COLUMN_NumberOfStudyRelatedSeries], "2");
	CHECK_STR(rows[0].value[COLUMN_NumberOfSeriesRelatedInstances], "2");
	CHECK_STR(rows[0].value[COLUMN_StudyTime], "1030");
	CHECK_STR(rows[1].value[COLUMN_InstanceNumber], "2");
	CHECK_STR(rows[3].value[COLUMN_PatientBirthDate], "19800102");
	CHECK_STR(
	    rows[3].value[COLUMN_PatientName], "M\xc3\xbcller^J\xc3\xb6rg");
	CHECK_STR(rows[4].syntax, UID_ExplicitVRLittleEndian);
	CHECK_EQ(rows[4].path.p[rows[4].path.n], 0);
	CHECK(!index_instance(t.store, STR("9.9"), &t.arena, rows, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	archive_end(&t);
}

/* False when they cannot be checked. */
static bool
check_words(struct archive *t, bool *good)
{
	struct db *db = store_reader(t->store, &t->e);
	bool ok = CHECK(db != NULL) && word_check(db, true, good, &t->e);

	store_reader_done(t->store, db);
	return ok;
}

static bool
rebuild_words_job(struct upsert *u, void *ctx, struct err *e)
{
	(void)ctx;
	return word_rebuild(upsert_db(u), e);
}

static void
rebuild_words(struct archive *t)
{
	CHECK(commit_run(t->store->commit, true, rebuild_words_job, NULL,
		  &t->e) == COMMIT_DONE);
}

static bool
delete_job(struct upsert *u, void *ctx, struct err *e)
{
	struct existing x;

	return existing_find(upsert_db(u), str_from(ctx), &x, e) &&
	       upsert_delete(u, x.id, e);
}

/* The row alone. */
static void
delete_instance(struct archive *t, const char *uid)
{
	char text[65];

	(void)str_copy(text, sizeof(text), str_from(uid));
	CHECK(commit_run(t->store->commit, true, delete_job, text, &t->e) ==
	      COMMIT_DONE);
}

/* Words as they may stand in a data set, and what FTS5 could take them for. */
static const char *const strange[] = {"say \"hello\" twice", "\"\"\"\"",
    "cat NEAR dog AND (bird)", "a -minus OR NOT b*c", "patient : x",
    "{patient} : \"abc\"", "^caret^caret", "col'; DROP TABLE word; --",
    "\xe5\xb1\xb1\xe7\x94\xb0\xe5\xa4\xaa\xe9\x83\x8e",
    "\xf0\x9f\xab\x80\xf0\x9f\xab\x81\xf0\x9f\xab\x82", "\xef\xbf\xbf nonchar",
    "tab\tand\x7f", "?question?", "100 % sure", "\\back\\slash", "NULL"};

/* Whether the pattern finds the study in a column. */
static bool
finds(struct archive *t, enum column column, struct str pattern,
    const char *study)
{
	struct condition c = {
	    .column = column, .kind = CONDITION_PATTERN, .a = pattern};
	const char *all = found(t, LEVEL_STUDY, &c, 1), *at;
	size_t n = strlen(study);

	for (at = all; (at = strstr(at, study)) != NULL; at += n)
		if ((at == all || at[-1] == ' ') &&
		    (at[n] == 0 || at[n] == ' '))
			return true;
	return false;
}

/* Each piece of a value, wherever it stands, finds it. */
TEST(pieces_of_strange_words)
{
	static const enum column by[] = {COLUMN_StudyDescription,
	    COLUMN_PatientName, COLUMN_PatientID, COLUMN_AccessionNumber};
	struct sample sample = samples[0];
	struct object_result out;
	char uid[16], study[16], pattern[128];
	struct archive t;
	size_t i, k, from, n;

	if (!archive_begin(&t))
		return;
	sample.charset = "ISO_IR 192";
	for (i = 0; i < ARRAY_LEN(strange); i++) {
		snprintf(uid, sizeof(uid), "1.%zu", i);
		snprintf(study, sizeof(study), "2.%zu.0", i);
		sample.instance = uid;
		sample.study = study;
		sample.patient = sample.name = strange[i];
		sample.accession = sample.description = strange[i];
		CHECK(archive_put(&t, &sample, &out));
	}
	for (i = 0; i < ARRAY_LEN(strange); i++) {
		snprintf(study, sizeof(study), "2.%zu.0", i);
		for (k = 0; k < ARRAY_LEN(by); k++) {
			n = strlen(strange[i]);
			/* Of a name of several values the caller compares
			 * each. */
			if (strchr(strange[i], '\\') != NULL)
				continue;
			for (from = 0; from < n; from++) {
				if (((uint8_t)strange[i][from] & 0xc0) == 0x80)
					continue;
				snprintf(pattern, sizeof(pattern), "*%s",
				    strange[i] + from);
				CHECK(
				    finds(&t, by[k], str_from(pattern), study));
				snprintf(pattern, sizeof(pattern), "*%s*",
				    strange[i] + from);
				if (!CHECK(finds(
					&t, by[k], str_from(pattern), study)))
					printf("%s\n", pattern);
			}
		}
	}
	archive_end(&t);
}

/* What no trigram can be made of is compared; nothing of it is an error. */
TEST(words_without_trigrams)
{
	static const char *const sql[] = {
	    "UPDATE study SET StudyDescription = 'one' || char(0) || 'seven'"
	    " WHERE id = 1",
	    "UPDATE study SET StudyDescription ="
	    " CAST(x'6f6e65ff736576656e' AS TEXT) WHERE id = 2",
	    "UPDATE study SET StudyDescription ="
	    " replace(printf('%0300d', 0), '0', 'ab') || 'seven'"
	    " WHERE id = 3",
	};
	struct buf key;
	struct archive t;
	bool good = false;
	size_t i;

	if (!fill(&t))
		return;
	for (i = 0; i < ARRAY_LEN(sql); i++)
		archive_exec(&t, sql[i]);
	CHECK(check_words(&t, &good) && !good);
	rebuild_words(&t);
	CHECK(check_words(&t, &good) && good);
	CHECK(finds(&t, COLUMN_StudyDescription, STR("*seven"), "1.1"));
	CHECK(finds(&t, COLUMN_StudyDescription, STR("*seven"), "1.2"));
	CHECK(finds(&t, COLUMN_StudyDescription, STR("*seven"), "1.3"));
	CHECK(finds(&t, COLUMN_StudyDescription, STR("*e\0sev*"), "1.1"));
	CHECK(finds(&t, COLUMN_StudyDescription, STR("*e\xffsev*"), "1.2"));
	CHECK(!finds(&t, COLUMN_StudyDescription, STR("*e\xfesev*"), "1.2"));
	CHECK(finds(&t, COLUMN_StudyDescription, STR("*bababs*n"), "1.3"));
	buf_init(&key, MIB);
	buf_u8(&key, '*');
	for (i = 0; i < 64 * KIB / 2; i++)
		buf_text(&key, i % 1000 == 999 ? "*" : "a\"");
	buf_text(&key, "*");
	CHECK(!finds(&t, COLUMN_StudyDescription, buf_str(&key), "1.1"));
	CHECK(!finds(&t, COLUMN_PatientName, buf_str(&key), "1.1"));
	buf_fini(&key);
	archive_end(&t);
}

/* Words come and go with the rows, and are made anew with them. */
TEST(words_follow_the_rows)
{
	struct rebuild_result result;
	struct sample other = samples[0];
	struct object_result out;
	struct archive t;
	bool good = false;
	char *before, *after;

	if (!fill(&t))
		return;
	CHECK(check_words(&t, &good) && good);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM word"), 13);
	before = archive_dump(&t);
	other.instance = "7.1";
	other.study = "7";
	other.series = "7.7";
	other.patient = "OTHER";
	other.accession = "ACC77";
	CHECK(archive_put(&t, &other, &out));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM word"), 15);
	CHECK(finds(&t, COLUMN_AccessionNumber, STR("*C77"), "7"));
	delete_instance(&t, "7.1");
	/* Name and description are still those of another. */
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM word"), 13);
	CHECK(check_words(&t, &good) && good);
	CHECK(finds(&t, COLUMN_PatientName, STR("*e^jan*"), "1.1"));
	CHECK(!finds(&t, COLUMN_AccessionNumber, STR("*C77"), "7"));
	after = archive_dump(&t);
	CHECK(strcmp(before, after) == 0);
	free(after);
	/* Gone without the words: the check tells; reindex mends. */
	archive_exec(&t, "DELETE FROM word WHERE value = 'ACC1'");
	CHECK(check_words(&t, &good) && !good);
	CHECK(store_reindex(t.store, NULL, NULL, &result, &t.e));
	CHECK(check_words(&t, &good) && good);
	/* The file of the instance that was deleted is still there. */
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM word"), 15);
	archive_exec(&t,
	    "INSERT INTO word_text (word_text, rowid, patient, referring,"
	    " description, patient_id, accession)"
	    " SELECT 'delete', id, '', '', '', '', value FROM word"
	    " WHERE value = 'ACC1'");
	CHECK(check_words(&t, &good) && !good);
	rebuild_words(&t);
	CHECK(check_words(&t, &good) && good);
	CHECK(finds(&t, COLUMN_AccessionNumber, STR("*CC1"), "1.1"));
	free(before);
	archive_end(&t);
}

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

/* Nasty strings as Patient ID, asked for in every way: the same as a
 * comparison without an index says. */
TEST(nasty_strings_are_only_strings)
{
	static const char *const nasty[] = {"'", "--", "%", "_", "[a-z]", "a;b",
	    "\"x\"", "NULL", "a'); DROP TABLE patient; --", "?1", ":a", "$x"};
	struct sample sample = samples[0];
	struct object_result out;
	char uid[16], study[16];
	struct condition c = {.column = COLUMN_PatientID};
	struct archive t;
	size_t i;

	if (!archive_begin(&t))
		return;
	for (i = 0; i < ARRAY_LEN(nasty); i++) {
		snprintf(uid, sizeof(uid), "1.%zu", i);
		snprintf(study, sizeof(study), "2.%zu", i);
		sample.instance = uid;
		sample.study = study;
		sample.patient = nasty[i];
		CHECK(archive_put(&t, &sample, &out));
	}
	for (i = 0; i < ARRAY_LEN(nasty); i++) {
		c.a = str_from(nasty[i]);
		c.kind = CONDITION_IS;
		CHECK_STR(str_from(found(&t, LEVEL_PATIENT, &c, 1)), nasty[i]);
		c.kind = CONDITION_ANY_OF;
		c.list = &c.a;
		c.list_count = 1;
		CHECK_STR(str_from(found(&t, LEVEL_PATIENT, &c, 1)), nasty[i]);
		c.kind = CONDITION_PREFIX;
		CHECK(
		    strstr(found(&t, LEVEL_PATIENT, &c, 1), nasty[i]) != NULL);
	}
	archive_end(&t);
}

TEST_MAIN
