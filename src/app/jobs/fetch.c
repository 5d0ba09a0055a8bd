/*
 * 'fetch': studies of another archive into this one, as a job: a migration may
 * take days and survives every restart.
 *
 * The job is a draft while the node is asked which studies it has; should that
 * end in the middle nothing is fetched.
 */
#include "app/client/target.h"
#include "app/jobs/report.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/limit.h"
#include "dicom/value.h"
#include "service/job/fetch_list.h"

#include <inttypes.h>

#define BATCH   500
#define WAIT_MS 250
#define DAY_MS  (24 * 60 * 60 * 1000LL)

struct request {
	const char *by, *from, *to, *report;
	struct target_options target;
	struct fetch_filter filter;
	struct words studies, words;
	struct target t;
	int64_t job;
	struct job_item batch[BATCH];
	size_t n;
	struct progress progress;
	uint64_t named;
};

static bool
take_day(const char *option, const char *text, int64_t *day, struct err *e)
{
	char shown[80];

	*day = INT64_MIN;
	if (text == NULL || fetch_day_parse(str_from(text), day))
		return true;
	return fail(e, ERR_USAGE, "%s '%s' is no date; allowed: YYYYMMDD",
	    option, str_printable(shown, sizeof(shown), str_from(text)));
}

static bool
take_studies(struct request *r, struct err *e)
{
	char shown[80];
	size_t i;

	for (i = 0; i < r->studies.n; i++)
		if (!uid_met(str_from(r->studies.at[i])))
			return fail(e, ERR_USAGE, "--study '%s' is no UID",
			    str_printable(shown, sizeof(shown),
				str_from(r->studies.at[i])));
	if (r->studies.n > 0 &&
	    (r->from != NULL || r->to != NULL || r->filter.modality != NULL ||
		r->filter.patient != NULL))
		return fail(e, ERR_USAGE,
		    "--study stands for itself: not with --from, --to, "
		    "--modality or --patient");
	return true;
}

static bool
take_options(struct request *r, struct err *e)
{
	if (!options_words(&r->words, 1, 1, e))
		return false;
	if (r->by == NULL)
		r->by = "get";
	if (strcmp(r->by, "get") != 0 && strcmp(r->by, "move") != 0)
		return fail(e, ERR_USAGE, "--by: allowed are 'get' and 'move'");
	r->filter.today = clock_utc_ms() / DAY_MS;
	if (!take_day("--from", r->from, &r->filter.from_day, e) ||
	    !take_day("--to", r->to, &r->filter.to_day, e) ||
	    !take_studies(r, e))
		return false;
	if (r->filter.to_day != INT64_MIN &&
	    r->filter.to_day < r->filter.from_day)
		return fail(e, ERR_USAGE, "--to is before --from");
	return true;
}

static bool
flush(struct request *r, struct err *e)
{
	size_t n = r->n;

	r->n = 0;
	return job_add_items(r->t.store, r->job, r->batch, n, e);
}

static bool
on_study(void *ctx, struct str uid, uint64_t instances, struct err *e)
{
	struct request *r = ctx;
	struct job_item *item = &r->batch[r->n++];

	*item = (struct job_item){.expected = instances};
	(void)str_copy(item->name, sizeof(item->name), uid);
	progress_update(&r->progress, ++r->named, 0);
	return r->n < BATCH || flush(r, e);
}

static bool
on_stop(void *ctx)
{
	(void)ctx;
	return interrupted();
}

static void
warn(const struct fetch_list_end *end)
{
	if (end->limited)
		fputs("the node limits its answers; it was asked by dates, "
		      "which does not find studies without one\n",
		    stderr);
	if (end->undated)
		fputs("the node does not search by date: if it limits its "
		      "answers, there are studies it did not name\n",
		    stderr);
	if (end->cut[0] != '\0')
		fprintf(stderr,
		    "there may be more studies than the node names: %s\n",
		    end->cut);
}

static bool
name_studies(struct request *r, struct err *e)
{
	struct fetch_list_end end;
	bool ok = true;
	size_t i;

	if (r->studies.n > 0) {
		for (i = 0; ok && i < r->studies.n; i++)
			ok = on_study(r, str_from(r->studies.at[i]), 0, e);
		return ok && flush(r, e);
	}
	progress_begin(&r->progress, "asking", "studies");
	ok = fetch_list(&r->t.client, &r->t.node, &r->filter, on_study, on_stop,
	    r, &end, e);
	progress_end(&r->progress);
	warn(&end);
	return ok && flush(r, e);
}

