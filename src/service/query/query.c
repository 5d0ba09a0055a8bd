/*
 * Reading identifiers.
 */
#include "service/query/query.h"

#include "dicom/charset.h"
#include "dicom/match.h"
#include "dicom/value.h"
#include "service/query/levels.h"

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

/* Behind it are pixels and padding. */
#define LAST_HEADER_TAG TAG(0x7fe0, 0)

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

enum column
query_key_column(enum index_level level)
{
	return unique_keys[level];
}

enum index_level
query_top_level(enum query_model model)
{
	return model == QUERY_STUDY_ROOT ? LEVEL_STUDY : LEVEL_PATIENT;
}

/* Bytes of the item (PS3.4 Table C.5-1, and 6 and 7 of later editions). Time
 * zones and views are not done. */
enum {
	EXTENDED_RELATIONAL,
	EXTENDED_DATE_TIME,
	EXTENDED_FUZZY,
	EXTENDED_ZONE,
	EXTENDED_VIEW,
	EXTENDED_EMPTY,
	EXTENDED_MULTIPLE,
	EXTENDED_FIELDS
};

size_t
query_extended(struct str proposed, uint8_t *answer, size_t room)
{
	static const bool done[EXTENDED_FIELDS] = {
	    [EXTENDED_RELATIONAL] = true,
	    [EXTENDED_DATE_TIME] = true,
	    [EXTENDED_FUZZY] = true,
	    [EXTENDED_EMPTY] = true,
	    /* Never refused to anybody. */
	    [EXTENDED_MULTIPLE] = true,
	};
	size_t n = proposed.n, i;

	if (n > EXTENDED_FIELDS)
		n = EXTENDED_FIELDS;
	if (n > room)
		n = room;
	for (i = 0; i < n; i++)
		answer[i] = done[i] && proposed.p[i] == 1;
	return n;
}

static bool
negotiated(struct str extended, size_t field)
{
	return field < extended.n && extended.p[field] == 1;
}

struct query_options
query_options(struct str extended)
{
	return (struct query_options){
	    .relational = negotiated(extended, EXTENDED_RELATIONAL),
	    .date_time = negotiated(extended, EXTENDED_DATE_TIME),
	    .fuzzy = negotiated(extended, EXTENDED_FUZZY),
	    .empty_values = negotiated(extended, EXTENDED_EMPTY),
	};
}

/* About the identifier itself: no keys. */
static bool
is_key(uint32_t tag)
{
	switch (tag) {
	case TAG_QueryRetrieveLevel:
	case TAG_QueryRetrieveView:
	case TAG_TimezoneOffsetFromUTC:
		return false;
	default:
		/* PS3.4 C.4.1.1.3: none of the groups below. */
		return TAG_GROUP(tag) >= 8;
	}
}

/* Of an attribute in the index. */
static enum query_source
source_of_column(const struct query *q, const struct key *key, enum column c)
{
	const struct column_info *info = column_info(c);

	if (info->level <= q->search.level)
		return QUERY_COLUMN;
	if (!q->options.relational)
		return QUERY_EMPTY;
	/* Of the entities below the search must find the right one. */
	if (!key->demands)
		return QUERY_COLUMN;
	return key->empty || info->kind == COLUMN_KIND_MADE ? QUERY_EMPTY
							    : QUERY_COLUMN;
}

static enum query_source
source_of(const struct query *q, const struct key *key, enum column *column)
{
	enum index_level level;

	*column = column_of_tag(key->tag);
	if (*column != COLUMN_COUNT)
		return source_of_column(q, key, *column);
	switch (key->tag) {
	case TAG_NumberOfPatientRelatedStudies:
	case TAG_NumberOfPatientRelatedSeries:
	case TAG_NumberOfPatientRelatedInstances:
		return QUERY_COUNT;
	case TAG_RetrieveAETitle:
	case TAG_InstanceAvailability:
		return QUERY_CONSTANT;
	default:
		break;
	}
	if (key->tag >= LAST_HEADER_TAG)
		return QUERY_EMPTY;
	/* Nobody but their makers knows the level of private ones. */
	if (key->creator.n > 0)
		return QUERY_FILE;
	level = attribute_level(key->tag);
	if (level > q->search.level && !q->options.relational)
		return QUERY_EMPTY;
	/* Patients have no single unique key to find their instances by. */
	if (level > q->search.level && key->demands &&
	    q->search.level == LEVEL_PATIENT)
		return QUERY_EMPTY;
	return QUERY_FILE;
}

