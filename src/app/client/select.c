/*
 * Selections for retrieval: only unique keys (PS3.4 C.4.2.2.1), one value for
 * each level above.
 */
#include "app/client/select.h"

#include "dicom/dict.h"

void
select_options_free(struct select_options *o)
{
	words_free(&o->studies);
	words_free(&o->series);
	words_free(&o->images);
}

static bool
check(const struct select_options *o, size_t keys, struct err *e)
{
	if (o->images.n > 0 && o->series.n != 1)
		return fail(e, ERR_USAGE, "--image needs exactly one --series");
	if (o->series.n > 0 && o->studies.n != 1)
		return fail(e, ERR_USAGE, "--series needs exactly one --study");
	if (keys > 0 && (o->studies.n > 0 || o->patient != NULL))
		return fail(e, ERR_USAGE,
		    "either KEY=VALUE, or --study, --series, --image and "
		    "--patient");
	if (keys == 0 && o->level != NULL)
		return fail(e, ERR_USAGE, "--level belongs to KEY=VALUE");
	if (keys == 0 && o->studies.n == 0 && o->patient == NULL)
		return fail(e, ERR_USAGE,
		    "what? give --study UID, --patient ID or KEY=VALUE");
	return true;
}

static bool
label(struct selected *s, struct err *e)
{
	static const char *const words[] = {
	    "patient", "study", "series", "image"};
	uint32_t tag = model_unique_key(s->depth);
	struct str value = str_trim(dataset_str(s->keys.identifier, tag));
	char shown[80];

	if (value.n == 0)
		return fail(e, ERR_USAGE, "the level %s needs a value for %s",
		    words[s->depth], dict_tag(tag)->keyword);
	snprintf(s->label, sizeof(s->label), "%s %s", words[s->depth],
	    str_printable(shown, sizeof(shown), value));
	return true;
}

static bool
make_keys(struct selection *s, struct arena *a, const char *const *words,
    size_t n, enum model_depth depth, struct err *e)
{
	struct selected *one = &s->at[0];
	bool asks;
	size_t i;

	one->depth = depth;
	if (!keys_init(&one->keys, a, NULL, words, n, e))
		return false;
	for (i = 0; i < n; i++) {
		if (!keys_add(&one->keys, words[i], &asks, e))
			return false;
		if (asks)
			return fail(
			    e, ERR_USAGE, "'%.80s' has no value", words[i]);
	}
	s->n = 1;
	return model_finish(&one->keys, s->root, depth, false, e) &&
	       label(one, e);
}

/* The one of uids that is at 'depth', with those above it. */
static bool
make_one(struct selection *s, struct arena *a, const struct select_options *o,
    enum model_depth depth, const char *uid, struct err *e)
{
	struct selected *one = &s->at[s->n++];
	struct keys *k = &one->keys;
	const char *patient = o->patient;

	one->depth = depth;
	if (!keys_init(k, a, NULL, &patient, patient != NULL, e))
		return false;
	if (patient != NULL && depth != DEPTH_PATIENT &&
	    !keys_set(k, TAG_PatientID, patient, e))
		return false;
	if (depth > DEPTH_STUDY &&
	    !keys_set(k, TAG_StudyInstanceUID, o->studies.at[0], e))
		return false;
	if (depth > DEPTH_SERIES &&
	    !keys_set(k, TAG_SeriesInstanceUID, o->series.at[0], e))
		return false;
	return keys_set(k, model_unique_key(depth), uid, e) &&
	       model_finish(k, s->root, depth, false, e) && label(one, e);
}

static bool
make_all(struct selection *s, struct arena *a, const struct select_options *o,
    enum model_depth depth, const struct words *uids, struct err *e)
{
	size_t i;

	if (depth == DEPTH_PATIENT)
		return make_one(s, a, o, depth, o->patient, e);
	for (i = 0; i < uids->n; i++)
		if (!make_one(s, a, o, depth, uids->at[i], e))
			return false;
	return true;
}

bool
select_make(struct selection *s, struct arena *a,
    const struct select_options *o, const char *const *words, size_t n,
    struct err *e)
{
	const struct words *uids = &o->studies;
	enum model_depth depth = DEPTH_STUDY;
	const char *model = o->model;

	*s = (struct selection){.n = 0};
	if (!check(o, n, e) || !model_depth_parse(o->level, &depth, e))
		return false;
	if (n == 0 && o->images.n > 0) {
		uids = &o->images;
		depth = DEPTH_IMAGE;
	} else if (n == 0 && o->series.n > 0) {
		uids = &o->series;
		depth = DEPTH_SERIES;
	} else if (n == 0 && o->studies.n == 0) {
		depth = DEPTH_PATIENT;
	}
	/* A patient's id is a unique key of the patient root only. */
	if (model == NULL && o->patient != NULL)
		model = "patient";
	if (!model_root_parse(model, depth, &s->root, e))
		return false;
	s->at = arena_array(a, uids->n + 1, sizeof(*s->at));
	if (s->at == NULL)
		return fail(e, ERR_LIMIT, "too many at once");
	return n > 0 ? make_keys(s, a, words, n, depth, e)
		     : make_all(s, a, o, depth, uids, e);
}
