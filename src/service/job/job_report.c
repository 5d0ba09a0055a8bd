/*
 * Jobs of the kind "report": telling a node the outcome of the storage
 * commitment it asked for, by an association of our own (PS3.4 J.3.3.1.2): we
 * propose ourselves as SCP, under the title by which the node called us. Which
 * one, says the row in table commitment that has the number of the job; its
 * item is the transaction.
 *
 * A node that cannot be reached rests, as with every job. One that can, but
 * will not hear of it, is asked again after as long as it has been asked so
 * far, for a week: its other jobs do not wait for that.
 *
 * The job is done without a word when the node was told on an association of
 * its own meanwhile. It has lost nothing by a kill -9: what was sent and not
 * noted as answered is sent once more.
 */
#include "service/job/runner.h"

#include "base/clock.h"
#include "service/client/account.h"
#include "service/client/request.h"
#include "service/commitment/report.h"

/* About a week: four short pauses, then one an hour. */
#define ATTEMPTS     170
#define UNWILLING_MS (7 * 24 * 3600 * INT64_C(1000))
/* An association of the node's own may yet bring the answer. */
#define PATIENCE_MS 15000

static bool
stop(void *ctx, uint64_t bytes)
{
	(void)bytes;
	return job_run_stop(ctx);
}

/* A node that can be called. */
static bool
find_node(struct job_run *run, const struct commitment *c, struct node *node,
    struct err *e)
{
	if (!node_find(run->store, c->ae, node, e)) {
		if (e->code != ERR_MISSING)
			return false;
		return fail(e, ERR_MISSING,
		    "there is no node '%s': it is told when it associates "
		    "again; to have it called, 'fileroom node add %s HOST "
		    "PORT', then 'fileroom jobs retry %lld'",
		    run->job->node, run->job->node, (long long)run->job->id);
	}
	if (node->port == 0)
		return fail(e, ERR_USAGE,
		    "node '%s' does not listen: it is told when it associates "
		    "again; to have it called, 'fileroom node edit %s --port "
		    "PORT', then 'fileroom jobs retry %lld'",
		    node->ae, node->ae, (long long)run->job->id);
	return true;
}

static bool
open_association(struct job_run *run, const struct commitment *c,
    const struct node *node, struct assoc **out, struct err *e)
{
	struct str syntaxes[] = {
	    STR(UID_ExplicitVRLittleEndian), STR(UID_ImplicitVRLittleEndian)};
	const struct pdu_context context = {
	    .abstract = STR(UID_StorageCommitmentPushModel),
	    .syntaxes = syntaxes,
	    .syntax_count = ARRAY_LEN(syntaxes)};
	const struct pdu_role role = {
	    .sop_class = context.abstract, .scp = true};
	const struct client_wish wish = {.contexts = &context,
	    .context_count = 1,
	    .roles = &role,
	    .role_count = 1};
	struct client client = run->client;

	memcpy(client.ae_title, c->title, sizeof(client.ae_title));
	return client_open(out, &client, node, &wish, e);
}

/* Sent and answered; what the node thinks of it is in *status. A node that
 * accepts the class and does not answer the role item is believed to listen. */
static bool
tell(struct assoc *assoc, const struct commitment *c,
    const struct references *r, struct arena *a, struct client_end *end,
    struct err *e)
{
	const struct client_query q = {.model = UID_StorageCommitmentPushModel};
	struct request rq = {.a = assoc,
	    .q = &q,
	    .end = end,
	    .command = N_EVENT_REPORT_RQ,
	    .context = assoc_find_context(
		assoc, STR(UID_StorageCommitmentPushModel), STR(""))};
	struct dimse m;

	must(rq.context != NULL);
	*end = (struct client_end){0};
	account_note(assoc, "tells it the outcome of a storage commitment");
	if (!report_send(assoc, rq.context, c, r, a, &rq.id, e) ||
	    !request_next(&rq, &m, e))
		return false;
	request_note(&rq, &m);
	return dimse_drain(assoc, e);
}

