/*
 * The archive as a whole: opening, locking, versions of the schema, settings,
 * activity, day folders, group commit.
 */
#include "archive.h"

#include "base/thread.h"
#include "store/index/word.h"
#include "store/schema.h"
#include "store/seal.h"

/* The version that folds stored names again. */
#define FOLDED 20
/* The one that knows issuers by the names of their authorities. */
#define AUTHORITIES 21

TEST(opening)
{
	struct store_config config = {.folder = "/nonexistent/a"};
	struct store *s;
	struct archive t;

	if (!archive_begin(&t))
		return;
	config.server = true;
	CHECK(!store_open(&s, &config, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(s == NULL);
	config.folder = t.folder;
	CHECK(!store_open(&s, &config, &t.e));
	CHECK_EQ(t.e.code, ERR_DENIED);
	CHECK(strstr(t.e.text, "another server (process") != NULL);
	config.server = false;
	CHECK(store_open(&s, &config, &t.e));
	store_close(&s);
	CHECK_STR(str_from(store_folder(t.store)), t.folder);
	archive_end(&t);
}

TEST(files_are_private)
{
	static const char *const names[] = {
	    "", "fileroom.db", "objects", "objects/tmp", "quarantine", "lock"};
	char path[128];
	struct archive t;
	struct stat st;
	size_t i;

	if (!archive_begin(&t))
		return;
	for (i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", t.folder, names[i]);
		CHECK(stat(path, &st) == 0);
		CHECK_EQ(st.st_mode & 077, 0);
	}
	archive_end(&t);
}

TEST(a_damaged_database_is_said_to_be_so)
{
	struct store_config config = {.server = true, .create = true};
	char path[128];
	struct archive t;
	int fd;

	if (!archive_begin(&t))
		return;
	store_close(&t.store);
	snprintf(path, sizeof(path), "%s/fileroom.db", t.folder);
	fd = open(path, O_WRONLY);
	CHECK(pwrite(fd, "garbage garbage", 15, 0) == 15);
	close(fd);
	config.folder = t.folder;
	CHECK(!store_open(&t.store, &config, &t.e));
	CHECK_EQ(t.e.code, ERR_CORRUPT);
	archive_end(&t);
}

static const char *const first[] = {"CREATE TABLE a (x TEXT) STRICT", NULL};
static const char *const second[] = {
    "ALTER TABLE a ADD COLUMN y TEXT", "UPDATE a SET y = 'new'", NULL};
static const char *const wrong[] = {
    "UPDATE a SET x = 'changed'", "no such statement", NULL};
static const struct schema_step steps[] = {{first}, {second}, {wrong}};

static int64_t
count_rows(struct db *db, const char *sql)
{
	int64_t n = -1;
	struct err e;
	bool found;

	if (!CHECK(db_get_int(db, sql, DB_NO_ARGS, &n, &found, &e)))
		printf("%s\n", e.text);
	return n;
}

TEST(migration)
{
	struct schema schema = {.steps = steps, .version = 1};
	char path[128], copy[160];
	struct archive t;
	struct db *db, *old;
	int64_t version;

	if (!archive_begin(&t))
		return;
	snprintf(path, sizeof(path), "%s/other.db", t.folder);
	CHECK(db_open(&db, path, DB_WRITE, &t.e));
	CHECK(schema_migrate(db, path, &schema, &t.e));
	CHECK(
	    db_exec(db, "INSERT INTO a (x) VALUES ('old')", DB_NO_ARGS, &t.e));
	schema.version = 2;
	CHECK(schema_migrate(db, path, &schema, &t.e));
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM a WHERE y = 'new'"), 1);
	/* The copy is of the version before. */
	snprintf(copy, sizeof(copy), "%s.version-1", path);
	CHECK(db_open(&old, copy, DB_READ, &t.e));
	CHECK(db_version(old, &version, &t.e));
	CHECK_EQ(version, 1);
	CHECK_EQ(count_rows(old, "SELECT count(*) FROM a WHERE x = 'old'"), 1);
	db_close(&old);
	/* A migration that fails leaves all as it was. */
	schema.version = 3;
	CHECK(!schema_migrate(db, path, &schema, &t.e));
	CHECK(db_version(db, &version, &t.e));
	CHECK_EQ(version, 2);
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM a WHERE x = 'old'"), 1);
	schema.version = 1;
	CHECK(!schema_migrate(db, path, &schema, &t.e));
	CHECK_EQ(t.e.code, ERR_UNSUPPORTED);
	CHECK(strstr(t.e.text, "version 2") != NULL);
	db_close(&db);
	archive_end(&t);
}

/* What was stored before there were words is found by its pieces too. */
TEST(words_of_an_older_index)
{
	static const char *const sql[] = {
	    "INSERT INTO patient VALUES (1, 'PID1', '', '', 'Doe^Jane', '', '')",
	    "INSERT INTO name_key VALUES (0, 'doe^jane', 1)",
	    "INSERT INTO name_key VALUES (1, 'house', 1)",
	    "INSERT INTO study VALUES (1, 1, '1.2', '', '', '', '', 'ACC1',"
	    " 'Head', '', '', '', '', 1, 1, 1, 1)",
	};
	struct schema first_one = schema_current;
	struct archive t;
	char path[128];
	bool good = false;
	struct db *db;
	size_t i;

	if (!archive_begin(&t))
		return;
	first_one.version = 1;
	snprintf(path, sizeof(path), "%s/older.db", t.folder);
	CHECK(db_open(&db, path, DB_WRITE, &t.e));
	CHECK(schema_migrate(db, path, &first_one, &t.e));
	for (i = 0; i < ARRAY_LEN(sql); i++)
		CHECK(db_exec(db, sql[i], DB_NO_ARGS, &t.e));
	CHECK(schema_migrate(db, path, &schema_current, &t.e));
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM word"), 5);
	CHECK(word_check(db, true, &good, &t.e) && good);
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM word_text("
				"'patient : (\"^ja\")')"),
	    1);
	db_close(&db);
	archive_end(&t);
}

static int64_t
matches(struct db *db, const char *text)
{
	int64_t n = -1;
	bool found;
	struct err e;

	CHECK(db_get_int(db, "SELECT count(*) FROM word_text(?)",
	    DB_ARGS(db_text(text)), &n, &found, &e));
	return n;
}

/* What was folded while letters with strokes stayed. */
TEST(names_of_an_older_index)
{
	static const char *const sql[] = {
	    "INSERT INTO patient VALUES"
	    " (1, 'P1', '', '', 'Łoś^Łukasz', '', ''),"
	    " (2, 'P2', '', '', 'Los^Lukasz', '', ''),"
	    " (3, '', '', 'born 1980\nøre', 'Øre\\Ore', '1980', ''),"
	    " (4, 'P4', '', '', 'Doe', '', '')",
	    "INSERT INTO name_key VALUES (0, 'łos^łukasz', 1),"
	    " (0, 'los^lukasz', 2), (0, 'øre', 3), (0, 'ore', 3),"
	    " (0, 'doe', 4), (1, 'þorđur', 1), (1, 'æble', 1)",
	    "INSERT INTO word (kind, value, whole) VALUES"
	    " (0, 'łos^łukasz', 1), (0, 'los^lukasz', 1), (0, 'øre', 1),"
	    " (0, 'ore', 1), (0, 'doe', 1), (1, 'þorđur', 1),"
	    " (1, 'æble', 1), (2, 'Łokieć', 1), (3, 'P1', 1), (3, 'P2', 1),"
	    " (3, 'P4', 1)",
	    "INSERT INTO study VALUES (1, 1, '1.2', '', '', '', '', '',"
	    " 'Łokieć', '', '', '', '', 1, 1, 1, 1, 0)",
	    "INSERT INTO word_text (word_text) VALUES ('rebuild')",
	};
	static const char old_word[] = "patient : (\"łuk\")";
	struct schema before = schema_current;
	struct archive t;
	char path[128];
	bool good = false;
	struct db *db;
	size_t i;

	if (!archive_begin(&t))
		return;
	before.version = FOLDED - 1;
	snprintf(path, sizeof(path), "%s/older.db", t.folder);
	CHECK(db_open(&db, path, DB_WRITE, &t.e));
	CHECK(schema_migrate(db, path, &before, &t.e));
	for (i = 0; i < ARRAY_LEN(sql); i++)
		if (!CHECK(db_exec(db, sql[i], DB_NO_ARGS, &t.e)))
			printf("%s\n", t.e.text);
	CHECK_EQ(matches(db, old_word), 1);
	if (!CHECK(schema_migrate(db, path, &schema_current, &t.e)))
		printf("%s\n", t.e.text);
	CHECK_EQ(matches(db, old_word), 0);
	CHECK_EQ(matches(db, "patient : (\"luk\")"), 1);
	CHECK_EQ(matches(db, "patient : (\"ore\")"), 1);
	CHECK_EQ(matches(db, "referring : (\"ord\")"), 1);
	CHECK_EQ(matches(db, "referring : (\"aeb\")"), 1);
	CHECK_EQ(matches(db, "description : (\"Łok\")"), 1);
	CHECK(word_check(db, true, &good, &t.e) && good);
	/* As a rebuild makes them. */
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM name_key"), 6);
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM name_key WHERE kind = 0"
				" AND value = 'los^lukasz'"),
	    2);
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM word"), 9);
	/* Two without ID who were two before stay two. */
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM patient WHERE identity"
				" = 'born 1980\nøre'"),
	    1);
	db_close(&db);
	archive_end(&t);
}

