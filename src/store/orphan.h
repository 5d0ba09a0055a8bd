/*
 * Files seen from the outside: reading one wholly as a row of the index, and
 * settling one that may have no row.
 */
#ifndef STORE_ORPHAN_H
#define STORE_ORPHAN_H

#include "store/folder.h"
#include "store/object.h"
#include "store/index/upsert.h"

/* Read the header of the file at path, and with 'bytes' all of it, comparing
 * length and hash: ERR_CORRUPT, ERR_MISSING; ERR_MALFORMED when the hash is
 * right but the parser does not take it. Without 'bytes' only what the header
 * has is filled in: class, instance, syntax, source, size, hash, arrival. */
bool inspect(struct store *s, const char *path, bool bytes, struct arena *a,
    struct row *row, struct err *e) MUST_USE;

enum orphan {
	ORPHAN_KNOWN,     /* it has its row, is gone, or being stored */
	ORPHAN_INDEXED,   /* its row was put in */
	ORPHAN_DUPLICATE, /* another file has the row: removed or set aside */
	ORPHAN_TORN,      /* set aside */
	ORPHAN_LEFT       /* not understood; left where it is */
};
bool orphan_settle(struct store *s, const char *path, enum orphan *out,
    struct err *e) MUST_USE;
/* Move a file to quarantine/torn, with a row in table quarantine. */
bool orphan_set_torn(struct store *s, const char *path, const char *reason,
    struct err *e) MUST_USE;

/* Files in order of their arrival. */
struct orphan_list {
	struct orphan_file *v;
	size_t n, room;
};
struct orphan_file {
	int64_t arrived_ms;
	uint32_t number;
	char path[PATH_ROOM];
};
/* A file whose header cannot be read comes first. */
void orphan_add(struct store *s, struct orphan_list *list, const char *path);
void orphan_sort(struct orphan_list *list);
void orphan_list_free(struct orphan_list *list);

#endif
