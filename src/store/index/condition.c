/*
 * Conditions as SQL, see condition.h.
 *
 * In a filter each column has a '+' before it, so that the planner has no
 * index to be tempted by: which condition leads is decided by plan.c, which
 * has counted. In a lead the range or equality stands bare; what it gives has
 * the '+' there, lest an index in its order be walked for the sake of DISTINCT.
 */
#include "store/index/condition.h"

#include "base/json.h"
#include "base/utf8.h"
#include "dicom/value.h"
#include "store/index/attribute.h"
#include "store/index/word.h"

/* Words that are found before the rows. */
#define WORDS 1000

/* From low on; up to high, both included; an empty one is open, but what has
 * no value is in no range. */
static void
add_range(struct sql *q, const char *name, struct str low, struct str high)
{
	sql_add(q, name);
	sql_add(q, low.n > 0 ? " >= ?" : " > ?");
	sql_str(q, low);
	if (high.n == 0)
		return;
	sql_add(q, " AND ");
	sql_add(q, name);
	sql_add(q, " <= ?");
	sql_str(q, high);
}

/* b of a prefix is its end, see prefix_end(). */
static void
add_prefix(struct sql *q, const char *name, struct str low, struct str end)
{
	sql_add(q, name);
	sql_add(q, " >= ? AND ");
	sql_add(q, name);
	sql_add(q, " < ?");
	sql_str(q, low);
	sql_str(q, end);
}

/* What stands before the first wild card. */
static struct str
literal(struct str pattern)
{
	size_t star = str_find(pattern, '*'), mark = str_find(pattern, '?');

	return str_of(pattern.p, star < mark ? star : mark);
}

