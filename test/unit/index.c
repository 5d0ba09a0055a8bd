/*
 * Searching the index: every kind of condition at every level, names in several
 * groups, the words of texts.
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
