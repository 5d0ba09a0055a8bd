/*
 * Models and levels by name.
 */
#include "app/client/model.h"

#include "dicom/dict.h"

static const char *const depth_words[] = {
    "patient", "study", "series", "image"};
static const char *const depth_names[] = {
    "PATIENT", "STUDY", "SERIES", "IMAGE"};
static const uint32_t unique_keys[] = {TAG_PatientID, TAG_StudyInstanceUID,
    TAG_SeriesInstanceUID, TAG_SOPInstanceUID};

static const char *const root_words[] = {"study", "patient", "patient-study"};

static const char *const classes[][3] = {
    {UID_StudyRootQueryRetrieveInformationModelFind,
	UID_StudyRootQueryRetrieveInformationModelMove,
	UID_StudyRootQueryRetrieveInformationModelGet},
    {UID_PatientRootQueryRetrieveInformationModelFind,
	UID_PatientRootQueryRetrieveInformationModelMove,
	UID_PatientRootQueryRetrieveInformationModelGet},
    {UID_PatientStudyOnlyQueryRetrieveInformationModelFind,
	UID_PatientStudyOnlyQueryRetrieveInformationModelMove,
	UID_PatientStudyOnlyQueryRetrieveInformationModelGet},
};

static bool
pick(const char *const *words, size_t n, const char *text, size_t *out)
{
	for (*out = 0; *out < n; ++*out)
		if (!strcmp(words[*out], text))
			return true;
	return false;
}

bool
model_depth_parse(const char *text, enum model_depth *out, struct err *e)
{
	size_t i;

	*out = DEPTH_STUDY;
	if (text == NULL)
		return true;
	if (!pick(depth_words, ARRAY_LEN(depth_words), text, &i))
		return fail(e, ERR_USAGE,
		    "--level '%.40s': allowed are patient, study, series and "
		    "image",
		    text);
	*out = (enum model_depth)i;
	return true;
}

bool
model_root_parse(const char *text, enum model_depth depth, enum model_root *out,
    struct err *e)
{
	size_t i;

	*out = depth == DEPTH_PATIENT ? ROOT_PATIENT : ROOT_STUDY;
	if (text == NULL)
		return true;
	if (!pick(root_words, ARRAY_LEN(root_words), text, &i))
		return fail(e, ERR_USAGE,
		    "--model '%.40s': allowed are study, patient and "
		    "patient-study",
		    text);
	*out = (enum model_root)i;
	if (*out == ROOT_STUDY && depth == DEPTH_PATIENT)
		return fail(e, ERR_USAGE,
		    "the study root model has no patient level: --model "
		    "patient");
	if (*out == ROOT_PATIENT_STUDY && depth > DEPTH_STUDY)
		return fail(e, ERR_USAGE,
		    "the patient/study only model ends at the study level");
	return true;
}

const char *
model_class(enum model_root root, enum model_kind kind)
{
	return classes[root][kind];
}

const char *
model_depth_name(enum model_depth depth)
{
	return depth_names[depth];
}

uint32_t
model_unique_key(enum model_depth depth)
{
	return unique_keys[depth];
}

bool
model_finish(struct keys *k, enum model_root root, enum model_depth depth,
    bool relational, struct err *e)
{
	size_t i;

	if (!dataset_put_text(k->identifier, TAG_QueryRetrieveLevel, VR_CS,
		depth_names[depth]))
		return fail(e, ERR_LIMIT, "too many keys");
	for (i = root == ROOT_STUDY ? DEPTH_STUDY : DEPTH_PATIENT;
	     i < depth && !relational; i++)
		if (!keys_has(k, unique_keys[i]))
			return fail(e, ERR_USAGE,
			    "the level %s needs a value for %s",
			    depth_words[depth],
			    dict_tag(unique_keys[i])->keyword);
	return true;
}

bool
model_succeeded(const struct client_end *end, const char *what, struct err *e)
{
	char comment[260];

	if (end->status == STATUS_Success)
		return true;
	(void)str_printable(
	    comment, sizeof(comment), str_trim(str_from(end->comment)));
	return fail(e,
	    end->status == STATUS_Cancel ? ERR_CANCELLED : ERR_UNSUPPORTED,
	    "%s: the node answered %s (%04X)%s%s", what,
	    status_name(end->status), (unsigned)end->status,
	    comment[0] != '\0' ? ": " : "", comment);
}
