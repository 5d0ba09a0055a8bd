/*
 * Studies and their series, see study.h.
 */
#include "web/api/study.h"

#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/match.h"
#include "web/auth/access.h"

static void
put_text(struct json *j, const char *key, struct str value)
{
	json_key(j, key);
	json_str(j, value);
}

static bool
digits(struct str s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (i >= s.n || s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

/* Two or four digits, and what parts them from the next. */
static char *
put_part(char *to, const uint8_t *from, size_t n, char behind)
{
	memcpy(to, from, n);
	to[n] = behind;
	return to + n + 1;
}

/* ISO 8601; what is no date of DICOM stays as it is. */
static void
put_date(struct json *j, const char *key, struct str s)
{
	char text[11], *p;

	if (s.n != 8 || !digits(s, 8)) {
		put_text(j, key, s);
		return;
	}
	p = put_part(text, s.p, 4, '-');
	p = put_part(p, s.p + 4, 2, '-');
	(void)put_part(p, s.p + 6, 2, '\0');
	json_key(j, key);
	json_text(j, text);
}

static void
put_time(struct json *j, const char *key, struct str s)
{
	const uint8_t *seconds = (const uint8_t *)"00";
	char text[9], *p;

	if (!digits(s, 4)) {
		put_text(j, key, s);
		return;
	}
	if (digits(s, 6))
		seconds = s.p + 4;
	p = put_part(text, s.p, 2, ':');
	p = put_part(p, s.p + 2, 2, ':');
	(void)put_part(p, seconds, 2, '\0');
	json_key(j, key);
	json_text(j, text);
}

/* PS3.5 6.2.1.1: groups with =, components with ^. As people read it:
 * "Family, Given Middle", the first group that says something, and the others
 * behind it. */
static void
put_name(struct json *j, const char *key, struct str name)
{
	struct str group, rest = name, part;
	bool first_group = true;
	struct buf out;
	size_t from;
	int i;

	/* "^" and "=" become two bytes or three, at most. */
	buf_init(&out, 3 * name.n + 8);
	while (str_split(&rest, '=', &group)) {
		if (str_trim(group).n == 0)
			continue;
		if (!first_group)
			buf_text(&out, " (");
		from = out.n;
		for (i = 0; i < 5 && str_split(&group, '^', &part); i++) {
			part = str_trim(part);
			if (part.n == 0)
				continue;
			if (out.n > from)
				buf_text(&out, i == 1 ? ", " : " ");
			buf_add(&out, part);
		}
		if (!first_group)
			buf_text(&out, ")");
		first_group = false;
	}
	put_text(j, key, buf_str(&out));
	buf_fini(&out);
}

static void
put_list(struct json *j, const char *key, struct str value)
{
	struct str part;

	json_key(j, key);
	json_array(j);
	while (value.n > 0 && str_split(&value, '\\', &part))
		if (str_trim(part).n > 0)
			json_str(j, str_trim(part));
	json_end_array(j);
}

static void
put_number(struct json *j, const char *key, struct str value)
{
	int64_t n = 0;

	(void)!str_i64(value, &n);
	json_key(j, key);
	json_i64(j, n);
}

static void
put_person(struct json *j, const struct index_row *row)
{
	json_key(j, "key");
	json_i64(j, row->patient);
	put_text(j, "patient_id", row->value[COLUMN_PatientID]);
	put_text(j, "issuer", row->value[COLUMN_IssuerOfPatientID]);
	put_name(j, "patient_name", row->value[COLUMN_PatientName]);
	put_date(j, "birth_date", row->value[COLUMN_PatientBirthDate]);
	put_text(j, "sex", row->value[COLUMN_PatientSex]);
}

void
study_put_patient(struct json *j, const struct index_row *row)
{
	json_object(j);
	put_person(j, row);
	json_end_object(j);
}

void
study_put(struct json *j, const struct index_row *row)
{
	const struct str *v = row->value;

	json_object(j);
	put_text(j, "uid", v[COLUMN_StudyInstanceUID]);
	put_person(j, row);
	put_text(j, "study_id", v[COLUMN_StudyID]);
	put_date(j, "date", v[COLUMN_StudyDate]);
	put_time(j, "time", v[COLUMN_StudyTime]);
	put_text(j, "accession", v[COLUMN_AccessionNumber]);
	put_text(j, "description", v[COLUMN_StudyDescription]);
	put_name(j, "referring", v[COLUMN_ReferringPhysicianName]);
	put_text(j, "institution", v[COLUMN_InstitutionName]);
	put_list(j, "modalities", v[COLUMN_ModalitiesInStudy]);
	put_number(j, "series", v[COLUMN_NumberOfStudyRelatedSeries]);
	put_number(j, "instances", v[COLUMN_NumberOfStudyRelatedInstances]);
	json_end_object(j);
}

void
study_put_series(
    struct json *j, const struct index_row *row, const struct index_row *study)
{
	const struct str *v = row->value;

	json_object(j);
	put_text(j, "uid", v[COLUMN_SeriesInstanceUID]);
	put_text(j, "number", v[COLUMN_SeriesNumber]);
	put_text(j, "modality", v[COLUMN_Modality]);
	put_date(j, "date", v[COLUMN_SeriesDate]);
	put_time(j, "time", v[COLUMN_SeriesTime]);
	put_text(j, "description", v[COLUMN_SeriesDescription]);
	put_text(j, "body_part", v[COLUMN_BodyPartExamined]);
	put_text(j, "station", v[COLUMN_StationName]);
	put_number(j, "instances", v[COLUMN_NumberOfSeriesRelatedInstances]);
	if (study != NULL) {
		json_key(j, "study");
		study_put(j, study);
	}
	json_end_object(j);
}

bool
study_show(struct call *c, struct reply *r, struct err *e)
{
	struct index_row row;

	if (!access_study(c, call_param(c, "study"), &row, e))
		return false;
	study_put(reply_json(r), &row);
	return true;
}

bool
study_put_all_series(struct call *c, struct json *j,
    const struct index_row *study, struct str modality, bool whole,
    struct err *e)
{
	struct condition is = {.column = COLUMN_StudyInstanceUID,
	    .kind = CONDITION_IS,
	    .a = study->value[COLUMN_StudyInstanceUID]};
	struct search search = {
	    .level = LEVEL_SERIES, .conditions = &is, .count = 1};
	struct index_row *rows;
	int64_t after = 0;
	size_t n, i;

	modality = utf8_fold(&c->arena, modality);
	for (i = 0; i < COLUMN_COUNT; i++)
		search.want[i] =
		    column_info((enum column)i)->level == LEVEL_SERIES;
	do {
		if (!index_search(
			c->store, &search, after, &c->arena, &rows, &n, e))
			return false;
		for (i = 0; i < n; i++)
			if (modality.n == 0 ||
			    match_wild(
				modality, utf8_fold(&c->arena,
					      rows[i].value[COLUMN_Modality])))
				study_put_series(
				    j, &rows[i], whole ? study : NULL);
		after = n > 0 ? rows[n - 1].id : 0;
	} while (n == LIMIT_ROWS);
	return true;
}

bool
study_series(struct call *c, struct reply *r, struct err *e)
{
	struct index_row study = {
	    .value[COLUMN_StudyInstanceUID] = call_param(c, "study")};
	struct json *j = reply_json(r);

	json_object(j);
	json_key(j, "series");
	json_array(j);
	if (!study_put_all_series(c, j, &study, STR(""), false, e))
		return false;
	json_end_array(j);
	json_end_object(j);
	return true;
}

/* IDs of those who are asked for by key: who has none, and what no browser
 * leaves in an address (RFC 3986 5.2.4, also percent-encoded). */
static const struct str keyed[] = {STR(""), STR("."), STR("..")};

bool
study_patient_is(struct call *c, struct str id,
    struct condition out[PATIENT_CONDITIONS], size_t *n, struct err *e)
{
	struct str issuer = call_field(c, "issuer");
	struct str key = call_field(c, "key");

	*n = 0;
	if (key.p != NULL) {
		out[(*n)++] = (struct condition){
		    .column = COLUMN_PatientID, .kind = CONDITION_ROW};
		/* Rows are numbered anew with the index: never another's. */
		out[(*n)++] = (struct condition){.column = COLUMN_PatientID,
		    .kind = CONDITION_ANY_OF,
		    .list = keyed,
		    .list_count = ARRAY_LEN(keyed)};
		return (str_i64(key, &out[0].row) && out[0].row > 0) ||
		       fail(e, ERR_USAGE,
			   "'key' is what a list of patients gave");
	}
	out[(*n)++] = (struct condition){
	    .column = COLUMN_PatientID, .kind = CONDITION_IS, .a = id};
	if (issuer.p != NULL)
		out[(*n)++] =
		    (struct condition){.column = COLUMN_IssuerOfPatientID,
			.kind = CONDITION_IS,
			.a = issuer};
	return true;
}

bool
study_of_patient(struct call *c, struct reply *r, struct err *e)
{
	struct condition conditions[PATIENT_CONDITIONS + ACCESS_CONDITIONS];
	struct search search = {.level = LEVEL_STUDY,
	    .conditions = conditions,
	    .want_patient = true};
	struct json *j = reply_json(r);
	struct index_row *rows;
	int64_t after = 0;
	size_t n, i, shown = 0;

	if (!study_patient_is(
		c, call_param(c, "patient"), conditions, &search.count, e))
		return false;
	for (i = 0; i < COLUMN_COUNT; i++)
		search.want[i] =
		    column_info((enum column)i)->level <= LEVEL_STUDY;
	access_limit(c, conditions + search.count, &n, search.want);
	search.count += n;
	json_object(j);
	json_key(j, "studies");
	json_array(j);
	do {
		if (!index_search(
			c->store, &search, after, &c->arena, &rows, &n, e))
			return false;
		for (i = 0; i < n; i++)
			if (access_sees(c, &rows[i])) {
				study_put(j, &rows[i]);
				shown++;
			}
		after = n > 0 ? rows[n - 1].id : 0;
	} while (n == LIMIT_ROWS);
	json_end_array(j);
	json_end_object(j);
	return shown > 0 || fail(e, ERR_MISSING, "there is no such patient");
}
