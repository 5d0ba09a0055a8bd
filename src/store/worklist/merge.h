/*
 * Merges of patients: one Patient ID (with its issuer) is another from now on,
 * in the worklist and in the archive, also for what comes later. They are told
 * by HL7 (ADT^A40 and its kin, A37 for the undoing) or done by hand; undoing
 * gives the state from before, but for what the message said of who stays. How
 * they work is in store/index/person.h.
 */
#ifndef STORE_WORKLIST_MERGE_H
#define STORE_WORKLIST_MERGE_H

#include "store/store.h"

struct merge {
	int64_t id;
	struct str prior_id, prior_issuer; /* who was merged */
	struct str patient_id, issuer;     /* who stays */
	int64_t when_ms;
	int64_t journal_id; /* the message; 0: by hand */
	bool ended;         /* by a later one the other way round */
};
/* *id: of the merge, 0 when it was in force already. ERR_USAGE: both are the
 * same, or one has no ID. An issuer that only one of them has is meant for
 * both. */
bool merge_new(struct store *, struct str prior_id, struct str prior_issuer,
    struct str patient_id, struct str issuer, int64_t *id,
    struct err *e) MUST_USE;
bool merge_undo(
    struct store *, int64_t id, struct err *e) MUST_USE; /* ERR_MISSING */
/* The newest first, before_id 0 or the last one of the page before. */
bool merge_list(struct store *, int64_t before_id, size_t max, struct arena *a,
    struct merge **out, size_t *n, struct err *e) MUST_USE;

#endif
