/*
 * 'activity': the associations and HL7 connections served, those of our own,
 * and the sessions of the portal, by day. Days and times are those of this
 * machine's time zone.
 */
#include "app/verb.h"
#include "base/clock.h"
#include "base/limit.h"
#include "store/table/activity.h"

#include <inttypes.h>

/* More rows than anybody reads; a note says when there are more. */
#define MOST_ROWS 100000

struct range {
	int64_t from_ms, to_ms; /* from <= start < to */
	const char *protocol;   /* or "" */
};

/* Midnight 'days' before today, in this machine's time zone. */
static int64_t
midnight(int days)
{
	time_t now = (time_t)(clock_utc_ms() / 1000);
	struct tm t;

	must(localtime_r(&now, &t) != NULL);
	t.tm_mday -= days;
	t.tm_hour = t.tm_min = t.tm_sec = 0;
	t.tm_isdst = -1;
	return (int64_t)mktime(&t) * 1000;
}

static void
put_time(int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm t;
	char text[32];

	if (localtime_r(&s, &t) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &t) == 0)
		snprintf(text, sizeof(text), "%" PRId64, ms);
	fputs(text, stdout);
}

static void
put_count(const char *name, uint64_t n)
{
	if (n > 0)
		printf(" %s=%" PRIu64, name, n);
}

static void
put_row(const struct activity *a)
{
	put_time(a->start_ms);
	printf("  %-5s ", a->protocol);
	fputs(a->outgoing ? "out " : "in  ", stdout);
	verb_put(stdout, a->calling[0] != '\0' ? a->calling : "-");
	printf(a->outgoing ? " > " : " %s > ", a->address);
	verb_put(stdout, a->called[0] != '\0' ? a->called : "-");
	if (a->outgoing)
		printf(" %s", a->address);
	printf("  %.1f s", (double)(a->end_ms - a->start_ms) / 1000);
	put_count("in", a->bytes_in);
	put_count("out", a->bytes_out);
	put_count("echoes", a->echoes);
	put_count("stores", a->stores);
	put_count("failed", a->stores_failed);
	put_count("finds", a->finds);
	put_count("gets", a->gets);
	put_count("moves", a->moves);
	put_count("received", a->instances_in);
	put_count("sent", a->instances_out);
	put_count("requests", a->requests);
	if (a->browser[0] != '\0') {
		fputs("  ", stdout);
		verb_put(stdout, a->browser);
	}
	fputs("  ", stdout);
	verb_put(stdout, a->end);
	if (a->detail[0] != '\0') {
		fputs(": ", stdout);
		verb_put(stdout, a->detail);
	}
	putchar('\n');
}

static bool
list(const char *data, const struct range *range, struct err *e)
{
	struct activity_query query = {.from_ms = range->from_ms,
	    .to_ms = range->to_ms,
	    .protocol = range->protocol,
	    .max = MOST_ROWS};
	struct store *store = NULL;
	struct activity *rows;
	struct arena arena;
	size_t n, i;
	bool done;

	if (!verb_store(&store, data, false, e))
		return false;
	arena_init(&arena, 128 * MIB);
	done = activity_find(store, &query, &arena, &rows, &n, e);
	for (i = 0; done && i < n; i++)
		put_row(&rows[i]);
	if (done && n == MOST_ROWS)
		fprintf(stderr, "only the newest %d are shown\n", MOST_ROWS);
	arena_fini(&arena);
	store_close(&store);
	return done;
}

static bool
clear(const char *data, struct err *e)
{
	struct store *store = NULL;
	bool done;

	if (!verb_store(&store, data, false, e))
		return false;
	done = activity_clear(store, INT64_MAX, e);
	store_close(&store);
	return done;
}

struct days {
	bool today, yesterday, week, all;
	bool dicom, hl7, web;
};

static bool
range_of(const struct days *d, struct range *out, struct err *e)
{
	*out = (struct range){midnight(0), INT64_MAX, ""};
	if (d->dicom + d->hl7 + d->web > 1)
		return fail(
		    e, ERR_USAGE, "only one of --dicom, --hl7 and --web");
	if (d->dicom)
		out->protocol = "dicom";
	if (d->hl7)
		out->protocol = "hl7";
	if (d->web)
		out->protocol = "web";
	if (d->today + d->yesterday + d->week + d->all > 1)
		return fail(e, ERR_USAGE,
		    "only one of --today, --yesterday, --last-7-days and "
		    "--all");
	if (d->yesterday) {
		out->from_ms = midnight(1);
		out->to_ms = midnight(0);
	}
	if (d->week)
		out->from_ms = midnight(6);
	if (d->all)
		out->from_ms = 0;
	return true;
}

static bool
act(const struct words *w, const char *data, const struct days *d,
    struct err *e)
{
	struct range range;

	if (w->n == 1 && !strcmp(w->at[0], "list"))
		return range_of(d, &range, e) && list(data, &range, e);
	if (w->n == 1 && !strcmp(w->at[0], "clear")) {
		if (d->today || d->yesterday || d->week || d->all || d->dicom ||
		    d->hl7 || d->web)
			return fail(e, ERR_USAGE,
			    "'clear' takes no days and no protocol");
		return clear(data, e);
	}
	return fail(e, ERR_USAGE,
	    "activity: '%s' is not allowed; allowed: list or clear",
	    w->n > 0 ? w->at[w->n > 1 ? 1 : 0] : "");
}

static int
run(int argc, char **argv)
{
	const char *data = NULL;
	struct days days = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"--today", OPTION_FLAG, &days.today},
	    {"--yesterday", OPTION_FLAG, &days.yesterday},
	    {"--last-7-days", OPTION_FLAG, &days.week},
	    {"--all", OPTION_FLAG, &days.all},
	    {"--dicom", OPTION_FLAG, &days.dicom},
	    {"--hl7", OPTION_FLAG, &days.hl7},
	    {"--web", OPTION_FLAG, &days.web},
	};
	struct words words = {0};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	       act(&words, verb_data(data), &days, &e);
	words_free(&words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_activity = {
    .name = "activity",
    .summary = "What was served: who, when, how much",
    .usage = "activity list [--today|--yesterday|--last-7-days|--all] "
	     "[--dicom|--hl7|--web]\n"
	     "activity clear",
    .help =
	"One line an association, HL7 connection or session of the portal,\n"
	"the newest first; without a choice those of today: 'in' those of others, 'out' those that the\n"
	"server opened itself, to send or fetch or report. 'clear' deletes\n"
	"all that have ended.\n",
    .run = run,
};
