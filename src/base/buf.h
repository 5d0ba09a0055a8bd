/*
 * Growable output, born with its cap. A write that would pass the cap sets
 * 'over' and is dropped; all later writes are dropped too, and one test at the
 * end tells. Grows by what arrives, never by what is promised.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
	uint8_t *p;
	size_t n, room, cap;
	bool over;
};

void buf_init(struct buf *b, size_t cap); /* allocates nothing yet */
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory, clears 'over' */
/* Keep at most room bytes of memory; for a buffer about to lie idle. */
void buf_shrink(struct buf *b, size_t room);
void buf_add(struct buf *b, struct str s);
void buf_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) PRINTF(2, 3);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16le(struct buf *b, uint16_t v);
void buf_u16be(struct buf *b, uint16_t v);
void buf_u32le(struct buf *b, uint32_t v);
void buf_u32be(struct buf *b, uint32_t v);
void buf_fill(struct buf *b, uint8_t v, size_t n);
/* Overwrite four bytes written before, at offset 'at'. */
void buf_set_u32le(struct buf *b, size_t at, uint32_t v);
void buf_set_u32be(struct buf *b, size_t at, uint32_t v);
void buf_set_u16be(struct buf *b, size_t at, uint16_t v);
/* Drop the first n bytes. */
void buf_drop(struct buf *b, size_t n);
/* Room for n more bytes at the end, to be filled by the caller, who then
 * calls buf_filled(); NULL past the cap. */
uint8_t *buf_space(struct buf *b, size_t n);
void buf_filled(struct buf *b, size_t n);
/* What was written; valid until the next write. */
struct str buf_str(const struct buf *b);
/* NUL-terminated view for libraries; "" when empty. */
const char *buf_cstr(struct buf *b);

#endif
