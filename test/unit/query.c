/*
 * Identifiers of queries and retrievals: to conditions of a search, and from
 * rows to answers.
 */
#include "service/query/query.h"

#include "dicom/build.h"
#include "test.h"

#include <stdarg.h>

static struct arena arena = {.budget = LIMIT_EXCHANGE};

static const struct query_options *options;

static struct syntax
explicit_little(void)
{
	return syntax_of(str_from(UID_ExplicitVRLittleEndian));
}

/* An identifier from tag, text, tag, text, …, 0. */
static struct str
identifier(const char *level, ...)
{
	struct dataset *ds = dataset_new(&arena);
	static struct buf out;
	struct err e = {0};
	uint32_t tag;
	va_list args;

	if (level != NULL)
		(void)dataset_put_text(
		    ds, TAG_QueryRetrieveLevel, VR_CS, level);
	va_start(args, level);
	while ((tag = va_arg(args, uint32_t)) != 0)
		(void)dataset_put_text(
		    ds, tag, dict_vr(tag), va_arg(args, const char *));
	va_end(args);
	buf_fini(&out);
	buf_init(&out, LIMIT_IDENTIFIER);
	CHECK(build_dataset(&out, ds, explicit_little(), &e));
	return buf_str(&out);
}

static bool
find(struct query *q, enum query_model model, struct str bytes, struct err *e)
{
	return query_read(
	    &arena, model, options, bytes, explicit_little(), q, e);
}

static const struct condition *
condition(const struct query *q, enum column column)
{
	size_t i;

	for (i = 0; i < q->search.count; i++)
		if (q->search.conditions[i].column == column)
			return &q->search.conditions[i];
	return NULL;
}

/* The condition that one study-level key becomes, or NULL. */
static const struct condition *
key(struct query *q, uint32_t tag, const char *value)
{
	struct err e = {0};

	arena_reset(&arena);
	if (!CHECK(find(
		q, QUERY_STUDY_ROOT, identifier("IMAGE", tag, value, 0), &e)))
		return NULL;
	CHECK_EQ(q->key_count, 1);
	return condition(q, column_of_tag(tag));
}

