/*
 * Taking an instance out of the index, or a whole study, and the lists of a
 * study made anew.
 */
#include "store/index/upsert.h"

#include "base/limit.h"
#include "base/buf.h"
#include "store/index/attribute.h"
#include "store/index/person_inside.h"

struct owners {
	int64_t series, study, patient, said, size;
};

static bool
find_owners(struct db *db, int64_t instance, struct owners *o, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*o = (struct owners){0};
	if (!db_query(db,
		"SELECT i.series, e.study, s.patient, i.size, s.said"
		" FROM instance i"
		" JOIN series e ON e.id = i.series"
		" JOIN study s ON s.id = e.study WHERE i.id = ?",
		DB_ARGS(db_int(instance)), &q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_DONE)
		return fail(e, ERR_MISSING, "no such instance in the index");
	if (step == DB_STEP_FAILED)
		return false;
	o->series = db_column_int(q, 0);
	o->study = db_column_int(q, 1);
	o->patient = db_column_int(q, 2);
	o->size = db_column_int(q, 3);
	o->said = db_column_int(q, 4);
	db_reset(q);
	return true;
}

/* The values of a query, in its order, separated by backslashes. */
static bool
join(struct db *db, const char *sql, int64_t id, struct buf *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	struct str value;

	buf_clear(out);
	if (!db_query(db, sql, DB_ARGS(db_int(id)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		value = db_column(q, 0);
		if (out->n + value.n + 2 > UPSERT_LIST_MAX)
			continue;
		if (out->n > 0)
			buf_u8(out, '\\');
		buf_add(out, value);
	}
	return step == DB_STEP_DONE;
}

static bool
renew_lists(struct db *db, int64_t study, struct err *e)
{
	struct buf modalities, classes;
	bool ok;

	buf_init(&modalities, UPSERT_LIST_MAX);
	buf_init(&classes, UPSERT_LIST_MAX);
	ok = join(db,
		 "SELECT DISTINCT Modality FROM series WHERE study = ?"
		 " AND Modality <> '' ORDER BY Modality",
		 study, &modalities, e) &&
	     join(db,
		 "SELECT DISTINCT i.SOPClassUID FROM series e"
		 " JOIN instance i ON i.series = e.id WHERE e.study = ?"
		 " AND i.SOPClassUID <> '' ORDER BY i.SOPClassUID",
		 study, &classes, e) &&
	     db_exec(db,
		 "UPDATE study SET ModalitiesInStudy = ?, SOPClassesInStudy = ?"
		 " WHERE id = ?",
		 DB_ARGS(db_str(buf_str(&modalities)),
		     db_str(buf_str(&classes)), db_int(study)),
		 e);
	buf_fini(&modalities);
	buf_fini(&classes);
	return ok;
}

/* Values that go with a row, to be dropped as words once it is gone. */
struct values {
	struct arena arena;
	struct {
		enum word_kind kind;
		struct str value;
	} * v;
	size_t n, room;
};

static bool
values_add(struct values *w, enum word_kind kind, struct str value)
{
	if (w->n == w->room) {
		w->room = w->room == 0 ? 8 : 2 * w->room;
		w->v = must_realloc(w->v, w->room * sizeof(*w->v));
	}
	w->v[w->n].kind = kind;
	w->v[w->n++].value = arena_dup(&w->arena, value);
	return !w->arena.over;
}

/* Rows of kind and value. */
static bool
values_read(
    struct values *w, struct db *db, const char *sql, int64_t id, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db, sql, DB_ARGS(db_int(id)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		if (!values_add(w, (enum word_kind)db_column_int(q, 0),
			db_column(q, 1))) {
			db_reset(q);
			return fail(e, ERR_LIMIT, "the names do not fit");
		}
	return step == DB_STEP_DONE;
}

/* What to do with the row of a patient or study that goes. */
struct going {
	const char *values, *names, *row;
};

static const struct going patient_going = {
    "SELECT kind, value FROM name_key WHERE kind = 0 AND owner = ?1"
    " UNION ALL SELECT 3, PatientID FROM patient WHERE id = ?1",
    "DELETE FROM name_key WHERE kind = 0 AND owner = ?",
    "DELETE FROM patient WHERE id = ?",
};
static const struct going study_going = {
    "SELECT kind, value FROM name_key WHERE kind = 1 AND owner = ?1"
    " UNION ALL SELECT 2, StudyDescription FROM study WHERE id = ?1"
    " UNION ALL SELECT 4, AccessionNumber FROM study WHERE id = ?1",
    "DELETE FROM name_key WHERE kind = 1 AND owner = ?",
    "DELETE FROM study WHERE id = ?",
};

/* Words go when no row has them any more. */
static bool
drop_words(struct db *db, const struct values *w, struct err *e)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (!word_drop(db, w->v[i].kind, w->v[i].value, e))
			return false;
	return true;
}

static bool
delete_row(struct db *db, const struct going *what, int64_t id, struct err *e)
{
	struct values w = {.n = 0};
	bool ok;

	arena_init(&w.arena, LIMIT_EXCHANGE);
	ok = values_read(&w, db, what->values, id, e) &&
	     db_exec(db, what->names, DB_ARGS(db_int(id)), e) &&
	     db_exec(db, what->row, DB_ARGS(db_int(id)), e) &&
	     drop_words(db, &w, e);
	free(w.v);
	arena_fini(&w.arena);
	return ok;
}

bool
upsert_drop_names(struct db *db, int64_t patient, struct err *e)
{
	struct values w = {.n = 0};
	bool ok;

	arena_init(&w.arena, LIMIT_EXCHANGE);
	ok = values_read(&w, db,
		 "SELECT kind, value FROM name_key WHERE kind = 0"
		 " AND owner = ?",
		 patient, e) &&
	     db_exec(db, patient_going.names, DB_ARGS(db_int(patient)), e) &&
	     drop_words(db, &w, e);
	free(w.v);
	arena_fini(&w.arena);
	return ok;
}

bool
upsert_prune_patient(struct db *db, int64_t patient, struct err *e)
{
	int64_t id;
	bool found;

	if (!db_get_int(db, "SELECT id FROM study WHERE patient = ? LIMIT 1",
		DB_ARGS(db_int(patient)), &id, &found, e))
		return false;
	return found || delete_row(db, &patient_going, patient, e);
}

static bool
prune_study(struct db *db, const struct owners *o, struct err *e)
{
	int64_t id;
	bool found;

	if (!db_get_int(db, "SELECT id FROM series WHERE study = ? LIMIT 1",
		DB_ARGS(db_int(o->study)), &id, &found, e))
		return false;
	if (found)
		return renew_lists(db, o->study, e);
	return delete_row(db, &study_going, o->study, e) &&
	       (o->said != 0 ? person_unsaid(db, o->said, e)
			     : upsert_prune_patient(db, o->patient, e));
}

static bool
count_down(struct db *db, const struct owners *o, struct err *e)
{
	int64_t series;

	if (!db_exec(db,
		"UPDATE series SET NumberOfSeriesRelatedInstances ="
		" NumberOfSeriesRelatedInstances - 1, bytes = bytes - ?"
		" WHERE id = ?",
		DB_ARGS(db_int(o->size), db_int(o->series)), e) ||
	    !db_exec(db,
		"DELETE FROM series WHERE id = ? AND NOT EXISTS"
		" (SELECT 1 FROM instance WHERE series = ?)",
		DB_ARGS(db_int(o->series), db_int(o->series)), e))
		return false;
	series = db_changes(db);
	return db_exec(db,
	    "UPDATE study SET NumberOfStudyRelatedInstances ="
	    " NumberOfStudyRelatedInstances - 1, NumberOfStudyRelatedSeries ="
	    " NumberOfStudyRelatedSeries - ?, bytes = bytes - ? WHERE id = ?",
	    DB_ARGS(db_int(series), db_int(o->size), db_int(o->study)), e);
}

bool
upsert_delete(struct upsert *u, int64_t instance, struct err *e)
{
	struct db *db = upsert_db(u);
	struct owners o;

	/* What is counted in memory first: the rows are read here. */
	if (!upsert_end(u, e) || !find_owners(db, instance, &o, e) ||
	    !db_exec(db, "DELETE FROM instance WHERE id = ?",
		DB_ARGS(db_int(instance)), e) ||
	    !count_down(db, &o, e) || !prune_study(db, &o, e))
		return false;
	upsert_forget(u);
	return true;
}

bool
upsert_delete_study(struct upsert *u, int64_t study, struct err *e)
{
	struct db *db = upsert_db(u);
	struct owners o = {.study = study};
	bool found;

	if (!upsert_end(u, e) ||
	    !db_get_int(db, "SELECT patient FROM study WHERE id = ?",
		DB_ARGS(db_int(study)), &o.patient, &found, e) ||
	    !db_get_int(db, "SELECT said FROM study WHERE id = ?",
		DB_ARGS(db_int(study)), &o.said, &found, e) ||
	    !db_exec(db,
		"DELETE FROM instance WHERE series IN"
		" (SELECT id FROM series WHERE study = ?)",
		DB_ARGS(db_int(study)), e) ||
	    !db_exec(db, "DELETE FROM series WHERE study = ?",
		DB_ARGS(db_int(study)), e) ||
	    !prune_study(db, &o, e))
		return false;
	upsert_forget(u);
	return true;
}

static bool
correct_said(struct db *db, const struct str *v, struct err *e)
{
	const struct person p = {
	    v[COLUMN_PatientID], v[COLUMN_IssuerOfPatientID]};
	struct person root;
	struct arena a;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = person_resolve(db, &a, &p, &root, e) &&
	     person_refresh(db, &a, &root, e);
	arena_fini(&a);
	return ok;
}

static bool
correct_names(struct db *db, int64_t patient, struct str name, struct err *e)
{
	struct arena a;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = upsert_drop_names(db, patient, e) &&
	     upsert_add_names(
		 db, WORD_PATIENT_NAME, patient, name_keys(&a, name), e);
	arena_fini(&a);
	return ok;
}

bool
upsert_correct_patient(struct upsert *u, int64_t patient, int64_t said,
    const struct str *v, struct err *e)
{
	struct db *db = upsert_db(u);

	if (!upsert_end(u, e))
		return false;
	upsert_forget(u);
	if (!db_exec(db,
		said != 0
		    ? "UPDATE patient_said SET PatientName = ?,"
		      " PatientBirthDate = ?, PatientSex = ? WHERE id = ?"
		    : "UPDATE patient SET PatientName = ?,"
		      " PatientBirthDate = ?, PatientSex = ? WHERE id = ?",
		DB_ARGS(db_str(v[COLUMN_PatientName]),
		    db_str(v[COLUMN_PatientBirthDate]),
		    db_str(v[COLUMN_PatientSex]),
		    db_int(said != 0 ? said : patient)),
		e))
		return false;
	return said != 0 ? correct_said(db, v, e)
			 : correct_names(db, patient, v[COLUMN_PatientName], e);
}
