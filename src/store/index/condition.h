/*
 * From a condition of a search to SQL, in two forms: as a test of rows that
 * something else has found, and as what finds rows (a lead). Only for
 * src/store/index.
 *
 * Names are found by their folded component groups in table name_key: a key of
 * one group matches any group; of a key of several the first that says
 * something is asked here, and the caller compares the rest (match_value()).
 * The same goes for times of less precision, which stand for an interval.
 */
#ifndef STORE_INDEX_CONDITION_H
#define STORE_INDEX_CONDITION_H

#include "store/index/sql.h"

enum lead_kind {
	LEAD_RANGE, /* a range or equalities of an index */
	LEAD_WORDS, /* values that hold a piece of the pattern */
	LEAD_SCAN,  /* all values there are, each once */
	LEAD_KINDS
};

enum test_form {
	FORM_EQUAL,  /* a */
	FORM_RANGE,  /* a to b */
	FORM_PREFIX, /* begins with a */
	FORM_LIST,   /* in the JSON array a */
	FORM_WILD,   /* fits the pattern a, which begins with b */
	FORM_PART,   /* some part of a name begins with a */
	FORM_FOLDED, /* fits the folded pattern a when it is folded */
	FORM_WILDS,  /* fits one of the patterns in the JSON array a */
	FORM_MOMENT  /* dates a to b, times from and to */
};

enum test_target {
	TARGET_COLUMN,
	TARGET_NAME,
	TARGET_MODALITY,
	TARGET_CLASS,
	TARGET_OWNER /* the user 'row' */
};

/* A condition with its values as the index writes them. */
struct test {
	enum column column;
	enum index_level level;
	enum test_target target;
	enum test_form form;
	struct str a, b, from, to;
	struct str pieces; /* FORM_WILD: what to ask the words for; or empty */
	int words;         /* the kind of words of the column, or -1 */
	struct str ids;    /* the words that fit, a JSON array; or empty */
	bool many;         /* there are too many of them */
	int64_t row; /* TARGET_COLUMN: the id is compared, not the column */
	bool leads[LEAD_KINDS];
	bool sure; /* finds few rows, whatever there is */
};

/* False when it cannot be had in SQL: the caller of the search compares. */
bool test_make(struct arena *a, const struct condition *c, struct test *out);

/* Before it leads by words, of all or of those with the pieces: find those that
 * fit, once for all, unless there are many. */
bool test_find_words(struct test *t, struct arena *a, struct db *db,
    enum lead_kind kind, struct err *e) MUST_USE;

/* A test of the row that the tables' letters (p s e i) stand for. */
void test_filter(const struct test *t, struct sql *q);
/* Whether it leads as a condition on its table, which the choice of an index
 * then depends on, and not as a table of ids. */
bool test_leads_bare(const struct test *t, enum lead_kind kind);
/* What stands behind FROM so that the rows are those of the lead, and only
 * they are looked at: the table of the level, with its letter. */
void test_lead_from(const struct test *t, enum lead_kind kind, struct sql *q);
/* What stands behind WHERE then, if anything; else as a filter. */
void test_lead_where(const struct test *t, enum lead_kind kind, struct sql *q);

#endif
