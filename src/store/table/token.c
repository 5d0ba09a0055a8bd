/*
 * Table token: by study, the hash of its token, the token sealed (token_key.h),
 * and when it was made. Rows stay when their study goes.
 *
 * A token leaves only after its row was committed with a flush. Who reads a
 * row reads a flushed one: SQLite shows a commit after its flush.
 */
#include "store/table/token.h"

#include "base/clock.h"
#include "base/os.h"
#include "store/index/person.h"
#include "store/inside.h"
#include "store/table/token_key.h"

#include <gnutls/crypto.h>

#define LETTERS    62
#define TOKEN_SIZE (TOKEN_ROOM - 1)
/* Made in one transaction, which others wait for. */
#define MADE_AT_ONCE 500

#define STUDY_COLUMNS "s.StudyInstanceUID, s.StudyDate, s.StudyDescription"

/* Bytes from 248 on would make some letters likelier than others. */
static void
make_token(char out[TOKEN_ROOM])
{
	static const char letters[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t bytes[96];
	size_t i, n = 0;

	while (n < TOKEN_SIZE) {
		os_random(bytes, sizeof(bytes));
		for (i = 0; i < sizeof(bytes) && n < TOKEN_SIZE; i++)
			if (bytes[i] < 256 / LETTERS * LETTERS)
				out[n++] = letters[bytes[i] % LETTERS];
	}
	out[n] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
}

static void
hash_token(const void *token, uint8_t out[32])
{
	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, token, TOKEN_SIZE, out) == 0);
}

/* The columns of STUDY_COLUMNS, from the first on. */
static bool
read_study(
    struct db_stmt *q, struct arena *a, struct token_study *t, struct err *e)
{
	struct str date = db_column(q, 1);
	uint64_t number;

	*t = (struct token_study){.there = true};
	if (!str_copy(t->study, sizeof(t->study), db_column(q, 0)))
		return fail(e, ERR_CORRUPT, "index: a UID is too long");
	if (date.n == 8 && str_u64(date, &number))
		(void)str_copy(t->date, sizeof(t->date), date);
	t->description = arena_dup(a, db_column(q, 2));
	return !a->over || fail(e, ERR_LIMIT, "too many studies at once");
}

/* Columns behind those of the study: is there a token, when was it made, what
 * is sealed. */
static bool
read_token(struct db_stmt *q, int column, const struct token_key *k,
    struct token_study *t)
{
	if (db_column_int(q, column) == 0)
		return false;
	t->issued_ms = db_column_int(q, column + 1);
	if (!token_unseal(
		k, str_from(t->study), db_column(q, column + 2), t->token))
		t->token[0] = '\0';
	return true;
}

struct issue {
	struct store *s;
	struct token_study *v;
	const size_t *which; /* places in v */
	size_t n;
};

static bool
insert(struct db *db, const struct token_key *k, struct token_study *t,
    struct err *e)
{
	struct str study = str_from(t->study);
	uint8_t sealed[TOKEN_SEALED], hash[32];

	make_token(t->token);
	hash_token(t->token, hash);
	token_seal(k, study, t->token, sealed);
	t->issued_ms = clock_utc_ms();
	return db_exec(db,
	    "INSERT INTO token (study, hash, sealed, issued)"
	    " SELECT StudyInstanceUID, ?, ?, ? FROM study"
	    " WHERE StudyInstanceUID = ? ON CONFLICT (study) DO NOTHING",
	    DB_ARGS(db_blob(str_of(hash, sizeof(hash))),
		db_blob(str_of(sealed, sizeof(sealed))), db_int(t->issued_ms),
		db_str(study)),
	    e);
}

/* Another process was first, or the study is gone. */
static bool
look_again(struct db *db, const struct token_key *k, struct token_study *t,
    struct err *e)
{
	enum db_step step;
	struct db_stmt *q;

	t->token[0] = '\0';
	t->issued_ms = 0;
	if (!db_query(db,
		"SELECT 1, t.issued, t.sealed FROM token t JOIN study s"
		" ON s.StudyInstanceUID = t.study WHERE t.study = ?",
		DB_ARGS(db_text(t->study)), &q, e))
		return false;
	step = db_step(q, e);
	t->there = step == DB_STEP_ROW;
	if (step == DB_STEP_ROW) {
		(void)read_token(q, 0, k, t);
		db_reset(q);
	}
	return step != DB_STEP_FAILED;
}

