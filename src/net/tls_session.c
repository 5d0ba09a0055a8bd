/*
 * A TLS session on a socket.
 *
 * GnuTLS calls push() and pull(), which never wait. What a failed call left in
 * errno is kept, because the library has none of it; the first bytes of the
 * peer are kept too, to tell somebody who does not speak TLS at all.
 */
#include "net/tls_session.h"

#include "base/limit.h"
#include "net/tls_inside.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RECORD_MAX 16384 /* RFC 8446 5.1 */

struct tls_session {
	struct tls *tls;
	gnutls_session_t session;
	int fd;
	int broken_by; /* errno of the socket; 0 for its end */
	bool ready, said_bye;
	bool at_end;     /* the stream has ended, maybe within a record */
	struct err *why; /* it has failed; on the heap */
	bool writing;  /* a record is half out: send it on, with nothing new */
	size_t barren; /* bytes that came since there was anything in them */
	uint8_t first[4];
	size_t first_n;
	char *host;
	char pin[TLS_FINGERPRINT_ROOM], fingerprint[TLS_FINGERPRINT_ROOM];
	char refused[128]; /* why the certificate is not accepted */
};

static ssize_t
give_errno(struct tls_session *s)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
		gnutls_transport_set_errno(s->session, EAGAIN);
		return -1;
	}
	s->broken_by = errno;
	gnutls_transport_set_errno(s->session, errno);
	return -1;
}

static ssize_t
push(gnutls_transport_ptr_t p, const giovec_t *v, int count)
{
	struct tls_session *s = p;
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v,
	    .msg_iovlen = (size_t)count};
	ssize_t n;

	n = sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n >= 0 ? n : give_errno(s);
}

static ssize_t
pull(gnutls_transport_ptr_t p, void *to, size_t room)
{
	struct tls_session *s = p;
	size_t part;
	ssize_t n;

	n = recv(s->fd, to, room, MSG_DONTWAIT);
	if (n < 0)
		return give_errno(s);
	if (n == 0)
		s->at_end = true;
	s->barren += (size_t)n;
	part = sizeof(s->first) - s->first_n;
	if (part > (size_t)n)
		part = (size_t)n;
	memcpy(s->first + s->first_n, to, part);
	s->first_n += part;
	return n;
}

/* Never called: everything above is non-blocking. GnuTLS wants to have it. */
static int
pull_timeout(gnutls_transport_ptr_t p, unsigned ms)
{
	(void)p;
	(void)ms;
	return 1;
}

static const char *
reason_of(unsigned status)
{
	if (status & GNUTLS_CERT_REVOKED)
		return "it has been revoked";
	if (status & GNUTLS_CERT_EXPIRED)
		return "it has expired";
	if (status & GNUTLS_CERT_NOT_ACTIVATED)
		return "it is not valid yet";
	if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
		return "no trusted authority has signed it (dicom.tls_ca)";
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
		return "it is not for this host name";
	if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
		return "its key or signature is too weak";
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return "it is not meant for this purpose";
	return "its signature or form is wrong";
}

static int
refuse(struct tls_session *s, const char *why)
{
	(void)str_copy(s->refused, sizeof(s->refused), str_from(why));
	return GNUTLS_E_CERTIFICATE_ERROR;
}

static int
check_trust(struct tls_session *s)
{
	gnutls_typed_vdata_st data[2] = {
	    {.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (void *)(uintptr_t)(s->tls->server
						? GNUTLS_KP_TLS_WWW_CLIENT
						: GNUTLS_KP_TLS_WWW_SERVER)},
	    {.type = GNUTLS_DT_DNS_HOSTNAME, .data = (void *)s->host},
	};
	unsigned status = 0;
	int code;

	code = gnutls_certificate_verify_peers(
	    s->session, data, s->tls->server ? 1 : 2, &status);
	if (code != 0)
		return refuse(s, gnutls_strerror(code));
	return status == 0 ? 0 : refuse(s, reason_of(status));
}

