/*
 * Answers: all that is known of the item becomes a data set, from which is
 * taken what was asked for.
 */
#include "service/worklist/answer.h"

#include "base/clock.h"
#include "base/limit.h"
#include "dicom/value.h"

/* A code in a field: its parts, "code^meaning^scheme" (hl7/fields.def). */
#define CODE_PARTS 3
/* Of one sequence: more than any procedure has. */
#define CODES_MAX 100

struct building {
	const struct letters *letters;
	const struct item *item;
	struct dataset *ds; /* of the attribute being put */
	const char **note;
};

const char *
answer_status(enum order_status status)
{
	switch (status) {
	case STATUS_ARRIVED:
		return "ARRIVED";
	case STATUS_STARTED:
		return "STARTED";
	case STATUS_NONE:
	case STATUS_SCHEDULED:
		return "SCHEDULED";
	default:
		return order_status_name(status);
	}
}

bool
attribute_is_multi(const struct attribute *attribute)
{
	const struct dict_tag *entry = dict_tag(attribute->tag);

	return entry != NULL && strcmp(entry->vm, "1") != 0;
}

static struct str
fitting(const struct building *b, enum vr vr, bool multi, struct str value)
{
	return letters_value(
	    b->ds->arena, b->letters, vr, multi, value, b->note);
}

static bool
put_code(struct building *b, uint32_t tag, struct str code)
{
	struct str parts[CODE_PARTS] = {{0}}, rest = code;
	struct dataset *item;
	size_t i;

	for (i = 0; i < CODE_PARTS && str_split(&rest, '^', &parts[i]); i++)
		;
	for (i = 0; i < CODE_PARTS; i++)
		parts[i] = fitting(b, i == 1 ? VR_LO : VR_SH, false, parts[i]);
	if (parts[0].n + parts[1].n == 0)
		return true;
	item = dataset_put_item(b->ds, tag);
	return item != NULL &&
	       dataset_put(item, TAG_CodeValue, VR_SH, parts[0]) &&
	       dataset_put(item, TAG_CodingSchemeDesignator, VR_SH, parts[2]) &&
	       dataset_put(item, TAG_CodeMeaning, VR_LO, parts[1]);
}

/* An ID, or with its issuer: "id^issuer". */
static bool
put_id(struct building *b, uint32_t tag, struct str text)
{
	struct str id = STR(""), issuer = STR(""), rest = text;
	struct dataset *item;

	(void)(str_split(&rest, '^', &id) && str_split(&rest, '^', &issuer));
	id = fitting(b, VR_LO, false, id);
	if (id.n == 0)
		return true;
	item = dataset_put_item(b->ds, tag);
	return item != NULL && dataset_put(item, TAG_PatientID, VR_LO, id) &&
	       dataset_put(item, TAG_IssuerOfPatientID, VR_LO,
		   fitting(b, VR_LO, false, issuer)) &&
	       dataset_put_text(item, TAG_TypeOfPatientID, VR_CS, "TEXT");
}

static bool
put_list(struct building *b, const struct attribute *attribute)
{
	struct str rest = b->item->value[attribute->field], part;
	size_t n = 0;

	if (rest.n == 0)
		return true;
	while (str_split(&rest, '\\', &part) && n++ < CODES_MAX)
		if (attribute->kind == ATTRIBUTE_CODES
			? !put_code(b, attribute->tag, part)
			: !put_id(b, attribute->tag, part))
			return false;
	return true;
}

/* 1 no, 2 possibly, 3 definitely, 4 unknown; HL7 0009 has B6 for pregnant. */
static bool
put_pregnancy(struct building *b, const struct attribute *attribute)
{
	struct str value = str_trim(b->item->value[attribute->field]);
	uint64_t v = 0;

	if (str_eq_nocase(value, STR("B6")))
		v = 3;
	else if (!str_u64(value, &v) || v < 1 || v > 4)
		return true;
	return dataset_put_u16(b->ds, attribute->tag, (uint16_t)v);
}

static bool
put_value(struct building *b, const struct attribute *attribute)
{
	enum vr vr = dict_vr(attribute->tag);
	struct str value = b->item->value[attribute->field];

	if (value.n == 0)
		return true;
	value = fitting(b, vr, attribute_is_multi(attribute), value);
	if (value.p == NULL && b->ds->arena->over)
		return false;
	return value.n == 0 || dataset_put(b->ds, attribute->tag, vr, value);
}

