/*
 * One thread, the keeper, looks at the queue: each second (other processes add
 * jobs too), when a job is due, when an attempt ends. Each attempt runs in a
 * thread of its own, started for it. Only the keeper starts, joins and frees
 * attempts; 'lock' guards what it shares with them and with configuration.
 *
 * After an attempt that could not do a thing the node rests for as long as the
 * job does, so that a hundred jobs for a node that is down do not use up their
 * attempts one after the other. Rests end when the queue is changed: an
 * operator who retries a job has mended the node.
 *
 * A job that has run for SLICE_MS while another of its node is due goes back
 * into the line: a report does not wait behind a migration of days.
 */
#include "service/job/runner.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/thread.h"

#include <stdatomic.h>

#define ATTEMPTS_MAX 64 /* the greatest dicom.max_outgoing */
#define RESTS_MAX    256
#define POLL_MS      1000
#define SLICE_MS     60000
/* How often an attempt asks the database whether it was cancelled. */
#define ASK_MS 500

static const struct job_kind *const all_kinds[] = {
    &job_kind_send,
    &job_kind_fetch,
    &job_kind_report,
    &job_kind_commit,
    &job_kind_hl7,
    &job_kind_settle,
    NULL,
};

static const int64_t pauses_ms[] = {
    15 * 1000, 60 * 1000, 300 * 1000, 900 * 1000, JOB_PAUSE_MAX_MS};

struct attempt {
	struct job_run run; /* first: see attempt_of() */
	struct job job;
	struct arena arena;
	struct thread thread;
	int64_t began_ms, asked_ms;
	bool cancelled; /* its own thread's */
	atomic_bool stop;
	bool ended; /* under the lock: may be joined */
};

struct rest {
	char node[17];
	int64_t until_ms;
};

struct runner {
	struct store *store;
	const struct job_kind *const *kinds;
	struct thread keeper;
	struct mutex lock;
	struct cond wake, ended;
	bool stopping, look; /* under the lock, as all up to rests */
	struct client client;
	unsigned max_outgoing;
	struct attempt *attempts[ATTEMPTS_MAX];
	size_t n;
	struct rest rests[RESTS_MAX];
	size_t rest_count;
	int64_t version;    /* the keeper's, as the two below */
	struct err trouble; /* logged already */
	char busy[ATTEMPTS_MAX + RESTS_MAX][17];
};

static struct attempt *
attempt_of(struct job_run *run)
{
	return (struct attempt *)(void *)run;
}

bool
job_run_stop(struct job_run *run)
{
	struct attempt *a = attempt_of(run);
	int64_t now;

	if (a->cancelled || atomic_load(&a->stop))
		return true;
	now = clock_mono_ms();
	if (now < a->asked_ms + ASK_MS)
		return false;
	a->asked_ms = now;
	a->cancelled = job_cancelled(run->store, run->job->id);
	return a->cancelled;
}

static const struct job_kind *
kind_of(const struct runner *r, const char *name)
{
	size_t i;

	for (i = 0; r->kinds[i] != NULL; i++)
		if (!strcmp(r->kinds[i]->name, name))
			return r->kinds[i];
	return NULL;
}

/* Under the lock. */
static void
rest_node(struct runner *r, const char *node, int64_t ms)
{
	struct rest *rest;

	if (r->rest_count == RESTS_MAX)
		return;
	rest = &r->rests[r->rest_count++];
	(void)str_copy(rest->node, sizeof(rest->node), str_from(node));
	rest->until_ms = clock_mono_ms() + ms;
}

static const char *
pause_words(int64_t ms, char out[32])
{
	if (ms < 60000)
		snprintf(out, 32, "%lld s", (long long)(ms / 1000));
	else
		snprintf(out, 32, "%lld min", (long long)(ms / 60000));
	return out;
}

static void
say(const struct job *j, enum log_level level, const char *what,
    const char *more)
{
	char left[80] = "";

	if (j->total > 0)
		snprintf(left, sizeof(left), ", %llu of %llu done",
		    (unsigned long long)j->done, (unsigned long long)j->total);
	log_line(level, "jobs", "job %lld (%s, node '%s'%s): %s%s",
	    (long long)j->id, j->kind, j->node, left, what, more);
}

