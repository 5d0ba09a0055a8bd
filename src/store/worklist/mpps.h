/*
 * Modality Performed Procedure Steps (PS3.4 Annex F): what a modality says of
 * an exam while it does it. Rows are flushed before a function that writes
 * returns, and with them the status of the worklist items they are about.
 *
 * An exam is linked to its items by what its Scheduled Step Attributes say:
 * the first of these that finds some: study and step ID; accession number and
 * step ID; step and procedure ID of the same patient; where there is no step
 * ID, study, then accession number; where there is one that nobody knows, the
 * only item of the study, then of the accession number. Accession numbers and
 * step IDs are compared as far as an SH goes: modalities get them cut.
 *
 * The patient of an exam is the one to whom merges lead its Patient ID
 * (merge.h), which comes without an issuer.
 *
 * What finds none is unscheduled, and is kept: an item that comes later is
 * linked then (mpps_adopt()).
 *
 * The status of an item is that of all exams linked to it: STARTED while one
 * of them is in progress, else COMPLETED if one is, else DISCONTINUED, else,
 * where all of them had taken the wrong entry of the worklist, SCHEDULED. What
 * is COMPLETED or CANCELED stays so.
 */
#ifndef STORE_WORKLIST_MPPS_H
#define STORE_WORKLIST_MPPS_H

#include "hl7/order.h"
#include "store/store.h"

/* Stored: numbers stay. */
enum mpps_state { MPPS_IN_PROGRESS, MPPS_COMPLETED, MPPS_DISCONTINUED };

/* An item of the Scheduled Step Attributes Sequence (0040,0270). */
struct mpps_step {
	struct str study, accession, procedure_id, step_id;
};

struct mpps {
	char uid[65];
	char ae[17]; /* who created it */
	enum mpps_state state;
	/* Discontinued because the wrong entry was chosen. */
	bool wrong_entry;
	int64_t revision;
	struct str patient_id, patient_name, modality;
	struct str charset;      /* in which it was created */
	struct str data;         /* explicit VR little endian, in UTF-8 */
	struct mpps_step *steps; /* not by mpps_find() */
	size_t step_count;
	/* Only by lists: the items it is about, and what it names first. */
	uint64_t items;
	struct str accession;
	int64_t created_ms, changed_ms;
};

struct mpps_outcome {
	size_t linked;  /* items it is about; 0: unscheduled */
	size_t changed; /* … that have another status now */
};
struct item_watch;

/* ERR_CONFLICT: there is one of this UID. watch may be NULL, here and below. */
bool mpps_create(struct store *, const struct mpps *m,
    const struct item_watch *watch, struct mpps_outcome *out,
    struct err *e) MUST_USE;
/* ERR_MISSING. */
bool mpps_find(struct store *, const char *uid, struct arena *a,
    struct mpps *out, struct err *e) MUST_USE;
/* state, wrong_entry and data as given, if the row is still the revision that
 * was found and in progress; else ERR_CONFLICT: find it again. */
bool mpps_update(struct store *, const struct mpps *m,
    const struct item_watch *watch, struct mpps_outcome *out,
    struct err *e) MUST_USE;

/* The newest first; without data and steps. */
bool mpps_list(struct store *, size_t max, struct arena *a, struct mpps **out,
    size_t *n, struct err *e) MUST_USE;
/* Those of them that found no item in the last days. */
bool mpps_unscheduled(struct store *, size_t max, struct arena *a,
    struct mpps **out, size_t *n, struct err *e) MUST_USE;

struct db;
struct item;
/* Within the transaction that made or changed an item: exams that waited for
 * it are linked, and it gets their status. */
bool mpps_adopt(struct db *db, int64_t id, const struct item *item,
    const struct item_watch *watch, struct err *e) MUST_USE;

#endif
