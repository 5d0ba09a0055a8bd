/*
 * Values where the mapping does not look: places senders use without telling
 * anybody, and observations.
 */
#include "hl7/order_inside.h"

#include "hl7/types.h"

static const struct {
	enum field field;
	struct mapping_place place;
	bool only_new; /* in a change it only stands in */
} elsewhere[] = {
    {FIELD_PlacerOrderNumber, {"OBR", 2, 1, 0, 0}, false},
    {FIELD_FillerOrderNumber, {"OBR", 3, 1, 0, 0}, false},
    {FIELD_AccessionNumber, {"IPC", 1, 1, 0, 0}, false},
    {FIELD_AccessionNumber, {"OBR", 2, 1, 0, 0}, true},
    {FIELD_AccessionNumber, {"ORC", 3, 1, 0, 0}, true},
    {FIELD_AccessionNumber, {"OBR", 3, 1, 0, 0}, true},
    {FIELD_RequestedProcedureID, {"IPC", 2, 1, 0, 0}, false},
    {FIELD_RequestedProcedureID, {"OBR", 19, 1, 0, 0}, true},
    {FIELD_RequestedProcedureID, {"OBR", 4, 1, 0, 0}, true},
    {FIELD_ScheduledProcedureStepID, {"IPC", 4, 1, 0, 0}, false},
    {FIELD_StudyInstanceUID, {"IPC", 3, 1, 0, 0}, false},
    {FIELD_StudyInstanceUID, {"ZDS", 1, 1, 0, 0}, false},
    {FIELD_Modality, {"IPC", 5, 1, 0, 0}, false},
    {FIELD_ScheduledProtocolCode, {"IPC", 6, 0, 0, 0}, false},
    {FIELD_ScheduledStationName, {"IPC", 7, 1, 0, 0}, false},
    {FIELD_ScheduledProcedureStepLocation, {"IPC", 8, 1, 0, 0}, false},
    {FIELD_ScheduledStationAETitle, {"IPC", 9, 1, 0, 0}, false},
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

void
order_look_elsewhere(struct order_reader *r, const struct order_scope *scope,
    bool is_new, struct order_value *value)
{
	bool dated = value[FIELD_ScheduledProcedureStepStartDate].given;
	struct order_value *v;
	size_t i;

	for (i = 0; i < ARRAY_LEN(elsewhere); i++) {
		if (!may_look(value, elsewhere[i].field, dated))
			continue;
		v = &value[elsewhere[i].field];
		if (order_fill_from(
			r, scope, elsewhere[i].field, &elsewhere[i].place, v))
			v->stand_in = !is_new && elsewhere[i].only_new;
	}
}

/* OBX-3: LOINC, or the words IHE has. */
static const struct {
	const char *name;
	enum field field;
} measures[] = {
    {"Body Weight", FIELD_PatientWeight},
    {"29463-7", FIELD_PatientWeight},
    {"3141-9", FIELD_PatientWeight},
    {"Body Height", FIELD_PatientSize},
    {"8302-2", FIELD_PatientSize},
    {"3137-7", FIELD_PatientSize},
};

static enum field
measure_of(const struct order_reader *r, const struct er7_segment *obx)
{
	struct str what = er7_field(obx, 3);
	size_t i;

	for (i = 0; i < ARRAY_LEN(measures); i++) {
		struct str name = str_from(measures[i].name);

		if (str_eq_nocase(
			str_trim(er7_component(r->m, what, 1)), name) ||
		    str_eq_nocase(str_trim(er7_component(r->m, what, 2)), name))
			return measures[i].field;
	}
	return FIELD_COUNT;
}

static void
take_measure(struct order_reader *r, const struct order_scope *scope,
    const struct er7_segment *obx, struct order_value *value)
{
	static const struct mapping_place place = {"OBX", 5, 1, 0, 0};
	enum field f = measure_of(r, obx);
	struct str raw = er7_component(r->m, er7_field(obx, 5), 1);
	struct str unit = er7_component(r->m, er7_field(obx, 6), 1);
	const char *note = NULL;
	char text[17] = "";

	if (f == FIELD_COUNT || value[f].given || str_trim(raw).n == 0)
		return;
	if (!types_measure(str_trim(raw), str_trim(unit), text))
		note = "no number with a unit of kg, g, m, cm or mm";
	value[f].text = arena_dup(r->arena, str_from(text));
	value[f].given = text[0] != '\0';
	order_trace_add(r, scope, f, &place, raw, value[f].text, note);
}

void
order_observations(struct order_reader *r, const struct order_scope *scope,
    struct order_value *value)
{
	size_t i;

	for (i = scope->from; i < scope->to; i++)
		if (strcmp(r->m->segments[i].name, "OBX") == 0)
			take_measure(r, scope, &r->m->segments[i], value);
	for (i = scope->patient; i < scope->header; i++)
		if (strcmp(r->m->segments[i].name, "OBX") == 0)
			take_measure(r, scope, &r->m->segments[i], value);
}
