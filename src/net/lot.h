/*
 * The parked connections: one epoll set (EPOLLONESHOT) and one thread that
 * knows who is readable and who is late. A parked item costs no thread.
 *
 * Ownership passes under the lot's lock, in lot_park() and when a callback is
 * called, and nowhere else. Callbacks run in the lot's thread and must be
 * quick: they hand the item to a pool.
 */
#ifndef NET_LOT_H
#define NET_LOT_H

#include "base/err.h"

struct lot;

struct lot_item {
	int fd;                           /* -1: only the deadline counts */
	void (*ready)(struct lot_item *); /* readable; the lot let go of it */
	void (*late)(struct lot_item *);  /* deadline passed; likewise */
	void (*gone)(struct lot_item *);  /* the lot is closing; likewise */
	int64_t deadline_ms;              /* 0: never late */
	size_t heap_at;                   /* the lot's own; 0: not parked */
	bool registered;                  /* the lot's own */
};

bool lot_open(struct lot **, struct err *e);
/* Stops the thread, gives every item to its gone(). */
void lot_close(struct lot **);
/* Park with an absolute deadline (clock_mono_ms). From this call on the item
 * is the lot's until a callback gets it; a byte that came before counts. */
void lot_park(struct lot *, struct lot_item *, int64_t deadline_ms);
/* Forget the descriptor before it is closed (the item is not parked). */
void lot_forget(struct lot *, struct lot_item *);
/* Take an item out again, from any thread but the lot's. True: it was parked
 * and is the caller's. False: a callback has it, or is about to get it. */
bool lot_unpark(struct lot *, struct lot_item *);
/* If it is parked, let it be late at once; from any thread, never waits. */
void lot_hasten(struct lot *, struct lot_item *);
size_t lot_count(struct lot *);

#endif
