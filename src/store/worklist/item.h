/*
 * The modality worklist: one item for each scheduled procedure step. Rows are
 * flushed before a function that writes returns. Values are UTF-8 and whole,
 * whatever the length DICOM allows; they are cut on the wire only.
 */
#ifndef STORE_WORKLIST_ITEM_H
#define STORE_WORKLIST_ITEM_H

#include "base/buf.h"
#include "hl7/order.h"
#include "store/store.h"

struct item {
	int64_t id;
	enum order_status status;
	struct str value[FIELD_COUNT];
	struct str application, facility; /* who ordered; empty: by hand */
	int64_t created_ms, changed_ms;   /* UTC */
};

/* Told of items whose status changed, each as it is now, in the transaction
 * that changes it; *now lives as long as the call. False undoes the change. */
struct db;
struct item_watch {
	bool (*changed)(
	    void *ctx, struct db *db, const struct item *now, struct err *e);
	void *ctx;
};

/* Rules of the site, from the settings. */
struct item_rules {
	char uid_root[65];   /* worklist.uid_root */
	const char *uid_for; /* "all", or AE titles separated by commas */
	/* Told of items that get another status by an exam that was here
	 * before them (mpps.h); or NULL. */
	const struct item_watch *watch;
};

/* One message to take effect, and to be journalled with what came of it. */
struct item_message {
	struct str raw;  /* as received */
	char source[64]; /* address, file name or "command" */
	/* NULL: it could not be read. With a problem only its head counts. */
	const struct order_message *order;
	const struct order_problem *problem; /* why it is refused; or NULL */
	bool replay; /* takes effect though the same has come before */
	/* As replay, of this entry of the journal (0: none): it is "replayed"
	 * from then on, and the new entry says what came of it. */
	int64_t replays;
	/* Out: */
	enum { ITEM_APPLIED, ITEM_REPEATED, ITEM_REFUSED } outcome;
	struct order_problem refused; /* for ITEM_REFUSED */
	int64_t journal_id;
};
/* All of them in one flushed transaction, in their order; each takes effect
 * whole or not at all, whatever comes of the others. The same message again
 * (application, facility, control id and bytes, within 7 days; without a
 * control id from the same source too) is ITEM_REPEATED: no second effect.
 * False: nothing was taken, tell the peer to come again (AR). Orders find their
 * item by the identity key (placer and filler number with facility, accession,
 * requested procedure id: needs 4.7); patients are updated in worklist and
 * archive (index/person.h); merges are kept and undone (merge.h), reports are
 * kept with their study (report.h). */
bool item_take(struct store *, const struct item_rules *rules,
    struct item_message *messages, size_t n, struct err *e) MUST_USE;

/* By hand: all fields as given; required ones must be there. *id is set. */
bool item_new(struct store *, const struct item_rules *rules,
    const struct item *item, int64_t *id, struct err *e) MUST_USE;
bool item_edit(struct store *, const struct item_rules *rules,
    const struct item *item, struct err *e) MUST_USE;
bool item_delete(struct store *, int64_t id, struct err *e) MUST_USE;
/* F48, F49: an item without a Study Instance UID gets one, which is kept, if
 * the rules want it for its station, or, where it names none, for the caller.
 * Else it is left as it is. */
bool item_need_study(struct store *, const struct item_rules *rules,
    const char *caller, struct arena *a, struct item *item,
    struct err *e) MUST_USE;
bool item_find(struct store *, int64_t id, struct arena *a, struct item *out,
    struct err *e) MUST_USE; /* ERR_MISSING */
/* Status by what the modality tells (MPPS, images): of all items with this
 * Study Instance UID; where none has it, of those with this accession number;
 * of one step of theirs if step_id is not empty. What is completed,
 * discontinued or cancelled stays so, what has started does not go back to
 * arrived (but to scheduled: the wrong entry was chosen). *n: how many
 * changed. */
bool item_progress(struct store *, struct str study, struct str accession,
    struct str step_id, enum order_status to, size_t *n,
    struct err *e) MUST_USE;
/* Whether item_progress() would find an item that is not over: two look-ups in
 * indexes, nothing is written. */
bool item_open(struct store *, struct str study, struct str accession,
    bool *open, struct err *e) MUST_USE;

/* A search: every field given must fit (the index narrows, the caller
 * decides). Empty: any. Dates YYYYMMDD, both ends included. */
struct item_search {
	struct str date_from, date_to;
	struct str station_ae, modality;
	struct str patient_id, accession, procedure_id, step_id, study;
	struct str name; /* with * and ?, folded */
	bool status[STATUS_COUNT];
	bool without_ae; /* with station_ae: also items that name none */
	/* Values as long as DICOM allows may be the beginning of longer ones */
	bool cut;
};
/* In the order of start date, start time, id; after the given item (NULL: the
 * first); up to max. */
bool item_list(struct store *, const struct item_search *search,
    const struct item *after, size_t max, struct arena *a, struct item **out,
    size_t *n, struct err *e) MUST_USE;
/* How many there are of each status. */
bool item_count(
    struct store *, uint64_t counts[STATUS_COUNT], struct err *e) MUST_USE;
/* How the database goes about a search, one step a line (for tests). */
bool item_explain(struct store *, const struct item_search *search,
    struct buf *out, struct err *e) MUST_USE;
/* worklist.retention: what starts (or was made) before this day goes, unless
 * it has been started and not completed. */
bool item_expire(
    struct store *, const char before[9], uint64_t *n, struct err *e) MUST_USE;

#endif
