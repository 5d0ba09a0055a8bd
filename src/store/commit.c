/*
 * Leader and followers, see commit.h.
 *
 * A thread that waits for its work and finds no leader becomes one: it takes
 * the whole queue, runs it, wakes the threads whose work is done, and makes
 * one of those that queued meanwhile the next leader. Work nobody waits for is
 * taken along; whoever queues it while there is no leader leads for it, but
 * only for work without flush.
 *
 * If one piece of work of a transaction fails, all is rolled back and each
 * piece gets a transaction of its own.
 *
 * The leader also moves the log into the database, each CHECKPOINT_BYTES,
 * after it has woken the others.
 */
#include "store/commit.h"

#include "base/limit.h"
#include "base/log.h"
#include "base/thread.h"

#include <stdatomic.h>

#define CHECKPOINT_BYTES (16 * MIB)
/* Above it the log must begin anew, else it only grows. */
#define RESTART_BYTES (64 * MIB)

struct job {
	struct job *next;
	commit_fn *fn;
	void *ctx;
	bool flush, waits, done;
	enum commit_result result;
	struct err e;
	struct cond wake; /* if somebody waits */
};

struct jobs {
	struct job *first, **end;
	size_t n;
};

struct commit {
	struct mutex lock;
	struct jobs queue;
	bool led;
	/* The leader's: */
	struct db *db;
	struct upsert *upsert;
	uint64_t log_bytes, checkpoint_at;
	atomic_bool flush_failed;
};

static void
jobs_init(struct jobs *q)
{
	*q = (struct jobs){.first = NULL};
	q->end = &q->first;
}

static void
jobs_add(struct jobs *q, struct job *j)
{
	j->next = NULL;
	*q->end = j;
	q->end = &j->next;
	q->n++;
}

struct commit *
commit_new(struct db *writer)
{
	struct commit *c = must_zalloc(sizeof(*c));

	mutex_init(&c->lock);
	jobs_init(&c->queue);
	c->db = writer;
	c->upsert = upsert_new(writer);
	c->checkpoint_at = CHECKPOINT_BYTES;
	return c;
}

/* Whether the transaction is open with all the work done in it. */
static bool
work(struct commit *c, const struct jobs *q, bool flush, struct err *e)
{
	struct job *j;

	if (!db_begin(c->db, flush, e))
		return false;
	if (!upsert_begin(c->upsert, e))
		return false;
	for (j = q->first; j != NULL; j = j->next)
		if (!j->fn(c->upsert, j->ctx, e))
			return false;
	return upsert_end(c->upsert, e);
}

static enum commit_result
transact(struct commit *c, const struct jobs *q, bool flush, struct err *e)
{
	enum commit_result result = COMMIT_DONE;

	if (!work(c, q, flush, e))
		result = COMMIT_UNDONE;
	else if (!db_commit(c->db, e))
		result = COMMIT_UNSURE;
	if (result != COMMIT_DONE) {
		db_rollback(c->db);
		upsert_forget(c->upsert);
	}
	if (db_flush_failed(c->db))
		atomic_store(&c->flush_failed, true);
	return result;
}

static void
run_singly(struct commit *c, struct jobs *q, bool flush)
{
	struct job *j, *next;
	struct jobs one;

	for (j = q->first; j != NULL; j = next) {
		next = j->next;
		jobs_init(&one);
		jobs_add(&one, j);
		j->result = transact(c, &one, flush, &j->e);
		j->next = next;
	}
}

static void
run(struct commit *c, struct jobs *q, bool flush)
{
	enum commit_result result;
	struct job *j;
	struct err e;

	if (q->n == 0)
		return;
	result = transact(c, q, flush, &e);
	if (result == COMMIT_UNDONE && q->n > 1) {
		run_singly(c, q, flush);
		return;
	}
	for (j = q->first; j != NULL; j = j->next) {
		j->result = result;
		if (result != COMMIT_DONE)
			j->e = e;
	}
}

