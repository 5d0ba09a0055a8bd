/*
 * Checking, merging and choosing attributes of performed procedure steps.
 */
#include "service/worklist/performed.h"

#include "dicom/build.h"
#include "dicom/recode.h"
#include "dicom/value.h"

#include <stdarg.h>

/* Scheduled steps of one exam; real ones have a handful. */
#define STEPS_MOST 100
/* Meaning of a code in (0040,0281): DCM 110514, CID 9300. */
#define WRONG_ENTRY "110514"

/* Type 1 at creation. */
static const uint32_t required[] = {TAG_Modality, TAG_PerformedStationAETitle,
    TAG_PerformedProcedureStepStartDate, TAG_PerformedProcedureStepStartTime,
    TAG_PerformedProcedureStepStatus, TAG_PerformedProcedureStepID,
    TAG_ScheduledStepAttributesSequence};

/* "Not allowed" in N-SET. */
static const uint32_t fixed[] = {TAG_Modality, TAG_ReferencedPatientSequence,
    TAG_PatientName, TAG_PatientID, TAG_IssuerOfPatientID,
    TAG_IssuerOfPatientIDQualifiersSequence, TAG_PatientBirthDate,
    TAG_PatientSex, TAG_OtherPatientIDsSequence, TAG_StudyID, TAG_AdmissionID,
    TAG_IssuerOfAdmissionIDSequence, TAG_ServiceEpisodeID,
    TAG_ServiceEpisodeDescription, TAG_IssuerOfServiceEpisodeIDSequence,
    TAG_PerformedStationAETitle, TAG_PerformedStationName,
    TAG_PerformedLocation, TAG_PerformedProcedureStepStartDate,
    TAG_PerformedProcedureStepStartTime, TAG_PerformedProcedureStepID,
    TAG_ScheduledStepAttributesSequence};

static const struct syntax kept_syntax = {.explicit_vr = true};

static bool refuse(struct dimse *rsp, uint16_t status, uint32_t tag,
    const char *format, ...) PRINTF(4, 5);

static bool
refuse(
    struct dimse *rsp, uint16_t status, uint32_t tag, const char *format, ...)
{
	char text[sizeof(rsp->comment)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	rsp->status = status;
	dimse_comment(rsp, text);
	if (tag != 0)
		dimse_attribute(rsp, tag);
	return false;
}

static bool
too_large(struct dimse *rsp)
{
	return refuse(rsp, STATUS_ResourceLimitation, 0,
	    "the procedure step is too large");
}

/* In UTF-8, without Pixel Data, which has no place here. *charset: of a data
 * set that names none, and then which it was. */
static bool
read_bytes(struct arena *a, struct str bytes, struct syntax syntax,
    struct str *charset, struct dataset **out, struct dimse *rsp)
{
	const struct element *named;
	struct err e;
	size_t i, n = 0;

	if (!dataset_read(a, bytes, syntax, LIMIT_IDENTIFIER, 0, out, &e)) {
		if (e.code == ERR_LIMIT)
			return too_large(rsp);
		return refuse(
		    rsp, STATUS_InvalidArgumentValue, 0, "%s", e.text);
	}
	for (i = 0; i < (*out)->n; i++)
		if (!(*out)->elements[i].skipped &&
		    TAG_ELEMENT((*out)->elements[i].tag) != 0)
			(*out)->elements[n++] = (*out)->elements[i];
	(*out)->n = n;
	named = dataset_find(*out, TAG_SpecificCharacterSet);
	if (named != NULL)
		*charset = str_trim(named->value);
	return dataset_to_utf8(*out, *charset) || too_large(rsp);
}

/* What should be a sequence is one, whatever VR it came under. */
static bool
has_value(const struct element *element)
{
	if (dict_vr(element->tag) == VR_SQ)
		return element->items != NULL;
	return str_trim(element->value).n > 0;
}

static bool
check_required(const struct dataset *ds, struct dimse *rsp)
{
	const struct element *element;
	uint32_t missing = 0, empty = 0, tag;
	size_t i;

	for (i = 0; i < ARRAY_LEN(required); i++) {
		element = dataset_find(ds, required[i]);
		if (element != NULL && has_value(element))
			continue;
		if (element == NULL && missing == 0)
			missing = required[i];
		if (element != NULL && empty == 0)
			empty = required[i];
		dimse_attribute(rsp, required[i]);
	}
	tag = missing != 0 ? missing : empty;
	if (tag == 0)
		return true;
	return refuse(rsp,
	    missing != 0 ? STATUS_MissingAttribute
			 : STATUS_MissingAttributeValue,
	    0, "%s is required", dict_tag(tag)->keyword);
}

static bool
is_uid(struct str uid)
{
	size_t i;

	for (i = 0; i < uid.n; i++)
		if (uid.p[i] != '.' && (uid.p[i] < '0' || uid.p[i] > '9'))
			return false;
	return uid.n > 0 && uid.n < UID_ROOM;
}

static bool
invalid(struct dimse *rsp, uint32_t tag)
{
	return refuse(rsp, STATUS_InvalidAttributeValue, tag,
	    "%s has an invalid value", dict_tag(tag)->keyword);
}

static bool
check_time(
    const struct dataset *ds, uint32_t date, uint32_t time, struct dimse *rsp)
{
	struct str value = dataset_str(ds, date);
	char parsed[14];

	if (value.n > 0 && !date_parse(value, parsed))
		return invalid(rsp, date);
	value = dataset_str(ds, time);
	if (value.n > 0 && !time_parse(value, false, parsed))
		return invalid(rsp, time);
	return true;
}

static bool
read_step(const struct dataset *item, struct mpps_step *s, struct dimse *rsp)
{
	*s = (struct mpps_step){
	    .study = dataset_str(item, TAG_StudyInstanceUID),
	    .accession = dataset_str(item, TAG_AccessionNumber),
	    .procedure_id = dataset_str(item, TAG_RequestedProcedureID),
	    .step_id = dataset_str(item, TAG_ScheduledProcedureStepID),
	};
	if (s->study.n == 0)
		return refuse(rsp,
		    dataset_find(item, TAG_StudyInstanceUID) == NULL
			? STATUS_MissingAttribute
			: STATUS_MissingAttributeValue,
		    TAG_StudyInstanceUID,
		    "StudyInstanceUID of a scheduled step is required");
	return is_uid(s->study) || invalid(rsp, TAG_StudyInstanceUID);
}

static bool
read_steps(struct arena *a, const struct dataset *ds, struct mpps *out,
    struct dimse *rsp)
{
	const struct element *sequence =
	    dataset_find(ds, TAG_ScheduledStepAttributesSequence);
	const struct dataset *item;

