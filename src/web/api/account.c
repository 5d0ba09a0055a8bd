/*
 * What users do for themselves: their data, password, second factor, keys.
 */
#include "web/api/people.h"

#include "base/clock.h"
#include "base/os.h"
#include "store/table/password.h"
#include "web/auth/access.h"
#include "web/auth/secret.h"
#include "web/http/inside.h"

/* The user's own row, as it is in the table. */
static bool
own(struct call *c, struct user *u, struct err *e)
{
	return user_get(c->store, c->viewer.user.id, u, e);
}

/* With his password once more. */
static bool
really_own(struct call *c, struct reply *r, struct user *u, struct err *e)
{
	struct str password = STR("");

	if (!call_text(c, "password", 1, 4 * PASSWORD_MOST, &password, e)) {
		reply_error(r, e);
		return false;
	}
	return access_password(
	    c, r, str_from(c->viewer.user.name), password, u);
}

bool
account_show(struct call *c, struct reply *r, struct err *e)
{
	struct user u;

	if (!own(c, &u, e))
		return false;
	people_user(reply_json(r), &u);
	return true;
}

bool
account_change(struct call *c, struct reply *r, struct err *e)
{
	struct user u;

	if (!own(c, &u, e) || !call_json(c, e) ||
	    !people_texts(c, &u, false, e) || !user_put(c->store, &u, e))
		return false;
	guard_forget(c->web->guard);
	people_user(reply_json(r), &u);
	return true;
}

bool
account_password(struct call *c, struct reply *r, struct err *e)
{
	struct str next = STR("");
	char hash[PASSWORD_ROOM];
	struct user u;

	if (!call_json(c, e) ||
	    !call_text(c, "new", 1, 4 * PASSWORD_MOST, &next, e) ||
	    !password_check(next, e))
		return false;
	if (!really_own(c, r, &u, e))
		return true;
	if (!password_hash(next, hash, e) ||
	    !user_set_password(c->store, u.id, hash, e))
		return false;
	visit_end_all(c->web->guard, u.id, NULL);
	guard_forget(c->web->guard);
	/* Who changed it stays, under another cookie. */
	if (c->viewer.by == BY_COOKIE && user_get(c->store, u.id, &u, e))
		access_enter(c, r, &u);
	return session_show(c, r, e);
}

bool
account_second_new(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);
	char text[TOTP_SECRET_TEXT];
	uint8_t secret[20];
	const char *url;

	(void)e;
	os_random(secret, sizeof(secret));
	totp_text(secret, text);
	/* Names of users are percent-encoded by whoever shows it as a QR. */
	url = arena_printf(&c->arena,
	    "otpauth://totp/Fileroom?secret=%s&issuer=Fileroom", text);
	json_object(j);
	json_key(j, "secret");
	json_text(j, text);
	json_key(j, "url");
	json_text(j, url != NULL ? url : "");
	json_end_object(j);
	return true;
}

/* RFC 4648 6 */
static bool
base32(struct str in, uint8_t out[20])
{
	unsigned bits = 0, have = 0;
	size_t i, n = 0;
	uint8_t b;

	for (i = 0; i < in.n; i++) {
		b = in.p[i] >= 'a' && in.p[i] <= 'z' ? in.p[i] - 32 : in.p[i];
		if (b >= 'A' && b <= 'Z')
			b = (uint8_t)(b - 'A');
		else if (b >= '2' && b <= '7')
			b = (uint8_t)(b - '2' + 26);
		else
			return false;
		bits = (bits << 5 | b) & 0xfff;
		have += 5;
		if (have < 8)
			continue;
		have -= 8;
		if (n == 20)
			return false;
		out[n++] = (uint8_t)(bits >> have);
	}
	return n == 20;
}

bool
account_second_on(struct call *c, struct reply *r, struct err *e)
{
	struct str text = STR(""), code = STR("");
	uint8_t secret[20];
	struct user u;

	if (!call_json(c, e) || !call_text(c, "secret", 32, 32, &text, e) ||
	    !call_text(c, "code", 6, 6, &code, e))
		return false;
	if (!base32(text, secret))
		return fail(e, ERR_USAGE, "'secret' is none of ours");
	if (!really_own(c, r, &u, e))
		return true;
	if (totp_step(secret, code, clock_utc_ms()) < 0)
		return fail(e, ERR_USAGE,
		    "the six digits are wrong: is the telephone's clock "
		    "right?");
	if (!user_set_second(c->store, u.id, secret, e))
		return false;
	guard_forget(c->web->guard);
	visit_end_all(c->web->guard, u.id, c->viewer.visit.name);
	r->status = 204;
	return true;
}

bool
account_second_off(struct call *c, struct reply *r, struct err *e)
{
	struct user u;

	if (!call_json(c, e))
		return false;
	if (!really_own(c, r, &u, e))
		return true;
	if (!user_set_second(c->store, u.id, NULL, e))
		return false;
	guard_forget(c->web->guard);
	r->status = 204;
	return true;
}

bool
account_keys(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);
	char text[CLOCK_ISO_ROOM];
	struct api_key *keys;
	size_t i, n;

	if (!api_key_list(c->store, c->viewer.user.id, &c->arena, &keys, &n, e))
		return false;
	json_object(j);
	json_key(j, "keys");
	json_array(j);
	for (i = 0; i < n; i++) {
		json_object(j);
		json_key(j, "id");
		json_i64(j, keys[i].id);
		json_key(j, "name");
		json_text(j, keys[i].name);
		json_key(j, "created");
		json_text(j, clock_iso(keys[i].created_ms, text));
		json_key(j, "used");
		json_text(j, keys[i].used_ms != 0
				 ? clock_iso(keys[i].used_ms, text)
				 : "");
		json_end_object(j);
	}
	json_end_array(j);
	json_end_object(j);
	return true;
}

bool
account_key_add(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);
	char key[KEY_ROOM] = KEY_PREFIX, name[USER_TEXT_ROOM];
	struct str text = STR("");
	uint8_t hash[32];
	int64_t id;

	if (!call_json(c, e) ||
	    !call_text(c, "name", 1, USER_TEXT_ROOM - 1, &text, e))
		return false;
	(void)str_copy(name, sizeof(name), text);
	secret_text(key + strlen(KEY_PREFIX), 43);
	secret_hash(str_from(key), hash);
	if (!api_key_add(c->store, c->viewer.user.id, name, hash, &id, e))
		return false;
	r->status = 201;
	json_object(j);
	json_key(j, "id");
	json_i64(j, id);
	json_key(j, "name");
	json_text(j, name);
	json_key(j, "key");
	json_text(j, key);
	json_end_object(j);
	return true;
}

bool
account_key_delete(struct call *c, struct reply *r, struct err *e)
{
	int64_t id;

	if (!str_i64(call_param(c, "id"), &id))
		return fail(e, ERR_MISSING, "there is no such key");
	if (!api_key_delete(c->store, c->viewer.user.id, id, e))
		return false;
	r->status = 204;
	return true;
}
