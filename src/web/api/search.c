/*
 * Lists of patients, studies and series (F102): criteria of the query, limits
 * of what is visible, an order, and pages that go on behind their last row.
 *
 * The conditions narrow; every row is compared once more, by the rules that
 * DICOM has for keys, before it is shown. Text without wild cards fits the
 * beginning of any component of a name, and anywhere in other text (A24).
 */
#include "web/api/study.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/match.h"
#include "dicom/value.h"
#include "web/auth/access.h"

#define CONDITIONS 24
#define LIMIT_MOST 200
/* Then a page is handed out that is not full. */
#define LONG_MS   250
#define LONG_TEXT (1 * MIB)
/* Studies whose series are looked at before it is known how long they are. */
#define FIRST_STUDIES 8

struct criterion {
	const char *field;
	enum column column;
};

/* Those that are text, compared as patterns. */
static const struct criterion criteria[] = {
    {"patient_name", COLUMN_PatientName},
    {"patient_id", COLUMN_PatientID},
    {"issuer", COLUMN_IssuerOfPatientID},
    {"accession", COLUMN_AccessionNumber},
    {"institution", COLUMN_InstitutionName},
    {"referring", COLUMN_ReferringPhysicianName},
    {"description", COLUMN_StudyDescription},
};

struct query {
	struct condition conditions[CONDITIONS + ACCESS_CONDITIONS];
	struct search search;
	struct listing listing;
	struct str typed[ARRAY_LEN(criteria)], pattern[ARRAY_LEN(criteria)];
};

static bool
is_name(enum column c)
{
	return column_info(c)->kind == COLUMN_KIND_NAME;
}

static bool
has_wild(struct str s)
{
	return str_find(s, '*') < s.n || str_find(s, '?') < s.n;
}

/* The longest word of what was typed: what the index is asked for. */
static struct str
longest_word(struct str s)
{
	struct str word, best = STR("");

	while (str_split(&s, ' ', &word))
		if (word.n > best.n)
			best = word;
	return best;
}

/* What was typed as a key with wild cards. */
static struct str
pattern_of(struct arena *a, enum column column, struct str s)
{
	const char *p;

	if (has_wild(s) || s.n == 0)
		return s;
	if (is_name(column))
		return longest_word(utf8_fold(a, s));
	if (column == COLUMN_PatientID || column == COLUMN_IssuerOfPatientID)
		p = arena_printf(a, "%.*s*", STR_ARG(s));
	else
		p = arena_printf(a, "*%.*s*", STR_ARG(s));
	return str_from(p);
}

static bool
parts_names(uint8_t c)
{
	return c == '^' || c == '=' || c == ' ' || c == '-' || c == ',' ||
	       c == '\'' || c == '(';
}

/* A name as it was typed, or copied from a list: "Doe, Jane (...)". What
 * stands between its words there is no part of them. */
static struct str
typed_words(struct arena *a, struct str s)
{
	uint8_t *p;
	size_t i;

	/* Also spaces of other widths become plain ones. */
	s = utf8_fold(a, s);
	p = arena_alloc(a, s.n);
	for (i = 0; p != NULL && i < s.n; i++)
		p[i] = s.p[i] != 0 && strchr(",^=()", s.p[i]) != NULL ? ' '
								      : s.p[i];
	return str_trim(str_of(p, p != NULL ? s.n : 0));
}

/* Does some part of a folded name begin so? */
static bool
part_begins(struct str name, struct str word)
{
	size_t i;

	for (i = 0; i < name.n; i++)
		if ((i == 0 || parts_names(name.p[i - 1])) &&
		    str_starts(str_of(name.p + i, name.n - i), word))
			return true;
	return false;
}

/* Each word that was typed begins some part of the name. */
static bool
name_fits(struct arena *a, struct str typed, struct str name)
{
	struct str words = utf8_fold(a, typed), word;

	name = utf8_fold(a, name);
	while (str_split(&words, ' ', &word))
		if (word.n > 0 && !part_begins(name, word))
			return false;
	return true;
}

