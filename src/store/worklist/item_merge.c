/*
 * Under whom items and exams are after merges, and with which values.
 *
 * said_id and said_issuer of an item, and said_id of an exam, are those it came
 * with while merges lead it elsewhere. What was told of the patients whom such
 * an item was led to is in table item_told: one row a field and patient, and
 * what the item itself had said under the one it came with. Its values are
 * those told along its way, and those of the end count. So an undone merge
 * gives back the item that was there before it.
 */
#include "base/limit.h"
#include "store/worklist/item_inside.h"

bool
item_patient(struct item_effect *x, struct str id, struct str issuer,
    struct person *out, struct err *e)
{
	struct person p = {id, issuer};

	return person_resolve(x->db, x->arena, &p, out, e);
}

bool
item_telling(struct db *db, int64_t id, struct item_telling *out, struct err *e)
{
	int64_t how = 0;
	bool found;

	if (!db_get_int(db,
		"SELECT iif(said_id <> '', 2, EXISTS (SELECT 1 FROM item_told"
		" WHERE item = id)) FROM item WHERE id = ?",
		DB_ARGS(db_int(id)), &how, &found, e))
		return false;
	*out = (struct item_telling){
	    .db = db, .led = how == 2, .was_led = how == 1};
	return true;
}

bool
item_told(const struct item_telling *t, const struct item *item, enum field f,
    struct str value, struct err *e)
{
	const char *name = field_info(f)->keyword;

	if (t->was_led)
		return db_exec(t->db,
		    "UPDATE item_told SET value = ? WHERE item = ?"
		    " AND field = ? AND PatientID = ?"
		    " AND IssuerOfPatientID = ?",
		    DB_ARGS(db_str(value), db_int(item->id), db_text(name),
			db_str(item->value[FIELD_PatientID]),
			db_str(item->value[FIELD_IssuerOfPatientID])),
		    e);
	return !t->led ||
	       (db_exec(t->db,
		    "INSERT INTO item_told (item, field, PatientID,"
		    " IssuerOfPatientID, value) SELECT id, ?, said_id,"
		    " said_issuer, ? FROM item WHERE id = ?"
		    " ON CONFLICT DO NOTHING",
		    DB_ARGS(db_text(name), db_str(item->value[f]),
			db_int(item->id)),
		    e) &&
		   db_exec(t->db,
		       "INSERT OR REPLACE INTO item_told (item, field,"
		       " PatientID, IssuerOfPatientID, value)"
		       " VALUES (?, ?, ?, ?, ?)",
		       DB_ARGS(db_int(item->id), db_text(name),
			   db_str(item->value[FIELD_PatientID]),
			   db_str(item->value[FIELD_IssuerOfPatientID]),
			   db_str(value)),
		       e));
}

bool
item_said_itself(struct db *db, const struct item *old, const struct item *item,
    struct err *e)
{
	int64_t one;
	bool any;
	size_t f;

	if (!db_get_int(db, "SELECT 1 FROM item_told WHERE item = ? LIMIT 1",
		DB_ARGS(db_int(item->id)), &one, &any, e))
		return false;
	for (f = 0; any && f < FIELD_COUNT; f++) {
		if (str_eq(old->value[f], item->value[f]))
			continue;
		if (!db_exec(db,
			"DELETE FROM item_told WHERE item = ? AND field = ?",
			DB_ARGS(db_int(item->id),
			    db_text(field_info((enum field)f)->keyword)),
			e))
			return false;
	}
	return true;
}

/* Exams have no issuer. */
static bool
exams_follow(struct db *db, const struct person *came,
    const struct person *root, struct err *e)
{
	if (came->issuer.n > 0 || root->issuer.n > 0)
		return true;
	return db_exec(db,
		   "UPDATE mpps SET said_id = PatientID, PatientID = ?"
		   " WHERE PatientID = ? AND +said_id = ''",
		   DB_ARGS(db_str(root->id), db_str(came->id)), e) &&
	       db_exec(db,
		   "UPDATE mpps SET PatientID = ?1 WHERE said_id = ?2"
		   " AND said_id <> '' AND +PatientID <> ?1",
		   DB_ARGS(db_str(root->id), db_str(came->id)), e);
}

static bool
items_follow(struct db *db, const struct person *came,
    const struct person *root, struct err *e)
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

