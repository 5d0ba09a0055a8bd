/*
 * Files set aside (DATA/quarantine): second arrivals that differ from the
 * first, torn and changed files, objects that others took the place of. Each
 * has a row that says why, and stays until somebody decides.
 *
 * What is decided is durable when the function returns, also beside a running
 * server; quarantine.c says how.
 */
#ifndef STORE_QUARANTINE_H
#define STORE_QUARANTINE_H

#include "store/store.h"

#define QUARANTINE_DIFFERS  "differs"  /* a second arrival */
#define QUARANTINE_REPLACED "replaced" /* another was accepted instead */
#define QUARANTINE_TORN     "torn"     /* by an unclean stop */
#define QUARANTINE_CHANGED  "changed"  /* not what was received */

struct quarantined {
	int64_t id;
	char path[48];                     /* within the folder quarantine */
	char reason[16];                   /* one of the above */
	char sop_instance[65], source[17]; /* empty where not known */
	uint64_t size;                     /* of the data set; 0: not known */
	uint8_t sha256[32];
	int64_t arrived_ms; /* torn, changed: when it was set aside */
};

/* Up to LIMIT_ROWS with a greater id, in their order; *n < LIMIT_ROWS means
 * there are no more. */
bool quarantine_list(struct store *, int64_t after_id, struct arena *a,
    struct quarantined **out, size_t *n, struct err *e) MUST_USE;
/* ERR_MISSING. */
bool quarantine_find(struct store *, int64_t id, struct quarantined *out,
    struct err *e) MUST_USE;
/* The file, whole or not, to be closed. ERR_MISSING. */
bool quarantine_file(struct store *, const struct quarantined *q, int *fd,
    struct err *e) MUST_USE;

/* Are these very bytes in quarantine, with their file? */
bool quarantine_has(struct store *, struct str sop_instance,
    const uint8_t sha256[32], bool *found, struct err *e) MUST_USE;

enum accept_outcome {
	ACCEPT_REPLACED, /* what was stored is in quarantine in its turn */
	ACCEPT_STORED,   /* nothing was stored under its UID any more */
	ACCEPT_SAME      /* these very bytes are what is stored */
};
/* It becomes the object under its UID and leaves quarantine. ERR_MISSING,
 * ERR_CORRUPT when it is not what was received, ERR_MALFORMED, ERR_FULL,
 * ERR_IO; then all is as it was. */
bool quarantine_accept(struct store *, int64_t id, enum accept_outcome *out,
    struct err *e) MUST_USE;
/* It is deleted, for good. ERR_MISSING. */
bool quarantine_discard(struct store *, int64_t id, struct err *e) MUST_USE;

#endif
