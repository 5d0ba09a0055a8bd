/*
 * Activity rows: they ride along with other commits and are never flushed.
 */
#include "store/table/activity.h"

#include "store/inside.h"

static bool
insert(struct upsert *u, void *ctx, struct err *e)
{
	const struct activity *a = ctx;

	return db_exec(upsert_db(u),
	    "INSERT INTO activity (protocol, calling, called, address, began,"
	    " ended, bytes_in, bytes_out, echoes, stores, stores_failed,"
	    " finds, gets, moves, instances_in, instances_out, how_ended,"
	    " detail, outgoing)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
	    " ?)",
	    DB_ARGS(db_text(a->protocol), db_text(a->calling),
		db_text(a->called), db_text(a->address), db_int(a->start_ms),
		db_int(a->end_ms), db_int((int64_t)a->bytes_in),
		db_int((int64_t)a->bytes_out), db_int(a->echoes),
		db_int(a->stores), db_int(a->stores_failed), db_int(a->finds),
		db_int(a->gets), db_int(a->moves),
		db_int((int64_t)a->instances_in),
		db_int((int64_t)a->instances_out), db_text(a->end),
		db_text(a->detail), db_int(a->outgoing)),
	    e);
}

void
activity_record(struct store *s, const struct activity *a)
{
	commit_later(s->commit, insert, a, sizeof(*a));
}

static void
read_row(struct db_stmt *q, struct activity *a)
{
	*a = (struct activity){.id = db_column_int(q, 0)};
	(void)str_copy(a->protocol, sizeof(a->protocol), db_column(q, 1));
	(void)str_copy(a->calling, sizeof(a->calling), db_column(q, 2));
	(void)str_copy(a->called, sizeof(a->called), db_column(q, 3));
	(void)str_copy(a->address, sizeof(a->address), db_column(q, 4));
	a->start_ms = db_column_int(q, 5);
	a->end_ms = db_column_int(q, 6);
	a->bytes_in = (uint64_t)db_column_int(q, 7);
	a->bytes_out = (uint64_t)db_column_int(q, 8);
	a->echoes = (uint32_t)db_column_int(q, 9);
	a->stores = (uint32_t)db_column_int(q, 10);
	a->stores_failed = (uint32_t)db_column_int(q, 11);
	a->finds = (uint32_t)db_column_int(q, 12);
	a->gets = (uint32_t)db_column_int(q, 13);
	a->moves = (uint32_t)db_column_int(q, 14);
	a->instances_in = (uint64_t)db_column_int(q, 15);
	a->instances_out = (uint64_t)db_column_int(q, 16);
	(void)str_copy(a->end, sizeof(a->end), db_column(q, 17));
	(void)str_copy(a->detail, sizeof(a->detail), db_column(q, 18));
	a->outgoing = db_column_int(q, 19) != 0;
}

static bool
list(struct db *db, int64_t since_ms, size_t max, struct buf *rows,
    struct err *e)
{
	struct activity a;
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT id, protocol, calling, called, address, began, ended,"
		" bytes_in, bytes_out, echoes, stores, stores_failed, finds,"
		" gets, moves, instances_in, instances_out, how_ended, detail,"
		" outgoing FROM activity WHERE began >= ? ORDER BY began DESC, id DESC"
		" LIMIT ?",
		DB_ARGS(db_int(since_ms),
		    db_int(max > INT32_MAX ? INT32_MAX : (int64_t)max)),
		&q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		read_row(q, &a);
		buf_add(rows, str_of(&a, sizeof(a)));
		if (rows->over) {
			db_reset(q);
			return fail(e, ERR_LIMIT, "too many activity rows");
		}
	}
	return step == DB_STEP_DONE;
}

bool
activity_list(struct store *s, int64_t since_ms, size_t max, struct arena *a,
    struct activity **out, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct buf rows;
	bool ok;

	*out = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	buf_init(&rows, a->budget - a->used);
	ok = list(db, since_ms, max, &rows, e);
	store_reader_done(s, db);
	if (ok) {
		*out = arena_alloc(a, rows.n);
		if (*out == NULL)
			ok = fail(e, ERR_LIMIT, "too many activity rows");
		else if (rows.n > 0)
			memcpy(*out, rows.p, rows.n);
		*n = rows.n / sizeof(**out);
	}
	buf_fini(&rows);
	return ok;
}

static bool
clear(struct upsert *u, void *ctx, struct err *e)
{
	return db_exec(upsert_db(u), "DELETE FROM activity WHERE began < ?",
	    DB_ARGS(db_int(*(const int64_t *)ctx)), e);
}

bool
activity_clear(struct store *s, int64_t before_ms, struct err *e)
{
	return commit_run(s->commit, true, clear, &before_ms, e) == COMMIT_DONE;
}
