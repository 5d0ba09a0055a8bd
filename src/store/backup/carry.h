/*
 * Carrying files of the archive from one folder to another, for backup and
 * restore: a name at its place means that the whole file is there, flushed.
 *
 * Files are written under temporary names; CARRY_AT_ONCE of them are flushed
 * together and then named. Objects are compared with the hash that was sealed
 * into them on the way: what is damaged is told and not carried.
 */
#ifndef STORE_BACKUP_CARRY_H
#define STORE_BACKUP_CARRY_H

#include "store/backup/backup.h"
#include "store/folder.h"

#define CARRY_AT_ONCE 256
#define CARRY_PATH    300

struct carry {
	int from, to; /* roots; paths are the same below both */
	int tmp;      /* on the file system of 'to' */
	bool link;    /* a second name where both are on one file system */
	bool reread;  /* what is there already is read and compared */
	backup_told *told;
	void *ctx;
	uint64_t copied, linked, bytes, there, damaged;
	struct {
		char name[NAME_ROOM], path[CARRY_PATH];
	} waiting[CARRY_AT_ONCE];
	size_t n;
	uint64_t waiting_bytes;
};

enum carried {
	CARRIED,
	CARRIED_NOT, /* damaged, as was told */
	CARRIED_GONE,
	CARRIED_FAILED
};
/* An object: path below the roots, its size with the header. */
enum carried carry_object(
    struct carry *c, const char *path, uint64_t size, struct err *e) MUST_USE;
/* Any file, as it is; again: also where one of its size is there. */
enum carried carry_file(
    struct carry *c, const char *path, bool again, struct err *e) MUST_USE;
/* What waits gets its name. */
bool carry_flush(struct carry *c, struct err *e) MUST_USE;
/* Forgets what waits. */
void carry_fini(struct carry *c);
/* Everything on the file systems of 'to' and 'tmp', with its names, is on the
 * disk. */
bool carry_settle(struct carry *c, struct err *e) MUST_USE;

/* Shared besides: a folder below one, made if there is none; -1 and e. */
int carry_folder(int dir, const char *path, bool make, struct err *e);
/* Remove the files of a folder whose names begin like this, but for one (NULL:
 * all). What cannot be removed stays for the next time. */
void carry_sweep(int dir, const char *prefix, const char *but);
/* Calls fn for every name in a folder, of folders too; false ends it. */
bool carry_each(int dir, folder_fn *fn, void *ctx, struct err *e) MUST_USE;
/* SHA-256 of a whole file. */
bool carry_hash(int fd, char hex[65], struct err *e) MUST_USE;

#endif
