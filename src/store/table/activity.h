/*
 * Activity: every association, who, from where, when, how long, bytes each
 * way, what it did; also those that we opened. Rows can be deleted by right;
 * this is not the audit trail.
 */
#ifndef STORE_ACTIVITY_H
#define STORE_ACTIVITY_H

#include "store/store.h"

struct activity {
	int64_t id;       /* filled in when listed */
	char protocol[8]; /* "dicom" */
	bool outgoing;    /* we called; address is that of the called */
	char calling[17], called[17], address[48];
	int64_t start_ms, end_ms; /* UTC */
	uint64_t bytes_in, bytes_out;
	uint32_t echoes, stores, stores_failed, finds, gets, moves;
	uint64_t instances_in, instances_out;
	char end[32];     /* "released", "aborted by peer", … */
	char detail[160]; /* the last error, or empty */
};

/* Queued; written with the next commit or within a second, whichever is
 * first; lost at a power cut at worst. */
void activity_record(struct store *, const struct activity *);
/* Newest first; since_ms 0 for all. */
bool activity_list(struct store *, int64_t since_ms, size_t max,
    struct arena *a, struct activity **out, size_t *n, struct err *e) MUST_USE;
bool activity_clear(struct store *, int64_t before_ms, struct err *e) MUST_USE;

#endif
