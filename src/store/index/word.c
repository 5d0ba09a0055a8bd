/*
 * The words of the index and their trigrams, see word.h.
 */
#include "store/index/word.h"

#include "base/buf.h"
#include "base/limit.h"
#include "base/utf8.h"

/* Words checked at once. */
#define BATCH 256

static const char *const columns[WORD_KINDS] = {
    [WORD_PATIENT_NAME] = "patient",
    [WORD_REFERRING_NAME] = "referring",
    [WORD_DESCRIPTION] = "description",
    [WORD_PATIENT_ID] = "patient_id",
    [WORD_ACCESSION] = "accession",
};

/* Whether some row has the value of a word. */
static const char *const used[WORD_KINDS] = {
    "SELECT 1 FROM name_key WHERE kind = 0 AND value = ?",
    "SELECT 1 FROM name_key WHERE kind = 1 AND value = ?",
    "SELECT 1 FROM study WHERE StudyDescription = ?",
    "SELECT 1 FROM patient WHERE PatientID = ?",
    "SELECT 1 FROM study WHERE AccessionNumber = ?",
};

enum word_kind
word_kind_of(enum column c)
{
	switch (c) {
	case COLUMN_PatientName:
		return WORD_PATIENT_NAME;
	case COLUMN_ReferringPhysicianName:
		return WORD_REFERRING_NAME;
	case COLUMN_StudyDescription:
		return WORD_DESCRIPTION;
	case COLUMN_PatientID:
		return WORD_PATIENT_ID;
	case COLUMN_AccessionNumber:
		return WORD_ACCESSION;
	default:
		return WORD_KINDS;
	}
}

bool
word_whole(struct str value)
{
	return value.n <= WORD_MAX && str_find(value, 0) == value.n &&
	       utf8_valid(value);
}

/* Its row of word_text: the value in the column of its kind. */
static bool
write_text(struct db *db, const char *sql, enum word_kind kind, int64_t id,
    struct str value, struct err *e)
{
	struct db_value args[1 + WORD_KINDS];
	int i;

	args[0] = db_int(id);
	for (i = 0; i < WORD_KINDS; i++)
		args[1 + i] = db_str(i == (int)kind ? value : STR(""));
	return db_exec(db, sql, args, ARRAY_LEN(args), e);
}

bool
word_add(struct db *db, enum word_kind kind, struct str value, struct err *e)
{
	bool whole = word_whole(value);

	if (value.n == 0)
		return true;
	if (!db_exec(db,
		"INSERT OR IGNORE INTO word (kind, value, whole)"
		" VALUES (?, ?, ?)",
		DB_ARGS(db_int(kind), db_str(value), db_int(whole)), e))
		return false;
	if (db_changes(db) == 0 || !whole)
		return true;
	return write_text(db,
	    "INSERT INTO word_text (rowid, patient, referring, description,"
	    " patient_id, accession) VALUES (?, ?, ?, ?, ?, ?)",
	    kind, db_last_id(db), value, e);
}

bool
word_drop(struct db *db, enum word_kind kind, struct str value, struct err *e)
{
	int64_t one, id;
	bool found;

	if (value.n == 0)
		return true;
	if (!db_get_int(
		db, used[kind], DB_ARGS(db_str(value)), &one, &found, e))
		return false;
	if (found)
		return true;
	if (!db_get_int(db, "SELECT id FROM word WHERE kind = ? AND value = ?",
		DB_ARGS(db_int(kind), db_str(value)), &id, &found, e))
		return false;
	if (!found)
		return true;
	return (!word_whole(value) ||
		   write_text(db,
		       "INSERT INTO word_text (word_text, rowid, patient,"
		       " referring, description, patient_id, accession)"
		       " VALUES ('delete', ?, ?, ?, ?, ?, ?)",
		       kind, id, value, e)) &&
	       db_exec(
		   db, "DELETE FROM word WHERE id = ?", DB_ARGS(db_int(id)), e);
}

static bool
run(struct db *db, const char *const *sql, size_t n, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!db_exec(db, sql[i], DB_NO_ARGS, e))
			return false;
	return true;
}

bool
word_clear(struct db *db, struct err *e)
{
	static const char *const sql[] = {
	    "DELETE FROM word",
	    "INSERT INTO word_text (word_text) VALUES ('delete-all')",
	};

	return run(db, sql, ARRAY_LEN(sql), e);
}

bool
word_rebuild(struct db *db, struct err *e)
{
	static const char *const sql[] = {
	    "DELETE FROM word",
	    "INSERT INTO word (kind, value, whole)"
	    " SELECT DISTINCT kind, value, word_whole(value) FROM name_key",
	    "INSERT INTO word (kind, value, whole)"
	    " SELECT DISTINCT 2, StudyDescription,"
	    " word_whole(StudyDescription) FROM study"
	    " WHERE StudyDescription <> ''",
	    "INSERT INTO word (kind, value, whole)"
	    " SELECT DISTINCT 3, PatientID, word_whole(PatientID)"
	    " FROM patient WHERE PatientID <> ''",
	    "INSERT INTO word (kind, value, whole)"
	    " SELECT DISTINCT 4, AccessionNumber,"
	    " word_whole(AccessionNumber) FROM study"
	    " WHERE AccessionNumber <> ''",
	    "INSERT INTO word_text (word_text) VALUES ('rebuild')",
	};

	return run(db, sql, ARRAY_LEN(sql), e);
}

/* The next three characters in a row from *at on that have no wild card among
 * them; *at is then behind their first. */
