/*
 * The lot: readiness, deadlines, closing, and taking items out while events
 * are on their way.
 */
#include "net/lot.h"

#include "base/clock.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test.h"

struct thing {
	struct lot_item item; /* first: callbacks get its address */
	atomic_int ready, late, gone;
	atomic_int late_as; /* the how manieth of all */
};

static atomic_int all_late;

static void
on_ready(struct lot_item *item)
{
	((struct thing *)(void *)item)->ready++;
}

static void
on_late(struct lot_item *item)
{
	struct thing *t = (void *)item;

	t->late_as = ++all_late;
	t->late++;
}

static void
on_gone(struct lot_item *item)
{
	((struct thing *)(void *)item)->gone++;
}

static void
thing_init(struct thing *t)
{
	memset(t, 0, sizeof(*t));
	t->item.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t->item.ready = on_ready;
	t->item.late = on_late;
	t->item.gone = on_gone;
}

static void
poke(struct thing *t)
{
	uint64_t one = 1;

	CHECK(write(t->item.fd, &one, sizeof(one)) == sizeof(one));
}

static void
calm(struct thing *t)
{
	uint64_t n;

	CHECK(read(t->item.fd, &n, sizeof(n)) == sizeof(n));
}

static bool
becomes(atomic_int *v, int wanted)
{
	int64_t end = clock_mono_ms() + 60000;

	while (*v != wanted && clock_mono_ms() < end)
		clock_sleep_ms(1);
	return *v == wanted;
}

static int64_t
in_ms(int64_t ms)
{
	return clock_mono_ms() + ms;
}

TEST(hastened)
{
	struct thing t;
	struct lot *l;
	struct err e;

	if (!CHECK(lot_open(&l, &e)))
		return;
	thing_init(&t);
	lot_hasten(l, &t.item); /* not parked: nothing */
	lot_park(l, &t.item, 0);
	lot_hasten(l, &t.item);
	CHECK(becomes(&t.late, 1));
	CHECK_EQ(lot_count(l), 0);
	CHECK_EQ(t.ready, 0);
	lot_close(&l);
	(void)close(t.item.fd);
}

TEST(ready_once_then_again)
{
	struct thing t;
	struct lot *l;
	struct err e;

	if (!CHECK(lot_open(&l, &e)))
		return;
	thing_init(&t);
	lot_park(l, &t.item, in_ms(60000));
	CHECK_EQ(lot_count(l), 1);
	clock_sleep_ms(20);
	CHECK_EQ(t.ready, 0);
	poke(&t);
	CHECK(becomes(&t.ready, 1));
	CHECK_EQ(lot_count(l), 0);
	clock_sleep_ms(20);
	CHECK_EQ(t.ready, 1);
	/* Still readable: what came before the parking counts. */
	lot_park(l, &t.item, in_ms(60000));
	CHECK(becomes(&t.ready, 2));
	calm(&t);
	lot_park(l, &t.item, 0);
	clock_sleep_ms(20);
	CHECK_EQ(t.ready, 2);
	lot_close(&l);
	CHECK_EQ(t.gone, 1);
	CHECK_EQ(t.late, 0);
	CHECK(l == NULL);
	close(t.item.fd);
}

static atomic_bool hold;

static void
on_late_hold(struct lot_item *item)
{
	((struct thing *)(void *)item)->late++;
	while (hold)
		clock_sleep_ms(1);
}

TEST(late_in_order_and_disarmed)
{
	struct thing t[3], first;
	struct lot *l;
	struct err e;
	int64_t now;
	size_t i;

	if (!CHECK(lot_open(&l, &e)))
		return;
	for (i = 0; i < 3; i++)
		thing_init(&t[i]);
	/* The lot is held up until all are parked, and two of them late. */
	thing_init(&first);
	first.item.late = on_late_hold;
	hold = true;
	now = clock_mono_ms();
	lot_park(l, &first.item, now);
	CHECK(becomes(&first.late, 1));
	lot_park(l, &t[0].item, in_ms(60000));
	lot_park(l, &t[1].item, now + 40);
	lot_park(l, &t[2].item, now + 10);
	while (clock_mono_ms() <= now + 40)
		clock_sleep_ms(1);
	hold = false;
	CHECK(becomes(&t[2].late, 1));
	CHECK(becomes(&t[1].late, 1));
	CHECK(t[2].late_as < t[1].late_as);
	CHECK_EQ(t[0].late, 0);
	/* A late item is not watched any more. */
	poke(&t[1]);
	clock_sleep_ms(20);
	CHECK_EQ(t[1].ready, 0);
	lot_forget(l, &t[1].item);
	lot_park(l, &t[1].item, in_ms(60000));
	CHECK(becomes(&t[1].ready, 1));
	lot_forget(l, &t[1].item);
	lot_close(&l);
	CHECK_EQ(t[0].gone, 1);
	close(first.item.fd);
	for (i = 0; i < 3; i++)
		close(t[i].item.fd);
}