/* No text of the index has this byte: what begins with the prefix is below. */
static struct str
prefix_end(struct arena *a, struct str prefix)
{
	uint8_t *p = arena_alloc(a, prefix.n + 1);

	if (p == NULL)
		return STR("");
	if (prefix.n > 0)
		memcpy(p, prefix.p, prefix.n);
	p[prefix.n] = 0xff;
	return str_of(p, prefix.n + 1);
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
make_list(struct arena *a, const struct condition *c, struct test *t)
{
	enum column_kind kind = column_info(c->column)->kind;
	const struct str *list = c->list;
	size_t i, n = c->list_count;
	struct buf text;
	struct json j;
	struct str v;
	bool last;

	if (c->kind != CONDITION_ANY_OF && n == 0) {
		list = &c->a;
		n = 1;
	}
	buf_init(&text, 4 * LIMIT_IDENTIFIER);
	json_init(&j, &text);
	json_array(&j);
	for (i = 0; i < n; i++) {
		v = str_trim(list[i]);
		if (kind == COLUMN_KIND_NAME)
			v = telling_group(pn_key(a, v), &last);
		json_str(&j, index_text(a, kind, v));
	}
	json_end_array(&j);
	t->form = FORM_LIST;
	t->a = arena_dup(a, buf_str(&text));
	if (text.over)
		t->a = str_of(NULL, 0);
	buf_fini(&text);
	return t->a.p != NULL;
}

static void
make_prefix(struct arena *a, struct test *t, struct str prefix)
{
	t->form = FORM_PREFIX;
	t->a = prefix;
	t->b = prefix_end(a, prefix);
}

/* from: the begin that all matches have. */
static void
make_wild(struct arena *a, struct test *t, struct str pattern, struct str from)
{
	t->form = FORM_WILD;
	t->a = pattern;
	t->from = from;
	if (from.n > 0)
		t->to = prefix_end(a, from);
}

static bool
make_name(struct arena *a, const struct condition *c, struct test *t)
{
	struct str group;
	bool last;

	if (c->kind == CONDITION_ANY_OF)
		return make_list(a, c, t);
	group = telling_group(pn_key(a, c->a), &last);
	if (group.n == 0)
		return false;
	t->form = FORM_EQUAL;
	t->a = group;
	if (c->kind == CONDITION_PREFIX && last) {
		make_prefix(a, t, group);
	} else if (c->kind == CONDITION_PATTERN) {
		struct str from = literal(group);

		/* "DOE^*" is to find "DOE" too. */
		while (from.n > 0 && from.p[from.n - 1] == '^')
			from.n--;
		make_wild(a, t, group, from);
	} else if (c->kind == CONDITION_PART_BEGINS) {
		t->form = FORM_PART;
	}
	return c->kind == CONDITION_PART_BEGINS || c->kind == CONDITION_IS ||
	       c->kind == CONDITION_PREFIX || c->kind == CONDITION_PATTERN;
}

/* A time as the index compares it; false when it is none. */
static bool
time_text(struct arena *a, struct str time, bool end, struct str *out)
{
	char key[14] = "";

	time = str_trim(time);
	if (time.n > 0 && !time_parse(time, end, key))
		return false;
	*out = arena_dup(a, str_from(key));
	return true;
}

/* A time stands for all it leaves open (PS3.4 C.2.2.2.1.3). */
static bool
make_time(struct arena *a, const struct condition *c, struct test *t)
{
	t->form = FORM_RANGE;
	if (c->kind != CONDITION_IS && c->kind != CONDITION_RANGE)
		return false;
	return time_text(a, c->a, false, &t->a) &&
	       time_text(a, c->kind == CONDITION_IS ? c->a : c->b, true, &t->b);
}

static bool
make_moment(struct arena *a, const struct condition *c, struct test *t)
{
	t->form = FORM_MOMENT;
	t->a = index_text(a, COLUMN_KIND_DATE, str_trim(c->a));
	t->b = index_text(a, COLUMN_KIND_DATE, str_trim(c->b));
	return time_text(a, c->time_a, false, &t->from) &&
	       time_text(a, c->time_b, true, &t->to);
}

static bool
make_plain(struct arena *a, const struct condition *c, struct test *t)
{
	enum column_kind kind = column_info(c->column)->kind;
	struct str s = str_trim(c->a);

	switch (c->kind) {
	case CONDITION_IS:
		t->form = FORM_EQUAL;
		t->a = index_text(a, kind, s);
		return true;
	case CONDITION_ROW:
		t->form = FORM_EQUAL;
		t->row = c->row;
		return true;
	case CONDITION_PREFIX:
		/* Spaces at its end are a part of it. */
		s = c->a;
		while (s.n > 0 && s.p[0] == ' ')
			s = str_of(s.p + 1, s.n - 1);
		make_prefix(a, t, s);
		return true;
	case CONDITION_PATTERN:
		make_wild(a, t, s, literal(s));
		return true;
	case CONDITION_FOLDED:
		t->form = FORM_FOLDED;
		t->a = utf8_fold(a, s);
		return true;
	case CONDITION_RANGE:
		t->form = FORM_RANGE;
		t->a = index_text(a, kind, s);
		t->b = index_text(a, kind, str_trim(c->b));
		return true;
	case CONDITION_ANY_OF:
		return make_list(a, c, t);
	default:
		return false;
	}
}

static bool
has_wild(struct str s)
{
	return literal(s).n < s.n;
}

static bool
make_modality(struct arena *a, const struct condition *c, struct test *t)
{
	bool wild = c->list_count == 0 && has_wild(c->a);
	size_t i;

	t->target = TARGET_MODALITY;
	for (i = 0; i < c->list_count; i++)
		wild = wild || has_wild(c->list[i]);
	if (c->list_count == 0 && !wild) {
		t->form = FORM_EQUAL;
		t->a = str_trim(c->a);
		return true;
	}
	if (!make_list(a, c, t))
		return false;
	t->form = wild ? FORM_WILDS : FORM_LIST;
	return true;
}

static bool
is_sure(const struct test *t)
{
	switch (t->column) {
	case COLUMN_PatientID:
	case COLUMN_StudyInstanceUID:
	case COLUMN_SeriesInstanceUID:
	case COLUMN_SOPInstanceUID:
		return t->form == FORM_EQUAL && (t->a.n > 0 || t->row != 0);
	default:
		return false;
	}
}

/* How rows can be found by it. */
static void
make_leads(struct arena *a, struct test *t)
{
	bool column = t->target == TARGET_COLUMN;
	bool folded = t->form == FORM_FOLDED || t->form == FORM_PART;
	bool begins = !folded && (t->form != FORM_WILD || t->from.n > 0);
	enum word_kind kind = word_kind_of(t->column);

	if (t->form == FORM_WILD && kind != WORD_KINDS) {
		t->words = (int)kind;
		t->pieces = word_query(a, kind, t->a);
		t->leads[LEAD_WORDS] = t->pieces.n > 0;
	}
	t->leads[LEAD_RANGE] = begins;
	t->leads[LEAD_SCAN] =
	    folded || (t->form == FORM_WILD && t->from.n == 0 &&
			  (column || t->target == TARGET_NAME));
	if (folded && kind != WORD_KINDS)
		t->words = (int)kind;
	if (t->form == FORM_PART && kind != WORD_KINDS) {
		t->pieces = word_query(a, kind, t->a);
		t->leads[LEAD_WORDS] = t->pieces.n > 0;
	}
	t->sure = column && is_sure(t);
}

bool
test_make(struct arena *a, const struct condition *c, struct test *out)
{
	const struct column_info *info = column_info(c->column);
	bool done;

	*out = (struct test){
	    .column = c->column, .level = info->level, .words = -1};
	if (c->kind == CONDITION_MODALITY) {
		done = make_modality(a, c, out);
	} else if (c->kind == CONDITION_CLASS) {
		out->target = TARGET_CLASS;
		done = make_list(a, c, out);
	} else if (c->kind == CONDITION_OWNER) {
		out->target = TARGET_OWNER;
		out->row = c->row;
		done = true;
	} else if (c->kind == CONDITION_DATE_TIME) {
		done = make_moment(a, c, out);
	} else if (info->kind == COLUMN_KIND_NAME) {
		out->target = TARGET_NAME;
		done = make_name(a, c, out);
	} else if (info->kind == COLUMN_KIND_TIME) {
		done = make_time(a, c, out);
	} else {
		done = make_plain(a, c, out);
	}
	if (done)
		make_leads(a, out);
	return done;
}

/* The test of a value; fn: what compares patterns. */
static void
add_value(struct sql *q, const struct test *t, const char *name, const char *fn)
{
	switch (t->form) {
	case FORM_EQUAL:
		sql_add(q, name);
		sql_add(q, " = ?");
		sql_str(q, t->a);
		break;
	case FORM_RANGE:
	case FORM_MOMENT:
		add_range(q, name, t->a, t->b);
		break;
	case FORM_PREFIX:
		add_prefix(q, name, t->a, t->b);
		break;
	case FORM_LIST:
		sql_add(q, name);
		sql_add(q, " IN (SELECT value FROM json_each(?))");
		sql_str(q, t->a);
		break;
	case FORM_WILD:
		if (t->from.n > 0) {
			add_prefix(q, name, t->from, t->to);
			sql_add(q, " AND ");
		}
		sql_add(q, fn);
		sql_add(q, "(?, ");
		sql_add(q, name);
		sql_add(q, ")");
		sql_str(q, t->a);
		break;
	case FORM_PART:
	case FORM_FOLDED:
		sql_add(q, t->form == FORM_PART ? "part_begins(?, "
						: "wild_folded(?, ");
		sql_add(q, name);
		sql_add(q, ")");
		sql_str(q, t->a);
		break;
	case FORM_WILDS:
		sql_add(q, "EXISTS (SELECT 1 FROM json_each(?) j"
			   " WHERE wild(j.value, ");
		sql_add(q, name);
		sql_add(q, "))");
		sql_str(q, t->a);
		break;
	}
}

/* A column by its table's letter, with what stands before it. */
static void
column_name(char out[64], const char *before, const struct test *t)
{
	enum column_kind kind = column_info(t->column)->kind;

	(void)snprintf(out, 64, "%s%s%s", before, column_sql(t->column),
	    kind == COLUMN_KIND_TIME ? "_key" : "");
}

/* The ends of a moment: the first and last day only at their times. */
static void
add_moment_ends(struct sql *q, const struct test *t)
{
	bool study = t->column == COLUMN_StudyDate;
	const char *date = study ? "+s.StudyDate" : "+e.SeriesDate";
	const char *key = study ? "+s.StudyTime_key" : "+e.SeriesTime_key";

	if (t->a.n > 0 && t->from.n > 0) {
		sql_add(q, " AND (");
		sql_add(q, date);
		sql_add(q, " <> ? OR ");
		sql_add(q, key);
		sql_add(q, " >= ? OR ");
		sql_add(q, key);
		sql_add(q, " = '')");
		sql_str(q, t->a);
		sql_str(q, t->from);
	}
	if (t->b.n > 0 && t->to.n > 0) {
		sql_add(q, " AND (");
		sql_add(q, date);
		sql_add(q, " <> ? OR ");
		sql_add(q, key);
		sql_add(q, " <= ?)");
		sql_str(q, t->b);
		sql_str(q, t->to);
	}
}

static void
add_column(struct sql *q, const struct test *t, const char *before)
{
	char name[64];

	if (t->row != 0) {
		sql_add(q, before);
		sql_add(q, level_letter(t->level));
		sql_add(q, ".id = ?");
		sql_arg(q, db_int(t->row));
		return;
	}
	column_name(name, before, t);
	add_value(q, t, name, "wild");
	if (t->form == FORM_MOMENT)
		add_moment_ends(q, t);
}

/* The list of classes is cut where there is no room for more. */
static void
filter_class(struct sql *q, const struct test *t)
{
	sql_add(q,
	    "(EXISTS (SELECT 1 FROM json_each(?) j WHERE"
	    " instr('\\' || s.SOPClassesInStudy || '\\',"
	    " '\\' || j.value || '\\') > 0)"
	    " OR (length(s.SOPClassesInStudy) > 3900 AND EXISTS"
	    " (SELECT 1 FROM series x CROSS JOIN instance y"
	    " ON y.series = x.id WHERE x.study = s.id"
	    " AND +y.SOPClassUID IN (SELECT value FROM json_each(?)))))");
	sql_str(q, t->a);
	sql_str(q, t->a);
}

void
test_filter(const struct test *t, struct sql *q)
{
	bool patient = t->column == COLUMN_PatientName;

	switch (t->target) {
	case TARGET_COLUMN:
		add_column(q, t, "+");
		break;
	case TARGET_NAME:
		sql_add(q, "EXISTS (SELECT 1 FROM name_key k INDEXED BY"
			   " name_key_owner WHERE k.kind = ");
		sql_add(q, patient ? "0 AND k.owner = p.id AND "
				   : "1 AND k.owner = s.id AND ");
		add_value(q, t, "+k.value", "wild_name");
		sql_add(q, ")");
		break;
	case TARGET_MODALITY:
		sql_add(q, "EXISTS (SELECT 1 FROM series x"
			   " WHERE x.study = s.id AND ");
		add_value(q, t, "+x.Modality", "wild");
		sql_add(q, ")");
		break;
	case TARGET_CLASS:
		filter_class(q, t);
		break;
	case TARGET_OWNER:
		sql_add(q, "EXISTS (SELECT 1 FROM upload x WHERE x.user = ?"
			   " AND x.study = s.StudyInstanceUID)");
		sql_arg(q, db_int(t->row));
		break;
	}
}

/* All values of a column, each looked up behind the one before. */
static void
add_distinct(struct sql *q, const char *table, const char *column)
{
	sql_add(q, "WITH RECURSIVE v(value) AS (SELECT min(");
	sql_add(q, column);
	sql_add(q, ") FROM ");
	sql_add(q, table);
	sql_add(q, " UNION ALL SELECT (SELECT min(");
	sql_add(q, column);
	sql_add(q, ") FROM ");
	sql_add(q, table);
	sql_add(q, " WHERE ");
	sql_add(q, column);
	sql_add(q, " > v.value) FROM v WHERE v.value IS NOT NULL) ");
}

static void
add_number(struct sql *q, int n)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", n);
	sql_add(q, text);
}

