/*
 * What is set aside, see quarantine.h.
 *
 * discard: the row goes and a tombstone of the file comes, in one flushed
 * commit; then the file is unlinked. A power cut in between leaves the
 * tombstone, and the next start of the server unlinks.
 *
 * accept: the bytes come once more, like an object that is received, by the
 * protocol at the top of object.c, so that parser, hash and seal have their
 * say; only that
 *   1. what is stored is copied to quarantine, the copy flushed, before the row
 *      of the new file is committed: it is never without a durable file;
 *   2. that commit, flushed, has all of it: the row of the new file for the
 *      old one's, a row in quarantine for the copy, and for the accepted one
 *      none any more; tombstones of the old object's file and of the accepted
 *      one's in quarantine;
 *   3. then both are unlinked.
 * Whatever a kill or a power cut leaves before 2: a temporary file, an object
 * without a row that differs from the stored one (recovery sets it aside), a
 * copy without a row of what is stored (recovery removes it). After 2 there are
 * tombstones. The process is entered in table writer before all this, so that
 * the next start does recover.
 *
 * Of two who decide on one row at once the first commit counts: the other finds
 * no row, and is undone.
 */
#include "store/quarantine.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "store/arrive.h"
#include "store/aside.h"
#include "store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define ROW                                                                    \
	"SELECT id, path, reason, SOPInstanceUID, source, size, sha256,"       \
	" arrived FROM quarantine"

static void
read_row(struct db_stmt *q, struct quarantined *out)
{
	struct str hash = db_column(q, 6);

	*out = (struct quarantined){.id = db_column_int(q, 0)};
	(void)str_copy(out->path, sizeof(out->path), db_column(q, 1));
	(void)str_copy(out->reason, sizeof(out->reason), db_column(q, 2));
	(void)str_copy(
	    out->sop_instance, sizeof(out->sop_instance), db_column(q, 3));
	(void)str_copy(out->source, sizeof(out->source), db_column(q, 4));
	out->size = (uint64_t)db_column_int(q, 5);
	if (hash.n == sizeof(out->sha256))
		memcpy(out->sha256, hash.p, hash.n);
	out->arrived_ms = db_column_int(q, 7);
}

