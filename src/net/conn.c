/*
 * Connections over non-blocking sockets.
 *
 * Every operation tries first and only then waits, in one place (wait_for),
 * where all the deadlines meet: progress, the minimum rate of a message, the
 * hard deadline, and the stop of the whole process. Time that the peer is not
 * responsible for (our disk, our processor) never counts against its rate.
 *
 * In TLS the same places wait; the session (tls_session.c) never does.
 *
 * The input buffer starts small, which is enough for messages without bulk
 * data, and becomes BLOCK_IO large when one read fills it.
 */
#include "net/conn.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/os.h"
#include "net/resolve.h"
#include "net/tls_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROOM_FIRST  (16 * KIB)
#define PEEK_MAX    16
#define DRAIN_ROOM  (16 * KIB)
#define DRAIN_CLOSE 64 /* reads when a connection is closed for good */

/* Readable, for ever, once the process stops. */
static int stop_fd = -1;
static pthread_once_t stop_once = PTHREAD_ONCE_INIT;
static atomic_bool stopped;

static void
open_stop(void)
{
	stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void
conn_stop_all(void)
{
	uint64_t one = 1;

	pthread_once(&stop_once, open_stop);
	atomic_store(&stopped, true);
	if (stop_fd >= 0)
		(void)!write(stop_fd, &one, sizeof(one));
}

bool
conn_stopping(void)
{
	return atomic_load(&stopped);
}

/* Poll for events until the deadline or the stop: 1 when there are some, 0
 * when not. */
static int
poll_until(int fd, short events, int64_t deadline_ms)
{
	struct pollfd fds[2] = {{.fd = fd, .events = events}};
	int64_t left;
	int n;

	pthread_once(&stop_once, open_stop);
	fds[1].fd = stop_fd;
	fds[1].events = POLLIN;
	for (;;) {
		left = deadline_ms - clock_mono_ms();
		if (left < 0)
			left = 0;
		if (left > INT32_MAX)
			left = INT32_MAX;
		n = poll(fds, 2, (int)left);
		if (n > 0 && fds[0].revents != 0)
			return 1;
		if (n >= 0 || errno != EINTR || atomic_load(&stopped))
			return 0;
	}
}

/* The same, and -1 when the watch says stop. */
static int
poll_watched(
    int fd, short events, int64_t deadline_ms, const struct conn_watch *watch)
{
	int64_t until;

	if (watch == NULL)
		return poll_until(fd, events, deadline_ms);
	for (;;) {
		until = clock_mono_ms() + WAIT_WATCH_MS;
		if (until > deadline_ms)
			until = deadline_ms;
		if (poll_until(fd, events, until) > 0)
			return 1;
		if (watch->stop(watch->ctx))
			return -1;
		if (atomic_load(&stopped) || clock_mono_ms() >= deadline_ms)
			return 0;
	}
}

static void
set_address(struct conn_peer *peer, const struct sockaddr_storage *from)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *four = (const struct sockaddr_in *)from;
	struct in_addr v4;

	str_copy(peer->address, sizeof(peer->address), STR("local"));
	peer->loopback = true;
	if (from->ss_family == AF_INET) {
		v4 = four->sin_addr;
		peer->port = ntohs(four->sin_port);
	} else if (from->ss_family == AF_INET6) {
		peer->port = ntohs(six->sin6_port);
		if (!IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
			(void)inet_ntop(AF_INET6, &six->sin6_addr,
			    peer->address, sizeof(peer->address));
			peer->loopback = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
			return;
		}
		memcpy(&v4, six->sin6_addr.s6_addr + 12, sizeof(v4));
	} else {
		return;
	}
	(void)inet_ntop(AF_INET, &v4, peer->address, sizeof(peer->address));
	peer->loopback = (ntohl(v4.s_addr) >> 24) == 127;
}

static uint16_t
local_port(int fd)
{
	struct sockaddr_storage own = {0};
	socklen_t n = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &n) != 0)
		return 0;
	if (own.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&own)->sin_port);
	if (own.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&own)->sin6_port);
	return 0;
}

