/*
 * Users, by those who may look after them. Who is no administrator gives only
 * rights that he has himself, and does not touch administrators.
 */
#include "web/api/people.h"

#include "base/clock.h"
#include "store/table/password.h"
#include "web/auth/access.h"
#include "web/auth/secret.h"
#include "web/http/inside.h"

#define RESET_MS (3 * 24 * 3600 * 1000LL)

static void
when(struct json *j, const char *key, int64_t utc_ms)
{
	char text[CLOCK_ISO_ROOM];

	json_key(j, key);
	json_text(j, utc_ms != 0 ? clock_iso(utc_ms, text) : "");
}

void
people_user(struct json *j, const struct user *u)
{
	unsigned i;

	json_object(j);
	json_key(j, "name");
	json_text(j, u->name);
	json_key(j, "role");
	json_text(j, u->admin ? "admin" : "user");
	json_key(j, "active");
	json_bool(j, u->active);
	json_key(j, "rights");
	json_array(j);
	for (i = 0; i < RIGHT_COUNT; i++)
		if (u->admin || u->rights & 1U << i)
			json_text(j, right_name(i));
	json_end_array(j);
	for (i = 0; i < USER_TEXTS; i++) {
		json_key(j, user_text_name((enum user_text)i));
		json_text(j, u->text[i]);
	}
	json_key(j, "only_own");
	json_bool(j, u->only_own);
	json_key(j, "second_factor");
	json_bool(j, u->second);
	when(j, "created", u->created_ms);
	when(j, "login", u->login_ms);
	json_end_object(j);
}

bool
people_texts(struct call *c, struct user *u, bool limits, struct err *e)
{
	unsigned i, n = limits ? USER_TEXTS : USER_ONLY_INSTITUTION;
	struct str s;

	for (i = 0; i < n; i++) {
		s = str_of(NULL, 0);
		if (!call_text(c, user_text_name((enum user_text)i), 0,
			USER_TEXT_ROOM - 1, &s, e))
			return false;
		if (s.p != NULL)
			(void)str_copy(u->text[i], USER_TEXT_ROOM, s);
	}
	return true;
}

static bool
take_rights(struct call *c, struct user *u, struct err *e)
{
	const struct input *in = call_member(c, "rights");
	unsigned one;
	size_t i;

	if (in == NULL)
		return true;
	if (in->kind != INPUT_LIST_OF_TEXT)
		return fail(e, ERR_USAGE, "'rights' must be a list of text");
	u->rights = 0;
	for (i = 0; i < in->list_count; i++) {
		if (!rights_parse(in->list[i], &one, e))
			return false;
		u->rights |= one;
	}
	return true;
}

static bool
take_role(struct call *c, struct user *u, struct err *e)
{
	struct str role = STR("");

	if (call_member(c, "role") == NULL)
		return true;
	if (!call_text(c, "role", 1, 16, &role, e))
		return false;
	u->admin = str_eq_text(role, "admin");
	return u->admin || str_eq_text(role, "user") ||
	       fail(e, ERR_USAGE, "'role' must be admin or user");
}

/* May the caller leave a user as this one is? */
static bool
may_make(const struct call *c, const struct user *u, struct err *e)
{
	const struct user *me = &c->viewer.user;

	if (me->admin)
		return true;
	if (u->admin)
		return fail(
		    e, ERR_DENIED, "only administrators look after those");
	return (u->rights & ~me->rights) == 0 ||
	       fail(e, ERR_DENIED, "you can give only rights that you have");
}

static bool
take_fields(struct call *c, struct user *u, struct err *e)
{
	return people_texts(c, u, true, e) && take_rights(c, u, e) &&
	       take_role(c, u, e) && call_bool(c, "active", &u->active, e) &&
	       call_bool(c, "only_own", &u->only_own, e) && may_make(c, u, e);
}

/* The user of the path, whom the caller may change. */
static bool
that_user(struct call *c, struct user *u, struct err *e)
{
	return user_find(c->store, call_param(c, "name"), u, e) &&
	       may_make(c, u, e);
}

