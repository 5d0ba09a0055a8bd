/*
 * Orders (ORM^O01, OMG^O19, OMI^O23): groups of ORC, OBR and what follows, and
 * the steps in them.
 *
 * An ORC opens a group; an OBR that follows another in the same group opens
 * one that inherits the ORC. Each IPC of a group is a step, without any the
 * OBR is the step. A PID ends the group: the orders behind it are those of
 * another patient.
 */
#include "hl7/order_inside.h"

#include "base/limit.h"

#include <ctype.h>

/* More procedures in one order than any protocol has. */
#define STEPS_MAX 1000

struct group {
	size_t from, to;
	size_t patient, header; /* what stands before the patient's orders */
	const struct er7_segment *orc, *obr;
};

/* A step that was read, with the ID that the message gave it. */
struct step_seen {
	const struct er7_segment *orc;
	size_t patient;
	struct str id;
};

static bool
is(const struct er7_segment *s, const char *name)
{
	return strcmp(s->name, name) == 0;
}

static void
close_group(struct group *now, size_t to, struct group *groups, size_t *n)
{
	if (now->from == 0)
		return;
	now->to = to;
	if (groups != NULL)
		groups[*n] = *now;
	++*n;
	now->from = 0;
}

/* How many groups there are; they are filled in when groups is not NULL. */
static size_t
find_groups(const struct er7_message *m, struct group *groups)
{
	const struct er7_segment *s, *orc = NULL;
	struct group now = {0};
	size_t i, n = 0;

	for (i = 1; i < m->n; i++) {
		s = &m->segments[i];
		if (is(s, "PID")) {
			close_group(&now, i, groups, &n);
			now.patient = i;
			now.header = 0;
			orc = NULL;
			continue;
		}
		if (!is(s, "ORC") && !is(s, "OBR"))
			continue;
		if (now.from > 0 && is(s, "OBR") && now.obr == NULL) {
			now.obr = s;
			continue;
		}
		close_group(&now, i, groups, &n);
		if (is(s, "ORC"))
			orc = s;
		now.from = i;
		now.header = now.header > 0 ? now.header : i;
		now.orc = orc;
		now.obr = is(s, "OBR") ? s : NULL;
	}
	close_group(&now, m->n, groups, &n);
	return n;
}

static size_t
count_steps(const struct er7_message *m, const struct group *g)
{
	size_t i, n = 0;

	for (i = g->from; i < g->to; i++)
		n += is(&m->segments[i], "IPC");
	return n > 0 ? n : 1;
}

/* HL7 table 0119, by what it means for the worklist. */
static const struct {
	const char *control;
	enum order_action action;
} controls[] = {
    {"NW", ORDER_PUT},
    {"RO", ORDER_PUT},
    {"CH", ORDER_PUT},
    {"PA", ORDER_PUT},
    {"XO", ORDER_UPDATE},
    {"XX", ORDER_UPDATE},
    {"XR", ORDER_UPDATE},
    {"RP", ORDER_UPDATE},
    {"RU", ORDER_UPDATE},
    {"SN", ORDER_UPDATE},
    {"NA", ORDER_UPDATE},
    {"CA", ORDER_CANCEL},
    {"OC", ORDER_CANCEL},
    {"CR", ORDER_CANCEL},
    {"DC", ORDER_DISCONTINUE},
    {"OD", ORDER_DISCONTINUE},
    {"DR", ORDER_DISCONTINUE},
    {"HD", ORDER_HOLD},
    {"OH", ORDER_HOLD},
    {"HR", ORDER_HOLD},
    {"RL", ORDER_RELEASE},
    {"OE", ORDER_RELEASE},
    {"OR", ORDER_RELEASE},
    {"SC", ORDER_STATUS},
    {"RE", ORDER_INFORM},
    {"OK", ORDER_INFORM},
    {"SS", ORDER_INFORM},
    {"SR", ORDER_INFORM},
    {"RQ", ORDER_INFORM},
    {"RR", ORDER_INFORM},
    {"LI", ORDER_INFORM},
    {"UN", ORDER_INFORM},
    {"AF", ORDER_INFORM},
    {"RF", ORDER_INFORM},
    {"DF", ORDER_INFORM},
    {"FU", ORDER_INFORM},
    {"UA", ORDER_INFORM},
    {"UC", ORDER_INFORM},
    {"UD", ORDER_INFORM},
    {"UF", ORDER_INFORM},
    {"UH", ORDER_INFORM},
    {"UM", ORDER_INFORM},
    {"UR", ORDER_INFORM},
    {"UX", ORDER_INFORM},
    {"DE", ORDER_INFORM},
    {"PR", ORDER_INFORM},
    {"CN", ORDER_INFORM},
    {"OF", ORDER_INFORM},
    {"PY", ORDER_INFORM},
};

