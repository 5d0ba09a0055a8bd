/*
 * A reply as libmicrohttpd takes it: headers, ranges, and bytes from a source.
 *
 * A source is asked in the server's own thread for what it has at once. When it
 * must wait, the connection is suspended and a pool reads one block: a slow
 * client holds a block at most, and no thread.
 */
#include "web/http/inside.h"

#include "base/limit.h"
#include "base/log.h"

#include <microhttpd.h>

#define POLICY                                                                 \
	"default-src 'none'; script-src 'self'; style-src 'self'; "            \
	"img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "    \
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
#define POLICY_DATA "default-src 'none'; frame-ancestors 'none'"

struct stream {
	struct pool_job job;
	struct source *source;
	struct client *client;
	struct MHD_Connection *connection;
	uint64_t first, left; /* of the range; left: SOURCE_UNKNOWN */
	uint8_t *block;
	size_t at, n;
	bool asked, failed;
};

static void
stream_read(struct pool_job *job)
{
	struct stream *s = (struct stream *)job;
	struct MHD_Connection *connection = s->connection;
	struct err e;

	if (s->block == NULL)
		s->block = must_alloc(BLOCK_HTTP);
	s->at = 0;
	if (!s->source->read(
		s->source, s->first, s->block, BLOCK_HTTP, true, &s->n, &e)) {
		log_error("http", "an answer was cut off: %s", e.text);
		s->failed = true;
		s->n = 0;
	}
	s->asked = true;
	watch_go_on(s->client);
	MHD_resume_connection(connection);
}

static ssize_t
give_block(struct stream *s, char *p, size_t room)
{
	size_t n = s->n - s->at;

	if (n > room)
		n = room;
	memcpy(p, s->block + s->at, n);
	s->at += n;
	if (s->at == s->n) {
		free(s->block);
		s->block = NULL;
		s->n = s->at = 0;
	}
	return (ssize_t)n;
}

static ssize_t
gave(struct stream *s, ssize_t n)
{
	s->first += (uint64_t)n;
	if (s->left != SOURCE_UNKNOWN)
		s->left -= (uint64_t)n;
	s->asked = false;
	atomic_fetch_add(&s->client->bytes, n);
	atomic_fetch_add(&s->client->web->counts.bytes_out, (uint64_t)n);
	return n;
}

static ssize_t
stream_give(void *cls, uint64_t pos, char *p, size_t room)
{
	struct stream *s = cls;
	size_t n = 0;
	struct err e;

	(void)pos;
	if (s->failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->left != SOURCE_UNKNOWN && room > s->left)
		room = (size_t)s->left;
	if (s->n > s->at)
		return gave(s, give_block(s, p, room));
	if (s->asked || s->left == 0)
		return s->left == SOURCE_UNKNOWN || s->left == 0
			   ? MHD_CONTENT_READER_END_OF_STREAM
			   : MHD_CONTENT_READER_END_WITH_ERROR;
	if (!s->source->read(
		s->source, s->first, (uint8_t *)p, room, false, &n, &e))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n > 0)
		return gave(s, (ssize_t)n);
	watch_hold(s->client);
	MHD_suspend_connection(s->connection);
	if (!exchange_submit(
		s->client->web, s->client->web->workers, &s->job)) {
		s->failed = true;
		MHD_resume_connection(s->connection);
	}
	return 0;
}

static void
stream_free(void *cls)
{
	struct stream *s = cls;

	s->source->free(s->source);
	free(s->block);
	free(s);
}

static struct MHD_Response *
of_source(struct reply *r, uint64_t first, uint64_t size, struct client *client,
    struct MHD_Connection *connection)
{
	struct stream *s = must_zalloc(sizeof(*s));
	struct MHD_Response *m;

	s->job.run = stream_read;
	s->source = r->source;
	s->client = client;
	s->connection = connection;
	s->first = first;
	s->left = size;
	r->source = NULL;
	m = MHD_create_response_from_callback(
	    size == SOURCE_UNKNOWN ? MHD_SIZE_UNKNOWN : size, BLOCK_HTTP,
	    stream_give, s, stream_free);
	if (m == NULL)
		stream_free(s);
	return m;
}

/* RFC 9110 14.2: one range of bytes; what is more, or makes no sense, or comes
 * with HEAD, is answered whole. *ok false: it lies outside. */
static bool
take_range(
    struct call *c, uint64_t size, uint64_t *first, uint64_t *n, bool *ok)
{
	struct str s = call_header(c, "Range"), from, to;
	uint64_t a = 0, b = UINT64_MAX;
	size_t dash;

	*ok = true;
	if (c->method != METHOD_GET || c->head || !str_starts(s, STR("bytes=")))
		return false;
	s = str_of(s.p + 6, s.n - 6);
	dash = str_find(s, '-');
	if (dash == s.n || str_find(s, ',') < s.n)
		return false;
	from = str_trim(str_of(s.p, dash));
	to = str_trim(str_of(s.p + dash + 1, s.n - dash - 1));
	if ((from.n > 0 && !str_u64(from, &a)) ||
	    (to.n > 0 && !str_u64(to, &b)) || (from.n == 0 && to.n == 0))
		return false;
	if (from.n == 0) {
		a = b < size ? size - b : 0;
		*ok = b > 0 && size > 0;
		b = size - 1;
	} else {
		if (b < a)
			return false;
		*ok = a < size;
	}
	if (size > 0 && b > size - 1)
		b = size - 1;
	*first = a;
	*n = *ok ? b - a + 1 : 0;
	return true;
}