bool
users_list(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);
	struct user *list;
	size_t i, n;

	if (!user_list(c->store, &c->arena, &list, &n, e))
		return false;
	json_object(j);
	json_key(j, "users");
	json_array(j);
	for (i = 0; i < n; i++)
		people_user(j, &list[i]);
	json_end_array(j);
	json_end_object(j);
	return true;
}

bool
users_add(struct call *c, struct reply *r, struct err *e)
{
	struct user u = {.active = true, .rights = RIGHTS_USUAL};
	struct str name = STR(""), password = STR("");

	if (!call_json(c, e) ||
	    !call_text(c, "name", 1, USER_TEXT_ROOM - 1, &name, e) ||
	    !call_text(c, "password", 0, 4 * PASSWORD_MOST, &password, e) ||
	    !take_fields(c, &u, e))
		return false;
	(void)str_copy(u.name, sizeof(u.name), name);
	/* Without a password the user sets one through a reset link. */
	if (password.n > 0 && (!password_check(password, e) ||
				  !password_hash(password, u.hash, e)))
		return false;
	if (!user_add(c->store, &u, false, e))
		return false;
	guard_forget(c->web->guard);
	r->status = 201;
	people_user(reply_json(r), &u);
	return true;
}

bool
users_show(struct call *c, struct reply *r, struct err *e)
{
	struct user u;

	if (!user_find(c->store, call_param(c, "name"), &u, e))
		return false;
	people_user(reply_json(r), &u);
	return true;
}

bool
users_change(struct call *c, struct reply *r, struct err *e)
{
	struct str name = STR("");
	bool renamed;
	struct user u;

	if (!that_user(c, &u, e) || !call_json(c, e) ||
	    !take_fields(c, &u, e) ||
	    !call_text(c, "name", 0, USER_TEXT_ROOM - 1, &name, e))
		return false;
	renamed = call_member(c, "name") != NULL && !str_eq_text(name, u.name);
	if (renamed)
		(void)str_copy(u.name, sizeof(u.name), name);
	if (!user_put(c->store, &u, e))
		return false;
	/* Who is called otherwise logs in by the new name. */
	if (!u.active || renamed)
		visit_end_all(c->web->guard, u.id, NULL);
	guard_forget(c->web->guard);
	people_user(reply_json(r), &u);
	return true;
}

bool
users_delete(struct call *c, struct reply *r, struct err *e)
{
	struct user u;

	if (!that_user(c, &u, e) || !user_delete(c->store, u.id, e))
		return false;
	visit_end_all(c->web->guard, u.id, NULL);
	guard_forget(c->web->guard);
	r->status = 204;
	return true;
}

bool
users_password(struct call *c, struct reply *r, struct err *e)
{
	struct str password = STR("");
	char hash[PASSWORD_ROOM];
	struct user u;

	if (!that_user(c, &u, e) || !call_json(c, e) ||
	    !call_text(c, "password", 1, 4 * PASSWORD_MOST, &password, e) ||
	    !password_check(password, e) || !password_hash(password, hash, e) ||
	    !user_set_password(c->store, u.id, hash, e))
		return false;
	visit_end_all(c->web->guard, u.id, NULL);
	guard_forget(c->web->guard);
	r->status = 204;
	return true;
}

bool
users_reset(struct call *c, struct reply *r, struct err *e)
{
	int64_t until = clock_utc_ms() + RESET_MS;
	struct json *j = reply_json(r);
	char code[VISIT_TOKEN];
	const char *url;
	uint8_t hash[32];
	struct user u;

	secret_text(code, sizeof(code) - 1);
	secret_hash(str_from(code), hash);
	if (!that_user(c, &u, e) ||
	    !user_reset_put(c->store, u.id, hash, until, e))
		return false;
	url = arena_printf(&c->arena, "%s/reset?%s", web_outside(c), code);
	json_object(j);
	json_key(j, "url");
	json_text(j, url != NULL ? url : "");
	when(j, "until", until);
	json_end_object(j);
	return true;
}

bool
users_second_off(struct call *c, struct reply *r, struct err *e)
{
	struct user u;

	if (!that_user(c, &u, e) || !user_set_second(c->store, u.id, NULL, e))
		return false;
	guard_forget(c->web->guard);
	r->status = 204;
	return true;
}
