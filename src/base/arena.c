/*
 * Arenas: a chain of blocks of 4 KiB doubling to 256 KiB, the newest first.
 *
 * What counts against the budget is each object, rounded up to 16 bytes, so
 * that a budget means the same in every build. An object that would waste a
 * good part of the newest block's rest gets a block of its own behind it.
 * Built with address sanitizer every object has a block of its own, of its
 * exact size.
 */
#include "base/arena.h"

#include <stdarg.h>

#if defined(__SANITIZE_ADDRESS__)
#define OBJECT_PER_BLOCK true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OBJECT_PER_BLOCK true
#endif
#endif
#ifndef OBJECT_PER_BLOCK
#define OBJECT_PER_BLOCK false
#endif

#define ALIGN 16UL
/* With its header and malloc's own a block stays within a power of two. */
#define BLOCK_OVERHEAD (sizeof(struct arena_block) + 16)
#define BLOCK_FIRST    (4096 - BLOCK_OVERHEAD)
#define BLOCK_LAST     (256 * 1024 - BLOCK_OVERHEAD)
#define BLOCK_KEPT     (64UL * 1024)

struct arena_block {
	struct arena_block *next;
	size_t used, room;
	_Alignas(ALIGN) uint8_t bytes[];
};

void
arena_init(struct arena *a, size_t budget_bytes)
{
	*a = (struct arena){.budget = budget_bytes};
}

static void
free_chain(struct arena_block *block)
{
	struct arena_block *next;

	for (; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
}

void
arena_fini(struct arena *a)
{
	free_chain(a->block);
	arena_init(a, a->budget);
}

void
arena_reset(struct arena *a)
{
	struct arena_block **at, *kept = NULL;

	for (at = &a->block; *at != NULL && !OBJECT_PER_BLOCK;
	     at = &(*at)->next) {
		if ((*at)->room <= BLOCK_KEPT) {
			kept = *at;
			*at = kept->next;
			kept->next = NULL;
			kept->used = 0;
			break;
		}
	}
	arena_fini(a);
	a->block = kept;
}

static struct arena_block *
new_block(size_t room)
{
	struct arena_block *block = must_alloc(sizeof(*block) + room);

	block->next = NULL;
	block->used = 0;
	block->room = room;
	return block;
}

/* A block with n bytes free; n is a multiple of ALIGN, or exact where every
 * object has its own block. */
static struct arena_block *
block_for(struct arena *a, size_t n)
{
	struct arena_block *block = a->block;
	size_t room = BLOCK_FIRST;

	if (!OBJECT_PER_BLOCK && block != NULL) {
		if (n <= block->room - block->used)
			return block;
		room = 2 * (block->room + BLOCK_OVERHEAD) - BLOCK_OVERHEAD;
		if (room > BLOCK_LAST)
			room = BLOCK_LAST;
	}
	if (OBJECT_PER_BLOCK)
		room = n;
	if (n > room / 4 && block != NULL) {
		block = new_block(n);
		block->next = a->block->next;
		a->block->next = block;
		return block;
	}
	block = new_block(n > room ? n : room);
	block->next = a->block;
	a->block = block;
	return block;
}

/* Memory with anything in it. */
static void *
take(struct arena *a, size_t n)
{
	size_t left = a->budget - a->used, rounded;
	struct arena_block *block;
	uint8_t *p;

	if (n == 0)
		n = 1;
	if (n > left || n > SIZE_MAX / 2) {
		a->over = true;
		return NULL;
	}
	rounded = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (rounded > left) {
		a->over = true;
		return NULL;
	}
	a->used += rounded;
	if (!OBJECT_PER_BLOCK)
		n = rounded;
	block = block_for(a, n);
	p = block->bytes + block->used;
	block->used += n;
	return p;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p = take(a, n);

	return p != NULL ? memset(p, 0, n > 0 ? n : 1) : NULL;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n)) {
		a->over = true;
		return NULL;
	}
	return arena_alloc(a, n);
}

struct str
arena_dup(struct arena *a, struct str s)
{
	void *p;

	if (s.n == 0)
		return STR("");
	p = take(a, s.n);
	if (p == NULL)
		return str_of(NULL, 0);
	memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *p;

	if (s.n == SIZE_MAX) {
		a->over = true;
		return NULL;
	}
	p = arena_alloc(a, s.n + 1);
	if (p != NULL && s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	must(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	if (p != NULL)
		vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	va_end(ap);
	return p;
}
