/*
 * Jobs of the kind "fetch": studies of another archive into this one. The items
 * are studies; detail: {"by": "get"} or "move".
 *
 * A study whose instances are all here, by the node's count and our index, of
 * the study and of each of its series, is done without asking for it: as many
 * images of other series are not the same study. Where the node does not count,
 * its series and images are listed and counted. Else it is fetched (C-GET), or
 * the node is told to send it to us (C-MOVE, which needs an entry for us
 * there); then our index is counted again: what the node says of its success is
 * not believed.
 *
 * Two associations, one for questions and one for retrieving, serve many
 * studies. A study that breaks an association is left for the next attempt,
 * and the next one tried: three in a row end the attempt. What a node ends in
 * order without having given all is a failed item; 'jobs retry' asks again.
 */
#include "service/job/runner.h"

#include "base/json_read.h"
#include "base/limit.h"
#include "base/log.h"
#include "dicom/value.h"
#include "store/index/index.h"
#include "store/object.h"

#define BREAKS_MAX  3
#define CLASSES_MAX 40
#define SERIES_MAX  5000
#define PAGE        100
#define ATTEMPTS    30
/* A node may read from tape, and need not say that it does. */
#define PATIENCE_MS (10 * 60 * 1000)

struct fetching {
	struct job_run *run;
	struct node node;
	bool move;
	const char *study; /* being compared */
	bool lacks;        /* some of its series are not whole here */
	struct assoc *ask, *bring;
	struct arena asked, answers, wishes, page, rows;
	struct intake *intake;
	/* Of the study under way. */
	uint64_t images;
	char classes[CLASSES_MAX][65];
	size_t class_count;
	char (*series)[65];
	size_t series_count;
	/* What the open association can bring. */
	char granted[CLASSES_MAX][65];
	size_t granted_count;
	bool all_classes;
	/* Of the attempt. */
	uint64_t left;
	bool unreachable; /* no association at all */
	unsigned breaks;
	char why[160];
};

static bool
on_stop(void *ctx)
{
	struct fetching *f = ctx;

	return job_run_stop(f->run);
}

/* Our own count: of the study, or of a series of it. */
static bool
count_here(struct fetching *f, const char *study, struct str series,
    uint64_t *n, struct err *e)
{
	const struct condition conditions[] = {
	    {.column = COLUMN_StudyInstanceUID,
		.kind = CONDITION_IS,
		.a = str_from(study)},
	    {.column = COLUMN_SeriesInstanceUID,
		.kind = CONDITION_IS,
		.a = series}};
	struct search search = {
	    .level = LEVEL_STUDY, .conditions = conditions, .count = 1};
	enum column column = COLUMN_NumberOfStudyRelatedInstances;
	struct index_row *rows;
	size_t found;

	*n = 0;
	if (series.n > 0) {
		search.level = LEVEL_SERIES;
		search.count = 2;
		column = COLUMN_NumberOfSeriesRelatedInstances;
	}
	search.want[column] = true;
	arena_reset(&f->rows);
	if (!index_search(
		f->run->store, &search, 0, &f->rows, &rows, &found, e))
		return false;
	if (found > 0 && !str_u64(rows[0].value[column], n))
		*n = 0;
	return true;
}

static void
add_class(struct fetching *f, struct str uid)
{
	size_t i;

	uid = str_trim(uid);
	for (i = 0; i < f->class_count; i++)
		if (str_eq_text(uid, f->classes[i]))
			return;
	if (uid.n > 0 && f->class_count < CLASSES_MAX &&
	    str_copy(f->classes[f->class_count], 65, uid))
		f->class_count++;
}

static bool
on_study(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct fetching *f = ctx;
	struct str all, one;

	(void)end;
	if (ds == NULL)
		return true;
	if (!str_u64(
		str_trim(dataset_str(ds, TAG_NumberOfStudyRelatedInstances)),
		&f->images))
		f->images = 0;
	all = dataset_str(ds, TAG_SOPClassesInStudy);
	while (str_split(&all, '\\', &one))
		add_class(f, one);
	return true;
}

static bool
on_series(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct fetching *f = ctx;
	struct str uid;

	(void)end;
	if (ds == NULL)
		return true;
	uid = str_trim(dataset_str(ds, TAG_SeriesInstanceUID));
	if (uid_met(uid) && f->series_count < SERIES_MAX &&
	    str_copy(f->series[f->series_count], 65, uid))
		f->series_count++;
	return f->series_count < SERIES_MAX;
}

static bool
on_image(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct fetching *f = ctx;

	(void)end;
	f->images++;
	if (ds != NULL)
		add_class(f, dataset_str(ds, TAG_SOPClassUID));
	return true;
}

