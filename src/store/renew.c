/*
 * Rows of the levels above an instance, see renew.h.
 *
 * The files are read only if what went said something else than what came:
 * then the first that are left of the study and of the series are asked, which
 * is one header as a rule. When they do not say what the row says, the study's
 * rows are made anew from all its files, in the order of their arrival. Of a
 * study that is sent again with corrected values that happens once: when the
 * last of the old ones has gone.
 */
#include "store/renew.h"

#include "base/log.h"
#include "base/os.h"
#include "store/index/attribute.h"
#include "store/index/person_inside.h"
#include "store/object.h"

/* Behind it no indexed attribute stands (PS3.5 7.1: in order of tags). */
#define GROUP_PIXELS 0x7fe0
#define BLOCK        (16 * KIB)

struct head {
	struct capture capture; /* first: what its events are given */
	bool whole;
};

static bool
head_element(void *ctx, const struct parse_element *element, struct err *e)
{
	struct head *h = ctx;

	if (element->depth == 0 && TAG_GROUP(element->tag) >= GROUP_PIXELS) {
		h->whole = true;
		return fail(e, ERR_CANCELLED, "all is read");
	}
	return capture_events.element(&h->capture, element, e);
}

static bool
read_values(struct head *h, struct object_file *f)
{
	struct parse_events events = capture_events;
	struct parse *p = parse_new(syntax_of(str_from(f->syntax)), &events, h);
	uint8_t *block = must_alloc(BLOCK);
	uint64_t left = f->data_size;
	off_t at = (off_t)f->data_at;
	struct err why;
	ssize_t n;
	bool ok = true;

	events.element = head_element;
	while (ok && left > 0) {
		n = os_pread_full(
		    f->fd, block, left < BLOCK ? left : BLOCK, at);
		ok = n > 0 && parse_feed(p, str_of(block, (size_t)n), &why);
		left -= n > 0 ? (uint64_t)n : 0;
		at += n;
	}
	ok = h->whole || (ok && parse_end(p, &why));
	parse_free(&p);
	free(block);
	return ok;
}

/* What a file says, without its pixel data being read; the hash is the one in
 * its header. */
static bool
read_head(struct store *s, const char *path, struct arena *a, struct row *out)
{
	struct head h = {.whole = false};
	struct row_input in = {.capture = &h.capture};
	struct row_mismatch mismatch;
	struct object_file f;
	struct err why;
	bool ok;

	if (!object_open(s, path, &f, &why))
		return false;
	capture_init(&h.capture);
	ok = read_values(&h, &f);
	if (ok) {
		in.sop_class = str_from(f.sop_class);
		in.sop_instance = str_from(f.sop_instance);
		memcpy(in.digest.sha256, f.sha256, sizeof(f.sha256));
		row_make(&in, a, out, &mismatch);
		out->crc32 = -1;
		out->syntax = arena_dup(a, str_from(f.syntax));
		out->source = arena_dup(a, str_from(f.source_ae));
		out->path = str_from(arena_cstr(a, str_from(path)));
		out->size = f.data_size;
		out->arrived_ms = f.arrived_ms;
		ok = !a->over;
	}
	capture_fini(&h.capture);
	object_close(&f);
	return ok;
}

#define FROM_PATIENT(keyword)  "coalesce(d." keyword ", p." keyword "), "
#define FROM_STUDY(keyword)    "s." keyword ", "
#define FROM_SERIES(keyword)   "e." keyword ", "
#define FROM_INSTANCE(keyword) "i." keyword ", "

/* What the index says of instances and of the levels above them. */
#define FROM_WHERE                                                             \
	" FROM instance i JOIN series e ON e.id = i.series"                    \
	" JOIN study s ON s.id = e.study JOIN patient p ON p.id = s.patient"   \
	" LEFT JOIN patient_said d ON d.id = s.said WHERE "

static const char row_of[] = "SELECT "
#define COLUMN(level, keyword, kind) FROM_##level(#keyword)
#include "store/index/columns.def"
#undef COLUMN
			     "p.identity" FROM_WHERE;
static const char files_of[] = "SELECT i.path" FROM_WHERE;
/* Nothing but paths is sorted. */
static const char by_arrival[] = " ORDER BY i.arrived, i.id";

static const char a_study[] = "s.id = ?";
static const char a_series[] = "e.id = ?";
static const char a_patient[] = "s.patient = ? AND s.said = ?";

/* What is compared: a study's values (and whose it is), a series' values, what
 * a patient is called. */
enum scope { SCOPE_STUDY, SCOPE_SERIES, SCOPE_PATIENT };