/* Words: those with the pieces of the pattern and those without trigrams, or
 * all of their kind. */
static void
add_words(struct sql *q, const struct test *t, enum lead_kind kind)
{
	sql_add(q, "WITH v(id, value) AS (");
	if (kind == LEAD_WORDS) {
		sql_add(q, "SELECT w.id, w.value FROM word_text(?) f CROSS JOIN"
			   " word w ON w.id = f.rowid UNION ALL ");
		sql_str(q, t->pieces);
	}
	sql_add(q, "SELECT w.id, w.value FROM word w WHERE w.kind = ");
	add_number(q, t->words);
	sql_add(q, kind == LEAD_WORDS ? " AND w.whole = 0) " : ") ");
}

/* Before a lead that is no range: v, the values from which it starts. */
static void
add_values(struct sql *q, const struct test *t, enum lead_kind kind)
{
	if (t->ids.n > 0) {
		sql_add(q, "WITH v(value) AS (SELECT w.value FROM json_each(?)"
			   " j CROSS JOIN word w ON w.id = j.value) ");
		sql_str(q, t->ids);
	} else if (t->words >= 0) {
		add_words(q, t, kind);
	} else {
		add_distinct(
		    q, level_table(t->level), column_info(t->column)->keyword);
	}
}

/* Words that are found already fit. */
static void
add_fitting(struct sql *q, const struct test *t, const char *fn)
{
	if (t->ids.n == 0)
		add_value(q, t, "v.value", fn);
	else
		sql_add(q, "1");
}

