/*
 * The file BACKUP: lines of a word and its value, for people too.
 */
#ifndef STORE_BACKUP_MANIFEST_H
#define STORE_BACKUP_MANIFEST_H

#include "base/buf.h"
#include "base/err.h"

#define MANIFEST_NAME   "BACKUP"
#define MANIFEST_FORMAT 1
#define BACKUP_LOCK     "backup.lock" /* its sign: a folder for backups */

struct manifest {
	char database[32]; /* a name in the folder */
	char hash[65];     /* SHA-256 of it */
	uint64_t objects, aside;
	struct buf files; /* paths below files/, a line each */
};

void manifest_init(struct manifest *m);
void manifest_fini(struct manifest *m);
/* May a file of this path be kept below files/? */
bool manifest_path_valid(struct str path);
void manifest_build(const struct manifest *m, int64_t made_ms, struct buf *out);
/* ERR_CORRUPT; ERR_UNSUPPORTED when a newer program wrote it. */
bool manifest_parse(
    struct str text, struct manifest *out, struct err *e) MUST_USE;
/* That of a folder (dir, which messages call by its name); ERR_MISSING when no
 * backup was finished there. */
bool manifest_read(
    int dir, const char *folder, struct manifest *out, struct err *e) MUST_USE;

#endif
