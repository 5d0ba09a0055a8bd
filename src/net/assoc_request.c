/*
 * Requesting an association: connect, A-ASSOCIATE-RQ, and what the peer makes
 * of it (PS3.8 Table 9-10, Sta4 and Sta5). A peer that accepts what was not
 * proposed is not believed: such a context counts as refused.
 */
#include "net/assoc.h"

#include "base/clock.h"
#include "dicom/file.h"

struct proposal {
	struct arena arena;
	struct pdu_associate rq;
	const struct assoc_request *wanted;
};

static bool
build_request(struct proposal *p, struct err *e)
{
	const struct assoc_request *w = p->wanted;
	size_t i;

	if (w->context_count == 0 || w->context_count > LIMIT_CONTEXTS)
		return fail(e, ERR_USAGE,
		    "%zu presentation contexts: 1 to %d are possible",
		    w->context_count, LIMIT_CONTEXTS);
	if (!str_copy(
		p->rq.called, sizeof(p->rq.called), str_from(w->called)) ||
	    !str_copy(
		p->rq.calling, sizeof(p->rq.calling), str_from(w->calling)))
		return fail(e, ERR_USAGE, "an AE title over 16 characters");
	p->rq.version = 1;
	p->rq.application = STR(UID_DICOMApplicationContext);
	p->rq.contexts =
	    arena_array(&p->arena, w->context_count, sizeof(*p->rq.contexts));
	p->rq.roles =
	    arena_array(&p->arena, w->role_count, sizeof(*p->rq.roles));
	p->rq.extended =
	    arena_array(&p->arena, w->extended_count, sizeof(*p->rq.extended));
	if (p->rq.contexts == NULL || p->rq.roles == NULL ||
	    p->rq.extended == NULL)
		return fail(e, ERR_LIMIT, "the request is too complex");
	for (i = 0; i < w->context_count; i++) {
		p->rq.contexts[i] = w->contexts[i];
		p->rq.contexts[i].id = (uint8_t)(2 * i + 1);
	}
	for (i = 0; i < w->role_count; i++)
		p->rq.roles[i] = w->roles[i];
	for (i = 0; i < w->extended_count; i++)
		p->rq.extended[i] = w->extended[i];
	p->rq.context_count = w->context_count;
	p->rq.role_count = w->role_count;
	p->rq.extended_count = w->extended_count;
	p->rq.has_max_length = true;
	p->rq.max_length = w->max_length != 0 ? w->max_length : LIMIT_PDU_IN;
	p->rq.implementation_uid = STR(IMPLEMENTATION_CLASS_UID);
	p->rq.implementation_version = STR(IMPLEMENTATION_VERSION_NAME);
	if (w->async_invoked > 1) {
		p->rq.has_async = true;
		p->rq.async_invoked = w->async_invoked;
		p->rq.async_performed = 1;
	}
	return true;
}

static bool
send_request(struct assoc *a, const struct proposal *p, struct err *e)
{
	struct buf pdu;
	bool ok;

	buf_init(&pdu, LIMIT_ASSOCIATE_PDU);
	pdu_associate_build(&pdu, PDU_ASSOCIATE_RQ, &p->rq);
	if (pdu.over)
		ok = fail(e, ERR_LIMIT, "the association request is too long");
	else
		ok = assoc_send(a, &pdu, e);
	buf_fini(&pdu);
	return ok;
}

/* PS3.7 D.3.3.4: without an answer the defaults stand, an answer to what was
 * not proposed is ignored. */
static void
take_roles(struct assoc_context *kept, const struct pdu_associate *rq,
    const struct pdu_associate *ac)
{
	const struct pdu_role *asked = pdu_find_role(rq, kept->abstract);
	const struct pdu_role *got = pdu_find_role(ac, kept->abstract);

	kept->peer_scp = true;
	kept->peer_scu = false;
	if (asked == NULL || got == NULL)
		return;
	kept->peer_scp = asked->scu && got->scu;
	kept->peer_scu = asked->scp && got->scp;
}

static const struct pdu_extended *
find_extended(const struct pdu_associate *v, struct str sop_class)
{
	size_t i;

	for (i = 0; i < v->extended_count; i++)
		if (str_eq(v->extended[i].sop_class, sop_class))
			return &v->extended[i];
	return NULL;
}

/* PS3.7 D.3.3.5: likewise. */
static void
take_extended(struct assoc *a, struct assoc_context *kept,
    const struct pdu_associate *rq, const struct pdu_associate *ac)
{
	const struct pdu_extended *got = find_extended(ac, kept->abstract);

	if (got != NULL && find_extended(rq, kept->abstract) != NULL)
		kept->extended = arena_dup(&a->arena, got->info);
}

