/*
 * What a message is about: its head, its type, and values by the mapping.
 */
#include "hl7/order.h"

#include "base/limit.h"
#include "hl7/order_inside.h"
#include "hl7/types.h"

#include <stdarg.h>

static const char *const status_names[] = {
    [STATUS_NONE] = "",
    [STATUS_SCHEDULED] = "SCHEDULED",
    [STATUS_ARRIVED] = "ARRIVED",
    [STATUS_STARTED] = "STARTED",
    [STATUS_COMPLETED] = "COMPLETED",
    [STATUS_DISCONTINUED] = "DISCONTINUED",
    [STATUS_CANCELED] = "CANCELED",
    [STATUS_HELD] = "ON HOLD",
};

const char *
order_status_name(enum order_status s)
{
	must((size_t)s < ARRAY_LEN(status_names));
	return status_names[s];
}

bool
order_refuse(struct order_reader *r, bool reject, unsigned code,
    const char *segment, unsigned field, const char *format, ...)
{
	struct order_problem *p = r->why;
	va_list args;

	*p = (struct order_problem){.reject = reject,
	    .code = code,
	    .sequence = segment[0] != '\0',
	    .field = field};
	(void)str_copy(p->segment, sizeof(p->segment), str_from(segment));
	va_start(args, format);
	vsnprintf(p->text, sizeof(p->text), format, args);
	va_end(args);
	return false;
}

bool
order_is_over(const struct order_reader *r)
{
	return r->over || r->arena->over;
}

bool
order_refuse_large(struct order_reader *r)
{
	/* Not 207, upon which senders come again. */
	if (r->too_long != NULL)
		return order_refuse(r, false, 102, r->too_long->segment,
		    r->too_long->position,
		    "%s-%u is longer than %d bytes, which no value of a "
		    "worklist is",
		    r->too_long->segment, (unsigned)r->too_long->position,
		    (int)LIMIT_HL7_VALUE);
	if (r->total > LIMIT_HL7_VALUES)
		return order_refuse(r, false, 102, "", 0,
		    "the values of the message's steps are more than %d bytes",
		    (int)LIMIT_HL7_VALUES);
	return order_refuse(
	    r, true, 207, "", 0, "the message is too large to be taken in");
}

void
order_trace_add(struct order_reader *r, const struct order_scope *scope,
    enum field f, const struct mapping_place *place, struct str raw,
    struct str text, const char *note)
{
	struct order_trace *grown;

	if (!r->tracing)
		return;
	if (r->trace_count == r->trace_room) {
		r->trace_room = r->trace_room == 0 ? 64 : 2 * r->trace_room;
		grown = arena_array(r->arena, r->trace_room, sizeof(*grown));
		if (grown == NULL) {
			r->over = true;
			r->tracing = false;
			return;
		}
		if (r->trace_count > 0)
			memcpy(
			    grown, r->traces, r->trace_count * sizeof(*grown));
		r->traces = grown;
	}
	r->traces[r->trace_count++] = (struct order_trace){
	    .step = scope->step,
	    .field = f,
	    .place = *place,
	    .raw = raw,
	    .text = text,
	    .note = note,
	};
}

static const struct er7_segment *
find_in(const struct er7_message *m, size_t from, size_t to, const char *name)
{
	for (; from < to; from++)
		if (strcmp(m->segments[from].name, name) == 0)
			return &m->segments[from];
	return NULL;
}

static const struct er7_segment *
search(const struct order_reader *r, const struct order_scope *scope,
    const char *name)
{
	const struct er7_segment *found;

	if (strcmp(name, "MSH") == 0)
		return r->m->segments;
	found = find_in(r->m, scope->from, scope->to, name);
	if (found == NULL)
		found = find_in(r->m, scope->patient, scope->header, name);
	/* A ZDS behind the last order stands for all that lack their own, and
	 * so do other segments of a site's own making. */
	if (found == NULL && name[0] == 'Z')
		found = find_in(r->m, 0, r->m->n, name);
	return found;
}

/* What was found belongs to one scope. */
static void
forget(struct order_reader *r, const struct order_scope *scope)
{
	if (r->seen_from == scope->from && r->seen_to == scope->to)
		return;
	r->seen_from = scope->from;
	r->seen_to = scope->to;
	r->seen_count = 0;
	r->noted[0] = r->noted[1] = false;
}

const struct er7_segment *
order_segment(
    struct order_reader *r, const struct order_scope *scope, const char *name)
{
	struct order_seen *seen = r->seen;

	if (strcmp(name, "ORC") == 0)
		return scope->orc;
	if (strcmp(name, "IPC") == 0 && scope->ipc != NULL)
		return scope->ipc;
	forget(r, scope);
	for (; seen < r->seen + r->seen_count; seen++)
		if (strcmp(seen->name, name) == 0)
			return seen->s;
	if (r->seen_count == ARRAY_LEN(r->seen))
		return search(r, scope, name);
	(void)str_copy(seen->name, sizeof(seen->name), str_from(name));
	seen->s = search(r, scope, name);
	r->seen_count++;
	return seen->s;
}

