/*
 * Worker threads, started when they are needed and at most 'max' of them;
 * jobs wait in order of arrival. A job is embedded in what it works on.
 */
#ifndef NET_POOL_H
#define NET_POOL_H

#include "base/err.h"

struct pool;

struct pool_job {
	void (*run)(struct pool_job *);
	struct pool_job *next; /* the pool's own */
};

bool pool_open(struct pool **, const char *name, unsigned max, struct err *e);
/* Runs what waits, then joins every thread. */
void pool_close(struct pool **);
void pool_submit(struct pool *, struct pool_job *);
/* Jobs that wait for a thread now: a worker that lingers for its peer's next
 * message leaves at once when this is not 0. */
unsigned pool_waiting(struct pool *);

#endif
