/*
 * Searching the index.
 *
 * A search is put together from constant fragments: a list of ids first, by
 * the conditions, at most LIMIT_ROWS of them in order; then the rows. The
 * fragments are ranges and equalities in byte order, so that an index serves
 * each; with such a condition the order of ids is kept from the planner ('+'),
 * which else might walk all rows in their order. Each page then looks at all
 * answers, which is quick up to some thousands of them (WIDE). Where there are
 * more, pages after the first do go through the rows in their order, so that
 * all pages together look at each row once.
 *
 * Names are found by their folded component groups in table name_key: a key of
 * one group matches any group; of a key of several the first that says
 * something is asked here, and the caller compares the rest (match_value()).
 * The same goes for times of less precision, which stand for an interval.
 */
#include "store/index/index.h"

#include "base/json.h"
#include "dicom/dict.h"
#include "dicom/value.h"
#include "store/index/attribute.h"
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

static const char *const id_names[] = {"p.id", "s.id", "e.id", "i.id"};

#define CONDITIONS 64
#define ARGS       (4 * CONDITIONS)
#define SQL_ROOM   (64 * KIB)
/* Answers above which pages are taken in the order of the rows, see below. */
#define WIDE 10000

/* A search being put together. */
struct query {
	const struct search *search;
	struct arena scratch;
	struct buf sql;
	struct db_value args[ARGS];
	size_t n;
	bool narrow;           /* some condition has an index */
	bool wide;             /* go through the rows in their order */
	enum index_level high; /* the highest table the conditions need */
};

static void
add(struct query *q, const char *fragment)
{
	buf_text(&q->sql, fragment);
}

static void
arg(struct query *q, struct db_value v)
{
	must(q->n < ARGS);
	q->args[q->n++] = v;
}

static void
arg_str(struct query *q, struct str s)
{
	arg(q, db_str(s));
}

/* From low on; up to high, both included; an empty one is open, but what has
 * no value is in no range. */
static void
add_range(struct query *q, const char *name, struct str low, struct str high)
{
	add(q, name);
	add(q, low.n > 0 ? " >= ?" : " > ?");
	arg_str(q, low);
	if (high.n == 0)
		return;
	add(q, " AND ");
	add(q, name);
	add(q, " <= ?");
	arg_str(q, high);
}

/* No text of the index has this byte: what begins with the prefix is below. */
static void
add_prefix(struct query *q, const char *name, struct str prefix)
{
	struct buf end;

	buf_init(&end, LIMIT_IDENTIFIER);
	buf_add(&end, prefix);
	buf_u8(&end, 0xff);
	add(q, name);
	add(q, " >= ? AND ");
	add(q, name);
	add(q, " < ?");
	arg_str(q, prefix);
	arg_str(q, arena_dup(&q->scratch, buf_str(&end)));
	buf_fini(&end);
}

/* What stands before the first wild card. */
static struct str
literal(struct str pattern)
{
	size_t star = str_find(pattern, '*'), mark = str_find(pattern, '?');

	return str_of(pattern.p, star < mark ? star : mark);
}

static void
add_pattern(
    struct query *q, const char *name, struct str pattern, const char *function)
{
	struct str prefix = literal(pattern);

	if (prefix.n > 0) {
		add_prefix(q, name, prefix);
		add(q, " AND ");
	}
	add(q, function);
	add(q, "(?, ");
	add(q, name);
	add(q, ")");
	arg_str(q, pattern);
}

/* The first group of a folded name that says something; *last tells whether
 * none stands behind it. */
static struct str
telling_group(struct str key, bool *last)
{
	struct str rest = key, group;
	size_t i;

	while (str_split(&rest, '=', &group)) {
		for (i = 0; i < group.n && group.p[i] == '*'; i++)
			;
		if (i < group.n) {
			*last = rest.p == NULL;
			return group;
		}
	}
	*last = true;
	return STR("");
}

/* A list of any length in one value, so that the statement stays the same. */
static bool
add_list(struct query *q, const char *name, const struct condition *c,
    enum column_kind kind, bool folded)
{
	struct buf text;
	struct json j;
	struct str v;
	size_t i;
	bool ok, last;

	buf_init(&text, 4 * LIMIT_IDENTIFIER);
	json_init(&j, &text);
	json_array(&j);
	for (i = 0; i < c->list_count; i++) {
		v = str_trim(c->list[i]);
		v = folded ? telling_group(pn_key(&q->scratch, v), &last)
			   : index_text(&q->scratch, kind, v);
		json_str(&j, v);
	}
	json_end_array(&j);
	add(q, name);
	add(q, " IN (SELECT value FROM json_each(?))");
	v = arena_dup(&q->scratch, buf_str(&text));
	arg_str(q, v);
	ok = !text.over && v.p != NULL;
	buf_fini(&text);
	return ok;
}

