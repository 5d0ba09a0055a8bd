/*
 * A window is a range of days, or of hours of one day; the first has no date
 * at all (it also finds studies without one) unless the caller gives dates.
 *
 * Does an answer name all there is? Nodes that limit their answers mostly do
 * not say so. A list of SUSPECT studies or more is checked: the window is
 * halved and both halves are asked for. If they are truly smaller and add up
 * to the whole, the node gives lists of that length, and shorter ones are
 * believed from then on; else the halves are looked at in the same way. A node
 * that does not limit is believed as soon as its studies lie in both halves: a
 * few questions, most of them the last, short, ones. A failure that says "too
 * many" (A7xx, Cxxx) counts as a list too long.
 *
 * The windows that wait are a stack; each level halves, so it stays short.
 */
#include "service/job/fetch_list.h"

#include "base/clock.h"
#include "base/limit.h"
#include "dicom/value.h"

#define DAY_MS (24 * 60 * 60 * 1000LL)
/* No node limits its answers to fewer. */
#define SUSPECT 100
/* 1895: nothing was imaged before. */
#define FIRST_DAY (-27393)
/* Halvings of 60,000 days and of 24 hours, twice. */
#define STACK_MAX 64
/* Of a million studies, a hundred at a time, twice over. */
#define FINDS_MAX 50000

struct window {
	bool dated;
	int64_t from, to;       /* days */
	int hour_from, hour_to; /* 0 to 23 */
	uint64_t count;         /* answers; UINT64_MAX: refused */
};

struct listing {
	const struct client *client;
	const struct node *node;
	const struct fetch_filter *filter;
	fetch_study_fn *study;
	bool (*stop)(void *);
	void *ctx;
	struct fetch_list_end *end;
	struct assoc *assoc;
	struct arena asked, answers;
	uint64_t believed;           /* lists of this length are whole */
	const struct window *window; /* of the find under way */
	uint64_t count;
	bool stopped; /* study() said so: why */
	struct err why;
};

bool
fetch_day_parse(struct str text, int64_t *day)
{
	char digits[9], out[9];
	int64_t y, m, d, era, of_year;
	size_t i, n = 0;

	for (i = 0; i < text.n; i++) {
		if (text.p[i] == '-' && text.n == 10 && (i == 4 || i == 7))
			continue;
		if (n == 8)
			return false;
		digits[n++] = (char)text.p[i];
	}
	if (n != 8 || !date_parse(str_of(digits, 8), out))
		return false;
	if (!str_i64(str_of(out, 4), &y) || !str_i64(str_of(out + 4, 2), &m) ||
	    !str_i64(str_of(out + 6, 2), &d))
		return false;
	/* Days before each month in a year that begins in March. */
	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	y -= era * 400;
	*day = era * 146097 + y * 365 + y / 4 - y / 100 + of_year - 719468;
	return true;
}

static void
day_text(int64_t day, char out[9])
{
	struct clock_date d = clock_date_utc(day * DAY_MS);

	snprintf(out, 9, "%04u%02u%02u", (unsigned)d.year % 10000,
	    (unsigned)d.month % 100, (unsigned)d.day % 100);
}

static bool
put_window(struct dataset *ds, const struct window *w)
{
	char from[9], to[9], range[32] = "", hours[32] = "";

	if (w->dated) {
		day_text(w->from, from);
		day_text(w->to, to);
		if (w->from == w->to)
			memcpy(range, from, sizeof(from));
		else
			snprintf(range, sizeof(range), "%s-%s", from, to);
		if (w->hour_from > 0 || w->hour_to < 23)
			snprintf(hours, sizeof(hours),
			    "%02d0000-%02d5959.999999", w->hour_from,
			    w->hour_to);
	}
	return dataset_put_text(ds, TAG_StudyDate, VR_DA, range) &&
	       dataset_put_text(ds, TAG_StudyTime, VR_TM, hours);
}

