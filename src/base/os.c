/*
 * The system's own table of the calls that keep data, and the loops around
 * short reads and writes.
 *
 * rename_new() never replaces: renameat2(2) with RENAME_NOREPLACE, and where
 * the file system has no such flag a link and an unlink, which also fails
 * with EEXIST; a crash between the two leaves both names on the same file.
 */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int
real_openat(int dir, const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dir, path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static ssize_t
real_write(int fd, const void *p, size_t n)
{
	ssize_t done;

	do
		done = write(fd, p, n);
	while (done < 0 && errno == EINTR);
	return done;
}

static ssize_t
real_pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t done;

	do
		done = pwrite(fd, p, n, at);
	while (done < 0 && errno == EINTR);
	return done;
}

#ifdef OS_NO_FLUSH
const bool os_flushes = false;

static int
real_fsync(int fd)
{
	(void)fd;
	return 0;
}

static int
real_sync_range(int fd, off_t at, off_t n)
{
	(void)fd;
	(void)at;
	(void)n;
	return 0;
}
#else
const bool os_flushes = true;

static int
real_fsync(int fd)
{
	int code;

	/* EINTR says that the wait ended, not that the writing failed. */
	do
		code = fsync(fd);
	while (code < 0 && errno == EINTR);
	return code;
}

static int
real_sync_range(int fd, off_t at, off_t n)
{
	int code;

	do
		code = sync_file_range(fd, at, n, SYNC_FILE_RANGE_WRITE);
	while (code < 0 && errno == EINTR);
	return code;
}
#endif

static int
real_rename_new(int dir, const char *from, int to_dir, const char *to)
{
	int code, number;

	do
		code = renameat2(dir, from, to_dir, to, RENAME_NOREPLACE);
	while (code < 0 && errno == EINTR);
	if (code == 0 || (errno != EINVAL && errno != ENOSYS))
		return code;
	if (linkat(dir, from, to_dir, to, 0) < 0)
		return -1;
	if (unlinkat(dir, from, 0) == 0)
		return 0;
	number = errno;
	(void)unlinkat(to_dir, to, 0);
	errno = number;
	return -1;
}

static int
real_unlinkat(int dir, const char *path, int flags)
{
	int code;

	do
		code = unlinkat(dir, path, flags);
	while (code < 0 && errno == EINTR);
	return code;
}

static int
real_mkdirat(int dir, const char *path, mode_t mode)
{
	int code;

	do
		code = mkdirat(dir, path, mode);
	while (code < 0 && errno == EINTR);
	return code;
}

static int
real_ftruncate(int fd, off_t n)
{
	int code;

	do
		code = ftruncate(fd, n);
	while (code < 0 && errno == EINTR);
	return code;
}

static int
real_fstatvfs_free(int fd, uint64_t *free_bytes)
{
	struct statvfs fs;
	int code;

	do
		code = fstatvfs(fd, &fs);
	while (code < 0 && errno == EINTR);
	if (code == 0)
		*free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return code;
}

const struct os_ops os_real = {
    .openat = real_openat,
    .write = real_write,
    .pwrite = real_pwrite,
    .fsync = real_fsync,
    .sync_range = real_sync_range,
    .rename_new = real_rename_new,
    .unlinkat = real_unlinkat,
    .mkdirat = real_mkdirat,
    .ftruncate = real_ftruncate,
    .fstatvfs_free = real_fstatvfs_free,
};

const struct os_ops *os = &os_real;

/* Whether a write got further; one that writes nothing would loop for ever. */
static bool
advance(struct str *s, ssize_t n)
{
	if (n < 0)
		return false;
	if (n == 0) {
		errno = EIO;
		return false;
	}
	must((size_t)n <= s->n);
	*s = str_of(s->p + n, s->n - (size_t)n);
	return true;
}

bool
os_write_all(int fd, struct str s)
{
	while (s.n > 0)
		if (!advance(&s, os->write(fd, s.p, s.n)))
			return false;
	return true;
}

bool
os_pwrite_all(int fd, struct str s, off_t at)
{
	ssize_t n;

	while (s.n > 0) {
		n = os->pwrite(fd, s.p, s.n, at);
		if (!advance(&s, n))
			return false;
		at += n;
	}
	return true;
}

/* The owner of what lies around a path. */
static bool
parent_of(int dir, const char *path, struct stat *out)
{
	const char *end = strrchr(path, '/');
	bool ok;
	char *folder;

	if (end == NULL)
		return dir == AT_FDCWD ? stat(".", out) == 0
				       : fstat(dir, out) == 0;
	folder = must_strdup(path);
	folder[end == path ? 1 : end - path] = '\0';
	ok = fstatat(dir, folder, out, 0) == 0;
	free(folder);
	return ok;
}

void
os_inherit(int dir, const char *path, int fd)
{
	struct stat parent, own;
	bool given = false;
	int folder = -1;

	if (geteuid() != 0 || !parent_of(dir, path, &parent))
		return;
	if (fd < 0)
		fd = folder = openat(
		    dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Where it is not allowed (a network's disk) all stays as it is. */
	if (fd >= 0 && parent.st_uid != 0 && fstat(fd, &own) == 0 &&
	    own.st_uid != parent.st_uid)
		given = fchown(fd, parent.st_uid, parent.st_gid) == 0;
	(void)given;
	if (folder >= 0)
		os_close(&folder);
}

bool
os_make_folder(int dir, const char *path)
{
	if (os->mkdirat(dir, path, 0700) != 0)
		return errno == EEXIST;
	os_inherit(dir, path, -1);
	return true;
}

ssize_t
os_read_full(int fd, void *p, size_t n)
{
	size_t have = 0;
	ssize_t got;

	must(n <= SSIZE_MAX);
	while (have < n) {
		got = read(fd, (uint8_t *)p + have, n - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

ssize_t
os_pread_full(int fd, void *p, size_t n, off_t at)
{
	size_t have = 0;
	ssize_t got;

	must(n <= SSIZE_MAX);
	while (have < n) {
		got =
		    pread(fd, (uint8_t *)p + have, n - have, at + (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

void
os_close(int *fd)
{
	int number = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = number;
}

void
os_random(void *p, size_t n)
{
	uint8_t *at = p;
	ssize_t got;

	while (n > 0) {
		got = getrandom(at, n, 0);
		must(got > 0 || (got < 0 && errno == EINTR));
		if (got < 0)
			continue;
		at += got;
		n -= (size_t)got;
	}
}
