/*
 * The one place where it is decided who may call what, see access.h.
 *
 * In this order: who is it (API key, HTTP Basic, cookie), does the request come
 * from a page of ours, may he call this route, may he see this study. Who has
 * credentials that are wrong is told so, also where none are needed.
 *
 * A browser sends cookies, and the names and passwords of HTTP Basic, with
 * requests that other sites' pages make. Such a request must say that it comes
 * from us (Sec-Fetch-Site, Origin), and one with a cookie that changes
 * something must also repeat the token of its visit, which only our own pages
 * can read.
 */
#include "web/auth/access.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/utf8.h"
#include "store/table/password.h"
#include "web/auth/link.h"
#include "web/auth/secret.h"
#include "web/http/inside.h"

#include <strings.h>

#define TOKEN_HEADER "X-Fileroom-Token"

static struct str
credentials(const struct call *c, const char *scheme)
{
	struct str s = call_header(c, "Authorization");
	size_t n = strlen(scheme);

	if (s.n <= n || strncasecmp((const char *)s.p, scheme, n) != 0 ||
	    s.p[n] != ' ')
		return str_of(NULL, 0);
	return str_trim(str_of(s.p + n, s.n - n));
}

bool
access_is_slow(const struct call *c)
{
	struct str basic = credentials(c, "Basic");
	int64_t user, generation;

	if (c->route->flags & ROUTE_PASSWORD)
		return true;
	return basic.p != NULL &&
	       !guard_knows(c->web->guard, basic, &user, &generation);
}

/* RFC 4648 4; false on anything else. */
static bool
base64(struct str in, uint8_t *out, size_t room, size_t *n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at;
	unsigned bits = 0, have = 0;
	size_t i;

	*n = 0;
	while (in.n > 0 && in.p[in.n - 1] == '=')
		in.n--;
	for (i = 0; i < in.n; i++) {
		at = in.p[i] != 0 ? strchr(letters, in.p[i]) : NULL;
		if (at == NULL)
			return false;
		bits = (bits << 6 | (unsigned)(at - letters)) & 0xffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (*n == room)
			return false;
		out[(*n)++] = (uint8_t)(bits >> have);
	}
	return true;
}

static void
wrong(struct reply *r, const char *text)
{
	reply_refuse(r, 401, "wrong_credentials", "%s", text);
}

void
access_failed(struct call *c, const char *who, const char *why)
{
	visit_failed(
	    c->web->guard, who, why, c->client, call_header(c, "User-Agent"));
}

bool
access_password(struct call *c, struct reply *r, struct str name,
    struct str password, struct user *out)
{
	struct guard *g = c->web->guard;
	struct str account = utf8_fold_accents(&c->arena, name);
	struct err e;
	char wait[16];
	int wait_s;
	bool there, right, too_long;

	if (!guard_may_try(g, account, c->client, &wait_s)) {
		reply_refuse(r, 429, "too_often",
		    "too many failures; try again in %d minutes",
		    (wait_s + 59) / 60);
		snprintf(wait, sizeof(wait), "%d", wait_s);
		reply_header(r, "Retry-After", wait);
		return false;
	}
	there = user_find(c->store, name, out, &e);
	if (!there && e.code != ERR_MISSING) {
		reply_error(r, &e);
		return false;
	}
	/* Who is not there, or may not come, takes as long; and what no
	 * password can be. */
	too_long = password.n > 4 * PASSWORD_MOST;
	if (too_long)
		password.n = 4 * PASSWORD_MOST;
	right =
	    password_verify(password, there && !too_long ? out->hash : NULL);
	if (right && there && out->active) {
		/* Who has a second factor has not come in yet: failures with
		 * it count on. */
		if (!out->second)
			guard_succeeded(g, account);
		return true;
	}
	guard_failed(g, account, c->client);
	access_failed(c, there ? out->name : "", "wrong user name or password");
	log_info("http", "a login from %s failed", c->client);
	wrong(r, "the user name or the password is wrong");
	return false;
}

static bool
use_user(struct call *c, struct reply *r, int64_t id, int64_t generation,
    struct err *e)
{
	struct viewer *v = &c->viewer;

