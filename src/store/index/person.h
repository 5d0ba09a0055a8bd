/*
 * Who a patient is, when somebody knows better than the files: merges of one
 * identity (Patient ID and issuer) into another, and corrected names, birth
 * dates and sexes, as HL7 tells them. Files stay as they were received.
 *
 * Tables patient_alias and patient_edit hold what was told, and a rebuild of
 * the index keeps them. What the files say of those concerned is in
 * patient_said, one row an identity, and study.said names it; the rows of
 * table patient are made from all three, the same ones whatever came first.
 * Undoing a merge therefore gives the rows that were there before it.
 *
 * An identity without issuer goes along with a merge within one issuer, and
 * with the corrections of the only issuer that has any; never the other way
 * round, and never from one issuer to another unless the merge names both.
 *
 * Always within a transaction of commit.h. Who calls one of the functions that
 * take a struct upsert has called upsert_end() before.
 */
#ifndef STORE_PERSON_H
#define STORE_PERSON_H

#include "store/index/upsert.h"

struct person {
	struct str id, issuer;
};
bool person_eq(const struct person *a, const struct person *b);
/* As the index writes them: trimmed, and not longer. */
struct person person_of(struct str id, struct str issuer);

/* What is told or said of a patient. */
enum person_value { PERSON_NAME, PERSON_BIRTH, PERSON_SEX, PERSON_VALUES };
struct person_values {
	bool given[PERSON_VALUES]; /* or: nothing is said of it */
	struct str v[PERSON_VALUES];
};

/* What was told of this one alone. */
bool person_told(struct db *db, struct arena *a, const struct person *p,
    struct person_values *out, struct err *e) MUST_USE;

/* Merges in a row that are followed. */
#define PERSON_HOPS 200
/* One step of the way; found false: from is its end. */
bool person_next(struct db *db, struct arena *a, const struct person *from,
    struct person *out, bool *found, struct err *e) MUST_USE;
/* Where the merges lead; a person of none is the answer itself. */
bool person_resolve(struct db *db, struct arena *a, const struct person *from,
    struct person *out, struct err *e) MUST_USE;
/* All whom the merges lead to this one, and first this one itself. *v empty:
 * it is merged into another. */
struct person_list {
	struct person *v;
	size_t n;
};
bool person_members(struct db *db, struct arena *a, const struct person *root,
    struct person_list *out, struct err *e) MUST_USE;

/* A merge: what is from's is into's from now on. *id: of the merge, 0 when it
 * is in force already. */
bool person_merge(struct upsert *u, struct arena *a, const struct person *from,
    const struct person *into, int64_t journal, int64_t *id,
    struct err *e) MUST_USE;
/* The merge in force of these two, whichever was merged into the other; *id 0:
 * there is none. */
bool person_find_merge(struct db *db, const struct person *one,
    const struct person *two, int64_t *id, struct err *e) MUST_USE;
bool person_unmerge(
    struct upsert *u, struct arena *a, int64_t id, struct err *e) MUST_USE;
/* Whose rows a merge concerns: the persons whom those of both sides lead to,
 * each once. To be asked before and after. */
bool person_roots(struct db *db, struct arena *a, const struct person *from,
    const struct person *into, struct person_list *out, struct err *e) MUST_USE;
struct person_alias {
	int64_t id, journal, at_ms;
	struct person from, into;
};
bool person_alias_find(struct db *db, struct arena *a, int64_t id,
    struct person_alias *out, bool *found, struct err *e) MUST_USE;

/* Values told; those not given stay as they were told before. Nobody needs to
 * be there. */
bool person_correct(struct upsert *u, struct arena *a, const struct person *p,
    const struct person_values *told, int64_t journal, struct err *e) MUST_USE;

#endif
