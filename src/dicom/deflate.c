/*
 * Writing the deflated transfer syntax through zlib.
 */
#include "dicom/deflate.h"

#include "base/limit.h"

#define ZLIB_CONST
#include <zlib.h>

#define OUT_ROOM  (32 * KIB)
#define MEM_LEVEL 8 /* zlib's default */

struct deflate {
	deflate_sink *sink;
	void *ctx;
	z_stream z;
	bool odd;
	uint8_t block[OUT_ROOM];
};

struct deflate *
deflate_new(deflate_sink *sink, void *ctx)
{
	struct deflate *d = must_zalloc(sizeof(*d));

	d->sink = sink;
	d->ctx = ctx;
	/* Fails only for want of memory: a bad argument would be our bug. */
	must(deflateInit2(&d->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS,
		 MEM_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK);
	return d;
}

void
deflate_free(struct deflate **at)
{
	struct deflate *d = *at;

	*at = NULL;
	if (d == NULL)
		return;
	deflateEnd(&d->z);
	free(d);
}

/* Until zlib has taken its input and, with Z_FINISH, ended the stream. */
static bool
drain(struct deflate *d, int flush, struct err *e)
{
	size_t n;

	do {
		d->z.next_out = d->block;
		d->z.avail_out = (uInt)sizeof(d->block);
		must(deflate(&d->z, flush) != Z_STREAM_ERROR);
		n = sizeof(d->block) - d->z.avail_out;
		d->odd ^= (n & 1) != 0;
		if (n > 0 && !d->sink(d->ctx, str_of(d->block, n), e))
			return false;
	} while (d->z.avail_out == 0);
	return true;
}

bool
deflate_feed(struct deflate *d, struct str part, struct err *e)
{
	/* zlib counts in 32 bits. */
	const size_t most = 1 * GIB;
	size_t n;

	while (part.n > 0) {
		n = part.n < most ? part.n : most;
		d->z.next_in = part.p;
		d->z.avail_in = (uInt)n;
		if (!drain(d, Z_NO_FLUSH, e))
			return false;
		part = str_of(part.p + n, part.n - n);
	}
	return true;
}

bool
deflate_end(struct deflate *d, struct err *e)
{
	static const uint8_t zero[1];

	d->z.avail_in = 0;
	if (!drain(d, Z_FINISH, e))
		return false;
	return !d->odd || d->sink(d->ctx, str_of(zero, 1), e);
}
