/*
 * Which archive a backup is of. A folder that holds the backup of one is not
 * for another: a new, empty archive that stands where a lost one stood would
 * take the place of what is needed now.
 */
#ifndef STORE_BACKUP_LINEAGE_H
#define STORE_BACKUP_LINEAGE_H

#include "store/store.h"

/* Each archive has a number by chance, made here if it has none yet, which goes
 * into its backups with its database, and back. ERR_CONFLICT when the folder
 * (dir) holds the finished backup of an archive with another number. */
bool lineage_check(
    struct store *s, int dir, const char *folder, struct err *e) MUST_USE;

#endif
