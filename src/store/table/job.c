/*
 * Tables job and job_item.
 *
 * An item's place in its job (seq) is the order of its adding and the key it
 * is paged by; its name is unique within the job. State: ITEM_TODO, ITEM_DONE,
 * ITEM_FAILED. The counts of a job change in the transaction of the item.
 *
 * 'jobs' in table state is one more after each change that the runner must
 * see; it is asked for once a second.
 *
 * job_take() reads without a lock and then changes the row only if it still
 * waits: nobody but the one server takes jobs, but any verb may cancel them.
 */
#include "store/table/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/inside.h"

#define DAY_MS (24 * 60 * 60 * 1000LL)
/* Items removed in one transaction. */
#define CLEAR_ITEMS 20000

enum { ITEM_TODO, ITEM_DONE, ITEM_FAILED };

#define JOB_COLUMNS                                                            \
	"SELECT id, kind, node, state, attempts, created, next, ended, total," \
	" done, failed, listed, error"

const char *
job_state_name(enum job_state state)
{
	static const char *const names[] = {
	    [JOB_WAITING] = "waiting",
	    [JOB_RUNNING] = "running",
	    [JOB_DONE] = "done",
	    [JOB_FAILED] = "failed",
	    [JOB_CANCELLED] = "cancelled",
	    [JOB_DRAFT] = "draft",
	};

	must(state < ARRAY_LEN(names));
	return names[state];
}

static bool
run(struct store *s, bool flush, commit_fn *fn, void *ctx, struct err *e)
{
	return commit_run(s->commit, flush, fn, ctx, e) == COMMIT_DONE;
}

/* The runner is to look. */
static bool
count_change(struct db *db, struct err *e)
{
	return db_exec(db,
	    "INSERT INTO state (name, value) VALUES ('jobs', 1)"
	    " ON CONFLICT (name) DO UPDATE SET value = value + 1",
	    DB_NO_ARGS, e);
}

struct adding {
	const struct job *job;
	const struct job_item *items;
	size_t n;
	int64_t id;
};

static bool
add_items(struct db *db, const struct adding *a, struct err *e)
{
	int64_t seq, first;
	bool found;
	size_t i;

	if (!db_get_int(db,
		"SELECT coalesce(max(seq), 0) FROM job_item WHERE job = ?",
		DB_ARGS(db_int(a->id)), &first, &found, e))
		return false;
	seq = first;
	for (i = 0; i < a->n; i++) {
		if (!db_exec(db,
			"INSERT INTO job_item (job, seq, name, state, expected,"
			" got, error) VALUES (?, ?, ?, 0, ?, 0, '')"
			" ON CONFLICT (job, name) DO NOTHING",
			DB_ARGS(db_int(a->id), db_int(seq + 1),
			    db_text(a->items[i].name),
			    db_int((int64_t)a->items[i].expected)),
			e))
			return false;
		seq += db_changes(db);
	}
	return db_exec(db, "UPDATE job SET total = total + ? WHERE id = ?",
	    DB_ARGS(db_int(seq - first), db_int(a->id)), e);
}

bool
job_insert(struct db *db, const struct job *j, int64_t *id, struct err *e)
{
	int64_t now = clock_utc_ms();

	if (!db_exec(db,
		"INSERT INTO job (kind, node, detail, state, attempts,"
		" created, next, ended, total, done, failed, listed, error)"
		" VALUES (?, ?, ?, ?, 0, ?, ?, 0, 0, 0, 0, 0, '')",
		DB_ARGS(db_text(j->kind), db_text(j->node), db_str(j->detail),
		    db_int(j->state), db_int(now),
		    db_int(j->next_ms != 0 ? j->next_ms : now)),
		e))
		return false;
	*id = db_last_id(db);
	return count_change(db, e);
}

static bool
add(struct upsert *u, void *ctx, struct err *e)
{
	struct db *db = upsert_db(u);
	struct adding *a = ctx;

	return job_insert(db, a->job, &a->id, e) && add_items(db, a, e);
}