/* What is to be told of an attempt, once the queue says so, too: who reads it
 * may act on it. */
struct news {
	enum log_level level;
	char what[96];
	const char *more;
};

static void
set_news(struct news *n, enum log_level level, const char *what)
{
	*n = (struct news){.level = level, .more = ""};
	(void)str_copy(n->what, sizeof(n->what), str_from(what));
}

/* An attempt failed: again later, or never. */
static void
plan(struct runner *r, const struct job_kind *kind, struct job *j,
    bool progress, enum job_outcome outcome, const struct err *e,
    struct news *news)
{
	size_t last = ARRAY_LEN(pauses_ms) - 1, i;
	char words[32];

	j->attempts = progress ? 1 : j->attempts + 1;
	(void)str_copy(j->error, sizeof(j->error), str_from(e->text));
	news->more = e->text;
	if (outcome == JOB_OUTCOME_HOPELESS || j->attempts >= kind->attempts) {
		j->state = JOB_FAILED;
		news->level = LOG_ERROR;
		snprintf(news->what, sizeof(news->what),
		    "failed for good after %u %s: ", j->attempts,
		    j->attempts == 1 ? "attempt" : "attempts");
		return;
	}
	i = j->attempts - 1 < last ? j->attempts - 1 : last;
	j->state = JOB_WAITING;
	j->next_ms = clock_utc_ms() + pauses_ms[i];
	news->level = LOG_WARNING;
	snprintf(news->what, sizeof(news->what),
	    "attempt %u failed, the next in %s: ", j->attempts,
	    pause_words(pauses_ms[i], words));
	if (progress)
		return;
	mutex_lock(&r->lock);
	rest_node(r, j->node, pauses_ms[i]);
	mutex_unlock(&r->lock);
}

static void
finish(struct runner *r, struct attempt *a, const struct job_kind *kind,
    enum job_outcome outcome, const struct err *e)
{
	struct job j = a->job;
	struct news news;
	struct err why;
	bool stopped = a->cancelled || atomic_load(&a->stop);

	/* The counts, as the items left them. The detail is not needed. */
	if (!job_find(r->store, j.id, &a->arena, &j, &why))
		j = a->job;
	if (j.state == JOB_CANCELLED) {
		say(&j, LOG_INFO, "cancelled", "");
		return;
	}
	if (outcome == JOB_OUTCOME_DONE) {
		j.state = JOB_DONE;
		j.attempts++;
		j.error[0] = '\0';
		set_news(&news, LOG_INFO, "done");
	} else if (outcome == JOB_OUTCOME_LATER) {
		j.state = JOB_WAITING;
		j.next_ms = a->job.next_ms;
		(void)str_copy(j.error, sizeof(j.error), str_from(e->text));
		set_news(&news, LOG_INFO, "waits: ");
		news.more = e->text;
	} else if (stopped && outcome == JOB_OUTCOME_AGAIN) {
		j.state = JOB_WAITING;
		j.next_ms = clock_utc_ms();
		set_news(&news, LOG_INFO, "interrupted, to be continued");
	} else {
		set_news(&news, LOG_INFO, "");
		plan(r, kind, &j,
		    j.done + j.failed > a->job.done + a->job.failed, outcome, e,
		    &news);
	}
	if (!job_end(r->store, &j, &why))
		log_error("jobs", "job %lld: cannot note how it ended: %s",
		    (long long)j.id, why.text);
	say(&j, news.level, news.what, news.more);
}

static void
attempt_run(void *arg)
{
	static const struct job_kind unknown = {.attempts = 1};
	struct attempt *a = arg;
	struct runner *r = a->run.runner;
	const struct job_kind *kind = kind_of(r, a->job.kind);
	enum job_outcome outcome = JOB_OUTCOME_HOPELESS;
	char what[48];
	struct err e = {0};

	snprintf(what, sizeof(what), "attempt %u begins", a->job.attempts + 1);
	say(&a->job, LOG_INFO, what, "");
	if (kind != NULL) {
		outcome = kind->run(&a->run, &e);
	} else {
		kind = &unknown;
		fail(&e, ERR_UNSUPPORTED,
		    "this program does not know jobs of the kind '%s'",
		    a->job.kind);
	}
	finish(r, a, kind, outcome, &e);
	mutex_lock(&r->lock);
	a->ended = true;
	r->look = true;
	cond_signal(&r->wake);
	cond_signal(&r->ended);
	mutex_unlock(&r->lock);
}