static bool
open_ask(struct fetching *f, struct err *e)
{
	static const char *const model =
	    UID_StudyRootQueryRetrieveInformationModelFind;
	struct client_wish wish;

	if (f->ask != NULL)
		return true;
	arena_reset(&f->wishes);
	if (!client_wish_plain(&wish, &f->wishes, &model, 1, e))
		return false;
	f->unreachable =
	    !client_open(&f->ask, &f->run->client, &f->node, &wish, e);
	return !f->unreachable;
}

/* A query below a study; keys: what it is to say of each answer. */
static bool
find(struct fetching *f, const char *level, const char *study,
    const char *series, const uint32_t *keys, size_t n,
    client_answer_fn *answer, struct err *e)
{
	struct client_query q = {
	    .model = UID_StudyRootQueryRetrieveInformationModelFind,
	    .answer = answer,
	    .stop = on_stop,
	    .ctx = f,
	    .arena = &f->answers};
	struct client_end end;
	struct dataset *ds;
	bool ok;
	size_t i;

	arena_reset(&f->asked);
	ds = dataset_new(&f->asked);
	ok = ds != NULL &&
	     dataset_put_text(ds, TAG_QueryRetrieveLevel, VR_CS, level) &&
	     dataset_put_text(ds, TAG_StudyInstanceUID, VR_UI, study);
	if (ok && series != NULL)
		ok = dataset_put_text(ds, TAG_SeriesInstanceUID, VR_UI, series);
	for (i = 0; ok && i < n; i++)
		ok = dataset_put_text(ds, keys[i], dict_vr(keys[i]), "");
	if (!ok)
		return fail(e, ERR_LIMIT, "the query is too long");
	q.identifier = ds;
	if (!open_ask(f, e))
		return false;
	if (!client_find(f->ask, &q, &end, e)) {
		client_close(&f->ask);
		return false;
	}
	/* A node that cannot tell is asked for the study all the same. */
	if (end.status != STATUS_Success)
		log_debug("jobs", "C-FIND at level %s ended with %04X", level,
		    (unsigned)end.status);
	return !on_stop(f) || fail(e, ERR_CANCELLED, "stopped");
}

/* How many images the node has, and of which classes. */
static bool
ask_study(struct fetching *f, const char *study, struct err *e)
{
	static const uint32_t of_study[] = {
	    TAG_NumberOfStudyRelatedInstances, TAG_SOPClassesInStudy};
	static const uint32_t of_series[] = {TAG_SeriesInstanceUID};
	static const uint32_t of_image[] = {
	    TAG_SOPInstanceUID, TAG_SOPClassUID};
	size_t i;

	f->images = f->class_count = f->series_count = 0;
	if (!find(f, "STUDY", study, NULL, of_study, ARRAY_LEN(of_study),
		on_study, e))
		return false;
	if (f->images > 0 && (f->move || f->class_count > 0))
		return true;
	if (!find(f, "SERIES", study, NULL, of_series, ARRAY_LEN(of_series),
		on_series, e))
		return false;
	if (f->series_count > 0)
		f->images = 0;
	for (i = 0; i < f->series_count; i++)
		if (!find(f, "IMAGE", study, f->series[i], of_image,
			ARRAY_LEN(of_image), on_image, e))
			return false;
	return true;
}

static bool
on_compared(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct fetching *f = ctx;
	uint64_t there, here;
	struct str uid, count;
	struct err e;

	(void)end;
	if (ds == NULL || f->series_count++ == SERIES_MAX)
		return ds == NULL;
	uid = str_trim(dataset_str(ds, TAG_SeriesInstanceUID));
	count = dataset_str(ds, TAG_NumberOfSeriesRelatedInstances);
	if (!uid_met(uid))
		return true;
	if (!str_u64(str_trim(count), &there))
		there = 1;
	if (!count_here(f, f->study, uid, &here, &e) || here < there)
		f->lacks = true;
	return true;
}

/* As many images as the node has are here: are they of the same series? A node
 * that does not say is believed. */
static bool
compare_series(struct fetching *f, const char *study, struct err *e)
{
	static const uint32_t keys[] = {
	    TAG_SeriesInstanceUID, TAG_NumberOfSeriesRelatedInstances};

	f->study = study;
	f->lacks = false;
	f->series_count = 0;
	return find(
	    f, "SERIES", study, NULL, keys, ARRAY_LEN(keys), on_compared, e);
}

/* Can the open association bring these classes? */
static bool
serves_all(const struct fetching *f)
{
	size_t i, j;

	if (f->bring == NULL)
		return false;
	if (f->move || f->all_classes)
		return true;
	if (f->class_count == 0)
		return false;
	for (i = 0; i < f->class_count; i++) {
		for (j = 0; j < f->granted_count; j++)
			if (!strcmp(f->classes[i], f->granted[j]))
				break;
		if (j == f->granted_count)
			return false;
	}
	return true;
}