static const char *
wild_function(const struct test *t)
{
	return t->target == TARGET_NAME ? "wild_name" : "wild";
}

static bool
read_ids(struct test *t, struct arena *a, struct db *db, struct sql *q,
    struct err *e)
{
	enum db_step step;
	struct db_stmt *stmt;
	struct buf text;
	struct json j;
	size_t n = 0;

	if (!db_query(db, buf_cstr(&q->text), q->args, q->n, &stmt, e))
		return false;
	buf_init(&text, 32 * WORDS);
	json_init(&j, &text);
	json_array(&j);
	while ((step = db_step(stmt, e)) == DB_STEP_ROW) {
		json_i64(&j, db_column_int(stmt, 0));
		n++;
	}
	json_end_array(&j);
	t->many = n > WORDS;
	if (!t->many)
		t->ids = arena_dup(a, buf_str(&text));
	buf_fini(&text);
	return step == DB_STEP_DONE;
}

bool
test_find_words(struct test *t, struct arena *a, struct db *db,
    enum lead_kind kind, struct err *e)
{
	struct sql q;
	bool ok;

	if (kind == LEAD_RANGE || t->words < 0 || t->many || t->ids.n > 0)
		return true;
	sql_init(&q);
	add_words(&q, t, kind);
	sql_add(&q, "SELECT v.id FROM v WHERE ");
	add_value(&q, t, "v.value", wild_function(t));
	sql_add(&q, " LIMIT ?");
	sql_arg(&q, db_int(WORDS + 1));
	ok = q.text.over ? fail(e, ERR_LIMIT, "the keys are too long")
			 : read_ids(t, a, db, &q, e);
	sql_fini(&q);
	return ok;
}

