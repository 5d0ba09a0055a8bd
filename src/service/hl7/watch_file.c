/*
 * Reading a file that others write, and renaming it.
 *
 * Between the last look at a name and its renaming another file may take its
 * place. So it is looked at again under its new name, and gets its old one
 * back when it is not the one that was read; erased is only what has been
 * looked at so.
 */
#include "service/hl7/watch_file.h"

#include "base/limit.h"
#include "base/os.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Names like NAME.2.DON that are tried. */
#define NAMES_MAX 1000
/* For ".999.ERR.log". */
#define SUFFIX_MAX 16

/* A lease for reading is not given on a file that somebody has open for
 * writing (fcntl(2)); on file systems without leases, or of a file that is not
 * ours, it cannot be told. SIGIO, which a writer that comes meanwhile would
 * cause, is ignored by the process: see hl7_watch_open(). */
static bool
is_being_written(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
		return false;
	}
	return errno == EAGAIN;
}

static bool
is_same(int fd, const struct watch_known *k)
{
	struct watch_identity now;
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	now = watch_identity(&st);
	return watch_same(&now, &k->identity);
}

/* As many bytes as it has, and one more that must not be there. */
static enum watch_read
read_all(int fd, const struct watch_known *k, struct buf *out, struct err *e)
{
	size_t size = (size_t)k->identity.size;
	uint8_t *p = buf_space(out, size + 1);
	ssize_t n;

	if (p == NULL) {
		(void)fail(e, ERR_LIMIT, "the file is larger than %zu MiB",
		    out->cap / MIB);
		return WATCH_TOO_LARGE;
	}
	n = os_read_full(fd, p, size + 1);
	if (n < 0) {
		(void)fail_errno(e, "cannot read it");
		return WATCH_UNREADABLE;
	}
	buf_filled(out, (size_t)n);
	return (size_t)n == size && is_same(fd, k) ? WATCH_READ : WATCH_BUSY;
}

enum watch_read
watch_file_read(int dir_fd, const struct watch_known *k, struct buf *out,
    int *fd, struct err *e)
{
	/* Not for a device or a link that took its place. */
	*fd = openat(dir_fd, k->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*fd < 0) {
		if (errno == ENOENT || errno == ELOOP)
			return WATCH_BUSY;
		(void)fail_errno(e, "cannot open it");
		return WATCH_UNREADABLE;
	}
	if (!is_same(*fd, k) || is_being_written(*fd))
		return WATCH_BUSY;
	return read_all(*fd, k, out, e);
}

/* "a.hl7.DON", "a.hl7.2.DON"; a very long name is cut. */
static void
new_name(const char *name, unsigned number, const char *suffix, char *out,
    size_t room)
{
	struct str s = utf8_cut(str_from(name), NAME_MAX - SUFFIX_MAX);

	if (number == 1)
		snprintf(out, room, "%.*s%s", STR_ARG(s), suffix);
	else
		snprintf(out, room, "%.*s.%u%s", STR_ARG(s), number, suffix);
}

/* Is the file of this name the one that was read, as it was read? */
static bool
is_named(int dir_fd, const char *name, const struct watch_known *k, int fd)
{
	struct watch_identity now;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	now = watch_identity(&st);
	return watch_same(&now, &k->identity) &&
	       (fd < 0 || !is_being_written(fd));
}

static bool
write_reasons(int dir_fd, const char *name, mode_t mode, struct str reasons,
    struct err *e)
{
	bool ok;
	int fd;

	fd = os->openat(dir_fd, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(e, "cannot write '%s'", name);
	ok = os_write_all(fd, reasons) ||
	     fail_errno(e, "cannot write '%s'", name);
	/* Whoever may read the file may read what is wrong with it. */
	(void)fchmod(fd, mode & 0666);
	os_close(&fd);
	return ok;
}

/* *taken: there is such a name already. */
static bool
try_name(int dir_fd, const struct watch_known *k, const char *to,
    struct str reasons, bool *taken, struct err *e)
{
	char log[NAME_MAX + 2 * SUFFIX_MAX];
	struct stat st;

	*taken = fstatat(dir_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (*taken)
		return true;
	snprintf(log, sizeof(log), "%s.log", to);
	/* First: an .ERR never stands without its reasons. */
	if (reasons.n > 0 && !write_reasons(dir_fd, log, k->mode, reasons, e))
		return false;
	if (os->rename_new(dir_fd, k->name, dir_fd, to) == 0)
		return true;
	*taken = errno == EEXIST;
	return *taken || fail_errno(e, "cannot rename it to '%s'", to);
}

bool
watch_file_mark(int dir_fd, const struct watch_known *k, int fd,
    enum watch_verdict verdict, bool erase, struct str reasons, bool *changed,
    struct err *e)
{
	const char *suffix = verdict == WATCH_DONE ? ".DON" : ".ERR";
	char to[NAME_MAX + SUFFIX_MAX];
	bool taken = true;
	unsigned n;

	if (verdict == WATCH_DONE)
		reasons = STR("");
	*changed = !is_named(dir_fd, k->name, k, fd);
	if (*changed)
		return true;
	for (n = 1; taken && n <= NAMES_MAX; n++) {
		new_name(k->name, n, suffix, to, sizeof(to));
		if (!try_name(dir_fd, k, to, reasons, &taken, e))
			return false;
	}
	if (taken)
		return fail(e, ERR_CONFLICT,
		    "there are %d files '%s...%s' already: move them away",
		    NAMES_MAX, k->name, suffix);
	*changed = !is_named(dir_fd, to, k, -1);
	if (*changed) {
		if (os->rename_new(dir_fd, to, dir_fd, k->name) != 0)
			return fail_errno(e,
			    "it was replaced while it was taken in; cannot "
			    "give '%s' its name back",
			    to);
		return true;
	}
	if (verdict == WATCH_DONE && erase && os->unlinkat(dir_fd, to, 0) != 0)
		return fail_errno(e, "cannot erase it ('%s')", to);
	return true;
}
