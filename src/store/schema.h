/*
 * The tables, and the way from each older version of them to this one.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/db.h"

/* What leads from one version to the next: statements, up to a NULL. */
struct schema_step {
	const char *const *sql;
};

struct schema {
	const struct schema_step *steps;
	int64_t version; /* the number of steps */
};

extern const struct schema schema_current;

/* Bring the database at path, open as db, to the schema's version: tables are
 * made in an empty one; before an older one is changed, a whole copy is put
 * beside it ("<path>.version-N"). ERR_UNSUPPORTED when it is newer. Safe when
 * two processes do it at once. */
bool schema_migrate(struct db *db, const char *path,
    const struct schema *schema, struct err *e) MUST_USE;

#endif