static bool
open_bring(struct fetching *f, struct err *e)
{
	static const char *const move =
	    UID_StudyRootQueryRetrieveInformationModelMove;
	struct str classes[CLASSES_MAX];
	struct client_wish wish;
	size_t i;

	if (serves_all(f))
		return true;
	client_close(&f->bring);
	arena_reset(&f->wishes);
	for (i = 0; i < f->class_count; i++)
		classes[i] = str_from(f->classes[i]);
	if (!(f->move ? client_wish_plain(&wish, &f->wishes, &move, 1, e)
		      : client_wish_get(&wish, &f->wishes,
			    UID_StudyRootQueryRetrieveInformationModelGet,
			    classes, f->class_count, e)))
		return false;
	f->unreachable =
	    !client_open(&f->bring, &f->run->client, &f->node, &wish, e);
	if (f->unreachable)
		return false;
	memcpy(f->granted, f->classes, sizeof(f->granted));
	f->granted_count = f->class_count;
	f->all_classes = f->class_count == 0;
	return true;
}

static bool
bring(struct fetching *f, const char *study, struct client_end *end,
    struct err *e)
{
	struct client_query q = {
	    .model = f->move ? UID_StudyRootQueryRetrieveInformationModelMove
			     : UID_StudyRootQueryRetrieveInformationModelGet,
	    .destination = f->move ? f->run->client.ae_title : NULL,
	    .stop = on_stop,
	    .ctx = f,
	    .arena = &f->answers,
	    .patience_ms = PATIENCE_MS};
	struct dataset *ds;
	bool ok;

	arena_reset(&f->asked);
	ds = dataset_new(&f->asked);
	if (ds == NULL ||
	    !dataset_put_text(ds, TAG_QueryRetrieveLevel, VR_CS, "STUDY") ||
	    !dataset_put_text(ds, TAG_StudyInstanceUID, VR_UI, study))
		return fail(e, ERR_LIMIT, "no memory for the request");
	q.identifier = ds;
	if (!open_bring(f, e))
		return false;
	ok = f->move ? client_move(f->bring, &q, end, e)
		     : client_get(f->bring, &q, f->intake, end, e);
	if (!ok)
		client_close(&f->bring);
	return ok;
}

/* Why not all is here, when the node has ended in order. */
static void
say_lack(struct job_item *item, const struct client_end *end)
{
	const char *why = end->refusal[0] != '\0' ? end->refusal : end->comment;
	char shown[57], n[24] = "";

	(void)str_printable(shown, sizeof(shown), str_from(why));
	if (end->has_counts && end->failed > 0)
		snprintf(n, sizeof(n), ", %u failed", (unsigned)end->failed);
	snprintf(item->error, sizeof(item->error), "%04X%s%s%s",
	    (unsigned)end->status, n, shown[0] != '\0' ? ": " : "", shown);
	if (end->status == STATUS_Success && n[0] == '\0' && shown[0] == '\0')
		snprintf(item->error, sizeof(item->error),
		    item->got == 0 ? "the node gave nothing"
				   : "the node gave less than it counts");
}

/* May the same request have another answer later? */
static bool
is_passing(uint16_t status)
{
	return ((status & 0xff00) == 0xa700 &&
		   status != STATUS_OutOfResourcesSubOperations) ||
	       status == STATUS_ResourceLimitation || status == STATUS_Cancel;
}

/* Is all here? expected is known. */
static bool
look_here(
    struct fetching *f, struct job_item *item, bool compare, struct err *e)
{
	if (!count_here(f, item->name, STR(""), &item->got, e))
		return false;
	item->done = item->expected > 0 && item->got >= item->expected;
	if (!item->done || !compare)
		return true;
	if (!compare_series(f, item->name, e))
		return false;
	item->done = !f->lacks;
	return true;
}

/* False: nothing more can be done in this attempt, or with this study now. */
static bool
fetch(struct fetching *f, struct job_item *item, struct err *e)
{
	struct client_end end = {0};
	bool some;

	if (!ask_study(f, item->name, e))
		return false;
	if (f->images > 0)
		item->expected = f->images;
	item->error[0] = '\0';
	if (!look_here(f, item, true, e))
		return false;
	if (item->done)
		return true;
	/* What was here before may be other images. */
	some = item->got > 0;
	if (!bring(f, item->name, &end, e) || !look_here(f, item, some, e))
		return false;
	if (on_stop(f))
		return fail(e, ERR_CANCELLED, "stopped");
	if (item->expected == 0)
		item->done = item->got > 0 && end.status == STATUS_Success &&
			     end.failed == 0 && end.refused == 0;
	if (item->done)
		return true;
	say_lack(item, &end);
	item->failed = !is_passing(end.status);
	return true;
}

