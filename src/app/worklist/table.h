/*
 * A table on a terminal: columns as wide as their cells, by the columns that
 * characters take there; text from outside is cleaned.
 */
#ifndef APP_WORKLIST_TABLE_H
#define APP_WORKLIST_TABLE_H

#include "base/arena.h"

#define TABLE_COLUMNS 12

struct table {
	struct arena *arena; /* cells are copied here */
	size_t columns;
	unsigned most[TABLE_COLUMNS]; /* widest a column gets; 0: any */
	struct str *cells;
	size_t n, room;
	bool over;
};

/* heads: the first row. */
void table_init(
    struct table *t, struct arena *a, const char *const *heads, size_t columns);
/* The next cell, row by row. What is too wide ends with "...". */
void table_add(struct table *t, struct str cell);
void table_text(struct table *t, const char *cell);
void table_print(const struct table *t);

#endif
