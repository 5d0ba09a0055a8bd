/*
 * Back from a backup. The database stands in the folder RESTORING until every
 * file is there and flushed: before that there is no archive. By that folder
 * the next run knows that it may go on. Objects have temporary names of their
 * own: 'objects' may be a file system of its own.
 */
#include "store/backup/backup.h"

#include "base/os.h"
#include "store/backup/manifest.h"
#include "store/backup/rows.h"
#include "store/inside.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <unistd.h>

#define MARK      "RESTORING"
#define PATH_LONG 4096

struct restore {
	const char *folder, *data;
	const struct backup_options *options;
	struct manifest manifest;
	struct carry carry, aside, files;
	struct rows rows;
	int from, from_lock, files_dir;
	int to, lock, mark, objects, tmp;
};

static bool
open_backup(struct restore *r, struct err *e)
{
	r->from = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->from < 0)
		return fail_errno(e, "cannot open '%s'", r->folder);
	/* A backup on a medium that cannot be written has no writer either. */
	r->from_lock =
	    os->openat(r->from, BACKUP_LOCK, O_RDONLY | O_NOFOLLOW, 0);
	if (r->from_lock >= 0 && flock(r->from_lock, LOCK_SH | LOCK_NB) != 0 &&
	    errno == EWOULDBLOCK)
		return fail(
		    e, ERR_DENIED, "a backup into '%s' is going on", r->folder);
	if (!manifest_read(r->from, r->folder, &r->manifest, e))
		return false;
	r->files_dir = carry_folder(r->from, "files", false, e);
	return r->files_dir >= 0;
}

struct empty {
	int dir;
	bool full;
};

static bool
find_inner(void *ctx, const char *name, struct err *e)
{
	(void)e;
	if (strcmp(name, "lost+found") != 0)
		*(bool *)ctx = true;
	return true;
}

