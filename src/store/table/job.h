/*
 * The durable queue of what Fileroom does of its own accord: sending on,
 * fetching from another archive, answering a storage commitment. Each change
 * is flushed before it returns, but for progress; a job that was running when
 * the program died is waiting again at the next start.
 */
#ifndef STORE_TABLE_JOB_H
#define STORE_TABLE_JOB_H

#include "store/store.h"

enum job_state {
	JOB_WAITING, /* for a place, or for next_ms */
	JOB_RUNNING,
	JOB_DONE,
	JOB_FAILED, /* for good: attempts used up, or of no use */
	JOB_CANCELLED
};

struct job {
	int64_t id;
	char kind[16];     /* "send", "fetch", "report"; see service/job */
	char node[17];     /* the node it is about */
	struct str detail; /* JSON, the kind's own */
	enum job_state state;
	unsigned attempts;
	int64_t created_ms, next_ms, ended_ms; /* UTC */
	uint64_t total, done, failed;          /* of its items */
	char error[160];                       /* of the last attempt */
};

/* One thing of a job that is done or not on its own: an instance to send, a
 * study to fetch. What has been done is not done again after a restart. */
struct job_item {
	char name[65]; /* a UID */
	bool done, failed;
	char error[96];
};

/* With its items, in one flushed transaction. *id is set. */
bool job_add(struct store *, const struct job *, const struct job_item *items,
    size_t n, int64_t *id, struct err *e) MUST_USE;
/* The oldest waiting job that is due and whose node is none of 'busy' becomes
 * JOB_RUNNING; *found false when there is none, and *wait_ms is then when the
 * next one is due (INT64_MAX: none waits). */
bool job_take(struct store *, const char (*busy)[17], size_t busy_count,
    struct arena *a, struct job *out, bool *found, int64_t *wait_ms,
    struct err *e) MUST_USE;
/* Items still to do, in order, at most max, after the item 'after' ("" for
 * the first). */
bool job_items(struct store *, int64_t id, const char *after, size_t max,
    struct arena *a, struct job_item **out, size_t *n, struct err *e) MUST_USE;
/* Not flushed: an item more is done twice after a power cut, never lost. */
bool job_item_done(struct store *, int64_t id, const struct job_item *item,
    struct err *e) MUST_USE;
/* The attempt ended: state, next_ms, error, attempts as given. */
bool job_end(struct store *, const struct job *, struct err *e) MUST_USE;
/* Of any process: cancelled, or due now again with attempts 0. ERR_MISSING;
 * ERR_CONFLICT when its state does not allow it. */
bool job_cancel(struct store *, int64_t id, struct err *e) MUST_USE;
bool job_retry(struct store *, int64_t id, struct err *e) MUST_USE;
/* Was it cancelled meanwhile? */
bool job_cancelled(struct store *, int64_t id);
bool job_find(struct store *, int64_t id, struct arena *a, struct job *out,
    struct err *e) MUST_USE;
/* Newest first, in all states or one of them (-1: all). */
bool job_list(struct store *, int state, size_t max, struct arena *a,
    struct job **out, size_t *n, struct err *e) MUST_USE;
/* Changes whenever a job was added, retried or cancelled by any process. */
bool job_version(struct store *, int64_t *out, struct err *e) MUST_USE;
/* At the start of the server: what was running waits again. */
bool job_recover(struct store *, struct err *e) MUST_USE;
/* Forget what ended before. */
bool job_clear(struct store *, int64_t before_ms, struct err *e) MUST_USE;

#endif
