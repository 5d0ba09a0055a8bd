/*
 * Accepting and discarding what is in quarantine, on a disk that fails at its
 * Nth call, and in a process that is killed before its Nth call, N = 1, 2, 3, …
 * until a run has none. After each, and after a recovery: one of the two
 * objects is stored, the other is in quarantine, both whole; every row has its
 * file and every file its row.
 */
#include "../unit/archive.h"
#include "fault.h"

#include "store/quarantine.h"

#include <sys/file.h>

#define PIXELS (70 * KIB)

static const struct sample first = {
    .instance = "1.9.1",
    .sop_class = UID_CTImageStorage,
    .study = "1.8.1",
    .series = "1.7.1",
    .patient = "P",
    .name = "N",
    .pixels = PIXELS,
    .fill = 1,
};

static struct sample
second(void)
{
	struct sample s = first;

	s.fill = 2;
	return s;
}

/* One object, and a second arrival that differs. */
static bool
begin(struct archive *t)
{
	struct object_result out;
	struct sample s = second();

	if (!archive_begin(t))
		return false;
	/* Faults are logged, and meant. */
	log_level_set(LOG_ERROR + 1);
	return CHECK(archive_put(t, &first, &out)) &&
	       CHECK(archive_put(t, &s, &out)) &&
	       CHECK_EQ(out.outcome, OBJECT_QUARANTINED);
}

static size_t
rows(struct archive *t, struct quarantined **out)
{
	size_t n = 0;

	arena_reset(&t->arena);
	CHECK(quarantine_list(t->store, 0, &t->arena, out, &n, &t->e));
	return n;
}

static int64_t
only_id(struct archive *t)
{
	struct quarantined *q;

	return CHECK_EQ(rows(t, &q), 1) ? q[0].id : -1;
}

/* Is this the one that is stored? */
static bool
stored(struct archive *t, const struct sample *s)
{
	arena_reset(&t->arena);
	return archive_has(t, s);
}

/* Whose bytes are the file in quarantine? */
static int
fill_of(struct archive *t, const struct quarantined *q)
{
	uint8_t last = 0;
	struct stat st;
	int fd;

	if (!CHECK(quarantine_file(t->store, q, &fd, &t->e)))
		return -1;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(os_pread_full(fd, &last, 1, st.st_size - 1), 1);
	os_close(&fd);
	return last;
}

/* tidy: after a recovery there is nothing without a row either. */
static void
check_both(struct archive *t, bool tidy)
{
	struct sample other = second();
	struct quarantined *q;
	bool one = stored(t, &first), two = stored(t, &other);
	size_t n = rows(t, &q);

	CHECK(one != two);
	if (CHECK_EQ(n, 1)) {
		CHECK_EQ(fill_of(t, &q[0]), one ? 2 : 1);
		CHECK_STR(str_from(q[0].sop_instance), "1.9.1");
	}
	CHECK_EQ(archive_int(t, "SELECT count(*) FROM instance"), 1);
	CHECK_EQ(
	    archive_int(t, "SELECT NumberOfStudyRelatedInstances FROM study"),
	    1);
	if (!tidy)
		return;
	CHECK_EQ(archive_files(t), 1);
	CHECK_EQ(archive_quarantined(t), 1);
	CHECK_EQ(archive_leftovers(t), 0);
}

