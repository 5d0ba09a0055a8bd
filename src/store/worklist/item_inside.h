/*
 * What the parts of the worklist share. Only for src/store/worklist. All of
 * them run within a transaction of commit.h.
 */
#ifndef STORE_WORKLIST_ITEM_INSIDE_H
#define STORE_WORKLIST_ITEM_INSIDE_H

#include "store/index/person.h"
#include "store/worklist/item.h"

/* Values are copied into the arena. *found false: there is no such row. */
bool item_fetch(struct db *db, int64_t id, struct arena *a, struct item *out,
    bool *found, struct err *e) MUST_USE;
bool item_insert(struct db *db, const struct item_rules *rules,
    const struct item *item, int64_t *id, struct err *e) MUST_USE;
/* ERR_MISSING. */
bool item_update(struct db *db, const struct item_rules *rules,
    const struct item *item, struct err *e) MUST_USE;
/* The first required field without a value; FIELD_COUNT: none. */
enum field item_lacks(const struct item *item);
/* F48, F49: a Study Instance UID where one is wanted and none came; that of
 * another step of the same procedure if there is one. */
bool item_study_uid(struct db *db, const struct item_rules *rules,
    struct arena *a, struct item *item, struct err *e) MUST_USE;

/* Accession numbers and step IDs come back from modalities cut to the 16
 * characters of an SH: the values that one may stand for are those from it up
 * to this. room: for a longer text than value. */
#define ITEM_SH_ROOM 65
struct str item_sh_end(struct str value, uint8_t room[ITEM_SH_ROOM]);
/* Tell the watch (NULL: nobody) of an item. */
bool item_tell(struct db *db, int64_t id, const struct item_watch *watch,
    struct err *e) MUST_USE;
/* Whether items are to be found by the study rather than by the accession
 * number: some item has it. */
bool item_lead(struct db *db, struct str study, struct str accession,
    bool *by_study, struct err *e) MUST_USE;

/* One message that takes effect. */
struct item_effect {
	struct upsert *upsert; /* for patients: nothing is pending there */
	struct db *db;
	const struct item_rules *rules;
	const struct order_message *order;
	struct arena *arena;
	struct order_problem *problem; /* to be set when it is refused */
	bool refused;
	const char *remark; /* for the journal, of what is not refused */
	bool touched;       /* some item is new or was changed */
	int64_t now_ms, journal_id;
};
/* Sets refused; always true, so that 'return item_refuse(…)' is what a
 * function does that met no error of the database. */
bool item_refuse(struct item_effect *x, unsigned code, const char *segment,
    unsigned field, const char *format, ...) PRINTF(5, 6);

/* Under whom the worklist and the archive have somebody: where merges lead. */
bool item_patient(struct item_effect *x, struct str id, struct str issuer,
    struct person *out, struct err *e) MUST_USE;
/* New values of a patient, in the worklist and in the archive; with ARRIVED
 * also that of the steps that he comes for. */
bool item_demographics(struct item_effect *x, const struct person *p,
    const struct order_value *values, enum order_status status,
    struct err *e) MUST_USE;
/* Items and exams follow what was merged into this one, and whoever no longer
 * is goes back under the ID and the name he came with. */
bool item_follow(struct db *db, struct arena *a, const struct person *root,
    struct err *e) MUST_USE;
/* What is told of the patient of an item, field by field, is kept beside it as
 * long as merges lead the item to another patient (item_merge.c). */
struct item_telling {
	struct db *db;
	bool led, was_led;
};
bool item_telling(struct db *db, int64_t id, struct item_telling *out,
    struct err *e) MUST_USE;
/* item: with the value from before. */
bool item_told(const struct item_telling *t, const struct item *item,
    enum field f, struct str value, struct err *e) MUST_USE;
/* Values that are told of the item itself, and stay, whosever it is. */
bool item_said_itself(struct db *db, const struct item *old,
    const struct item *item, struct err *e) MUST_USE;
/* News of somebody who was merged into another: of the items that came as his,
 * or on their way through him. Whom they are led to has the last word. */
bool item_told_of_merged(struct item_effect *x, const struct person *of,
    const struct person *into, const struct order_value *values,
    struct err *e) MUST_USE;
/* A new item came under the ID of one who was merged: what is known of whom it
 * is led to counts, as of the items that were there before the merge. */
bool item_came_as(struct item_effect *x, int64_t id, const struct person *came,
    struct err *e) MUST_USE;
/* What an order under the ID of one who was merged says of its patient. */
bool item_told_as_merged(struct item_effect *x, int64_t id,
    const struct person *of, const struct order_value *values,
    struct err *e) MUST_USE;

/* False: the database failed. */
bool item_apply_steps(struct item_effect *x, struct err *e) MUST_USE;
bool item_apply_patient(struct item_effect *x, struct err *e) MUST_USE;
bool item_apply_merges(struct item_effect *x, struct err *e) MUST_USE;
bool item_apply_report(struct item_effect *x, struct err *e) MUST_USE;

#endif
