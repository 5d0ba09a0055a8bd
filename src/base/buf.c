/*
 * Growable output. One byte more than 'room' is always allocated, so that
 * buf_cstr() can end the text without growing past the cap.
 */
#include "base/buf.h"

#include <stdarg.h>

#define ROOM_FIRST 256

void
buf_init(struct buf *b, size_t cap)
{
	must(cap < SIZE_MAX / 2);
	*b = (struct buf){.cap = cap};
}

void
buf_fini(struct buf *b)
{
	free(b->p);
	*b = (struct buf){.cap = b->cap};
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->over = false;
}

static void
set_room(struct buf *b, size_t room)
{
	b->p = must_realloc(b->p, room + 1);
	b->room = room;
}

void
buf_shrink(struct buf *b, size_t room)
{
	if (room < b->n)
		room = b->n;
	if (room >= b->room)
		return;
	if (room > 0) {
		set_room(b, room);
		return;
	}
	free(b->p);
	b->p = NULL;
	b->room = 0;
}

uint8_t *
buf_space(struct buf *b, size_t n)
{
	size_t room;

	if (b->over || n > b->cap - b->n) {
		b->over = true;
		return NULL;
	}
	if (b->p == NULL || n > b->room - b->n) {
		room = b->room < ROOM_FIRST ? ROOM_FIRST : b->room * 2;
		if (room < b->n + n)
			room = b->n + n;
		set_room(b, room < b->cap ? room : b->cap);
	}
	return b->p + b->n;
}

void
buf_filled(struct buf *b, size_t n)
{
	must(n <= b->room - b->n);
	b->n += n;
}

void
buf_add(struct buf *b, struct str s)
{
	uint8_t *p = buf_space(b, s.n);

	if (p == NULL || s.n == 0)
		return;
	memcpy(p, s.p, s.n);
	b->n += s.n;
}

void
buf_text(struct buf *b, const char *text)
{
	buf_add(b, str_from(text));
}

void
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap, again;
	uint8_t *p;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	must(n >= 0);
	p = buf_space(b, (size_t)n);
	if (p != NULL) {
		vsnprintf((char *)p, (size_t)n + 1, format, again);
		b->n += (size_t)n;
	}
	va_end(again);
	va_end(ap);
}

static void
put_little(uint8_t *p, uint32_t v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void
put_big(uint8_t *p, uint32_t v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[n - 1 - i] = (uint8_t)(v >> 8 * i);
}

void
buf_u8(struct buf *b, uint8_t v)
{
	buf_fill(b, v, 1);
}

static void
add_little(struct buf *b, uint32_t v, size_t n)
{
	uint8_t *p = buf_space(b, n);

	if (p == NULL)
		return;
	put_little(p, v, n);
	b->n += n;
}

static void
add_big(struct buf *b, uint32_t v, size_t n)
{
	uint8_t *p = buf_space(b, n);

	if (p == NULL)
		return;
	put_big(p, v, n);
	b->n += n;
}

void
buf_u16le(struct buf *b, uint16_t v)
{
	add_little(b, v, 2);
}

void
buf_u16be(struct buf *b, uint16_t v)
{
	add_big(b, v, 2);
}

void
buf_u32le(struct buf *b, uint32_t v)
{
	add_little(b, v, 4);
}

void
buf_u32be(struct buf *b, uint32_t v)
{
	add_big(b, v, 4);
}

void
buf_fill(struct buf *b, uint8_t v, size_t n)
{
	uint8_t *p = buf_space(b, n);

	if (p == NULL || n == 0)
		return;
	memset(p, v, n);
	b->n += n;
}

/* Where n bytes written before stand; NULL if they may have been dropped. */
static uint8_t *
written(struct buf *b, size_t at, size_t n)
{
	if (b->over)
		return NULL;
	must(n <= b->n && at <= b->n - n);
	return b->p + at;
}

void
buf_set_u32le(struct buf *b, size_t at, uint32_t v)
{
	uint8_t *p = written(b, at, 4);

	if (p != NULL)
		put_little(p, v, 4);
}

void
buf_set_u32be(struct buf *b, size_t at, uint32_t v)
{
	uint8_t *p = written(b, at, 4);

	if (p != NULL)
		put_big(p, v, 4);
}

void
buf_set_u16be(struct buf *b, size_t at, uint16_t v)
{
	uint8_t *p = written(b, at, 2);

	if (p != NULL)
		put_big(p, v, 2);
}

void
buf_drop(struct buf *b, size_t n)
{
	must(n <= b->n);
	if (n == 0)
		return;
	b->n -= n;
	memmove(b->p, b->p + n, b->n);
}

struct str
buf_str(const struct buf *b)
{
	return b->p != NULL ? str_of(b->p, b->n) : STR("");
}

const char *
buf_cstr(struct buf *b)
{
	if (b->p == NULL)
		return "";
	b->p[b->n] = '\0';
	return (const char *)b->p;
}
