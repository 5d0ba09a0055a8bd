/*
 * Threads over pthreads. What can only fail through a bug of ours is asserted;
 * thread_start() can also fail for want of the system's resources and says so.
 */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (4UL * 1024 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STACK_BYTES (4UL * 1024 * 1024)
#endif
#endif
/* Instrumented frames are several times as large. */
#ifndef STACK_BYTES
#define STACK_BYTES (512UL * 1024)
#endif

struct start {
	thread_fn *fn;
	void *arg;
	char name[16];
};

void
mutex_init(struct mutex *m)
{
	must(pthread_mutex_init(&m->m, NULL) == 0);
}

void
mutex_fini(struct mutex *m)
{
	must(pthread_mutex_destroy(&m->m) == 0);
}

void
mutex_lock(struct mutex *m)
{
	must(pthread_mutex_lock(&m->m) == 0);
}

void
mutex_unlock(struct mutex *m)
{
	must(pthread_mutex_unlock(&m->m) == 0);
}

void
cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr) == 0);
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&c->c, &attr) == 0);
	must(pthread_condattr_destroy(&attr) == 0);
}

void
cond_fini(struct cond *c)
{
	must(pthread_cond_destroy(&c->c) == 0);
}

void
cond_wait(struct cond *c, struct mutex *m)
{
	must(pthread_cond_wait(&c->c, &m->m) == 0);
}

bool
cond_wait_until(struct cond *c, struct mutex *m, int64_t deadline_ms)
{
	struct timespec t;
	int code;

	if (deadline_ms < 0)
		deadline_ms = 0;
	t.tv_sec = deadline_ms / 1000;
	t.tv_nsec = deadline_ms % 1000 * 1000000;
	code = pthread_cond_timedwait(&c->c, &m->m, &t);
	must(code == 0 || code == ETIMEDOUT);
	return code == 0;
}

void
cond_signal(struct cond *c)
{
	must(pthread_cond_signal(&c->c) == 0);
}

void
cond_broadcast(struct cond *c)
{
	must(pthread_cond_broadcast(&c->c) == 0);
}

static void *
run(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	/* A name is a convenience: never a reason to stop. */
	(void)pthread_setname_np(pthread_self(), start.name);
	start.fn(start.arg);
	return NULL;
}

/* Signals belong to the main thread. Those that report a fault of the thread
 * itself stay open: blocked, they would end the process without a trace. */
static void
block_signals(sigset_t *before)
{
	sigset_t all;

	must(sigfillset(&all) == 0);
	must(sigdelset(&all, SIGSEGV) == 0);
	must(sigdelset(&all, SIGBUS) == 0);
	must(sigdelset(&all, SIGFPE) == 0);
	must(sigdelset(&all, SIGILL) == 0);
	must(pthread_sigmask(SIG_SETMASK, &all, before) == 0);
}

bool
thread_start(struct thread *t, const char *name, thread_fn *fn, void *arg)
{
	struct start *start = must_zalloc(sizeof(*start));
	pthread_attr_t attr;
	sigset_t before;
	int code;

	start->fn = fn;
	start->arg = arg;
	snprintf(start->name, sizeof(start->name), "%s", name);
	must(pthread_attr_init(&attr) == 0);
	must(pthread_attr_setstacksize(&attr, STACK_BYTES) == 0);
	block_signals(&before);
	code = pthread_create(&t->t, &attr, run, start);
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	must(pthread_attr_destroy(&attr) == 0);
	if (code != 0)
		free(start);
	errno = code;
	return code == 0;
}

void
thread_join(struct thread *t)
{
	must(pthread_join(t->t, NULL) == 0);
}

void
thread_detach(struct thread *t)
{
	must(pthread_detach(t->t) == 0);
}

void
thread_give_way(void)
{
	/* Of Linux: the thread's own, not the process'. A tenth of the usual
	 * share; without it things are slower, not wrong. */
	(void)setpriority(PRIO_PROCESS, 0, 10);
}

unsigned
thread_cores(void)
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}
