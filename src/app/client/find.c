/*
 * 'find': C-FIND of the Query/Retrieve models (PS3.4 C.4.1.2).
 */
#include "app/client/answer.h"
#include "app/client/model.h"
#include "app/client/target.h"

#include "base/limit.h"
#include "dicom/dict.h"

#include <inttypes.h>

struct request {
	struct target_options target;
	const char *level, *model, *format, *charset, *max;
	bool relational, fuzzy;
	struct words words;
};

struct find {
	struct target t;
	struct arena arena, answers_arena;
	struct keys keys;
	enum model_depth depth;
	enum model_root root;
	enum answer_format format;
	struct answers answers;
	uint64_t max, got;
	bool unsupported; /* the node said that it ignored keys */
	bool relational, fuzzy;
};

/* What a person wants to see of each level; the unique keys are among them. */
static const uint32_t wanted[][12] = {
    [DEPTH_PATIENT] = {TAG_PatientName, TAG_PatientID, TAG_PatientBirthDate,
	TAG_PatientSex, TAG_NumberOfPatientRelatedStudies},
    [DEPTH_STUDY] = {TAG_PatientName, TAG_PatientID, TAG_PatientBirthDate,
	TAG_StudyDate, TAG_StudyTime, TAG_AccessionNumber,
	TAG_ModalitiesInStudy, TAG_StudyDescription,
	TAG_NumberOfStudyRelatedSeries, TAG_NumberOfStudyRelatedInstances,
	TAG_StudyInstanceUID},
    [DEPTH_SERIES] = {TAG_Modality, TAG_SeriesNumber, TAG_SeriesDescription,
	TAG_BodyPartExamined, TAG_NumberOfSeriesRelatedInstances,
	TAG_SeriesInstanceUID},
    [DEPTH_IMAGE] = {TAG_InstanceNumber, TAG_SOPClassUID, TAG_SOPInstanceUID},
};

static bool
add_keys(struct find *f, const struct words *words, struct err *e)
{
	bool asks, asked = false;
	size_t i;

	for (i = 1; i < words->n; i++) {
		if (!keys_add(&f->keys, words->at[i], &asks, e))
			return false;
		asked |= asks;
	}
	if (asked)
		return keys_want(&f->keys, model_unique_key(f->depth), e);
	for (i = 0; i < ARRAY_LEN(wanted[0]) && wanted[f->depth][i] != 0; i++)
		if (!keys_want(&f->keys, wanted[f->depth][i], e))
			return false;
	return true;
}

static bool
on_answer(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct find *f = ctx;

	if (end->status == STATUS_PendingWarning)
		f->unsupported = true;
	if (ds != NULL) {
		answers_put(&f->answers, ds);
		f->got++;
	}
	return f->max == 0 || f->got < f->max;
}

static bool
on_stop(void *ctx)
{
	(void)ctx;
	return interrupted();
}

/* PS3.4 Table C.5-2: byte 1 is about relational queries, byte 3 about names. */
#define BYTE_RELATIONAL 0
#define BYTE_FUZZY      2

static bool
check_granted(const struct find *f, const struct assoc *a, struct err *e)
{
	const struct assoc_context *c = assoc_find_context(
	    a, str_from(model_class(f->root, KIND_FIND)), STR(""));
	struct str got = c != NULL ? c->extended : STR("");

	if (f->relational &&
	    (got.n <= BYTE_RELATIONAL || got.p[BYTE_RELATIONAL] != 1))
		return fail(e, ERR_UNSUPPORTED,
		    "node '%s' does not do relational queries: leave "
		    "--relational out, and give the unique keys of the levels "
		    "above",
		    f->t.node.ae);
	if (f->fuzzy && (got.n <= BYTE_FUZZY || got.p[BYTE_FUZZY] != 1))
		return fail(e, ERR_UNSUPPORTED,
		    "node '%s' does not match names loosely: leave --fuzzy "
		    "out, and use the wild cards * and ?",
		    f->t.node.ae);
	return true;
}

static bool
ask(struct find *f, struct client_end *end, struct err *e)
{
	const char *const classes[] = {model_class(f->root, KIND_FIND)};
	const uint8_t info[] = {f->relational, 0, f->fuzzy};
	struct pdu_extended extended = {.sop_class = str_from(classes[0]),
	    .info = str_of(info, f->fuzzy ? sizeof(info) : 1)};
	struct client_query q = {.model = classes[0],
	    .identifier = f->keys.identifier,
	    .answer = on_answer,
	    .stop = on_stop,
	    .ctx = f,
	    .arena = &f->answers_arena};
	struct client_wish wish;
	struct assoc *a = NULL;
	bool done;

	if (!client_wish_plain(&wish, &f->arena, classes, 1, e))
		return false;
	wish.extended = &extended;
	wish.extended_count = f->relational || f->fuzzy ? 1 : 0;
	if (!client_open(&a, &f->t.client, &f->t.node, &wish, e))
		return false;
	done = check_granted(f, a, e) && client_find(a, &q, end, e);
	client_close(&a);
	return done;
}

