/*
 * Opening and closing the archive; room on the disk, read connections, the
 * read-only state.
 *
 * Who stores objects has a row in table writer from before its first object
 * to its clean end, and holds a lock on the byte of that number in
 * DATA/writers: a row whose byte is free is an unclean stop, which the next
 * start of the server recovers from.
 */
#include "store/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "store/folder.h"
#include "store/inside.h"
#include "store/schema.h"
#include "store/table/names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ROOM_ASKED_MS 200
#define LOCK_TRIES    10
#define LOCK_PAUSE_MS 10

/* A child of the data folder. */
static bool
open_folder(
    struct store *s, const char *name, bool create, int *fd, struct err *e)
{
	struct stat st;
	int number;

	if (create && !os_make_folder(s->dir_fd, name))
		return fail_errno(e, "cannot make '%s/%s'", s->folder, name);
	*fd =
	    os->openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (*fd >= 0)
		return true;
	number = errno;
	if (fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return fail(e, ERR_DENIED,
		    "'%s/%s' is a link, which is not followed: link the whole "
		    "folder '%s', or mount the other place there",
		    s->folder, name, s->folder);
	errno = number;
	return fail_errno(e, "cannot open '%s/%s'", s->folder, name);
}

static bool
open_file(struct store *s, const char *name, int *fd, struct err *e)
{
	*fd = os->openat(s->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return fail_errno(e, "cannot open '%s/%s'", s->folder, name);
	os_inherit(s->dir_fd, name, *fd);
	return true;
}

/* Somebody else's archive is no place to leave files in that he cannot read;
 * root gives them away (os_inherit). */
static bool
is_ours(const struct store *s, struct err *e)
{
	struct passwd *who;
	struct stat st;

	if (geteuid() == 0 || stat(s->folder, &st) != 0 ||
	    st.st_uid == geteuid() ||
	    access(s->folder, R_OK | W_OK | X_OK) == 0)
		return true;
	who = getpwuid(st.st_uid);
	if (who == NULL)
		return fail(e, ERR_DENIED,
		    "the archive in '%s' belongs to user %u: run this as that "
		    "user",
		    s->folder, (unsigned)st.st_uid);
	return fail(e, ERR_DENIED,
	    "the archive in '%s' belongs to user '%s': run this as that user "
	    "('sudo -u %s fileroom ...')",
	    s->folder, who->pw_name, who->pw_name);
}

/* Is a flush of a file enough to keep its name (see object.c, 3)? */
static bool
keeps_names(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return false;
	return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == 0x58465342 ||
	       fs.f_type == BTRFS_SUPER_MAGIC;
}

static bool
open_folders(struct store *s, bool create, struct err *e)
{
	if (create && mkdir(s->folder, 0700) < 0 && errno != EEXIST)
		return fail_errno(e, "cannot make '%s'", s->folder);
	if (!is_ours(s, e))
		return false;
	s->dir_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0 && errno == ENOENT)
		return fail(
		    e, ERR_MISSING, "there is no archive in '%s'", s->folder);
	if (s->dir_fd < 0)
		return fail_errno(e, "cannot open '%s'", s->folder);
	if (!create && faccessat(s->dir_fd, DATABASE, F_OK, 0) != 0)
		return fail(
		    e, ERR_MISSING, "there is no archive in '%s'", s->folder);
	if (!open_folder(s, FOLDER_OBJECTS, true, &s->objects_fd, e) ||
	    !open_folder(s, FOLDER_TMP, true, &s->tmp_fd, e) ||
	    !open_folder(s, FOLDER_QUARANTINE, true, &s->quarantine_fd, e) ||
	    !open_folder(s, FOLDER_TORN, true, &s->torn_fd, e) ||
	    !open_file(s, "writers", &s->writers_fd, e))
		return false;
	s->flush_folders = !keeps_names(s->objects_fd);
	return true;
}

static bool
refuse_second(struct store *s, struct err *e)
{
	char text[32] = "";
	struct str pid;
	ssize_t n = os_pread_full(s->lock_fd, text, sizeof(text) - 1, 0);
	uint64_t number;

	pid = str_of(text, n > 0 ? (size_t)n : 0);
	pid.n = str_find(pid, '\n');
	if (!str_u64(pid, &number))
		return fail(
		    e, ERR_DENIED, "another server uses '%s'", s->folder);
	return fail(e, ERR_DENIED, "another server (process %llu) uses '%s'",
	    (unsigned long long)number, s->folder);
}

/* Verbs that only look whether it is held have it for a moment. */
static bool
take_lock(int fd)
{
	int tries = LOCK_TRIES;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || tries-- == 0)
			return false;
		clock_sleep_ms(LOCK_PAUSE_MS);
	}
	return true;
}

