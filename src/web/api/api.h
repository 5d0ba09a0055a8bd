/*
 * The handlers of all routes, one file a resource. What each takes and answers
 * stands in the route table.
 */
#ifndef WEB_API_API_H
#define WEB_API_API_H

#include "web/http/call.h"

typedef bool route_fn(struct call *c, struct reply *r, struct err *e);

/* status.c */
route_fn status_alive, status_ready, status_metrics;

#endif
