/*
 * Index against files: recovery at a start, reindex, check and repair.
 */
#ifndef STORE_REBUILD_H
#define STORE_REBUILD_H

#include "store/store.h"

/* Progress for people: done and total (0 when unknown); returns false to stop.
 */
typedef bool rebuild_progress(void *ctx, uint64_t done, uint64_t total);

/* Build the index of objects anew from the files; an equal index comes out.
 * Tables that files do not hold stay. Needs the server to be stopped. */
struct rebuild_result {
	uint64_t files, indexed, torn, duplicates;
};
bool store_reindex(struct store *, rebuild_progress *, void *ctx,
    struct rebuild_result *out, struct err *e) MUST_USE;

enum finding_kind {
	FINDING_CHANGED, /* length or hash differ from what was received */
	FINDING_MISSING, /* a row without its file */
	FINDING_ORPHAN,  /* a file without a row */
	FINDING_ROW,     /* a row that disagrees with its file */
	FINDING_COUNTS,  /* counts of a study or series are wrong */
	FINDING_WORDS,   /* pieces of names or numbers may not be found */
	FINDING_TORN,    /* a file that is no whole object */
	FINDING_LEFTOVER /* a temporary file of an unclean stop */
};
const char *finding_name(enum finding_kind);
/* repaired: only when repair was asked and it worked; repair: orphans are
 * indexed, wrong rows, counts and words rewritten, rows without file marked
 * missing and no longer answered, changed and torn files set aside in
 * quarantine. */
typedef void check_found(void *ctx, enum finding_kind kind, const char *path,
    const char *detail, bool repaired);
struct check_options {
	bool hashes; /* read every byte */
	bool repair;
};
bool store_check(struct store *, const struct check_options *,
    check_found *found, rebuild_progress *, void *ctx, uint64_t *checked,
    struct err *e) MUST_USE;

#endif