static bool
lock_folder(struct store *s, struct err *e)
{
	char pid[32];

	if (!open_file(s, "lock", &s->lock_fd, e))
		return false;
	if (!take_lock(s->lock_fd)) {
		if (errno == EWOULDBLOCK)
			return refuse_second(s, e);
		return fail_errno(e, "cannot lock '%s'", s->folder);
	}
	snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	/* Only for the message of the next. */
	(void)!ftruncate(s->lock_fd, 0);
	(void)!pwrite(s->lock_fd, pid, strlen(pid), 0);
	return true;
}

/* Only who has the folder to itself may change an older schema: the server in
 * it knows nothing of the new one. */
static bool
may_migrate(struct store *s, struct db *db, struct err *e)
{
	int64_t version;
	bool alone;
	int fd;

	if (!db_version(db, &version, e))
		return false;
	if (s->server || version == 0 || version >= schema_current.version)
		return true;
	if (!open_file(s, "lock", &fd, e))
		return false;
	alone = flock(fd, LOCK_EX | LOCK_NB) == 0;
	os_close(&fd);
	return alone ||
	       fail(e, ERR_DENIED, "an older server uses '%s': stop it first",
		   s->folder);
}

static bool
open_database(struct store *s, bool create, struct err *e)
{
	struct db *db;

	if (!db_open(&db, s->database, DB_WRITE, e)) {
		if (e->code == ERR_CORRUPT)
			return fail_in(e,
			    "the index is damaged; move it away and run "
			    "reindex (settings and nodes are in it too)");
		return false;
	}
	s->commit = commit_new(db);
	if (!may_migrate(s, db, e) ||
	    !schema_migrate(db, s->database, &schema_current, e))
		return false;
	/* The names of the database and of the folders. */
	if (create && os->fsync(s->dir_fd) < 0)
		return fail_errno(e, "cannot flush '%s'", s->folder);
	return true;
}

/* An archive whose index was lost is none that is to begin anew. */
static bool
may_create(struct store *s, const struct store_config *config, struct err *e)
{
	if (config->rebuild || s->days.newest[0] == '\0' ||
	    faccessat(s->dir_fd, DATABASE, F_OK, 0) == 0)
		return true;
	return fail(e, ERR_CONFLICT,
	    "there are objects in '%s', but no index ('" DATABASE
	    "'): bring a backup back into another folder ('fileroom restore'), "
	    "or build the index anew ('fileroom reindex')",
	    s->folder);
}

/* What is stored beneath the place where a disk belongs is out of sight when
 * that is mounted. */
static bool
check_mounted(struct store *s, const struct store_config *config, struct err *e)
{
	bool found = false;
	struct db *db;
	int64_t one;
	bool ok;

	if (config->rebuild || s->days.newest[0] != '\0')
		return true;
	db = store_reader(s, e);
	if (db == NULL)
		return false;
	ok = db_get_int(
	    db, "SELECT id FROM instance LIMIT 1", DB_NO_ARGS, &one, &found, e);
	store_reader_done(s, db);
	if (ok && found)
		store_set_read_only(s,
		    "the index names objects, but '" FOLDER_OBJECTS
		    "' holds none: mount its disk, or run reindex");
	return ok;
}