static bool
add_name_match(struct query *q, const struct condition *c)
{
	static const char value[] = "value";
	struct str key, group;
	bool last;

	if (c->kind == CONDITION_ANY_OF)
		return add_list(q, value, c, COLUMN_KIND_NAME, true);
	key = pn_key(&q->scratch, c->a);
	group = telling_group(key, &last);
	if (group.n == 0)
		return false;
	switch (c->kind) {
	case CONDITION_IS:
		add(q, "value = ?");
		arg_str(q, group);
		break;
	case CONDITION_PREFIX:
		if (last) {
			add_prefix(q, value, group);
			break;
		}
		add(q, "value = ?");
		arg_str(q, group);
		break;
	case CONDITION_PATTERN:
		/* "DOE^*" is to find "DOE" too. */
		key = literal(group);
		while (key.n > 0 && key.p[key.n - 1] == '^')
			key.n--;
		if (key.n > 0) {
			add_prefix(q, value, key);
			add(q, " AND ");
		}
		add(q, "wild_name(?, value)");
		arg_str(q, group);
		break;
	default:
		return false;
	}
	return true;
}

static bool
add_name(struct query *q, const struct condition *c)
{
	bool patient = c->column == COLUMN_PatientName;

	if (q->wide)
		add(q, patient ? "EXISTS (SELECT 1 FROM name_key WHERE kind = 0"
				 " AND owner = p.id AND "
			       : "EXISTS (SELECT 1 FROM name_key WHERE kind = 1"
				 " AND owner = s.id AND ");
	else
		add(q, patient ? "p.id IN (SELECT owner FROM name_key"
				 " WHERE kind = 0 AND "
			       : "s.id IN (SELECT owner FROM name_key"
				 " WHERE kind = 1 AND ");
	if (!add_name_match(q, c))
		return false;
	add(q, ")");
	return true;
}

/* A time stands for all it leaves open (PS3.4 C.2.2.2.1.3). */
static bool
add_time(struct query *q, const struct condition *c)
{
	const char *key = c->column == COLUMN_StudyTime ? "s.StudyTime_key"
							: "e.SeriesTime_key";
	struct str from = str_trim(c->a), to = str_trim(c->b);
	char low[14] = "", high[14] = "";

	if (c->kind == CONDITION_IS)
		to = from;
	else if (c->kind != CONDITION_RANGE)
		return false;
	if ((from.n > 0 && !time_parse(from, false, low)) ||
	    (to.n > 0 && !time_parse(to, true, high)))
		return false;
	add_range(q, key, arena_dup(&q->scratch, str_from(low)),
	    arena_dup(&q->scratch, str_from(high)));
	return true;
}

static bool
add_plain(struct query *q, const struct condition *c)
{
	const char *name = sql_names[c->column];
	enum column_kind kind = columns[c->column].kind;
	struct str a = str_trim(c->a), b = str_trim(c->b);

	switch (c->kind) {
	case CONDITION_IS:
		add(q, name);
		add(q, " = ?");
		arg_str(q, index_text(&q->scratch, kind, a));
		return true;
	case CONDITION_PREFIX:
		/* Spaces at its end are a part of it. */
		b = c->a;
		while (b.n > 0 && b.p[0] == ' ')
			b = str_of(b.p + 1, b.n - 1);
		add_prefix(q, name, b);
		return true;
	case CONDITION_PATTERN:
		add_pattern(q, name, a, "wild");
		return true;
	case CONDITION_RANGE:
		add_range(q, name, index_text(&q->scratch, kind, a),
		    index_text(&q->scratch, kind, b));
		return true;
	case CONDITION_ANY_OF:
		return add_list(q, name, c, kind, false);
	default:
		return false;
	}
}

/* Alone it is asked of all series that have it, with others of each study that
 * they leave. */
static void
add_modality(struct query *q, const struct condition *c)
{
	if (q->search->count == 1 && !q->wide)
		add(q, "s.id IN (SELECT study FROM series WHERE Modality = ?)");
	else
		add(q, "EXISTS (SELECT 1 FROM series x WHERE x.study = s.id"
		       " AND x.Modality = ?)");
	arg_str(q, str_trim(c->a));
}

static void
needs(struct query *q, enum index_level level)
{
	if (level < q->high)
		q->high = level;
}

