/*
 * Rows of table patient that are made from what the files say (patient_said)
 * and from what was told (person.c).
 *
 * Each value is that of the first of these that has one: what was told of the
 * person, what the files say of him, and then the same of those merged into
 * him, in the order of their IDs.
 */
#include "base/limit.h"
#include "store/index/attribute.h"
#include "store/index/person_inside.h"

static bool
said_id(struct db *db, const struct person *p, int64_t *id, struct err *e)
{
	bool found;

	*id = 0;
	return db_get_int(db,
	    "SELECT id FROM patient_said WHERE PatientID = ?"
	    " AND IssuerOfPatientID = ?",
	    DB_ARGS(db_str(p->id), db_str(p->issuer)), id, &found, e);
}

static bool
involve_row(
    struct db *db, const struct person *p, int64_t patient, struct err *e)
{
	int64_t said;

	return db_exec(db,
		   "INSERT OR IGNORE INTO patient_said (PatientID,"
		   " IssuerOfPatientID, PatientName, PatientBirthDate,"
		   " PatientSex) SELECT PatientID, IssuerOfPatientID,"
		   " PatientName, PatientBirthDate, PatientSex FROM patient"
		   " WHERE id = ?",
		   DB_ARGS(db_int(patient)), e) &&
	       said_id(db, p, &said, e) &&
	       db_exec(db,
		   "UPDATE study SET said = ? WHERE patient = ? AND said = 0",
		   DB_ARGS(db_int(said), db_int(patient)), e);
}

