/*
 * Connections in TLS: two ends over a socketpair, every cut of the stream, its
 * ends, and peers that do what is refused.
 */
#include "net/conn.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/thread.h"
#include "net/tls.h"

#include <ftw.h>
#include <gnutls/gnutls.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#define PATH_ROOM 256
#define WAIT_MS   60000

static char folder[64];
static struct tls *server_tls, *client_tls;

static const char *
in_folder(const char *name, char out[PATH_ROOM])
{
	snprintf(out, PATH_ROOM, "%s/%s", folder, name);
	return out;
}

__attribute__((constructor)) static void
make_pair(void)
{
	char cert[PATH_ROOM], key[PATH_ROOM];
	struct tls_config c = {.server = true,
	    .cert = cert,
	    .key = key,
	    .ca = "",
	    .client_cert = TLS_CLIENT_CERT_REQUEST};
	struct err e;

	must(test_folder(folder, sizeof(folder)));
	in_folder("cert.pem", cert);
	in_folder("key.pem", key);
	must(tls_make(cert, key, "localhost", &e));
	must(tls_new(&server_tls, &c, &e));
	c.server = false;
	must(tls_new(&client_tls, &c, &e));
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *w)
{
	(void)st;
	(void)flag;
	(void)w;
	return remove(path);
}

__attribute__((destructor)) static void
remove_pair(void)
{
	tls_unref(&server_tls);
	tls_unref(&client_tls);
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct ends {
	struct conn *server, *client;
};

static struct conn *
end_on(int fd, struct tls *t)
{
	struct conn *c = conn_new(fd);

	c->progress_ms = WAIT_MS;
	conn_secure(c, t, "localhost", "");
	return c;
}

static struct ends
open_ends(void)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	return (struct ends){
	    end_on(fds[0], server_tls), end_on(fds[1], client_tls)};
}

/* Turn about, in one thread. */
static bool
shake(struct ends *s, struct err *e)
{
	bool server = false, client = false;
	int i;

	for (i = 0; i < 20 && !(server && client); i++) {
		if (!client && !conn_handshake(s->client, &client, e))
			return false;
		if (!server && !conn_handshake(s->server, &server, e))
			return false;
	}
	return server && client;
}

static struct ends
shaken(void)
{
	struct ends s = open_ends();
	struct err e = {0};

	if (!CHECK(shake(&s, &e)))
		puts(e.text);
	return s;
}

static void
close_ends(struct ends *s)
{
	conn_free(&s->server);
	conn_free(&s->client);
}

TEST(both_ways)
{
	char cert[PATH_ROOM], want[TLS_FINGERPRINT_ROOM], p[32];
	struct ends s = shaken();
	struct str all;
	struct err e;

	CHECK(tls_fingerprint(in_folder("cert.pem", cert), want, &e));
	CHECK_STR(str_from(conn_fingerprint(s.client)), want);
	CHECK_STR(str_from(conn_fingerprint(s.server)), want);
	CHECK(!conn_wait(s.server, 0) && !conn_buffered(s.server));
	CHECK(s.server->in == NULL);
	CHECK(conn_write2(s.client, STR("header"), STR("body"), &e));
	CHECK(conn_wait(s.server, WAIT_MS));
	CHECK(conn_peek(s.server, p, 3, &e));
	CHECK_STR(str_of(p, 3), "hea");
	CHECK(conn_look(s.server, &all, &e));
	CHECK_STR(all, "headerbody");
	CHECK(conn_read(s.server, p, 10, &e));
	CHECK(!conn_buffered(s.server));
	CHECK(conn_write(s.server, STR("answer"), &e));
	CHECK(conn_read(s.client, p, 6, &e));
	CHECK_STR(str_of(p, 6), "answer");
	CHECK_EQ(s.server->bytes_in, 10);
	CHECK_EQ(s.client->bytes_in, 6);
	CHECK_EQ(s.client->bytes_out, 10);
	close_ends(&s);
}