static void
lead_column(struct sql *q, const struct test *t, enum lead_kind kind)
{
	add_values(q, t, kind);
	sql_add(q, "SELECT x.id AS id FROM v CROSS JOIN ");
	sql_add(q, level_table(t->level));
	sql_add(q, " x ON x.");
	sql_add(q, column_info(t->column)->keyword);
	sql_add(q, " = v.value WHERE ");
	add_fitting(q, t, "wild");
}

static void
lead_name(struct sql *q, const struct test *t, enum lead_kind kind)
{
	bool patient = t->column == COLUMN_PatientName;

	if (kind == LEAD_RANGE) {
		sql_add(q, "SELECT DISTINCT +k.owner AS id FROM name_key k"
			   " WHERE k.kind = ");
		sql_add(q, patient ? "0 AND " : "1 AND ");
		add_value(q, t, "k.value", "wild_name");
		return;
	}
	add_values(q, t, kind);
	sql_add(q, "SELECT DISTINCT +k.owner AS id FROM v CROSS JOIN name_key k"
		   " ON k.value = v.value AND k.kind = ");
	sql_add(q, patient ? "0 WHERE " : "1 WHERE ");
	add_fitting(q, t, "wild_name");
}

static void
lead_modality(struct sql *q, const struct test *t)
{
	if (t->form == FORM_WILDS) {
		add_distinct(q, "series", "Modality");
		sql_add(q, "SELECT DISTINCT +x.study AS id FROM v CROSS JOIN"
			   " series x ON x.Modality = v.value WHERE ");
		add_value(q, t, "v.value", "wild");
		return;
	}
	sql_add(q, "SELECT DISTINCT +x.study AS id FROM series x WHERE ");
	add_value(q, t, "x.Modality", "wild");
}

