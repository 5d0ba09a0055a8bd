/*
 * Table hl7_journal: reading and clearing. It is written by item_take.c.
 */
#include "store/worklist/journal.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/utf8.h"
#include "hl7/er7.h"
#include "store/inside.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

/* Entries removed in one transaction. */
#define EXPIRE_AT_ONCE 1000

static void
read_entry(struct db_stmt *q, struct journal_entry *out)
{
	*out = (struct journal_entry){
	    .id = db_column_int(q, 0),
	    .sent = db_column_int(q, 1) != 0,
	    .when_ms = db_column_int(q, 2),
	};
	(void)str_copy(out->source, sizeof(out->source), db_column(q, 3));
	(void)str_copy(
	    out->application, sizeof(out->application), db_column(q, 4));
	(void)str_copy(out->facility, sizeof(out->facility), db_column(q, 5));
	(void)str_copy(
	    out->control_id, sizeof(out->control_id), db_column(q, 6));
	(void)str_copy(out->type, sizeof(out->type), db_column(q, 7));
	(void)str_copy(out->outcome, sizeof(out->outcome), db_column(q, 8));
	(void)str_copy(out->reason, sizeof(out->reason), db_column(q, 9));
}

#define HEAD                                                                   \
	"SELECT id, sent, at, source, application, facility, control, type,"   \
	" outcome, reason FROM hl7_journal "

/* The last of the arguments is max. */
static bool
list(struct store *s, const char *sql, const struct db_value *args,
    size_t arg_n, size_t max, struct arena *a, struct journal_entry **out,
    size_t *n, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct db_stmt *q;

	*n = 0;
	if (db == NULL)
		return false;
	*out = arena_array(a, max, sizeof(**out));
	if (*out == NULL && max > 0)
		(void)fail(e, ERR_LIMIT, "too many entries at once");
	else if (db_query(db, sql, args, arg_n, &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW)
			read_entry(q, &(*out)[(*n)++]);
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

bool
journal_list(struct store *s, bool failed_only, int64_t since_ms, size_t max,
    struct arena *a, struct journal_entry **out, size_t *n, struct err *e)
{
	return list(s,
	    failed_only ? HEAD "WHERE outcome IN ('refused', 'rejected')"
			       " AND at >= ? ORDER BY at DESC, id DESC LIMIT ?"
			: HEAD "WHERE at >= ? ORDER BY at DESC, id DESC"
			       " LIMIT ?",
	    DB_ARGS(db_int(since_ms), db_int((int64_t)max)), max, a, out, n, e);
}

bool
journal_between(struct store *s, const char *source, int64_t from_ms,
    int64_t to_ms, size_t max, struct arena *a, struct journal_entry **out,
    size_t *n, struct err *e)
{
	return list(s,
	    HEAD "WHERE at >= ? AND at <= ? AND source = ? AND sent = 0"
		 " ORDER BY at, id LIMIT ?",
	    DB_ARGS(db_int(from_ms), db_int(to_ms), db_text(source),
		db_int((int64_t)max)),
	    max, a, out, n, e);
}

bool
journal_find(struct store *s, int64_t id, struct arena *a,
    struct journal_entry *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct db_stmt *q;
	enum db_step step = DB_STEP_FAILED;

	if (db == NULL)
		return false;
	if (db_query(db,
		"SELECT id, sent, at, source, application, facility, control,"
		" type, outcome, reason, raw FROM hl7_journal WHERE id = ?",
		DB_ARGS(db_int(id)), &q, e)) {
		step = db_step(q, e);
		if (step == DB_STEP_ROW) {
			read_entry(q, out);
			out->raw = arena_dup(a, db_column(q, 10));
			db_reset(q);
		}
	}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE)
		return fail(e, ERR_MISSING, "there is no journal entry %lld",
		    (long long)id);
	if (step == DB_STEP_ROW && a->over)
		return fail(e, ERR_LIMIT, "a message that is too large");
	return step == DB_STEP_ROW;
}

struct sent {
	const char *to, *reason;
	struct str raw, application, facility, control;
	char type[16];
	uint8_t hash[32];
	bool taken;
};

static bool
note_sent(struct upsert *u, void *ctx, struct err *e)
{
	const struct sent *m = ctx;

	return db_exec(upsert_db(u),
	    "INSERT INTO hl7_journal (sent, at, source, application, facility,"
	    " control, type, outcome, reason, hash, raw)"
	    " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    DB_ARGS(db_int(clock_utc_ms()), db_text(m->to),
		db_str(m->application), db_str(m->facility), db_str(m->control),
		db_text(m->type), db_text(m->taken ? "sent" : "declined"),
		db_text(m->reason), db_blob(str_of(m->hash, sizeof(m->hash))),
		db_blob(m->raw)),
	    e);
}

static void
describe(struct arena *a, struct sent *m)
{
	struct er7_message message;
	struct str type, event;
	struct err e;

	if (!er7_parse(a, m->raw, "UTF-8", &message, &e))
		return;
	m->application = str_trim(er7_get(a, &message, "MSH", 3, 1));
	m->facility = str_trim(er7_get(a, &message, "MSH", 4, 1));
	m->control = str_trim(er7_get(a, &message, "MSH", 10, 1));
	type = utf8_cut(er7_get(a, &message, "MSH", 9, 1), 7);
	event = utf8_cut(er7_get(a, &message, "MSH", 9, 2), 7);
	snprintf(m->type, sizeof(m->type), "%.*s%s%.*s", STR_ARG(type),
	    event.n > 0 ? "^" : "", STR_ARG(event));
}

bool
journal_sent(struct store *s, const char *to, struct str raw, bool taken,
    const char *reason, struct err *e)
{
	struct sent m = {
	    .to = to, .reason = reason, .raw = raw, .taken = taken};
	struct arena a;
	bool ok;

	arena_init(&a, LIMIT_HL7_FRAME);
	describe(&a, &m);
	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, raw.p, raw.n, m.hash) == 0);
	ok = commit_run(s->commit, false, note_sent, &m, e) == COMMIT_DONE;
	arena_fini(&a);
	return ok;
}

struct expiry {
	int64_t before_ms, n;
};

static bool
expire_some(struct upsert *u, void *ctx, struct err *e)
{
	struct expiry *x = ctx;

	if (!db_exec(upsert_db(u),
		"DELETE FROM hl7_journal WHERE id IN (SELECT id FROM"
		" hl7_journal WHERE at < ? AND outcome NOT IN ('refused',"
		" 'rejected') LIMIT ?)",
		DB_ARGS(db_int(x->before_ms), db_int(EXPIRE_AT_ONCE)), e))
		return false;
	x->n = db_changes(upsert_db(u));
	return true;
}

bool
journal_expire(struct store *s, int64_t before_ms, struct err *e)
{
	struct expiry x = {.before_ms = before_ms};

	do {
		if (commit_run(s->commit, true, expire_some, &x, e) !=
		    COMMIT_DONE)
			return false;
	} while (x.n == EXPIRE_AT_ONCE);
	return true;
}
