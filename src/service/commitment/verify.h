/*
 * What this archive can answer for (PS3.4 J.3.3.1.2): an instance is committed
 * when its row is in the index, of the class the peer says, and its file, read
 * again, has the length and SHA-256 of what was received.
 */
#ifndef SERVICE_COMMITMENT_VERIFY_H
#define SERVICE_COMMITMENT_VERIFY_H

#include "service/commitment/references.h"
#include "store/store.h"

struct verify {
	struct store *store;
	/* Only look whether the rows are still there: the files have been
	 * read before. A reason once found stays. */
	bool rows_only;
	/* Asked before each instance, with the bytes read so far: true ends
	 * it. NULL: never. */
	bool (*stop)(void *ctx, uint64_t bytes);
	void *ctx;
};

/* Sets the reason of each. ERR_CANCELLED: stopped; ERR_IO: nothing can be said
 * now, as the index cannot be read or a flush has failed. */
bool verify_references(
    const struct verify *v, struct references *r, struct err *e) MUST_USE;

#endif
