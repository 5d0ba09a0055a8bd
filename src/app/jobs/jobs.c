/*
 * 'jobs': the queue of what the server does of its own accord.
 */
#include "app/jobs/report.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/limit.h"

#include <inttypes.h>

#define CLEAR_DAYS 7
#define LIST_MAX   50
#define DAY_MS     (24 * 60 * 60 * 1000LL)

struct request {
	const char *data, *before, *state, *max, *report;
	bool all;
	struct words words;
	struct store *store; /* NULL: only the words are looked at */
};

struct action {
	const char *name;
	size_t words; /* the name among them */
	bool (*run)(struct request *r, struct err *e);
};

static bool
take_id(const struct request *r, int64_t *id, struct err *e)
{
	char shown[80];

	if (str_i64(str_from(r->words.at[1]), id) && *id > 0)
		return true;
	return fail(e, ERR_USAGE, "'%s' is not the number of a job",
	    str_printable(shown, sizeof(shown), str_from(r->words.at[1])));
}

static bool
take_number(const char *option, const char *text, uint64_t max, uint64_t *out,
    struct err *e)
{
	char shown[80];

	if (text == NULL || (str_u64(str_from(text), out) && *out <= max))
		return true;
	return fail(e, ERR_USAGE,
	    "%s '%s' is not allowed; allowed: 0 to %" PRIu64, option,
	    str_printable(shown, sizeof(shown), str_from(text)), max);
}

static bool
take_state(const char *text, int *state, struct err *e)
{
	char shown[80];

	*state = -1;
	if (text == NULL)
		return true;
	for (*state = 0; *state <= JOB_DRAFT; ++*state)
		if (!strcmp(text, job_state_name((enum job_state) * state)))
			return true;
	return fail(e, ERR_USAGE,
	    "--state '%s' is not allowed; allowed: waiting, running, done, "
	    "failed, cancelled or draft",
	    str_printable(shown, sizeof(shown), str_from(text)));
}

static bool
list(struct request *r, struct err *e)
{
	uint64_t max = LIST_MAX;
	struct arena arena;
	struct job *jobs;
	size_t n = 0, i;
	int state;
	bool ok;

	if (!take_state(r->state, &state, e) ||
	    !take_number("--max", r->max, 10000, &max, e))
		return false;
	if (r->store == NULL)
		return true;
	arena_init(&arena, LIMIT_EXCHANGE);
	ok = job_list(r->store, state, (size_t)max, &arena, &jobs, &n, e);
	for (i = 0; i < n; i++)
		job_put_line(&jobs[i]);
	arena_fini(&arena);
	return ok;
}

static bool
show(struct request *r, struct err *e)
{
	int64_t id;

	if (!take_id(r, &id, e))
		return false;
	if (r->store == NULL)
		return true;
	return job_put(r->store, id, r->all, e) &&
	       (r->report == NULL || job_report(r->store, id, r->report, e));
}

static bool
retry(struct request *r, struct err *e)
{
	int64_t id;

	return take_id(r, &id, e) &&
	       (r->store == NULL || job_retry(r->store, id, e));
}

static bool
cancel(struct request *r, struct err *e)
{
	int64_t id;

	return take_id(r, &id, e) &&
	       (r->store == NULL || job_cancel(r->store, id, e));
}

static bool
clear(struct request *r, struct err *e)
{
	uint64_t days = CLEAR_DAYS;
	size_t n;

	if (!take_number("--before", r->before, 36500, &days, e))
		return false;
	if (r->store == NULL)
		return true;
	/* With 0 also what ended in this very millisecond. */
	if (!job_clear(
		r->store, clock_utc_ms() + 1 - (int64_t)days * DAY_MS, &n, e))
		return false;
	printf("%zu %s forgotten\n", n, n == 1 ? "job" : "jobs");
	return true;
}

static const struct action actions[] = {
    {"list", 1, list},
    {"show", 2, show},
    {"retry", 2, retry},
    {"cancel", 2, cancel},
    {"clear", 1, clear},
};

static bool
choose(const struct request *r, const struct action **out, struct err *e)
{
	char shown[80];
	size_t i;

	if (r->words.n == 0)
		return fail(e, ERR_USAGE,
		    "what? one of list, show, retry, cancel, clear");
	for (i = 0; i < ARRAY_LEN(actions); i++) {
		*out = &actions[i];
		if (!strcmp(r->words.at[0], actions[i].name))
			return options_words(
			    &r->words, actions[i].words, actions[i].words, e);
	}
	return fail(e, ERR_USAGE,
	    "unknown action '%s'; one of list, show, retry, cancel, clear",
	    str_printable(shown, sizeof(shown), str_from(r->words.at[0])));
}

static bool
act(struct request *r, struct err *e)
{
	const struct action *a = NULL;

	/* The words first: a wrong one is told without an archive, too. */
	return choose(r, &a, e) && a->run(r, e) &&
	       verb_store(&r->store, verb_data(r->data), false, e) &&
	       a->run(r, e);
}

static int
run(int argc, char **argv)
{
	struct request r = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &r.data},
	    {"--before", OPTION_TEXT, &r.before},
	    {"--state", OPTION_TEXT, &r.state},
	    {"--max", OPTION_TEXT, &r.max},
	    {"--report", OPTION_TEXT, &r.report},
	    {"--all", OPTION_FLAG, &r.all},
	};
	struct err e;
	bool ok;

	ok = options_parse(
		 argc, argv, options, ARRAY_LEN(options), &r.words, &e) &&
	     act(&r, &e);
	store_close(&r.store);
	words_free(&r.words);
	return ok ? VERB_DONE : verb_error(&e);
}

const struct verb verb_jobs = {
    .name = "jobs",
    .summary = "The queue of what the server does of its own accord",
    .usage = "jobs list [--state STATE] [--max N]\n"
	     "jobs show ID [--all] [--report FILE.csv]\n"
	     "jobs retry ID\n"
	     "jobs cancel ID\n"
	     "jobs clear [--before DAYS]",
    .help =
	"list    the newest jobs: number, kind, node, state, items done and "
	"in all,\n        what went wrong last\n"
	"show    one job, and which of its items failed and why; --all: each "
	"item;\n        --report: as a table into a file\n"
	"retry   a failed, cancelled or waiting job begins at once; what is "
	"done stays done\n"
	"cancel  a waiting or running job ends\n"
	"clear   forgets jobs that ended more than 7 days ago\n\n"
	"  --state STATE    waiting, running, done, failed or cancelled\n"
	"  --max N          show N jobs (default: 50)\n"
	"  --before DAYS    clear: ended more than so many days ago\n",
    .run = run,
};
