/*
 * The one place where it is decided who may call what, see access.h.
 */
#include "web/auth/access.h"

bool
access_is_slow(const struct call *c)
{
	return (c->route->flags & ROUTE_PASSWORD) != 0;
}

bool
access_admit(struct call *c, struct reply *r, struct err *e)
{
	(void)e;
	if (c->route->demand & DEMAND_NOTHING)
		return true;
	if (c->route->demand & DEMAND_LOCAL && c->local)
		return true;
	reply_refuse(r, 401, "login", "log in first");
	return false;
}
