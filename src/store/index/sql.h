/*
 * A statement of a search being put together: constant fragments, and values
 * bound in the order in which they stand. Only for src/store/index.
 */
#ifndef STORE_INDEX_SQL_H
#define STORE_INDEX_SQL_H

#include "base/buf.h"
#include "base/limit.h"
#include "store/db.h"
#include "store/index/index.h"

/* Keys of a search, and values bound: a condition takes up to seven (a moment)
 * in its longest form, and stands in a statement once. */
#define SQL_CONDITIONS 64
#define SQL_ARGS       (8 * SQL_CONDITIONS)
#define SQL_ROOM       (64 * KIB)

struct sql {
	struct buf text;
	struct db_value args[SQL_ARGS];
	size_t n;
};

static inline void
sql_init(struct sql *q)
{
	q->n = 0;
	buf_init(&q->text, SQL_ROOM);
}

static inline void
sql_fini(struct sql *q)
{
	buf_fini(&q->text);
}

static inline void
sql_add(struct sql *q, const char *fragment)
{
	buf_text(&q->text, fragment);
}

static inline void
sql_arg(struct sql *q, struct db_value v)
{
	must(q->n < SQL_ARGS);
	q->args[q->n++] = v;
}

static inline void
sql_str(struct sql *q, struct str s)
{
	sql_arg(q, db_str(s));
}

/* "patient" and "p". */
const char *level_table(enum index_level level);
const char *level_letter(enum index_level level);
/* "p.PatientID". */
const char *column_sql(enum column c);

#endif
