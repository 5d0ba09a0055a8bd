/*
 * Listening sockets. The accepting itself is a callback of the lot; when
 * descriptors or memory run out the socket rests for PAUSE_MS behind a parked
 * item that has only a deadline.
 *
 * listener_close() may run in any thread but the lot's. It takes both items
 * out of the lot, or waits for the callback that has one of them.
 */
#include "net/listen.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <sys/socket.h>

#define BACKLOG       1024
#define ACCEPT_BATCH  64
#define PAUSE_MS      100
#define ADDRESS_ROOM  (INET6_ADDRSTRLEN + 16)
#define LOG_PAUSES_MS 10000

struct listener {
	struct lot_item accepting, resting;
	struct lot *lot;
	int fd;
	listen_fn *fn;
	void *ctx;
	struct mutex lock;
	struct cond out_cond;
	bool closing, out; /* out: neither item is parked, nor will be */
	uint16_t port;
	int64_t warned_ms;
	char address[ADDRESS_ROOM];
};

/* Park the socket again, or its rest; unless the listener is closing. */
static void
go_on(struct listener *l, bool rest)
{
	mutex_lock(&l->lock);
	if (l->closing) {
		l->out = true;
		cond_signal(&l->out_cond);
	} else if (rest) {
		lot_park(l->lot, &l->resting, clock_mono_ms() + PAUSE_MS);
	} else {
		lot_park(l->lot, &l->accepting, 0);
	}
	mutex_unlock(&l->lock);
}

static bool
is_closing(struct listener *l)
{
	bool closing;

	mutex_lock(&l->lock);
	closing = l->closing;
	mutex_unlock(&l->lock);
	return closing;
}

/* Whether accept() failed for a reason that would only make us spin. */
static bool
must_rest(struct listener *l)
{
	int64_t now = clock_mono_ms();

	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS &&
	    errno != ENOMEM)
		return false;
	if (l->warned_ms == 0 || now - l->warned_ms > LOG_PAUSES_MS) {
		log_warning("net", "cannot accept on %s for now: %s",
		    l->address, strerror(errno));
		l->warned_ms = now;
	}
	return true;
}

static void
accept_some(struct lot_item *item)
{
	struct listener *l =
	    (struct listener *)(void *)((char *)item -
					offsetof(struct listener, accepting));
	bool rest = false;
	int i, fd;

	for (i = 0; i < ACCEPT_BATCH && !is_closing(l); i++) {
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			rest = must_rest(l);
			break;
		}
		l->fn(l->ctx, conn_new(fd));
	}
	go_on(l, rest);
}

static void
rested(struct lot_item *item)
{
	struct listener *l =
	    (struct listener *)(void *)((char *)item -
					offsetof(struct listener, resting));

	go_on(l, false);
}

static void
lot_gone(struct listener *l)
{
	mutex_lock(&l->lock);
	l->out = true;
	cond_signal(&l->out_cond);
	mutex_unlock(&l->lock);
}

static void
accepting_gone(struct lot_item *item)
{
	lot_gone(
	    (struct listener *)(void *)((char *)item -
					offsetof(struct listener, accepting)));
}

static void
resting_gone(struct lot_item *item)
{
	lot_gone(
	    (struct listener *)(void *)((char *)item -
					offsetof(struct listener, resting)));
}

static int
bound_socket(const struct addrinfo *at)
{
	int fd, on = 1, off = 0, saved;

	fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    at->ai_protocol);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->ai_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	os_close(&fd);
	errno = saved;
	return -1;
}

static bool
bind_failed(const char *bind_to, uint16_t port, int code, struct err *e)
{
	const char *where = bind_to[0] != '\0' ? bind_to : "any address";

	if (code == EADDRINUSE)
		return fail(e, ERR_CONFLICT,
		    "cannot listen on %.200s: port %u is in use by another "
		    "program",
		    where, (unsigned)port);
	if (code == EACCES)
		return fail(e, ERR_IO,
		    "cannot listen on %.200s port %u: ports below 1024 need "
		    "the right to open them (CAP_NET_BIND_SERVICE)",
		    where, (unsigned)port);
	if (code == EADDRNOTAVAIL)
		return fail(e, ERR_IO,
		    "cannot listen on '%.200s': it is not an address of this "
		    "machine",
		    where);
	errno = code;
	fail_errno(e, "cannot listen on %.200s port %u", where, (unsigned)port);
	e->code = ERR_IO;
	return false;
}

