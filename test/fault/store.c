/*
 * The store on a disk that fails: the Nth call of the system's that keeps data
 * fails, N = 1, 2, 3, … until a run has none. After each, nothing acknowledged
 * is lost, no row is without its file, and later objects are stored; after a
 * failed flush only when the store was opened anew.
 */
#include "../unit/archive.h"
#include "fault.h"

#define OBJECTS 6

/* Enough for write-back to begin while it comes: where the fault is in that it
 * matters; elsewhere it would only take its time. */
#define LARGE (2100 * KIB)

static size_t largest = 70 * KIB;

static void
sample_of(int i, struct sample *s, char text[2][32])
{
	const size_t sizes[] = {100, 100, 70 * KIB, largest, 100, 100};

	snprintf(text[0], 32, "1.9.%d", i);
	snprintf(text[1], 32, "1.8.%d", i / 2);
	*s = (struct sample){
	    .instance = text[0],
	    .sop_class = UID_CTImageStorage,
	    .study = text[1],
	    .series = text[1],
	    .patient = "P",
	    .name = "N",
	    .pixels = sizes[i % OBJECTS],
	};
}

static void
check_rows(struct archive *t)
{
	struct search all = {.level = LEVEL_INSTANCE};
	struct index_row *rows;
	struct object_file f;
	size_t n, i;

	CHECK(index_search(t->store, &all, 0, &t->arena, &rows, &n, &t->e));
	for (i = 0; i < n; i++) {
		if (!CHECK(object_open(
			t->store, (const char *)rows[i].path.p, &f, &t->e)))
			continue;
		CHECK(object_verify(&f, &t->e));
		object_close(&f);
	}
}

/* A replacement is acknowledged when its new bytes are there. */
static bool
load(struct archive *t, enum store_duplicate duplicate, bool acked[OBJECTS],
    bool *replaced)
{
	struct object_result out;
	char text[2][32];
	struct sample s;
	bool all = true;
	int i;

	store_set_duplicate(t->store, duplicate);
	for (i = 0; i < OBJECTS; i++) {
		sample_of(i, &s, text);
		acked[i] = archive_put(t, &s, &out);
		if (!acked[i]) {
			all = false;
			CHECK(t->e.code == ERR_IO || t->e.code == ERR_FULL);
			CHECK(fault.number != ENOSPC || t->e.code == ERR_FULL);
		}
	}
	sample_of(0, &s, text);
	s.fill = 9;
	*replaced = acked[0] && archive_put(t, &s, &out);
	return all;
}

static void
check_acknowledged(struct archive *t, enum store_duplicate duplicate,
    const bool acked[OBJECTS], bool replaced)
{
	char text[2][32];
	struct sample s;
	int i;

	for (i = 0; i < OBJECTS; i++) {
		if (!acked[i])
			continue;
		sample_of(i, &s, text);
		/* One that failed may have been done all the same. */
		if (i == 0 && duplicate == DUPLICATE_REPLACE && !replaced &&
		    !archive_has(t, &s))
			s.fill = 9;
		if (i == 0 && replaced && duplicate == DUPLICATE_REPLACE)
			s.fill = 9;
		CHECK(archive_has(t, &s));
	}
	if (replaced && duplicate == DUPLICATE_QUARANTINE)
		CHECK_EQ(archive_quarantined(t), 1);
	check_rows(t);
}

/* A run with the fault at one call; false when there was no such call. */
static bool
run(int at, int number, enum store_duplicate duplicate)
{
	bool acked[OBJECTS], again[OBJECTS], replaced;
	struct object_result out;
	char text[2][32];
	struct sample s;
	struct archive t;
	int i;

	if (!archive_begin(&t))
		return false;
	/* Faults are logged, and meant. */
	log_level_set(LOG_ERROR + 1);
	fault_begin(at, number);
	(void)load(&t, duplicate, acked, &replaced);
	fault_end();
	check_acknowledged(&t, duplicate, acked, replaced);
	if (fault.flush_hit && number == EIO) {
		CHECK(store_read_only(t.store) != NULL);
		sample_of(99, &s, text);
		CHECK(!archive_put(&t, &s, &out));
		CHECK_EQ(t.e.code, ERR_IO);
		CHECK(archive_reopen(&t));
		check_acknowledged(&t, duplicate, acked, replaced);
	}
	CHECK(store_read_only(t.store) == NULL);
	store_set_duplicate(t.store, DUPLICATE_QUARANTINE);
	for (i = 0; i < OBJECTS; i++) {
		sample_of(i, &s, text);
		again[i] = archive_put(&t, &s, &out);
		CHECK(again[i]);
	}
	check_rows(&t);
	/* Also what an unclean stop leaves is enough. */
	CHECK(archive_crash(&t));
	check_acknowledged(&t, duplicate, acked, replaced);
	CHECK_EQ(archive_leftovers(&t), 0);
	archive_end(&t);
	return fault.hit;
}

