/*
 * 'move': C-MOVE (PS3.4 C.4.2.2): a node sends to a third one, or to us.
 */
#include "app/client/bring.h"

#include "base/limit.h"

struct request {
	struct target_options target;
	struct select_options select;
	const char *to;
	struct words words;
};

static bool
move_one(struct retrieval *r, struct assoc *a, const struct selected *s,
    const char *to, struct err *e)
{
	struct client_query q = {
	    .model = model_class(r->selection.root, KIND_MOVE),
	    .identifier = s->keys.identifier,
	    .destination = to,
	    .answer = bring_answer,
	    .stop = bring_stop,
	    .ctx = r,
	    .arena = &r->answers,
	    .patience_ms = r->t.patient ? 0 : WAIT_RETRIEVE_MS};
	struct client_end end;

	if (!client_move(a, &q, &end, e))
		return fail_in(e, "%s", s->label);
	bring_report(r, s, &end);
	return !interrupted() || fail(e, ERR_CANCELLED, "stopped");
}

static bool
move_all(struct retrieval *r, const char *to, struct err *e)
{
	const char *const classes[] = {
	    model_class(r->selection.root, KIND_MOVE)};
	struct client_wish wish;
	struct assoc *a = NULL;
	bool done = true;
	size_t i;

	if (!client_wish_plain(&wish, &r->arena, classes, 1, e) ||
	    !client_open(&a, &r->t.client, &r->t.node, &wish, e))
		return false;
	progress_begin(&r->progress, "moving", "images");
	for (i = 0; done && i < r->selection.n; i++)
		done = move_one(r, a, &r->selection.at[i], to, e);
	progress_end(&r->progress);
	client_close(&a);
	if (!done)
		return false;
	return r->failed == 0 ||
	       fail(e, ERR_UNSUPPORTED, "not everything was moved");
}

static bool
check_to(const char *to, struct err *e)
{
	struct str s = str_trim(str_from(to));

	return (s.n > 0 && s.n <= 16) ||
	       fail(e, ERR_USAGE,
		   "--to AETITLE is missing: the node that shall get the "
		   "images, as the one that sends them knows it");
}

static bool
move(const struct request *q, struct err *e)
{
	struct retrieval r;
	bool done = false;

	bring_init(&r);
	if (options_words(&q->words, 1, SIZE_MAX, e) && check_to(q->to, e) &&
	    select_make(&r.selection, &r.arena, &q->select, q->words.at + 1,
		q->words.n - 1, e) &&
	    target_open(&r.t, &q->target, e)) {
		interrupt_catch();
		done = target_node(&r.t, q->words.at[0], &r.t.node, e) &&
		       move_all(&r, q->to, e);
		target_close(&r.t);
	}
	bring_fini(&r);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request q = {.to = NULL};
	const struct option options[] = {TARGET_OPTIONS(q.target),
	    SELECT_OPTIONS(q.select), {"--to", OPTION_TEXT, &q.to}};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &q.words, &e) &&
	       move(&q, &e);
	words_free(&q.words);
	select_options_free(&q.select);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_move = {
    .name = "move",
    .summary = "Have a node send what it has to another one (C-MOVE)",
    .usage = "move NODE --to AETITLE --study UID...|--patient ID\n"
	     "move NODE --to AETITLE [--level LEVEL] KEY=VALUE...",
    .help =
	"The node looks up AETITLE in its own list of nodes. Our server's\n"
	"title brings the images here. NODE: see 'fileroom help echo'; KEY:\n"
	"see 'fileroom help find'. Exit status 1 when not everything was\n"
	"sent, with the reason. An interrupt (^C) cancels in order, a second\n"
	"one at once.\n\n"
	"  --to AETITLE    who shall get it\n" SELECT_HELP TARGET_HELP,
    .run = run,
};
