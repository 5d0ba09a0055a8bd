/*
 * Patients (ADT; HL7 2.5.1 chapter 3): new values, arrivals, merges and their
 * undoing.
 */
#include "hl7/order_inside.h"

#include "hl7/types.h"

enum meaning { UPDATE, ARRIVAL, MERGE, UNDO, NOTHING };

static const struct {
	const char *event;
	enum meaning meaning;
} events[] = {
    {"A01", UPDATE},
    {"A02", UPDATE},
    {"A03", UPDATE},
    {"A04", UPDATE},
    {"A05", UPDATE},
    {"A06", UPDATE},
    {"A07", UPDATE},
    {"A08", UPDATE},
    {"A14", UPDATE},
    {"A28", UPDATE},
    {"A31", UPDATE},
    {"A09", ARRIVAL},
    {"A10", ARRIVAL},
    {"A18", MERGE},
    {"A30", MERGE},
    {"A34", MERGE},
    {"A36", MERGE},
    {"A39", MERGE},
    {"A40", MERGE},
    {"A46", MERGE},
    {"A47", MERGE},
    {"A37", UNDO},
};

static bool
is(const struct er7_segment *s, const char *name)
{
	return strcmp(s->name, name) == 0;
}

/* Every event of the chapter, A01 to A62. */
static bool
is_event(struct str event)
{
	uint64_t n;

	return event.n == 3 && (event.p[0] == 'A' || event.p[0] == 'a') &&
	       str_u64(str_of(event.p + 1, 2), &n) && n >= 1 && n <= 62;
}

static void
read_identity(struct order_reader *r, size_t from, size_t to, struct str *id,
    struct str *issuer)
{
	struct order_scope scope = {.from = from, .to = to};
	struct order_value value = {0};

	order_fill(r, &scope, FIELD_PatientID, &value);
	*id = value.text;
	value = (struct order_value){0};
	order_fill(r, &scope, FIELD_IssuerOfPatientID, &value);
	*issuer = value.text;
}

/* MRG-1 is read as PID-3 is. */
static void
read_prior(struct order_reader *r, const struct er7_segment *mrg,
    struct order_merge *out)
{
	const struct mapping_place *p =
	    &r->mapping->at[FIELD_IssuerOfPatientID][0];
	struct str id = er7_repetition(r->m, er7_field(mrg, 1), 1);

	out->prior_id =
	    str_trim(er7_text(r->arena, r->m, er7_component(r->m, id, 1)));
	if (r->mapping->count[FIELD_IssuerOfPatientID] > 0 &&
	    strcmp(p->segment, "PID") == 0 && p->component > 0)
		out->prior_issuer = types_convert(r->arena, r->m,
		    FIELD_IssuerOfPatientID,
		    er7_subcomponent(r->m,
			er7_component(r->m, id, p->component), p->subcomponent),
		    false)
					.text;
}

static size_t
end_of_group(const struct er7_message *m, size_t from)
{
	size_t to = from + 1;

	while (to < m->n && !is(&m->segments[to], "PID"))
		to++;
	return to;
}

static void
read_values(struct order_reader *r, const struct order_scope *scope,
    struct order_value *value)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++)
		if (order_is_patient_field((enum field)f))
			order_fill(r, scope, (enum field)f, &value[f]);
	order_observations(r, scope, value);
}

/* Of the patient who stays; several may be merged into one. NULL: no room. */
static const struct order_value *
read_survivor(struct order_reader *r, size_t from, size_t to)
{
	struct order_scope scope = {.from = from, .to = to};
	struct order_value *value =
	    arena_array(r->arena, FIELD_COUNT, sizeof(*value));

	if (value == NULL)
		return NULL;
	memset(value, 0, FIELD_COUNT * sizeof(*value));
	read_values(r, &scope, value);
	return value;
}

