/*
 * The runner with kinds of jobs of our own: who runs beside whom, what becomes
 * of each outcome, ends that are asked for.
 */
#include "archive.h"
#include "service/job/runner.h"

static atomic_int running, most, runs, release;
static atomic_bool told_to_stop;

static enum job_outcome
hold(struct job_run *run, struct err *e)
{
	int now = atomic_fetch_add(&running, 1) + 1;

	atomic_fetch_add(&runs, 1);
	if (now > atomic_load(&most))
		atomic_store(&most, now);
	while (atomic_load(&release) == 0 && !job_run_stop(run))
		clock_sleep_ms(1);
	atomic_fetch_sub(&running, 1);
	if (!job_run_stop(run))
		return JOB_OUTCOME_DONE;
	atomic_store(&told_to_stop, true);
	fail(e, ERR_CANCELLED, "stopped");
	return JOB_OUTCOME_AGAIN;
}

static enum job_outcome
fail_again(struct job_run *run, struct err *e)
{
	(void)run;
	atomic_fetch_add(&runs, 1);
	fail(e, ERR_TIMEOUT, "no answer");
	return JOB_OUTCOME_AGAIN;
}

static enum job_outcome
fail_hopeless(struct job_run *run, struct err *e)
{
	(void)run;
	fail(e, ERR_UNSUPPORTED, "it will not");
	return JOB_OUTCOME_HOPELESS;
}

static const struct job_kind kind_hold = {"hold", hold, 3};
static const struct job_kind kind_again = {"again", fail_again, 2};
static const struct job_kind kind_hopeless = {"hopeless", fail_hopeless, 9};
static const struct job_kind *const kinds[] = {
    &kind_hold, &kind_again, &kind_hopeless, NULL};

static struct runner *
start(struct archive *t, unsigned max)
{
	struct runner_config config = {.max_outgoing = max, .kinds = kinds};
	struct runner *r = NULL;

	atomic_store(&running, 0);
	atomic_store(&most, 0);
	atomic_store(&runs, 0);
	atomic_store(&release, 0);
	atomic_store(&told_to_stop, false);
	CHECK(runner_open(&r, t->store, &config, &t->e));
	return r;
}

static int64_t
add_before(struct archive *t, const char *kind, const char *node)
{
	struct job j = {.detail = STR("{}")};
	int64_t id;

	(void)str_copy(j.kind, sizeof(j.kind), str_from(kind));
	(void)str_copy(j.node, sizeof(j.node), str_from(node));
	CHECK(job_add(t->store, &j, NULL, 0, &id, &t->e));
	return id;
}

static int64_t
add(struct archive *t, struct runner *r, const char *kind, const char *node)
{
	int64_t id = add_before(t, kind, node);

	runner_wake(r);
	return id;
}

static struct job
find(struct archive *t, int64_t id)
{
	struct job j;

	CHECK(job_find(t->store, id, &t->arena, &j, &t->e));
	return j;
}

/* Whether it came to this state within a minute. */
static bool
becomes(struct archive *t, int64_t id, enum job_state state, unsigned attempts)
{
	int64_t until = clock_mono_ms() + 60000;
	struct job j;

	do {
		j = find(t, id);
		if (j.state == state && j.attempts == attempts)
			return true;
		clock_sleep_ms(2);
	} while (clock_mono_ms() < until);
	return false;
}

static bool
reaches(const atomic_int *what, int value)
{
	int64_t until = clock_mono_ms() + 60000;

	while (atomic_load(what) != value && clock_mono_ms() < until)
		clock_sleep_ms(1);
	return atomic_load(what) == value;
}

TEST(one_for_a_node)
{
	struct archive t;
	struct runner *r;
	int64_t id[4];
	int i;

	if (!archive_begin(&t))
		return;
	r = start(&t, 2);
	CHECK_EQ(runner_running(r), 0);
	for (i = 0; i < 4; i++)
		id[i] = add(&t, r, "hold", i < 2 ? "A" : i == 2 ? "B" : "C");
	CHECK(reaches(&running, 2));
	CHECK_EQ(find(&t, id[0]).state, JOB_RUNNING);
	CHECK_EQ(find(&t, id[1]).state, JOB_WAITING);
	CHECK_EQ(find(&t, id[2]).state, JOB_RUNNING);
	CHECK_EQ(find(&t, id[3]).state, JOB_WAITING);
	atomic_store(&release, 1);
	for (i = 0; i < 4; i++)
		CHECK(becomes(&t, id[i], JOB_DONE, 1));
	CHECK_EQ(atomic_load(&most), 2);
	runner_close(&r, 60000);
	archive_end(&t);
}

