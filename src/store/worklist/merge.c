/*
 * Merges of patients, see merge.h.
 */
#include "store/worklist/merge.h"

#include "base/limit.h"
#include "store/inside.h"
#include "store/worklist/item_inside.h"

/* Who is meant: an issuer that one of the two lacks is that of the other. */
static void
read_pair(const struct order_merge *m, struct person *from, struct person *into)
{
	struct str prior = str_trim(m->prior_issuer);
	struct str stays = str_trim(m->issuer);

	*from = person_of(m->prior_id, prior.n > 0 ? prior : stays);
	*into = person_of(m->id, stays.n > 0 ? stays : prior);
}

static bool
follow(struct db *db, struct arena *a, const struct person_list *roots,
    struct err *e)
{
	size_t i;

	for (i = 0; i < roots->n; i++)
		if (!item_follow(db, a, &roots->v[i], e))
			return false;
	return true;
}

static bool
merge(struct upsert *u, struct arena *a, const struct person *from,
    const struct person *into, int64_t journal, int64_t *id, struct err *e)
{
	struct person_list roots;

	if (!person_merge(u, a, from, into, journal, id, e))
		return false;
	return *id == 0 ||
	       (person_roots(upsert_db(u), a, from, into, &roots, e) &&
		   follow(upsert_db(u), a, &roots, e));
}

static bool
undo(struct upsert *u, struct arena *a, int64_t id, struct err *e)
{
	struct person_alias was;
	struct person_list roots;
	bool found;

	return person_alias_find(upsert_db(u), a, id, &was, &found, e) &&
	       person_unmerge(u, a, id, e) &&
	       person_roots(upsert_db(u), a, &was.from, &was.into, &roots, e) &&
	       follow(upsert_db(u), a, &roots, e);
}

/* Until they are two: one merge may have ended another of the same patients,
 * the other way round. */
static bool
part(struct item_effect *x, const struct person *one, const struct person *two,
    struct err *e)
{
	size_t i;
	int64_t id;

	for (i = 0; i < PERSON_HOPS; i++) {
		if (!person_find_merge(x->db, one, two, &id, e))
			return false;
		if (id == 0)
			break;
		if (!undo(x->upsert, x->arena, id, e))
			return false;
	}
	if (i == 0)
		x->remark = "no merge of these two is known: nothing was "
			    "changed";
	return true;
}

static bool
apply(struct item_effect *x, const struct order_merge *m, struct err *e)
{
	struct person from, into;
	int64_t id;

	read_pair(m, &from, &into);
	if (person_eq(&from, &into))
		return item_refuse(x, 205, m->undo ? "PID" : "MRG",
		    m->undo ? 3 : 1,
		    "the patient to be merged and the one to stay are the "
		    "same");
	if (!m->undo)
		return merge(x->upsert, x->arena, &from, &into, x->journal_id,
			   &id, e) &&
		       item_demographics(x, &into, m->patient, STATUS_NONE, e);
	return part(x, &from, &into, e);
}

bool
item_apply_merges(struct item_effect *x, struct err *e)
{
	size_t i;

	for (i = 0; i < x->order->merge_count && !x->refused; i++)
		if (!apply(x, &x->order->merges[i], e))
			return false;
	return true;
}

struct by_hand {
	struct person from, into;
	int64_t id;
};

static bool
merge_by_hand(struct upsert *u, void *ctx, struct err *e)
{
	struct by_hand *h = ctx;
	struct arena a;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = upsert_end(u, e) && merge(u, &a, &h->from, &h->into, 0, &h->id, e);
	arena_fini(&a);
	return ok;
}

bool
merge_new(struct store *s, struct str prior_id, struct str prior_issuer,
    struct str patient_id, struct str issuer, int64_t *id, struct err *e)
{
	struct order_merge m = {.prior_id = prior_id,
	    .prior_issuer = prior_issuer,
	    .id = patient_id,
	    .issuer = issuer};
	struct by_hand h = {.id = 0};

	read_pair(&m, &h.from, &h.into);
	if (h.from.id.n == 0 || h.into.id.n == 0)
		return fail(
		    e, ERR_USAGE, "a merge needs the Patient IDs of both");
	if (person_eq(&h.from, &h.into))
		return fail(e, ERR_USAGE,
		    "the patient to be merged and the one to stay are the "
		    "same");
	if (commit_run(s->commit, true, merge_by_hand, &h, e) != COMMIT_DONE)
		return false;
	*id = h.id;
	return true;
}

static bool
undo_by_hand(struct upsert *u, void *ctx, struct err *e)
{
	struct arena a;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = upsert_end(u, e) && undo(u, &a, *(int64_t *)ctx, e);
	arena_fini(&a);
	return ok;
}

bool
merge_undo(struct store *s, int64_t id, struct err *e)
{
	return commit_run(s->commit, true, undo_by_hand, &id, e) == COMMIT_DONE;
}

static void
read_row(struct db_stmt *q, struct arena *a, struct merge *out)
{
	*out = (struct merge){
	    .id = db_column_int(q, 0),
	    .prior_id = arena_dup(a, db_column(q, 1)),
	    .prior_issuer = arena_dup(a, db_column(q, 2)),
	    .patient_id = arena_dup(a, db_column(q, 3)),
	    .issuer = arena_dup(a, db_column(q, 4)),
	    .when_ms = db_column_int(q, 5),
	    .journal_id = db_column_int(q, 6),
	    .ended = db_column_int(q, 7) != 0,
	};
}

bool
merge_list(struct store *s, int64_t before_id, size_t max, struct arena *a,
    struct merge **out, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	*n = 0;
	if (db == NULL)
		return false;
	*out = arena_array(a, max, sizeof(**out));
	if (*out == NULL && max > 0)
		(void)fail(e, ERR_LIMIT, "too many merges at once");
	else if (db_query(db,
		     "SELECT id, prior_id, prior_issuer, PatientID,"
		     " IssuerOfPatientID, at, journal, ended_by"
		     " FROM patient_alias WHERE id < ? ORDER BY id DESC"
		     " LIMIT ?",
		     DB_ARGS(db_int(before_id > 0 ? before_id : INT64_MAX),
			 db_int((int64_t)max)),
		     &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW)
			read_row(q, a, &(*out)[(*n)++]);
	store_reader_done(s, db);
	if (step == DB_STEP_DONE && a->over)
		return fail(e, ERR_LIMIT, "too many merges at once");
	return step == DB_STEP_DONE;
}
