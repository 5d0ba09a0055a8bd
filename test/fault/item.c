/*
 * Orders on a disk that fails: the Nth write or flush of the database fails,
 * N = 1, 2, 3, … until a run has none. What was taken is there after the
 * process died; what was not is there whole or not at all, and is taken once
 * when it comes again.
 *
 * SQLite has its own way to the disk: its writes are caught by its table of
 * system calls, its flushes by our fdatasync().
 */
#include "../unit/worklist.h"

#include "store/worklist/merge.h"
#include "store/worklist/report.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/syscall.h>

static struct {
	int left; /* calls until the fault; negative: none */
	int number;
	bool hit;
	int flushes; /* that failed, in all runs */
} disk;

static bool
due(void)
{
	if (disk.left < 0 || disk.left-- > 0)
		return false;
	disk.hit = true;
	errno = disk.number;
	return true;
}

int fdatasync(int fd);
int
fdatasync(int fd)
{
	if (!due())
		return (int)syscall(SYS_fdatasync, fd);
	disk.flushes++;
	return -1;
}

static ssize_t
failing_pwrite(int fd, const void *p, size_t n, off_t at)
{
	return due() ? -1 : pwrite(fd, p, n, at);
}

static void
catch_writes(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	must(vfs != NULL);
	must(vfs->xSetSystemCall(vfs, "pwrite64",
		 (sqlite3_syscall_ptr)failing_pwrite) == SQLITE_OK);
}

#define BATCHES 5
#define EACH    2

static const char *const texts[BATCHES][EACH] = {
    {HEAD("1") PATIENT "ORC|NW|P1\rOBR|1|P1||X||||||||||||||A1|R1|S1\r",
	HEAD("2") PATIENT "ORC|NW|P2\rOBR|1|P2||X||||||||||||||A2|R1|S1\r"},
    {"MSH|^~\\&|APP|FAC|||20260101||ADT^A08|3|P|2.5\r"
     "PID|||ID1||NEW^NAME||19510224\r",
	"MSH|^~\\&|APP|FAC|||20260101||ADT^A40|4|P|2.5\r"
	"PID|||ID9||OLD^NAME\rMRG|ID1\r"},
    {HEAD("5") PATIENT "ORC|XO|P1\rOBR|1|P1||||||||||||||||A1|||||US\r",
	HEAD("6") "PID|||\rORC|NW|P3\rOBR|1|P3\r"},
    {"MSH|^~\\&|APP|FAC|||20260101||ORU^R01|7|P|2.5\rPID|||ID1\r"
     "OBR|1||F1|X||||||||||||||A2|||||||F\rOBX|1|TX|||Text\r",
	HEAD("8") PATIENT "ORC|CA|P1\rOBR|1|P1\r"},
    {"MSH|^~\\&|APP|FAC|||20260101||ADT^A37|9|P|2.5\rPID|||ID9\rPID|||ID1\r",
	HEAD("10") PATIENT "ORC|NW|P4\rOBR|1|P4||X||||||||||||||A4|R1|S1\r"},
};

static bool
take_batch(size_t batch)
{
	struct item_message m[EACH] = {0};
	struct order_message orders[EACH];
	struct order_problem problems[EACH];
	struct er7_message parsed;
	size_t i;

	for (i = 0; i < EACH; i++) {
		CHECK(er7_parse(&t.arena, str_from(texts[batch][i]), "UTF-8",
		    &parsed, &t.e));
		m[i].raw = str_from(texts[batch][i]);
		if (order_read(&t.arena, &parsed, mapping_preset("ihe-orm"),
			&orders[i], NULL, NULL, &problems[i]))
			m[i].order = &orders[i];
		else
			m[i].problem = &problems[i];
	}
	return item_take(t.store, &rules, m, EACH, &t.e);
}

/* What all of it has come to, but for ids and times. */
static char *
state_of(void)
{
	static const char *const sql[] = {
	    "SELECT status || AccessionNumber || PatientID || PatientName ||"
	    " Modality || said_id FROM item ORDER BY AccessionNumber",
	    "SELECT control || outcome FROM hl7_journal ORDER BY id",
	    "SELECT prior_id || PatientID FROM patient_alias",
	    "SELECT PatientID || PatientName FROM patient_edit",
	    "SELECT filler || text FROM report",
	};
	struct db *db = store_reader(t.store, &t.e);
	struct db_stmt *q;
	struct buf b;
	char *text;
	size_t i;

	must(db != NULL);
	buf_init(&b, MIB);
	for (i = 0; i < ARRAY_LEN(sql); i++) {
		CHECK(db_query(db, sql[i], DB_NO_ARGS, &q, &t.e));
		while (db_step(q, &t.e) == DB_STEP_ROW) {
			buf_add(&b, db_column(q, 0));
			buf_u8(&b, '\n');
		}
	}
	store_reader_done(t.store, db);
	text = must_strdup(buf_cstr(&b));
	buf_fini(&b);
	return text;
}

/* States after no batch, one, two, … */
static char *good[BATCHES + 1];

static bool
learn(void)
{
	size_t i;

	if (!archive_begin(&t))
		return false;
	good[0] = state_of();
	for (i = 0; i < BATCHES; i++) {
		CHECK(take_batch(i));
		good[i + 1] = state_of();
		CHECK(strcmp(good[i], good[i + 1]) != 0);
	}
	archive_end(&t);
	return true;
}

/* After a batch that failed: as before it or as after it. */
static bool
check_state(size_t batch)
{
	char *now = state_of();
	bool after = strcmp(now, good[batch + 1]) == 0;

	if (!CHECK(after || strcmp(now, good[batch]) == 0))
		printf("batch %zu:\n%s", batch, now);
	free(now);
	return after;
}

/* A run with the fault at one call; false when there was no such call. */
static bool
run(int at, int number)
{
	bool whole, taken;
	char *now;
	size_t i;

	if (!archive_begin(&t))
		return false;
	log_level_set(LOG_ERROR + 1);
	disk.left = at;
	disk.number = number;
	disk.hit = false;
	for (i = 0; i < BATCHES; i++) {
		taken = take_batch(i);
		if (taken) {
			now = state_of();
			CHECK_STR(str_from(now), good[i + 1]);
			free(now);
			continue;
		}
		CHECK(disk.hit);
		CHECK(t.e.code == ERR_IO || t.e.code == ERR_FULL);
		CHECK(archive_crash(&t));
		whole = check_state(i);
		/* The sender comes again, knowing nothing. */
		if (!whole) {
			CHECK(take_batch(i));
			CHECK(check_state(i));
		}
	}
	disk.left = -1;
	CHECK(archive_crash(&t));
	now = state_of();
	CHECK_STR(str_from(now), good[BATCHES]);
	free(now);
	archive_end(&t);
	return disk.hit;
}

static void
run_all(int number)
{
	int at = 0;

	catch_writes();
	disk.left = -1;
	if (!learn())
		return;
	while (run(at, number))
		at++;
	/* At least a write and a flush of each batch. */
	CHECK(at >= 2 * BATCHES);
	CHECK(disk.flushes >= BATCHES);
	for (at = 0; at <= BATCHES; at++)
		free(good[at]);
}

TEST(io_error)
{
	run_all(EIO);
}

TEST(disk_full)
{
	run_all(ENOSPC);
}

TEST_MAIN
