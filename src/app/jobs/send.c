/*
 * 'send': studies to a node by the job queue.
 */
#include "app/jobs/report.h"
#include "app/verb.h"
#include "service/job/job_send.h"

#include <inttypes.h>

static bool
send_studies(
    const char *data, const struct words *words, bool commit, struct err *e)
{
	struct job_send what = {.node = words->at[0],
	    .studies = words->at + 1,
	    .study_count = words->n - 1,
	    .commit = commit};
	struct store *store = NULL;
	int64_t id = 0;
	bool ok;

	if (!verb_store(&store, verb_data(data), false, e))
		return false;
	ok = job_send_add(store, &what, &id, e);
	if (ok)
		job_say_added(store, id, words->n - 1);
	store_close(&store);
	return ok;
}

static int
run(int argc, char **argv)
{
	const char *data = NULL;
	bool commit = false;
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"--commit", OPTION_FLAG, &commit},
	};
	struct words words = {0};
	struct err e;
	bool ok;

	ok = options_parse(
		 argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	     options_words(&words, 2, SIZE_MAX, &e) &&
	     send_studies(data, &words, commit, &e);
	words_free(&words);
	return ok ? VERB_DONE : verb_error(&e);
}

const struct verb verb_send = {
    .name = "send",
    .summary = "Send studies to a node, by the job queue",
    .usage = "send NODE STUDY_UID... [--commit]",
    .help =
	"Adds a job that the server works on, and prints its number. While "
	"the node cannot\nbe reached it is tried again, with pauses from "
	"15 seconds up to an hour for about\na day. 'fileroom jobs' shows "
	"how it goes.\n\n"
	"  --commit   then ask the node to commit to keeping them (storage\n"
	"             commitment): a job of its own, that fails when the node\n"
	"             does not commit to all of them within 24 hours\n",
    .run = run,
};