/* Merges that were told of by "NAME&OID&ISO" and by the name. */
TEST(issuers_of_an_older_index)
{
	struct schema before = schema_current;
	struct archive t;
	char path[128];
	struct db *db;

	if (!archive_begin(&t))
		return;
	before.version = AUTHORITIES - 1;
	snprintf(path, sizeof(path), "%s/older.db", t.folder);
	CHECK(db_open(&db, path, DB_WRITE, &t.e));
	CHECK(schema_migrate(db, path, &before, &t.e));
	CHECK(db_exec(db,
	    "INSERT INTO patient_alias (prior_id, prior_issuer, PatientID,"
	    " IssuerOfPatientID, ended_by, at, journal) VALUES"
	    " ('A', 'ISS', 'B', 'ISS&1.2&ISO', 0, 0, 0),"
	    " ('A', 'R&D', 'B', 'R&D', 0, 0, 0)",
	    DB_NO_ARGS, &t.e));
	if (!CHECK(schema_migrate(db, path, &schema_current, &t.e)))
		printf("%s\n", t.e.text);
	CHECK_EQ(count_rows(db, "SELECT count(*) FROM patient_alias"
				" WHERE IssuerOfPatientID = prior_issuer"),
	    2);
	db_close(&db);
	archive_end(&t);
}