	if (sequence->item_count > STEPS_MOST)
		return refuse(rsp, STATUS_ResourceLimitation, 0,
		    "more than %d scheduled steps", STEPS_MOST);
	out->steps = arena_array(a, sequence->item_count, sizeof(*out->steps));
	if (out->steps == NULL)
		return too_large(rsp);
	for (item = sequence->items; item != NULL; item = item->next)
		if (!read_step(item, &out->steps[out->step_count++], rsp))
			return false;
	return true;
}

/* Flattened to what is kept. */
static bool
keep(struct arena *a, const struct dataset *ds, struct mpps *out,
    struct dimse *rsp)
{
	struct buf data;
	struct err e;
	bool ok;

	buf_init(&data, LIMIT_IDENTIFIER);
	ok = build_dataset(&data, ds, kept_syntax, &e);
	out->data = ok ? arena_dup(a, buf_str(&data)) : STR("");
	buf_fini(&data);
	if (!ok && e.code != ERR_LIMIT)
		return refuse(
		    rsp, STATUS_InvalidArgumentValue, 0, "%s", e.text);
	return (ok && !a->over) || too_large(rsp);
}

bool
performed_create(struct arena *a, struct str bytes, struct syntax syntax,
    struct mpps *out, struct dimse *rsp)
{
	struct dataset *ds;

	*out = (struct mpps){.state = MPPS_IN_PROGRESS};
	if (!read_bytes(a, bytes, syntax, &out->charset, &ds, rsp) ||
	    !check_required(ds, rsp))
		return false;
	if (!str_eq_text(dataset_str(ds, TAG_PerformedProcedureStepStatus),
		"IN PROGRESS"))
		return refuse(rsp, STATUS_InvalidAttributeValue,
		    TAG_PerformedProcedureStepStatus,
		    "a procedure step begins with IN PROGRESS");
	out->patient_id = dataset_str(ds, TAG_PatientID);
	out->patient_name = dataset_str(ds, TAG_PatientName);
	out->modality = dataset_str(ds, TAG_Modality);
	return check_time(ds, TAG_PerformedProcedureStepStartDate,
		   TAG_PerformedProcedureStepStartTime, rsp) &&
	       read_steps(a, ds, out, rsp) && keep(a, ds, out, rsp);
}

static bool
is_fixed(uint32_t tag)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(fixed); i++)
		if (fixed[i] == tag)
			return true;
	return false;
}

/* As bytes: items in the same order, too. */
static bool
same_element(
    struct arena *a, const struct element *left, const struct element *right)
{
	struct buf bytes[2];
	struct element copy[2] = {*left, *right};
	bool ok = true;
	struct err e;
	size_t i;

	for (i = 0; i < 2; i++) {
		struct dataset one = {
		    .elements = &copy[i], .n = 1, .room = 1, .arena = a};

		buf_init(&bytes[i], LIMIT_IDENTIFIER);
		if (copy[i].vr != VR_SQ)
			copy[i].value = str_trim(copy[i].value);
		ok = build_dataset(&bytes[i], &one, kept_syntax, &e) && ok;
	}
	ok = ok && str_eq(buf_str(&bytes[0]), buf_str(&bytes[1]));
	buf_fini(&bytes[0]);
	buf_fini(&bytes[1]);
	return ok;
}