static void
add(struct query *q, struct condition c)
{
	must(q->search.count < CONDITIONS);
	q->conditions[q->search.count++] = c;
	q->search.want[c.column] = true;
}

/* Without letters: what does not change when it is folded is found faster. */
static bool
plain(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80 || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		    (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == ' ')
			return false;
	return true;
}

static enum condition_kind
kind_of(const struct criterion *c, struct str typed, struct str pattern)
{
	if (is_name(c->column))
		return has_wild(typed) ? CONDITION_PATTERN
				       : CONDITION_PART_BEGINS;
	return plain(pattern) ? CONDITION_PATTERN : CONDITION_FOLDED;
}

static bool
add_texts(struct call *c, struct query *q, struct err *e)
{
	struct str s;
	size_t i;

	for (i = 0; i < ARRAY_LEN(criteria); i++) {
		s = str_trim(call_field(c, criteria[i].field));
		if (s.n > 256)
			return fail(e, ERR_USAGE, "'%s' is too long",
			    criteria[i].field);
		if (is_name(criteria[i].column) && !has_wild(s))
			s = typed_words(&c->arena, s);
		q->typed[i] = s;
		s = pattern_of(&c->arena, criteria[i].column, s);
		if (s.n == 0 || str_eq_text(s, "*"))
			continue;
		q->pattern[i] = s;
		add(q, (struct condition){.column = criteria[i].column,
			   .kind = kind_of(&criteria[i], q->typed[i], s),
			   .a = s});
	}
	return true;
}

/* "2026-11-21" or "20261121" as DICOM writes it. */
static bool
take_date(struct call *c, const char *name, struct str *out, struct err *e)
{
	struct str s = str_trim(call_field(c, name));
	char *p = arena_alloc(&c->arena, 9), valid[9];
	size_t i, n = 0;

	*out = STR("");
	if (s.n == 0)
		return true;
	for (i = 0; i < s.n && p != NULL; i++) {
		if (s.p[i] == '-' && (i == 4 || i == 7))
			continue;
		if (s.p[i] < '0' || s.p[i] > '9' || n == 8)
			break;
		p[n++] = (char)s.p[i];
	}
	if (i < s.n || n != 8 || !date_parse(str_of(p, 8), valid))
		return fail(e, ERR_USAGE,
		    "'%s' must be a date such as 2026-11-21", name);
	*out = str_of(p, 8);
	return true;
}

static struct str
day(struct call *c, int ago)
{
	time_t now = (time_t)(clock_utc_ms() / 1000);
	char text[9];
	struct tm tm;

	/* The day where the server stands: DICOM's dates have no zone. */
	(void)localtime_r(&now, &tm);
	(void)strftime(text, sizeof(text), "%Y%m%d", &tm);
	/* Not so many hours ago: days have 23 and 25, too. */
	date_add(text, -ago);
	return arena_dup(&c->arena, str_from(text));
}

static bool
add_dates(struct call *c, struct query *q, struct err *e)
{
	struct str mode = call_field(c, "mode"), from, to, birth;

	if (!take_date(c, "from", &from, e) || !take_date(c, "to", &to, e) ||
	    !take_date(c, "birth_date", &birth, e))
		return false;
	if (birth.n > 0)
		add(q, (struct condition){.column = COLUMN_PatientBirthDate,
			   .kind = CONDITION_IS,
			   .a = birth});
	if (str_eq_text(mode, "today"))
		from = to = day(c, 0);
	else if (str_eq_text(mode, "yesterday"))
		from = to = day(c, 1);
	else if (str_eq_text(mode, "last7"))
		from = day(c, 6), to = STR("");
	else if (mode.n == 0 || str_eq_text(mode, "all"))
		from = to = STR("");
	else if (!str_eq_text(mode, "date"))
		return fail(e, ERR_USAGE,
		    "'mode' must be today, yesterday, last7, date or all");
	if (from.n + to.n > 0)
		add(q, (struct condition){.column = COLUMN_StudyDate,
			   .kind = CONDITION_RANGE,
			   .a = from,
			   .b = to});
	return true;
}

