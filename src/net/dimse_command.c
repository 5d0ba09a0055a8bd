/*
 * Command sets (PS3.7 6.3.1, 9.3, 10.3, Annex E): bytes to values and back, in
 * implicit VR little endian. Pure.
 */
#include "net/dimse.h"

#include "base/rd.h"

/* The elements of group 0000 that are read or written. */
enum element_number {
	GROUP_LENGTH = 0x0000,
	AFFECTED_CLASS = 0x0002,
	REQUESTED_CLASS = 0x0003,
	COMMAND_FIELD = 0x0100,
	MESSAGE_ID = 0x0110,
	RESPONDED_TO = 0x0120,
	DESTINATION = 0x0600,
	PRIORITY = 0x0700,
	DATA_SET_TYPE = 0x0800,
	STATUS = 0x0900,
	OFFENDING = 0x0901,
	COMMENT = 0x0902,
	ERROR_ID = 0x0903,
	AFFECTED_INSTANCE = 0x1000,
	REQUESTED_INSTANCE = 0x1001,
	EVENT_TYPE = 0x1002,
	ATTRIBUTES = 0x1005,
	ACTION_TYPE = 0x1008,
	REMAINING = 0x1020,
	COMPLETED = 0x1021,
	FAILED = 0x1022,
	WARNING = 0x1023,
	ORIGINATOR_AE = 0x1030,
	ORIGINATOR_ID = 0x1031
};

#define RESPONSE_BIT 0x8000
#define NO_DATA_SET  0x0101
#define A_DATA_SET   0x0001

/* Statuses in which the remaining sub-operations are told (PS3.4 C.4.2.1.6,
 * C.4.3.1.4): pending and cancelled. */
#define IS_PENDING(status)  (((status)&0xfffe) == 0xff00)
#define IS_CANCELED(status) ((status) == 0xfe00)

/* What was found of the elements that must be there, or come in two forms. */
struct found {
	bool command, id, answered_id, data_set, status, class, instance;
	bool offending, action, attributes;
	uint16_t answered;
};

static bool
take_u16(struct str value, uint16_t *out)
{
	bool bad = false;
	struct rd r = rd_over(value, &bad);
	uint16_t v = rd_u16le(&r);

	if (!bad)
		*out = v;
	return !bad;
}

/* Text without padding, cut to its room; a NUL within would hide what follows
 * it from everything that reads a C string, so it becomes a question mark. */
static bool
take_text(char *out, size_t room, struct str value)
{
	struct str s = str_trim(value), cut = s;
	size_t i;

	if (cut.n > room - 1)
		cut = str_trim_end(str_of(s.p, room - 1));
	(void)str_copy(out, room, cut);
	for (i = 0; i < cut.n; i++)
		if (out[i] == '\0')
			out[i] = '?';
	return cut.n == s.n;
}

static void
take_number(
    uint16_t element, struct str value, struct dimse *m, struct found *found)
{
	switch (element) {
	case COMMAND_FIELD:
		found->command = found->command || take_u16(value, &m->command);
		break;
	case MESSAGE_ID:
		found->id = found->id || take_u16(value, &m->message_id);
		break;
	case RESPONDED_TO:
		found->answered_id =
		    found->answered_id || take_u16(value, &found->answered);
		break;
	case PRIORITY:
		(void)take_u16(value, &m->priority);
		break;
	case STATUS:
		found->status = found->status || take_u16(value, &m->status);
		break;
	case ERROR_ID:
		(void)take_u16(value, &m->error_id);
		break;
	case EVENT_TYPE:
	case ACTION_TYPE:
		found->action =
		    found->action || take_u16(value, &m->event_or_action);
		break;
	case REMAINING:
		m->has_counts |= take_u16(value, &m->remaining);
		break;
	case COMPLETED:
		m->has_counts |= take_u16(value, &m->completed);
		break;
	case FAILED:
		m->has_counts |= take_u16(value, &m->failed);
		break;
	case WARNING:
		m->has_counts |= take_u16(value, &m->warning);
		break;
	case ORIGINATOR_ID:
		(void)take_u16(value, &m->originator_id);
		break;
	default:
		break;
	}
}

static void
take_data_set_type(struct str value, struct dimse *m, struct found *found)
{
	uint16_t type;

	if (found->data_set || !take_u16(value, &type))
		return;
	found->data_set = true;
	m->has_data = type != NO_DATA_SET;
}

static bool
take_tag(struct rd *r, uint32_t *out)
{
	uint16_t group, element;

	if (rd_left(r) < 4)
		return false;
	group = rd_u16le(r);
	element = rd_u16le(r);
	*out = TAG(group, element);
	return true;
}

static void
take_offending(struct str value, struct dimse *m, struct found *found)
{
	bool bad = false;
	struct rd r = rd_over(value, &bad);

	if (!found->offending)
		found->offending = take_tag(&r, &m->offending);
}

