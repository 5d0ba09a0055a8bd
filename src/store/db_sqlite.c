/*
 * SQLite behind db.h.
 *
 * Write-ahead log; synchronous is NORMAL but for transactions that ask for a
 * flush, where it is FULL: then the log is flushed after the commit, and with
 * it all commits before. Checkpoints are never automatic: SQLite would ignore
 * their failed flushes. The schema is not trusted, memory maps are off (an I/O
 * error would be a signal), temporary tables stay in memory.
 *
 * Statements are cached by their text, at most STATEMENTS a connection.
 */
#include "store/db.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/map.h"
#include "base/os.h"
#include "base/utf8.h"
#include "dicom/match.h"
#include "store/index/word.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>

#define STATEMENTS 128
/* Longer than any transaction of ours; another process may be stopped. */
#define WAIT_BUSY_MS 30000
/* A checkpoint can be made later as well. */
#define WAIT_CHECKPOINT_MS 20
#define PAGE_BYTES         4096

struct db_stmt {
	struct db *db;
	sqlite3_stmt *stmt;
	bool in_use;
	bool passing; /* not in the cache: ends at its reset */
};

struct db {
	sqlite3 *lite;
	struct map statements;
	bool flushing; /* synchronous is FULL now */
	bool flush_failed;
	uint64_t log_pages;
	int64_t busy_since_ms, wait_ms;
};

static enum err_code
code_of(struct db *db, int code)
{
	int number;

	switch (code & 0xff) {
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		number = sqlite3_system_errno(db->lite);
		return number == ENOSPC || number == EDQUOT ? ERR_FULL : ERR_IO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_TIMEOUT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_DENIED;
	case SQLITE_CONSTRAINT:
		return ERR_CONFLICT;
	default:
		return ERR_IO;
	}
}

static bool
fail_db(struct db *db, struct err *e)
{
	int code = sqlite3_extended_errcode(db->lite);

	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
		db->flush_failed = true;
	must((code & 0xff) != SQLITE_NOMEM);
	if (code == SQLITE_FULL)
		return fail(e, ERR_FULL,
		    "no room is left for the index ('fileroom.db'): make room "
		    "on its disk");
	return fail(
	    e, code_of(db, code), "index: %s", sqlite3_errmsg(db->lite));
}

/* SQLite's own waiting is too coarse: its steps grow to 100 ms. */
static int
wait_busy(void *ctx, int tries)
{
	struct db *db = ctx;
	int64_t now = clock_mono_ms();

	if (tries == 0)
		db->busy_since_ms = now;
	if (now - db->busy_since_ms > db->wait_ms)
		return 0;
	clock_sleep_ms(tries < 20 ? 1 : 5);
	return 1;
}

static int
committed(void *ctx, sqlite3 *lite, const char *name, int pages)
{
	struct db *db = ctx;

	(void)lite;
	(void)name;
	db->log_pages = (uint64_t)pages;
	return SQLITE_OK;
}

/* wild(pattern, value): dicom/match.h's, for keys with wild cards. */
static void
sql_wild(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	struct str s[2];
	int i;

	must(n == 2);
	for (i = 0; i < 2; i++) {
		s[i].p = sqlite3_value_text(args[i]);
		s[i].n = (size_t)sqlite3_value_bytes(args[i]);
	}
	sqlite3_result_int(ctx, match_wild(s[0], s[1]) ? 1 : 0);
}

static size_t
count_of(struct str s, uint8_t c)
{
	size_t i, n = 0;

	for (i = 0; i < s.n; i++)
		n += s.p[i] == c;
	return n;
}

/* wild_name(pattern, group): as wild(), for folded component groups of names,
 * where components that are not there match like empty ones. */
static void
sql_wild_name(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	struct str pattern, value;
	size_t wanted, there;
	struct buf padded;
	bool hit;

	must(n == 2);
	pattern.p = sqlite3_value_text(args[0]);
	pattern.n = (size_t)sqlite3_value_bytes(args[0]);
	value.p = sqlite3_value_text(args[1]);
	value.n = (size_t)sqlite3_value_bytes(args[1]);
	hit = match_wild(pattern, value);
	wanted = count_of(pattern, '^');
	there = count_of(value, '^');
	if (!hit && wanted > there) {
		buf_init(&padded, value.n + wanted);
		buf_add(&padded, value);
		buf_fill(&padded, '^', wanted - there);
		hit = match_wild(pattern, buf_str(&padded));
		buf_fini(&padded);
	}
	sqlite3_result_int(ctx, hit ? 1 : 0);
}

