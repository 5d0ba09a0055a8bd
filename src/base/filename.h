/*
 * Names for folders and files that leave the archive, made from text of
 * objects: portable characters only (A-Z a-z 0-9 - _), capped, never empty,
 * never a name that some system reserves, and no two alike even where case does
 * not count.
 *
 * A path is built in a buf; 'from' is where its last name begins.
 */
#ifndef BASE_FILENAME_H
#define BASE_FILENAME_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

/* Appends what of text (UTF-8) is portable, at most max bytes, after a '_' if
 * the name has a part already. Letters with marks lose them. */
void filename_add(struct buf *path, size_t from, struct str text, size_t max);
/* A number with at least 'width' digits; other text as filename_add(). */
void filename_number(struct buf *path, size_t from, struct str text, int width);
/* Ends the name: 'instead' where nothing was portable, and not reserved. */
void filename_end(struct buf *path, size_t from, const char *instead);

/* The paths that are taken. */
struct filenames {
	struct map taken; /* path in lower case: how often it was asked for */
	struct arena arena;
};
void filenames_init(struct filenames *n);
void filenames_fini(struct filenames *n);
void filenames_clear(struct filenames *n);
/* Appends _2, _3 ... if the path is taken, then the extension, and takes it. */
bool filenames_take(struct filenames *n, struct buf *path,
    const char *extension, struct err *e) MUST_USE;

#endif