TEST(levels)
{
	struct query q;
	struct err e = {0};

	CHECK(find(&q, QUERY_PATIENT_ROOT, identifier("PATIENT", 0), &e));
	CHECK_EQ(q.search.level, LEVEL_PATIENT);
	CHECK(find(&q, QUERY_STUDY_ROOT, identifier("IMAGE ", 0), &e));
	CHECK_EQ(q.search.level, LEVEL_INSTANCE);
	CHECK(!find(&q, QUERY_STUDY_ROOT, identifier("PATIENT", 0), &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	CHECK(!find(&q, QUERY_PATIENT_ROOT, identifier("study", 0), &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	CHECK(!find(&q, QUERY_PATIENT_ROOT,
	    identifier(NULL, TAG_PatientID, "1", 0), &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	CHECK(!find(&q, QUERY_PATIENT_ROOT, STR(""), &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	CHECK(!find(&q, QUERY_PATIENT_ROOT,
	    STR("\x08\0\x52\0"
		"CS\xff\0"
		"x"),
	    &e));
	CHECK_EQ(e.code, ERR_MALFORMED);
}

TEST(models)
{
	enum query_model model;
	struct query q;
	struct err e = {0};

	CHECK(query_model_of(STR("1.2.840.10008.5.1.4.1.2.1.2"), &model));
	CHECK_EQ(model, QUERY_PATIENT_ROOT);
	CHECK(query_model_of(STR("1.2.840.10008.5.1.4.1.2.2.3"), &model));
	CHECK_EQ(model, QUERY_STUDY_ROOT);
	CHECK(query_model_of(STR("1.2.840.10008.5.1.4.1.2.3.1"), &model));
	CHECK_EQ(model, QUERY_PATIENT_STUDY_ONLY);
	CHECK(!query_model_of(STR("1.2.840.10008.5.1.4.1.2.3"), &model));
	CHECK(find(&q, model, identifier("PATIENT", 0), &e));
	CHECK(find(&q, model, identifier("STUDY", 0), &e));
	CHECK(!find(&q, model, identifier("SERIES", 0), &e));
	CHECK(!find(&q, model, identifier("IMAGE", 0), &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
}

TEST(uid_keys)
{
	const struct condition *c;
	struct query q;

	c = key(&q, TAG_StudyInstanceUID, "1.2.3");
	if (CHECK(c != NULL)) {
		CHECK_EQ(c->kind, CONDITION_IS);
		CHECK_STR(c->a, "1.2.3");
	}
	CHECK(q.keys[0].decided);
	c = key(&q, TAG_SeriesInstanceUID, "1.2\\1.3 \\\\1.4");
	if (CHECK(c != NULL)) {
		CHECK_EQ(c->kind, CONDITION_ANY_OF);
		CHECK_EQ(c->list_count, 3);
		CHECK_STR(c->list[1], "1.3");
		CHECK_STR(c->list[2], "1.4");
	}
	CHECK(key(&q, TAG_StudyInstanceUID, "") == NULL);
	CHECK(key(&q, TAG_StudyInstanceUID, "*") == NULL);
	CHECK(key(&q, TAG_StudyInstanceUID, "\\\\") == NULL);
}

TEST(text_keys)
{
	const struct condition *c;
	struct query q;

	c = key(&q, TAG_PatientID, " PAT1 ");
	CHECK(c != NULL && c->kind == CONDITION_IS);
	c = key(&q, TAG_AccessionNumber, "ACC*");
	if (CHECK(c != NULL)) {
		CHECK_EQ(c->kind, CONDITION_PREFIX);
		CHECK_STR(c->a, "ACC");
	}
	c = key(&q, TAG_AccessionNumber, "A?C*");
	CHECK(c != NULL && c->kind == CONDITION_PATTERN);
	c = key(&q, TAG_AccessionNumber, "*7");
	CHECK(c != NULL && c->kind == CONDITION_PATTERN);
	CHECK(key(&q, TAG_StudyDescription, "**") == NULL);
	c = key(&q, TAG_Modality, "CT\\MR");
	CHECK(c != NULL && c->kind == CONDITION_ANY_OF && c->list_count == 2);
	CHECK(key(&q, TAG_Modality, "CT\\M*") == NULL);
}

TEST(name_keys)
{
	const struct condition *c;
	struct query q;

	c = key(&q, TAG_PatientName, "Doe^John");
	CHECK(c != NULL && c->kind == CONDITION_IS);
	c = key(&q, TAG_PatientName, "Doe^*");
	if (CHECK(c != NULL)) {
		CHECK_EQ(c->kind, CONDITION_PATTERN);
		CHECK_STR(c->a, "Doe^*");
	}
	c = key(&q, TAG_PatientName, "*ohn");
	CHECK(c != NULL && c->kind == CONDITION_PATTERN);
	CHECK(key(&q, TAG_PatientName, "Doe\\Roe") == NULL);
}

TEST(date_and_time_keys)
{
	const struct condition *c;
	struct query q;

	c = key(&q, TAG_StudyDate, "20260102");
	CHECK(c != NULL && c->kind == CONDITION_IS);
	c = key(&q, TAG_StudyDate, "2026.01.02-");
	if (CHECK(c != NULL)) {
		CHECK_EQ(c->kind, CONDITION_RANGE);
		CHECK_STR(c->a, "20260102");
		CHECK_STR(c->b, "");
	}
	CHECK(key(&q, TAG_StudyDate, "yesterday") == NULL);
	c = key(&q, TAG_StudyTime, "1015-1130");
	if (CHECK(c != NULL)) {
		CHECK_EQ(c->kind, CONDITION_RANGE);
		CHECK_STR(c->a, "1015");
		CHECK_STR(c->b, "1130");
	}
	c = key(&q, TAG_StudyTime, "10");
	CHECK(c != NULL && c->kind == CONDITION_IS);
	c = key(&q, TAG_StudyTime, "-11");
	if (CHECK(c != NULL)) {
		CHECK_STR(c->a, "");
		CHECK_STR(c->b, "11");
	}
}

TEST(number_and_made_keys)
{
	const struct condition *c;
	struct query q;

	c = key(&q, TAG_InstanceNumber, "+007");
	if (CHECK(c != NULL)) {
		CHECK_EQ(c->kind, CONDITION_IS);
		CHECK_STR(c->a, "7");
	}
	CHECK(key(&q, TAG_InstanceNumber, "seven") == NULL);
	c = key(&q, TAG_ModalitiesInStudy, "MR");
	CHECK(c != NULL && c->kind == CONDITION_MODALITY);
	c = key(&q, TAG_ModalitiesInStudy, "M*\\CT");
	if (CHECK(c != NULL && c->kind == CONDITION_MODALITY))
		CHECK_EQ(c->list_count, 2);
	CHECK(key(&q, TAG_ModalitiesInStudy, "M\\*") == NULL);
	c = key(&q, TAG_SOPClassesInStudy, "1.2\\1.3");
	CHECK(c != NULL && c->kind == CONDITION_CLASS && c->list_count == 2);
	CHECK(key(&q, TAG_NumberOfStudyRelatedInstances, "5") == NULL);
}

TEST(unsupported_keys)
{
	struct query q;
	struct err e = {0};

	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_StudyDate, "", TAG_PatientID, "", 0), &e));
	CHECK(!q.unsupported);
	/* Of a lower level, and not in the index. */
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_Modality, "CT", 0), &e));
	CHECK(q.unsupported);
	CHECK_EQ(q.search.count, 0);
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_ImageComments, "", 0), &e));
	CHECK(q.unsupported && !q.file);
	/* Of this level or above, and in the files alone. */
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_PatientComments, "", 0), &e));
	CHECK(!q.unsupported && q.file && !q.file_demands);
	CHECK(q.search.want_file);
	/* About the identifier: no keys. */
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_SpecificCharacterSet, "ISO_IR 100",
		TAG_TimezoneOffsetFromUTC, "+0100", 0),
	    &e));
	CHECK_EQ(q.key_count, 0);
}

