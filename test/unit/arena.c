/*
 * Arenas: zeroed and aligned memory, the budget, reset.
 */
#include "base/arena.h"
#include "base/limit.h"
#include "test.h"

static bool
all_zero(const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

TEST(zeroed_aligned_apart)
{
	struct arena a;
	uint8_t *p[600];
	size_t i, k;

	arena_init(&a, 1 * MIB);
	for (k = 0; k < 3; k++) {
		for (i = 0; i < ARRAY_LEN(p); i++) {
			p[i] = arena_alloc(&a, i);
			if (!CHECK(p[i] != NULL))
				return;
			CHECK_EQ((uintptr_t)p[i] % 16, 0);
			CHECK(all_zero(p[i], i));
			memset(p[i], (int)(i % 255 + 1), i);
		}
		for (i = 1; i < ARRAY_LEN(p); i++)
			CHECK(p[i][0] == i % 255 + 1 &&
			      p[i][i - 1] == i % 255 + 1);
		arena_reset(&a);
		CHECK_EQ(a.used, 0);
	}
	arena_fini(&a);
}

TEST(big_objects_beside_small_ones)
{
	struct arena a;
	uint8_t *small, *big;
	int i;

	arena_init(&a, 64 * MIB);
	for (i = 0; i < 20; i++) {
		small = arena_alloc(&a, 24);
		big = arena_alloc(&a, 300 * KIB);
		if (!CHECK(small != NULL && big != NULL))
			return;
		memset(small, 1, 24);
		memset(big, 2, 300 * KIB);
		CHECK_EQ(small[23], 1);
	}
	arena_reset(&a);
	CHECK(arena_alloc(&a, 10) != NULL);
	arena_fini(&a);
}

TEST(budget)
{
	struct arena a;

	arena_init(&a, 100);
	CHECK(arena_alloc(&a, 64) != NULL);
	CHECK(!a.over);
	CHECK(arena_alloc(&a, 37) == NULL);
	CHECK(a.over);
	CHECK(arena_alloc(&a, 32) != NULL);
	CHECK(arena_alloc(&a, 1) == NULL);
	arena_reset(&a);
	CHECK(!a.over);
	CHECK(arena_alloc(&a, 96) != NULL);
	CHECK(arena_alloc(&a, SIZE_MAX) == NULL);
	CHECK(arena_alloc(&a, SIZE_MAX - 8) == NULL);
	arena_fini(&a);
	arena_init(&a, SIZE_MAX);
	CHECK(arena_alloc(&a, SIZE_MAX - 8) == NULL);
	CHECK(a.over);
	arena_fini(&a);
}

TEST(arrays_do_not_overflow)
{
	struct arena a;

	arena_init(&a, SIZE_MAX);
	CHECK(arena_array(&a, SIZE_MAX / 8, 16) == NULL);
	CHECK(a.over);
	CHECK(arena_array(&a, 10, 16) != NULL);
	arena_fini(&a);
}

TEST(copies)
{
	struct arena a;
	char text[] = "hello";
	struct str s;
	char *c;

	arena_init(&a, 1024);
	s = arena_dup(&a, str_from(text));
	c = arena_cstr(&a, str_from(text));
	text[0] = 'j';
	CHECK_STR(s, "hello");
	CHECK_STR(str_from(c), "hello");
	s = arena_dup(&a, str_from(NULL));
	CHECK(s.p != NULL && s.n == 0);
	c = arena_cstr(&a, str_from(NULL));
	CHECK(c != NULL && c[0] == '\0');
	CHECK_STR(str_from(arena_printf(&a, "%d-%s", 42, "x")), "42-x");
	arena_fini(&a);

	arena_init(&a, 4);
	CHECK(arena_dup(&a, STR("hello")).p == NULL);
	CHECK(a.over);
	CHECK(arena_cstr(&a, STR("hello")) == NULL);
	CHECK(arena_printf(&a, "%s", "hello") == NULL);
	CHECK(arena_cstr(&a, str_of("", SIZE_MAX)) == NULL);
	arena_fini(&a);
}

TEST(reset_after_many_rounds)
{
	struct arena a;
	int i, k;

	arena_init(&a, 16 * MIB);
	for (i = 0; i < 50; i++) {
		for (k = 0; k < 200; k++)
			CHECK(arena_alloc(&a, (size_t)(k * 37)) != NULL);
		arena_reset(&a);
	}
	arena_fini(&a);
	arena_fini(&a);
}

TEST_MAIN
