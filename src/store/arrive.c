/*
 * The arrival of an object, see arrive.h and object.c.
 */
#include "store/arrive.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "store/aside.h"
#include "store/quarantine.h"
#include "store/renew.h"

#include <errno.h>
#include <unistd.h>

/* Other senders of the same UID that come between; nobody has more. */
#define ROUNDS 8

/* Where the file of the arrival is. */
enum place { PLACE_TMP, PLACE_OBJECTS, PLACE_GONE };

struct arrivals {
	struct store *store;
	struct arriving *file;
	struct row row;
	enum place place;
	bool finished, flushed, entered;
	char day[DAY_ROOM], path[PATH_ROOM];
};

enum verdict {
	VERDICT_NEW,
	VERDICT_SAME,
	VERDICT_HEAL, /* the same, but the stored file is damaged */
	VERDICT_SET_ASIDE,
	VERDICT_REPLACE,
	VERDICT_REFUSE
};

static bool
same_bytes(const struct existing *x, const struct row *row)
{
	return x->size == row->size &&
	       !memcmp(x->sha256, row->sha256, sizeof(x->sha256)) &&
	       str_eq(str_from(x->syntax), row->syntax);
}

static enum verdict
judge(struct store *s, const struct existing *x, const struct row *row,
    bool instead)
{
	struct object_file stored;
	struct err e;

	if (x->id == 0)
		return VERDICT_NEW;
	if (same_bytes(x, row)) {
		if (object_open(s, x->path, &stored, &e)) {
			object_close(&stored);
			return VERDICT_SAME;
		}
		/* Want of descriptors says nothing about the file. */
		if (e.code != ERR_MISSING && e.code != ERR_CORRUPT)
			return VERDICT_SAME;
		log_error("store", "stored anew: %s", e.text);
		return VERDICT_HEAL;
	}
	if (instead)
		return VERDICT_REPLACE;
	switch (atomic_load(&s->duplicate)) {
	case DUPLICATE_REPLACE:
		return VERDICT_REPLACE;
	case DUPLICATE_REFUSE:
		return VERDICT_REFUSE;
	default:
		return VERDICT_SET_ASIDE;
	}
}

static bool
look(struct store *s, struct str uid, struct existing *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	if (db == NULL)
		return false;
	ok = existing_find(db, uid, out, e);
	store_reader_done(s, db);
	return ok;
}

bool
adopt(struct upsert *u, void *ctx, struct err *e)
{
	struct adoption *a = ctx;
	const struct row *row = a->row;

	if (!existing_find(upsert_db(u), row->value[COLUMN_SOPInstanceUID],
		&a->existing, e))
		return false;
	/* A recovery beside us may have found our file. */
	if (str_eq(str_from(a->existing.path), row->path))
		a->existing.id = 0;
	else if (a->existing.id == 0)
		return upsert_insert(u, row, e);
	return true;
}

struct replacement {
	struct store *store;
	struct adoption adoption;
	struct existing expected;
	const struct instead *instead; /* or NULL */
};

bool
tombstone_row(
    struct upsert *u, const char *path, struct str sop_instance, struct err *e)
{
	return db_exec(upsert_db(u),
	    "INSERT OR REPLACE INTO tombstone (path, SOPInstanceUID, since)"
	    " VALUES (?, ?, ?)",
	    DB_ARGS(
		db_text(path), db_str(sop_instance), db_int(clock_utc_ms())),
	    e);
}

static bool
insert(struct upsert *u, const struct replacement *r, struct err *e)
{
	return upsert_insert(u, r->adoption.row, e) &&
	       (r->instead == NULL ||
		   r->instead->commit(r->instead->ctx, u, e));
}

/* The new row for the old one, and the levels above by what is there now. */
static bool
exchange(struct upsert *u, const struct replacement *r,
    const struct existing *old, struct err *e)
{
	const struct row *row = r->adoption.row;
	struct renewal renewal;
	bool ok;

	ok =
	    renew_begin(r->store, u, old->id, &renewal, e) &&
	    upsert_delete(u, old->id, e) &&
	    tombstone_row(u, old->path, row->value[COLUMN_SOPInstanceUID], e) &&
	    insert(u, r, e) && renew(r->store, u, &renewal, row, e);
	renew_end(&renewal);
	return ok;
}

