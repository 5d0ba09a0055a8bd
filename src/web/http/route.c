/*
 * Finding the route of a path. The table is short and patterns are few parts
 * long: it is gone through, literal parts first.
 */
#include "web/http/route.h"

#include "base/arena.h"
#include "base/utf8.h"

static const char *const methods[METHOD_COUNT] = {
    "GET", "POST", "PUT", "PATCH", "DELETE"};

const char *
method_name(enum method m)
{
	return methods[m];
}

/* "{name}" or "{name...}" */
static bool
is_name(struct str part)
{
	return part.n > 2 && part.p[0] == '{';
}

static bool
is_rest(struct str part)
{
	return is_name(part) && str_ends(part, STR("...}"));
}

/* How well a path fits: the number of literal parts before the first name, and
 * whether it fits at all. */
static bool
fits(
    const char *pattern, struct str path, struct str *params, unsigned *literal)
{
	struct str want = str_from(pattern), have = path, a, b;
	bool more_a, more_b, named = false;
	size_t n = 0;

	*literal = 0;
	for (;;) {
		if (str_starts(want, STR("{")) && is_rest(want)) {
			params[n] = have;
			return have.p != NULL;
		}
		more_a = str_split(&want, '/', &a);
		more_b = str_split(&have, '/', &b);
		if (!more_a || !more_b)
			return more_a == more_b;
		if (is_name(a)) {
			if (n == ROUTE_PARAMS || b.n == 0)
				return false;
			params[n++] = b;
			named = true;
		} else if (!str_eq(a, b)) {
			return false;
		} else if (!named) {
			(*literal)++;
		}
	}
}

enum route_found
route_find(enum method m, struct str path, const struct route **out,
    struct str params[ROUTE_PARAMS], unsigned *allow)
{
	struct str found[ROUTE_PARAMS];
	unsigned literal, best = 0;
	size_t i;

	*out = NULL;
	*allow = 0;
	for (i = 0; i < route_count; i++) {
		memset(found, 0, sizeof(found));
		if (!fits(route_table[i].path, path, found, &literal) ||
		    literal < best)
			continue;
		if (literal > best) {
			best = literal;
			*allow = 0;
			*out = NULL;
		}
		*allow |= 1U << route_table[i].method;
		if (route_table[i].method != m)
			continue;
		*out = &route_table[i];
		memcpy(params, found, sizeof(found));
	}
	if (*out != NULL)
		return ROUTE_FOUND;
	return *allow != 0 ? ROUTE_NO_METHOD : ROUTE_NO_PATH;
}

int
route_param(const struct route *r, const char *name)
{
	struct str rest = str_from(r->path), part;
	int n = 0;

	while (str_split(&rest, '/', &part)) {
		if (!is_name(part))
			continue;
		part = str_of(part.p + 1, part.n - 2);
		if (str_ends(part, STR("...")))
			part.n -= 3;
		if (str_eq_text(part, name))
			return n;
		n++;
	}
	return -1;
}

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
percent_decode(struct arena *a, struct str in, bool plus, struct str *out)
{
	uint8_t *p = arena_alloc(a, in.n + 1);
	size_t i, n = 0;

	*out = str_of("", 0);
	if (p == NULL)
		return false;
	for (i = 0; i < in.n; i++) {
		p[n] = in.p[i];
		if (plus && in.p[i] == '+') {
			p[n] = ' ';
		} else if (in.p[i] == '%') {
			if (in.n - i < 3 || hex(in.p[i + 1]) < 0 ||
			    hex(in.p[i + 2]) < 0)
				return false;
			p[n] =
			    (uint8_t)(hex(in.p[i + 1]) * 16 + hex(in.p[i + 2]));
			i += 2;
		}
		if (p[n] == 0)
			return false;
		n++;
	}
	*out = str_of(p, n);
	return utf8_valid(*out);
}
