/*
 * Bytes put aside: the first of them in memory, more in a file without a name
 * in the data folder.
 */
#ifndef SERVICE_SPOOL_H
#define SERVICE_SPOOL_H

#include "base/buf.h"
#include "store/store.h"

struct spool {
	struct store *store;
	struct buf memory; /* the end of it */
	int fd;            /* -1: all is in memory */
	uint64_t filed;    /* what the file has */
};

void spool_init(struct spool *s, struct store *store);
void spool_fini(struct spool *s);
uint64_t spool_size(const struct spool *s);
bool spool_append(struct spool *s, struct str bytes, struct err *e) MUST_USE;
/* Exactly n bytes from 'at' on. */
bool spool_read(const struct spool *s, uint64_t at, uint8_t *p, size_t n,
    struct err *e) MUST_USE;

#endif
