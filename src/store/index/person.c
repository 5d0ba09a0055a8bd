/*
 * What was told of patients: merges and corrections, see person.h.
 *
 * The newest merge of an identity counts, until it is undone. A merge the
 * other way round ends what led there (ended_by), and its undoing puts that in
 * force again. Steps of merges that go round in a circle, which only those
 * without issuer can, lead nowhere.
 */
#include "store/index/person.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/utf8.h"
#include "store/index/attribute.h"
#include "store/index/person_inside.h"

/* Identities of one person. */
#define MEMBERS 1000

bool
person_eq(const struct person *a, const struct person *b)
{
	return str_eq(a->id, b->id) && str_eq(a->issuer, b->issuer);
}

static struct str
as_indexed(struct str s)
{
	return str_trim(utf8_cut(str_trim(s), ATTRIBUTE_TEXT_MAX));
}

struct person
person_of(struct str id, struct str issuer)
{
	return (struct person){as_indexed(id), as_indexed(issuer)};
}

bool
person_any(struct db *db, bool *any, struct err *e)
{
	int64_t one;

	return db_get_int(db,
	    "SELECT 1 WHERE EXISTS (SELECT 1 FROM patient_edit)"
	    " OR EXISTS (SELECT 1 FROM patient_alias)"
	    " OR EXISTS (SELECT 1 FROM patient_said)",
	    DB_NO_ARGS, &one, any, e);
}

bool
person_known(struct db *db, struct str id, bool *known, struct err *e)
{
	int64_t one;

	*known = false;
	return id.n == 0 ||
	       db_get_int(db,
		   "SELECT 1 WHERE EXISTS"
		   " (SELECT 1 FROM patient_edit WHERE PatientID = ?1)"
		   " OR EXISTS"
		   " (SELECT 1 FROM patient_said WHERE PatientID = ?1)"
		   " OR EXISTS"
		   " (SELECT 1 FROM patient_alias WHERE PatientID = ?1)"
		   " OR EXISTS"
		   " (SELECT 1 FROM patient_alias WHERE prior_id = ?1)",
		   DB_ARGS(db_str(id)), &one, known, e);
}

