/*
 * The header of a stored object: what is wanted of its main data set.
 */
#ifndef SERVICE_HEADER_H
#define SERVICE_HEADER_H

#include "dicom/dataset.h"
#include "store/object.h"

/* Reads up to stop_tag and keeps what is wanted, in the arena. Sequences that
 * somebody passed on as UN are sequences again. ERR_LIMIT when it is too large,
 * or longer than LIMIT_HEADER. */
bool header_read(const struct object_file *file, dataset_wanted_fn *wanted,
    void *ctx, uint32_t stop_tag, struct arena *a, struct dataset **out,
    struct err *e) MUST_USE;

#endif
