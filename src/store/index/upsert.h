/*
 * Rows of the index: putting an instance in with its series, study and patient,
 * and taking it out. Always within a transaction of commit.h.
 *
 * An attribute of a patient, study or series is that of the instance that
 * brought a value first; later instances only fill in what was empty. A study
 * belongs to the patient of its first instance. What an instance said before it
 * was taken out or replaced is forgotten by renew.h.
 *
 * Ids, empty fields and lists of the rows last used are kept in memory, and
 * forgotten after a rollback or when another process has written. Counts are
 * written once a transaction.
 */
#ifndef STORE_UPSERT_H
#define STORE_UPSERT_H

#include "store/db.h"
#include "store/index/index.h"

struct upsert;

/* Room for ModalitiesInStudy and SOPClassesInStudy each: about 60 classes; a
 * page of rows must stay within the memory of an exchange. */
#define UPSERT_LIST_MAX 4096

struct upsert *upsert_new(struct db *db); /* does not own db */
void upsert_free(struct upsert **u);
struct db *upsert_db(struct upsert *u);

/* An object as a row; the values are normalised (attribute.h). */
struct row {
	struct str value[COLUMN_COUNT];
	struct str time_key[2];                /* StudyTime, SeriesTime */
	struct str patient_key, referring_key; /* folded names */
	struct str identity;                   /* of a patient without ID */
	struct str syntax, path;
	struct str source;
	uint64_t size;
	uint8_t sha256[32];
	int64_t crc32; /* of the data set; negative: unknown */
	int64_t arrived_ms;
};

/* What stands in the index under a SOP Instance UID. */
struct existing {
	int64_t id; /* 0: nothing */
	uint64_t size;
	uint8_t sha256[32];
	char syntax[65], path[128];
};
bool existing_find(struct db *db, struct str sop_instance, struct existing *out,
    struct err *e) MUST_USE;

/* The SOP Instance UID must not be there. */
bool upsert_insert(
    struct upsert *u, const struct row *row, struct err *e) MUST_USE;
/* Counts go down; a series, study or patient without instances goes. */
bool upsert_delete(struct upsert *u, int64_t instance, struct err *e) MUST_USE;
/* With all its series and instances, and its patient if that has no other. */
bool upsert_delete_study(
    struct upsert *u, int64_t study, struct err *e) MUST_USE;
/* Name, birth date and sex of a patient, or of what is said of him (said not
 * 0), as these values by column have them. */
bool upsert_correct_patient(struct upsert *u, int64_t patient, int64_t said,
    const struct str *value, struct err *e) MUST_USE;

/* For commit.c: before the first work of a transaction, before its commit,
 * and after a rollback. */
bool upsert_begin(struct upsert *u, struct err *e) MUST_USE;
bool upsert_end(struct upsert *u, struct err *e) MUST_USE;
void upsert_forget(struct upsert *u);

#endif
