/*
 * What a handler asks of its request.
 */
#include "web/http/call.h"

#include "base/limit.h"

struct str
call_header(const struct call *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->header_count; i++)
		if (str_eq_nocase(c->headers[i].name, str_from(name)))
			return c->headers[i].value;
	return str_of(NULL, 0);
}

/* RFC 6265: "a=1; b=2". Ours are of plain characters, without quotes. */
bool
call_next_cookie(struct str *rest, struct str *name, struct str *value)
{
	struct str part;

	while (rest->p != NULL && str_split(rest, ';', &part)) {
		part = str_trim(part);
		name->p = part.p;
		name->n = str_find(part, '=');
		if (name->n == part.n)
			continue;
		*value = str_of(part.p + name->n + 1, part.n - name->n - 1);
		return true;
	}
	return false;
}

struct str
call_cookie(const struct call *c, const char *name)
{
	struct str rest = call_header(c, "Cookie"), is, value;

	while (call_next_cookie(&rest, &is, &value))
		if (str_eq_text(is, name))
			return value;
	return str_of(NULL, 0);
}

bool
call_lists_tag(
    const struct call *c, const char *name, const char *tag, bool weak)
{
	struct str list = call_header(c, name), one;

	while (list.n > 0 && str_split(&list, ',', &one)) {
		one = str_trim(one);
		if (weak && str_starts(one, STR("W/")))
			one = str_of(one.p + 2, one.n - 2);
		if (str_eq_text(one, tag) || str_eq_text(one, "*"))
			return true;
	}
	return false;
}

struct str
call_field(const struct call *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->field_count; i++)
		if (str_eq_text(c->fields[i].name, name))
			return c->fields[i].value;
	return str_of(NULL, 0);
}

struct str
call_param(const struct call *c, const char *name)
{
	int i = route_param(c->route, name);

	must(i >= 0);
	return c->params[i];
}

bool
call_number(const struct call *c, const char *name, int64_t least, int64_t most,
    int64_t usual, int64_t *out, struct err *e)
{
	struct str s = call_field(c, name);

	*out = usual;
	if (s.n == 0)
		return true;
	if (!str_i64(s, out) || *out < least || *out > most)
		return fail(e, ERR_USAGE,
		    "'%s' must be a whole number from %lld to %lld", name,
		    (long long)least, (long long)most);
	return true;
}

/* Is it one of the words? */
static bool
among(const char *words, struct str name)
{
	struct str rest = str_from(words), word;

	while (str_split(&rest, ' ', &word))
		if (str_eq(word, name) && name.n > 0)
			return true;
	return false;
}

static bool
take_field(struct call *c, struct str part, const char *known, struct err *e)
{
	size_t at = str_find(part, '=');
	struct str value = str_of(part.p + at, 0);
	struct call_pair p;
	char shown[80];

	if (at < part.n)
		value = str_of(part.p + at + 1, part.n - at - 1);
	if (!percent_decode(&c->arena, str_of(part.p, at), true, &p.name) ||
	    !percent_decode(&c->arena, value, true, &p.value))
		return fail(
		    e, ERR_USAGE, "the query is not percent-encoded UTF-8");
	str_printable(shown, sizeof(shown), p.name);
	if (!among(known, p.name))
		return fail(e, ERR_USAGE, "there is no parameter '%s'", shown);
	if (call_field(c, (const char *)p.name.p).p != NULL)
		return fail(
		    e, ERR_USAGE, "the parameter '%s' comes twice", shown);
	if (c->field_count == CALL_PARAMS)
		return fail(e, ERR_USAGE, "too many parameters");
	c->fields[c->field_count++] = p;
	return true;
}

bool
call_fields(struct call *c, struct str text, const char *known, struct err *e)
{
	struct str part;

	if (text.n == 0)
		return true;
	while (str_split(&text, '&', &part))
		if (part.n > 0 && !take_field(c, part, known, e))
			return false;
	return true;
}

bool
call_json(struct call *c, struct err *e)
{
	struct str type = call_header(c, "Content-Type");
	char shown[80];
	size_t i;

	/* A form of another site cannot send this type unasked. */
	type.n = str_find(type, ';');
	if (!str_eq_nocase(str_trim(type), STR("application/json")))
		return fail(e, ERR_USAGE,
		    "the body must be sent as Content-Type: application/json");
	if (!input_read(&c->arena, c->body, c->members, &c->member_count, e))
		return false;
	for (i = 0; i < c->member_count; i++)
		if (!among(c->route->body, c->members[i].name))
			return fail(e, ERR_USAGE, "there is no member '%s'",
			    str_printable(
				shown, sizeof(shown), c->members[i].name));
	return true;
}

bool
call_form(struct call *c, const char *known, struct err *e)
{
	struct str type = call_header(c, "Content-Type");

	type.n = str_find(type, ';');
	if (!str_eq_nocase(
		str_trim(type), STR("application/x-www-form-urlencoded")))
		return fail(e, ERR_USAGE, "the body must be a form");
	return call_fields(c, c->body, known, e);
}

const struct input *
call_member(const struct call *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->member_count; i++)
		if (str_eq_text(c->members[i].name, name))
			return c->members[i].kind != INPUT_NULL ? &c->members[i]
								: NULL;
	return NULL;
}

bool
call_text(const struct call *c, const char *name, size_t least, size_t most,
    struct str *out, struct err *e)
{
	const struct input *in = call_member(c, name);

	if (in == NULL && least == 0)
		return true;
	if (in == NULL || in->kind != INPUT_TEXT || in->text.n < least ||
	    in->text.n > most)
		return fail(e, ERR_USAGE,
		    "'%s' must be text of %zu to %zu bytes", name, least, most);
	*out = in->text;
	return true;
}

bool
call_bool(const struct call *c, const char *name, bool *out, struct err *e)
{
	const struct input *in = call_member(c, name);

	if (in == NULL)
		return true;
	if (in->kind != INPUT_BOOL)
		return fail(e, ERR_USAGE, "'%s' must be true or false", name);
	*out = in->number != 0;
	return true;
}

uint64_t
call_length(const struct call *c)
{
	uint64_t n;

	return str_u64(call_header(c, "Content-Length"), &n) ? n : 0;
}

const char *
call_origin(struct call *c)
{
	const char *s = arena_printf(
	    &c->arena, "%s://%s", c->secure ? "https" : "http", c->host);

	return s != NULL ? s : "";
}