static enum job_outcome
unwilling(struct job_run *run, const struct commitment *c)
{
	int64_t now = clock_utc_ms(), age_ms = now - c->asked_ms;

	if (age_ms > UNWILLING_MS)
		return JOB_OUTCOME_HOPELESS;
	if (age_ms < PATIENCE_MS)
		age_ms = PATIENCE_MS;
	if (age_ms > JOB_PAUSE_MAX_MS)
		age_ms = JOB_PAUSE_MAX_MS;
	run->job->next_ms = now + age_ms;
	return JOB_OUTCOME_LATER;
}

static enum job_outcome
deliver(struct job_run *run, const struct commitment *c,
    const struct references *r, struct arena *a, struct err *e)
{
	enum job_outcome outcome = JOB_OUTCOME_AGAIN;
	struct assoc *assoc = NULL;
	struct client_end end;
	struct node node;

	if (!find_node(run, c, &node, e))
		return e->code == ERR_MISSING || e->code == ERR_USAGE
			   ? JOB_OUTCOME_HOPELESS
			   : JOB_OUTCOME_AGAIN;
	if (!open_association(run, c, &node, &assoc, e))
		return e->code == ERR_UNSUPPORTED || e->code == ERR_DENIED
			   ? unwilling(run, c)
			   : JOB_OUTCOME_AGAIN;
	if (!tell(assoc, c, r, a, &end, e)) {
		(void)fail_in(e, "node '%s'", node.ae);
	} else if (!report_taken(end.status)) {
		(void)fail(e, ERR_DENIED,
		    "node '%s' answered the report with %s (%04X)%s%s", node.ae,
		    status_name(end.status), (unsigned)end.status,
		    end.comment[0] != '\0' ? ": " : "", end.comment);
		outcome = unwilling(run, c);
	} else if (commitment_told(run->store, c->id, e) ||
		   e->code == ERR_MISSING) {
		outcome = JOB_OUTCOME_DONE;
	}
	client_close(&assoc);
	return outcome;
}

static enum job_outcome
report(
    struct job_run *run, struct commitment *c, struct arena *a, struct err *e)
{
	struct verify v = {.store = run->store, .stop = stop, .ctx = run};
	enum job_outcome outcome;
	struct references r;
	struct err ignored;

	if (report_under_way(c)) {
		run->job->next_ms = clock_utc_ms() + PATIENCE_MS;
		(void)fail(e, ERR_TIMEOUT,
		    "the answer to the report on its own association");
		return JOB_OUTCOME_LATER;
	}
	if (!report_settle(run->store, c, &v, a, &r, e))
		return JOB_OUTCOME_AGAIN;
	/* The peer's own association will not tell it at the same time. */
	if (!commitment_sent(run->store, c->id, clock_utc_ms(), e))
		return JOB_OUTCOME_AGAIN;
	outcome = deliver(run, c, &r, a, e);
	if (outcome != JOB_OUTCOME_DONE)
		(void)!commitment_sent(run->store, c->id, 0, &ignored);
	return outcome;
}

static enum job_outcome
run_report(struct job_run *run, struct err *e)
{
	enum job_outcome outcome = JOB_OUTCOME_AGAIN;
	struct commitment c;
	struct job_item item = {.done = true};
	struct arena a;
	bool left;

	arena_init(&a, REFERENCES_ARENA);
	left = commitment_of_job(run->store, run->job->id, 0, &a, &c, e);
	if (left)
		outcome = report(run, &c, &a, e);
	else if (e->code == ERR_MISSING)
		outcome = JOB_OUTCOME_DONE;
	if (left && outcome == JOB_OUTCOME_DONE) {
		memcpy(item.name, c.transaction, sizeof(item.name));
		/* For show only. */
		(void)!job_item_done(run->store, run->job->id, &item, e);
	}
	arena_fini(&a);
	return outcome;
}

const struct job_kind job_kind_report = {
    .name = "report",
    .run = run_report,
    .attempts = ATTEMPTS,
};