static void
attempt_free(struct attempt *a)
{
	client_fini(&a->run.client);
	arena_fini(&a->arena);
	free(a);
}

/* Under the lock, which it leaves for the joining. */
static void
reap(struct runner *r)
{
	struct attempt *a;
	size_t i = 0;

	while (i < r->n) {
		a = r->attempts[i];
		if (!a->ended) {
			i++;
			continue;
		}
		r->attempts[i] = r->attempts[--r->n];
		mutex_unlock(&r->lock);
		thread_join(&a->thread);
		attempt_free(a);
		mutex_lock(&r->lock);
	}
}

/* The nodes that are not to be asked now; their count. Also when the first of
 * the rests ends. Under the lock. */
static size_t
busy_nodes(struct runner *r, int64_t *rest_ms)
{
	int64_t now = clock_mono_ms();
	size_t i = 0, n = 0;

	*rest_ms = INT64_MAX;
	while (i < r->rest_count) {
		if (r->rests[i].until_ms <= now) {
			r->rests[i] = r->rests[--r->rest_count];
			continue;
		}
		if (r->rests[i].until_ms - now < *rest_ms)
			*rest_ms = r->rests[i].until_ms - now;
		memcpy(r->busy[n++], r->rests[i++].node, 17);
	}
	for (i = 0; i < r->n; i++)
		memcpy(r->busy[n++], r->attempts[i]->job.node, 17);
	return n;
}

/* The same trouble again is not news. */
static void
trouble(struct runner *r, const struct err *e)
{
	if (strcmp(r->trouble.text, e->text) != 0)
		log_error("jobs", "the queue cannot be read: %s", e->text);
	r->trouble = *e;
}

static struct attempt *
attempt_new(struct runner *r)
{
	struct attempt *a = must_zalloc(sizeof(*a));

	arena_init(&a->arena, LIMIT_EXCHANGE);
	a->run = (struct job_run){
	    .store = r->store, .job = &a->job, .arena = &a->arena, .runner = r};
	mutex_lock(&r->lock);
	client_copy(&a->run.client, &r->client);
	mutex_unlock(&r->lock);
	return a;
}

/* It was taken and cannot be run: as if it had not been taken. */
static void
put_back(struct runner *r, const struct job *taken)
{
	struct job j = *taken;
	struct err e;

	j.state = JOB_WAITING;
	if (!job_end(r->store, &j, &e))
		trouble(r, &e);
}

/* Whether an attempt was begun. *wait_ms: when to look again. */
static bool
begin_one(struct runner *r, int64_t *wait_ms)
{
	struct attempt *a;
	int64_t rest_ms;
	struct err e;
	size_t busy;
	bool found = false, full;

	mutex_lock(&r->lock);
	busy = busy_nodes(r, &rest_ms);
	full = r->stopping || r->n >= r->max_outgoing || r->n == ATTEMPTS_MAX;
	mutex_unlock(&r->lock);
	*wait_ms = POLL_MS;
	if (full)
		return false;
	a = attempt_new(r);
	if (!job_take(r->store, (const char(*)[17])r->busy, busy, &a->arena,
		&a->job, &found, wait_ms, &e))
		trouble(r, &e);
	else
		r->trouble.text[0] = '\0';
	if (rest_ms < *wait_ms)
		*wait_ms = rest_ms;
	if (!found) {
		attempt_free(a);
		return false;
	}
	a->began_ms = clock_mono_ms();
	mutex_lock(&r->lock);
	atomic_store(&a->stop, r->stopping);
	r->attempts[r->n++] = a;
	mutex_unlock(&r->lock);
	if (thread_start(&a->thread, "job", attempt_run, a))
		return true;
	mutex_lock(&r->lock);
	r->n--;
	mutex_unlock(&r->lock);
	put_back(r, &a->job);
	attempt_free(a);
	return false;
}

/* Whoever has run long leaves the place to others of its node. */
static void
give_way(struct runner *r)
{
	int64_t now = clock_mono_ms();
	size_t i;

	/* Only the keeper changes the list: no lock is held in the database. */
	for (i = 0; i < r->n; i++)
		if (now - r->attempts[i]->began_ms > SLICE_MS &&
		    job_due(r->store, r->attempts[i]->job.node))
			atomic_store(&r->attempts[i]->stop, true);
}