static void
take_answer(struct assoc *a, const struct pdu_context *rq,
    const struct pdu_associate *all, const struct pdu_associate *ac,
    struct assoc_context *kept)
{
	const struct pdu_context *got = NULL;
	char *text;
	size_t i;

	kept->id = rq->id;
	kept->result = CONTEXT_NO_REASON;
	text = arena_cstr(&a->arena, rq->abstract);
	if (text != NULL)
		kept->abstract = str_of(text, rq->abstract.n);
	for (i = 0; i < ac->context_count; i++)
		if (ac->contexts[i].id == rq->id)
			got = &ac->contexts[i];
	if (got == NULL)
		return;
	if (got->result != CONTEXT_ACCEPTED) {
		kept->result = got->result;
		return;
	}
	for (i = 0; i < rq->syntax_count && got->syntax_count > 0; i++) {
		if (!str_eq(rq->syntaxes[i], got->syntaxes[0]))
			continue;
		text = arena_cstr(&a->arena, rq->syntaxes[i]);
		if (text == NULL)
			return;
		kept->result = CONTEXT_ACCEPTED;
		kept->syntax = str_of(text, rq->syntaxes[i].n);
		kept->layout = syntax_of(kept->syntax);
		take_roles(kept, all, ac);
		take_extended(a, kept, all, ac);
		return;
	}
}

static bool
take_accept(struct assoc *a, struct proposal *p, struct str body, struct err *e)
{
	struct pdu_associate ac;
	size_t i;

	if (!pdu_associate_parse(&p->arena, PDU_ASSOCIATE_AC, body, &ac, e)) {
		a->state = UL_STA5;
		return assoc_violated(a, ABORT_INVALID_PARAMETER);
	}
	a->max_out = ac.has_max_length ? ac.max_length : 16 * KIB;
	if (a->max_out == 0 || a->max_out > LIMIT_PDU_OUT)
		a->max_out = LIMIT_PDU_OUT;
	if (a->max_out < LIMIT_PDU_OUT_MIN) {
		(void)fail(e, ERR_PROTOCOL,
		    "the peer takes PDUs of at most %lu bytes",
		    (unsigned long)a->max_out);
		return assoc_violated(a, ABORT_INVALID_PARAMETER);
	}
	if (ac.has_async && p->rq.has_async)
		a->async_invoked = ac.async_invoked;
	a->contexts =
	    arena_array(&a->arena, p->rq.context_count, sizeof(*a->contexts));
	if (a->contexts == NULL)
		return fail(e, ERR_LIMIT, "the answer is too complex");
	a->context_count = p->rq.context_count;
	for (i = 0; i < a->context_count; i++)
		take_answer(
		    a, &p->rq.contexts[i], &p->rq, &ac, &a->contexts[i]);
	a->peer_implementation_uid =
	    arena_dup(&a->arena, ac.implementation_uid);
	a->peer_implementation_version =
	    arena_dup(&a->arena, ac.implementation_version);
	if (a->arena.over)
		return fail(e, ERR_LIMIT, "the answer is too complex");
	return true;
}

static bool
read_accept(struct assoc *a, struct proposal *p, uint32_t length, struct err *e)
{
	struct buf body;
	struct str part;
	bool ok = true;

	if (length > LIMIT_ASSOCIATE_PDU) {
		(void)fail(e, ERR_PROTOCOL, "an A-ASSOCIATE-AC of %lu bytes",
		    (unsigned long)length);
		return assoc_violated(a, ABORT_INVALID_PARAMETER);
	}
	buf_init(&body, LIMIT_ASSOCIATE_PDU);
	while (ok && body.n < length) {
		ok = conn_take(a->conn, length - body.n, &part, e);
		if (ok)
			buf_add(&body, part);
	}
	if (ok)
		ok = take_accept(a, p, buf_str(&body), e);
	else
		ok = assoc_unread(a, e);
	buf_fini(&body);
	return ok;
}

static bool
no_answer(struct assoc *a, struct err *e)
{
	(void)assoc_unread(a, e);
	if (e->code == ERR_CLOSED && a->conn->tls == NULL)
		(void)fail(e, ERR_CLOSED,
		    "the peer closed the connection without an answer; it may "
		    "speak TLS on this port");
	else if (e->code == ERR_TIMEOUT)
		(void)fail(e, ERR_TIMEOUT,
		    "no answer to the association request came in time; is "
		    "this its DICOM port?");
	return false;
}