TEST(relational)
{
	static const struct query_options relational = {.relational = true};
	const struct condition *c;
	struct query q;
	struct err e = {0};

	options = &relational;
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_Modality, "CT", TAG_BodyPartExamined, "",
		TAG_SOPInstanceUID, "1.2", 0),
	    &e));
	CHECK(q.search.relational && !q.unsupported);
	CHECK_EQ(q.search.count, 2);
	c = condition(&q, COLUMN_Modality);
	CHECK(c != NULL && c->kind == CONDITION_IS);
	CHECK(q.search.want[COLUMN_BodyPartExamined]);
	/* What no search of the index can decide below. */
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_SeriesNumber, "one", TAG_ImageComments, "x",
		TAG_NumberOfSeriesRelatedInstances, "5", 0),
	    &e));
	CHECK_EQ(q.search.count, 0);
	CHECK(q.unsupported);
	CHECK_EQ(q.keys[0].source, QUERY_EMPTY);
	CHECK_EQ(q.keys[1].source, QUERY_EMPTY);
	/* The files of a study's instances can. */
	CHECK_EQ(q.keys[2].source, QUERY_FILE);
	CHECK(q.file && q.file_demands && q.deep);
	CHECK(find(&q, QUERY_PATIENT_ROOT,
	    identifier("PATIENT", TAG_ImageComments, "x", 0), &e));
	CHECK(q.unsupported && !q.file && !q.deep);
	options = NULL;
}

TEST(moments)
{
	static const struct query_options moments = {.date_time = true};
	const struct condition *c;
	struct query q;
	struct err e = {0};
	struct str bytes;

	bytes = identifier("SERIES", TAG_StudyDate, "20060705-20060707",
	    TAG_StudyTime, "1000-1800", 0);
	CHECK(find(&q, QUERY_STUDY_ROOT, bytes, &e));
	CHECK_EQ(q.search.count, 2);
	CHECK(!q.keys[0].moment);
	options = &moments;
	CHECK(find(&q, QUERY_STUDY_ROOT, bytes, &e));
	CHECK(q.keys[0].moment && q.keys[0].time == 1);
	CHECK_EQ(q.search.count, 1);
	c = condition(&q, COLUMN_StudyDate);
	if (CHECK(c != NULL && c->kind == CONDITION_DATE_TIME)) {
		CHECK_STR(c->a, "20060705");
		CHECK_STR(c->time_b, "1800");
	}
	/* Not of the same form, and no range at all. */
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("SERIES", TAG_StudyDate, "20060705-", TAG_StudyTime,
		"1000-1800", 0),
	    &e));
	CHECK(!q.keys[0].moment && q.search.count == 2);
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("SERIES", TAG_StudyDate, "20060705", TAG_StudyTime,
		"1000-1800", 0),
	    &e));
	CHECK(!q.keys[0].moment && q.search.count == 2);
	options = NULL;
}