static void
checkpoint(struct commit *c)
{
	uint64_t bytes = db_log_bytes(c->db);
	struct err e;

	if (bytes < c->log_bytes)
		c->checkpoint_at = CHECKPOINT_BYTES;
	if (bytes >= c->checkpoint_at) {
		if (!db_checkpoint(c->db, bytes >= RESTART_BYTES, &e))
			log_warning("store", "checkpoint: %s", e.text);
		bytes = db_log_bytes(c->db);
		c->checkpoint_at = bytes + CHECKPOINT_BYTES;
	}
	c->log_bytes = bytes;
	if (db_flush_failed(c->db))
		atomic_store(&c->flush_failed, true);
}

/* Under the lock. */
static void
finish(struct jobs *q)
{
	struct job *j, *next;

	for (j = q->first; j != NULL; j = next) {
		next = j->next;
		if (j->waits) {
			j->done = true;
			cond_signal(&j->wake);
			continue;
		}
		if (j->result != COMMIT_DONE)
			log_warning("store", "not recorded: %s", j->e.text);
		free(j);
	}
}

/* Take from the queue what the leader may run, by kind. */
static void
take(struct commit *c, bool flushes, struct jobs *plain, struct jobs *flush)
{
	struct job *j = c->queue.first, *next;

	jobs_init(plain);
	jobs_init(flush);
	jobs_init(&c->queue);
	for (; j != NULL; j = next) {
		next = j->next;
		if (!j->flush)
			jobs_add(plain, j);
		else
			jobs_add(flushes ? flush : &c->queue, j);
	}
}

/* The first whom somebody waits for. */
static struct job *
heir(struct commit *c)
{
	struct job *j = c->queue.first;

	while (j != NULL && !j->waits)
		j = j->next;
	return j;
}

/* Called under the lock, without a leader; returns so. */
static void
lead(struct commit *c, bool flushes)
{
	struct jobs plain, flush;
	struct job *next;

	c->led = true;
	do {
		take(c, flushes, &plain, &flush);
		mutex_unlock(&c->lock);
		run(c, &plain, false);
		mutex_lock(&c->lock);
		finish(&plain);
		mutex_unlock(&c->lock);
		run(c, &flush, true);
		mutex_lock(&c->lock);
		finish(&flush);
		if (flushes) {
			mutex_unlock(&c->lock);
			checkpoint(c);
			mutex_lock(&c->lock);
		}
		next = heir(c);
	} while (next == NULL && c->queue.n > 0);
	c->led = false;
	if (next != NULL)
		cond_signal(&next->wake);
}

enum commit_result
commit_run(
    struct commit *c, bool flush, commit_fn *fn, void *ctx, struct err *e)
{
	struct job j = {.fn = fn, .ctx = ctx, .flush = flush, .waits = true};

	cond_init(&j.wake);
	mutex_lock(&c->lock);
	jobs_add(&c->queue, &j);
	while (!j.done && c->led)
		cond_wait(&j.wake, &c->lock);
	if (!j.done)
		lead(c, true);
	must(j.done);
	mutex_unlock(&c->lock);
	cond_fini(&j.wake);
	if (j.result != COMMIT_DONE)
		*e = j.e;
	return j.result;
}

void
commit_later(struct commit *c, commit_fn *fn, const void *ctx, size_t size)
{
	struct job *j = must_zalloc(sizeof(*j) + size);

	j->fn = fn;
	j->ctx = j + 1;
	memcpy(j->ctx, ctx, size);
	mutex_lock(&c->lock);
	jobs_add(&c->queue, j);
	if (!c->led)
		lead(c, false);
	mutex_unlock(&c->lock);
}

bool
commit_flush_failed(struct commit *c)
{
	return atomic_load(&c->flush_failed);
}

void
commit_free(struct commit **pc)
{
	struct commit *c = *pc;

	if (c == NULL)
		return;
	must(!c->led && c->queue.n == 0);
	upsert_free(&c->upsert);
	db_close(&c->db);
	mutex_fini(&c->lock);
	free(c);
	*pc = NULL;
}
