/*
 * Memory given back at once: one arena per exchange, with a byte budget.
 *
 * arena_alloc() returns zeroed, 16-byte aligned memory, or NULL when the
 * budget is spent: the exchange is then refused with ERR_LIMIT. It never
 * fails for want of the system's memory (the process ends instead). Built
 * with address sanitizer every object has a malloc of its own.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
	struct arena_block *block;
	size_t used, budget;
	bool over; /* the budget was hit since the last reset */
};

void arena_init(struct arena *a, size_t budget_bytes);
void arena_fini(struct arena *a);
/* Frees everything; keeps one block of at most 64 KiB for the next use. */
void arena_reset(struct arena *a);
void *arena_alloc(struct arena *a, size_t n) MUST_USE;
void *arena_array(struct arena *a, size_t count, size_t size) MUST_USE;
/* A copy; empty with a NULL p past the budget (and a->over is set). */
struct str arena_dup(struct arena *a, struct str s);
/* As arena_dup, NUL-terminated; NULL past the budget. */
char *arena_cstr(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *format, ...) PRINTF(2, 3);

#endif
