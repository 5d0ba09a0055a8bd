/*
 * A record as ORM^O01 (HL7 2.3.1): where the manual's table has a field it
 * stands there, some others stand where IHE has them, for those who read it
 * elsewhere. Then the message is read again as a receiver would, and each
 * field that did not come back as it was goes into a ZFR segment besides, so
 * that nothing is lost whatever stands in it.
 */
#include "hl7/order_inside.h"

#include "base/limit.h"
#include "hl7/types.h"

/* XCN, the longest of the composites here, has no more in use. */
#define COMPONENTS 6

struct build {
	struct buf *out;
	const struct str *value;
	const struct order_sender *sender;
	const char *control;
	struct str status; /* ORC-5 */
};

struct cell {
	enum field field;
	struct mapping_place at;
};

/* Of two fields in one place the first that has a value is written. */
static const struct cell cells[] = {
    {FIELD_RequestedProcedureID, {"OBR", 4, 1, 0, 0}},
    {FIELD_RequestedProcedurePriority, {"OBR", 27, 1, 0, 0}},
#define FIELD(id, name, type, room, segment, position, component)              \
	{FIELD_##id, {segment, position, component, 0, 0}},
#include "hl7/fields.def"
#undef FIELD
    {FIELD_ScheduledProcedureStepStartDate, {"ORC", 7, 4, 0, 0}},
    {FIELD_PlacerOrderNumber, {"OBR", 2, 1, 0, 0}},
    {FIELD_FillerOrderNumber, {"OBR", 3, 1, 0, 0}},
    {FIELD_PatientMotherBirthName, {"PID", 6, 0, 0, 0}},
    {FIELD_PatientAddress, {"PID", 11, 0, 0, 0}},
    {FIELD_CurrentPatientLocation, {"PV1", 3, 0, 0, 0}},
    {FIELD_ReferringPhysicianName, {"PV1", 8, 0, 0, 0}},
    {FIELD_PregnancyStatus, {"PV1", 15, 1, 0, 0}},
    {FIELD_AdmissionID, {"PV1", 19, 1, 0, 0}},
    {FIELD_PatientState, {"OBR", 12, 1, 0, 0}},
    {FIELD_MedicalAlerts, {"OBR", 13, 1, 0, 0}},
    {FIELD_PatientTransportArrangements, {"OBR", 30, 1, 0, 0}},
    {FIELD_ReasonForTheRequestedProcedure, {"OBR", 31, 2, 0, 0}},
    {FIELD_RequestedProcedureCode, {"OBR", 44, 0, 0, 0}},
    {FIELD_CommentsOnTheScheduledProcedureStep, {"NTE", 3, 0, 0, 0}},
};

/* Text with its own dividers, which become those of the message. */
static void
put_divided(struct buf *out, struct str text, uint8_t repeats)
{
	size_t i, begin = 0;

	for (i = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] != '^' &&
		    (repeats == 0 || text.p[i] != repeats))
			continue;
		er7_escape(out, &er7_usual, str_of(text.p + begin, i - begin));
		if (i < text.n)
			buf_u8(out, text.p[i] == '^' ? '^' : '~');
		begin = i + 1;
	}
}

/* XCN. Who reads component 1 alone, as the manual's table does, finds the
 * whole name there, where others have a number; the parts stand behind it. */
static void
put_person(struct buf *out, struct str name, bool whole)
{
	struct str alphabetic = str_of(name.p, str_find(name, '='));

	if (!whole)
		er7_escape(out, &er7_usual, name);
	if (whole || str_find(name, '^') < name.n) {
		buf_u8(out, '^');
		types_name_build(out, &er7_usual, alphabetic);
	}
}

static bool
is_digits(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '.')
			return false;
	return true;
}

/* TS of a date and a time. */
static void
put_start(struct build *b)
{
	struct str date = b->value[FIELD_ScheduledProcedureStepStartDate];
	struct str time = b->value[FIELD_ScheduledProcedureStepStartTime];

	if (date.n != 8 || !is_digits(date))
		return;
	buf_add(b->out, date);
	if (is_digits(time))
		buf_add(b->out, time);
}

static void
put_value(struct build *b, const struct cell *cell)
{
	struct str text = b->value[cell->field];
	bool whole = cell->at.component == 0;

	if (cell->field == FIELD_ScheduledProcedureStepStatus)
		text = b->status;
	if (text.n == 0)
		return;
	switch (field_info(cell->field)->type) {
	case FIELD_TYPE_DT_DATE:
		put_start(b);
		return;
	case FIELD_TYPE_DT_TIME:
		return;
	case FIELD_TYPE_XCN:
		put_person(b->out, text, whole);
		return;
	default:
		break;
	}
	if (!whole || er7_is_delete(text))
		er7_escape(b->out, &er7_usual, text);
	else if (field_info(cell->field)->type == FIELD_TYPE_PN)
		types_name_build(b->out, &er7_usual, text);
	else
		put_divided(b->out, text,
		    field_info(cell->field)->type == FIELD_TYPE_CODE ? '\\'
								     : 0);
}

static void
put_component(
    struct build *b, const char *segment, unsigned position, unsigned component)
{
	size_t i, before = b->out->n;

	for (i = 0; i < ARRAY_LEN(cells) && b->out->n == before; i++)
		if (cells[i].at.position == position &&
		    cells[i].at.component == component &&
		    strcmp(cells[i].at.segment, segment) == 0)
			put_value(b, &cells[i]);
}

/* What no field of the record gives. */
static const char *
constant(const struct build *b, const char *segment, unsigned position)
{
	if (strcmp(segment, "ORC") == 0 && position == 1)
		return b->control;
	if (strcmp(segment, "ORC") == 0 && position == 9)
		return b->sender->now;
	if (strcmp(segment, "PV1") == 0 && position == 2)
		return "U";
	if (position == 1 && strcmp(segment, "ZDS") != 0)
		return "1";
	return "";
}

