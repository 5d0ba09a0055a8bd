/*
 * Zip files (PKWARE APPNOTE 6.3) of entries that are stored as they are: the
 * bytes around the entries, from sizes and CRC-32s known before. So the length
 * of a zip, and any range of it, is known before its first byte is written.
 * ZIP64 where a size or an offset needs it; names in UTF-8 (bit 11).
 *
 *   zip_local(e0) bytes of e0 zip_local(e1) bytes of e1 …
 *   zip_central(e0, at0) zip_central(e1, at1) … zip_end(…)
 */
#ifndef BASE_ZIP_H
#define BASE_ZIP_H

#include "base/buf.h"

/* What all of it may be, so that no field overflows. */
#define ZIP_NAME_MAX 65535

struct zip_entry {
	struct str name; /* with '/', relative; at most ZIP_NAME_MAX bytes */
	uint64_t size;
	uint32_t crc32;
	/* As clocks on walls show it; years before 1980 count as 1980. */
	unsigned year, month, day, hour, minute, second;
};

void zip_local(struct buf *out, const struct zip_entry *);
void zip_central(struct buf *out, const struct zip_entry *, uint64_t at);
/* After 'count' entries whose central directory is 'size' bytes from 'at'. */
void zip_end(struct buf *out, uint64_t count, uint64_t at, uint64_t size);

/* The lengths of what these write. */
uint64_t zip_local_size(const struct zip_entry *);
uint64_t zip_central_size(const struct zip_entry *, uint64_t at);
uint64_t zip_end_size(uint64_t count, uint64_t at, uint64_t size);

/* The CRC-32 of a followed by b, of which b has b_size bytes. */
uint32_t zip_crc_join(uint32_t a, uint32_t b, uint64_t b_size);

#endif
