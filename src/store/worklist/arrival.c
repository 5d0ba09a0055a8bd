/*
 * Finding the items of a study in the index, and changing them.
 */
#include "store/worklist/arrival.h"

#include "base/clock.h"
#include "store/inside.h"
#include "store/worklist/item_inside.h"

/* Items of one study or accession number; real ones have some. */
#define CANDIDATES 200

struct arriving {
	struct str study;
	/* Of the study's row; accession and patient in the arena. */
	struct str accession, patient, modalities;
	int64_t changed_ms;
	bool known;
};

struct candidate {
	int64_t id;
	enum order_status status;
	bool fits; /* its modality is the study's */
};

struct candidates {
	struct candidate at[CANDIDATES];
	size_t n;
};

static bool
read_study(struct db *db, struct arena *a, struct arriving *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT s.AccessionNumber, p.PatientID, s.ModalitiesInStudy,"
		" s.changed FROM study s JOIN patient p ON p.id = s.patient"
		" WHERE s.StudyInstanceUID = ?",
		DB_ARGS(db_str(out->study)), &q, e))
		return false;
	step = db_step(q, e);
	out->known = step == DB_STEP_ROW;
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	out->accession = arena_dup(a, db_column(q, 0));
	out->patient = arena_dup(a, db_column(q, 1));
	out->modalities = arena_dup(a, db_column(q, 2));
	out->changed_ms = db_column_int(q, 3);
	db_reset(q);
	return !a->over || fail(e, ERR_LIMIT, "a study that is too large");
}

static bool
is_one_of(struct str value, struct str list)
{
	struct str one;

	while (str_split(&list, '\\', &one))
		if (str_eq(str_trim(one), str_trim(value)))
			return true;
	return false;
}

static bool
collect(struct db *db, const char *sql, const struct db_value *args, size_t n,
    const struct arriving *s, struct candidates *out, struct err *e)
{
	struct candidate *c;
	struct db_stmt *q;
	enum db_step step;

	out->n = 0;
	if (!db_query(db, sql, args, n, &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW && out->n < CANDIDATES) {
		c = &out->at[out->n++];
		c->id = db_column_int(q, 0);
		c->status = (enum order_status)db_column_int(q, 1);
		c->fits = is_one_of(db_column(q, 2), s->modalities);
	}
	if (step == DB_STEP_ROW)
		db_reset(q);
	return step != DB_STEP_FAILED;
}

/* What is over, and what a performed procedure step is about, is none. */
static void
narrow(struct candidates *c, const bool *followed)
{
	size_t i, n = 0, fitting = 0;

	for (i = 0; i < c->n; i++)
		fitting += c->at[i].fits;
	if (fitting == 0 && c->n > 1)
		c->n = 0;
	for (i = 0; i < c->n; i++) {
		if (fitting > 0 && !c->at[i].fits)
			continue;
		if (followed[i] || c->at[i].status == STATUS_COMPLETED ||
		    c->at[i].status == STATUS_DISCONTINUED ||
		    c->at[i].status == STATUS_CANCELED)
			continue;
		c->at[n++] = c->at[i];
	}
	c->n = n;
}

static bool
find(struct db *db, const struct arriving *s, struct candidates *out,
    struct err *e)
{
	uint8_t room[ITEM_SH_ROOM];
	bool followed[CANDIDATES];
	int64_t one;
	size_t i;

	out->n = 0;
	if (!s->known)
		return true;
	if (!collect(db,
		"SELECT id, status, Modality FROM item"
		" WHERE StudyInstanceUID = ?",
		DB_ARGS(db_str(s->study)), s, out, e))
		return false;
	if (out->n == 0 && s->accession.n > 0 &&
	    !collect(db,
		"SELECT id, status, Modality FROM item WHERE"
		" AccessionNumber >= ? AND AccessionNumber <= ?"
		" AND (? = '' OR +PatientID = ?)",
		DB_ARGS(db_str(s->accession),
		    db_str(item_sh_end(s->accession, room)), db_str(s->patient),
		    db_str(s->patient)),
		s, out, e))
		return false;
	for (i = 0; i < out->n; i++)
		if (!db_get_int(db,
			"SELECT mpps FROM mpps_item WHERE item = ? LIMIT 1",
			DB_ARGS(db_int(out->at[i].id)), &one, &followed[i], e))
			return false;
	narrow(out, followed);
	return true;
}

struct work {
	struct arriving s;
	enum order_status to; /* STATUS_NONE: deleted */
	const struct item_watch *watch;
	size_t n;
};

static bool
change(struct db *db, const struct work *w, int64_t id, struct err *e)
{
	enum order_status to = w->to != STATUS_NONE ? w->to : STATUS_COMPLETED;

	if (!db_exec(db, "UPDATE item SET status = ?, changed = ? WHERE id = ?",
		DB_ARGS(db_int(to), db_int(clock_utc_ms()), db_int(id)), e) ||
	    !item_tell(db, id, w->watch, e))
		return false;
	return w->to != STATUS_NONE ||
	       db_exec(
		   db, "DELETE FROM item WHERE id = ?", DB_ARGS(db_int(id)), e);
}

static bool
change_all(struct upsert *u, void *ctx, struct err *e)
{
	struct candidates c;
	struct work *w = ctx;
	size_t i;

	w->n = 0;
	if (!find(upsert_db(u), &w->s, &c, e))
		return false;
	for (i = 0; i < c.n; i++) {
		if (c.at[i].status == w->to)
			continue;
		if (!change(upsert_db(u), w, c.at[i].id, e))
			return false;
		w->n++;
	}
	return true;
}

/* Looks without a lock whether there is anything to do. */
static bool
look(struct store *s, struct arena *a, struct arriving *study,
    struct candidates *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	if (db == NULL)
		return false;
	ok = read_study(db, a, study, e) && find(db, study, out, e);
	store_reader_done(s, db);
	return ok;
}

static bool
has_other(const struct candidates *c, enum order_status than)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->at[i].status != than)
			return true;
	return false;
}

