/*
 * Messages take effect: a batch in one flushed transaction, each message in a
 * savepoint of its own, its entry in the journal beside it. What is refused
 * leaves nothing but that entry.
 */
#include "base/clock.h"
#include "store/inside.h"
#include "store/worklist/item_inside.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdarg.h>

#define HASH 32
/* The same message again within these days is the same message. */
#define REPEAT_MS (7 * 24 * 60 * 60 * 1000LL)
/* Rows and candidates of one message; given back after each. */
#define MESSAGE_ARENA (16 * MIB)

struct batch {
	const struct item_rules *rules;
	struct item_message *messages;
	uint8_t (*hashes)[HASH];
	size_t n;
};

bool
item_refuse(struct item_effect *x, unsigned code, const char *segment,
    unsigned field, const char *format, ...)
{
	struct order_problem *p = x->problem;
	va_list args;

	*p = (struct order_problem){
	    .code = code, .sequence = segment[0] != '\0', .field = field};
	(void)str_copy(p->segment, sizeof(p->segment), str_from(segment));
	va_start(args, format);
	vsnprintf(p->text, sizeof(p->text), format, args);
	va_end(args);
	x->refused = true;
	return true;
}

static struct str
application_of(const struct item_message *m)
{
	return m->order != NULL ? m->order->application : STR("");
}

static struct str
facility_of(const struct item_message *m)
{
	return m->order != NULL ? m->order->facility : STR("");
}

static struct str
control_of(const struct item_message *m)
{
	return m->order != NULL ? m->order->control_id : STR("");
}

static bool
is_repeated(struct db *db, const struct item_message *m, const uint8_t *hash,
    int64_t now_ms, bool *repeated, struct err *e)
{
	int64_t id;

	*repeated = false;
	if (m->replay || m->replays != 0 || m->problem != NULL)
		return true;
	return db_get_int(db,
	    "SELECT id FROM hl7_journal WHERE hash = ? AND control = ?"
	    " AND application = ? AND facility = ? AND at > ? AND sent = 0"
	    /* Without a control id, what gave it is a part of its name. */
	    " AND (control <> '' OR source = ?)"
	    " AND outcome IN ('applied', 'repeated') LIMIT 1",
	    DB_ARGS(db_blob(str_of(hash, HASH)), db_str(control_of(m)),
		db_str(application_of(m)), db_str(facility_of(m)),
		db_int(now_ms - REPEAT_MS), db_text(m->source)),
	    &id, repeated, e);
}

static const char *
outcome_text(const struct item_message *m)
{
	if (m->outcome == ITEM_APPLIED)
		return "applied";
	if (m->outcome == ITEM_REPEATED)
		return "repeated";
	return m->refused.reject ? "rejected" : "refused";
}

/* As if it took effect; corrected when it does not. */
static bool
enter(struct db *db, struct item_message *m, const uint8_t *hash,
    int64_t now_ms, struct err *e)
{
	struct str type = m->order != NULL ? m->order->type : STR("");
	struct str event = m->order != NULL ? m->order->event : STR("");
	char name[16];

	snprintf(name, sizeof(name), "%.*s%s%.*s",
	    (int)(type.n < 7 ? type.n : 7), (const char *)type.p,
	    event.n > 0 ? "^" : "", (int)(event.n < 7 ? event.n : 7),
	    (const char *)event.p);
	if (!db_exec(db,
		"INSERT INTO hl7_journal (sent, at, source, application,"
		" facility, control, type, outcome, reason, hash, raw)"
		" VALUES (0, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)",
		DB_ARGS(db_int(now_ms), db_text(m->source),
		    db_str(application_of(m)), db_str(facility_of(m)),
		    db_str(control_of(m)), db_text(name),
		    db_text(outcome_text(m)), db_blob(str_of(hash, HASH)),
		    db_blob(m->raw)),
		e))
		return false;
	m->journal_id = db_last_id(db);
	return true;
}

static bool
enter_refusal(struct db *db, const struct item_message *m, struct err *e)
{
	return db_exec(db,
	    "UPDATE hl7_journal SET outcome = ?, reason = ? WHERE id = ?",
	    DB_ARGS(db_text(outcome_text(m)), db_text(m->refused.text),
		db_int(m->journal_id)),
	    e);
}

