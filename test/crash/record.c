/*
 * A library to preload into a server: records, in one total order, every
 * change to files below FILEROOM_RECORD_ROOT and every flush of them, and
 * what is sent on sockets (so that the replay knows what was acknowledged, and
 * before which flush). Written to FILEROOM_RECORD_LOG; powercut.c replays.
 *
 * A record: struct record (record.h), first path, second path, data. File
 * changes are made and recorded under one lock; a send is recorded before it
 * is made, so that nothing flushed after it counts for it.
 *
 * Memory-mapped writes are not seen: SQLite's shared-memory file is the only
 * one, and it is made anew after a power cut.
 */
#include "record.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_n;
static int log_fd = -1;
static bool tracked[FDS];
static uint64_t inode_of[FDS];

#define REAL(name)                                                             \
	static __typeof__(name) *real;                                         \
	if (real == NULL)                                                      \
	real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void
raw_write(const void *p, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	const char *at = p;
	ssize_t put;

	if (real == NULL)
		real = (ssize_t(*)(int, const void *, size_t))dlsym(
		    RTLD_NEXT, "write");
	while (n > 0) {
		put = real(log_fd, at, n);
		if (put <= 0)
			abort();
		at += put;
		n -= (size_t)put;
	}
}

static void
record(enum record_op op, uint64_t inode, int64_t at, const char *a,
    const char *b, const void *data, size_t n)
{
	struct record r = {.op = (uint32_t)op,
	    .a_n = a != NULL ? (uint32_t)strlen(a) : 0,
	    .b_n = b != NULL ? (uint32_t)strlen(b) : 0,
	    .data_n = (uint32_t)n,
	    .inode = inode,
	    .at = at};

	raw_write(&r, sizeof(r));
	if (r.a_n > 0)
		raw_write(a, r.a_n);
	if (r.b_n > 0)
		raw_write(b, r.b_n);
	if (n > 0 && data != NULL)
		raw_write(data, n);
}

__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("FILEROOM_RECORD_LOG");
	const char *top = getenv("FILEROOM_RECORD_ROOT");

	if (path == NULL || top == NULL || realpath(top, root) == NULL)
		return;
	root_n = strlen(root);
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The path below the root, or false for anything else. */
static bool
below(int dir, const char *path, char out[PATH_MAX])
{
	char full[2 * PATH_MAX], link[64], where[PATH_MAX];
	ssize_t n;

	if (log_fd < 0)
		return false;
	if (path[0] == '/') {
		snprintf(full, sizeof(full), "%s", path);
	} else {
		if (dir == AT_FDCWD) {
			if (getcwd(where, sizeof(where)) == NULL)
				return false;
		} else {
			snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
			n = readlink(link, where, sizeof(where) - 1);
			if (n <= 0)
				return false;
			where[n] = '\0';
		}
		snprintf(full, sizeof(full), "%s/%s", where, path);
	}
	if (strncmp(full, root, root_n) != 0)
		return false;
	if (full[root_n] == '\0' || strcmp(full + root_n, "/.") == 0) {
		out[0] = '\0'; /* the root itself: flushed as a folder */
		return true;
	}
	if (full[root_n] != '/')
		return false;
	snprintf(out, PATH_MAX, "%.*s", PATH_MAX - 1, full + root_n + 1);
	return true;
}