static void
run_all(int number, enum store_duplicate duplicate, size_t large)
{
	int at = 0;

	largest = large;
	while (run(at, number, duplicate))
		at++;
	/* At least the calls of each object. */
	CHECK(at > 4 * OBJECTS);
}

TEST(io_error_quarantine)
{
	run_all(EIO, DUPLICATE_QUARANTINE, LARGE);
}

TEST(io_error_replace)
{
	run_all(EIO, DUPLICATE_REPLACE, 70 * KIB);
}

TEST(disk_full_quarantine)
{
	run_all(ENOSPC, DUPLICATE_QUARANTINE, LARGE);
}

TEST(disk_full_replace)
{
	run_all(ENOSPC, DUPLICATE_REPLACE, 70 * KIB);
}

TEST(two_disks)
{
	fault_two_disks = true;
	run_all(EIO, DUPLICATE_QUARANTINE, 70 * KIB);
	fault_two_disks = false;
}

TEST(short_write)
{
	run_all(0, DUPLICATE_QUARANTINE, 70 * KIB);
}

/* The start after an unclean stop fails at each of its calls, and succeeds the
 * next time. */
TEST(recovery)
{
	struct store_config config = {.server = true};
	bool acked[OBJECTS], replaced, opened = false;
	struct archive t;
	int at;

	if (!archive_begin(&t))
		return;
	log_level_set(LOG_ERROR + 1);
	CHECK(load(&t, DUPLICATE_REPLACE, acked, &replaced));
	config.folder = t.folder;
	for (at = 0; !opened && at < 1000; at++) {
		archive_exec(&t, "DELETE FROM instance WHERE id > 2");
		store_writer_leave_mark(t.store);
		store_close(&t.store);
		fault_begin(at, EIO);
		opened = store_open(&t.store, &config, &t.e) && !fault.hit;
		fault_end();
		if (t.store == NULL)
			CHECK(archive_open(&t, true));
		check_acknowledged(&t, DUPLICATE_REPLACE, acked, replaced);
		if (!opened)
			CHECK(archive_reopen(&t));
		CHECK(load(&t, DUPLICATE_REPLACE, acked, &replaced));
	}
	CHECK(at > 5);
	archive_end(&t);
}

/* A full disk under the index itself. */
static bool
limit_pages(struct upsert *u, void *ctx, struct err *e)
{
	return db_exec(upsert_db(u), ctx, DB_NO_ARGS, e);
}

TEST(index_full)
{
	char few[] = "PRAGMA max_page_count = 1";
	char many[] = "PRAGMA max_page_count = 1000000000";
	struct object_result out;
	char text[2][32];
	struct sample s;
	struct archive t;
	int i, stored = 0, full = 0;

	if (!archive_begin(&t))
		return;
	log_level_set(LOG_ERROR + 1);
	/* It cannot go below what there is. */
	CHECK(commit_run(t.store->commit, false, limit_pages, few, &t.e) ==
	      COMMIT_DONE);
	for (i = 0; i < 400; i++) {
		sample_of(i, &s, text);
		s.pixels = 10;
		if (archive_put(&t, &s, &out)) {
			stored++;
			continue;
		}
		CHECK_EQ(t.e.code, ERR_FULL);
		CHECK(strstr(t.e.text, "make room") != NULL);
		full++;
	}
	CHECK(stored > 0 && full > 0);
	CHECK(store_read_only(t.store) == NULL);
	CHECK_EQ(archive_files(&t), stored);
	CHECK(commit_run(t.store->commit, false, limit_pages, many, &t.e) ==
	      COMMIT_DONE);
	for (i = 0; i < 400; i++) {
		sample_of(i, &s, text);
		s.pixels = 10;
		CHECK(archive_put(&t, &s, &out));
	}
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), 400);
	check_rows(&t);
	archive_end(&t);
}

TEST_MAIN
