/*
 * Tables mpps, mpps_step (what each is about) and mpps_item (the items that
 * found). A trigger removes links of items that are deleted.
 */
#include "store/worklist/mpps.h"

#include "base/clock.h"
#include "store/inside.h"
#include "store/worklist/item_inside.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))
/* For reports and reconciliation; the item itself goes by its own rules. */
#define KEEP_MS (365 * DAY_MS)
/* Rows removed in one transaction. */
#define FORGET_AT_ONCE 100
/* An item that comes later than this is of another exam: accession numbers
 * are used again. */
#define ADOPT_MS (30 * DAY_MS)
/* Items of one study or order; real ones have some. */
#define ITEMS_MOST 200
/* Characters of an SH (PS3.5 6.2), to which values were cut on the wire. */
#define SH_ROOM  "16"
#define SH_BYTES 16

struct change {
	const struct mpps *m;
	const struct item_watch *watch;
	struct mpps_outcome *out;
	int64_t id, now_ms;
	/* Who it is; and who it said, if merges lead from there. */
	struct str patient, said;
};

struct found {
	int64_t ids[ITEMS_MOST];
	size_t n;
};

static bool
collect(struct db *db, const char *sql, const struct db_value *args,
    size_t count, struct found *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	out->n = 0;
	if (!db_query(db, sql, args, count, &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW && out->n < ITEMS_MOST)
		out->ids[out->n++] = db_column_int(q, 0);
	if (step == DB_STEP_ROW)
		db_reset(q);
	return step != DB_STEP_FAILED;
}

/* Such characters are up to four bytes long. */
struct str
item_sh_end(struct str value, uint8_t room[ITEM_SH_ROOM])
{
	if (value.n < SH_BYTES || value.n >= ITEM_SH_ROOM)
		return value;
	memcpy(room, value.p, value.n);
	room[value.n] = 0xff;
	return str_of(room, value.n + 1);
}

bool
item_tell(
    struct db *db, int64_t id, const struct item_watch *watch, struct err *e)
{
	struct item item;
	struct arena a;
	bool found, ok;

	if (watch == NULL || watch->changed == NULL)
		return true;
	arena_init(&a, 4 * MIB);
	ok = item_fetch(db, id, &a, &item, &found, e) &&
	     (!found || watch->changed(watch->ctx, db, &item, e));
	arena_fini(&a);
	return ok;
}

/* With a step ID. */
static bool
find_step(struct db *db, const struct mpps_step *s, struct str patient,
    struct found *out, struct err *e)
{
	uint8_t room[ITEM_SH_ROOM];

	out->n = 0;
	if (s->study.n > 0 &&
	    !collect(db,
		"SELECT id FROM item WHERE StudyInstanceUID = ? AND"
		" substr(ScheduledProcedureStepID, 1, " SH_ROOM ") ="
		" substr(?, 1, " SH_ROOM ")",
		DB_ARGS(db_str(s->study), db_str(s->step_id)), out, e))
		return false;
	if (out->n == 0 && s->accession.n > 0 &&
	    !collect(db,
		"SELECT id FROM item WHERE AccessionNumber >= ? AND"
		" AccessionNumber <= ? AND"
		" substr(ScheduledProcedureStepID, 1, " SH_ROOM ") ="
		" substr(?, 1, " SH_ROOM ") AND (? = '' OR +PatientID = ?)",
		DB_ARGS(db_str(s->accession),
		    db_str(item_sh_end(s->accession, room)), db_str(s->step_id),
		    db_str(patient), db_str(patient)),
		out, e))
		return false;
	if (out->n == 0 && s->procedure_id.n > 0 && patient.n > 0 &&
	    !collect(db,
		"SELECT id FROM item WHERE PatientID = ? AND"
		" substr(ScheduledProcedureStepID, 1, " SH_ROOM ") ="
		" substr(?, 1, " SH_ROOM ") AND"
		" substr(RequestedProcedureID, 1, " SH_ROOM ") ="
		" substr(?, 1, " SH_ROOM ")",
		DB_ARGS(db_str(patient), db_str(s->step_id),
		    db_str(s->procedure_id)),
		out, e))
		return false;
	return true;
}

/* By study or accession number alone; only: where that is one item. */
static bool
find_all(struct db *db, const struct mpps_step *s, struct str patient,
    bool only, struct found *out, struct err *e)
{
	uint8_t room[ITEM_SH_ROOM];

	out->n = 0;
	if (s->study.n > 0 &&
	    !collect(db, "SELECT id FROM item WHERE StudyInstanceUID = ?",
		DB_ARGS(db_str(s->study)), out, e))
		return false;
	if (out->n == 0 && s->accession.n > 0 &&
	    !collect(db,
		"SELECT id FROM item WHERE AccessionNumber >= ? AND"
		" AccessionNumber <= ? AND (? = '' OR +PatientID = ?)",
		DB_ARGS(db_str(s->accession),
		    db_str(item_sh_end(s->accession, room)), db_str(patient),
		    db_str(patient)),
		out, e))
		return false;
	if (only && out->n > 1)
		out->n = 0;
	return true;
}

static bool
find_items(struct db *db, const struct mpps_step *s, struct str patient,
    struct found *out, struct err *e)
{
	if (s->step_id.n == 0)
		return find_all(db, s, patient, false, out, e);
	if (!find_step(db, s, patient, out, e))
		return false;
	return out->n > 0 || find_all(db, s, patient, true, out, e);
}

static bool
link_step(struct db *db, int64_t id, int64_t seq, const struct mpps_step *s,
    struct str patient, struct err *e)
{
	struct found found;
	size_t i;

	if (!find_items(db, s, patient, &found, e))
		return false;
	if (found.n == 0)
		return true;
	for (i = 0; i < found.n; i++)
		if (!db_exec(db,
			"INSERT INTO mpps_item (item, mpps) VALUES (?, ?)"
			" ON CONFLICT DO NOTHING",
			DB_ARGS(db_int(found.ids[i]), db_int(id)), e))
			return false;
	return db_exec(db,
	    "UPDATE mpps_step SET matched = 1 WHERE mpps = ? AND seq = ?",
	    DB_ARGS(db_int(id), db_int(seq)), e);
}

/* Of all exams linked to the item. */
static bool
status_of(struct db *db, int64_t item, enum order_status *out, struct err *e)
{
	bool progress = false, completed = false, discontinued = false;
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT m.state, m.wrong FROM mpps_item l"
		" JOIN mpps m ON m.id = l.mpps WHERE l.item = ?",
		DB_ARGS(db_int(item)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		progress |= db_column_int(q, 0) == MPPS_IN_PROGRESS;
		completed |= db_column_int(q, 0) == MPPS_COMPLETED;
		discontinued |= db_column_int(q, 0) == MPPS_DISCONTINUED &&
				db_column_int(q, 1) == 0;
	}
	*out = progress       ? STATUS_STARTED
	       : completed    ? STATUS_COMPLETED
	       : discontinued ? STATUS_DISCONTINUED
			      : STATUS_SCHEDULED;
	return step == DB_STEP_DONE;
}

static bool
settle_item(struct db *db, int64_t item, const struct item_watch *watch,
    struct mpps_outcome *out, struct err *e)
{
	enum order_status to;

	if (!status_of(db, item, &to, e) ||
	    !db_exec(db,
		"UPDATE item SET status = ?, changed = ? WHERE id = ?"
		" AND status NOT IN (?, ?, ?)",
		DB_ARGS(db_int(to), db_int(clock_utc_ms()), db_int(item),
		    db_int(to), db_int(STATUS_COMPLETED),
		    db_int(STATUS_CANCELED)),
		e))
		return false;
	out->linked++;
	if (db_changes(db) == 0)
		return true;
	out->changed++;
	return item_tell(db, item, watch, e);
}

static bool
settle(struct db *db, const struct change *c, struct err *e)
{
	struct found found;
	size_t i;

	*c->out = (struct mpps_outcome){0};
	if (!collect(db, "SELECT item FROM mpps_item WHERE mpps = ?",
		DB_ARGS(db_int(c->id)), &found, e))
		return false;
	for (i = 0; i < found.n; i++)
		if (!settle_item(db, found.ids[i], c->watch, c->out, e))
			return false;
	return true;
}

static bool
forget_old(struct db *db, int64_t now_ms, struct err *e)
{
	struct found found;
	size_t i;

	if (!collect(db,
		"SELECT id FROM mpps WHERE created < ? ORDER BY created"
		" LIMIT ?",
		DB_ARGS(db_int(now_ms - KEEP_MS), db_int(FORGET_AT_ONCE)),
		&found, e))
		return false;
	for (i = 0; i < found.n; i++)
		if (!db_exec(db, "DELETE FROM mpps WHERE id = ?",
			DB_ARGS(db_int(found.ids[i])), e))
			return false;
	return true;
}

/* An exam under the ID of one who was merged is about whom he was merged
 * into. */
static bool
lead(struct db *db, struct arena *a, struct change *c, struct err *e)
{
	struct person came = {c->m->patient_id, STR("")}, is;

	if (!person_resolve(db, a, &came, &is, e))
		return false;
	c->patient = is.id;
	c->said = str_eq(is.id, came.id) ? STR("") : came.id;
	return true;
}

static bool
insert_row(struct db *db, struct change *c, struct err *e)
{
	const struct mpps *m = c->m;
	int64_t id;
	bool found;

	if (!db_get_int(db, "SELECT id FROM mpps WHERE SOPInstanceUID = ?",
		DB_ARGS(db_text(m->uid)), &id, &found, e))
		return false;
	if (found)
		return fail(e, ERR_CONFLICT,
		    "there is a procedure step of this UID already");
	if (!db_exec(db,
		"INSERT INTO mpps (SOPInstanceUID, ae, state, wrong, revision,"
		" PatientID, said_id, PatientName, Modality, charset, data,"
		" created, changed)"
		" VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)",
		DB_ARGS(db_text(m->uid), db_text(m->ae), db_int(m->state),
		    db_int(m->wrong_entry), db_str(c->patient), db_str(c->said),
		    db_str(m->patient_name), db_str(m->modality),
		    db_str(m->charset), db_blob(m->data), db_int(c->now_ms),
		    db_int(c->now_ms)),
		e))
		return false;
	c->id = db_last_id(db);
	return true;
}

static bool
insert_step(struct db *db, int64_t id, int64_t seq, const struct mpps_step *s,
    struct err *e)
{
	return db_exec(db,
	    "INSERT INTO mpps_step (mpps, seq, StudyInstanceUID,"
	    " AccessionNumber, RequestedProcedureID, ScheduledProcedureStepID,"
	    " matched) VALUES (?, ?, ?, ?, ?, ?, 0)",
	    DB_ARGS(db_int(id), db_int(seq), db_str(s->study),
		db_str(s->accession), db_str(s->procedure_id),
		db_str(s->step_id)),
	    e);
}

static bool
create(struct upsert *u, void *ctx, struct err *e)
{
	struct change *c = ctx;
	struct db *db = upsert_db(u);
	struct arena a;
	bool ok;
	size_t i;

	c->now_ms = clock_utc_ms();
	arena_init(&a, 1 * MIB);
	ok = forget_old(db, c->now_ms, e) && lead(db, &a, c, e) &&
	     insert_row(db, c, e);
	for (i = 0; ok && i < c->m->step_count; i++)
		ok = insert_step(db, c->id, (int64_t)i, &c->m->steps[i], e) &&
		     link_step(
			 db, c->id, (int64_t)i, &c->m->steps[i], c->patient, e);
	arena_fini(&a);
	return ok && settle(db, c, e);
}

bool
mpps_create(struct store *s, const struct mpps *m,
    const struct item_watch *watch, struct mpps_outcome *out, struct err *e)
{
	struct change c = {.m = m, .watch = watch, .out = out};

	return store_room(s, m->data.n, e) &&
	       commit_run(s->commit, true, create, &c, e) == COMMIT_DONE;
}

static bool
update(struct upsert *u, void *ctx, struct err *e)
{
	struct change *c = ctx;
	struct db *db = upsert_db(u);
	const struct mpps *m = c->m;
	bool found;

	if (!db_exec(db,
		"UPDATE mpps SET state = ?, wrong = ?, data = ?, changed = ?,"
		" revision = revision + 1 WHERE SOPInstanceUID = ?"
		" AND revision = ? AND state = ?",
		DB_ARGS(db_int(m->state), db_int(m->wrong_entry),
		    db_blob(m->data), db_int(clock_utc_ms()), db_text(m->uid),
		    db_int(m->revision), db_int(MPPS_IN_PROGRESS)),
		e))
		return false;
	if (db_changes(db) == 0)
		return fail(e, ERR_CONFLICT,
		    "the procedure step was changed at the same time");
	return db_get_int(db, "SELECT id FROM mpps WHERE SOPInstanceUID = ?",
		   DB_ARGS(db_text(m->uid)), &c->id, &found, e) &&
	       settle(db, c, e);
}

bool
mpps_update(struct store *s, const struct mpps *m,
    const struct item_watch *watch, struct mpps_outcome *out, struct err *e)
{
	struct change c = {.m = m, .watch = watch, .out = out};

	return store_room(s, m->data.n, e) &&
	       commit_run(s->commit, true, update, &c, e) == COMMIT_DONE;
}

#define COLUMNS                                                                \
	"SELECT SOPInstanceUID, ae, state, wrong, revision, PatientID,"        \
	" PatientName, Modality, charset, created, changed"

static void
read_row(struct db_stmt *q, struct arena *a, struct mpps *m)
{
	*m = (struct mpps){
	    .state = (enum mpps_state)db_column_int(q, 2),
	    .wrong_entry = db_column_int(q, 3) != 0,
	    .revision = db_column_int(q, 4),
	    .patient_id = arena_dup(a, db_column(q, 5)),
	    .patient_name = arena_dup(a, db_column(q, 6)),
	    .modality = arena_dup(a, db_column(q, 7)),
	    .charset = arena_dup(a, db_column(q, 8)),
	    .created_ms = db_column_int(q, 9),
	    .changed_ms = db_column_int(q, 10),
	};
	(void)str_copy(m->uid, sizeof(m->uid), db_column(q, 0));
	(void)str_copy(m->ae, sizeof(m->ae), db_column(q, 1));
}

bool
mpps_find(struct store *s, const char *uid, struct arena *a, struct mpps *out,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	if (db == NULL)
		return false;
	if (db_query(db, COLUMNS ", data FROM mpps WHERE SOPInstanceUID = ?",
		DB_ARGS(db_text(uid)), &q, e)) {
		step = db_step(q, e);
		if (step == DB_STEP_ROW) {
			read_row(q, a, out);
			out->data = arena_dup(a, db_column(q, 11));
			db_reset(q);
		}
	}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE)
		return fail(e, ERR_MISSING, "there is no such procedure step");
	if (step == DB_STEP_ROW && a->over)
		return fail(e, ERR_LIMIT, "a procedure step that is too large");
	return step == DB_STEP_ROW;
}

