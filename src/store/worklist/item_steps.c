/*
 * What orders and appointments do to the worklist.
 *
 * An order finds its items by the first of these that the message has a value
 * for and that finds something, always of the same patient: placer order
 * number and sending facility; filler order number and facility; accession
 * number; requested procedure and start date of the patient. Among them the
 * step is the one with the same Scheduled Procedure Step ID.
 */
#include "base/limit.h"
#include "store/worklist/item_inside.h"

/* Steps of one order; more than any message has. */
#define CANDIDATES 1000

struct candidates {
	struct item *items;
	size_t n;
};

static bool
same_patient(const struct item *item, const struct order_value *v)
{
	struct str ours = item->value[FIELD_PatientID];
	struct str theirs = v[FIELD_PatientID].text;
	struct str our_issuer = item->value[FIELD_IssuerOfPatientID];
	struct str their_issuer = v[FIELD_IssuerOfPatientID].text;

	if (ours.n > 0 && theirs.n > 0 && !str_eq(ours, theirs))
		return false;
	return our_issuer.n == 0 || their_issuer.n == 0 ||
	       str_eq(our_issuer, their_issuer);
}

static bool
collect_ids(struct item_effect *x, const char *sql, const struct db_value *args,
    size_t count, int64_t *ids, size_t *n, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*n = 0;
	if (!db_query(x->db, sql, args, count, &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW && *n < CANDIDATES)
		ids[(*n)++] = db_column_int(q, 0);
	if (step == DB_STEP_ROW)
		db_reset(q);
	return step != DB_STEP_FAILED;
}

static bool
collect(struct item_effect *x, const struct order_value *v, const char *sql,
    const struct db_value *args, size_t count, struct candidates *out,
    struct err *e)
{
	int64_t *ids = arena_array(x->arena, CANDIDATES, sizeof(*ids));
	size_t i, n;
	bool found;

	out->n = 0;
	if (ids == NULL)
		return fail(e, ERR_LIMIT,
		    "the order has more steps than are taken at once");
	if (!collect_ids(x, sql, args, count, ids, &n, e))
		return false;
	out->items = arena_array(x->arena, n, sizeof(*out->items));
	if (out->items == NULL && n > 0)
		return fail(e, ERR_LIMIT,
		    "the order has more steps than are taken at once");
	for (i = 0; i < n; i++) {
		if (!item_fetch(x->db, ids[i], x->arena, &out->items[out->n],
			&found, e))
			return false;
		if (found && same_patient(&out->items[out->n], v))
			out->n++;
	}
	return true;
}

static bool
differ(struct str a, struct str b)
{
	return a.n > 0 && b.n > 0 && !str_eq(a, b);
}

/* Several orders may share an accession number: those that the same sender
 * numbered otherwise are others. */
static void
leave_others(
    struct item_effect *x, const struct order_value *v, struct candidates *c)
{
	size_t i, n = 0;

	for (i = 0; i < c->n; i++) {
		const struct item *item = &c->items[i];

		if (str_eq(item->facility, x->order->facility) &&
		    differ(item->value[FIELD_PlacerOrderNumber],
			v[FIELD_PlacerOrderNumber].text))
			continue;
		c->items[n++] = *item;
	}
	c->n = n;
}

/* All steps of the order that the message is about. */
static bool
find_order(struct item_effect *x, const struct order_value *v,
    struct candidates *out, struct err *e)
{
	struct str facility = x->order->facility;
	struct str placer = v[FIELD_PlacerOrderNumber].text;
	struct str filler = v[FIELD_FillerOrderNumber].text;
	struct str accession = v[FIELD_AccessionNumber].text;
	struct str procedure = v[FIELD_RequestedProcedureID].text;
	struct str patient = v[FIELD_PatientID].text;
	struct str date = v[FIELD_ScheduledProcedureStepStartDate].text;

	out->n = 0;
	if (placer.n > 0 &&
	    !collect(x, v,
		"SELECT id FROM item WHERE PlacerOrderNumber = ?"
		" AND +facility = ? ORDER BY id",
		DB_ARGS(db_str(placer), db_str(facility)), out, e))
		return false;
	if (out->n == 0 && filler.n > 0 &&
	    !collect(x, v,
		"SELECT id FROM item WHERE FillerOrderNumber = ?"
		" AND +facility = ? ORDER BY id",
		DB_ARGS(db_str(filler), db_str(facility)), out, e))
		return false;
	if (out->n == 0 && accession.n > 0) {
		if (!collect(x, v,
			"SELECT id FROM item WHERE AccessionNumber = ?"
			" ORDER BY id",
			DB_ARGS(db_str(accession)), out, e))
			return false;
		leave_others(x, v, out);
	}
	/* The last resort, for orders that nobody numbered. */
	if (out->n == 0 && placer.n + filler.n + accession.n == 0 &&
	    patient.n > 0 && procedure.n > 0 &&
	    !collect(x, v,
		"SELECT id FROM item WHERE PatientID = ?"
		" AND +RequestedProcedureID = ?"
		" AND +ScheduledProcedureStepStartDate = ? ORDER BY id",
		DB_ARGS(db_str(patient), db_str(procedure), db_str(date)), out,
		e))
		return false;
	return true;
}

/* Those that have what the message names, if it names one that is there. */
static size_t
narrow(struct candidates *c, enum field f, const struct order_value *v)
{
	size_t i, n = 0;

	if (v[f].text.n == 0)
		return 0;
	for (i = 0; i < c->n; i++) {
		if (!str_eq(c->items[i].value[f], v[f].text))
			continue;
		if (i != n) {
			struct item swap = c->items[n];

			c->items[n] = c->items[i];
			c->items[i] = swap;
		}
		n++;
	}
	return n;
}

/* led: what is said of the patient is of one who was merged into another. */
static void
take_values(struct item *item, const struct order_value *v, bool led)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++) {
		if (!v[f].given || (v[f].stand_in && item->value[f].n > 0))
			continue;
		if (led && order_is_patient_field((enum field)f))
			continue;
		/* What an item cannot be without is not deleted; the study
		 * may have been begun under its UID. */
		if (v[f].text.n == 0 && (field_info((enum field)f)->required ||
					    f == FIELD_StudyInstanceUID))
			continue;
		item->value[f] = v[f].text;
	}
}