static bool
read_merges(struct order_reader *r)
{
	struct order_message *out = r->out;
	const struct order_value *patient = NULL;
	struct order_merge *merge;
	size_t i, to = 0, end = 0;

	out->kind = ORDER_KIND_MERGE;
	out->merges = arena_array(r->arena, r->m->n, sizeof(*out->merges));
	if (out->merges == NULL)
		return order_refuse_large(r);
	for (i = 1; i < r->m->n; i++) {
		if (is(&r->m->segments[i], "PID")) {
			to = i;
			end = end_of_group(r->m, to);
			patient = NULL;
		}
		if (!is(&r->m->segments[i], "MRG"))
			continue;
		if (to == 0)
			return order_refuse(r, false, 100, "MRG", 0,
			    "an MRG segment without a PID segment before it");
		merge = &out->merges[out->merge_count++];
		read_identity(r, to, end, &merge->id, &merge->issuer);
		read_prior(r, &r->m->segments[i], merge);
		if (patient == NULL)
			patient = read_survivor(r, to, end);
		if (patient == NULL || order_is_over(r))
			return order_refuse_large(r);
		merge->patient = patient;
		if (merge->id.n == 0)
			return order_refuse(r, false, 101, "PID", 3,
			    "PID-3 is empty: the patient to stay has no ID");
		if (merge->prior_id.n == 0)
			return order_refuse(r, false, 101, "MRG", 1,
			    "MRG-1 is empty: the patient to be merged has no "
			    "ID");
	}
	if (out->merge_count == 0)
		return order_refuse(
		    r, false, 100, "MRG", 0, "a merge without an MRG segment");
	return true;
}

/* A37: two PID segments, which are no longer one. */
static bool
read_undo(struct order_reader *r)
{
	struct order_message *out = r->out;
	struct order_merge *merge;
	size_t first = 0, second = 0, i;

	out->kind = ORDER_KIND_MERGE;
	for (i = r->m->n; i-- > 1;)
		if (is(&r->m->segments[i], "PID")) {
			second = first;
			first = i;
		}
	if (second == 0)
		return order_refuse(r, false, 100, "PID", 0,
		    "an unlink needs two PID segments");
	merge = arena_array(r->arena, 1, sizeof(*merge));
	if (merge == NULL)
		return order_refuse_large(r);
	read_identity(r, first, second, &merge->id, &merge->issuer);
	read_identity(r, second, end_of_group(r->m, second), &merge->prior_id,
	    &merge->prior_issuer);
	merge->undo = true;
	out->merges = merge;
	out->merge_count = 1;
	if (merge->id.n == 0 || merge->prior_id.n == 0)
		return order_refuse(r, false, 101, "PID", 3,
		    "PID-3 is empty: an unlink names two patients");
	return true;
}

static bool
read_update(struct order_reader *r, bool arrival)
{
	struct order_message *out = r->out;
	struct order_scope scope = {.from = 1, .to = r->m->n};

	out->kind = ORDER_KIND_PATIENT;
	out->patient_status = arrival ? STATUS_ARRIVED : STATUS_NONE;
	read_values(r, &scope, out->patient);
	if (out->patient[FIELD_PatientID].text.n == 0)
		return order_lacks(r, FIELD_PatientID, "patient", "PID", 3);
	return true;
}

bool
order_read_patient(struct order_reader *r)
{
	enum meaning meaning = NOTHING;
	char shown[16];
	size_t i;

	for (i = 0; i < ARRAY_LEN(events); i++)
		if (str_eq_nocase(r->out->event, str_from(events[i].event)))
			meaning = events[i].meaning;
	switch (meaning) {
	case UPDATE:
		return read_update(r, false);
	case ARRIVAL:
		return read_update(r, true);
	case MERGE:
		return read_merges(r);
	case UNDO:
		return read_undo(r);
	case NOTHING:
		break;
	}
	if (!is_event(r->out->event))
		return order_refuse(r, true, 201, "MSH", 9,
		    "patient messages with the event '%s' are not taken here",
		    str_printable(shown, sizeof(shown), r->out->event));
	r->out->kind = ORDER_KIND_NOTHING;
	return true;
}
