/*
 * What is kept of callers: a row of activity and a line in the log for every
 * association, a row of the refusals and a warning for every refusal.
 */
#ifndef SERVICE_RECORD_H
#define SERVICE_RECORD_H

#include "service/service.h"

/* The association begins: who, from where, when. */
void record_begin(struct session *s);
/* It has ended; *why is of interest unless it was released. */
void record_end(struct session *s, const struct err *why);
void record_refusal(struct store *store, const char *calling,
    const char *called, const char *address, const char *reason);
/* A connection that did not become an association. */
void record_stranger(
    struct store *store, const char *address, const struct err *why);

#endif
