/*
 * The route table as an OpenAPI 3.1 document. x-fileroom says what programs
 * that test us need to know: what a route demands, and that it is for patients'
 * links too.
 */
#include "web/api/api.h"

#include "store/table/user.h"

static void
put(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	json_text(j, value);
}

static void
put_parameter(struct json *j, struct str name, bool path)
{
	json_object(j);
	json_key(j, "name");
	json_str(j, name);
	put(j, "in", path ? "path" : "query");
	json_key(j, "required");
	json_bool(j, path);
	json_key(j, "schema");
	json_object(j);
	put(j, "type", "string");
	json_end_object(j);
	json_end_object(j);
}

static void
put_parameters(struct json *j, const struct route *r)
{
	struct str rest = str_from(r->path), part;

	json_key(j, "parameters");
	json_array(j);
	while (str_split(&rest, '/', &part))
		if (part.n > 2 && part.p[0] == '{')
			put_parameter(j, str_of(part.p + 1, part.n - 2), true);
	rest = str_from(r->query);
	while (rest.n > 0 && str_split(&rest, ' ', &part))
		if (part.n > 0)
			put_parameter(j, part, false);
	json_end_array(j);
}

static void
put_body(struct json *j, const struct route *r)
{
	struct str rest = str_from(r->body), part;

	json_key(j, "requestBody");
	json_object(j);
	json_key(j, "content");
	json_object(j);
	json_key(j, r->flags & ROUTE_PAGE ? "application/x-www-form-urlencoded"
					  : "application/json");
	json_object(j);
	json_key(j, "schema");
	json_object(j);
	put(j, "type", "object");
	json_key(j, "properties");
	json_object(j);
	while (str_split(&rest, ' ', &part)) {
		char name[64];

		(void)str_copy(name, sizeof(name), part);
		if (name[0] == '\0')
			continue;
		json_key(j, name);
		json_object(j);
		json_end_object(j);
	}
	json_end_object(j);
	json_end_object(j);
	json_end_object(j);
	json_end_object(j);
	json_end_object(j);
}

static void
put_file_schema(struct json *j)
{
	json_key(j, "schema");
	json_object(j);
	put(j, "type", "string");
	put(j, "format", "binary");
	json_end_object(j);
}

/* Files: one as the body, or any number as parts of a form. */
static void
put_files(struct json *j)
{
	static const char *const types[] = {
	    "application/dicom", "application/zip", "text/plain"};
	size_t i;

	json_key(j, "requestBody");
	json_object(j);
	json_key(j, "required");
	json_bool(j, true);
	json_key(j, "content");
	json_object(j);
	for (i = 0; i < ARRAY_LEN(types); i++) {
		json_key(j, types[i]);
		json_object(j);
		put_file_schema(j);
		json_end_object(j);
	}
	json_key(j, "multipart/form-data");
	json_object(j);
	json_key(j, "schema");
	json_object(j);
	put(j, "type", "object");
	json_key(j, "additionalProperties");
	json_object(j);
	put(j, "type", "string");
	put(j, "format", "binary");
	json_end_object(j);
	json_end_object(j);
	json_end_object(j);
	json_end_object(j);
	json_end_object(j);
}

static const struct {
	const char *name, *type, *scheme;
} ways[] = {{"password", "http", "basic"}, {"key", "http", "bearer"},
    {"cookie", "apiKey", NULL}};

/* Any one of the ways to say who one is; none for what anybody may call. */
static void
put_security(struct json *j, const struct route *r)
{
	size_t i;

	json_key(j, "security");
	json_array(j);
	for (i = 0; i < ARRAY_LEN(ways) && !(r->demand & DEMAND_NOTHING); i++) {
		json_object(j);
		json_key(j, ways[i].name);
		json_array(j);
		json_end_array(j);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
put_ways(struct json *j)
{
	size_t i;

	json_key(j, "components");
	json_object(j);
	json_key(j, "securitySchemes");
	json_object(j);
	for (i = 0; i < ARRAY_LEN(ways); i++) {
		json_key(j, ways[i].name);
		json_object(j);
		put(j, "type", ways[i].type);
		if (ways[i].scheme != NULL) {
			put(j, "scheme", ways[i].scheme);
		} else {
			put(j, "in", "cookie");
			/* Over TLS with __Host- before it. */
			put(j, "name", "fileroom");
		}
		json_end_object(j);
	}
	json_end_object(j);
	json_end_object(j);
}

static const char *
demand_of(const struct route *r)
{
	unsigned i;

	if (r->demand & DEMAND_NOTHING)
		return "nothing";
	if (r->demand & DEMAND_LOCAL)
		return "local";
	if (r->demand & DEMAND_LINK)
		return "link";
	for (i = 0; i < RIGHT_COUNT; i++)
		if (r->demand & 1U << i)
			return right_name(i);
	return "user";
}

static void
put_route(struct json *j, const struct route *r)
{
	char lower[8];
	size_t i;

	(void)str_copy(lower, sizeof(lower), str_from(method_name(r->method)));
	for (i = 0; lower[i] != '\0'; i++)
		lower[i] = (char)(lower[i] | 0x20);
	json_key(j, lower);
	json_object(j);
	put(j, "summary", r->name);
	put(j, "description", r->summary);
	put(j, "x-fileroom-demand", demand_of(r));
	json_key(j, "x-fileroom-link");
	json_bool(j, (r->flags & ROUTE_LINK) != 0);
	json_key(j, "x-fileroom-page");
	json_bool(j, (r->flags & ROUTE_PAGE) != 0);
	put_security(j, r);
	put_parameters(j, r);
	if (r->body != NULL)
		put_body(j, r);
	else if (r->flags & ROUTE_STREAM)
		put_files(j);
	json_key(j, "responses");
	json_object(j);
	json_key(j, "default");
	json_object(j);
	put(j, "description",
	    "What the description says, or {\"error\":{\"code\",\"message\"}}");
	json_end_object(j);
	json_end_object(j);
	json_end_object(j);
}

static bool
is_first(const struct route *r)
{
	const struct route *before;

	for (before = route_table; before < r; before++)
		if (strcmp(before->path, r->path) == 0)
			return false;
	return true;
}

static void
put_paths(struct json *j)
{
	const struct route *end = route_table + route_count, *r, *same;

	json_key(j, "paths");
	json_object(j);
	for (r = route_table; r < end; r++) {
		if (!is_first(r))
			continue;
		json_key(j, r->path);
		json_object(j);
		for (same = r; same < end; same++)
			if (strcmp(same->path, r->path) == 0)
				put_route(j, same);
		json_end_object(j);
	}
	json_end_object(j);
}

bool
openapi(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);

	(void)c;
	(void)e;
	json_object(j);
	put(j, "openapi", "3.1.0");
	json_key(j, "info");
	json_object(j);
	put(j, "title", "Fileroom");
	put(j, "version", "1");
	put(j, "description",
	    "Cookie of a login (then requests that change something repeat the "
	    "session's token in X-Fileroom-Token), HTTP Basic, or an API key "
	    "as Bearer. Names in paths are percent-encoded.");
	json_end_object(j);
	put_paths(j);
	put_ways(j);
	json_end_object(j);
	return true;
}