/* An empty folder 'objects' is where a disk for them was mounted. */
static bool
find_any(void *ctx, const char *name, struct err *e)
{
	struct empty *x = ctx;
	bool ok;
	int fd;

	if (strcmp(name, "lost+found") == 0)
		return true;
	if (strcmp(name, FOLDER_OBJECTS) != 0) {
		x->full = true;
		return true;
	}
	fd = folder_open(x->dir, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fail_errno(e, "cannot open '%s'", name);
	ok = carry_each(fd, find_inner, &x->full, e);
	os_close(&fd);
	return ok;
}

static bool
mark(struct restore *r, struct err *e)
{
	struct empty x = {r->to, false};
	struct stat st;

	if (fstatat(r->to, DATABASE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return fail(e, ERR_CONFLICT,
		    "there is an archive in '%s' already", r->data);
	if (fstatat(r->to, MARK, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (!carry_each(r->to, find_any, &x, e))
			return false;
		if (x.full)
			return fail(e, ERR_CONFLICT,
			    "'%s' is not empty: restore into a new folder",
			    r->data);
	}
	r->mark = carry_folder(r->to, MARK, true, e);
	return r->mark >= 0;
}

static bool
open_data(struct restore *r, struct err *e)
{
	if (mkdir(r->data, 0700) != 0 && errno != EEXIST)
		return fail_errno(e, "cannot make '%s'", r->data);
	r->to = open(r->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->to < 0)
		return fail_errno(e, "cannot open '%s'", r->data);
	if (!mark(r, e))
		return false;
	r->lock =
	    os->openat(r->to, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (r->lock < 0)
		return fail_errno(e, "cannot lock '%s'", r->data);
	os_inherit(r->to, "lock", r->lock);
	if (flock(r->lock, LOCK_EX | LOCK_NB) != 0)
		return fail(
		    e, ERR_DENIED, "another process uses '%s'", r->data);
	r->objects = carry_folder(r->to, FOLDER_OBJECTS, true, e);
	r->tmp = r->objects < 0 ? -1 : carry_folder(r->to, FOLDER_TMP, true, e);
	return r->tmp >= 0;
}

/* Byte for byte what was hashed when it was made. */
static bool
check_database(struct restore *r, struct err *e)
{
	char hash[65];
	bool ok;
	int fd;

	fd =
	    os->openat(r->mark, r->manifest.database, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fail_errno(e, "cannot open the database");
	ok = carry_hash(fd, hash, e);
	os_close(&fd);
	return ok &&
	       (strcmp(hash, r->manifest.hash) == 0 ||
		   fail(e, ERR_CORRUPT,
		       "'%s/%s' is not what was written: make the backup again",
		       r->folder, r->manifest.database));
}

static bool
copy_database(struct restore *r, struct err *e)
{
	struct carry c = {.from = r->from,
	    .to = r->mark,
	    .tmp = r->mark,
	    .told = r->options->told,
	    .ctx = r->options->ctx};
	enum carried what;
	bool ok;

	carry_sweep(r->tmp, "", NULL);
	carry_sweep(r->mark, "", NULL);
	what = carry_file(&c, r->manifest.database, true, e);
	if (what == CARRIED_GONE)
		(void)fail(e, ERR_CORRUPT, "'%s/%s' is missing", r->folder,
		    r->manifest.database);
	else if (what == CARRIED_NOT)
		(void)fail(e, ERR_CORRUPT, "'%s/%s' cannot be read", r->folder,
		    r->manifest.database);
	ok = what == CARRIED && carry_flush(&c, e);
	carry_fini(&c);
	return ok && check_database(r, e);
}

static bool
gone(void *ctx, const char *sop_instance, const char *name, const char *path,
    struct err *e)
{
	struct restore *r = ctx;

	(void)sop_instance;
	(void)name;
	(void)e;
	r->carry.damaged++;
	r->options->told(r->options->ctx, path, "the backup lacks the file");
	return true;
}

static bool
known_schema(struct restore *r, struct err *e)
{
	int64_t version;

	if (!db_version(r->rows.db, &version, e))
		return false;
	return version <= schema_current.version ||
	       fail(e, ERR_UNSUPPORTED,
		   "the backup was made by a newer program (schema version "
		   "%" PRId64 ", this one knows %" PRId64
		   "): restore it with that",
		   version, schema_current.version);
}

static bool
copy_rows(struct restore *r, struct err *e)
{
	char path[PATH_LONG];
	bool ok;

	if ((size_t)snprintf(path, sizeof(path), "%s/" MARK "/%s", r->data,
		r->manifest.database) >= sizeof(path))
		return fail(e, ERR_USAGE, "the path of the folder is too long");
	if (!db_open(&r->rows.db, path, DB_READ, e))
		return false;
	ok = known_schema(r, e) && rows_carry(&r->rows, e);
	db_close(&r->rows.db);
	return ok;
}

static bool
copy_files(struct restore *r, struct err *e)
{
	struct str rest = buf_str(&r->manifest.files), line;
	char path[CARRY_PATH];
	enum carried what;

	while (r->manifest.files.n > 0 && str_split(&rest, '\n', &line)) {
		if (line.n == 0)
			continue;
		(void)str_copy(path, sizeof(path), line);
		what = carry_file(&r->files, path, true, e);
		if (what == CARRIED_FAILED)
			return false;
		if (what == CARRIED_GONE) {
			r->carry.damaged++;
			r->options->told(
			    r->options->ctx, path, "the backup lacks the file");
		}
	}
	return carry_settle(&r->files, e);
}

static bool
finish(struct restore *r, struct err *e)
{
	if (!carry_settle(&r->carry, e))
		return false;
	if (os->rename_new(r->mark, r->manifest.database, r->to, DATABASE) != 0)
		return fail_errno(e, "cannot name the database");
	carry_sweep(r->mark, "", NULL);
	(void)os->unlinkat(r->to, MARK, AT_REMOVEDIR);
	return os->fsync(r->to) == 0 ||
	       fail_errno(e, "cannot flush '%s'", r->data);
}

static void
begin(struct restore *r)
{
	struct carry carry = {.from = r->from,
	    .to = r->to,
	    .tmp = r->tmp,
	    .link = r->options->link,
	    .reread = r->options->reread,
	    .told = r->options->told,
	    .ctx = r->options->ctx};

	r->carry = carry;
	r->aside = carry;
	r->aside.tmp = r->mark;
	r->files = r->aside;
	r->files.from = r->files_dir;
	r->files.link = false;
	r->rows = (struct rows){.carry = &r->carry,
	    .aside_carry = &r->aside,
	    .progress = r->options->progress,
	    .gone = gone,
	    .ctx = r};
}

static void
release(struct restore *r)
{
	carry_fini(&r->carry);
	carry_fini(&r->aside);
	carry_fini(&r->files);
	manifest_fini(&r->manifest);
	os_close(&r->tmp);
	os_close(&r->objects);
	os_close(&r->mark);
	os_close(&r->lock);
	os_close(&r->to);
	os_close(&r->files_dir);
	os_close(&r->from_lock);
	os_close(&r->from);
}

bool
store_restore(const char *folder, const char *data,
    const struct backup_options *options, struct backup_result *out,
    struct err *e)
{
	struct restore r = {.folder = folder,
	    .data = data,
	    .options = options,
	    .from = -1,
	    .from_lock = -1,
	    .files_dir = -1,
	    .to = -1,
	    .lock = -1,
	    .mark = -1,
	    .objects = -1,
	    .tmp = -1};
	bool ok;

	*out = (struct backup_result){.objects = 0};
	manifest_init(&r.manifest);
	ok = open_backup(&r, e) && open_data(&r, e);
	if (ok) {
		begin(&r);
		ok = copy_database(&r, e) && copy_rows(&r, e) &&
		     copy_files(&r, e) && finish(&r, e);
	}
	out->objects = r.rows.objects;
	out->aside = r.rows.aside;
	out->copied = r.carry.copied + r.aside.copied;
	out->linked = r.carry.linked;
	out->bytes = r.carry.bytes + r.aside.bytes;
	out->damaged = r.carry.damaged + r.aside.damaged + r.files.damaged;
	release(&r);
	return ok;
}
