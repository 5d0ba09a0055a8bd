/*
 * Identifiers of queries: the first byte chooses the syntax, the model and
 * what was negotiated, the rest is the identifier. Whatever it says, it is
 * refused with a reason or becomes a query that matches or does not, twice the
 * same; its answer can be built, says which level was asked for and is within
 * its character set. The identifier is its own file: what it asks for is there.
 */
#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/build.h"
#include "dicom/charset.h"
#include "service/query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const syntaxes[] = {UID_ImplicitVRLittleEndian,
    UID_ExplicitVRLittleEndian, UID_ExplicitVRBigEndian,
    UID_DeflatedExplicitVRLittleEndian};

static struct index_row
sample(void)
{
	struct index_row row = {.id = 1, .patient = 1};
	size_t i;

	for (i = 0; i < COLUMN_COUNT; i++)
		row.value[i] = STR("1");
	row.value[COLUMN_PatientName] = STR("M\xc3\xbcller^Anna=\xe5\xb1\xb1");
	row.value[COLUMN_StudyDate] = STR("20260102");
	row.value[COLUMN_StudyTime] = STR("1015");
	row.value[COLUMN_ModalitiesInStudy] = STR("CT\\SR");
	return row;
}

static void
check_answer(const struct query *q, const struct query_found *found)
{
	struct syntax explicit_little =
	    syntax_of(str_from(UID_ExplicitVRLittleEndian));
	struct dataset *ds, *again;
	struct arena a;
	struct buf out;
	struct err e;

	arena_init(&a, 32 * MIB);
	buf_init(&out, LIMIT_IDENTIFIER);
	ds = query_answer(q, &a, found);
	if (ds != NULL && build_dataset(&out, ds, explicit_little, &e)) {
		must(str_eq_text(dataset_str(ds, TAG_QueryRetrieveLevel),
		    query_level_name(q->search.level)));
		must(charset_known(dataset_str(ds, TAG_SpecificCharacterSet)));
		must(dataset_read(&a, buf_str(&out), explicit_little,
			 LIMIT_IDENTIFIER, 0, &again, &e) ||
		     e.code == ERR_LIMIT);
	}
	buf_fini(&out);
	arena_fini(&a);
}

static void
check_query(const struct query *q, const struct dataset *ds)
{
	struct query_file file = {
	    .ds = ds, .charset = dataset_str(ds, TAG_SpecificCharacterSet)};
	struct index_counts counts = {1, 2, 3};
	struct index_row row = sample();
	struct query_found found = {
	    .row = &row, .counts = &counts, .retrieve_ae = "A"};
	struct arena a;
	bool yes;

	must(q->search.count <= q->key_count);
	arena_init(&a, 32 * MIB);
	yes = query_matches(q, &a, &row);
	must(yes == query_matches(q, &a, &row) || a.over);
	if (query_matches_counts(q, &counts))
		check_answer(q, &found);
	yes = query_matches_file(q, &a, &row, &file);
	must(yes || q->file_demands);
	found.file = &file;
	check_answer(q, &found);
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query_options options;
	struct syntax syntax;
	struct dataset *ds;
	struct str bytes;
	struct arena a;
	struct query q;
	struct err e;

	if (size == 0)
		return 0;
	syntax = syntax_of(str_from(syntaxes[data[0] & 3]));
	options = (struct query_options){
	    .relational = (data[0] & 4) != 0,
	    .date_time = (data[0] & 8) != 0,
	    .empty_values = (data[0] & 16) != 0,
	};
	bytes = str_of(data + 1, size - 1);
	arena_init(&a, LIMIT_EXCHANGE);
	if (query_read(&a, (enum query_model)((data[0] >> 5) % 3), &options,
		bytes, syntax, &q, &e)) {
		if (dataset_read(&a, bytes, syntax, LIMIT_HEADER_VALUE,
			q.stop_tag, &ds, &e))
			check_query(&q, ds);
	} else {
		must(e.code != ERR_NONE && e.text[0] != '\0');
	}
	arena_reset(&a);
	if (query_read_retrieve(&a, QUERY_PATIENT_ROOT, bytes, syntax, &q, &e))
		must(q.search.level == LEVEL_INSTANCE && q.search.count > 0);
	arena_fini(&a);
	return 0;
}
