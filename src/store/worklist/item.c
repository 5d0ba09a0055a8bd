/*
 * Rows of table item: reading, writing, and what is done by hand.
 */
#include "store/worklist/item.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/limit.h"
#include "dicom/value.h"
#include "store/inside.h"
#include "store/worklist/item_inside.h"
#include "store/worklist/mpps.h"

/* Values of a row that are no fields: before and behind them. */
#define ARGS (FIELD_COUNT + 8)

static const char select_item[] =
    "SELECT id, status"
#define FIELD(id, name, type, room, segment, position, component) ", " #id
#include "hl7/fields.def"
#undef FIELD
    ", application, facility, created, changed FROM item WHERE id = ?";

static const char insert_item[] =
    "INSERT INTO item (status, name_key, application, facility, created,"
    " changed"
#define FIELD(id, name, type, room, segment, position, component) ", " #id
#include "hl7/fields.def"
#undef FIELD
    ") VALUES (?, ?, ?, ?, ?, ?"
#define FIELD(id, name, type, room, segment, position, component) ", ?"
#include "hl7/fields.def"
#undef FIELD
    ")";

static const char *const columns[] = {
#define FIELD(id, name, type, room, segment, position, component) #id,
#include "hl7/fields.def"
#undef FIELD
};

bool
item_fetch(struct db *db, int64_t id, struct arena *a, struct item *out,
    bool *found, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	int at = 2, f;

	*found = false;
	*out = (struct item){0};
	if (!db_query(db, select_item, DB_ARGS(db_int(id)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	out->id = db_column_int(q, 0);
	out->status = (enum order_status)db_column_int(q, 1);
	for (f = 0; f < FIELD_COUNT; f++)
		out->value[f] = arena_dup(a, db_column(q, at++));
	out->application = arena_dup(a, db_column(q, at++));
	out->facility = arena_dup(a, db_column(q, at++));
	out->created_ms = db_column_int(q, at++);
	out->changed_ms = db_column_int(q, at);
	db_reset(q);
	if ((size_t)out->status >= STATUS_COUNT)
		out->status = STATUS_SCHEDULED;
	if (a->over)
		return fail(e, ERR_LIMIT, "a worklist item that is too large");
	*found = true;
	return true;
}

bool
item_insert(struct db *db, const struct item_rules *rules,
    const struct item *item, int64_t *id, struct err *e)
{
	struct db_value args[ARGS];
	struct arena scratch;
	size_t n = 0, f;
	bool ok;

	arena_init(&scratch, 1 * MIB);
	args[n++] = db_int(item->status);
	args[n++] = db_str(pn_key(&scratch, item->value[FIELD_PatientName]));
	args[n++] = db_str(item->application);
	args[n++] = db_str(item->facility);
	args[n++] = db_int(item->created_ms);
	args[n++] = db_int(item->changed_ms);
	for (f = 0; f < FIELD_COUNT; f++)
		args[n++] = db_str(item->value[f]);
	ok = db_exec(db, insert_item, args, n, e);
	arena_fini(&scratch);
	if (!ok)
		return false;
	*id = db_last_id(db);
	return mpps_adopt(db, *id, item, rules->watch, e);
}

/* A statement that sets what differs, and its values. */
struct update {
	struct buf sql;
	struct db_value args[ARGS];
	size_t n;
};

static void
set(struct update *u, const char *column, struct db_value v)
{
	buf_printf(&u->sql, "%s%s = ?", u->n == 0 ? "" : ", ", column);
	u->args[u->n++] = v;
}

static bool
write_changes(struct db *db, struct arena *a, const struct item *old,
    const struct item *item, struct err *e)
{
	struct update u = {.n = 0};
	size_t f;
	bool ok;

	buf_init(&u.sql, 16 * KIB);
	buf_text(&u.sql, "UPDATE item SET ");
	set(&u, "changed", db_int(item->changed_ms));
	if (old->status != item->status)
		set(&u, "status", db_int(item->status));
	if (!str_eq(old->application, item->application))
		set(&u, "application", db_str(item->application));
	if (!str_eq(old->facility, item->facility))
		set(&u, "facility", db_str(item->facility));
	for (f = 0; f < FIELD_COUNT; f++) {
		if (str_eq(old->value[f], item->value[f]))
			continue;
		set(&u, columns[f], db_str(item->value[f]));
		if (f == FIELD_PatientName)
			set(&u, "name_key", db_str(pn_key(a, item->value[f])));
	}
	buf_text(&u.sql, " WHERE id = ?");
	u.args[u.n++] = db_int(item->id);
	ok = db_exec(db, buf_cstr(&u.sql), u.args, u.n, e);
	buf_fini(&u.sql);
	return ok;
}

/* Only what differs: each column written is an index written, too. */
bool
item_update(struct db *db, const struct item_rules *rules,
    const struct item *item, struct err *e)
{
	struct arena scratch;
	struct item old;
	bool found, ok;

	arena_init(&scratch, LIMIT_EXCHANGE);
	ok = item_fetch(db, item->id, &scratch, &old, &found, e);
	if (ok && !found)
		ok = fail(e, ERR_MISSING, "there is no worklist item %lld",
		    (long long)item->id);
	ok = ok && write_changes(db, &scratch, &old, item, e);
	arena_fini(&scratch);
	return ok && mpps_adopt(db, item->id, item, rules->watch, e);
}

enum field
item_lacks(const struct item *item)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++)
		if (field_info((enum field)f)->required &&
		    str_trim(item->value[f]).n == 0)
			break;
	return (enum field)f;
}

static bool
named(const char *list, struct str ae)
{
	struct str rest = str_from(list), one;

	if (str_eq_nocase(str_trim(rest), STR("all")))
		return true;
	while (str_split(&rest, ',', &one))
		if (ae.n > 0 && str_eq(str_trim(one), str_trim(ae)))
			return true;
	return false;
}

/* The root and digits of its own, 64 characters at most. */
static void
make_uid(const char *root, char out[UID_ROOM])
{
	char random[UID_ROOM];
	size_t n = strlen(root);
	struct str digits;

	while (n > 0 && root[n - 1] == '.')
		n--;
	/* "2.25." and up to 39 digits. */
	uid_new(random);
	if (n == 0 || n > UID_ROOM - 20 ||
	    str_eq(str_of(root, n), STR("2.25"))) {
		memcpy(out, random, UID_ROOM);
		return;
	}
	digits = str_from(random + 5);
	if (digits.n > UID_ROOM - 2 - n)
		digits.n = UID_ROOM - 2 - n;
	memcpy(out, root, n);
	out[n] = '.';
	(void)str_copy(out + n + 1, UID_ROOM - n - 1, digits);
}

static bool
sibling_uid(struct db *db, const struct item *item, struct arena *a,
    struct str *uid, struct err *e)
{
	const struct str *v = item->value;
	bool by_accession = v[FIELD_AccessionNumber].n > 0;
	struct db_stmt *q;
	enum db_step step;

	*uid = STR("");
	if (!by_accession && v[FIELD_PlacerOrderNumber].n == 0)
		return true;
	if (!db_query(db,
		by_accession
		    ? "SELECT StudyInstanceUID FROM item WHERE"
		      " AccessionNumber = ? AND +RequestedProcedureID = ?"
		      " AND +PatientID = ? AND +StudyInstanceUID <> '' LIMIT 1"
		    : "SELECT StudyInstanceUID FROM item WHERE"
		      " PlacerOrderNumber = ? AND +RequestedProcedureID = ?"
		      " AND +PatientID = ? AND +StudyInstanceUID <> '' LIMIT 1",
		DB_ARGS(db_str(v[by_accession ? FIELD_AccessionNumber
					      : FIELD_PlacerOrderNumber]),
		    db_str(v[FIELD_RequestedProcedureID]),
		    db_str(v[FIELD_PatientID])),
		&q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_ROW)
		*uid = arena_dup(a, db_column(q, 0));
	if (step == DB_STEP_ROW)
		db_reset(q);
	return step != DB_STEP_FAILED;
}

bool
item_study_uid(struct db *db, const struct item_rules *rules, struct arena *a,
    struct item *item, struct err *e)
{
	char made[UID_ROOM];
	struct str uid;

	if (item->value[FIELD_StudyInstanceUID].n > 0 ||
	    !named(rules->uid_for, item->value[FIELD_ScheduledStationAETitle]))
		return true;
	if (!sibling_uid(db, item, a, &uid, e))
		return false;
	if (uid.n == 0) {
		make_uid(rules->uid_root, made);
		uid = arena_dup(a, str_from(made));
	}
	item->value[FIELD_StudyInstanceUID] = uid;
	return true;
}

/* Work by hand: one item, one transaction. */
struct by_hand {
	const struct item_rules *rules;
	const struct item *item;
	int64_t id;
};

static bool
check(const struct item *item, struct err *e)
{
	enum field f = item_lacks(item);

	if (f != FIELD_COUNT)
		return fail(
		    e, ERR_USAGE, "%s is required", field_info(f)->name);
	return true;
}

static bool
new_row(struct upsert *u, void *ctx, struct err *e)
{
	struct by_hand *h = ctx;
	struct item item = *h->item;
	struct arena a;
	bool ok;

	arena_init(&a, 64 * KIB);
	item.created_ms = item.changed_ms = clock_utc_ms();
	if (item.status == STATUS_NONE)
		item.status = STATUS_SCHEDULED;
	if (item.value[FIELD_ScheduledProcedureStepID].n == 0)
		item.value[FIELD_ScheduledProcedureStepID] =
		    item.value[FIELD_RequestedProcedureID];
	ok = item_study_uid(upsert_db(u), h->rules, &a, &item, e) &&
	     item_insert(upsert_db(u), h->rules, &item, &h->id, e);
	arena_fini(&a);
	return ok;
}

bool
item_new(struct store *s, const struct item_rules *rules,
    const struct item *item, int64_t *id, struct err *e)
{
	struct by_hand h = {.rules = rules, .item = item};

	if (!check(item, e) ||
	    commit_run(s->commit, true, new_row, &h, e) != COMMIT_DONE)
		return false;
	*id = h.id;
	return true;
}

/* A Study Instance UID that a modality asks for. */
struct need {
	const struct item_rules *rules;
	const char *caller;
	struct arena *arena;
	struct item *item;
};

static bool
need_study(struct upsert *u, void *ctx, struct err *e)
{
	struct need *n = ctx;
	struct item item;
	struct str station;
	bool found;

	if (!item_fetch(upsert_db(u), n->item->id, n->arena, &item, &found, e))
		return false;
	if (!found)
		return true;
	station = item.value[FIELD_ScheduledStationAETitle];
	if (station.n == 0)
		item.value[FIELD_ScheduledStationAETitle] = str_from(n->caller);
	if (item.value[FIELD_StudyInstanceUID].n == 0) {
		if (!item_study_uid(
			upsert_db(u), n->rules, n->arena, &item, e) ||
		    !db_exec(upsert_db(u),
			"UPDATE item SET StudyInstanceUID = ? WHERE id = ?",
			DB_ARGS(db_str(item.value[FIELD_StudyInstanceUID]),
			    db_int(item.id)),
			e))
			return false;
	}
	n->item->value[FIELD_StudyInstanceUID] =
	    item.value[FIELD_StudyInstanceUID];
	return true;
}

bool
item_need_study(struct store *s, const struct item_rules *rules,
    const char *caller, struct arena *a, struct item *item, struct err *e)
{
	struct str station = item->value[FIELD_ScheduledStationAETitle];
	struct need n = {
	    .rules = rules, .caller = caller, .arena = a, .item = item};

	if (item->value[FIELD_StudyInstanceUID].n > 0 ||
	    !named(rules->uid_for, station.n > 0 ? station : str_from(caller)))
		return true;
	return commit_run(s->commit, true, need_study, &n, e) == COMMIT_DONE;
}

/* Another patient by hand: no undoing of a merge changes that. */
static bool
part_from_merges(struct db *db, const struct item *item, struct err *e)
{
	return db_exec(db, "DELETE FROM item_told WHERE item = ?",
		   DB_ARGS(db_int(item->id)), e) &&
	       db_exec(db,
		   "UPDATE item SET said_id = '', said_issuer = '' WHERE id = ?",
		   DB_ARGS(db_int(item->id)), e);
}

static bool
edit_row(struct upsert *u, void *ctx, struct err *e)
{
	struct by_hand *h = ctx;
	struct item item = *h->item, old;
	struct db *db = upsert_db(u);
	struct arena a;
	bool found, ok;

	arena_init(&a, 4 * MIB);
	item.changed_ms = clock_utc_ms();
	ok = item_fetch(db, item.id, &a, &old, &found, e);
	if (ok && found &&
	    (!str_eq(old.value[FIELD_PatientID], item.value[FIELD_PatientID]) ||
		!str_eq(old.value[FIELD_IssuerOfPatientID],
		    item.value[FIELD_IssuerOfPatientID])))
		ok = part_from_merges(db, &item, e);
	else if (ok && found)
		ok = item_said_itself(db, &old, &item, e);
	arena_fini(&a);
	return ok && item_update(db, h->rules, &item, e);
}

bool
item_edit(struct store *s, const struct item_rules *rules,
    const struct item *item, struct err *e)
{
	struct by_hand h = {.rules = rules, .item = item};

	return check(item, e) &&
	       commit_run(s->commit, true, edit_row, &h, e) == COMMIT_DONE;
}

static bool
delete_row(struct upsert *u, void *ctx, struct err *e)
{
	int64_t id = *(int64_t *)ctx;

	if (!db_exec(upsert_db(u), "DELETE FROM item WHERE id = ?",
		DB_ARGS(db_int(id)), e))
		return false;
	if (db_changes(upsert_db(u)) == 0)
		return fail(e, ERR_MISSING, "there is no worklist item %lld",
		    (long long)id);
	return true;
}

bool
item_delete(struct store *s, int64_t id, struct err *e)
{
	return commit_run(s->commit, true, delete_row, &id, e) == COMMIT_DONE;
}

bool
item_find(struct store *s, int64_t id, struct arena *a, struct item *out,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	bool found = false, ok;

	if (db == NULL)
		return false;
	ok = item_fetch(db, id, a, out, &found, e);
	store_reader_done(s, db);
	if (ok && !found)
		return fail(e, ERR_MISSING, "there is no worklist item %lld",
		    (long long)id);
	return ok;
}
