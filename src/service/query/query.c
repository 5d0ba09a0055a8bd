/*
 * Reading identifiers and building answers.
 */
#include "service/query/query.h"

#include "dicom/charset.h"
#include "dicom/match.h"
#include "dicom/value.h"

static const char *const level_names[] = {
    [LEVEL_PATIENT] = "PATIENT",
    [LEVEL_STUDY] = "STUDY",
    [LEVEL_SERIES] = "SERIES",
    [LEVEL_INSTANCE] = "IMAGE",
};

static const enum column unique_keys[] = {
    [LEVEL_PATIENT] = COLUMN_PatientID,
    [LEVEL_STUDY] = COLUMN_StudyInstanceUID,
    [LEVEL_SERIES] = COLUMN_SeriesInstanceUID,
    [LEVEL_INSTANCE] = COLUMN_SOPInstanceUID,
};

const char *
query_level_name(enum index_level level)
{
	return level_names[level];
}

static const struct {
	const char *sop_class;
	enum query_model model;
} models[] = {
    {UID_PatientRootQueryRetrieveInformationModelFind, QUERY_PATIENT_ROOT},
    {UID_PatientRootQueryRetrieveInformationModelMove, QUERY_PATIENT_ROOT},
    {UID_PatientRootQueryRetrieveInformationModelGet, QUERY_PATIENT_ROOT},
    {UID_StudyRootQueryRetrieveInformationModelFind, QUERY_STUDY_ROOT},
    {UID_StudyRootQueryRetrieveInformationModelMove, QUERY_STUDY_ROOT},
    {UID_StudyRootQueryRetrieveInformationModelGet, QUERY_STUDY_ROOT},
    {UID_PatientStudyOnlyQueryRetrieveInformationModelFind,
	QUERY_PATIENT_STUDY_ONLY},
    {UID_PatientStudyOnlyQueryRetrieveInformationModelMove,
	QUERY_PATIENT_STUDY_ONLY},
    {UID_PatientStudyOnlyQueryRetrieveInformationModelGet,
	QUERY_PATIENT_STUDY_ONLY},
};

bool
query_model_of(struct str sop_class, enum query_model *out)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(models); i++) {
		if (!str_eq_text(sop_class, models[i].sop_class))
			continue;
		*out = models[i].model;
		return true;
	}
	return false;
}

/* PS3.4 C.6.1.1, C.6.2.1 and, in editions up to 2004, C.6.3.1. */
static bool
has_level(enum query_model model, size_t level)
{
	if (level == LEVEL_PATIENT)
		return model != QUERY_STUDY_ROOT;
	return level <= LEVEL_STUDY || model != QUERY_PATIENT_STUDY_ONLY;
}

static bool
read_level(const struct dataset *ds, struct query *q, struct err *e)
{
	struct str name = str_trim(dataset_str(ds, TAG_QueryRetrieveLevel));
	char shown[32];
	size_t i;

	if (name.n == 0)
		return fail(e, ERR_UNSUPPORTED,
		    "(0008,0052) Query/Retrieve Level is missing");
	for (i = 0; i < ARRAY_LEN(level_names); i++)
		if (str_eq_text(name, level_names[i]))
			break;
	if (i == ARRAY_LEN(level_names) || !has_level(q->model, i))
		return fail(e, ERR_UNSUPPORTED,
		    "no Query/Retrieve Level '%s' in this model",
		    str_printable(shown, sizeof(shown), name));
	q->search.level = (enum index_level)i;
	return true;
}

/* About the identifier itself: no keys. */
static bool
is_key(uint32_t tag)
{
	switch (tag) {
	case TAG_SpecificCharacterSet:
	case TAG_QueryRetrieveLevel:
	case TAG_QueryRetrieveView:
	case TAG_TimezoneOffsetFromUTC:
		return false;
	default:
		return TAG_ELEMENT(tag) != 0 && !TAG_IS_PRIVATE(tag);
	}
}

static enum query_source
source_of(const struct query *q, uint32_t tag, enum column *column)
{
	*column = column_of_tag(tag);
	if (*column != COLUMN_COUNT)
		return column_info(*column)->level <= q->search.level
			   ? QUERY_COLUMN
			   : QUERY_EMPTY;
	switch (tag) {
	case TAG_NumberOfPatientRelatedStudies:
	case TAG_NumberOfPatientRelatedSeries:
	case TAG_NumberOfPatientRelatedInstances:
		return QUERY_COUNT;
	case TAG_RetrieveAETitle:
	case TAG_InstanceAvailability:
		return QUERY_CONSTANT;
	default:
		return QUERY_EMPTY;
	}
}