#define LISTED                                                                 \
	COLUMNS ", (SELECT count(*) FROM mpps_item WHERE mpps = id),"          \
		" (SELECT AccessionNumber FROM mpps_step WHERE mpps = id"      \
		" ORDER BY seq LIMIT 1) FROM mpps WHERE created > ?"

static bool
list(struct store *s, const char *sql, int64_t since_ms, size_t max,
    struct arena *a, struct mpps **out, size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;
	struct mpps *m;

	*n = 0;
	*out = NULL;
	if (db == NULL)
		return false;
	if (db_query(db, sql, DB_ARGS(db_int(since_ms), db_int((int64_t)max)),
		&q, e)) {
		*out = arena_array(a, max, sizeof(**out));
		while ((step = db_step(q, e)) == DB_STEP_ROW && *out != NULL &&
		       *n < max) {
			m = &(*out)[(*n)++];
			read_row(q, a, m);
			m->items = (uint64_t)db_column_int(q, 11);
			m->accession = arena_dup(a, db_column(q, 12));
		}
		if (step == DB_STEP_ROW)
			db_reset(q);
	}
	store_reader_done(s, db);
	if (step != DB_STEP_FAILED && a->over)
		return fail(e, ERR_LIMIT, "too many procedure steps");
	return step != DB_STEP_FAILED;
}