enum order_action
order_action_of(const char *control)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(controls); i++)
		if (strcmp(control, controls[i].control) == 0)
			return controls[i].action;
	/* Empty or unknown: never dropped. */
	return ORDER_UPDATE;
}

/* ORC-5 (HL7 table 0038). */
enum order_status
order_status_of(struct str text, enum order_action action)
{
	static const struct {
		const char *code;
		enum order_status status;
	} known[] = {
	    {"A", STATUS_STARTED},
	    {"HD", STATUS_HELD},
	    {"CA", STATUS_CANCELED},
	    {"RP", STATUS_CANCELED},
	    {"DC", STATUS_DISCONTINUED},
	    {"CM", STATUS_COMPLETED},
	    {"AR", STATUS_ARRIVED},
	    {"ARRIVED", STATUS_ARRIVED},
	    {"SCHEDULED", STATUS_SCHEDULED},
	    {"STARTED", STATUS_STARTED},
	    {"COMPLETED", STATUS_COMPLETED},
	    {"DISCONTINUED", STATUS_DISCONTINUED},
	    {"CANCELED", STATUS_CANCELED},
	    {"CANCELLED", STATUS_CANCELED},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq_nocase(text, str_from(known[i].code)))
			return known[i].status;
	/* An error changes nothing. */
	if (str_eq_nocase(text, STR("ER")))
		return STATUS_NONE;
	/* In process: of a new order, that it is being dealt with; as a change
	 * of status, that the exam has begun. */
	if (action == ORDER_STATUS && str_eq_nocase(text, STR("IP")))
		return STATUS_STARTED;
	if (action == ORDER_STATUS && str_eq_nocase(text, STR("SC")))
		return STATUS_SCHEDULED;
	return action == ORDER_PUT ? STATUS_SCHEDULED : STATUS_NONE;
}

static void
stand_in(
    struct order_value *value, enum field f, const enum field *others, size_t n)
{
	size_t i;

	for (i = 0; i < n && value[f].text.n == 0; i++)
		if (value[others[i]].text.n > 0)
			value[f] = (struct order_value){
			    true, true, value[others[i]].text};
}

void
order_complete(struct order_value value[FIELD_COUNT])
{
	static const enum field procedure[] = {FIELD_AccessionNumber,
	    FIELD_PlacerOrderNumber, FIELD_ScheduledProcedureStepID};
	static const enum field step[] = {FIELD_RequestedProcedureID};

	stand_in(
	    value, FIELD_RequestedProcedureID, procedure, ARRAY_LEN(procedure));
	stand_in(value, FIELD_ScheduledProcedureStepID, step, 1);
}

static bool
check_step(struct order_reader *r, const struct order_step *step)
{
	const struct order_value *v = step->value;

	if (step->action != ORDER_PUT)
		return true;
	if (v[FIELD_PatientID].text.n == 0)
		return order_lacks(r, FIELD_PatientID, "order", "PID", 3);
	if (v[FIELD_PatientName].text.n == 0)
		return order_lacks(r, FIELD_PatientName, "order", "PID", 5);
	if (v[FIELD_RequestedProcedureID].text.n == 0)
		return order_lacks(
		    r, FIELD_RequestedProcedureID, "order", "OBR", 4);
	return true;
}