	if (!guard_user(c->web->guard, id, &v->user, e) &&
	    e->code != ERR_MISSING)
		return false;
	if (v->user.id != id || !v->user.active ||
	    v->user.generation != generation) {
		reply_refuse(r, 401, "ended", "log in again");
		return false;
	}
	v->kind = VIEWER_USER;
	return true;
}

static bool
take_basic(struct call *c, struct reply *r, struct str text, struct err *e)
{
	struct guard *g = c->web->guard;
	uint8_t plain[8 * KIB];
	int64_t id, generation;
	struct str name, password;
	struct user u;
	size_t n, colon;
	bool ok;

	c->viewer.by = BY_BASIC;
	if (guard_knows(g, text, &id, &generation) &&
	    use_user(c, r, id, generation, e))
		return true;
	reply_clear(r);
	if (!base64(text, plain, sizeof(plain), &n)) {
		wrong(r, "the header Authorization is no HTTP Basic");
		return false;
	}
	name = str_of(plain, n);
	colon = str_find(name, ':');
	password = str_of(plain + colon, colon < n ? n - colon - 1 : 0);
	if (colon < n)
		password.p++;
	name.n = colon;
	ok = access_password(c, r, name, password, &u);
	explicit_bzero(plain, sizeof(plain));
	/* The users in memory may be older than the one who was just found. */
	guard_forget(g);
	if (ok && u.second) {
		wrong(r, "this user has a second factor: use an API key");
		return false;
	}
	if (!ok || !use_user(c, r, u.id, u.generation, e))
		return false;
	guard_learns(g, text, u.id, u.generation);
	return true;
}

static bool
take_key(struct call *c, struct reply *r, struct str key, struct err *e)
{
	struct guard *g = c->web->guard;
	struct api_key found;
	uint8_t hash[32];
	struct user u;
	int wait_s;

	c->viewer.by = BY_KEY;
	secret_hash(key, hash);
	if (!guard_may_try(g, STR(""), c->client, &wait_s)) {
		reply_refuse(r, 429, "too_often", "too many failures");
		return false;
	}
	if (!api_key_find(c->store, hash, &found, e)) {
		if (e->code != ERR_MISSING)
			return false;
		guard_failed(g, key, c->client);
		access_failed(c, "", "wrong API key");
		wrong(r, "the API key is wrong");
		return false;
	}
	if (!guard_user(g, found.user, &u, e)) {
		guard_forget(g);
		if (guard_user(g, found.user, &u, e))
			return use_user(c, r, u.id, u.generation, e);
		if (e->code == ERR_MISSING)
			wrong(r, "the API key is wrong");
		return false;
	}
	return use_user(c, r, u.id, u.generation, e);
}

#define COOKIE_ROOM 40

static const char *
cookie_name(const struct call *c)
{
	return c->secure ? "__Host-fileroom" : "fileroom";
}

/* Of the link with this name; "" for what begins all of them. */
static void
link_cookie_name(const struct call *c, const char *link, char out[COOKIE_ROOM])
{
	snprintf(out, COOKIE_ROOM, "%s-link-%s", cookie_name(c), link);
}

/* The name of the link that the request is about. */
static bool
link_asked(const struct call *c, char out[LINK_NAME])
{
	struct str s;

	if (!(c->route->flags & ROUTE_LINK))
		return false;
	if (route_param(c->route, "study") >= 0) {
		link_name(call_param(c, "study"), out);
		return true;
	}
	s = call_param(c, "link");
	return s.n == LINK_NAME - 1 && str_copy(out, LINK_NAME, s);
}

static struct str
link_cookie(const struct call *c)
{
	char link[LINK_NAME], name[COOKIE_ROOM];

	if (!link_asked(c, link))
		return str_of(NULL, 0);
	link_cookie_name(c, link, name);
	return call_cookie(c, name);
}

/* Has the browser the cookie of some link? */
static bool
has_link_cookie(const struct call *c)
{
	struct str rest = call_header(c, "Cookie"), name, value;
	char begins[COOKIE_ROOM];

	link_cookie_name(c, "", begins);
	while (call_next_cookie(&rest, &name, &value))
		if (str_starts(name, str_from(begins)))
			return true;
	return false;
}

