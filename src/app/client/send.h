/*
 * What 'store' sends: batches of items for the sender, from files, zips and
 * the archive; and what came of each.
 */
#ifndef APP_CLIENT_SEND_H
#define APP_CLIENT_SEND_H

#include "app/client/target.h"
#include "app/progress.h"
#include "service/client/sender.h"

/* Items in a batch, and bytes of entries of zips that lie unpacked then. */
#define SEND_BATCH      512
#define SEND_BATCH_TEMP (256 * MIB)

struct send {
	struct target t;
	struct sender *sender;
	struct sender_item items[SEND_BATCH];
	int fds[SEND_BATCH]; /* unpacked entries; -1: item.path is opened */
	size_t n;
	uint64_t temp_bytes;
	bool from_store;    /* paths are those of objects */
	struct arena arena; /* of a batch */
	struct progress progress;
	uint64_t total; /* items, as far as known */
	uint64_t sent, warned, failed, refused, foreign, media, answered;
};

struct send *send_new(void);
void send_free(struct send **s);
/* Once the node is known. window: operations in flight. */
void send_begin(struct send *s, uint16_t window);
/* Takes fd (or -1), in every case; path is copied. Sends when a batch is
 * full. */
bool send_add(struct send *s, const struct sender_item *item, const char *path,
    int fd, struct err *e) MUST_USE;
/* False: the node cannot be reached, or broke off, or we were stopped. */
bool send_flush(struct send *s, struct err *e) MUST_USE;
/* A file that cannot be sent. entry: of a zip, or NULL. */
void send_refuse(
    struct send *s, const char *path, const char *entry, const char *why);

/* Files, folders, zips, DICOMDIR media. */
bool send_paths(
    struct send *s, const char *const *paths, size_t n, struct err *e) MUST_USE;
/* Studies of the archive. */
bool send_studies(
    struct send *s, const struct words *uids, struct err *e) MUST_USE;

/* The file of an item: its data set and what that is. Keeps fd open. */
bool send_describe(
    int fd, struct object_file *out, bool *prefix, struct err *e) MUST_USE;

#endif