/* Has it begun, or is it over? */
static bool
is_past(enum order_status s)
{
	return s == STATUS_STARTED || s == STATUS_COMPLETED ||
	       s == STATUS_DISCONTINUED;
}

static enum order_status
next_status(
    enum order_status now, enum order_action action, enum order_status told)
{
	switch (action) {
	case ORDER_PUT:
		/* The same order again does not undo what has been done. */
		if (is_past(now) && told == STATUS_SCHEDULED)
			return now;
		return told != STATUS_NONE ? told : now;
	case ORDER_UPDATE:
	case ORDER_STATUS:
		return told != STATUS_NONE ? told : now;
	case ORDER_CANCEL:
		return now == STATUS_COMPLETED ? now : STATUS_CANCELED;
	case ORDER_DISCONTINUE:
		if (now == STATUS_STARTED)
			return STATUS_DISCONTINUED;
		return is_past(now) ? now : STATUS_CANCELED;
	case ORDER_HOLD:
		return is_past(now) || now == STATUS_CANCELED ? now
							      : STATUS_HELD;
	case ORDER_RELEASE:
		return now == STATUS_HELD ? STATUS_SCHEDULED : now;
	case ORDER_DELETE:
	case ORDER_INFORM:
		break;
	}
	return now;
}

static bool
create(struct item_effect *x, const struct order_step *step,
    const struct person *came, struct err *e)
{
	struct item item = {
	    .status =
		step->status != STATUS_NONE ? step->status : STATUS_SCHEDULED,
	    .application = x->order->application,
	    .facility = x->order->facility,
	    .created_ms = x->now_ms,
	    .changed_ms = x->now_ms,
	};
	enum field f;
	int64_t id;

	x->touched = true;
	take_values(&item, step->value, false);
	f = item_lacks(&item);
	if (f != FIELD_COUNT)
		return item_refuse(x, step->action == ORDER_PUT ? 101 : 204,
		    "ORC", 2,
		    "the order is not known here, and without %s it cannot be "
		    "made anew",
		    field_info(f)->name);
	return item_study_uid(x->db, x->rules, x->arena, &item, e) &&
	       item_insert(x->db, x->rules, &item, &id, e) &&
	       (came->id.n == 0 || item_came_as(x, id, came, e));
}

static bool
change(struct item_effect *x, const struct order_step *step, struct item *item,
    const struct person *came, bool values, struct err *e)
{
	const struct item old = *item;
	bool led = came->id.n > 0;

	x->touched = true;
	if (step->action == ORDER_DELETE)
		return db_exec(x->db, "DELETE FROM item WHERE id = ?",
		    DB_ARGS(db_int(item->id)), e);
	if (values)
		take_values(item, step->value, led);
	if (values && !item_said_itself(x->db, &old, item, e))
		return false;
	item->status = next_status(item->status, step->action, step->status);
	item->changed_ms = x->now_ms;
	return item_study_uid(x->db, x->rules, x->arena, item, e) &&
	       item_update(x->db, x->rules, item, e) &&
	       (!values || !led ||
		   item_told_as_merged(x, item->id, came, step->value, e));
}

/* A change that has numbers of the order alone: about all of its steps. */
static bool
names_no_step(const struct order_step *step)
{
	const struct order_value *id =
	    &step->value[FIELD_ScheduledProcedureStepID];

	if (step->action != ORDER_UPDATE)
		return false;
	return id->text.n == 0 ||
	       (id->stand_in &&
		   (str_eq(id->text, step->value[FIELD_AccessionNumber].text) ||
		       str_eq(id->text,
			   step->value[FIELD_PlacerOrderNumber].text)));
}

/* Whether a step ID is but a number of the order, for want of one. */
static bool
is_made_up(
    struct str id, struct str placer, struct str filler, struct str accession)
{
	return id.n == 0 || str_eq(id, placer) || str_eq(id, filler) ||
	       str_eq(id, accession);
}