/* Comments behind PID (and PD1) are about the patient, others about what they
 * stand behind. */
static void
add_notes(struct order_reader *r, size_t from, size_t to, bool patient,
    struct buf *out)
{
	const struct er7_segment *s;
	bool behind = false;

	for (; from < to; from++) {
		s = &r->m->segments[from];
		if (strcmp(s->name, "NTE") != 0) {
			behind = strcmp(s->name, "PID") == 0 ||
				 (behind && strcmp(s->name, "PD1") == 0);
		} else if (behind == patient) {
			if (out->n > 0)
				buf_u8(out, '\n');
			buf_add(out, er7_text(r->arena, r->m, er7_field(s, 3)));
		}
	}
}

/* They are lines of one text. */
static struct str
join_notes(
    struct order_reader *r, const struct order_scope *scope, bool patient)
{
	struct buf out;

	forget(r, scope);
	if (r->noted[patient])
		return r->notes[patient];
	buf_init(&out, LIMIT_HL7_VALUE);
	if (patient)
		add_notes(r, scope->patient, scope->header, true, &out);
	add_notes(r, scope->from, scope->to, patient, &out);
	while (out.n > 0 && out.p[out.n - 1] == '\n')
		out.n--;
	r->over = r->over || out.over;
	r->notes[patient] = arena_dup(r->arena, buf_str(&out));
	r->noted[patient] = true;
	buf_fini(&out);
	return r->notes[patient];
}

/* The part of a message a place means, as it stands. */
static struct str
raw_at(const struct order_reader *r, const struct er7_segment *s,
    const struct mapping_place *p)
{
	struct str field = er7_field(s, p->position);

	if (p->repetition > 0 || p->component > 0)
		field = er7_repetition(
		    r->m, field, p->repetition > 0 ? p->repetition : 1);
	if (p->component > 0)
		field = er7_component(r->m, field, p->component);
	if (p->subcomponent > 0)
		field = er7_subcomponent(r->m, field, p->subcomponent);
	return field;
}

/* The value at a place; of a code the component is where it begins. */
static struct types_result
convert(struct order_reader *r, enum field f, const struct er7_segment *s,
    const struct mapping_place *place, struct str raw)
{
	struct types_result got = {0};
	struct str field = er7_field(s, place->position);

	if (field_info(f)->type != FIELD_TYPE_CODE || place->component == 0 ||
	    place->subcomponent > 0)
		return types_convert(
		    r->arena, r->m, f, raw, place->component == 0);
	if (place->repetition > 0)
		field = er7_repetition(r->m, field, place->repetition);
	got.text = types_code(r->arena, r->m, field, place->component);
	return got;
}

/* What stands at a place, without the room it takes to look into what is no
 * value of anything. */
static struct str
find_raw(struct order_reader *r, const struct order_scope *scope,
    const struct mapping_place *place, const struct er7_segment **s)
{
	*s = order_segment(r, scope, place->segment);
	if (er7_field(*s, place->position).n > LIMIT_HL7_VALUE) {
		r->too_long = place;
		r->over = true;
		return STR("");
	}
	return *s != NULL ? raw_at(r, *s, place) : STR("");
}

bool
order_fill_from(struct order_reader *r, const struct order_scope *scope,
    enum field f, const struct mapping_place *place, struct order_value *out)
{
	bool notes = strcmp(place->segment, "NTE") == 0 && place->position == 3;
	const struct er7_segment *s = NULL;
	struct types_result got = {0};
	struct str raw;

	if (notes)
		raw = got.text =
		    join_notes(r, scope, order_is_patient_field(f));
	else
		raw = find_raw(r, scope, place, &s);
	if (str_trim(raw).n == 0)
		return false;
	if (er7_is_delete(raw)) {
		order_trace_add(r, scope, f, place, raw, STR(""), "deleted");
		*out = (struct order_value){.given = true};
		return true;
	}
	if (!notes)
		got = convert(r, f, s, place, raw);
	r->total += got.text.n;
	if (r->total > LIMIT_HL7_VALUES)
		r->over = true;
	order_trace_add(r, scope, f, place, raw, got.text, got.note);
	if (got.bad || got.text.n == 0)
		return false;
	*out = (struct order_value){.given = true, .text = got.text};
	return true;
}

void
order_fill(struct order_reader *r, const struct order_scope *scope,
    enum field f, struct order_value *out)
{
	size_t i;

	for (i = 0; i < r->mapping->count[f] && !order_is_over(r); i++)
		if (order_fill_from(r, scope, f, &r->mapping->at[f][i], out))
			return;
}

