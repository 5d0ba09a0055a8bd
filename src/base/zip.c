/*
 * The records of APPNOTE 4.3. What a reader needs version 4.5 for is ZIP64.
 */
#include "base/zip.h"

#include "base/attr.h"

#include <zlib.h>

#define LOCAL       30
#define CENTRAL     46
#define END         22
#define END64       56
#define LOCATOR64   20
#define EXTRA_LOCAL 20
#define MAX32       UINT32_MAX
#define MAX16       UINT16_MAX
#define UTF8_NAMES  (1U << 11)

static void
put_u64(struct buf *out, uint64_t v)
{
	buf_u32le(out, (uint32_t)v);
	buf_u32le(out, (uint32_t)(v >> 32));
}

static uint32_t
or_max32(uint64_t v)
{
	return v >= MAX32 ? MAX32 : (uint32_t)v;
}

/* Bytes of the ZIP64 extra field (4.5.3) in the central directory. */
static uint16_t
central_extra(const struct zip_entry *e, uint64_t at)
{
	unsigned n = (e->size >= MAX32 ? 16U : 0U) + (at >= MAX32 ? 8U : 0U);

	return (uint16_t)(n > 0 ? n + 4 : 0);
}

static uint16_t
version(const struct zip_entry *e, uint64_t at)
{
	return central_extra(e, at) > 0 ? 45 : 20;
}

/* 4.4.6: as MS-DOS has them. */
static void
put_time(struct buf *out, const struct zip_entry *e)
{
	unsigned date = 1 << 5 | 1, time = 0;

	if (e->year >= 1980 && e->year <= 2107) {
		date = (e->year - 1980) << 9 | e->month << 5 | e->day;
		time = e->hour << 11 | e->minute << 5 | e->second / 2;
	}
	buf_u16le(out, (uint16_t)time);
	buf_u16le(out, (uint16_t)date);
}

/* What local and central headers have in common, 4.3.7. */
static void
put_common(
    struct buf *out, const struct zip_entry *e, uint64_t at, uint16_t extra)
{
	must(e->name.n <= ZIP_NAME_MAX);
	buf_u16le(out, version(e, at));
	buf_u16le(out, UTF8_NAMES);
	buf_u16le(out, 0); /* stored */
	put_time(out, e);
	buf_u32le(out, e->crc32);
	buf_u32le(out, or_max32(e->size));
	buf_u32le(out, or_max32(e->size));
	buf_u16le(out, (uint16_t)e->name.n);
	buf_u16le(out, extra);
}

static uint16_t
local_extra(const struct zip_entry *e)
{
	return e->size >= MAX32 ? EXTRA_LOCAL : 0;
}

void
zip_local(struct buf *out, const struct zip_entry *e)
{
	buf_text(out, "PK\3\4");
	put_common(out, e, 0, local_extra(e));
	buf_add(out, e->name);
	if (local_extra(e) == 0)
		return;
	buf_u16le(out, 1);
	buf_u16le(out, EXTRA_LOCAL - 4);
	put_u64(out, e->size);
	put_u64(out, e->size);
}

void
zip_central(struct buf *out, const struct zip_entry *e, uint64_t at)
{
	uint16_t extra = central_extra(e, at);

	buf_text(out, "PK\1\2");
	buf_u16le(out, 3 << 8 | 45); /* by a Unix system */
	put_common(out, e, at, extra);
	buf_u16le(out, 0); /* comment */
	buf_u16le(out, 0); /* disk */
	buf_u16le(out, 0);
	buf_u32le(out, 0100644U << 16);
	buf_u32le(out, or_max32(at));
	buf_add(out, e->name);
	if (extra == 0)
		return;
	buf_u16le(out, 1);
	buf_u16le(out, (uint16_t)(extra - 4));
	if (e->size >= MAX32) {
		put_u64(out, e->size);
		put_u64(out, e->size);
	}
	if (at >= MAX32)
		put_u64(out, at);
}

static bool
end_is_64(uint64_t count, uint64_t at, uint64_t size)
{
	return count >= MAX16 || at >= MAX32 || size >= MAX32;
}

static void
put_end64(struct buf *out, uint64_t count, uint64_t at, uint64_t size)
{
	buf_text(out, "PK\6\6");
	put_u64(out, END64 - 12);
	buf_u16le(out, 3 << 8 | 45);
	buf_u16le(out, 45);
	buf_u32le(out, 0);
	buf_u32le(out, 0);
	put_u64(out, count);
	put_u64(out, count);
	put_u64(out, size);
	put_u64(out, at);
	buf_text(out, "PK\6\7");
	buf_u32le(out, 0);
	put_u64(out, at + size);
	buf_u32le(out, 1);
}

void
zip_end(struct buf *out, uint64_t count, uint64_t at, uint64_t size)
{
	uint16_t n = count >= MAX16 ? MAX16 : (uint16_t)count;

	if (end_is_64(count, at, size))
		put_end64(out, count, at, size);
	buf_text(out, "PK\5\6");
	buf_u32le(out, 0);
	buf_u16le(out, n);
	buf_u16le(out, n);
	buf_u32le(out, or_max32(size));
	buf_u32le(out, or_max32(at));
	buf_u16le(out, 0);
}

uint64_t
zip_local_size(const struct zip_entry *e)
{
	return LOCAL + e->name.n + local_extra(e);
}

uint64_t
zip_central_size(const struct zip_entry *e, uint64_t at)
{
	return CENTRAL + e->name.n + central_extra(e, at);
}

uint64_t
zip_end_size(uint64_t count, uint64_t at, uint64_t size)
{
	return END + (end_is_64(count, at, size) ? END64 + LOCATOR64 : 0);
}

uint32_t
zip_crc_join(uint32_t a, uint32_t b, uint64_t b_size)
{
	return (uint32_t)crc32_combine(a, b, (z_off_t)b_size);
}
