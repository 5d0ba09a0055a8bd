/*
 * How folders and files are called in which objects leave the archive:
 *
 *   NAME_ID/DATE_STUDY/NUMBER_SERIES/NUMBER
 *
 * Each function appends one of these names, portable (filename.h) and not yet
 * made unique.
 */
#ifndef SERVICE_NAMING_H
#define SERVICE_NAMING_H

#include "base/buf.h"
#include "store/index/index.h"

void naming_patient(struct buf *path, const struct index_row *row);
void naming_study(struct buf *path, const struct index_row *row);
void naming_series(struct buf *path, const struct index_row *row);
void naming_instance(struct buf *path, const struct index_row *row);

#endif