struct conn *
conn_new(int fd)
{
	struct conn *c = must_zalloc(sizeof(*c));
	struct sockaddr_storage from = {0};
	socklen_t n = sizeof(from);
	int flags, on = 1;

	c->fd = fd;
	c->progress_ms = WAIT_PROGRESS_MS;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	/* Fails on sockets that are not TCP, which need it not. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (getpeername(fd, (struct sockaddr *)&from, &n) != 0)
		from.ss_family = AF_UNSPEC;
	set_address(&c->peer, &from);
	c->local_port = local_port(fd);
	return c;
}

int
conn_give(struct conn **cp)
{
	struct conn *c = *cp;
	int fd = c->fd;

	must(c->tls == NULL && c->in_n == 0);
	free(c->in);
	free(c);
	*cp = NULL;
	return fd;
}

void
conn_free(struct conn **cp)
{
	struct conn *c = *cp;
	char dropped[DRAIN_ROOM];
	int i;

	if (c == NULL)
		return;
	*cp = NULL;
	if (c->tls != NULL)
		tls_session_bye(c->tls);
	/* Closing with bytes unread would send a reset, and a reset may
	 * destroy what the peer has not read yet. */
	(void)shutdown(c->fd, SHUT_WR);
	for (i = 0; i < DRAIN_CLOSE; i++)
		if (recv(c->fd, dropped, sizeof(dropped), MSG_DONTWAIT) <= 0)
			break;
	tls_session_free(&c->tls);
	os_close(&c->fd);
	free(c->in);
	if (c->holds)
		buf_fini(&c->held);
	free(c);
}

/* One address of the list; the descriptor, or -1 with errno. */
static int
try_address(const struct addrinfo *at, int64_t deadline_ms,
    const struct conn_watch *watch)
{
	int fd, got, code = 0, saved;
	socklen_t n = sizeof(code);

	fd = socket(at->ai_family,
	    at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
	if (fd < 0)
		return -1;
	if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS || errno == EINTR) {
		got = poll_watched(fd, POLLOUT, deadline_ms, watch);
		if (got <= 0)
			code = got < 0 || atomic_load(&stopped) ? ECANCELED
								: ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &n) != 0)
			code = errno;
		if (code == 0)
			return fd;
		errno = code;
	}
	saved = errno;
	os_close(&fd);
	errno = saved;
	return -1;
}

bool
conn_open(struct conn **out, const char *host, uint16_t port, int timeout_ms,
    const struct conn_watch *watch, struct err *e)
{
	int64_t deadline_ms = clock_mono_ms() + timeout_ms;
	struct addrinfo *list, *at;
	int code, fd = -1;

	*out = NULL;
	if (!resolve(host, port, deadline_ms, watch, &list, e))
		return false;
	errno = EHOSTUNREACH;
	for (at = list; at != NULL && fd < 0 && errno != ECANCELED;
	     at = at->ai_next)
		fd = try_address(at, deadline_ms, watch);
	code = errno;
	freeaddrinfo(list);
	if (fd >= 0) {
		*out = conn_new(fd);
		(*out)->watch = watch;
		return true;
	}
	errno = code;
	fail_errno(e, "cannot connect to %.200s port %u%s", host,
	    (unsigned)port,
	    code == ECONNREFUSED ? ", where nobody listens" : "");
	e->code = ERR_IO;
	if (code == ETIMEDOUT)
		e->code = ERR_TIMEOUT;
	if (code == ECANCELED)
		e->code = ERR_CANCELLED;
	return false;
}

void
conn_message_begin(struct conn *c)
{
	c->message_start_ms = clock_mono_ms();
	c->message_bytes = 0;
	c->message_wait_ms = 0;
}

void
conn_message_end(struct conn *c)
{
	c->message_start_ms = 0;
}

