/*
 * The deflated transfer syntax (PS3.5 A.5), writing: bytes in, raw deflate
 * (RFC 1951) out through a sink, padded with one zero to an even length.
 */
#ifndef DICOM_DEFLATE_H
#define DICOM_DEFLATE_H

#include "base/err.h"
#include "base/str.h"

typedef bool deflate_sink(void *ctx, struct str part, struct err *e);

struct deflate;
struct deflate *deflate_new(deflate_sink *sink, void *ctx);
void deflate_free(struct deflate **);
bool deflate_feed(struct deflate *, struct str part, struct err *e) MUST_USE;
bool deflate_end(struct deflate *, struct err *e) MUST_USE;

#endif
