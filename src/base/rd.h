/*
 * The reader over untrusted bytes: the only code that compares a length with
 * what is left, always as n > left, never as p + n > end.
 *
 * The flag is sticky and shared with sub-readers by pointer, so one test at
 * the end covers every nested item. After it is set, numbers read as 0 and
 * slices as empty, and rd_more() is false.
 */
#ifndef BASE_RD_H
#define BASE_RD_H

#include "base/str.h"

struct rd {
	const uint8_t *p, *end;
	bool *bad;
};

struct rd rd_over(struct str s, bool *bad); /* does not clear *bad */
size_t rd_left(const struct rd *r);
bool rd_more(const struct rd *r); /* bytes are left and nothing was bad */
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16le(struct rd *r);
uint16_t rd_u16be(struct rd *r);
uint32_t rd_u32le(struct rd *r);
uint32_t rd_u32be(struct rd *r);
uint64_t rd_u64le(struct rd *r);
uint64_t rd_u64be(struct rd *r);
struct str rd_take(struct rd *r, size_t n);
void rd_skip(struct rd *r, size_t n);
/* The next n bytes as a reader that cannot leave them. */
struct rd rd_sub(struct rd *r, size_t n);
struct str rd_rest(struct rd *r);

#endif
