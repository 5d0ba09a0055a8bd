/*
 * Back from a backup. The database stands under another name until every file
 * is there and flushed: before that there is no archive in the folder. Until
 * then it has a file RESTORING, by which the next run knows that it may go on.
 */
#include "store/backup/backup.h"

#include "base/os.h"
#include "store/backup/manifest.h"
#include "store/backup/rows.h"
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define MARK          "RESTORING"
#define DATABASE_PART "restoring.db"
#define PATH_LONG     4096

struct restore {
	const char *folder, *data;
	const struct backup_options *options;
	struct manifest manifest;
	struct carry carry, files;
	struct rows rows;
	int from, from_lock, files_dir, to, objects, tmp, lock;
};

static bool
read_manifest(struct restore *r, struct err *e)
{
	struct buf text;
	uint8_t *p;
	ssize_t n = -1;
	bool ok;
	int fd;

	fd = os->openat(r->from, MANIFEST_NAME, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0 && errno == ENOENT)
		return fail(e, ERR_MISSING,
		    "there is no finished backup in '%s'", r->folder);
	if (fd < 0)
		return fail_errno(
		    e, "cannot open '%s/" MANIFEST_NAME "'", r->folder);
	buf_init(&text, 4 * MIB);
	p = buf_space(&text, 4 * MIB);
	if (p != NULL)
		n = os_read_full(fd, p, 4 * MIB);
	if (n < 0)
		(void)fail_errno(
		    e, "cannot read '%s/" MANIFEST_NAME "'", r->folder);
	os_close(&fd);
	buf_filled(&text, n < 0 ? 0 : (size_t)n);
	ok = n >= 0 && manifest_parse(buf_str(&text), &r->manifest, e);
	buf_fini(&text);
	return ok;
}

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
	if (!read_manifest(r, e))
		return false;
	r->files_dir = carry_folder(r->from, "files", false, e);
	return r->files_dir >= 0;
}

static bool
find_any(void *ctx, const char *name, struct err *e)
{
	(void)e;
	if (strcmp(name, "lost+found") != 0)
		*(bool *)ctx = true;
	return true;
}

static bool
mark(struct restore *r, struct err *e)
{
	struct stat st;
	bool any = false;
	int fd;

	if (fstatat(r->to, DATABASE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return fail(e, ERR_CONFLICT,
		    "there is an archive in '%s' already", r->data);
	if (fstatat(r->to, MARK, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	if (!carry_each(r->to, find_any, &any, e))
		return false;
	if (any)
		return fail(e, ERR_CONFLICT,
		    "'%s' is not empty: restore into a new folder", r->data);
	fd = os->openat(r->to, MARK, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(e, "cannot make '%s/" MARK "'", r->data);
	os_close(&fd);
	return true;
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
	if (flock(r->lock, LOCK_EX | LOCK_NB) != 0)
		return fail(
		    e, ERR_DENIED, "another process uses '%s'", r->data);
	r->objects = carry_folder(r->to, FOLDER_OBJECTS, true, e);
	r->tmp = r->objects < 0 ? -1 : carry_folder(r->to, FOLDER_TMP, true, e);
	return r->tmp >= 0;
}

/* Byte for byte what was hashed when it was made. */
static bool
copy_database(struct restore *r, struct err *e)
{
	struct carry c = {.from = r->from, .to = r->to, .tmp = r->tmp};
	enum carried what;
	char hash[65];
	bool ok = false;
	int fd;

	carry_sweep(r->tmp, "", NULL);
	carry_sweep(r->to, DATABASE_PART, NULL);
	what = carry_file(&c, r->manifest.database, true, e);
	if (what == CARRIED_GONE)
		(void)fail(e, ERR_CORRUPT, "'%s/%s' is missing", r->folder,
		    r->manifest.database);
	if (what == CARRIED && carry_flush(&c, e)) {
		ok = renameat(r->to, r->manifest.database, r->to,
			 DATABASE_PART) == 0 ||
		     fail_errno(e, "cannot name the database");
	}
	carry_fini(&c);
	if (!ok)
		return false;
	fd = os->openat(r->to, DATABASE_PART, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fail_errno(e, "cannot open the database");
	ok = carry_hash(fd, hash, e);
	os_close(&fd);
	return ok && (strcmp(hash, r->manifest.hash) == 0 ||
			 fail(e, ERR_CORRUPT,
			     "'%s/%s' is not what was written: make the backup "
			     "again",
			     r->folder, r->manifest.database));
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
copy_rows(struct restore *r, struct err *e)
{
	char path[PATH_LONG];
	bool ok;

	if ((size_t)snprintf(path, sizeof(path), "%s/" DATABASE_PART,
		r->data) >= sizeof(path))
		return fail(e, ERR_USAGE, "the path of the folder is too long");
	if (!db_open(&r->rows.db, path, DB_READ, e))
		return false;
	ok = rows_carry(&r->rows, e);
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
	if (os->rename_new(r->to, DATABASE_PART, r->to, DATABASE) != 0)
		return fail_errno(e, "cannot name the database");
	(void)os->unlinkat(r->to, MARK, 0);
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
	r->files = carry;
	r->files.from = r->files_dir;
	r->rows = (struct rows){.carry = &r->carry,
	    .progress = r->options->progress,
	    .gone = gone,
	    .ctx = r};
}

static void
release(struct restore *r)
{
	carry_fini(&r->carry);
	carry_fini(&r->files);
	manifest_fini(&r->manifest);
	os_close(&r->tmp);
	os_close(&r->objects);
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
	    .objects = -1,
	    .tmp = -1,
	    .lock = -1};
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
	out->copied = r.carry.copied;
	out->linked = r.carry.linked;
	out->bytes = r.carry.bytes;
	out->damaged = r.carry.damaged;
	release(&r);
	return ok;
}