static struct dataset *
identifier(struct listing *l, const struct window *w)
{
	const struct fetch_filter *f = l->filter;
	struct dataset *ds;

	arena_reset(&l->asked);
	ds = dataset_new(&l->asked);
	if (ds != NULL &&
	    dataset_put_text(ds, TAG_QueryRetrieveLevel, VR_CS, "STUDY") &&
	    put_window(ds, w) &&
	    dataset_put_text(ds, TAG_StudyInstanceUID, VR_UI, "") &&
	    dataset_put_text(ds, TAG_PatientID, VR_LO,
		f->patient != NULL ? f->patient : "") &&
	    dataset_put_text(ds, TAG_ModalitiesInStudy, VR_CS,
		f->modality != NULL ? f->modality : "") &&
	    dataset_put_text(ds, TAG_NumberOfStudyRelatedInstances, VR_IS, ""))
		return ds;
	return NULL;
}

/* Some nodes do not match by modalities: what says it has none is left out. */
static bool
is_wanted(const struct listing *l, const struct dataset *ds)
{
	struct str all = dataset_str(ds, TAG_ModalitiesInStudy), one;

	if (l->filter->modality == NULL || str_trim(all).n == 0)
		return true;
	while (str_split(&all, '\\', &one))
		if (str_eq_text(str_trim(one), l->filter->modality))
			return true;
	return false;
}

/* A node that does not search by date gives the same to each question: then
 * there is nothing to be learned from halves. */
static void
check_date(struct listing *l, const struct dataset *ds)
{
	struct str date = str_trim(dataset_str(ds, TAG_StudyDate));
	int64_t day;

	if (!l->window->dated || !fetch_day_parse(date, &day) ||
	    (day >= l->window->from && day <= l->window->to))
		return;
	l->believed = UINT64_MAX - 1;
	l->end->undated = true;
}

static bool
on_answer(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct listing *l = ctx;
	uint64_t n = 0;
	struct str uid;

	(void)end;
	l->count++;
	if (ds == NULL)
		return true;
	check_date(l, ds);
	uid = str_trim(dataset_str(ds, TAG_StudyInstanceUID));
	if (uid.n == 0 || !uid_met(uid) || !is_wanted(l, ds))
		return true;
	if (!str_u64(
		str_trim(dataset_str(ds, TAG_NumberOfStudyRelatedInstances)),
		&n))
		n = 0;
	if (l->study(l->ctx, uid, n, &l->why))
		return true;
	l->stopped = true;
	return false;
}

static bool
on_stop(void *ctx)
{
	struct listing *l = ctx;

	return l->stop != NULL && l->stop(l->ctx);
}

static bool
connect(struct listing *l, struct err *e)
{
	static const char *const model =
	    UID_StudyRootQueryRetrieveInformationModelFind;
	struct client_wish wish;
	struct arena a;
	bool ok;

	if (l->assoc != NULL)
		return true;
	arena_init(&a, LIMIT_ASSOC_ARENA);
	ok = client_wish_plain(&wish, &a, &model, 1, e) &&
	     client_open(&l->assoc, l->client, l->node, &wish, e);
	arena_fini(&a);
	return ok;
}

/* Whether a failure may mean that the answers would be too many. */
static bool
is_too_many(uint16_t status)
{
	return (status & 0xff00) == 0xa700 || (status & 0xf000) == 0xc000;
}

/* w->count is set. */
static bool
ask(struct listing *l, struct window *w, struct err *e)
{
	struct client_query q = {
	    .model = UID_StudyRootQueryRetrieveInformationModelFind,
	    .identifier = identifier(l, w),
	    .answer = on_answer,
	    .stop = on_stop,
	    .ctx = l,
	    .arena = &l->answers};
	struct client_end end;

	if (q.identifier == NULL)
		return fail(e, ERR_LIMIT, "the query is too long");
	if (!connect(l, e))
		return false;
	l->count = 0;
	l->window = w;
	if (++l->end->finds > FINDS_MAX)
		return fail(e, ERR_LIMIT,
		    "the node was asked %d times and still cuts its answers: "
		    "give --from and --to",
		    FINDS_MAX);
	if (!client_find(l->assoc, &q, &end, e)) {
		client_close(&l->assoc);
		return false;
	}
	if (l->stopped) {
		*e = l->why;
		return false;
	}
	if (on_stop(l))
		return fail(e, ERR_CANCELLED, "stopped");
	w->count = l->count;
	if (end.status == STATUS_Success)
		return true;
	if (!is_too_many(end.status))
		return fail(e, ERR_UNSUPPORTED,
		    "the node does not answer the query: %04X %s",
		    (unsigned)end.status, status_name(end.status));
	w->count = UINT64_MAX;
	return true;
}

