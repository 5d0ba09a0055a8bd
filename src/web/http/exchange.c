/*
 * One request from its first line to its answer, between libmicrohttpd, whose
 * threads must not block, and the pools, in which handlers run.
 *
 *   NEW    its head is there: route, host, length are checked. A bad request is
 *          answered at once, before its body.
 *   ADMIT  (ROUTE_STREAM) suspended while a worker looks who it is
 *   BODY   the body comes: gathered, or passed to the handler that runs already
 *          through a ring of fixed size; suspended while that is full
 *   RUN    suspended while the handler runs
 *   READY  the answer goes out
 *
 * While a connection is suspended it belongs to the worker, who gives it back
 * by resuming it and then touches it no more. A streaming handler runs beside
 * the connection: what both touch is under the lock, and the exchange lives
 * until both have let go.
 */
#include "web/http/inside.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "web/auth/access.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <sys/socket.h>

#define RING (256 * KIB)
/* What of a refused body is thrown away before the connection is. */
#define DRAIN (64 * MIB)
/* TLS 1.2 and 1.3, ephemeral keys, ciphers with authentication: the same as
 * for DICOM (net/tls.c), as far as libmicrohttpd lets us say it. */
#define PRIORITY                                                               \
	"NONE:+VERS-TLS1.3:+VERS-TLS1.2:+CTYPE-X509:+COMP-NULL:+AEAD:"         \
	"+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"                        \
	"+ECDHE-ECDSA:+ECDHE-RSA:"                                             \
	"+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"                     \
	"+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512:"            \
	"+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:"           \
	"+SIGN-EDDSA-ED25519:+SIGN-RSA-PSS-RSAE-SHA256:"                       \
	"+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:"                 \
	"+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:"                  \
	"%SERVER_PRECEDENCE:%PROFILE_MEDIUM"

enum state { STATE_NEW, STATE_ADMIT, STATE_BODY, STATE_RUN, STATE_READY };

struct upload {
	struct mutex lock;
	struct cond more;                  /* bytes came, or no more will */
	struct MHD_Connection *connection; /* NULL: gone */
	uint8_t *ring;
	size_t at, n;
	bool held;     /* suspended: the ring is full, or all has come */
	bool whole;    /* all has come */
	bool finished; /* the handler has returned */
};

struct exchange {
	struct pool_job job;
	struct call call;
	struct reply reply;
	struct client *client;
	struct MHD_Connection *connection;
	enum state state;
	struct buf body;
	struct upload upload;
	uint64_t drained, bytes_in;
	unsigned status; /* of the answer that goes out */
	bool slow;       /* a password is checked first */
	bool aborted;
	atomic_int refs;
	char *target;
	struct head_line line;
};

bool
exchange_submit(struct web *w, struct pool *p, struct pool_job *job)
{
	bool ok;

	mutex_lock(&w->gate);
	ok = !w->closing;
	if (ok)
		pool_submit(p, job);
	mutex_unlock(&w->gate);
	return ok;
}

static void *
first_line(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *x = must_zalloc(sizeof(*x));
	struct web *w = cls;

	(void)connection;
	x->call.web = w;
	x->call.store = w->store;
	x->call.began_ms = clock_mono_ms();
	x->target = must_strdup(uri);
	x->line.target = uri;
	x->line.target_n = strlen(uri);
	arena_init(&x->call.arena, LIMIT_EXCHANGE);
	x->reply.call = &x->call;
	x->reply.arena = &x->call.arena;
	buf_init(&x->reply.body, LIMIT_HTTP_ANSWER);
	mutex_init(&x->upload.lock);
	cond_init(&x->upload.more);
	atomic_init(&x->refs, 1);
	mutex_lock(&w->gate);
	w->running++;
	mutex_unlock(&w->gate);
	return x;
}

static void
unref(struct exchange *x)
{
	struct web *w = x->call.web;

	if (atomic_fetch_sub(&x->refs, 1) > 1)
		return;
	reply_fini(&x->reply);
	buf_fini(&x->body);
	arena_fini(&x->call.arena);
	cond_fini(&x->upload.more);
	mutex_fini(&x->upload.lock);
	free(x->upload.ring);
	free(x->target);
	free(x);
	mutex_lock(&w->gate);
	if (--w->running == 0)
		cond_broadcast(&w->calm);
	mutex_unlock(&w->gate);
}