static void
read_control(const struct order_reader *r, const struct group *g,
    struct order_step *step)
{
	struct str control =
	    str_trim(er7_component(r->m, er7_field(g->orc, 1), 1));
	size_t i;

	if (control.n != 2)
		return;
	for (i = 0; i < 2; i++)
		step->control[i] = (char)toupper(control.p[i]);
}

static bool
has_control(const struct order_reader *r, const struct group *groups, size_t n,
    const char *control)
{
	struct order_step step;
	size_t i;

	for (i = 0; i < n; i++) {
		step = (struct order_step){0};
		read_control(r, &groups[i], &step);
		if (strcmp(step.control, control) == 0)
			return true;
	}
	return false;
}

static void
read_values(struct order_reader *r, const struct order_scope *scope,
    struct order_step *step)
{
	bool is_new = step->action == ORDER_PUT;
	bool changes = step->action == ORDER_UPDATE;
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++)
		order_fill(r, scope, (enum field)f, &step->value[f]);
	order_look_elsewhere(r, scope, is_new, step->value);
	order_observations(r, scope, step->value);
	if (is_new || changes)
		order_complete(step->value);
	step->status = order_status_of(
	    step->value[FIELD_ScheduledProcedureStepStatus].text, step->action);
}

/* Steps of one order are told apart by their own ID: one that a mapping takes
 * from elsewhere would make one of all. */
static void
tell_apart(struct order_reader *r, const struct order_scope *scope,
    size_t number, struct order_value *value)
{
	static const struct mapping_place own = {"IPC", 4, 1, 0, 0};
	struct order_value *id = &value[FIELD_ScheduledProcedureStepID];
	const struct mapping *m = r->mapping;
	char *made;
	size_t i;

	for (i = 0; i < m->count[FIELD_ScheduledProcedureStepID]; i++)
		if (strcmp(m->at[FIELD_ScheduledProcedureStepID][i].segment,
			"IPC") == 0 &&
		    er7_field(scope->ipc, 4).n > 0)
			return;
	if (order_fill_from(
		r, scope, FIELD_ScheduledProcedureStepID, &own, id) ||
	    id->text.n == 0 || number < 2)
		return;
	made = arena_printf(r->arena, "%.*s-%zu", STR_ARG(id->text), number);
	id->text = str_from(made);
}

/* Whether the sender gave the step a number of its own. */
static bool
is_numbered(const struct order_reader *r, const struct group *g,
    const struct er7_segment *ipc)
{
	const struct mapping_place *p =
	    r->mapping->at[FIELD_ScheduledProcedureStepID];
	size_t i;

	if (er7_field(ipc, 4).n > 0)
		return true;
	for (i = 0; i < r->mapping->count[FIELD_ScheduledProcedureStepID]; i++)
		if (strcmp(p[i].segment, "OBR") == 0 && p[i].position == 20 &&
		    er7_field(g->obr, 20).n > 0)
			return true;
	return false;
}

/* Several OBR segments of one order are several procedures, also where they
 * ask for the same: the second one of a kind is "<ID>-2". */
static void
tell_procedures_apart(struct order_reader *r, const struct group *g,
    const struct er7_segment *ipc, struct step_seen *seen,
    struct order_value *id)
{
	size_t at = r->out->step_count, i, number = 1;
	struct step_seen *now = &seen[at];
	const char *made;

	*now = (struct step_seen){g->orc, g->patient, id->text};
	if (id->text.n == 0 || is_numbered(r, g, ipc))
		return;
	for (i = at; i > 0 && seen[i - 1].orc == now->orc &&
		     seen[i - 1].patient == now->patient;
	     i--)
		number += str_eq(seen[i - 1].id, now->id);
	if (number < 2)
		return;
	made = arena_printf(r->arena, "%.*s-%zu", STR_ARG(id->text), number);
	id->text = str_from(made);
}