static bool
replace(struct upsert *u, void *ctx, struct err *e)
{
	struct replacement *r = ctx;
	const struct row *row = r->adoption.row;
	struct existing *x = &r->adoption.existing;

	if (!existing_find(
		upsert_db(u), row->value[COLUMN_SOPInstanceUID], x, e))
		return false;
	if (x->id == 0)
		return insert(u, r, e);
	if (strcmp(x->path, r->expected.path) != 0)
		return true;
	if (!exchange(u, r, x, e))
		return false;
	x->id = 0;
	return true;
}

bool
set_aside_row(struct upsert *u, void *ctx, struct err *e)
{
	const struct set_aside *q = ctx;

	return db_exec(upsert_db(u),
	    "INSERT OR IGNORE INTO quarantine (path, reason, SOPInstanceUID,"
	    " source, size, sha256, arrived) VALUES (?, ?, ?, ?, ?, ?, ?)",
	    DB_ARGS(db_text(q->path), db_text(q->reason),
		db_str(q->sop_instance), db_str(q->source),
		db_int((int64_t)q->size),
		db_blob(str_of(q->sha256, sizeof(q->sha256))),
		db_int(q->arrived_ms)),
	    e);
}

static bool
finish(struct arrivals *a, struct err *e)
{
	struct arrival arrival;

	if (a->finished)
		return true;
	arrival = folder_arrival(a->store);
	a->row.arrived_ms = arrival.ms;
	if (!a->file->finish(a->file->ctx, &a->row, arrival, e))
		return false;
	a->finished = true;
	return true;
}

/* Give the file its name below a day folder. */
static bool
name_file(struct arrivals *a, struct err *e)
{
	const struct str *v = a->row.value;
	struct store *s = a->store;
	int tries;

	folder_enter(s, a->day);
	a->entered = true;
	for (tries = 0; tries < 100; tries++) {
		folder_path(a->day, v[COLUMN_StudyInstanceUID],
		    v[COLUMN_SOPInstanceUID], a->path);
		if (folder_rename_into(s, a->file->name, a->path) == 0) {
			a->place = PLACE_OBJECTS;
			a->file->name[0] = '\0';
			a->row.path = str_from(a->path);
			return true;
		}
		if (errno == ENOENT) {
			if (!folder_make(s, a->path, e))
				return false;
		} else if (errno != EEXIST) {
			break;
		}
	}
	return fail_errno(e, "cannot name '%s/%s'", FOLDER_OBJECTS, a->path);
}

static void
remove_file(struct arrivals *a)
{
	if (a->place != PLACE_OBJECTS)
		return;
	a->place = PLACE_GONE;
	if (os->unlinkat(a->store->objects_fd, a->path, 0) < 0)
		log_warning("store", "cannot remove '%s/%s': %s",
		    FOLDER_OBJECTS, a->path, strerrordesc_np(errno));
}

/* The file under its name, durable. */
static bool
settle(struct arrivals *a, struct err *e)
{
	if (a->flushed)
		return true;
	if (!finish(a, e) || !name_file(a, e))
		return false;
	if (!store_flush(a->store, *a->file->fd, a->path, e) ||
	    !folder_flush(a->store, a->path, e)) {
		remove_file(a);
		return false;
	}
	a->flushed = true;
	return true;
}

static bool
commit_row(
    struct arrivals *a, bool flush, commit_fn *fn, void *ctx, struct err *e)
{
	switch (commit_run(a->store->commit, flush, fn, ctx, e)) {
	case COMMIT_DONE:
		return true;
	case COMMIT_UNDONE:
		remove_file(a);
		return false;
	default:
		atomic_store(&a->store->look_again, true);
		if (a->file->instead != NULL)
			*a->file->instead->unsure = true;
		return false;
	}
}

/* *done false: another arrival came between. */
static bool
store_new(struct arrivals *a, struct existing *x, bool *done, struct err *e)
{
	struct adoption adoption = {.row = &a->row};

	if (!settle(a, e) || !commit_row(a, false, adopt, &adoption, e))
		return false;
	*x = adoption.existing;
	*done = x->id == 0;
	return true;
}