static bool
add_condition(struct query *q, const struct condition *c, struct err *e)
{
	const struct column_info *info = column_info(c->column);
	size_t before = q->sql.n, args = q->n;
	bool done;

	if (info->level > q->search->level)
		return fail(e, ERR_UNSUPPORTED,
		    "%s is of a lower level than what is searched",
		    info->keyword);
	if (info->kind == COLUMN_KIND_MADE && c->kind != CONDITION_MODALITY)
		return fail(e, ERR_UNSUPPORTED, "%s cannot be searched by",
		    info->keyword);
	add(q, " AND ");
	if (c->kind == CONDITION_MODALITY) {
		add_modality(q, c);
		needs(q, LEVEL_STUDY);
		q->narrow = q->narrow || q->search->count == 1;
		return true;
	}
	if (info->kind == COLUMN_KIND_NAME)
		done = add_name(q, c);
	else if (info->kind == COLUMN_KIND_TIME)
		done = add_time(q, c);
	else
		done = add_plain(q, c);
	if (!done) {
		/* Not to be had in SQL: the caller compares. */
		q->sql.n = before;
		q->n = args;
		return true;
	}
	needs(q, info->level);
	/* What must look at every row can as well go in their order. */
	if (c->kind != CONDITION_PATTERN || info->kind == COLUMN_KIND_NAME ||
	    literal(str_trim(c->a)).n > 0)
		q->narrow = true;
	return true;
}

static const char *const tables[] = {
    "patient p", "study s", "series e", "instance i"};
static const char *const joins[] = {
    " JOIN patient p ON p.id = s.patient",
    " JOIN study s ON s.id = e.study",
    " JOIN series e ON e.id = i.series",
};
static const char *const forced_joins[] = {
    " CROSS JOIN patient p ON p.id = s.patient",
    " CROSS JOIN study s ON s.id = e.study",
    " CROSS JOIN series e ON e.id = i.series",
};

/* The conditions in brackets of their own: " FROM … WHERE …". */
static bool
add_matches(struct query *q, struct err *e)
{
	const struct search *s = q->search;
	struct buf conditions;
	size_t i;
	int at;

	q->high = s->level;
	if (s->count > CONDITIONS)
		return fail(e, ERR_LIMIT, "more than %d keys", CONDITIONS);
	for (i = 0; i < s->count; i++)
		if (!add_condition(q, &s->conditions[i], e))
			return false;
	conditions = q->sql;
	buf_init(&q->sql, SQL_ROOM);
	add(q, " FROM ");
	add(q, tables[s->level]);
	if (q->wide)
		add(q, " NOT INDEXED");
	for (at = (int)s->level - 1; at >= (int)q->high; at--)
		add(q, q->wide ? forced_joins[at] : joins[at]);
	add(q, " WHERE 1");
	buf_add(&q->sql, buf_str(&conditions));
	buf_fini(&conditions);
	return true;
}

static enum index_level
highest_wanted(const struct search *s)
{
	enum index_level high = s->level;
	int i;

	for (i = 0; i < COLUMN_COUNT; i++)
		if (s->want[i] && columns[i].level < high)
			high = columns[i].level;
	return high;
}

/* The ids of one page. */
static void
add_ids(struct query *q, int64_t after_id)
{
	const char *id = id_names[q->search->level];
	bool forced = q->narrow && !q->wide;
	struct buf matches = q->sql;

	buf_init(&q->sql, SQL_ROOM);
	add(q, "SELECT ");
	add(q, id);
	add(q, " AS id");
	buf_add(&q->sql, buf_str(&matches));
	buf_fini(&matches);
	add(q, forced ? " AND +" : " AND ");
	add(q, id);
	add(q, forced ? " > ? ORDER BY +" : " > ? ORDER BY ");
	add(q, id);
	add(q, " LIMIT ?");
	arg(q, db_int(after_id));
	arg(q, db_int(LIMIT_ROWS));
}

/* What is wanted of the rows with these ids. */
static void
add_rows(struct query *q)
{
	const struct search *s = q->search;
	enum index_level high = highest_wanted(s);
	struct buf ids = q->sql;
	int i;

	buf_init(&q->sql, SQL_ROOM);
	add(q, "SELECT ");
	add(q, id_names[s->level]);
	if (s->level == LEVEL_INSTANCE)
		add(q, ", i.path, i.syntax, i.size");
	for (i = 0; i < COLUMN_COUNT; i++) {
		if (!s->want[i] || columns[i].level > s->level)
			continue;
		add(q, ", ");
		add(q, sql_names[i]);
	}
	add(q, " FROM (");
	buf_add(&q->sql, buf_str(&ids));
	buf_fini(&ids);
	add(q, ") q CROSS JOIN ");
	add(q, tables[s->level]);
	add(q, " ON ");
	add(q, id_names[s->level]);
	add(q, " = q.id");
	for (i = (int)s->level - 1; i >= (int)high; i--)
		add(q, forced_joins[i]);
	add(q, " ORDER BY q.id");
}