static struct store *
new_store(const struct store_config *config)
{
	struct store *s = must_zalloc(sizeof(*s));
	size_t n = strlen(config->folder);

	s->folder = must_strdup(config->folder);
	s->database = must_alloc(n + sizeof("/" DATABASE));
	memcpy(s->database, config->folder, n);
	memcpy(s->database + n, "/" DATABASE, sizeof("/" DATABASE));
	s->server = config->server;
	s->dir_fd = s->objects_fd = s->tmp_fd = s->quarantine_fd = -1;
	s->torn_fd = s->lock_fd = s->writers_fd = -1;
	atomic_init(&s->duplicate, DUPLICATE_QUARANTINE);
	atomic_init(&s->reserve, 0);
	atomic_init(&s->read_only, NULL);
	folder_init(s);
	mutex_init(&s->space.lock);
	s->space.asked_ms = INT64_MIN / 2;
	mutex_init(&s->writer_lock);
	mutex_init(&s->reader_lock);
	mutex_init(&s->live_lock);
	cond_init(&s->reader_free);
	s->readers_max = 2 * (size_t)thread_cores();
	s->readers = must_zalloc(s->readers_max * sizeof(struct db *));
	s->names = names_new();
	s->known = known_nodes_new();
	s->hl7_known = hl7_known_new();
	s->asked = asked_memory_new();
	return s;
}

static void
release(struct store *s)
{
	size_t i;

	must(s->readers_idle == s->readers_open);
	for (i = 0; i < s->readers_idle; i++)
		db_close(&s->readers[i]);
	commit_free(&s->commit);
	known_nodes_free(&s->known);
	hl7_known_free(&s->hl7_known);
	names_free(&s->names);
	asked_memory_free(&s->asked);
	os_close(&s->writers_fd);
	os_close(&s->torn_fd);
	os_close(&s->quarantine_fd);
	os_close(&s->tmp_fd);
	os_close(&s->objects_fd);
	os_close(&s->dir_fd);
	os_close(&s->lock_fd);
	mutex_fini(&s->days.lock);
	mutex_fini(&s->space.lock);
	mutex_fini(&s->writer_lock);
	mutex_fini(&s->reader_lock);
	mutex_fini(&s->live_lock);
	cond_fini(&s->reader_free);
	free(s->readers);
	free(s->database);
	free(s->folder);
	free(s);
}

bool
store_open(struct store **out, const struct store_config *config, struct err *e)
{
	struct store *s = new_store(config);
	int64_t began = clock_mono_ms();
	bool clean = true;

	*out = NULL;
	if (!open_folders(s, config->create, e) ||
	    (config->server && !lock_folder(s, e)) ||
	    !folder_find_newest(s, e) || !may_create(s, config, e) ||
	    !open_database(s, config->create, e) ||
	    !check_mounted(s, config, e) ||
	    (config->server && !store_recover(s, &clean, e))) {
		release(s);
		return false;
	}
	if (!clean)
		log_info("store", "recovered in %lld ms",
		    (long long)(clock_mono_ms() - began));
	if (s->server && s->flush_folders)
		log_warning("store",
		    "the file system of '%s' is neither ext4, XFS nor btrfs: "
		    "folders are flushed too, which is slower",
		    s->folder);
	*out = s;
	return true;
}

struct writer {
	struct store *s;
	int64_t id;
};

static bool
insert_writer(struct upsert *u, void *ctx, struct err *e)
{
	struct writer *w = ctx;

	if (!db_exec(upsert_db(u),
		"INSERT INTO writer (folder, last_instance, since) VALUES (?,"
		" (SELECT coalesce(max(id), 0) FROM instance), ?)",
		DB_ARGS(db_text(w->s->days.marked), db_int(clock_utc_ms())), e))
		return false;
	w->id = db_last_id(upsert_db(u));
	return true;
}

static bool
delete_writer(struct upsert *u, void *ctx, struct err *e)
{
	const struct writer *w = ctx;

	return db_exec(upsert_db(u), "DELETE FROM writer WHERE id = ?",
	    DB_ARGS(db_int(w->id)), e);
}

/* One byte for each row; OFD locks belong to the open file, so other parts of
 * the process cannot drop them. */
static int
writer_lock(struct store *s, int64_t id, int command)
{
	struct flock lock = {
	    .l_type = F_WRLCK,
	    .l_whence = SEEK_SET,
	    .l_start = id,
	    .l_len = 1,
	};

	if (fcntl(s->writers_fd, command, &lock) != 0)
		return -1;
	return lock.l_type == F_UNLCK ? 0 : 1;
}

