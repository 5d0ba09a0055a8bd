/*
 * What patient messages do: new demographics for all items that are not over
 * and for the rows of the archive, arrival; under whom items are after merges.
 *
 * In the worklist a message is about the items with its Patient ID and issuer.
 * An issuer may be missing on either side as long as there is but one.
 */
#include "base/limit.h"
#include "store/worklist/item_inside.h"

/* Items looked up at once. */
#define ITEMS 500

bool
item_patient(struct item_effect *x, struct str id, struct str issuer,
    struct person *out, struct err *e)
{
	struct person p = {id, issuer};

	return person_resolve(x->db, x->arena, &p, out, e);
}

bool
item_came_as(struct db *db, int64_t id, struct str patient, struct str issuer,
    struct err *e)
{
	return db_exec(db,
	    "UPDATE item SET said_id = ?, said_issuer = ? WHERE id = ?",
	    DB_ARGS(db_str(patient), db_str(issuer), db_int(id)), e);
}

static bool
follow_one(struct db *db, const struct person *came, const struct person *root,
    struct err *e)
{
	return db_exec(db,
		   "UPDATE item SET said_id = PatientID,"
		   " said_issuer = IssuerOfPatientID, PatientID = ?1,"
		   " IssuerOfPatientID = ?2 WHERE PatientID = ?3"
		   " AND +IssuerOfPatientID = ?4 AND +said_id = ''",
		   DB_ARGS(db_str(root->id), db_str(root->issuer),
		       db_str(came->id), db_str(came->issuer)),
		   e) &&
	       db_exec(db,
		   "UPDATE item SET PatientID = ?1, IssuerOfPatientID = ?2"
		   " WHERE said_id = ?3 AND said_id <> '' AND said_issuer = ?4"
		   " AND (+PatientID <> ?1 OR IssuerOfPatientID <> ?2)",
		   DB_ARGS(db_str(root->id), db_str(root->issuer),
		       db_str(came->id), db_str(came->issuer)),
		   e);
}

bool
item_follow(
    struct db *db, struct arena *a, const struct person *root, struct err *e)
{
	struct person_list members;
	size_t i;

	if (root->id.n == 0)
		return true;
	if (!person_members(db, a, root, &members, e))
		return false;
	for (i = 1; i < members.n; i++)
		if (!follow_one(db, &members.v[i], root, e))
			return false;
	return members.n == 0 ||
	       db_exec(db,
		   "UPDATE item SET PatientID = said_id,"
		   " IssuerOfPatientID = said_issuer, said_id = '',"
		   " said_issuer = '' WHERE said_id = ? AND said_id <> ''"
		   " AND said_issuer = ?",
		   DB_ARGS(db_str(root->id), db_str(root->issuer)), e);
}

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

static void
take_patient(struct item *item, const struct order_value *v)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++) {
		if (!v[f].given || f == FIELD_PatientID ||
		    f == FIELD_IssuerOfPatientID)
			continue;
		if (v[f].text.n == 0 && field_info((enum field)f)->required)
			continue;
		item->value[f] = v[f].text;
	}
}

static bool
update_one(struct item_effect *x, int64_t id, struct err *e)
{
	struct arena scratch;
	struct item item;
	bool found, ok;

	arena_init(&scratch, 4 * MIB);
	ok = item_fetch(x->db, id, &scratch, &item, &found, e);
	if (ok && found) {
		take_patient(&item, x->order->patient);
		if (x->order->patient_status == STATUS_ARRIVED &&
		    item.status == STATUS_SCHEDULED)
			item.status = STATUS_ARRIVED;
		item.changed_ms = x->now_ms;
		ok = item_update(x->db, &item, e);
	}
	arena_fini(&scratch);
	return ok;
}

static bool
update_items(struct item_effect *x, const struct person *p, struct err *e)
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
			if (!update_one(x, ids[i], e))
				return false;
		after = n > 0 ? ids[n - 1] : after;
	} while (n == ITEMS);
	return true;
}

/* What the archive has of a patient too. */
static bool
correct(struct item_effect *x, struct err *e)
{
	static const enum field fields[PERSON_VALUES] = {
	    [PERSON_NAME] = FIELD_PatientName,
	    [PERSON_BIRTH] = FIELD_PatientBirthDate,
	    [PERSON_SEX] = FIELD_PatientSex,
	};
	const struct order_value *v = x->order->patient;
	struct person p =
	    person_of(v[FIELD_PatientID].text, v[FIELD_IssuerOfPatientID].text);
	struct person_values told = {0};
	size_t i;

	for (i = 0; i < PERSON_VALUES; i++) {
		told.v[i] = v[fields[i]].text;
		/* A patient has a name. */
		told.given[i] =
		    v[fields[i]].given && (i != PERSON_NAME || told.v[i].n > 0);
	}
	return person_correct(x->upsert, x->arena, &p, &told, x->journal_id, e);
}

bool
item_apply_patient(struct item_effect *x, struct err *e)
{
	const struct order_value *v = x->order->patient;
	struct person is;

	return correct(x, e) &&
	       item_patient(x, v[FIELD_PatientID].text,
		   v[FIELD_IssuerOfPatientID].text, &is, e) &&
	       update_items(x, &is, e);
}
