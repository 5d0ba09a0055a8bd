/*
 * Threads, mutexes and conditions over pthreads; a failure of these calls is
 * a bug of ours and ends the process. Conditions wait on the monotonic clock.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "base/attr.h"
#include <pthread.h>

struct mutex {
	pthread_mutex_t m;
};
struct cond {
	pthread_cond_t c;
};
struct thread {
	pthread_t t;
};
typedef void thread_fn(void *arg);

#define MUTEX_INIT                                                             \
	{                                                                      \
		PTHREAD_MUTEX_INITIALIZER                                      \
	}

void mutex_init(struct mutex *m);
void mutex_fini(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
void cond_init(struct cond *c);
void cond_fini(struct cond *c);
void cond_wait(struct cond *c, struct mutex *m);
/* False when the deadline (clock_mono_ms) passed first. */
bool cond_wait_until(struct cond *c, struct mutex *m, int64_t deadline_ms);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);
/* Stack of 512 KiB; all signals blocked; named for debuggers (15 bytes). */
bool thread_start(struct thread *t, const char *name, thread_fn *fn, void *arg);
void thread_join(struct thread *t);
void thread_detach(struct thread *t);
/* From now on the calling thread runs behind those that have not said this,
 * while there are more than cores. */
void thread_give_way(void);
unsigned thread_cores(void);

#endif
