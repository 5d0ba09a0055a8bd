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

static bool
read_row(const struct search *s, struct db_stmt *q, int at, struct arena *a,
    struct index_row *row)
{
	int i;

	row->id = db_column_int(q, 0);
	if (s->want_patient)
		row->patient = db_column_int(q, at++);
	if (s->want_file || s->level == LEVEL_INSTANCE) {
		row->path = str_from(arena_cstr(a, db_column(q, at++)));
		row->syntax = str_from(arena_cstr(a, db_column(q, at++)));
		row->size = (uint64_t)db_column_int(q, at++);
		row->crc32 = db_column_int(q, at++);
	}
	for (i = 0; i < COLUMN_COUNT; i++)
		if (plan_gives(s, (enum column)i))
			row->value[i] = arena_dup(a, db_column(q, at++));
	return !a->over;
}

static bool
fetch(struct db *db, const struct search *search, struct sql *q,
    struct listing *last, struct arena *a, struct index_row **rows, size_t *n,
    struct err *e)
{
	int at = last != NULL ? 3 : 1;
	struct index_row *all;
	struct db_stmt *stmt;
	enum db_step step;
	size_t room = 8;

	all = arena_array(a, room, sizeof(*all));
	if (!db_query(db, buf_cstr(&q->text), q->args, q->n, &stmt, e))
		return false;
	while ((step = db_step(stmt, e)) == DB_STEP_ROW) {
		if (*n == room && all != NULL) {
			room = room * 4 < LIMIT_ROWS ? room * 4 : LIMIT_ROWS;
			all = arena_array(a, room, sizeof(*all));
			if (all != NULL)
				memcpy(all, *rows, *n * sizeof(*all));
		}
		*rows = all;
		if (all == NULL ||
		    !read_row(search, stmt, at, a, &all[(*n)++])) {
			db_reset(stmt);
			return fail(e, ERR_LIMIT,
			    "the answer does not fit into memory");
		}
		if (last == NULL)
			continue;
		last->after_id = db_column_int(stmt, 0);
		last->after_a = arena_dup(a, db_column(stmt, 1));
		last->after_b = arena_dup(a, db_column(stmt, 2));
	}
	*rows = all;
	return step == DB_STEP_DONE;
}

bool
index_search(struct store *s, const struct search *search, int64_t after_id,
    struct arena *a, struct index_row **rows, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct plan plan;
	struct sql q;
	bool ok;

	*rows = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	sql_init(&q);
	ok = plan_init(&plan, search, e) &&
	     plan_choose(&plan, db, after_id, e) &&
	     plan_page(&plan, after_id, &q, e) &&
	     fetch(db, search, &q, NULL, a, rows, n, e);
	plan_fini(&plan);
	sql_fini(&q);
	store_reader_done(s, db);
	return ok;
}

bool
index_list(struct store *s, const struct search *search,
    const struct listing *l, struct arena *a, struct index_row **rows,
    size_t *n, struct listing *last, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct plan plan;
	struct sql q;
	bool ok;

	must(search->level <= LEVEL_STUDY && l->max <= LIMIT_ROWS);
	*last = *l;
	*rows = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	sql_init(&q);
	ok = plan_init(&plan, search, e) && plan_choose_listing(&plan, db, e) &&
	     plan_listing(&plan, l, &q, e) &&
	     fetch(db, search, &q, last, a, rows, n, e);
	plan_fini(&plan);
	sql_fini(&q);
	store_reader_done(s, db);
	if (*n < l->max)
		last->after_id = 0;
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