static bool
take_cookie(struct call *c, struct reply *r, struct err *e)
{
	struct str cookie = call_cookie(c, cookie_name(c));
	struct viewer *v = &c->viewer;

	if (cookie.p == NULL || !visit_find(c->web->guard, cookie, &v->visit) ||
	    v->visit.user == 0)
		return true;
	v->by = BY_COOKIE;
	if (use_user(c, r, v->visit.user, v->visit.generation, e))
		return true;
	/* It ended: as if there were none. */
	if (r->status != 401)
		return false;
	reply_clear(r);
	visit_end(c->web->guard, cookie);
	v->kind = VIEWER_NOBODY;
	v->by = BY_NOTHING;
	return true;
}

/* The visit of a program: one for all it asks within a while. */
static void
note_program(struct call *c)
{
	struct viewer *v = &c->viewer;
	struct visit visit = {.user = v->user.id,
	    .generation = v->user.generation,
	    .by = v->by == BY_KEY ? "key" : "basic"};

	(void)str_copy(visit.who, sizeof(visit.who), str_from(v->user.name));
	(void)str_copy(
	    visit.address, sizeof(visit.address), str_from(c->client));
	str_printable(
	    visit.browser, sizeof(visit.browser), call_header(c, "User-Agent"));
	visit_program(c->web->guard, &visit);
	(void)str_copy(
	    v->visit.name, sizeof(v->visit.name), str_from(visit.name));
}

static bool
identify(struct call *c, struct reply *r, struct err *e)
{
	struct str key = credentials(c, "Bearer");
	struct str basic = credentials(c, "Basic");

	if (key.p != NULL)
		return take_key(c, r, key, e);
	if (basic.p != NULL)
		return take_basic(c, r, basic, e);
	return take_cookie(c, r, e);
}

/* Does the request come from a page of ours, as far as the browser says? */
static bool
from_us(struct call *c)
{
	struct str site = call_header(c, "Sec-Fetch-Site");
	struct str origin = call_header(c, "Origin");

	if (site.p != NULL && !str_eq_text(site, "same-origin") &&
	    !str_eq_text(site, "none"))
		return false;
	/* Forms of pages with Referrer-Policy: no-referrer, as ours are, come
	 * with the origin "null". */
	if (str_eq_text(site, "same-origin") && str_eq_text(origin, "null"))
		return true;
	return origin.p == NULL ||
	       str_eq_nocase(origin, str_from(call_origin(c)));
}

static bool
proves_origin(struct call *c, struct reply *r)
{
	const struct viewer *v = &c->viewer;
	bool changes = c->method != METHOD_GET;

	if (!changes || v->by == BY_KEY)
		return true;
	if (!from_us(c)) {
		reply_refuse(r, 403, "origin",
		    "this request comes from another site's page");
		return false;
	}
	if (v->by != BY_COOKIE || c->route->flags & ROUTE_OPEN ||
	    secret_same(call_header(c, TOKEN_HEADER), str_from(v->visit.token)))
		return true;
	reply_refuse(r, 403, "token",
	    "the header " TOKEN_HEADER " must repeat the session's token");
	return false;
}

bool
access_may(const struct call *c, unsigned right)
{
	const struct viewer *v = &c->viewer;

	return v->kind == VIEWER_USER &&
	       (v->user.admin || (v->user.rights & right) == right);
}

static bool
refuse_nobody(struct call *c, struct reply *r)
{
	bool link = c->route->demand & DEMAND_LINK;

	if (!link && c->viewer.kind != VIEWER_NOBODY) {
		reply_refuse(r, 403, "denied", "this is not allowed to you");
		return false;
	}
	/* A patient has no account to log in with. */
	if (link || (c->route->flags & ROUTE_LINK && has_link_cookie(c))) {
		reply_refuse(r, c->viewer.kind == VIEWER_NOBODY ? 401 : 403,
		    "link_ended",
		    "Your visit has ended. Open your link again.");
		return false;
	}
	if (c->route->flags & ROUTE_PAGE && c->method == METHOD_GET) {
		reply_redirect(r, "/");
		return false;
	}
	reply_refuse(r, 401, "login", "log in first");
	return false;
}