static bool
list(struct db *db, int64_t after, struct quarantined *rows, size_t *n,
    struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db, ROW " WHERE id > ? ORDER BY id LIMIT ?",
		DB_ARGS(db_int(after), db_int(LIMIT_ROWS)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		read_row(q, &rows[(*n)++]);
	return step == DB_STEP_DONE;
}

bool
quarantine_list(struct store *s, int64_t after_id, struct arena *a,
    struct quarantined **out, size_t *n, struct err *e)
{
	struct db *db;
	bool ok;

	*n = 0;
	*out = arena_array(a, LIMIT_ROWS, sizeof(**out));
	if (*out == NULL)
		return fail(e, ERR_LIMIT, "no memory for so many rows");
	db = store_reader(s, e);
	if (db == NULL)
		return false;
	ok = list(db, after_id, *out, n, e);
	store_reader_done(s, db);
	return ok;
}

static bool
no_such_row(int64_t id, struct err *e)
{
	return fail(
	    e, ERR_MISSING, "there is no %lld in quarantine", (long long)id);
}

static bool
find(struct db *db, int64_t id, struct quarantined *out, struct err *e)
{
	struct db_stmt *q;

	if (!db_query(db, ROW " WHERE id = ?", DB_ARGS(db_int(id)), &q, e))
		return false;
	switch (db_step(q, e)) {
	case DB_STEP_ROW:
		read_row(q, out);
		db_reset(q);
		return true;
	case DB_STEP_DONE:
		return no_such_row(id, e);
	default:
		return false;
	}
}

bool
quarantine_find(
    struct store *s, int64_t id, struct quarantined *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	if (db == NULL)
		return false;
	ok = find(db, id, out, e);
	store_reader_done(s, db);
	return ok;
}

bool
quarantine_file(
    struct store *s, const struct quarantined *q, int *fd, struct err *e)
{
	*fd = -1;
	/* The path comes from the database: also a damaged one leads nowhere
	 * else. */
	if (!folder_aside_valid(q->path))
		return fail(e, ERR_CORRUPT, "the index names no file of ours");
	*fd = folder_open(s->quarantine_fd, q->path, O_RDONLY);
	return *fd >= 0 ||
	       fail_errno(e, "cannot open '%s/%s'", FOLDER_QUARANTINE, q->path);
}

bool
quarantine_has(struct store *s, struct str sop_instance,
    const uint8_t sha256[32], bool *found, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct quarantined row;
	struct db_stmt *q;
	struct err why;
	int fd;

	*found = false;
	if (db == NULL)
		return false;
	if (db_query(db, ROW " WHERE SOPInstanceUID = ? AND sha256 = ?",
		DB_ARGS(db_str(sop_instance), db_blob(str_of(sha256, 32))), &q,
		e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			read_row(q, &row);
			if (quarantine_file(s, &row, &fd, &why))
				*found = true;
			os_close(&fd);
		}
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

/* The row goes, its file is to be unlinked; in a flushed commit. */
static bool
bury(struct upsert *u, const struct quarantined *q, struct err *e)
{
	char path[sizeof(FOLDER_QUARANTINE) + sizeof(q->path)];
	struct db *db = upsert_db(u);

	if (!db_exec(db, "DELETE FROM quarantine WHERE id = ? AND path = ?",
		DB_ARGS(db_int(q->id), db_text(q->path)), e))
		return false;
	if (db_changes(db) == 0)
		return no_such_row(q->id, e);
	snprintf(path, sizeof(path), FOLDER_QUARANTINE "/%s", q->path);
	return tombstone_row(u, path, str_from(q->sop_instance), e);
}

static bool
bury_row(struct upsert *u, void *ctx, struct err *e)
{
	return bury(u, ctx, e);
}

static void
remove_aside(struct store *s, const char *path)
{
	if (folder_aside_valid(path) &&
	    os->unlinkat(s->quarantine_fd, path, 0) < 0 && errno != ENOENT)
		log_warning("store", "cannot remove '%s/%s' yet: %s",
		    FOLDER_QUARANTINE, path, strerrordesc_np(errno));
}

bool
quarantine_discard(struct store *s, int64_t id, struct err *e)
{
	struct quarantined q;

	if (!store_writable(s, e) || !quarantine_find(s, id, &q, e) ||
	    commit_run(s->commit, true, bury_row, &q, e) != COMMIT_DONE)
		return false;
	remove_aside(s, q.path);
	return true;
}

/* An object that is accepted, and the copy of the one whose place it takes. */
struct acceptance {
	struct store *s;
	struct quarantined q;
	struct set_aside kept; /* path NULL: there is no copy */
	int kept_fd; /* locked, so that no recovery beside us takes it */
	char kept_name[NAME_ROOM], kept_uid[65], kept_source[17];
	bool unsure; /* whether the commit was made: the copy must stay */
};

/* A durable copy in quarantine, by way of objects/tmp. *out: it has its name,
 * is open, and locked. */
static bool
copy_aside(
    struct store *s, int from, char name[NAME_ROOM], int *out, struct err *e)
{
	char tmp[NAME_ROOM];
	bool ok, named = false;
	int fd;

	folder_random_name("", tmp);
	folder_random_name(".dcm", name);
	fd = os->openat(
	    s->tmp_fd, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(e, "cannot make a file in '%s'", FOLDER_TMP);
	os_inherit(s->tmp_fd, tmp, fd);
	/* Nobody takes it for a leftover, there or here. */
	(void)flock(fd, LOCK_EX | LOCK_NB);
	ok = aside_copy_bytes(from, fd, e);
	if (ok) {
		named = aside_move(s, s->tmp_fd, tmp, name, &fd, e);
		ok = named;
	}
	if (!named)
		(void)os->unlinkat(s->tmp_fd, tmp, 0);
	ok = ok && store_flush(s, fd, name, e) &&
	     (!s->flush_folders ||
		 store_flush(s, s->quarantine_fd, FOLDER_QUARANTINE, e));
	if (named)
		*out = fd;
	else
		os_close(&fd);
	return ok;
}

static void
drop_copy(struct acceptance *a)
{
	if (a->kept_fd >= 0)
		remove_aside(a->s, a->kept_name);
	os_close(&a->kept_fd);
	a->kept.path = NULL;
}

/* The row of the copy says what its own header says. */
static void
describe_copy(struct acceptance *a, int fd, const struct existing *old)
{
	struct object_file f = {.fd = -1};
	uint32_t number;
	struct err why;

	a->kept = (struct set_aside){
	    .path = a->kept_name,
	    .reason = QUARANTINE_REPLACED,
	    .size = old->size,
	    .arrived_ms = clock_utc_ms(),
	};
	memcpy(a->kept.sha256, old->sha256, sizeof(old->sha256));
	if (seal_read(fd, old->path, &f, &number, &why)) {
		memcpy(a->kept_source, f.source_ae, sizeof(a->kept_source));
		a->kept.arrived_ms = f.arrived_ms;
	} else {
		a->kept.reason = QUARANTINE_CHANGED;
	}
	memcpy(a->kept_uid, a->q.sop_instance, sizeof(a->kept_uid));
	a->kept.sop_instance = str_from(a->kept_uid);
	a->kept.source = str_from(a->kept_source);
}

/* Before the commit. May be called again, for another old one. */
static bool
keep_old(void *ctx, const struct existing *old, struct err *e)
{
	struct acceptance *a = ctx;
	struct store *s = a->s;
	bool ok;
	int fd;

	drop_copy(a);
	if (old->id == 0 || !folder_path_valid(old->path))
		return true;
	if (!store_room(s, old->size, e))
		return false;
	fd = folder_open(s->objects_fd, old->path, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return fail_errno(
		    e, "cannot open '%s/%s'", FOLDER_OBJECTS, old->path);
	ok = copy_aside(s, fd, a->kept_name, &a->kept_fd, e);
	if (ok)
		describe_copy(a, fd, old);
	os_close(&fd);
	if (!ok)
		drop_copy(a);
	return ok;
}

/* In the commit. */
static bool
commit_old(void *ctx, struct upsert *u, struct err *e)
{
	struct acceptance *a = ctx;

	return bury(u, &a->q, e) &&
	       (a->kept.path == NULL || set_aside_row(u, &a->kept, e));
}

static bool
feed(struct object *o, struct object_file *f, struct err *e)
{
	uint8_t *block = must_alloc(BLOCK_IO);
	uint64_t left = f->data_size;
	off_t at = (off_t)f->data_at;
	bool ok = true;
	ssize_t n;

	while (ok && left > 0) {
		n = os_pread_full(
		    f->fd, block, left < BLOCK_IO ? left : BLOCK_IO, at);
		if (n < 0)
			ok = fail_errno(e, "cannot read the quarantined file");
		else if (n == 0)
			ok = fail(e, ERR_CORRUPT, "the file is cut");
		else
			ok = object_write(o, str_of(block, (size_t)n), e);
		at += n;
		left -= ok ? (uint64_t)n : 0;
	}
	free(block);
	return ok;
}

static bool
receive(struct acceptance *a, struct object_file *f,
    struct object_result *result, struct err *e)
{
	const struct object_header header = {
	    .sop_class = str_from(f->sop_class),
	    .sop_instance = str_from(f->sop_instance),
	    .syntax = str_from(f->syntax),
	    .size_hint = f->data_size,
	};
	struct instead instead = {
	    .keep = keep_old,
	    .commit = commit_old,
	    .unsure = &a->unsure,
	    .ctx = a,
	};
	struct intake *in = intake_new(a->s, f->source_ae);
	struct object *o = NULL;
	bool ok;

	ok = object_begin(in, &header, &o, e) && feed(o, f, e);
	if (ok)
		ok = object_commit_instead(&o, &instead, result, e);
	else
		object_abort(&o);
	intake_free(&in);
	return ok;
}

static bool
open_whole(struct acceptance *a, struct object_file *f, struct err *e)
{
	uint32_t number;
	bool ok;
	int fd;

	if (!quarantine_file(a->s, &a->q, &fd, e))
		return false;
	if (!seal_read(fd, a->q.path, f, &number, e)) {
		os_close(&fd);
		return false;
	}
	f->fd = fd;
	ok = object_verify(f, e) &&
	     ((a->q.size == f->data_size &&
		  !memcmp(a->q.sha256, f->sha256, sizeof(f->sha256))) ||
		 fail(e, ERR_CORRUPT, "it is not the file of its row"));
	if (!ok)
		object_close(f);
	return ok;
}

static bool
accept_one(struct acceptance *a, enum accept_outcome *out, struct err *e)
{
	struct object_result result;
	struct object_file f;
	bool ok;

	if (!open_whole(a, &f, e))
		return fail_in(e, "cannot be accepted");
	ok = receive(a, &f, &result, e);
	object_close(&f);
	if (!ok) {
		if (!a->unsure)
			drop_copy(a);
		return false;
	}
	if (result.outcome == OBJECT_SAME) {
		*out = ACCEPT_SAME;
		return quarantine_discard(a->s, a->q.id, e);
	}
	remove_aside(a->s, a->q.path);
	*out = a->kept.path != NULL ? ACCEPT_REPLACED : ACCEPT_STORED;
	return true;
}

bool
quarantine_accept(
    struct store *s, int64_t id, enum accept_outcome *out, struct err *e)
{
	struct acceptance *a = must_zalloc(sizeof(*a));
	bool ok;

	a->s = s;
	a->kept_fd = -1;
	ok = store_writable(s, e) && quarantine_find(s, id, &a->q, e) &&
	     store_writer_begin(s, e) && accept_one(a, out, e);
	os_close(&a->kept_fd);
	free(a);
	return ok;
}