/* False: it is one hour. */
static bool
halve(const struct listing *l, const struct window *w, struct window half[2])
{
	int64_t middle;
	int hour;

	half[0] = half[1] = *w;
	if (!w->dated) {
		half[0] = (struct window){.dated = true,
		    .from = FIRST_DAY,
		    .to = l->filter->today - 365,
		    .hour_to = 23};
		half[1] = half[0];
		half[1].from = half[0].to + 1;
		/* Clocks are wrong, and there are zones. */
		half[1].to = l->filter->today + 366;
		return true;
	}
	if (w->from < w->to) {
		middle = w->from + (w->to - w->from) / 2;
		half[0].to = middle;
		half[1].from = middle + 1;
		return true;
	}
	if (w->hour_from == w->hour_to)
		return false;
	hour = w->hour_from + (w->hour_to - w->hour_from) / 2;
	half[0].hour_to = hour;
	half[1].hour_from = hour + 1;
	return true;
}

/* Both halves truly smaller, together the same. */
static bool
is_whole(const struct window *w, const struct window half[2])
{
	return w->count != UINT64_MAX && half[0].count < w->count &&
	       half[1].count < w->count &&
	       half[0].count + half[1].count == w->count;
}

static bool
cut_short(struct listing *l, const struct window *w, struct err *e)
{
	char day[9];

	day_text(w->from, day);
	if (w->count == UINT64_MAX)
		return fail(e, ERR_UNSUPPORTED,
		    "the node refuses to name the studies of %s, %02d h", day,
		    w->hour_from);
	snprintf(
	    l->end->cut, sizeof(l->end->cut), "%s, %02d h", day, w->hour_from);
	return true;
}

static bool
examine(struct listing *l, struct window stack[STACK_MAX], struct err *e)
{
	struct window w, half[2];
	size_t n = 1;

	while (n > 0) {
		w = stack[--n];
		if (w.count != UINT64_MAX &&
		    (w.count < SUSPECT || w.count <= l->believed))
			continue;
		if (!halve(l, &w, half)) {
			if (!cut_short(l, &w, e))
				return false;
			continue;
		}
		if (!ask(l, &half[0], e) || !ask(l, &half[1], e))
			return false;
		if (is_whole(&w, half)) {
			l->believed = w.count;
			continue;
		}
		if (w.count == UINT64_MAX || half[0].count == UINT64_MAX ||
		    half[1].count == UINT64_MAX ||
		    half[0].count + half[1].count > w.count)
			l->end->limited = true;
		must(n + 2 <= STACK_MAX);
		stack[n++] = half[0];
		stack[n++] = half[1];
	}
	return true;
}

bool
fetch_list(const struct client *c, const struct node *node,
    const struct fetch_filter *filter, fetch_study_fn *study,
    bool (*stop)(void *), void *ctx, struct fetch_list_end *end, struct err *e)
{
	struct listing l = {.client = c,
	    .node = node,
	    .filter = filter,
	    .study = study,
	    .stop = stop,
	    .ctx = ctx,
	    .end = end};
	struct window stack[STACK_MAX] = {{.hour_to = 23}};
	bool ok;

	*end = (struct fetch_list_end){0};
	if (filter->from_day != INT64_MIN || filter->to_day != INT64_MIN) {
		stack[0].dated = true;
		stack[0].from = filter->from_day != INT64_MIN ? filter->from_day
							      : FIRST_DAY;
		stack[0].to = filter->to_day != INT64_MIN ? filter->to_day
							  : filter->today + 366;
	}
	arena_init(&l.asked, LIMIT_EXCHANGE);
	arena_init(&l.answers, LIMIT_EXCHANGE);
	ok = ask(&l, &stack[0], e) && examine(&l, stack, e);
	client_close(&l.assoc);
	arena_fini(&l.answers);
	arena_fini(&l.asked);
	return ok;
}