/* More than is read lies decrypted in the session: it counts as buffered. */
TEST(what_lies_in_the_session_counts)
{
	uint8_t big[40000] = {0}, p[1];
	struct ends s = shaken();
	struct str part;
	size_t got = 0;
	struct err e;

	CHECK(conn_write(s.client, str_of(big, sizeof(big)), &e));
	CHECK(conn_read(s.server, p, 1, &e));
	got = 1;
	while (got < sizeof(big) && CHECK(conn_take(s.server, 777, &part, &e)))
		got += part.n;
	CHECK(!conn_buffered(s.server) && !conn_wait(s.server, 0));
	close_ends(&s);
}

#define BULK (3 * MIB)

static void
bulk(void *arg)
{
	struct conn *c = arg;
	uint8_t *p = must_alloc(BULK);
	struct err e;
	size_t i;

	for (i = 0; i < BULK; i++)
		p[i] = (uint8_t)(i % 251);
	CHECK(conn_write2(c, str_of(p, 6), str_of(p + 6, BULK - 7), &e));
	CHECK(conn_write(c, str_of(p + BULK - 1, 1), &e));
	free(p);
}

TEST(bulk_arrives_whole)
{
	struct ends s = shaken();
	bool right = true;
	size_t at = 0, i;
	struct thread t;
	struct str part;
	struct err e;

	CHECK(thread_start(&t, "bulk", bulk, s.client));
	while (at < BULK && CHECK(conn_take(s.server, 100003, &part, &e))) {
		for (i = 0; i < part.n; i++)
			right = right && part.p[i] == (at + i) % 251;
		at += part.n;
	}
	thread_join(&t);
	CHECK(right);
	CHECK_EQ(s.server->bytes_in, BULK);
	close_ends(&s);
}

/* close_notify, the end without one, and a reset are all the same to a
 * reader. */
TEST(ends)
{
	struct ends s = shaken();
	struct err e;
	char p[4];
	int fd;

	CHECK(conn_write(s.client, STR("last"), &e));
	conn_free(&s.client);
	CHECK(conn_read(s.server, p, 4, &e));
	CHECK(!conn_read(s.server, p, 1, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	CHECK_STR(str_from(e.text), "closed");
	/* And once more. */
	CHECK(conn_wait(s.server, 0));
	CHECK(!conn_read(s.server, p, 1, &e));
	CHECK_STR(str_from(e.text), "closed");
	close_ends(&s);

	s = shaken();
	CHECK(conn_write(s.client, STR("last"), &e));
	fd = s.client->fd;
	CHECK(shutdown(fd, SHUT_WR) == 0);
	CHECK(conn_read(s.server, p, 4, &e));
	CHECK(!conn_read(s.server, p, 1, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	CHECK_STR(str_from(e.text), "closed");
	close_ends(&s);
}

/* What the client sends reaches the server a byte at a time; after 'stop' of
 * them it is cut off. Returns how many came through. */
static size_t
relay(struct ends *s, int from_client, int to_server, size_t stop,
    bool *secured, struct err *e)
{
	bool server = false, client = false;
	size_t sent = 0;
	uint8_t block[4096];
	ssize_t n, i;
	int turns;

	for (turns = 0; turns < 20 && !(server && client); turns++) {
		if (!client && !conn_handshake(s->client, &client, e))
			break;
		n = recv(from_client, block, sizeof(block), MSG_DONTWAIT);
		for (i = 0; i < n && sent < stop; i++, sent++) {
			must(write(to_server, block + i, 1) == 1);
			if (!server && !conn_handshake(s->server, &server, e))
				return sent;
		}
		if (n > 0 && sent == stop)
			break;
		n = recv(to_server, block, sizeof(block), MSG_DONTWAIT);
		if (n > 0)
			must(write(from_client, block, (size_t)n) == n);
	}
	*secured = server && client;
	return sent;
}

TEST(every_byte_boundary_of_the_handshake)
{
	size_t stop = SIZE_MAX, whole = 0;
	int left[2], right[2];
	bool secured, done;
	struct ends s;
	struct err e;
	char p[1];

	for (;;) {
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, left) == 0);
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, right) == 0);
		s.client = end_on(left[0], client_tls);
		s.server = end_on(right[0], server_tls);
		secured = false;
		e = (struct err){0};
		if (stop == SIZE_MAX) {
			whole =
			    relay(&s, left[1], right[1], stop, &secured, &e);
			CHECK(secured);
			CHECK(whole > 200);
			stop = 0;
		} else {
			(void)relay(&s, left[1], right[1], stop, &secured, &e);
			CHECK(shutdown(right[1], SHUT_WR) == 0);
			/* Cut off: an error and no more. */
			if (CHECK(e.code == ERR_NONE))
				(void)(conn_handshake(s.server, &done, &e) &&
				       done && conn_read(s.server, p, 1, &e));
			CHECK_EQ(e.code, ERR_CLOSED);
			stop++;
		}
		close_ends(&s);
		close(left[1]);
		close(right[1]);
		if (stop > whole || test_misses > 10)
			break;
	}
}

