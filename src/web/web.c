/*
 * The portal as a whole: its port, its servers and pools, its settings.
 */
#include "web/web.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/os.h"
#include "web/auth/secret.h"
#include "web/http/inside.h"
#include "web/link.h"

#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

static void
tick_gone(struct lot_item *item)
{
	(void)item;
}

static bool
is_auto(const char *address)
{
	return strcmp(address, "auto") == 0;
}

/* The names by which we are called. */
static bool
make_origin(const struct web_config *c, struct origin *o, struct err *e)
{
	char name[CALL_HOST] = "";

	*o = (struct origin){0};
	if (gethostname(name, sizeof(name) - 1) == 0)
		origin_add_name(o, str_from(name));
	origin_add_name(o, str_from(c->server_name));
	if (!is_auto(c->outside_address))
		origin_add_name(o, str_from(c->outside_address));
	return origin_set_proxies(o, str_from(c->proxies), e);
}

static struct door_place
place_of(const struct web_config *c)
{
	return (struct door_place){
	    .bind = c->bind, .port = c->port, .automatic = c->port_auto};
}

static bool
listen_there(struct web *w, const struct web_config *c, struct err *e)
{
	struct listener *l;
	bool ok = door_move(&w->door, place_of(&w->config), place_of(c), e);

	l = w->door.listener;
	mutex_lock(&w->lock);
	w->port = l != NULL ? listener_port(l) : 0;
	mutex_unlock(&w->lock);
	return ok || fail_in(e, "http.port");
}

bool
web_configure(struct web *w, const struct web_config *c, struct err *e)
{
	bool open = c->port != 0 || c->port_auto;
	struct origin origin;

	if (!make_origin(c, &origin, e))
		return false;
	if (open && c->tls &&
	    (!certificate_take(
		 &w->certificate, store_folder(w->store), c->cert, c->key, e) ||
		!door_start(w, true, e)))
		return false;
	if (open && !door_start(w, false, e))
		return false;
	if (!listen_there(w, c, e))
		return false;
	mutex_lock(&w->lock);
	w->config = *c;
	w->origin = origin;
	mutex_unlock(&w->lock);
	return true;
}

static bool
open_parts(struct web *w, struct err *e)
{
	return lot_open(&w->lot, e) &&
	       pool_open(&w->workers, "http", LIMIT_WORKERS_HTTP, e) &&
	       pool_open(&w->uploads, "upload", LIMIT_WORKERS_UPLOAD, e) &&
	       pool_open(&w->passwords, "password", LIMIT_WORKERS_PASSWORD, e);
}

bool
web_open(struct web **out, struct store *store, const struct web_config *c,
    struct err *e)
{
	struct web *w = must_zalloc(sizeof(*w));

	w->store = store;
	w->started_ms = clock_mono_ms();
	mutex_init(&w->lock);
	mutex_init(&w->gate);
	cond_init(&w->calm);
	mutex_init(&w->list_lock);
	map_init(&w->shares);
	certificate_init(&w->certificate);
	w->guard = guard_new(store);
	w->tick = (struct lot_item){.fd = -1,
	    .ready = watch_tick,
	    .late = watch_tick,
	    .gone = tick_gone};
	*out = w;
	if (open_parts(w, e)) {
		w->door = (struct door){.name = "http",
		    .lot = w->lot,
		    .accepted = door_arrived,
		    .ctx = w};
		lot_park(w->lot, &w->tick, clock_mono_ms() + 1000);
		if (web_configure(w, c, e))
			return true;
	}
	web_close(out, clock_mono_ms());
	return false;
}

/* Calls that are under way come to their end, or their time does. */
static void
wait_calm(struct web *w, int64_t deadline_ms)
{
	bool calm = true;

	mutex_lock(&w->gate);
	while (w->running > 0 && calm)
		calm = cond_wait_until(&w->calm, &w->gate, deadline_ms);
	w->closing = true;
	mutex_unlock(&w->gate);
	if (!calm)
		log_warning("http", "requests still run: they are broken off");
}

void
web_stop(struct web *w)
{
	door_close(&w->door);
}

void
web_close(struct web **out, int64_t deadline_ms)
{
	struct web *w = *out;

	if (w == NULL)
		return;
	*out = NULL;
	web_stop(w);
	wait_calm(w, deadline_ms);
	watch_end_all(w);
	/* Visitors that have said nothing yet; then nobody arrives. */
	if (w->lot != NULL)
		lot_close(&w->lot);
	/* What is suspended waits for one of these. */
	pool_close(&w->passwords);
	pool_close(&w->workers);
	pool_close(&w->uploads);
	if (w->plain != NULL)
		MHD_stop_daemon(w->plain);
	if (w->secure != NULL)
		MHD_stop_daemon(w->secure);
	certificate_fini(&w->certificate);
	guard_free(&w->guard);
	map_fini(&w->shares);
	mutex_fini(&w->list_lock);
	cond_fini(&w->calm);
	mutex_fini(&w->gate);
	mutex_fini(&w->lock);
	free(w);
}

bool
web_certificate_changed(struct web *w)
{
	return w->config.tls && certificate_changed(&w->certificate);
}

const char *
web_address(struct web *w)
{
	return w->door.address;
}