bool
job_add(struct store *s, const struct job *j, const struct job_item *items,
    size_t n, int64_t *id, struct err *e)
{
	struct adding a = {.job = j, .items = items, .n = n};

	must(j->state == JOB_WAITING || j->state == JOB_DRAFT);
	*id = 0;
	if (!run(s, true, add, &a, e))
		return fail_in(e, "cannot add the job");
	*id = a.id;
	return true;
}

/* One that runs may be past what it would see. */
static bool
is_there(struct db *db, const struct job *j, bool *found, struct err *e)
{
	int64_t id;

	return db_get_int(db,
	    "SELECT id FROM job WHERE state = 0 AND node = ? AND +kind = ?"
	    " AND +detail = ? LIMIT 1",
	    DB_ARGS(db_text(j->node), db_text(j->kind), db_str(j->detail)), &id,
	    found, e);
}

static bool
add_once(struct upsert *u, void *ctx, struct err *e)
{
	struct adding *a = ctx;
	bool found;

	return is_there(upsert_db(u), a->job, &found, e) &&
	       (found || add(u, ctx, e));
}

bool
job_add_once(struct store *s, const struct job *j, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct adding a = {.job = j};
	bool found, ok;

	if (db == NULL)
		return false;
	ok = is_there(db, j, &found, e);
	store_reader_done(s, db);
	if (ok && !found)
		ok = run(s, true, add_once, &a, e);
	return ok || fail_in(e, "cannot add the job");
}

static bool
add_more(struct upsert *u, void *ctx, struct err *e)
{
	return add_items(upsert_db(u), ctx, e);
}

bool
job_add_items(struct store *s, int64_t id, const struct job_item *items,
    size_t n, struct err *e)
{
	struct adding a = {.items = items, .n = n, .id = id};

	return run(s, true, add_more, &a, e);
}

static bool
begin(struct upsert *u, void *ctx, struct err *e)
{
	struct db *db = upsert_db(u);
	int64_t id = *(const int64_t *)ctx;

	if (!db_exec(db,
		"UPDATE job SET state = ?, next = ? WHERE id = ? AND state = ?",
		DB_ARGS(db_int(JOB_WAITING), db_int(clock_utc_ms()), db_int(id),
		    db_int(JOB_DRAFT)),
		e))
		return false;
	if (db_changes(db) == 0)
		return fail(e, ERR_CONFLICT,
		    "job %lld is no draft: it was cancelled meanwhile",
		    (long long)id);
	return count_change(db, e);
}

bool
job_start(struct store *s, int64_t id, struct err *e)
{
	return run(s, true, begin, &id, e);
}

static bool
mark_listed(struct upsert *u, void *ctx, struct err *e)
{
	return db_exec(upsert_db(u), "UPDATE job SET listed = 1 WHERE id = ?",
	    DB_ARGS(db_int(*(const int64_t *)ctx)), e);
}

bool
job_listed(struct store *s, int64_t id, struct err *e)
{
	return run(s, true, mark_listed, &id, e);
}

static void
read_job(struct db_stmt *q, struct job *j)
{
	*j = (struct job){.id = db_column_int(q, 0)};
	(void)str_copy(j->kind, sizeof(j->kind), db_column(q, 1));
	(void)str_copy(j->node, sizeof(j->node), db_column(q, 2));
	j->state = (enum job_state)db_column_int(q, 3);
	j->attempts = (unsigned)db_column_int(q, 4);
	j->created_ms = db_column_int(q, 5);
	j->next_ms = db_column_int(q, 6);
	j->ended_ms = db_column_int(q, 7);
	j->total = (uint64_t)db_column_int(q, 8);
	j->done = (uint64_t)db_column_int(q, 9);
	j->failed = (uint64_t)db_column_int(q, 10);
	j->listed = db_column_int(q, 11) != 0;
	(void)str_copy(j->error, sizeof(j->error), db_column(q, 12));
}

