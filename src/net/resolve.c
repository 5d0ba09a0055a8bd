/*
 * Each look-up of a name runs in a thread of its own, which is left behind
 * when its answer does not come in time and cleans up whenever it does. An
 * address needs neither thread nor name service.
 */
#include "net/resolve.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/thread.h"

#include <stdatomic.h>

struct lookup {
	struct mutex lock;
	struct cond answered;
	bool done, abandoned;
	int code;
	struct addrinfo *list;
	char host[256], service[8];
};

static atomic_int under_way;

static int
ask(const char *host, const char *service, int flags, struct addrinfo **list)
{
	struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};

	*list = NULL;
	return getaddrinfo(host, service, &hints, list);
}

static void
lookup_free(struct lookup *l)
{
	if (l->list != NULL)
		freeaddrinfo(l->list);
	cond_fini(&l->answered);
	mutex_fini(&l->lock);
	free(l);
	atomic_fetch_sub(&under_way, 1);
}

static void
run(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo *list;
	int code = ask(l->host, l->service, 0, &list);
	bool abandoned;

	mutex_lock(&l->lock);
	l->code = code;
	l->list = code == 0 ? list : NULL;
	l->done = true;
	abandoned = l->abandoned;
	cond_signal(&l->answered);
	mutex_unlock(&l->lock);
	if (abandoned)
		lookup_free(l);
}

static bool
start(struct lookup **out, const char *host, const char *service, struct err *e)
{
	struct lookup *l;
	struct thread thread;

	if (atomic_fetch_add(&under_way, 1) >= LIMIT_LOOKUPS) {
		atomic_fetch_sub(&under_way, 1);
		return fail(e, ERR_LIMIT,
		    "cannot look up the host '%.200s': %d others wait for the "
		    "name service already",
		    host, LIMIT_LOOKUPS);
	}
	l = must_zalloc(sizeof(*l));
	mutex_init(&l->lock);
	cond_init(&l->answered);
	(void)str_copy(l->service, sizeof(l->service), str_from(service));
	if (!str_copy(l->host, sizeof(l->host), str_from(host))) {
		lookup_free(l);
		return fail(e, ERR_USAGE, "a host name over 255 characters");
	}
	if (!thread_start(&thread, "resolve", run, l)) {
		lookup_free(l);
		return fail(e, ERR_LIMIT,
		    "cannot start a thread to look up "
		    "a host");
	}
	thread_detach(&thread);
	*out = l;
	return true;
}

/* True when the answer is there; else the thread keeps the look-up. */
static bool
await(struct lookup *l, int64_t deadline_ms, const struct conn_watch *watch,
    struct err *e)
{
	int64_t now = clock_mono_ms(), until;
	bool done, stop = false;

	mutex_lock(&l->lock);
	while (!l->done && !stop && now < deadline_ms) {
		until = now + WAIT_WATCH_MS;
		if (until > deadline_ms)
			until = deadline_ms;
		(void)cond_wait_until(&l->answered, &l->lock, until);
		now = clock_mono_ms();
		if (l->done)
			break;
		mutex_unlock(&l->lock);
		stop = conn_stopping() ||
		       (watch != NULL && watch->stop(watch->ctx));
		mutex_lock(&l->lock);
	}
	done = l->done;
	l->abandoned = !done;
	mutex_unlock(&l->lock);
	if (done)
		return true;
	if (stop)
		return fail(
		    e, ERR_CANCELLED, "stopped while looking up a host");
	return fail(e, ERR_TIMEOUT, "the name service did not answer in time");
}

bool
resolve(const char *host, uint16_t port, int64_t deadline_ms,
    const struct conn_watch *watch, struct addrinfo **out, struct err *e)
{
	struct lookup *l = NULL;
	char service[8];
	int code;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (ask(host, service, AI_NUMERICHOST, out) == 0)
		return true;
	*out = NULL;
	if (!start(&l, host, service, e))
		return false;
	if (!await(l, deadline_ms, watch, e))
		return fail_in(e, "cannot find the host '%.200s'", host);
	code = l->code;
	*out = l->list;
	l->list = NULL;
	lookup_free(l);
	if (code != 0)
		return fail(e, ERR_IO, "cannot find the host '%.200s': %s",
		    host, gai_strerror(code));
	return true;
}