/* "+1", "01" and "1" are the same number (PS3.5 6.2, IS). */
static struct str
normal_number(struct arena *a, struct str s)
{
	struct str digits = s;
	char *text;
	int64_t v;

	if (digits.n > 1 && digits.p[0] == '+')
		digits = str_of(digits.p + 1, digits.n - 1);
	if (!str_i64(digits, &v))
		return s;
	text = arena_printf(a, "%lld", (long long)v);
	return text != NULL ? str_from(text) : s;
}

static struct str
key_value(struct arena *a, struct str charset, const struct element *element,
    enum vr vr)
{
	enum vr_kind kind = vr_kind(vr);
	struct str value = element->value;

	if (kind != VR_KIND_TEXT && kind != VR_KIND_LOCAL)
		return STR("");
	if (kind == VR_KIND_LOCAL)
		value = charset_to_utf8(a, charset, value, vr == VR_PN);
	value = str_trim(value);
	if (match_kind(vr, value) == MATCH_UNIVERSAL)
		return STR("");
	return vr == VR_IS ? normal_number(a, value) : value;
}

static bool
read_key(struct arena *a, struct str charset, const struct element *element,
    struct query *q, struct err *e)
{
	struct query_key *key = &q->keys[q->key_count];
	enum vr known = dict_vr(element->tag);

	key->tag = element->tag;
	key->vr = known != VR_UN ? known : element->vr;
	key->value = key_value(a, charset, element, key->vr);
	if (key->vr != VR_UI && key->value.n > LIMIT_INDEX_VALUE)
		return fail(e, ERR_LIMIT, "a key of %zu bytes", key->value.n);
	key->source = source_of(q, key->tag, &key->column);
	if (key->source == QUERY_COLUMN)
		q->search.want[key->column] = true;
	if (key->source == QUERY_COUNT) {
		q->counts = true;
		q->search.want[COLUMN_PatientID] = true;
		q->search.want[COLUMN_IssuerOfPatientID] = true;
	}
	if (key->source == QUERY_EMPTY)
		q->unsupported = true;
	q->key_count++;
	return true;
}

static bool
read_keys(
    struct arena *a, const struct dataset *ds, struct query *q, struct err *e)
{
	struct str charset = dataset_str(ds, TAG_SpecificCharacterSet);
	size_t i;

	q->keys = arena_array(a, ds->n, sizeof(*q->keys));
	if (q->keys == NULL)
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	for (i = 0; i < ds->n; i++)
		if (is_key(ds->elements[i].tag) &&
		    !read_key(a, charset, &ds->elements[i], q, e))
			return false;
	return true;
}

/* A list of UIDs, or one. False past the arena's budget. */
static bool
uid_condition(struct arena *a, struct str value, struct condition *c)
{
	struct str rest = value, uid, *list;
	size_t i, n = 1;

	for (i = 0; i < value.n; i++)
		n += value.p[i] == '\\';
	list = arena_array(a, n, sizeof(*list));
	if (list == NULL)
		return false;
	c->kind = CONDITION_ANY_OF;
	c->list = list;
	while (str_split(&rest, '\\', &uid)) {
		uid = str_trim(uid);
		if (uid.n > 0)
			list[c->list_count++] = uid;
	}
	if (c->list_count == 1) {
		c->kind = CONDITION_IS;
		c->a = list[0];
	}
	return true;
}

static size_t
first_wild(struct str s)
{
	size_t star = str_find(s, '*'), mark = str_find(s, '?');

	return star < mark ? star : mark;
}

static void
text_condition(enum vr vr, struct str value, struct condition *c)
{
	size_t wild = first_wild(value);

	c->a = value;
	c->kind = CONDITION_IS;
	if (match_kind(vr, value) != MATCH_WILD)
		return;
	c->kind = CONDITION_PATTERN;
	if (wild > 0 && wild == value.n - 1 && value.p[wild] == '*') {
		c->kind = CONDITION_PREFIX;
		c->a = str_of(value.p, wild);
	}
}

/* The index folds, and finds "DOE" by "DOE^*" too. */
static void
name_condition(struct str value, struct condition *c)
{
	c->a = value;
	c->kind =
	    first_wild(value) < value.n ? CONDITION_PATTERN : CONDITION_IS;
}

/* False when the key says nothing that the index could look for. */
static bool
date_condition(struct arena *a, struct str value, struct condition *c)
{
	struct str from, to;
	char low[9] = "", high[9] = "";

	if (!match_range_split(VR_DA, value, &from, &to)) {
		if (!date_parse(value, low))
			return false;
		c->kind = CONDITION_IS;
		c->a = arena_dup(a, str_from(low));
		return true;
	}
	if ((from.n > 0 && !date_parse(from, low)) ||
	    (to.n > 0 && !date_parse(to, high)))
		return false;
	c->kind = CONDITION_RANGE;
	c->a = arena_dup(a, str_from(low));
	c->b = arena_dup(a, str_from(high));
	return true;
}

