/*
 * Check and repair: rows against files, files against rows, counts.
 *
 * May run beside a server: what looks wrong is looked at again before it is
 * reported, and files that just came are left to whoever stores them. A repair
 * never deletes bytes: files that are not what was received go to quarantine,
 * their rows to table missing.
 */
#include "store/rebuild.h"

#include "base/clock.h"
#include "base/os.h"
#include "store/arrive.h"
#include "store/index/attribute.h"
#include "store/index/word.h"
#include "store/orphan.h"
#include "store/renew.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

/* An object without a row may still be on its way for this long. */
#define YOUNG_MS 60000
#define BATCH    256

struct check {
	struct store *s;
	const struct check_options *options;
	check_found *found;
	rebuild_progress *progress;
	void *ctx;
	uint64_t checked, total;
	struct map damaged; /* paths reported with their row */
	bool stopped;
};

const char *
finding_name(enum finding_kind kind)
{
	static const char *const names[] = {
	    [FINDING_CHANGED] = "changed",
	    [FINDING_MISSING] = "missing",
	    [FINDING_ORPHAN] = "orphan",
	    [FINDING_ROW] = "row",
	    [FINDING_COUNTS] = "counts",
	    [FINDING_WORDS] = "words",
	    [FINDING_TORN] = "torn",
	    [FINDING_LEFTOVER] = "leftover",
	};

	must((size_t)kind < ARRAY_LEN(names));
	return names[kind];
}

static void
report(struct check *c, enum finding_kind kind, const char *path,
    const char *detail, bool repaired)
{
	c->found(c->ctx, kind, path, detail, repaired);
}

static bool
go_on(struct check *c)
{
	c->checked++;
	if (c->progress != NULL && !c->progress(c->ctx, c->checked, c->total))
		c->stopped = true;
	return !c->stopped;
}

static bool
get_int(struct check *c, const char *sql, const struct db_value *args, size_t n,
    int64_t *out, bool *found, struct err *e)
{
	struct db *db = store_reader(c->s, e);
	bool ok;

	if (db == NULL)
		return false;
	ok = db_get_int(db, sql, args, n, out, found, e);
	store_reader_done(c->s, db);
	return ok;
}

struct checked_row {
	struct store *store;
	int64_t id;
	char path[128];
};

static bool
read_batch(struct check *c, int64_t after, struct checked_row *rows, size_t *n,
    struct err *e)
{
	struct db *db = store_reader(c->s, e);
	struct db_stmt *q;
	enum db_step step = DB_STEP_FAILED;