/* RFC 9110 13.1.5: a range is only for who has the same thing. */
static bool
same_thing(struct call *c, const struct reply *r)
{
	struct str is = call_header(c, "If-Range");
	size_t i;

	if (is.p == NULL)
		return true;
	for (i = 0; i < r->header_count; i++)
		if (strcmp(r->headers[i].name, "ETag") == 0 ||
		    strcmp(r->headers[i].name, "Last-Modified") == 0)
			if (str_eq_text(is, r->headers[i].value))
				return true;
	return false;
}

/* RFC 9110 13.2.2: only if it is what the client has, or has not. False: the
 * reply says so instead. */
static bool
is_wanted(struct call *c, struct reply *r)
{
	const char *tag = "";
	size_t i;

	for (i = 0; i < r->header_count; i++)
		if (strcmp(r->headers[i].name, "ETag") == 0)
			tag = r->headers[i].value;
	if (call_header(c, "If-Match").p != NULL &&
	    !call_lists_tag(c, "If-Match", tag, false)) {
		reply_refuse(r, 412, "changed",
		    "this is not what it was before: fetch it anew");
		return false;
	}
	if (!call_lists_tag(c, "If-None-Match", tag, true))
		return true;
	reply_clear(r);
	r->status = 304;
	r->type = NULL;
	reply_header(r, "ETag", tag);
	return false;
}

static struct MHD_Response *
source_response(struct call *c, struct reply *r, struct client *client,
    struct MHD_Connection *connection)
{
	uint64_t size = r->source->size, first = 0, n = size;
	const char *text;
	bool ok;

	if (!r->ranges || size == SOURCE_UNKNOWN || r->status > 200)
		return of_source(r, 0, size, client, connection);
	if (!is_wanted(c, r))
		return NULL;
	reply_header(r, "Accept-Ranges", "bytes");
	if (!same_thing(c, r) || !take_range(c, size, &first, &n, &ok))
		return of_source(r, 0, size, client, connection);
	if (!ok) {
		reply_refuse(r, 416, "range", "there are %llu bytes",
		    (unsigned long long)size);
		text = arena_printf(
		    &c->arena, "bytes */%llu", (unsigned long long)size);
		reply_header(r, "Content-Range", text != NULL ? text : "");
		return NULL;
	}
	r->status = 206;
	text = arena_printf(&c->arena, "bytes %llu-%llu/%llu",
	    (unsigned long long)first, (unsigned long long)(first + n - 1),
	    (unsigned long long)size);
	reply_header(r, "Content-Range", text != NULL ? text : "");
	return of_source(r, first, n, client, connection);
}

static struct MHD_Response *
of_body(struct reply *r, struct client *client)
{
	struct MHD_Response *m;

	atomic_fetch_add(&client->bytes, (int64_t)r->body.n);
	atomic_fetch_add(&client->web->counts.bytes_out, r->body.n);
	if (r->body.n == 0)
		return MHD_create_response_from_buffer(
		    0, NULL, MHD_RESPMEM_PERSISTENT);
	m = MHD_create_response_from_buffer_with_free_callback(
	    r->body.n, r->body.p, free);
	if (m != NULL)
		r->body.p = NULL;
	return m;
}

static void
add(struct MHD_Response *m, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		(void)MHD_add_response_header(m, name, value);
}

/* RFC 9110 11.6.1. A browser that is asked for HTTP Basic shows a dialog of its
 * own instead of our page, and keeps what is typed there: it is not asked. */
static void
add_challenges(struct MHD_Response *m, const struct call *c)
{
	add(m, "WWW-Authenticate", "Bearer realm=\"Fileroom\"");
	if (!str_starts(call_header(c, "User-Agent"), STR("Mozilla/")))
		add(m, "WWW-Authenticate",
		    "Basic realm=\"Fileroom\", charset=\"UTF-8\"");
}

static void
add_headers(struct MHD_Response *m, const struct call *c, const struct reply *r)
{
	const char *policy = r->policy;
	size_t i;

	if (policy == NULL)
		policy = r->page || (r->type != NULL &&
					strncmp(r->type, "text/html", 9) == 0)
			     ? POLICY
			     : POLICY_DATA;
	add(m, "Content-Type", r->type);
	add(m, "Cache-Control", r->cache != NULL ? r->cache : "no-store");
	add(m, "Content-Security-Policy", policy);
	add(m, "X-Content-Type-Options", "nosniff");
	add(m, "X-Frame-Options", "DENY");
	add(m, "Referrer-Policy", "no-referrer");
	add(m, "Cross-Origin-Opener-Policy", "same-origin");
	add(m, "Cross-Origin-Resource-Policy", "same-origin");
	add(m, "Permissions-Policy",
	    "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
	/* RFC 6797 8.1: browsers heed it only where the certificate is good. */
	if (c->secure)
		add(m, "Strict-Transport-Security", "max-age=31536000");
	for (i = 0; i < r->header_count; i++)
		add(m, r->headers[i].name, r->headers[i].value);
	if (r->status == 401)
		add_challenges(m, c);
	if (r->close)
		add(m, "Connection", "close");
}

struct MHD_Response *
answer_make(struct call *c, struct reply *r, struct client *client,
    struct MHD_Connection *connection)
{
	struct MHD_Response *m = NULL;

	if (r->status == 0)
		r->status = 200;
	if (r->source == NULL && r->body.over)
		reply_refuse(r, 500, "too_large",
		    "the answer is too large; ask for less");
	if (r->source != NULL)
		m = source_response(c, r, client, connection);
	if (m == NULL && r->source == NULL)
		m = of_body(r, client);
	if (m != NULL)
		add_headers(m, c, r);
	return m;
}