/* An order and the appointment for it are about one step, whichever comes
 * first: one of them has no ID for it. */
static bool
is_the_only_step(const struct item_effect *x, const struct order_step *step,
    const struct candidates *c)
{
	const struct order_value *v = step->value;
	const struct str *ours;

	if (c->n != 1 || x->order->step_count != 1)
		return false;
	ours = c->items[0].value;
	/* A change may bring another step ID. */
	return step->action == ORDER_UPDATE ||
	       is_made_up(ours[FIELD_ScheduledProcedureStepID],
		   ours[FIELD_PlacerOrderNumber], ours[FIELD_FillerOrderNumber],
		   ours[FIELD_AccessionNumber]) ||
	       is_made_up(v[FIELD_ScheduledProcedureStepID].text,
		   v[FIELD_PlacerOrderNumber].text,
		   v[FIELD_FillerOrderNumber].text,
		   v[FIELD_AccessionNumber].text);
}

/* How many there are of those that it names, first among the candidates. */
static size_t
narrow_to_step(const struct order_step *step, struct candidates *c)
{
	size_t n = 0;

	if (step->by_code && c->n > 1)
		n = narrow(c, FIELD_RequestedProcedureCode, step->value);
	if (n != 1)
		n = narrow(c, FIELD_ScheduledProcedureStepID, step->value);
	return n;
}

/* New and changed orders are about one step. */
static bool
put_step(struct item_effect *x, const struct order_step *step,
    const struct person *came, struct candidates *c, struct err *e)
{
	size_t i, n = narrow_to_step(step, c);

	if (n == 0 && is_the_only_step(x, step, c))
		n = 1;
	/* One service is not all of them. */
	if (n == 0 && names_no_step(step) &&
	    (!step->by_code ||
		step->value[FIELD_RequestedProcedureCode].text.n == 0))
		n = c->n;
	else if (n > 1)
		n = 1;
	if (n == 0)
		return create(x, step, came, e);
	for (i = 0; i < n; i++)
		if (!change(x, step, &c->items[i], came, true, e))
			return false;
	return true;
}

/* A service that was taken out of an appointment. What has another code is
 * another service, whatever its number. */
static size_t
narrow_to_service(const struct order_step *step, struct candidates *c)
{
	struct str code = step->value[FIELD_RequestedProcedureCode].text;
	size_t n = narrow_to_step(step, c);

	if (n == 0 && c->n == 1)
		n = 1;
	return n > 0 && differ(c->items[0].value[FIELD_RequestedProcedureCode],
			    code)
		   ? 0
		   : n;
}

/* The others are about a step, or a procedure, or the whole order where they
 * name neither. What names a step that is not there is not about others of an
 * order that has several. */
static bool
change_steps(struct item_effect *x, const struct order_step *step,
    const struct person *came, struct candidates *c, struct err *e)
{
	const struct order_value *id =
	    &step->value[FIELD_ScheduledProcedureStepID];
	size_t i, n = step->by_code ? narrow_to_service(step, c)
				    : narrow(c, FIELD_ScheduledProcedureStepID,
					  step->value);

	if (n == 0 && !step->by_code)
		n = narrow(c, FIELD_RequestedProcedureID, step->value);
	if (n == 0 && !step->by_code &&
	    (c->n == 1 || id->text.n == 0 || id->stand_in))
		n = c->n;
	if (n == 0)
		x->remark = "no such order is here: nothing was changed";
	for (i = 0; i < n; i++)
		if (!change(x, step, &c->items[i], came, false, e))
			return false;
	return true;
}

/* An order under the ID of one who was merged is about whom he was merged
 * into. */
static bool
lead(struct item_effect *x, struct order_step *step, struct person *came,
    struct err *e)
{
	struct order_value *id = &step->value[FIELD_PatientID];
	struct order_value *issuer = &step->value[FIELD_IssuerOfPatientID];
	struct person is;

	*came = (struct person){{0}, {0}};
	if (!item_patient(x, id->text, issuer->text, &is, e))
		return false;
	if (str_eq(is.id, id->text) && str_eq(is.issuer, issuer->text))
		return true;
	*came = (struct person){id->text, issuer->text};
	id->text = is.id;
	issuer->text = is.issuer;
	return true;
}

static bool
apply(struct item_effect *x, const struct order_step *as_sent, struct err *e)
{
	struct order_step step = *as_sent;
	struct candidates c = {0};
	struct person came;

	if (step.action == ORDER_INFORM)
		return true;
	if (!lead(x, &step, &came, e) || !find_order(x, step.value, &c, e))
		return false;
	if (step.action == ORDER_PUT || step.action == ORDER_UPDATE)
		return put_step(x, &step, &came, &c, e);
	return change_steps(x, &step, &came, &c, e);
}

bool
item_apply_steps(struct item_effect *x, struct err *e)
{
	size_t i;

	for (i = 0; i < x->order->step_count && !x->refused; i++)
		if (!apply(x, &x->order->steps[i], e))
			return false;
	if (x->touched)
		x->remark = NULL;
	return true;
}
