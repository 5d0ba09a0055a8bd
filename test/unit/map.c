/*
 * The hash table against a plain array of what should be in it.
 */
#include "base/map.h"
#include "test.h"

#define KEYS 500

static struct str
key_of(size_t i, char room[16])
{
	int n = snprintf(room, 16, "%zu", i * 7919);

	return str_of(room, (size_t)n);
}

TEST(put_get_take)
{
	struct map m;
	int a, b;

	map_init(&m);
	CHECK(map_get(&m, STR("x")) == NULL);
	CHECK(map_take(&m, STR("x")) == NULL);
	CHECK(map_put(&m, STR("x"), &a) == NULL);
	CHECK(map_put(&m, STR("x"), &b) == &a);
	CHECK_EQ(m.n, 1);
	CHECK(map_get(&m, STR("x")) == &b);
	CHECK(map_take(&m, STR("x")) == &b);
	CHECK(map_get(&m, STR("x")) == NULL);
	CHECK_EQ(m.n, 0);
	map_fini(&m);
}

TEST(keys_are_bytes_and_copied)
{
	struct map m;
	char key[] = "a";
	int a, b, c;

	map_init(&m);
	map_put(&m, str_from(key), &a);
	key[0] = 'b';
	CHECK(map_get(&m, STR("a")) == &a);
	CHECK(map_get(&m, STR("b")) == NULL);
	map_put(&m, STR("a\0b"), &b);
	map_put(&m, str_from(NULL), &c);
	CHECK(map_get(&m, STR("a\0b")) == &b);
	CHECK(map_get(&m, STR("a\0c")) == NULL);
	CHECK(map_get(&m, STR("")) == &c);
	CHECK_EQ(m.n, 3);
	map_clear(&m);
	CHECK_EQ(m.n, 0);
	CHECK(map_get(&m, STR("a")) == NULL);
	map_put(&m, STR("a"), &a);
	CHECK(map_get(&m, STR("a")) == &a);
	map_fini(&m);
}

/* A walk of puts and takes; removals move entries, so everything is looked up
 * again and again. */
TEST(random_walk)
{
	static int values[KEYS];
	bool in[KEYS] = {false};
	uint64_t x = 88172645463325252;
	struct map m;
	char room[16];
	size_t n = 0, step, i, k;

	map_init(&m);
	for (step = 0; step < 20000; step++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		i = x % KEYS;
		if (x >> 40 & 1) {
			CHECK(map_put(&m, key_of(i, room), &values[i]) ==
			      (in[i] ? &values[i] : NULL));
			n += !in[i];
			in[i] = true;
		} else {
			CHECK(map_take(&m, key_of(i, room)) ==
			      (in[i] ? &values[i] : NULL));
			n -= in[i];
			in[i] = false;
		}
		if (step % 500 != 0)
			continue;
		CHECK_EQ(m.n, n);
		for (k = 0; k < KEYS; k++)
			CHECK(map_get(&m, key_of(k, room)) ==
			      (in[k] ? &values[k] : NULL));
	}
	map_fini(&m);
}

static void
count(void *ctx, struct str key, void *value)
{
	int *seen = value;

	(void)key;
	(*seen)++;
	(*(int *)ctx)++;
}

TEST(each_entry_once)
{
	static int seen[KEYS];
	struct map m;
	char room[16];
	int total = 0;
	size_t i;

	map_init(&m);
	map_each(&m, count, &total);
	CHECK_EQ(total, 0);
	for (i = 0; i < KEYS; i++)
		map_put(&m, key_of(i, room), &seen[i]);
	map_each(&m, count, &total);
	CHECK_EQ(total, KEYS);
	for (i = 0; i < KEYS; i++)
		CHECK_EQ(seen[i], 1);
	map_fini(&m);
}

TEST(hash_sees_every_byte_and_the_length)
{
	uint8_t bytes[20] = {0};
	uint64_t base;
	size_t n, i;

	for (n = 1; n <= sizeof(bytes); n++) {
		base = map_hash(str_of(bytes, n));
		CHECK(base == map_hash(str_of(bytes, n)));
		CHECK(base != map_hash(str_of(bytes, n - 1)));
		for (i = 0; i < n; i++) {
			bytes[i] = 0x80;
			CHECK(base != map_hash(str_of(bytes, n)));
			bytes[i] = 0;
		}
	}
}

TEST_MAIN
