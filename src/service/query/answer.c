/*
 * Rows of the index and files against the keys of a query, and what is
 * answered.
 */
#include "service/query/query.h"

#include "dicom/match.h"
#include "dicom/recode.h"
#include "dicom/value.h"

static struct str
value_of(const struct query_key *key, struct arena *a,
    const struct index_row *row, const struct query_file *file)
{
	const struct element *element;

	if (key->source == QUERY_COLUMN)
		return row->value[key->column];
	if (key->source != QUERY_FILE || file == NULL)
		return STR("");
	element = key_find(&key->key, file->ds);
	return element != NULL ? key_text(a, element, file->charset) : STR("");
}

static bool
matches_column(const struct key *key, struct arena *scratch, struct str value)
{
	if (key->empty)
		return value.n == 0;
	if (key->fuzzy)
		return match_name_fuzzy(scratch, key->value, value);
	return match_value(scratch, key->vr, key->value, value);
}

/* Date and time of a value, or of one end of a range, as a DT (PS3.4
 * C.2.2.2.5.4): without the punctuation of old versions. */
static struct str
join(struct arena *a, struct str date, struct str time)
{
	uint8_t *text = arena_alloc(a, date.n + time.n);
	size_t i, n = 0;

	if (text == NULL)
		return STR("");
	date = str_trim(date);
	time = str_trim(time);
	for (i = 0; i < date.n; i++)
		if (date.p[i] != '.')
			text[n++] = date.p[i];
	for (i = 0; i < time.n; i++)
		if (time.p[i] != ':')
			text[n++] = time.p[i];
	return str_of(text, n);
}

static bool
matches_moment(const struct query *q, const struct query_key *date_key,
    struct arena *a, const struct index_row *row, const struct query_file *file)
{
	const struct query_key *time_key = &q->keys[date_key->time];
	struct str date = value_of(date_key, a, row, file);
	struct str time = value_of(time_key, a, row, file);
	struct str date_from, date_to, time_from, time_to;

	if (!match_range_split(
		VR_DA, date_key->key.value, &date_from, &date_to) ||
	    !match_range_split(
		VR_TM, time_key->key.value, &time_from, &time_to))
		return false;
	/* What has no time fits the days of both ends. */
	if (str_trim(time).n == 0)
		return match_value(a, VR_DA, date_key->key.value, date);
	return match_in_range(VR_DT, join(a, date_from, time_from),
	    join(a, date_to, time_to), join(a, date, time));
}

bool
query_matches(
    const struct query *q, struct arena *scratch, const struct index_row *row)
{
	const struct query_key *key;
	size_t i;

	for (i = 0; i < q->key_count; i++) {
		key = &q->keys[i];
		if (key->source != QUERY_COLUMN || !key->key.demands)
			continue;
		if (key->moment) {
			if (q->keys[key->time].source == QUERY_COLUMN &&
			    !matches_moment(q, key, scratch, row, NULL))
				return false;
		} else if (!key->decided && !matches_column(&key->key, scratch,
						row->value[key->column])) {
			return false;
		}
	}
	return true;
}

bool
query_matches_file(const struct query *q, struct arena *scratch,
    const struct index_row *row, const struct query_file *file)
{
	const struct query_key *key;
	bool here;
	size_t i;

	for (i = 0; i < q->key_count; i++) {
		key = &q->keys[i];
		here = key->source == QUERY_FILE;
		if (key->moment) {
			here = here || q->keys[key->time].source == QUERY_FILE;
			if (here && !matches_moment(q, key, scratch, row, file))
				return false;
		} else if (here && !key->decided &&
			   !key_matches(
			       &key->key, scratch, file->ds, file->charset)) {
			return false;
		}
	}
	return true;
}

static uint64_t
count_of(uint32_t tag, const struct index_counts *counts)
{
	if (tag == TAG_NumberOfPatientRelatedStudies)
		return counts->studies;
	if (tag == TAG_NumberOfPatientRelatedSeries)
		return counts->series;
	return counts->instances;
}

bool
query_matches_counts(const struct query *q, const struct index_counts *counts)
{
	const struct key *key;
	uint64_t v;
	size_t i;

	for (i = 0; i < q->key_count; i++) {
		key = &q->keys[i].key;
		if (q->keys[i].source != QUERY_COUNT || !key->demands)
			continue;
		if (key->empty || !str_u64(key->value, &v) ||
		    v != count_of(key->tag, counts))
			return false;
	}
	return true;
}

static bool
put_count(struct dataset *ds, const struct key *key,
    const struct index_counts *counts)
{
	char text[24] = "";

	if (counts != NULL)
		snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)count_of(key->tag, counts));
	return dataset_put_text(ds, key->tag, key->vr, text);
}

static bool
put_column(struct dataset *ds, enum column column, const struct index_row *row)
{
	uint32_t tag = column_info(column)->tag;

	return dataset_put(ds, tag, dict_vr(tag), row->value[column]);
}

static bool
put_file(
    struct dataset *ds, const struct key *key, const struct query_file *file)
{
	if (file == NULL)
		return key_answer(key, NULL, STR(""), ds);
	return key_answer(key, file->ds, file->charset, ds);
}

static bool
put_keys(
    struct dataset *ds, const struct query *q, const struct query_found *found)
{
	const struct query_key *key;
	bool ok = true;
	size_t i;

	for (i = 0; i < q->key_count && ok; i++) {
		key = &q->keys[i];
		switch (key->source) {
		case QUERY_COLUMN:
			ok = put_column(ds, key->column, found->row);
			break;
		case QUERY_COUNT:
			ok = put_count(ds, &key->key, found->counts);
			break;
		case QUERY_FILE:
			ok = put_file(ds, &key->key, found->file);
			break;
		case QUERY_EMPTY:
		case QUERY_CONSTANT:
			break;
		}
	}
	return ok;
}

/* (0008,0201) is never sent without a value (PS3.4 C.4.1.1.3.2). */
static bool
put_zone(
    struct dataset *ds, const struct query *q, const struct query_file *file)
{
	struct str zone = STR("");

	if (q->zone && file != NULL)
		zone = dataset_str(file->ds, TAG_TimezoneOffsetFromUTC);
	return zone.n == 0 ||
	       dataset_put(ds, TAG_TimezoneOffsetFromUTC, VR_SH, zone);
}

struct dataset *
query_answer(
    const struct query *q, struct arena *a, const struct query_found *found)
{
	struct dataset *ds = dataset_new(a);
	size_t level = query_top_level(q->model);
	bool ok;

	if (ds == NULL)
		return NULL;
	ok = put_keys(ds, q, found) && put_zone(ds, q, found->file);
	for (; level <= q->search.level && ok; level++)
		ok = put_column(
		    ds, query_key_column((enum index_level)level), found->row);
	ok = ok &&
	     dataset_put_text(ds, TAG_QueryRetrieveLevel, VR_CS,
		 query_level_name(q->search.level)) &&
	     dataset_put_text(
		 ds, TAG_RetrieveAETitle, VR_AE, found->retrieve_ae) &&
	     dataset_put_text(ds, TAG_InstanceAvailability, VR_CS, "ONLINE") &&
	     dataset_recode(ds, q->charset);
	return ok ? ds : NULL;
}
