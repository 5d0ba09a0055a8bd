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

bool
link_token(const struct web_config *c, struct str token, struct buf *out)
{
	struct str host = str_from(host_of(c));
	bool v6 = str_find(host, ':') < host.n;

	if (host.n == 0 || str_eq_text(host, "auto") || c->port == 0)
		return false;
	buf_printf(out, "%s://%s%.*s%s", c->tls ? "https" : "http",
	    v6 ? "[" : "", STR_ARG(host), v6 ? "]" : "");
	if (c->port != (c->tls ? 443 : 80))
		buf_printf(out, ":%u", (unsigned)c->port);
	buf_printf(out, "/token?%.*s", STR_ARG(token));
	return true;
}
