/*
 * Carrying all that the rows of a database name.
 */
#ifndef STORE_BACKUP_ROWS_H
#define STORE_BACKUP_ROWS_H

#include "store/backup/carry.h"

/* A row without its file: sop_instance is NULL for what was set aside; name as
 * in the row, path below the roots. False ends it. */
typedef bool rows_gone(void *ctx, const char *sop_instance, const char *name,
    const char *path, struct err *e);

struct rows {
	struct carry *carry, *aside_carry; /* they may be the same */
	struct db *db;
	rebuild_progress *progress; /* with the context of carry */
	rows_gone *gone;
	void *ctx;
	uint64_t objects, aside; /* rows there are */
};
bool rows_carry(struct rows *r, struct err *e) MUST_USE;

#endif