bool
arrival_begin(struct store *s, struct str study, enum arrival_then then,
    const struct item_watch *watch, size_t *n, bool *open, struct err *e)
{
	static const enum order_status to[] = {
	    [ARRIVAL_MARK] = STATUS_STARTED,
	    [ARRIVAL_HIDE] = STATUS_COMPLETED,
	    [ARRIVAL_DELETE] = STATUS_NONE,
	};
	struct work w = {.s = {.study = study}, .to = to[then], .watch = watch};
	struct candidates c;
	struct arena a;
	bool ok;

	*n = 0;
	arena_init(&a, 256 * KIB);
	ok = look(s, &a, &w.s, &c, e);
	*open = ok && then == ARRIVAL_MARK && c.n > 0;
	if (ok && has_other(&c, w.to))
		ok = commit_run(s->commit, true, change_all, &w, e) ==
		     COMMIT_DONE;
	arena_fini(&a);
	*n = w.n;
	return ok;
}

bool
arrival_settle(struct store *s, struct str study, int64_t quiet_ms,
    const struct item_watch *watch, size_t *n, int64_t *due_ms, struct err *e)
{
	struct work w = {
	    .s = {.study = study}, .to = STATUS_COMPLETED, .watch = watch};
	int64_t now = clock_utc_ms();
	struct candidates c;
	struct arena a;
	bool ok;

	*n = 0;
	*due_ms = 0;
	arena_init(&a, 256 * KIB);
	ok = look(s, &a, &w.s, &c, e);
	/* An arrival in the future is one of a clock that was wrong. */
	if (ok && c.n > 0 && w.s.changed_ms <= now &&
	    w.s.changed_ms > now - quiet_ms)
		*due_ms = w.s.changed_ms + quiet_ms;
	else if (ok && c.n > 0)
		ok = commit_run(s->commit, true, change_all, &w, e) ==
		     COMMIT_DONE;
	arena_fini(&a);
	*n = w.n;
	return ok;
}
