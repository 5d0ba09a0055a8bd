/*
 * DICOMDIR: which files a medium holds (PS3.3 F.3.2.2, PS3.10 8).
 */
#ifndef APP_MEDIA_H
#define APP_MEDIA_H

#include "base/err.h"
#include "base/str.h"

/* Is this file a DICOMDIR, by its meta header? False also when it cannot be
 * read. */
bool media_is(const char *path);
/* Calls found for the path of every file the DICOMDIR references, which stands
 * beside it; reason is NULL, or says why there is no such file. A File ID is
 * never followed out of the medium's folder. */
typedef void media_found(void *ctx, const char *path, const char *reason);
bool media_each(
    const char *path, media_found *found, void *ctx, struct err *e) MUST_USE;

#endif
