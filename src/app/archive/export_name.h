/*
 * Names for exported folders and files, made from text of objects: portable
 * characters only (A-Z a-z 0-9 - _), capped, never empty, never a name that
 * some system reserves, and no two alike even where case does not count.
 *
 * A path is built in a buf; 'from' is where its last name begins.
 */
#ifndef APP_EXPORT_NAME_H
#define APP_EXPORT_NAME_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

/* Appends what of text (UTF-8) is portable, at most max bytes, after a '_' if
 * the name has a part already. Letters with marks lose them. */
void export_name_add(
    struct buf *path, size_t from, struct str text, size_t max);
/* A number with at least 'width' digits; other text as export_name_add(). */
void export_name_number(
    struct buf *path, size_t from, struct str text, int width);
/* Ends the name: 'instead' where nothing was portable, and not reserved. */
void export_name_end(struct buf *path, size_t from, const char *instead);

/* The paths that are taken. */
struct export_names {
	struct map taken; /* path in lower case: how often it was asked for */
	struct arena arena;
};
void export_names_init(struct export_names *n);
void export_names_fini(struct export_names *n);
void export_names_clear(struct export_names *n);
/* Appends _2, _3 ... if the path is taken, then the extension, and takes it. */
bool export_names_take(struct export_names *n, struct buf *path,
    const char *extension, struct err *e) MUST_USE;

#endif