static void
take_attributes(struct str value, struct dimse *m, struct found *found)
{
	bool bad = false;
	struct rd r = rd_over(value, &bad);
	uint32_t tag;

	if (found->attributes)
		return;
	found->attributes = true;
	while (take_tag(&r, &tag))
		dimse_attribute(m, tag);
}

static void
take_element(
    uint16_t element, struct str value, struct dimse *m, struct found *found)
{
	switch (element) {
	case AFFECTED_CLASS:
	case REQUESTED_CLASS:
		if (!found->class)
			(void)take_text(
			    m->sop_class, sizeof(m->sop_class), value);
		found->class = true;
		break;
	case AFFECTED_INSTANCE:
	case REQUESTED_INSTANCE:
		if (!found->instance)
			m->sop_instance_long = !take_text(
			    m->sop_instance, sizeof(m->sop_instance), value);
		found->instance = true;
		break;
	case DESTINATION:
		if (m->destination[0] == '\0')
			(void)take_text(
			    m->destination, sizeof(m->destination), value);
		break;
	case ORIGINATOR_AE:
		if (m->originator_ae[0] == '\0')
			(void)take_text(
			    m->originator_ae, sizeof(m->originator_ae), value);
		break;
	case COMMENT:
		if (m->comment[0] == '\0')
			(void)take_text(m->comment, sizeof(m->comment), value);
		break;
	case DATA_SET_TYPE:
		take_data_set_type(value, m, found);
		break;
	case OFFENDING:
		take_offending(value, m, found);
		break;
	case ATTRIBUTES:
		take_attributes(value, m, found);
		break;
	default:
		take_number(element, value, m, found);
		break;
	}
}

bool
dimse_command_parse(struct str bytes, struct dimse *out, struct err *e)
{
	uint8_t context = out->context;
	struct found found = {0};
	bool bad = false;
	struct rd r = rd_over(bytes, &bad);
	uint16_t group, element;
	struct str value;
	uint32_t n;

	*out = (struct dimse){.context = context};
	while (rd_more(&r)) {
		group = rd_u16le(&r);
		element = rd_u16le(&r);
		n = rd_u32le(&r);
		value = rd_take(&r, n);
		if (!bad && group == 0)
			take_element(element, value, out, &found);
	}
	if (bad)
		return fail(e, ERR_MALFORMED,
		    "an element of a command set runs past its end");
	if (!found.command)
		return fail(e, ERR_MALFORMED,
		    "a command set without (0000,0100) Command Field");
	if (!found.data_set)
		return fail(e, ERR_MALFORMED,
		    "a command set without (0000,0800) Command Data Set Type");
	out->is_response = (out->command & RESPONSE_BIT) != 0;
	if (out->is_response || out->command == C_CANCEL_RQ) {
		out->message_id = found.answered;
		found.id = found.answered_id;
	}
	if (!found.id)
		return fail(
		    e, ERR_MALFORMED, "a command set without its message id");
	if (out->is_response && !found.status)
		return fail(
		    e, ERR_MALFORMED, "a response without (0000,0900) Status");
	return true;
}

static void
add_header(struct buf *out, uint16_t element, uint32_t n)
{
	buf_u16le(out, 0);
	buf_u16le(out, element);
	buf_u32le(out, n);
}

static void
add_u16(struct buf *out, uint16_t element, uint16_t v)
{
	add_header(out, element, 2);
	buf_u16le(out, v);
}

/* pad: a space, or NUL for UIDs (PS3.5 6.2). Empty text is left out. */
static void
add_text(struct buf *out, uint16_t element, const char *text, uint8_t pad)
{
	struct str s = str_from(text);

	if (s.n == 0)
		return;
	add_header(out, element, (uint32_t)(s.n + s.n % 2));
	buf_add(out, s);
	buf_fill(out, pad, s.n % 2);
}

/* Requests that name what exists use the requested class and instance, all
 * others the affected ones. */
static bool
is_requested(uint16_t command)
{
	return command == N_GET_RQ || command == N_SET_RQ ||
	       command == N_ACTION_RQ || command == N_DELETE_RQ;
}

static bool
has_priority(uint16_t command)
{
	return command == C_STORE_RQ || command == C_FIND_RQ ||
	       command == C_GET_RQ || command == C_MOVE_RQ;
}

static void
add_tags(struct buf *out, uint16_t element, const uint32_t *tags, unsigned n)
{
	unsigned i;

	if (n == 0)
		return;
	add_header(out, element, 4 * n);
	for (i = 0; i < n; i++) {
		buf_u16le(out, TAG_GROUP(tags[i]));
		buf_u16le(out, TAG_ELEMENT(tags[i]));
	}
}

static void
add_status(struct buf *out, const struct dimse *m)
{
	add_u16(out, STATUS, m->status);
	add_tags(out, OFFENDING, &m->offending, m->offending != 0);
	add_text(out, COMMENT, m->comment, ' ');
	if (m->error_id != 0)
		add_u16(out, ERROR_ID, m->error_id);
}

