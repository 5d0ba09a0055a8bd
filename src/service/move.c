/*
 * C-MOVE (PS3.4 C.4.2) as performer: the instances go to a known node as
 * C-STORE sub-operations on associations of our own.
 *
 * While the destination keeps us waiting the requester is looked after: its
 * C-CANCEL and its end are noticed, and each second it is told how far we
 * are. A destination that cannot be reached, or is silent, or breaks
 * associations again and again, fails all that is left.
 */
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "service/client/sender.h"
#include "service/retrieve.h"

/* Operations in flight to ask the destination for. */
#define WINDOW 8
/* Associations that a destination may break: in a row without having answered
 * anything, and in all. */
#define BREAKS_BARREN 3
#define BREAKS        20

struct move {
	struct session *session;
	const struct dimse *rq;
	struct retrieve retrieve;
	struct node to;
	struct sender *sender;
	struct sender_item *items; /* of the batch, that have no result yet */
	size_t n;
	bool done[LIMIT_ROWS]; /* items that got one */
	bool gone;             /* the requester has, or its association broke */
	struct err why_gone;
	bool dead; /* the destination is given up */
	unsigned breaks, barren;
	char why[372]; /* the first failure, for people */
	int64_t start_ms;
};

static bool
serves(struct str abstract)
{
	static const char *const classes[] = {
	    UID_PatientRootQueryRetrieveInformationModelMove,
	    UID_StudyRootQueryRetrieveInformationModelMove,
	    UID_PatientStudyOnlyQueryRetrieveInformationModelMove,
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(classes); i++)
		if (str_eq_text(abstract, classes[i]))
			return true;
	return false;
}

static bool
open_file(void *ctx, const struct sender_item *item, struct object_file *out,
    struct err *e)
{
	struct move *m = ctx;

	if (object_open(m->session->store, (const char *)item->path.p, out, e))
		return true;
	log_error("dicom", "cannot send instance %s: %s", item->sop_instance,
	    e->text);
	/* A requester need not know where our files lie. */
	return fail(e, e->code, "its file cannot be read, see the log");
}

/* Keep the first reason: what comes after is often its consequence. */
static void
note_why(struct move *m, const char *why)
{
	if (m->why[0] == '\0')
		(void)str_copy(m->why, sizeof(m->why), str_from(why));
}

static void
tell(struct move *m)
{
	if (!m->gone && !retrieve_tell(&m->retrieve, &m->why_gone))
		m->gone = true;
}

static void
result(void *ctx, const struct sender_item *item, uint16_t status,
    const char *comment)
{
	struct move *m = ctx;
	char reason[160];

	m->done[item - m->items] = true;
	if (status != STATUS_Success && !status_is_warning(status)) {
		snprintf(reason, sizeof(reason), "%.60s (%04X)%s%.80s",
		    status_name(status), (unsigned)status,
		    comment[0] != '\0' ? ": " : "", comment);
		if (status == SENDER_NO_CONTEXT && comment[0] != '\0')
			(void)str_copy(
			    reason, sizeof(reason), str_from(comment));
		note_why(m, reason);
		log_warning("dicom", "instance %s did not get to '%s': %s",
		    item->sop_instance, m->to.ae, reason);
	}
	retrieve_count(&m->retrieve, item->sop_instance, status);
	tell(m);
}

static bool
over(struct move *m)
{
	return m->gone || retrieve_over(&m->retrieve);
}

/* The sender asks, between items and while it waits. */
static bool
stop(void *ctx)
{
	struct move *m = ctx;

	if (!over(m)) {
		if (!retrieve_look(&m->retrieve, &m->why_gone))
			m->gone = true;
		else if (!m->retrieve.cancelled)
			tell(m);
	}
	return over(m);
}

static void
take_rows(struct move *m)
{
	const struct index_row *row;
	struct sender_item *item;
	size_t i;

	m->n = m->retrieve.row_count;
	memset(m->done, 0, sizeof(m->done));
	for (i = 0; i < m->n; i++) {
		row = &m->retrieve.rows[i];
		item = &m->items[i];
		*item = (struct sender_item){.path = row->path};
		(void)str_copy(item->sop_class, sizeof(item->sop_class),
		    row->value[COLUMN_SOPClassUID]);
		(void)str_copy(item->sop_instance, sizeof(item->sop_instance),
		    row->value[COLUMN_SOPInstanceUID]);
		(void)str_copy(item->syntax, sizeof(item->syntax), row->syntax);
	}
}

