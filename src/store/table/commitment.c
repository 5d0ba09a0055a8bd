/*
 * Rows of table commitment.
 */
#include "store/table/commitment.h"

#include "base/clock.h"
#include "store/inside.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))
/* What has been told is kept for the curious; what nobody came for is of no
 * use to a device that has long decided without it. */
#define KEEP_TOLD_MS   (7 * DAY_MS)
#define KEEP_UNTOLD_MS (90 * DAY_MS)

#define COLUMNS                                                                \
	"SELECT id, ours, ae, title, address, transaction_uid, job, asked,"    \
	" known, sent, told"
#define WITH_ITEMS    COLUMNS ", items FROM commitment "
#define WITHOUT_ITEMS COLUMNS ", '' FROM commitment "

struct put {
	const struct commitment *row;
	int64_t id;
};

static bool
forget_old(struct db *db, struct err *e)
{
	int64_t now = clock_utc_ms();

	return db_exec(db, "DELETE FROM commitment WHERE told > 0 AND told < ?",
		   DB_ARGS(db_int(now - KEEP_TOLD_MS)), e) &&
	       db_exec(db,
		   "DELETE FROM commitment WHERE told = 0 AND asked < ?",
		   DB_ARGS(db_int(now - KEEP_UNTOLD_MS)), e);
}

static bool
check_count(struct db *db, const struct commitment *c, struct err *e)
{
	int64_t n = 0;
	bool found;

	if (c->ours)
		return true;
	if (!db_get_int(db,
		"SELECT count(*) FROM commitment WHERE ae = ? AND ours = 0"
		" AND told = 0",
		DB_ARGS(db_text(c->ae)), &n, &found, e))
		return false;
	if (n >= LIMIT_COMMITMENTS)
		return fail(e, ERR_LIMIT,
		    "%d storage commitments of '%s' wait to be told",
		    LIMIT_COMMITMENTS, c->ae);
	return true;
}

static bool
put(struct upsert *u, void *ctx, struct err *e)
{
	struct put *p = ctx;
	const struct commitment *c = p->row;
	struct db *db = upsert_db(u);

	if (!forget_old(db, e) ||
	    !db_exec(db,
		"DELETE FROM commitment WHERE ae = ? AND transaction_uid = ?"
		" AND ours = ?",
		DB_ARGS(
		    db_text(c->ae), db_text(c->transaction), db_int(c->ours)),
		e) ||
	    !check_count(db, c, e) ||
	    !db_exec(db,
		"INSERT INTO commitment (ours, ae, title, address,"
		" transaction_uid, job, asked, known, sent, told, items)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
		DB_ARGS(db_int(c->ours), db_text(c->ae), db_text(c->title),
		    db_text(c->address), db_text(c->transaction),
		    db_int(c->job), db_int(c->asked_ms), db_int(c->known_ms),
		    db_str(c->items)),
		e))
		return false;
	p->id = db_last_id(db);
	return true;
}

bool
commitment_put(
    struct store *s, const struct commitment *c, int64_t *id, struct err *e)
{
	struct put p = {.row = c};

	*id = 0;
	if (!store_room(s, c->items.n, e) ||
	    commit_run(s->commit, true, put, &p, e) != COMMIT_DONE)
		return false;
	*id = p.id;
	return true;
}

static void
read_row(struct db_stmt *q, struct commitment *c)
{
	*c = (struct commitment){
	    .id = db_column_int(q, 0),
	    .ours = db_column_int(q, 1) != 0,
	    .job = db_column_int(q, 6),
	    .asked_ms = db_column_int(q, 7),
	    .known_ms = db_column_int(q, 8),
	    .sent_ms = db_column_int(q, 9),
	    .told_ms = db_column_int(q, 10),
	};
	(void)str_copy(c->ae, sizeof(c->ae), db_column(q, 2));
	(void)str_copy(c->title, sizeof(c->title), db_column(q, 3));
	(void)str_copy(c->address, sizeof(c->address), db_column(q, 4));
	(void)str_copy(c->transaction, sizeof(c->transaction), db_column(q, 5));
}