bool
store_writer_lives(struct store *s, int64_t id)
{
	return writer_lock(s, id, F_OFD_GETLK) != 0;
}

/* The byte of who builds the index anew: no row has it. */
#define BYTE_ALONE 0

bool
store_writer_alone(struct store *s)
{
	return writer_lock(s, BYTE_ALONE, F_OFD_SETLK) >= 0;
}

/* Against whom the index is being emptied everything would be new. */
static bool
give_way(struct store *s, struct writer *w, struct err *e)
{
	if (writer_lock(s, BYTE_ALONE, F_OFD_GETLK) == 0)
		return true;
	(void)!commit_run(s->commit, true, delete_writer, w, e);
	return fail(e, ERR_DENIED,
	    "the index of '%s' is being built anew: try again when that has "
	    "ended",
	    s->folder);
}

static bool
begin_writer(struct store *s, struct err *e)
{
	struct writer w = {.s = s};
	int tries;

	/* Not today's: the clock may jump back behind it. */
	memcpy(s->days.marked, s->days.newest, DAY_ROOM);
	for (tries = 0; tries < 100; tries++) {
		if (commit_run(s->commit, true, insert_writer, &w, e) !=
		    COMMIT_DONE)
			return false;
		if (writer_lock(s, w.id, F_OFD_SETLK) >= 0) {
			/* Whoever wants to be alone has looked for ours, or we
			 * see his. */
			if (!give_way(s, &w, e))
				return false;
			s->writer_id = w.id;
			return true;
		}
		if (commit_run(s->commit, true, delete_writer, &w, e) !=
		    COMMIT_DONE)
			return false;
	}
	return fail(e, ERR_IO, "cannot lock '%s/writers'", s->folder);
}

bool
store_writer_begin(struct store *s, struct err *e)
{
	bool ok = true;

	mutex_lock(&s->writer_lock);
	if (s->writer_id == 0)
		ok = begin_writer(s, e);
	mutex_unlock(&s->writer_lock);
	return ok;
}

void
store_writer_leave_mark(struct store *s)
{
	mutex_lock(&s->writer_lock);
	s->writer_id = 0;
	mutex_unlock(&s->writer_lock);
}

void
store_close(struct store **ps)
{
	struct store *s = *ps;
	struct writer w;
	struct err e;

	if (s == NULL)
		return;
	/* After a failed flush or an unsure commit the next start must look at
	 * the files. */
	w = (struct writer){.s = s, .id = s->writer_id};
	if (w.id != 0 && store_read_only(s) == NULL &&
	    !atomic_load(&s->look_again) &&
	    commit_run(s->commit, true, delete_writer, &w, &e) != COMMIT_DONE)
		log_warning("store", "cannot note the clean stop: %s", e.text);
	release(s);
	*ps = NULL;
}

void
store_set_duplicate(struct store *s, enum store_duplicate duplicate)
{
	atomic_store(&s->duplicate, (int)duplicate);
}

void
store_set_reserve(struct store *s, uint64_t bytes)
{
	atomic_store(&s->reserve, bytes);
}

const char *
store_read_only(const struct store *s)
{
	const char *why = atomic_load(&s->read_only);

	if (why == NULL && commit_flush_failed(s->commit))
		why = "the disk failed to flush the index";
	return why;
}

/* Beside the number of our process, where other processes see it while we
 * hold the lock. */
static void
tell_read_only(struct store *s, const char *why)
{
	char text[160];

	if (s->lock_fd < 0 || atomic_exchange(&s->read_only_told, true))
		return;
	snprintf(text, sizeof(text), "%ld\n" READ_ONLY_MARK "%.100s\n",
	    (long)getpid(), why);
	(void)!pwrite(s->lock_fd, text, strlen(text), 0);
}

void
store_set_read_only(struct store *s, const char *why)
{
	const char *none = NULL;

	if (atomic_compare_exchange_strong(&s->read_only, &none, why))
		log_error(
		    "store", "%s: read-only until the server starts anew", why);
	tell_read_only(s, why);
}