/* Try the addresses of one family; a descriptor or -1 with errno. */
static int
bind_family(const struct addrinfo *list, int family)
{
	int fd = -1;

	errno = EADDRNOTAVAIL;
	for (; list != NULL && fd < 0; list = list->ai_next)
		if (list->ai_family == family)
			fd = bound_socket(list);
	return fd;
}

/* For all addresses the IPv6 socket, which takes IPv4 too, comes first; a
 * name is tried as IPv4 first, which more peers of this protocol speak. */
static int
bind_socket(const char *bind_to, uint16_t port, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	int order[2] = {AF_INET, AF_INET6};
	struct addrinfo *list;
	char service[8];
	int fd, code;

	if (bind_to[0] == '\0') {
		order[0] = AF_INET6;
		order[1] = AF_INET;
	}
	snprintf(service, sizeof(service), "%u", (unsigned)port);
	code = getaddrinfo(
	    bind_to[0] != '\0' ? bind_to : NULL, service, &hints, &list);
	if (code != 0) {
		(void)fail(e, ERR_IO, "cannot listen on '%.200s': %s", bind_to,
		    gai_strerror(code));
		return -1;
	}
	fd = bind_family(list, order[0]);
	code = errno;
	if (fd < 0 && (code == EADDRNOTAVAIL || code == EAFNOSUPPORT)) {
		fd = bind_family(list, order[1]);
		code = errno;
	}
	freeaddrinfo(list);
	if (fd < 0)
		(void)bind_failed(bind_to, port, code, e);
	return fd;
}

static void
name_socket(struct listener *l)
{
	struct sockaddr_storage own = {0};
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&own;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&own;
	char text[INET6_ADDRSTRLEN] = "";
	socklen_t n = sizeof(own);

	(void)getsockname(l->fd, (struct sockaddr *)&own, &n);
	if (own.ss_family == AF_INET6) {
		l->port = ntohs(six->sin6_port);
		(void)inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
		snprintf(l->address, sizeof(l->address), "[%s]:%u", text,
		    (unsigned)l->port);
	} else {
		l->port = ntohs(four->sin_port);
		(void)inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
		snprintf(l->address, sizeof(l->address), "%s:%u", text,
		    (unsigned)l->port);
	}
}

bool
listener_open(struct listener **out, struct lot *lot, const char *bind_to,
    uint16_t port, listen_fn *fn, void *ctx, struct err *e)
{
	int fd = bind_socket(bind_to, port, e);
	struct listener *l;

	*out = NULL;
	if (fd < 0)
		return false;
	l = must_zalloc(sizeof(*l));
	l->fd = fd;
	l->lot = lot;
	l->fn = fn;
	l->ctx = ctx;
	l->accepting = (struct lot_item){.fd = fd,
	    .ready = accept_some,
	    .late = accept_some,
	    .gone = accepting_gone};
	l->resting = (struct lot_item){
	    .fd = -1, .ready = rested, .late = rested, .gone = resting_gone};
	mutex_init(&l->lock);
	cond_init(&l->out_cond);
	name_socket(l);
	*out = l;
	go_on(l, false);
	return true;
}

void
listener_close(struct listener **lp)
{
	struct listener *l = *lp;
	bool out;

	if (l == NULL)
		return;
	mutex_lock(&l->lock);
	l->closing = true;
	out = l->out;
	mutex_unlock(&l->lock);
	/* Not under the lock: unparking waits for the lot's thread, which may
	 * be about to take it. Once closing is set nothing is parked anew. */
	if (!out)
		out = lot_unpark(l->lot, &l->accepting) ||
		      lot_unpark(l->lot, &l->resting);
	mutex_lock(&l->lock);
	while (!out && !l->out)
		cond_wait(&l->out_cond, &l->lock);
	mutex_unlock(&l->lock);
	os_close(&l->fd);
	cond_fini(&l->out_cond);
	mutex_fini(&l->lock);
	free(l);
	*lp = NULL;
}

const char *
listener_address(const struct listener *l)
{
	return l->address;
}

uint16_t
listener_port(const struct listener *l)
{
	return l->port;
}
