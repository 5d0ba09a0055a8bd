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

struct session {
	struct activity row;
	size_t n;
	uint8_t actions[ACTIVITY_ACTIONS];
};

static bool
put_session(struct upsert *u, void *ctx, struct err *e)
{
	const struct session *s = ctx;
	const struct activity *a = &s->row;

	return db_exec(upsert_db(u),
	    "INSERT INTO activity (protocol, calling, called, address, began,"
	    " ended, bytes_in, bytes_out, echoes, stores, stores_failed,"
	    " finds, gets, moves, instances_in, instances_out, how_ended,"
	    " detail, session, browser, requests, actions)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?,"
	    " ?, ?, ?) ON CONFLICT (session) WHERE session <> '' DO UPDATE SET"
	    " ended = excluded.ended, bytes_in = excluded.bytes_in,"
	    " bytes_out = excluded.bytes_out, stores = excluded.stores,"
	    " stores_failed = excluded.stores_failed, finds = excluded.finds,"
	    " gets = excluded.gets, instances_in = excluded.instances_in,"
	    " instances_out = excluded.instances_out,"
	    " how_ended = excluded.how_ended, requests = excluded.requests,"
	    " actions = excluded.actions",
	    DB_ARGS(db_text(a->protocol), db_text(a->calling),
		db_text(a->called), db_text(a->address), db_int(a->start_ms),
		db_int(a->end_ms), db_int((int64_t)a->bytes_in),
		db_int((int64_t)a->bytes_out), db_int(a->stores),
		db_int(a->stores_failed), db_int(a->finds), db_int(a->gets),
		db_int((int64_t)a->instances_in),
		db_int((int64_t)a->instances_out), db_text(a->end),
		db_text(a->detail), db_text(a->session), db_text(a->browser),
		db_int(a->requests), db_str(str_of(s->actions, s->n))),
	    e);
}

void
activity_record_session(
    struct store *s, const struct activity *a, struct str actions)
{
	struct session row = {.row = *a};

	row.n =
	    actions.n < sizeof(row.actions) ? actions.n : sizeof(row.actions);
	if (row.n > 0)
		memcpy(row.actions, actions.p, row.n);
	commit_later(s->commit, put_session, &row, sizeof(row));
}

static bool
end_open(struct upsert *u, void *ctx, struct err *e)
{
	return db_exec(upsert_db(u),
	    "UPDATE activity SET how_ended = ? WHERE protocol = 'web'"
	    " AND session <> '' AND how_ended = '" ACTIVITY_OPEN "'",
	    DB_ARGS(db_text(ctx)), e);
}

void
activity_end_open(struct store *s, const char *how)
{
	char text[32];

	(void)str_copy(text, sizeof(text), str_from(how));
	commit_later(s->commit, end_open, text, sizeof(text));
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
	(void)str_copy(a->session, sizeof(a->session), db_column(q, 20));
	(void)str_copy(a->browser, sizeof(a->browser), db_column(q, 21));
	a->requests = (uint32_t)db_column_int(q, 22);
}

#define COLUMNS                                                                \
	"SELECT id, protocol, calling, called, address, began, ended,"         \
	" bytes_in, bytes_out, echoes, stores, stores_failed, finds,"          \
	" gets, moves, instances_in, instances_out, how_ended, detail,"        \
	" outgoing, session, browser, requests FROM activity"
#define ORDER " ORDER BY began DESC, id DESC LIMIT ?"

static bool
ask(struct db *db, const struct activity_query *w, struct db_stmt **q,
    struct err *e)
{
	int64_t max = w->max > INT32_MAX ? INT32_MAX : (int64_t)w->max;
	int64_t after_ms = w->after_id != 0 ? w->after_ms : INT64_MAX;
	int64_t after_id = w->after_id != 0 ? w->after_id : INT64_MAX;

	if (w->protocol[0] == '\0')
		return db_query(db,
		    COLUMNS " WHERE began >= ? AND began < ?"
			    " AND (began, id) < (?, ?)" ORDER,
		    DB_ARGS(db_int(w->from_ms), db_int(w->to_ms),
			db_int(after_ms), db_int(after_id), db_int(max)),
		    q, e);
	return db_query(db,
	    COLUMNS " WHERE began >= ? AND began < ?"
		    " AND (began, id) < (?, ?) AND protocol = ?" ORDER,
	    DB_ARGS(db_int(w->from_ms), db_int(w->to_ms), db_int(after_ms),
		db_int(after_id), db_text(w->protocol), db_int(max)),
	    q, e);
}

static bool
list(struct db *db, const struct activity_query *w, struct buf *rows,
    struct err *e)
{
	struct activity a;
	struct db_stmt *q;
	enum db_step step;

	if (!ask(db, w, &q, e))
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
	struct activity_query w = {.from_ms = since_ms,
	    .to_ms = INT64_MAX,
	    .protocol = "",
	    .max = max};

	return activity_find(s, &w, a, out, n, e);
}

bool
activity_show(struct store *s, int64_t id, struct arena *a,
    struct activity *out, struct str *actions, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct db_stmt *q;
	bool found = false;

	*actions = STR("");
	if (db == NULL)
		return false;
	if (db_query(db, COLUMNS " WHERE id = ?", DB_ARGS(db_int(id)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			read_row(q, out);
			found = true;
		}
	if (step == DB_STEP_DONE && found &&
	    db_query(db, "SELECT actions FROM activity WHERE id = ?",
		DB_ARGS(db_int(id)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW)
			*actions = arena_dup(a, db_column(q, 0));
	store_reader_done(s, db);
	if (step == DB_STEP_DONE && !found)
		return fail(e, ERR_MISSING, "there is no such activity");
	return step == DB_STEP_DONE;
}

bool
activity_find(struct store *s, const struct activity_query *w, struct arena *a,
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
	ok = list(db, w, &rows, e);
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
	return db_exec(upsert_db(u),
	    "DELETE FROM activity WHERE began < ?"
	    " AND (session = '' OR how_ended <> '" ACTIVITY_OPEN "')",
	    DB_ARGS(db_int(*(const int64_t *)ctx)), e);
}

bool
activity_clear(struct store *s, int64_t before_ms, struct err *e)
{
	return commit_run(s->commit, true, clear, &before_ms, e) == COMMIT_DONE;
}