bool
person_told(struct db *db, struct arena *a, const struct person *p,
    struct person_values *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	int64_t given;
	size_t i;

	*out = (struct person_values){0};
	if (!db_query(db,
		"SELECT given, PatientName, PatientBirthDate, PatientSex"
		" FROM patient_edit WHERE PatientID = ?1"
		" AND (IssuerOfPatientID = ?2 OR (?2 = '' AND"
		"  (SELECT count(*) FROM (SELECT 1 FROM patient_edit"
		"   WHERE PatientID = ?1 AND IssuerOfPatientID <> ''"
		"   LIMIT 2)) = 1))"
		" ORDER BY id",
		DB_ARGS(db_str(p->id), db_str(p->issuer)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		given = db_column_int(q, 0);
		for (i = 0; i < PERSON_VALUES; i++) {
			if ((given & 1 << i) == 0)
				continue;
			out->given[i] = true;
			out->v[i] = arena_dup(a, db_column(q, (int)i + 1));
		}
	}
	if (step == DB_STEP_DONE && a->over)
		return fail(e, ERR_LIMIT, "a patient with too much told of");
	return step == DB_STEP_DONE;
}

bool
person_next(struct db *db, struct arena *a, const struct person *from,
    struct person *out, bool *found, struct err *e)
{
	bool anonymous = from->issuer.n == 0;
	struct db_stmt *q;
	enum db_step step;

	*found = false;
	if (!db_query(db,
		anonymous ? "SELECT PatientID, '' FROM patient_alias"
			    " WHERE prior_id = ? AND ended_by = 0"
			    " AND prior_issuer = IssuerOfPatientID"
			    " AND ? = '' ORDER BY id DESC LIMIT 1"
			  : "SELECT PatientID, IssuerOfPatientID"
			    " FROM patient_alias WHERE prior_id = ?"
			    " AND ended_by = 0 AND prior_issuer = ?"
			    " ORDER BY id DESC LIMIT 1",
		DB_ARGS(db_str(from->id), db_str(from->issuer)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	out->id = arena_dup(a, db_column(q, 0));
	out->issuer = arena_dup(a, db_column(q, 1));
	db_reset(q);
	*found = true;
	if (a->over)
		return fail(e, ERR_LIMIT, "a patient of too many merges");
	return true;
}

bool
person_resolve(struct db *db, struct arena *a, const struct person *from,
    struct person *out, struct err *e)
{
	bool found;
	int hop;

	*out = *from;
	if (from->id.n == 0)
		return true;
	for (hop = 0; hop < PERSON_HOPS; hop++) {
		if (!person_next(db, a, out, out, &found, e))
			return false;
		if (!found)
			return true;
	}
	*out = *from;
	return true;
}

static bool
add(struct person_list *list, const struct person *p, struct err *e)
{
	if (list->n == MEMBERS)
		return fail(e, ERR_LIMIT,
		    "more than %d patients are merged into one", MEMBERS);
	list->v[list->n++] = *p;
	return true;
}

static bool
has(const struct person_list *list, const struct person *p)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (person_eq(&list->v[i], p))
			return true;
	return false;
}

static bool
list_init(struct person_list *list, struct arena *a, struct err *e)
{
	*list = (struct person_list){
	    .v = arena_array(a, MEMBERS, sizeof(*list->v))};
	return list->v != NULL || fail(e, ERR_LIMIT, "too many merges at once");
}

/* Who may have been merged into this one at some time. */
static bool
priors(struct db *db, struct arena *a, const struct person *p,
    struct person_list *out, struct err *e)
{
	bool anonymous = p->issuer.n == 0, ok = true;
	struct person prior;
	struct db_stmt *q;
	enum db_step step;

	out->n = 0;
	if (!db_query(db,
		anonymous ? "SELECT DISTINCT prior_id, '' FROM patient_alias"
			    " WHERE PatientID = ? AND ended_by = 0"
			    " AND prior_issuer = IssuerOfPatientID AND ? = ''"
			  : "SELECT DISTINCT prior_id, prior_issuer"
			    " FROM patient_alias WHERE PatientID = ?"
			    " AND IssuerOfPatientID = ? AND ended_by = 0",
		DB_ARGS(db_str(p->id), db_str(p->issuer)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		prior.id = arena_dup(a, db_column(q, 0));
		prior.issuer = arena_dup(a, db_column(q, 1));
		ok = a->over ? fail(e, ERR_LIMIT, "too many merges at once")
			     : add(out, &prior, e);
		if (ok)
			continue;
		db_reset(q);
		break;
	}
	return ok && step == DB_STEP_DONE;
}

/* All who may lead to one of the list, in circles too, behind it. */
static bool
add_priors(
    struct db *db, struct arena *a, struct person_list *list, struct err *e)
{
	struct person_list more;
	size_t i, k;

	if (!list_init(&more, a, e))
		return false;
	for (i = 0; i < list->n; i++) {
		if (!priors(db, a, &list->v[i], &more, e))
			return false;
		for (k = 0; k < more.n; k++)
			if (!has(list, &more.v[k]) && !add(list, &more.v[k], e))
				return false;
	}
	return true;
}

bool
person_members(struct db *db, struct arena *a, const struct person *root,
    struct person_list *out, struct err *e)
{
	struct person_list all;
	struct person led;
	size_t i;

	if (!list_init(out, a, e) || !list_init(&all, a, e) ||
	    !person_resolve(db, a, root, &led, e))
		return false;
	if (!person_eq(root, &led))
		return true;
	if (!add(&all, root, e) || !add_priors(db, a, &all, e))
		return false;
	for (i = 0; i < all.n; i++) {
		if (!person_resolve(db, a, &all.v[i], &led, e))
			return false;
		if (person_eq(&led, root) && !add(out, &all.v[i], e))
			return false;
	}
	return true;
}

bool
person_roots(struct db *db, struct arena *a, const struct person *from,
    const struct person *into, struct person_list *out, struct err *e)
{
	const struct person ends[] = {
	    *from, *into, {from->id, STR("")}, {into->id, STR("")}};
	/* Those without issuer go along with a merge within one, also with
	 * one that this one ends. */
	size_t i;
	struct person_list all;
	struct person root;

	if (!list_init(&all, a, e) || !list_init(out, a, e))
		return false;
	for (i = 0; i < ARRAY_LEN(ends); i++)
		if (!has(&all, &ends[i]) && !add(&all, &ends[i], e))
			return false;
	if (!add_priors(db, a, &all, e))
		return false;
	for (i = 0; i < all.n; i++) {
		if (!person_resolve(db, a, &all.v[i], &root, e))
			return false;
		if (!has(out, &root) && !add(out, &root, e))
			return false;
	}
	return true;
}

/* All take what is theirs; then whoever is left without studies goes. */
static bool
refresh(struct db *db, struct arena *a, const struct person_list *before,
    const struct person_list *after, struct err *e)
{
	size_t i;

	for (i = 0; i < after->n; i++)
		if (!person_refresh(db, a, &after->v[i], e))
			return false;
	for (i = 0; i < before->n; i++)
		if (!has(after, &before->v[i]) &&
		    !person_refresh(db, a, &before->v[i], e))
			return false;
	/* In a circle that closes, one of them takes what was another's. */
	for (i = 0; i < after->n; i++)
		if (!person_prune(db, &after->v[i], e))
			return false;
	return true;
}

/* Does the way from here pass there? */
static bool
leads(struct db *db, struct arena *a, const struct person *from,
    const struct person *there, bool *yes, struct err *e)
{
	struct person at = *from;
	bool found = true;
	int hop;

	*yes = false;
	for (hop = 0; hop < PERSON_HOPS && found && !*yes; hop++) {
		if (!person_next(db, a, &at, &at, &found, e))
			return false;
		*yes = found && person_eq(&at, there);
	}
	return true;
}

static bool
enter(struct db *db, struct arena *a, const struct person *from,
    const struct person *into, int64_t journal, int64_t *id, struct err *e)
{
	bool reversed;

	if (!leads(db, a, into, from, &reversed, e) ||
	    !db_exec(db,
		"INSERT INTO patient_alias (prior_id, prior_issuer, PatientID,"
		" IssuerOfPatientID, ended_by, at, journal)"
		" VALUES (?, ?, ?, ?, 0, ?, ?)",
		DB_ARGS(db_str(from->id), db_str(from->issuer),
		    db_str(into->id), db_str(into->issuer),
		    db_int(clock_utc_ms()), db_int(journal)),
		e))
		return false;
	*id = db_last_id(db);
	return !reversed ||
	       db_exec(db,
		   "UPDATE patient_alias SET ended_by = ? WHERE prior_id = ?"
		   " AND prior_issuer = ? AND ended_by = 0",
		   DB_ARGS(db_int(*id), db_str(into->id), db_str(into->issuer)),
		   e);
}

bool
person_merge(struct upsert *u, struct arena *a, const struct person *from,
    const struct person *into, int64_t journal, int64_t *id, struct err *e)
{
	struct db *db = upsert_db(u);
	struct person_list before, after;
	struct person now;
	bool found;

	*id = 0;
	if (!person_next(db, a, from, &now, &found, e))
		return false;
	if (found && person_eq(&now, into))
		return true;
	if (!person_involve(db, a, from->id, e) ||
	    !person_involve(db, a, into->id, e) ||
	    !person_roots(db, a, from, into, &before, e) ||
	    !enter(db, a, from, into, journal, id, e) ||
	    !person_roots(db, a, from, into, &after, e) ||
	    !refresh(db, a, &before, &after, e))
		return false;
	upsert_renew(u);
	return true;
}

bool
person_find_merge(struct db *db, const struct person *one,
    const struct person *two, int64_t *id, struct err *e)
{
	bool found;

	*id = 0;
	return db_get_int(db,
	    "SELECT max(id) FROM patient_alias WHERE ended_by = 0 AND id IN"
	    " (SELECT id FROM patient_alias WHERE prior_id = ?1"
	    "  AND prior_issuer = ?2 AND PatientID = ?3"
	    "  AND IssuerOfPatientID = ?4 UNION ALL"
	    "  SELECT id FROM patient_alias WHERE prior_id = ?3"
	    "  AND prior_issuer = ?4 AND PatientID = ?1"
	    "  AND IssuerOfPatientID = ?2)",
	    DB_ARGS(db_str(one->id), db_str(one->issuer), db_str(two->id),
		db_str(two->issuer)),
	    id, &found, e);
}

bool
person_alias_find(struct db *db, struct arena *a, int64_t id,
    struct person_alias *out, bool *found, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*found = false;
	if (!db_query(db,
		"SELECT prior_id, prior_issuer, PatientID, IssuerOfPatientID,"
		" at, journal FROM patient_alias WHERE id = ?",
		DB_ARGS(db_int(id)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	*out = (struct person_alias){
	    .id = id,
	    .from = {arena_dup(a, db_column(q, 0)),
		arena_dup(a, db_column(q, 1))},
	    .into = {arena_dup(a, db_column(q, 2)),
		arena_dup(a, db_column(q, 3))},
	    .at_ms = db_column_int(q, 4),
	    .journal = db_column_int(q, 5),
	};
	db_reset(q);
	*found = true;
	return !a->over || fail(e, ERR_LIMIT, "a merge of IDs too long");
}

bool
person_unmerge(struct upsert *u, struct arena *a, int64_t id, struct err *e)
{
	struct db *db = upsert_db(u);
	struct person_list before, after;
	struct person_alias alias;
	bool found;

	if (!person_alias_find(db, a, id, &alias, &found, e))
		return false;
	if (!found)
		return fail(
		    e, ERR_MISSING, "there is no merge %lld", (long long)id);
	if (!person_roots(db, a, &alias.from, &alias.into, &before, e) ||
	    !db_exec(db, "DELETE FROM patient_alias WHERE id = ?",
		DB_ARGS(db_int(id)), e) ||
	    !db_exec(db,
		"UPDATE patient_alias SET ended_by = 0 WHERE ended_by = ?"
		" AND ended_by <> 0",
		DB_ARGS(db_int(id)), e) ||
	    !person_roots(db, a, &alias.from, &alias.into, &after, e) ||
	    !refresh(db, a, &before, &after, e))
		return false;
	upsert_renew(u);
	return true;
}

/* Those that are not given stay as they were. */
static bool
write_edit(struct db *db, const struct person *p,
    const struct person_values *told, int64_t journal, struct err *e)
{
	int64_t given = 0;
	struct db_value v[PERSON_VALUES];
	size_t i;

	for (i = 0; i < PERSON_VALUES; i++) {
		given |= told->given[i] ? 1 << i : 0;
		v[i] = db_str(as_indexed(told->v[i]));
	}
	/* A new id: the newest counts. */
	return db_exec(db,
	    "INSERT OR REPLACE INTO patient_edit (PatientID, IssuerOfPatientID,"
	    " given, PatientName, PatientBirthDate, PatientSex, at, journal)"
	    " SELECT ?1, ?2, ?3 | coalesce(o.given, 0),"
	    " iif(?3 & 1, ?4, coalesce(o.PatientName, '')),"
	    " iif(?3 & 2, ?5, coalesce(o.PatientBirthDate, '')),"
	    " iif(?3 & 4, ?6, coalesce(o.PatientSex, '')), ?7, ?8"
	    " FROM (SELECT 1) LEFT JOIN patient_edit o ON o.PatientID = ?1"
	    " AND o.IssuerOfPatientID = ?2",
	    DB_ARGS(db_str(p->id), db_str(p->issuer), db_int(given), v[0], v[1],
		v[2], db_int(clock_utc_ms()), db_int(journal)),
	    e);
}

/* Whom a correction may concern: this one, and all identities that the files
 * have of the Patient ID. */
static bool
concerned(struct db *db, struct arena *a, const struct person *of,
    struct person_list *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	struct person p = *of;

	if (!list_init(out, a, e))
		return false;
	out->v[out->n++] = p;
	p.issuer = STR("");
	out->v[out->n++] = p;
	if (!db_query(db,
		"SELECT IssuerOfPatientID FROM patient_said"
		" WHERE PatientID = ?",
		DB_ARGS(db_str(of->id)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW && out->n < MEMBERS) {
		p.issuer = arena_dup(a, db_column(q, 0));
		out->v[out->n++] = p;
	}
	if (step == DB_STEP_ROW)
		db_reset(q);
	if (step == DB_STEP_ROW || a->over)
		return fail(e, ERR_LIMIT, "too many issuers of one Patient ID");
	return step == DB_STEP_DONE;
}

bool
person_correct(struct upsert *u, struct arena *a, const struct person *p,
    const struct person_values *told, int64_t journal, struct err *e)
{
	struct db *db = upsert_db(u);
	struct person_list list;
	struct person root;
	size_t i;

	if (p->id.n == 0 ||
	    (!told->given[PERSON_NAME] && !told->given[PERSON_BIRTH] &&
		!told->given[PERSON_SEX]))
		return true;
	if (!person_involve(db, a, p->id, e) ||
	    !write_edit(db, p, told, journal, e) ||
	    !concerned(db, a, p, &list, e))
		return false;
	for (i = 0; i < list.n; i++)
		if (!person_resolve(db, a, &list.v[i], &root, e) ||
		    !person_refresh(db, a, &root, e))
			return false;
	upsert_renew(u);
	return true;
}