/* wild_folded(pattern, value): as wild(), for a folded pattern, whatever case
 * and accents the value has. */
static void
sql_wild_folded(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	struct str pattern, value;
	struct arena a;
	bool hit;

	must(n == 2);
	pattern.p = sqlite3_value_text(args[0]);
	pattern.n = (size_t)sqlite3_value_bytes(args[0]);
	value.p = sqlite3_value_text(args[1]);
	value.n = (size_t)sqlite3_value_bytes(args[1]);
	arena_init(&a, 256 * KIB);
	hit = match_wild(pattern, utf8_fold(&a, value));
	arena_fini(&a);
	sqlite3_result_int(ctx, hit ? 1 : 0);
}

/* part_begins(text, group): does some part of a folded component group begin
 * with the folded text? */
static void
sql_part_begins(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	struct str text, value;
	bool hit = false;
	size_t i;

	must(n == 2);
	text.p = sqlite3_value_text(args[0]);
	text.n = (size_t)sqlite3_value_bytes(args[0]);
	value.p = sqlite3_value_text(args[1]);
	value.n = (size_t)sqlite3_value_bytes(args[1]);
	for (i = 0; i < value.n && !hit; i++)
		hit = (i == 0 || strchr("^ -,'(", value.p[i - 1]) != NULL) &&
		      str_starts(str_of(value.p + i, value.n - i), text);
	sqlite3_result_int(ctx, hit ? 1 : 0);
}

/* word_whole(value): store/index/word.h's. */
static void
sql_word_whole(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	struct str s;

	must(n == 1);
	s.p = sqlite3_value_text(args[0]);
	s.n = (size_t)sqlite3_value_bytes(args[0]);
	sqlite3_result_int(ctx, word_whole(s) ? 1 : 0);
}

/* fold_letters(key): utf8_fold_letters(), for keys that were folded. */
static void
sql_fold_letters(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	struct str s;
	struct arena a;

	must(n == 1);
	s.p = sqlite3_value_text(args[0]);
	s.n = (size_t)sqlite3_value_bytes(args[0]);
	/* As much as arrived: a key is at most a few KiB. */
	arena_init(&a, s.n + 4 * KIB);
	s = utf8_fold_letters(&a, s);
	must(!a.over);
	sqlite3_result_text(ctx, (const char *)s.p, (int)s.n, SQLITE_TRANSIENT);
	arena_fini(&a);
}

