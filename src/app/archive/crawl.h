/*
 * The files behind the paths of a command line: files, whole folders, and what
 * a DICOMDIR references.
 *
 * Links to folders are not followed (they may form loops), links to files are.
 * The archive's own folder is left out.
 */
#ifndef APP_CRAWL_H
#define APP_CRAWL_H

#include "base/attr.h"
#include <stdatomic.h>
#include <sys/types.h>

struct crawl_item {
	char *path;
	uint64_t size;
	bool named; /* given by itself: a path of the command line, or
		     * referenced by a DICOMDIR that was */
};

/* A path that cannot be read, and why. */
typedef void crawl_refused(void *ctx, const char *path, const char *reason);

struct crawl {
	struct crawl_item *items;
	size_t n, room;
	uint64_t bytes; /* of all items */
	uint64_t links; /* to folders, not followed */
	crawl_refused *refused;
	void *ctx;
	/* The archive's own folder. */
	dev_t own_device;
	ino_t own_inode;
	const atomic_bool *stop; /* may be NULL */
};

void crawl_init(
    struct crawl *c, const char *own_folder, crawl_refused *refused, void *ctx);
void crawl_fini(struct crawl *c);
/* Adds what stands behind one path. */
void crawl_add(struct crawl *c, const char *path);

#endif
