/*
 * The plan of a search.
 *
 * One condition leads: its index gives rows, the others are tests of these
 * rows, and rows of the other levels are joined to them by their ids. Nothing
 * of this is left to SQLite's planner, whose statistics would have to be kept
 * up to date: the order of the tables is forced, and only the leading
 * condition can use an index. Which one leads is found by counting what each
 * would give, up to a limit: first FEW, then as many as are worth it.
 *
 * It is not worth it when so many rows come that it is quicker to go through
 * all rows of the level in the order of their ids: such a page ends at its
 * last answer, and all pages together look at each row once, while a leading
 * condition gives all its rows anew for each page (they do not come in the
 * order of ids). A first page may be the only one, and has a higher limit.
 */
#include "store/index/plan.h"

#define FEW  256
#define MANY 10000

static const char *const up[] = {
    " CROSS JOIN patient p ON p.id = s.patient",
    " CROSS JOIN study s ON s.id = e.study",
    " CROSS JOIN series e ON e.id = i.series",
};
static const char *const down[] = {
    NULL,
    " CROSS JOIN study s ON s.patient = p.id",
    " CROSS JOIN series e ON e.study = s.id",
    " CROSS JOIN instance i ON i.series = e.id",
};
/* Of the row at hand: its first instance. */
static const char *const first[] = {
    "(SELECT min((SELECT min(z.id) FROM instance z WHERE z.series = y.id))"
    " FROM study x CROSS JOIN series y ON y.study = x.id"
    " WHERE x.patient = p.id)",
    "(SELECT min((SELECT min(z.id) FROM instance z WHERE z.series = y.id))"
    " FROM series y WHERE y.study = s.id)",
    "(SELECT min(z.id) FROM instance z WHERE z.series = e.id)",
    NULL,
};

static void
needs(struct plan *p, enum index_level level)
{
	if (level < p->high)
		p->high = level;
	if (level > p->low)
		p->low = level;
}

static bool
check_condition(
    const struct search *s, const struct condition *c, struct err *e)
{
	const struct column_info *info = column_info(c->column);
	bool made = info->kind == COLUMN_KIND_MADE;
	bool ok = !made;

	if (info->level > s->level && !s->relational)
		return fail(e, ERR_UNSUPPORTED,
		    "%s is of a lower level than what is searched",
		    info->keyword);
	if (c->kind == CONDITION_MODALITY)
		ok = c->column == COLUMN_ModalitiesInStudy;
	else if (c->kind == CONDITION_CLASS)
		ok = c->column == COLUMN_SOPClassesInStudy;
	else if (c->kind == CONDITION_DATE_TIME)
		ok = c->column == COLUMN_StudyDate ||
		     c->column == COLUMN_SeriesDate;
	return ok || fail(e, ERR_UNSUPPORTED, "%s cannot be searched by%s",
			 info->keyword, made ? "" : " in this way");
}

bool
plan_init(struct plan *p, const struct search *search, struct err *e)
{
	size_t i;

	*p = (struct plan){.search = search, .may_gather = true};
	arena_init(&p->scratch, 8 * LIMIT_IDENTIFIER);
	p->high = p->low = search->level;
	if (search->count > SQL_CONDITIONS)
		return fail(e, ERR_LIMIT, "more than %d keys", SQL_CONDITIONS);
	for (i = 0; i < search->count; i++) {
		if (!check_condition(search, &search->conditions[i], e))
			return false;
		if (!test_make(&p->scratch, &search->conditions[i],
			&p->tests[p->count]))
			continue;
		needs(p, p->tests[p->count].level);
		p->count++;
	}
	return !p->scratch.over || fail(e, ERR_LIMIT, "the keys are too long");
}

void
plan_fini(struct plan *p)
{
	arena_fini(&p->scratch);
}

/* From one level's table to those up to 'to'. */
static void
join(struct sql *q, enum index_level from, enum index_level to)
{
	int at;

	for (at = (int)from - 1; at >= (int)to; at--)
		sql_add(q, up[at]);
	for (at = (int)from + 1; at <= (int)to; at++)
		sql_add(q, down[at]);
}

static bool
whole(const struct sql *q, struct err *e)
{
	return !q->text.over || fail(e, ERR_LIMIT, "the keys are too long");
}

/* How many rows a lead gives, of the level searched or of its own below, but
 * at most limit. */