static bool
issue(struct upsert *u, void *ctx, struct err *e)
{
	const struct issue *in = ctx;
	struct db *db = upsert_db(u);
	struct token_study *t;
	struct token_key k;
	bool ok;
	size_t i;

	if (!token_key_need(in->s, db, &k, e))
		return false;
	for (i = 0, ok = true; i < in->n && ok; i++) {
		t = &in->v[in->which[i]];
		ok = insert(db, &k, t, e);
		if (ok && db_changes(db) == 0)
			ok = look_again(db, &k, t, e);
	}
	token_key_forget(&k);
	return ok;
}

static bool
make_missing(struct store *s, struct token_study *v, const size_t *which,
    size_t n, struct err *e)
{
	struct issue in = {.s = s, .v = v};
	size_t at;

	if (n > 0 && !store_writable(s, e))
		return false;
	for (at = 0; at < n; at += in.n) {
		in.which = which + at;
		in.n = n - at < MADE_AT_ONCE ? n - at : MADE_AT_ONCE;
		if (commit_run(s->commit, true, issue, &in, e) != COMMIT_DONE)
			return fail_in(e, "cannot make a token");
	}
	return true;
}

/* Key and rows must be of one state of the database, or the first token, made
 * meanwhile, looks as if it were sealed with another key. While a statement is
 * open the others of its connection see what it saw. */
static bool
find_key(struct store *s, struct db *db, struct db_stmt **open,
    struct token_key *k, struct err *e)
{
	if (!db_query(db, "SELECT 1 FROM sqlite_schema LIMIT 1", DB_NO_ARGS,
		open, e) ||
	    db_step(*open, e) != DB_STEP_ROW)
		return false;
	if (token_key_find(s, db, k, e))
		return true;
	db_reset(*open);
	return false;
}

static bool
find_study(struct store *s, struct db *db, struct str study, struct arena *a,
    struct token_study *out, bool *made, struct err *e)
{
	struct db_stmt *q, *open;
	enum db_step step;
	struct token_key k;
	bool ok = false;

	if (!find_key(s, db, &open, &k, e))
		return false;
	if (!db_query(db,
		"SELECT " STUDY_COLUMNS
		", t.study IS NOT NULL, t.issued, t.sealed"
		" FROM study s LEFT JOIN token t"
		" ON t.study = s.StudyInstanceUID"
		" WHERE s.StudyInstanceUID = ?",
		DB_ARGS(db_str(study)), &q, e))
		goto out;
	step = db_step(q, e);
	if (step == DB_STEP_ROW) {
		ok = read_study(q, a, out, e);
		*made = ok && read_token(q, 3, &k, out);
		db_reset(q);
	} else if (step == DB_STEP_DONE) {
		(void)fail(e, ERR_MISSING, "there is no such study");
	}
out:
	db_reset(open);
	token_key_forget(&k);
	return ok;
}

bool
token_of_study(struct store *s, struct str study, struct arena *a,
    struct token_study *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool made = false, ok;
	size_t first = 0;

	*out = (struct token_study){.there = false};
	if (db == NULL)
		return false;
	ok = find_study(s, db, study, a, out, &made, e);
	store_reader_done(s, db);
	if (!ok || (!made && !make_missing(s, out, &first, 1, e)))
		return false;
	if (!out->there)
		return fail(e, ERR_MISSING, "there is no such study");
	if (out->token[0] == '\0')
		return fail(e, ERR_DENIED,
		    "the token of study '%s' was made with another key: it "
		    "still opens the study, but cannot be shown; put that key "
		    "back, or revoke it to get another",
		    out->study);
	return true;
}

struct found {
	struct token_study *v;
	size_t *which; /* without a token */
	size_t n, missing;
};

static bool
read_patient(struct db_stmt *q, const struct token_key *k, struct arena *a,
    struct found *f, struct err *e)
{
	enum db_step step;

