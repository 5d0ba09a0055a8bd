/*
 * Writing exports. A zip is written under its name with ".part" and renamed at
 * the end, so what has the name is whole.
 */
#include "app/archive/export_out.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/os.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct export_out {
	char *target, *part;
	int folder; /* of a folder export, else -1 */
	int fd;     /* of the zip, or of the file being written */
	char *path; /* of that file */
	uint64_t left;
	struct archive *zip;
	struct archive_entry *entry;
};

static bool
zip_failed(struct export_out *out, struct err *e)
{
	const char *text = archive_error_string(out->zip);
	enum err_code code = ERR_IO;
	int number = archive_errno(out->zip);

	if (number == ENOSPC || number == EDQUOT)
		code = ERR_FULL;
	/* The text is "Write error", whatever it was. */
	if (number > 0)
		text = strerrordesc_np(number);
	return fail(e, code, "cannot write '%s': %s", out->part,
	    text != NULL ? text : "unknown error");
}

static bool
open_zip(struct export_out *out, struct err *e)
{
	size_t n = strlen(out->target) + sizeof(".part");

	if (access(out->target, F_OK) == 0)
		return fail(
		    e, ERR_CONFLICT, "'%s' is there already", out->target);
	out->part = must_alloc(n);
	snprintf(out->part, n, "%s.part", out->target);
	out->fd =
	    open(out->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out->fd < 0)
		return fail_errno(e, "cannot make '%s'", out->part);
	out->zip = archive_write_new();
	out->entry = archive_entry_new();
	must(out->zip != NULL && out->entry != NULL);
	if (archive_write_set_format_zip(out->zip) != ARCHIVE_OK ||
	    archive_write_zip_set_compression_store(out->zip) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(out->zip, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(out->zip, out->fd) != ARCHIVE_OK)
		return zip_failed(out, e);
	return true;
}

static bool
open_folder(struct export_out *out, struct err *e)
{
	if (mkdir(out->target, 0777) != 0 && errno != EEXIST)
		return fail_errno(e, "cannot make '%s'", out->target);
	out->folder = open(out->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->folder < 0)
		return fail_errno(e, "cannot open '%s'", out->target);
	return true;
}

static void
release(struct export_out **out)
{
	if ((*out)->zip != NULL)
		(void)archive_write_free((*out)->zip);
	if ((*out)->entry != NULL)
		archive_entry_free((*out)->entry);
	os_close(&(*out)->fd);
	os_close(&(*out)->folder);
	free((*out)->path);
	free((*out)->part);
	free((*out)->target);
	free(*out);
	*out = NULL;
}

bool
export_out_open(struct export_out **result, const char *target, struct err *e)
{
	struct export_out *out = must_zalloc(sizeof(*out));
	struct str name = str_from(target);
	bool zip = name.n >= 4 &&
		   str_eq_nocase(str_of(name.p + name.n - 4, 4), STR(".zip"));

	out->folder = out->fd = -1;
	out->target = must_strdup(target);
	if (zip ? !open_zip(out, e) : !open_folder(out, e)) {
		if (out->fd >= 0)
			(void)unlink(out->part);
		release(&out);
		return false;
	}
	*result = out;
	return true;
}

bool
export_out_folder(
    struct export_out *out, const char *path, bool *taken, struct err *e)
{
	*taken = false;
	if (out->zip != NULL)
		return true;
	if (os->mkdirat(out->folder, path, 0777) == 0)
		return true;
	if (errno != EEXIST)
		return fail_errno(
		    e, "cannot make '%s' in '%s'", path, out->target);
	*taken = true;
	return true;
}

bool
export_out_there(const struct export_out *out, const char *path)
{
	struct stat st;

	return out->zip == NULL &&
	       fstatat(out->folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
export_out_begin(
    struct export_out *out, const char *path, uint64_t size, struct err *e)
{
	must(size <= INT64_MAX);
	out->left = size;
	if (out->zip != NULL) {
		(void)archive_entry_clear(out->entry);
		archive_entry_set_pathname(out->entry, path);
		archive_entry_set_filetype(out->entry, AE_IFREG);
		archive_entry_set_perm(out->entry, 0644);
		archive_entry_set_size(out->entry, (la_int64_t)size);
		archive_entry_set_mtime(
		    out->entry, (time_t)(clock_utc_ms() / 1000), 0);
		return archive_write_header(out->zip, out->entry) ==
			   ARCHIVE_OK ||
		       zip_failed(out, e);
	}
	out->fd = os->openat(
	    out->folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
	if (out->fd < 0)
		return fail_errno(
		    e, "cannot make '%s' in '%s'", path, out->target);
	out->path = must_strdup(path);
	return true;
}

bool
export_out_write(struct export_out *out, struct str bytes, struct err *e)
{
	la_ssize_t n;

	must(bytes.n <= out->left);
	out->left -= bytes.n;
	if (out->zip == NULL)
		return os_write_all(out->fd, bytes) ||
		       fail_errno(e, "cannot write '%s'", out->path);
	while (bytes.n > 0) {
		n = archive_write_data(out->zip, bytes.p, bytes.n);
		if (n <= 0)
			return zip_failed(out, e);
		must((size_t)n <= bytes.n);
		bytes = str_of(bytes.p + n, bytes.n - (size_t)n);
	}
	return true;
}

bool
export_out_end(struct export_out *out, struct err *e)
{
	must(out->left == 0);
	if (out->zip != NULL)
		return archive_write_finish_entry(out->zip) == ARCHIVE_OK ||
		       zip_failed(out, e);
	os_close(&out->fd);
	free(out->path);
	out->path = NULL;
	return true;
}

static bool
finish_zip(struct export_out *out, struct err *e)
{
	if (archive_write_close(out->zip) != ARCHIVE_OK)
		return zip_failed(out, e);
	if (os->fsync(out->fd) != 0)
		return fail_errno(e, "cannot write '%s'", out->part);
	if (os->rename_new(AT_FDCWD, out->part, AT_FDCWD, out->target) != 0)
		return fail_errno(e, "cannot name '%s'", out->target);
	return true;
}

void
export_out_abort(struct export_out **out)
{
	struct export_out *o = *out;

	if (o->zip != NULL) {
		/* What libarchive still wants to write goes nowhere. */
		(void)archive_write_fail(o->zip);
		(void)unlink(o->part);
	}
	if (o->path != NULL)
		(void)unlinkat(o->folder, o->path, 0);
	release(out);
}

bool
export_out_close(struct export_out **out, struct err *e)
{
	struct export_out *o = *out;
	bool done = true;

	if (o->zip != NULL)
		done = finish_zip(o, e);
	else if (syncfs(o->folder) != 0)
		done = fail_errno(e, "cannot write '%s'", o->target);
	if (!done)
		export_out_abort(out);
	else
		release(out);
	return done;
}