	*n = 0;
	if (db == NULL)
		return false;
	if (db_query(db,
		"SELECT id, path FROM instance WHERE id > ? ORDER BY id"
		" LIMIT ?",
		DB_ARGS(db_int(after), db_int(BATCH)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			rows[*n].store = c->s;
			rows[*n].id = db_column_int(q, 0);
			(void)str_copy(rows[*n].path, sizeof(rows[*n].path),
			    db_column(q, 1));
			(*n)++;
		}
	store_reader_done(c->s, db);
	return step == DB_STEP_DONE;
}

/* The row goes, and now comes if it is not NULL. */
static bool
take_out(struct store *s, struct upsert *u, int64_t id, struct adoption *now,
    struct err *e)
{
	struct renewal r;
	bool ok;

	ok = renew_begin(s, u, id, &r, e) && upsert_delete(u, id, e);
	/* The index may have had it otherwise than the file has it now. */
	r.read = false;
	ok = ok && (now == NULL || adopt(u, now, e)) &&
	     renew(s, u, &r, now != NULL ? now->row : NULL, e);
	renew_end(&r);
	return ok;
}

static bool
lose_row(struct upsert *u, void *ctx, struct err *e)
{
	const struct checked_row *row = ctx;

	return db_exec(upsert_db(u),
		   "INSERT INTO missing (SOPInstanceUID, StudyInstanceUID,"
		   " SeriesInstanceUID, path, size, sha256, found)"
		   " SELECT i.SOPInstanceUID, s.StudyInstanceUID,"
		   " e.SeriesInstanceUID, i.path, i.size, i.sha256, ?"
		   " FROM instance i JOIN series e ON e.id = i.series"
		   " JOIN study s ON s.id = e.study WHERE i.id = ?",
		   DB_ARGS(db_int(clock_utc_ms()), db_int(row->id)), e) &&
	       take_out(row->store, u, row->id, NULL, e);
}

struct rewrite {
	struct store *store;
	int64_t id;
	struct adoption adoption;
};

static bool
rewrite_row(struct upsert *u, void *ctx, struct err *e)
{
	struct rewrite *r = ctx;

	return take_out(r->store, u, r->id, &r->adoption, e) &&
	       (r->adoption.existing.id == 0 ||
		   fail(e, ERR_CONFLICT, "another row has its UID"));
}

/* Does the row still name this file? A server may have replaced it. */
static bool
still_there(
    struct check *c, const struct checked_row *row, bool *out, struct err *e)
{
	int64_t one;

	return get_int(c, "SELECT 1 FROM instance WHERE id = ? AND path = ?",
	    DB_ARGS(db_int(row->id), db_text(row->path)), &one, out, e);
}

static bool
found_damage(struct check *c, struct checked_row *row, const struct err *why,
    struct err *e)
{
	bool gone = why->code == ERR_MISSING, there, repaired = false;
	struct err failed;

	if (!still_there(c, row, &there, e))
		return false;
	if (!there)
		return true;
	map_put(&c->damaged, str_from(row->path), c);
	/* What cannot be read may be readable tomorrow. */
	if (c->options->repair && (gone || why->code == ERR_CORRUPT))
		repaired =
		    (gone || !folder_path_valid(row->path) ||
			orphan_set_torn(c->s, row->path, "changed", &failed)) &&
		    commit_run(c->s->commit, true, lose_row, row, &failed) ==
			COMMIT_DONE;
	report(c, gone ? FINDING_MISSING : FINDING_CHANGED, row->path,
	    why->text, repaired);
	return true;
}

/* The row in the index with all that the file says. */
static bool
same_row(struct check *c, int64_t id, const struct row *row, bool *same,
    struct err *e)
{
	static const char head[] =
	    "SELECT 1 FROM instance i WHERE i.id = ? AND i.SOPInstanceUID = ?"
	    " AND i.SOPClassUID = ? AND i.syntax = ? AND i.size = ?"
	    " AND i.sha256 = ? AND i.arrived = ?";
	static const char whole[] =
	    "SELECT 1 FROM instance i JOIN series e ON e.id = i.series"
	    " JOIN study s ON s.id = e.study"
	    " WHERE i.id = ? AND i.SOPInstanceUID = ?"
	    " AND i.SOPClassUID = ? AND i.syntax = ? AND i.size = ?"
	    " AND i.sha256 = ? AND i.arrived = ? AND i.InstanceNumber = ?"
	    " AND e.SeriesInstanceUID = ? AND s.StudyInstanceUID = ?"
	    " AND i.crc32 IN (-1, ?)";
	const struct str *v = row->value;
	const struct db_value args[] = {
	    db_int(id),
	    db_str(v[COLUMN_SOPInstanceUID]),
	    db_str(v[COLUMN_SOPClassUID]),
	    db_str(row->syntax),
	    db_int((int64_t)row->size),
	    db_blob(str_of(row->sha256, sizeof(row->sha256))),
	    db_int(row->arrived_ms),
	    db_str(v[COLUMN_InstanceNumber]),
	    db_str(v[COLUMN_SeriesInstanceUID]),
	    db_str(v[COLUMN_StudyInstanceUID]),
	    db_int(row->crc32),
	};
	int64_t one;

	return get_int(c, c->options->hashes ? whole : head, args,
	    c->options->hashes ? ARRAY_LEN(args) : 7, &one, same, e);
}

static bool
repair_row(struct check *c, int64_t id, const char *path)
{
	struct rewrite r = {.store = c->s, .id = id};
	struct arena a;
	struct row row;
	struct err e;
	bool ok;

	arena_init(&a, ROW_ARENA);
	ok = inspect(c->s, path, true, &a, &row, &e);
	r.adoption.row = &row;
	ok = ok &&
	     commit_run(c->s->commit, true, rewrite_row, &r, &e) == COMMIT_DONE;
	arena_fini(&a);
	return ok;
}

static bool
check_row(struct check *c, struct checked_row *at, struct err *e)
{
	bool same, there, ok;
	struct arena a;
	struct row row;
	struct err why;

	arena_init(&a, ROW_ARENA);
	if (!inspect(c->s, at->path, c->options->hashes, &a, &row, &why)) {
		arena_fini(&a);
		return found_damage(c, at, &why, e);
	}
	ok = same_row(c, at->id, &row, &same, e);
	arena_fini(&a);
	if (!ok || same)
		return ok;
	if (!still_there(c, at, &there, e))
		return false;
	if (there)
		report(c, FINDING_ROW, at->path,
		    "the index says otherwise than the file",
		    c->options->repair && repair_row(c, at->id, at->path));
	return true;
}

static bool
check_rows(struct check *c, struct err *e)
{
	struct checked_row *rows = must_alloc(BATCH * sizeof(*rows));
	int64_t after = 0;
	bool ok;
	size_t n, i;

	do {
		ok = read_batch(c, after, rows, &n, e);
		for (i = 0; ok && i < n && go_on(c); i++) {
			ok = check_row(c, &rows[i], e);
			after = rows[i].id;
		}
	} while (ok && n > 0 && !c->stopped);
	free(rows);
	return ok;
}

static bool
settle_found(struct check *c, enum finding_kind kind, const char *path,
    const char *detail, struct err *e)
{
	enum orphan what = ORPHAN_LEFT;
	bool repaired = false;

	if (c->options->repair) {
		if (!orphan_settle(c->s, path, &what, e))
			return false;
		repaired = what != ORPHAN_LEFT;
	}
	report(c, kind, path, detail, repaired);
	return true;
}

/* Was the file changed just now? Then its row may be on its way. */
static bool
is_young(struct check *c, const char *path)
{
	int fd = folder_open(c->s->objects_fd, path, O_RDONLY);
	int64_t age = INT64_MAX;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		age = clock_utc_ms() - (int64_t)st.st_ctim.tv_sec * 1000;
	os_close(&fd);
	return age < YOUNG_MS && age > -YOUNG_MS;
}

/* Whether a process other than ours may be storing. */
static bool
has_others(struct check *c, bool *out, struct err *e)
{
	struct db *db = store_reader(c->s, e);
	struct db_stmt *q;
	enum db_step step = DB_STEP_FAILED;

	*out = c->s->writer_id != 0;
	if (db == NULL)
		return false;
	if (db_query(db, "SELECT id FROM writer", DB_NO_ARGS, &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW)
			if (store_writer_lives(c->s, db_column_int(q, 0)))
				*out = true;
	store_reader_done(c->s, db);
	return step == DB_STEP_DONE;
}

static bool
check_file(void *ctx, const char *path, struct err *e)
{
	struct check *c = ctx;
	struct existing x = {.id = 0};
	struct object_file f;
	bool others;
	struct err why;
	struct db *db;

	if (c->stopped || map_get(&c->damaged, str_from(path)) != NULL)
		return true;
	if (!object_open(c->s, path, &f, &why))
		return why.code != ERR_CORRUPT ||
		       settle_found(c, FINDING_TORN, path, why.text, e);
	object_close(&f);
	db = store_reader(c->s, e);
	if (db == NULL)
		return false;
	if (!existing_find(db, str_from(f.sop_instance), &x, e)) {
		store_reader_done(c->s, db);
		return false;
	}
	store_reader_done(c->s, db);
	if (strcmp(x.path, path) == 0)
		return true;
	if (!has_others(c, &others, e))
		return false;
	if (others && is_young(c, path))
		return true;
	return settle_found(c, FINDING_ORPHAN, path,
	    x.id == 0 ? "the index does not know this file"
		      : "the index knows another file with its UID",
	    e);
}

static bool
check_files(struct check *c, struct err *e)
{
	struct day_list days;
	bool ok = true;
	size_t i;

	if (!folder_days(c->s, "", &days, e))
		return false;
	for (i = 0; i < days.n && ok && !c->stopped; i++)
		ok = folder_files(c->s, days.days[i], check_file, c, e);
	free(days.days);
	return ok;
}

static bool
check_leftover(void *ctx, const char *name, struct err *e)
{
	struct check *c = ctx;
	bool repaired = false;
	int fd;

	(void)e;
	fd = os->openat(c->s->tmp_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return true;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (c->options->repair)
			repaired = os->unlinkat(c->s->tmp_fd, name, 0) == 0;
		report(c, FINDING_LEFTOVER, name, "a temporary file", repaired);
	}
	os_close(&fd);
	return true;
}

/* What is counted, and how it is counted anew. */
struct counting {
	const char *find, *repair;
};

/* As UPSERT_LIST_MAX cuts them, long lists are left alone. */
#define LIST_OF_MODALITIES(study)                                              \
	"coalesce((SELECT group_concat(x, '\\') FROM (SELECT DISTINCT"         \
	" Modality AS x FROM series WHERE study = " study                      \
	" AND Modality <> '' ORDER BY 1)), '')"
#define LIST_OF_CLASSES(study)                                                 \
	"coalesce((SELECT group_concat(x, '\\') FROM (SELECT DISTINCT"         \
	" i.SOPClassUID AS x FROM series e JOIN instance i"                    \
	" ON i.series = e.id WHERE e.study = " study                           \
	" AND i.SOPClassUID <> '' ORDER BY 1)), '')"

static const struct counting countings[] = {
    {"SELECT e.id, e.SeriesInstanceUID FROM series e LEFT JOIN"
     " (SELECT series, count(*) AS n, sum(size) AS b FROM instance"
     "  GROUP BY series) x ON x.series = e.id"
     " WHERE e.NumberOfSeriesRelatedInstances <> coalesce(x.n, 0)"
     " OR e.bytes <> coalesce(x.b, 0)",
	"UPDATE series SET NumberOfSeriesRelatedInstances ="
	" (SELECT count(*) FROM instance WHERE series = ?1), bytes ="
	" (SELECT coalesce(sum(size), 0) FROM instance WHERE series = ?1)"
	" WHERE id = ?1"},
    {"SELECT s.id, s.StudyInstanceUID FROM study s LEFT JOIN"
     " (SELECT e.study, count(DISTINCT e.id) AS m, count(i.id) AS n,"
     "  coalesce(sum(i.size), 0) AS b FROM series e"
     "  LEFT JOIN instance i ON i.series = e.id GROUP BY e.study) x"
     " ON x.study = s.id"
     " WHERE s.NumberOfStudyRelatedSeries <> coalesce(x.m, 0)"
     " OR s.NumberOfStudyRelatedInstances <> coalesce(x.n, 0)"
     " OR s.bytes <> coalesce(x.b, 0)",
	"UPDATE study SET NumberOfStudyRelatedSeries ="
	" (SELECT count(*) FROM series WHERE study = ?1),"
	" NumberOfStudyRelatedInstances ="
	" (SELECT count(*) FROM series e JOIN instance i ON i.series = e.id"
	"  WHERE e.study = ?1), bytes ="
	" (SELECT coalesce(sum(i.size), 0) FROM series e"
	"  JOIN instance i ON i.series = e.id WHERE e.study = ?1)"
	" WHERE id = ?1"},
    {"SELECT s.id, s.StudyInstanceUID FROM study s"
     " WHERE s.ModalitiesInStudy <> " LIST_OF_MODALITIES(
	 "s.id") " AND length(s.ModalitiesInStudy) < 4000",
	"UPDATE study SET ModalitiesInStudy = " LIST_OF_MODALITIES(
	    "?1") " WHERE id = ?1"},
    {"SELECT s.id, s.StudyInstanceUID FROM study s"
     " WHERE s.SOPClassesInStudy <> " LIST_OF_CLASSES(
	 "s.id") " AND length(s.SOPClassesInStudy) < 4000",
	"UPDATE study SET SOPClassesInStudy = " LIST_OF_CLASSES(
	    "?1") " WHERE id = ?1"},
};

struct miscount {
	int64_t id;
	const char *repair;
	char uid[65];
};

static bool
count_anew(struct upsert *u, void *ctx, struct err *e)
{
	const struct miscount *m = ctx;

	upsert_forget(u);
	return db_exec(upsert_db(u), m->repair, DB_ARGS(db_int(m->id)), e);
}

static bool
check_counts(struct check *c, const struct counting *counting, struct err *e)
{
	struct db *db = store_reader(c->s, e);
	struct miscount *found = NULL, *m;
	struct db_stmt *q;
	enum db_step step = DB_STEP_FAILED;
	size_t n = 0, i;
	bool repaired;
	struct err why;

	if (db == NULL)
		return false;
	if (db_query(db, counting->find, DB_NO_ARGS, &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			found = must_realloc(found, (n + 1) * sizeof(*found));
			m = &found[n++];
			*m = (struct miscount){.repair = counting->repair};
			m->id = db_column_int(q, 0);
			(void)str_copy(m->uid, sizeof(m->uid), db_column(q, 1));
		}
	store_reader_done(c->s, db);
	for (i = 0; i < n && step == DB_STEP_DONE; i++) {
		repaired = c->options->repair &&
			   commit_run(c->s->commit, true, count_anew, &found[i],
			       &why) == COMMIT_DONE;
		report(c, FINDING_COUNTS, found[i].uid,
		    "the counts or lists are not those of the "
		    "instances",
		    repaired);
	}
	free(found);
	return step == DB_STEP_DONE;
}

/* The rows above the instances. */
struct level {
	enum index_level level;
	/* The next behind an id: itself, its UID or ID, and a study of it. */
	const char *next, *detail;
};

static const struct level levels[] = {
    {LEVEL_STUDY,
	"SELECT id, StudyInstanceUID, id FROM study WHERE id > ?"
	" ORDER BY id LIMIT 1",
	"the index says otherwise of this study than its files"},
    {LEVEL_SERIES,
	"SELECT id, SeriesInstanceUID, study FROM series WHERE id > ?"
	" ORDER BY id LIMIT 1",
	"the index says otherwise of this series than its files"},
    {LEVEL_PATIENT,
	"SELECT p.id, p.PatientID, s.id FROM patient p JOIN study s"
	" ON s.patient = p.id WHERE p.id > ? ORDER BY p.id LIMIT 1",
	"the index says otherwise of this patient than the files"},
};

struct level_row {
	struct store *store;
	int64_t id, study;
	char name[80];
};

static bool
study_anew(struct upsert *u, void *ctx, struct err *e)
{
	const struct level_row *row = ctx;

	return renew_study(row->store, u, row->study, e);
}

static bool
next_level_row(struct db *db, const struct level *level, struct level_row *row,
    bool *found, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db, level->next, DB_ARGS(db_int(row->id)), &q, e))
		return false;
	step = db_step(q, e);
	*found = step == DB_STEP_ROW;
	if (!*found)
		return step == DB_STEP_DONE;
	row->id = db_column_int(q, 0);
	(void)str_copy(row->name, sizeof(row->name), db_column(q, 1));
	row->study = db_column_int(q, 2);
	db_reset(q);
	return true;
}

/* The next row behind row->id; *found false: there is none. */
static bool
check_level_row(struct check *c, const struct level *level,
    struct level_row *row, bool *found, struct err *e)
{
	struct db *db = store_reader(c->s, e);
	bool wrong = false, repaired, ok;
	struct err why;

	if (db == NULL)
		return false;
	ok = next_level_row(db, level, row, found, e);
	if (ok && *found)
		ok = renew_check(c->s, db, level->level, row->id, &wrong, e);
	/* Something may have come in between. */
	if (ok && wrong)
		ok = renew_check(c->s, db, level->level, row->id, &wrong, e);
	store_reader_done(c->s, db);
	if (!ok || !wrong)
		return ok;
	repaired = c->options->repair &&
		   commit_run(c->s->commit, true, study_anew, row, &why) ==
		       COMMIT_DONE;
	report(c, FINDING_ROW, row->name, level->detail, repaired);
	return true;
}

static bool
check_levels(struct check *c, struct err *e)
{
	struct level_row row;
	bool found, ok = true;
	size_t i;

	for (i = 0; ok && i < ARRAY_LEN(levels); i++) {
		row = (struct level_row){.store = c->s};
		do
			ok = check_level_row(c, &levels[i], &row, &found, e);
		while (ok && found && !c->stopped);
	}
	return ok;
}

static bool
words_anew(struct upsert *u, void *ctx, struct err *e)
{
	(void)ctx;
	return word_rebuild(upsert_db(u), e);
}

static bool
check_words(struct check *c, struct err *e)
{
	struct db *db = store_reader(c->s, e);
	bool good, ok;
	struct err why;

	if (db == NULL)
		return false;
	ok = word_check(db, c->options->hashes, &good, e);
	store_reader_done(c->s, db);
	if (ok && !good)
		report(c, FINDING_WORDS, DATABASE,
		    "pieces of some names or numbers are not found",
		    c->options->repair &&
			commit_run(c->s->commit, true, words_anew, NULL,
			    &why) == COMMIT_DONE);
	return ok;
}

static bool
check(struct check *c, struct err *e)
{
	int64_t total;
	bool found;
	size_t i;

	if (!get_int(c, "SELECT count(*) FROM instance", DB_NO_ARGS, &total,
		&found, e))
		return false;
	c->total = (uint64_t)total;
	if (!check_rows(c, e) || !check_files(c, e) ||
	    !folder_names(c->s->tmp_fd, check_leftover, c, e))
		return false;
	for (i = 0; i < ARRAY_LEN(countings) && !c->stopped; i++)
		if (!check_counts(c, &countings[i], e))
			return false;
	if (!c->stopped && c->options->hashes && !check_levels(c, e))
		return false;
	if (!c->stopped && !check_words(c, e))
		return false;
	if (c->stopped)
		return fail(e, ERR_CANCELLED, "the check was stopped");
	return true;
}

bool
store_check(struct store *s, const struct check_options *options,
    check_found *found, rebuild_progress *progress, void *ctx,
    uint64_t *checked, struct err *e)
{
	struct check c = {
	    .s = s,
	    .options = options,
	    .found = found,
	    .progress = progress,
	    .ctx = ctx,
	};
	bool ok;

	map_init(&c.damaged);
	ok = check(&c, e);
	map_fini(&c.damaged);
	*checked = c.checked;
	return ok;
}
