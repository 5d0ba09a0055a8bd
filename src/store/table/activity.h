/*
 * Activity: every association, HL7 connection and session of the portal: who,
 * from where, when, how long, bytes each way, what it did; also associations
 * that we opened. Rows can be deleted by right; this is not the audit trail.
 */
#ifndef STORE_ACTIVITY_H
#define STORE_ACTIVITY_H

#include "store/store.h"

/* How a session of the portal that goes on has ended. */
#define ACTIVITY_OPEN "open"
/* What is kept of what a session did. */
#define ACTIVITY_ACTIONS (8 * 1024)

struct activity {
	int64_t id;       /* filled in when listed */
	char protocol[8]; /* "dicom", "hl7", "web" */
	bool outgoing;    /* we called; address is that of the called */
	/* Of the portal: the user's name, and by what he came (cookie, basic,
	 * key, link, log-in). */
	char calling[65], called[17], address[48];
	int64_t start_ms, end_ms; /* UTC; of an open session: when it was last
				     written down */
	uint64_t bytes_in, bytes_out;
	uint32_t echoes, stores, stores_failed, finds, gets, moves;
	uint64_t instances_in, instances_out;
	char end[32];     /* "released", "aborted by peer", … */
	char detail[160]; /* the last error, or empty */
	/* Of the portal only. */
	char session[16], browser[160];
	uint32_t requests;
};

/* Queued; written with the next commit or within a second, whichever is
 * first; lost at a power cut at worst. */
void activity_record(struct store *, const struct activity *);
/* A session of the portal, which may have been written down before; actions: a
 * line each, cut at ACTIVITY_ACTIONS. */
void activity_record_session(
    struct store *, const struct activity *, struct str actions);
/* Sessions that were open when the process before ended. */
void activity_end_open(struct store *, const char *how);

struct activity_query {
	int64_t from_ms, to_ms; /* from <= start < to */
	const char *protocol;   /* or "" */
	/* Go on behind this row; 0: from the newest. */
	int64_t after_ms, after_id;
	size_t max;
};
/* Newest first. */
bool activity_find(struct store *, const struct activity_query *,
    struct arena *a, struct activity **out, size_t *n, struct err *e) MUST_USE;
/* The same since a time; 0 for all. */
bool activity_list(struct store *, int64_t since_ms, size_t max,
    struct arena *a, struct activity **out, size_t *n, struct err *e) MUST_USE;
/* One, and what it did. ERR_MISSING. */
bool activity_show(struct store *, int64_t id, struct arena *a,
    struct activity *out, struct str *actions, struct err *e) MUST_USE;
/* But for sessions that are open. */
bool activity_clear(struct store *, int64_t before_ms, struct err *e) MUST_USE;

#endif
