/*
 * What the parts of person.h share with the upsert. Only for src/store/index.
 */
#ifndef STORE_PERSON_INSIDE_H
#define STORE_PERSON_INSIDE_H

#include "store/index/person.h"
#include "store/index/word.h"

/* Whether there are merges or corrections at all, and whether any speak of
 * this Patient ID. */
bool person_any(struct db *db, bool *any, struct err *e) MUST_USE;
bool person_known(
    struct db *db, struct str id, bool *known, struct err *e) MUST_USE;

/* From now on what the files say of this Patient ID is kept in patient_said. */
bool person_involve(
    struct db *db, struct arena *a, struct str id, struct err *e) MUST_USE;
/* The row of table patient with what is known of this one, made if there is
 * none. */
bool person_row(struct db *db, struct arena *a, const struct person *root,
    int64_t *patient, struct err *e) MUST_USE;
/* Make the row anew, and let it have the studies of those merged into it; the
 * row of one without studies goes. */
bool person_refresh(struct db *db, struct arena *a, const struct person *root,
    struct err *e) MUST_USE;
/* The row goes if it has no studies. */
bool person_prune(
    struct db *db, const struct person *root, struct err *e) MUST_USE;
/* No study says this any more: the row of patient_said goes, and the row made
 * from it is made anew or goes. */
bool person_unsaid(struct db *db, int64_t said, struct err *e) MUST_USE;

/* Of upsert.c and upsert_delete.c: the folded names of an owner. */
bool upsert_add_names(struct db *db, enum word_kind kind, int64_t owner,
    struct str keys, struct err *e) MUST_USE;
bool upsert_drop_names(struct db *db, int64_t patient, struct err *e) MUST_USE;
bool upsert_prune_patient(
    struct db *db, int64_t patient, struct err *e) MUST_USE;
/* Merges or corrections have been written. */
void upsert_renew(struct upsert *u);

#endif
