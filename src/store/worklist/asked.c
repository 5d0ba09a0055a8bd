/*
 * The table worklist_query, and what of it is still to be written.
 *
 * The memory is a small hash table without chains: a query that finds another
 * in its place takes it over, and costs a row more than needed.
 */
#include "store/worklist/asked.h"

#include "base/clock.h"
#include "store/inside.h"

/* Places: modalities of a large hospital ask one or two queries each. */
#define PLACES 1024
/* How often a query that repeats is written. */
#define REPEAT_MS 60000
/* Rows written in a second, whoever asks whatever how often. */
#define WRITES_A_SECOND 10
#define KEPT_OF_EACH    5
#define KEPT            2000

struct place {
	uint64_t key;
	int64_t written_ms; /* 0: never */
	uint64_t waiting;   /* times since */
	uint64_t answers;
};

struct asked_memory {
	struct mutex lock;
	int64_t second;
	unsigned writes; /* in this second */
	struct place places[PLACES];
};

struct asked_memory *
asked_memory_new(void)
{
	struct asked_memory *m = must_zalloc(sizeof(*m));

	mutex_init(&m->lock);
	return m;
}

void
asked_memory_free(struct asked_memory **m)
{
	if (*m == NULL)
		return;
	mutex_fini(&(*m)->lock);
	free(*m);
	*m = NULL;
}

/* FNV-1a: the same in every process. Whoever makes two queries of one hash
 * sees one of them. */
static uint64_t
hash(struct str s, uint64_t h)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3U;
	return h;
}

/* How many times are to be written now; 0: nothing is. */
static uint64_t
due(struct asked_memory *m, const struct asked *q, uint64_t key)
{
	struct place *p = &m->places[key % PLACES];
	int64_t now = clock_mono_ms() + 1;
	uint64_t times;

	if (p->key != key)
		*p = (struct place){.key = key};
	p->waiting++;
	if (p->written_ms != 0 && p->answers == q->answers &&
	    now - p->written_ms < REPEAT_MS)
		return 0;
	if (m->second != now / 1000) {
		m->second = now / 1000;
		m->writes = 0;
	}
	if (m->writes++ >= WRITES_A_SECOND)
		return 0;
	times = p->waiting;
	p->waiting = 0;
	p->written_ms = now;
	p->answers = q->answers;
	return times;
}

/* A query on its way to the table. */
struct asked_row {
	struct asked q;
	int64_t hash;
	char note[1 + sizeof(((struct asked *)0)->failed)];
	size_t n;
	uint8_t identifier[ASKED_IDENTIFIER];
};

static bool
put(struct upsert *u, void *ctx, struct err *e)
{
	const struct asked_row *r = ctx;
	struct db *db = upsert_db(u);

	return db_exec(db,
		   "INSERT INTO worklist_query (ae, address, hash, identifier,"
		   " first, last, count, answers, took, note)"
		   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		   " ON CONFLICT (ae, hash) DO UPDATE SET"
		   " address = excluded.address, last = excluded.last,"
		   " identifier = excluded.identifier,"
		   " count = count + excluded.count,"
		   " answers = excluded.answers, took = excluded.took,"
		   " note = excluded.note",
		   DB_ARGS(db_text(r->q.ae), db_text(r->q.address),
		       db_int(r->hash), db_blob(str_of(r->identifier, r->n)),
		       db_int(r->q.last_ms), db_int(r->q.last_ms),
		       db_int((int64_t)r->q.count),
		       db_int((int64_t)r->q.answers), db_int(r->q.took_us),
		       db_text(r->note)),
		   e) &&
	       db_exec(db,
		   "DELETE FROM worklist_query WHERE ae = ? AND id NOT IN"
		   " (SELECT id FROM worklist_query WHERE ae = ?"
		   " ORDER BY last DESC, id DESC LIMIT ?)",
		   DB_ARGS(db_text(r->q.ae), db_text(r->q.ae),
		       db_int(KEPT_OF_EACH)),
		   e) &&
	       db_exec(db,
		   "DELETE FROM worklist_query WHERE id IN (SELECT id FROM"
		   " worklist_query ORDER BY last DESC, id DESC"
		   " LIMIT -1 OFFSET ?)",
		   DB_ARGS(db_int(KEPT)), e);
}

