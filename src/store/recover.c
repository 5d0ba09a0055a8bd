/*
 * Recovery at a start of the server.
 *
 * After a clean stop there is nothing in table writer, and nothing is walked.
 * Else the folders from the marked one on are, and each file without a row is
 * settled (orphan.h). The paths of the rows of these days are read into memory
 * first and tell most files at once; only the others are opened and looked up.
 * The rows of dead writers go last, in a flushed commit that makes all rows put
 * back durable. Tombstones are settled at every start.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "store/arrive.h"
#include "store/aside.h"
#include "store/orphan.h"
#include "store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* More paths than these are not kept in memory: each file is looked up. */
#define PATHS 2000000
/* A path without what all have: two digits a byte. */
#define PACKED_PATH ((8 + 20 + 28) / 2)

/* Paths of rows; slots hold 1 + the place in v, 0: none. */
struct known {
	uint8_t (*v)[PACKED_PATH];
	size_t n, room;
	uint32_t *slots;
	uint32_t mask;
};

struct recovery {
	struct store *s;
	bool dead;
	char folder[DAY_ROOM];
	int64_t last_instance;
	struct known known;
	struct orphan_list orphans;
	uint64_t indexed, torn, duplicates, leftovers;
};

static bool
forget_tombstones(struct upsert *u, void *ctx, struct err *e)
{
	(void)ctx;
	return db_exec(upsert_db(u), "DELETE FROM tombstone", DB_NO_ARGS, e);
}

/* Where the path of a tombstone begins; false when it is none of ours. */
static bool
tombstone_folder(
    struct store *s, const char *path, int *folder, const char **name)
{
	static const char aside[] = FOLDER_QUARANTINE "/";

	*folder = s->objects_fd;
	*name = path;
	if (strncmp(path, aside, sizeof(aside) - 1) != 0)
		return folder_path_valid(path);
	*folder = s->quarantine_fd;
	*name = path + sizeof(aside) - 1;
	return folder_aside_valid(*name);
}