/* Wild cards and separators alone mean what they do without it. */
static bool
is_fuzzy(const struct query *q, const struct key *key)
{
	return q->options.fuzzy && key->vr == VR_PN && key->demands &&
	       !key->empty && match_kind(VR_PN, key->value) == MATCH_SINGLE &&
	       match_longest_word(key->value).n > 0;
}

static void
take_key(struct query *q, const struct key *key)
{
	struct query_key *k = &q->keys[q->key_count++];
	uint32_t last = key->tag;

	*k = (struct query_key){.key = *key};
	k->key.fuzzy = is_fuzzy(q, key);
	k->source = source_of(q, key, &k->column);
	switch (k->source) {
	case QUERY_COLUMN:
		q->search.want[k->column] = true;
		break;
	case QUERY_COUNT:
		q->counts = true;
		break;
	case QUERY_FILE:
		q->file = true;
		q->file_demands = q->file_demands || key->demands;
		q->deep =
		    q->deep || (key->demands && key->creator.n == 0 &&
				   attribute_level(key->tag) > q->search.level);
		/* A private one may be in any block. */
		if (key->creator.n > 0)
			last |= 0xff00;
		if (last >= q->stop_tag)
			q->stop_tag = last + 1;
		break;
	case QUERY_EMPTY:
		q->unsupported = true;
		break;
	case QUERY_CONSTANT:
		break;
	}
}

static void
note_odd(struct query *q, const struct key *key)
{
	if (q->wrong == NULL && key->moment == MATCH_MOMENT_WRONG)
		q->wrong = key;
	if (q->odd == NULL && key->moment == MATCH_MOMENT_LETTER)
		q->odd = key;
}

/* Of the keys that are compared, and within sequences. */
static void
find_odd(struct query *q, const struct keys *below)
{
	size_t i;

	for (i = 0; i < q->key_count; i++)
		if (q->keys[i].source != QUERY_EMPTY)
			note_odd(q, &q->keys[i].key);
	for (; below != NULL; below = below->next)
		for (i = 0; i < below->n; i++)
			note_odd(q, &below->list[i]);
}

bool
query_fail_key(const struct key *key, struct err *e)
{
	const struct dict_tag *entry = dict_tag(key->tag);
	char value[28];

	/* The comment of a response has 64 characters: what matters first. */
	return fail(e, ERR_MALFORMED, "'%s' is no %s: (%04X,%04X) %s",
	    str_printable(value, sizeof(value), key->value),
	    key->vr == VR_DA   ? "date"
	    : key->vr == VR_TM ? "time"
			       : "date and time",
	    (unsigned)TAG_GROUP(key->tag), (unsigned)TAG_ELEMENT(key->tag),
	    entry != NULL ? entry->keyword : "");
}

static bool
read_keys(
    struct arena *a, const struct dataset *ds, struct query *q, struct err *e)
{
	struct keys keys;
	size_t i;

	q->charset = dataset_str(ds, TAG_SpecificCharacterSet);
	q->stop_tag = TAG_SpecificCharacterSet + 1;
	q->zone = dataset_find(ds, TAG_TimezoneOffsetFromUTC) != NULL;
	if (q->zone) {
		q->file = true;
		q->stop_tag = TAG_TimezoneOffsetFromUTC + 1;
	}
	if (!keys_read(a, ds, q->options.empty_values, &keys, e))
		return false;
	q->keys = arena_array(a, keys.n, sizeof(*q->keys));
	if (q->keys == NULL)
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	for (i = 0; i < keys.n; i++)
		if (is_key(keys.list[i].tag))
			take_key(q, &keys.list[i]);
	find_odd(q, keys.next);
	return true;
}