/* Called within the handshake when the peer's certificate is there, or when
 * it has answered our asking with none. */
static int
verify(gnutls_session_t session)
{
	struct tls_session *s = gnutls_session_get_ptr(session);
	const gnutls_datum_t *chain;
	unsigned n = 0;

	chain = gnutls_certificate_get_peers(session, &n);
	if (chain == NULL || n == 0)
		return s->pin[0] != '\0' ? refuse(s, "it has shown none") : 0;
	if (!tls_fingerprint_of(&chain[0], s->fingerprint))
		return refuse(s, "it cannot be read");
	if (s->pin[0] != '\0')
		return strcmp(s->pin, s->fingerprint) == 0
			   ? 0
			   : refuse(s, "it is not the one bound to the node");
	return s->tls->verifies ? check_trust(s) : 0;
}

struct tls_session *
tls_session_new(struct tls *t, int fd, const char *host, const char *pin)
{
	struct tls_session *s = must_zalloc(sizeof(*s));
	unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS;

	s->tls = tls_ref(t);
	s->fd = fd;
	s->host = must_strdup(host);
	(void)str_copy(s->pin, sizeof(s->pin), str_from(pin));
	must(gnutls_init(&s->session,
		 flags | (t->server ? GNUTLS_SERVER
				    : GNUTLS_CLIENT |
					  GNUTLS_FORCE_CLIENT_CERT)) == 0);
	must(gnutls_priority_set(s->session, t->priority) == 0);
	must(gnutls_credentials_set(
		 s->session, GNUTLS_CRD_CERTIFICATE, t->credentials) == 0);
	gnutls_session_set_ptr(s->session, s);
	gnutls_session_set_verify_function(s->session, verify);
	gnutls_handshake_set_timeout(s->session, 0);
	gnutls_handshake_set_max_packet_length(s->session, LIMIT_TLS_HANDSHAKE);
	gnutls_transport_set_ptr(s->session, s);
	gnutls_transport_set_vec_push_function(s->session, push);
	gnutls_transport_set_pull_function(s->session, pull);
	gnutls_transport_set_pull_timeout_function(s->session, pull_timeout);
	if (t->server)
		gnutls_certificate_server_set_request(s->session,
		    t->client_cert == TLS_CLIENT_CERT_NONE ? GNUTLS_CERT_IGNORE
		    : t->client_cert == TLS_CLIENT_CERT_REQUIRE
			? GNUTLS_CERT_REQUIRE
			: GNUTLS_CERT_REQUEST);
	return s;
}

void
tls_session_free(struct tls_session **sp)
{
	struct tls_session *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	gnutls_deinit(s->session);
	tls_unref(&s->tls);
	free(s->host);
	free(s->why);
	free(s);
}

static bool
closed(struct err *e)
{
	return fail(e, ERR_CLOSED, "closed");
}

static bool
socket_failed(const struct tls_session *s, struct err *e)
{
	switch (s->broken_by) {
	case 0:
	case ECONNRESET:
	case EPIPE:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETRESET:
	case ENOTCONN:
		return closed(e);
	default:
		errno = s->broken_by;
		fail_errno(e, "the connection failed");
		e->code = ERR_IO;
		return false;
	}
}

/* The alert that told us of the end, in words where an operator can act. */
static bool
alerted(const struct tls_session *s, struct err *e)
{
	gnutls_alert_description_t alert = gnutls_alert_get(s->session);
	const char *name = gnutls_alert_get_name(alert);

	switch (alert) {
	case GNUTLS_A_BAD_CERTIFICATE:
	case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
	case GNUTLS_A_CERTIFICATE_REVOKED:
	case GNUTLS_A_CERTIFICATE_EXPIRED:
	case GNUTLS_A_CERTIFICATE_UNKNOWN:
	case GNUTLS_A_UNKNOWN_CA:
	case GNUTLS_A_ACCESS_DENIED:
		return fail(e, ERR_DENIED,
		    "the peer does not accept our certificate (TLS alert: %s)",
		    name);
	case GNUTLS_A_CERTIFICATE_REQUIRED:
		return fail(
		    e, ERR_DENIED, "the peer demands a certificate of ours");
	default:
		return fail(e, s->ready ? ERR_CLOSED : ERR_PROTOCOL,
		    "the peer ended TLS: %s",
		    name != NULL ? name : "an unknown alert");
	}
}