static void
put_parts(struct build *b, const char *segment, unsigned position)
{
	size_t before = b->out->n, end = before;
	unsigned i;

	buf_text(b->out, constant(b, segment, position));
	if (b->out->n == before)
		put_component(b, segment, position, 0);
	if (b->out->n > before)
		return;
	for (i = 1; i <= COMPONENTS; i++) {
		size_t at;

		if (i > 1)
			buf_u8(b->out, '^');
		at = b->out->n;
		put_component(b, segment, position, i);
		if (b->out->n > at)
			end = b->out->n;
	}
	b->out->n = end;
}

/* What a reader would refuse for its length stands in the Z segment alone. */
static void
put_field(struct build *b, const char *segment, unsigned position)
{
	size_t before = b->out->n;

	put_parts(b, segment, position);
	if (b->out->n - before > LIMIT_HL7_VALUE)
		b->out->n = before;
}

/* optional: not without a value of the record. */
static void
put_segment(
    struct build *b, const char *segment, unsigned positions, bool optional)
{
	size_t begin = b->out->n, end, at;
	bool any = !optional;
	unsigned i;

	buf_text(b->out, segment);
	end = b->out->n;
	for (i = 1; i <= positions; i++) {
		buf_u8(b->out, '|');
		at = b->out->n;
		put_field(b, segment, i);
		if (b->out->n == at)
			continue;
		end = b->out->n;
		any = any || constant(b, segment, i)[0] == '\0';
	}
	b->out->n = any ? end : begin;
	if (any)
		buf_u8(b->out, '\r');
}

static void
put_header(struct build *b)
{
	const struct order_sender *s = b->sender;
	const char *const parts[] = {s->application, s->facility,
	    s->receiving_application, s->receiving_facility, s->now};
	size_t i;

	buf_text(b->out, "MSH|^~\\&");
	for (i = 0; i < ARRAY_LEN(parts); i++) {
		buf_u8(b->out, '|');
		er7_escape(b->out, &er7_usual, str_from(parts[i]));
	}
	buf_text(b->out, "||ORM^O01|");
	er7_escape(b->out, &er7_usual, str_from(s->control_id));
	buf_text(b->out, "|P|2.3.1||||||UNICODE UTF-8\r");
}

/* ORC-5: the code that came, unless it says something else by now. */
static struct str
status_code(const struct build *b, enum order_status status)
{
	static const char *const codes[STATUS_COUNT] = {
	    [STATUS_NONE] = "",
	    [STATUS_SCHEDULED] = "SC",
	    [STATUS_ARRIVED] = "SC",
	    [STATUS_STARTED] = "IP",
	    [STATUS_COMPLETED] = "CM",
	    [STATUS_DISCONTINUED] = "DC",
	    [STATUS_CANCELED] = "CA",
	    [STATUS_HELD] = "HD",
	};
	struct str came = b->value[FIELD_ScheduledProcedureStepStatus];

	must((size_t)status < ARRAY_LEN(codes));
	if (came.n > 0 &&
	    (status == STATUS_NONE ||
		order_status_of(came, order_action_of(b->control)) == status))
		return came;
	return str_from(codes[status]);
}

static void
put_usual(struct build *b)
{
	put_header(b);
	put_segment(b, "PID", 11, false);
	put_segment(b, "PV1", 19, true);
	put_segment(b, "ORC", 15, false);
	put_segment(b, "OBR", 44, false);
	put_segment(b, "NTE", 3, true);
	put_segment(b, "ZDS", 1, true);
}

/* What a reader makes of it; NULL when nothing. */
static const struct order_value *
read_again(struct arena *a, struct str message)
{
	struct order_message order;
	struct order_problem why;
	struct er7_message m;
	struct err e;

	if (!er7_parse(a, message, "UTF-8", &m, &e) ||
	    !order_read(
		a, &m, mapping_preset("manual"), &order, NULL, NULL, &why) ||
	    order.step_count != 1)
		return NULL;
	return order.steps[0].value;
}

static void
put_record(struct build *b, enum order_status status, struct str usual)
{
	const struct order_value *read;
	struct arena arena;
	unsigned n = 1;
	size_t f;

	arena_init(&arena, 4 * (size_t)LIMIT_HL7_FRAME);
	read = read_again(&arena, usual);
	buf_printf(b->out, "%s|%u|%s|%s\r", RECORD_SEGMENT, n, RECORD_STATUS,
	    order_status_name(status));
	for (f = 0; f < FIELD_COUNT; f++) {
		struct str text = b->value[f];

		if (read != NULL && !read[f].stand_in &&
		    str_eq(read[f].text, text))
			continue;
		buf_printf(b->out, "%s|%u|%s|", RECORD_SEGMENT, ++n,
		    field_info((enum field)f)->keyword);
		if (text.n == 0)
			buf_text(b->out, "\"\"");
		else
			er7_escape(b->out, &er7_usual, text);
		buf_u8(b->out, '\r');
	}
	arena_fini(&arena);
}

void
order_build(struct buf *out, const struct str value[FIELD_COUNT],
    enum order_status status, const char *control,
    const struct order_sender *sender)
{
	struct buf usual;
	struct build b = {
	    .out = &usual,
	    .value = value,
	    .sender = sender,
	    .control = control,
	};

	buf_init(&usual, LIMIT_HL7_FRAME);
	b.status = status_code(&b, status);
	put_usual(&b);
	buf_add(out, buf_str(&usual));
	out->over = out->over || usual.over;
	b.out = out;
	put_record(&b, status, buf_str(&usual));
	buf_fini(&usual);
}
