/*
 * Modality Worklist (PS3.4 K.4.1): C-FIND as performer.
 *
 * Items come in batches, in the order of their start, with no cursor left open
 * while answers are sent; between answers a C-CANCEL is looked for. Modalities
 * ask every few seconds, so a query that finds nothing is one look into an
 * index and writes nothing. Where nothing matches a name to the letter of the
 * standard, it is looked for once more as people write names (ask.h).
 */
#include "service/service.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "dicom/build.h"
#include "service/query/query.h"
#include "service/worklist/answer.h"
#include "store/worklist/asked.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* An identifier as it is kept for 'worklist explain'. */
#define KEPT_ARENA (1 * MIB)
/* Items fetched at once; of those that are too large together, one. */
#define BATCH 100
/* A batch: two of the largest messages that make an item (LIMIT_HL7_FRAME), in
 * UTF-8. */
#define BATCH_ARENA (4 * LIMIT_HL7_FRAME)
/* An answer, the texts of its item several times over. */
#define ANSWER_ARENA (16 * LIMIT_HL7_FRAME)

struct mwl {
	struct session *session;
	const struct dimse *rq;
	struct ask_rules rules;
	struct ask ask;
	struct syntax layout;
	struct arena items, scratch;
	struct buf out;
	uint64_t answered;
	bool full; /* the node's limit is reached */
};

enum step {
	STEP_ON,
	STEP_CANCELLED,
	STEP_FAILED, /* to be answered */
	STEP_GONE    /* the association has ended */
};

static bool
serves(struct str abstract)
{
	return str_eq_text(abstract, UID_ModalityWorklistInformationModelFind);
}