	while ((step = db_step(q, e)) == DB_STEP_ROW) {
		if (f->n == LIMIT_TOKENS || !read_study(q, a, &f->v[f->n], e)) {
			db_reset(q);
			return f->n == LIMIT_TOKENS;
		}
		if (!read_token(q, 3, k, &f->v[f->n]))
			f->which[f->missing++] = f->n;
		f->n++;
	}
	return step == DB_STEP_DONE;
}

#define PATIENT_STUDIES                                                        \
	"SELECT " STUDY_COLUMNS ", t.study IS NOT NULL, t.issued, t.sealed"    \
	" FROM patient p JOIN study s ON s.patient = p.id"                     \
	" LEFT JOIN token t ON t.study = s.StudyInstanceUID"                   \
	" WHERE p.PatientID = ?"
#define NEWEST_FIRST                                                           \
	" ORDER BY s.StudyDate DESC, s.StudyTime_key DESC, s.id LIMIT ?"

static bool
find_patient(struct store *s, struct db *db, struct str id,
    const struct str *issuer, struct arena *a, struct found *f, struct err *e)
{
	struct db_stmt *q, *open;
	struct token_key k;
	bool ok;

	if (!find_key(s, db, &open, &k, e))
		return false;
	if (issuer == NULL)
		ok = db_query(db, PATIENT_STUDIES NEWEST_FIRST,
		    DB_ARGS(db_str(id), db_int(LIMIT_TOKENS)), &q, e);
	else
		ok = db_query(db,
		    PATIENT_STUDIES " AND p.IssuerOfPatientID = ?" NEWEST_FIRST,
		    DB_ARGS(db_str(id), db_str(*issuer), db_int(LIMIT_TOKENS)),
		    &q, e);
	ok = ok && read_patient(q, &k, a, f, e);
	db_reset(open);
	token_key_forget(&k);
	return ok;
}

/* Issuers of one ID that was merged into others. */
#define ISSUERS 100

