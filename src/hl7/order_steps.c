/*
 * Orders (ORM^O01, OMG^O19, OMI^O23): groups of ORC, OBR and what follows, and
 * the steps in them.
 *
 * An ORC opens a group; an OBR that follows another in the same group opens
 * one that inherits the ORC. Each IPC of a group is a step, without any the
 * OBR is the step.
 */
#include "hl7/order_inside.h"

#include "base/limit.h"

#include <ctype.h>

/* More procedures in one order than any protocol has. */
#define STEPS_MAX 1000

struct group {
	size_t from, to;
	const struct er7_segment *orc, *obr;
};

static bool
is(const struct er7_segment *s, const char *name)
{
	return strcmp(s->name, name) == 0;
}

/* How many groups there are; they are filled in when groups is not NULL. */
static size_t
find_groups(const struct er7_message *m, struct group *groups)
{
	const struct er7_segment *s, *orc = NULL;
	struct group now = {0};
	bool open = false;
	size_t i, n = 0;

	for (i = 1; i < m->n; i++) {
		s = &m->segments[i];
		if (!is(s, "ORC") && !is(s, "OBR"))
			continue;
		if (open && is(s, "OBR") && now.obr == NULL) {
			now.obr = s;
			continue;
		}
		if (open) {
			now.to = i;
			if (groups != NULL)
				groups[n] = now;
			n++;
		}
		if (is(s, "ORC"))
			orc = s;
		now = (struct group){
		    .from = i, .orc = orc, .obr = is(s, "OBR") ? s : NULL};
		open = true;
	}
	if (open) {
		now.to = m->n;
		if (groups != NULL)
			groups[n] = now;
		n++;
	}
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
    {"OR", ORDER_INFORM},
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
	/* In process: of a new order, that it is being dealt with; as a change
	 * of status, that the exam has begun. */
	if (action == ORDER_STATUS && str_eq_nocase(text, STR("IP")))
		return STATUS_STARTED;
	if (action == ORDER_STATUS && str_eq_nocase(text, STR("SC")))
		return STATUS_SCHEDULED;
	return action == ORDER_PUT ? STATUS_SCHEDULED : STATUS_NONE;
}

/* Where a value stands that the mapping did not find: places a sender may use
 * without telling anybody. */