static bool
not_tls(const struct tls_session *s, struct err *e)
{
	if (s->first_n == 0)
		return fail(e, ERR_CLOSED,
		    "the peer closed the connection instead of answering in "
		    "TLS: it may not speak TLS");
	return fail(
	    e, ERR_PROTOCOL, "the peer does not speak TLS on this port");
}

/* Did the peer begin with anything but a TLS record (RFC 8446 5.1)? */
static bool
began_otherwise(const struct tls_session *s)
{
	return s->first_n > 0 && (s->first[0] < 20 || s->first[0] > 24 ||
				     (s->first_n > 1 && s->first[1] != 3));
}

static bool
certificate_refused(const struct tls_session *s, const char *why, struct err *e)
{
	return fail(e, ERR_DENIED, "the %s certificate is refused: %s",
	    s->tls->server ? "client's" : "node's", why);
}

static bool
explain(struct tls_session *s, int code, struct err *e)
{
	if (s->refused[0] != '\0')
		return certificate_refused(s, s->refused, e);
	if (!s->ready && !s->tls->server &&
	    (began_otherwise(s) || s->first_n == 0))
		return s->broken_by != 0 && s->broken_by != ECONNRESET &&
			       s->broken_by != EPIPE && s->first_n == 0
			   ? socket_failed(s, e)
			   : not_tls(s, e);
	if (s->at_end && code != GNUTLS_E_FATAL_ALERT_RECEIVED)
		return closed(e);
	switch (code) {
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_SESSION_EOF:
		return socket_failed(s, e);
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return alerted(s, e);
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
	case GNUTLS_E_CERTIFICATE_REQUIRED:
		return fail(e, ERR_DENIED,
		    "the client has shown no certificate "
		    "(dicom.tls_client_cert is require)");
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		return fail(
		    e, ERR_PROTOCOL, "the peer knows no TLS newer than 1.1");
	case GNUTLS_E_NO_CIPHER_SUITES:
	case GNUTLS_E_UNKNOWN_CIPHER_SUITE:
		return fail(e, ERR_PROTOCOL,
		    "the peer offers no cipher of BCP 195 that fits the "
		    "certificate");
	default:
		return fail(
		    e, ERR_PROTOCOL, "TLS failed: %s", gnutls_strerror(code));
	}
}

/* Whoever asks next is told the same. */
static enum tls_outcome
keep(struct tls_session *s, const struct err *e)
{
	if (s->why == NULL)
		s->why = must_alloc(sizeof(*s->why));
	*s->why = *e;
	return TLS_FAILED;
}

static enum tls_outcome
failed(struct tls_session *s, int code, struct err *e)
{
	/* What we refuse we explain to the peer too. */
	if (code != GNUTLS_E_FATAL_ALERT_RECEIVED && s->broken_by == 0)
		(void)gnutls_alert_send_appropriate(s->session, code);
	(void)explain(s, code, e);
	return keep(s, e);
}

static enum tls_outcome
fruitless(struct tls_session *s, struct err *e)
{
	(void)fail(e, ERR_PROTOCOL, "TLS records that bring nothing");
	return keep(s, e);
}

