/*
 * The lot: a binary min-heap of deadlines beside an epoll set.
 *
 * An item is parked exactly while it stands in the heap. Only the lot's own
 * thread takes items out for a callback, under the lock, so an event that was
 * fetched for an item which has left meanwhile finds heap_at 0 and is ignored;
 * lot_unpark() waits until such events can no longer be on their way. A late
 * item leaves the epoll set with its deadline: nothing stays armed behind it.
 */
#include "net/lot.h"

#include "base/clock.h"
#include "base/os.h"
#include "base/thread.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH       64
#define ROOM_FIRST  64
#define NEVER       INT64_MAX
#define WAIT_MAX_MS (60 * 1000)

struct lot {
	struct mutex lock;
	struct cond passed; /* a round has begun */
	struct thread thread;
	int epoll_fd, wake_fd;
	struct lot_item **heap; /* [1] is the earliest; [0] is not used */
	size_t n, room;
	int64_t wakes_at_ms; /* when the thread will look by itself */
	uint64_t rounds;
	bool closing;
};

static int64_t
due(const struct lot_item *item)
{
	return item->deadline_ms != 0 ? item->deadline_ms : NEVER;
}

static void
heap_place(struct lot *l, size_t at, struct lot_item *item)
{
	l->heap[at] = item;
	item->heap_at = at;
}

static void
heap_up(struct lot *l, size_t at)
{
	struct lot_item *item = l->heap[at];

	while (at > 1 && due(item) < due(l->heap[at / 2])) {
		heap_place(l, at, l->heap[at / 2]);
		at /= 2;
	}
	heap_place(l, at, item);
}

static void
heap_down(struct lot *l, size_t at)
{
	struct lot_item *item = l->heap[at];
	size_t child;

	while ((child = at * 2) <= l->n) {
		if (child < l->n &&
		    due(l->heap[child + 1]) < due(l->heap[child]))
			child++;
		if (due(l->heap[child]) >= due(item))
			break;
		heap_place(l, at, l->heap[child]);
		at = child;
	}
	heap_place(l, at, item);
}

static void
heap_add(struct lot *l, struct lot_item *item)
{
	if (l->n + 1 >= l->room) {
		l->room = l->room < ROOM_FIRST ? ROOM_FIRST : l->room * 2;
		l->heap = must_realloc(l->heap, l->room * sizeof(*l->heap));
	}
	heap_place(l, ++l->n, item);
	heap_up(l, l->n);
}

static void
heap_remove(struct lot *l, struct lot_item *item)
{
	size_t at = item->heap_at;
	struct lot_item *last = l->heap[l->n--];

	item->heap_at = 0;
	if (last == item)
		return;
	heap_place(l, at, last);
	heap_up(l, at);
	heap_down(l, last->heap_at);
}

static void
wake(struct lot *l)
{
	uint64_t one = 1;

	(void)!write(l->wake_fd, &one, sizeof(one));
}

static void
disarm(struct lot *l, struct lot_item *item)
{
	struct epoll_event none = {0};

	if (item->registered)
		(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, item->fd, &none);
	item->registered = false;
}

static bool
arm(struct lot *l, struct lot_item *item)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = item};
	int op = item->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (item->fd < 0)
		return true;
	item->registered = true;
	if (epoll_ctl(l->epoll_fd, op, item->fd, &ev) == 0)
		return true;
	if (op == EPOLL_CTL_MOD && errno == ENOENT &&
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, item->fd, &ev) == 0)
		return true;
	item->registered = false;
	return false;
}

void
lot_park(struct lot *l, struct lot_item *item, int64_t deadline_ms)
{
	mutex_lock(&l->lock);
	must(item->heap_at == 0);
	item->deadline_ms = deadline_ms;
	heap_add(l, item);
	/* What cannot be watched is late at once. */
	if (!arm(l, item)) {
		item->deadline_ms = 1;
		heap_up(l, item->heap_at);
	}
	if (due(item) < l->wakes_at_ms) {
		l->wakes_at_ms = due(item);
		wake(l);
	}
	mutex_unlock(&l->lock);
}

void
lot_forget(struct lot *l, struct lot_item *item)
{
	mutex_lock(&l->lock);
	must(item->heap_at == 0);
	disarm(l, item);
	mutex_unlock(&l->lock);
}