/* Leave what has no result at the front. */
static void
keep_unanswered(struct move *m)
{
	size_t i, n = 0;

	for (i = 0; i < m->n; i++)
		if (!m->done[i])
			m->items[n++] = m->items[i];
	m->n = n;
	memset(m->done, 0, sizeof(m->done));
}

static void
fail_first(struct move *m)
{
	if (m->n == 0)
		return;
	retrieve_count(
	    &m->retrieve, m->items[0].sop_instance, STATUS_ProcessingFailure);
	m->done[0] = true;
	keep_unanswered(m);
	tell(m);
}

/* The association broke. One instance may be what breaks it; if nothing else
 * helps, those in front count as failed one after the other. */
static void
note_break(struct move *m, uint64_t done_before, const struct err *why)
{
	bool barren = retrieve_done(&m->retrieve) == done_before;

	log_warning("dicom", "move of '%s' to '%s' was interrupted: %s",
	    m->session->assoc->calling, m->to.ae, why->text);
	note_why(m, why->text);
	m->breaks++;
	m->barren = barren ? m->barren + 1 : 0;
	m->dead = !sender_reached(m->sender) || why->code == ERR_TIMEOUT ||
		  why->code == ERR_CANCELLED || m->breaks == BREAKS ||
		  m->barren == BREAKS_BARREN;
	if (barren && !m->dead)
		fail_first(m);
}

/* The batch, until each has a result or there is a reason to end. */
static void
send_batch(struct move *m)
{
	uint64_t before;
	struct err why;
	bool ok;

	while (m->n > 0 && !m->dead) {
		before = retrieve_done(&m->retrieve);
		ok = sender_send(m->sender, m->items, m->n, &why);
		keep_unanswered(m);
		if (over(m))
			return;
		if (!ok)
			note_break(m, before, &why);
	}
	while (m->n > 0 && !stop(m))
		fail_first(m);
}

static void
send_all(struct move *m, struct err *why)
{
	while (m->retrieve.row_count > 0) {
		take_rows(m);
		if (stop(m))
			return;
		send_batch(m);
		if (over(m) || !retrieve_next(&m->retrieve, why))
			return;
	}
}

/* The server stops: what is left gets nowhere, and the requester is told. */
static void
fail_rest(struct move *m)
{
	note_why(m, "the archive was stopped");
	while (m->n > 0)
		fail_first(m);
	retrieve_fail_rest(&m->retrieve, m->retrieve.row_count);
}

/* 64 printable characters of the reason, its end when that is too long: there
 * stands what is wrong. */
static const char *
comment(const struct move *m, char out[65])
{
	const char *from = m->why, *next;
	char *p;

	if (m->why[0] == '\0')
		return NULL;
	while (strlen(from) > 64 && (next = strstr(from, ": ")) != NULL)
		from = next + 2;
	(void)str_printable(out, 65, str_from(from));
	for (p = out; *p != '\0'; p++)
		if (*p == '\\')
			*p = '/';
	return out;
}

static void
record(struct move *m)
{
	const struct retrieve *r = &m->retrieve;
	struct activity *row = &m->session->activity;
	long long took = (long long)(clock_mono_ms() - m->start_ms);
	char ae[40];

	(void)str_printable(ae, sizeof(ae), str_from(m->to.ae));
	snprintf(row->detail, sizeof(row->detail),
	    "moved %llu of %llu to '%s'%s%.60s",
	    (unsigned long long)(r->completed + r->warned),
	    (unsigned long long)r->total, ae, m->why[0] != '\0' ? ": " : "",
	    m->why);
	log_info("dicom",
	    "'%s' at %s moved %llu of %llu instances to '%s' at %s port %u in "
	    "%lld ms: %llu with warnings, %llu failed%s%s%s%s",
	    m->session->assoc->calling, row->address,
	    (unsigned long long)(r->completed + r->warned),
	    (unsigned long long)r->total, m->to.ae, m->to.host,
	    (unsigned)m->to.port, took, (unsigned long long)r->warned,
	    (unsigned long long)r->failed, r->cancelled ? "; cancelled" : "",
	    m->gone ? "; the requester has gone" : "",
	    m->why[0] != '\0' ? "; " : "", m->why);
}

static void
open_sender(struct move *m)
{
	static const struct sender_events events = {open_file, result, stop};
	struct sender_config config = {.to = m->to,
	    .originator_id = m->rq->message_id,
	    .priority = m->rq->priority,
	    .window = WINDOW};

	m->session->client(m->session, &config.client);
	memcpy(config.originator_ae, m->session->assoc->calling,
	    sizeof(config.originator_ae));
	m->sender = sender_new(&config, &events, m);
	client_fini(&config.client);
}