static void
cork(struct session *s, int on)
{
	(void)setsockopt(
	    s->assoc->conn->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static enum step
look_for_cancel(struct mwl *m, struct err *e)
{
	if (!dimse_cancelled(m->session->assoc, m->rq->message_id, e))
		return STEP_ON;
	return e->code == ERR_CANCELLED ? STEP_CANCELLED : STEP_GONE;
}

static enum step
send_item(struct mwl *m, const struct item *item, struct err *e)
{
	struct session *s = m->session;
	const char *note = NULL;
	struct dataset *answer;
	struct dimse rsp;

	buf_clear(&m->out);
	answer = answer_build(&m->ask, &m->scratch, item, &note);
	if (answer == NULL) {
		(void)fail(e, ERR_LIMIT, "an answer that is too large");
		return STEP_FAILED;
	}
	if (!build_dataset(&m->out, answer, m->layout, e))
		return STEP_FAILED;
	if (note != NULL)
		log_debug("dicom", "worklist item %lld for '%s': %s",
		    (long long)item->id, s->assoc->calling, note);
	rsp = dimse_response(
	    m->rq, m->ask.unsupported ? STATUS_PendingWarning : STATUS_Pending);
	if (!dimse_send(s->assoc, &rsp, buf_str(&m->out), e))
		return STEP_GONE;
	m->answered++;
	m->full = m->rules.limit > 0 && m->answered >= m->rules.limit;
	return STEP_ON;
}

/* UIDs that the site wants are made when they are first needed, and kept. */
static bool
complete(struct mwl *m, struct item *item, struct err *e)
{
	const struct worklist_config *c = &m->session->config.worklist;
	struct item_rules rules = {.uid_for = c->uid_for};

	memcpy(rules.uid_root, c->uid_root, sizeof(rules.uid_root));
	return item_need_study(
	    m->session->store, &rules, m->rules.caller, &m->items, item, e);
}

static enum step
send_batch(struct mwl *m, struct item *items, size_t n, struct err *e)
{
	enum step step = STEP_ON;
	size_t i;

	for (i = 0; i < n && step == STEP_ON && !m->full; i++) {
		arena_reset(&m->scratch);
		if (!ask_matches(&m->ask, &m->scratch, &items[i]))
			continue;
		step = look_for_cancel(m, e);
		if (step == STEP_ON && !complete(m, &items[i], e))
			step = STEP_FAILED;
		if (step == STEP_ON)
			step = send_item(m, &items[i], e);
	}
	return step;
}

/* Where the next batch goes on: what the search orders by. */
static void
remember(struct item *last, struct arena *a, const struct item *item)
{
	arena_reset(a);
	*last = (struct item){.id = item->id};
	last->value[FIELD_ScheduledProcedureStepStartDate] =
	    arena_dup(a, item->value[FIELD_ScheduledProcedureStepStartDate]);
	last->value[FIELD_ScheduledProcedureStepStartTime] =
	    arena_dup(a, item->value[FIELD_ScheduledProcedureStepStartTime]);
}

/* Large items come one by one. */
static bool
next_batch(struct mwl *m, const struct item *after, struct item **items,
    size_t *n, size_t *max, struct err *e)
{
	struct store *store = m->session->store;

	arena_reset(&m->items);
	*max = BATCH;
	if (item_list(
		store, &m->ask.search, after, *max, &m->items, items, n, e))
		return true;
	if (e->code != ERR_LIMIT)
		return false;
	arena_reset(&m->items);
	*max = 1;
	return item_list(
	    store, &m->ask.search, after, *max, &m->items, items, n, e);
}

static enum step
send_all(struct mwl *m, struct arena *place, struct err *e)
{
	struct item last, *items;
	const struct item *after = NULL;
	enum step step;
	size_t n, max;

	for (;;) {
		if (!next_batch(m, after, &items, &n, &max, e))
			return STEP_FAILED;
		step = send_batch(m, items, n, e);
		if (step != STEP_ON || n < max || m->full)
			return step;
		/* Those that nothing was sent of take their time, too. */
		step = look_for_cancel(m, e);
		if (step != STEP_ON)
			return step;
		remember(&last, place, &items[n - 1]);
		after = &last;
		cork(m->session, 0);
		cork(m->session, 1);
	}
}

static enum step
send_matches(struct mwl *m, struct err *e)
{
	struct arena place;
	enum step step;

	arena_init(&place, LIMIT_HL7_FRAME);
	step = send_all(m, &place, e);
	if (step == STEP_ON && m->answered == 0 && m->ask.has_lenient) {
		m->ask.lenient = true;
		step = send_all(m, &place, e);
	}
	arena_fini(&place);
	return step;
}

static bool
answer_end(struct mwl *m, enum step step, struct err *e)
{
	struct session *s = m->session;
	struct err why = *e;

	log_debug("dicom", "worklist query of '%s': %llu answers",
	    s->assoc->calling, (unsigned long long)m->answered);
	switch (step) {
	case STEP_ON:
		return service_answer(s, m->rq, STATUS_Success, NULL, e);
	case STEP_CANCELLED:
		return service_answer(s, m->rq, STATUS_Cancel, NULL, e);
	case STEP_FAILED:
		return service_fail(s, m->rq, &why, e);
	case STEP_GONE:
		break;
	}
	return s->assoc->end == ASSOC_OPEN ? service_gone(s, e) : false;
}

static void
keep(struct mwl *m, struct asked *q, int64_t since_us)
{
	struct session *s = m->session;

	q->took_us = clock_mono_us() - since_us;
	(void)str_printable(q->ae, sizeof(q->ae), str_from(m->rules.caller));
	ask_flags(&s->config.worklist, q->rules);
	(void)str_copy(q->address, sizeof(q->address),
	    str_from(s->assoc->conn->peer.address));
	asked_note(s->store, q);
}

/* Whoever looks why the modality shows nothing must find it. */
static void
keep_failure(struct mwl *m, const struct err *why, int64_t since_us)
{
	struct asked q = {.answers = 0};

	snprintf(q.failed, sizeof(q.failed), "refused: %.80s", why->text);
	keep(m, &q, since_us);
}

/* For people who wonder what the modality shows. */
static void
keep_query(struct mwl *m, struct str identifier, int64_t since_us)
{
	struct asked q = {.answers = m->answered, .identifier = identifier};
	struct dataset *ds;
	struct arena a;
	struct buf kept;
	struct err e;
	bool ok = true;

	arena_init(&a, KEPT_ARENA);
	buf_init(&kept, ASKED_IDENTIFIER);
	if (m->layout.uid == NULL ||
	    strcmp(m->layout.uid, UID_ExplicitVRLittleEndian) != 0) {
		ok = dataset_read(&a, identifier, m->layout, ASKED_IDENTIFIER,
			 0, &ds, &e) &&
		     build_dataset(&kept, ds,
			 syntax_of(str_from(UID_ExplicitVRLittleEndian)), &e);
		q.identifier = buf_str(&kept);
	}
	if (!ok || q.identifier.n > ASKED_IDENTIFIER) {
		q.identifier = STR("");
		snprintf(q.failed, sizeof(q.failed),
		    "answered; its %zu bytes of keys are too long to be "
		    "looked at again",
		    identifier.n);
	}
	keep(m, &q, since_us);
	buf_fini(&kept);
	arena_fini(&a);
}

static bool
answer(struct session *s, const struct dimse *rq, struct str identifier,
    struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	struct mwl m = {.session = s, .rq = rq, .layout = context->layout};
	int64_t since_us = clock_mono_us();
	struct err why;
	enum step step;
	bool ok;

	ask_rules_of(s->store, &s->arena, s->assoc->calling,
	    &s->config.worklist, &m.rules);
	if (!ask_read(&s->arena, &m.rules, identifier, context->layout, &m.ask,
		&why)) {
		keep_failure(&m, &why, since_us);
		return service_fail(s, rq, &why, e);
	}
	arena_init(&m.items, BATCH_ARENA);
	arena_init(&m.scratch, ANSWER_ARENA);
	buf_init(&m.out, LIMIT_IDENTIFIER);
	cork(s, 1);
	step = send_matches(&m, e);
	keep_query(&m, identifier, since_us);
	ok = answer_end(&m, step, e);
	cork(s, 0);
	buf_fini(&m.out);
	arena_fini(&m.scratch);
	arena_fini(&m.items);
	return ok;
}

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	s->worklist_queries++;
	return service_identifier(s, rq, answer, e);
}

/* PS3.4 Table K.5-2: four bytes, as those of queries; the third is fuzzy
 * matching of names, which is not done here. */
static size_t
extended(struct str proposed, uint8_t *answer, size_t room)
{
	size_t n = query_extended(proposed, answer, room < 4 ? room : 4);

	if (n > 2)
		answer[2] = 0;
	return n;
}

const struct service service_worklist = {
    .name = "Modality Worklist",
    .command = C_FIND_RQ,
    .pool = POOL_STORE,
    .serves = serves,
    .takes = service_takes_plain,
    .extended = extended,
    .serve = serve,
};
