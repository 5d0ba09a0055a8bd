/*
 * The frame of a unit test program: TEST(name) { ... } bodies register
 * themselves, TEST_MAIN runs them in the order they stand in the file.
 *
 * A CHECK that does not hold prints its place and marks its test as failed;
 * the test goes on. With names on the command line only those tests run. The
 * last line is "N passed, N failed", counted in tests; the exit status is 1
 * when one failed.
 */
#ifndef TEST_UNIT_TEST_H
#define TEST_UNIT_TEST_H

#include "base/str.h"
#include <inttypes.h>
#include <stdatomic.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

static struct test_case *test_first, **test_tail = &test_first;
static atomic_int test_misses;

#define TEST(id)                                                               \
	static void test_##id(void);                                           \
	static struct test_case test_case_##id = {#id, test_##id, NULL};       \
	__attribute__((constructor)) static void test_add_##id(void)           \
	{                                                                      \
		*test_tail = &test_case_##id;                                  \
		test_tail = &test_case_##id.next;                              \
	}                                                                      \
	static void test_##id(void)

#define CHECK(condition)                                                       \
	test_check((condition) ? true : false, #condition, __FILE__, __LINE__)
#define CHECK_EQ(a, b)                                                         \
	test_check_eq((intmax_t)(a), (intmax_t)(b), #a, __FILE__, __LINE__)
#define CHECK_STR(s, text) test_check_str((s), (text), #s, __FILE__, __LINE__)

/* All of these tell whether the check held, so that a test can leave early:
 * if (!CHECK(p != NULL)) return; */
UNUSED static bool
test_check(bool held, const char *what, const char *file, int line)
{
	if (!held) {
		test_misses++;
		printf("%s:%d: not true: %s\n", file, line, what);
	}
	return held;
}

UNUSED static bool
test_check_eq(
    intmax_t a, intmax_t b, const char *what, const char *file, int line)
{
	if (a != b) {
		test_misses++;
		printf("%s:%d: %s is %" PRIdMAX ", not %" PRIdMAX "\n", file,
		    line, what, a, b);
	}
	return a == b;
}

static void
test_show(struct str s)
{
	size_t i;

	putchar('"');
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			printf("\\x%02x", s.p[i]);
		else
			putchar(s.p[i]);
	}
	putchar('"');
}

UNUSED static bool
test_check_str(struct str s, const char *text, const char *what,
    const char *file, int line)
{
	struct str want = {(const uint8_t *)text, strlen(text)};
	bool held = s.n == want.n && (s.n == 0 || !memcmp(s.p, text, s.n));

	if (!held) {
		test_misses++;
		printf("%s:%d: %s is ", file, line, what);
		test_show(s);
		printf(", not ");
		test_show(want);
		putchar('\n');
	}
	return held;
}

static bool
test_named(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

static int
test_run_all(int argc, char **argv)
{
	const struct test_case *t;
	int passed = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (t = test_first; t != NULL; t = t->next) {
		if (!test_named(t->name, argc, argv))
			continue;
		test_misses = 0;
		t->run();
		if (test_misses == 0) {
			passed++;
		} else {
			failed++;
			printf("FAILED %s\n", t->name);
		}
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0 ? 1 : 0;
}

/* A new folder, for the test to remove: in TMPDIR, or else in memory, for
 * hardly any test is about what a disk keeps. */
UNUSED static bool
test_folder(char *out, size_t room)
{
	const char *where[] = {getenv("TMPDIR"), "/dev/shm", "/tmp"};
	size_t i;
	int n;

	for (i = 0; i < 3; i++) {
		if (where[i] == NULL)
			continue;
		n = snprintf(out, room, "%s/fileroom.XXXXXX", where[i]);
		if (n > 0 && (size_t)n < room && mkdtemp(out) != NULL)
			return true;
	}
	return false;
}

#define TEST_MAIN                                                              \
	int main(int argc, char **argv)                                        \
	{                                                                      \
		return test_run_all(argc, argv);                               \
	}

#endif