TEST(only_a_deadline)
{
	struct thing t = {.item = {-1, on_ready, on_late, on_gone, 0, 0, 0}};
	struct lot *l;
	struct err e;

	if (!CHECK(lot_open(&l, &e)))
		return;
	lot_park(l, &t.item, in_ms(10));
	CHECK(becomes(&t.late, 1));
	lot_close(&l);
	CHECK_EQ(t.gone, 0);
}

TEST(what_cannot_be_watched_is_late)
{
	struct thing t;
	struct lot *l;
	struct err e;

	if (!CHECK(lot_open(&l, &e)))
		return;
	thing_init(&t);
	close(t.item.fd);
	lot_park(l, &t.item, in_ms(60000));
	CHECK(becomes(&t.late, 1));
	lot_close(&l);
}

TEST(unpark)
{
	struct thing t;
	struct lot *l;
	struct err e;

	if (!CHECK(lot_open(&l, &e)))
		return;
	thing_init(&t);
	CHECK(!lot_unpark(l, &t.item));
	lot_park(l, &t.item, in_ms(60000));
	CHECK(lot_unpark(l, &t.item));
	poke(&t);
	clock_sleep_ms(10);
	CHECK_EQ(t.ready, 0);
	lot_park(l, &t.item, in_ms(60000));
	CHECK(becomes(&t.ready, 1));
	CHECK(!lot_unpark(l, &t.item));
	lot_forget(l, &t.item);
	lot_close(&l);
	close(t.item.fd);
}

#define MANY 1000

/* Deadlines of every order, and everything comes back exactly once. */
TEST(many)
{
	struct thing *t = must_zalloc(MANY * sizeof(*t));
	int ready = 0, late = 0, gone = 0, each;
	int64_t now = clock_mono_ms();
	struct lot *l;
	struct err e;
	int i;

	if (!CHECK(lot_open(&l, &e)))
		return;
	for (i = 0; i < MANY; i++) {
		thing_init(&t[i]);
		lot_park(l, &t[i].item,
		    i % 3 == 0 ? now + (i * 7919) % 50 : now + 60000);
	}
	for (i = 1; i < MANY; i += 3)
		poke(&t[i]);
	for (i = 0; i < MANY; i++) {
		if (i % 3 == 0)
			CHECK(becomes(&t[i].late, 1));
		if (i % 3 == 1)
			CHECK(becomes(&t[i].ready, 1));
	}
	lot_close(&l);
	for (i = 0; i < MANY; i++) {
		each = t[i].ready + t[i].late + t[i].gone;
		CHECK_EQ(each, 1);
		ready += t[i].ready;
		late += t[i].late;
		gone += t[i].gone;
		close(t[i].item.fd);
	}
	CHECK_EQ(ready, 333);
	CHECK_EQ(late, 334);
	CHECK_EQ(gone, 333);
	free(t);
}

struct racer {
	struct lot *lot;
	struct thing thing;
	int taken;
};

static void
race(void *arg)
{
	struct racer *r = arg;
	int i;

	for (i = 0; i < 300; i++) {
		thing_init(&r->thing);
		lot_park(r->lot, &r->thing.item, in_ms(i % 3 == 0 ? 0 : 9000));
		poke(&r->thing);
		if (lot_unpark(r->lot, &r->thing.item)) {
			r->taken++;
			CHECK_EQ(r->thing.ready + r->thing.late, 0);
		} else {
			while (r->thing.ready + r->thing.late == 0)
				clock_sleep_ms(0);
			lot_forget(r->lot, &r->thing.item);
		}
		close(r->thing.item.fd);
	}
}

/* Items are parked, fire, and are taken out and reused at once. */
TEST(unpark_races_with_events)
{
	struct racer r[2] = {0};
	struct thread threads[2];
	struct lot *l;
	struct err e;
	int i;

	if (!CHECK(lot_open(&l, &e)))
		return;
	for (i = 0; i < 2; i++) {
		r[i].lot = l;
		CHECK(thread_start(&threads[i], "race", race, &r[i]));
	}
	for (i = 0; i < 2; i++)
		thread_join(&threads[i]);
	CHECK_EQ(lot_count(l), 0);
	lot_close(&l);
}

TEST_MAIN