static bool
find_job(struct request *r, struct job *j, struct err *e)
{
	struct arena a;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = job_find(r->t.store, r->job, &a, j, e);
	j->detail = STR("");
	arena_fini(&a);
	return ok;
}

static bool
add(struct request *r, struct err *e)
{
	struct job j = {.kind = "fetch", .state = JOB_DRAFT};
	struct err ignored;
	char detail[32];

	memcpy(j.node, r->t.node.ae, sizeof(j.node));
	snprintf(detail, sizeof(detail), "{\"by\":\"%s\"}", r->by);
	j.detail = str_from(detail);
	if (!job_add(r->t.store, &j, NULL, 0, &r->job, e))
		return false;
	if (name_studies(r, e) && find_job(r, &j, e)) {
		if (j.total > 0 && job_start(r->t.store, r->job, e)) {
			job_say_added(r->t.store, r->job, (size_t)j.total);
			return true;
		}
		if (j.total == 0)
			fail(e, ERR_MISSING, "the node names no such study");
	}
	(void)!job_cancel(r->t.store, r->job, &ignored);
	return false;
}

/* Until the job has ended. */
static bool
follow(struct request *r, struct err *e)
{
	struct job j;
	bool ok;

	progress_begin(&r->progress, "fetching", "studies");
	while ((ok = find_job(r, &j, e)) &&
	       (j.state == JOB_WAITING || j.state == JOB_RUNNING) &&
	       !interrupted()) {
		progress_update(&r->progress, j.done + j.failed, j.total);
		clock_sleep_ms(WAIT_MS);
	}
	progress_end(&r->progress);
	if (!ok || !job_report(r->t.store, r->job, r->report, e))
		return false;
	if (j.state == JOB_DONE)
		return true;
	if (j.state == JOB_FAILED)
		return fail(
		    e, ERR_UNSUPPORTED, "job %" PRId64 ": %s", r->job, j.error);
	return fail(e, ERR_CANCELLED,
	    "job %" PRId64 " is %s; the report is of now", r->job,
	    job_state_name(j.state));
}

static bool
fetch(struct request *r, struct err *e)
{
	bool ok;

	if (!take_options(r, e) || !target_open(&r->t, &r->target, e))
		return false;
	interrupt_catch();
	ok = target_needs_store(&r->t, e) &&
	     node_find(r->t.store, r->words.at[0], &r->t.node, e) &&
	     add(r, e) && (r->report == NULL || follow(r, e));
	target_close(&r->t);
	return ok;
}

static int
run(int argc, char **argv)
{
	struct request *r = must_zalloc(sizeof(*r));
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &r->target.data},
	    {"--by", OPTION_TEXT, &r->by},
	    {"--from", OPTION_TEXT, &r->from},
	    {"--to", OPTION_TEXT, &r->to},
	    {"--modality", OPTION_TEXT, &r->filter.modality},
	    {"--patient", OPTION_TEXT, &r->filter.patient},
	    {"--study", OPTION_MANY, &r->studies},
	    {"--report", OPTION_TEXT, &r->report},
	};
	struct err e;
	bool ok;

	ok = options_parse(
		 argc, argv, options, ARRAY_LEN(options), &r->words, &e) &&
	     fetch(r, &e);
	words_free(&r->words);
	words_free(&r->studies);
	free(r);
	return ok ? VERB_DONE : verb_error(&e);
}

const struct verb verb_fetch = {
    .name = "fetch",
    .summary = "Bring the studies of another archive here, by the job queue",
    .usage = "fetch NODE [--by get|move] [--from DATE] [--to DATE] "
	     "[--modality M]\n"
	     "      [--patient ID] [--study UID]... [--report FILE.csv]",
    .help =
	"Asks a known node which studies it has, and adds a job that fetches\n"
	"what is not here yet; the server works on it, through restarts of\n"
	"either side. 'fileroom jobs show ID --all' tells of each study how\n"
	"many images the node has, how many came, and what was wrong.\n\n"
	"  --by WAY         get (default), or move: the node must know us by\n"
	"                   our AE title then\n"
	"  --from, --to     dates of the studies, YYYYMMDD\n"
	"  --modality M     studies with this modality\n"
	"  --patient ID     of this patient\n"
	"  --study UID      this study; may be given several times\n"
	"  --report FILE    wait until the job has ended, and write a table of\n"
	"                   its studies; exit status 1 when not all came whole\n",
    .run = run,
};
