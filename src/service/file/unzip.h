/*
 * Reading a zip: its entries' bytes, never its paths. What comes out is capped
 * in entries, bytes and ratio (limit.h).
 */
#ifndef SERVICE_UNZIP_H
#define SERVICE_UNZIP_H

#include "service/file/feed.h"

struct unzip;

struct unzip_entry {
	char name[256]; /* as the zip gives it, cut; for messages only */
	uint64_t size;  /* as the zip promises, 0 when unknown */
	bool encrypted; /* cannot be read */
};

bool unzip_open(struct unzip **u, const char *path, struct err *e) MUST_USE;
/* One that comes as it is read: its entries in their order, without the list at
 * its end. */
bool unzip_stream(
    struct unzip **u, feed_read *read, void *ctx, struct err *e) MUST_USE;
void unzip_close(struct unzip **u);
/* The next entry that is a file; *end true when there is none. False: the
 * rest cannot be read. */
bool unzip_next(struct unzip *u, struct unzip_entry *out, bool *end,
    struct err *e) MUST_USE;
/* A feed_read over the current entry: ctx is the struct unzip. */
ssize_t unzip_read(void *ctx, void *p, size_t n, struct err *e);

#endif