static bool
put_attribute(struct building *b, const struct attribute *attribute)
{
	switch (attribute->kind) {
	case ATTRIBUTE_VALUE:
		return put_value(b, attribute);
	case ATTRIBUTE_CODES:
	case ATTRIBUTE_IDS:
		return put_list(b, attribute);
	case ATTRIBUTE_STATUS:
		return dataset_put_text(b->ds, attribute->tag, VR_CS,
		    answer_status(b->item->status));
	case ATTRIBUTE_PREGNANCY:
		return put_pregnancy(b, attribute);
	case ATTRIBUTE_NOTHING:
		break;
	}
	return true;
}

bool
answer_put(struct dataset *ds, const struct attribute *attribute,
    const struct item *item, const struct letters *letters)
{
	struct building b = {.letters = letters, .item = item, .ds = ds};

	return put_attribute(&b, attribute);
}

static bool
is_there(const struct dataset *ds, uint32_t tag)
{
	const struct element *element = dataset_find(ds, tag);

	return element != NULL && (element->value.n > 0 || element->items);
}

/* Puts a value where there is none. */
static bool
fill(struct dataset *ds, uint32_t tag, const char *text, const char **note)
{
	if (is_there(ds, tag))
		return true;
	if (note != NULL)
		*note = "a value that must not be empty was filled in";
	return text != NULL && dataset_put_text(ds, tag, dict_vr(tag), text);
}

static bool
fill_from(struct dataset *ds, uint32_t tag, const struct dataset *source,
    uint32_t from)
{
	if (is_there(ds, tag) || !is_there(source, from))
		return true;
	return dataset_put(ds, tag, dict_vr(tag), dataset_str(source, from));
}

/* What was asked for, if it is a value, else another. */
static const char *
asked_or(const struct ask *q, struct arena *a, enum vr vr, struct str asked,
    const char *otherwise)
{
	struct str clean =
	    letters_value(a, &q->rules->letters, vr, false, asked, NULL);

	return clean.n > 0 ? arena_cstr(a, clean) : otherwise;
}

/* Return type 1, and the 1C that need a description or a code. What identifies
 * is made of the row, and so the same in every answer. */
static bool
fill_gaps(const struct ask *q, const struct building *b, struct dataset *top,
    struct dataset *step)
{
	struct arena *a = top->arena;
	const char *id = arena_printf(a, "%lld", (long long)b->item->id);
	struct clock_date made = clock_date_local(b->item->created_ms);
	char day[CLOCK_ISO_ROOM];
	const char *caller =
	    asked_or(q, a, VR_AE, str_from(q->rules->caller), "UNKNOWN");
	const char *station =
	    asked_or(q, a, VR_AE, q->search.station_ae, caller);
	const char *modality = asked_or(q, a, VR_CS, q->search.modality, "OT");

	snprintf(
	    day, sizeof(day), "%04d%02d%02d", made.year, made.month, made.day);
	return fill_from(step, TAG_ScheduledProcedureStepID, top,
		   TAG_RequestedProcedureID) &&
	       fill(step, TAG_ScheduledProcedureStepID, id, b->note) &&
	       fill_from(top, TAG_RequestedProcedureID, step,
		   TAG_ScheduledProcedureStepID) &&
	       fill(step, TAG_ScheduledStationAETitle, station, NULL) &&
	       fill(step, TAG_ScheduledProcedureStepStartDate, day, b->note) &&
	       fill(
		   step, TAG_ScheduledProcedureStepStartTime, "000000", NULL) &&
	       fill(step, TAG_Modality, modality, b->note) &&
	       fill(top, TAG_PatientID, id, b->note) &&
	       fill(top, TAG_PatientName, "UNKNOWN", b->note) &&
	       (is_there(step, TAG_ScheduledProtocolCodeSequence) ||
		   fill_from(step, TAG_ScheduledProcedureStepDescription, top,
		       TAG_RequestedProcedureDescription)) &&
	       (is_there(top, TAG_RequestedProcedureCodeSequence) ||
		   fill_from(top, TAG_RequestedProcedureDescription, step,
		       TAG_ScheduledProcedureStepDescription));
}