static bool
take_method(struct call *c, const char *name)
{
	int i;

	c->head = strcmp(name, "HEAD") == 0;
	if (c->head)
		name = "GET";
	for (i = 0; i < METHOD_COUNT; i++)
		if (strcmp(method_name((enum method)i), name) == 0) {
			c->method = (enum method)i;
			return true;
		}
	return false;
}

static void
refuse_method(struct exchange *x, unsigned allow)
{
	struct buf list;
	int i;

	buf_init(&list, 256);
	for (i = 0; i < METHOD_COUNT; i++)
		if (allow & (1U << i))
			buf_printf(&list, "%s%s%s", list.n > 0 ? ", " : "",
			    method_name((enum method)i),
			    i == METHOD_GET ? ", HEAD" : "");
	reply_refuse(
	    &x->reply, 405, "method", "this takes %s", buf_cstr(&list));
	reply_header(&x->reply, "Allow", buf_cstr(&list));
	buf_fini(&list);
}

static bool
decode_params(struct call *c)
{
	size_t i;

	for (i = 0; i < ROUTE_PARAMS; i++)
		if (c->params[i].p != NULL &&
		    !percent_decode(
			&c->arena, c->params[i], false, &c->params[i]))
			return false;
	return true;
}

/* Plain HTTP where TLS is on, or from elsewhere where it is not allowed. */
static bool
refuse_plain(struct exchange *x)
{
	struct call *c = &x->call;
	struct web *w = c->web;
	bool tls, allowed;
	const char *to;

	mutex_lock(&w->lock);
	tls = w->config.tls;
	allowed = w->config.allow_plain;
	mutex_unlock(&w->lock);
	if (c->secure || (!tls && (allowed || c->local)))
		return false;
	x->reply.page = true;
	if (!tls) {
		reply_refuse(&x->reply, 403, "plain",
		    "This server does not answer plain HTTP from another "
		    "machine, because names and passwords could be read on "
		    "their way. Whoever runs it can turn on http.tls, or "
		    "http.allow_plain.");
		return true;
	}
	reply_refuse(&x->reply, 400, "plain",
	    "This server speaks HTTPS: use https://%s", c->host);
	to = arena_printf(
	    &c->arena, "https://%s%.*s", c->host, STR_ARG(c->path));
	/* Nothing secret has a place in the path. */
	if (c->method == METHOD_GET && to != NULL) {
		x->reply.status = 308;
		reply_header(&x->reply, "Location", to);
	}
	return true;
}

static bool
take_origin(struct exchange *x)
{
	struct call *c = &x->call;
	struct origin_refusal why;
	bool ok;

	mutex_lock(&c->web->lock);
	ok = origin_take(
	    &c->web->origin, c, x->client->address, x->client->secure, &why);
	mutex_unlock(&c->web->lock);
	if (!ok)
		reply_refuse(&x->reply, why.status, why.code, "%s", why.text);
	return ok && !refuse_plain(x);
}

static bool
find_route(struct exchange *x)
{
	struct call *c = &x->call;
	unsigned allow;

	switch (route_find(c->method, c->path, &c->route, c->params, &allow)) {
	case ROUTE_FOUND:
		x->reply.page = (c->route->flags & ROUTE_PAGE) != 0;
		if (decode_params(c))
			return true;
		reply_refuse(&x->reply, 400, "wrong",
		    "the path is not percent-encoded UTF-8");
		return false;
	case ROUTE_NO_METHOD:
		refuse_method(x, allow);
		return false;
	case ROUTE_NO_PATH:
		break;
	}
	x->reply.page = !str_starts(c->path, STR("/api/"));
	reply_refuse(&x->reply, 404, "missing", "there is nothing here");
	return false;
}

/* Of what Content-Length says; a chunked body is measured as it comes. */
static bool
body_fits(struct exchange *x)
{
	const struct route *r = x->call.route;

	if (r->flags & ROUTE_STREAM || call_length(&x->call) <= r->body_max)
		return true;
	reply_refuse(&x->reply, 413, "too_large",
	    r->body_max > 0 ? "the body may have %zu bytes"
			    : "no body is taken here",
	    r->body_max);
	return false;
}

/* RFC 9110 8.4: nothing is inflated because a head says so. */
static bool
body_is_plain(struct exchange *x)
{
	struct str coding = call_header(&x->call, "Content-Encoding");

	if (coding.n == 0 || str_eq_nocase(coding, STR("identity")))
		return true;
	reply_refuse(&x->reply, 415, "coding",
	    "send the body as it is, without Content-Encoding");
	return false;
}

