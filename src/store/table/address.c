/*
 * Numeric addresses.
 */
#include "store/table/address.h"

#include <arpa/inet.h>
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

bool
address_of(const struct sockaddr *from, struct address *out)
{
	const void *p = from;

	if (from->sa_family == AF_INET)
		map_v4(&((const struct sockaddr_in *)p)->sin_addr, out);
	else if (from->sa_family == AF_INET6)
		memcpy(out->b, &((const struct sockaddr_in6 *)p)->sin6_addr,
		    sizeof(out->b));
	else
		return false;
	return true;
}
