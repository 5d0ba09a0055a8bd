/*
 * The narrow interface to the database that holds the index: connections,
 * cached statements, transactions. db_sqlite.c is behind it.
 *
 * SQL is constant text, or put together from constant fragments; values are
 * always bound. A connection is used by one thread at a time. One connection
 * (the one of commit.h) writes; the others read.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/err.h"
#include "base/str.h"

struct db;
struct db_stmt;

enum db_kind { DB_NULL, DB_INT, DB_TEXT, DB_BLOB };

struct db_value {
	enum db_kind kind;
	int64_t number;
	struct str bytes; /* must live until the statement is reset */
};

static inline struct db_value
db_int(int64_t v)
{
	return (struct db_value){.kind = DB_INT, .number = v};
}

static inline struct db_value
db_str(struct str s)
{
	return (struct db_value){.kind = DB_TEXT, .bytes = s};
}

static inline struct db_value
db_text(const char *s)
{
	return db_str(str_from(s));
}

static inline struct db_value
db_blob(struct str s)
{
	return (struct db_value){.kind = DB_BLOB, .bytes = s};
}

/* The arguments of a statement: values and their count. */
#define DB_ARGS(...)                                                           \
	(const struct db_value[]){__VA_ARGS__},                                \
	    sizeof((const struct db_value[]){__VA_ARGS__}) /                   \
		sizeof(struct db_value)
#define DB_NO_ARGS NULL, 0

enum db_mode { DB_READ, DB_WRITE };

/* ERR_CORRUPT when the file is no database or a damaged one. DB_WRITE makes
 * the file when there is none and sets what lasts (write-ahead log). */
bool db_open(
    struct db **, const char *path, enum db_mode mode, struct err *e) MUST_USE;
void db_close(struct db **);

/* Prepare (or take from the cache), bind; db_step() then gives the rows. The
 * statement is reset by the step that ends it or by db_reset(); until then it
 * holds a read transaction. */
bool db_query(struct db *, const char *sql, const struct db_value *args,
    size_t n, struct db_stmt **out, struct err *e) MUST_USE;
enum db_step { DB_STEP_ROW, DB_STEP_DONE, DB_STEP_FAILED };
enum db_step db_step(struct db_stmt *, struct err *e) MUST_USE;
void db_reset(struct db_stmt *);
/* Columns of the current row; slices live until the next step. Numbers come
 * out as decimal text. */
int64_t db_column_int(struct db_stmt *, int column);
struct str db_column(struct db_stmt *, int column);

/* A statement that gives no rows, or whose rows do not matter. */
bool db_exec(struct db *, const char *sql, const struct db_value *args,
    size_t n, struct err *e) MUST_USE;
/* The first column of the first row; *found false without a row. */
bool db_get_int(struct db *, const char *sql, const struct db_value *args,
    size_t n, int64_t *out, bool *found, struct err *e) MUST_USE;
int64_t db_last_id(struct db *);
int64_t db_changes(struct db *); /* rows of the last statement */

/* Begin a writing transaction at once, waiting for other processes. flush:
 * its commit is flushed, and so is all that was committed before it. */
bool db_begin(struct db *, bool flush, struct err *e) MUST_USE;
bool db_commit(struct db *, struct err *e) MUST_USE;
void db_rollback(struct db *);
/* Whether a flush has failed; never cleared. */
bool db_flush_failed(const struct db *);
/* A number that changes when another connection has committed. */
bool db_data_version(struct db *, int64_t *out, struct err *e) MUST_USE;
/* Bytes in the write-ahead log after the last commit of this connection. */
uint64_t db_log_bytes(const struct db *);
/* Move the log into the database; restart: wait until readers let the log
 * begin anew. Not done because of readers is no failure. */
bool db_checkpoint(struct db *, bool restart, struct err *e) MUST_USE;

bool db_version(struct db *, int64_t *out, struct err *e) MUST_USE;
/* Within a transaction. */
bool db_version_set(struct db *, int64_t version, struct err *e) MUST_USE;
/* A copy of the whole database in a new file. */
bool db_copy(struct db *, const char *path, struct err *e) MUST_USE;

#endif