static bool
find(struct db *db, int64_t id, struct arena *a, struct job *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db, JOB_COLUMNS ", detail FROM job WHERE id = ?",
		DB_ARGS(db_int(id)), &q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_DONE)
		return fail(
		    e, ERR_MISSING, "there is no job %lld", (long long)id);
	if (step == DB_STEP_FAILED)
		return false;
	read_job(q, out);
	out->detail = arena_dup(a, db_column(q, 13));
	db_reset(q);
	if (a->over)
		return fail(e, ERR_LIMIT, "the detail of job %lld is too long",
		    (long long)id);
	return true;
}

bool
job_find(struct store *s, int64_t id, struct arena *a, struct job *out,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	*out = (struct job){.id = 0};
	if (db == NULL)
		return false;
	ok = find(db, id, a, out, e);
	store_reader_done(s, db);
	return ok;
}

struct choice {
	const char (*busy)[17];
	size_t busy_count;
	int64_t now;
	int64_t id, next; /* the job due longest; id 0: none */
	int64_t soonest;  /* of those that are not due */
	bool clock_was_wrong;
};

static bool
is_busy(const struct choice *c, struct str node)
{
	size_t i;

	for (i = 0; i < c->busy_count; i++)
		if (str_eq_text(node, c->busy[i]))
			return true;
	return false;
}

static void
weigh(struct choice *c, int64_t id, int64_t next)
{
	if (next > c->now + JOB_PAUSE_MAX_MS)
		c->clock_was_wrong = true;
	if (next > c->now) {
		if (next < c->soonest)
			c->soonest = next;
	} else if (c->id == 0 || next < c->next ||
		   (next == c->next && id < c->id)) {
		c->id = id;
		c->next = next;
	}
}

#define FIRST_OF_NODE(which)                                                   \
	"SELECT node, next, id FROM job WHERE state = 0 AND node " which       \
	" ? ORDER BY node, next, id LIMIT 1"

/* The first job of each node, node by node, each a step in the index
 * job_waiting: as many steps as there are nodes, not jobs. */
static bool
choose(struct db *db, struct choice *c, struct err *e)
{
	const char *sql = FIRST_OF_NODE(">=");
	char node[64] = "";
	struct db_stmt *q;
	enum db_step step;

	for (;;) {
		if (!db_query(db, sql, DB_ARGS(db_text(node)), &q, e))
			return false;
		step = db_step(q, e);
		if (step != DB_STEP_ROW)
			return step == DB_STEP_DONE;
		if (!is_busy(c, db_column(q, 0)))
			weigh(c, db_column_int(q, 2), db_column_int(q, 1));
		(void)str_copy(node, sizeof(node), db_column(q, 0));
		db_reset(q);
		sql = FIRST_OF_NODE(">");
	}
}

bool
job_older(struct store *s, const struct job *j, int64_t *next_ms, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok, found = false;

	*next_ms = INT64_MIN;
	if (db == NULL)
		return false;
	/* The index of what waits, whatever else the table holds. */
	ok = db_get_int(db,
	    "SELECT next FROM job WHERE state = 0 AND node = ?"
	    " AND +kind = ? AND +id < ? ORDER BY +id LIMIT 1",
	    DB_ARGS(db_text(j->node), db_text(j->kind), db_int(j->id)), next_ms,
	    &found, e);
	if (!found)
		*next_ms = INT64_MIN;
	store_reader_done(s, db);
	return ok;
}

static bool
mend_clock(struct upsert *u, void *ctx, struct err *e)
{
	int64_t last = *(const int64_t *)ctx + JOB_PAUSE_MAX_MS;

	return db_exec(upsert_db(u),
	    "UPDATE job SET next = ? WHERE state = 0 AND next > ?",
	    DB_ARGS(db_int(last), db_int(last)), e);
}

