/*
 * Reindex: all rows of the levels go in one flushed transaction, which also
 * marks this process as a writer that may have left files without rows in any
 * folder; then each file is settled, day by day and in the order of arrival,
 * so that what came first is first again. If it is interrupted, the next start
 * of the server goes on with it as a recovery.
 */
#include "store/rebuild.h"

#include "base/os.h"
#include "store/index/word.h"
#include "store/orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

struct reindex {
	struct store *s;
	rebuild_progress *progress;
	void *ctx;
	uint64_t total;
	struct rebuild_result *out;
	struct orphan_list files;
};

static bool
empty_index(struct upsert *u, void *ctx, struct err *e)
{
	static const char *const sql[] = {
	    "DELETE FROM instance",
	    "DELETE FROM series",
	    "DELETE FROM study",
	    "DELETE FROM patient",
	    "DELETE FROM patient_said",
	    "DELETE FROM name_key",
	};
	const struct store *s = ctx;
	struct db *db = upsert_db(u);
	size_t i;

	for (i = 0; i < ARRAY_LEN(sql); i++)
		if (!db_exec(db, sql[i], DB_NO_ARGS, e))
			return false;
	upsert_forget(u);
	return word_clear(db, e) &&
	       db_exec(db,
		   "UPDATE writer SET folder = '', last_instance = 0 WHERE id = ?",
		   DB_ARGS(db_int(s->writer_id)), e);
}

static bool
finish(struct upsert *u, void *ctx, struct err *e)
{
	const struct store *s = ctx;

	return db_exec(upsert_db(u),
	    "UPDATE writer SET folder = ?, last_instance ="
	    " (SELECT coalesce(max(id), 0) FROM instance) WHERE id = ?",
	    DB_ARGS(db_text(s->days.marked), db_int(s->writer_id)), e);
}

static bool
collect(void *ctx, const char *path, struct err *e)
{
	struct reindex *r = ctx;

	(void)e;
	orphan_add(r->s, &r->files, path);
	return true;
}

static bool
count(void *ctx, const char *path, struct err *e)
{
	(void)path;
	(void)e;
	((struct reindex *)ctx)->total++;
	return true;
}

static bool
settle_day(struct reindex *r, const char *day, struct err *e)
{
	enum orphan what;
	size_t i;

	r->files.n = 0;
	if (!folder_files(r->s, day, collect, r, e))
		return false;
	orphan_sort(&r->files);
	for (i = 0; i < r->files.n; i++) {
		if (r->progress != NULL &&
		    !r->progress(r->ctx, r->out->files, r->total))
			return fail(e, ERR_CANCELLED,
			    "stopped; the next start of the server or reindex "
			    "goes on");
		if (!orphan_settle(r->s, r->files.v[i].path, &what, e))
			return false;
		r->out->files++;
		r->out->indexed += what == ORPHAN_INDEXED;
		r->out->torn += what == ORPHAN_TORN;
		r->out->duplicates += what == ORPHAN_DUPLICATE;
	}
	return true;
}

static bool
other_writers(struct store *s, bool *found, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct db_stmt *q;
	enum db_step step = DB_STEP_FAILED;

	*found = false;
	if (db == NULL)
		return false;
	if (db_query(db, "SELECT id FROM writer WHERE id <> ?",
		DB_ARGS(db_int(s->writer_id)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW)
			if (store_writer_lives(s, db_column_int(q, 0)))
				*found = true;
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

/* Alone in the folder, also without being the server. */
static bool
be_alone(struct store *s, int *lock, struct err *e)
{
	bool others;

	*lock = -1;
	if (!s->server) {
		*lock = os->openat(
		    s->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
		if (*lock < 0)
			return fail_errno(e, "cannot lock '%s'", s->folder);
		os_inherit(s->dir_fd, "lock", *lock);
		if (flock(*lock, LOCK_EX | LOCK_NB) != 0)
			return fail(e, ERR_DENIED,
			    "a server uses '%s': stop it first", s->folder);
	}
	others = !store_writer_alone(s);
	if (!others &&
	    (!store_writer_begin(s, e) || !other_writers(s, &others, e)))
		return false;
	if (others)
		return fail(e, ERR_DENIED,
		    "another process stores objects in '%s'", s->folder);
	return true;
}

static bool
reindex(struct reindex *r, struct err *e)
{
	struct store *s = r->s;
	struct day_list days;
	bool ok;
	size_t i;

	if (!store_settle_tombstones(s, e) || !folder_days(s, "", &days, e))
		return false;
	ok = true;
	for (i = 0; i < days.n && ok && r->progress != NULL; i++)
		ok = folder_files(s, days.days[i], count, r, e);
	ok =
	    ok && commit_run(s->commit, true, empty_index, s, e) == COMMIT_DONE;
	for (i = 0; i < days.n && ok; i++)
		ok = settle_day(r, days.days[i], e);
	free(days.days);
	/* The mark on all folders stays for the next start. */
	if (!ok && atomic_load(&s->read_only) == NULL)
		store_writer_leave_mark(s);
	if (ok && r->progress != NULL)
		(void)r->progress(r->ctx, r->out->files, r->total);
	return ok && commit_run(s->commit, true, finish, s, e) == COMMIT_DONE;
}

bool
store_reindex(struct store *s, rebuild_progress *progress, void *ctx,
    struct rebuild_result *out, struct err *e)
{
	struct reindex r = {
	    .s = s, .progress = progress, .ctx = ctx, .out = out};
	bool ok;
	int lock;

	*out = (struct rebuild_result){0};
	ok = be_alone(s, &lock, e) && reindex(&r, e);
	orphan_list_free(&r.files);
	os_close(&lock);
	return ok;
}