static bool
count_lead(const struct plan *p, struct db *db, const struct test *t,
    enum lead_kind kind, int64_t limit, int64_t *n, struct err *e)
{
	struct sql q;
	bool found, ok;

	sql_init(&q);
	sql_add(&q, "SELECT count(*) FROM (SELECT 1 FROM ");
	test_lead_from(t, kind, &q);
	if (t->level < p->search->level)
		join(&q, t->level, p->search->level);
	sql_add(&q, " WHERE 1");
	test_lead_where(t, kind, &q);
	sql_add(&q, " LIMIT ?)");
	sql_arg(&q, db_int(limit));
	ok = whole(&q, e) &&
	     db_get_int(db, buf_cstr(&q.text), q.args, q.n, n, &found, e);
	sql_fini(&q);
	return ok;
}

/* The lead of this kind that gives the fewest rows, if fewer than *limit,
 * which then is their number. */
static bool
best_lead(struct plan *p, struct db *db, enum lead_kind kind, int64_t *limit,
    struct err *e)
{
	int64_t n;
	size_t i;

	for (i = 0; i<p->count && * limit> 0; i++) {
		if (!p->tests[i].leads[kind])
			continue;
		if (!test_find_words(&p->tests[i], &p->scratch, db, kind, e) ||
		    !count_lead(p, db, &p->tests[i], kind, *limit, &n, e))
			return false;
		if (n >= *limit)
			continue;
		*limit = n;
		p->lead_rows = n;
		p->lead = &p->tests[i];
		p->lead_kind = kind;
	}
	return true;
}

/* The quickest to count first: a few rows of a range are good enough. */
static bool
few_lead(struct plan *p, struct db *db, struct err *e)
{
	int64_t limit = FEW;

	return best_lead(p, db, LEAD_RANGE, &limit, e) &&
	       (p->lead != NULL || best_lead(p, db, LEAD_WORDS, &limit, e));
}

/* The deepest condition that cannot give many. */
static void
sure_lead(struct plan *p)
{
	size_t i;

	for (i = 0; i < p->count; i++) {
		if (!p->tests[i].sure ||
		    (p->lead != NULL && p->lead->level >= p->tests[i].level))
			continue;
		p->lead = &p->tests[i];
		p->lead_kind = LEAD_RANGE;
		p->lead_rows = INT64_MAX;
	}
}

/* How many rows a lead may give. A later page costs them all again, and there
 * may be one for each LIMIT_ROWS of them; or each row of the table once. */
static bool
worth(struct plan *p, struct db *db, bool later, int64_t *limit, struct err *e)
{
	int64_t rows, n = MANY;
	struct sql q;
	bool found, ok;

	sql_init(&q);
	sql_add(&q, "SELECT max(id) FROM ");
	sql_add(&q, level_table(p->search->level));
	ok = whole(&q, e) &&
	     db_get_int(db, buf_cstr(&q.text), DB_NO_ARGS, &rows, &found, e);
	sql_fini(&q);
	if (!ok)
		return false;
	if (!later)
		n = rows / 16;
	else
		while (n < rows && n / LIMIT_ROWS < rows / n)
			n += n / 8;
	*limit = n > MANY ? n : MANY;
	return true;
}

bool
plan_choose(struct plan *p, struct db *db, int64_t after_id, struct err *e)
{
	int64_t limit;

	p->lead = NULL;
	if (after_id <= 0)
		sure_lead(p);
	if (p->lead != NULL || p->count == 0)
		return true;
	if (!few_lead(p, db, e))
		return false;
	if (p->lead != NULL)
		return true;
	if (!worth(p, db, after_id > 0, &limit, e) ||
	    !best_lead(p, db, LEAD_RANGE, &limit, e) ||
	    !best_lead(p, db, LEAD_WORDS, &limit, e))
		return false;
	return p->lead != NULL || best_lead(p, db, LEAD_SCAN, &limit, e);
}

/* " FROM … WHERE …": the rows that fit, joined to those up to the tables high
 * and low. */
static void
add_matches(const struct plan *p, enum index_level high, enum index_level low,
    struct sql *q)
{
	enum index_level from = p->search->level;
	size_t i;

