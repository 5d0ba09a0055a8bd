/*
 * Slow clients. A silent one is cut off by libmicrohttpd; here are those that
 * send or take a byte now and then: the head of a request has a deadline, a
 * body and an answer a minimum rate. Time that we take ourselves, with the
 * connection suspended, does not count.
 *
 * Looked at once a second, by the lot's thread. What is too slow is shut down;
 * its server notices and closes it.
 */
#include "web/http/inside.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define TICK_MS 1000

struct client *
watch_add(struct web *w, int fd, bool secure)
{
	struct client *c = must_zalloc(sizeof(*c));

	c->web = w;
	c->fd = fd;
	c->secure = secure;
	atomic_store(&c->since_ms, clock_mono_ms());
	mutex_lock(&w->list_lock);
	c->after = w->clients;
	if (c->after != NULL)
		c->after->before = c;
	w->clients = c;
	mutex_unlock(&w->list_lock);
	atomic_fetch_add(&w->counts.connections, 1);
	return c;
}

void
watch_remove(struct client *c)
{
	struct web *w = c->web;

	mutex_lock(&w->list_lock);
	if (c->before != NULL)
		c->before->after = c->after;
	else
		w->clients = c->after;
	if (c->after != NULL)
		c->after->before = c->before;
	mutex_unlock(&w->list_lock);
	share_give(w, c->address);
	free(c);
}

void
watch_phase(struct client *c, enum phase phase)
{
	atomic_store(&c->held_ms, 0);
	atomic_store(&c->ours_ms, 0);
	atomic_store(&c->bytes, 0);
	atomic_store(&c->since_ms, clock_mono_ms());
	atomic_store(&c->phase, (int)phase);
}

void
watch_hold(struct client *c)
{
	atomic_store(&c->held_ms, clock_mono_ms());
}

void
watch_go_on(struct client *c)
{
	int64_t held = atomic_exchange(&c->held_ms, 0);

	if (held != 0)
		atomic_fetch_add(&c->ours_ms, clock_mono_ms() - held);
}

/* What the client has sent, or taken: of an answer not what the system keeps
 * for it, which may be megabytes. */
static uint64_t
moved(struct client *c, enum phase phase)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	if (phase == PHASE_SEND &&
	    getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
	    n >= offsetof(struct tcp_info, tcpi_bytes_acked) +
		     sizeof(info.tcpi_bytes_acked))
		return info.tcpi_bytes_acked;
	return (uint64_t)atomic_load(&c->bytes);
}

/* How long it may go on as in the last stretch. */
static int64_t
stretch_ms(struct client *c, enum phase phase, int64_t now)
{
	int64_t since = atomic_load(&c->since_ms);
	int64_t ours = atomic_load(&c->ours_ms);
	uint64_t bytes = moved(c, phase);

	if (c->mark_phase_ms != since || bytes < c->mark_bytes ||
	    bytes - c->mark_bytes >=
		WAIT_HTTP_STALL_MS / 1000 * LIMIT_RATE_BYTES_S) {
		c->mark_phase_ms = since;
		c->mark_ms = now;
		c->mark_ours_ms = ours;
		c->mark_bytes = bytes;
	}
	return WAIT_HTTP_STALL_MS - (now - c->mark_ms) +
	       (ours - c->mark_ours_ms);
}

/* How long it may still take. */
static int64_t
left_ms(struct client *c, int64_t now)
{
	int64_t took = now - atomic_load(&c->since_ms);
	int64_t bytes = atomic_load(&c->bytes), whole, stretch;
	enum phase phase = (enum phase)atomic_load(&c->phase);

	switch (phase) {
	case PHASE_HEAD:
		return WAIT_HTTP_HEAD_MS - took;
	case PHASE_IDLE:
		return WAIT_HTTP_IDLE_MS + WAIT_HTTP_HEAD_MS - took;
	case PHASE_BODY:
	case PHASE_SEND:
		if (atomic_load(&c->held_ms) != 0)
			return INT64_MAX;
		took -= atomic_load(&c->ours_ms);
		whole = WAIT_HTTP_GRACE_MS + bytes * 1000 / LIMIT_RATE_BYTES_S -
			took;
		stretch = stretch_ms(c, phase, now);
		return whole < stretch ? whole : stretch;
	case PHASE_RUN:
		break;
	}
	return INT64_MAX;
}

static void
cut_off(struct client *c)
{
	c->ended = true;
	(void)shutdown(c->fd, SHUT_RDWR);
}

void
watch_tick(struct lot_item *item)
{
	struct web *w =
	    (struct web *)(void *)((char *)item - offsetof(struct web, tick));
	int64_t now = clock_mono_ms();
	struct client *c;

	mutex_lock(&w->list_lock);
	for (c = w->clients; c != NULL; c = c->after) {
		if (c->ended || left_ms(c, now) > 0)
			continue;
		log_debug("http", "%s is too slow", c->address);
		cut_off(c);
	}
	mutex_unlock(&w->list_lock);
	mutex_lock(&w->gate);
	if (!w->closing)
		lot_park(w->lot, item, now + TICK_MS);
	mutex_unlock(&w->gate);
}

void
watch_end_all(struct web *w)
{
	struct client *c;

	mutex_lock(&w->list_lock);
	for (c = w->clients; c != NULL; c = c->after)
		cut_off(c);
	mutex_unlock(&w->list_lock);
}