static bool
is_in(enum scope scope, enum column column)
{
	const struct column_info *info = column_info(column);
	bool id =
	    column == COLUMN_PatientID || column == COLUMN_IssuerOfPatientID;

	if (info->kind == COLUMN_KIND_MADE)
		return false;
	switch (scope) {
	case SCOPE_STUDY:
		return info->level == LEVEL_STUDY;
	case SCOPE_SERIES:
		return info->level == LEVEL_SERIES;
	default:
		return !id && info->level == LEVEL_PATIENT;
	}
}

/* Do both say the same of all levels above the instance? */
static bool
say_the_same(const struct row *a, const struct row *b)
{
	int i;

	for (i = 0; i < COLUMN_COUNT; i++)
		if (column_info((enum column)i)->level != LEVEL_INSTANCE &&
		    !str_eq(a->value[i], b->value[i]))
			return false;
	return str_eq(a->identity, b->identity);
}

/* A row and what it should say: of each value the first that comes. */
struct look {
	enum scope scope;
	const struct renewal *renewal; /* what has gone; or NULL */
	bool other; /* values may come from others than what has gone */
	/* For a check: a value is right if any file says it. Which of two came
	 * first is not worth a finding. */
	bool any;
	bool whose; /* with any: a file is of the patient */
	struct arena arena;
	struct str row[COLUMN_COUNT], should[COLUMN_COUNT];
	struct str identity;
	bool gone;    /* there is no such row any more */
	bool unknown; /* a file cannot be read */
	bool wrong;
};

/* Nobody knows yet where the value in the row came from, if not from what has
 * gone. */
static bool
is_open(const struct look *l, enum column c)
{
	const struct renewal *r = l->renewal;

	return is_in(l->scope, c) && l->row[c].n > 0 && l->should[c].n == 0 &&
	       (l->other || r == NULL || !r->read ||
		   str_eq(l->row[c], r->was.value[c]));
}

static bool
any_open(const struct look *l)
{
	int c;

	for (c = 0; c < COLUMN_COUNT; c++)
		if (is_open(l, (enum column)c))
			return true;
	return l->any && l->scope == SCOPE_STUDY && !l->whose;
}

static bool
is_of_patient(const struct look *l, const struct row *file)
{
	return str_eq(
		   l->row[COLUMN_PatientID], file->value[COLUMN_PatientID]) &&
	       str_eq(l->row[COLUMN_IssuerOfPatientID],
		   file->value[COLUMN_IssuerOfPatientID]) &&
	       str_eq(l->identity, file->identity);
}

/* True: go on with the next file. */
static bool
compare(struct look *l, const struct row *file)
{
	bool same;
	int c;

	l->whose = l->whose || is_of_patient(l, file);
	/* Others in his study say nothing of him. */
	if (l->scope == SCOPE_PATIENT && !is_of_patient(l, file))
		return true;
	for (c = 0; c < COLUMN_COUNT; c++) {
		if (!is_in(l->scope, (enum column)c) || l->should[c].n > 0 ||
		    file->value[c].n == 0)
			continue;
		same = str_eq(l->row[c], file->value[c]);
		if (same || !l->any || l->row[c].n == 0)
			l->should[c] = arena_dup(&l->arena, file->value[c]);
		if (!same && (!l->any || l->row[c].n == 0))
			l->wrong = true;
	}
	return (!l->wrong || l->scope == SCOPE_PATIENT) && any_open(l);
}

/* What is looked at. */
struct rows {
	const char *which;
	struct db_value args[2];
	size_t n;
};

static bool
query(struct db *db, const char *select, const struct rows *rows,
    const char *order, struct db_stmt **out, struct err *e)
{
	struct buf sql;
	bool ok;

	buf_init(&sql, 4 * KIB);
	buf_text(&sql, select);
	buf_text(&sql, rows->which);
	buf_text(&sql, order);
	ok = db_query(db, buf_cstr(&sql), rows->args, rows->n, out, e);
	buf_fini(&sql);
	return ok;
}

static bool
read_row(struct db *db, const struct rows *rows, struct look *l, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	int c;

	if (!query(db, row_of, rows, " LIMIT 1", &q, e))
		return false;
	step = db_step(q, e);
	l->gone = step == DB_STEP_DONE;
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	for (c = 0; c < COLUMN_COUNT; c++)
		l->row[c] = arena_dup(&l->arena, db_column(q, c));
	l->identity = arena_dup(&l->arena, db_column(q, COLUMN_COUNT));
	db_reset(q);
	return !l->arena.over || fail(e, ERR_LIMIT, "the values do not fit");
}

