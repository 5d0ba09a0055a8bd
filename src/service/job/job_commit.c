/*
 * Jobs of the kind "commit": asking a node to commit to what was sent to it
 * (PS3.4 J.3.2), as a user of storage commitment. Its items are the instances
 * that the job of the kind "send" in its detail has sent ({"send": 12}).
 *
 * One transaction of up to PAGE instances is under way at a time; it has a row
 * in table commitment, flushed before it is sent. The node's answer is waited
 * for on the same association for EVENT_MS. After that the job sleeps, holding
 * nothing, until our SCP takes the answer on an association of the node's
 * (commitment/result.c), or ANSWER_MS have passed. A node that says nothing
 * has not committed.
 */
#include "service/job/runner.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/limit.h"
#include "dicom/value.h"
#include "service/client/account.h"
#include "service/client/request.h"
#include "service/commitment/result.h"
#include "service/service.h"
#include "store/index/index.h"
#include "store/table/commitment.h"

#define PAGE      2000
#define EVENT_MS  10000
#define ANSWER_MS (24 * 3600 * INT64_C(1000))
/* A sleeping job also looks by itself, each time after as long as it has
 * waited so far: an answer that came just as it fell asleep woke nobody. */
#define LOOK_MIN_MS (15 * INT64_C(1000))
#define LOOK_MAX_MS (15 * 60 * INT64_C(1000))
#define STEP_MS     500
#define ROW_BYTES   (2 * MIB)
/* About a day: four short pauses, then one an hour. */
#define ATTEMPTS 28

struct asking {
	struct job_run *run;
	struct node node;
	struct arena page;
	char after[65]; /* the last item asked for in this run */
	char why[96];   /* of the last that is not committed */
};

static bool
note(struct asking *k, struct str uid, const char *why, struct err *e)
{
	struct job_item item = {.done = why == NULL, .failed = why != NULL};

	(void)str_copy(item.name, sizeof(item.name), uid);
	if (why != NULL) {
		(void)str_copy(item.error, sizeof(item.error), str_from(why));
		memcpy(k->why, item.error, sizeof(k->why));
	}
	return job_item_done(k->run->store, k->run->job->id, &item, e);
}

/* What the other job has sent becomes ours to ask for. */
static bool
list(struct asking *k, struct err *e)
{
	struct job_run *run = k->run;
	char after[65] = "";
	struct job_item *items;
	struct str value;
	size_t i, n, count;
	int64_t sent;

	if (run->job->listed)
		return true;
	if (!json_member(run->job->detail, "send", &value) ||
	    !json_integer(value, &sent))
		return fail(e, ERR_CORRUPT, "the job does not say what to ask");
	do {
		arena_reset(&k->page);
		if (!job_items_all(
			run->store, sent, after, PAGE, &k->page, &items, &n, e))
			return false;
		if (n > 0)
			memcpy(after, items[n - 1].name, sizeof(after));
		for (i = count = 0; i < n; i++) {
			if (!items[i].done)
				continue;
			items[i].done = false;
			items[count++] = items[i];
		}
		if (!job_add_items(run->store, run->job->id, items, count, e))
			return false;
		if (job_run_stop(run))
			return fail(e, ERR_CANCELLED, "stopped");
	} while (n == PAGE);
	return job_listed(run->store, run->job->id, e);
}

/* The outcome of a transaction, instance by instance. */
static bool
take(struct asking *k, const struct commitment *c, struct err *e)
{
	struct references r;
	char why[96];
	size_t i;

	if (!references_of_text(&k->page, c->items, &r, e))
		return false;
	for (i = 0; i < r.n; i++) {
		if (c->known_ms == 0)
			snprintf(why, sizeof(why), "no answer within 24 h");
		else
			snprintf(why, sizeof(why), "%.80s (%04X)",
			    status_name(r.at[i].reason),
			    (unsigned)r.at[i].reason);
		if (!note(k, r.at[i].sop_instance,
			c->known_ms != 0 && r.at[i].reason == 0 ? NULL : why,
			e))
			return false;
	}
	return commitment_told(k->run->store, c->id, e);
}

/* Of the transactions under way: those that are decided are taken. *until_ms:
 * when the first of the others is to be given up; 0: there is none. */
