/*
 * The one hash table: byte keys (copied) to pointers (not owned). Keyed with
 * a random seed per process, so a peer cannot choose collisions.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map {
	struct map_entry **slots;
	size_t n, room;
};

void map_init(struct map *m);
void map_fini(struct map *m);
void map_clear(struct map *m);
void *map_get(const struct map *m, struct str key);
/* Put or replace; value must not be NULL. Returns the value it replaced. */
void *map_put(struct map *m, struct str key, void *value);
void *map_take(struct map *m, struct str key); /* removes */
/* Calls fn for every entry, in no order; fn must not change the map. */
typedef void map_fn(void *ctx, struct str key, void *value);
void map_each(const struct map *m, map_fn *fn, void *ctx);

/* A keyed 64-bit hash for in-memory use only. */
uint64_t map_hash(struct str s);

#endif