static bool
take_query(struct exchange *x)
{
	struct call *c = &x->call;
	struct err e;

	if (c->route->query == NULL ||
	    call_fields(c, c->query, c->route->query, &e))
		return true;
	reply_error(&x->reply, &e);
	return false;
}

static bool
take_head(struct exchange *x)
{
	struct call *c = &x->call;
	struct str target = str_from(x->target);
	size_t mark = str_find(target, '?');
	unsigned allow;

	c->path = str_of(target.p, mark);
	if (mark < target.n)
		c->query = str_of(target.p + mark + 1, target.n - mark - 1);
	if (!head_take(x->connection, &x->line, c) || c->path.n == 0 ||
	    c->path.p[0] != '/') {
		x->reply.close = true;
		reply_refuse(&x->reply, 400, "malformed",
		    "the head of the request is not clear");
		return false;
	}
	if (!take_method(c, x->line.method)) {
		/* RFC 9110 15.5.6: which ones there are is told. */
		if (route_find(METHOD_COUNT, c->path, &c->route, c->params,
			&allow) == ROUTE_NO_PATH)
			reply_refuse(
			    &x->reply, 404, "missing", "there is nothing here");
		else
			refuse_method(x, allow);
		return false;
	}
	return take_origin(x) && find_route(x) && body_fits(x) &&
	       body_is_plain(x) && take_query(x);
}

static bool
admit(struct exchange *x)
{
	struct err e;

	if (!access_admit(&x->call, &x->reply, &e)) {
		if (x->reply.status == 0)
			reply_error(&x->reply, &e);
		return false;
	}
	return true;
}

static void
handle(struct exchange *x)
{
	struct err e = {0};

	if (!x->call.route->run(&x->call, &x->reply, &e))
		reply_error(&x->reply, &e);
	if (x->call.arena.over && x->reply.status < 300)
		reply_refuse(&x->reply, 500, "too_large",
		    "the answer is too large; ask for less");
}

/* Here the connection is its server's again, which will ask for the answer. */
static void
ready(struct exchange *x)
{
	x->state = STATE_READY;
	MHD_resume_connection(x->connection);
}

/* A streaming handler goes on after the connection does. */
static void
run_stream(struct exchange *x)
{
	struct upload *u = &x->upload;

	u->connection = x->connection;
	u->ring = must_alloc(RING);
	x->call.upload = u;
	atomic_fetch_add(&x->refs, 1);
	x->state = STATE_BODY;
	MHD_resume_connection(x->connection);
	handle(x);
	mutex_lock(&u->lock);
	u->finished = true;
	if (u->held && u->connection != NULL) {
		u->held = false;
		MHD_resume_connection(u->connection);
	}
	mutex_unlock(&u->lock);
	unref(x);
}

/* In a worker, admitted; the connection is suspended. */
static void
run(struct pool_job *job)
{
	struct exchange *x = (struct exchange *)job;

	if (x->call.route->flags & ROUTE_STREAM) {
		run_stream(x);
		return;
	}
	handle(x);
	if (x->slow)
		atomic_fetch_sub(&x->call.web->password_queue, 1);
	ready(x);
}

/* The few threads that check passwords do nothing else. */
static bool
hand_on(struct exchange *x)
{
	struct web *w = x->call.web;
	unsigned flags = x->call.route->flags;

	if (!x->slow || flags & ROUTE_PASSWORD)
		return false;
	x->slow = false;
	atomic_fetch_sub(&w->password_queue, 1);
	x->job.run = run;
	if (!exchange_submit(
		w, flags & ROUTE_STREAM ? w->uploads : w->workers, &x->job)) {
		x->aborted = true;
		MHD_resume_connection(x->connection);
	}
	return true;
}

static void
run_admit(struct pool_job *job)
{
	struct exchange *x = (struct exchange *)job;

	/* In a thread that does nothing else: hashing passwords for who knows
	 * whom is to keep no image waiting. */
	if (x->slow)
		thread_give_way();
	if (!admit(x)) {
		if (x->slow)
			atomic_fetch_sub(&x->call.web->password_queue, 1);
		ready(x);
	} else if (!hand_on(x)) {
		run(job);
	}
}