static void
add_codes(struct call *c, struct query *q)
{
	struct str sex = access_code(&c->arena, call_field(c, "sex"));
	struct str modality = str_trim(call_field(c, "modality"));
	struct str *either;

	if (sex.n > 0 && !str_eq_text(sex, "ALL"))
		add(q, (struct condition){.column = COLUMN_PatientSex,
			   .kind = CONDITION_IS,
			   .a = sex});
	if (modality.n == 0 || str_eq_nocase(modality, STR("all")))
		return;
	add(q, (struct condition){.column = COLUMN_ModalitiesInStudy,
		   .kind = CONDITION_MODALITY,
		   .a = access_code(&c->arena, modality)});
	either = arena_array(&c->arena, 2, sizeof(*either));
	if (either == NULL ||
	    str_eq(q->conditions[q->search.count - 1].a, modality))
		return;
	/* Some devices write small letters. */
	either[0] = q->conditions[q->search.count - 1].a;
	either[1] = modality;
	q->conditions[q->search.count - 1].list = either;
	q->conditions[q->search.count - 1].list_count = 2;
}

static bool
take_order(struct call *c, struct query *q, struct err *e)
{
	static const struct {
		const char *name;
		enum index_order order;
	} names[] = {{"date", ORDER_DATE}, {"received", ORDER_ARRIVED},
	    {"name", ORDER_NAME}, {"id", ORDER_ID}};
	struct str s = call_field(c, "sort");
	bool patients = q->search.level == LEVEL_PATIENT;
	size_t i;

	if (s.n == 0)
		s = patients ? STR("name") : STR("-date");
	if (s.p[0] == '-') {
		q->listing.descending = true;
		s = str_of(s.p + 1, s.n - 1);
	}
	for (i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_text(s, names[i].name) &&
		    !(patients && names[i].order == ORDER_DATE)) {
			q->listing.order = names[i].order;
			return true;
		}
	return fail(e, ERR_USAGE,
	    "'sort' must be %sreceived, name or id, "
	    "or one of these behind a -",
	    patients ? "" : "date, ");
}

/* What 'next' was given: the keys of the last row, for whoever asks: it may be
 * changed, and then is another place to begin. */
static bool
take_cursor(struct call *c, struct query *q, struct err *e)
{
	struct str s = call_field(c, "next"), id;

	if (s.n == 0)
		return true;
	if (!str_split(&s, '~', &id) || !str_i64(id, &q->listing.after_id) ||
	    q->listing.after_id <= 0 ||
	    !str_split(&s, '~', &q->listing.after_b) || s.p == NULL)
		return fail(e, ERR_USAGE, "'next' is none of ours");
	q->listing.after_a = s;
	return true;
}

static bool
take_query(
    struct call *c, enum index_level level, struct query *q, struct err *e)
{
	int64_t max;
	size_t n;
	int i;

	*q = (struct query){.search = {.level = level,
				.conditions = q->conditions,
				.want_patient = true}};
	for (i = 0; i < COLUMN_COUNT; i++)
		q->search.want[i] = column_info((enum column)i)->level <= level;
	if (!add_texts(c, q, e) || !add_dates(c, q, e) ||
	    !take_order(c, q, e) || !take_cursor(c, q, e) ||
	    !call_number(c, "limit", 1, LIMIT_MOST, 50, &max, e))
		return false;
	add_codes(c, q);
	q->listing.max = (size_t)max;
	access_limit(c, q->conditions + q->search.count, &n, q->search.want);
	q->search.count += n;
	for (i = 0; i < (int)q->search.count; i++)
		if (column_info(q->conditions[i].column)->level > level)
			q->search.relational = true;
	return true;
}