static bool
may_call(struct call *c, struct reply *r)
{
	const struct viewer *v = &c->viewer;
	unsigned demand = c->route->demand;

	if (demand & DEMAND_NOTHING)
		return true;
	if (demand & DEMAND_LINK) {
		if (v->kind == VIEWER_LINK)
			return true;
	} else if (demand & DEMAND_LOCAL) {
		if (c->local || access_may(c, RIGHT_ACTIVITY))
			return true;
	} else if (v->kind == VIEWER_USER) {
		if (demand & DEMAND_USER || access_may(c, demand))
			return true;
	} else if (v->kind == VIEWER_LINK) {
		/* Which study it is, is looked at next. */
		return true;
	}
	return refuse_nobody(c, r);
}

static bool
sees_study(struct call *c, struct err *e)
{
	struct index_row row;

	if (route_param(c->route, "study") < 0 ||
	    c->route->demand & DEMAND_NOTHING)
		return true;
	return access_study(c, call_param(c, "study"), &row, e);
}

bool
access_asks(struct call *c)
{
	return web_flag(c, WEB_TOKEN_QUESTION) && !c->viewer.visit.answered;
}

static void
refuse_unanswered(struct call *c, struct reply *r)
{
	const char *page = access_link_page(c);

	if (c->route->flags & ROUTE_PAGE && c->method == METHOD_GET)
		reply_redirect(r, page);
	else
		reply_refuse(r, 403, "question",
		    "first answer what the link asks, at %s", page);
}

const char *
access_link_page(struct call *c)
{
	char link[LINK_NAME];
	const char *page;

	link_name(str_from(c->viewer.visit.study), link);
	page = arena_printf(&c->arena, "/token/study/%s", link);
	return page != NULL ? page : "/";
}

/* As who came by the link that the request is about, if he did; it must be open
 * still. The cookie of another link opens nothing, also under this name. */
static bool
take_link(struct call *c, struct reply *r, struct err *e)
{
	char asked[LINK_NAME], is[LINK_NAME];
	struct str cookie = link_cookie(c);
	struct visit v;
	struct token_study t;

	if (!link_asked(c, asked) || cookie.p == NULL ||
	    !visit_find(c->web->guard, cookie, &v) || v.user != 0)
		return false;
	link_name(str_from(v.study), is);
	if (strcmp(is, asked) != 0)
		return false;
	reply_clear(r);
	if (!link_open(c, r, str_from(v.link), &t)) {
		visit_end(c->web->guard, cookie);
		return false;
	}
	reply_clear(r);
	c->viewer =
	    (struct viewer){.kind = VIEWER_LINK, .by = BY_COOKIE, .visit = v};
	if (access_asks(c) && !(c->route->flags & ROUTE_QUESTION)) {
		refuse_unanswered(c, r);
		return false;
	}
	return proves_origin(c, r) && may_call(c, r) && sees_study(c, e);
}

bool
access_admit(struct call *c, struct reply *r, struct err *e)
{
	bool known = identify(c, r, e);

	if (known && (c->viewer.by == BY_BASIC || c->viewer.by == BY_KEY))
		note_program(c);
	visit_write(c->web->guard);
	return (known && proves_origin(c, r) && may_call(c, r) &&
		   sees_study(c, e)) ||
	       take_link(c, r, e);
}

/* A link is followed from a mail: a strict cookie would not come with the page
 * it leads to. */
static void
set_cookie(struct call *c, struct reply *r, const char *name, const char *value)
{
	bool link = strcmp(name, cookie_name(c)) != 0;
	char text[256];

	snprintf(text, sizeof(text), "%s=%s; Path=/; HttpOnly; SameSite=%s%s%s",
	    name, value, link ? "Lax" : "Strict", c->secure ? "; Secure" : "",
	    value[0] == '\0' ? "; Max-Age=0" : "");
	reply_header(r, "Set-Cookie", text);
}

struct kept_link {
	struct str value;
	char name[COOKIE_ROOM];
	int64_t seen_ms;
};

/* What a request may carry of them, and how many go with one answer. */
#define LINKS_MET  64
#define LINKS_GONE 8