static bool
take_answers(struct asking *k, int64_t *until_ms, struct err *e)
{
	int64_t now = clock_utc_ms(), after = 0, end_ms;
	struct job_run *run = k->run;
	struct commitment c;

	*until_ms = 0;
	for (;;) {
		arena_reset(&k->page);
		if (!commitment_of_job(
			run->store, run->job->id, after, &k->page, &c, e))
			return e->code == ERR_MISSING;
		after = c.id;
		end_ms = c.asked_ms + ANSWER_MS;
		/* Asked in the future: the clock was wrong then. */
		if (c.known_ms == 0 && now < end_ms && now >= c.asked_ms) {
			if (*until_ms == 0 || end_ms < *until_ms)
				*until_ms = end_ms;
		} else if (!take(k, &c, e)) {
			return false;
		}
	}
}

/* The next instances to ask for; those that have gone from the archive have
 * failed. *more false: there are no items left. */
static bool
next_page(struct asking *k, struct references *r, bool *more, struct err *e)
{
	struct job_item *items;
	struct index_row row;
	struct arena a;
	size_t i, n;
	bool ok = true;

	arena_reset(&k->page);
	if (!job_items(k->run->store, k->run->job->id, k->after, PAGE, &k->page,
		&items, &n, e))
		return false;
	*more = n > 0;
	r->n = 0;
	r->at = arena_array(&k->page, n, sizeof(*r->at));
	if (r->at == NULL)
		return fail(e, ERR_LIMIT, "no memory for the items");
	arena_init(&a, ROW_BYTES);
	for (i = 0; ok && i < n; i++) {
		arena_reset(&a);
		memcpy(k->after, items[i].name, sizeof(k->after));
		if (index_instance(
			k->run->store, str_from(items[i].name), &a, &row, e)) {
			r->at[r->n].sop_instance = str_from(items[i].name);
			r->at[r->n].reason = 0;
			r->at[r->n++].sop_class =
			    arena_dup(&k->page, row.value[COLUMN_SOPClassUID]);
		} else if (e->code == ERR_MISSING) {
			ok = note(k, str_from(items[i].name),
			    "not in the archive any more", e);
		} else {
			ok = false;
		}
	}
	arena_fini(&a);
	return ok;
}

/* The row that answers will be matched with. */
static bool
write_row(
    struct asking *k, struct references *r, struct commitment *c, struct err *e)
{
	struct buf text;
	bool ok;

	*c = (struct commitment){
	    .ours = true, .job = k->run->job->id, .asked_ms = clock_utc_ms()};
	uid_new(r->transaction);
	memcpy(c->transaction, r->transaction, sizeof(c->transaction));
	memcpy(c->ae, k->node.ae, sizeof(c->ae));
	memcpy(c->title, k->run->client.ae_title, sizeof(c->title));
	buf_init(&text, REFERENCES_ARENA);
	references_to_text(r, &text);
	c->items = buf_str(&text);
	ok = commitment_put(k->run->store, c, &c->id, e);
	buf_fini(&text);
	c->items = STR("");
	return ok;
}

static bool
open_association(struct asking *k, struct assoc **out, struct err *e)
{
	struct str syntaxes[] = {
	    STR(UID_ExplicitVRLittleEndian), STR(UID_ImplicitVRLittleEndian)};
	const struct pdu_context context = {
	    .abstract = STR(UID_StorageCommitmentPushModel),
	    .syntaxes = syntaxes,
	    .syntax_count = ARRAY_LEN(syntaxes)};
	const struct client_wish wish = {
	    .contexts = &context, .context_count = 1};

	return client_open(out, &k->run->client, &k->node, &wish, e);
}

static bool
send_request(struct asking *k, struct assoc *a, const struct references *r,
    struct dimse *m, struct err *e)
{
	const struct assoc_context *context =
	    assoc_find_context(a, STR(UID_StorageCommitmentPushModel), STR(""));
	struct buf data;
	char text[64];
	bool ok;

