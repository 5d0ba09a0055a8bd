/*
 * A system whose Nth call that keeps data fails, and all before and after it
 * succeed.
 *
 *   fault_begin(at, EIO); ...; fault_end();
 */
#ifndef TEST_FAULT_FAULT_H
#define TEST_FAULT_FAULT_H

#include "base/os.h"

#include <errno.h>
#include <unistd.h>

static struct {
	int left;   /* calls until the fault; negative: none */
	int number; /* errno, or 0 for a short write that then fails */
	bool hit, flush_hit;
} fault;

/* Objects and quarantine are on two disks: no file changes its name from one to
 * the other. */
static bool fault_two_disks;

static bool
fault_within(int dir, const char *folder)
{
	char link[64], path[512];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, folder) != NULL;
}

static bool
due(void)
{
	if (fault.left < 0 || fault.left-- > 0)
		return false;
	fault.hit = true;
	errno = fault.number != 0 ? fault.number : ENOSPC;
	return true;
}

static int
fault_openat(int dir, const char *path, int flags, mode_t mode)
{
	return due() ? -1 : os_real.openat(dir, path, flags, mode);
}

static ssize_t
fault_write(int fd, const void *p, size_t n)
{
	if (!due())
		return os_real.write(fd, p, n);
	if (fault.number != 0)
		return -1;
	/* What was short once is full the next time. */
	fault.left = 0;
	return os_real.write(fd, p, n / 2);
}

static ssize_t
fault_pwrite(int fd, const void *p, size_t n, off_t at)
{
	return due() ? -1 : os_real.pwrite(fd, p, n, at);
}

static int
fault_fsync(int fd)
{
	if (!due())
		return os_real.fsync(fd);
	fault.flush_hit = true;
	return -1;
}

static int
fault_sync_range(int fd, off_t at, off_t n)
{
	return due() ? -1 : os_real.sync_range(fd, at, n);
}

static int
fault_rename_new(int dir, const char *from, int to_dir, const char *to)
{
	if (due())
		return -1;
	if (fault_two_disks && fault_within(dir, "/objects") &&
	    fault_within(to_dir, "/quarantine")) {
		errno = EXDEV;
		return -1;
	}
	return os_real.rename_new(dir, from, to_dir, to);
}

static int
fault_unlinkat(int dir, const char *path, int flags)
{
	return due() ? -1 : os_real.unlinkat(dir, path, flags);
}

static int
fault_mkdirat(int dir, const char *path, mode_t mode)
{
	return due() ? -1 : os_real.mkdirat(dir, path, mode);
}

static int
fault_ftruncate(int fd, off_t n)
{
	return due() ? -1 : os_real.ftruncate(fd, n);
}

static int
fault_free(int fd, uint64_t *bytes)
{
	return due() ? -1 : os_real.fstatvfs_free(fd, bytes);
}

UNUSED static const struct os_ops fault_os = {
    .openat = fault_openat,
    .write = fault_write,
    .pwrite = fault_pwrite,
    .fsync = fault_fsync,
    .sync_range = fault_sync_range,
    .rename_new = fault_rename_new,
    .unlinkat = fault_unlinkat,
    .mkdirat = fault_mkdirat,
    .ftruncate = fault_ftruncate,
    .fstatvfs_free = fault_free,
};

/* number 0: a write is short, and the rest of it fails. */
UNUSED static void
fault_begin(int at, int number)
{
	memset(&fault, 0, sizeof(fault));
	fault.left = at;
	fault.number = number;
	os = &fault_os;
}

UNUSED static void
fault_end(void)
{
	os = &os_real;
}

#endif