static bool
go_back(struct db *db, const struct person *root, struct err *e)
{
	if (root->issuer.n == 0 &&
	    !db_exec(db,
		"UPDATE mpps SET PatientID = said_id, said_id = ''"
		" WHERE said_id = ? AND said_id <> ''",
		DB_ARGS(db_str(root->id)), e))
		return false;
	return db_exec(db,
	    "UPDATE item SET PatientID = said_id,"
	    " IssuerOfPatientID = said_issuer, said_id = '', said_issuer = ''"
	    " WHERE said_id = ? AND said_id <> '' AND said_issuer = ?",
	    DB_ARGS(db_str(root->id), db_str(root->issuer)), e);
}

/* What is known of the item by this name. */
static bool
take_told(struct db *db, struct arena *a, const struct person *p,
    struct item *item, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	enum field f;

	if (!db_query(db,
		"SELECT field, value FROM item_told WHERE item = ?"
		" AND PatientID = ? AND IssuerOfPatientID = ?",
		DB_ARGS(db_int(item->id), db_str(p->id), db_str(p->issuer)), &q,
		e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		f = field_find(db_column(q, 0));
		if (f != FIELD_COUNT)
			item->value[f] = arena_dup(a, db_column(q, 1));
	}
	if (step == DB_STEP_DONE && a->over)
		return fail(e, ERR_LIMIT, "a worklist item that is too large");
	return step == DB_STEP_DONE;
}

static bool
came_as(struct db *db, struct arena *a, const struct item *item,
    struct person *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT iif(said_id <> '', said_id, PatientID), iif(said_id <>"
		" '', said_issuer, IssuerOfPatientID) FROM item WHERE id = ?",
		DB_ARGS(db_int(item->id)), &q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_ROW) {
		out->id = arena_dup(a, db_column(q, 0));
		out->issuer = arena_dup(a, db_column(q, 1));
		db_reset(q);
	}
	return step == DB_STEP_ROW;
}

static bool
take_values(struct db *db, struct arena *a, struct item *item, struct err *e)
{
	struct person at, end;
	bool found = true;

	if (!came_as(db, a, item, &at, e) ||
	    !person_resolve(db, a, &at, &end, e))
		return false;
	while (found) {
		if (!take_told(db, a, &at, item, e))
			return false;
		/* A way round in a circle is not gone. */
		found = !person_eq(&at, &end);
		if (found && !person_next(db, a, &at, &at, &found, e))
			return false;
	}
	return true;
}

static bool
settle_one(struct db *db, int64_t id, struct err *e)
{
	static const struct item_rules none = {.uid_for = ""};
	struct arena scratch;
	struct item item;
	bool found, ok;

	arena_init(&scratch, 4 * MIB);
	ok = item_fetch(db, id, &scratch, &item, &found, e) &&
	     (!found || (take_values(db, &scratch, &item, e) &&
			    item_update(db, &none, &item, e)));
	arena_fini(&scratch);
	return ok;
}

/* Whether the item came as this one, or by a merge of his. */
static bool
came_through(struct db *db, struct arena *a, int64_t id,
    const struct person *of, bool *yes, struct err *e)
{
	struct item item = {.id = id};
	struct person at;
	bool found = true;
	size_t hop;

	*yes = false;
	if (!came_as(db, a, &item, &at, e))
		return false;
	for (hop = 0; found && hop < PERSON_HOPS && !*yes; hop++) {
		*yes = person_eq(&at, of);
		if (!*yes && !person_next(db, a, &at, &at, &found, e))
			return false;
	}
	return true;
}

/* Beside what the item said itself. */
static bool
tell(struct db *db, const struct item *item, enum field f,
    const struct person *of, struct str value, struct err *e)
{
	const char *name = field_info(f)->keyword;

	return db_exec(db,
		   "INSERT INTO item_told (item, field, PatientID,"
		   " IssuerOfPatientID, value) SELECT id, ?, said_id,"
		   " said_issuer, ? FROM item WHERE id = ?"
		   " ON CONFLICT DO NOTHING",
		   DB_ARGS(
		       db_text(name), db_str(item->value[f]), db_int(item->id)),
		   e) &&
	       db_exec(db,
		   "INSERT OR REPLACE INTO item_told (item, field, PatientID,"
		   " IssuerOfPatientID, value) VALUES (?, ?, ?, ?, ?)",
		   DB_ARGS(db_int(item->id), db_text(name), db_str(of->id),
		       db_str(of->issuer), db_str(value)),
		   e);
}

static bool
tell_all(struct db *db, int64_t id, const struct person *of,
    const struct order_value *values, struct err *e)
{
	struct arena scratch;
	struct item item;
	bool found, ok;
	size_t f;

	arena_init(&scratch, 4 * MIB);
	ok = item_fetch(db, id, &scratch, &item, &found, e);
	for (f = 0; ok && found && f < FIELD_COUNT; f++) {
		if (!values[f].given || f == FIELD_PatientID ||
		    f == FIELD_IssuerOfPatientID ||
		    (values[f].text.n == 0 &&
			field_info((enum field)f)->required))
			continue;
		ok = tell(db, &item, (enum field)f, of, values[f].text, e);
	}
	arena_fini(&scratch);
	return ok && settle_one(db, id, e);
}

static bool
tell_person(struct item_effect *x, const struct item *item,
    const struct person *of, struct err *e)
{
	static const enum field fields[PERSON_VALUES] = {
	    [PERSON_NAME] = FIELD_PatientName,
	    [PERSON_BIRTH] = FIELD_PatientBirthDate,
	    [PERSON_SEX] = FIELD_PatientSex,
	};
	struct person_values told;
	size_t i;

	if (!person_told(x->db, x->arena, of, &told, e))
		return false;
	for (i = 0; i < PERSON_VALUES; i++)
		if (told.given[i] &&
		    !tell(x->db, item, fields[i], of, told.v[i], e))
			return false;
	return true;
}

bool
item_came_as(
    struct item_effect *x, int64_t id, const struct person *came, struct err *e)
{
	struct person at = *came;
	struct item item;
	bool found;
	int hop;

	if (!db_exec(x->db,
		"UPDATE item SET said_id = ?, said_issuer = ? WHERE id = ?",
		DB_ARGS(db_str(came->id), db_str(came->issuer), db_int(id)),
		e) ||
	    !item_fetch(x->db, id, x->arena, &item, &found, e))
		return false;
	for (hop = 0; found && hop < PERSON_HOPS; hop++)
		if (!person_next(x->db, x->arena, &at, &at, &found, e) ||
		    (found && !tell_person(x, &item, &at, e)))
			return false;
	return settle_one(x->db, id, e);
}

bool
item_told_as_merged(struct item_effect *x, int64_t id, const struct person *of,
    const struct order_value *values, struct err *e)
{
	struct order_value *told =
	    arena_array(x->arena, FIELD_COUNT, sizeof(*told));
	bool yes;
	size_t f;

	if (told == NULL)
		return fail(e, ERR_LIMIT, "a message that is too large");
	for (f = 0; f < FIELD_COUNT; f++)
		told[f] = order_is_patient_field((enum field)f)
			      ? values[f]
			      : (struct order_value){0};
	return came_through(x->db, x->arena, id, of, &yes, e) &&
	       (!yes || tell_all(x->db, id, of, told, e));
}

bool
item_told_of_merged(struct item_effect *x, const struct person *of,
    const struct person *into, const struct order_value *values, struct err *e)
{
	int64_t id = 0;
	bool found, yes;

	for (;;) {
		if (!db_get_int(x->db,
			"SELECT id FROM item WHERE PatientID = ? AND id > ?"
			" AND +IssuerOfPatientID = ? AND +said_id <> ''"
			" AND status NOT IN (?, ?, ?) ORDER BY id LIMIT 1",
			DB_ARGS(db_str(into->id), db_int(id),
			    db_str(into->issuer), db_int(STATUS_COMPLETED),
			    db_int(STATUS_DISCONTINUED),
			    db_int(STATUS_CANCELED)),
			&id, &found, e))
			return false;
		if (!found)
			return true;
		if (!came_through(x->db, x->arena, id, of, &yes, e) ||
		    (yes && !tell_all(x->db, id, of, values, e)))
			return false;
	}
}

/* The values of those who are this one now, or are again. */
static bool
settle_values(struct db *db, const struct person *root, struct err *e)
{
	int64_t id = 0;
	bool found;

	for (;;) {
		if (!db_get_int(db,
			"SELECT id FROM item WHERE PatientID = ? AND id > ?"
			" AND +IssuerOfPatientID = ? AND EXISTS"
			" (SELECT 1 FROM item_told WHERE item = id)"
			" ORDER BY id LIMIT 1",
			DB_ARGS(
			    db_str(root->id), db_int(id), db_str(root->issuer)),
			&id, &found, e))
			return false;
		if (!found)
			return true;
		if (!settle_one(db, id, e))
			return false;
	}
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
		if (!exams_follow(db, &members.v[i], root, e) ||
		    !items_follow(db, &members.v[i], root, e))
			return false;
	return members.n == 0 ||
	       (go_back(db, root, e) && settle_values(db, root, e));
}
