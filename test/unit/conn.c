/*
 * Connections and listeners: bytes in every cut, deadlines, the end of the
 * stream, and that closing never destroys what was said last.
 */
#include "net/listen.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

/* A connection and the bare other end. */
static struct conn *
make(int *peer)
{
	int fds[2];

	if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0))
		return NULL;
	*peer = fds[1];
	return conn_new(fds[0]);
}

static void
say(int fd, const char *text)
{
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void
take_is(struct conn *c, size_t max, const char *text)
{
	struct str part;
	struct err e;

	if (CHECK(conn_take(c, max, &part, &e)))
		CHECK_STR(part, text);
}

TEST(reads_in_every_form)
{
	struct str all;
	struct err e;
	char p[16];
	int peer;
	struct conn *c = make(&peer);

	CHECK(!conn_buffered(c) && !conn_readable(c));
	say(peer, "abcdefghijkl");
	CHECK(conn_readable(c) && !conn_buffered(c));
	CHECK(conn_peek(c, p, 4, &e));
	CHECK_STR(str_of(p, 4), "abcd");
	CHECK(conn_buffered(c));
	CHECK(conn_read(c, p, 3, &e));
	CHECK_STR(str_of(p, 3), "abc");
	take_is(c, 2, "de");
	CHECK(conn_look(c, &all, &e));
	CHECK_STR(all, "fghijkl");
	conn_cut(c, 1, 3);
	CHECK(conn_look(c, &all, &e));
	CHECK_STR(all, "fjkl");
	say(peer, "mn");
	CHECK(conn_look(c, &all, &e));
	CHECK_STR(all, "fjklmn");
	take_is(c, 100, "fjklmn");
	CHECK(!conn_buffered(c));
	CHECK(c->in != NULL);
	conn_idle(c);
	CHECK(c->in == NULL);
	say(peer, "xy");
	CHECK(conn_wait(c, 1000));
	take_is(c, 1, "x");
	conn_idle(c);
	take_is(c, 1, "y");
	CHECK_EQ(c->bytes_in, 16);
	CHECK(!conn_wait(c, 10));
	close(peer);
	CHECK(conn_wait(c, 1000) && conn_readable(c));
	CHECK(!conn_look(c, &all, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	CHECK(!conn_read(c, p, 1, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	CHECK_STR(str_from(e.text), "closed");
	conn_free(&c);
	CHECK(c == NULL);
}

/* Waiting ends at the earliest of the three limits. */
TEST(deadlines)
{
	int64_t start = clock_mono_ms();
	struct err e;
	char p[4];
	int peer;
	struct conn *c = make(&peer);

	c->progress_ms = 30;
	CHECK(!conn_read(c, p, 1, &e));
	CHECK_EQ(e.code, ERR_TIMEOUT);
	CHECK(clock_mono_ms() - start >= 30);
	c->progress_ms = 60000;
	c->hard_deadline_ms = clock_mono_ms() + 30;
	CHECK(!conn_read(c, p, 1, &e));
	CHECK_EQ(e.code, ERR_TIMEOUT);
	c->hard_deadline_ms = 0;
	/* A message for which we have already waited nearly too long. */
	conn_message_begin(c);
	c->message_wait_ms = WAIT_RATE_GRACE_MS - 30;
	say(peer, "a");
	CHECK(conn_read(c, p, 1, &e));
	CHECK(!conn_read(c, p, 1, &e));
	CHECK_EQ(e.code, ERR_TIMEOUT);
	CHECK(strstr(e.text, "slow") != NULL);
	/* The same wait is fine for one that has brought much. */
	conn_message_begin(c);
	c->message_bytes = 60 * LIMIT_RATE_BYTES_S;
	c->message_wait_ms = WAIT_RATE_GRACE_MS + 1000;
	c->progress_ms = 20;
	CHECK(!conn_read(c, p, 1, &e));
	CHECK(strstr(e.text, "slow") == NULL);
	/* Between messages only progress counts. */
	conn_message_end(c);
	CHECK(!conn_read(c, p, 1, &e));
	CHECK(strstr(e.text, "slow") == NULL);
	CHECK(clock_mono_ms() - start < 30000);
	close(peer);
	conn_free(&c);
}

#define BULK (3 * MIB)

struct reader {
	int fd;
	size_t got;
	bool right;
};

static void
slow_reader(void *arg)
{
	struct reader *r = arg;
	uint8_t part[7777];
	ssize_t n;
	ssize_t i;

	r->right = true;
	while ((n = read(r->fd, part, sizeof(part))) > 0) {
		for (i = 0; i < n; i++)
			r->right =
			    r->right &&
			    part[i] == (uint8_t)((r->got + (size_t)i) % 251);
		r->got += (size_t)n;
	}
}

static uint8_t *
pattern(void)
{
	uint8_t *p = must_alloc(BULK);
	size_t i;

	for (i = 0; i < BULK; i++)
		p[i] = (uint8_t)(i % 251);
	return p;
}

static bool
second_time(void *ctx)
{
	return ++*(unsigned *)ctx >= 2;
}

TEST(watched)
{
	unsigned asked = 0;
	struct conn_watch watch = {second_time, &asked};
	static uint8_t block[8 * MIB];
	int64_t start = clock_mono_ms();
	struct err e;
	int peer;
	struct conn *c = make(&peer);

	c->watch = &watch;
	CHECK(!conn_read(c, block, 1, &e));
	CHECK_EQ(e.code, ERR_CANCELLED);
	CHECK_EQ(asked, 2);
	asked = 0;
	CHECK(!conn_write(c, str_of(block, sizeof(block)), &e));
	CHECK_EQ(e.code, ERR_CANCELLED);
	CHECK(clock_mono_ms() - start < WAIT_PROGRESS_MS);
	conn_free(&c);
	close(peer);
}

TEST(writes_everything)
{
	struct reader r = {0};
	uint8_t *p = pattern();
	struct thread t;
	struct err e;
	struct conn *c = make(&r.fd);

	CHECK(thread_start(&t, "reader", slow_reader, &r));
	CHECK(conn_write2(c, str_of(p, 5), str_of(p + 5, BULK - 6), &e));
	CHECK(conn_write(c, str_of(p + BULK - 1, 1), &e));
	CHECK_EQ(c->bytes_out, BULK);
	conn_free(&c);
	thread_join(&t);
	CHECK_EQ(r.got, BULK);
	CHECK(r.right);
	close(r.fd);
	free(p);
}

static void
bulk_writer(void *arg)
{
	int fd = *(int *)arg;
	uint8_t *p = pattern();
	size_t at = 0, n;
	ssize_t got;

	while (at < BULK) {
		n = at % 5 == 0 ? 100000 : 33333;
		if (n > BULK - at)
			n = BULK - at;
		got = write(fd, p + at, n);
		if (got < 0)
			break;
		at += (size_t)got;
	}
	free(p);
	close(fd);
}

/* Reads, slices and looks of changing sizes see one stream. */
TEST(held_writes_leave_together)
{
	static uint8_t much[CONN_HELD];
	uint8_t got[2 * CONN_HELD];
	int peer;
	struct conn *c = make(&peer);
	struct err e;

	conn_hold(c);
	CHECK(conn_write(c, STR("ab"), &e));
	CHECK(conn_write2(c, STR("cd"), STR("ef"), &e));
	CHECK(recv(peer, got, sizeof(got), MSG_DONTWAIT) < 0);
	/* What does not fit sends those before it. */
	CHECK(conn_write(c, str_of(much, sizeof(much)), &e));
	CHECK_EQ(recv(peer, got, sizeof(got), MSG_DONTWAIT), 6);
	CHECK(memcmp(got, "abcdef", 6) == 0);
	CHECK(conn_write(c, STR("x"), &e));
	CHECK_EQ(recv(peer, got, sizeof(got), MSG_DONTWAIT), CONN_HELD);
	CHECK(conn_release(c, &e));
	CHECK_EQ(recv(peer, got, sizeof(got), MSG_DONTWAIT), 1);
	CHECK(conn_release(c, &e));
	CHECK(conn_write(c, STR("y"), &e));
	CHECK_EQ(recv(peer, got, sizeof(got), MSG_DONTWAIT), 1);
	CHECK_EQ(c->bytes_out, CONN_HELD + 8);
	/* Nothing stays for long while others follow. */
	conn_hold(c);
	CHECK(conn_write(c, STR("z"), &e));
	while (recv(peer, got, 1, MSG_DONTWAIT) < 0)
		CHECK(conn_write(c, STR("z"), &e));
	/* A peer that left is told of at the release, at the latest. */
	close(peer);
	CHECK(conn_write(c, STR("z"), &e));
	CHECK(!conn_release(c, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	conn_free(&c);
}

TEST(bulk_in_odd_pieces)
{
	size_t at = 0, i, n = 1;
	struct str part;
	struct thread t;
	bool right = true;
	struct err e;
	uint8_t p[300];
	int peer;
	struct conn *c = make(&peer);

	CHECK(thread_start(&t, "writer", bulk_writer, &peer));
	while (at < BULK) {
		n = n * 31 % 70001;
		if (n % 3 == 0 && BULK - at >= n % sizeof(p)) {
			part = str_of(p, n % sizeof(p));
			if (!CHECK(conn_read(c, p, part.n, &e)))
				break;
		} else if (n % 3 == 1 && BULK - at >= 16) {
			if (!CHECK(conn_peek(c, p, 16, &e)))
				break;
			right = right && p[15] == (at + 15) % 251;
			continue;
		} else if (!CHECK(conn_take(c, n, &part, &e))) {
			break;
		}
		for (i = 0; i < part.n; i++)
			right = right && part.p[i] == (at + i) % 251;
		at += part.n;
	}
	CHECK_EQ(at, BULK);
	CHECK(right);
	CHECK_EQ(c->in_room, BLOCK_IO);
	CHECK(!conn_take(c, 1, &part, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	thread_join(&t);
	conn_free(&c);
}

TEST(write_to_a_peer_that_left)
{
	uint8_t *p = pattern();
	struct err e;
	int peer;
	struct conn *c = make(&peer);

	close(peer);
	CHECK(!conn_write(c, str_of(p, BULK), &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	conn_free(&c);
	free(p);
}

TEST(write_to_a_peer_that_does_not_read)
{
	uint8_t *p = pattern();
	struct err e;
	int peer;
	struct conn *c = make(&peer);

	c->progress_ms = 30;
	CHECK(!conn_write(c, str_of(p, BULK), &e));
	CHECK_EQ(e.code, ERR_TIMEOUT);
	conn_free(&c);
	close(peer);
	free(p);
}

struct arrivals {
	struct mutex lock;
	struct conn *conns[8];
	size_t n;
};

static void
arrived(void *ctx, struct conn *c)
{
	struct arrivals *a = ctx;

	mutex_lock(&a->lock);
	a->conns[a->n++] = c;
	mutex_unlock(&a->lock);
}

static size_t
wait_arrivals(struct arrivals *a, size_t n)
{
	int64_t end = clock_mono_ms() + 60000;
	size_t got;

	do {
		mutex_lock(&a->lock);
		got = a->n;
		mutex_unlock(&a->lock);
		clock_sleep_ms(1);
	} while (got < n && clock_mono_ms() < end);
	return got;
}

TEST(listen_and_connect)
{
	struct arrivals a = {.lock = MUTEX_INIT};
	struct listener *l, *second;
	struct conn *c;
	struct lot *lot;
	struct err e;
	uint16_t port;
	char p[8];

	if (!CHECK(lot_open(&lot, &e)) ||
	    !CHECK(listener_open(&l, lot, "127.0.0.1", 0, arrived, &a, &e)))
		return;
	port = listener_port(l);
	snprintf(p, sizeof(p), ":%u", (unsigned)port);
	CHECK(str_ends(str_from(listener_address(l)), str_from(p)));
	CHECK(str_starts(str_from(listener_address(l)), STR("127.0.0.1")));
	CHECK(!listener_open(&second, lot, "127.0.0.1", port, arrived, &a, &e));
	CHECK(strstr(e.text, "in use") != NULL);
	CHECK(second == NULL);
	if (CHECK(conn_open(&c, "127.0.0.1", port, 2000, NULL, &e)) &&
	    CHECK_EQ(wait_arrivals(&a, 1), 1)) {
		CHECK(a.conns[0]->peer.loopback);
		CHECK_STR(str_from(a.conns[0]->peer.address), "127.0.0.1");
		CHECK_EQ(a.conns[0]->local_port, port);
		CHECK_EQ(c->local_port, a.conns[0]->peer.port);
		CHECK(conn_write(c, STR("hello"), &e));
		CHECK(conn_read(a.conns[0], p, 5, &e));
		/* Last words survive a close with bytes unread. */
		CHECK(conn_write(c, STR("never read"), &e));
		CHECK(conn_wait(a.conns[0], 1000));
		CHECK(conn_write(a.conns[0], STR("bye"), &e));
		conn_free(&a.conns[0]);
		CHECK(conn_read(c, p, 3, &e));
		CHECK(!conn_read(c, p, 1, &e));
		CHECK_EQ(e.code, ERR_CLOSED);
		conn_free(&c);
	}
	listener_close(&l);
	CHECK(l == NULL);
	CHECK(!conn_open(&c, "127.0.0.1", port, 2000, NULL, &e));
	CHECK(strstr(e.text, "127.0.0.1") != NULL);
	CHECK(strstr(e.text, "refused") != NULL);
	/* At once again on the same port. */
	CHECK(listener_open(&l, lot, "localhost", port, arrived, &a, &e));
	lot_close(&lot);
	listener_close(&l);
}

TEST(listen_on_everything)
{
	struct arrivals a = {.lock = MUTEX_INIT};
	struct listener *l;
	struct conn *c;
	struct lot *lot;
	struct err e;

	if (!CHECK(lot_open(&lot, &e)) ||
	    !CHECK(listener_open(&l, lot, "", 0, arrived, &a, &e)))
		return;
	if (CHECK(
		conn_open(&c, "127.0.0.1", listener_port(l), 2000, NULL, &e)) &&
	    CHECK_EQ(wait_arrivals(&a, 1), 1)) {
		/* Mapped addresses are shown as what they are. */
		CHECK_STR(str_from(a.conns[0]->peer.address), "127.0.0.1");
		CHECK(a.conns[0]->peer.loopback);
		conn_free(&a.conns[0]);
		conn_free(&c);
	}
	listener_close(&l);
	CHECK(!listener_open(&l, lot, "192.0.2.1", 0, arrived, &a, &e));
	CHECK(strstr(e.text, "192.0.2.1") != NULL);
	CHECK(!listener_open(&l, lot, "no such host", 0, arrived, &a, &e));
	lot_close(&lot);
}

/* Without descriptors accepting rests, and goes on when there are some. */
TEST(accepting_survives_want_of_descriptors)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct arrivals a = {.lock = MUTEX_INIT};
	struct rlimit before, none;
	struct listener *l;
	struct lot *lot;
	struct err e;
	int fd;

	if (!CHECK(lot_open(&lot, &e)) ||
	    !CHECK(listener_open(&l, lot, "127.0.0.1", 0, arrived, &a, &e)))
		return;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	at.sin_port = htons(listener_port(l));
	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	none.rlim_cur = (rlim_t)fd + 1;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	clock_sleep_ms(50);
	CHECK_EQ(wait_arrivals(&a, 0), 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	CHECK_EQ(wait_arrivals(&a, 1), 1);
	conn_free(&a.conns[0]);
	listener_close(&l);
	lot_close(&lot);
	close(fd);
}

/* The peer sends on and on: finishing takes at most its time. */
TEST(finish)
{
	int64_t start;
	int peer;
	char p[2];
	struct conn *c = make(&peer);

	say(peer, "unread");
	start = clock_mono_ms();
	conn_finish(c, 40);
	CHECK(clock_mono_ms() - start >= 40);
	CHECK(clock_mono_ms() - start < 30000);
	CHECK_EQ(read(peer, p, 1), 0);
	close(peer);
	start = clock_mono_ms();
	conn_finish(c, 60000);
	CHECK(clock_mono_ms() - start < 30000);
	conn_free(&c);
}

TEST(small_when_idle)
{
	CHECK(sizeof(struct conn) <= 256);
}

static void
stop_soon(void *arg)
{
	(void)arg;
	clock_sleep_ms(20);
	conn_stop_all();
}

/* The last test: nothing waits in this process any more. */
TEST(stop_all)
{
	int64_t start = clock_mono_ms();
	struct thread t;
	struct err e;
	int peer;
	char p[1];
	struct conn *c = make(&peer);

	CHECK(thread_start(&t, "stop", stop_soon, NULL));
	CHECK(!conn_read(c, p, 1, &e));
	CHECK_EQ(e.code, ERR_CANCELLED);
	thread_join(&t);
	CHECK(!conn_wait(c, 60000));
	conn_finish(c, 60000);
	CHECK(clock_mono_ms() - start < 30000);
	close(peer);
	conn_free(&c);
}

TEST_MAIN