	must(context != NULL);
	*m = (struct dimse){.context = context->id,
	    .command = N_ACTION_RQ,
	    .message_id = a->next_message_id++,
	    .event_or_action = COMMITMENT_REQUEST};
	(void)str_copy(m->sop_class, sizeof(m->sop_class),
	    STR(UID_StorageCommitmentPushModel));
	(void)str_copy(m->sop_instance, sizeof(m->sop_instance),
	    STR(UID_StorageCommitmentPushModelInstance));
	buf_init(&data, REFERENCES_ARENA);
	snprintf(
	    text, sizeof(text), "asks it to commit to %zu instances", r->n);
	account_note(a, text);
	ok = references_write_action(&k->page, r, context->layout, &data, e) &&
	     dimse_send(a, m, buf_str(&data), e);
	buf_fini(&data);
	return ok;
}

/* A request of the peer while we wait for its answer. */
static bool
serve(struct asking *k, struct assoc *a, const struct dimse *m, struct err *e)
{
	struct session s = {.assoc = a, .store = k->run->store};

	if (m->command == N_EVENT_REPORT_RQ)
		return service_commitment_result.serve(&s, m, e);
	if (m->command == C_ECHO_RQ)
		return service_answer(&s, m, STATUS_Success, NULL, e);
	return service_refuse(&s, m, STATUS_UnrecognizedOperation,
	    "this side is a client of this association", e);
}

static bool
is_known(struct asking *k, const struct commitment *c)
{
	struct commitment now;
	struct err ignored;

	return commitment_get(k->run->store, c->id, &k->page, &now, &ignored) &&
	       now.known_ms != 0;
}

/* Until the node has answered the request, and if it took it until the outcome
 * is there or EVENT_MS have passed. *answered: status is the node's. */
static bool
converse(struct asking *k, struct assoc *a, const struct commitment *c,
    const struct dimse *rq, bool *answered, struct dimse *rsp, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + k->run->client.timeout_ms;
	unsigned turns = 0;
	struct dimse m;

	while (clock_mono_ms() < until_ms && !job_run_stop(k->run)) {
		/* It may also come by an association of the node's. */
		if (*answered && is_known(k, c))
			return true;
		if (!conn_wait(a->conn, STEP_MS))
			continue;
		if (!dimse_read(a, &m, e))
			return false;
		if (++turns > LIMIT_BARREN)
			return fail(e, ERR_PROTOCOL, "a flood of messages");
		if (!m.is_response) {
			if (!serve(k, a, &m, e))
				return false;
		} else if (m.command == N_ACTION_RSP && !*answered &&
			   m.message_id == rq->message_id) {
			*answered = true;
			*rsp = m;
			until_ms = clock_mono_ms() + EVENT_MS;
			if (m.status != STATUS_Success &&
			    !status_is_warning(m.status))
				return true;
		} else {
			return fail(e, ERR_PROTOCOL,
			    "a %s that answers nothing",
			    dimse_command_name(m.command));
		}
	}
	return *answered || fail(e, ERR_TIMEOUT, "no answer to the N-ACTION");
}

/* What the node said to the request. */
static enum job_outcome
judge(struct asking *k, const struct dimse *rsp, struct err *e)
{
	(void)fail(e, ERR_DENIED,
	    "node '%s' refused to look into it: %s (%04X)%s%s", k->node.ae,
	    status_name(rsp->status), (unsigned)rsp->status,
	    rsp->comment[0] != '\0' ? ": " : "", rsp->comment);
	switch (rsp->status) {
	case STATUS_ProcessingFailure:
	case STATUS_ResourceLimitation:
	case STATUS_DuplicateInvocation:
		return JOB_OUTCOME_AGAIN;
	default:
		return JOB_OUTCOME_HOPELESS;
	}
}

