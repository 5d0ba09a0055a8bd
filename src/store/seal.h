/*
 * The header of our own files: Part 10 meta information (PS3.10 7.1) of a
 * constant length, with what was received sealed in (0002,0102).
 *
 * Private Information, little endian, under our creator UID (0002,0100):
 *   4   "FRM1"
 *   4   number of the arrival, which orders those of one millisecond
 *   8   arrival, milliseconds since 1970 UTC
 *   8   length of the data set in bytes
 *   32  SHA-256 of the data set as it was received
 *   …   zeros, so that the data set begins at SEAL_DATA_AT
 * Without the seal a file cut between two elements would look whole.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "store/object.h"

/* Room for UIDs of 64 characters and an AE title of 16. */
#define SEAL_DATA_AT 640

struct seal {
	struct str sop_class, sop_instance, syntax, source_ae;
	int64_t arrived_ms;
	uint32_t number;
	uint64_t size;
	uint8_t sha256[32];
};

void seal_build(const struct seal *seal, uint8_t out[SEAL_DATA_AT]);
/* Read the header of an open file, and compare the file's length with the
 * sealed one: ERR_CORRUPT. Fills in all but out->fd. */
bool seal_read(int fd, const char *path, struct object_file *out,
    uint32_t *number, struct err *e) MUST_USE;

#endif
