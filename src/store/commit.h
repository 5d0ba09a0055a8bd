/*
 * Group commit: everything that writes to the database goes through here.
 *
 * Work is queued; the first thread that waits becomes the leader, commits what
 * has gathered in one transaction, and wakes the others. There is no thread of
 * its own. Work that asks for a flush goes in transactions of its own, so that
 * rows which need none never wait for one.
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "store/db.h"
#include "store/index/upsert.h"

struct commit;

/* Runs within a transaction; may run again after a rollback, and must then
 * begin anew. False undoes all it did (and nothing of the others'). */
typedef bool commit_fn(struct upsert *u, void *ctx, struct err *e);

/* Takes the connection over, also when it fails. */
struct commit *commit_new(struct db *writer);
/* Writes what is queued. */
void commit_free(struct commit **c);

enum commit_result {
	COMMIT_DONE,
	COMMIT_UNDONE, /* as if it had never been asked for */
	/* The commit itself failed: after a power cut it may turn out to have
	 * been made, so the files it speaks of must stay. */
	COMMIT_UNSURE
};
enum commit_result commit_run(struct commit *c, bool flush, commit_fn *fn,
    void *ctx, struct err *e) MUST_USE;
/* Queued, with a copy of size bytes at ctx; written with the next commit, at
 * once when none is going on. Never waits for a flush. What fails is logged. */
void commit_later(
    struct commit *c, commit_fn *fn, const void *ctx, size_t size);
/* Whether a flush of the database has failed. */
bool commit_flush_failed(struct commit *c);

#endif