/* One transaction. DONE: the node has it. */
static enum job_outcome
ask(struct asking *k, struct references *r, struct err *e)
{
	enum job_outcome outcome = JOB_OUTCOME_AGAIN;
	struct dimse rq, rsp = {.status = STATUS_Success};
	struct assoc *a = NULL;
	bool answered = false, ok;
	struct commitment c;
	struct err ignored;

	if (!open_association(k, &a, e))
		return e->code == ERR_UNSUPPORTED ? JOB_OUTCOME_HOPELESS
						  : JOB_OUTCOME_AGAIN;
	if (!write_row(k, r, &c, e)) {
		client_close(&a);
		return JOB_OUTCOME_AGAIN;
	}
	ok = send_request(k, a, r, &rq, e) &&
	     converse(k, a, &c, &rq, &answered, &rsp, e);
	client_close(&a);
	if (answered && rsp.status != STATUS_Success &&
	    !status_is_warning(rsp.status))
		outcome = judge(k, &rsp, e);
	else if (answered)
		/* Whatever broke after that. */
		return JOB_OUTCOME_DONE;
	else if (!ok)
		(void)fail_in(e, "node '%s'", k->node.ae);
	/* Nobody waits for this transaction any more. */
	(void)!commitment_told(k->run->store, c.id, &ignored);
	return outcome;
}

static enum job_outcome
conclude(struct asking *k, struct err *e)
{
	struct job now;

	arena_reset(&k->page);
	if (!job_find(k->run->store, k->run->job->id, &k->page, &now, e))
		return JOB_OUTCOME_AGAIN;
	if (now.total > 0 && now.failed == 0)
		return JOB_OUTCOME_DONE;
	if (now.total == 0)
		(void)fail(e, ERR_MISSING, "there is nothing to ask for");
	else
		(void)fail(e, ERR_DENIED,
		    "node '%s' has not committed to %llu of %llu%s%s",
		    k->node.ae, (unsigned long long)now.failed,
		    (unsigned long long)now.total,
		    k->why[0] != '\0' ? ", the last: " : "", k->why);
	return JOB_OUTCOME_HOPELESS;
}

/* Sleep until the answer comes, or is not to be expected any more. */
static enum job_outcome
sleep_until(struct asking *k, int64_t until_ms, struct err *e)
{
	int64_t now = clock_utc_ms(), pause_ms;

	pause_ms = now - (until_ms - ANSWER_MS);
	if (pause_ms < LOOK_MIN_MS)
		pause_ms = LOOK_MIN_MS;
	if (pause_ms > LOOK_MAX_MS)
		pause_ms = LOOK_MAX_MS;
	if (pause_ms > until_ms - now)
		pause_ms = until_ms - now;
	k->run->job->next_ms = now + pause_ms;
	(void)fail(e, ERR_TIMEOUT, "for the answer of node '%s'", k->node.ae);
	return JOB_OUTCOME_LATER;
}

static enum job_outcome
ask_all(struct asking *k, struct err *e)
{
	enum job_outcome outcome = JOB_OUTCOME_DONE;
	struct references r;
	int64_t until_ms;
	bool more = true;

	while (more && outcome == JOB_OUTCOME_DONE) {
		if (!take_answers(k, &until_ms, e))
			return JOB_OUTCOME_AGAIN;
		if (until_ms != 0)
			return sleep_until(k, until_ms, e);
		if (job_run_stop(k->run)) {
			(void)fail(e, ERR_CANCELLED, "stopped");
			return JOB_OUTCOME_AGAIN;
		}
		if (!next_page(k, &r, &more, e))
			return JOB_OUTCOME_AGAIN;
		if (r.n > 0)
			outcome = ask(k, &r, e);
	}
	return outcome == JOB_OUTCOME_DONE ? conclude(k, e) : outcome;
}

static enum job_outcome
run_commit(struct job_run *run, struct err *e)
{
	enum job_outcome outcome = JOB_OUTCOME_AGAIN;
	struct asking k = {.run = run};

	arena_init(&k.page, REFERENCES_ARENA);
	if (!node_find(run->store, run->job->node, &k.node, e)) {
		if (e->code == ERR_MISSING) {
			(void)fail(e, ERR_MISSING, "there is no node '%s'",
			    run->job->node);
			outcome = JOB_OUTCOME_HOPELESS;
		}
	} else if (list(&k, e)) {
		outcome = ask_all(&k, e);
	} else if (e->code == ERR_CORRUPT) {
		outcome = JOB_OUTCOME_HOPELESS;
	}
	arena_fini(&k.page);
	return outcome;
}

const struct job_kind job_kind_commit = {
    .name = "commit",
    .run = run_commit,
    .attempts = ATTEMPTS,
};