struct taking {
	int64_t id;
	bool taken;
};

static bool
take(struct upsert *u, void *ctx, struct err *e)
{
	struct taking *t = ctx;

	if (!db_exec(upsert_db(u),
		"UPDATE job SET state = ? WHERE id = ? AND state = ?",
		DB_ARGS(
		    db_int(JOB_RUNNING), db_int(t->id), db_int(JOB_WAITING)),
		e))
		return false;
	t->taken = db_changes(upsert_db(u)) > 0;
	return true;
}

static bool
look(struct store *s, struct choice *c, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	if (db == NULL)
		return false;
	ok = choose(db, c, e);
	store_reader_done(s, db);
	if (ok && c->clock_was_wrong)
		ok = run(s, true, mend_clock, &c->now, e);
	return ok;
}

/* Taken, but it cannot be read. */
static void
put_back(struct store *s, int64_t id, const struct err *why)
{
	struct job j = {
	    .id = id,
	    .state = JOB_WAITING,
	    .next_ms = clock_utc_ms() + JOB_PAUSE_MAX_MS,
	};
	struct err e;

	(void)str_copy(j.error, sizeof(j.error), str_from(why->text));
	if (!job_end(s, &j, &e))
		log_error("jobs", "job %lld: %s", (long long)id, e.text);
}

bool
job_take(struct store *s, const char (*busy)[17], size_t busy_count,
    struct arena *a, struct job *out, bool *found, int64_t *wait_ms,
    struct err *e)
{
	struct choice c = {
	    .busy = busy,
	    .busy_count = busy_count,
	    .now = clock_utc_ms(),
	    .soonest = INT64_MAX,
	};
	struct taking t;

	*out = (struct job){.id = 0};
	*found = false;
	*wait_ms = INT64_MAX;
	if (!look(s, &c, e))
		return false;
	if (c.clock_was_wrong && c.soonest > c.now + JOB_PAUSE_MAX_MS)
		c.soonest = c.now + JOB_PAUSE_MAX_MS;
	if (c.id == 0) {
		if (c.soonest != INT64_MAX)
			*wait_ms = c.soonest - c.now;
		return true;
	}
	t = (struct taking){.id = c.id};
	*wait_ms = 0;
	if (!run(s, false, take, &t, e))
		return false;
	/* Cancelled a moment ago: there may be others. */
	if (!t.taken)
		return true;
	*found = job_find(s, c.id, a, out, e);
	if (!*found)
		put_back(s, c.id, e);
	return *found;
}

bool
job_due(struct store *s, const char *node)
{
	struct err e;
	struct db *db = store_reader(s, &e);
	bool found = false;
	int64_t id;

	if (db == NULL)
		return false;
	if (!db_get_int(db,
		"SELECT id FROM job WHERE state = 0 AND node = ?"
		" AND next <= ? LIMIT 1",
		DB_ARGS(db_text(node), db_int(clock_utc_ms())), &id, &found,
		&e))
		found = false;
	store_reader_done(s, db);
	return found;
}

#define ITEM_COLUMNS "SELECT name, state, expected, got, error FROM job_item"
#define ITEM_AFTER                                                             \
	" WHERE job = ?1 AND seq > coalesce((SELECT seq FROM job_item"         \
	" WHERE job = ?1 AND name = ?2), 0)"
#define ITEM_ORDER " ORDER BY seq LIMIT ?3"

static void
read_item(struct db_stmt *q, struct job_item *i)
{
	int64_t state = db_column_int(q, 1);

	*i = (struct job_item){
	    .done = state == ITEM_DONE, .failed = state == ITEM_FAILED};
	(void)str_copy(i->name, sizeof(i->name), db_column(q, 0));
	i->expected = (uint64_t)db_column_int(q, 2);
	i->got = (uint64_t)db_column_int(q, 3);
	(void)str_copy(i->error, sizeof(i->error), db_column(q, 4));
}

