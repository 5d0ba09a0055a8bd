/*
 * Patients, studies and series as JSON.
 */
#ifndef WEB_API_STUDY_H
#define WEB_API_STUDY_H

#include "store/index/index.h"
#include "web/api/api.h"

/* An object each, of a row that was searched with want_patient; dates as
 * 2026-11-21, times as 06:48:00, names in their parts "family", "given" … of
 * the first group there is, and whole. */
void study_put_patient(struct json *j, const struct index_row *row);
void study_put(struct json *j, const struct index_row *row);
/* study: put in as a member, too; NULL: not. */
void study_put_series(
    struct json *j, const struct index_row *row, const struct index_row *study);
/* All series of a study, as members of an array that has begun. modality: only
 * of those that fit it, with wild cards; "": all. whole: each with its study.
 */
bool study_put_all_series(struct call *c, struct json *j,
    const struct index_row *study, struct str modality, bool whole,
    struct err *e) MUST_USE;

/* Which patient a request means: this ID, of the issuer that its field 'issuer'
 * names; or, by its field 'key', one of the list whatever the ID. */
#define PATIENT_CONDITIONS 2
bool study_patient_is(struct call *c, struct str id,
    struct condition out[PATIENT_CONDITIONS], size_t *n,
    struct err *e) MUST_USE;

#endif