/* The cookies of other links than own. */
static size_t
other_links(struct call *c, const char *own, struct kept_link *out)
{
	struct str rest = call_header(c, "Cookie"), name, value;
	char begins[COOKIE_ROOM];
	size_t n = 0;

	link_cookie_name(c, "", begins);
	while (n < LINKS_MET && call_next_cookie(&rest, &name, &value)) {
		if (!str_starts(name, str_from(begins)) ||
		    str_eq_text(name, own) ||
		    name.n != strlen(begins) + LINK_NAME - 1)
			continue;
		(void)str_copy(out[n].name, COOKIE_ROOM, name);
		out[n].value = value;
		out[n++].seen_ms = visit_seen_ms(c->web->guard, value);
	}
	return n;
}

/* Room for another: takes back the cookies of visits that are over, and, as far
 * as there are too many, of those that were here longest ago. */
static void
tidy_links(struct call *c, struct reply *r, const char *own)
{
	struct kept_link *links =
	    arena_array(&c->arena, LINKS_MET, sizeof(*links));
	size_t n, i, oldest;
	int gone;

	n = links != NULL ? other_links(c, own, links) : 0;
	for (gone = 0; n > 0 && gone < LINKS_GONE; gone++) {
		for (oldest = 0, i = 1; i < n; i++)
			if (links[i].seen_ms < links[oldest].seen_ms)
				oldest = i;
		if (links[oldest].seen_ms > 0 && n < LINKS)
			return;
		visit_end(c->web->guard, links[oldest].value);
		set_cookie(c, r, links[oldest].name, "");
		links[oldest] = links[--n];
	}
}

/* name: of the cookie. */
static void
enter(struct call *c, struct reply *r, struct visit *v, const char *name)
{
	struct str before = call_cookie(c, name);
	char cookie[VISIT_TOKEN];

	if (before.p != NULL)
		visit_end(c->web->guard, before);
	(void)str_copy(v->address, sizeof(v->address), str_from(c->client));
	str_printable(
	    v->browser, sizeof(v->browser), call_header(c, "User-Agent"));
	visit_begin(c->web->guard, v, cookie);
	set_cookie(c, r, name, cookie);
	explicit_bzero(cookie, sizeof(cookie));
	c->viewer.visit = *v;
	c->viewer.by = BY_COOKIE;
}

static void
enter_link(struct call *c, struct reply *r, struct visit *v)
{
	char link[LINK_NAME], name[COOKIE_ROOM];

	link_name(str_from(v->study), link);
	link_cookie_name(c, link, name);
	tidy_links(c, r, name);
	enter(c, r, v, name);
}

void
access_enter(struct call *c, struct reply *r, const struct user *u)
{
	struct visit v = {
	    .user = u->id, .generation = u->generation, .by = "cookie"};

	(void)str_copy(v.who, sizeof(v.who), str_from(u->name));

	/* Those in memory may be older. */
	guard_forget(c->web->guard);
	user_came(c->store, u->id, clock_utc_ms());
	enter(c, r, &v, cookie_name(c));
	c->viewer.kind = VIEWER_USER;
	c->viewer.user = *u;
}

void
access_enter_link(
    struct call *c, struct reply *r, const char *study, struct str token)
{
	struct visit v = {.user = 0, .by = "link"};

	(void)str_copy(v.study, sizeof(v.study), str_from(study));
	(void)str_copy(v.link, sizeof(v.link), token);
	enter_link(c, r, &v);
	c->viewer.kind = VIEWER_LINK;
}

/* Another cookie: somebody else may have put the one before there. */
void
access_answered(struct call *c, struct reply *r)
{
	struct visit v = {.user = 0, .by = "link", .answered = true};
	const struct visit *was = &c->viewer.visit;

	(void)str_copy(v.study, sizeof(v.study), str_from(was->study));
	(void)str_copy(v.link, sizeof(v.link), str_from(was->link));
	enter_link(c, r, &v);
}

void
access_leave(struct call *c, struct reply *r)
{
	struct str cookie = call_cookie(c, cookie_name(c));

	if (cookie.p != NULL)
		visit_end(c->web->guard, cookie);
	set_cookie(c, r, cookie_name(c), "");
}