static bool
read_items(struct db *db, const char *sql, const struct db_value args[3],
    struct buf *rows, struct err *e)
{
	struct job_item item;
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db, sql, args, 3, &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		read_item(q, &item);
		buf_add(rows, str_of(&item, sizeof(item)));
		if (rows->over) {
			db_reset(q);
			return fail(e, ERR_LIMIT, "too many items at once");
		}
	}
	return step == DB_STEP_DONE;
}

/* What was gathered, as an array in the arena. */
static bool
into_arena(struct arena *a, const struct buf *rows, void **out, struct err *e)
{
	*out = arena_alloc(a, rows->n + 1);
	if (*out == NULL)
		return fail(e, ERR_LIMIT, "too many rows at once");
	if (rows->n > 0)
		memcpy(*out, rows->p, rows->n);
	return true;
}

static bool
list_items(struct store *s, const char *sql, const struct db_value args[3],
    struct arena *a, struct job_item **out, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct buf rows;
	void *array = NULL;
	bool ok;

	*out = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	buf_init(&rows, a->budget - a->used);
	ok = read_items(db, sql, args, &rows, e);
	store_reader_done(s, db);
	if (ok)
		ok = into_arena(a, &rows, &array, e);
	if (ok) {
		*out = array;
		*n = rows.n / sizeof(**out);
	}
	buf_fini(&rows);
	return ok;
}

bool
job_items(struct store *s, int64_t id, const char *after, size_t max,
    struct arena *a, struct job_item **out, size_t *n, struct err *e)
{
	const struct db_value args[3] = {
	    db_int(id), db_text(after), db_int((int64_t)max)};

	return list_items(s,
	    ITEM_COLUMNS ITEM_AFTER " AND state = 0" ITEM_ORDER, args, a, out,
	    n, e);
}

bool
job_items_all(struct store *s, int64_t id, const char *after, size_t max,
    struct arena *a, struct job_item **out, size_t *n, struct err *e)
{
	const struct db_value args[3] = {
	    db_int(id), db_text(after), db_int((int64_t)max)};

	return list_items(
	    s, ITEM_COLUMNS ITEM_AFTER ITEM_ORDER, args, a, out, n, e);
}

struct outcome {
	int64_t id;
	const struct job_item *item;
};

static bool
note_item(struct upsert *u, void *ctx, struct err *e)
{
	const struct outcome *o = ctx;
	const struct job_item *i = o->item;
	struct db *db = upsert_db(u);
	int state = i->done ? ITEM_DONE : i->failed ? ITEM_FAILED : ITEM_TODO;

	if (!db_exec(db,
		"UPDATE job_item SET state = ?, expected = ?, got = ?,"
		" error = ? WHERE job = ? AND name = ? AND state = 0",
		DB_ARGS(db_int(state), db_int((int64_t)i->expected),
		    db_int((int64_t)i->got), db_text(i->error), db_int(o->id),
		    db_text(i->name)),
		e))
		return false;
	if (state == ITEM_TODO || db_changes(db) == 0)
		return true;
	return db_exec(db,
	    "UPDATE job SET done = done + ?, failed = failed + ? WHERE id = ?",
	    DB_ARGS(db_int(state == ITEM_DONE), db_int(state == ITEM_FAILED),
		db_int(o->id)),
	    e);
}

bool
job_item_done(
    struct store *s, int64_t id, const struct job_item *item, struct err *e)
{
	struct outcome o = {id, item};

	return run(s, false, note_item, &o, e);
}

static bool
end(struct upsert *u, void *ctx, struct err *e)
{
	const struct job *j = ctx;
	bool final = j->state == JOB_DONE || j->state == JOB_FAILED ||
		     j->state == JOB_CANCELLED;

	return db_exec(upsert_db(u),
	    "UPDATE job SET state = ?, attempts = ?, next = ?, ended = ?,"
	    " error = ? WHERE id = ? AND state = 1",
	    DB_ARGS(db_int(j->state), db_int(j->attempts), db_int(j->next_ms),
		db_int(final ? clock_utc_ms() : 0), db_text(j->error),
		db_int(j->id)),
	    e);
}