TEST(outcomes)
{
	struct archive t;
	struct runner *r;
	int64_t id, other, unknown, began;
	struct job j;

	if (!archive_begin(&t))
		return;
	r = start(&t, 4);
	began = clock_utc_ms();
	id = add(&t, r, "again", "A");
	CHECK(becomes(&t, id, JOB_WAITING, 1));
	j = find(&t, id);
	CHECK_STR(str_from(j.error), "no answer");
	CHECK(j.next_ms > began + 10000);
	CHECK(j.next_ms <= clock_utc_ms() + 15000);
	CHECK(job_retry(t.store, id, &t.e));
	runner_wake(r);
	CHECK(reaches(&runs, 2));
	CHECK(becomes(&t, id, JOB_WAITING, 1));
	/* The second of two attempts. */
	archive_exec(&t, "UPDATE job SET next = 0");
	other = add(&t, r, "hopeless", "B");
	CHECK(becomes(&t, id, JOB_FAILED, 2));
	CHECK(becomes(&t, other, JOB_FAILED, 1));
	CHECK_STR(str_from(find(&t, other).error), "it will not");
	unknown = add(&t, r, "what", "C");
	CHECK(becomes(&t, unknown, JOB_FAILED, 1));
	CHECK(strstr(find(&t, unknown).error, "'what'") != NULL);
	runner_close(&r, 60000);
	archive_end(&t);
}

/* Jobs for a node that is down do not each use up an attempt. */
TEST(node_rests)
{
	struct archive t;
	struct runner *r;
	int64_t first, second, other;

	if (!archive_begin(&t))
		return;
	other = add_before(&t, "hopeless", "B");
	archive_exec(&t, "UPDATE job SET next = next + 600000");
	first = add_before(&t, "again", "A");
	second = add_before(&t, "again", "A");
	r = start(&t, 4);
	CHECK(becomes(&t, first, JOB_WAITING, 1));
	/* When this one has run the runner has looked again. */
	archive_exec(&t, "UPDATE job SET next = 0 WHERE kind = 'hopeless'");
	CHECK(becomes(&t, other, JOB_FAILED, 1));
	CHECK_EQ(find(&t, second).attempts, 0);
	CHECK_EQ(atomic_load(&runs), 1);
	/* An operator who retries one knows that the node is back. */
	CHECK(job_retry(t.store, first, &t.e));
	runner_wake(r);
	CHECK(reaches(&runs, 2));
	runner_close(&r, 60000);
	archive_end(&t);
}

TEST(stops)
{
	struct archive t;
	struct runner *r;
	int64_t id;

	if (!archive_begin(&t))
		return;
	r = start(&t, 4);
	id = add(&t, r, "hold", "A");
	CHECK(reaches(&running, 1));
	runner_close(&r, 60000);
	CHECK(atomic_load(&told_to_stop));
	CHECK_EQ(find(&t, id).state, JOB_WAITING);
	CHECK_EQ(find(&t, id).attempts, 0);
	/* The next one goes on with it at once. */
	r = start(&t, 4);
	CHECK(reaches(&running, 1));
	CHECK(job_cancel(t.store, id, &t.e));
	CHECK(reaches(&running, 0));
	runner_close(&r, 60000);
	CHECK_EQ(find(&t, id).state, JOB_CANCELLED);
	archive_end(&t);
}

TEST(crash)
{
	struct archive t;
	struct runner *r;
	int64_t id;

	if (!archive_begin(&t))
		return;
	id = add_before(&t, "hold", "A");
	archive_exec(&t, "UPDATE job SET state = 1");
	CHECK(archive_crash(&t));
	r = start(&t, 1);
	atomic_store(&release, 1);
	CHECK(becomes(&t, id, JOB_DONE, 1));
	runner_close(&r, 60000);
	archive_end(&t);
}

TEST(fewer)
{
	struct runner_config config = {.max_outgoing = 1, .kinds = kinds};
	struct archive t;
	struct runner *r;

	if (!archive_begin(&t))
		return;
	r = start(&t, 4);
	runner_configure(r, &config);
	add(&t, r, "hold", "A");
	add(&t, r, "hold", "B");
	CHECK(reaches(&running, 1));
	config.max_outgoing = 2;
	runner_configure(r, &config);
	CHECK(reaches(&running, 2));
	runner_close(&r, 60000);
	archive_end(&t);
}

TEST_MAIN
