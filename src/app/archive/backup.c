/*
 * 'backup' and 'restore': the archive into another folder beside a running
 * server, each time only what is new, and back from it. An interrupted one
 * goes on where it was.
 */
#include "app/progress.h"
#include "app/verb.h"
#include "base/limit.h"
#include "store/backup/backup.h"

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

static void
told(void *ctx, const char *path, const char *why)
{
	progress_hide(ctx);
	fputs("left out: ", stderr);
	verb_put(stderr, path);
	fputs(": ", stderr);
	verb_put(stderr, why);
	fputc('\n', stderr);
}

static void
watch_signals(void)
{
	struct sigaction action = {
	    .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

static int
summary(const struct backup_result *r, const char *what)
{
	printf("%s: %" PRIu64 " objects, %" PRIu64 " set aside\n", what,
	    r->objects, r->aside);
	printf("copied: %" PRIu64 " files, %" PRIu64 " MiB\n", r->copied,
	    (r->bytes + MIB - 1) / MIB);
	if (r->linked > 0)
		printf("linked: %" PRIu64 "\n", r->linked);
	if (r->pruned > 0)
		printf("removed: %" PRIu64 "\n", r->pruned);
	if (r->damaged > 0)
		printf("left out: %" PRIu64 "\n", r->damaged);
	return r->damaged > 0 ? VERB_FAILED : VERB_DONE;
}

static int
backup(const char *folder, const char *data, struct backup_options *o)
{
	struct store *store = NULL;
	struct backup_result result;
	struct progress bar;
	struct err e;
	bool done;

	if (!verb_store(&store, data, false, &e))
		return verb_error(&e);
	watch_signals();
	progress_begin(&bar, "copying", "objects");
	o->ctx = &bar;
	done = store_backup(store, folder, o, &result, &e);
	progress_end(&bar);
	store_close(&store);
	return done ? summary(&result, "in the backup") : verb_error(&e);
}

static int
run_backup(int argc, char **argv)
{
	struct backup_options o = {.told = told, .progress = progress};
	const char *data = NULL;
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"--link", OPTION_FLAG, &o.link},
	    {"--verify", OPTION_FLAG, &o.reread},
	    {"--prune", OPTION_FLAG, &o.prune},
	};
	struct words words = {0};
	struct err e;
	int status;

	if (options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	    options_words(&words, 1, 1, &e))
		status = backup(words.at[0], verb_data(data), &o);
	else
		status = verb_error(&e);
	words_free(&words);
	return status;
}

static int
restore(const char *folder, const char *data, struct backup_options *o)
{
	struct backup_result result;
	struct progress bar;
	struct err e;
	int status;
	bool done;

	(void)umask(077);
	watch_signals();
	progress_begin(&bar, "copying", "objects");
	o->ctx = &bar;
	done = store_restore(folder, data, o, &result, &e);
	progress_end(&bar);
	if (!done)
		return verb_error(&e);
	status = summary(&result, "in the archive");
	if (result.damaged > 0)
		fputs("what was left out is told by 'fileroom check', and its "
		      "rows are removed by 'fileroom check --repair'\n",
		    stderr);
	return status;
}

static int
run_restore(int argc, char **argv)
{
	struct backup_options o = {.told = told, .progress = progress};
	const char *data = NULL;
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"--link", OPTION_FLAG, &o.link},
	    {"--verify", OPTION_FLAG, &o.reread},
	};
	struct words words = {0};
	struct err e;
	int status;

	if (options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	    options_words(&words, 1, 1, &e))
		status = restore(words.at[0], verb_data(data), &o);
	else
		status = verb_error(&e);
	words_free(&words);
	return status;
}

const struct verb verb_backup = {
    .name = "backup",
    .summary = "Copy the archive into another folder, beside the server",
    .usage = "backup DIR [--link] [--verify] [--prune]",
    .help =
	"Copies what is new since the last time: the database, the objects,\n"
	"what was set aside, keys and certificates. Each object is compared\n"
	"with its hash on the way; one that is damaged is left out and named,\n"
	"and the exit status is 1. DIR always holds the last backup that was\n"
	"finished; an interrupted one goes on when it is run again. DIR holds\n"
	"patients' data and secrets: it is made for its owner only.\n\n"
	"  --link        hard links instead of copies, where DIR is on the\n"
	"                file system of the archive: no room, no time, and no\n"
	"                help when the disk is lost\n"
	"  --verify      also read and compare every copy made before\n"
	"  --prune       remove copies of what the archive no longer has\n",
    .run = run_backup,
};

const struct verb verb_restore = {
    .name = "restore",
    .summary = "Bring the archive back from a backup",
    .usage = "restore DIR [--link] [--verify]",
    .help =
	"Copies the backup in DIR into an empty data folder. Each object is\n"
	"compared with its hash on the way. There is no archive in the folder\n"
	"until all of it is; an interrupted restore goes on when it is run\n"
	"again.\n\n"
	"  --link        hard links instead of copies, where both are on one\n"
	"                file system\n"
	"  --verify      also compare what an interrupted one brought\n",
    .run = run_restore,
};
