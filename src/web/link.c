/*
 * The name wins over the outside address (F83), and never is it an address of
 * this machine alone, which nobody else could follow.
 */
#include "web/link.h"

static const char *
host_of(const struct web_config *c)
{
	return c->server_name[0] != '\0' ? c->server_name : c->outside_address;
}

static size_t
colons(struct str s)
{
	size_t i, n = 0;

	for (i = 0; i < s.n; i++)
		n += s.p[i] == ':';
	return n;
}

void
link_authority(struct str host, unsigned port, bool tls, struct buf *out)
{
	bool v6 = colons(host) > 1 && host.p[0] != '[';

	buf_printf(
	    out, "%s%.*s%s", v6 ? "[" : "", STR_ARG(host), v6 ? "]" : "");
	if (colons(host) != 1 && port != (tls ? 443 : 80))
		buf_printf(out, ":%u", port);
}

bool
link_token(const struct web_config *c, struct str token, struct buf *out)
{
	struct str host = str_from(host_of(c));

	if (host.n == 0 || str_eq_text(host, "auto") || c->port == 0)
		return false;
	buf_printf(out, "%s://", c->tls ? "https" : "http");
	link_authority(host, c->port, c->tls, out);
	buf_printf(out, "/token?%.*s", STR_ARG(token));
	return true;
}
