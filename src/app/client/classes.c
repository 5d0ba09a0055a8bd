/*
 * Asking for classes.
 */
#include "app/client/classes.h"

#include "dicom/dict.h"
#include "dicom/value.h"

/* Studies and series that are asked one by one; what is beyond them is hardly
 * of other classes. */
#define MOST_ASKED 200

struct pair {
	struct str study, series;
};

struct search {
	struct retrieval *r;
	struct assoc *assoc;
	struct arena arena, answers;
	struct class_list *out;
	struct pair found[MOST_ASKED]; /* series "": a whole study */
	size_t n;
	enum model_root root;
};

static void
add_classes(struct search *s, struct str classes)
{
	struct str one, copy;
	size_t i;

	if (classes.n == 0)
		return;
	while (str_split(&classes, '\\', &one)) {
		one = str_trim(one);
		for (i = 0; i < s->out->n; i++)
			if (str_eq(s->out->at[i], one))
				break;
		if (i < s->out->n || s->out->n == LIMIT_CONTEXTS - 1 ||
		    !uid_met(one))
			continue;
		copy = arena_dup(&s->r->arena, one);
		if (copy.n > 0)
			s->out->at[s->out->n++] = copy;
	}
}

static void
add_pair(struct search *s, struct str study, struct str series)
{
	if (s->n < MOST_ASKED && study.n > 0)
		s->found[s->n++] = (struct pair){
		    arena_dup(&s->arena, study), arena_dup(&s->arena, series)};
}

static bool
on_study(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct search *s = ctx;
	struct str classes;

	(void)end;
	if (ds == NULL)
		return true;
	classes = str_trim(dataset_str(ds, TAG_SOPClassesInStudy));
	add_classes(s, classes);
	if (classes.n == 0)
		add_pair(s, str_trim(dataset_str(ds, TAG_StudyInstanceUID)),
		    STR(""));
	return true;
}

static bool
on_series(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	(void)end;
	if (ds != NULL)
		add_pair(ctx, str_trim(dataset_str(ds, TAG_StudyInstanceUID)),
		    str_trim(dataset_str(ds, TAG_SeriesInstanceUID)));
	return true;
}

static bool
on_image(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	(void)end;
	if (ds != NULL)
		add_classes(ctx, dataset_str(ds, TAG_SOPClassUID));
	return true;
}

static bool
on_stop(void *ctx)
{
	return bring_stop(((struct search *)ctx)->r);
}

struct ask {
	enum model_depth depth;
	struct str patient, study, series;
	uint32_t want; /* one attribute more */
	client_answer_fn *answer;
};

static bool
put(struct dataset *ds, uint32_t tag, struct str value)
{
	return dataset_put(ds, tag, dict_vr(tag), value);
}

/* A node that does not answer this is no error: it may answer the rest. */
static bool
ask(struct search *s, const struct ask *q, struct err *e)
{
	struct dataset *ds = dataset_new(&s->arena);
	struct client_query query = {.model = model_class(s->root, KIND_FIND),
	    .identifier = ds,
	    .answer = q->answer,
	    .stop = on_stop,
	    .ctx = s,
	    .arena = &s->answers};
	struct client_end end;

	if (ds == NULL ||
	    !dataset_put_text(ds, TAG_QueryRetrieveLevel, VR_CS,
		model_depth_name(q->depth)) ||
	    !put(ds, TAG_StudyInstanceUID, q->study) ||
	    !put(ds, q->want, STR("")) ||
	    (q->patient.n > 0 && !put(ds, TAG_PatientID, q->patient)) ||
	    (q->depth >= DEPTH_SERIES &&
		!put(ds, TAG_SeriesInstanceUID, q->series)) ||
	    (q->depth == DEPTH_IMAGE && !put(ds, TAG_SOPInstanceUID, STR(""))))
		return fail(e, ERR_LIMIT, "the keys are too long");
	return client_find(s->assoc, &query, &end, e);
}

static bool
ask_image(
    struct search *s, struct str patient, const struct pair *p, struct err *e)
{
	struct ask q = {DEPTH_IMAGE, patient, p->study, p->series,
	    TAG_SOPClassUID, on_image};

	return ask(s, &q, e);
}

/* Whole studies are replaced by their series, behind them. */
static bool
ask_series(struct search *s, struct str patient, struct err *e)
{
	size_t studies = s->n, i;

	for (i = 0; i < studies; i++) {
		struct ask q = {DEPTH_SERIES, patient, s->found[i].study,
		    STR(""), TAG_Modality, on_series};

		if (!ask(s, &q, e))
			return false;
	}
	for (i = studies; i < s->n; i++)
		if (!ask_image(s, patient, &s->found[i], e))
			return false;
	return true;
}

static bool
ask_all(struct search *s, const struct selected *what, struct err *e)
{
	const struct dataset *ds = what->keys.identifier;
	struct str patient = str_trim(dataset_str(ds, TAG_PatientID));
	struct pair p = {str_trim(dataset_str(ds, TAG_StudyInstanceUID)),
	    str_trim(dataset_str(ds, TAG_SeriesInstanceUID))};
	struct ask q = {DEPTH_STUDY, patient, p.study, STR(""),
	    TAG_SOPClassesInStudy, on_study};

	if (p.study.n == 0 && patient.n == 0)
		return true;
	if (p.series.n > 0)
		return ask_image(s, patient, &p, e);
	return ask(s, &q, e) && ask_series(s, patient, e);
}

bool
classes_find(struct retrieval *r, const struct selected *what,
    struct class_list *out, struct err *e)
{
	const char *const classes[] = {
	    model_class(r->selection.root, KIND_FIND)};
	struct search *s;
	struct client_wish wish;
	struct assoc *a = NULL;
	struct err why;

	out->n = 0;
	if (!client_wish_plain(&wish, &r->arena, classes, 1, e))
		return false;
	if (!client_open(&a, &r->t.client, &r->t.node, &wish, e))
		return e->code == ERR_UNSUPPORTED;
	s = must_zalloc(sizeof(*s));
	*s = (struct search){
	    .r = r, .assoc = a, .out = out, .root = r->selection.root};
	arena_init(&s->arena, LIMIT_EXCHANGE);
	arena_init(&s->answers, LIMIT_EXCHANGE);
	/* Half an answer is worse than none. */
	if (!ask_all(s, what, &why))
		out->n = 0;
	arena_fini(&s->arena);
	arena_fini(&s->answers);
	free(s);
	client_close(&a);
	return true;
}
