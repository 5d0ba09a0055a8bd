/*
 * The hash table: open addressing with linear probing, at most three quarters
 * full, entries moved back on removal so that no tombstones gather. The hash
 * is SipHash-1-3 (Aumasson and Bernstein) under a key drawn once a process.
 */
#include "base/map.h"
#include "base/os.h"

#include <pthread.h>

#define ROOM_FIRST 16

struct map_entry {
	uint64_t hash;
	void *value;
	size_t n;
	uint8_t key[];
};

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t seed[2];

static void
draw_seed(void)
{
	os_random(seed, sizeof(seed));
}

static uint64_t
turn(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static void
mix(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = turn(v[1], 13) ^ v[0];
	v[0] = turn(v[0], 32);
	v[2] += v[3];
	v[3] = turn(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = turn(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = turn(v[1], 17) ^ v[2];
	v[2] = turn(v[2], 32);
}

static void
absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v);
	v[0] ^= word;
}

uint64_t
map_hash(struct str s)
{
	uint64_t v[4], word, last = (uint64_t)s.n << 56;
	size_t i, whole = s.n / 8 * 8;

	must(pthread_once(&seed_once, draw_seed) == 0);
	v[0] = seed[0] ^ 0x736f6d6570736575;
	v[1] = seed[1] ^ 0x646f72616e646f6d;
	v[2] = seed[0] ^ 0x6c7967656e657261;
	v[3] = seed[1] ^ 0x7465646279746573;
	for (i = 0; i < whole; i += 8) {
		memcpy(&word, s.p + i, 8);
		absorb(v, word);
	}
	for (; i < s.n; i++)
		last |= (uint64_t)s.p[i] << 8 * (i - whole);
	absorb(v, last);
	v[2] ^= 0xff;
	mix(v);
	mix(v);
	mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
map_init(struct map *m)
{
	*m = (struct map){.slots = NULL};
}

void
map_clear(struct map *m)
{
	size_t i;

	for (i = 0; i < m->room; i++) {
		free(m->slots[i]);
		m->slots[i] = NULL;
	}
	m->n = 0;
}

void
map_fini(struct map *m)
{
	map_clear(m);
	free(m->slots);
	map_init(m);
}

/* The slot that holds the key, or the empty one where it would go. */
static size_t
slot_of(const struct map *m, struct str key, uint64_t hash)
{
	size_t i = hash & (m->room - 1);
	const struct map_entry *e;

	for (; (e = m->slots[i]) != NULL; i = (i + 1) & (m->room - 1))
		if (e->hash == hash && str_eq(str_of(e->key, e->n), key))
			break;
	return i;
}

void *
map_get(const struct map *m, struct str key)
{
	const struct map_entry *e;

	if (m->n == 0)
		return NULL;
	e = m->slots[slot_of(m, key, map_hash(key))];
	return e != NULL ? e->value : NULL;
}

static void
grow(struct map *m)
{
	size_t i, at, old = m->room;
	struct map_entry **slots = m->slots;

	m->room = old > 0 ? old * 2 : ROOM_FIRST;
	must(m->room <= SIZE_MAX / sizeof(*slots));
	m->slots = must_zalloc(m->room * sizeof(*slots));
	for (i = 0; i < old; i++) {
		if (slots[i] == NULL)
			continue;
		at = slots[i]->hash & (m->room - 1);
		while (m->slots[at] != NULL)
			at = (at + 1) & (m->room - 1);
		m->slots[at] = slots[i];
	}
	free(slots);
}

void *
map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = map_hash(key);
	struct map_entry **slot, *e;
	void *before;

	must(value != NULL);
	if (m->n >= m->room - m->room / 4)
		grow(m);
	slot = &m->slots[slot_of(m, key, hash)];
	if (*slot != NULL) {
		before = (*slot)->value;
		(*slot)->value = value;
		return before;
	}
	e = must_alloc(sizeof(*e) + key.n);
	e->hash = hash;
	e->value = value;
	e->n = key.n;
	if (key.n > 0)
		memcpy(e->key, key.p, key.n);
	*slot = e;
	m->n++;
	return NULL;
}

/* Close the gap at 'hole': move back each entry of the run behind it that
 * may stand there, that is whose own place is not between the hole and it. */
static void
close_gap(struct map *m, size_t hole)
{
	size_t mask = m->room - 1, i = hole, home;

	m->slots[hole] = NULL;
	for (;;) {
		i = (i + 1) & mask;
		if (m->slots[i] == NULL)
			return;
		home = m->slots[i]->hash & mask;
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		m->slots[hole] = m->slots[i];
		m->slots[i] = NULL;
		hole = i;
	}
}

void *
map_take(struct map *m, struct str key)
{
	size_t at;
	void *value;

	if (m->n == 0)
		return NULL;
	at = slot_of(m, key, map_hash(key));
	if (m->slots[at] == NULL)
		return NULL;
	value = m->slots[at]->value;
	free(m->slots[at]);
	close_gap(m, at);
	m->n--;
	return value;
}

void
map_each(const struct map *m, map_fn *fn, void *ctx)
{
	const struct map_entry *e;
	size_t i;

	for (i = 0; i < m->room; i++) {
		e = m->slots[i];
		if (e != NULL)
			fn(ctx, str_of(e->key, e->n), e->value);
	}
}