static const struct {
	enum field field;
	struct mapping_place place;
	bool only_new; /* in a change it might be somebody else's number */
} elsewhere[] = {
    {FIELD_PlacerOrderNumber, {"OBR", 2, 1, 0, 0}, false},
    {FIELD_FillerOrderNumber, {"OBR", 3, 1, 0, 0}, false},
    {FIELD_AccessionNumber, {"OBR", 2, 1, 0, 0}, true},
    {FIELD_AccessionNumber, {"ORC", 3, 1, 0, 0}, true},
    {FIELD_AccessionNumber, {"OBR", 3, 1, 0, 0}, true},
    {FIELD_RequestedProcedureID, {"OBR", 19, 1, 0, 0}, true},
    {FIELD_StudyInstanceUID, {"IPC", 3, 1, 0, 0}, false},
    {FIELD_StudyInstanceUID, {"ZDS", 1, 1, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartDate, {"TQ1", 7, 1, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartDate, {"ORC", 7, 4, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartDate, {"OBR", 27, 4, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartDate, {"OBR", 36, 1, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartDate, {"OBR", 6, 1, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartTime, {"TQ1", 7, 1, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartTime, {"ORC", 7, 4, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartTime, {"OBR", 27, 4, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartTime, {"OBR", 36, 1, 0, 0}, false},
    {FIELD_ScheduledProcedureStepStartTime, {"OBR", 6, 1, 0, 0}, false},
};

/* Of a date from one place and a time from another nothing good comes. */
static bool
may_look(const struct order_value *value, enum field f, bool dated)
{
	if (value[f].given)
		return false;
	return f != FIELD_ScheduledProcedureStepStartTime || !dated;
}

static void
look_elsewhere(struct order_reader *r, const struct order_scope *scope,
    bool is_new, struct order_value *value)
{
	bool dated = value[FIELD_ScheduledProcedureStepStartDate].given;
	size_t i;

	for (i = 0; i < ARRAY_LEN(elsewhere); i++)
		if ((is_new || !elsewhere[i].only_new) &&
		    may_look(value, elsewhere[i].field, dated))
			(void)order_fill_from(r, scope, elsewhere[i].field,
			    &elsewhere[i].place, &value[elsewhere[i].field]);
}

static void
stand_in(
    struct order_value *value, enum field f, const enum field *others, size_t n)
{
	size_t i;

	for (i = 0; i < n && value[f].text.n == 0; i++)
		if (value[others[i]].text.n > 0)
			value[f] = value[others[i]];
}

/* What a new order must have. */
static void
fill_required(struct order_value *value)
{
	static const enum field procedure[] = {FIELD_AccessionNumber,
	    FIELD_PlacerOrderNumber, FIELD_ScheduledProcedureStepID};
	static const enum field step[] = {FIELD_RequestedProcedureID};

	stand_in(
	    value, FIELD_RequestedProcedureID, procedure, ARRAY_LEN(procedure));
	stand_in(value, FIELD_ScheduledProcedureStepID, step, 1);
}

static bool
lacks(struct order_reader *r, enum field f, const char *segment, unsigned field)
{
	const struct mapping_place *p = &r->mapping->at[f][0];
	const char *name = field_info(f)->name;

	if (r->mapping->count[f] > 0)
		return order_refuse(r, false, 101, p->segment, p->position,
		    "%s-%u is empty: the order has no %s", p->segment,
		    (unsigned)p->position, name);
	return order_refuse(r, false, 101, segment, field,
	    "the mapping names no place for %s", name);
}

static bool
check_step(struct order_reader *r, const struct order_step *step)
{
	const struct order_value *v = step->value;

	if (step->action != ORDER_PUT)
		return true;
	if (v[FIELD_PatientID].text.n == 0)
		return lacks(r, FIELD_PatientID, "PID", 3);
	if (v[FIELD_PatientName].text.n == 0)
		return lacks(r, FIELD_PatientName, "PID", 5);
	if (v[FIELD_RequestedProcedureID].text.n == 0)
		return lacks(r, FIELD_RequestedProcedureID, "OBR", 4);
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

static bool
read_step(struct order_reader *r, const struct group *g,
    const struct er7_segment *ipc, size_t header)
{
	struct order_message *out = r->out;
	struct order_step *step = &out->steps[out->step_count];
	struct order_scope scope = {
	    .step = out->step_count,
	    .from = g->from,
	    .to = g->to,
	    .header = header,
	    .orc = g->orc,
	    .ipc = ipc,
	};
	const struct mapping *mapping = r->mapping;
	bool record = order_is_record(r, &scope), ok;
	size_t f;

	if (record)
		r->mapping = mapping_preset("manual");
	read_control(r, g, step);
	step->action = order_action_of(step->control);
	for (f = 0; f < FIELD_COUNT; f++)
		order_fill(r, &scope, (enum field)f, &step->value[f]);
	look_elsewhere(r, &scope, step->action == ORDER_PUT, step->value);
	if (step->action == ORDER_PUT)
		fill_required(step->value);
	step->status = order_status_of(
	    step->value[FIELD_ScheduledProcedureStepStatus].text, step->action);
	if (record)
		order_take_record(r, &scope, step);
	ok = check_step(r, step);
	r->mapping = mapping;
	out->step_count += ok;
	return ok;
}

static bool
read_group(struct order_reader *r, const struct group *g, size_t header)
{
	const struct er7_segment *s;
	bool any = false;
	size_t i;

	for (i = g->from; i < g->to; i++) {
		s = &r->m->segments[i];
		if (!is(s, "IPC"))
			continue;
		any = true;
		if (!read_step(r, g, s, header))
			return false;
	}
	return any || read_step(r, g, NULL, header);
}

/* A replacement: the old order (RP) goes, the new ones (RO) come. */
static void
settle_replacements(struct order_message *out, bool replaced)
{
	size_t i;

	for (i = 0; i < out->step_count && replaced; i++)
		if (strcmp(out->steps[i].control, "RP") == 0)
			out->steps[i].action = ORDER_CANCEL;
}

bool
order_read_steps(struct order_reader *r)
{
	size_t i, n = find_groups(r->m, NULL), steps = 0;
	struct group *groups;
	bool children;

	r->out->kind = ORDER_KIND_STEPS;
	if (n == 0)
		return order_refuse(r, false, 100, "ORC", 0,
		    "the message has neither an ORC nor an OBR segment: there "
		    "is no order in it");
	groups = arena_array(r->arena, n, sizeof(*groups));
	if (groups == NULL)
		return order_refuse(r, true, 207, "", 0,
		    "the message is too large to be taken in");
	(void)find_groups(r->m, groups);
	for (i = 0; i < n; i++)
		steps += count_steps(r->m, &groups[i]);
	if (steps > STEPS_MAX)
		return order_refuse(r, false, 207, "", 0,
		    "more than %d procedure steps in one message", STEPS_MAX);
	r->out->steps = arena_array(r->arena, steps, sizeof(*r->out->steps));
	if (r->out->steps == NULL)
		return order_refuse(r, true, 207, "", 0,
		    "the message is too large to be taken in");
	children = has_control(r, groups, n, "CH");
	for (i = 0; i < n; i++) {
		struct order_step head = {0};

		read_control(r, &groups[i], &head);
		/* The children are the steps, not their parent. */
		if (children && strcmp(head.control, "PA") == 0)
			continue;
		if (!read_group(r, &groups[i], groups[0].from))
			return false;
	}
	settle_replacements(r->out, has_control(r, groups, n, "RO"));
	return true;
}
