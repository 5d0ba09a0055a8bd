/*
 * The reader over untrusted bytes. take() is the one place where a length
 * meets what is left.
 */
#include "base/rd.h"

struct rd
rd_over(struct str s, bool *bad)
{
	static const uint8_t nothing[1];

	if (s.n == 0)
		return (struct rd){nothing, nothing, bad};
	return (struct rd){s.p, s.p + s.n, bad};
}

size_t
rd_left(const struct rd *r)
{
	return *r->bad ? 0 : (size_t)(r->end - r->p);
}

bool
rd_more(const struct rd *r)
{
	return rd_left(r) > 0;
}

/* The next n bytes, or NULL. */
static const uint8_t *
take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (*r->bad)
		return NULL;
	if (n > rd_left(r)) {
		*r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

uint8_t
rd_u8(struct rd *r)
{
	const uint8_t *p = take(r, 1);

	return p != NULL ? p[0] : 0;
}

static uint64_t
little(struct rd *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;

	while (p != NULL && n > 0)
		v = v << 8 | p[--n];
	return v;
}

static uint64_t
big(struct rd *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;
	size_t i;

	for (i = 0; p != NULL && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint16_t
rd_u16le(struct rd *r)
{
	return (uint16_t)little(r, 2);
}

uint16_t
rd_u16be(struct rd *r)
{
	return (uint16_t)big(r, 2);
}

uint32_t
rd_u32le(struct rd *r)
{
	return (uint32_t)little(r, 4);
}

uint32_t
rd_u32be(struct rd *r)
{
	return (uint32_t)big(r, 4);
}

uint64_t
rd_u64le(struct rd *r)
{
	return little(r, 8);
}

uint64_t
rd_u64be(struct rd *r)
{
	return big(r, 8);
}

struct str
rd_take(struct rd *r, size_t n)
{
	const uint8_t *p = take(r, n);

	return str_of(p, p != NULL ? n : 0);
}

void
rd_skip(struct rd *r, size_t n)
{
	(void)take(r, n);
}

struct rd
rd_sub(struct rd *r, size_t n)
{
	return rd_over(rd_take(r, n), r->bad);
}

struct str
rd_rest(struct rd *r)
{
	return rd_take(r, rd_left(r));
}
