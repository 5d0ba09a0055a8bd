/*
 * 'check': the files against the index, and with it their hashes. Beside a
 * running server.
 */
#include "app/progress.h"
#include "app/verb.h"
#include "store/rebuild.h"

#include <inttypes.h>
#include <signal.h>

static volatile sig_atomic_t stopped;

struct check {
	struct progress progress;
	uint64_t found, repaired;
};

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void
found(void *ctx, enum finding_kind kind, const char *path, const char *detail,
    bool repaired)
{
	struct check *c = ctx;

	progress_hide(&c->progress);
	printf("%s: ", finding_name(kind));
	verb_put(stdout, path != NULL ? path : "");
	if (detail != NULL && detail[0] != '\0') {
		fputs(": ", stdout);
		verb_put(stdout, detail);
	}
	fputs(repaired ? " (repaired)\n" : "\n", stdout);
	c->found++;
	c->repaired += repaired;
}

static bool
progress(void *ctx, uint64_t done, uint64_t total)
{
	struct check *c = ctx;

	progress_update(&c->progress, done, total);
	return !stopped;
}

static int
summary(const struct check *c, uint64_t checked, bool repair)
{
	printf("%" PRIu64 " objects checked, ", checked);
	if (c->found == 0)
		fputs("all is well\n", stdout);
	else if (repair)
		printf("%" PRIu64 " findings, %" PRIu64 " repaired\n", c->found,
		    c->repaired);
	else
		printf("%" PRIu64 " findings (--repair mends what can be)\n",
		    c->found);
	return c->found == c->repaired ? VERB_DONE : VERB_FAILED;
}

static int
check(const char *data, const struct check_options *options)
{
	struct sigaction action = {
	    .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct store *store = NULL;
	struct check c = {0};
	uint64_t checked = 0;
	struct err e;
	bool done;

	if (!verb_store(&store, data, false, &e))
		return verb_error(&e);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	progress_begin(&c.progress, "checking", "objects");
	done = store_check(store, options, found, progress, &c, &checked, &e);
	progress_end(&c.progress);
	store_close(&store);
	return done ? summary(&c, checked, options->repair) : verb_error(&e);
}

static int
run(int argc, char **argv)
{
	const char *data = NULL;
	bool repair = false, quick = false;
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"--repair", OPTION_FLAG, &repair},
	    {"--quick", OPTION_FLAG, &quick},
	};
	struct check_options wanted;
	struct words words = {0};
	struct err e;
	int status;

	if (options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	    options_words(&words, 0, 0, &e)) {
		wanted =
		    (struct check_options){.hashes = !quick, .repair = repair};
		status = check(verb_data(data), &wanted);
	} else {
		status = verb_error(&e);
	}
	words_free(&words);
	return status;
}

const struct verb verb_check = {
    .name = "check",
    .summary = "Compare the files with the index, and their hashes",
    .usage = "check [--repair] [--quick]",
    .help =
	"Every object is read and its length and hash compared with what\n"
	"was received; files and index rows are compared with each other.\n"
	"Prints a line for each finding. Exit status 1 when something is\n"
	"wrong and was not repaired.\n\n"
	"  --repair      index what lacks a row, mend rows and counts, set\n"
	"                damaged files aside (in the folder 'quarantine')\n"
	"  --quick       do not read the objects' bytes\n",
    .run = run,
};