static struct pool *
pool_for(struct exchange *x)
{
	struct web *w = x->call.web;

	if (x->slow)
		return w->passwords;
	return x->call.route->flags & ROUTE_STREAM ? w->uploads : w->workers;
}

/* Suspend, and have it run. False: too many wait already, that is the answer.
 */
static bool
start(struct exchange *x)
{
	struct web *w = x->call.web;

	x->slow = access_is_slow(&x->call);
	if (x->slow &&
	    atomic_fetch_add(&w->password_queue, 1) >= LIMIT_PASSWORD_QUEUE) {
		atomic_fetch_sub(&w->password_queue, 1);
		reply_refuse(&x->reply, 503, "busy",
		    "too many people are logging in; try again");
		reply_header(&x->reply, "Retry-After", "2");
		x->state = STATE_READY;
		return false;
	}
	x->job.run = run_admit;
	watch_phase(x->client, PHASE_RUN);
	MHD_suspend_connection(x->connection);
	if (!exchange_submit(w, pool_for(x), &x->job)) {
		x->aborted = true;
		MHD_resume_connection(x->connection);
	}
	return true;
}

static enum MHD_Result
send_reply(struct exchange *x)
{
	struct MHD_Response *m;
	enum MHD_Result result;
	unsigned status;

	watch_phase(x->client, PHASE_SEND);
	/* Where a chunked body ends, a program before us may see otherwise:
	 * the next request comes on a connection of its own. */
	if (call_header(&x->call, "Transfer-Encoding").p != NULL)
		x->reply.close = true;
	m = answer_make(&x->call, &x->reply, x->client, x->connection);
	if (m == NULL)
		return MHD_NO;
	status = x->reply.status;
	x->status = status;
	result = MHD_queue_response(x->connection, status, m);
	MHD_destroy_response(m);
	atomic_fetch_add(&x->call.web->counts.requests[status / 100 % 6], 1);
	log_debug("http", "%s: %s %.*s: %u after %lld ms", x->call.client,
	    x->call.head ? "HEAD" : method_name(x->call.method),
	    STR_ARG(x->call.path), status,
	    (long long)(clock_mono_ms() - x->call.began_ms));
	return result;
}

static bool
has_body(const struct call *c)
{
	return call_length(c) > 0 ||
	       call_header(c, "Transfer-Encoding").p != NULL;
}

static enum MHD_Result
begin(struct exchange *x, struct MHD_Connection *connection)
{
	x->connection = connection;
	x->client = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			->socket_context;
	x->state = STATE_BODY;
	if (!take_head(x)) {
		x->state = STATE_READY;
		/* Without a body the connection can be used again. */
		return has_body(&x->call) || x->reply.close ? send_reply(x)
							    : MHD_YES;
	}
	buf_init(&x->body, x->call.route->body_max);
	if (x->call.route->flags & ROUTE_STREAM) {
		x->state = STATE_ADMIT;
		if (!start(x))
			return send_reply(x);
	} else {
		watch_phase(x->client, PHASE_BODY);
	}
	return MHD_YES;
}

/* Bytes of a body for a handler that reads them as they come. */
static void
push(struct exchange *x, const char *p, size_t *n)
{
	struct upload *u = &x->upload;
	size_t take, end;

	mutex_lock(&u->lock);
	while (*n > 0 && u->n < RING && !u->finished) {
		end = (u->at + u->n) % RING;
		take = end < u->at ? u->at - end : RING - end;
		take = take < *n ? take : *n;
		memcpy(u->ring + end, p, take);
		u->n += take;
		p += take;
		*n -= take;
	}
	cond_signal(&u->more);
	if (u->finished) {
		x->drained += *n;
		*n = 0;
	} else if (*n > 0) {
		u->held = true;
		watch_hold(x->client);
		MHD_suspend_connection(x->connection);
	}
	mutex_unlock(&u->lock);
}

static enum MHD_Result
body_part(struct exchange *x, const char *p, size_t *n)
{
	size_t all = *n;

	if (x->call.upload != NULL) {
		push(x, p, n);
	} else {
		buf_add(&x->body, str_of(p, *n));
		if (x->body.over)
			x->drained += *n;
		*n = 0;
	}
	atomic_fetch_add(&x->client->bytes, (int64_t)(all - *n));
	x->bytes_in += all - *n;
	return x->drained > DRAIN ? MHD_NO : MHD_YES;
}