/* The files, as far as needed. */
static bool
read_files(struct store *s, struct look *l, struct db_stmt *q, struct err *e)
{
	bool first = true;
	struct row file;
	struct arena a;
	enum db_step step;
	char path[128];

	arena_init(&a, ROW_ARENA);
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		(void)str_copy(path, sizeof(path), db_column(q, 0));
		arena_reset(&a);
		l->unknown = !read_head(s, path, &a, &file);
		if (!l->unknown && first && l->scope == SCOPE_STUDY)
			l->wrong = !l->any && !is_of_patient(l, &file);
		first = false;
		if (l->unknown || !compare(l, &file))
			break;
	}
	if (step == DB_STEP_ROW)
		db_reset(q);
	arena_fini(&a);
	/* All was read, and no file says it. */
	if (step == DB_STEP_DONE)
		l->wrong = l->wrong || any_open(l);
	return step != DB_STEP_FAILED &&
	       (!l->arena.over || fail(e, ERR_LIMIT, "the values do not fit"));
}

/* Until look_end(). */
static bool
look(struct store *s, struct db *db, const struct rows *rows, struct look *l,
    struct err *e)
{
	struct db_stmt *q;

	arena_init(&l->arena, 2 * ROW_ARENA);
	if (!read_row(db, rows, l, e))
		return false;
	if (!l->gone && (!query(db, files_of, rows, by_arrival, &q, e) ||
			    !read_files(s, l, q, e)))
		return false;
	l->wrong = l->wrong && !l->unknown;
	return true;
}

static void
look_end(struct look *l)
{
	arena_fini(&l->arena);
}

struct kept {
	char path[128];
	int64_t crc32;
};