static bool
put_together(struct query *q, struct err *e)
{
	if (q->sql.over || q->scratch.over)
		return fail(e, ERR_LIMIT, "the keys are too long");
	return true;
}

static bool
assemble(struct query *q, int64_t after_id, struct err *e)
{
	if (!add_matches(q, e))
		return false;
	add_ids(q, after_id);
	add_rows(q);
	return put_together(q, e);
}

static void
query_init(struct query *q, const struct search *search)
{
	*q = (struct query){.search = search};
	arena_init(&q->scratch, 8 * LIMIT_IDENTIFIER);
	buf_init(&q->sql, SQL_ROOM);
}

static void
query_fini(struct query *q)
{
	buf_fini(&q->sql);
	arena_fini(&q->scratch);
}

/* Does the search have more than WIDE answers? */
static bool
is_wide(struct db *db, const struct search *search, bool *wide, struct err *e)
{
	struct buf matches;
	struct query q;
	bool found, ok;
	int64_t n = 0;

	query_init(&q, search);
	ok = add_matches(&q, e);
	if (ok && q.narrow) {
		matches = q.sql;
		buf_init(&q.sql, SQL_ROOM);
		add(&q, "SELECT count(*) FROM (SELECT 1");
		buf_add(&q.sql, buf_str(&matches));
		buf_fini(&matches);
		add(&q, " LIMIT ?)");
		arg(&q, db_int(WIDE + 1));
		ok = put_together(&q, e) && db_get_int(db, buf_cstr(&q.sql),
						q.args, q.n, &n, &found, e);
	}
	*wide = n > WIDE;
	query_fini(&q);
	return ok;
}

static bool
read_row(const struct search *s, struct db_stmt *q, struct arena *a,
    struct index_row *row)
{
	int at = 1, i;

	row->id = db_column_int(q, 0);
	if (s->level == LEVEL_INSTANCE) {
		row->path = str_from(arena_cstr(a, db_column(q, at++)));
		row->syntax = str_from(arena_cstr(a, db_column(q, at++)));
		row->size = (uint64_t)db_column_int(q, at++);
	}
	for (i = 0; i < COLUMN_COUNT; i++)
		if (s->want[i] && columns[i].level <= s->level)
			row->value[i] = arena_dup(a, db_column(q, at++));
	return !a->over;
}

static bool
fetch(struct db *db, struct query *q, struct arena *a, struct index_row **rows,
    size_t *n, struct err *e)
{
	struct index_row *all;
	struct db_stmt *stmt;
	enum db_step step;
	size_t room = 8;

	all = arena_array(a, room, sizeof(*all));
	if (!db_query(db, buf_cstr(&q->sql), q->args, q->n, &stmt, e))
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
		    !read_row(q->search, stmt, a, &all[(*n)++])) {
			db_reset(stmt);
			return fail(e, ERR_LIMIT,
			    "the answer does not fit into memory");
		}
	}
	*rows = all;
	return step == DB_STEP_DONE;
}

bool
index_search(struct store *s, const struct search *search, int64_t after_id,
    struct arena *a, struct index_row **rows, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct query q;
	bool ok;

	*rows = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	query_init(&q, search);
	ok = (after_id <= 0 || is_wide(db, search, &q.wide, e)) &&
	     assemble(&q, after_id, e) && fetch(db, &q, a, rows, n, e);
	query_fini(&q);
	store_reader_done(s, db);
	return ok;
}

bool
index_explain(struct store *s, const struct search *search, struct buf *out,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *stmt;
	struct query q;
	struct buf sql;

	if (db == NULL)
		return false;
	query_init(&q, search);
	buf_init(&sql, SQL_ROOM);
	buf_text(&sql, "EXPLAIN QUERY PLAN ");
	if (assemble(&q, 0, e)) {
		buf_add(&sql, buf_str(&q.sql));
		if (db_query(db, buf_cstr(&sql), q.args, q.n, &stmt, e))
			while ((step = db_step(stmt, e)) == DB_STEP_ROW) {
				buf_add(out, db_column(stmt, 3));
				buf_u8(out, '\n');
			}
	}
	buf_fini(&sql);
	query_fini(&q);
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
