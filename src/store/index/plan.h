/*
 * How a search goes about its conditions: which of them leads, and the
 * statement of a page. Only for src/store/index.
 */
#ifndef STORE_INDEX_PLAN_H
#define STORE_INDEX_PLAN_H

#include "store/index/condition.h"

struct plan {
	const struct search *search;
	struct arena scratch;
	struct test tests[SQL_CONDITIONS];
	size_t count;
	/* Of what the conditions ask for: the highest and the lowest table. */
	enum index_level high, low;
	const struct test *lead; /* NULL: all rows, in their order */
	enum lead_kind lead_kind;
	int64_t lead_rows; /* that it gives, once counted */
	/* All rows that fit are read at once, in no order: those that lead are
	 * so few that to put them in order first, and to look up the rows of a
	 * page again, costs more. Set by plan_page() and plan_listing(); to be
	 * made in order after all when LIMIT_ROWS come, clear 'may_gather' and
	 * call them again. */
	bool may_gather, gathered;
};

/* To be ended also when it fails. */
bool plan_init(
    struct plan *p, const struct search *search, struct err *e) MUST_USE;
void plan_fini(struct plan *p);

/* Choose what leads, by counting up to some limit. */
bool plan_choose(
    struct plan *p, struct db *db, int64_t after_id, struct err *e) MUST_USE;

/* The statement of the page behind after_id: id; patient, with want_patient;
 * path, syntax, size and CRC-32, at LEVEL_INSTANCE and with want_file; then the
 * columns that plan_gives(). */
bool plan_page(
    struct plan *p, int64_t after_id, struct sql *out, struct err *e) MUST_USE;
/* The same for a page of a listing: a few rows that lead are put in order, of
 * many the order leads. The two keys of the order come behind the id. */
bool plan_choose_listing(struct plan *p, struct db *db, struct err *e) MUST_USE;
bool plan_listing(struct plan *p, const struct listing *l, struct sql *out,
    struct err *e) MUST_USE;
bool plan_gives(const struct search *search, enum column c);

#endif