/* How much longer the peer may keep us waiting before its rate is too low. */
static int64_t
rate_left_ms(const struct conn *c)
{
	int64_t allowed = c->message_bytes * 1000 / LIMIT_RATE_BYTES_S;

	if (allowed < WAIT_RATE_GRACE_MS)
		allowed = WAIT_RATE_GRACE_MS;
	return allowed - c->message_wait_ms;
}

static bool
too_late(const struct conn *c, int64_t now, bool by_rate, struct err *e)
{
	if (atomic_load(&stopped))
		return fail(e, ERR_CANCELLED, "the program is stopping");
	if (c->hard_deadline_ms != 0 && now >= c->hard_deadline_ms)
		return fail(e, ERR_TIMEOUT, "the peer did not finish in time");
	if (by_rate)
		return fail(e, ERR_TIMEOUT,
		    "the peer is too slow: %lld bytes while we waited %lld s",
		    (long long)c->message_bytes,
		    (long long)c->message_wait_ms / 1000);
	return fail(
	    e, ERR_TIMEOUT, "the peer did nothing for %d ms", c->progress_ms);
}

static bool
wait_for(struct conn *c, short events, struct err *e)
{
	int64_t start = clock_mono_ms(), deadline = start + c->progress_ms;
	bool by_rate = false;
	int64_t now;
	int got;

	if (c->message_start_ms != 0 && start + rate_left_ms(c) < deadline) {
		deadline = start + rate_left_ms(c);
		by_rate = true;
	}
	if (c->hard_deadline_ms != 0 && c->hard_deadline_ms < deadline)
		deadline = c->hard_deadline_ms;
	/* A peer that writes header and body apart (DCMTK) waits for our
	 * acknowledgment of the first, which the kernel would hold back 40 ms.
	 */
	if ((events & POLLIN) != 0)
		(void)setsockopt(
		    c->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
	got = poll_watched(c->fd, events, deadline, c->watch);
	now = clock_mono_ms();
	c->message_wait_ms += now - start;
	if (got > 0)
		return true;
	if (got < 0)
		return fail(e, ERR_CANCELLED, "stopped");
	return too_late(c, now, by_rate, e);
}

/* The error of a socket call that failed for good. */
static bool
broken(struct err *e)
{
	switch (errno) {
	case ECONNRESET:
	case EPIPE:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETRESET:
	case ENOTCONN:
		return fail(e, ERR_CLOSED, "closed");
	default:
		fail_errno(e, "the connection failed");
		e->code = ERR_IO;
		return false;
	}
}

/* Room behind what is buffered: the buffer made, grown or moved up. */
static void
make_room(struct conn *c)
{
	if (c->in_n == 0) {
		c->in_at = 0;
		if (c->in == NULL) {
			c->in_room = ROOM_FIRST;
			c->in = must_alloc(c->in_room);
		}
		return;
	}
	if (c->in_at > 0 && c->in_at + c->in_n == c->in_room) {
		memmove(c->in, c->in + c->in_at, c->in_n);
		c->in_at = 0;
	}
}

/* What has arrived, into p: as receive(). */
static ssize_t
receive_plain(struct conn *c, void *p, size_t room, struct err *e)
{
	ssize_t n;

	do {
		n = recv(c->fd, p, room, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n == 0)
		(void)fail(e, ERR_CLOSED, "closed");
	else if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	else
		(void)broken(e);
	return -1;
}

static ssize_t
receive_tls(struct conn *c, void *p, size_t room, struct err *e)
{
	size_t n;

	switch (tls_session_read(c->tls, p, room, &n, e)) {
	case TLS_DONE:
		return (ssize_t)n;
	case TLS_WAIT:
		return 0;
	case TLS_FAILED:
		break;
	}
	return -1;
}

/* One read of what has arrived: its length, 0 when nothing has, -1 with *e. */
static ssize_t
receive(struct conn *c, struct err *e)
{
	size_t end, room;
	ssize_t n;

	make_room(c);
	end = c->in_at + c->in_n;
	room = c->in_room - end;
	if (room == 0)
		return 0;
	n = c->tls != NULL ? receive_tls(c, c->in + end, room, e)
			   : receive_plain(c, c->in + end, room, e);
	if (n <= 0)
		return n;
	c->in_n += (size_t)n;
	c->bytes_in += (uint64_t)n;
	c->message_bytes += n;
	if ((size_t)n == room && c->in_room < BLOCK_IO) {
		c->in_room = BLOCK_IO;
		c->in = must_realloc(c->in, c->in_room);
	}
	return n;
}

/* What the socket must become for TLS to go on; reading, too, may have to
 * write first. */
static short
awaited(const struct conn *c, short otherwise)
{
	if (c->tls == NULL)
		return otherwise;
	return tls_session_waits_to_write(c->tls) ? POLLOUT : POLLIN;
}

/* At least one byte more. */
static bool
fill(struct conn *c, struct err *e)
{
	ssize_t n;

	for (;;) {
		n = receive(c, e);
		if (n != 0)
			return n > 0;
		if (!wait_for(c, awaited(c, POLLIN), e))
			return false;
	}
}

static void
consume(struct conn *c, size_t n)
{
	must(n <= c->in_n);
	c->in_at += n;
	c->in_n -= n;
}

bool
conn_read(struct conn *c, void *p, size_t n, struct err *e)
{
	uint8_t *to = p;
	size_t part;

	while (n > 0) {
		if (c->in_n == 0 && !fill(c, e))
			return false;
		part = n < c->in_n ? n : c->in_n;
		memcpy(to, c->in + c->in_at, part);
		consume(c, part);
		to += part;
		n -= part;
	}
	return true;
}

bool
conn_take(struct conn *c, size_t max, struct str *out, struct err *e)
{
	must(max > 0);
	if (c->in_n == 0 && !fill(c, e))
		return false;
	*out = str_of(c->in + c->in_at, max < c->in_n ? max : c->in_n);
	consume(c, out->n);
	return true;
}

bool
conn_peek(struct conn *c, void *p, size_t n, struct err *e)
{
	must(n <= PEEK_MAX);
	while (c->in_n < n)
		if (!fill(c, e))
			return false;
	memcpy(p, c->in + c->in_at, n);
	return true;
}

bool
conn_look(struct conn *c, struct str *buffered, struct err *e)
{
	ssize_t n;

	if (c->in_n > 0 && c->in_at > 0) {
		memmove(c->in, c->in + c->in_at, c->in_n);
		c->in_at = 0;
	}
	do {
		n = receive(c, e);
	} while (n > 0);
	*buffered = str_of(c->in + c->in_at, c->in_n);
	return n == 0;
}

void
conn_cut(struct conn *c, size_t at, size_t n)
{
	uint8_t *from = c->in + c->in_at;

	must(at <= c->in_n && n <= c->in_n - at);
	memmove(from + at, from + at + n, c->in_n - at - n);
	c->in_n -= n;
}

/* Drop what was written from the front of the two parts. */
static void
advance(struct iovec v[2], size_t n)
{
	size_t i, part;

	for (i = 0; i < 2; i++) {
		part = n < v[i].iov_len ? n : v[i].iov_len;
		if (part == 0)
			continue;
		v[i].iov_base = (char *)v[i].iov_base + part;
		v[i].iov_len -= part;
		n -= part;
	}
}

/* A peer that takes everything at once keeps nobody waiting, and may be sent
 * gigabytes. */
static bool
ask_watch(struct conn *c, struct err *e)
{
	int64_t now;

	if (c->watch == NULL)
		return true;
	now = clock_mono_ms();
	if (now < c->watched_ms + WAIT_WATCH_MS)
		return true;
	c->watched_ms = now;
	if (c->watch->stop(c->watch->ctx))
		return fail(e, ERR_CANCELLED, "stopped");
	return true;
}

static bool
write_tls(struct conn *c, struct str a, struct str b, struct err *e)
{
	size_t n, of_a;

	while (a.n + b.n > 0) {
		switch (tls_session_write(c->tls, a, b, &n, e)) {
		case TLS_DONE:
			c->bytes_out += n;
			c->message_bytes += (int64_t)n;
			of_a = n < a.n ? n : a.n;
			a = str_of(a.p + of_a, a.n - of_a);
			b = str_of(b.p + (n - of_a), b.n - (n - of_a));
			break;
		case TLS_WAIT:
			if (!wait_for(c, awaited(c, POLLOUT), e))
				return false;
			break;
		case TLS_FAILED:
			return false;
		}
	}
	return true;
}

static bool
write_now(struct conn *c, struct str a, struct str b, struct err *e)
{
	struct iovec v[2] = {
	    {(void *)(uintptr_t)a.p, a.n}, {(void *)(uintptr_t)b.p, b.n}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	ssize_t n;

	if (!ask_watch(c, e))
		return false;
	if (c->tls != NULL)
		return write_tls(c, a, b, e);
	while (v[0].iov_len + v[1].iov_len > 0) {
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			c->bytes_out += (uint64_t)n;
			c->message_bytes += n;
			advance(v, (size_t)n);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (!wait_for(c, POLLOUT, e))
				return false;
		} else if (errno != EINTR) {
			return broken(e);
		}
	}
	return true;
}

static bool
write_held(struct conn *c, struct err *e)
{
	bool ok = c->held.n == 0 || write_now(c, buf_str(&c->held), STR(""), e);

	buf_clear(&c->held);
	return ok;
}

bool
conn_write2(struct conn *c, struct str a, struct str b, struct err *e)
{
	int64_t now;

	if (!c->holds)
		return write_now(c, a, b, e);
	now = clock_mono_ms();
	if (c->held.n == 0)
		c->held_since_ms = now;
	if (a.n + b.n > CONN_HELD - c->held.n && !write_held(c, e))
		return false;
	if (a.n + b.n > CONN_HELD)
		return write_now(c, a, b, e);
	buf_add(&c->held, a);
	buf_add(&c->held, b);
	return now - c->held_since_ms < CONN_HELD_MS || write_held(c, e);
}

void
conn_hold(struct conn *c)
{
	must(!c->holds);
	buf_init(&c->held, CONN_HELD);
	c->holds = true;
}

bool
conn_release(struct conn *c, struct err *e)
{
	bool ok = !c->holds || write_held(c, e);

	if (c->holds)
		buf_fini(&c->held);
	c->holds = false;
	return ok;
}

bool
conn_write(struct conn *c, struct str s, struct err *e)
{
	return conn_write2(c, s, STR(""), e);
}

bool
conn_buffered(const struct conn *c)
{
	return c->in_n > 0 || (c->tls != NULL && tls_session_pending(c->tls));
}

bool
conn_full(const struct conn *c)
{
	return c->in_n > 0 && c->in_at + c->in_n == c->in_room;
}

bool
conn_readable(struct conn *c)
{
	struct pollfd fd = {.fd = c->fd, .events = POLLIN | POLLRDHUP};

	return conn_buffered(c) || poll(&fd, 1, 0) > 0;
}

static bool
wait_tls(struct conn *c, int64_t deadline_ms)
{
	struct err told_again;

	while (receive(c, &told_again) == 0) {
		if (poll_until(c->fd, awaited(c, POLLIN), deadline_ms) == 0) {
			conn_idle(c);
			return false;
		}
	}
	return true;
}

bool
conn_wait(struct conn *c, int wait_ms)
{
	if (c->in_n > 0)
		return true;
	if (c->tls != NULL)
		return wait_tls(c, clock_mono_ms() + wait_ms);
	return poll_until(
		   c->fd, POLLIN | POLLRDHUP, clock_mono_ms() + wait_ms) > 0;
}

void
conn_finish(struct conn *c, int wait_ms)
{
	int64_t deadline_ms = clock_mono_ms() + wait_ms;
	char dropped[DRAIN_ROOM];
	ssize_t n;

	if (c->tls != NULL)
		tls_session_bye(c->tls);
	(void)shutdown(c->fd, SHUT_WR);
	c->in_n = 0;
	while (clock_mono_ms() < deadline_ms) {
		n = recv(c->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
			return;
		if (poll_until(c->fd, POLLIN, deadline_ms) == 0)
			return;
	}
}

void
conn_idle(struct conn *c)
{
	if (c->in_n > 0)
		return;
	free(c->in);
	c->in = NULL;
	c->in_at = c->in_room = 0;
}

void
conn_secure(struct conn *c, struct tls *tls, const char *host, const char *pin)
{
	must(c->tls == NULL && c->in_n == 0);
	c->tls = tls_session_new(tls, c->fd, host, pin);
}

const char *
conn_fingerprint(const struct conn *c)
{
	return c->tls != NULL ? tls_session_fingerprint(c->tls) : "";
}

/* Up to room bytes that have come, which stay where they are. */
static bool
look_ahead(struct conn *c, uint8_t *p, size_t room, size_t *got, struct err *e)
{
	ssize_t n;

	*got = 0;
	n = recv(c->fd, p, room, MSG_PEEK | MSG_DONTWAIT);
	if (n == 0)
		return fail(e, ERR_CLOSED, "closed");
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ||
		       errno == EINTR || broken(e);
	*got = (size_t)n;
	return true;
}

bool
conn_first(struct conn *c, uint8_t *first, bool *there, struct err *e)
{
	size_t n;

	must(c->tls == NULL && c->in_n == 0);
	if (!look_ahead(c, first, 1, &n, e))
		return false;
	*there = n > 0;
	return true;
}

/* What a TLS server answers to what is no TLS (RFC 8446 6.2): an alert, fatal,
 * unexpected_message. It tells a client that TLS is spoken here. */
static void
answer_foreign(struct conn *c)
{
	static const uint8_t alert[7] = {21, 3, 3, 0, 2, 2, 10};

	(void)!send(c->fd, alert, sizeof(alert), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The first bytes are looked at and left where they are: does a TLS hello come
 * (RFC 8446 5.1)? *done is false when nothing has come yet. */
static bool
check_hello(struct conn *c, bool *done, struct err *e)
{
	uint8_t first[2];
	size_t n;

	if (!look_ahead(c, first, sizeof(first), &n, e))
		return false;
	*done = n > 0;
	if (n == 0)
		return true;
	if (first[0] == 0x16 && (n < 2 || first[1] == 3))
		return true;
	answer_foreign(c);
	if (first[0] == 1)
		return fail(
		    e, ERR_PROTOCOL, "plain DICOM came to the DICOM TLS port");
	if (first[0] >= 'A' && first[0] <= 'Z')
		return fail(e, ERR_PROTOCOL,
		    "an HTTP request came to the DICOM TLS port");
	return fail(e, ERR_PROTOCOL,
	    "what came to the DICOM TLS port is no TLS hello (it begins with "
	    "the byte %02X)",
	    (unsigned)first[0]);
}

bool
conn_handshake(struct conn *c, bool *done, struct err *e)
{
	*done = false;
	if (!c->greeted && tls_session_is_server(c->tls)) {
		if (!check_hello(c, &c->greeted, e))
			return false;
		if (!c->greeted)
			return true;
	}
	for (;;) {
		switch (tls_session_handshake(c->tls, e)) {
		case TLS_DONE:
			*done = true;
			return true;
		case TLS_FAILED:
			return false;
		case TLS_WAIT:
			break;
		}
		if (awaited(c, POLLIN) == POLLIN)
			return true;
		/* Our few kilobytes: the socket takes them at once, if not
		 * then because the certificates are very long. */
		if (!wait_for(c, POLLOUT, e))
			return false;
	}
}

bool
conn_handshake_wait(struct conn *c, struct err *e)
{
	bool done;

	for (;;) {
		if (!conn_handshake(c, &done, e))
			return false;
		if (done)
			return true;
		if (!wait_for(c, POLLIN, e))
			return false;
	}
}