/* The index knows that a time stands for all it leaves open. */
static void
time_condition(struct str value, struct condition *c)
{
	c->kind = CONDITION_RANGE;
	if (match_range_split(VR_TM, value, &c->a, &c->b))
		return;
	c->kind = CONDITION_IS;
	c->a = value;
}

static bool
made_condition(enum column column, struct str value, struct condition *c)
{
	if (column != COLUMN_ModalitiesInStudy || first_wild(value) < value.n ||
	    str_find(value, '\\') < value.n)
		return false;
	c->kind = CONDITION_MODALITY;
	c->a = value;
	return true;
}

/* True: *c narrows the search. */
static bool
condition_for(struct arena *a, struct query_key *key, struct condition *c)
{
	enum column_kind kind = column_info(key->column)->kind;
	int64_t number;

	*c = (struct condition){.column = key->column};
	switch (kind) {
	case COLUMN_KIND_UID:
		key->decided = uid_condition(a, key->value, c);
		return key->decided && c->list_count > 0;
	case COLUMN_KIND_CODE:
	case COLUMN_KIND_TEXT:
		/* Of several values any may match; the index takes one. */
		if (str_find(key->value, '\\') < key->value.n)
			return false;
		text_condition(key->vr, key->value, c);
		return true;
	case COLUMN_KIND_NAME:
		if (str_find(key->value, '\\') < key->value.n)
			return false;
		name_condition(key->value, c);
		return true;
	case COLUMN_KIND_DATE:
		return date_condition(a, key->value, c);
	case COLUMN_KIND_TIME:
		time_condition(key->value, c);
		return true;
	case COLUMN_KIND_INT:
		c->kind = CONDITION_IS;
		c->a = key->value;
		return str_i64(key->value, &number);
	case COLUMN_KIND_MADE:
		return made_condition(key->column, key->value, c);
	}
	return false;
}

/* A condition for each key with a value that the index knows. */
static bool
make_conditions(struct arena *a, struct query *q, struct err *e)
{
	struct condition *conditions =
	    arena_array(a, q->key_count, sizeof(*conditions));
	struct query_key *key;
	size_t i;

	for (i = 0; i < q->key_count && conditions != NULL; i++) {
		key = &q->keys[i];
		if (key->source != QUERY_COLUMN || key->value.n == 0)
			continue;
		if (condition_for(a, key, &conditions[q->search.count]))
			q->search.count++;
	}
	if (a->over)
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	q->search.conditions = conditions;
	return true;
}

static bool
read_identifier(struct arena *a, struct str bytes, struct syntax syntax,
    struct dataset **ds, struct query *q, struct err *e)
{
	if (bytes.n == 0)
		return fail(e, ERR_UNSUPPORTED, "the identifier is missing");
	if (!dataset_read(a, bytes, syntax, LIMIT_IDENTIFIER, 0, ds, e))
		return fail_in(e, "the identifier");
	return read_level(*ds, q, e);
}

/* The unique keys of this level and those above are in every answer. */
static void
want_unique(struct query *q)
{
	size_t level = q->model == QUERY_STUDY_ROOT ? LEVEL_STUDY : 0;

	for (; level <= q->search.level; level++)
		q->search.want[unique_keys[level]] = true;
}

bool
query_read(struct arena *a, enum query_model model, struct str bytes,
    struct syntax syntax, struct query *out, struct err *e)
{
	struct dataset *ds;

	*out = (struct query){.model = model};
	if (!read_identifier(a, bytes, syntax, &ds, out, e) ||
	    !read_keys(a, ds, out, e) || !make_conditions(a, out, e))
		return false;
	want_unique(out);
	return true;
}

/* Only the unique keys, and those as they stand. */
static bool
retrieve_conditions(
    struct arena *a, const struct dataset *ds, struct query *q, struct err *e)
{
	struct str charset = dataset_str(ds, TAG_SpecificCharacterSet), value;
	struct condition *c =
	    arena_array(a, ARRAY_LEN(unique_keys), sizeof(*c));
	const struct column_info *info;
	size_t level;

