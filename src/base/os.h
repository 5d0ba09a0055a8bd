/*
 * The system calls that keep data, behind one table: the seam where tests make
 * the Nth call fail or record what was written and flushed. Everything that
 * must survive a power cut goes through here (SQLite does its own).
 *
 * All return -1 with errno like their namesakes; EINTR is retried inside, and
 * os_write_all() finishes short writes. With an os.c built with -DOS_NO_FLUSH
 * the flushes do nothing: the control that the power-cut test must catch.
 */
#ifndef BASE_OS_H
#define BASE_OS_H

#include "base/str.h"
#include <sys/stat.h>
#include <sys/types.h>

/* Whether what is to be flushed is flushed, by the database too. */
extern const bool os_flushes;

struct os_ops {
	int (*openat)(int dir, const char *path, int flags, mode_t mode);
	ssize_t (*write)(int fd, const void *p, size_t n);
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	int (*fsync)(int fd);
	int (*sync_range)(int fd, off_t at, off_t n); /* starts write-back */
	int (*rename_new)(
	    int dir, const char *from, int to_dir, const char *to);
	int (*unlinkat)(int dir, const char *path, int flags);
	int (*mkdirat)(int dir, const char *path, mode_t mode);
	int (*ftruncate)(int fd, off_t n);
	int (*fstatvfs_free)(int fd, uint64_t *free_bytes);
};

extern const struct os_ops os_real; /* the system */
/* What everything calls; replaced only by tests, before threads start. */
extern const struct os_ops *os;

bool os_write_all(int fd, struct str s) MUST_USE;
bool os_pwrite_all(int fd, struct str s, off_t at) MUST_USE;
/* Reads until n bytes or the end; the count, or -1. */
ssize_t os_read_full(int fd, void *p, size_t n);
ssize_t os_pread_full(int fd, void *p, size_t n, off_t at);
/* Close and set to -1; never retried (Linux frees the descriptor at once). */
void os_close(int *fd);
/* Called for a new file or folder: root gives it to the owner of the folder it
 * lies in, so that what root does in an archive of another user is of use to
 * that one. fd: the file; -1: path is a folder. For others than root nothing
 * happens. */
void os_inherit(int dir, const char *path, int fd);
/* A folder for its owner alone, who is that of the folder around it; true when
 * it is there already, too. Else errno says why. */
bool os_make_folder(int dir, const char *path) MUST_USE;
/* n bytes from the system's random source. */
void os_random(void *p, size_t n);

#endif
