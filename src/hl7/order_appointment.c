/*
 * Appointments (SIU^S12 and on; HL7 2.5.1 chapter 10): a step for each service
 * (AIS) of each resource group (RGS), or one where there is none. Values of
 * the patient come by the mapping, those of the appointment from the places
 * the standard has for them.
 */
#include "hl7/order_inside.h"

#define STEPS_MAX 1000

struct appointment {
	size_t from, to; /* the resource group */
	const struct er7_segment *service;
	bool deleted; /* called off, of an appointment that stays */
};

static const struct {
	const char *event;
	enum order_action action;
} events[] = {
    {"S12", ORDER_PUT}, {"S13", ORDER_UPDATE}, {"S14", ORDER_UPDATE},
    {"S15", ORDER_CANCEL}, {"S16", ORDER_DISCONTINUE}, {"S17", ORDER_DELETE},
    {"S18", ORDER_UPDATE}, {"S19", ORDER_UPDATE}, {"S20", ORDER_UPDATE},
    {"S21", ORDER_UPDATE}, {"S22", ORDER_UPDATE},
    {"S23", ORDER_INFORM}, /* blocked time: nobody's appointment */
    {"S24", ORDER_INFORM}, {"S26", ORDER_CANCEL}, /* did not appear */
};

/* In the order in which they are tried; AIS is that of the step. */
static const struct {
	enum field field;
	struct mapping_place place;
} places[] = {
    {FIELD_PlacerOrderNumber, {"SCH", 26, 1, 0, 0}},
    {FIELD_PlacerOrderNumber, {"SCH", 1, 1, 0, 0}},
    {FIELD_FillerOrderNumber, {"SCH", 27, 1, 0, 0}},
    {FIELD_FillerOrderNumber, {"SCH", 2, 1, 0, 0}},
    {FIELD_ScheduledProcedureStepStartDate, {"AIS", 4, 1, 0, 0}},
    {FIELD_ScheduledProcedureStepStartDate, {"SCH", 11, 4, 0, 0}},
    {FIELD_ScheduledProcedureStepStartDate, {"AIG", 8, 1, 0, 0}},
    {FIELD_ScheduledProcedureStepStartTime, {"AIS", 4, 1, 0, 0}},
    {FIELD_ScheduledProcedureStepStartTime, {"SCH", 11, 4, 0, 0}},
    {FIELD_ScheduledProcedureStepStartTime, {"AIG", 8, 1, 0, 0}},
    {FIELD_RequestedProcedureDescription, {"AIS", 3, 2, 0, 0}},
    {FIELD_RequestedProcedureDescription, {"SCH", 7, 2, 0, 0}},
    {FIELD_RequestedProcedureCode, {"AIS", 3, 0, 0, 0}},
    {FIELD_ScheduledProcedureStepDescription, {"AIS", 3, 2, 0, 0}},
    {FIELD_ScheduledStationAETitle, {"AIG", 3, 1, 0, 0}},
    {FIELD_ScheduledStationName, {"AIG", 3, 2, 0, 0}},
    {FIELD_ScheduledStationName, {"AIG", 3, 1, 0, 0}},
    {FIELD_ScheduledProcedureStepLocation, {"AIL", 3, 1, 0, 0}},
    {FIELD_ScheduledPerformingPhysicianName, {"AIP", 3, 0, 0, 0}},
    {FIELD_ReasonForTheRequestedProcedure, {"SCH", 7, 2, 0, 0}},
    {FIELD_ReasonForTheRequestedProcedure, {"SCH", 7, 1, 0, 0}},
    {FIELD_ScheduledProcedureStepStatus, {"SCH", 25, 1, 0, 0}},
    {FIELD_StudyInstanceUID, {"ZDS", 1, 1, 0, 0}},
    {FIELD_CommentsOnTheScheduledProcedureStep, {"NTE", 3, 0, 0, 0}},
};

static bool
is(const struct er7_segment *s, const char *name)
{
	return strcmp(s->name, name) == 0;
}

/* The segment action code (HL7 table 0206) of RGS, AIS, AIG, AIL, AIP. */
static bool
is_deleted(const struct er7_segment *s)
{
	return str_eq_nocase(str_trim(er7_field(s, 2)), STR("D"));
}

