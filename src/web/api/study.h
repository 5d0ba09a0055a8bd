/*
 * Patients, studies and series as JSON.
 */
#ifndef WEB_API_STUDY_H
#define WEB_API_STUDY_H

#include "store/index/index.h"
#include "web/api/api.h"

/* An object each; dates as 2026-11-21, times as 06:48:00, names in their parts
 * "family", "given" … of the first group there is, and whole. */
void study_put_patient(struct json *j, const struct index_row *row);
void study_put(struct json *j, const struct index_row *row);
void study_put_series(struct json *j, const struct index_row *row);

#endif
