/*
 * Logging in and out: as JSON for programs and our pages, as a form for
 * browsers without scripts.
 */
#include "web/api/people.h"

#include "base/clock.h"
#include "store/table/password.h"
#include "web/auth/access.h"
#include "web/auth/secret.h"
#include "web/http/inside.h"

/* The second factor, when the user has one. */
static bool
second_fits(
    struct call *c, struct reply *r, const struct user *u, struct str code)
{
	struct guard *g = c->web->guard;
	int64_t step;

	if (!u->second)
		return true;
	if (code.n == 0) {
		reply_refuse(r, 401, "second_factor",
		    "the six digits of the second factor are needed");
		return false;
	}
	step = totp_step(u->secret, code, clock_utc_ms());
	if (step >= 0 && guard_step(g, u->id, step)) {
		guard_succeeded(
		    g, utf8_fold_accents(&c->arena, str_from(u->name)));
		return true;
	}
	guard_failed(
	    g, utf8_fold_accents(&c->arena, str_from(u->name)), c->client);
	access_failed(c, u->name, "wrong second factor");
	reply_refuse(r, 401, "wrong_credentials",
	    "the six digits are wrong, or were used already");
	return false;
}

static bool
log_in(struct call *c, struct reply *r, struct str name, struct str password,
    struct str code)
{
	struct user u;

	if (!access_password(c, r, name, password, &u) ||
	    !second_fits(c, r, &u, code))
		return false;
	access_enter(c, r, &u);
	return true;
}

static void
show(struct call *c, struct reply *r)
{
	const struct viewer *v = &c->viewer;
	struct json *j = reply_json(r);

	json_object(j);
	json_key(j, "user");
	people_user(j, &v->user);
	json_key(j, "token");
	json_text(j, v->by == BY_COOKIE ? v->visit.token : "");
	json_key(j, "session");
	json_text(j, v->by == BY_COOKIE ? v->visit.name : "");
	json_key(j, "limited");
	json_bool(j, access_is_limited(c));
	json_end_object(j);
}

bool
session_show(struct call *c, struct reply *r, struct err *e)
{
	(void)e;
	show(c, r);
	return true;
}

bool
session_begin(struct call *c, struct reply *r, struct err *e)
{
	struct str name = STR(""), password = STR(""), code = STR("");

	if (!call_json(c, e) || !call_text(c, "username", 1, 512, &name, e) ||
	    !call_text(c, "password", 1, 4 * PASSWORD_MOST, &password, e) ||
	    !call_text(c, "code", 0, 16, &code, e))
		return false;
	if (log_in(c, r, name, password, code))
		show(c, r);
	return true;
}

bool
session_end(struct call *c, struct reply *r, struct err *e)
{
	(void)e;
	access_leave(c, r);
	r->status = 204;
	return true;
}

bool
session_form(struct call *c, struct reply *r, struct err *e)
{
	if (!call_form(c, "username password code", e))
		return false;
	if (log_in(c, r, call_field(c, "username"), call_field(c, "password"),
		call_field(c, "code")))
		reply_redirect(r, "/");
	return true;
}

bool
session_portal(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);
	int64_t users;

	if (!user_count(c->store, &users, e))
		return false;
	json_object(j);
	json_key(j, "institution");
	json_text(j, web_text(c, WEB_INSTITUTION));
	json_key(j, "department");
	json_text(j, web_text(c, WEB_DEPARTMENT));
	json_key(j, "client");
	json_text(j, c->client);
	json_key(j, "secure");
	json_bool(j, c->secure);
	json_key(j, "setup");
	json_bool(j, users == 0);
	json_end_object(j);
	return true;
}