/* Whether somebody else's place has what ours lacks, for who sets it up. */
static const char *
other_id(const struct order_reader *r, enum field f)
{
	const struct er7_segment *pid = er7_find(r->m, "PID", NULL);

	if (f != FIELD_PatientID || r->mapping->count[f] == 0 ||
	    strcmp(r->mapping->at[f][0].segment, "PID") != 0 ||
	    r->mapping->at[f][0].position != 3)
		return "";
	if (str_trim(er7_field(pid, 2)).n > 0)
		return "; PID-2 has a value, the mapping could take that";
	if (str_trim(er7_field(pid, 4)).n > 0)
		return "; PID-4 has a value, the mapping could take that";
	return "";
}

bool
order_lacks(struct order_reader *r, enum field f, const char *what,
    const char *segment, unsigned field)
{
	const struct mapping_place *p = &r->mapping->at[f][0];
	const char *name = field_info(f)->name;

	if (r->mapping->count[f] == 0)
		return order_refuse(r, false, 101, segment, field,
		    "the mapping names no place for %s", name);
	if (er7_find(r->m, p->segment, NULL) == NULL)
		return order_refuse(r, false, 100, p->segment, 0,
		    "there is no %s segment: the %s has no %s", p->segment,
		    what, name);
	return order_refuse(r, false, 101, p->segment, p->position,
	    "%s-%u is empty: the %s has no %s%s", p->segment,
	    (unsigned)p->position, what, name, other_id(r, f));
}

bool
order_is_patient_field(enum field f)
{
	switch (f) {
	case FIELD_PatientID:
	case FIELD_IssuerOfPatientID:
	case FIELD_OtherPatientIDs:
	case FIELD_PatientName:
	case FIELD_PatientBirthDate:
	case FIELD_PatientSex:
	case FIELD_PatientAddress:
	case FIELD_PatientMotherBirthName:
	case FIELD_PatientWeight:
	case FIELD_PatientSize:
	case FIELD_MedicalAlerts:
	case FIELD_Allergies:
	case FIELD_PregnancyStatus:
	case FIELD_PatientState:
	case FIELD_SpecialNeeds:
	case FIELD_PatientComments:
	case FIELD_ConfidentialityConstraint:
	case FIELD_AdmissionID:
	case FIELD_CurrentPatientLocation:
		return true;
	default:
		return false;
	}
}

static bool
read_ack(struct order_reader *r)
{
	r->out->kind = ORDER_KIND_ACK;
	return true;
}

static bool
read_nothing(struct order_reader *r)
{
	r->out->kind = ORDER_KIND_NOTHING;
	return true;
}

static const struct {
	const char *type;
	bool (*read)(struct order_reader *r);
} types[] = {
    {"ORM", order_read_steps},
    {"OMG", order_read_steps},
    {"OMI", order_read_steps},
    {"SIU", order_read_appointment},
    {"ADT", order_read_patient},
    {"ORU", order_read_report},
    {"ACK", read_ack},
    {"ORR", read_ack},
    {"ORG", read_ack},
    {"ORI", read_ack},
    {"MCF", read_ack},
    /* Billing, master files and the like: of no use here, no harm either. */
    {"DFT", read_nothing},
    {"BAR", read_nothing},
    {"MFN", read_nothing},
    {"MDM", read_nothing},
};

static bool
dispatch(struct order_reader *r)
{
	struct str type = r->out->type;
	char shown[16];
	size_t i;

	/* A message that does not say what it is, with an order in it. */
	if (type.n == 0 && (er7_find(r->m, "ORC", NULL) != NULL ||
			       er7_find(r->m, "OBR", NULL) != NULL))
		type = STR("ORM");
	for (i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq_nocase(type, str_from(types[i].type)))
			return types[i].read(r);
	if (type.n == 0)
		return order_refuse(r, true, 200, "MSH", 9,
		    "MSH-9 is empty: the message does not say what it is");
	return order_refuse(r, true, 200, "MSH", 9,
	    "messages of type '%s' are not taken here",
	    str_printable(shown, sizeof(shown), type));
}

bool
order_read(struct arena *a, const struct er7_message *m,
    const struct mapping *mapping, struct order_message *out,
    struct order_trace **traces, size_t *trace_count, struct order_problem *why)
{
	struct order_reader r = {
	    .arena = a,
	    .m = m,
	    .mapping = mapping,
	    .out = out,
	    .why = why,
	    .tracing = traces != NULL,
	};
	bool ok;

	*out = (struct order_message){
	    .type = str_trim(er7_get(a, m, "MSH", 9, 1)),
	    .event = str_trim(er7_get(a, m, "MSH", 9, 2)),
	    .control_id = str_trim(er7_get(a, m, "MSH", 10, 1)),
	    .application = str_trim(er7_get(a, m, "MSH", 3, 1)),
	    .facility = str_trim(er7_get(a, m, "MSH", 4, 1)),
	};
	*why = (struct order_problem){0};
	ok = dispatch(&r);
	if (order_is_over(&r))
		ok = order_refuse_large(&r);
	if (traces != NULL) {
		*traces = r.traces;
		*trace_count = r.trace_count;
	}
	return ok;
}
