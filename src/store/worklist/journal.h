/*
 * The HL7 journal: every message that came or was sent, whole, with its
 * outcome. Kept for 90 days (failed ones until they are replayed or deleted).
 */
#ifndef STORE_WORKLIST_JOURNAL_H
#define STORE_WORKLIST_JOURNAL_H

#include "store/store.h"

struct journal_entry {
	int64_t id;
	bool sent; /* by us */
	int64_t when_ms;
	char source[64];
	char application[64], facility[64], control_id[64];
	char type[16];    /* "ORM^O01" */
	char outcome[16]; /* "applied" "repeated" "refused" "rejected"
			     "replayed"; of ours "sent" "declined" */
	char reason[160];
	struct str raw; /* only by journal_find() */
};
bool journal_list(struct store *, bool failed_only, int64_t since_ms,
    size_t max, struct arena *a, struct journal_entry **out, size_t *n,
    struct err *e) MUST_USE;
/* What came from an address in this time, the first ones. */
bool journal_between(struct store *, const char *source, int64_t from_ms,
    int64_t to_ms, size_t max, struct arena *a, struct journal_entry **out,
    size_t *n, struct err *e) MUST_USE;
bool journal_find(struct store *, int64_t id, struct arena *a,
    struct journal_entry *out, struct err *e) MUST_USE;
/* A message of ours was answered by its receiver. Not flushed. */
bool journal_sent(struct store *, const char *to, struct str raw, bool taken,
    const char *reason, struct err *e) MUST_USE;
bool journal_expire(struct store *, int64_t before_ms, struct err *e) MUST_USE;

#endif