static bool
text_fits(struct call *c, const struct query *q, size_t i, struct str value)
{
	struct arena *a = &c->arena;

	if (!is_name(criteria[i].column))
		return match_wild(
		    utf8_fold(a, q->pattern[i]), utf8_fold(a, value));
	return has_wild(q->typed[i])
		   ? match_value(a, VR_PN, q->pattern[i], value)
		   : name_fits(a, q->typed[i], value);
}

/* Is the row what was asked for? The index may be less exact. */
static bool
row_fits(struct call *c, const struct query *q, const struct index_row *row)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(criteria); i++)
		if (q->pattern[i].p != NULL &&
		    !text_fits(c, q, i, row->value[criteria[i].column]))
			return false;
	return true;
}

typedef bool row_fn(
    struct call *c, struct json *j, const struct index_row *row, struct err *e);

static void
put_next(struct call *c, struct json *j, const struct listing *last)
{
	const char *p = NULL;

	if (last->after_id != 0)
		p = arena_printf(&c->arena, "%lld~%.*s~%.*s",
		    (long long)last->after_id, STR_ARG(last->after_b),
		    STR_ARG(last->after_a));
	json_key(j, "next");
	json_text(j, p != NULL ? p : "");
}

static bool
put_patient(
    struct call *c, struct json *j, const struct index_row *row, struct err *e)
{
	(void)c;
	(void)e;
	study_put_patient(j, row);
	return true;
}

static bool
put_study(
    struct call *c, struct json *j, const struct index_row *row, struct err *e)
{
	(void)c;
	(void)e;
	study_put(j, row);
	return true;
}

/* The series of the study that fits; of a modality, if one is asked for. */
static bool
put_series(
    struct call *c, struct json *j, const struct index_row *row, struct err *e)
{
	struct str modality = call_field(c, "modality");

	if (str_eq_nocase(modality, STR("all")))
		modality = STR("");
	return study_put_all_series(c, j, row, modality, true, e);
}

static bool
answer(struct call *c, struct reply *r, enum index_level level,
    const char *name, row_fn *put, struct err *e)
{
	struct json *j = reply_json(r);
	struct query *q = arena_alloc(&c->arena, sizeof(*q));
	struct listing last;
	struct index_row *rows;
	int64_t began_ms = clock_mono_ms();
	size_t n, i, shown = 0, max, batch;

	if (q == NULL)
		return fail(e, ERR_LIMIT, "the query is too large");
	if (!take_query(c, level, q, e))
		return false;
	max = q->listing.max;
	batch = put == put_series ? FIRST_STUDIES : max;
	json_object(j);
	json_key(j, name);
	json_array(j);
	do {
		q->listing.max = max - shown < batch ? max - shown : batch;
		batch *= 2;
		if (!index_list(c->store, &q->search, &q->listing, &c->arena,
			&rows, &n, &last, e))
			return false;
		for (i = 0; i < n; i++) {
			if (!row_fits(c, q, &rows[i]) ||
			    !access_sees_row(c, level, &rows[i]))
				continue;
			if (!put(c, j, &rows[i], e))
				return false;
			shown++;
		}
		q->listing.after_id = last.after_id;
		q->listing.after_a = last.after_a;
		q->listing.after_b = last.after_b;
	} while (shown < max && last.after_id != 0 && r->body.n < LONG_TEXT &&
		 clock_mono_ms() - began_ms < LONG_MS);
	json_end_array(j);
	put_next(c, j, &last);
	json_end_object(j);
	return true;
}

bool
search_patients(struct call *c, struct reply *r, struct err *e)
{
	return answer(c, r, LEVEL_PATIENT, "patients", put_patient, e);
}

bool
search_studies(struct call *c, struct reply *r, struct err *e)
{
	return answer(c, r, LEVEL_STUDY, "studies", put_study, e);
}

bool
search_series(struct call *c, struct reply *r, struct err *e)
{
	return answer(c, r, LEVEL_STUDY, "series", put_series, e);
}