/* All that is known of the item. */
static struct dataset *
build_all(const struct ask *q, struct arena *a, const struct item *item,
    const char **note)
{
	struct building b = {
	    .letters = &q->rules->letters, .item = item, .note = note};
	struct dataset *top = dataset_new(a), *step;
	size_t i;

	if (top == NULL)
		return NULL;
	step = dataset_put_item(top, TAG_ScheduledProcedureStepSequence);
	if (step == NULL)
		return NULL;
	for (i = 0; i < attribute_count; i++) {
		b.ds = attributes[i].place == ATTRIBUTE_STEP ? step : top;
		if (!put_attribute(&b, &attributes[i]))
			return NULL;
	}
	return fill_gaps(q, &b, top, step) ? top : NULL;
}

/* Without value, for who wants to see all of type 1 and 2. */
static bool
put_empty(struct dataset *ds, enum attribute_place place)
{
	size_t i;

	for (i = 0; i < attribute_count; i++)
		if (attributes[i].place == place &&
		    attributes[i].need != ATTRIBUTE_ELSE &&
		    dataset_find(ds, attributes[i].tag) == NULL &&
		    !dataset_put(ds, attributes[i].tag,
			dict_vr(attributes[i].tag), STR("")))
			return false;
	return true;
}

static const struct dataset *
step_of(const struct dataset *all)
{
	return dataset_find(all, TAG_ScheduledProcedureStepSequence)->items;
}

/* The step: all of it, or what was asked for; keys that stand in it and belong
 * outside, too. */
static bool
put_step(
    const struct keys *items, const struct dataset *all, struct dataset *answer)
{
	const struct dataset *step = step_of(all), *from;
	const struct attribute *attribute;
	struct dataset *to =
	    dataset_put_item(answer, TAG_ScheduledProcedureStepSequence);
	size_t i;

	if (to == NULL)
		return false;
	for (i = 0; items != NULL && i < items->n; i++) {
		attribute = attribute_of(items->list[i].tag);
		from = attribute != NULL && attribute->place == ATTRIBUTE_TOP
			   ? all
			   : step;
		if (!key_answer(&items->list[i], from, STR("ISO_IR 192"), to))
			return false;
	}
	if (items != NULL)
		return true;
	for (i = 0; i < step->n; i++) {
		struct key key = {
		    .tag = step->elements[i].tag, .vr = step->elements[i].vr};

		key.sequence = key.vr == VR_SQ;
		if (!key_answer(&key, step, STR("ISO_IR 192"), to))
			return false;
	}
	return put_empty(to, ATTRIBUTE_STEP);
}

static bool
put_wanted(
    const struct ask *q, const struct dataset *all, struct dataset *answer)
{
	const struct attribute *attribute;
	const struct dataset *from;
	const struct key *key;
	bool stray = false, ok = true;
	size_t i;

	for (i = 0; i < q->wanted.n && ok; i++) {
		key = &q->wanted.list[i];
		if (key->tag == TAG_ScheduledProcedureStepSequence) {
			ok = put_step(key->items, all, answer);
			continue;
		}
		if (key->tag == TAG_QueryRetrieveLevel ||
		    key->tag == TAG_TimezoneOffsetFromUTC)
			continue;
		attribute = attribute_of(key->tag);
		from = all;
		if (attribute != NULL && attribute->place == ATTRIBUTE_STEP) {
			from = step_of(all);
			stray = true;
		}
		ok = key_answer(key, from, STR("ISO_IR 192"), answer);
	}
	/* Who asks for the step's keys without it looks for them in it. */
	if (ok && stray && !q->step)
		ok = put_step(NULL, all, answer);
	return ok;
}

struct dataset *
answer_build(const struct ask *q, struct arena *a, const struct item *item,
    const char **note)
{
	struct dataset *all = build_all(q, a, item, note);
	struct dataset *answer = all != NULL ? dataset_new(a) : NULL;
	struct letters letters = q->rules->letters;

	if (answer == NULL || !put_wanted(q, all, answer))
		return NULL;
	if (q->level && !dataset_put_text(
			    answer, TAG_QueryRetrieveLevel, VR_CS, "WORKLIST"))
		return NULL;
	letters.asked = q->charset;
	return letters_encode(answer, &letters) ? answer : NULL;
}
