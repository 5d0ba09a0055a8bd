/*
 * Exports that are a medium: names of the standard, DICOMDIR and README.TXT
 * (service/media/medium.h).
 */
#ifndef APP_EXPORT_MEDIUM_H
#define APP_EXPORT_MEDIUM_H

#include "app/archive/export_out.h"
#include "service/media/medium.h"

struct export_medium;

/* ERR_CONFLICT when a medium, or a part of one, stands there already. */
bool export_medium_begin(struct export_medium **m, struct store *store,
    struct export_out *out, struct err *e) MUST_USE;
/* Where the row's file is to be written; its folders are made. */
bool export_medium_place(struct export_medium *m, const struct index_row *row,
    struct medium_place *place, struct err *e) MUST_USE;
/* It has been written, in this transfer syntax. */
bool export_medium_add(struct export_medium *m, const struct index_row *row,
    const struct medium_place *place, const struct object_file *file,
    const char *syntax, struct err *e) MUST_USE;
/* Writes what stands beside the files. *others: see medium_others(). */
bool export_medium_end(
    struct export_medium *m, uint64_t *others, struct err *e) MUST_USE;
void export_medium_free(struct export_medium **m);

#endif