TEST(what_is_read_of_files)
{
	struct query q;
	struct err e = {0};

	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("STUDY", TAG_StudyDate, "", 0), &e));
	CHECK(!q.file && !q.search.want_file);
	/* No more than up to the last attribute. */
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier(
		"STUDY", TAG_PatientAge, "040Y", TAG_PatientComments, "", 0),
	    &e));
	CHECK(q.file && q.file_demands);
	CHECK_EQ(q.stop_tag, TAG_PatientComments + 1);
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier(
		"STUDY", TAG(0x11, 0x10), "ACME", TAG(0x11, 0x1001), "", 0),
	    &e));
	CHECK_EQ(q.key_count, 1);
	CHECK_EQ(q.stop_tag, TAG(0x11, 0xff02));
	/* Group 2 and pixels are no keys. */
	CHECK(find(&q, QUERY_STUDY_ROOT,
	    identifier("IMAGE", TAG(0x7fe0, 0x10), "", 0), &e));
	CHECK(!q.file && q.unsupported);
}

TEST(keys_are_decoded)
{
	const struct condition *c;
	struct query q;
	struct err e = {0};

	CHECK(find(&q, QUERY_PATIENT_ROOT,
	    identifier("PATIENT", TAG_SpecificCharacterSet, "ISO_IR 100",
		TAG_PatientID, "M\xfcller", 0),
	    &e));
	c = condition(&q, COLUMN_PatientID);
	if (CHECK(c != NULL))
		CHECK_STR(c->a, "M\xc3\xbcller");
}

TEST(too_long)
{
	static char text[LIMIT_INDEX_VALUE + 3];
	struct query q;
	struct err e = {0};

	memset(text, 'A', sizeof(text) - 1);
	CHECK(!find(&q, QUERY_PATIENT_ROOT,
	    identifier("PATIENT", TAG_PatientID, text, 0), &e));
	CHECK_EQ(e.code, ERR_LIMIT);
}

static bool
retrieve(struct query *q, struct str bytes, struct err *e)
{
	return query_read_retrieve(
	    &arena, QUERY_PATIENT_ROOT, bytes, explicit_little(), q, e);
}

TEST(retrieval)
{
	struct query q;
	struct err e = {0};

	CHECK(retrieve(&q,
	    identifier("SERIES", TAG_PatientID, "P*", TAG_StudyInstanceUID,
		"1.2", TAG_SeriesInstanceUID, "1.3\\1.4", TAG_Modality, "CT",
		0),
	    &e));
	CHECK_EQ(q.search.level, LEVEL_INSTANCE);
	CHECK_EQ(q.search.count, 3);
	if (CHECK(condition(&q, COLUMN_PatientID) != NULL)) {
		CHECK_EQ(condition(&q, COLUMN_PatientID)->kind, CONDITION_IS);
		CHECK_STR(condition(&q, COLUMN_PatientID)->a, "P*");
	}
	CHECK_EQ(condition(&q, COLUMN_SeriesInstanceUID)->list_count, 2);
	/* Never the whole archive. */
	CHECK(!retrieve(&q, identifier("STUDY", 0), &e));
	CHECK_EQ(e.code, ERR_UNSUPPORTED);
	CHECK(!retrieve(
	    &q, identifier("STUDY", TAG_StudyInstanceUID, "\\", 0), &e));
	CHECK(!retrieve(
	    &q, identifier("SERIES", TAG_StudyInstanceUID, "1.2", 0), &e));
	CHECK(!retrieve(&q, identifier("PATIENT", TAG_PatientID, " ", 0), &e));
	CHECK(retrieve(
	    &q, identifier("IMAGE", TAG_SOPInstanceUID, "1.5", 0), &e));
	CHECK_EQ(q.search.count, 1);
}

static struct index_row
sample_row(void)
{
	struct index_row row = {0};

	row.value[COLUMN_PatientID] = STR("P1");
	row.value[COLUMN_PatientName] = STR("M\xc3\xbcller^Anna");
	row.value[COLUMN_StudyInstanceUID] = STR("1.2.3");
	row.value[COLUMN_StudyDate] = STR("20260102");
	row.value[COLUMN_StudyTime] = STR("1015");
	row.value[COLUMN_ModalitiesInStudy] = STR("CT\\SR");
	return row;
}

