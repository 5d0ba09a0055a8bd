/*
 * The system table: short writes, renames that never replace, flushes.
 */
#include "base/os.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int
scratch(char path[64])
{
	must(test_folder(path, 64));
	return os->openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

static void
put_file(int dir, const char *name, const char *text)
{
	int fd = os->openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0);
	CHECK(os_write_all(fd, str_from(text)));
	os_close(&fd);
	CHECK_EQ(fd, -1);
}

static void
check_file(int dir, const char *name, const char *text)
{
	char got[64];
	int fd = os->openat(dir, name, O_RDONLY, 0);
	ssize_t n = os_read_full(fd, got, sizeof(got));

	if (CHECK(n >= 0))
		CHECK_STR(str_of(got, (size_t)n), text);
	os_close(&fd);
}

TEST(open_sets_cloexec)
{
	int fd = os->openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);

	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	os_close(&fd);
	errno = 77;
	os_close(&fd);
	CHECK_EQ(errno, 77);
	CHECK_EQ(os->openat(AT_FDCWD, "/nothing/here", O_RDONLY, 0), -1);
	CHECK_EQ(errno, ENOENT);
}

TEST(rename_never_replaces)
{
	char path[64];
	int dir = scratch(path);

	put_file(dir, "a", "one");
	put_file(dir, "b", "two");
	CHECK_EQ(os->rename_new(dir, "a", dir, "b"), -1);
	CHECK_EQ(errno, EEXIST);
	check_file(dir, "a", "one");
	check_file(dir, "b", "two");
	CHECK_EQ(os->mkdirat(dir, "sub", 0700), 0);
	CHECK_EQ(os->rename_new(dir, "a", dir, "sub/c"), 0);
	check_file(dir, "sub/c", "one");
	CHECK_EQ(os->rename_new(dir, "a", dir, "d"), -1);
	CHECK_EQ(errno, ENOENT);
	CHECK_EQ(os->unlinkat(dir, "sub/c", 0), 0);
	CHECK_EQ(os->unlinkat(dir, "b", 0), 0);
	CHECK_EQ(os->unlinkat(dir, "sub", AT_REMOVEDIR), 0);
	os_close(&dir);
	CHECK_EQ(rmdir(path), 0);
}

TEST(files)
{
	char path[64], got[8] = "";
	uint64_t room = 0;
	int dir = scratch(path), fd;

	fd = os->openat(dir, "f", O_RDWR | O_CREAT, 0600);
	CHECK(os_write_all(fd, STR("0123456789")));
	CHECK(os_pwrite_all(fd, STR("ab"), 4));
	CHECK_EQ(os->sync_range(fd, 0, 10), 0);
	CHECK_EQ(os->fsync(fd), 0);
	CHECK_EQ(os->ftruncate(fd, 7), 0);
	CHECK_EQ(os_pread_full(fd, got, 8, 1), 6);
	CHECK_STR(str_of(got, 6), "123ab6");
	CHECK_EQ(os_pread_full(fd, got, 8, 100), 0);
	CHECK_EQ(os->fstatvfs_free(fd, &room), 0);
	CHECK(room > 0);
	os_close(&fd);
	CHECK_EQ(os->unlinkat(dir, "f", 0), 0);
	os_close(&dir);
	CHECK_EQ(rmdir(path), 0);
	CHECK_EQ(os_read_full(-1, got, 1), -1);
	CHECK_EQ(os_pread_full(-1, got, 1, 0), -1);
}

#ifndef OS_NO_FLUSH
TEST(flush_reports_failure)
{
	CHECK_EQ(os->fsync(-1), -1);
	CHECK_EQ(errno, EBADF);
	CHECK_EQ(os->sync_range(-1, 0, 1), -1);
}
#endif

static char taken[64];
static size_t taken_n;
static int calls;

static ssize_t
one_byte(int fd, const void *p, size_t n)
{
	(void)fd;
	(void)n;
	taken[taken_n++] = *(const char *)p;
	calls++;
	return 1;
}

static ssize_t
one_byte_at(int fd, const void *p, size_t n, off_t at)
{
	(void)fd;
	(void)n;
	taken[at] = *(const char *)p;
	calls++;
	return 1;
}

static ssize_t
nothing(int fd, const void *p, size_t n)
{
	(void)fd;
	(void)p;
	(void)n;
	return 0;
}

static ssize_t
full_then(int fd, const void *p, size_t n)
{
	if (calls++ < 2)
		return one_byte(fd, p, n);
	errno = ENOSPC;
	return -1;
}

TEST(short_writes_are_finished)
{
	struct os_ops ops = os_real;

	os = &ops;
	ops.write = one_byte;
	ops.pwrite = one_byte_at;
	taken_n = 0;
	calls = 0;
	CHECK(os_write_all(3, STR("hello")));
	CHECK_STR(str_of(taken, taken_n), "hello");
	CHECK_EQ(calls, 5);
	CHECK(os_pwrite_all(3, STR("abc"), 1));
	CHECK_STR(str_of(taken, 5), "habco");
	CHECK(os_write_all(3, STR("")));
	ops.write = nothing;
	CHECK(!os_write_all(3, STR("x")));
	CHECK_EQ(errno, EIO);
	ops.write = full_then;
	calls = 0;
	CHECK(!os_write_all(3, STR("hello")));
	CHECK_EQ(errno, ENOSPC);
	os = &os_real;
}

TEST(reads_wait_for_all)
{
	int ends[2];
	char got[8];

	must(pipe(ends) == 0);
	CHECK(os_write_all(ends[1], STR("abc")));
	CHECK(os_write_all(ends[1], STR("de")));
	CHECK_EQ(os_read_full(ends[0], got, 4), 4);
	os_close(&ends[1]);
	CHECK_EQ(os_read_full(ends[0], got, 4), 1);
	os_close(&ends[0]);
}

TEST(random_bytes_differ)
{
	uint8_t a[32] = {0}, b[32] = {0};

	os_random(a, sizeof(a));
	os_random(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	os_random(a, 0);
}

TEST_MAIN
