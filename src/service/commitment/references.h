/*
 * What a storage commitment is about (PS3.4 J.3): a transaction and the
 * instances it references, each with the reason why it is not committed (0:
 * it is, or it is not decided yet). The data sets of N-ACTION and
 * N-EVENT-REPORT to these and back, and the text in which they are kept.
 * Bytes in, values out.
 *
 * Lenient where peers are: an instance that is referenced twice (J.3.2.1.1.3
 * forbids it) counts once; UIDs need not be formed as they should, only be
 * digits and dots.
 */
#ifndef SERVICE_COMMITMENT_REFERENCES_H
#define SERVICE_COMMITMENT_REFERENCES_H

#include "dicom/dataset.h"

/* Action and Event Type IDs: Tables J.3-1 and J.3-2. */
#define COMMITMENT_REQUEST  1
#define COMMITMENT_COMPLETE 1
#define COMMITMENT_FAILURES 2

struct reference {
	struct str sop_class, sop_instance;
	uint16_t reason; /* Failure Reason (PS3.3 C.14.1.1) */
};

struct references {
	char transaction[65];
	struct reference *at;
	size_t n;
};

/* What reading, keeping and writing so many may take of an arena. */
#define REFERENCES_ARENA (48 * MIB)

/* The Action Information of N-ACTION. ERR_LIMIT: more than LIMIT_REFERENCES;
 * ERR_MALFORMED: anything else. The rest lies in the arena. */
bool references_read_action(struct arena *a, struct str bytes,
    struct syntax syntax, struct references *out, struct err *e) MUST_USE;
/* The Event Information of N-EVENT-REPORT, with the failed ones behind the
 * others. Likewise. */
bool references_read_event(struct arena *a, struct str bytes,
    struct syntax syntax, struct references *out, struct err *e) MUST_USE;

/* Append the data sets; ERR_LIMIT past out's cap or the arena's budget. */
bool references_write_action(struct arena *a, const struct references *r,
    struct syntax syntax, struct buf *out, struct err *e) MUST_USE;
bool references_write_event(struct arena *a, const struct references *r,
    const char *retrieve_ae, struct syntax syntax, struct buf *out,
    struct err *e) MUST_USE;

/* Give each instance that was asked for the reason it got: by its instance
 * UID. What got says nothing of has failed, what was not asked for does not
 * matter. */
void references_merge(struct references *asked, const struct references *got);

size_t references_failed(const struct references *r);

/* "class instance reason", a line each. */
void references_to_text(const struct references *r, struct buf *out);
/* ERR_CORRUPT when it is none of ours. Slices point into the text. */
bool references_of_text(struct arena *a, struct str text,
    struct references *out, struct err *e) MUST_USE;

#endif