/* A TLS server answers a plain request with an alert; other programs as they
 * do. */
static bool
check_speech(struct assoc *a, struct err *e)
{
	uint8_t first[2];
	bool tls;

	if (!conn_peek(a->conn, first, sizeof(first), e))
		return no_answer(a, e);
	tls = first[0] >= 0x14 && first[0] <= 0x17 && first[1] == 3;
	if (!tls && first[0] >= PDU_ASSOCIATE_RQ && first[0] <= PDU_ABORT)
		return true;
	a->end = ASSOC_LOST;
	if (tls)
		return fail(
		    e, ERR_PROTOCOL, "the node speaks TLS on this port");
	if (first[0] == 'H' && first[1] == 'T')
		return fail(e, ERR_PROTOCOL,
		    "an HTTP server answers on this port, which is not that of "
		    "DICOM");
	return fail(
	    e, ERR_PROTOCOL, "what answers on this port does not speak DICOM");
}

static bool
read_answer(struct assoc *a, struct proposal *p, struct err *e)
{
	struct assoc_header h;

	if (!check_speech(a, e) || !assoc_read_header(a, &h, e))
		return false;
	switch (assoc_step(a, assoc_event(h.type))) {
	case UL_AE_3:
		return read_accept(a, p, h.length, e);
	case UL_AE_4:
		(void)pdu_reject_parse(
		    str_of(h.body, sizeof(h.body)), &a->reject, e);
		a->end = ASSOC_REJECTED;
		if (p->wanted->reject != NULL)
			*p->wanted->reject = a->reject;
		return fail(e, ERR_DENIED, "%s", pdu_reject_text(a->reject));
	case UL_AA_3:
		return assoc_aborted(a, h.body, e);
	default:
		(void)fail(e, ERR_PROTOCOL,
		    "a PDU of type %u in answer to the request",
		    (unsigned)h.type);
		return assoc_violated(a, assoc_event(h.type) == UL_EVT19
					     ? ABORT_UNRECOGNIZED_PDU
					     : ABORT_UNEXPECTED_PDU);
	}
}

/* Connected and, where asked for, in TLS; all before the deadline. */
static bool
open_conn(struct conn **out, const struct assoc_request *w, int64_t deadline_ms,
    struct err *e)
{
	if (!conn_open(out, w->host, w->port, w->timeout_ms, w->watch, e))
		return false;
	(*out)->progress_ms = w->timeout_ms;
	(*out)->hard_deadline_ms = deadline_ms;
	if (w->tls == NULL)
		return true;
	conn_secure(
	    *out, w->tls, w->host, w->tls_pin != NULL ? w->tls_pin : "");
	if (conn_handshake_wait(*out, e))
		return true;
	conn_free(out);
	return false;
}

static bool
negotiate(struct assoc **out, struct conn *c, struct proposal *p, struct err *e)
{
	struct assoc *a = assoc_new(c, true);

	memcpy(a->calling, p->rq.calling, sizeof(a->calling));
	memcpy(a->called, p->rq.called, sizeof(a->called));
	(void)assoc_step(a, UL_EVT1);
	(void)assoc_step(a, UL_EVT2);
	if (!send_request(a, p, e) || !read_answer(a, p, e)) {
		assoc_free(&a);
		return false;
	}
	c->hard_deadline_ms = 0;
	*out = a;
	return true;
}

bool
assoc_request(
    struct assoc **out, const struct assoc_request *wanted, struct err *e)
{
	struct proposal p = {.wanted = wanted};
	int64_t deadline_ms = clock_mono_ms() + wanted->timeout_ms;
	struct conn *c = NULL;
	bool ok;

	*out = NULL;
	arena_init(&p.arena, 2 * LIMIT_ASSOC_ARENA);
	ok = build_request(&p, e) && open_conn(&c, wanted, deadline_ms, e) &&
	     negotiate(out, c, &p, e);
	arena_fini(&p.arena);
	return ok;
}

bool
assoc_request_over(struct assoc **out, struct conn *c,
    const struct assoc_request *wanted, struct err *e)
{
	struct proposal p = {.wanted = wanted};
	bool ok;

	*out = NULL;
	c->progress_ms = wanted->timeout_ms;
	c->hard_deadline_ms = clock_mono_ms() + wanted->timeout_ms;
	arena_init(&p.arena, 2 * LIMIT_ASSOC_ARENA);
	ok = build_request(&p, e);
	if (ok)
		ok = negotiate(out, c, &p, e);
	else
		conn_free(&c);
	arena_fini(&p.arena);
	return ok;
}
