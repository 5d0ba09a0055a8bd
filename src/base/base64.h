/*
 * Base64 (RFC 4648 section 4) as others write it: white space and line breaks
 * anywhere, padding or none. It comes in pieces of any length.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

struct base64 {
	uint32_t bits;
	unsigned n;    /* characters in 'bits' */
	unsigned pads; /* '=' seen: only white space and more of them follow */
};

/* All zero is the begin. False at a character that is none of it. */
bool base64_decode(struct base64 *d, struct str in, struct buf *out) MUST_USE;
/* Whether what came was whole. */
bool base64_end(struct base64 *d, struct buf *out) MUST_USE;

#endif