static bool
next_trigram(struct str s, size_t *at, struct str *out)
{
	size_t from = *at, end = *at, n, characters = 0;
	uint32_t c;

	while (end < s.n) {
		n = utf8_next(str_of(s.p + end, s.n - end), &c);
		if (n == 0 || c == 0 || c == '*' || c == '?') {
			end += n > 0 ? n : 1;
			from = end;
			characters = 0;
			continue;
		}
		end += n;
		if (++characters < 3)
			continue;
		*out = str_of(s.p + from, end - from);
		*at = from + utf8_next(*out, &c);
		return true;
	}
	return false;
}

/* "DOE^*" finds "DOE" too: carets that end a piece need not be there. */
static struct str
without_carets(struct arena *a, struct str pattern)
{
	uint8_t *p = arena_alloc(a, pattern.n);
	size_t i;
	bool end = true;

	if (p == NULL)
		return STR("");
	for (i = pattern.n; i > 0; i--) {
		p[i - 1] = pattern.p[i - 1];
		if (p[i - 1] == '*' || p[i - 1] == '?')
			end = true;
		else if (p[i - 1] != '^')
			end = false;
		else if (end)
			p[i - 1] = '*';
	}
	return str_of(p, pattern.n);
}

static void
add_quoted(struct buf *b, struct str s)
{
	size_t i;

	buf_u8(b, '"');
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_u8(b, '"');
		buf_u8(b, s.p[i]);
	}
	buf_u8(b, '"');
}

struct str
word_query(struct arena *a, enum word_kind kind, struct str pattern)
{
	bool name = kind == WORD_PATIENT_NAME || kind == WORD_REFERRING_NAME;
	size_t at = 0, total = 0, i = 0, step;
	struct str trigram, out;
	struct buf b;

	if (pattern.n > 0 && name)
		pattern = without_carets(a, pattern);
	while (next_trigram(pattern, &at, &trigram))
		total++;
	if (total == 0)
		return STR("");
	step = (total + WORD_TRIGRAMS - 1) / WORD_TRIGRAMS;
	buf_init(&b, 4 * KIB);
	buf_text(&b, columns[kind]);
	buf_text(&b, " : (");
	for (at = 0; next_trigram(pattern, &at, &trigram); i++) {
		if (i % step != 0)
			continue;
		buf_text(&b, i > 0 ? " AND " : "");
		add_quoted(&b, trigram);
	}
	buf_u8(&b, ')');
	must(!b.over);
	out = arena_dup(a, buf_str(&b));
	buf_fini(&b);
	return out;
}

struct checked {
	int64_t id;
	enum word_kind kind;
	struct str value;
};

/* Words with trigrams behind *after. */
static bool
read_batch(struct db *db, int64_t after, struct arena *a, struct checked *out,
    size_t *n, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*n = 0;
	if (!db_query(db,
		"SELECT id, kind, value FROM word WHERE id > ? AND whole = 1"
		" ORDER BY id LIMIT ?",
		DB_ARGS(db_int(after), db_int(BATCH)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		out[*n].id = db_column_int(q, 0);
		out[*n].kind = (enum word_kind)db_column_int(q, 1);
		out[*n].value = arena_dup(a, db_column(q, 2));
		must(!a->over);
		(*n)++;
	}
	return step == DB_STEP_DONE;
}

/* Does the word find itself by its trigrams, or is it gone by now? */
static bool
check_word(struct db *db, struct arena *a, const struct checked *w, bool *good,
    struct err *e)
{
	struct str query = word_query(a, w->kind, w->value);
	int64_t one;
	bool found;

	if (query.n == 0 || w->kind >= WORD_KINDS)
		return true;
	if (!db_get_int(db, "SELECT 1 FROM word_text(?) WHERE rowid = ?",
		DB_ARGS(db_str(query), db_int(w->id)), &one, good, e))
		return false;
	if (*good)
		return true;
	if (!db_get_int(db, "SELECT 1 FROM word WHERE id = ? AND value = ?",
		DB_ARGS(db_int(w->id), db_str(w->value)), &one, &found, e))
		return false;
	*good = !found;
	return true;
}

static bool
check_trigrams(struct db *db, bool *good, struct err *e)
{
	struct checked words[BATCH];
	struct arena a;
	int64_t after = 0;
	size_t n, i;
	bool ok;

	arena_init(&a, 4 * MIB);
	do {
		arena_reset(&a);
		ok = read_batch(db, after, &a, words, &n, e);
		for (i = 0; ok && *good && i < n; i++) {
			ok = check_word(db, &a, &words[i], good, e);
			after = words[i].id;
		}
	} while (ok && *good && n == BATCH);
	arena_fini(&a);
	return ok;
}

bool
word_check(struct db *db, bool trigrams, bool *good, struct err *e)
{
	static const char missing[] =
	    "SELECT EXISTS (SELECT 1 FROM"
	    " (SELECT kind, value FROM name_key UNION ALL"
	    "  SELECT 2, StudyDescription FROM study UNION ALL"
	    "  SELECT 3, PatientID FROM patient UNION ALL"
	    "  SELECT 4, AccessionNumber FROM study) v"
	    " WHERE v.value <> '' AND NOT EXISTS (SELECT 1 FROM word w"
	    "  WHERE w.kind = v.kind AND w.value = v.value"
	    "  AND w.whole = word_whole(v.value)))";
	int64_t lost;
	bool found;

	*good = false;
	if (!db_get_int(db, missing, DB_NO_ARGS, &lost, &found, e))
		return false;
	*good = lost == 0;
	return lost != 0 || !trigrams || check_trigrams(db, good, e);
}
