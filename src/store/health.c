/*
 * See health.h. All of it only reads, but for the file that is flushed to see
 * how long that takes.
 */
#include "store/health.h"

#include "base/clock.h"
#include "base/os.h"
#include "store/folder.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define WEEK_MS     (7LL * 24 * 3600 * 1000)
#define FLUSHES     7
#define FLUSH_BYTES (16 * KIB)

/* "PID\n", and when it is read-only "read-only: WHY\n". */
static void
read_lock(int fd, struct store_holder *out)
{
	char text[192] = "";
	struct str rest, line;
	uint64_t number;
	ssize_t n = os_pread_full(fd, text, sizeof(text) - 1, 0);

	rest = str_of(text, n > 0 ? (size_t)n : 0);
	if (str_split(&rest, '\n', &line) && str_u64(line, &number) &&
	    number <= INT32_MAX)
		out->process = (int64_t)number;
	if (str_split(&rest, '\n', &line) &&
	    str_starts(line, STR(READ_ONLY_MARK)))
		(void)str_copy(out->read_only, sizeof(out->read_only),
		    str_of(line.p + sizeof(READ_ONLY_MARK) - 1,
			line.n - (sizeof(READ_ONLY_MARK) - 1)));
}

bool
store_holder(const char *folder, struct store_holder *out, struct err *e)
{
	char path[4096];
	int fd;

	*out = (struct store_holder){.held = false};
	if (snprintf(path, sizeof(path), "%s/lock", folder) >=
	    (int)sizeof(path))
		return fail(e, ERR_LIMIT, "the folder's name is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_errno(e, "cannot open '%s'", path);
	/* Shared, so that two who look do not take each other for a server. */
	out->held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	if (out->held)
		read_lock(fd, out);
	os_close(&fd);
	return true;
}

bool
store_schema(const char *folder, int64_t *found, int64_t *known, struct err *e)
{
	char path[4096];
	struct db *db;
	bool ok;

	*known = schema_current.version;
	if (snprintf(path, sizeof(path), "%s/" DATABASE, folder) >=
	    (int)sizeof(path))
		return fail(e, ERR_LIMIT, "the folder's name is too long");
	if (access(path, F_OK) != 0)
		return fail_errno(e, "no index '%s'", path);
	if (!db_open(&db, path, DB_READ, e))
		return false;
	ok = db_version(db, found, e);
	db_close(&db);
	return ok;
}

static bool
count(struct db *db, const char *sql, uint64_t *out, struct err *e)
{
	int64_t n;
	bool found;

	if (!db_get_int(db, sql, DB_NO_ARGS, &n, &found, e))
		return false;
	*out = (uint64_t)n;
	return true;
}

static bool
arrived_after(
    struct db *db, int64_t id, int64_t since_ms, bool *out, struct err *e)
{
	int64_t arrived;
	bool found;

	if (!db_get_int(db,
		"SELECT arrived FROM instance WHERE id > ? ORDER BY id LIMIT 1",
		DB_ARGS(db_int(id)), &arrived, &found, e))
		return false;
	*out = !found || arrived >= since_ms;
	return true;
}

/* Ids and arrivals grow together, but for few rows. */
static bool
count_week(struct db *db, uint64_t *out, struct err *e)
{
	int64_t low = 0, high, middle, bytes;
	int64_t since = clock_utc_ms() - WEEK_MS;
	bool found, after;

	if (!db_get_int(db, "SELECT coalesce(max(id), 0) FROM instance",
		DB_NO_ARGS, &high, &found, e))
		return false;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (!arrived_after(db, middle, since, &after, e))
			return false;
		if (after)
			high = middle;
		else
			low = middle + 1;
	}
	if (!db_get_int(db,
		"SELECT coalesce(sum(size), 0) FROM instance WHERE id > ?",
		DB_ARGS(db_int(low)), &bytes, &found, e))
		return false;
	*out = (uint64_t)bytes;
	return true;
}

static bool
count_unclean(struct store *s, struct db *db, uint64_t *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*out = 0;
	if (!db_query(db, "SELECT id FROM writer WHERE id <> ?",
		DB_ARGS(db_int(s->writer_id)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		if (!store_writer_lives(s, db_column_int(q, 0)))
			(*out)++;
	return step == DB_STEP_DONE;
}

static bool
look(struct store *s, struct db *db, struct store_health *out, struct err *e)
{
	bool found;

	return count(db,
		   "SELECT count(*) FROM quarantine"
		   " WHERE reason NOT IN ('torn', 'changed')",
		   &out->differing, e) &&
	       count(db,
		   "SELECT count(*) FROM quarantine"
		   " WHERE reason IN ('torn', 'changed')",
		   &out->damaged, e) &&
	       count(db,
		   "SELECT count(*) FROM missing m WHERE NOT EXISTS (SELECT 1"
		   " FROM instance i"
		   " WHERE i.SOPInstanceUID = m.SOPInstanceUID)",
		   &out->lost, e) &&
	       count_week(db, &out->week_bytes, e) &&
	       db_get_int(db, "SELECT value FROM state WHERE name = 'backup'",
		   DB_NO_ARGS, &out->backup_ms, &found, e) &&
	       count_unclean(s, db, &out->unclean_stops, e);
}

bool
store_health(struct store *s, struct store_health *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	*out = (struct store_health){.flushes_folders = s->flush_folders};
	if (db == NULL)
		return false;
	ok = look(s, db, out, e);
	store_reader_done(s, db);
	/* The newest is not known before it is looked for anew: a server beside
	 * us may have begun a day. */
	if (!ok || !folder_find_newest(s, e))
		return false;
	mutex_lock(&s->days.lock);
	memcpy(out->newest_day, s->days.newest, sizeof(out->newest_day));
	mutex_unlock(&s->days.lock);
	return true;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool
flush_some(int fd, int64_t *median_us, struct err *e)
{
	uint8_t block[FLUSH_BYTES];
	int64_t took[FLUSHES], began;
	size_t i;

	for (i = 0; i < FLUSHES; i++) {
		memset(block, (int)i, sizeof(block));
		if (!os_pwrite_all(fd, str_of(block, sizeof(block)), 0))
			return fail_errno(
			    e, "cannot write to '%s'", FOLDER_TMP);
		began = clock_mono_us();
		if (os->fsync(fd) != 0)
			return fail_errno(e, "cannot flush a file");
		took[i] = clock_mono_us() - began;
	}
	qsort(took, FLUSHES, sizeof(*took), by_size);
	*median_us = took[FLUSHES / 2];
	return true;
}

bool
store_flush_time(struct store *s, int64_t *median_us, struct err *e)
{
	char name[NAME_ROOM];
	bool ok;
	int fd;

	folder_random_name("", name);
	fd = os->openat(
	    s->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(e, "cannot make a file in '%s'", FOLDER_TMP);
	/* As every file there: a start of the server removes others. */
	(void)flock(fd, LOCK_EX | LOCK_NB);
	ok = flush_some(fd, median_us, e);
	(void)os->unlinkat(s->tmp_fd, name, 0);
	os_close(&fd);
	return ok;
}

bool
store_quick_check(
    struct store *s, bool *whole, char *text, size_t room, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	*whole = true;
	if (db == NULL)
		return false;
	if (db_query(db, "PRAGMA quick_check(1)", DB_NO_ARGS, &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			(void)str_copy(text, room, db_column(q, 0));
			*whole = !strcmp(text, "ok");
		}
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}