static void
say_count(const struct find *f, const struct client_end *end)
{
	fprintf(stderr, "%" PRIu64 " answer%s%s\n", f->got,
	    f->got == 1 ? "" : "s",
	    f->max != 0 && f->got == f->max ? ", as many as asked for" : "");
	if (end->unreadable > 0)
		fprintf(stderr,
		    "warning: %" PRIu64 " answers could not be read\n",
		    end->unreadable);
	if (f->unsupported)
		fputs("warning: the node does not support all of these keys\n",
		    stderr);
}

static bool
find(struct find *f, struct err *e)
{
	struct client_end end = {0};
	bool done;

	interrupt_catch();
	answers_begin(&f->answers, f->format, f->keys.paths, f->keys.n);
	done = ask(f, &end, e);
	answers_end(&f->answers);
	fflush(stdout);
	say_count(f, &end);
	if (interrupted())
		return fail(e, ERR_CANCELLED, "stopped");
	if (f->max != 0 && f->got >= f->max)
		return true;
	return done && model_succeeded(&end, "find", e);
}

static bool
prepare(struct find *f, const struct request *r, struct err *e)
{
	if (!options_words(&r->words, 1, SIZE_MAX, e) ||
	    !model_depth_parse(r->level, &f->depth, e) ||
	    !model_root_parse(r->model, f->depth, &f->root, e) ||
	    !answer_format_parse(r->format, &f->format, e))
		return false;
	if (r->max != NULL &&
	    (!str_u64(str_from(r->max), &f->max) || f->max == 0))
		return fail(e, ERR_USAGE, "--max: allowed are 1 and more");
	f->relational = r->relational;
	f->fuzzy = r->fuzzy;
	return keys_init(&f->keys, &f->arena, r->charset, r->words.at + 1,
		   r->words.n - 1, e) &&
	       add_keys(f, &r->words, e) &&
	       model_finish(&f->keys, f->root, f->depth, f->relational, e);
}

static bool
run_find(const struct request *r, struct err *e)
{
	struct find f = {0};
	bool done = false;

	arena_init(&f.arena, LIMIT_EXCHANGE);
	arena_init(&f.answers_arena, LIMIT_EXCHANGE);
	if (prepare(&f, r, e) && target_open(&f.t, &r->target, e)) {
		done = target_node(&f.t, r->words.at[0], &f.t.node, e) &&
		       find(&f, e);
		target_close(&f.t);
	}
	arena_fini(&f.arena);
	arena_fini(&f.answers_arena);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request r = {0};
	const struct option options[] = {TARGET_OPTIONS(r.target),
	    {"--level", OPTION_TEXT, &r.level},
	    {"--model", OPTION_TEXT, &r.model},
	    {"--format", OPTION_TEXT, &r.format},
	    {"--charset", OPTION_TEXT, &r.charset},
	    {"--max", OPTION_TEXT, &r.max},
	    {"--relational", OPTION_FLAG, &r.relational},
	    {"--fuzzy", OPTION_FLAG, &r.fuzzy}};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &r.words, &e) &&
	       run_find(&r, &e);
	words_free(&r.words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_find = {
    .name = "find",
    .summary = "Ask a node what it has (C-FIND)",
    .usage = "find NODE [--level LEVEL] [KEY=VALUE|KEY]...",
    .help =
	"KEY is a keyword (PatientName), a tag ((0010,0010)), or one in a\n"
	"sequence (Sequence.Keyword). VALUE may have the wild cards * and ?,\n"
	"and ranges of dates as 20260101-20260131. A KEY without value asks\n"
	"for that attribute instead of the usual ones. NODE: see 'fileroom\n"
	"help echo'. The count stands on stderr at the end.\n\n"
	"  --level L       patient, study (default), series or image\n"
	"  --model M       study (default), patient or patient-study\n"
	"  --format F      table (default), json (an object a line) or dump\n"
	"  --max N         cancel after N answers\n"
	"  --charset C     Specific Character Set of the keys (default: none\n"
	"                  where they are ASCII, else ISO_IR 192)\n"
	"  --relational    keys of any level, where the node does that\n"
	"  --fuzzy         names by their words in any order, where the node\n"
	"                  does that\n" TARGET_HELP,
    .run = run,
};