/* Filled in when list is not NULL; at least one. */
static size_t
find_appointments(const struct er7_message *m, struct appointment *list)
{
	size_t j, n = 0, begin = 1, end, services;

	while (begin < m->n) {
		end = begin + 1;
		while (end < m->n && !is(&m->segments[end], "RGS"))
			end++;
		services = 0;
		for (j = begin; j < end; j++) {
			if (!is(&m->segments[j], "AIS"))
				continue;
			if (list != NULL)
				list[n] = (struct appointment){begin, end,
				    &m->segments[j],
				    is_deleted(&m->segments[j]) ||
					(is(&m->segments[begin], "RGS") &&
					    is_deleted(&m->segments[begin]))};
			services++;
			n++;
		}
		/* What stands before the first RGS is no group without one. */
		if (services == 0 && (is(&m->segments[begin], "RGS") ||
					 (end == m->n && n == 0))) {
			if (list != NULL)
				list[n] = (struct appointment){
				    begin, end, NULL, false};
			n++;
		}
		begin = end;
	}
	if (n > 0)
		return n;
	if (list != NULL)
		list[0] = (struct appointment){1, m->n, NULL, false};
	return 1;
}

/* SCH-25 (HL7 table 0278), and what the event says of it. */
static enum order_status
status_of(struct str text, enum order_action action)
{
	if (str_eq_nocase(text, STR("Cancelled")) ||
	    str_eq_nocase(text, STR("Canceled")) ||
	    str_eq_nocase(text, STR("Deleted")) ||
	    str_eq_nocase(text, STR("Noshow")))
		return STATUS_CANCELED;
	if (str_eq_nocase(text, STR("Dc")))
		return STATUS_DISCONTINUED;
	if (str_eq_nocase(text, STR("Arrived")))
		return STATUS_ARRIVED;
	if (str_eq_nocase(text, STR("Complete")) ||
	    str_eq_nocase(text, STR("Completed")))
		return STATUS_COMPLETED;
	if (str_eq_nocase(text, STR("Started")))
		return STATUS_STARTED;
	return action == ORDER_PUT ? STATUS_SCHEDULED : STATUS_NONE;
}

static void
fill_places(struct order_reader *r, const struct order_scope *scope,
    const struct appointment *one, struct order_value *value)
{
	struct order_scope service = *scope;
	static const struct mapping_place procedure = {"AIS", 3, 1, 0, 0};
	size_t i, at;

	if (one->service != NULL) {
		at = (size_t)(one->service - r->m->segments);
		service.from = at;
		service.to = at + 1;
	}
	for (i = 0; i < ARRAY_LEN(places); i++) {
		if (value[places[i].field].given)
			continue;
		(void)order_fill_from(r,
		    strcmp(places[i].place.segment, "AIS") == 0 ? &service
								: scope,
		    places[i].field, &places[i].place, &value[places[i].field]);
	}
	/* Without a number of its own it is known by what is done. */
	if (value[FIELD_PlacerOrderNumber].text.n == 0 &&
	    value[FIELD_FillerOrderNumber].text.n == 0)
		(void)order_fill_from(r, &service, FIELD_RequestedProcedureID,
		    &procedure, &value[FIELD_RequestedProcedureID]);
}

/* Of several services each is a step of its own, but the appointment is called
 * off as a whole. */
static void
name_step(struct order_reader *r, size_t number, struct order_value *v)
{
	struct order_value *id = &v[FIELD_ScheduledProcedureStepID];
	struct str base = v[FIELD_PlacerOrderNumber].text.n > 0
			      ? v[FIELD_PlacerOrderNumber].text
			      : v[FIELD_FillerOrderNumber].text;

	if (base.n == 0)
		return;
	if (number > 1)
		base = str_from(
		    arena_printf(r->arena, "%.*s-%zu", STR_ARG(base), number));
	*id = (struct order_value){true, true, base};
}

static void
stand_in(struct order_value *value, enum field f, enum field other)
{
	if (value[f].text.n == 0 && value[other].text.n > 0)
		value[f] = (struct order_value){true, true, value[other].text};
}

/* number: of the steps, from 1; 0: there is but one. */
static bool
read_one(struct order_reader *r, const struct appointment *one,
    enum order_action action, size_t header, size_t number)
{
	struct order_message *out = r->out;
	struct order_step *step = &out->steps[out->step_count];
	struct order_value *v = step->value;
	struct order_scope scope = {
	    .step = out->step_count,
	    .from = one->from,
	    .to = one->to,
	    .header = header,
	};
	bool puts = action == ORDER_PUT || action == ORDER_UPDATE;
	size_t f;