/* One study, and what became of it. False: the attempt is over. */
static bool
fetch_item(struct fetching *f, struct job_item *item, struct err *e)
{
	struct job_run *run = f->run;
	bool ok = fetch(f, item, e), over = false;

	if (!ok) {
		if (job_run_stop(run))
			return false;
		client_close(&f->ask);
		client_close(&f->bring);
		over = ++f->breaks >= BREAKS_MAX || f->unreachable;
		(void)str_copy(
		    item->error, sizeof(item->error), str_from(e->text));
	} else if (item->done || item->failed) {
		f->breaks = 0;
	}
	if (!item->done) {
		memcpy(f->why, item->error, sizeof(item->error));
		f->left += !item->failed;
		log_warning("jobs", "job %lld: study %s: %s",
		    (long long)run->job->id, item->name, item->error);
	}
	if (over)
		return job_item_done(run->store, run->job->id, item, e) &&
		       fail(e, ERR_IO, "%s", f->why);
	return job_item_done(run->store, run->job->id, item, e);
}

static bool
fetch_all(struct fetching *f, struct err *e)
{
	struct job_run *run = f->run;
	struct job_item *items;
	char after[65] = "";
	size_t n, i;

	do {
		arena_reset(&f->page);
		if (!job_items(run->store, run->job->id, after, PAGE, &f->page,
			&items, &n, e))
			return false;
		for (i = 0; i < n; i++) {
			if (job_run_stop(run))
				return fail(e, ERR_CANCELLED, "stopped");
			if (!fetch_item(f, &items[i], e))
				return false;
			memcpy(after, items[i].name, sizeof(after));
		}
	} while (n == PAGE);
	return true;
}

static enum job_outcome
conclude(struct fetching *f, struct err *e)
{
	struct job now;

	if (f->left > 0) {
		fail(e, ERR_IO, "%llu of %llu studies did not come: %s",
		    (unsigned long long)f->left,
		    (unsigned long long)f->run->job->total, f->why);
		return JOB_OUTCOME_AGAIN;
	}
	arena_reset(&f->page);
	if (!job_find(f->run->store, f->run->job->id, &f->page, &now, e))
		return JOB_OUTCOME_AGAIN;
	if (now.failed == 0)
		return JOB_OUTCOME_DONE;
	fail(e, ERR_UNSUPPORTED, "%llu of %llu studies did not come whole%s%s",
	    (unsigned long long)now.failed, (unsigned long long)now.total,
	    f->why[0] != '\0' ? ", the last because " : "", f->why);
	return JOB_OUTCOME_HOPELESS;
}

static bool
asks_move(const struct job *j)
{
	struct str value;
	char by[8];

	return json_member(j->detail, "by", &value) &&
	       json_string(value, by, sizeof(by)) && !strcmp(by, "move");
}

static void
fetching_init(struct fetching *f, struct job_run *run)
{
	*f = (struct fetching){.run = run, .move = asks_move(run->job)};
	arena_init(&f->asked, LIMIT_EXCHANGE);
	arena_init(&f->answers, LIMIT_EXCHANGE);
	arena_init(&f->wishes, LIMIT_EXCHANGE);
	arena_init(&f->page, LIMIT_EXCHANGE);
	arena_init(&f->rows, LIMIT_EXCHANGE);
	f->series = must_zalloc(SERIES_MAX * sizeof(*f->series));
	f->intake = intake_new(run->store, run->job->node);
}

static void
fetching_fini(struct fetching *f)
{
	client_close(&f->ask);
	client_close(&f->bring);
	intake_free(&f->intake);
	free(f->series);
	arena_fini(&f->rows);
	arena_fini(&f->page);
	arena_fini(&f->wishes);
	arena_fini(&f->answers);
	arena_fini(&f->asked);
}

static enum job_outcome
run_fetch(struct job_run *run, struct err *e)
{
	enum job_outcome outcome = JOB_OUTCOME_AGAIN;
	struct fetching *f = must_zalloc(sizeof(*f));

	fetching_init(f, run);
	if (!node_find(run->store, run->job->node, &f->node, e)) {
		if (e->code == ERR_MISSING)
			outcome = JOB_OUTCOME_HOPELESS;
	} else if (fetch_all(f, e)) {
		outcome = conclude(f, e);
	}
	fetching_fini(f);
	free(f);
	return outcome;
}

const struct job_kind job_kind_fetch = {
    .name = "fetch",
    .run = run_fetch,
    .attempts = ATTEMPTS,
};
