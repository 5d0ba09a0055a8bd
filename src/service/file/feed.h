/*
 * One stream of bytes (a file, an entry of a zip) into the archive: told by
 * its first bytes, then parsed, hashed and stored block by block.
 */
#ifndef SERVICE_FEED_H
#define SERVICE_FEED_H

#include "store/object.h"

/* Fills p with up to n bytes; 0 at the end, -1 with *e set. */
typedef ssize_t feed_read(void *ctx, void *p, size_t n, struct err *e);

enum feed_outcome {
	FEED_STORED,
	FEED_SAME,     /* identical to what is there */
	FEED_ASIDE,    /* differs from what is there: kept in quarantine */
	FEED_REPLACED, /* differs from what was there, and took its place */
	FEED_MEDIA,    /* a DICOMDIR: never stored */
	FEED_ZIP,      /* nothing of it was taken */
	FEED_FOREIGN,  /* not DICOM; *e says what it lacks */
	FEED_REFUSED,  /* DICOM, but not stored; *e says why */
	FEED_BROKEN    /* the archive cannot go on; *e says why */
};

/* The buffers of one thread. source: what is kept of where the objects came
 * from, as an AE title; "" for none. */
struct feed;
struct feed *feed_new(struct store *store, const char *source);
void feed_free(struct feed **f);
/* size_hint: bytes of the whole stream, 0 when unknown. *size is that of the
 * data set, where one was read whole. */
enum feed_outcome feed_stream(struct feed *f, feed_read *read, void *ctx,
    uint64_t size_hint, uint64_t *size, struct err *e);
/* What was stored last: after FEED_STORED, FEED_SAME, FEED_ASIDE and
 * FEED_REPLACED. */
const struct object_result *feed_result(const struct feed *f);
/* A feed_read over an int * file descriptor. */
ssize_t feed_read_fd(void *ctx, void *p, size_t n, struct err *e);

#endif
