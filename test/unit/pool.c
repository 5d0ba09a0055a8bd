/*
 * The pool: every job runs once, never on more threads than allowed.
 */
#include "net/pool.h"

#include "base/clock.h"
#include "base/thread.h"

#include <stdatomic.h>

#include "test.h"

#define JOBS 200

static atomic_int ran, running, most;
static atomic_bool hold;

static void
note(struct pool_job *job)
{
	int now = ++running, seen = most;

	(void)job;
	while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
		;
	while (hold)
		clock_sleep_ms(1);
	clock_sleep_ms(0);
	running--;
	ran++;
}

static void
reset(void)
{
	ran = running = most = 0;
	hold = false;
}

static bool
becomes(atomic_int *v, int wanted)
{
	int64_t end = clock_mono_ms() + 60000;

	while (*v != wanted && clock_mono_ms() < end)
		clock_sleep_ms(1);
	return *v == wanted;
}

TEST(every_job_runs_once)
{
	struct pool_job jobs[JOBS] = {0};
	struct pool *p;
	struct err e;
	int i;

	reset();
	if (!CHECK(pool_open(&p, "test", 7, &e)))
		return;
	for (i = 0; i < JOBS; i++) {
		jobs[i].run = note;
		pool_submit(p, &jobs[i]);
	}
	pool_close(&p);
	CHECK(p == NULL);
	CHECK_EQ(ran, JOBS);
	CHECK(most <= 7);
}

TEST(grows_to_max_and_tells_who_waits)
{
	struct pool_job jobs[6] = {0};
	struct pool *p;
	struct err e;
	int i;

	reset();
	hold = true;
	if (!CHECK(pool_open(&p, "test", 4, &e)))
		return;
	for (i = 0; i < 6; i++) {
		jobs[i].run = note;
		pool_submit(p, &jobs[i]);
	}
	CHECK(becomes(&running, 4));
	CHECK_EQ(pool_waiting(p), 2);
	hold = false;
	CHECK(becomes(&ran, 6));
	CHECK_EQ(pool_waiting(p), 0);
	CHECK_EQ(most, 4);
	pool_close(&p);
}

TEST(one_thread_keeps_the_order)
{
	struct pool_job jobs[3] = {{note, NULL}, {note, NULL}, {note, NULL}};
	struct pool *p;
	struct err e;

	reset();
	if (!CHECK(pool_open(&p, "a name that is much too long", 1, &e)))
		return;
	pool_submit(p, &jobs[0]);
	pool_submit(p, &jobs[1]);
	pool_submit(p, &jobs[2]);
	pool_close(&p);
	CHECK_EQ(ran, 3);
	CHECK_EQ(most, 1);
}

struct chain {
	struct pool_job job;
	struct pool *pool;
	int left;
};

static void
resubmit(struct pool_job *job)
{
	struct chain *c = (struct chain *)(void *)job;

	ran++;
	if (--c->left > 0)
		pool_submit(c->pool, &c->job);
}

/* What a job submits while the pool closes still runs. */
TEST(jobs_that_come_back)
{
	struct chain c[3];
	struct pool *p;
	struct err e;
	int i;

	reset();
	if (!CHECK(pool_open(&p, "test", 2, &e)))
		return;
	for (i = 0; i < 3; i++) {
		c[i] = (struct chain){{resubmit, NULL}, p, 50};
		pool_submit(p, &c[i].job);
	}
	pool_close(&p);
	CHECK_EQ(ran, 150);
}

TEST(unused_pool_closes)
{
	struct pool *p;
	struct err e;

	CHECK(pool_open(&p, "test", 4, &e));
	pool_close(&p);
	pool_close(&p);
	CHECK(!pool_open(&p, "test", 0, &e));
}

TEST_MAIN