/* The key of the time that belongs to a date: StudyTime to StudyDate. */
static struct query_key *
time_of(struct query *q, const struct query_key *date)
{
	const struct dict_tag *entry = dict_tag(date->key.tag), *other;
	char name[80];
	size_t n, i;

	if (entry == NULL || date->key.creator.n > 0)
		return NULL;
	n = strlen(entry->keyword);
	if (n < 4 || n >= sizeof(name) ||
	    strcmp(entry->keyword + n - 4, "Date") != 0)
		return NULL;
	memcpy(name, entry->keyword, n - 4);
	memcpy(name + n - 4, "Time", 5);
	other = dict_keyword(str_from(name));
	for (i = 0; i < q->key_count && other != NULL; i++)
		if (q->keys[i].key.tag == other->tag &&
		    q->keys[i].key.vr == VR_TM)
			return &q->keys[i];
	return NULL;
}

static bool
has_source(const struct query_key *key)
{
	return key->source == QUERY_COLUMN || key->source == QUERY_FILE;
}

/* Both ranges of the same form (PS3.4 C.2.2.2.5.4). */
static bool
same_form(struct str date, struct str time)
{
	struct str date_from, date_to, time_from, time_to;

	return match_range_split(VR_DA, date, &date_from, &date_to) &&
	       match_range_split(VR_TM, time, &time_from, &time_to) &&
	       (date_from.n > 0) == (time_from.n > 0) &&
	       (date_to.n > 0) == (time_to.n > 0);
}

