/*
 * The progress bar: share, amount, and the time that is left at the rate so
 * far.
 */
#include "app/progress.h"
#include "base/clock.h"

#include <inttypes.h>
#include <unistd.h>

#define BAR           30
#define DRAW_EVERY_MS 100

void
progress_begin(struct progress *p, const char *what, const char *unit)
{
	const char *term = getenv("TERM");

	*p = (struct progress){.what = what, .unit = unit};
	p->terminal = isatty(STDERR_FILENO) == 1 &&
		      (term == NULL || strcmp(term, "dumb") != 0);
	p->start_ms = clock_mono_ms();
	p->drawn_ms = p->start_ms - DRAW_EVERY_MS;
}

static void
put_amount(const struct progress *p, uint64_t n)
{
	if (p->unit != NULL)
		fprintf(stderr, "%" PRIu64, n);
	else
		fprintf(stderr, "%.1f", (double)n / 1e6);
}

static void
put_bar(uint64_t done, uint64_t total)
{
	unsigned filled = (unsigned)((double)done / (double)total * BAR), i;

	fputc('[', stderr);
	for (i = 0; i < BAR; i++)
		fputc(i < filled ? '#' : '.', stderr);
	fprintf(stderr, "] %3u %%  ",
	    (unsigned)((double)done / (double)total * 100));
}

static void
put_left(const struct progress *p, int64_t now, uint64_t done, uint64_t total)
{
	double spent = (double)(now - p->start_ms) / 1000, left;

	if (done == 0 || spent < 2)
		return;
	left = spent / (double)done * (double)(total - done);
	if (left < 360000)
		fprintf(stderr, "  %u:%02u left", (unsigned)left / 60,
		    (unsigned)left % 60);
}

void
progress_update(struct progress *p, uint64_t done, uint64_t total)
{
	int64_t now;

	if (!p->terminal)
		return;
	now = clock_mono_ms();
	if (now - p->drawn_ms < DRAW_EVERY_MS)
		return;
	p->drawn_ms = now;
	if (done > total && total > 0)
		total = done;
	fprintf(stderr, "\r%s ", p->what);
	if (total > 0)
		put_bar(done, total);
	put_amount(p, done);
	if (total > 0) {
		fputs(" of ", stderr);
		put_amount(p, total);
	}
	fprintf(stderr, " %s", p->unit != NULL ? p->unit : "MB");
	if (total > 0)
		put_left(p, now, done, total);
	fputs("\033[K", stderr);
	fflush(stderr);
	p->shown = true;
}

void
progress_hide(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

void
progress_end(struct progress *p)
{
	progress_hide(p);
	p->terminal = false;
}
