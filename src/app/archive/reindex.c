/*
 * 'reindex': the index built anew from the object files. The folder is locked
 * as by a server, so none can run meanwhile.
 */
#include "app/progress.h"
#include "app/verb.h"
#include "store/rebuild.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static bool
progress(void *ctx, uint64_t done, uint64_t total)
{
	progress_update(ctx, done, total);
	return !stopped;
}

/* The database may be lost, and is then made; an empty or mistyped folder must
 * not become an archive. */
static bool
has_objects(const char *data, struct err *e)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/objects", data) >=
	    (int)sizeof(path))
		return fail(e, ERR_LIMIT, "the folder's name is too long");
	if (stat(path, &st) != 0)
		return fail_errno(e, "no archive in '%s'", data);
	return true;
}

static int
reindex(const char *data)
{
	struct store_config config = {
	    .folder = data, .server = true, .create = true, .rebuild = true};
	struct sigaction action = {
	    .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct rebuild_result r = {0};
	struct store *store = NULL;
	struct progress bar;
	struct err e;
	bool done;

	(void)umask(077);
	if (!has_objects(data, &e) || !store_open(&store, &config, &e))
		return verb_error(&e);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	progress_begin(&bar, "indexing", "objects");
	done = store_reindex(store, progress, &bar, &r, &e);
	progress_end(&bar);
	store_close(&store);
	if (!done)
		return verb_error(&e);
	printf("%" PRIu64 " files, %" PRIu64 " indexed, %" PRIu64
	       " torn, %" PRIu64 " duplicates\n",
	    r.files, r.indexed, r.torn, r.duplicates);
	return VERB_DONE;
}

static int
run(int argc, char **argv)
{
	const char *data = NULL;
	const struct option options[] = {{"--data", OPTION_TEXT, &data}};
	struct words words = {0};
	struct err e;
	int status;

	if (options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	    options_words(&words, 0, 0, &e))
		status = reindex(verb_data(data));
	else
		status = verb_error(&e);
	words_free(&words);
	return status;
}

const struct verb verb_reindex = {
    .name = "reindex",
    .summary = "Build the index anew from the files",
    .usage = "reindex",
    .help = "The server must be stopped. Nodes, settings and activity stay.\n",
    .run = run,
};
