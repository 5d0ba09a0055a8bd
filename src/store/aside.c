/*
 * See aside.h. A copy is made in the data folder, under a name that says so,
 * and gets its name in quarantine when it is whole and flushed; until then what
 * it is a copy of stays.
 */
#include "store/aside.h"

#include "base/os.h"
#include "store/folder.h"
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define PREFIX "aside-"
#define SUFFIX ".part"

bool
aside_copy_bytes(int from, int to, struct err *e)
{
	uint8_t *block = must_alloc(BLOCK_IO);
	off_t at = 0;
	ssize_t n;
	bool ok = true;

	while (ok && (n = os_pread_full(from, block, BLOCK_IO, at)) != 0) {
		if (n < 0)
			ok = fail_errno(e, "cannot read the stored object");
		else if (!os_write_all(to, str_of(block, (size_t)n)))
			ok =
			    fail_errno(e, "cannot write the copy of an object");
		at += n;
	}
	free(block);
	return ok;
}

/* An open, locked copy under its name in quarantine; -1 and e. */
static int
copy(struct store *s, int from, const char *name, struct err *e)
{
	char part[sizeof(PREFIX) + NAME_ROOM + sizeof(SUFFIX)];
	char random[NAME_ROOM];
	int fd;

	folder_random_name(SUFFIX, random);
	snprintf(part, sizeof(part), PREFIX "%s", random);
	fd = os->openat(
	    s->dir_fd, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0) {
		(void)fail_errno(e, "cannot make a file in '%s'", s->folder);
		return -1;
	}
	os_inherit(s->dir_fd, part, fd);
	(void)flock(fd, LOCK_EX | LOCK_NB);
	if (aside_copy_bytes(from, fd, e) && store_flush(s, fd, part, e)) {
		if (os->rename_new(s->dir_fd, part, s->quarantine_fd, name) ==
		    0)
			return fd;
		(void)fail_errno(
		    e, "cannot name '%s/%s'", FOLDER_QUARANTINE, name);
	}
	(void)os->unlinkat(s->dir_fd, part, 0);
	os_close(&fd);
	return -1;
}

static bool
move_across(struct store *s, int dir, const char *path, const char *name,
    int *fd, struct err *e)
{
	int from = *fd, there;
	bool ok;

	there = copy(s, from, name, e);
	if (there < 0)
		return false;
	/* The name in quarantine before the other is gone. */
	ok = store_flush(s, s->quarantine_fd, FOLDER_QUARANTINE, e);
	if (ok && os->unlinkat(dir, path, 0) != 0)
		ok = fail_errno(e, "cannot remove '%s'", path);
	if (!ok) {
		(void)os->unlinkat(s->quarantine_fd, name, 0);
		os_close(&there);
		return false;
	}
	os_close(fd);
	*fd = there;
	return true;
}

bool
aside_move(struct store *s, int dir, const char *path, const char *name,
    int *fd, struct err *e)
{
	int own = -1;
	bool ok;

	if (os->rename_new(dir, path, s->quarantine_fd, name) == 0)
		return true;
	if (errno != EXDEV)
		return fail_errno(
		    e, "cannot move '%s' to '%s'", path, FOLDER_QUARANTINE);
	if (fd != NULL)
		return move_across(s, dir, path, name, fd, e);
	own = folder_open(dir, path, O_RDONLY);
	if (own < 0)
		return fail_errno(e, "cannot open '%s'", path);
	ok = move_across(s, dir, path, name, &own, e);
	os_close(&own);
	return ok;
}

static bool
sweep_one(void *ctx, const char *name, struct err *e)
{
	struct store *s = ctx;
	size_t n = strlen(name);
	int fd;

	(void)e;
	if (n < sizeof(PREFIX SUFFIX) ||
	    !str_starts(str_from(name), STR(PREFIX)) ||
	    strcmp(name + n - (sizeof(SUFFIX) - 1), SUFFIX) != 0)
		return true;
	fd = os->openat(s->dir_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return true;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)os->unlinkat(s->dir_fd, name, 0);
	os_close(&fd);
	return true;
}

bool
aside_sweep(struct store *s, struct err *e)
{
	return folder_names(s->dir_fd, sweep_one, s, e);
}
