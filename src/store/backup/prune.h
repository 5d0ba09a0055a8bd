/*
 * Copies of what the archive has no more.
 */
#ifndef STORE_BACKUP_PRUNE_H
#define STORE_BACKUP_PRUNE_H

#include "store/db.h"

/* Removes the object files and files set aside below a backup's folder that
 * no row of its database names. What cannot be read is kept. */
bool prune(int dir, const char *folder, struct db *db, uint64_t *removed,
    struct err *e) MUST_USE;

#endif
