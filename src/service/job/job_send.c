/*
 * Sending studies. The instances of the studies become the job's items when it
 * first runs: in the order of their arrival, a page at a time, so that the
 * studies may be of any size. A restart in between lists them once more, and
 * those that are there stay as they are.
 *
 * An instance is done when the node has answered with success or a warning.
 * What it will never take (no context, A9xx, Cxxx, not authorized) is a failed
 * item; everything else is tried again in the next attempt. A node that
 * refuses REFUSALS_MAX in a row for want of something is left alone until then.
 */
#include "service/job/job_send.h"

#include "base/json.h"
#include "base/json_read.h"
#include "base/limit.h"
#include "base/log.h"
#include "dicom/value.h"
#include "service/client/sender.h"
#include "service/job/runner.h"
#include "store/index/index.h"

#define STUDIES_MAX  10000
#define DETAIL_MAX   (1 * MIB)
#define REFUSALS_MAX 20
#define WINDOW       8
/* About a day: seven short pauses, then one an hour. */
#define ATTEMPTS 30

struct sending {
	struct job_run *run;
	struct arena page;
	unsigned refused_in_row;
	uint64_t unsent, refused; /* to be tried again, never to be sent */
	uint64_t arrived;         /* of the whole job, once it is over */
	char why[96];             /* of the last of either */
	bool broken;              /* the queue cannot be written */
	struct err broken_why;
};

static bool
search_study(struct store *s, struct str uid, enum index_level level,
    int64_t after, struct arena *a, struct index_row **rows, size_t *n,
    struct err *e)
{
	struct condition is_study = {
	    .column = COLUMN_StudyInstanceUID, .kind = CONDITION_IS, .a = uid};
	struct search search = {
	    .level = level, .conditions = &is_study, .count = 1};

	search.want[COLUMN_StudyInstanceUID] = true;
	search.want[COLUMN_SOPInstanceUID] = level == LEVEL_INSTANCE;
	return index_search(s, &search, after, a, rows, n, e);
}

static bool
check_node(struct store *s, const char *ae, struct node *node, struct err *e)
{
	if (!node_find(s, ae, node, e)) {
		if (e->code == ERR_MISSING)
			return fail(e, ERR_MISSING,
			    "there is no node '%s': add it with 'fileroom node "
			    "add %s HOST PORT'",
			    ae, ae);
		return false;
	}
	if (node->port == 0)
		return fail(e, ERR_USAGE,
		    "node '%s' does not listen: give it a port with 'fileroom "
		    "node edit %s --port PORT'",
		    ae, ae);
	return true;
}

static bool
check_study(struct store *s, struct arena *a, const char *uid, struct err *e)
{
	struct index_row *rows;
	char shown[80];
	size_t n;

	if (!uid_met(str_from(uid)))
		return fail(e, ERR_USAGE, "'%s' is no UID",
		    str_printable(shown, sizeof(shown), str_from(uid)));
	arena_reset(a);
	if (!search_study(s, str_from(uid), LEVEL_STUDY, 0, a, &rows, &n, e))
		return false;
	return n > 0 ||
	       fail(e, ERR_MISSING, "there is no study %s in the archive", uid);
}

static bool
check(struct store *s, const struct job_send *what, struct node *node,
    struct err *e)
{
	struct arena a;
	bool ok = true;
	size_t i;

	if (what->study_count == 0 || what->study_count > STUDIES_MAX)
		return fail(e, ERR_USAGE, "1 to %d studies can be sent at once",
		    STUDIES_MAX);
	if (!check_node(s, what->node, node, e))
		return false;
	arena_init(&a, LIMIT_EXCHANGE);
	for (i = 0; ok && i < what->study_count; i++)
		ok = check_study(s, &a, what->studies[i], e);
	arena_fini(&a);
	return ok;
}

bool
job_send_add(
    struct store *s, const struct job_send *what, int64_t *id, struct err *e)
{
	struct job j = {.kind = "send"};
	struct node node;
	struct json json;
	struct buf detail;
	size_t i;
	bool ok;

	*id = 0;
	if (!check(s, what, &node, e))
		return false;
	memcpy(j.node, node.ae, sizeof(j.node));
	buf_init(&detail, DETAIL_MAX);
	json_init(&json, &detail);
	json_object(&json);
	json_key(&json, "studies");
	json_array(&json);
	for (i = 0; i < what->study_count; i++)
		json_text(&json, what->studies[i]);
	json_end_array(&json);
	json_key(&json, "commit");
	json_bool(&json, what->commit);
	json_end_object(&json);
	j.detail = buf_str(&detail);
	ok = detail.over ? fail(e, ERR_LIMIT, "too many studies for a job")
			 : job_add(s, &j, NULL, 0, id, e);
	buf_fini(&detail);
	return ok;
}

