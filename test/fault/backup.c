/*
 * A backup and a restore on a disk that fails at its Nth call, N = 1, 2, 3, …
 * until a run has none: what was finished before can be restored, and the next
 * run makes all well.
 */
#include "../unit/archive.h"
#include "fault.h"

#include "store/backup/backup.h"

#define OBJECTS 3

static struct sample
sample_of(int i)
{
	static char instance[OBJECTS + 1][32];
	struct sample s = {.instance = instance[i],
	    .sop_class = UID_CTImageStorage,
	    .study = "1.8.1",
	    .series = "1.7.1",
	    .patient = "P",
	    .name = "N",
	    .pixels = 400 * (size_t)(i + 1),
	    .fill = (uint8_t)i};

	snprintf(instance[i], sizeof(instance[i]), "1.9.%d", i);
	return s;
}

static void
told(void *ctx, const char *path, const char *why)
{
	(void)path;
	(void)why;
	++*(unsigned *)ctx;
}

static void
wipe(const char *folder)
{
	nftw(folder, archive_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool
put(struct archive *t, int i)
{
	struct object_result out;
	struct sample s = sample_of(i);

	return CHECK(archive_put(t, &s, &out));
}

/* Exactly this many objects are in it. */
static void
check_restored(const char *folder, int from, int to)
{
	struct archive back = {.store = NULL};
	struct sample s;
	int i, n;

	snprintf(back.folder, sizeof(back.folder), "%s", folder);
	arena_init(&back.arena, 16 * MIB);
	if (archive_open(&back, true)) {
		n = (int)archive_int(&back, "SELECT count(*) FROM instance");
		CHECK(n >= from && n <= to);
		for (i = 0; i < n; i++) {
			s = sample_of(i);
			CHECK(archive_has(&back, &s));
		}
		CHECK_EQ(archive_files(&back), n);
		store_close(&back.store);
	}
	arena_fini(&back.arena);
}

static void
try_backup(
    struct archive *t, const char *folder, const char *data, int at, int number)
{
	unsigned left_out = 0;
	struct backup_options o = {.told = told, .ctx = &left_out};
	struct backup_result r;
	struct err e;
	bool done;

	CHECK(store_backup(t->store, folder, &o, &r, &e));
	CHECK(put(t, OBJECTS - 1));
	fault_begin(at, number);
	done = store_backup(t->store, folder, &o, &r, &e);
	fault_end();
	CHECK(done || e.text[0] != '\0');
	CHECK_EQ(left_out, 0);
	if (!CHECK(store_restore(folder, data, &o, &r, &e)))
		printf("%s\n", e.text);
	check_restored(data, done ? OBJECTS : OBJECTS - 1, OBJECTS);
	wipe(data);
	CHECK(store_backup(t->store, folder, &o, &r, &e));
	CHECK(store_restore(folder, data, &o, &r, &e));
	check_restored(data, OBJECTS, OBJECTS);
	wipe(data);
}

static bool
backup_with(int at, int number)
{
	char folder[80], data[80];
	struct archive t;

	if (!archive_begin(&t))
		return false;
	log_level_set(LOG_ERROR + 1);
	snprintf(folder, sizeof(folder), "%s.backup", t.folder);
	snprintf(data, sizeof(data), "%s.back", t.folder);
	if (put(&t, 0) && put(&t, 1))
		try_backup(&t, folder, data, at, number);
	wipe(folder);
	archive_end(&t);
	return fault.hit;
}

TEST(backup_fails_anywhere)
{
	static const int numbers[] = {EIO, ENOSPC, 0};
	size_t i;
	int at;

	for (i = 0; i < ARRAY_LEN(numbers); i++) {
		for (at = 0; backup_with(at, numbers[i]); at++)
			if (!CHECK(at < 500 && test_misses == 0))
				return;
		CHECK(at > 10);
	}
}

static bool
restore_with(struct archive *t, const char *folder, const char *data, int at)
{
	unsigned left_out = 0;
	struct backup_options o = {.told = told, .ctx = &left_out};
	struct store_config config = {.folder = data};
	struct backup_result r;
	struct store *s;
	struct err e;
	bool done;

	(void)t;
	fault_begin(at, EIO);
	done = store_restore(folder, data, &o, &r, &e);
	fault_end();
	if (!done && !store_open(&s, &config, &e)) {
		CHECK_EQ(e.code, ERR_MISSING);
		if (!CHECK(store_restore(folder, data, &o, &r, &e)))
			printf("%d: %s\n", at, e.text);
	} else if (!done) {
		/* Only the last flush failed. */
		store_close(&s);
	}
	CHECK_EQ(left_out, 0);
	check_restored(data, OBJECTS, OBJECTS);
	wipe(data);
	return fault.hit;
}

TEST(restore_fails_anywhere)
{
	unsigned left_out = 0;
	struct backup_options o = {.told = told, .ctx = &left_out};
	char folder[80], data[80];
	struct backup_result r;
	struct archive t;
	int at, i;

	if (!archive_begin(&t))
		return;
	log_level_set(LOG_ERROR + 1);
	snprintf(folder, sizeof(folder), "%s.backup", t.folder);
	snprintf(data, sizeof(data), "%s.back", t.folder);
	for (i = 0; i < OBJECTS; i++)
		CHECK(put(&t, i));
	CHECK(store_backup(t.store, folder, &o, &r, &t.e));
	for (at = 0; restore_with(&t, folder, data, at); at++)
		if (!CHECK(at < 500 && test_misses == 0))
			break;
	CHECK(at > 10);
	wipe(folder);
	archive_end(&t);
}

TEST_MAIN