enum tls_outcome
tls_session_handshake(struct tls_session *s, struct err *e)
{
	int code;

	do {
		code = gnutls_handshake(s->session);
	} while (code == GNUTLS_E_INTERRUPTED ||
		 code == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (code == GNUTLS_E_AGAIN)
		return s->barren > 2 * LIMIT_TLS_HANDSHAKE ? fruitless(s, e)
							   : TLS_WAIT;
	if (code != 0)
		return failed(s, code, e);
	s->ready = true;
	s->barren = 0;
	free(s->host);
	s->host = NULL;
	return TLS_DONE;
}

static enum tls_outcome
again(struct tls_session *s, struct err *e)
{
	/* One whole record may be on its way. */
	if (s->barren > 8 * RECORD_MAX)
		return fruitless(s, e);
	return TLS_WAIT;
}

enum tls_outcome
tls_session_read(
    struct tls_session *s, void *p, size_t n, size_t *got, struct err *e)
{
	size_t before;
	ssize_t code;

	*got = 0;
	if (s->why != NULL) {
		*e = *s->why;
		return TLS_FAILED;
	}
	/* A record without data (a new key, say) hides none that follow. */
	do {
		before = s->barren;
		code = gnutls_record_recv(s->session, p, n);
	} while (code == GNUTLS_E_INTERRUPTED ||
		 code == GNUTLS_E_WARNING_ALERT_RECEIVED ||
		 (code == GNUTLS_E_AGAIN && s->barren != before &&
		     s->barren <= 8 * RECORD_MAX));
	if (code > 0) {
		s->barren = 0;
		*got = (size_t)code;
		return TLS_DONE;
	}
	if (code == GNUTLS_E_AGAIN)
		return again(s, e);
	if (code == 0) {
		/* The other direction stays open. */
		(void)closed(e);
		return TLS_FAILED;
	}
	if (code != GNUTLS_E_REHANDSHAKE)
		return failed(s, (int)code, e);
	(void)gnutls_alert_send(
	    s->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
	(void)fail(e, ERR_PROTOCOL, "TLS renegotiation, which is refused");
	return keep(s, e);
}

/* One record's worth of both parts. */
static ssize_t
send_record(struct tls_session *s, struct str a, struct str b)
{
	uint8_t both[RECORD_MAX];
	size_t max = gnutls_record_get_max_size(s->session), rest;

	if (max > sizeof(both))
		max = sizeof(both);
	if (a.n == 0 || a.n >= max || b.n == 0) {
		if (a.n == 0)
			a = b;
		return gnutls_record_send(
		    s->session, a.p, a.n < max ? a.n : max);
	}
	rest = b.n < max - a.n ? b.n : max - a.n;
	memcpy(both, a.p, a.n);
	memcpy(both + a.n, b.p, rest);
	return gnutls_record_send(s->session, both, a.n + rest);
}

enum tls_outcome
tls_session_write(struct tls_session *s, struct str a, struct str b,
    size_t *taken, struct err *e)
{
	ssize_t code;

	*taken = 0;
	if (s->why != NULL) {
		*e = *s->why;
		return TLS_FAILED;
	}
	do {
		code = s->writing ? gnutls_record_send(s->session, NULL, 0)
				  : send_record(s, a, b);
		s->writing =
		    code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED;
	} while (code == GNUTLS_E_INTERRUPTED);
	if (code == GNUTLS_E_AGAIN)
		return TLS_WAIT;
	if (code < 0)
		return failed(s, (int)code, e);
	*taken = (size_t)code;
	return TLS_DONE;
}

bool
tls_session_waits_to_write(const struct tls_session *s)
{
	return s->writing || gnutls_record_get_direction(s->session) == 1;
}

bool
tls_session_pending(const struct tls_session *s)
{
	return gnutls_record_check_pending(s->session) > 0;
}

void
tls_session_bye(struct tls_session *s)
{
	if (!s->ready || s->why != NULL || s->writing || s->said_bye)
		return;
	s->said_bye = true;
	(void)gnutls_bye(s->session, GNUTLS_SHUT_WR);
}

bool
tls_session_is_server(const struct tls_session *s)
{
	return s->tls->server;
}

const char *
tls_session_fingerprint(const struct tls_session *s)
{
	return s->fingerprint;
}

void
tls_session_describe(const struct tls_session *s, char *out, size_t room)
{
	char *text = gnutls_session_get_desc(s->session);

	(void)str_copy(out, room, str_from(text != NULL ? text : "TLS"));
	gnutls_free(text);
}