static bool
add_functions(struct db *db, struct err *e)
{
	static const struct {
		const char *name;
		int args;
		void (*fn)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {
	    {"wild", 2, sql_wild},
	    {"wild_name", 2, sql_wild_name},
	    {"wild_folded", 2, sql_wild_folded},
	    {"part_begins", 2, sql_part_begins},
	    {"word_whole", 1, sql_word_whole},
	    {"fold_letters", 1, sql_fold_letters},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(functions); i++)
		if (sqlite3_create_function_v2(db->lite, functions[i].name,
			functions[i].args,
			SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
			NULL, functions[i].fn, NULL, NULL, NULL) != SQLITE_OK)
			return fail_db(db, e);
	return true;
}

static bool
run_all(struct db *db, const char *const *sql, size_t n, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (sqlite3_exec(db->lite, sql[i], NULL, NULL, NULL) !=
		    SQLITE_OK)
			return fail_db(db, e);
	return true;
}

static bool
set_up(struct db *db, enum db_mode mode, struct err *e)
{
	static const char *const both[] = {
	    "PRAGMA temp_store = MEMORY",
	    "PRAGMA mmap_size = 0",
	    "PRAGMA trusted_schema = OFF",
	    "PRAGMA cache_size = -8192",
	    "PRAGMA wal_autocheckpoint = 0",
	};
	static const char *const writer[] = {
	    "PRAGMA journal_mode = WAL",
	    "PRAGMA synchronous = NORMAL",
	};

	sqlite3_extended_result_codes(db->lite, 1);
	sqlite3_busy_handler(db->lite, wait_busy, db);
	sqlite3_db_config(db->lite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->lite, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db->lite, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	if (!add_functions(db, e))
		return false;
	if (!run_all(db, both, ARRAY_LEN(both), e))
		return false;
	/* After wal_autocheckpoint, which takes the hook away. */
	sqlite3_wal_hook(db->lite, committed, db);
	return mode == DB_READ || run_all(db, writer, ARRAY_LEN(writer), e);
}

bool
db_open(struct db **out, const char *path, enum db_mode mode, struct err *e)
{
	struct db *db = must_zalloc(sizeof(*db));
	int fd, flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	*out = NULL;
	map_init(&db->statements);
	db->wait_ms = WAIT_BUSY_MS;
	/* SQLite gives its other files the mode of this one. */
	if (mode == DB_WRITE) {
		fd =
		    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0) {
			free(db);
			return fail_errno(e, "cannot open '%s'", path);
		}
		/* SQLite gives its other files to the owner of this one. */
		os_inherit(AT_FDCWD, path, fd);
		os_close(&fd);
	}
	if (sqlite3_open_v2(path, &db->lite, flags, NULL) != SQLITE_OK ||
	    !set_up(db, mode, e)) {
		must(db->lite != NULL);
		(void)fail_db(db, e);
		db_close(&db);
		return fail_in(e, "cannot open '%s'", path);
	}
	*out = db;
	return true;
}

static void
end_statement(void *ctx, struct str key, void *value)
{
	struct db_stmt *s = value;

	(void)ctx;
	(void)key;
	must(!s->in_use);
	sqlite3_finalize(s->stmt);
	free(s);
}

static void
forget_statements(struct db *db)
{
	map_each(&db->statements, end_statement, NULL);
	map_clear(&db->statements);
}

void
db_close(struct db **pdb)
{
	struct db *db = *pdb;

	if (db == NULL)
		return;
	forget_statements(db);
	map_fini(&db->statements);
	must(sqlite3_close(db->lite) == SQLITE_OK);
	free(db);
	*pdb = NULL;
}

static void
in_use(void *ctx, struct str key, void *value)
{
	(void)key;
	if (((struct db_stmt *)value)->in_use)
		*(bool *)ctx = true;
}

static bool
prepare(struct db *db, const char *sql, struct db_stmt **out, struct err *e)
{
	struct str key = str_from(sql);
	struct db_stmt *s = map_get(&db->statements, key);
	bool busy = false;

	if (s != NULL && !s->in_use) {
		*out = s;
		return true;
	}
	s = must_zalloc(sizeof(*s));
	s->db = db;
	s->passing = map_get(&db->statements, key) != NULL;
	if (sqlite3_prepare_v3(db->lite, sql, (int)key.n + 1,
		SQLITE_PREPARE_PERSISTENT, &s->stmt, NULL) != SQLITE_OK) {
		free(s);
		return fail_db(db, e);
	}
	*out = s;
	if (s->passing)
		return true;
	if (db->statements.n >= STATEMENTS) {
		map_each(&db->statements, in_use, &busy);
		if (busy) {
			s->passing = true;
			return true;
		}
		forget_statements(db);
	}
	map_put(&db->statements, key, s);
	return true;
}

static bool
bind(struct db_stmt *s, const struct db_value *args, size_t n)
{
	const char *p;
	int i, code = SQLITE_OK;

	must(n <= INT32_MAX);
	must(sqlite3_bind_parameter_count(s->stmt) == (int)n);
	for (i = 1; i <= (int)n && code == SQLITE_OK; i++, args++) {
		/* A NULL pointer would bind NULL. */
		p = args->bytes.n > 0 ? (const char *)args->bytes.p : "";
		if (args->kind == DB_INT)
			code = sqlite3_bind_int64(s->stmt, i, args->number);
		else if (args->kind == DB_TEXT)
			code = sqlite3_bind_text64(s->stmt, i, p, args->bytes.n,
			    SQLITE_STATIC, SQLITE_UTF8);
		else if (args->kind == DB_BLOB)
			code = sqlite3_bind_blob64(
			    s->stmt, i, p, args->bytes.n, SQLITE_STATIC);
		else
			code = sqlite3_bind_null(s->stmt, i);
	}
	return code == SQLITE_OK;
}

bool
db_query(struct db *db, const char *sql, const struct db_value *args, size_t n,
    struct db_stmt **out, struct err *e)
{
	if (!prepare(db, sql, out, e))
		return false;
	(*out)->in_use = true;
	if (bind(*out, args, n))
		return true;
	(void)fail_db(db, e);
	db_reset(*out);
	return false;
}

enum db_step
db_step(struct db_stmt *s, struct err *e)
{
	int code = sqlite3_step(s->stmt);

	if (code == SQLITE_ROW)
		return DB_STEP_ROW;
	if (code != SQLITE_DONE)
		(void)fail_db(s->db, e);
	db_reset(s);
	return code == SQLITE_DONE ? DB_STEP_DONE : DB_STEP_FAILED;
}

void
db_reset(struct db_stmt *s)
{
	must(s->in_use);
	sqlite3_reset(s->stmt);
	s->in_use = false;
	if (s->passing)
		end_statement(NULL, STR(""), s);
}

int64_t
db_column_int(struct db_stmt *s, int column)
{
	return sqlite3_column_int64(s->stmt, column);
}

struct str
db_column(struct db_stmt *s, int column)
{
	/* Of a connection that one thread uses at a time (NOMUTEX) the value
	 * may be read at once: sqlite3_column_text() and its like look the
	 * column up and check for errors at every call. */
	sqlite3_value *v = sqlite3_column_value(s->stmt, column);
	const void *p;

	if (sqlite3_value_type(v) == SQLITE_BLOB)
		p = sqlite3_value_blob(v);
	else
		p = sqlite3_value_text(v);
	return str_of(p, (size_t)sqlite3_value_bytes(v));
}

bool
db_exec(struct db *db, const char *sql, const struct db_value *args, size_t n,
    struct err *e)
{
	struct db_stmt *s;
	enum db_step step;

	if (!db_query(db, sql, args, n, &s, e))
		return false;
	do
		step = db_step(s, e);
	while (step == DB_STEP_ROW);
	return step == DB_STEP_DONE;
}

bool
db_get_int(struct db *db, const char *sql, const struct db_value *args,
    size_t n, int64_t *out, bool *found, struct err *e)
{
	struct db_stmt *s;

	*out = 0;
	*found = false;
	if (!db_query(db, sql, args, n, &s, e))
		return false;
	switch (db_step(s, e)) {
	case DB_STEP_ROW:
		*out = db_column_int(s, 0);
		*found = true;
		db_reset(s);
		return true;
	case DB_STEP_DONE:
		return true;
	default:
		return false;
	}
}

int64_t
db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->lite);
}