bool
mpps_list(struct store *s, size_t max, struct arena *a, struct mpps **out,
    size_t *n, struct err *e)
{
	return list(
	    s, LISTED " ORDER BY created DESC LIMIT ?", 0, max, a, out, n, e);
}

bool
mpps_unscheduled(struct store *s, size_t max, struct arena *a,
    struct mpps **out, size_t *n, struct err *e)
{
	return list(s,
	    LISTED " AND NOT EXISTS (SELECT 1 FROM mpps_item WHERE mpps = id)"
		   " ORDER BY created DESC LIMIT ?",
	    clock_utc_ms() - ADOPT_MS, max, a, out, n, e);
}

/* A step without items, with the patient of its exam. */
struct waiting {
	int64_t id, seq;
	struct mpps_step step;
	struct str patient;
};

/* One that the item may be for; found false: none is left behind 'after'. */
static bool
next_waiting(struct db *db, const struct item *item,
    const struct waiting *after, struct arena *a, struct waiting *out,
    bool *found, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT s.mpps, s.seq, s.StudyInstanceUID, s.AccessionNumber,"
		" s.RequestedProcedureID, s.ScheduledProcedureStepID,"
		" m.PatientID FROM mpps_step s JOIN mpps m ON m.id = s.mpps"
		" WHERE ((s.matched = 0 AND s.StudyInstanceUID = ? AND"
		" s.StudyInstanceUID <> '') OR (s.matched = 0 AND"
		" s.AccessionNumber IN (?, substr(?, 1, " SH_ROOM ")) AND"
		" s.AccessionNumber <> ''))"
		" AND (s.mpps, s.seq) > (?, ?) AND m.created > ?"
		" ORDER BY s.mpps, s.seq LIMIT 1",
		DB_ARGS(db_str(item->value[FIELD_StudyInstanceUID]),
		    db_str(item->value[FIELD_AccessionNumber]),
		    db_str(item->value[FIELD_AccessionNumber]),
		    db_int(after->id), db_int(after->seq),
		    db_int(clock_utc_ms() - ADOPT_MS)),
		&q, e))
		return false;
	step = db_step(q, e);
	*found = step == DB_STEP_ROW;
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	*out = (struct waiting){
	    .id = db_column_int(q, 0),
	    .seq = db_column_int(q, 1),
	    .step = {.study = arena_dup(a, db_column(q, 2)),
		.accession = arena_dup(a, db_column(q, 3)),
		.procedure_id = arena_dup(a, db_column(q, 4)),
		.step_id = arena_dup(a, db_column(q, 5))},
	    .patient = arena_dup(a, db_column(q, 6)),
	};
	db_reset(q);
	return !a->over || fail(e, ERR_LIMIT, "too many procedure steps");
}

bool
mpps_adopt(struct db *db, int64_t id, const struct item *item,
    const struct item_watch *watch, struct err *e)
{
	struct mpps_outcome ignored = {0};
	struct waiting w = {.id = -1};
	bool found = true, linked;
	struct arena a;
	bool ok = true;
	size_t rounds;
	int64_t one;

	if (item->value[FIELD_StudyInstanceUID].n == 0 &&
	    item->value[FIELD_AccessionNumber].n == 0)
		return true;
	arena_init(&a, 1 * MIB);
	for (rounds = 0; ok && found && rounds < ITEMS_MOST; rounds++) {
		arena_reset(&a);
		ok = next_waiting(db, item, &w, &a, &w, &found, e);
		if (ok && found)
			ok = link_step(db, w.id, w.seq, &w.step, w.patient, e);
	}
	arena_fini(&a);
	if (!ok || w.id < 0)
		return ok;
	return db_get_int(db, "SELECT mpps FROM mpps_item WHERE item = ?",
		   DB_ARGS(db_int(id)), &one, &linked, e) &&
	       (!linked || settle_item(db, id, watch, &ignored, e));
}
