/*
 * What patient messages do: new demographics for all items that are not over
 * and for the rows of the archive, arrival.
 *
 * In the worklist a message is about the items with its Patient ID and issuer.
 * An issuer may be missing on either side as long as there is but one.
 */
#include "base/limit.h"
#include "store/worklist/item_inside.h"

#include <time.h>

/* Items looked up at once. */
#define ITEMS 500
/* Who comes so long before or after the time is expected, on another day too.
 */
#define DUE_S (6 * 3600)

/* Whether an item without issuer, or one with an issuer if the message has
 * none, can only be of this patient. */
static bool
one_issuer(
    struct item_effect *x, const struct person *p, bool *one, struct err *e)
{
	int64_t others = 0;
	bool found;

	if (!db_get_int(x->db,
		"SELECT count(DISTINCT IssuerOfPatientID) FROM item"
		" WHERE PatientID = ? AND +IssuerOfPatientID NOT IN ('', ?)",
		DB_ARGS(db_str(p->id), db_str(p->issuer)), &others, &found, e))
		return false;
	*one = others <= (p->issuer.n == 0 ? 1 : 0);
	return true;
}

static bool
open_items(struct item_effect *x, const struct person *p, bool lenient,
    int64_t after, int64_t *ids, size_t *n, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*n = 0;
	if (!db_query(x->db,
		"SELECT id FROM item WHERE PatientID = ?1 AND id > ?2"
		" AND (+IssuerOfPatientID = ?3 OR (?4 AND"
		" (+IssuerOfPatientID = '' OR ?3 = '')))"
		" AND status NOT IN (?5, ?6, ?7) ORDER BY id LIMIT ?8",
		DB_ARGS(db_str(p->id), db_int(after), db_str(p->issuer),
		    db_int(lenient), db_int(STATUS_COMPLETED),
		    db_int(STATUS_DISCONTINUED), db_int(STATUS_CANCELED),
		    db_int(ITEMS)),
		&q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		ids[(*n)++] = db_column_int(q, 0);
	return step == DB_STEP_DONE;
}

static bool
take_patient(struct item *item, const struct order_value *v,
    const struct item_telling *told, struct err *e)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++) {
		if (!v[f].given || f == FIELD_PatientID ||
		    f == FIELD_IssuerOfPatientID)
			continue;
		if (v[f].text.n == 0 && field_info((enum field)f)->required)
			continue;
		if (!item_told(told, item, (enum field)f, v[f].text, e))
			return false;
		item->value[f] = v[f].text;
	}
	return true;
}

static int
two_digits(struct str s, size_t at)
{
	uint64_t n;

	return at + 2 <= s.n && str_u64(str_of(s.p + at, 2), &n) ? (int)n : 0;
}

/* Whether who comes now comes for this step: one of today, of a few hours
 * around midnight, or of no date (A29). Dates are those of the place. */
static bool
is_due(const struct item *item, int64_t now_ms)
{
	struct str date =
	    str_trim(item->value[FIELD_ScheduledProcedureStepStartDate]);
	struct str start =
	    str_trim(item->value[FIELD_ScheduledProcedureStepStartTime]);
	time_t now = (time_t)(now_ms / 1000), at;
	uint64_t year;
	char today[9];
	struct tm t;

	if (date.n == 0)
		return true;
	must(localtime_r(&now, &t) != NULL);
	must(strftime(today, sizeof(today), "%Y%m%d", &t) > 0);
	if (str_eq_text(date, today))
		return true;
	if (date.n != 8 || start.n < 2 || !str_u64(str_of(date.p, 4), &year))
		return false;
	t = (struct tm){.tm_year = (int)year - 1900,
	    .tm_mon = two_digits(date, 4) - 1,
	    .tm_mday = two_digits(date, 6),
	    .tm_hour = two_digits(start, 0),
	    .tm_min = two_digits(start, 2),
	    .tm_isdst = -1};
	at = mktime(&t);
	return at > now - DUE_S && at < now + DUE_S;
}

/* The same for all items of a patient. */
struct news {
	const struct order_value *values;
	enum order_status status;
};

static bool
update_one(
    struct item_effect *x, const struct news *news, int64_t id, struct err *e)
{
	struct item_telling told;
	struct arena scratch;
	struct item item;
	bool found, ok;

	arena_init(&scratch, 4 * MIB);
	ok = item_fetch(x->db, id, &scratch, &item, &found, e);
	if (ok && found) {
		if (news->status == STATUS_ARRIVED &&
		    item.status == STATUS_SCHEDULED && is_due(&item, x->now_ms))
			item.status = STATUS_ARRIVED;
		item.changed_ms = x->now_ms;
		ok = item_telling(x->db, id, &told, e) &&
		     take_patient(&item, news->values, &told, e) &&
		     item_update(x->db, x->rules, &item, e);
	}
	arena_fini(&scratch);
	return ok;
}

static bool
update_items(struct item_effect *x, const struct person *p,
    const struct news *news, struct err *e)
{
	int64_t after = 0, ids[ITEMS];
	bool lenient;
	size_t i, n;

	if (!one_issuer(x, p, &lenient, e))
		return false;
	do {
		if (!open_items(x, p, lenient, after, ids, &n, e))
			return false;
		for (i = 0; i < n; i++)
			if (!update_one(x, news, ids[i], e))
				return false;
		after = n > 0 ? ids[n - 1] : after;
	} while (n == ITEMS);
	return true;
}

/* What the archive has of a patient too. */
static bool
correct(struct item_effect *x, const struct person *p,
    const struct order_value *v, struct err *e)
{
	static const enum field fields[PERSON_VALUES] = {
	    [PERSON_NAME] = FIELD_PatientName,
	    [PERSON_BIRTH] = FIELD_PatientBirthDate,
	    [PERSON_SEX] = FIELD_PatientSex,
	};
	struct person_values told = {0};
	size_t i;

	for (i = 0; i < PERSON_VALUES; i++) {
		told.v[i] = v[fields[i]].text;
		/* A patient has a name. */
		told.given[i] =
		    v[fields[i]].given && (i != PERSON_NAME || told.v[i].n > 0);
	}
	return person_correct(x->upsert, x->arena, p, &told, x->journal_id, e);
}

bool
item_demographics(struct item_effect *x, const struct person *p,
    const struct order_value *values, enum order_status status, struct err *e)
{
	static const struct order_value none[FIELD_COUNT];
	struct news news = {values, status};
	struct person is;

	if (!correct(x, p, values, e) ||
	    !item_patient(x, p->id, p->issuer, &is, e))
		return false;
	if (!person_eq(&is, p)) {
		if (!item_told_of_merged(x, p, &is, values, e))
			return false;
		/* He comes all the same. */
		news.values = none;
		if (status == STATUS_NONE)
			return true;
	}
	return update_items(x, &is, &news, e);
}

bool
item_apply_patient(struct item_effect *x, struct err *e)
{
	const struct order_value *v = x->order->patient;
	struct person p =
	    person_of(v[FIELD_PatientID].text, v[FIELD_IssuerOfPatientID].text);

	return item_demographics(x, &p, v, x->order->patient_status, e);
}
