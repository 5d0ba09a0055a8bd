/*
 * Making a backup. A copy of the database is taken, then every file that its
 * rows name is carried; files are never changed under their names, so what is
 * there already needs no second look. Rows whose file went meanwhile (deleted,
 * replaced, accepted from quarantine) ask for another copy of the database,
 * and a first pass that took long is followed by one that catches up. The
 * backup counts when BACKUP names its database.
 */
#include "store/backup/backup.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "store/backup/lineage.h"
#include "store/backup/manifest.h"
#include "store/backup/prune.h"
#include "store/backup/rows.h"
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_NAME BACKUP_LOCK
#define PASSES    6
/* Above it what was stored meanwhile is worth another pass. */
#define LONG_PASS_MS 60000
#define PATH_LONG    4096

struct backup {
	struct store *s;
	const char *folder;
	const struct backup_options *options;
	struct carry carry, files;
	struct rows rows;
	struct manifest manifest;
	char part[PATH_LONG]; /* path of the copied database */
	int dir, tmp, files_dir, lock;
	bool again;
};

/* One within the other would copy itself. */
static bool
apart(const struct backup *b, struct err *e)
{
	char *here = realpath(b->folder, NULL);
	char *data = realpath(b->s->folder, NULL);
	size_t m, n;
	bool ok = false;

	if (here != NULL && data != NULL) {
		m = strlen(here);
		n = strlen(data);
		ok = !(m <= n && !memcmp(here, data, m) &&
			 (data[m] == '\0' || data[m] == '/')) &&
		     !(n <= m && !memcmp(here, data, n) && here[n] == '/');
	}
	free(here);
	free(data);
	return ok ||
	       fail(e, ERR_USAGE,
		   "'%s' and the archive's folder '%s' lie within each other",
		   b->folder, b->s->folder);
}

static bool
not_empty(void *ctx, const char *name, struct err *e)
{
	(void)e;
	/* What a file system of its own has. */
	if (strcmp(name, "lost+found") != 0)
		*(bool *)ctx = true;
	return true;
}