/* Items of one study. */
static bool
list_study(struct sending *g, struct str uid, struct err *e)
{
	struct job_run *run = g->run;
	struct job_item *items;
	struct index_row *rows;
	int64_t after = 0;
	size_t n, i;

	do {
		arena_reset(&g->page);
		if (!search_study(run->store, uid, LEVEL_INSTANCE, after,
			&g->page, &rows, &n, e))
			return false;
		items = arena_array(&g->page, n + 1, sizeof(*items));
		if (items == NULL)
			return fail(e, ERR_LIMIT, "no memory for the items");
		for (i = 0; i < n; i++)
			(void)str_copy(items[i].name, sizeof(items[i].name),
			    rows[i].value[COLUMN_SOPInstanceUID]);
		if (n > 0)
			after = rows[n - 1].id;
		if (!job_add_items(run->store, run->job->id, items, n, e))
			return false;
		if (job_run_stop(run))
			return fail(e, ERR_CANCELLED, "stopped");
	} while (n == LIMIT_ROWS);
	return true;
}

static bool
list(struct sending *g, struct err *e)
{
	const struct job *j = g->run->job;
	struct str rest, value;
	char uid[65];

	if (j->listed)
		return true;
	if (!json_member(j->detail, "studies", &rest))
		return fail(
		    e, ERR_CORRUPT, "the job does not say what to send");
	while (json_element(&rest, &value))
		if (json_string(value, uid, sizeof(uid)) &&
		    !list_study(g, str_from(uid), e))
			return false;
	return job_listed(g->run->store, j->id, e);
}

/* Success, warnings, and "it is there already" (PS3.4 B.2.3, PS3.7 C.5.8). */
static bool
is_taken(uint16_t status)
{
	return status == STATUS_Success || status_is_warning(status) ||
	       status == STATUS_DuplicateSOPInstance;
}

/* May the node say something else another time? */
static bool
is_passing(uint16_t status)
{
	return (status & 0xff00) == 0xa700 ||
	       status == STATUS_ProcessingFailure ||
	       status == STATUS_DuplicateInvocation ||
	       status == STATUS_ResourceLimitation || status == STATUS_Cancel;
}

static void
note(struct sending *g, const struct job_item *item)
{
	struct job_run *run = g->run;

	if (!g->broken &&
	    !job_item_done(run->store, run->job->id, item, &g->broken_why))
		g->broken = true;
}

static void
on_result(void *ctx, const struct sender_item *what, uint16_t status,
    const char *comment)
{
	struct sending *g = ctx;
	struct job_item item = {.done = is_taken(status)};
	char shown[65] = "";

	(void)str_copy(
	    item.name, sizeof(item.name), str_from(what->sop_instance));
	if (item.done) {
		g->refused_in_row = 0;
	} else {
		if (comment != NULL)
			str_printable(shown, sizeof(shown), str_from(comment));
		snprintf(item.error, sizeof(item.error), "%04X%s%s",
		    (unsigned)status, shown[0] != '\0' ? ": " : "", shown);
		memcpy(g->why, item.error, sizeof(g->why));
		item.failed = !is_passing(status);
		if (item.failed) {
			g->refused++;
		} else {
			g->unsent++;
			g->refused_in_row++;
		}
	}
	note(g, &item);
}

static bool
on_stop(void *ctx)
{
	struct sending *g = ctx;

	return g->broken || g->refused_in_row >= REFUSALS_MAX ||
	       job_run_stop(g->run);
}

static bool
on_open(void *ctx, const struct sender_item *item, struct object_file *out,
    struct err *e)
{
	struct sending *g = ctx;

	return object_open(g->run->store, (const char *)item->path.p, out, e);
}

/* Where an item lies; false: it went from the archive, which is noted. */
static bool
locate(struct sending *g, const struct job_item *item, struct sender_item *out,
    bool *there, struct err *e)
{
	struct job_item gone = *item;
	struct index_row row;

	*there = index_instance(
	    g->run->store, str_from(item->name), &g->page, &row, e);
	if (!*there) {
		if (e->code != ERR_MISSING)
			return false;
		gone.failed = true;
		snprintf(gone.error, sizeof(gone.error),
		    "not in the archive any more");
		memcpy(g->why, gone.error, sizeof(g->why));
		g->refused++;
		note(g, &gone);
		return true;
	}
	(void)str_copy(out->sop_class, sizeof(out->sop_class),
	    row.value[COLUMN_SOPClassUID]);
	(void)str_copy(
	    out->sop_instance, sizeof(out->sop_instance), str_from(item->name));
	(void)str_copy(out->syntax, sizeof(out->syntax), row.syntax);
	out->path = row.path;
	return true;
}