/* With none first: who has no issuer goes along with a merge within one. */
static bool
merged_issuers(struct db *db, struct str id, struct arena *a,
    struct str out[ISSUERS], size_t *n, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	out[0] = STR("");
	*n = 1;
	if (!db_query(db,
		"SELECT DISTINCT prior_issuer FROM patient_alias"
		" WHERE prior_id = ? AND ended_by = 0 AND prior_issuer <> ''"
		" LIMIT ?",
		DB_ARGS(db_str(id), db_int(ISSUERS - 1)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		out[(*n)++] = arena_dup(a, db_column(q, 0));
	return step == DB_STEP_DONE &&
	       (!a->over || fail(e, ERR_LIMIT, "no memory for tokens"));
}

/* Who asks by an ID that was merged means whom it leads to. */
static bool
find_merged(struct store *s, struct db *db, struct str id,
    const struct str *issuer, struct arena *a, struct found *f, struct err *e)
{
	struct str issuers[ISSUERS];
	struct person from, is;
	size_t i, n;

	if (!merged_issuers(db, id, a, issuers, &n, e))
		return false;
	for (i = 0; i < n; i++) {
		if (issuer != NULL && !str_eq(*issuer, issuers[i]))
			continue;
		from = person_of(id, issuers[i]);
		if (!person_resolve(db, a, &from, &is, e))
			return false;
		if (!person_eq(&from, &is) &&
		    !find_patient(s, db, is.id, &is.issuer, a, f, e))
			return false;
	}
	return true;
}

bool
token_of_patient(struct store *s, struct str id, const struct str *issuer,
    struct arena *a, struct token_study **out, size_t *n, struct err *e)
{
	struct found f = {.v = NULL};
	struct db *db;
	bool ok;

	*n = 0;
	*out = NULL;
	if (id.n == 0)
		return true;
	f.v = arena_array(a, LIMIT_TOKENS, sizeof(*f.v));
	f.which = arena_array(a, LIMIT_TOKENS, sizeof(*f.which));
	if (f.v == NULL || f.which == NULL)
		return fail(e, ERR_LIMIT, "no memory for tokens");
	db = store_reader(s, e);
	if (db == NULL)
		return false;
	ok = find_patient(s, db, id, issuer, a, &f, e) &&
	     (f.n > 0 || find_merged(s, db, id, issuer, a, &f, e));
	store_reader_done(s, db);
	if (!ok || !make_missing(s, f.v, f.which, f.missing, e))
		return false;
	*out = f.v;
	*n = f.n;
	return true;
}

/* Whatever is asked, a text of the size of a token is hashed and the hash is
 * looked for: time tells nothing but whether it was right. */
bool
token_resolve(struct store *s, struct str token, struct arena *a,
    struct token_study *out, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	uint8_t hash[32], text[TOKEN_SIZE] = {0};
	struct db *db = store_reader(s, e);
	struct db_stmt *q;
	bool ok = false;

	*out = (struct token_study){.there = false};
	if (db == NULL)
		return false;
	if (token.n > 0)
		memcpy(
		    text, token.p, token.n < TOKEN_SIZE ? token.n : TOKEN_SIZE);
	hash_token(text, hash);
	if (db_query(db,
		"SELECT " STUDY_COLUMNS ", t.issued FROM token t"
		" JOIN study s ON s.StudyInstanceUID = t.study"
		" WHERE t.hash = ?",
		DB_ARGS(db_blob(str_of(hash, sizeof(hash)))), &q, e))
		step = db_step(q, e);
	if (step == DB_STEP_ROW) {
		ok = read_study(q, a, out, e);
		out->issued_ms = db_column_int(q, 3);
		db_reset(q);
	}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE || (ok && token.n != TOKEN_SIZE))
		return fail(e, ERR_MISSING, "the token is not valid");
	if (ok)
		(void)str_copy(out->token, sizeof(out->token), token);
	return ok;
}

static bool
delete_token(struct upsert *u, void *ctx, struct err *e)
{
	const struct str *study = ctx;
	char shown[80];

	if (!db_exec(upsert_db(u), "DELETE FROM token WHERE study = ?",
		DB_ARGS(db_str(*study)), e))
		return false;
	return db_changes(upsert_db(u)) > 0 ||
	       fail(e, ERR_MISSING, "study '%s' has no token",
		   str_printable(shown, sizeof(shown), *study));
}

bool
token_revoke(struct store *s, struct str study, struct err *e)
{
	return commit_run(s->commit, true, delete_token, &study, e) ==
	       COMMIT_DONE;
}

static bool
read_list(struct db_stmt *q, struct arena *a, struct token_study *v, size_t *n,
    struct err *e)
{
	enum db_step step;

	while ((step = db_step(q, e)) == DB_STEP_ROW && *n < LIMIT_ROWS) {
		if (!read_study(q, a, &v[*n], e)) {
			db_reset(q);
			return false;
		}
		v[*n].issued_ms = db_column_int(q, 3);
		v[(*n)++].there = db_column_int(q, 4) != 0;
	}
	if (step == DB_STEP_ROW)
		db_reset(q);
	return step != DB_STEP_FAILED;
}

bool
token_list(struct store *s, struct str after, struct arena *a,
    struct token_study **out, size_t *n, struct err *e)
{
	struct db *db;
	struct db_stmt *q;
	bool ok;

	*n = 0;
	*out = arena_array(a, LIMIT_ROWS, sizeof(**out));
	if (*out == NULL)
		return fail(e, ERR_LIMIT, "no memory for tokens");
	db = store_reader(s, e);
	if (db == NULL)
		return false;
	ok = db_query(db,
		 "SELECT t.study, coalesce(s.StudyDate, ''),"
		 " coalesce(s.StudyDescription, ''), t.issued,"
		 " s.id IS NOT NULL FROM token t LEFT JOIN study s"
		 " ON s.StudyInstanceUID = t.study WHERE t.study > ?"
		 " ORDER BY t.study LIMIT ?",
		 DB_ARGS(db_str(after), db_int(LIMIT_ROWS)), &q, e) &&
	     read_list(q, a, *out, n, e);
	store_reader_done(s, db);
	return ok;
}

static bool
renew(struct upsert *u, void *ctx, struct err *e)
{
	return token_key_renew(ctx, upsert_db(u), e);
}

bool
token_new_key(struct store *s, struct err *e)
{
	return commit_run(s->commit, true, renew, s, e) == COMMIT_DONE;
}

bool
token_check(struct store *s, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct token_key k;
	bool ok;

	if (db == NULL)
		return false;
	ok = token_key_find(s, db, &k, e);
	token_key_forget(&k);
	store_reader_done(s, db);
	return ok;
}
