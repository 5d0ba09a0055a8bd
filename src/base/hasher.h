/*
 * SHA-256 and CRC-32 of a stream. Inline as the bytes come, or, for a file that
 * is being written while a core is idle, by a thread that reads the file behind
 * its writer: the hash is the greatest part of receiving a big object, and so
 * overlaps with the rest.
 */
#ifndef BASE_HASHER_H
#define BASE_HASHER_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

struct hasher;

struct digest {
	uint8_t sha256[32];
	uint32_t crc32; /* of IEEE 802.3, as zip files have it */
};

struct hasher *hasher_new(void);
/* Also in the middle of a stream. */
void hasher_free(struct hasher **);
/* The next bytes of the stream; not after hasher_follow() said true. */
void hasher_add(struct hasher *, struct str part);
/* The rest of the stream is what fd has from 'at' on; the write-back of its
 * first bytes (BLOCK_WRITEBACK) is started on the way, which would hold up the
 * writer. False when every core
 * has enough to do: go on with hasher_add(). The descriptor must stay open
 * until the end. */
bool hasher_follow(struct hasher *, int fd, off_t at);
/* The file has been written up to 'end'. */
void hasher_grown(struct hasher *, off_t end);
/* Once; only hasher_free() may follow. ERR_IO when the file cannot be read. */
bool hasher_end(struct hasher *, struct digest *out, struct err *e) MUST_USE;

#endif