/* A peer that can do what ours never does. */
struct peer {
	struct conn *server;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	int fd;
	bool ready;
};

static void
serve_peer(void *arg)
{
	struct peer *p = arg;
	struct err e;

	p->ready = conn_handshake_wait(p->server, &e);
}

static bool
open_peer(struct peer *p, const char *priority)
{
	struct thread t;
	int fds[2], code;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	p->server = end_on(fds[0], server_tls);
	p->fd = fds[1];
	must(gnutls_certificate_allocate_credentials(&p->credentials) == 0);
	must(gnutls_init(&p->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) == 0);
	must(gnutls_priority_set_direct(p->session, priority, NULL) == 0);
	must(gnutls_credentials_set(
		 p->session, GNUTLS_CRD_CERTIFICATE, p->credentials) == 0);
	gnutls_transport_set_int(p->session, p->fd);
	must(thread_start(&t, "server", serve_peer, p));
	do {
		code = gnutls_handshake(p->session);
	} while (code < 0 && !gnutls_error_is_fatal(code));
	if (code < 0)
		(void)shutdown(p->fd, SHUT_RDWR);
	thread_join(&t);
	return code == 0 && p->ready;
}

static void
close_peer(struct peer *p)
{
	gnutls_deinit(p->session);
	gnutls_certificate_free_credentials(p->credentials);
	conn_free(&p->server);
	close(p->fd);
}

static void
renegotiate(void *arg)
{
	struct peer *p = arg;
	int code;

	do {
		code = gnutls_handshake(p->session);
	} while (code < 0 && !gnutls_error_is_fatal(code) &&
		 code != GNUTLS_E_WARNING_ALERT_RECEIVED);
}

TEST(renegotiation_is_refused)
{
	struct peer p = {0};
	struct thread t;
	struct err e;
	char got[1];

	if (CHECK(open_peer(&p, "NORMAL:-VERS-ALL:+VERS-TLS1.2"))) {
		must(thread_start(&t, "again", renegotiate, &p));
		CHECK(!conn_read(p.server, got, 1, &e));
		CHECK_EQ(e.code, ERR_PROTOCOL);
		CHECK(strstr(e.text, "renegotiation") != NULL);
		CHECK(!conn_write(p.server, STR("x"), &e));
		(void)shutdown(p.fd, SHUT_RDWR);
		thread_join(&t);
	}
	close_peer(&p);
}

/* TLS's own records wake nobody, and what follows one is seen. */
TEST(key_updates_are_no_input)
{
	struct peer p = {0};
	struct err e;
	char got[2];
	ssize_t n;

	if (CHECK(open_peer(&p, "NORMAL:-VERS-ALL:+VERS-TLS1.3"))) {
		CHECK(
		    gnutls_session_key_update(p.session, GNUTLS_KU_PEER) == 0);
		CHECK(!conn_wait(p.server, 20));
		CHECK(p.server->in == NULL);
		CHECK(gnutls_session_key_update(p.session, 0) == 0);
		CHECK(gnutls_record_send(p.session, "ab", 2) == 2);
		CHECK(conn_wait(p.server, WAIT_MS));
		CHECK(conn_read(p.server, got, 2, &e));
		CHECK_STR(str_of(got, 2), "ab");
		CHECK(conn_write(p.server, STR("yz"), &e));
		do {
			n = gnutls_record_recv(p.session, got, 2);
		} while (n == GNUTLS_E_AGAIN);
		CHECK_EQ(n, 2);
		CHECK_STR(str_of(got, 2), "yz");
	}
	close_peer(&p);
}

