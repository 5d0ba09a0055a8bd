/*
 * The floor under the benchmark's figures for storing: what the file system
 * gives to a program that only writes.
 *
 *     rawloop FOLDER COUNT BYTES THREADS
 *
 * COUNT files of BYTES each by THREADS threads at once, each as the archive
 * commits an object: a new temporary file, written in blocks with write-back
 * started behind them, renamed to a new name, one fsync. Output is one JSON
 * object.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limit.h"
#include "base/os.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define OUTPUT_CAP (4 * KIB)

struct loop {
	int folder;
	uint64_t count, bytes, threads;
	uint8_t *block;
	atomic_uint_fast64_t next;
};

static void
stop(const char *what)
{
	fprintf(stderr, "rawloop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
fill_file(const struct loop *l, int fd)
{
	uint64_t at = 0, started = 0, n;

	while (at < l->bytes) {
		n = l->bytes - at < BLOCK_IO ? l->bytes - at : BLOCK_IO;
		if (!os_write_all(fd, str_of(l->block, (size_t)n)))
			stop("write");
		at += n;
		if (at - started < BLOCK_WRITEBACK)
			continue;
		(void)os->sync_range(fd, (off_t)started, (off_t)(at - started));
		started = at;
	}
}

static void
write_file(const struct loop *l, int folder, uint64_t number)
{
	char temp[32], name[32];
	int fd;

	snprintf(temp, sizeof(temp), "%llu.tmp", (unsigned long long)number);
	snprintf(name, sizeof(name), "%llu.dcm", (unsigned long long)number);
	fd = os->openat(
	    folder, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		stop("create");
	fill_file(l, fd);
	if (os->rename_new(folder, temp, folder, name) < 0)
		stop("rename");
	if (os->fsync(fd) < 0)
		stop("fsync");
	os_close(&fd);
}

static void
work(void *arg)
{
	struct loop *l = arg;
	uint64_t number = atomic_fetch_add(&l->next, 1);
	char name[32];
	int folder;

	/* A folder of its own, as an association has a study of its own. */
	snprintf(name, sizeof(name), "t%llu", (unsigned long long)number);
	if (os->mkdirat(l->folder, name, 0700) < 0)
		stop("mkdir");
	folder =
	    os->openat(l->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (folder < 0)
		stop("open folder");
	for (; number < l->count; number = atomic_fetch_add(&l->next, 1))
		write_file(l, folder, number);
	os_close(&folder);
}

static void
report(const struct loop *l, int64_t wall_us)
{
	struct buf out;
	struct json j;

	buf_init(&out, OUTPUT_CAP);
	json_init(&j, &out);
	json_object(&j);
	json_key(&j, "mode");
	json_text(&j, "raw");
	json_key(&j, "instances");
	json_i64(&j, (int64_t)l->count);
	json_key(&j, "bytes");
	json_i64(&j, (int64_t)(l->count * l->bytes));
	json_key(&j, "wall_us");
	json_i64(&j, wall_us);
	json_end_object(&j);
	puts(buf_cstr(&out));
	buf_fini(&out);
}

int
main(int argc, char **argv)
{
	struct loop l = {0};
	struct thread threads[64];
	int64_t begun_us;
	uint64_t i;

	if (argc != 5 || !str_u64(str_from(argv[2]), &l.count) ||
	    !str_u64(str_from(argv[3]), &l.bytes) ||
	    !str_u64(str_from(argv[4]), &l.threads) || l.threads == 0 ||
	    l.threads > ARRAY_LEN(threads)) {
		fprintf(stderr, "usage: rawloop FOLDER COUNT BYTES THREADS\n");
		return 2;
	}
	l.folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.folder < 0)
		stop(argv[1]);
	l.block = must_alloc(BLOCK_IO);
	os_random(l.block, BLOCK_IO);
	begun_us = clock_mono_us();
	for (i = 0; i < l.threads; i++)
		must(thread_start(&threads[i], "raw", work, &l));
	for (i = 0; i < l.threads; i++)
		thread_join(&threads[i]);
	report(&l, clock_mono_us() - begun_us);
	free(l.block);
	os_close(&l.folder);
	return 0;
}