static bool
store_instead(struct arrivals *a, struct existing *x, bool *done, struct err *e)
{
	const struct instead *instead = a->file->instead;
	struct replacement r = {.store = a->store,
	    .adoption.row = &a->row,
	    .expected = *x,
	    .instead = instead};

	if (instead != NULL && !instead->keep(instead->ctx, x, e)) {
		remove_file(a);
		return false;
	}
	if (!settle(a, e) || !commit_row(a, true, replace, &r, e))
		return false;
	*x = r.adoption.existing;
	*done = x->id == 0;
	if (!*done || !folder_path_valid(r.expected.path))
		return true;
	/* The tombstone sees to it if this fails. */
	if (os->unlinkat(a->store->objects_fd, r.expected.path, 0) < 0 &&
	    errno != ENOENT)
		log_warning("store", "cannot remove '%s/%s': %s",
		    FOLDER_OBJECTS, r.expected.path, strerrordesc_np(errno));
	return true;
}

static bool
move_aside(struct arrivals *a, char name[NAME_ROOM], struct err *e)
{
	struct store *s = a->store;
	bool tmp = a->place == PLACE_TMP;

	folder_random_name(".dcm", name);
	if (!aside_move(s, tmp ? s->tmp_fd : s->objects_fd,
		tmp ? a->file->name : a->path, name, a->file->fd, e)) {
		remove_file(a);
		return false;
	}
	a->file->name[0] = '\0';
	a->place = PLACE_GONE;
	if (store_flush(s, *a->file->fd, name, e) &&
	    (!s->flush_folders ||
		store_flush(s, s->quarantine_fd, FOLDER_QUARANTINE, e)))
		return true;
	(void)os->unlinkat(s->quarantine_fd, name, 0);
	return false;
}

static bool
set_aside(struct arrivals *a, struct err *e)
{
	struct set_aside q = {
	    .reason = "differs",
	    .sop_instance = a->row.value[COLUMN_SOPInstanceUID],
	    .source = a->row.source,
	    .size = a->row.size,
	};
	char name[NAME_ROOM];
	bool there;

	if (!quarantine_has(a->store, q.sop_instance, a->row.sha256, &there, e))
		return false;
	if (there) {
		remove_file(a);
		return true;
	}
	if (!finish(a, e) || !move_aside(a, name, e))
		return false;
	q.path = name;
	q.arrived_ms = a->row.arrived_ms;
	memcpy(q.sha256, a->row.sha256, sizeof(q.sha256));
	switch (commit_run(a->store->commit, true, set_aside_row, &q, e)) {
	case COMMIT_DONE:
		return true;
	case COMMIT_UNDONE:
		(void)os->unlinkat(a->store->quarantine_fd, name, 0);
		return false;
	default:
		return false;
	}
}

/* Act on one verdict; *done false: look again at *x. */
static bool
act(struct arrivals *a, struct existing *x, enum object_outcome *outcome,
    bool *done, struct err *e)
{
	bool instead = a->file->instead != NULL;
	enum verdict verdict = judge(a->store, x, &a->row, instead);

	*done = true;
	switch (verdict) {
	case VERDICT_SAME:
		remove_file(a);
		*outcome = OBJECT_SAME;
		return true;
	case VERDICT_REFUSE:
		remove_file(a);
		return fail(e, ERR_CONFLICT,
		    "another object with this SOP Instance UID is stored");
	case VERDICT_SET_ASIDE:
		*outcome = OBJECT_QUARANTINED;
		return set_aside(a, e);
	case VERDICT_HEAL:
	case VERDICT_REPLACE:
		*outcome =
		    verdict == VERDICT_HEAL ? OBJECT_STORED : OBJECT_REPLACED;
		return store_instead(a, x, done, e);
	default:
		*outcome = OBJECT_STORED;
		/* Even so there is more to commit. */
		return instead ? store_instead(a, x, done, e)
			       : store_new(a, x, done, e);
	}
}

bool
arrive(struct store *s, struct arriving *file, const struct row *row,
    enum object_outcome *outcome, struct err *e)
{
	struct arrivals a = {.store = s, .file = file, .row = *row};
	bool done = false, ok;
	struct existing x;
	int round;

	ok = look(s, row->value[COLUMN_SOPInstanceUID], &x, e);
	for (round = 0; ok && !done && round < ROUNDS; round++)
		ok = act(&a, &x, outcome, &done, e);
	if (ok && !done) {
		remove_file(&a);
		ok = fail(e, ERR_CONFLICT,
		    "too many senders of one SOP Instance UID at once");
	}
	if (a.entered)
		folder_leave(s, a.day);
	return ok;
}