/* number: of the group's IPC segments, from 1; 0: it has one or none. */
static bool
read_step(struct order_reader *r, const struct group *g,
    const struct er7_segment *ipc, size_t number, struct step_seen *seen)
{
	struct order_message *out = r->out;
	struct order_step *step = &out->steps[out->step_count];
	struct order_scope scope = {
	    .step = out->step_count,
	    .from = g->from,
	    .to = g->to,
	    .patient = g->patient,
	    .header = g->header,
	    .orc = g->orc,
	    .ipc = ipc,
	};
	const struct mapping *mapping = r->mapping;
	/* A record is of one step. */
	bool record = number == 0 && order_is_record(r, &scope), ok;

	if (record)
		r->mapping = mapping_preset("manual");
	read_control(r, g, step);
	step->action = order_action_of(step->control);
	read_values(r, &scope, step);
	seen[out->step_count] = (struct step_seen){0};
	if (number > 0)
		tell_apart(r, &scope, number, step->value);
	else if (!record)
		tell_procedures_apart(r, g, ipc, seen,
		    &step->value[FIELD_ScheduledProcedureStepID]);
	if (record)
		order_take_record(r, &scope, step);
	ok = order_is_over(r) ? order_refuse_large(r) : check_step(r, step);
	r->mapping = mapping;
	out->step_count += ok;
	return ok;
}

static bool
read_group(
    struct order_reader *r, const struct group *g, struct step_seen *seen)
{
	bool several = count_steps(r->m, g) > 1, any = false;
	const struct er7_segment *s;
	size_t i, number = 0;

	for (i = g->from; i < g->to; i++) {
		s = &r->m->segments[i];
		if (!is(s, "IPC"))
			continue;
		any = true;
		number += several;
		if (!read_step(r, g, s, number, seen))
			return false;
	}
	return any || read_step(r, g, NULL, 0, seen);
}

/* A replacement: the old order (RP, RU) goes, the new ones (RO) come. */
static void
settle_replacements(struct order_message *out, bool replaced)
{
	size_t i;

	for (i = 0; i < out->step_count && replaced; i++)
		if (strcmp(out->steps[i].control, "RP") == 0 ||
		    strcmp(out->steps[i].control, "RU") == 0)
			out->steps[i].action = ORDER_CANCEL;
}

bool
order_read_steps(struct order_reader *r)
{
	size_t i, n = find_groups(r->m, NULL), steps = 0;
	struct step_seen *seen;
	struct group *groups;
	bool children;

	r->out->kind = ORDER_KIND_STEPS;
	if (n == 0)
		return order_refuse(r, false, 100, "ORC", 0,
		    "the message has neither an ORC nor an OBR segment: there "
		    "is no order in it");
	groups = arena_array(r->arena, n, sizeof(*groups));
	if (groups == NULL)
		return order_refuse_large(r);
	(void)find_groups(r->m, groups);
	for (i = 0; i < n; i++)
		steps += count_steps(r->m, &groups[i]);
	if (steps > STEPS_MAX)
		return order_refuse(r, false, 102, "", 0,
		    "more than %d procedure steps in one message", STEPS_MAX);
	r->out->steps = arena_array(r->arena, steps, sizeof(*r->out->steps));
	seen = arena_array(r->arena, steps, sizeof(*seen));
	if (r->out->steps == NULL || seen == NULL)
		return order_refuse_large(r);
	children = has_control(r, groups, n, "CH");
	for (i = 0; i < n; i++) {
		struct order_step head = {0};

		read_control(r, &groups[i], &head);
		/* The children are the steps, not their parent. */
		if (children && strcmp(head.control, "PA") == 0)
			continue;
		if (!read_group(r, &groups[i], seen))
			return false;
	}
	settle_replacements(r->out, has_control(r, groups, n, "RO"));
	return true;
}