	sql_add(q, " FROM ");
	if (p->lead != NULL) {
		from = p->lead->level;
		test_lead_from(p->lead, p->lead_kind, q);
	} else {
		sql_add(q, level_table(from));
		sql_add(q, " ");
		sql_add(q, level_letter(from));
		sql_add(q, " NOT INDEXED");
	}
	if (high < from)
		join(q, from, high);
	if (low > from)
		join(q, from, low);
	sql_add(q, " WHERE 1");
	if (p->lead != NULL)
		test_lead_where(p->lead, p->lead_kind, q);
	for (i = 0; i < p->count; i++) {
		/* A subquery that leads has decided as well. */
		if (&p->tests[i] == p->lead)
			continue;
		sql_add(q, " AND ");
		test_filter(&p->tests[i], q);
	}
}

/* The ids of a page, and of the first chains below that fit. */
static void
add_ids(const struct plan *p, int64_t after_id, struct sql *q)
{
	const char *letter = level_letter(p->search->level);
	/* Their order is not that of the lead. */
	const char *plus = p->lead != NULL ? "+" : "";
	bool below = p->low > p->search->level;

	sql_add(q, "SELECT ");
	sql_add(q, letter);
	sql_add(q, ".id AS id");
	if (below) {
		sql_add(q, ", min(");
		sql_add(q, level_letter(p->low));
		sql_add(q, ".id) AS low");
	}
	add_matches(p, p->high, p->low, q);
	sql_add(q, " AND ");
	sql_add(q, plus);
	sql_add(q, letter);
	sql_add(q, ".id > ?");
	if (below) {
		sql_add(q, " GROUP BY ");
		sql_add(q, plus);
		sql_add(q, letter);
		sql_add(q, ".id");
	}
	sql_add(q, " ORDER BY ");
	sql_add(q, plus);
	sql_add(q, letter);
	sql_add(q, ".id LIMIT ?");
	sql_arg(q, db_int(after_id));
	sql_arg(q, db_int(LIMIT_ROWS));
}

bool
plan_gives(const struct search *search, enum column c)
{
	return search->want[c] &&
	       (search->relational || column_info(c)->level <= search->level);
}

/* The tables from which the columns come. */
struct span {
	enum index_level high, low;
};

static struct span
wanted(const struct search *s)
{
	struct span span = {s->level, s->level};
	enum index_level level;
	int i;

	if (s->want_patient && span.high > LEVEL_STUDY)
		span.high = LEVEL_STUDY;
	if (s->want_file)
		span.low = LEVEL_INSTANCE;
	for (i = 0; i < COLUMN_COUNT; i++) {
		if (!plan_gives(s, (enum column)i))
			continue;
		level = column_info((enum column)i)->level;
		if (level < span.high)
			span.high = level;
		if (level > span.low)
			span.low = level;
	}
	return span;
}

static void
add_columns(const struct search *s, struct sql *q)
{
	int i;

	if (s->want_patient)
		sql_add(
		    q, s->level == LEVEL_PATIENT ? ", p.id" : ", s.patient");
	if (s->want_file || s->level == LEVEL_INSTANCE)
		sql_add(q, ", i.path, i.syntax, i.size, i.crc32");
	for (i = 0; i < COLUMN_COUNT; i++) {
		if (!plan_gives(s, (enum column)i))
			continue;
		sql_add(q, ", ");
		sql_add(q, column_sql((enum column)i));
	}
}

/* From the rows of ids 'q' to all tables of which something is wanted. */
static void
join_wanted(const struct plan *p, struct sql *q)
{
	struct span span = wanted(p->search);
	enum index_level at = p->low;
	int level;

	sql_add(q, " CROSS JOIN ");
	sql_add(q, level_table(at));
	sql_add(q, " ");
	sql_add(q, level_letter(at));
	sql_add(q, " ON ");
	sql_add(q, level_letter(at));
	sql_add(q, at > p->search->level ? ".id = q.low" : ".id = q.id");
	if (span.high < at)
		join(q, at, span.high);
	if (span.low <= at)
		return;
	/* Below, the first chain there is. A row without one stays. */
	sql_add(q, " LEFT JOIN instance i ON i.id = ");
	sql_add(q, first[at]);
	for (level = LEVEL_SERIES; level > (int)at; level--)
		sql_add(q, level == LEVEL_SERIES
			       ? " LEFT JOIN series e ON e.id = i.series"
			       : " LEFT JOIN study s ON s.id = e.study");
}