const char *
web_text(struct call *c, enum web_text_id id)
{
	struct web *w = c->web;
	const char *const texts[] = {
	    [WEB_INSTITUTION] = w->config.institution,
	    [WEB_DEPARTMENT] = w->config.department,
	    [WEB_VIEWER_NAME] = w->config.viewer_name,
	    [WEB_VIEWER_URL] = w->config.viewer_url,
	};
	const char *copy;

	mutex_lock(&w->lock);
	copy = arena_cstr(&c->arena, str_from(texts[id]));
	mutex_unlock(&w->lock);
	return copy != NULL ? copy : "";
}

bool
web_flag(struct call *c, enum web_flag_id id)
{
	bool on;

	mutex_lock(&c->web->lock);
	on = id == WEB_SANTE_LINKS ? c->web->config.sante_links
				   : c->web->config.token_question;
	mutex_unlock(&c->web->lock);
	return on;
}

void
web_orders(struct call *c, struct hl7_intake_config *out, char uid_for[256])
{
	mutex_lock(&c->web->lock);
	*out = c->web->config.orders;
	memcpy(uid_for, c->web->config.uid_for, 256);
	mutex_unlock(&c->web->lock);
	out->rules.uid_for = uid_for;
}

const char *
web_sante_link(struct call *c)
{
	struct str outside = str_from(web_outside(c)), host, port;
	size_t colon;
	const char *s;

	host = str_of(
	    outside.p + (c->secure ? 8 : 7), outside.n - (c->secure ? 8 : 7));
	for (colon = host.n; colon > 0 && host.p[colon - 1] != ':'; colon--)
		;
	port = colon > 0 && host.p[host.n - 1] != ']'
		   ? str_of(host.p + colon, host.n - colon)
		   : (c->secure ? STR("443") : STR("80"));
	if (colon > 0 && host.p[host.n - 1] != ']')
		host.n = colon - 1;
	s = arena_printf(&c->arena,
	    "sante://download?url=%.*s:%.*s&ssl=%s&token=%s", STR_ARG(host),
	    STR_ARG(port), c->secure ? "yes" : "no", c->viewer.visit.link);
	return s != NULL ? s : "";
}

/* Is this address, or name, that of this machine for itself alone? */
static bool
is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 ||
	       strncmp(host, "[::1]", 5) == 0 || strncmp(host, "::1", 3) == 0 ||
	       strncmp(host, "localhost", 9) == 0;
}

/* The address of this machine in the network through which others are reached;
 * nothing is sent. */
static bool
own_address(char *out, size_t room)
{
	/* RFC 5737 and 3849: nobody's, but on the way to everybody. */
	static const char *const places[] = {"192.0.2.1", "2001:db8::1"};
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	    .ai_socktype = SOCK_DGRAM};
	struct sockaddr_storage own;
	struct addrinfo *to;
	char text[64];
	socklen_t n;
	size_t i;
	bool ok = false;
	int fd;

	for (i = 0; i < ARRAY_LEN(places) && !ok; i++) {
		if (getaddrinfo(places[i], "9", &hints, &to) != 0)
			continue;
		n = sizeof(own);
		fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ok = fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) == 0 &&
		     getsockname(fd, (struct sockaddr *)&own, &n) == 0 &&
		     getnameinfo((struct sockaddr *)&own, n, text, sizeof(text),
			 NULL, 0, NI_NUMERICHOST) == 0;
		os_close(&fd);
		freeaddrinfo(to);
	}
	if (ok)
		snprintf(out, room, strchr(text, ':') ? "[%s]" : "%s", text);
	return ok && !is_loopback(text);
}

/* For links that are made at this machine but followed from others; not if it
 * listens to nobody else. */
static bool
outside_of_loopback(struct call *c, char *out, size_t room)
{
	bool alone;

	mutex_lock(&c->web->lock);
	alone = is_loopback(c->web->config.bind);
	mutex_unlock(&c->web->lock);
	return !alone && is_loopback(c->host) && own_address(out, room);
}

const char *
web_outside(struct call *c)
{
	struct web *w = c->web;
	char name[WEB_TEXT_ROOM];
	unsigned listening;
	const char *url;
	struct buf text;

	mutex_lock(&w->lock);
	memcpy(name,
	    w->config.server_name[0] != '\0' ? w->config.server_name
					     : w->config.outside_address,
	    sizeof(name));
	listening = w->port;
	mutex_unlock(&w->lock);
	if ((is_auto(name) || name[0] == '\0') &&
	    !outside_of_loopback(c, name, sizeof(name)))
		return call_origin(c);
	buf_init(&text, 2 * WEB_TEXT_ROOM);
	buf_text(&text, c->secure ? "https://" : "http://");
	link_authority(str_from(name), listening, c->secure, &text);
	url = arena_cstr(&c->arena, buf_str(&text));
	buf_fini(&text);
	return url != NULL ? url : call_origin(c);
}

/* Made anew at each start while there is no user. */
bool
web_setup(struct web *w, char *out, size_t room, struct err *e)
{
	const char *at = w->door.address;
	int64_t users;

	out[0] = '\0';
	if (!user_count(w->store, &users, e))
		return false;
	if (users > 0 || at[0] == '\0')
		return true;
	/* No browser goes to "all addresses". */
	if (strncmp(at, "[::]", 4) == 0)
		at += 4;
	else if (strncmp(at, "0.0.0.0", 7) == 0)
		at += 7;
	mutex_lock(&w->lock);
	secret_text(w->setup, sizeof(w->setup) - 1);
	snprintf(out, room, "%s://%s%s/setup?%s",
	    w->config.tls ? "https" : "http",
	    at != w->door.address ? "127.0.0.1" : "", at, w->setup);
	mutex_unlock(&w->lock);
	return true;
}
