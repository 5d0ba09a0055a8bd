/*
 * Storage commitments (PS3.4 Annex J): what peers asked of us, until they have
 * been told and some days longer, and what we asked of others. A row is
 * flushed before the request is answered or sent, so that neither a question
 * nor the duty to answer is lost.
 */
#ifndef STORE_TABLE_COMMITMENT_H
#define STORE_TABLE_COMMITMENT_H

#include "store/store.h"

struct commitment {
	int64_t id;
	bool ours;            /* we asked the peer; else it asked us */
	char ae[17];          /* the peer */
	char title[17];       /* by which it knows us */
	char address[48];     /* from where it asked; of theirs */
	char transaction[65]; /* UID */
	int64_t job;          /* sees it through; 0: none */
	int64_t asked_ms;
	int64_t known_ms; /* when the outcome was found or came; 0: not yet */
	int64_t sent_ms;  /* the outcome is on its way, unanswered; 0: no */
	int64_t told_ms;  /* the peer has it; 0: not yet */
	struct str items; /* as service/commitment/references.h writes them */
};

/* A transaction that the peer has asked for before is replaced, and so gets a
 * new id. Rows that are long done with are forgotten on the way. ERR_LIMIT:
 * too many wait for this peer; ERR_FULL. */
bool commitment_put(struct store *, const struct commitment *, int64_t *id,
    struct err *e) MUST_USE;
/* ERR_MISSING. */
bool commitment_get(struct store *, int64_t id, struct arena *a,
    struct commitment *out, struct err *e) MUST_USE;
bool commitment_find(struct store *, bool ours, const char *ae,
    const char *transaction, struct arena *a, struct commitment *out,
    struct err *e) MUST_USE;

/* The peer's oldest one after 'after' which it has not been told, without its
 * items; ERR_MISSING. */
bool commitment_next(struct store *, const char *ae, int64_t after,
    struct arena *a, struct commitment *out, struct err *e) MUST_USE;
/* Those of a job that are not told (of ours: whose outcome it has not taken
 * yet), likewise, but with items. */
bool commitment_of_job(struct store *, int64_t job, int64_t after,
    struct arena *a, struct commitment *out, struct err *e) MUST_USE;

/* The outcome. Flushed when it is that of another archive; ours can be found
 * again. ERR_MISSING when the row has been replaced. */
bool commitment_known(struct store *, int64_t id, struct str items, bool flush,
    struct err *e) MUST_USE;
/* It is on its way, since sent_ms (0: it is not, after all). Not flushed. */
bool commitment_sent(
    struct store *, int64_t id, int64_t sent_ms, struct err *e) MUST_USE;
/* The peer has it: flushed. */
bool commitment_told(struct store *, int64_t id, struct err *e) MUST_USE;

#endif