static bool
take_target(struct backup *b, struct err *e)
{
	bool full = false, made;
	struct stat st;

	made = mkdir(b->folder, 0700) == 0;
	if (!made && errno != EEXIST)
		return fail_errno(e, "cannot make '%s'", b->folder);
	b->dir = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir < 0)
		return fail_errno(e, "cannot open '%s'", b->folder);
	if (!apart(b, e)) {
		if (made)
			(void)rmdir(b->folder);
		return false;
	}
	if (fstatat(b->dir, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (!carry_each(b->dir, not_empty, &full, e))
			return false;
		if (full)
			return fail(e, ERR_USAGE,
			    "'%s' is neither empty nor a backup", b->folder);
	}
	b->lock =
	    os->openat(b->dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (b->lock < 0)
		return fail_errno(
		    e, "cannot make '%s/" LOCK_NAME "'", b->folder);
	os_inherit(b->dir, LOCK_NAME, b->lock);
	if (flock(b->lock, LOCK_EX | LOCK_NB) != 0)
		return fail(e, ERR_DENIED, "another process is at work in '%s'",
		    b->folder);
	b->tmp = carry_folder(b->dir, "tmp", true, e);
	b->files_dir = b->tmp < 0 ? -1 : carry_folder(b->dir, "files", true, e);
	return b->files_dir >= 0;
}

static bool
flush_copy(struct backup *b, struct err *e)
{
	int fd = os->openat(b->tmp, "database", O_RDWR | O_NOFOLLOW, 0);
	bool ok;

	ok = fd >= 0 && fchmod(fd, 0600) == 0 && os->fsync(fd) == 0;
	if (!ok)
		(void)fail_errno(e, "cannot copy the database");
	if (fd >= 0)
		os_close(&fd);
	return ok;
}

static bool
copy_database(struct backup *b, struct err *e)
{
	struct db *db;
	bool ok;

	carry_sweep(b->tmp, "", NULL);
	if (!db_open(&db, b->s->database, DB_READ, e))
		return false;
	ok = db_copy(db, b->part, e) ||
	     fail_in(e, "cannot copy the database to '%s'", b->folder);
	db_close(&db);
	return ok && flush_copy(b, e) &&
	       db_open(&b->rows.db, b->part, DB_READ, e);
}

/* Is the row still so? Then its file is lost. */
static bool
still_so(struct backup *b, const char *sop_instance, const char *name,
    bool *same, struct err *e)
{
	struct db *db = store_reader(b->s, e);
	int64_t one;
	bool ok;

	if (db == NULL)
		return false;
	if (sop_instance != NULL)
		ok = db_get_int(db,
		    "SELECT 1 FROM instance WHERE SOPInstanceUID = ?"
		    " AND path = ?",
		    DB_ARGS(db_text(sop_instance), db_text(name)), &one, same,
		    e);
	else
		ok = db_get_int(db, "SELECT 1 FROM quarantine WHERE path = ?",
		    DB_ARGS(db_text(name)), &one, same, e);
	store_reader_done(b->s, db);
	return ok;
}

static bool
gone(void *ctx, const char *sop_instance, const char *name, const char *path,
    struct err *e)
{
	struct backup *b = ctx;
	bool same;

	if (!still_so(b, sop_instance, name, &same, e))
		return false;
	if (!same) {
		b->again = true;
		return true;
	}
	b->carry.damaged++;
	b->options->told(b->options->ctx, path, "the file is missing");
	return true;
}

static bool
carry_rows(struct backup *b, struct err *e)
{
	int64_t began;
	bool ok = true;
	int pass;

	for (pass = 0; pass < PASSES && ok; pass++) {
		b->again = false;
		b->carry.damaged = 0;
		began = clock_mono_ms();
		ok = copy_database(b, e) && rows_carry(&b->rows, e);
		db_close(&b->rows.db);
		if (!b->again &&
		    (pass > 0 || clock_mono_ms() - began < LONG_PASS_MS))
			return ok;
	}
	return ok && (!b->again ||
			 fail(e, ERR_TIMEOUT,
			     "the archive changes faster than it is copied; "
			     "try again later"));
}

struct files {
	struct backup *b;
	const char *folder; /* "" or a name */
};

/* What has a place of its own, belongs to a process, or can be made anew. */
static bool
is_kept(const char *name)
{
	static const char *const not [] = {"lock", "writers"};
	size_t i, n = strlen(name);

	for (i = 0; i < ARRAY_LEN(not ); i++)
		if (strcmp(name, not [i]) == 0)
			return false;
	return strncmp(name, DATABASE, sizeof(DATABASE) - 1) != 0 &&
	       !(n > 5 && strcmp(name + n - 5, ".part") == 0);
}

static bool
copy_file(void *ctx, const char *name, struct err *e)
{
	const struct files *f = ctx;
	struct buf *list = &f->b->manifest.files;
	char path[CARRY_PATH];
	enum carried what;
	struct stat st;

	if (snprintf(path, sizeof(path), "%s%s%s", f->folder,
		f->folder[0] != '\0' ? "/" : "", name) >= (int)sizeof(path) ||
	    !manifest_path_valid(str_from(path)) ||
	    (f->folder[0] == '\0' && !is_kept(name)) ||
	    fstatat(f->b->s->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return true;
	what = carry_file(&f->b->files, path, true, e);
	if (what == CARRIED) {
		buf_text(list, path);
		buf_u8(list, '\n');
	}
	if (list->over)
		return fail(e, ERR_LIMIT,
		    "too many files beside the objects in '%s'",
		    f->b->s->folder);
	return what != CARRIED_FAILED;
}

static bool
copy_folder(void *ctx, const char *name, struct err *e)
{
	struct files f = {ctx, name};
	bool ok;
	int fd;

	if (strcmp(name, FOLDER_OBJECTS) == 0 ||
	    strcmp(name, FOLDER_QUARANTINE) == 0)
		return true;
	fd = folder_open(f.b->s->dir_fd, name, O_RDONLY | O_DIRECTORY);
	/* A file, or a link to elsewhere. */
	if (fd < 0)
		return true;
	ok = folder_names(fd, copy_file, &f, e);
	os_close(&fd);
	return ok;
}

static bool
copy_files(struct backup *b, struct err *e)
{
	struct files f = {b, ""};

	buf_clear(&b->manifest.files);
	return folder_names(b->s->dir_fd, copy_file, &f, e) &&
	       carry_each(b->s->dir_fd, copy_folder, b, e) &&
	       carry_settle(&b->files, e);
}

static bool
name_database(struct backup *b, struct err *e)
{
	struct manifest *m = &b->manifest;
	int fd = os->openat(b->tmp, "database", O_RDONLY | O_NOFOLLOW, 0);
	bool ok;

	if (fd < 0)
		return fail_errno(e, "cannot read the copied database");
	ok = carry_hash(fd, m->hash, e);
	os_close(&fd);
	snprintf(m->database, sizeof(m->database), "database-%.16s", m->hash);
	if (ok && renameat(b->tmp, "database", b->dir, m->database) != 0)
		ok = fail_errno(e, "cannot name the copied database");
	return ok && carry_settle(&b->carry, e);
}

static bool
write_manifest(struct backup *b, struct err *e)
{
	struct buf text;
	bool ok = false;
	int fd;

	buf_init(&text, 4 * MIB);
	b->manifest.objects = b->rows.objects;
	b->manifest.aside = b->rows.aside;
	manifest_build(&b->manifest, clock_utc_ms(), &text);
	fd = os->openat(b->tmp, MANIFEST_NAME,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		os_inherit(b->tmp, MANIFEST_NAME, fd);
		ok = os_write_all(fd, buf_str(&text)) && os->fsync(fd) == 0;
		os_close(&fd);
	}
	buf_fini(&text);
	if (!ok ||
	    renameat(b->tmp, MANIFEST_NAME, b->dir, MANIFEST_NAME) != 0 ||
	    os->fsync(b->dir) != 0)
		return fail_errno(
		    e, "cannot write '%s/" MANIFEST_NAME "'", b->folder);
	return true;
}

static bool
put_moment(struct upsert *u, void *ctx, struct err *e)
{
	(void)ctx;
	return db_exec(upsert_db(u),
	    "INSERT OR REPLACE INTO state (name, value) VALUES ('backup', ?)",
	    DB_ARGS(db_int(clock_utc_ms())), e);
}

/* For 'doctor'. An archive that cannot be written is backed up all the same. */
static void
note_moment(struct backup *b)
{
	struct err e;

	if (commit_run(b->s->commit, true, put_moment, NULL, &e) != COMMIT_DONE)
		log_warning("store",
		    "the backup is not noted in the archive: %s", e.text);
}

static bool
finish(struct backup *b, uint64_t *pruned, struct err *e)
{
	char path[PATH_LONG];
	struct db *db;
	bool ok;

	if (!copy_files(b, e) || !name_database(b, e) || !write_manifest(b, e))
		return false;
	note_moment(b);
	carry_sweep(b->dir, "database-", b->manifest.database);
	if (!b->options->prune)
		return true;
	snprintf(path, sizeof(path), "%.3900s/%.31s", b->folder,
	    b->manifest.database);
	if (!db_open(&db, path, DB_READ, e))
		return false;
	ok = prune(b->dir, b->folder, db, pruned, e);
	db_close(&db);
	return ok;
}

static void
release(struct backup *b)
{
	carry_fini(&b->carry);
	carry_fini(&b->files);
	manifest_fini(&b->manifest);
	if (b->tmp >= 0)
		carry_sweep(b->tmp, "", NULL);
	os_close(&b->tmp);
	os_close(&b->files_dir);
	os_close(&b->lock);
	os_close(&b->dir);
}

static void
begin(struct backup *b)
{
	struct carry carry = {.from = b->s->dir_fd,
	    .to = b->dir,
	    .tmp = b->tmp,
	    .link = b->options->link,
	    .reread = b->options->reread,
	    .told = b->options->told,
	    .ctx = b->options->ctx};

	b->carry = carry;
	b->files = carry;
	b->files.to = b->files_dir;
	b->files.link = false;
	b->rows = (struct rows){.carry = &b->carry,
	    .aside_carry = &b->carry,
	    .progress = b->options->progress,
	    .gone = gone,
	    .ctx = b};
}

bool
store_backup(struct store *s, const char *folder,
    const struct backup_options *options, struct backup_result *out,
    struct err *e)
{
	struct backup b = {.s = s,
	    .folder = folder,
	    .options = options,
	    .dir = -1,
	    .tmp = -1,
	    .files_dir = -1,
	    .lock = -1};
	bool ok;

	*out = (struct backup_result){.objects = 0};
	manifest_init(&b.manifest);
	ok = (size_t)snprintf(b.part, sizeof(b.part), "%s/tmp/database",
		 folder) < sizeof(b.part) - 100 ||
	     fail(e, ERR_USAGE, "the path of the folder is too long");
	ok = ok && take_target(&b, e) && lineage_check(s, b.dir, folder, e);
	if (ok) {
		begin(&b);
		ok = carry_rows(&b, e) && finish(&b, &out->pruned, e);
	}
	out->objects = b.rows.objects;
	out->aside = b.rows.aside;
	out->copied = b.carry.copied;
	out->linked = b.carry.linked;
	out->bytes = b.carry.bytes;
	out->damaged = b.carry.damaged + b.files.damaged;
	release(&b);
	return ok;
}