bool
job_end(struct store *s, const struct job *j, struct err *e)
{
	struct job copy = *j;

	return run(s, true, end, &copy, e);
}

/* ERR_MISSING when there is none. */
static bool
state_of(struct db *db, int64_t id, enum job_state *state, struct err *e)
{
	int64_t v;
	bool found;

	if (!db_get_int(db, "SELECT state FROM job WHERE id = ?",
		DB_ARGS(db_int(id)), &v, &found, e))
		return false;
	if (!found)
		return fail(
		    e, ERR_MISSING, "there is no job %lld", (long long)id);
	*state = (enum job_state)v;
	return true;
}

static bool
cancel(struct upsert *u, void *ctx, struct err *e)
{
	struct db *db = upsert_db(u);
	int64_t id = *(const int64_t *)ctx;
	enum job_state state;

	if (!state_of(db, id, &state, e))
		return false;
	if (state != JOB_WAITING && state != JOB_RUNNING && state != JOB_DRAFT)
		return fail(e, ERR_CONFLICT, "job %lld is %s already",
		    (long long)id, job_state_name(state));
	return db_exec(db, "UPDATE job SET state = ?, ended = ? WHERE id = ?",
		   DB_ARGS(db_int(JOB_CANCELLED), db_int(clock_utc_ms()),
		       db_int(id)),
		   e) &&
	       count_change(db, e);
}

bool
job_cancel(struct store *s, int64_t id, struct err *e)
{
	return run(s, true, cancel, &id, e);
}

static bool
retry(struct upsert *u, void *ctx, struct err *e)
{
	struct db *db = upsert_db(u);
	int64_t id = *(const int64_t *)ctx;
	enum job_state state;

	if (!state_of(db, id, &state, e))
		return false;
	if (state != JOB_WAITING && state != JOB_FAILED &&
	    state != JOB_CANCELLED)
		return fail(e, ERR_CONFLICT, "job %lld is %s", (long long)id,
		    job_state_name(state));
	return db_exec(db,
		   "UPDATE job_item SET state = 0, error = ''"
		   " WHERE job = ? AND state = 2",
		   DB_ARGS(db_int(id)), e) &&
	       db_exec(db,
		   "UPDATE job SET state = ?, attempts = 0, next = ?,"
		   " ended = 0, failed = 0 WHERE id = ?",
		   DB_ARGS(
		       db_int(JOB_WAITING), db_int(clock_utc_ms()), db_int(id)),
		   e) &&
	       count_change(db, e);
}

bool
job_retry(struct store *s, int64_t id, struct err *e)
{
	return run(s, true, retry, &id, e);
}

static bool
hurry(struct upsert *u, void *ctx, struct err *e)
{
	struct db *db = upsert_db(u);
	int64_t id = *(const int64_t *)ctx;

	return db_exec(db, "UPDATE job SET next = ? WHERE id = ? AND state = 0",
		   DB_ARGS(db_int(clock_utc_ms()), db_int(id)), e) &&
	       count_change(db, e);
}

bool
job_hurry(struct store *s, int64_t id, struct err *e)
{
	return run(s, true, hurry, &id, e);
}

bool
job_cancelled(struct store *s, int64_t id)
{
	struct err e;
	struct db *db = store_reader(s, &e);
	enum job_state state = JOB_RUNNING;
	bool known;

	if (db == NULL)
		return false;
	known = state_of(db, id, &state, &e);
	store_reader_done(s, db);
	/* It may be waiting again by now, for its next run. */
	return known ? state != JOB_RUNNING : e.code == ERR_MISSING;
}

