/*
 * Worker threads. A thread is started when a job finds no idle one and there
 * are fewer than max; a few idle ones are kept, the others leave after
 * IDLE_MS. A thread that leaves is joined by the next one that leaves or by
 * pool_close(), so at most one ended thread waits for that.
 */
#include "net/pool.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"

#define IDLE_MS   10000
#define IDLE_KEPT 4

struct worker {
	struct thread thread;
	struct pool *pool;
	struct worker *next; /* among those that left */
};

struct pool {
	struct mutex lock;
	struct cond work;  /* a job came, or the pool closes */
	struct cond ended; /* a thread left */
	struct pool_job *first, **last;
	struct worker *left;
	unsigned max, threads, idle, queued;
	bool closing;
	char name[16];
};

bool
pool_open(struct pool **out, const char *name, unsigned max, struct err *e)
{
	struct pool *p;

	*out = NULL;
	if (max == 0)
		return fail(e, ERR_USAGE, "a pool without threads");
	p = must_zalloc(sizeof(*p));
	mutex_init(&p->lock);
	cond_init(&p->work);
	cond_init(&p->ended);
	p->last = &p->first;
	p->max = max;
	str_copy(p->name, sizeof(p->name), str_from(name));
	*out = p;
	return true;
}

/* The next job, or NULL when this thread shall leave. */
static struct pool_job *
next_job(struct pool *p)
{
	int64_t leave_ms = clock_mono_ms() + IDLE_MS;
	struct pool_job *job;
	bool signalled;

	while (p->first == NULL) {
		if (p->closing)
			return NULL;
		p->idle++;
		signalled = cond_wait_until(&p->work, &p->lock, leave_ms);
		p->idle--;
		if (signalled || p->first != NULL)
			continue;
		if (p->idle >= IDLE_KEPT)
			return NULL;
		leave_ms = clock_mono_ms() + IDLE_MS;
	}
	job = p->first;
	p->first = job->next;
	if (p->first == NULL)
		p->last = &p->first;
	p->queued--;
	return job;
}

static void
join_left(struct worker *w)
{
	struct worker *next;

	for (; w != NULL; w = next) {
		next = w->next;
		thread_join(&w->thread);
		free(w);
	}
}

static void
work(void *arg)
{
	struct worker *self = arg, *before;
	struct pool *p = self->pool;
	struct pool_job *job;

	mutex_lock(&p->lock);
	while ((job = next_job(p)) != NULL) {
		mutex_unlock(&p->lock);
		job->run(job);
		mutex_lock(&p->lock);
	}
	before = p->left;
	p->left = NULL;
	mutex_unlock(&p->lock);
	join_left(before);
	mutex_lock(&p->lock);
	self->next = p->left;
	p->left = self;
	p->threads--;
	cond_signal(&p->ended);
	mutex_unlock(&p->lock);
}

/* With the lock held, which keeps the new thread from leaving before its
 * handle is written. */
static bool
start_worker(struct pool *p)
{
	struct worker *w = must_zalloc(sizeof(*w));

	w->pool = p;
	if (!thread_start(&w->thread, p->name, work, w)) {
		free(w);
		return false;
	}
	p->threads++;
	return true;
}

void
pool_submit(struct pool *p, struct pool_job *job)
{
	bool stuck = false;

	job->next = NULL;
	mutex_lock(&p->lock);
	*p->last = job;
	p->last = &job->next;
	p->queued++;
	if (p->queued > p->idle && p->threads < p->max && !start_worker(p)) {
		log_warning(
		    "net", "cannot start a thread of pool '%s'", p->name);
		stuck = p->threads == 0;
	}
	if (stuck) {
		/* Nobody would ever come for it: better here than never. */
		job = next_job(p);
	} else {
		cond_signal(&p->work);
	}
	mutex_unlock(&p->lock);
	if (stuck)
		job->run(job);
}

unsigned
pool_waiting(struct pool *p)
{
	unsigned n;

	mutex_lock(&p->lock);
	n = p->queued > p->idle ? p->queued - p->idle : 0;
	mutex_unlock(&p->lock);
	return n;
}

void
pool_close(struct pool **pp)
{
	struct pool *p = *pp;

	if (p == NULL)
		return;
	mutex_lock(&p->lock);
	p->closing = true;
	cond_broadcast(&p->work);
	while (p->threads > 0)
		cond_wait(&p->ended, &p->lock);
	must(p->first == NULL);
	mutex_unlock(&p->lock);
	join_left(p->left);
	cond_fini(&p->work);
	cond_fini(&p->ended);
	mutex_fini(&p->lock);
	free(p);
	*pp = NULL;
}
