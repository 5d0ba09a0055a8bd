/*
 * Names and addresses of requests, see origin.h.
 *
 * An address instead of a name is always answered: a browser that was led here
 * by another site's name sends that name.
 */
#include "web/http/origin.h"

#include <arpa/inet.h>

/* A numeric address, IPv6 maybe in brackets. */
static bool
parse_address(struct str s, uint8_t out[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[64];

	s = str_trim(s);
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_of(s.p + 1, s.n - 2);
	if (!str_copy(text, sizeof(text), s))
		return false;
	if (inet_pton(AF_INET6, text, out) == 1)
		return true;
	memcpy(out, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, out + 12) == 1;
}

static bool
parse_network(struct str s, struct network *out)
{
	size_t slash = str_find(s, '/');
	uint64_t bits = 128, v;
	bool four;

	if (!parse_address(str_of(s.p, slash), out->address))
		return false;
	four = str_find(str_of(s.p, slash), ':') == slash;
	if (slash < s.n) {
		if (!str_u64(str_of(s.p + slash + 1, s.n - slash - 1), &v) ||
		    v > (four ? 32 : 128))
			return false;
		bits = v + (four ? 96 : 0);
	}
	out->bits = (unsigned)bits;
	return true;
}

bool
origin_set_proxies(struct origin *o, struct str list, struct err *e)
{
	struct str part;
	char shown[80];

	o->proxy_count = 0;
	list = str_trim(list);
	if (list.n == 0 || str_eq_nocase(list, STR("none")))
		return true;
	while (str_split(&list, ',', &part)) {
		part = str_trim(part);
		if (o->proxy_count == ORIGIN_PROXIES)
			return fail(e, ERR_USAGE,
			    "http.trusted_proxies: more than %d addresses",
			    ORIGIN_PROXIES);
		if (!parse_network(part, &o->proxies[o->proxy_count++]))
			return fail(e, ERR_USAGE,
			    "http.trusted_proxies: '%s' is neither an address "
			    "nor a network (10.0.0.0/8)",
			    str_printable(shown, sizeof(shown), part));
	}
	return true;
}

/* The name of "https://name:3000/" and of "name:3000". */
static struct str
name_only(struct str s)
{
	size_t i;

	s = str_trim(s);
	if (str_starts(s, STR("http://")))
		s = str_of(s.p + 7, s.n - 7);
	if (str_starts(s, STR("https://")))
		s = str_of(s.p + 8, s.n - 8);
	s.n = str_find(s, '/');
	if (s.n > 0 && s.p[0] == '[') {
		i = str_find(s, ']');
		return str_of(s.p, i < s.n ? i + 1 : i);
	}
	return str_of(s.p, str_find(s, ':'));
}

void
origin_add_name(struct origin *o, struct str name)
{
	name = name_only(name);
	if (name.n > 0 && o->name_count < ORIGIN_NAMES &&
	    str_copy(o->names[o->name_count], CALL_HOST, name))
		o->name_count++;
}

static bool
trusted(const struct origin *o, struct str address)
{
	uint8_t a[16];
	const struct network *n;
	size_t i;
	unsigned whole, rest;

	if (!parse_address(address, a))
		return false;
	for (i = 0; i < o->proxy_count; i++) {
		n = &o->proxies[i];
		whole = n->bits / 8;
		rest = n->bits % 8;
		if (memcmp(a, n->address, whole) == 0 &&
		    (rest == 0 ||
			((a[whole] ^ n->address[whole]) >> (8 - rest)) == 0))
			return true;
	}
	return false;
}

static bool
loopback(struct str address)
{
	static const uint8_t six[16] = {[15] = 1};
	uint8_t a[16];

	if (!parse_address(address, a))
		return false;
	return memcmp(a, six, 16) == 0 ||
	       (a[10] == 0xff && a[11] == 0xff && a[12] == 127 && a[0] == 0);
}

bool
origin_is_near(const struct origin *o, struct str address)
{
	return loopback(address) || trusted(o, address);
}

/* "192.0.2.1:4711" and "[2001:db8::1]:4711", as some proxies write it, without
 * the port. */
static struct str
without_port(struct str s)
{
	size_t colon = str_find(s, ':'), end = str_find(s, ']');
	struct str rest;

	if (s.n > 0 && s.p[0] == '[')
		return end < s.n ? str_of(s.p + 1, end - 1) : s;
	if (colon == s.n)
		return s;
	rest = str_of(s.p + colon + 1, s.n - colon - 1);
	return str_find(rest, ':') < rest.n ? s : str_of(s.p, colon);
}

/* The last address of X-Forwarded-For that is not a trusted proxy's; what it
 * does not understand it does not pass: *known is false then. A proxy may write
 * a line of its own behind that of the client (RFC 9110 5.3). */
static struct str
forwarded(
    const struct origin *o, const struct call *c, struct str peer, bool *known)
{
	struct str list, last = peer;
	size_t at, line;
	uint8_t a[16];

	*known = true;
	for (line = c->header_count; line-- > 0;) {
		if (!str_eq_nocase(
			c->headers[line].name, STR("X-Forwarded-For")))
			continue;
		list = c->headers[line].value;
		while (list.n > 0) {
			for (at = list.n; at > 0 && list.p[at - 1] != ','; at--)
				;
			last = without_port(
			    str_trim(str_of(list.p + at, list.n - at)));
			*known = parse_address(last, a);
			if (!*known)
				return peer;
			if (!trusted(o, last))
				return last;
			list.n = at > 0 ? at - 1 : 0;
		}
	}
	return last;
}

/* What the last proxy says of the connection to it. */
static bool
forwarded_secure(const struct call *c)
{
	struct str part, last = STR("");
	size_t i;

	for (i = 0; i < c->header_count; i++)
		if (str_eq_nocase(
			c->headers[i].name, STR("X-Forwarded-Proto"))) {
			part = c->headers[i].value;
			while (str_split(&part, ',', &last))
				;
		}
	return str_eq_nocase(str_trim(last), STR("https"));
}

static bool
host_is_ours(const struct origin *o, struct str host)
{
	struct str name = name_only(host);
	uint8_t a[16];
	size_t i;

	if (parse_address(name, a) || str_eq_nocase(name, STR("localhost")))
		return true;
	for (i = 0; i < o->name_count; i++)
		if (str_eq_nocase(name, str_from(o->names[i])))
			return true;
	return false;
}

static bool
host_is_text(struct str host)
{
	size_t i;
	uint8_t b;

	for (i = 0; i < host.n; i++) {
		b = host.p[i];
		if (!((b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') ||
			(b >= 'A' && b <= 'Z') || b == '.' || b == '-' ||
			b == ':' || b == '[' || b == ']' || b == '_'))
			return false;
	}
	return host.n > 0;
}

bool
origin_take(const struct origin *o, struct call *c, const char *peer,
    bool secure, struct origin_refusal *why)
{
	struct str address = str_from(peer), host = call_header(c, "Host");
	bool known = true;

	if (trusted(o, address)) {
		secure = secure || forwarded_secure(c);
		address = forwarded(o, c, address, &known);
	}
	(void)str_copy(c->client, sizeof(c->client), address);
	c->secure = secure;
	c->local = known && loopback(address);
	if (!host_is_text(host) || !str_copy(c->host, sizeof(c->host), host)) {
		*why = (struct origin_refusal){
		    400, "host", "the request names no host"};
		return false;
	}
	if (!host_is_ours(o, host)) {
		*why = (struct origin_refusal){421, "host",
		    "this server is not known under that name; whoever runs it "
		    "can set http.server_name to it"};
		return false;
	}
	return true;
}
