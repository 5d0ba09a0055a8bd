/*
 * Reading the deflated transfer syntax through zlib.
 *
 * The first two bytes are kept back until they tell whether the stream has a
 * zlib header. A raw stream cannot be mistaken for one in practice: 0x78 would
 * open a stored block whose five unused bits are set, which no writer does.
 */
#include "dicom/inflate.h"

#include "base/limit.h"

#define ZLIB_CONST
#include <zlib.h>

#define OUT_ROOM (32 * KIB)
#define TRAILER  8

struct inflate {
	inflate_sink *sink;
	void *ctx;
	z_stream z;
	uint64_t in, out;
	uint8_t head[2];
	size_t head_n;
	bool started, finished;
	uint32_t crc;
	uint8_t tail[TRAILER];
	size_t tail_n;
	uint8_t block[OUT_ROOM];
};

struct inflate *
inflate_new(inflate_sink *sink, void *ctx)
{
	struct inflate *f = must_zalloc(sizeof(*f));

	f->sink = sink;
	f->ctx = ctx;
	return f;
}

void
inflate_free(struct inflate **at)
{
	struct inflate *f = *at;

	*at = NULL;
	if (f == NULL)
		return;
	if (f->started)
		inflateEnd(&f->z);
	free(f);
}

static bool
check_limits(const struct inflate *f, struct err *e)
{
	if (f->out > LIMIT_INFLATED)
		return fail(e, ERR_LIMIT,
		    "deflated data set inflates to more than %lu MiB",
		    LIMIT_INFLATED / MIB);
	if (f->out > LIMIT_INFLATE_FREE && f->out / LIMIT_INFLATE_RATIO > f->in)
		return fail(e, ERR_LIMIT,
		    "deflated data set inflates more than %d times",
		    LIMIT_INFLATE_RATIO);
	return true;
}

static bool
after_stream(struct inflate *f, struct str rest, struct err *e)
{
	size_t i;

	for (i = 0; i < rest.n; i++) {
		if (f->tail_n < TRAILER)
			f->tail[f->tail_n++] = rest.p[i];
		else if (rest.p[i] != 0)
			return fail(e, ERR_MALFORMED,
			    "bytes after the end of the deflated data set");
	}
	return true;
}

/* What was found behind the stream is padding or a gzip trailer. */
static bool
check_tail(const struct inflate *f, struct err *e)
{
	static const uint8_t zeros[TRAILER];
	const uint32_t want[] = {f->crc, (uint32_t)f->out};
	size_t i;

	if (!memcmp(f->tail, zeros, TRAILER))
		return true;
	for (i = 0; i < TRAILER; i++)
		if (f->tail[i] != (uint8_t)(want[i / 4] >> 8 * (i % 4)))
			return fail(e, ERR_MALFORMED,
			    "deflated data set has a wrong checksum or bytes "
			    "after its end");
	return true;
}

/* One call of zlib and what it gave; *more is false when it wants input. */
static bool
inflate_block(struct inflate *f, bool *more, struct err *e)
{
	uInt before = f->z.avail_in;
	size_t n;
	int rc;

	f->z.next_out = f->block;
	f->z.avail_out = (uInt)sizeof(f->block);
	rc = inflate(&f->z, Z_NO_FLUSH);
	n = sizeof(f->block) - f->z.avail_out;
	f->in += before - f->z.avail_in;
	f->out += n;
	f->crc = (uint32_t)crc32(f->crc, f->block, (uInt)n);
	f->finished = rc == Z_STREAM_END;
	*more = !f->finished && (f->z.avail_in > 0 || f->z.avail_out == 0);
	if (!check_limits(f, e))
		return false;
	/* First what came before a fault: the answer is then the same however
	 * the bytes were cut. */
	if (n > 0 && !f->sink(f->ctx, str_of(f->block, n), e))
		return false;
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return fail(e, ERR_MALFORMED,
		    "deflated data set is damaged (%s)",
		    f->z.msg != NULL ? f->z.msg : "no reason given");
	return true;
}

static bool
inflate_part(struct inflate *f, struct str part, struct err *e)
{
	/* zlib counts in 32 bits. */
	const size_t most = 1 * GIB;
	bool more = true;
	size_t n;

	while (part.n > 0 && !f->finished) {
		n = part.n < most ? part.n : most;
		f->z.next_in = part.p;
		f->z.avail_in = (uInt)n;
		for (more = true; more;)
			if (!inflate_block(f, &more, e))
				return false;
		n -= f->z.avail_in;
		part = str_of(part.p + n, part.n - n);
	}
	return after_stream(f, part, e);
}

static bool
start(struct inflate *f, struct err *e)
{
	bool wrapped =
	    f->head[0] == 0x78 && (f->head[0] << 8 | f->head[1]) % 31 == 0;

	/* Fails only for want of memory: a bad argument would be our bug. */
	must(inflateInit2(&f->z, wrapped ? MAX_WBITS : -MAX_WBITS) == Z_OK);
	f->started = true;
	return inflate_part(f, str_of(f->head, f->head_n), e);
}

bool
inflate_feed(struct inflate *f, struct str part, struct err *e)
{
	while (!f->started && part.n > 0) {
		f->head[f->head_n++] = part.p[0];
		part = str_of(part.p + 1, part.n - 1);
		if (f->head_n == sizeof(f->head) && !start(f, e))
			return false;
	}
	return inflate_part(f, part, e);
}

bool
inflate_end(struct inflate *f, struct err *e)
{
	if (f->finished)
		return check_tail(f, e);
	if (!f->started && f->head_n == 0)
		return true;
	return fail(e, ERR_MALFORMED, "deflated data set is cut off");
}