static void
add_type_id(struct buf *out, const struct dimse *m)
{
	uint16_t request = m->command & (uint16_t)~RESPONSE_BIT;

	if (m->is_response && m->event_or_action == 0)
		return;
	if (request == N_EVENT_REPORT_RQ)
		add_u16(out, EVENT_TYPE, m->event_or_action);
	if (request == N_ACTION_RQ)
		add_u16(out, ACTION_TYPE, m->event_or_action);
}

static void
add_counts(struct buf *out, const struct dimse *m)
{
	if (!m->has_counts)
		return;
	if (IS_PENDING(m->status) || IS_CANCELED(m->status))
		add_u16(out, REMAINING, m->remaining);
	add_u16(out, COMPLETED, m->completed);
	add_u16(out, FAILED, m->failed);
	add_u16(out, WARNING, m->warning);
}

void
dimse_command_build(struct buf *out, const struct dimse *m)
{
	bool response = (m->command & RESPONSE_BIT) != 0;
	bool cancel = m->command == C_CANCEL_RQ;
	bool requested = is_requested(m->command);
	size_t begun;

	add_header(out, GROUP_LENGTH, 4);
	buf_u32le(out, 0);
	begun = out->n;
	if (!cancel)
		add_text(out, requested ? REQUESTED_CLASS : AFFECTED_CLASS,
		    m->sop_class, 0);
	add_u16(out, COMMAND_FIELD, m->command);
	add_u16(
	    out, response || cancel ? RESPONDED_TO : MESSAGE_ID, m->message_id);
	if (m->command == C_MOVE_RQ)
		add_text(out, DESTINATION, m->destination, ' ');
	if (has_priority(m->command))
		add_u16(out, PRIORITY, m->priority);
	add_u16(out, DATA_SET_TYPE, m->has_data ? A_DATA_SET : NO_DATA_SET);
	if (response)
		add_status(out, m);
	if (!cancel)
		add_text(out,
		    requested ? REQUESTED_INSTANCE : AFFECTED_INSTANCE,
		    m->sop_instance, 0);
	add_type_id(out, m);
	add_tags(out, ATTRIBUTES, m->attributes, m->attribute_count);
	if (response)
		add_counts(out, m);
	if (m->command == C_STORE_RQ && m->originator_ae[0] != '\0') {
		add_text(out, ORIGINATOR_AE, m->originator_ae, ' ');
		add_u16(out, ORIGINATOR_ID, m->originator_id);
	}
	if (!out->over)
		buf_set_u32le(out, begun - 4, (uint32_t)(out->n - begun));
}

const char *
dimse_command_name(uint16_t command)
{
	static const struct {
		uint16_t command;
		const char *name;
	} names[] = {{C_STORE_RQ, "C-STORE-RQ"}, {C_STORE_RSP, "C-STORE-RSP"},
	    {C_GET_RQ, "C-GET-RQ"}, {C_GET_RSP, "C-GET-RSP"},
	    {C_FIND_RQ, "C-FIND-RQ"}, {C_FIND_RSP, "C-FIND-RSP"},
	    {C_MOVE_RQ, "C-MOVE-RQ"}, {C_MOVE_RSP, "C-MOVE-RSP"},
	    {C_ECHO_RQ, "C-ECHO-RQ"}, {C_ECHO_RSP, "C-ECHO-RSP"},
	    {N_EVENT_REPORT_RQ, "N-EVENT-REPORT-RQ"},
	    {N_EVENT_REPORT_RSP, "N-EVENT-REPORT-RSP"}, {N_GET_RQ, "N-GET-RQ"},
	    {N_GET_RSP, "N-GET-RSP"}, {N_SET_RQ, "N-SET-RQ"},
	    {N_SET_RSP, "N-SET-RSP"}, {N_ACTION_RQ, "N-ACTION-RQ"},
	    {N_ACTION_RSP, "N-ACTION-RSP"}, {N_CREATE_RQ, "N-CREATE-RQ"},
	    {N_CREATE_RSP, "N-CREATE-RSP"}, {N_DELETE_RQ, "N-DELETE-RQ"},
	    {N_DELETE_RSP, "N-DELETE-RSP"}, {C_CANCEL_RQ, "C-CANCEL-RQ"}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].command == command)
			return names[i].name;
	return "unknown command";
}

struct dimse
dimse_response(const struct dimse *rq, uint16_t status)
{
	struct dimse m = {.context = rq->context,
	    .command = rq->command | RESPONSE_BIT,
	    .message_id = rq->message_id,
	    .is_response = true,
	    .status = status,
	    .event_or_action = rq->event_or_action};

	memcpy(m.sop_class, rq->sop_class, sizeof(m.sop_class));
	memcpy(m.sop_instance, rq->sop_instance, sizeof(m.sop_instance));
	return m;
}

void
dimse_attribute(struct dimse *m, uint32_t tag)
{
	if (m->attribute_count < DIMSE_ATTRIBUTES)
		m->attributes[m->attribute_count++] = tag;
	else
		m->attributes_cut = true;
}

void
dimse_comment(struct dimse *m, const char *text)
{
	(void)str_copy(m->comment, sizeof(m->comment), str_from(text));
}