TEST(accept_and_back)
{
	enum accept_outcome outcome;
	struct sample other = second();
	struct archive t;
	int i;

	if (!begin(&t))
		return;
	for (i = 0; i < 4; i++) {
		CHECK(quarantine_accept(t.store, only_id(&t), &outcome, &t.e));
		CHECK_EQ(outcome, ACCEPT_REPLACED);
		CHECK(stored(&t, i % 2 == 0 ? &other : &first));
		check_both(&t, true);
	}
	CHECK(!quarantine_accept(t.store, 999, &outcome, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(!quarantine_discard(t.store, 999, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(archive_crash(&t));
	check_both(&t, true);
	archive_end(&t);
}

TEST(accept_without_another)
{
	enum accept_outcome outcome;
	struct sample other = second();
	struct quarantined *q;
	struct archive t;

	if (!begin(&t))
		return;
	/* As if it had been deleted, file and all. */
	archive_exec(&t, "INSERT INTO tombstone SELECT path, SOPInstanceUID, 0 "
			 "FROM instance");
	archive_exec(&t, "DELETE FROM instance");
	CHECK(archive_crash(&t));
	CHECK(quarantine_accept(t.store, only_id(&t), &outcome, &t.e));
	CHECK_EQ(outcome, ACCEPT_STORED);
	CHECK(stored(&t, &other));
	CHECK_EQ(rows(&t, &q), 0);
	CHECK_EQ(archive_quarantined(&t), 0);
	archive_end(&t);
}

/* The same bytes came once more, by a policy that replaces. */
TEST(accept_what_is_stored)
{
	enum accept_outcome outcome;
	struct sample other = second();
	struct object_result out;
	struct quarantined *q;
	struct archive t;

	if (!begin(&t))
		return;
	store_set_duplicate(t.store, DUPLICATE_REPLACE);
	CHECK(archive_put(&t, &other, &out));
	CHECK_EQ(out.outcome, OBJECT_REPLACED);
	CHECK(quarantine_accept(t.store, only_id(&t), &outcome, &t.e));
	CHECK_EQ(outcome, ACCEPT_SAME);
	CHECK(stored(&t, &other));
	CHECK_EQ(rows(&t, &q), 0);
	CHECK_EQ(archive_quarantined(&t), 0);
	archive_end(&t);
}

/* What is not what was received does not come back. */
TEST(accept_damaged)
{
	enum accept_outcome outcome;
	struct quarantined q;
	struct archive t;
	struct stat st;
	int64_t id;
	int fd;

	if (!begin(&t))
		return;
	id = only_id(&t);
	CHECK(quarantine_find(t.store, id, &q, &t.e));
	fd = openat(t.store->quarantine_fd, q.path, O_RDWR);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(pwrite(fd, "x", 1, st.st_size - 5), 1);
	CHECK(!quarantine_accept(t.store, id, &outcome, &t.e));
	CHECK_EQ(t.e.code, ERR_CORRUPT);
	CHECK(ftruncate(fd, st.st_size - 1) == 0);
	CHECK(!quarantine_accept(t.store, id, &outcome, &t.e));
	CHECK_EQ(t.e.code, ERR_CORRUPT);
	CHECK(stored(&t, &first));
	close(fd);
	CHECK(unlinkat(t.store->quarantine_fd, q.path, 0) == 0);
	CHECK(!quarantine_accept(t.store, id, &outcome, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(quarantine_discard(t.store, id, &t.e));
	CHECK(stored(&t, &first));
	CHECK(archive_crash(&t));
	CHECK_EQ(archive_quarantined(&t), 0);
	archive_end(&t);
}

/* A path that a damaged database names leads nowhere else. */
TEST(foreign_path)
{
	enum accept_outcome outcome;
	struct archive t;
	int64_t id;

	if (!begin(&t))
		return;
	id = only_id(&t);
	archive_exec(&t, "UPDATE quarantine SET path = '../fileroom.db'");
	CHECK(!quarantine_accept(t.store, id, &outcome, &t.e));
	CHECK_EQ(t.e.code, ERR_CORRUPT);
	CHECK(quarantine_discard(t.store, id, &t.e));
	CHECK(faccessat(t.store->dir_fd, "fileroom.db", F_OK, 0) == 0);
	CHECK(archive_crash(&t));
	CHECK(faccessat(t.store->dir_fd, "fileroom.db", F_OK, 0) == 0);
	archive_end(&t);
}

static bool
accept_with_fault(int at, int number)
{
	enum accept_outcome outcome;
	struct sample other = second();
	struct archive t;
	bool done;
	int64_t id;

	if (!begin(&t))
		return false;
	id = only_id(&t);
	fault_begin(at, number);
	done = quarantine_accept(t.store, id, &outcome, &t.e);
	fault_end();
	if (!done)
		CHECK(t.e.code == ERR_IO || t.e.code == ERR_FULL);
	CHECK(stored(&t, done ? &other : &first));
	check_both(&t, false);
	CHECK((store_read_only(t.store) != NULL) ==
	      (fault.flush_hit && number == EIO));
	CHECK(archive_crash(&t));
	check_both(&t, true);
	/* It can be done now. */
	if (!done)
		CHECK(quarantine_accept(t.store, only_id(&t), &outcome, &t.e));
	CHECK(stored(&t, &other));
	archive_end(&t);
	return fault.hit;
}

static void
accept_with_faults(int number)
{
	int at = 0;

	while (accept_with_fault(at, number))
		at++;
	/* Two files made, written, named and flushed; two unlinked. */
	CHECK(at >= 10);
}

TEST(accept_io_error)
{
	accept_with_faults(EIO);
}

TEST(accept_disk_full)
{
	accept_with_faults(ENOSPC);
}

TEST(accept_two_disks)
{
	fault_two_disks = true;
	accept_with_faults(EIO);
	fault_two_disks = false;
}

TEST(accept_short_write)
{
	accept_with_faults(0);
}

static bool
discard_with_fault(int at)
{
	struct quarantined *q;
	struct archive t;
	bool done;
	int64_t id;

	if (!begin(&t))
		return false;
	id = only_id(&t);
	fault_begin(at, EIO);
	done = quarantine_discard(t.store, id, &t.e);
	fault_end();
	CHECK(done);
	CHECK(archive_crash(&t));
	/* The tombstone saw to it. */
	CHECK_EQ(rows(&t, &q), 0);
	CHECK_EQ(archive_quarantined(&t), 0);
	CHECK(stored(&t, &first));
	archive_end(&t);
	return fault.hit;
}

TEST(discard_io_error)
{
	int at = 0;

	while (discard_with_fault(at))
		at++;
	CHECK(at >= 1);
}

/* A process that ends before its Nth call, as by kill -9. */
static struct os_ops mortal;
static int calls_left;

static void
live(void)
{
	if (calls_left-- == 0)
		_exit(9);
}

static int
mortal_openat(int dir, const char *path, int flags, mode_t mode)
{
	live();
	return os_real.openat(dir, path, flags, mode);
}

static ssize_t
mortal_write(int fd, const void *p, size_t n)
{
	live();
	return os_real.write(fd, p, n);
}

static ssize_t
mortal_pwrite(int fd, const void *p, size_t n, off_t at)
{
	live();
	return os_real.pwrite(fd, p, n, at);
}

static int
mortal_fsync(int fd)
{
	live();
	return os_real.fsync(fd);
}

static int
mortal_rename_new(int dir, const char *from, int to_dir, const char *to)
{
	live();
	return os_real.rename_new(dir, from, to_dir, to);
}

static int
mortal_unlinkat(int dir, const char *path, int flags)
{
	live();
	return os_real.unlinkat(dir, path, flags);
}

/* In the child: 0 when it did not die. Beside a server, as the verb. */
static int
accept_and_die(const char *folder, int64_t id, int at)
{
	struct store_config config = {.folder = folder};
	enum accept_outcome outcome;
	struct store *store;
	struct err e;

	if (!store_open(&store, &config, &e))
		return 1;
	mortal = os_real;
	mortal.openat = mortal_openat;
	mortal.write = mortal_write;
	mortal.pwrite = mortal_pwrite;
	mortal.fsync = mortal_fsync;
	mortal.rename_new = mortal_rename_new;
	mortal.unlinkat = mortal_unlinkat;
	calls_left = at;
	os = &mortal;
	return quarantine_accept(store, id, &outcome, &e) ? 0 : 2;
}

#define CHILD "FILEROOM_TEST_ACCEPT"

/* A program of its own: threads of this one would be missing in its child. */
__attribute__((constructor)) static void
be_child(void)
{
	struct str rest = str_from(getenv(CHILD)), at, id;
	uint64_t calls, number;
	char folder[64];

	if (rest.n == 0)
		return;
	if (!str_split(&rest, ' ', &at) || !str_split(&rest, ' ', &id) ||
	    !str_u64(at, &calls) || !str_u64(id, &number) ||
	    !str_copy(folder, sizeof(folder), rest))
		_exit(3);
	log_level_set(LOG_ERROR + 1);
	_exit(accept_and_die(folder, (int64_t)number, (int)calls));
}

static void
exec_child(const char *folder, int64_t id, int at)
{
	char name[] = "/proc/self/exe", text[128];

	snprintf(text, sizeof(text), "%d %lld %s", at, (long long)id, folder);
	if (setenv(CHILD, text, 1) == 0)
		execv(name, (char *[]){name, NULL});
	_exit(4);
}

static bool
accept_killed(int at)
{
	struct sample other = second();
	struct archive t;
	int status = -1;
	int64_t id;
	pid_t child;

	if (!begin(&t))
		return false;
	id = only_id(&t);
	store_close(&t.store);
	fflush(stdout);
	child = fork();
	if (child == 0)
		exec_child(t.folder, id, at);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0);
	if (!archive_open(&t, true))
		return false;
	check_both(&t, true);
	if (WEXITSTATUS(status) == 0)
		CHECK(stored(&t, &other));
	archive_end(&t);
	return WEXITSTATUS(status) == 9;
}

TEST(accept_killed)
{
	int at = 0;

	while (accept_killed(at))
		at++;
	CHECK(at >= 10);
}

/* What somebody is storing just now is not a recovery's to settle. */
TEST(locked_files)
{
	struct object_result out;
	struct index_row row;
	struct archive t;
	int fd;

	if (!archive_begin(&t))
		return;
	CHECK(archive_put(&t, &first, &out));
	CHECK(index_instance(t.store, STR("1.9.1"), &t.arena, &row, &t.e));
	fd = openat(t.store->objects_fd, (const char *)row.path.p, O_RDONLY);
	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	archive_exec(&t, "DELETE FROM instance");
	CHECK(archive_crash(&t));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), 0);
	CHECK_EQ(archive_files(&t), 1);
	close(fd);
	CHECK(archive_put(&t,
	    &(struct sample){.instance = "1.5",
		.sop_class = UID_CTImageStorage,
		.study = "1.8",
		.series = "1.7"},
	    &out));
	CHECK(archive_crash(&t));
	CHECK(stored(&t, &first));
	archive_end(&t);
}

TEST_MAIN