static bool
list_files(
    struct db *db, int64_t study, struct kept **out, size_t *n, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	size_t room = 0;
	struct kept *k;

	if (!db_query(db,
		"SELECT i.path, i.crc32 FROM series e JOIN instance i"
		" ON i.series = e.id WHERE e.study = ?"
		" ORDER BY i.arrived, i.id",
		DB_ARGS(db_int(study)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		if (*n == room) {
			room = room * 2 + 64;
			*out = must_realloc(*out, room * sizeof(**out));
		}
		k = &(*out)[(*n)++];
		(void)str_copy(k->path, sizeof(k->path), db_column(q, 0));
		k->crc32 = db_column_int(q, 1);
	}
	return step == DB_STEP_DONE;
}

/* Whose an instance is. */
struct owner {
	int64_t patient, said;
};

static bool
owner_of(struct db *db, int64_t instance, struct owner *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT s.patient, s.said FROM instance i"
		" JOIN series e ON e.id = i.series"
		" JOIN study s ON s.id = e.study WHERE i.id = ?",
		DB_ARGS(db_int(instance)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	out->patient = db_column_int(q, 0);
	out->said = db_column_int(q, 1);
	db_reset(q);
	return true;
}

static bool
insert_all(struct store *s, struct upsert *u, const struct kept *v, size_t n,
    struct arena *a, struct err *e)
{
	struct row row;
	size_t i;

	for (i = 0; i < n; i++) {
		arena_reset(a);
		if (!read_head(s, v[i].path, a, &row))
			return fail(e, ERR_IO, "'%s' cannot be read any more",
			    v[i].path);
		row.crc32 = v[i].crc32;
		if (!upsert_insert(u, &row, e))
			return false;
	}
	return true;
}

/* All rows of a study from its files, if these can be read; *made: whose it is
 * then. */
static bool
make_anew(struct store *s, struct upsert *u, int64_t study, struct owner *made,
    struct err *e)
{
	struct kept *v = NULL;
	struct arena a;
	struct row row;
	size_t n = 0, i;
	bool ok, readable = true;

	arena_init(&a, ROW_ARENA);
	ok = upsert_end(u, e) && list_files(upsert_db(u), study, &v, &n, e);
	for (i = 0; ok && readable && i < n; i++) {
		arena_reset(&a);
		readable = read_head(s, v[i].path, &a, &row);
	}
	if (ok && !readable)
		log_debug("store",
		    "'%s' cannot be read: the index says of its study what it "
		    "said before",
		    v[i - 1].path);
	if (ok && readable)
		ok =
		    upsert_delete_study(u, study, e) &&
		    insert_all(s, u, v, n, &a, e) &&
		    owner_of(upsert_db(u), db_last_id(upsert_db(u)), made, e) &&
		    upsert_end(u, e);
	arena_fini(&a);
	free(v);
	return ok;
}

/* What a patient is called: as the first of all the files says. */
static bool
renew_patient(struct store *s, struct upsert *u, const struct renewal *r,
    struct owner whose, bool other, struct err *e)
{
	const struct rows rows = {
	    a_patient, {db_int(whose.patient), db_int(whose.said)}, 2};
	struct look l = {.scope = SCOPE_PATIENT, .renewal = r, .other = other};
	int c;
	bool ok;

	ok = upsert_end(u, e) && look(s, upsert_db(u), &rows, &l, e);
	for (c = 0; c < COLUMN_COUNT; c++)
		if (l.should[c].n == 0 && !is_open(&l, (enum column)c))
			l.should[c] = l.row[c];
	if (ok && l.wrong)
		ok = upsert_correct_patient(
		    u, whose.patient, whose.said, l.should, e);
	look_end(&l);
	return ok;
}

static bool
looks_wrong(struct store *s, struct upsert *u, enum scope scope,
    const struct renewal *r, bool *wrong, struct err *e)
{
	const struct rows rows = {scope == SCOPE_STUDY ? a_study : a_series,
	    {db_int(scope == SCOPE_STUDY ? r->study : r->series)}, 1};
	struct look l = {.scope = scope, .renewal = r};
	bool ok;

	ok = upsert_end(u, e) && look(s, upsert_db(u), &rows, &l, e);
	*wrong = l.wrong;
	look_end(&l);
	return ok;
}

bool
renew_begin(struct store *s, struct upsert *u, int64_t instance,
    struct renewal *r, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	char path[128];

	*r = (struct renewal){.study = 0};
	arena_init(&r->arena, ROW_ARENA);
	if (!db_query(upsert_db(u),
		"SELECT e.id, s.id, s.patient, s.said, i.path FROM instance i"
		" JOIN series e ON e.id = i.series"
		" JOIN study s ON s.id = e.study WHERE i.id = ?",
		DB_ARGS(db_int(instance)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	r->series = db_column_int(q, 0);
	r->study = db_column_int(q, 1);
	r->patient = db_column_int(q, 2);
	r->said = db_column_int(q, 3);
	(void)str_copy(path, sizeof(path), db_column(q, 4));
	db_reset(q);
	r->read = read_head(s, path, &r->arena, &r->was);
	return true;
}

bool
renew(struct store *s, struct upsert *u, const struct renewal *r,
    const struct row *now, struct err *e)
{
	struct owner made = {.patient = 0};
	bool wrong = false;

	if (r->study == 0 ||
	    (r->read && now != NULL && say_the_same(&r->was, now)))
		return true;
	if (!looks_wrong(s, u, SCOPE_STUDY, r, &wrong, e) ||
	    (!wrong && !looks_wrong(s, u, SCOPE_SERIES, r, &wrong, e)) ||
	    (wrong && !make_anew(s, u, r->study, &made, e)))
		return false;
	if (made.patient != 0 && made.patient != r->patient &&
	    !renew_patient(s, u, r, made, true, e))
		return false;
	return renew_patient(
	    s, u, r, (struct owner){r->patient, r->said}, wrong, e);
}

void
renew_end(struct renewal *r)
{
	arena_fini(&r->arena);
}

bool
renew_check(struct store *s, struct db *db, enum index_level level, int64_t id,
    bool *wrong, struct err *e)
{
	static const char *const which[] = {a_patient, a_study, a_series};
	static const enum scope scopes[] = {
	    SCOPE_PATIENT, SCOPE_STUDY, SCOPE_SERIES};
	struct rows rows = {.args = {db_int(id), db_int(0)}};
	struct look l = {.any = true};
	bool ok;

	must(level < ARRAY_LEN(which));
	rows.which = which[level];
	rows.n = level == LEVEL_PATIENT ? 2 : 1;
	l.scope = scopes[level];
	ok = look(s, db, &rows, &l, e);
	*wrong = l.wrong;
	look_end(&l);
	return ok;
}

bool
renew_study(struct store *s, struct upsert *u, int64_t study, struct err *e)
{
	struct owner before = {.patient = 0}, made = {.patient = 0};
	int64_t instance;
	bool found;

	if (!upsert_end(u, e) ||
	    !db_get_int(upsert_db(u),
		"SELECT i.id FROM series e JOIN instance i ON i.series = e.id"
		" WHERE e.study = ? LIMIT 1",
		DB_ARGS(db_int(study)), &instance, &found, e))
		return false;
	if (!found)
		return true;
	return owner_of(upsert_db(u), instance, &before, e) &&
	       make_anew(s, u, study, &made, e) &&
	       renew_patient(s, u, NULL, made, true, e) &&
	       (made.patient == before.patient ||
		   renew_patient(s, u, NULL, before, true, e));
}