static void
look(struct runner *r, int64_t *wait_ms)
{
	int64_t version;
	struct err e;

	if (!job_version(r->store, &version, &e)) {
		trouble(r, &e);
		*wait_ms = POLL_MS;
		return;
	}
	if (version != r->version) {
		r->version = version;
		mutex_lock(&r->lock);
		r->rest_count = 0;
		mutex_unlock(&r->lock);
	}
	give_way(r);
	while (begin_one(r, wait_ms))
		;
}

static void
keep(void *arg)
{
	struct runner *r = arg;
	int64_t wait_ms, until;

	mutex_lock(&r->lock);
	while (!r->stopping) {
		r->look = false;
		reap(r);
		mutex_unlock(&r->lock);
		look(r, &wait_ms);
		if (wait_ms > POLL_MS)
			wait_ms = POLL_MS;
		until = clock_mono_ms() + wait_ms;
		mutex_lock(&r->lock);
		while (!r->look && !r->stopping &&
		       cond_wait_until(&r->wake, &r->lock, until))
			;
	}
	while (r->n > 0) {
		r->look = false;
		reap(r);
		/* Another may have ended while one was joined. */
		while (r->n > 0 && !r->look)
			cond_wait(&r->wake, &r->lock);
	}
	mutex_unlock(&r->lock);
}

bool
runner_open(struct runner **out, struct store *s,
    const struct runner_config *config, struct err *e)
{
	struct runner *r;

	*out = NULL;
	if (!job_recover(s, e))
		return fail_in(e, "the job queue");
	r = must_zalloc(sizeof(*r));
	r->store = s;
	r->kinds = config->kinds != NULL ? config->kinds : all_kinds;
	mutex_init(&r->lock);
	cond_init(&r->wake);
	cond_init(&r->ended);
	client_copy(&r->client, &config->client);
	r->max_outgoing = config->max_outgoing;
	if (!thread_start(&r->keeper, "jobs", keep, r)) {
		client_fini(&r->client);
		cond_fini(&r->ended);
		cond_fini(&r->wake);
		mutex_fini(&r->lock);
		free(r);
		return fail(e, ERR_IO, "cannot start a thread for the jobs");
	}
	*out = r;
	return true;
}

void
runner_configure(struct runner *r, const struct runner_config *config)
{
	struct client old;

	mutex_lock(&r->lock);
	old = r->client;
	client_copy(&r->client, &config->client);
	r->max_outgoing = config->max_outgoing;
	r->look = true;
	cond_signal(&r->wake);
	mutex_unlock(&r->lock);
	client_fini(&old);
}

void
runner_wake(struct runner *r)
{
	mutex_lock(&r->lock);
	r->look = true;
	cond_signal(&r->wake);
	mutex_unlock(&r->lock);
}

unsigned
runner_running(struct runner *r)
{
	unsigned n;

	mutex_lock(&r->lock);
	n = (unsigned)r->n;
	mutex_unlock(&r->lock);
	return n;
}

void
runner_stop(struct runner *r)
{
	size_t i;

	mutex_lock(&r->lock);
	r->stopping = true;
	for (i = 0; i < r->n; i++)
		atomic_store(&r->attempts[i]->stop, true);
	cond_signal(&r->wake);
	mutex_unlock(&r->lock);
}

static bool
all_ended(const struct runner *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (!r->attempts[i]->ended)
			return false;
	return true;
}

void
runner_close(struct runner **pr, int wait_ms)
{
	struct runner *r = *pr;
	int64_t until = clock_mono_ms() + wait_ms;

	if (r == NULL)
		return;
	runner_stop(r);
	mutex_lock(&r->lock);
	while (!all_ended(r) && cond_wait_until(&r->ended, &r->lock, until))
		;
	if (!all_ended(r))
		conn_stop_all();
	mutex_unlock(&r->lock);
	thread_join(&r->keeper);
	client_fini(&r->client);
	cond_fini(&r->ended);
	cond_fini(&r->wake);
	mutex_fini(&r->lock);
	free(r);
	*pr = NULL;
}