static bool
put_element(struct dataset *ds, const struct element *element)
{
	size_t i;

	if (!dataset_put(ds, element->tag, element->vr, STR("")))
		return false;
	for (i = 0; i < ds->n; i++)
		if (ds->elements[i].tag == element->tag)
			ds->elements[i] = *element;
	return true;
}

/* What comes replaces what is there, whole sequences too (F.7.2.2.2). */
static bool
merge(struct arena *a, struct dataset *kept, const struct dataset *change,
    struct dimse *rsp)
{
	const struct element *element, *before;
	size_t i;

	for (i = 0; i < change->n; i++) {
		element = &change->elements[i];
		if (element->tag == TAG_SpecificCharacterSet)
			continue;
		before = dataset_find(kept, element->tag);
		if (!is_fixed(element->tag)) {
			if (!put_element(kept, element))
				return too_large(rsp);
		} else if (before == NULL ||
			   !same_element(a, before, element)) {
			rsp->status = STATUS_AttributeListError;
			dimse_attribute(rsp, element->tag);
			dimse_comment(
			    rsp, "some attributes stay as they were created");
		}
	}
	/* It may be the first with more than ASCII. */
	return dataset_to_utf8(kept, STR("ISO_IR 192")) || too_large(rsp);
}

static bool
is_wrong_entry(const struct dataset *ds)
{
	const struct element *reason = dataset_find(
	    ds, TAG_PerformedProcedureStepDiscontinuationReasonCodeSequence);
	const struct dataset *item = reason != NULL ? reason->items : NULL;

	for (; item != NULL; item = item->next)
		if (str_eq_text(dataset_str(item, TAG_CodeValue), WRONG_ENTRY))
			return true;
	return false;
}

static bool
read_state(const struct dataset *ds, struct mpps *m, struct dimse *rsp)
{
	struct str status = dataset_str(ds, TAG_PerformedProcedureStepStatus);

	if (str_eq_text(status, "IN PROGRESS"))
		m->state = MPPS_IN_PROGRESS;
	else if (str_eq_text(status, "COMPLETED"))
		m->state = MPPS_COMPLETED;
	else if (str_eq_text(status, "DISCONTINUED"))
		m->state = MPPS_DISCONTINUED;
	else
		return invalid(rsp, TAG_PerformedProcedureStepStatus);
	m->wrong_entry = m->state == MPPS_DISCONTINUED && is_wrong_entry(ds);
	return true;
}

bool
performed_set(struct arena *a, struct mpps *m, struct str bytes,
    struct syntax syntax, struct dimse *rsp)
{
	struct str utf8 = STR("ISO_IR 192"), charset = m->charset;
	struct dataset *kept, *change;

	/* What an N-SET does not say of it, its N-CREATE has said. */
	return read_bytes(a, m->data, kept_syntax, &utf8, &kept, rsp) &&
	       read_bytes(a, bytes, syntax, &charset, &change, rsp) &&
	       merge(a, kept, change, rsp) &&
	       check_time(kept, TAG_PerformedProcedureStepEndDate,
		   TAG_PerformedProcedureStepEndTime, rsp) &&
	       read_state(kept, m, rsp) && keep(a, kept, m, rsp);
}

static void
choose(struct dataset *ds, const struct dimse *rq, struct dimse *rsp)
{
	const struct element *found;
	size_t i, at, n = 0;
	bool wanted;

	for (i = 0; i < rq->attribute_count; i++) {
		found = dataset_find(ds, rq->attributes[i]);
		if (found == NULL &&
		    rq->attributes[i] != TAG_SpecificCharacterSet) {
			rsp->status =
			    STATUS_RequestedOptionalAttributesNotSupported;
			dimse_attribute(rsp, rq->attributes[i]);
		}
	}
	for (at = 0; at < ds->n; at++) {
		wanted = false;
		for (i = 0; i < rq->attribute_count && !wanted; i++)
			wanted = rq->attributes[i] == ds->elements[at].tag;
		if (wanted)
			ds->elements[n++] = ds->elements[at];
	}
	ds->n = n;
}

bool
performed_get(struct arena *a, const struct mpps *m, const struct dimse *rq,
    struct syntax syntax, struct buf *out, struct dimse *rsp)
{
	struct str charset = STR("ISO_IR 192");
	struct dataset *ds;
	struct err e;

	if (rq->attributes_cut)
		return refuse(rsp, STATUS_ResourceLimitation, 0,
		    "more than %d attributes", DIMSE_ATTRIBUTES);
	if (!read_bytes(a, m->data, kept_syntax, &charset, &ds, rsp))
		return false;
	if (rq->attribute_count > 0)
		choose(ds, rq, rsp);
	if (!dataset_recode(ds, m->charset))
		return too_large(rsp);
	if (build_dataset(out, ds, syntax, &e))
		return true;
	if (e.code == ERR_LIMIT)
		return too_large(rsp);
	return refuse(rsp, STATUS_ProcessingFailure, 0, "%s", e.text);
}
