/*
 * From the listener to a server: what a connection says first decides. A TLS
 * hello goes to the server that speaks TLS, anything else to the plain one,
 * which refuses in words while TLS is on. A hello where TLS is off is answered
 * in words too: a browser shows none, but curl and openssl do, and the log.
 */
#include "web/http/inside.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/os.h"

#include <microhttpd.h>
#include <sys/socket.h>

#define TLS_HANDSHAKE 0x16 /* RFC 8446 5.1 */

struct visitor {
	struct lot_item item;
	struct web *web;
	struct conn *conn;
	char address[CONN_ADDRESS_ROOM];
};

static void
leave(struct visitor *v)
{
	struct web *w = v->web;

	share_give(w, v->address);
	conn_free(&v->conn);
	free(v);
}

static void
visitor_gone(struct lot_item *item)
{
	leave((struct visitor *)item);
}

static void
visitor_late(struct lot_item *item)
{
	struct visitor *v = (struct visitor *)item;

	lot_forget(v->web->lot, item);
	leave(v);
}

static bool
tls_is_on(struct web *w)
{
	bool on;

	mutex_lock(&w->lock);
	on = w->config.tls;
	mutex_unlock(&w->lock);
	return on;
}

static void
say_plain_only(struct visitor *v)
{
	static const char words[] =
	    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
	    "Content-Type: text/plain\r\n\r\n"
	    "This port speaks HTTP without TLS: use http://, or set http.tls "
	    "on the server.\n";

	(void)send(
	    v->conn->fd, words, sizeof(words) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	log_info("http", "%s tried HTTPS, and http.tls is off",
	    v->conn->peer.address);
}

/* The socket is its server's from here on. */
static void
hand_over(struct visitor *v, struct MHD_Daemon *to)
{
	struct web *w = v->web;
	struct sockaddr_storage from = {0};
	socklen_t n = sizeof(from);
	int fd = v->conn->fd;
	bool ok;

	if (getpeername(fd, (struct sockaddr *)&from, &n) != 0) {
		leave(v);
		return;
	}
	(void)conn_give(&v->conn);
	/* It closes the socket when it fails. */
	ok = MHD_add_connection(to, fd, (struct sockaddr *)&from, n) == MHD_YES;
	if (!ok)
		share_give(w, v->address);
	free(v);
}

static void
visitor_ready(struct lot_item *item)
{
	struct visitor *v = (struct visitor *)item;
	struct web *w = v->web;
	uint8_t first;

	lot_forget(w->lot, item);
	if (recv(v->conn->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
		leave(v);
	} else if (first != TLS_HANDSHAKE) {
		/* A method begins with a letter, or a line is empty. */
		if ((first >= 'A' && first <= 'Z') || first == '\r' ||
		    first == '\n')
			hand_over(v, w->plain);
		else
			leave(v);
	} else if (tls_is_on(w)) {
		hand_over(v, w->secure);
	} else {
		say_plain_only(v);
		leave(v);
	}
}

void
door_arrived(void *ctx, struct conn *c)
{
	struct web *w = ctx;
	struct visitor *v;

	if (!share_take(w, c->peer.address)) {
		log_debug("http", "too many connections: %s is not answered",
		    c->peer.address);
		conn_free(&c);
		return;
	}
	v = must_zalloc(sizeof(*v));
	v->web = w;
	v->conn = c;
	(void)str_copy(
	    v->address, sizeof(v->address), str_from(c->peer.address));
	v->item = (struct lot_item){.fd = c->fd,
	    .ready = visitor_ready,
	    .late = visitor_late,
	    .gone = visitor_gone};
	lot_park(w->lot, &v->item, clock_mono_ms() + WAIT_HTTP_HEAD_MS);
}

bool
door_start(struct web *w, bool secure, struct err *e)
{
	struct MHD_Daemon **at = secure ? &w->secure : &w->plain;

	if (*at == NULL)
		*at = exchange_daemon(w, secure, e);
	return *at != NULL;
}
