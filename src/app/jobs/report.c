/*
 * Items are read in pages: a job may have a million.
 */
#include "app/jobs/report.h"

#include "app/verb.h"
#include "base/clock.h"
#include "base/limit.h"
#include "store/health.h"

#include <inttypes.h>

void
job_say_added(struct store *s, int64_t id, size_t studies)
{
	struct store_holder holder;
	struct err e;

	printf("job %" PRId64 ": %zu %s\n", id, studies,
	    studies == 1 ? "study" : "studies");
	if (!store_holder(store_folder(s), &holder, &e) || !holder.held)
		fputs("no server is running on this archive: the job begins "
		      "when one starts\n",
		    stderr);
}

static void
put_counts(const struct job *j)
{
	printf("%" PRIu64 "/%" PRIu64, j->done, j->total);
	if (j->failed > 0)
		printf(" (%" PRIu64 " failed)", j->failed);
}

void
job_put_line(const struct job *j)
{
	char when[CLOCK_ISO_ROOM];

	printf("%-5" PRId64 " %-6s %-16s %-9s ", j->id, j->kind, j->node,
	    job_state_name(j->state));
	put_counts(j);
	if (j->state == JOB_WAITING && j->attempts > 0)
		printf("  next %s", clock_iso(j->next_ms, when));
	if (j->error[0] != '\0') {
		fputs("  ", stdout);
		verb_put(stdout, j->error);
	}
	putchar('\n');
}

static const char *
item_state(const struct job_item *i)
{
	return i->done ? "done" : i->failed ? "failed" : "to do";
}

static void
put_item(const struct job_item *i)
{
	printf("  %-6s %s", item_state(i), i->name);
	if (i->expected > 0 || i->got > 0)
		printf("  %" PRIu64 " of %" PRIu64, i->got, i->expected);
	if (i->error[0] != '\0') {
		fputs("  ", stdout);
		verb_put(stdout, i->error);
	}
	putchar('\n');
}

/* Calls put() for each item. */
static bool
each_item(struct store *s, int64_t id, void (*put)(void *, struct job_item *),
    void *ctx, struct err *e)
{
	struct job_item *items;
	char after[65] = "";
	struct arena a;
	size_t n, i;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	do {
		arena_reset(&a);
		n = 0;
		ok = job_items_all(s, id, after, LIMIT_ROWS, &a, &items, &n, e);
		for (i = 0; i < n; i++)
			put(ctx, &items[i]);
		if (n > 0)
			memcpy(after, items[n - 1].name, sizeof(after));
	} while (ok && n == LIMIT_ROWS);
	arena_fini(&a);
	return ok;
}

static void
put_some(void *ctx, struct job_item *i)
{
	if (*(const bool *)ctx || i->failed || i->error[0] != '\0')
		put_item(i);
}

static void
put_time(const char *what, int64_t ms)
{
	char when[CLOCK_ISO_ROOM];

	if (ms > 0)
		printf("%-9s %s\n", what, clock_iso(ms, when));
}

bool
job_put(struct store *s, int64_t id, bool all, struct err *e)
{
	struct arena a;
	struct job j;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = job_find(s, id, &a, &j, e);
	if (ok) {
		printf("job       %" PRId64 "\nkind      %s\nnode      %s\n"
		       "state     %s\n",
		    j.id, j.kind, j.node, job_state_name(j.state));
		fputs("items     ", stdout);
		put_counts(&j);
		printf("\nattempts  %u\n", j.attempts);
		put_time("added", j.created_ms);
		put_time("ended", j.ended_ms);
		if (j.state == JOB_WAITING)
			put_time("next", j.next_ms);
		if (j.error[0] != '\0') {
			fputs("error     ", stdout);
			verb_put(stdout, j.error);
			putchar('\n');
		}
		ok = each_item(s, id, put_some, &all, e);
	}
	arena_fini(&a);
	return ok;
}

/* RFC 4180. What a spreadsheet takes for a formula begins with a quote. */
static void
put_field(FILE *f, const char *text)
{
	bool formula = text[0] == '=' || text[0] == '+' || text[0] == '-' ||
		       text[0] == '@';

	fputc('"', f);
	if (formula)
		fputc('\'', f);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', f);
		fputc((uint8_t)*text < ' ' ? ' ' : *text, f);
	}
	fputc('"', f);
}

static void
put_row(void *ctx, struct job_item *i)
{
	FILE *f = ctx;

	fprintf(f, "%s,%s,", i->name, item_state(i));
	if (i->expected > 0)
		fprintf(f, "%" PRIu64, i->expected);
	fprintf(f, ",%" PRIu64 ",", i->got);
	put_field(f, i->error);
	fputs("\r\n", f);
}

bool
job_report(struct store *s, int64_t id, const char *path, struct err *e)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (f == NULL)
		return fail_errno(e, "cannot write '%s'", path);
	fputs("uid,status,expected,got,reason\r\n", f);
	ok = each_item(s, id, put_row, f, e);
	if (fflush(f) != 0 || ferror(f) != 0)
		ok = fail_errno(e, "cannot write '%s'", path);
	if (fclose(f) != 0 && ok)
		ok = fail_errno(e, "cannot write '%s'", path);
	return ok;
}