/* The folder of a file, so that its unlinking lasts. */
static bool
flush_parent(struct store *s, int dir, const char *path, struct err *e)
{
	char folder[PATH_ROOM] = ".";
	const char *end = strrchr(path, '/');
	bool ok;
	int fd;

	if (end != NULL)
		(void)str_copy(
		    folder, sizeof(folder), str_of(path, (size_t)(end - path)));
	fd = folder_open(dir, folder, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return true;
	ok = store_flush(s, fd, folder, e);
	os_close(&fd);
	return ok;
}

static bool
unlink_buried(struct store *s, struct db *db, size_t *n, struct err *e)
{
	char path[PATH_ROOM];
	const char *name;
	struct db_stmt *q;
	enum db_step step;
	int folder;

	*n = 0;
	if (!db_query(db, "SELECT path FROM tombstone", DB_NO_ARGS, &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		(*n)++;
		(void)str_copy(path, sizeof(path), db_column(q, 0));
		if (!tombstone_folder(s, path, &folder, &name))
			continue;
		if (os->unlinkat(folder, name, 0) < 0 && errno != ENOENT) {
			(void)fail_errno(e, "cannot remove '%s'", path);
			db_reset(q);
			return false;
		}
		if (!flush_parent(s, folder, name, e)) {
			db_reset(q);
			return false;
		}
	}
	return step == DB_STEP_DONE;
}

bool
store_settle_tombstones(struct store *s, struct err *e)
{
	struct db *db = store_reader(s, e);
	size_t n;
	bool ok;

	if (db == NULL)
		return false;
	ok = unlink_buried(s, db, &n, e);
	store_reader_done(s, db);
	if (!ok || n == 0)
		return ok;
	return commit_run(s->commit, true, forget_tombstones, NULL, e) ==
	       COMMIT_DONE;
}

static bool
find_dead(struct recovery *r, struct db *db, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	char folder[DAY_ROOM];

	if (!db_query(db, "SELECT id, folder, last_instance FROM writer",
		DB_NO_ARGS, &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		if (store_writer_lives(r->s, db_column_int(q, 0)))
			continue;
		(void)str_copy(folder, sizeof(folder), db_column(q, 1));
		if (!r->dead || strcmp(folder, r->folder) < 0)
			memcpy(r->folder, folder, sizeof(folder));
		if (!r->dead || db_column_int(q, 2) < r->last_instance)
			r->last_instance = db_column_int(q, 2);
		r->dead = true;
	}
	return step == DB_STEP_DONE;
}

/* path is a valid one. */
static void
pack(const char *path, uint8_t out[PACKED_PATH])
{
	size_t n = 0;
	uint8_t c;

	memset(out, 0, PACKED_PATH);
	for (; n < 2 * (size_t)PACKED_PATH; path++) {
		c = (uint8_t)*path;
		if (c == '/')
			continue;
		/* '0' is 0x30, 'a' is 0x61. */
		c = (uint8_t)((c & 15) + (c >> 6) * 9);
		out[n / 2] = (uint8_t)(out[n / 2] << 4 | c);
		n++;
	}
}

/* The end of a name is random and ours: no peer chooses collisions. */
static uint32_t
slot_of(const struct known *k, const uint8_t packed[PACKED_PATH])
{
	uint32_t tail;

	memcpy(&tail, packed + PACKED_PATH - sizeof(tail), sizeof(tail));
	return tail & k->mask;
}

static void
known_add(struct known *k, const char *path)
{
	if (k->n == k->room) {
		k->room = k->room * 2 + 1024;
		k->v = must_realloc(k->v, k->room * sizeof(*k->v));
	}
	pack(path, k->v[k->n++]);
}

/* After the last known_add(). */
static void
known_build(struct known *k)
{
	uint32_t slots = 2, at;
	size_t i;

	while (slots / 2 < k->n)
		slots *= 2;
	k->mask = slots - 1;
	k->slots = must_zalloc(slots * sizeof(*k->slots));
	for (i = 0; i < k->n; i++) {
		at = slot_of(k, k->v[i]);
		while (k->slots[at] != 0)
			at = (at + 1) & k->mask;
		k->slots[at] = (uint32_t)i + 1;
	}
}

static bool
known_has(const struct known *k, const char *path)
{
	uint8_t packed[PACKED_PATH];
	uint32_t at;

	pack(path, packed);
	for (at = slot_of(k, packed); k->slots[at] != 0;
	     at = (at + 1) & k->mask)
		if (!memcmp(k->v[k->slots[at] - 1], packed, sizeof(packed)))
			return true;
	return false;
}

static void
known_free(struct known *k)
{
	free(k->v);
	free(k->slots);
	*k = (struct known){.n = 0};
}

static bool
is_walked(const struct recovery *r, const char *path)
{
	return strncmp(path, r->folder, DAY_ROOM - 1) >= 0;
}

/* Whether the first row after id is of a day that is walked. */
static bool
is_recent(
    struct recovery *r, struct db *db, int64_t id, bool *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	char path[PATH_ROOM];

	*out = true;
	if (!db_query(db,
		"SELECT path FROM instance WHERE id > ? ORDER BY id LIMIT 1",
		DB_ARGS(db_int(id)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		(void)str_copy(path, sizeof(path), db_column(q, 0));
		*out = is_walked(r, path);
	}
	return step == DB_STEP_DONE;
}

/* The row before those of the days that are walked: ids and days grow together
 * but for few rows, and a row that is missed costs a look at its file. */
static bool
find_start(struct recovery *r, struct db *db, int64_t *after, struct err *e)
{
	int64_t low = 0, middle;
	bool recent;

	*after = r->last_instance;
	while (low < *after) {
		middle = low + (*after - low) / 2;
		if (!is_recent(r, db, middle, &recent, e))
			return false;
		if (recent)
			*after = middle;
		else
			low = middle + 1;
	}
	return true;
}

static bool
load_paths(struct recovery *r, struct db *db, struct err *e)
{
	enum db_step step = DB_STEP_DONE;
	struct db_stmt *q;
	char path[PATH_ROOM];
	int64_t after;

	if (!find_start(r, db, &after, e) ||
	    !db_query(db, "SELECT path FROM instance WHERE id > ? ORDER BY id",
		DB_ARGS(db_int(after)), &q, e))
		return false;
	while (r->known.n < PATHS && (step = db_step(q, e)) == DB_STEP_ROW) {
		(void)str_copy(path, sizeof(path), db_column(q, 0));
		if (is_walked(r, path) && folder_path_valid(path))
			known_add(&r->known, path);
	}
	if (step == DB_STEP_ROW)
		db_reset(q);
	known_build(&r->known);
	return step != DB_STEP_FAILED;
}

/* Remove what nobody writes any more. */
static bool
remove_leftover(void *ctx, const char *name, struct err *e)
{
	struct recovery *r = ctx;
	int fd;

	(void)e;
	fd = os->openat(r->s->tmp_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return true;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	    os->unlinkat(r->s->tmp_fd, name, 0) == 0)
		r->leftovers++;
	os_close(&fd);
	return true;
}

static bool
has_row(struct recovery *r, const char *path, bool *out, struct err *e)
{
	struct object_file f;
	struct existing x;
	struct err why;
	struct db *db;
	bool ok;

	*out = known_has(&r->known, path);
	if (*out || !object_open(r->s, path, &f, &why))
		return true;
	object_close(&f);
	db = store_reader(r->s, e);
	if (db == NULL)
		return false;
	ok = existing_find(db, str_from(f.sop_instance), &x, e);
	store_reader_done(r->s, db);
	*out = ok && strcmp(x.path, path) == 0;
	return ok;
}

static bool
find_orphan(void *ctx, const char *path, struct err *e)
{
	struct recovery *r = ctx;
	bool known;

	if (!has_row(r, path, &known, e))
		return false;
	if (!known)
		orphan_add(r->s, &r->orphans, path);
	return true;
}

static bool
settle_orphans(struct recovery *r, struct err *e)
{
	enum orphan what;
	size_t i;

	orphan_sort(&r->orphans);
	for (i = 0; i < r->orphans.n; i++) {
		if (!orphan_settle(r->s, r->orphans.v[i].path, &what, e))
			return false;
		r->indexed += what == ORPHAN_INDEXED;
		r->torn += what == ORPHAN_TORN;
		r->duplicates += what == ORPHAN_DUPLICATE;
	}
	r->orphans.n = 0;
	return true;
}

static bool
walk(struct recovery *r, struct err *e)
{
	struct day_list days;
	bool ok = true;
	size_t i;

	if (!folder_days(r->s, r->folder, &days, e))
		return false;
	for (i = 0; i < days.n && ok; i++)
		ok = folder_files(r->s, days.days[i], find_orphan, r, e) &&
		     settle_orphans(r, e);
	free(days.days);
	return ok;
}

static bool
has_quarantine_row(
    struct recovery *r, const char *name, bool *found, struct err *e)
{
	struct db *db = store_reader(r->s, e);
	int64_t id;
	bool ok;

	if (db == NULL)
		return false;
	ok = db_get_int(db, "SELECT id FROM quarantine WHERE path = ?",
	    DB_ARGS(db_text(name)), &id, found, e);
	store_reader_done(r->s, db);
	return ok;
}

/* Are these very bytes what is stored, in a file that can be read? */
static bool
is_stored(
    struct recovery *r, const struct object_file *f, bool *out, struct err *e)
{
	struct db *db = store_reader(r->s, e);
	struct object_file stored;
	struct existing x;
	struct err why;
	bool ok;

	*out = false;
	if (db == NULL)
		return false;
	ok = existing_find(db, str_from(f->sop_instance), &x, e);
	store_reader_done(r->s, db);
	if (!ok || x.id == 0 || x.size != f->data_size ||
	    memcmp(x.sha256, f->sha256, sizeof(x.sha256)) != 0 ||
	    strcmp(x.syntax, f->syntax) != 0 ||
	    !object_open(r->s, x.path, &stored, &why))
		return ok;
	object_close(&stored);
	*out = true;
	return true;
}

static bool
add_quarantined(struct recovery *r, const char *name,
    const struct object_file *f, struct err *e)
{
	struct set_aside q = {.path = name, .reason = "differs"};

	if (f != NULL) {
		q.sop_instance = str_from(f->sop_instance);
		q.source = str_from(f->source_ae);
		q.size = f->data_size;
		q.arrived_ms = f->arrived_ms;
		memcpy(q.sha256, f->sha256, sizeof(q.sha256));
	}
	return commit_run(r->s->commit, false, set_aside_row, &q, e) ==
	       COMMIT_DONE;
}

/* An open file in quarantine without a row, which nobody has locked. */
static bool
settle_quarantined(struct recovery *r, const char *name, int fd, struct err *e)
{
	struct object_file f;
	uint32_t number;
	struct err why;
	bool stored;

	if (!seal_read(fd, name, &f, &number, &why))
		return add_quarantined(r, name, NULL, e);
	if (!is_stored(r, &f, &stored, e))
		return false;
	if (!stored)
		return add_quarantined(r, name, &f, e);
	/* A copy whose commit did not come (quarantine.c). */
	if (os->unlinkat(r->s->quarantine_fd, name, 0) < 0)
		return fail_errno(
		    e, "cannot remove '%s/%s'", FOLDER_QUARANTINE, name);
	r->leftovers++;
	return true;
}

static bool
note_quarantined(void *ctx, const char *name, struct err *e)
{
	struct recovery *r = ctx;
	bool ok = true, found;
	int fd;

	if (strlen(name) >= NAME_ROOM)
		return true;
	fd = folder_open(r->s->quarantine_fd, name, O_RDONLY);
	if (fd < 0)
		return true;
	/* Before the look at the rows: who had it may just have made one. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		ok = has_quarantine_row(r, name, &found, e);
		if (ok && !found)
			ok = settle_quarantined(r, name, fd, e);
	}
	os_close(&fd);
	return ok;
}

static bool
bury_dead(struct upsert *u, void *ctx, struct err *e)
{
	struct recovery *r = ctx;
	int64_t ids[64];
	struct db_stmt *q;
	enum db_step step;
	size_t n = 0, i;

	if (!db_query(upsert_db(u), "SELECT id FROM writer LIMIT 64",
		DB_NO_ARGS, &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		if (!store_writer_lives(r->s, db_column_int(q, 0)))
			ids[n++] = db_column_int(q, 0);
	for (i = 0; i < n && step == DB_STEP_DONE; i++)
		if (!db_exec(upsert_db(u), "DELETE FROM writer WHERE id = ?",
			DB_ARGS(db_int(ids[i])), e))
			return false;
	return step == DB_STEP_DONE;
}

static bool
recover(struct recovery *r, struct err *e)
{
	struct store *s = r->s;
	struct db *db = store_reader(s, e);
	bool ok;

	if (db == NULL)
		return false;
	ok = load_paths(r, db, e);
	store_reader_done(s, db);
	ok = ok && folder_names(s->tmp_fd, remove_leftover, r, e) &&
	     aside_sweep(s, e) && walk(r, e) &&
	     folder_names(s->quarantine_fd, note_quarantined, r, e) &&
	     commit_run(s->commit, true, bury_dead, r, e) == COMMIT_DONE;
	if (ok)
		log_warning("store",
		    "the last stop was not clean: %llu objects put back, %llu "
		    "torn, %llu duplicates, %llu leftovers removed",
		    (unsigned long long)r->indexed, (unsigned long long)r->torn,
		    (unsigned long long)r->duplicates,
		    (unsigned long long)r->leftovers);
	return ok;
}

bool
store_recover(struct store *s, bool *clean, struct err *e)
{
	struct recovery r = {.s = s};
	struct db *db;
	bool ok;

	*clean = true;
	if (!store_settle_tombstones(s, e))
		return false;
	db = store_reader(s, e);
	if (db == NULL)
		return false;
	ok = find_dead(&r, db, e);
	store_reader_done(s, db);
	if (!ok || !r.dead)
		return ok;
	*clean = false;
	ok = recover(&r, e);
	known_free(&r.known);
	orphan_list_free(&r.orphans);
	if (!ok)
		return fail_in(e, "recovery");
	return true;
}