static bool
matches(uint32_t tag, const char *value)
{
	struct index_row row = sample_row();
	struct query q;
	struct err e = {0};

	if (!CHECK(find(&q, QUERY_STUDY_ROOT,
		identifier("STUDY", TAG_SpecificCharacterSet, "ISO_IR 192", tag,
		    value, 0),
		&e)))
		return false;
	return query_matches(&q, &arena, &row);
}

TEST(matching)
{
	CHECK(matches(TAG_PatientName, "MULLER*"));
	CHECK(matches(TAG_PatientName, "m\xc3\xbcller^a?na"));
	CHECK(!matches(TAG_PatientName, "Maier*"));
	CHECK(matches(TAG_StudyTime, "10"));
	CHECK(matches(TAG_StudyTime, "1000-1015"));
	CHECK(!matches(TAG_StudyTime, "1016-"));
	CHECK(matches(TAG_ModalitiesInStudy, "SR"));
	CHECK(matches(TAG_ModalitiesInStudy, "C*"));
	CHECK(!matches(TAG_ModalitiesInStudy, "MR"));
	CHECK(matches(TAG_PatientID, ""));
	CHECK(!matches(TAG_AccessionNumber, "A"));
	/* Not supported at this level: ignored. */
	CHECK(matches(TAG_Modality, "XX"));
}

TEST(answers)
{
	struct index_counts counts = {3, 4, 5};
	struct index_row row = sample_row();
	struct dataset *ds;
	struct query q;
	struct err e = {0};

	if (!CHECK(find(&q, QUERY_STUDY_ROOT,
		identifier("STUDY", TAG_PatientName, "", TAG_PatientComments,
		    "", TAG_NumberOfPatientRelatedSeries, "", 0),
		&e)))
		return;
	CHECK(q.counts);
	CHECK(q.search.want[COLUMN_PatientName]);
	CHECK(q.search.want[COLUMN_StudyInstanceUID]);
	CHECK(!q.search.want[COLUMN_StudyDate]);
	ds = query_answer(&q, &arena,
	    &(struct query_found){
		.row = &row, .counts = &counts, .retrieve_ae = "FILEROOM"});
	if (!CHECK(ds != NULL))
		return;
	CHECK_STR(dataset_str(ds, TAG_PatientName), "M\xfcller^Anna");
	CHECK_STR(dataset_str(ds, TAG_SpecificCharacterSet), "ISO_IR 100");
	CHECK_STR(dataset_str(ds, TAG_QueryRetrieveLevel), "STUDY");
	CHECK_STR(dataset_str(ds, TAG_StudyInstanceUID), "1.2.3");
	CHECK_STR(dataset_str(ds, TAG_RetrieveAETitle), "FILEROOM");
	CHECK_STR(dataset_str(ds, TAG_InstanceAvailability), "ONLINE");
	CHECK_STR(dataset_str(ds, TAG_NumberOfPatientRelatedSeries), "4");
	CHECK(dataset_find(ds, TAG_PatientComments) != NULL);
	CHECK_STR(dataset_str(ds, TAG_PatientComments), "");
	CHECK(dataset_find(ds, TAG_PatientID) == NULL);
	CHECK(dataset_find(ds, TAG_StudyDate) == NULL);
	CHECK_EQ(ds->n, 8);
}

TEST(answer_in_ascii)
{
	struct index_row row = sample_row();
	struct dataset *ds;
	struct query q;
	struct err e = {0};

	if (!CHECK(find(&q, QUERY_PATIENT_ROOT,
		identifier("STUDY", TAG_StudyDate, "", 0), &e)))
		return;
	ds = query_answer(&q, &arena,
	    &(struct query_found){.row = &row, .retrieve_ae = "FILEROOM"});
	if (!CHECK(ds != NULL))
		return;
	CHECK(dataset_find(ds, TAG_SpecificCharacterSet) == NULL);
	CHECK_STR(dataset_str(ds, TAG_PatientID), "P1");
	CHECK_STR(dataset_str(ds, TAG_StudyDate), "20260102");
	arena_fini(&arena);
}

TEST_MAIN