/* All of the body is there. */
static enum MHD_Result
body_end(struct exchange *x)
{
	struct upload *u = &x->upload;
	bool finished;

	if (x->call.upload != NULL) {
		mutex_lock(&u->lock);
		u->whole = true;
		cond_signal(&u->more);
		finished = u->finished;
		if (!finished) {
			u->held = true;
			watch_phase(x->client, PHASE_RUN);
			MHD_suspend_connection(x->connection);
		}
		mutex_unlock(&u->lock);
		return finished ? send_reply(x) : MHD_YES;
	}
	if (x->body.over) {
		reply_refuse(&x->reply, 413, "too_large",
		    "the body may have %zu bytes", x->body.cap);
		return send_reply(x);
	}
	x->call.body = buf_str(&x->body);
	if (x->call.route->flags & ROUTE_QUICK) {
		handle(x);
		return send_reply(x);
	}
	x->state = STATE_RUN;
	return start(x) ? MHD_YES : send_reply(x);
}

static enum MHD_Result
called(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *p, size_t *n,
    void **con_cls)
{
	struct exchange *x = *con_cls;

	(void)cls;
	(void)url;
	if (x == NULL || x->aborted)
		return MHD_NO;
	switch (x->state) {
	case STATE_NEW:
		x->line.method = method;
		x->line.version = version;
		return begin(x, connection);
	case STATE_READY:
		return send_reply(x);
	case STATE_BODY:
		/* After it was admitted: the head once more. */
		if (x->call.upload != NULL &&
		    atomic_load(&x->client->phase) == PHASE_RUN &&
		    !x->upload.whole) {
			watch_phase(x->client, PHASE_BODY);
			return MHD_YES;
		}
		watch_go_on(x->client);
		return *n > 0 ? body_part(x, p, n) : body_end(x);
	case STATE_ADMIT:
	case STATE_RUN:
		break;
	}
	return MHD_NO;
}

/* Its line begins with the time of day, in UTC as all of ours. Of a query what
 * the route knows by name; the others' may be a secret (/token?…). */
static void
deed_line(const struct exchange *x, char *out, size_t room)
{
	const struct call *c = &x->call;
	bool query = c->route->query != NULL && c->query.n > 0;
	char when[CLOCK_ISO_ROOM], path[400];
	struct str target = c->path;

	if (query)
		target = str_of(c->path.p, c->path.n + 1 + c->query.n);
	str_printable(path, sizeof(path), target);
	snprintf(out, room, "%.8s %s %s %u",
	    clock_iso(clock_utc_ms(), when) + 11,
	    c->head ? "HEAD" : method_name(c->method), path, x->status);
}

/* To the activity of the visit it belongs to. */
static void
note_deed(struct exchange *x)
{
	const struct call *c = &x->call;
	const struct route *r = c->route;
	struct visit_deed d = {.bytes_in = x->bytes_in};
	char line[512];
	size_t i;

	if (r == NULL || c->viewer.visit.name[0] == '\0' || x->client == NULL)
		return;
	d.bytes_in += strlen(x->target);
	for (i = 0; i < c->header_count; i++)
		d.bytes_in += c->headers[i].name.n + c->headers[i].value.n + 4;
	if (atomic_load(&x->client->phase) == PHASE_SEND)
		d.bytes_out = (uint64_t)atomic_load(&x->client->bytes);
	d.instances_in = c->instances_in;
	d.download = x->status < 300 && r->demand == RIGHT_DOWNLOAD;
	d.upload = x->status < 300 && r->demand == RIGHT_UPLOAD;
	d.search = x->status < 300 && r->demand == RIGHT_SEARCH &&
		   r->body == NULL && r->query != NULL && r->query[0] != '\0';
	if (!(r->flags & ROUTE_QUICK)) {
		deed_line(x, line, sizeof(line));
		d.line = line;
	}
	visit_note(c->web->guard, c->viewer.visit.name, &d);
}

static void
completed(void *cls, struct MHD_Connection *connection, void **con_cls,
    enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *con_cls;
	struct upload *u;

	(void)cls;
	(void)connection;
	(void)why;
	if (x == NULL)
		return;
	*con_cls = NULL;
	if (!x->aborted && x->status != 0)
		note_deed(x);
	if (x->client != NULL)
		watch_phase(x->client, PHASE_IDLE);
	u = &x->upload;
	mutex_lock(&u->lock);
	u->connection = NULL;
	cond_signal(&u->more);
	mutex_unlock(&u->lock);
	unref(x);
}

