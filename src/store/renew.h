/*
 * The rows of patients, studies and series when an instance is taken out of
 * the index or gives its place to another: what they say must stand in a file
 * that is there. Afterwards they are those that a rebuild of the index would
 * give: a patient whose images were all sent again under a corrected name or
 * ID has that one.
 *
 * Always within a transaction of commit.h.
 */
#ifndef STORE_RENEW_H
#define STORE_RENEW_H

#include "store/index/upsert.h"
#include "store/store.h"

struct renewal {
	int64_t series, study, patient, said; /* it belongs to */
	struct arena arena;
	struct row was; /* what its file says */
	bool read;      /* if it can be read */
};

/* Before its row goes: whom it belongs to and what it says. To be ended, also
 * after a failure. */
bool renew_begin(struct store *s, struct upsert *u, int64_t instance,
    struct renewal *r, struct err *e) MUST_USE;
/* Its row has gone; now: the one that has taken its place, or NULL. Files that
 * cannot be read leave the rows as they are. */
bool renew(struct store *s, struct upsert *u, const struct renewal *r,
    const struct row *now, struct err *e) MUST_USE;
void renew_end(struct renewal *r);

/* For a check, on any connection: does a patient, a study or a series say what
 * no file of it says, or not say what one does? Not what HL7 told of a
 * patient. */
bool renew_check(struct store *s, struct db *db, enum index_level level,
    int64_t id, bool *wrong, struct err *e) MUST_USE;
/* All rows of a study from its files, and its patient's. */
bool renew_study(
    struct store *s, struct upsert *u, int64_t study, struct err *e) MUST_USE;

#endif