bool
lot_unpark(struct lot *l, struct lot_item *item)
{
	uint64_t round;
	bool mine;

	mutex_lock(&l->lock);
	mine = item->heap_at != 0;
	if (mine) {
		heap_remove(l, item);
		disarm(l, item);
		round = l->rounds;
		wake(l);
		while (l->rounds == round && !l->closing)
			cond_wait(&l->passed, &l->lock);
	}
	mutex_unlock(&l->lock);
	return mine;
}

void
lot_hasten(struct lot *l, struct lot_item *item)
{
	mutex_lock(&l->lock);
	if (item->heap_at != 0) {
		item->deadline_ms = 1;
		heap_up(l, item->heap_at);
		l->wakes_at_ms = due(item);
		wake(l);
	}
	mutex_unlock(&l->lock);
}

size_t
lot_count(struct lot *l)
{
	size_t n;

	mutex_lock(&l->lock);
	n = l->n;
	mutex_unlock(&l->lock);
	return n;
}

static void
deliver(struct lot *l, struct lot_item *item)
{
	bool parked;

	mutex_lock(&l->lock);
	parked = item->heap_at != 0;
	if (parked)
		heap_remove(l, item);
	mutex_unlock(&l->lock);
	if (parked)
		item->ready(item);
}

/* The items whose deadline has passed, one after the other. */
static void
expire(struct lot *l)
{
	struct lot_item *item;

	for (;;) {
		mutex_lock(&l->lock);
		item = l->n > 0 ? l->heap[1] : NULL;
		if (item == NULL || due(item) > clock_mono_ms()) {
			mutex_unlock(&l->lock);
			return;
		}
		heap_remove(l, item);
		disarm(l, item);
		mutex_unlock(&l->lock);
		item->late(item);
	}
}

/* Begin a round: how long to sleep, or -1 when the lot is closing. */
static int
sleep_ms(struct lot *l)
{
	int64_t now = clock_mono_ms(), left = WAIT_MAX_MS;
	bool closing;

	mutex_lock(&l->lock);
	l->rounds++;
	cond_broadcast(&l->passed);
	if (l->n > 0 && due(l->heap[1]) - now < left)
		left = due(l->heap[1]) - now;
	if (left < 0)
		left = 0;
	l->wakes_at_ms = now + left;
	closing = l->closing;
	mutex_unlock(&l->lock);
	return closing ? -1 : (int)left;
}

static void
watch(void *arg)
{
	struct epoll_event events[BATCH];
	struct lot *l = arg;
	uint64_t count;
	int i, n, wait_ms;

	while ((wait_ms = sleep_ms(l)) >= 0) {
		n = epoll_wait(l->epoll_fd, events, BATCH, wait_ms);
		for (i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				(void)!read(l->wake_fd, &count, sizeof(count));
			else
				deliver(l, events[i].data.ptr);
		}
		expire(l);
	}
}

static void
release(struct lot **lp)
{
	struct lot *l = *lp;

	*lp = NULL;
	if (l->epoll_fd >= 0)
		os_close(&l->epoll_fd);
	if (l->wake_fd >= 0)
		os_close(&l->wake_fd);
	cond_fini(&l->passed);
	mutex_fini(&l->lock);
	free(l->heap);
	free(l);
}

bool
lot_open(struct lot **out, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct lot *l = must_zalloc(sizeof(*l));

	*out = NULL;
	mutex_init(&l->lock);
	cond_init(&l->passed);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->epoll_fd < 0 || l->wake_fd < 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) != 0) {
		fail_errno(e, "cannot make an epoll set");
		release(&l);
		return false;
	}
	if (!thread_start(&l->thread, "lot", watch, l)) {
		release(&l);
		return fail(e, ERR_IO, "cannot start the lot's thread");
	}
	*out = l;
	return true;
}

void
lot_close(struct lot **lp)
{
	struct lot *l = *lp;
	struct lot_item *item;

	if (l == NULL)
		return;
	mutex_lock(&l->lock);
	l->closing = true;
	wake(l);
	mutex_unlock(&l->lock);
	thread_join(&l->thread);
	/* A callback below may still park others. */
	for (;;) {
		mutex_lock(&l->lock);
		item = l->n > 0 ? l->heap[l->n] : NULL;
		if (item != NULL) {
			heap_remove(l, item);
			disarm(l, item);
		}
		mutex_unlock(&l->lock);
		if (item == NULL)
			break;
		item->gone(item);
	}
	release(lp);
}