bool
store_flush(struct store *s, int fd, const char *path, struct err *e)
{
	if (os->fsync(fd) == 0)
		return true;
	(void)fail_errno(e, "cannot flush '%s'", path);
	if (e->code != ERR_FULL)
		store_set_read_only(s, "the disk failed to flush a file");
	return false;
}

const char *
store_folder(const struct store *s)
{
	return s->folder;
}

bool
store_scratch(struct store *s, int *fd, struct err *e)
{
	char name[NAME_ROOM];

	folder_random_name("", name);
	*fd = os->openat(
	    s->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return fail_errno(e, "cannot make a file in '%s'", FOLDER_TMP);
	(void)os->unlinkat(s->tmp_fd, name, 0);
	return true;
}

bool
store_writable(struct store *s, struct err *e)
{
	const char *why = store_read_only(s);

	if (why == NULL)
		return true;
	tell_read_only(s, why);
	return fail(e, ERR_IO, "read-only: %s", why);
}

bool
store_room(struct store *s, uint64_t need, struct err *e)
{
	uint64_t reserve = atomic_load(&s->reserve), room;
	int64_t now = clock_mono_ms();
	bool known = true;

	if (!store_writable(s, e))
		return false;
	mutex_lock(&s->space.lock);
	if (now - s->space.asked_ms >= ROOM_ASKED_MS) {
		known =
		    os->fstatvfs_free(s->objects_fd, &s->space.free_bytes) == 0;
		if (known)
			s->space.asked_ms = now;
	}
	room = s->space.free_bytes;
	mutex_unlock(&s->space.lock);
	if (!known)
		return fail_errno(e, "cannot see the room on the disk");
	if (room < reserve || room - reserve < need)
		return fail(e, ERR_FULL,
		    "%llu MiB are free, %llu MiB are kept in reserve",
		    (unsigned long long)(room / MIB),
		    (unsigned long long)(reserve / MIB));
	return true;
}

struct db *
store_reader(struct store *s, struct err *e)
{
	struct db *db = NULL;
	bool make = false;

	mutex_lock(&s->reader_lock);
	while (s->readers_idle == 0 && s->readers_open == s->readers_max)
		cond_wait(&s->reader_free, &s->reader_lock);
	if (s->readers_idle > 0) {
		db = s->readers[--s->readers_idle];
	} else {
		s->readers_open++;
		make = true;
	}
	mutex_unlock(&s->reader_lock);
	if (!make || db_open(&db, s->database, DB_READ, e))
		return db;
	mutex_lock(&s->reader_lock);
	s->readers_open--;
	cond_signal(&s->reader_free);
	mutex_unlock(&s->reader_lock);
	return NULL;
}

void
store_reader_done(struct store *s, struct db *db)
{
	mutex_lock(&s->reader_lock);
	s->readers[s->readers_idle++] = db;
	cond_signal(&s->reader_free);
	mutex_unlock(&s->reader_lock);
}

static bool
count(struct db *db, struct store_counts *out, struct err *e)
{
	struct db_stmt *q;

	if (!db_query(db,
		"SELECT (SELECT count(*) FROM patient),"
		" (SELECT count(*) FROM study), (SELECT count(*) FROM series),"
		" (SELECT coalesce(sum(NumberOfStudyRelatedInstances), 0)"
		"  FROM study),"
		" (SELECT coalesce(sum(bytes), 0) FROM study),"
		" (SELECT count(*) FROM quarantine)",
		DB_NO_ARGS, &q, e) ||
	    db_step(q, e) != DB_STEP_ROW)
		return false;
	out->patients = (uint64_t)db_column_int(q, 0);
	out->studies = (uint64_t)db_column_int(q, 1);
	out->series = (uint64_t)db_column_int(q, 2);
	out->instances = (uint64_t)db_column_int(q, 3);
	out->bytes = (uint64_t)db_column_int(q, 4);
	out->quarantined = (uint64_t)db_column_int(q, 5);
	db_reset(q);
	return true;
}

bool
store_count(struct store *s, struct store_counts *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	*out = (struct store_counts){0};
	if (db == NULL)
		return false;
	ok = count(db, out, e);
	store_reader_done(s, db);
	return ok;
}
