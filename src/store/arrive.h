/*
 * The arrival of a whole object: its file gets its name, is flushed, and its
 * row is committed; or it is the second of its SOP Instance UID. The protocol
 * stands in object.c.
 */
#ifndef STORE_ARRIVE_H
#define STORE_ARRIVE_H

#include "store/folder.h"
#include "store/object.h"
#include "store/index/upsert.h"

/* An arrival that takes the place of what is there, whatever store.duplicate
 * says; what is there is kept elsewhere (quarantine.c). */
struct instead {
	/* Makes that durable; before the commit, and again when another has
	 * come between. old->id is 0 when there is none. */
	bool (*keep)(void *ctx, const struct existing *old, struct err *e);
	/* In the flushed commit that puts the new row in. */
	bool (*commit)(void *ctx, struct upsert *u, struct err *e);
	bool *unsure; /* set: nobody knows whether the commit was made */
	void *ctx;
};
/* As object_commit(); OBJECT_SAME has called neither. */
bool object_commit_instead(struct object **o, const struct instead *instead,
    struct object_result *out, struct err *e) MUST_USE;

/* A file in objects/tmp. */
struct arriving {
	const struct instead *instead; /* NULL: as store.duplicate says */
	/* Makes it whole, with its header; once, before it gets a name. */
	bool (*finish)(void *ctx, const struct row *row, struct arrival arrival,
	    struct err *e);
	void *ctx;
	int *fd;    /* after finish */
	char *name; /* likewise; emptied when the file has left objects/tmp */
};

/* The row lacks arrived_ms and path. A file that is not needed is left in
 * objects/tmp or removed. */
bool arrive(struct store *s, struct arriving *file, const struct row *row,
    enum object_outcome *outcome, struct err *e) MUST_USE;

/* Put a row in whose file has its path and is durable; for recovery. */
struct adoption {
	const struct row *row;
	struct existing existing; /* id 0: it was put in, or was there */
};
bool adopt(struct upsert *u, void *ctx, struct err *e);

/* A row in table quarantine; path is within the folder quarantine. */
struct set_aside {
	const char *path, *reason;
	struct str sop_instance, source;
	uint64_t size;
	uint8_t sha256[32];
	int64_t arrived_ms;
};
bool set_aside_row(struct upsert *u, void *ctx, struct err *e);
/* A file to be unlinked after this (flushed) commit: a path below objects, or
 * "quarantine/...". */
bool tombstone_row(
    struct upsert *u, const char *path, struct str sop_instance, struct err *e);

#endif
