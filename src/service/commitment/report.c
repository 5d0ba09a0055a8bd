/*
 * Reports on the peer's own associations.
 */
#include "service/commitment/report.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/table/node.h"

/* A peer that has just associated is about to say something. */
#define LATER_MS 1000
/* Pauses between looks for an outcome that is being found. */
#define PAUSE_MS     250
#define PAUSE_MAX_MS 16000
/* An outcome older than this is not told without a look at the rows: the
 * instances may have been deleted. */
#define FRESH_MS 60000
/* A report that was sent this long ago will not be answered any more. */
#define UNDER_WAY_MS 60000

static const struct assoc_context *
context_of(const struct assoc *a)
{
	const struct assoc_context *c;
	size_t i;

	for (i = 0; i < a->context_count; i++) {
		c = &a->contexts[i];
		if (c->result == CONTEXT_ACCEPTED && c->peer_scu &&
		    str_eq_text(c->abstract, UID_StorageCommitmentPushModel))
			return c;
	}
	return NULL;
}

void
report_begin(struct session *s)
{
	if (context_of(s->assoc) == NULL)
		return;
	s->report.pause_ms = PAUSE_MS;
	s->report.wake_ms = clock_mono_ms() + LATER_MS;
}

void
report_soon(struct session *s)
{
	s->report.pause_ms = PAUSE_MS;
	s->report.wake_ms = clock_mono_ms();
}

bool
report_taken(uint16_t status)
{
	return status == STATUS_Success || status_is_warning(status);
}

bool
report_under_way(const struct commitment *c)
{
	int64_t since_ms = clock_utc_ms() - c->sent_ms;

	return c->sent_ms != 0 && since_ms >= 0 && since_ms < UNDER_WAY_MS;
}

static bool
keep(struct store *store, const struct commitment *c,
    const struct references *r, struct err *e)
{
	struct buf text;
	bool ok;

	buf_init(&text, REFERENCES_ARENA);
	references_to_text(r, &text);
	ok = commitment_known(store, c->id, buf_str(&text), false, e);
	buf_fini(&text);
	return ok;
}

bool
report_settle(struct store *store, struct commitment *c,
    const struct verify *how, struct arena *a, struct references *r,
    struct err *e)
{
	int64_t now = clock_utc_ms();
	struct verify v = *how;

	memcpy(r->transaction, c->transaction, sizeof(r->transaction));
	if (!references_of_text(a, c->items, r, e))
		return false;
	/* A clock that was set back makes it old, too. */
	if (c->known_ms != 0 && now >= c->known_ms &&
	    now - c->known_ms < FRESH_MS)
		return true;
	v.rows_only = c->known_ms != 0;
	if (!verify_references(&v, r, e) || !keep(store, c, r, e))
		return false;
	c->known_ms = now;
	return true;
}

bool
report_send(struct assoc *assoc, const struct assoc_context *context,
    const struct commitment *c, const struct references *r, struct arena *a,
    uint16_t *message_id, struct err *e)
{
	struct dimse m = {.context = context->id, .command = N_EVENT_REPORT_RQ};
	size_t failed = references_failed(r);
	struct buf data;
	bool ok;

	*message_id = m.message_id = assoc->next_message_id++;
	m.event_or_action =
	    failed > 0 ? COMMITMENT_FAILURES : COMMITMENT_COMPLETE;
	(void)str_copy(m.sop_class, sizeof(m.sop_class),
	    STR(UID_StorageCommitmentPushModel));
	(void)str_copy(m.sop_instance, sizeof(m.sop_instance),
	    STR(UID_StorageCommitmentPushModelInstance));
	buf_init(&data, REFERENCES_ARENA);
	ok =
	    references_write_event(a, r, c->title, context->layout, &data, e) &&
	    dimse_send(assoc, &m, buf_str(&data), e);
	buf_fini(&data);
	if (ok)
		log_info("dicom",
		    "storage commitment %s of '%s': %zu instances, %zu failed, "
		    "reported",
		    c->transaction, c->ae, r->n, failed);
	return ok;
}