static bool
list(struct db *db, int state, size_t max, struct buf *rows, struct err *e)
{
	struct job j;
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		state < 0 ? JOB_COLUMNS
		    " FROM job WHERE ? < 0 ORDER BY id DESC LIMIT ?"
			  : JOB_COLUMNS
		    " FROM job WHERE state = ? ORDER BY id DESC LIMIT ?",
		DB_ARGS(db_int(state), db_int((int64_t)max)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		read_job(q, &j);
		buf_add(rows, str_of(&j, sizeof(j)));
		if (rows->over) {
			db_reset(q);
			return fail(e, ERR_LIMIT, "too many jobs at once");
		}
	}
	return step == DB_STEP_DONE;
}

bool
job_list(struct store *s, int state, size_t max, struct arena *a,
    struct job **out, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct buf rows;
	void *array = NULL;
	bool ok;

	*out = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	buf_init(&rows, a->budget - a->used);
	ok = list(db, state, max, &rows, e);
	store_reader_done(s, db);
	if (ok)
		ok = into_arena(a, &rows, &array, e);
	if (ok) {
		*out = array;
		*n = rows.n / sizeof(**out);
	}
	buf_fini(&rows);
	return ok;
}

bool
job_version(struct store *s, int64_t *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok, found;

	*out = 0;
	if (db == NULL)
		return false;
	ok = db_get_int(db, "SELECT value FROM state WHERE name = 'jobs'",
	    DB_NO_ARGS, out, &found, e);
	store_reader_done(s, db);
	return ok;
}

static bool
recover(struct upsert *u, void *ctx, struct err *e)
{
	struct db *db = upsert_db(u);
	int64_t now = *(const int64_t *)ctx;

	/* Whoever was adding to a draft of yesterday has died. */
	return db_exec(db, "UPDATE job SET state = 0, next = ? WHERE state = 1",
		   DB_ARGS(db_int(now)), e) &&
	       db_exec(db,
		   "UPDATE job SET state = 3, ended = ?, error ="
		   " 'the program that was adding it ended before it was whole'"
		   " WHERE state = 5 AND abs(created - ?) > ?",
		   DB_ARGS(db_int(now), db_int(now), db_int(DAY_MS)), e);
}

bool
job_recover(struct store *s, struct err *e)
{
	int64_t now = clock_utc_ms();

	return run(s, true, recover, &now, e);
}

struct clearing {
	int64_t before_ms;
	int64_t id; /* of the job that went; 0: it has items left, or none */
	bool over;  /* none is left */
};

/* A piece of the oldest that ended. */
static bool
clear_some(struct upsert *u, void *ctx, struct err *e)
{
	struct db *db = upsert_db(u);
	struct clearing *c = ctx;
	int64_t id;
	bool found;

	c->id = 0;
	if (!db_get_int(db,
		"SELECT id FROM job WHERE state IN (2, 3, 4) AND ended < ?"
		" LIMIT 1",
		DB_ARGS(db_int(c->before_ms)), &id, &found, e))
		return false;
	c->over = !found;
	if (!found)
		return true;
	if (!db_exec(db,
		"DELETE FROM job_item WHERE job = ?1 AND seq IN"
		" (SELECT seq FROM job_item WHERE job = ?1 LIMIT ?2)",
		DB_ARGS(db_int(id), db_int(CLEAR_ITEMS)), e))
		return false;
	if (db_changes(db) == CLEAR_ITEMS)
		return true;
	c->id = id;
	return db_exec(
	    db, "DELETE FROM job WHERE id = ?", DB_ARGS(db_int(id)), e);
}

bool
job_clear(struct store *s, int64_t before_ms, size_t *n, struct err *e)
{
	struct clearing c = {.before_ms = before_ms};
	size_t gone = 0;

	while (!c.over) {
		if (!run(s, true, clear_some, &c, e))
			return false;
		gone += c.id != 0;
	}
	if (n != NULL)
		*n = gone;
	return true;
}