/* The next page of what is to be sent; *n items of the job, 0: no more. */
static bool
send_page(struct sending *g, struct sender *to, char after[65], size_t *n,
    struct err *e)
{
	struct job_run *run = g->run;
	struct sender_item *out;
	struct job_item *items;
	size_t i, count = 0;
	bool there;

	arena_reset(&g->page);
	if (!job_items(run->store, run->job->id, after, LIMIT_ROWS, &g->page,
		&items, n, e))
		return false;
	if (*n == 0)
		return true;
	memcpy(after, items[*n - 1].name, 65);
	out = arena_array(&g->page, *n, sizeof(*out));
	if (out == NULL)
		return fail(e, ERR_LIMIT, "no memory for the items");
	for (i = 0; i < *n; i++) {
		if (!locate(g, &items[i], &out[count], &there, e))
			return false;
		count += there;
	}
	return count == 0 || sender_send(to, out, count, e);
}

static bool
send_all(struct sending *g, const struct node *node, struct err *e)
{
	static const struct sender_events events = {
	    .open = on_open, .result = on_result, .stop = on_stop};
	struct sender_config config = {
	    .client = g->run->client, .to = *node, .window = WINDOW};
	struct sender *to = sender_new(&config, &events, g);
	char after[65] = "";
	bool ok = true;
	size_t n = 1;

	while (ok && n > 0) {
		ok = send_page(g, to, after, &n, e);
		if (ok && g->broken)
			ok = false;
	}
	sender_free(&to);
	if (g->broken)
		*e = g->broken_why;
	else if (!ok && g->refused_in_row >= REFUSALS_MAX)
		fail(e, ERR_FULL, "the node takes nothing now: %s", g->why);
	return ok;
}

static enum job_outcome
conclude(struct sending *g, struct err *e)
{
	struct job_run *run = g->run;
	struct job now;

	if (g->unsent > 0) {
		fail(e, ERR_FULL, "the node did not take %llu of them: %s",
		    (unsigned long long)g->unsent, g->why);
		return JOB_OUTCOME_AGAIN;
	}
	arena_reset(&g->page);
	if (!job_find(run->store, run->job->id, &g->page, &now, e))
		return JOB_OUTCOME_AGAIN;
	g->arrived = now.done;
	if (now.total == 0) {
		fail(e, ERR_MISSING,
		    "nothing to send: the studies are not in the archive any "
		    "more");
		return JOB_OUTCOME_HOPELESS;
	}
	if (now.failed == 0)
		return JOB_OUTCOME_DONE;
	fail(e, ERR_UNSUPPORTED, "%llu of %llu were not sent%s%s",
	    (unsigned long long)now.failed, (unsigned long long)now.total,
	    g->why[0] != '\0' ? ", the last because " : "", g->why);
	return JOB_OUTCOME_HOPELESS;
}

/* Storage commitment comes after, as a job of its own: for what has arrived,
 * also where the node did not take all. */
static bool
ask_commitment(struct job_run *run, struct err *e)
{
	struct job j = {.kind = "commit"};
	struct str value;
	char detail[64];
	int64_t id;

	if (!json_member(run->job->detail, "commit", &value) ||
	    !json_is_true(value))
		return true;
	memcpy(j.node, run->job->node, sizeof(j.node));
	snprintf(
	    detail, sizeof(detail), "{\"send\":%lld}", (long long)run->job->id);
	j.detail = str_from(detail);
	return job_add(run->store, &j, NULL, 0, &id, e);
}

static enum job_outcome
run_send(struct job_run *run, struct err *e)
{
	struct sending g = {.run = run};
	enum job_outcome outcome = JOB_OUTCOME_AGAIN;
	struct node node;

	arena_init(&g.page, LIMIT_EXCHANGE);
	if (!check_node(run->store, run->job->node, &node, e)) {
		if (e->code == ERR_MISSING || e->code == ERR_USAGE)
			outcome = JOB_OUTCOME_HOPELESS;
	} else if (list(&g, e) && send_all(&g, &node, e)) {
		outcome = conclude(&g, e);
		if (outcome != JOB_OUTCOME_AGAIN && g.arrived > 0 &&
		    !ask_commitment(run, e))
			outcome = JOB_OUTCOME_AGAIN;
	} else if (e->code == ERR_CORRUPT) {
		outcome = JOB_OUTCOME_HOPELESS;
	}
	arena_fini(&g.page);
	return outcome;
}

const struct job_kind job_kind_send = {
    .name = "send",
    .run = run_send,
    .attempts = ATTEMPTS,
};
