/*
 * All that the rows of a database name, carried: objects, then what was set
 * aside. Rows come in batches and go on by key.
 */
#include "store/backup/rows.h"

#include "base/limit.h"
#include "store/seal.h"

struct object_row {
	int64_t id;
	uint64_t size;
	char sop_instance[65], path[PATH_ROOM];
};

static bool
read_objects(struct db *db, int64_t after, struct object_row *rows, size_t *n,
    struct err *e)
{
	enum db_step step;
	struct db_stmt *q;

	*n = 0;
	if (!db_query(db,
		"SELECT id, SOPInstanceUID, path, size FROM instance"
		" WHERE id > ? ORDER BY id LIMIT ?",
		DB_ARGS(db_int(after), db_int(LIMIT_ROWS)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		rows[*n].id = db_column_int(q, 0);
		(void)str_copy(rows[*n].sop_instance,
		    sizeof(rows[*n].sop_instance), db_column(q, 1));
		(void)str_copy(
		    rows[*n].path, sizeof(rows[*n].path), db_column(q, 2));
		rows[(*n)++].size = (uint64_t)db_column_int(q, 3);
	}
	return step == DB_STEP_DONE;
}

static bool
carry_row(struct rows *r, const struct object_row *row, struct err *e)
{
	char path[PATH_ROOM + sizeof(FOLDER_OBJECTS "/")];

	snprintf(path, sizeof(path), FOLDER_OBJECTS "/%s", row->path);
	r->objects++;
	if (!folder_path_valid(row->path)) {
		r->carry->damaged++;
		r->carry->told(r->carry->ctx, row->sop_instance,
		    "the index names no file of ours");
		return true;
	}
	switch (carry_object(r->carry, path, SEAL_DATA_AT + row->size, e)) {
	case CARRIED:
	case CARRIED_NOT:
		return true;
	case CARRIED_GONE:
		return r->gone(r->ctx, row->sop_instance, row->path, path, e);
	default:
		return false;
	}
}

static bool
carry_objects(struct rows *r, struct err *e)
{
	struct object_row *rows = must_alloc(LIMIT_ROWS * sizeof(*rows));
	bool ok = true, found;
	int64_t after = 0, total = 0;
	size_t n = LIMIT_ROWS, i;

	ok = db_get_int(r->db, "SELECT count(*) FROM instance", DB_NO_ARGS,
	    &total, &found, e);
	while (ok && n == LIMIT_ROWS) {
		ok = read_objects(r->db, after, rows, &n, e);
		for (i = 0; i < n && ok; i++) {
			after = rows[i].id;
			ok = carry_row(r, &rows[i], e);
			if (ok && r->progress != NULL &&
			    !r->progress(
				r->carry->ctx, r->objects, (uint64_t)total))
				ok = carry_flush(r->carry, e) &&
				     fail(e, ERR_CANCELLED,
					 "stopped; run it again to go on");
		}
	}
	free(rows);
	return ok;
}

struct aside_row {
	int64_t id;
	char path[NAME_ROOM];
};

static bool
read_aside(struct db *db, int64_t after, struct aside_row *rows, size_t *n,
    struct err *e)
{
	enum db_step step;
	struct db_stmt *q;

	*n = 0;
	if (!db_query(db,
		"SELECT id, path FROM quarantine WHERE id > ?"
		" ORDER BY id LIMIT ?",
		DB_ARGS(db_int(after), db_int(LIMIT_ROWS)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		rows[*n].id = db_column_int(q, 0);
		(void)str_copy(
		    rows[*n].path, sizeof(rows[*n].path), db_column(q, 1));
		(*n)++;
	}
	return step == DB_STEP_DONE;
}

static bool
carry_one_aside(struct rows *r, const char *name, struct err *e)
{
	char path[NAME_ROOM + sizeof(FOLDER_QUARANTINE "/")];

	snprintf(path, sizeof(path), FOLDER_QUARANTINE "/%s", name);
	r->aside++;
	if (!folder_aside_valid(name)) {
		r->aside_carry->damaged++;
		r->aside_carry->told(r->aside_carry->ctx, FOLDER_QUARANTINE,
		    "the index names no file of ours");
		return true;
	}
	switch (carry_file(r->aside_carry, path, false, e)) {
	case CARRIED:
	case CARRIED_NOT:
		return true;
	case CARRIED_GONE:
		return r->gone(r->ctx, NULL, name, path, e);
	default:
		return false;
	}
}

static bool
carry_aside(struct rows *r, struct err *e)
{
	struct aside_row *rows = must_alloc(LIMIT_ROWS * sizeof(*rows));
	size_t n = LIMIT_ROWS, i;
	int64_t after = 0;
	bool ok = true;

	while (ok && n == LIMIT_ROWS) {
		ok = read_aside(r->db, after, rows, &n, e);
		for (i = 0; i < n && ok; i++) {
			after = rows[i].id;
			ok = carry_one_aside(r, rows[i].path, e);
		}
	}
	free(rows);
	return ok;
}

bool
rows_carry(struct rows *r, struct err *e)
{
	r->objects = r->aside = 0;
	return carry_objects(r, e) && carry_aside(r, e) &&
	       carry_flush(r->carry, e) && carry_flush(r->aside_carry, e);
}
