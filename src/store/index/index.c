/*
 * Searching the index: a plan (plan.c), its statement run, rows read. What the
 * columns are is columns.def.
 */
#include "store/index/index.h"

#include "dicom/dict.h"
#include "store/index/plan.h"
#include "store/inside.h"

static const struct column_info columns[] = {
#define COLUMN(level, keyword, kind)                                           \
	{LEVEL_##level, (uint32_t)TAG_##keyword, COLUMN_KIND_##kind, #keyword},
#include "store/index/columns.def"
#undef COLUMN
};

/* The same with the table's letter before the name. */
#define LETTER_PATIENT  "p"
#define LETTER_STUDY    "s"
#define LETTER_SERIES   "e"
#define LETTER_INSTANCE "i"
static const char *const sql_names[] = {
#define COLUMN(level, keyword, kind) LETTER_##level "." #keyword,
#include "store/index/columns.def"
#undef COLUMN
};

const struct column_info *
column_info(enum column c)
{
	must((size_t)c < ARRAY_LEN(columns));
	return &columns[c];
}

enum column
column_of_tag(uint32_t tag)
{
	switch ((int)tag) {
#define COLUMN(level, keyword, kind)                                           \
	case TAG_##keyword:                                                    \
		return COLUMN_##keyword;
#include "store/index/columns.def"
#undef COLUMN
	default:
		return COLUMN_COUNT;
	}
}

const char *
column_sql(enum column c)
{
	must((size_t)c < ARRAY_LEN(sql_names));
	return sql_names[c];
}

static const struct {
	const char *table, *letter;
} levels[] = {
    {"patient", LETTER_PATIENT},
    {"study", LETTER_STUDY},
    {"series", LETTER_SERIES},
    {"instance", LETTER_INSTANCE},
};

const char *
level_table(enum index_level level)
{
	return levels[level].table;
}

const char *
level_letter(enum index_level level)
{
	return levels[level].letter;
}

/* Where a row stands in the order, and among those that came. */
struct place {
	struct str a, b;
	int64_t id;
	size_t at;
};

/* What the statement of a page is to give, and what came. */
struct page {
	const struct plan *plan;
	const struct listing *listing; /* NULL: in the order of ids */
	/* The columns of a row, in their order. */
	enum column columns[COLUMN_COUNT];
	size_t column_count;
	struct arena *arena;
	struct index_row *rows;
	size_t n, room;
	/* Keys of the order: of all rows when they are gathered, else of the
	 * last of a full page. */
	struct place *places, last;
};

static void
page_init(struct page *g, const struct plan *plan,
    const struct listing *listing, struct arena *a)
{
	size_t i;

	*g = (struct page){.plan = plan, .listing = listing, .arena = a};
	for (i = 0; i < COLUMN_COUNT; i++)
		if (plan_gives(plan->search, (enum column)i))
			g->columns[g->column_count++] = (enum column)i;
}

static void
read_row(struct page *g, struct db_stmt *q, struct index_row *row)
{
	const struct search *s = g->plan->search;
	int at = g->listing != NULL ? 3 : 1;
	size_t i;

	row->id = db_column_int(q, 0);
	if (s->want_patient)
		row->patient = db_column_int(q, at++);
	if (s->want_file || s->level == LEVEL_INSTANCE) {
		row->path = str_from(arena_cstr(g->arena, db_column(q, at++)));
		row->syntax =
		    str_from(arena_cstr(g->arena, db_column(q, at++)));
		row->size = (uint64_t)db_column_int(q, at++);
		row->crc32 = db_column_int(q, at++);
	}
	for (i = 0; i < g->column_count; i++)
		row->value[g->columns[i]] =
		    arena_dup(g->arena, db_column(q, at++));
}

static void
read_place(struct page *g, struct db_stmt *q, struct place *out)
{
	out->id = db_column_int(q, 0);
	out->at = g->n;
	if (g->listing == NULL)
		return;
	out->a = arena_dup(g->arena, db_column(q, 1));
	out->b = arena_dup(g->arena, db_column(q, 2));
}

static size_t
first_room(const struct plan *p)
{
	return p->gathered ? (size_t)p->lead_rows + 1 : 8;
}

static bool
make_room(struct page *g)
{
	size_t room = g->room == 0 ? first_room(g->plan) : g->room * 4;
	struct index_row *rows;
	struct place *places = NULL;

	if (g->n < g->room)
		return true;
	if (room > LIMIT_ROWS)
		room = LIMIT_ROWS;
	must(g->n < room);
	rows = arena_array(g->arena, room, sizeof(*rows));
	if (g->plan->gathered)
		places = arena_array(g->arena, room, sizeof(*places));
	if (g->arena->over)
		return false;
	if (g->n > 0)
		memcpy(rows, g->rows, g->n * sizeof(*rows));
	if (g->n > 0 && places != NULL)
		memcpy(places, g->places, g->n * sizeof(*places));
	g->rows = rows;
	g->places = places;
	g->room = room;
	return true;
}

static bool
add_row(struct page *g, struct db_stmt *q)
{
	if (!make_room(g))
		return false;
	read_row(g, q, &g->rows[g->n]);
	if (g->places != NULL)
		read_place(g, q, &g->places[g->n]);
	else if (g->listing != NULL && g->n + 1 == g->listing->max)
		read_place(g, q, &g->last);
	g->n++;
	return !g->arena->over;
}

static int
compare_places(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	int way = str_cmp(a->a, b->a);

	if (way == 0)
		way = str_cmp(a->b, b->b);
	return way != 0 ? way : (a->id > b->id) - (a->id < b->id);
}

/* Row places[i].at comes to place i, for all of them. */
static void
permute(struct page *g)
{
	struct index_row row;
	size_t i, to, from;

	for (i = 0; i < g->n; i++) {
		row = g->rows[i];
		for (to = i; (from = g->places[to].at) != i; to = from) {
			g->rows[to] = g->rows[from];
			g->places[to].at = to;
		}
		g->rows[to] = row;
		g->places[to].at = to;
	}
}

/* What came in no order, up to the end of the page. */
static void
put_in_order(struct page *g)
{
	const struct listing *l = g->listing;
	struct place place;
	size_t i;

	qsort(g->places, g->n, sizeof(*g->places), compare_places);
	for (i = 0; l != NULL && l->descending && i < g->n / 2; i++) {
		place = g->places[i];
		g->places[i] = g->places[g->n - 1 - i];
		g->places[g->n - 1 - i] = place;
	}
	permute(g);
	if (l != NULL && l->max < g->n)
		g->n = l->max;
	g->last = g->places[g->n - 1];
}

static bool
fetch(struct db *db, struct page *g, struct sql *q, struct err *e)
{
	struct db_stmt *stmt;
	enum db_step step;

	if (!db_query(db, buf_cstr(&q->text), q->args, q->n, &stmt, e))
		return false;
	while ((step = db_step(stmt, e)) == DB_STEP_ROW)
		if (!add_row(g, stmt)) {
			db_reset(stmt);
			return fail(e, ERR_LIMIT,
			    "the answer does not fit into memory");
		}
	return step == DB_STEP_DONE;
}

static bool
try_page(struct db *db, struct plan *p, const struct listing *l,
    int64_t after_id, struct page *g, struct arena *a, struct err *e)
{
	struct sql q;
	bool ok;

	sql_init(&q);
	ok = l != NULL ? plan_listing(p, l, &q, e)
		       : plan_page(p, after_id, &q, e);
	page_init(g, p, l, a);
	ok = ok && fetch(db, g, &q, e);
	sql_fini(&q);
	return ok;
}

static bool
read_page(struct db *db, struct plan *p, const struct listing *l,
    int64_t after_id, struct page *g, struct arena *a, struct err *e)
{
	if (!try_page(db, p, l, after_id, g, a, e))
		return false;
	/* More than were counted: they have arrived in between. */
	if (p->gathered && g->n == LIMIT_ROWS) {
		p->may_gather = false;
		return try_page(db, p, l, after_id, g, a, e);
	}
	if (p->gathered && g->n > 0)
		put_in_order(g);
	return true;
}

bool
index_search(struct store *s, const struct search *search, int64_t after_id,
    struct arena *a, struct index_row **rows, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct plan plan;
	struct page page = {0};
	bool ok;

	*rows = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	ok = plan_init(&plan, search, e) &&
	     plan_choose(&plan, db, after_id, e) &&
	     read_page(db, &plan, NULL, after_id, &page, a, e);
	*rows = page.rows;
	*n = page.n;
	plan_fini(&plan);
	store_reader_done(s, db);
	return ok;
}

bool
index_list(struct store *s, const struct search *search,
    const struct listing *l, struct arena *a, struct index_row **rows,
    size_t *n, struct listing *last, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct page page = {0};
	struct plan plan;
	bool ok;

	must(search->level <= LEVEL_STUDY && l->max <= LIMIT_ROWS);
	*last = *l;
	*rows = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	ok = plan_init(&plan, search, e) && plan_choose_listing(&plan, db, e) &&
	     read_page(db, &plan, l, 0, &page, a, e);
	plan_fini(&plan);
	store_reader_done(s, db);
	*rows = page.rows;
	*n = page.n;
	/* A page that is not full is the last one. */
	last->after_id = page.n < l->max ? 0 : page.last.id;
	last->after_a = page.last.a;
	last->after_b = page.last.b;
	return ok;
}

static bool
explain(struct db *db, const struct sql *q, struct buf *out, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *stmt;
	struct buf sql;

	buf_init(&sql, SQL_ROOM + 64);
	buf_text(&sql, "EXPLAIN QUERY PLAN ");
	buf_add(&sql, buf_str(&q->text));
	if (db_query(db, buf_cstr(&sql), q->args, q->n, &stmt, e))
		while ((step = db_step(stmt, e)) == DB_STEP_ROW) {
			buf_add(out, db_column(stmt, 3));
			buf_u8(out, '\n');
		}
	buf_fini(&sql);
	return step == DB_STEP_DONE;
}

bool
index_explain(struct store *s, const struct search *search, struct buf *out,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	struct plan plan;
	struct sql q;
	bool ok;

	if (db == NULL)
		return false;
	sql_init(&q);
	ok = plan_init(&plan, search, e) && plan_choose(&plan, db, 0, e) &&
	     plan_page(&plan, 0, &q, e) && explain(db, &q, out, e);
	plan_fini(&plan);
	sql_fini(&q);
	store_reader_done(s, db);
	return ok;
}

bool
index_patient_counts(
    struct store *s, int64_t patient, struct index_counts *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	*out = (struct index_counts){0};
	if (db == NULL)
		return false;
	if (db_query(db,
		"SELECT count(*),"
		" coalesce(sum(NumberOfStudyRelatedSeries), 0),"
		" coalesce(sum(NumberOfStudyRelatedInstances), 0)"
		" FROM study WHERE patient = ?",
		DB_ARGS(db_int(patient)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			out->studies = (uint64_t)db_column_int(q, 0);
			out->series = (uint64_t)db_column_int(q, 1);
			out->instances = (uint64_t)db_column_int(q, 2);
		}
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

bool
index_instance(struct store *s, struct str sop_instance, struct arena *a,
    struct index_row *out, struct err *e)
{
	struct condition c = {
	    .column = COLUMN_SOPInstanceUID,
	    .kind = CONDITION_IS,
	    .a = sop_instance,
	};
	struct search search = {
	    .level = LEVEL_INSTANCE, .conditions = &c, .count = 1};
	struct index_row *rows;
	size_t n;
	int i;

	for (i = 0; i < COLUMN_COUNT; i++)
		search.want[i] = true;
	if (!index_search(s, &search, 0, a, &rows, &n, e))
		return false;
	if (n == 0)
		return fail(e, ERR_MISSING, "there is no such instance");
	*out = rows[0];
	return true;
}