static bool
first_row(struct store *s, const char *sql, const struct db_value *args,
    size_t n, struct arena *a, struct commitment *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	if (db == NULL)
		return false;
	if (db_query(db, sql, args, n, &q, e)) {
		step = db_step(q, e);
		if (step == DB_STEP_ROW) {
			read_row(q, out);
			out->items = arena_dup(a, db_column(q, 11));
			db_reset(q);
		}
	}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE)
		return fail(e, ERR_MISSING, "no such storage commitment");
	if (step == DB_STEP_ROW && out->items.p == NULL)
		return fail(
		    e, ERR_LIMIT, "a storage commitment that is too large");
	return step == DB_STEP_ROW;
}

bool
commitment_get(struct store *s, int64_t id, struct arena *a,
    struct commitment *out, struct err *e)
{
	return first_row(
	    s, WITH_ITEMS "WHERE id = ?", DB_ARGS(db_int(id)), a, out, e);
}

bool
commitment_find(struct store *s, bool ours, const char *ae,
    const char *transaction, struct arena *a, struct commitment *out,
    struct err *e)
{
	return first_row(s,
	    WITH_ITEMS "WHERE ae = ? AND transaction_uid = ? AND ours = ?",
	    DB_ARGS(db_text(ae), db_text(transaction), db_int(ours)), a, out,
	    e);
}

bool
commitment_next(struct store *s, const char *ae, int64_t after, struct arena *a,
    struct commitment *out, struct err *e)
{
	return first_row(s,
	    WITHOUT_ITEMS "WHERE ae = ? AND ours = 0 AND told = 0 AND id > ?"
			  " ORDER BY id LIMIT 1",
	    DB_ARGS(db_text(ae), db_int(after)), a, out, e);
}

bool
commitment_of_job(struct store *s, int64_t job, int64_t after, struct arena *a,
    struct commitment *out, struct err *e)
{
	return first_row(s,
	    WITH_ITEMS "WHERE job = ? AND told = 0 AND id > ?"
		       " ORDER BY id LIMIT 1",
	    DB_ARGS(db_int(job), db_int(after)), a, out, e);
}

struct change {
	int64_t id, value;
	struct str items;
};

static bool
was_there(struct db *db, int64_t id, struct err *e)
{
	if (db_changes(db) > 0)
		return true;
	return fail(
	    e, ERR_MISSING, "storage commitment %lld is gone", (long long)id);
}

static bool
set_known(struct upsert *u, void *ctx, struct err *e)
{
	const struct change *c = ctx;
	struct db *db = upsert_db(u);

	return db_exec(db,
		   "UPDATE commitment SET known = ?, items = ? WHERE id = ?",
		   DB_ARGS(db_int(c->value), db_str(c->items), db_int(c->id)),
		   e) &&
	       was_there(db, c->id, e);
}

bool
commitment_known(
    struct store *s, int64_t id, struct str items, bool flush, struct err *e)
{
	struct change c = {id, clock_utc_ms(), items};

	return commit_run(s->commit, flush, set_known, &c, e) == COMMIT_DONE;
}

static bool
set_sent(struct upsert *u, void *ctx, struct err *e)
{
	const struct change *c = ctx;
	struct db *db = upsert_db(u);

	return db_exec(db, "UPDATE commitment SET sent = ? WHERE id = ?",
		   DB_ARGS(db_int(c->value), db_int(c->id)), e) &&
	       was_there(db, c->id, e);
}

bool
commitment_sent(struct store *s, int64_t id, int64_t sent_ms, struct err *e)
{
	struct change c = {id, sent_ms, STR("")};

	return commit_run(s->commit, false, set_sent, &c, e) == COMMIT_DONE;
}

static bool
set_told(struct upsert *u, void *ctx, struct err *e)
{
	const struct change *c = ctx;
	struct db *db = upsert_db(u);

	return db_exec(db,
		   "UPDATE commitment SET told = ?, sent = 0 WHERE id = ?",
		   DB_ARGS(db_int(c->value), db_int(c->id)), e) &&
	       was_there(db, c->id, e);
}

bool
commitment_told(struct store *s, int64_t id, struct err *e)
{
	struct change c = {id, clock_utc_ms(), STR("")};

	return commit_run(s->commit, true, set_told, &c, e) == COMMIT_DONE;
}
