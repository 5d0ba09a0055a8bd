/*
 * The deflated transfer syntax (PS3.5 A.5), reading: compressed bytes in,
 * bytes out through a sink, with memory of a fixed size.
 *
 * Raw deflate (RFC 1951). What some senders add is understood too: a zlib
 * wrapper (RFC 1950), and the trailer of a gzip file (RFC 1952: CRC-32 and
 * length), which must be right. Zeros after that are padding, anything else
 * there is ERR_MALFORMED. ERR_LIMIT when more than
 * LIMIT_INFLATED bytes come out, or, after LIMIT_INFLATE_FREE, more than
 * LIMIT_INFLATE_RATIO for each byte that went in.
 */
#ifndef DICOM_INFLATE_H
#define DICOM_INFLATE_H

#include "base/err.h"
#include "base/str.h"

typedef bool inflate_sink(void *ctx, struct str part, struct err *e);

struct inflate;
struct inflate *inflate_new(inflate_sink *sink, void *ctx);
void inflate_free(struct inflate **);
bool inflate_feed(struct inflate *, struct str part, struct err *e) MUST_USE;
/* Fails when the stream has not come to its end. No bytes at all are an empty
 * data set. */
bool inflate_end(struct inflate *, struct err *e) MUST_USE;

#endif
