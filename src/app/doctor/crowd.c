/*
 * See crowd.h. The one who leaves last, caller or thread, frees the copies.
 */
#include "app/doctor/crowd.h"

#include "base/clock.h"
#include "base/thread.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 16

struct crowd {
	struct mutex lock;
	struct cond change;
	crowd_fn *fn;
	uint8_t *copies;
	size_t size, n;
	size_t next, ended; /* items */
	size_t refs;
	bool *done;
	bool late;
};

/* Unlocks. */
static void
leave(struct crowd *c)
{
	bool last = --c->refs == 0;

	mutex_unlock(&c->lock);
	if (!last)
		return;
	cond_fini(&c->change);
	mutex_fini(&c->lock);
	free(c->copies);
	free(c->done);
	free(c);
}

static void
work(void *arg)
{
	struct crowd *c = arg;
	size_t i;

	mutex_lock(&c->lock);
	while (c->next < c->n && !c->late) {
		i = c->next++;
		mutex_unlock(&c->lock);
		c->fn(c->copies + i * c->size);
		mutex_lock(&c->lock);
		c->done[i] = true;
		c->ended++;
		cond_signal(&c->change);
	}
	leave(c);
}

static struct crowd *
gather(const void *items, size_t size, size_t n, crowd_fn *fn)
{
	struct crowd *c = must_zalloc(sizeof(*c));

	mutex_init(&c->lock);
	cond_init(&c->change);
	c->fn = fn;
	c->size = size;
	c->n = n;
	c->copies = must_alloc(size * n);
	memcpy(c->copies, items, size * n);
	c->done = must_zalloc(n * sizeof(*c->done));
	c->refs = 1;
	return c;
}

/* Under the lock; false when there is not a single thread. */
static bool
start(struct crowd *c)
{
	struct thread t;
	size_t i;

	for (i = 0; i < WIDTH && i < c->n; i++) {
		c->refs++;
		if (!thread_start(&t, "doctor", work, c)) {
			c->refs--;
			break;
		}
		thread_detach(&t);
	}
	return i > 0;
}

void
crowd_run(
    void *items, size_t size, size_t n, crowd_fn *fn, int wait_ms, bool *done)
{
	int64_t deadline = clock_mono_ms() + wait_ms;
	uint8_t *out = items;
	struct crowd *c;
	size_t i;

	if (n == 0)
		return;
	c = gather(items, size, n, fn);
	mutex_lock(&c->lock);
	if (start(c))
		while (c->ended < n &&
		       cond_wait_until(&c->change, &c->lock, deadline))
			continue;
	c->late = true;
	for (i = 0; i < n; i++) {
		done[i] = c->done[i];
		if (done[i])
			memcpy(out + i * size, c->copies + i * size, size);
	}
	leave(c);
}