/* *why: the index failed, or the identifier makes no sense. False: the
 * requester has gone. */
static bool
move(struct move *m, struct str identifier, struct err *why, struct err *e)
{
	char text[65];
	bool ok = true;

	if (retrieve_init(&m->retrieve, m->session, m->rq, identifier, why)) {
		open_sender(m);
		m->items = must_alloc(LIMIT_ROWS * sizeof(*m->items));
		send_all(m, why);
		if (m->retrieve.stopping && !m->retrieve.cancelled && !m->gone)
			fail_rest(m);
		record(m);
	}
	if (m->gone) {
		*e = m->why_gone;
		ok = m->session->assoc->end == ASSOC_OPEN
			 ? service_gone(m->session, e)
			 : false;
	} else if (why->code != ERR_NONE) {
		ok = service_fail(m->session, m->rq, why, e);
	} else {
		ok = retrieve_answer(&m->retrieve, comment(m, text), e);
	}
	sender_free(&m->sender);
	free(m->items);
	retrieve_fini(&m->retrieve);
	return ok;
}

/* A801, in words that help. The log has the whole, the comment 64 letters. */
static bool
refuse_destination(struct session *s, const struct dimse *rq, const char *why,
    const char *told, struct err *e)
{
	log_warning("dicom", "'%s' at %s asked for a move to '%s': %s",
	    s->assoc->calling, s->assoc->conn->peer.address, rq->destination,
	    why);
	return service_refuse(s, rq, STATUS_MoveDestinationUnknown, told, e);
}

/* False: answered, with *ok what serve() returns. */
static bool
find_destination(struct session *s, const struct dimse *rq, struct node *out,
    bool *ok, struct err *e)
{
	struct err why;

	if (rq->destination[0] == '\0') {
		*ok = refuse_destination(s, rq, "no destination was named",
		    "the Move Destination is missing", e);
		return false;
	}
	if (node_find(s->store, rq->destination, out, &why)) {
		if (out->port != 0)
			return true;
		*ok = refuse_destination(s, rq,
		    "this node does not listen: give it a port with 'fileroom "
		    "node edit'",
		    "this node does not listen: no port is set for it here", e);
		return false;
	}
	if (why.code != ERR_MISSING)
		*ok = service_fail(s, rq, &why, e);
	else if (str_eq_text(str_from(rq->destination), s->config.ae_title))
		*ok = refuse_destination(s, rq,
		    "that is this archive itself, where they are already",
		    "this archive itself: the instances are here already", e);
	else
		*ok = refuse_destination(s, rq,
		    "not a known node: add it with 'fileroom node add'",
		    "not a known node here: add its AE title to the archive",
		    e);
	return false;
}

static bool
answer(struct session *s, const struct dimse *rq, struct str identifier,
    struct err *e)
{
	struct move *m = must_zalloc(sizeof(*m));
	struct err why = {0};
	bool ok;

	m->session = s;
	m->rq = rq;
	m->start_ms = clock_mono_ms();
	if (find_destination(s, rq, &m->to, &ok, e))
		ok = move(m, identifier, &why, e);
	free(m);
	return ok;
}

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	s->activity.moves++;
	return service_identifier(s, rq, answer, e);
}

/* A pending response, with nothing done. What cannot be counted is answered
 * when its turn has come. */
static bool
tell_waiting(
    struct session *s, const struct dimse *rq, uint64_t *total, struct err *e)
{
	struct dimse rsp = dimse_response(rq, STATUS_Pending);
	struct retrieve r;
	struct err why;

	if (*total == UINT64_MAX) {
		if (retrieve_init(&r, s, rq, buf_str(&s->identifier), &why))
			*total = r.total;
		retrieve_fini(&r);
	}
	if (*total == UINT64_MAX)
		return true;
	rsp.has_counts = true;
	rsp.remaining = *total < UINT16_MAX ? (uint16_t)*total : UINT16_MAX;
	return dimse_send(s->assoc, &rsp, STR(""), e);
}

const struct service service_move = {
    .name = "Retrieval to others",
    .command = C_MOVE_RQ,
    .pool = POOL_MOVE,
    .serves = serves,
    .takes = service_takes_plain,
    .extended = retrieve_extended,
    .serve = serve,
    .wait = tell_waiting,
};
