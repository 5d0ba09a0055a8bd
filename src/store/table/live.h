/*
 * What goes on in this process right now: associations and HL7 connections,
 * those of others and our own. Kept in memory alone; once one is over it is a
 * row of activity (activity.h). Sessions of the portal are known to its guard.
 */
#ifndef STORE_LIVE_H
#define STORE_LIVE_H

#include "store/table/activity.h"

/* A part of whoever is listed; all zero until live_begin(). */
struct live {
	struct live *before, *after;
	struct activity *row;
};

/* Of the row its protocol, outgoing, calling, called, address and start_ms are
 * shown. They are left as they are until live_end(), but for live_name(). */
void live_begin(struct store *, struct live *, struct activity *row);
void live_name(
    struct store *, struct live *, const char *calling, const char *called);
/* Nothing happens when it never began. */
void live_end(struct store *, struct live *);
/* Those that began last, up to max, the newest first; only what is shown is
 * filled in. */
bool live_list(struct store *, size_t max, struct arena *a,
    struct activity **out, size_t *n, struct err *e) MUST_USE;

#endif
