/*
 * Table link_use, by Study Instance UID.
 */
#include "store/table/link_use.h"

#include "base/clock.h"
#include "store/inside.h"

struct use {
	char study[65];
	int64_t at_ms;
};

static bool
count(struct upsert *u, void *ctx, struct err *e)
{
	const struct use *x = ctx;

	return db_exec(upsert_db(u),
	    "INSERT INTO link_use (study, opens, last) VALUES (?, 1, ?)"
	    " ON CONFLICT (study) DO UPDATE SET opens = opens + 1,"
	    " last = excluded.last",
	    DB_ARGS(db_text(x->study), db_int(x->at_ms)), e);
}

void
link_use_count(struct store *s, struct str study)
{
	struct use x = {.at_ms = clock_utc_ms()};

	if (str_copy(x.study, sizeof(x.study), study))
		commit_later(s->commit, count, &x, sizeof(x));
}

bool
link_use_get(
    struct store *s, struct str study, struct link_use *out, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct db_stmt *q;

	*out = (struct link_use){0};
	if (db == NULL)
		return false;
	if (db_query(db, "SELECT opens, last FROM link_use WHERE study = ?",
		DB_ARGS(db_str(study)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			out->opens = db_column_int(q, 0);
			out->last_ms = db_column_int(q, 1);
		}
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}
