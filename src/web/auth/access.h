/*
 * Who a request is from, and whether it may: the one place where rights,
 * visibility and proof of origin are enforced. It runs before every handler.
 */
#ifndef WEB_AUTH_ACCESS_H
#define WEB_AUTH_ACCESS_H

#include "web/http/call.h"

/* Does admitting this request mean to check a password? */
bool access_is_slow(const struct call *c);
/* False: refused; either the reply says why, or the error. */
bool access_admit(struct call *c, struct reply *r, struct err *e) MUST_USE;

#endif
