/*
 * Stored settings. Each change adds one to 'settings' in table state, which
 * other processes watch.
 */
#include "store/table/setting.h"

#include "store/inside.h"

static bool
get(struct db *db, const char *key, struct arena *a, char **value,
    struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*value = NULL;
	if (!db_query(db, "SELECT value FROM setting WHERE key = ?",
		DB_ARGS(db_text(key)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	*value = arena_cstr(a, db_column(q, 0));
	db_reset(q);
	if (*value == NULL)
		return fail(e, ERR_LIMIT, "setting '%s' is too long", key);
	return true;
}

bool
setting_get(struct store *s, const char *key, struct arena *a, char **value,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	*value = NULL;
	if (db == NULL)
		return false;
	ok = get(db, key, a, value, e);
	store_reader_done(s, db);
	return ok;
}

struct change {
	const char *key, *value;
};

static bool
put(struct upsert *u, void *ctx, struct err *e)
{
	const struct change *c = ctx;
	struct db *db = upsert_db(u);
	bool ok;

	if (c->value == NULL)
		ok = db_exec(db, "DELETE FROM setting WHERE key = ?",
		    DB_ARGS(db_text(c->key)), e);
	else
		ok = db_exec(db,
		    "INSERT INTO setting (key, value) VALUES (?, ?)"
		    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		    DB_ARGS(db_text(c->key), db_text(c->value)), e);
	return ok && db_exec(db,
			 "INSERT INTO state (name, value) VALUES"
			 " ('settings', 1) ON CONFLICT (name)"
			 " DO UPDATE SET value = value + 1",
			 DB_NO_ARGS, e);
}

bool
setting_put(struct store *s, const char *key, const char *value, struct err *e)
{
	struct change c = {key, value};

	return commit_run(s->commit, true, put, &c, e) == COMMIT_DONE;
}

bool
setting_version(struct store *s, int64_t *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok, found;

	*out = 0;
	if (db == NULL)
		return false;
	ok = db_get_int(db, "SELECT value FROM state WHERE name = 'settings'",
	    DB_NO_ARGS, out, &found, e);
	store_reader_done(s, db);
	return ok;
}
