/*
 * Answers of a C-FIND on stdout: as a table, as JSON (one object a line,
 * keywords for names), or as a dump. Text is decoded to UTF-8, whatever the
 * answer says of its character set; what could forge a line is escaped.
 *
 * The table's widths are those of the first ANSWER_FIRST answers, which it
 * keeps back until then; longer values later push their line out, and are
 * never cut.
 */
#ifndef APP_CLIENT_ANSWER_H
#define APP_CLIENT_ANSWER_H

#include "app/client/keys.h"

#define ANSWER_FIRST 200

enum answer_format { ANSWER_TABLE, ANSWER_JSON, ANSWER_DUMP };

struct answers {
	enum answer_format format;
	const struct key_path *columns;
	size_t column_count;
	struct arena arena; /* of the rows that are kept back */
	char **cells;
	size_t rows;
	size_t *widths;
	bool flowing; /* the head of the table is out */
	/* Heads of the table are keywords, without the sequences they stand in;
	 * to be set after answers_begin(). */
	bool short_names;
	struct buf line;
};

/* "table", "json", "dump"; NULL: table. */
bool answer_format_parse(
    const char *text, enum answer_format *out, struct err *e) MUST_USE;
void answers_begin(struct answers *a, enum answer_format format,
    const struct key_path *columns, size_t n);
void answers_put(struct answers *a, const struct dataset *ds);
/* Puts out what was kept back, and frees. */
void answers_end(struct answers *a);

#endif