static void
flood(void *arg)
{
	struct peer *p = arg;

	while (gnutls_session_key_update(p->session, 0) >= 0)
		continue;
}

TEST(a_flood_of_nothing_ends)
{
	struct peer p = {0};
	struct thread t;
	struct err e = {0};
	char got[1];

	if (CHECK(open_peer(&p, "NORMAL:-VERS-ALL:+VERS-TLS1.3"))) {
		must(thread_start(&t, "flood", flood, &p));
		CHECK(!conn_read(p.server, got, 1, &e));
		CHECK_EQ(e.code, ERR_PROTOCOL);
		(void)shutdown(p.fd, SHUT_RDWR);
		thread_join(&t);
	}
	close_peer(&p);
}

TEST(weak_peers_are_refused)
{
	static const char *const weak[] = {
	    "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:+SHA1",
	    "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
	    "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA",
	    "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC",
	};
	struct peer p;
	size_t i;

	for (i = 0; i < ARRAY_LEN(weak); i++) {
		p = (struct peer){0};
		if (!CHECK(!open_peer(&p, weak[i])))
			puts(weak[i]);
		close_peer(&p);
	}
}

TEST(a_flipped_bit_ends_it)
{
	struct ends s = shaken();
	uint8_t record[64];
	struct err e;
	ssize_t n;
	int raw[2];

	/* Catch a record on its way. */
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, raw) == 0);
	CHECK(conn_write(s.client, STR("abc"), &e));
	n = recv(s.server->fd, record, sizeof(record), 0);
	CHECK(n > 10);
	record[n - 1] ^= 1;
	CHECK(write(s.client->fd, record, (size_t)n) == n);
	CHECK(!conn_read(s.server, record, 1, &e));
	CHECK_EQ(e.code, ERR_PROTOCOL);
	CHECK(!conn_write(s.server, STR("x"), &e));
	close(raw[0]);
	close(raw[1]);
	close_ends(&s);
}

TEST(a_client_demands)
{
	char pin[TLS_FINGERPRINT_ROOM], cert[PATH_ROOM];
	struct ends s;
	struct err e;
	int fds[2];
	bool right;

	for (right = false;; right = true) {
		CHECK(tls_fingerprint(in_folder("cert.pem", cert), pin, &e));
		if (!right)
			pin[5] = pin[5] == 'a' ? 'b' : 'a';
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
		s.server = end_on(fds[0], server_tls);
		s.client = conn_new(fds[1]);
		conn_secure(s.client, client_tls, "localhost", pin);
		CHECK_EQ(shake(&s, &e), right);
		if (right)
			break;
		CHECK_EQ(e.code, ERR_DENIED);
		CHECK(strstr(e.text, "bound") != NULL);
		close_ends(&s);
	}
	close_ends(&s);
}

TEST(plain_and_tls_do_not_mix)
{
	struct conn *c;
	uint8_t p[7];
	struct err e;
	int fds[2];
	bool done;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	c = end_on(fds[0], server_tls);
	CHECK(conn_handshake(c, &done, &e) && !done);
	CHECK(write(fds[1], "\1\0\0\0", 4) == 4);
	CHECK(!conn_handshake(c, &done, &e));
	CHECK(strstr(e.text, "plain DICOM") != NULL);
	CHECK(read(fds[1], p, 7) == 7 && p[0] == 21);
	conn_free(&c);
	close(fds[1]);

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	c = end_on(fds[0], client_tls);
	CHECK(write(fds[1], "\7\0\0\0\0\4\0\0\0\0", 10) == 10);
	CHECK(!conn_handshake_wait(c, &e));
	CHECK(strstr(e.text, "does not speak TLS") != NULL);
	conn_free(&c);
	close(fds[1]);
}

/* Nothing waits longer than it may. */
TEST(deadlines_hold)
{
	struct conn *c;
	struct err e;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	c = end_on(fds[0], client_tls);
	c->hard_deadline_ms = clock_mono_ms() + 30;
	CHECK(!conn_handshake_wait(c, &e));
	CHECK_EQ(e.code, ERR_TIMEOUT);
	conn_free(&c);
	close(fds[1]);
}

TEST_MAIN
