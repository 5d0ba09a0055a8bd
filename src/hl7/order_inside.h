/*
 * What the readers of the message types share. Only for src/hl7.
 */
#ifndef HL7_ORDER_INSIDE_H
#define HL7_ORDER_INSIDE_H

#include "hl7/order.h"

struct order_reader {
	struct arena *arena;
	const struct er7_message *m;
	const struct mapping *mapping;
	struct order_message *out;
	struct order_problem *why;
	/* NULL when nobody asks. */
	struct order_trace *traces;
	size_t trace_count, trace_room;
	bool tracing;
	bool over; /* the arena's budget, or a limit of values */
	const struct mapping_place *too_long; /* then: whose; or NULL */
	size_t total;                         /* bytes of all values */

	/* What was found for the scope of this place: a message of a thousand
	 * steps is not searched a hundred thousand times. */
	size_t seen_from, seen_to, seen_count;
	struct order_seen {
		char name[4];
		const struct er7_segment *s;
	} seen[32];
	struct str notes[2]; /* the order's, the patient's */
	bool noted[2];
};

/* Where the values of one step may stand: its group's own segments, then what
 * stands before all groups. */
struct order_scope {
	size_t step;
	size_t from, to;               /* of m->segments: the group */
	size_t patient, header;        /* of the patient: before the groups */
	const struct er7_segment *orc; /* own or inherited; or NULL */
	const struct er7_segment *ipc; /* of this step; or NULL */
};

/* The segment a place means for this step; NULL. */
const struct er7_segment *order_segment(
    struct order_reader *r, const struct order_scope *scope, const char *name);
/* Fill a field from its mapped places. */
void order_fill(struct order_reader *r, const struct order_scope *scope,
    enum field f, struct order_value *out);
/* From one place; false when nothing usable is there. */
bool order_fill_from(struct order_reader *r, const struct order_scope *scope,
    enum field f, const struct mapping_place *place, struct order_value *out);
/* From places where senders put values without telling anybody, for fields
 * that have none yet. is_new: the order is new; in a change a number might be
 * somebody else's, and only stands in. */
void order_look_elsewhere(struct order_reader *r,
    const struct order_scope *scope, bool is_new, struct order_value *value);
/* What stands in for the numbers a new item must have, where the message has
 * others: REQUESTED PROCEDURE ID and SCHEDULED PROCEDURE STEP ID. */
void order_complete(struct order_value value[FIELD_COUNT]);
/* Weight and height of OBX segments (IHE RAD TF-2 appendix B). */
void order_observations(struct order_reader *r, const struct order_scope *scope,
    struct order_value *value);
/* Why a field that an order must have has no value. Always false. */
bool order_lacks(struct order_reader *r, enum field f, const char *what,
    const char *segment, unsigned field);
/* Whether the message is too large to be gone on with. */
bool order_is_over(const struct order_reader *r);
/* Why. Always false. */
bool order_refuse_large(struct order_reader *r);
/* Always false; where: segment "" for none. */
bool order_refuse(struct order_reader *r, bool reject, unsigned code,
    const char *segment, unsigned field, const char *format, ...) PRINTF(6, 7);

/* Where a value came from, when somebody asks. */
void order_trace_add(struct order_reader *r, const struct order_scope *scope,
    enum field f, const struct mapping_place *place, struct str raw,
    struct str text, const char *note);

/* ORC-1 (HL7 table 0119) and ORC-5 (table 0038, and words) to what they mean
 * for the worklist. */
enum order_action order_action_of(const char *control);
enum order_status order_status_of(struct str text, enum order_action action);

/* The Z segment of order_build(): ZFR|<number>|<keyword of a field>|<value>,
 * "" when the record has none; the first of a group has the status of the item
 * instead of a field. */
#define RECORD_SEGMENT "ZFR"
#define RECORD_STATUS  "WorklistStatus"
/* Whether this group is such a record: then it is laid out by the manual
 * table, whatever the sender's mapping says. */
bool order_is_record(
    const struct order_reader *r, const struct order_scope *scope);
/* What stands in ZFR segments counts more than what stands elsewhere. */
void order_take_record(struct order_reader *r, const struct order_scope *scope,
    struct order_step *step);

bool order_read_steps(struct order_reader *r);
bool order_read_appointment(struct order_reader *r);
bool order_read_patient(struct order_reader *r);
bool order_read_report(struct order_reader *r);

#endif