/* Whether all rows can be read at once, when up to 'most' of them are few. */
static bool
can_gather(const struct plan *p, int64_t most)
{
	enum index_level level = p->search->level;

	return p->may_gather && p->lead != NULL && p->lead_rows < FEW &&
	       p->lead_rows <= most && p->lead->level <= level &&
	       !test_leads_bare(p->lead, p->lead_kind) && p->low <= level &&
	       wanted(p->search).low <= level;
}

/* Those tables are needed that have a condition, a wanted column or a key of
 * the order. */
static void
add_gathered(const struct plan *p, enum index_level order_level, struct sql *q)
{
	enum index_level high = wanted(p->search).high;

	if (p->high < high)
		high = p->high;
	if (order_level < high)
		high = order_level;
	add_columns(p->search, q);
	add_matches(p, high, p->search->level, q);
}

static void
limit_gathered(struct sql *q)
{
	sql_add(q, " LIMIT ?");
	sql_arg(q, db_int(LIMIT_ROWS));
}

bool
plan_page(struct plan *p, int64_t after_id, struct sql *out, struct err *e)
{
	enum index_level level = p->search->level;

	p->gathered = after_id <= 0 && can_gather(p, FEW);
	if (p->gathered) {
		sql_add(out, "SELECT ");
		sql_add(out, level_letter(level));
		sql_add(out, ".id");
		add_gathered(p, level, out);
		limit_gathered(out);
		return whole(out, e);
	}
	sql_add(out, "SELECT q.id");
	add_columns(p->search, out);
	sql_add(out, " FROM (");
	add_ids(p, after_id, out);
	sql_add(out, ") q");
	join_wanted(p, out);
	sql_add(out, " ORDER BY q.id");
	return whole(out, e);
}

/* So many rows are sorted rather than the whole table gone through in order. */
#define SORTED 4000

bool
plan_choose_listing(struct plan *p, struct db *db, struct err *e)
{
	int64_t limit = SORTED;

	p->lead = NULL;
	sure_lead(p);
	if (p->lead != NULL || p->count == 0)
		return true;
	if (!few_lead(p, db, e))
		return false;
	if (p->lead != NULL)
		return true;
	if (!best_lead(p, db, LEAD_RANGE, &limit, e) ||
	    !best_lead(p, db, LEAD_WORDS, &limit, e))
		return false;
	return p->lead != NULL || best_lead(p, db, LEAD_SCAN, &limit, e);
}

/* How a table is gone through in the order, and its keys. */
static const struct {
	enum index_level level;
	const char *from, *a, *b;
} orders[] = {
    [ORDER_ARRIVED] = {LEVEL_STUDY, NULL, "''", "''"},
    [ORDER_DATE] = {LEVEL_STUDY, "study s INDEXED BY study_date", "s.StudyDate",
	"s.StudyTime_key"},
    [ORDER_NAME] = {LEVEL_PATIENT, "patient p INDEXED BY patient_name",
	"p.PatientName", "''"},
    [ORDER_ID] = {LEVEL_PATIENT, "patient p INDEXED BY patient_id",
	"p.PatientID", "''"},
};

/* Where the order leads a range of its own key bounds it. */
static bool
bounds(const struct plan *p, const struct listing *l, const struct test *t)
{
	return p->lead == NULL && l->order == ORDER_DATE &&
	       t->column == COLUMN_StudyDate && t->form == FORM_RANGE &&
	       t->leads[LEAD_RANGE];
}

static enum index_level
order_level(const struct plan *p, const struct listing *l)
{
	return l->order == ORDER_ARRIVED ? p->search->level
					 : orders[l->order].level;
}

static void
add_ordered_matches(
    const struct plan *p, const struct listing *l, struct sql *q)
{
	enum index_level from = order_level(p, l), high, low;
	size_t i;

	high = p->high < from ? p->high : from;
	low = p->low > from ? p->low : from;
	if (p->lead != NULL) {
		high = high < p->lead->level ? high : p->lead->level;
		low = low > p->lead->level ? low : p->lead->level;
		from = p->lead->level;
		sql_add(q, " FROM ");
		test_lead_from(p->lead, p->lead_kind, q);
	} else {
		sql_add(q, " FROM ");
		if (orders[l->order].from != NULL) {
			sql_add(q, orders[l->order].from);
		} else {
			sql_add(q, level_table(from));
			sql_add(q, " ");
			sql_add(q, level_letter(from));
			sql_add(q, " NOT INDEXED");
		}
	}
	join(q, from, high);
	join(q, from, low);
	sql_add(q, " WHERE 1");
	if (p->lead != NULL)
		test_lead_where(p->lead, p->lead_kind, q);
	for (i = 0; i < p->count; i++) {
		if (&p->tests[i] == p->lead)
			continue;
		if (bounds(p, l, &p->tests[i])) {
			test_lead_where(&p->tests[i], LEAD_RANGE, q);
			continue;
		}
		sql_add(q, " AND ");
		test_filter(&p->tests[i], q);
	}
}

