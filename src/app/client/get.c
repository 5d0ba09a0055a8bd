/*
 * 'get': C-GET (PS3.4 C.4.3.2) into our archive, or into a folder. Nothing is
 * converted. Run again, it goes on: what is there already is found to be the
 * same.
 */
#include "app/client/classes.h"
#include "app/client/get_out.h"

#include "base/limit.h"
#include "service/receive.h"

struct request {
	struct target_options target;
	struct select_options select;
	const char *out;
	struct words words;
};

struct get {
	struct retrieval r;
	const struct receiver *to;
	void *to_ctx;
	struct receive_archive archive;
	struct get_out *out;
};

static bool
get_one(struct get *g, const struct selected *s, struct err *e)
{
	const char *model = model_class(g->r.selection.root, KIND_GET);
	struct client_query q = {.model = model,
	    .identifier = s->keys.identifier,
	    .answer = bring_answer,
	    .stop = bring_stop,
	    .ctx = &g->r,
	    .arena = &g->r.answers,
	    .patience_ms = g->r.t.patient ? 0 : WAIT_RETRIEVE_MS};
	struct class_list classes;
	struct client_wish wish;
	struct client_end end = {0};
	struct assoc *a = NULL;
	bool done;

	if (!classes_find(&g->r, s, &classes, e) ||
	    !client_wish_get(
		&wish, &g->r.arena, model, classes.at, classes.n, e) ||
	    !client_open(&a, &g->r.t.client, &g->r.t.node, &wish, e))
		return false;
	done = client_get_into(a, &q, g->to, g->to_ctx, &end, e);
	client_close(&a);
	if (done || end.kept + end.same > 0)
		bring_report(&g->r, s, &end);
	if (!done)
		return fail_in(e, "%s", s->label);
	return !interrupted() ||
	       fail(e, ERR_CANCELLED, "stopped; run it again to go on");
}

static bool
get_all(struct get *g, struct err *e)
{
	bool done = true;
	size_t i;

	progress_begin(&g->r.progress, "getting", "images");
	for (i = 0; done && i < g->r.selection.n; i++)
		done = get_one(g, &g->r.selection.at[i], e);
	progress_end(&g->r.progress);
	if (!done)
		return false;
	return g->r.failed == 0 ||
	       fail(e, ERR_UNSUPPORTED, "not everything came");
}

static bool
open_receiver(struct get *g, const char *folder, struct err *e)
{
	if (folder != NULL) {
		g->to = &get_out_receiver;
		if (!get_out_open(&g->out, folder, g->r.t.node.ae, e))
			return false;
		g->to_ctx = g->out;
		return true;
	}
	if (!target_needs_store(&g->r.t, e))
		return fail_in(e, "give a folder with -o, or an archive");
	g->to = &receive_archive;
	g->to_ctx = &g->archive;
	g->archive.intake = intake_new(g->r.t.store, g->r.t.node.ae);
	return true;
}

static bool
get(const struct request *q, struct err *e)
{
	struct get g = {.out = NULL};
	bool done = false;

	bring_init(&g.r);
	g.r.by_us = true;
	if (options_words(&q->words, 1, SIZE_MAX, e) &&
	    select_make(&g.r.selection, &g.r.arena, &q->select, q->words.at + 1,
		q->words.n - 1, e) &&
	    target_open(&g.r.t, &q->target, e)) {
		interrupt_catch();
		done = target_node(&g.r.t, q->words.at[0], &g.r.t.node, e) &&
		       open_receiver(&g, q->out, e) && get_all(&g, e);
		if (g.archive.intake != NULL)
			intake_free(&g.archive.intake);
		get_out_close(&g.out);
		target_close(&g.r.t);
	}
	bring_fini(&g.r);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request q = {.out = NULL};
	const struct option options[] = {TARGET_OPTIONS(q.target),
	    SELECT_OPTIONS(q.select), {"-o", OPTION_TEXT, &q.out}};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &q.words, &e) &&
	       get(&q, &e);
	words_free(&q.words);
	select_options_free(&q.select);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_get = {
    .name = "get",
    .summary = "Bring here what a node has (C-GET)",
    .usage = "get NODE [-o DIR] --study UID...|--patient ID\n"
	     "get NODE [-o DIR] [--level LEVEL] KEY=VALUE...",
    .help =
	"Into the archive, beside a running server, or into a folder, as\n"
	"files with names made from patient, study and series; nothing there\n"
	"is overwritten. Run it again to resume: what is there already is\n"
	"found again. Nothing is converted. NODE: see 'fileroom help echo';\n"
	"KEY: see 'fileroom help find'. Exit status 1 when not everything\n"
	"came, with the reason. An interrupt (^C) cancels in order, a second\n"
	"one at once.\n\n"
	"  -o DIR          into this folder, made if needed\n" SELECT_HELP
	    TARGET_HELP,
    .run = run,
};