	for (level = 0; level <= q->search.level && c != NULL; level++) {
		info = column_info(unique_keys[level]);
		value = str_trim(dataset_str(ds, info->tag));
		if (level == LEVEL_PATIENT)
			value =
			    str_trim(charset_to_utf8(a, charset, value, false));
		c[q->search.count] =
		    (struct condition){.column = unique_keys[level],
			.kind = CONDITION_IS,
			.a = value};
		if (value.n > 0 && level != LEVEL_PATIENT &&
		    (!uid_condition(a, value, &c[q->search.count]) ||
			c[q->search.count].list_count == 0))
			value = STR("");
		if (value.n > 0)
			q->search.count++;
		else if (level == q->search.level && !a->over)
			return fail(e, ERR_UNSUPPORTED,
			    "%s is needed at level %s", info->keyword,
			    level_names[level]);
	}
	if (a->over)
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	q->search.conditions = c;
	return true;
}

bool
query_read_retrieve(struct arena *a, enum query_model model, struct str bytes,
    struct syntax syntax, struct query *out, struct err *e)
{
	struct dataset *ds;

	*out = (struct query){.model = model};
	if (!read_identifier(a, bytes, syntax, &ds, out, e) ||
	    !retrieve_conditions(a, ds, out, e))
		return false;
	out->search.level = LEVEL_INSTANCE;
	out->search.want[COLUMN_SOPInstanceUID] = true;
	out->search.want[COLUMN_SOPClassUID] = true;
	return true;
}

size_t
query_rows_budget(const struct query *q)
{
	size_t i, columns = 1;

	for (i = 0; i < COLUMN_COUNT; i++)
		columns += q->search.want[i];
	return LIMIT_EXCHANGE + columns * LIMIT_ROWS * LIMIT_INDEX_VALUE;
}

bool
query_matches(
    const struct query *q, struct arena *scratch, const struct index_row *row)
{
	const struct query_key *key;
	size_t i;

	for (i = 0; i < q->key_count; i++) {
		key = &q->keys[i];
		if (key->source != QUERY_COLUMN || key->value.n == 0 ||
		    key->decided)
			continue;
		if (!match_value(
			scratch, key->vr, key->value, row->value[key->column]))
			return false;
	}
	return true;
}

static bool
is_ascii(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return false;
	return true;
}

static struct str
count_value(struct arena *a, uint32_t tag, const struct query_counts *counts)
{
	uint64_t n = 0;
	char *text;

	if (counts == NULL || !counts->known)
		return STR("");
	if (tag == TAG_NumberOfPatientRelatedStudies)
		n = counts->studies;
	else if (tag == TAG_NumberOfPatientRelatedSeries)
		n = counts->series;
	else
		n = counts->instances;
	text = arena_printf(a, "%llu", (unsigned long long)n);
	return str_from(text);
}

static bool
put_column(struct dataset *ds, enum column column, const struct index_row *row,
    bool *ascii)
{
	uint32_t tag = column_info(column)->tag;

	*ascii = *ascii && is_ascii(row->value[column]);
	return dataset_put(ds, tag, dict_vr(tag), row->value[column]);
}

static bool
put_keys(struct dataset *ds, const struct query *q, const struct index_row *row,
    const struct query_counts *counts, bool *ascii)
{
	const struct query_key *key;
	bool ok = true;
	size_t i;

	for (i = 0; i < q->key_count && ok; i++) {
		key = &q->keys[i];
		if (key->source == QUERY_COLUMN)
			ok = put_column(ds, key->column, row, ascii);
		else if (key->source == QUERY_COUNT)
			ok = dataset_put(ds, key->tag, key->vr,
			    count_value(ds->arena, key->tag, counts));
		else if (key->source == QUERY_EMPTY)
			ok = dataset_put(ds, key->tag, key->vr, STR(""));
	}
	return ok;
}

struct dataset *
query_answer(const struct query *q, struct arena *a,
    const struct index_row *row, const struct query_counts *counts,
    const char *retrieve_ae)
{
	struct dataset *ds = dataset_new(a);
	size_t level = q->model == QUERY_STUDY_ROOT ? LEVEL_STUDY : 0;
	bool ascii = is_ascii(str_from(retrieve_ae)), ok;

	if (ds == NULL)
		return NULL;
	ok = put_keys(ds, q, row, counts, &ascii);
	for (; level <= q->search.level && ok; level++)
		ok = put_column(ds, unique_keys[level], row, &ascii);
	ok = ok &&
	     dataset_put_text(ds, TAG_QueryRetrieveLevel, VR_CS,
		 level_names[q->search.level]) &&
	     dataset_put_text(ds, TAG_RetrieveAETitle, VR_AE, retrieve_ae) &&
	     dataset_put_text(ds, TAG_InstanceAvailability, VR_CS, "ONLINE");
	if (ok && !ascii)
		ok = dataset_put_text(
		    ds, TAG_SpecificCharacterSet, VR_CS, "ISO_IR 192");
	return ok ? ds : NULL;
}