static void
lead_class(struct sql *q, const struct test *t)
{
	sql_add(q, "SELECT DISTINCT +y.study AS id FROM instance x"
		   " CROSS JOIN series y ON y.id = x.series WHERE ");
	add_value(q, t, "x.SOPClassUID", "wild");
}

static void
lead_owner(struct sql *q, const struct test *t)
{
	sql_add(q, "SELECT y.id AS id FROM upload x CROSS JOIN study y"
		   " ON y.StudyInstanceUID = x.study WHERE x.user = ?");
	sql_arg(q, db_int(t->row));
}

bool
test_leads_bare(const struct test *t, enum lead_kind kind)
{
	return t->target == TARGET_COLUMN && kind == LEAD_RANGE;
}

void
test_lead_from(const struct test *t, enum lead_kind kind, struct sql *q)
{
	const char *letter = level_letter(t->level);

	if (test_leads_bare(t, kind)) {
		sql_add(q, level_table(t->level));
		sql_add(q, " ");
		sql_add(q, letter);
		return;
	}
	sql_add(q, "(");
	if (t->target == TARGET_COLUMN)
		lead_column(q, t, kind);
	else if (t->target == TARGET_NAME)
		lead_name(q, t, kind);
	else if (t->target == TARGET_MODALITY)
		lead_modality(q, t);
	else if (t->target == TARGET_CLASS)
		lead_class(q, t);
	else
		lead_owner(q, t);
	sql_add(q, ") d CROSS JOIN ");
	sql_add(q, level_table(t->level));
	sql_add(q, " ");
	sql_add(q, letter);
	sql_add(q, " ON ");
	sql_add(q, letter);
	sql_add(q, ".id = d.id");
}

void
test_lead_where(const struct test *t, enum lead_kind kind, struct sql *q)
{
	if (!test_leads_bare(t, kind))
		return;
	sql_add(q, " AND ");
	add_column(q, t, "");
}
