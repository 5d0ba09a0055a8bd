/*
 * Why a query of the worklist gets what it gets: for each of its conditions
 * how many items it removes, and what remains.
 */
#ifndef SERVICE_WORKLIST_EXPLAIN_H
#define SERVICE_WORKLIST_EXPLAIN_H

#include "service/worklist/ask.h"

#define EXPLAIN_SAMPLES 4

/* What an item has where only one condition keeps it away. */
struct explain_sample {
	char value[80];
	uint64_t count;
};

struct explain_key {
	const struct ask_key *key;
	uint64_t removed, remain;
	/* Items that all other conditions let through. */
	uint64_t alone;
	struct explain_sample samples[EXPLAIN_SAMPLES]; /* of those */
	size_t sample_count;
};

struct explain {
	uint64_t items; /* in the worklist, whatever their status */
	uint64_t by_status[STATUS_COUNT];
	uint64_t hidden;          /* by their status */
	uint64_t hidden_alone;    /* of those match all keys */
	struct explain_key *keys; /* in the order of the query */
	size_t key_count;
	uint64_t answers; /* after all of them */
	bool lenient;     /* by names as people write them */
};

/* Looks at every item that is shown: seconds where there are a million. */
bool explain_run(struct store *s, struct ask *ask, struct arena *a,
    struct explain *out, struct err *e) MUST_USE;
/* The value of a condition, as people read it. */
const char *explain_value(const struct ask_key *key, char *out, size_t room);

#endif