	if (one->deleted && puts)
		action = ORDER_CANCEL;
	step->action = action;
	step->by_code = puts && one->service != NULL;
	for (f = 0; f < FIELD_COUNT; f++)
		if (order_is_patient_field((enum field)f) ||
		    f == FIELD_ReferringPhysicianName || f == FIELD_Modality)
			order_fill(r, &scope, (enum field)f, &v[f]);
	fill_places(r, &scope, one, v);
	if (number > 0 && puts)
		name_step(r, number, v);
	step->status =
	    status_of(v[FIELD_ScheduledProcedureStepStatus].text, action);
	out->step_count++;
	if (order_is_over(r))
		return order_refuse_large(r);
	if (action != ORDER_PUT && action != ORDER_UPDATE)
		return true;
	stand_in(v, FIELD_AccessionNumber, FIELD_PlacerOrderNumber);
	stand_in(v, FIELD_AccessionNumber, FIELD_FillerOrderNumber);
	order_complete(v);
	if (action != ORDER_PUT)
		return true;
	if (v[FIELD_PatientID].text.n == 0)
		return order_lacks(r, FIELD_PatientID, "appointment", "PID", 3);
	if (v[FIELD_PatientName].text.n == 0)
		return order_lacks(
		    r, FIELD_PatientName, "appointment", "PID", 5);
	if (v[FIELD_RequestedProcedureID].text.n == 0)
		return order_refuse(r, false, 101, "SCH", 1,
		    "SCH-1, SCH-2 and AIS-3 are empty: nothing tells which "
		    "appointment it is");
	return true;
}

/* Equipment, rooms and people that are no longer of the appointment say
 * nothing. False: no memory. */
static bool
leave_deleted(struct order_reader *r, struct er7_message *left)
{
	const struct er7_message *m = r->m;
	struct er7_segment *segments =
	    arena_array(r->arena, m->n, sizeof(*segments));
	size_t i;

	if (segments == NULL)
		return false;
	*left = *m;
	left->segments = segments;
	left->n = 0;
	for (i = 0; i < m->n; i++)
		if (!(is(&m->segments[i], "AIG") ||
			is(&m->segments[i], "AIL") ||
			is(&m->segments[i], "AIP")) ||
		    !is_deleted(&m->segments[i]))
			segments[left->n++] = m->segments[i];
	r->m = left;
	return true;
}

static bool
read_all(struct order_reader *r, enum order_action action)
{
	struct appointment *list;
	size_t n, header;

	for (header = 1; header < r->m->n; header++)
		if (is(&r->m->segments[header], "RGS"))
			break;
	n = find_appointments(r->m, NULL);
	if (n > STEPS_MAX)
		return order_refuse(r, false, 102, "", 0,
		    "more than %d procedure steps in one message", STEPS_MAX);
	list = arena_array(r->arena, n, sizeof(*list));
	r->out->steps = arena_array(r->arena, n, sizeof(*r->out->steps));
	if (list == NULL || r->out->steps == NULL)
		return order_refuse_large(r);
	(void)find_appointments(r->m, list);
	while (r->out->step_count < n)
		if (!read_one(r, &list[r->out->step_count], action, header,
			n > 1 ? r->out->step_count + 1 : 0))
			return false;
	return true;
}

bool
order_read_appointment(struct order_reader *r)
{
	const struct er7_message *whole = r->m;
	struct er7_message left;
	char shown[16];
	size_t i;
	bool ok;

	r->out->kind = ORDER_KIND_STEPS;
	for (i = 0; i < ARRAY_LEN(events); i++)
		if (str_eq_nocase(r->out->event, str_from(events[i].event)))
			break;
	if (i == ARRAY_LEN(events))
		return order_refuse(r, true, 201, "MSH", 9,
		    "appointment messages with the event '%s' are not taken "
		    "here",
		    str_printable(shown, sizeof(shown), r->out->event));
	if (!leave_deleted(r, &left))
		return order_refuse_large(r);
	ok = read_all(r, events[i].action);
	r->m = whole;
	return ok;
}
