/*
 * One-time links: for the first administrator, and for a password that an
 * administrator lets a user set anew. Small pages of our own that need no
 * script; what they send, they send as forms.
 */
#include "web/api/people.h"

#include "base/log.h"
#include "store/table/password.h"
#include "web/auth/access.h"
#include "web/auth/secret.h"
#include "web/http/inside.h"
#include "web/page/page.h"

/* name: whose password it is; NULL: it is to be typed. */
static void
add_form(
    struct reply *r, const char *action, struct str token, const char *name)
{
	buf_printf(&r->body, "<form method=\"post\" action=\"%s\">", action);
	buf_text(&r->body, "<input type=\"hidden\" name=\"token\" value=\"");
	html_text(&r->body, token);
	buf_text(&r->body, "\">");
	buf_text(&r->body,
	    "<label><span data-text=\"user_name\">User name</span><input ");
	if (name == NULL) {
		buf_text(&r->body,
		    "name=\"username\" required maxlength=\"64\" autofocus");
	} else {
		/* It is not sent: for who reads, and for keepers of passwords.
		 */
		buf_text(&r->body, "readonly value=\"");
		html_text(&r->body, str_from(name));
		buf_text(&r->body, "\"");
	}
	buf_text(&r->body, " dir=\"auto\" autocomplete=\"username\"></label>");
	buf_text(&r->body,
	    "<label><span data-text=\"password_8\">Password, at least 8 "
	    "characters</span>"
	    "<input type=\"password\" name=\"password\" required "
	    "minlength=\"8\" maxlength=\"1024\" "
	    "autocomplete=\"new-password\"></label>"
	    "<button class=\"primary\" data-text=\"save\">Save</button></form>");
}

static bool
is_setup(struct call *c, struct str token)
{
	char kept[VISIT_TOKEN];
	int64_t users;
	struct err e;

	mutex_lock(&c->web->lock);
	memcpy(kept, c->web->setup, sizeof(kept));
	mutex_unlock(&c->web->lock);
	return kept[0] != '\0' && secret_same(token, str_from(kept)) &&
	       user_count(c->store, &users, &e) && users == 0;
}

static bool
no_such_link(struct reply *r)
{
	reply_refuse(r, 404, "used_link",
	    "This link is not valid any more. Links work once.");
	return true;
}

bool
first_page(struct call *c, struct reply *r, struct err *e)
{
	(void)e;
	if (!is_setup(c, c->query))
		return no_such_link(r);
	page_begin(r, "The first administrator", "first_administrator");
	add_form(r, "/setup", c->query, NULL);
	page_end(c, r);
	return true;
}

bool
first_form(struct call *c, struct reply *r, struct err *e)
{
	struct user u = {.active = true, .admin = true};
	struct str password;

	if (!call_form(c, "token username password", e))
		return false;
	if (!is_setup(c, call_field(c, "token")))
		return no_such_link(r);
	password = call_field(c, "password");
	if (!str_copy(u.name, sizeof(u.name), call_field(c, "username")))
		return fail(e, ERR_USAGE, "the user name is too long");
	if (!password_check(password, e) ||
	    !password_hash(password, u.hash, e) ||
	    !user_add(c->store, &u, true, e))
		return false;
	mutex_lock(&c->web->lock);
	explicit_bzero(c->web->setup, sizeof(c->web->setup));
	mutex_unlock(&c->web->lock);
	guard_forget(c->web->guard);
	log_info("http", "the first administrator was made from %s", c->client);
	access_enter(c, r, &u);
	reply_redirect(r, "/");
	return true;
}

static bool
find_reset(struct call *c, struct str token, struct user *u, struct err *e)
{
	uint8_t hash[32];

	secret_hash(token, hash);
	return user_reset_find(c->store, hash, u, e);
}

bool
reset_page(struct call *c, struct reply *r, struct err *e)
{
	struct user u;

	if (!find_reset(c, c->query, &u, e))
		return e->code == ERR_MISSING && no_such_link(r);
	page_begin(r, "A new password", "new_password");
	add_form(r, "/reset", c->query, u.name);
	page_end(c, r);
	return true;
}

bool
reset_form(struct call *c, struct reply *r, struct err *e)
{
	char hash[PASSWORD_ROOM];
	struct str password;
	struct user u;

	if (!call_form(c, "token password", e))
		return false;
	if (!find_reset(c, call_field(c, "token"), &u, e))
		return e->code == ERR_MISSING && no_such_link(r);
	password = call_field(c, "password");
	if (!password_check(password, e) || !password_hash(password, hash, e) ||
	    !user_set_password(c->store, u.id, hash, e))
		return false;
	visit_end_all(c->web->guard, u.id, NULL);
	guard_forget(c->web->guard);
	log_info("http", "a password was set by a link from %s", c->client);
	reply_redirect(r, "/");
	return true;
}
