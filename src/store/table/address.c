/*
 * Numeric addresses and names of hosts.
 */
#include "store/table/address.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

static void
map_v4(const void *v4, struct address *out)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(out->b, prefix, 12);
	memcpy(out->b + 12, v4, 4);
}

bool
address_parse(const char *text, struct address *out)
{
	char bare[64];
	struct in_addr v4;
	struct str s = str_from(text);

	if (s.n > 1 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_of(s.p + 1, s.n - 2);
	/* A zone does not tell hosts apart. */
	s.n = str_find(s, '%');
	if (!str_copy(bare, sizeof(bare), s))
		return false;
	if (inet_pton(AF_INET6, bare, out->b) == 1)
		return true;
	if (inet_pton(AF_INET, bare, &v4) != 1)
		return false;
	map_v4(&v4, out);
	return true;
}

void
address_resolve(const char *host, struct resolved *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *at;
	const void *p;

	*out = (struct resolved){.at_ms = clock_mono_ms()};
	if (address_parse(host, &out->v[0])) {
		out->n = 1;
		return;
	}
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return;
	for (at = list; at != NULL && out->n < ADDRESSES; at = at->ai_next) {
		p = at->ai_addr;
		if (at->ai_family == AF_INET)
			map_v4(&((const struct sockaddr_in *)p)->sin_addr,
			    &out->v[out->n++]);
		else if (at->ai_family == AF_INET6)
			memcpy(out->v[out->n++].b,
			    &((const struct sockaddr_in6 *)p)->sin6_addr, 16);
	}
	freeaddrinfo(list);
}

bool
address_among(const struct resolved *r, const struct address *a)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (!memcmp(&r->v[i], a, sizeof(*a)))
			return true;
	return false;
}
