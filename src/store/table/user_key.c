/*
 * What belongs to users: API keys, and the studies they have uploaded.
 */
#include "store/table/user.h"

#include "base/clock.h"
#include "store/inside.h"

struct change {
	int64_t user, id, at_ms, since_ms;
	const char *name;
	struct str bytes;
};

static bool
count_change(struct db *db, struct err *e)
{
	return db_exec(db,
	    "INSERT INTO state (name, value) VALUES ('users', 1)"
	    " ON CONFLICT (name) DO UPDATE SET value = value + 1",
	    DB_NO_ARGS, e);
}

static bool
add(struct upsert *up, void *ctx, struct err *e)
{
	struct change *c = ctx;
	struct db *db = upsert_db(up);
	int64_t n;
	bool found;

	if (!db_get_int(db, "SELECT count(*) FROM api_key WHERE user = ?",
		DB_ARGS(db_int(c->user)), &n, &found, e))
		return false;
	if (n >= API_KEYS_MAX)
		return fail(
		    e, ERR_LIMIT, "a user has at most %d keys", API_KEYS_MAX);
	if (!db_exec(db,
		"INSERT INTO api_key (user, name, hash, created)"
		" SELECT id, ?, ?, ? FROM user WHERE id = ?",
		DB_ARGS(db_text(c->name), db_blob(c->bytes), db_int(c->at_ms),
		    db_int(c->user)),
		e))
		return false;
	c->id = db_last_id(db);
	return count_change(db, e);
}

bool
api_key_add(struct store *s, int64_t user, const char *name,
    const uint8_t hash[32], int64_t *id, struct err *e)
{
	struct change c = {.user = user,
	    .name = name,
	    .at_ms = clock_utc_ms(),
	    .bytes = str_of(hash, 32)};
	bool ok = commit_run(s->commit, true, add, &c, e) == COMMIT_DONE;

	*id = c.id;
	return ok;
}

static void
read_key(struct db_stmt *q, struct api_key *k)
{
	*k = (struct api_key){.id = db_column_int(q, 0),
	    .user = db_column_int(q, 1),
	    .created_ms = db_column_int(q, 3),
	    .used_ms = db_column_int(q, 4)};
	(void)str_copy(k->name, sizeof(k->name), db_column(q, 2));
}

bool
api_key_list(struct store *s, int64_t user, struct arena *a,
    struct api_key **out, size_t *n, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct db_stmt *q;

	*n = 0;
	*out = arena_array(a, API_KEYS_MAX, sizeof(**out));
	if (db == NULL || *out == NULL) {
		if (db != NULL)
			store_reader_done(s, db);
		return db != NULL && fail(e, ERR_LIMIT, "too many keys");
	}
	if (db_query(db,
		"SELECT id, user, name, created, used FROM api_key"
		" WHERE user = ? ORDER BY id LIMIT ?",
		DB_ARGS(db_int(user), db_int(API_KEYS_MAX)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW)
			read_key(q, &(*out)[(*n)++]);
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

static bool
delete_key(struct upsert *up, void *ctx, struct err *e)
{
	const struct change *c = ctx;
	struct db *db = upsert_db(up);

	if (!db_exec(db, "DELETE FROM api_key WHERE id = ? AND user = ?",
		DB_ARGS(db_int(c->id), db_int(c->user)), e))
		return false;
	if (db_changes(db) == 0)
		return fail(e, ERR_MISSING, "there is no such key");
	return count_change(db, e);
}

bool
api_key_delete(struct store *s, int64_t user, int64_t id, struct err *e)
{
	struct change c = {.user = user, .id = id};

	return commit_run(s->commit, true, delete_key, &c, e) == COMMIT_DONE;
}

static bool
used(struct upsert *up, void *ctx, struct err *e)
{
	const struct change *c = ctx;

	return db_exec(upsert_db(up),
	    "UPDATE api_key SET used = ?"
	    " WHERE id = ?",
	    DB_ARGS(db_int(c->at_ms), db_int(c->id)), e);
}

bool
api_key_find(
    struct store *s, const uint8_t hash[32], struct api_key *out, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct change c = {.at_ms = clock_utc_ms()};
	struct db_stmt *q;

	*out = (struct api_key){0};
	if (db == NULL)
		return false;
	if (db_query(db,
		"SELECT id, user, name, created, used FROM api_key"
		" WHERE hash = ?",
		DB_ARGS(db_blob(str_of(hash, 32))), &q, e)) {
		step = db_step(q, e);
		if (step == DB_STEP_ROW) {
			read_key(q, out);
			db_reset(q);
		}
	}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE)
		return fail(e, ERR_MISSING, "there is no such key");
	if (step != DB_STEP_ROW)
		return false;
	/* Often enough to tell the keys that nobody uses. */
	c.id = out->id;
	if (c.at_ms - out->used_ms > 60000)
		commit_later(s->commit, used, &c, sizeof(c));
	return true;
}

static bool
put_upload(struct upsert *up, void *ctx, struct err *e)
{
	const struct change *c = ctx;

	return db_exec(upsert_db(up),
	    "INSERT INTO upload (user, study, at) SELECT ?, ?, ? WHERE NOT"
	    " EXISTS (SELECT 1 FROM study JOIN series ON series.study ="
	    " study.id JOIN instance ON instance.series = series.id"
	    " WHERE study.StudyInstanceUID = ? AND instance.arrived < ?)"
	    " ON CONFLICT (user, study) DO NOTHING",
	    DB_ARGS(db_int(c->user), db_str(c->bytes), db_int(c->at_ms),
		db_str(c->bytes), db_int(c->since_ms)),
	    e);
}

bool
upload_put(struct store *s, struct str study, int64_t user, int64_t since_ms,
    struct err *e)
{
	struct change c = {.user = user,
	    .bytes = study,
	    .at_ms = clock_utc_ms(),
	    .since_ms = since_ms};

	return commit_run(s->commit, true, put_upload, &c, e) == COMMIT_DONE;
}