/* May this association hear what was asked from another? Titles are easily
 * borrowed where anybody may call. */
static bool
same_peer(const struct session *s, const struct commitment *c)
{
	const char *address = s->assoc->conn->peer.address, *why;

	return strcmp(c->address, address) == 0 ||
	       node_known(s->store, s->assoc->calling, address, &why);
}

static void
look_again(struct session *s)
{
	s->report.wake_ms = clock_mono_ms() + s->report.pause_ms;
	if (s->report.pause_ms < PAUSE_MAX_MS)
		s->report.pause_ms *= 2;
}

/* The first that may be told here and now; its id 0 when there is none. */
static bool
pick(struct session *s, struct arena *a, struct commitment *c, struct err *e)
{
	bool wait = false;
	int64_t after = 0;

	while (commitment_next(s->store, s->assoc->calling, after, a, c, e)) {
		after = c->id;
		if (!same_peer(s, c) || strcmp(c->title, s->assoc->called) != 0)
			continue;
		if (c->known_ms != 0 && !report_under_way(c))
			return commitment_get(s->store, after, a, c, e);
		/* It is being found, or told elsewhere. */
		wait = true;
	}
	c->id = 0;
	if (wait)
		look_again(s);
	return e->code == ERR_MISSING;
}

static bool
tell(struct session *s, struct commitment *c, struct arena *a, struct err *e)
{
	const struct assoc_context *context = context_of(s->assoc);
	struct verify v = {.store = s->store};
	struct references r = {.n = 0};
	struct err why;

	if (!report_settle(s->store, c, &v, a, &r, &why) ||
	    !commitment_sent(s->store, c->id, clock_utc_ms(), &why)) {
		log_error("dicom", "storage commitment %s of '%s': %s",
		    c->transaction, c->ae, why.text);
		return true;
	}
	s->report.id = c->id;
	return report_send(
	    s->assoc, context, c, &r, a, &s->report.message_id, e);
}

bool
report_wake(struct session *s, struct err *e)
{
	struct commitment c;
	struct arena a;
	struct err why;
	bool ok = true;

	s->report.wake_ms = 0;
	/* One is unanswered; its answer wakes us again. */
	if (s->report.id != 0)
		return true;
	if (conn_readable(s->assoc->conn)) {
		s->report.wake_ms = clock_mono_ms() + PAUSE_MS;
		return true;
	}
	arena_init(&a, REFERENCES_ARENA);
	if (!pick(s, &a, &c, &why))
		log_error("dicom", "storage commitments of '%s': %s",
		    s->assoc->calling, why.text);
	else if (c.id != 0)
		ok = tell(s, &c, &a, e);
	arena_fini(&a);
	return ok;
}

bool
report_answered(struct session *s, const struct dimse *rsp)
{
	struct err e;
	bool ok;

	if (rsp->command != N_EVENT_REPORT_RSP || s->report.id == 0 ||
	    rsp->message_id != s->report.message_id)
		return false;
	if (report_taken(rsp->status)) {
		ok = commitment_told(s->store, s->report.id, &e);
		s->report.wake_ms = clock_mono_ms();
	} else {
		log_warning("dicom",
		    "'%s' at %s answered the report of a storage commitment "
		    "with %s (%04X)%s%s",
		    s->assoc->calling, s->assoc->conn->peer.address,
		    status_name(rsp->status), (unsigned)rsp->status,
		    rsp->comment[0] != '\0' ? ": " : "", rsp->comment);
		ok = commitment_sent(s->store, s->report.id, 0, &e);
	}
	if (!ok && e.code != ERR_MISSING)
		log_error("dicom", "storage commitment: %s", e.text);
	s->report.id = 0;
	return true;
}

void
report_end(struct session *s)
{
	struct err e;

	if (s->report.id != 0 &&
	    !commitment_sent(s->store, s->report.id, 0, &e) &&
	    e.code != ERR_MISSING)
		log_error("dicom", "storage commitment: %s", e.text);
	s->report.id = 0;
}