int64_t
db_changes(struct db *db)
{
	return sqlite3_changes64(db->lite);
}

bool
db_begin(struct db *db, bool flush, struct err *e)
{
	flush = flush && os_flushes;
	if (flush != db->flushing) {
		if (!db_exec(db,
			flush ? "PRAGMA synchronous = FULL"
			      : "PRAGMA synchronous = NORMAL",
			DB_NO_ARGS, e))
			return false;
		db->flushing = flush;
	}
	return db_exec(db, "BEGIN IMMEDIATE", DB_NO_ARGS, e);
}

bool
db_commit(struct db *db, struct err *e)
{
	return db_exec(db, "COMMIT", DB_NO_ARGS, e);
}

void
db_rollback(struct db *db)
{
	struct err ignored;

	/* SQLite may have rolled back on its own. */
	if (sqlite3_get_autocommit(db->lite) == 0)
		(void)!db_exec(db, "ROLLBACK", DB_NO_ARGS, &ignored);
	must(sqlite3_get_autocommit(db->lite) != 0);
}

bool
db_flush_failed(const struct db *db)
{
	return db->flush_failed;
}

bool
db_data_version(struct db *db, int64_t *out, struct err *e)
{
	bool found;

	return db_get_int(
	    db, "PRAGMA data_version", DB_NO_ARGS, out, &found, e);
}

uint64_t
db_log_bytes(const struct db *db)
{
	return db->log_pages * PAGE_BYTES;
}

bool
db_checkpoint(struct db *db, bool restart, struct err *e)
{
	int code, left = 0, moved = 0;

	db->wait_ms = WAIT_CHECKPOINT_MS;
	code = sqlite3_wal_checkpoint_v2(db->lite, NULL,
	    restart ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
	    &left, &moved);
	db->wait_ms = WAIT_BUSY_MS;
	if (code != SQLITE_OK && code != SQLITE_BUSY)
		return fail_db(db, e);
	if (code == SQLITE_OK && left == moved)
		db->log_pages = 0;
	return true;
}

bool
db_version(struct db *db, int64_t *out, struct err *e)
{
	bool found;

	return db_get_int(
	    db, "PRAGMA user_version", DB_NO_ARGS, out, &found, e);
}

bool
db_version_set(struct db *db, int64_t version, struct err *e)
{
	char sql[64];

	/* Pragmas take no bound values. */
	snprintf(
	    sql, sizeof(sql), "PRAGMA user_version = %lld", (long long)version);
	return db_exec(db, sql, DB_NO_ARGS, e);
}

bool
db_copy(struct db *db, const char *path, struct err *e)
{
	return db_exec(db, "VACUUM INTO ?", DB_ARGS(db_text(path)), e);
}