TEST(settings)
{
	int64_t before, after;
	struct store_config config = {.server = false};
	struct store *other;
	struct archive t;
	char *value;

	if (!archive_begin(&t))
		return;
	config.folder = t.folder;
	CHECK(setting_get(t.store, "a.b", &t.arena, &value, &t.e));
	CHECK(value == NULL);
	CHECK(setting_version(t.store, &before, &t.e));
	CHECK(store_open(&other, &config, &t.e));
	CHECK(setting_put(other, "a.b", "it's", &t.e));
	store_close(&other);
	CHECK(setting_version(t.store, &after, &t.e));
	CHECK(before != after);
	CHECK(setting_get(t.store, "a.b", &t.arena, &value, &t.e));
	CHECK_STR(str_from(value), "it's");
	CHECK(setting_put(t.store, "a.b", "", &t.e));
	CHECK(setting_get(t.store, "a.b", &t.arena, &value, &t.e));
	CHECK(value != NULL && value[0] == '\0');
	CHECK(setting_put(t.store, "a.b", NULL, &t.e));
	CHECK(setting_get(t.store, "a.b", &t.arena, &value, &t.e));
	CHECK(value == NULL);
	archive_end(&t);
}

TEST(activity)
{
	struct activity a = {.protocol = "dicom",
			    .calling = "MODALITY",
			    .called = "FILEROOM",
			    .address = "127.0.0.1",
			    .bytes_in = 5000000000,
			    .stores = 3,
			    .end = "released"},
			*list;
	struct archive t;
	size_t n;
	int i;

	if (!archive_begin(&t))
		return;
	for (i = 1; i <= 5; i++) {
		a.start_ms = i * 1000;
		a.end_ms = a.start_ms + 1;
		activity_record(t.store, &a);
	}
	CHECK(activity_list(t.store, 0, 3, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 3);
	CHECK_EQ(list[0].start_ms, 5000);
	CHECK_EQ(list[0].bytes_in, 5000000000);
	CHECK_EQ(list[0].stores, 3);
	CHECK_STR(str_from(list[0].calling), "MODALITY");
	CHECK_STR(str_from(list[0].end), "released");
	CHECK(list[0].id > list[1].id);
	CHECK(activity_list(t.store, 4000, 99, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 2);
	CHECK(activity_clear(t.store, 5000, &t.e));
	CHECK(activity_list(t.store, 0, 99, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 1);
	archive_end(&t);
}

TEST(days_only_grow)
{
	struct archive t;
	char day[DAY_ROOM], later[DAY_ROOM] = "2999/12/31";

	if (!archive_begin(&t))
		return;
	folder_enter(t.store, day);
	CHECK(strcmp(day, later) < 0);
	folder_leave(t.store, day);
	CHECK(folder_make(t.store, "2999/12/31/00000000000000000000/x", &t.e));
	CHECK(archive_reopen(&t));
	folder_enter(t.store, day);
	CHECK_STR(str_from(day), later);
	folder_leave(t.store, day);
	archive_end(&t);
}

TEST(the_mark_follows_the_day)
{
	static const struct sample s = {.instance = "1.2",
	    .sop_class = UID_CTImageStorage,
	    .patient = "P",
	    .study = "1.3",
	    .series = "1.4"};
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(archive_put(&t, &s, &out));
	CHECK_EQ(
	    archive_int(&t, "SELECT count(*) FROM writer WHERE folder <> ''"
			    " AND last_instance = 1"),
	    1);
	store_close(&t.store);
	CHECK(archive_open(&t, true));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM writer"), 0);
	archive_end(&t);
}

TEST(paths)
{
	char path[PATH_ROOM];

	folder_path("2026/11/21", STR("1.2"), STR("../../x"), path);
	CHECK(folder_path_valid(path));
	CHECK(!folder_path_valid(""));
	CHECK(!folder_path_valid("../../../../../etc/passwd"));
	path[12] = '/';
	CHECK(!folder_path_valid(path));
}

TEST(links_are_not_followed)
{
	struct archive t;
	char path[128];
	int fd;

	if (!archive_begin(&t))
		return;
	snprintf(path, sizeof(path), "%s/objects/link", t.folder);
	CHECK(symlink("/etc/passwd", path) == 0);
	fd = folder_open(t.store->objects_fd, "link", O_RDONLY);
	CHECK(fd < 0);
	snprintf(path, sizeof(path), "%s/objects/dir", t.folder);
	CHECK(symlink("/etc", path) == 0);
	fd = folder_open(t.store->objects_fd, "dir/passwd", O_RDONLY);
	CHECK(fd < 0);
	fd = folder_open(t.store->objects_fd, "../fileroom.db", O_RDONLY);
	CHECK(fd < 0);
	archive_end(&t);
}

TEST(sealed_header_has_one_length)
{
	char uid[65];
	struct seal seal = {.syntax = STR("1.2"), .size = 77};
	uint8_t head[SEAL_DATA_AT];
	size_t n;

	memset(uid, '1', sizeof(uid));
	for (n = 0; n <= 64; n++) {
		seal.sop_class = seal.sop_instance = seal.syntax =
		    str_of(uid, n);
		seal.source_ae = str_of(uid, n < 16 ? n : 16);
		seal_build(&seal, head);
		CHECK(!memcmp(head + 128, "DICM", 4));
	}
}

#define THREADS 6
#define EACH    300

struct worker {
	struct archive *t;
	struct thread thread;
	int number, failed;
};

struct insertion {
	int key;
	bool fails;
};

static bool
insert_or_fail(struct upsert *u, void *ctx, struct err *e)
{
	const struct insertion *i = ctx;

	if (!db_exec(upsert_db(u),
		"INSERT INTO state (name, value) VALUES (?, 1)",
		DB_ARGS(db_int(i->key)), e))
		return false;
	return !i->fails || fail(e, ERR_USAGE, "as asked");
}

static void
insert_each(void *arg)
{
	struct worker *w = arg;
	struct insertion in;
	enum commit_result r;
	struct err e;
	int i;

	for (i = 0; i < EACH; i++) {
		in.key = w->number * EACH + i;
		in.fails = i % 10 == 3;
		if (i % 7 == 1) {
			in.fails = false;
			commit_later(w->t->store->commit, insert_or_fail, &in,
			    sizeof(in));
			continue;
		}
		r = commit_run(
		    w->t->store->commit, i % 50 == 0, insert_or_fail, &in, &e);
		if ((r == COMMIT_DONE) == in.fails)
			w->failed++;
	}
}

/* What fails alone is undone, also among others in one transaction. */
TEST(group_commit)
{
	struct worker w[THREADS];
	struct archive t;
	int i, n, want = 0;

	if (!archive_begin(&t))
		return;
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.t = &t, .number = i};
		CHECK(thread_start(&w[i].thread, "worker", insert_each, &w[i]));
	}
	for (i = 0; i < THREADS; i++) {
		thread_join(&w[i].thread);
		CHECK_EQ(w[i].failed, 0);
	}
	for (n = 0; n < EACH; n++)
		want += n % 7 == 1 || n % 10 != 3;
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM state"), THREADS * want);
	archive_end(&t);
}

static bool
fill_table(struct upsert *u, void *ctx, struct err *e)
{
	static uint8_t blob[512 * 1024];

	return db_exec(upsert_db(u),
	    "INSERT OR REPLACE INTO setting (key, value) VALUES (?, hex(?))",
	    DB_ARGS(db_int(*(const int *)ctx % 4),
		db_blob(str_of(blob, sizeof(blob)))),
	    e);
}

/* The log is moved into the database again and again. */
TEST(the_log_stays_small)
{
	char path[128];
	struct archive t;
	struct stat st;
	int i;

	if (!archive_begin(&t))
		return;
	snprintf(path, sizeof(path), "%s/fileroom.db-wal", t.folder);
	for (i = 0; i < 80; i++)
		CHECK(commit_run(t.store->commit, false, fill_table, &i,
			  &t.e) == COMMIT_DONE);
	CHECK(stat(path, &st) == 0);
	CHECK(st.st_size > 0 && st.st_size < (off_t)(24 * MIB));
	archive_end(&t);
}

TEST_MAIN