/* The column note: what held, or behind this mark why it failed. */
#define FAILED '!'

static void
make_note(const struct asked *q, char *out, size_t room)
{
	if (q->failed[0] != '\0')
		snprintf(out, room, "%c%s", FAILED, q->failed);
	else
		(void)str_copy(out, room, str_from(q->rules));
}

void
asked_note(struct store *s, const struct asked *asked)
{
	uint64_t key, h;
	struct asked_row row;

	if (asked->identifier.n > ASKED_IDENTIFIER)
		return;
	make_note(asked, row.note, sizeof(row.note));
	h = hash(asked->identifier, 0xcbf29ce484222325U);
	h = hash(str_from(asked->failed), h);
	key = hash(str_from(asked->ae), h);
	mutex_lock(&s->asked->lock);
	row.q = *asked;
	row.q.count = due(s->asked, asked, key);
	mutex_unlock(&s->asked->lock);
	if (row.q.count == 0)
		return;
	row.q.last_ms = clock_utc_ms();
	row.hash = (int64_t)(h >> 1);
	row.n = asked->identifier.n;
	if (row.n > 0)
		memcpy(row.identifier, asked->identifier.p, row.n);
	commit_later(s->commit, put, &row,
	    offsetof(struct asked_row, identifier) + row.n);
}

static void
read_row(struct db_stmt *q, struct arena *a, struct asked *out)
{
	struct str note;

	*out = (struct asked){.first_ms = db_column_int(q, 3),
	    .last_ms = db_column_int(q, 4),
	    .count = (uint64_t)db_column_int(q, 5),
	    .answers = (uint64_t)db_column_int(q, 6),
	    .took_us = db_column_int(q, 7)};
	(void)str_copy(out->ae, sizeof(out->ae), db_column(q, 0));
	(void)str_copy(out->address, sizeof(out->address), db_column(q, 1));
	out->identifier = arena_dup(a, db_column(q, 2));
	note = db_column(q, 8);
	if (note.n > 0 && note.p[0] == FAILED)
		(void)str_copy(out->failed, sizeof(out->failed),
		    str_of(note.p + 1, note.n - 1));
	else
		(void)str_copy(out->rules, sizeof(out->rules), note);
}

static const char of_one[] =
    "SELECT ae, address, identifier, first, last, count, answers, took,"
    " note FROM worklist_query WHERE ae = ? ORDER BY last DESC, id DESC LIMIT ?";
static const char of_each[] =
    "SELECT ae, address, identifier, first, last, count, answers, took,"
    " note FROM worklist_query WHERE ? = '' AND id IN (SELECT (SELECT id FROM"
    " worklist_query AS q WHERE q.ae = w.ae ORDER BY last DESC, id DESC"
    " LIMIT 1) FROM worklist_query AS w GROUP BY ae)"
    " ORDER BY last DESC, id DESC LIMIT ?";

bool
asked_list(struct store *s, const char *ae, size_t max, struct arena *a,
    struct asked **out, size_t *n, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct db_stmt *q;

	*n = 0;
	*out = NULL;
	if (db == NULL)
		return false;
	*out = arena_array(a, max, sizeof(**out));
	if (*out != NULL &&
	    db_query(db, ae != NULL ? of_one : of_each,
		DB_ARGS(db_text(ae != NULL ? ae : ""), db_int((int64_t)max)),
		&q, e)) {
		while ((step = db_step(q, e)) == DB_STEP_ROW && *n < max)
			read_row(q, a, &(*out)[(*n)++]);
		if (step == DB_STEP_ROW)
			db_reset(q);
	}
	store_reader_done(s, db);
	if (*out == NULL || a->over)
		return fail(e, ERR_LIMIT, "too many queries at once");
	return step != DB_STEP_FAILED;
}