bool
call_read(struct call *c, void *p, size_t room, size_t *n, struct err *e)
{
	struct upload *u = c->upload;
	size_t take;

	*n = 0;
	mutex_lock(&u->lock);
	while (u->n == 0 && !u->whole && u->connection != NULL)
		cond_wait(&u->more, &u->lock);
	take = RING - u->at < u->n ? RING - u->at : u->n;
	take = take < room ? take : room;
	memcpy(p, u->ring + u->at, take);
	u->at = (u->at + take) % RING;
	u->n -= take;
	*n = take;
	if (take > 0 && u->held && !u->whole && u->n <= RING / 2 &&
	    u->connection != NULL) {
		u->held = false;
		MHD_resume_connection(u->connection);
	}
	take = take == 0 && !u->whole;
	mutex_unlock(&u->lock);
	return !take ||
	       fail(e, ERR_CLOSED, "the request ended before its body did");
}

/* As the door's connection has it (net/conn.h): it is counted by it. */
static void
address_of(const struct sockaddr *from, char out[CONN_ADDRESS_ROOM])
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *four = (const struct sockaddr_in *)from;

	if (from->sa_family == AF_INET)
		(void)inet_ntop(
		    AF_INET, &four->sin_addr, out, CONN_ADDRESS_ROOM);
	else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		(void)inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, out,
		    CONN_ADDRESS_ROOM);
	else
		(void)inet_ntop(
		    AF_INET6, &six->sin6_addr, out, CONN_ADDRESS_ROOM);
}

static void
connected(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;
	struct web *w = cls;
	struct client *c = *context;
	bool secure;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		*context = NULL;
		if (c != NULL)
			watch_remove(c);
		return;
	}
	secure = MHD_get_connection_info(
		     connection, MHD_CONNECTION_INFO_GNUTLS_SESSION) != NULL;
	info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	c = watch_add(w, info->connect_fd, secure);
	info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	address_of(info->client_addr, c->address);
	*context = c;
}

static void PRINTF(2, 0) heard(void *cls, const char *format, va_list v)
{
	char text[512];

	(void)cls;
	(void)vsnprintf(text, sizeof(text), format, v);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http", "%s", text);
}

/* We decode the path and the query ourselves. */
static size_t
leave_encoded(void *cls, struct MHD_Connection *connection, char *s)
{
	(void)cls;
	(void)connection;
	return strlen(s);
}

/* GnuTLS gives no argument of ours: there is one portal in a process. */
static struct certificate *certificate_in_use;

static int
certificate_asked(gnutls_session_t session, const gnutls_datum_t *names,
    int name_count, const gnutls_pk_algorithm_t *algorithms,
    int algorithm_count, gnutls_pcert_st **chain, unsigned *count,
    gnutls_privkey_t *key)
{
	(void)session;
	(void)names;
	(void)name_count;
	(void)algorithms;
	(void)algorithm_count;
	return certificate_now(certificate_in_use, chain, count, key) ? 0 : -1;
}

struct MHD_Daemon *
exchange_daemon(struct web *w, bool secure, struct err *e)
{
	struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, NULL},
	    {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, NULL},
	    {MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD |
			 MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
			 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	unsigned threads = thread_cores() < 8 ? thread_cores() : 8;
	static char priority[] = PRIORITY;
	struct MHD_Daemon *d;

	certificate_in_use = &w->certificate;
	tls[0].ptr_value = priority;
	tls[1].ptr_value = (void *)(intptr_t)&certificate_asked;
	d = MHD_start_daemon(secure ? flags | MHD_USE_TLS : flags, 0, NULL,
	    NULL, called, w, MHD_OPTION_EXTERNAL_LOGGER, heard, NULL,
	    MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 2,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_HTTP_CONNECTIONS,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_HTTP_HEAD,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(WAIT_HTTP_IDLE_MS / 1000),
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_STACK_SIZE,
	    (size_t)(256 * KIB), MHD_OPTION_URI_LOG_CALLBACK, first_line, w,
	    MHD_OPTION_NOTIFY_COMPLETED, completed, w,
	    MHD_OPTION_NOTIFY_CONNECTION, connected, w,
	    MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, w, MHD_OPTION_ARRAY,
	    secure ? tls : none, MHD_OPTION_END);
	if (d == NULL)
		(void)fail(e, ERR_IO, "the HTTP server does not start");
	return d;
}