static void
add_order(const char *a, const char *b, const char *id, bool descending,
    struct sql *q)
{
	const char *way = descending ? " DESC" : "";
	const char *const keys[] = {a, b};
	size_t i;

	for (i = 0; i < ARRAY_LEN(keys); i++) {
		/* A key that is always the same keeps SQLite from seeing that
		 * the index has the order. */
		if (keys[i][0] == '\'')
			continue;
		sql_add(q, keys[i]);
		sql_add(q, way);
		sql_add(q, ", ");
	}
	sql_add(q, id);
	sql_add(q, way);
}

static const char *
id_of(enum index_level level)
{
	return level == LEVEL_PATIENT ? "p.id" : "s.id";
}

/* "(date, time, id) > (?, ?, ?)" */
static void
add_after(const struct plan *p, const struct listing *l, struct sql *q)
{
	const char *a = orders[l->order].a, *b = orders[l->order].b;
	bool constant = l->order == ORDER_ARRIVED;

	if (l->after_id == 0)
		return;
	sql_add(q, constant ? " AND " : " AND (");
	if (!constant) {
		sql_add(q, a);
		sql_add(q, ", ");
		if (l->order == ORDER_DATE) {
			sql_add(q, b);
			sql_add(q, ", ");
		}
	}
	sql_add(q, id_of(p->search->level));
	sql_add(q, constant ? "" : ")");
	sql_add(q, l->descending ? " < " : " > ");
	sql_add(q, constant                 ? "?"
		   : l->order == ORDER_DATE ? "(?, ?, ?)"
					    : "(?, ?)");
	if (!constant)
		sql_str(q, l->after_a);
	if (l->order == ORDER_DATE)
		sql_str(q, l->after_b);
	sql_arg(q, db_int(l->after_id));
}

static void
add_ordered_ids(const struct plan *p, const struct listing *l, struct sql *q)
{
	const char *a = orders[l->order].a, *b = orders[l->order].b;
	const char *id = id_of(p->search->level);
	bool below = p->low > p->search->level;

	sql_add(q, "SELECT ");
	sql_add(q, id);
	sql_add(q, " AS id, ");
	sql_add(q, a);
	sql_add(q, " AS a, ");
	sql_add(q, b);
	sql_add(q, " AS b");
	if (below) {
		sql_add(q, ", min(");
		sql_add(q, level_letter(p->low));
		sql_add(q, ".id) AS low");
	}
	add_ordered_matches(p, l, q);
	add_after(p, l, q);
	if (below) {
		sql_add(q, " GROUP BY ");
		add_order(a, b, id, false, q);
	}
	sql_add(q, " ORDER BY ");
	add_order(a, b, id, l->descending, q);
	sql_add(q, " LIMIT ?");
	sql_arg(q, db_int((int64_t)l->max));
}

bool
plan_listing(
    struct plan *p, const struct listing *l, struct sql *out, struct err *e)
{
	/* Of many that are read for a few the others were read in vain. */
	p->gathered = can_gather(p, 2 * (int64_t)l->max) &&
		      order_level(p, l) <= p->search->level;
	if (p->gathered) {
		sql_add(out, "SELECT ");
		sql_add(out, id_of(p->search->level));
		sql_add(out, ", ");
		sql_add(out, orders[l->order].a);
		sql_add(out, ", ");
		sql_add(out, orders[l->order].b);
		add_gathered(p, order_level(p, l), out);
		add_after(p, l, out);
		limit_gathered(out);
		return whole(out, e);
	}
	sql_add(out, "SELECT q.id, q.a, q.b");
	add_columns(p->search, out);
	sql_add(out, " FROM (");
	add_ordered_ids(p, l, out);
	sql_add(out, ") q");
	join_wanted(p, out);
	sql_add(out, " ORDER BY ");
	add_order("q.a", "q.b", "q.id", l->descending, out);
	return whole(out, e);
}