/* One whose studies say themselves that they are his. */
static bool
uninvolved(struct db *db, struct arena *a, struct str id, struct person *out,
    int64_t *patient, bool *found, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*found = false;
	if (!db_query(db,
		"SELECT p.id, p.IssuerOfPatientID FROM patient p"
		" WHERE p.PatientID = ? AND p.PatientID <> '' AND EXISTS"
		" (SELECT 1 FROM study s WHERE s.patient = p.id"
		"  AND +s.said = 0) LIMIT 1",
		DB_ARGS(db_str(id)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	*patient = db_column_int(q, 0);
	*out = (struct person){id, arena_dup(a, db_column(q, 1))};
	db_reset(q);
	*found = true;
	return !a->over || fail(e, ERR_LIMIT, "an issuer too long");
}

bool
person_involve(struct db *db, struct arena *a, struct str id, struct err *e)
{
	struct person p;
	int64_t patient;
	bool found;

	do {
		if (!uninvolved(db, a, id, &p, &patient, &found, e) ||
		    (found && !involve_row(db, &p, patient, e)))
			return false;
	} while (found);
	return true;
}

/* What the files say of this one. */
static bool
read_said(struct db *db, struct arena *a, const struct person *p,
    struct person_values *out, bool *there, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	size_t i;

	*out = (struct person_values){0};
	*there = false;
	if (!db_query(db,
		"SELECT PatientName, PatientBirthDate, PatientSex"
		" FROM patient_said WHERE PatientID = ?"
		" AND IssuerOfPatientID = ?",
		DB_ARGS(db_str(p->id), db_str(p->issuer)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	for (i = 0; i < PERSON_VALUES; i++) {
		out->v[i] = arena_dup(a, db_column(q, (int)i));
		out->given[i] = out->v[i].n > 0;
	}
	db_reset(q);
	*there = true;
	return !a->over || fail(e, ERR_LIMIT, "a patient with too long a name");
}

static void
complete(struct person_values *v, const struct person_values *more)
{
	size_t i;

	for (i = 0; i < PERSON_VALUES; i++) {
		if (v->given[i] || !more->given[i])
			continue;
		v->given[i] = true;
		v->v[i] = more->v[i];
	}
}

static int
by_id(const void *x, const void *y)
{
	const struct person *a = x, *b = y;
	int order = str_cmp(a->id, b->id);

	return order != 0 ? order : str_cmp(a->issuer, b->issuer);
}

static bool
gather(struct db *db, struct arena *a, struct person_list *members,
    struct person_values *out, struct err *e)
{
	struct person_values told, said;
	bool there;
	size_t i;

	*out = (struct person_values){0};
	if (members->n > 1)
		qsort(
		    members->v + 1, members->n - 1, sizeof(*members->v), by_id);
	for (i = 0; i < members->n; i++) {
		if (!read_said(db, a, &members->v[i], &said, &there, e))
			return false;
		if (i > 0 && !there)
			continue;
		if (!person_told(db, a, &members->v[i], &told, e))
			return false;
		complete(out, &told);
		complete(out, &said);
	}
	return true;
}

static bool
write_names(struct db *db, struct arena *a, int64_t patient, struct str name,
    struct err *e)
{
	return upsert_add_names(
	    db, WORD_PATIENT_NAME, patient, name_keys(a, name), e);
}

static bool
insert_row(struct db *db, struct arena *a, const struct person *root,
    const struct person_values *v, int64_t *patient, struct err *e)
{
	if (!db_exec(db,
		"INSERT INTO patient (PatientID, IssuerOfPatientID, identity,"
		" PatientName, PatientBirthDate, PatientSex)"
		" VALUES (?, ?, '', ?, ?, ?)",
		DB_ARGS(db_str(root->id), db_str(root->issuer),
		    db_str(v->v[PERSON_NAME]), db_str(v->v[PERSON_BIRTH]),
		    db_str(v->v[PERSON_SEX])),
		e))
		return false;
	*patient = db_last_id(db);
	return word_add(db, WORD_PATIENT_ID, root->id, e) &&
	       write_names(db, a, *patient, v->v[PERSON_NAME], e);
}

static bool
update_row(struct db *db, struct arena *a, int64_t patient,
    const struct person_values *v, bool name, struct err *e)
{
	if (!db_exec(db,
		"UPDATE patient SET PatientName = ?, PatientBirthDate = ?,"
		" PatientSex = ? WHERE id = ?",
		DB_ARGS(db_str(v->v[PERSON_NAME]), db_str(v->v[PERSON_BIRTH]),
		    db_str(v->v[PERSON_SEX]), db_int(patient)),
		e))
		return false;
	return !name || (upsert_drop_names(db, patient, e) &&
			    write_names(db, a, patient, v->v[PERSON_NAME], e));
}

static bool
put_row(struct db *db, struct arena *a, const struct person *root,
    const struct person_values *v, int64_t *patient, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	bool name, others;

	if (!db_query(db,
		"SELECT id, PatientName, PatientBirthDate, PatientSex"
		" FROM patient WHERE PatientID = ? AND IssuerOfPatientID = ?"
		" AND identity = ''",
		DB_ARGS(db_str(root->id), db_str(root->issuer)), &q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_FAILED)
		return false;
	if (step == DB_STEP_DONE)
		return insert_row(db, a, root, v, patient, e);
	*patient = db_column_int(q, 0);
	name = !str_eq(db_column(q, 1), v->v[PERSON_NAME]);
	others = !str_eq(db_column(q, 2), v->v[PERSON_BIRTH]) ||
		 !str_eq(db_column(q, 3), v->v[PERSON_SEX]);
	db_reset(q);
	return (!name && !others) || update_row(db, a, *patient, v, name, e);
}

static bool
make_row(struct db *db, struct arena *a, const struct person *root,
    struct person_list *members, int64_t *patient, struct err *e)
{
	struct person_values v;

	return gather(db, a, members, &v, e) &&
	       put_row(db, a, root, &v, patient, e);
}

bool
person_row(struct db *db, struct arena *a, const struct person *root,
    int64_t *patient, struct err *e)
{
	struct person_list members;

	return person_members(db, a, root, &members, e) &&
	       make_row(db, a, root, &members, patient, e);
}

bool
person_prune(struct db *db, const struct person *root, struct err *e)
{
	int64_t id;
	bool found;

	if (!db_get_int(db,
		"SELECT id FROM patient WHERE PatientID = ?"
		" AND IssuerOfPatientID = ? AND identity = ''",
		DB_ARGS(db_str(root->id), db_str(root->issuer)), &id, &found,
		e))
		return false;
	return !found || upsert_prune_patient(db, id, e);
}

/* The rows of patient_said about these, as far as there are any. */
static bool
said_ids(struct db *db, struct arena *a, const struct person_list *members,
    int64_t **ids, size_t *n, struct err *e)
{
	size_t i;

	*n = 0;
	*ids = arena_array(a, members->n, sizeof(**ids));
	if (*ids == NULL && members->n > 0)
		return fail(e, ERR_LIMIT, "too many merges at once");
	for (i = 0; i < members->n; i++) {
		if (!said_id(db, &members->v[i], &(*ids)[*n], e))
			return false;
		*n += (*ids)[*n] != 0;
	}
	return true;
}

bool
person_refresh(
    struct db *db, struct arena *a, const struct person *root, struct err *e)
{
	struct person_list members;
	int64_t patient, *said;
	size_t i, n;

	if (root->id.n == 0)
		return true;
	if (!person_members(db, a, root, &members, e) ||
	    !said_ids(db, a, &members, &said, &n, e))
		return false;
	if (n == 0)
		return person_prune(db, root, e);
	if (!make_row(db, a, root, &members, &patient, e))
		return false;
	for (i = 0; i < n; i++)
		if (!db_exec(db,
			"UPDATE study SET patient = ?1 WHERE said = ?2"
			" AND said <> 0 AND +patient <> ?1",
			DB_ARGS(db_int(patient), db_int(said[i])), e))
			return false;
	return true;
}

/* Whom a row of patient_said is about. */
static bool
said_who(struct db *db, struct arena *a, int64_t said, struct person *out,
    bool *found, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*found = false;
	if (!db_query(db,
		"SELECT PatientID, IssuerOfPatientID FROM patient_said"
		" WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM study"
		" WHERE said = ?1 AND said <> 0)",
		DB_ARGS(db_int(said)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	out->id = arena_dup(a, db_column(q, 0));
	out->issuer = arena_dup(a, db_column(q, 1));
	db_reset(q);
	*found = true;
	return true;
}

bool
person_unsaid(struct db *db, int64_t said, struct err *e)
{
	struct person p, root;
	struct arena a;
	bool found, ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = said_who(db, &a, said, &p, &found, e);
	if (ok && found)
		ok = db_exec(db, "DELETE FROM patient_said WHERE id = ?",
			 DB_ARGS(db_int(said)), e) &&
		     person_resolve(db, &a, &p, &root, e) &&
		     person_refresh(db, &a, &root, e);
	arena_fini(&a);
	return ok;
}