static void
pair_moments(struct query *q)
{
	struct query_key *date, *time;
	size_t i;

	for (i = 0; i < q->key_count; i++) {
		date = &q->keys[i];
		if (date->key.vr != VR_DA || !date->key.demands ||
		    !has_source(date))
			continue;
		time = time_of(q, date);
		if (time == NULL || !has_source(time) ||
		    !same_form(date->key.value, time->key.value))
			continue;
		date->time = (size_t)(time - q->keys);
		date->moment = true;
		time->decided = true;
		/* A file must decide it then. */
		if (date->source == QUERY_FILE || time->source == QUERY_FILE)
			q->file_demands = true;
	}
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
name_condition(const struct key *key, struct condition *c)
{
	struct str value = key->value;

	c->a = value;
	c->kind =
	    first_wild(value) < value.n ? CONDITION_PATTERN : CONDITION_IS;
	if (!key->fuzzy)
		return;
	c->a = match_longest_word(value);
	c->kind = CONDITION_PART_BEGINS;
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

/* Several values of which any may be met: a list, where all are plain. */
static bool
list_condition(struct arena *a, struct str value, struct condition *c)
{
	struct str rest = value, part;

	if (first_wild(value) < value.n)
		while (str_split(&rest, '\\', &part))
			if (match_kind(VR_LO, part) == MATCH_UNIVERSAL)
				return false;
	return uid_condition(a, value, c) && c->list_count > 0;
}

static bool
made_condition(
    struct arena *a, enum column column, struct str value, struct condition *c)
{
	if (column != COLUMN_ModalitiesInStudy &&
	    column != COLUMN_SOPClassesInStudy)
		return false;
	if (!list_condition(a, value, c))
		return false;
	c->kind = column == COLUMN_ModalitiesInStudy ? CONDITION_MODALITY
						     : CONDITION_CLASS;
	c->a = c->list[0];
	return true;
}

static bool
is_list(struct str value)
{
	return str_find(value, '\\') < value.n;
}

/* True: *c narrows the search. */
static bool
condition_for(struct arena *a, struct query_key *key, struct condition *c)
{
	enum column_kind kind = column_info(key->column)->kind;
	struct str value = key->key.value;
	int64_t number;

	*c = (struct condition){.column = key->column};
	switch (kind) {
	case COLUMN_KIND_UID:
		key->decided = uid_condition(a, value, c);
		return key->decided && c->list_count > 0;
	case COLUMN_KIND_CODE:
	case COLUMN_KIND_TEXT:
		if (is_list(value))
			return first_wild(value) == value.n &&
			       list_condition(a, value, c);
		text_condition(key->key.vr, value, c);
		return true;
	case COLUMN_KIND_NAME:
		if (is_list(value))
			return false;
		name_condition(&key->key, c);
		return true;
	case COLUMN_KIND_DATE:
		return date_condition(a, value, c);
	case COLUMN_KIND_TIME:
		time_condition(value, c);
		return true;
	case COLUMN_KIND_INT:
		c->kind = CONDITION_IS;
		c->a = value;
		return str_i64(value, &number);
	case COLUMN_KIND_MADE:
		return made_condition(a, key->column, value, c);
	}
	return false;
}

/* Does the index know the two as one moment? */
static bool
moment_condition(struct arena *a, const struct query *q,
    const struct query_key *date, struct condition *c)
{
	const struct query_key *time = &q->keys[date->time];

	*c = (struct condition){.column = date->column};
	if (!date_condition(a, date->key.value, c))
		return false;
	if ((date->column == COLUMN_StudyDate &&
		time->column == COLUMN_StudyTime) ||
	    (date->column == COLUMN_SeriesDate &&
		time->column == COLUMN_SeriesTime)) {
		c->kind = CONDITION_DATE_TIME;
		(void)match_range_split(
		    VR_TM, time->key.value, &c->time_a, &c->time_b);
	}
	return true;
}

/* A condition for each key with a value that the index knows. */
static bool
make_conditions(struct arena *a, struct query *q, struct err *e)
{
	struct condition *conditions =
			     arena_array(a, q->key_count, sizeof(*conditions)),
			 *next;
	struct query_key *key;
	bool made;
	size_t i;

	for (i = 0; i < q->key_count && conditions != NULL; i++) {
		key = &q->keys[i];
		if (key->source != QUERY_COLUMN || key->key.value.n == 0)
			continue;
		next = &conditions[q->search.count];
		if (key->moment)
			made = moment_condition(a, q, key, next);
		else if (key->decided)
			continue;
		else
			made = condition_for(a, key, next);
		q->search.count += made;
		/* What is below is decided by the search alone. */
		if (column_info(key->column)->level <= q->search.level)
			continue;
		key->decided = true;
		if (made)
			continue;
		key->source = QUERY_EMPTY;
		q->unsupported = true;
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
	size_t level = query_top_level(q->model);

	for (; level <= q->search.level; level++)
		q->search.want[unique_keys[level]] = true;
}

bool
query_read(struct arena *a, enum query_model model,
    const struct query_options *options, struct str bytes, struct syntax syntax,
    struct query *out, struct err *e)
{
	struct dataset *ds;

	*out = (struct query){.model = model};
	if (options != NULL)
		out->options = *options;
	if (!read_identifier(a, bytes, syntax, &ds, out, e) ||
	    !read_keys(a, ds, out, e))
		return false;
	if (out->options.date_time)
		pair_moments(out);
	if (!make_conditions(a, out, e))
		return false;
	want_unique(out);
	out->search.want_file = out->file;
	out->search.want_patient = out->counts;
	out->search.relational = out->options.relational;
	return true;
}

/* A patient is an ID and its issuer. Identifiers of retrievals have no place
 * for that (PS3.4 C.4.2.1.4.1); who names it all the same means one patient. */
static void
issuer_condition(struct arena *a, const struct dataset *ds, struct str charset,
    struct query *q, struct condition *c)
{
	struct str value = str_trim(charset_to_utf8(
	    a, charset, dataset_str(ds, TAG_IssuerOfPatientID), false));

	if (value.n == 0)
		return;
	*c = (struct condition){.column = COLUMN_IssuerOfPatientID,
	    .kind = CONDITION_IS,
	    .a = value};
	q->search.count++;
}

/* Only the unique keys, and those as they stand. */
static bool
retrieve_conditions(
    struct arena *a, const struct dataset *ds, struct query *q, struct err *e)
{
	struct str charset = dataset_str(ds, TAG_SpecificCharacterSet), value;
	struct condition *c =
	    arena_array(a, ARRAY_LEN(unique_keys) + 1, sizeof(*c));
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
	if (c != NULL)
		issuer_condition(a, ds, charset, q, &c[q->search.count]);
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

bool
query_search_below(const struct query *q, struct arena *a,
    const struct index_row *row, struct search *out)
{
	const struct search *above = &q->search;
	enum column unique = unique_keys[above->level];
	struct condition *c = arena_array(a, above->count + 1, sizeof(*c));

	if (c == NULL)
		return false;
	if (above->count > 0)
		memcpy(c, above->conditions, above->count * sizeof(*c));
	c[above->count] = (struct condition){
	    .column = unique, .kind = CONDITION_IS, .a = row->value[unique]};
	*out = *above;
	out->level = LEVEL_INSTANCE;
	out->conditions = c;
	out->count++;
	out->want_file = true;
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