static uint64_t
inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static int
track_open(int dir, const char *path, int flags, mode_t mode)
{
	static int (*real)(int, const char *, int, ...);
	char name[PATH_MAX];
	bool ours, existed;
	int fd, saved;

	if (real == NULL)
		real = (int (*)(int, const char *, int, ...))dlsym(
		    RTLD_NEXT, "openat64");
	ours = below(dir, path, name);
	if (!ours)
		return real(dir, path, flags, mode);
	pthread_mutex_lock(&lock);
	existed = faccessat(dir, path, F_OK, 0) == 0;
	fd = real(dir, path, flags, mode);
	saved = errno;
	if (fd >= 0 && fd < FDS) {
		tracked[fd] = true;
		inode_of[fd] = inode(fd);
		if (!existed && (flags & O_CREAT) != 0)
			record(RECORD_CREATE, inode_of[fd], 0, name, NULL, NULL,
			    0);
		else if ((flags & O_TRUNC) != 0)
			record(RECORD_TRUNCATE, inode_of[fd], 0, NULL, NULL,
			    NULL, 0);
		else
			/* A folder or a file that was there before. */
			record(
			    RECORD_OPEN, inode_of[fd], 0, name, NULL, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
	return fd;
}

#define OPEN_MODE()                                                            \
	mode_t mode = 0;                                                       \
	va_list args;                                                          \
	if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {      \
		va_start(args, flags);                                         \
		mode = (mode_t)va_arg(args, int);                              \
		va_end(args);                                                  \
	}

int
open(const char *path, int flags, ...)
{
	OPEN_MODE()
	return track_open(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	OPEN_MODE()
	return track_open(AT_FDCWD, path, flags, mode);
}

int
openat(int dir, const char *path, int flags, ...)
{
	OPEN_MODE()
	return track_open(dir, path, flags, mode);
}

int
openat64(int dir, const char *path, int flags, ...)
{
	OPEN_MODE()
	return track_open(dir, path, flags, mode);
}

int
close(int fd)
{
	REAL(close);
	if (fd >= 0 && fd < FDS && tracked[fd]) {
		pthread_mutex_lock(&lock);
		tracked[fd] = false;
		pthread_mutex_unlock(&lock);
	}
	return real(fd);
}

static bool
is_file(int fd)
{
	return fd >= 0 && fd < FDS && tracked[fd] && log_fd >= 0;
}

static void
record_send(int fd, const struct iovec *v, int n)
{
	char *whole;
	size_t total = 0, at = 0;
	struct stat st;
	int i;

	if (log_fd < 0 || fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	for (i = 0; i < n; i++)
		total += v[i].iov_len;
	whole = malloc(total + 1);
	if (whole == NULL)
		abort();
	for (i = 0; i < n; i++) {
		memcpy(whole + at, v[i].iov_base, v[i].iov_len);
		at += v[i].iov_len;
	}
	pthread_mutex_lock(&lock);
	record(RECORD_SEND, (uint64_t)fd, 0, NULL, NULL, whole, total);
	pthread_mutex_unlock(&lock);
	free(whole);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	struct iovec v = {(void *)(uintptr_t)p, n};
	ssize_t put;
	off_t at;
	REAL(write);

	if (fd == log_fd || log_fd < 0)
		return real(fd, p, n);
	if (!is_file(fd)) {
		record_send(fd, &v, 1);
		return real(fd, p, n);
	}
	pthread_mutex_lock(&lock);
	at = lseek(fd, 0, SEEK_CUR);
	put = real(fd, p, n);
	if (put > 0)
		record(
		    RECORD_WRITE, inode_of[fd], at, NULL, NULL, p, (size_t)put);
	pthread_mutex_unlock(&lock);
	return put;
}

static ssize_t
track_pwrite(ssize_t (*real)(int, const void *, size_t, off_t), int fd,
    const void *p, size_t n, off_t at)
{
	ssize_t put;

	if (!is_file(fd))
		return real(fd, p, n, at);
	pthread_mutex_lock(&lock);
	put = real(fd, p, n, at);
	if (put > 0)
		record(
		    RECORD_WRITE, inode_of[fd], at, NULL, NULL, p, (size_t)put);
	pthread_mutex_unlock(&lock);
	return put;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	REAL(pwrite);
	return track_pwrite(real, fd, p, n, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off_t at)
{
	REAL(pwrite64);
	return track_pwrite(real, fd, p, n, at);
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	struct iovec v = {(void *)(uintptr_t)p, n};
	REAL(send);

	record_send(fd, &v, 1);
	return real(fd, p, n, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	REAL(sendmsg);

	record_send(fd, m->msg_iov, (int)m->msg_iovlen);
	return real(fd, m, flags);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	REAL(writev);

	if (is_file(fd))
		abort(); /* nobody writes files this way */
	record_send(fd, v, n);
	return real(fd, v, n);
}

static int
track_truncate(int (*real)(int, off_t), int fd, off_t n)
{
	int rc;

	if (!is_file(fd))
		return real(fd, n);
	pthread_mutex_lock(&lock);
	rc = real(fd, n);
	if (rc == 0)
		record(RECORD_TRUNCATE, inode_of[fd], n, NULL, NULL, NULL, 0);
	pthread_mutex_unlock(&lock);
	return rc;
}

int
ftruncate(int fd, off_t n)
{
	REAL(ftruncate);
	return track_truncate(real, fd, n);
}

int
ftruncate64(int fd, off_t n)
{
	REAL(ftruncate64);
	return track_truncate(real, fd, n);
}

static int
track_flush(int (*real)(int), int fd)
{
	int rc;

	if (!is_file(fd))
		return real(fd);
	/* Not under the lock for its whole time: what others write meanwhile
	 * is recorded before the flush, hence would count as flushed. Taking
	 * the record first and the flush second errs the same way, so the
	 * record of a flush carries what had been written when it began. */
	pthread_mutex_lock(&lock);
	record(RECORD_FLUSH_BEGIN, inode_of[fd], fd, NULL, NULL, NULL, 0);
	pthread_mutex_unlock(&lock);
	rc = real(fd);
	if (rc == 0) {
		pthread_mutex_lock(&lock);
		record(RECORD_FLUSH_END, inode_of[fd], fd, NULL, NULL, NULL, 0);
		pthread_mutex_unlock(&lock);
	}
	return rc;
}

int
fsync(int fd)
{
	REAL(fsync);
	return track_flush(real, fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	return track_flush(real, fd);
}

static int
track_rename(
    int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	static int (*real)(int, const char *, int, const char *, unsigned);
	char a[PATH_MAX], b[PATH_MAX];
	bool ours;
	int rc, saved;

	if (real == NULL)
		real = (int (*)(int, const char *, int, const char *,
		    unsigned))dlsym(RTLD_NEXT, "renameat2");
	ours = below(from_dir, from, a) && below(to_dir, to, b);
	if (!ours)
		return real(from_dir, from, to_dir, to, flags);
	pthread_mutex_lock(&lock);
	rc = real(from_dir, from, to_dir, to, flags);
	saved = errno;
	if (rc == 0)
		record(RECORD_RENAME, 0, 0, a, b, NULL, 0);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

int
rename(const char *from, const char *to)
{
	return track_rename(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return track_rename(from_dir, from, to_dir, to, 0);
}

int
renameat2(
    int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return track_rename(from_dir, from, to_dir, to, flags);
}

int
unlinkat(int dir, const char *path, int flags)
{
	char name[PATH_MAX];
	bool ours = below(dir, path, name);
	int rc, saved;
	REAL(unlinkat);

	if (!ours)
		return real(dir, path, flags);
	pthread_mutex_lock(&lock);
	rc = real(dir, path, flags);
	saved = errno;
	if (rc == 0)
		record(RECORD_UNLINK, 0, 0, name, NULL, NULL, 0);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
	char name[PATH_MAX];
	bool ours = below(dir, path, name);
	int rc, saved;
	REAL(mkdirat);

	if (!ours)
		return real(dir, path, mode);
	pthread_mutex_lock(&lock);
	rc = real(dir, path, mode);
	saved = errno;
	if (rc == 0)
		record(RECORD_MKDIR, 0, 0, name, NULL, NULL, 0);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return rc;
}

int
mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}
