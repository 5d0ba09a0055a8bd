/*
 * A copy of the archive in another folder, made beside a running server, and
 * the way back.
 *
 *   FOLDER/BACKUP             what is in it; written last, replaced at once
 *   FOLDER/database-<hash>    the one that BACKUP names counts
 *   FOLDER/objects/…          as in the archive
 *   FOLDER/quarantine/…
 *   FOLDER/files/…            key of tokens, certificates, and the like
 *   FOLDER/tmp/               being copied
 *   FOLDER/backup.lock        one backup or restore at a time
 *
 * At every moment, also after a power cut, the folder holds the last backup
 * that was finished. It is no data folder: no server can start on it by
 * mistake, and nothing but restore makes one of it.
 */
#ifndef STORE_BACKUP_BACKUP_H
#define STORE_BACKUP_BACKUP_H

#include "store/rebuild.h"

/* Something that is not right, and was left out. */
typedef void backup_told(void *ctx, const char *path, const char *why);

struct backup_options {
	bool link;   /* hard links where both are on one file system */
	bool reread; /* compare every byte of the copies there are */
	bool prune;  /* remove copies of what the archive has no more */
	backup_told *told;
	rebuild_progress *progress; /* may be NULL */
	void *ctx;
};
struct backup_result {
	uint64_t objects, aside;               /* in the backup */
	uint64_t copied, linked, bytes, there; /* by this run */
	uint64_t damaged, pruned;
};
/* ERR_USAGE where the folder cannot be one for backups. ERR_CANCELLED when
 * progress said so, ERR_FULL, ERR_IO: the last finished backup is as it was,
 * and the next run goes on. True with out->damaged: all but these. */
bool store_backup(struct store *, const char *folder,
    const struct backup_options *, struct backup_result *out,
    struct err *e) MUST_USE;
/* The data folder must be empty, absent or one that an interrupted restore
 * left. There is no archive in it until all is there. Objects are compared
 * with their hashes. */
bool store_restore(const char *folder, const char *data,
    const struct backup_options *, struct backup_result *out,
    struct err *e) MUST_USE;

#endif
