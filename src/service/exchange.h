/*
 * One exchange: a request is read, goes to its service, is answered. What no
 * service is meant for is answered here (PS3.7 Annex C), or ends the
 * association when it makes no sense at all.
 */
#ifndef SERVICE_EXCHANGE_H
#define SERVICE_EXCHANGE_H

#include "service/service.h"

/* Read the next command. *service: who is to serve it, whose data set is then
 * unread; NULL when it has been dealt with. False: the association has ended,
 * or cannot go on. */
bool exchange_read(struct session *s, struct dimse *rq,
    const struct service **service, struct err *e) MUST_USE;
/* The request of 'service', whose identifier is read, begins to wait; it still
 * waits: the peer is told so every other second (s->line.tell_ms is when next).
 * False: it has gone. */
void exchange_line_up(struct session *s);
bool exchange_wait(struct session *s, const struct dimse *rq,
    const struct service *service, struct err *e) MUST_USE;
/* Let the service do it, then give its memory back. False as above. */
bool exchange_serve(struct session *s, const struct dimse *rq,
    const struct service *service, struct err *e) MUST_USE;

#endif
