/*
 * The durable queue of what Fileroom does of its own accord: sending on,
 * fetching from another archive, answering a storage commitment. Each change
 * is flushed before it returns, but for progress; a job that was running when
 * the program died is waiting again at the next start.
 *
 * Only the server takes and ends jobs; any process may add, cancel, retry and
 * forget them beside it.
 */
#ifndef STORE_TABLE_JOB_H
#define STORE_TABLE_JOB_H

#include "store/store.h"

/* Stored: numbers stay. */
enum job_state {
	JOB_WAITING, /* for a place, or for next_ms */
	JOB_RUNNING,
	JOB_DONE,
	JOB_FAILED, /* for good: attempts used up, or of no use */
	JOB_CANCELLED,
	JOB_DRAFT /* its items are still being added; see job_start() */
};

/* The longest pause there is. What waits longer has seen a clock that was
 * wrong, and is due this long from now. */
#define JOB_PAUSE_MAX_MS (60 * 60 * 1000)

struct job {
	int64_t id;
	char kind[16];     /* "send", "fetch", "report"; see service/job */
	char node[17];     /* the node it is about */
	struct str detail; /* JSON, the kind's own; empty in lists */
	enum job_state state;
	unsigned attempts;
	int64_t created_ms, next_ms, ended_ms; /* UTC */
	uint64_t total, done, failed;          /* of its items */
	bool listed;     /* all items are there: see job_listed() */
	char error[160]; /* of the last attempt */
};

/* One thing of a job that is done or not on its own: an instance to send, a
 * study to fetch. What has been done is not done again after a restart. */
struct job_item {
	char name[65]; /* a UID */
	bool done, failed;
	char error[96];
	/* Instances of a study to fetch; 0: not known. */
	uint64_t expected, got;
};

/* "waiting", "running", …: for people and programs. */
const char *job_state_name(enum job_state state);

/* With its items (a name twice: once), in one flushed transaction. *id is set.
 * Of the job kind, node, detail and next_ms (0: now) count; state is
 * JOB_WAITING, or JOB_DRAFT: then job_add_items() brings the items in batches,
 * and job_start() lets it begin. */
bool job_add(struct store *, const struct job *, const struct job_item *items,
    size_t n, int64_t *id, struct err *e) MUST_USE;
/* The same, without items, within a transaction of commit.h: what is to be done
 * is queued if, and only if, what asks for it is kept. */
struct db;
bool job_insert(
    struct db *, const struct job *, int64_t *id, struct err *e) MUST_USE;
/* Without items, unless one of the same kind, node and detail waits. */
bool job_add_once(struct store *, const struct job *, struct err *e) MUST_USE;
/* Items more, flushed; those that are there already stay as they are. */
bool job_add_items(struct store *, int64_t id, const struct job_item *items,
    size_t n, struct err *e) MUST_USE;
bool job_start(struct store *, int64_t id, struct err *e) MUST_USE;
/* A kind that finds its items itself has found all of them. */
bool job_listed(struct store *, int64_t id, struct err *e) MUST_USE;
/* The waiting job due longest whose node is none of 'busy' becomes
 * JOB_RUNNING; *found false when there is none, and *wait_ms is then in how
 * long the next one is due (INT64_MAX: none waits). */
bool job_take(struct store *, const char (*busy)[17], size_t busy_count,
    struct arena *a, struct job *out, bool *found, int64_t *wait_ms,
    struct err *e) MUST_USE;
/* Does a job of this node wait that is due? False when that is not known. */
bool job_due(struct store *, const char *node);
/* Does a job of the same kind and node wait that was added before this one?
 * *next_ms: when it is due; INT64_MIN: there is none. */
bool job_older(struct store *, const struct job *, int64_t *next_ms,
    struct err *e) MUST_USE;
/* Items still to do, in the order they were added, at most max, after the item
 * 'after' ("" for the first). */
bool job_items(struct store *, int64_t id, const char *after, size_t max,
    struct arena *a, struct job_item **out, size_t *n, struct err *e) MUST_USE;
/* The same of all items, done or not. */
bool job_items_all(struct store *, int64_t id, const char *after, size_t max,
    struct arena *a, struct job_item **out, size_t *n, struct err *e) MUST_USE;
/* What became of an item: done, failed, or to be tried again (neither; error
 * says why). Counted once. Not flushed: an item more is done twice after a
 * power cut, never lost. */
bool job_item_done(struct store *, int64_t id, const struct job_item *item,
    struct err *e) MUST_USE;
/* The attempt ended: state, next_ms, error, attempts as given. A job that was
 * cancelled meanwhile stays so. */
bool job_end(struct store *, const struct job *, struct err *e) MUST_USE;
/* Of any process: cancelled, or due now again with attempts 0 and its failed
 * items to do once more. ERR_MISSING; ERR_CONFLICT when its state does not
 * allow it. */
bool job_cancel(struct store *, int64_t id, struct err *e) MUST_USE;
bool job_retry(struct store *, int64_t id, struct err *e) MUST_USE;
/* What it waits for has come: if it is waiting it is due now. */
bool job_hurry(struct store *, int64_t id, struct err *e) MUST_USE;
/* Was it cancelled meanwhile? */
bool job_cancelled(struct store *, int64_t id);
/* ERR_MISSING. */
bool job_find(struct store *, int64_t id, struct arena *a, struct job *out,
    struct err *e) MUST_USE;
/* Newest first, in all states or one of them (-1: all). */
bool job_list(struct store *, int state, size_t max, struct arena *a,
    struct job **out, size_t *n, struct err *e) MUST_USE;
/* Changes whenever a job was added, retried or cancelled by any process. */
bool job_version(struct store *, int64_t *out, struct err *e) MUST_USE;
/* At the start of the server: what was running waits again. */
bool job_recover(struct store *, struct err *e) MUST_USE;
/* Forget what ended before; *n counts the jobs (may be NULL). Done in pieces:
 * nobody waits long behind a large job. */
bool job_clear(
    struct store *, int64_t before_ms, size_t *n, struct err *e) MUST_USE;

#endif