static bool
take_effect(struct item_effect *x, struct err *e)
{
	switch (x->order->kind) {
	case ORDER_KIND_STEPS:
		return item_apply_steps(x, e);
	case ORDER_KIND_PATIENT:
		return item_apply_patient(x, e);
	case ORDER_KIND_MERGE:
		return item_apply_merges(x, e);
	case ORDER_KIND_REPORT:
		return item_apply_report(x, e);
	case ORDER_KIND_ACK:
	case ORDER_KIND_NOTHING:
		break;
	}
	return true;
}

/* In a savepoint, which is undone when the message is refused: what is counted
 * in memory is not to be undone with it. */
static bool
try_effect(struct item_effect *x, struct err *e)
{
	if (!upsert_end(x->upsert, e) ||
	    !db_exec(x->db, "SAVEPOINT message", DB_NO_ARGS, e))
		return false;
	if (!take_effect(x, e)) {
		/* It would come again and again, and the others with it. */
		if (e->code != ERR_LIMIT)
			return false;
		item_refuse(x, 207, "", 0, "%s", e->text);
	}
	if (x->refused && !db_exec(x->db, "ROLLBACK TO message", DB_NO_ARGS, e))
		return false;
	return db_exec(x->db, "RELEASE message", DB_NO_ARGS, e);
}

/* What has been journalled takes effect, unless it is a repetition. */
static bool
effect(struct upsert *u, const struct batch *b, struct item_message *m,
    struct arena *a, int64_t now_ms, struct err *e)
{
	struct item_effect x = {
	    .upsert = u,
	    .db = upsert_db(u),
	    .rules = b->rules,
	    .order = m->order,
	    .arena = a,
	    .problem = &m->refused,
	    .now_ms = now_ms,
	    .journal_id = m->journal_id,
	};

	if (m->outcome == ITEM_REPEATED)
		return true;
	if (m->problem != NULL) {
		x.refused = true;
		m->refused = *m->problem;
	} else if (!try_effect(&x, e)) {
		return false;
	}
	if (!x.refused)
		return x.remark == NULL ||
		       db_exec(x.db,
			   "UPDATE hl7_journal SET reason = ? WHERE id = ?",
			   DB_ARGS(db_text(x.remark), db_int(m->journal_id)),
			   e);
	m->outcome = ITEM_REFUSED;
	return enter_refusal(x.db, m, e);
}

static bool
take_one(struct upsert *u, const struct batch *b, size_t i, struct arena *a,
    struct err *e)
{
	struct item_message *m = &b->messages[i];
	int64_t now_ms = clock_utc_ms();
	bool repeated;

	m->refused = (struct order_problem){0};
	if (!is_repeated(upsert_db(u), m, b->hashes[i], now_ms, &repeated, e))
		return false;
	m->outcome = repeated ? ITEM_REPEATED : ITEM_APPLIED;
	if (!enter(upsert_db(u), m, b->hashes[i], now_ms, e) ||
	    !effect(u, b, m, a, now_ms, e))
		return false;
	/* What came of it stands in the new entry. */
	return m->replays == 0 ||
	       db_exec(upsert_db(u),
		   "UPDATE hl7_journal SET outcome = 'replayed' WHERE id = ?"
		   " AND outcome IN ('refused', 'rejected')",
		   DB_ARGS(db_int(m->replays)), e);
}

static bool
take_all(struct upsert *u, void *ctx, struct err *e)
{
	struct batch *b = ctx;
	struct arena a;
	bool ok = true;
	size_t i;

	arena_init(&a, MESSAGE_ARENA);
	for (i = 0; i < b->n && ok; i++) {
		arena_reset(&a);
		ok = take_one(u, b, i, &a, e);
	}
	arena_fini(&a);
	return ok;
}

bool
item_take(struct store *s, const struct item_rules *rules,
    struct item_message *messages, size_t n, struct err *e)
{
	struct batch b = {.rules = rules, .messages = messages, .n = n};
	size_t i;
	bool ok;

	if (n == 0)
		return true;
	if (!store_room(s, 0, e))
		return false;
	b.hashes = must_alloc(n * sizeof(*b.hashes));
	for (i = 0; i < n; i++)
		must(gnutls_hash_fast(GNUTLS_DIG_SHA256, messages[i].raw.p,
			 messages[i].raw.n, b.hashes[i]) == 0);
	ok = commit_run(s->commit, true, take_all, &b, e) == COMMIT_DONE;
	free(b.hashes);
	return ok;
}
