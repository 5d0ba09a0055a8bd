/*
 * Accepting an association: what came instead of a request (PS3.8 Table 9-10,
 * Sta2), the request itself, and the answer to every item of it (PS3.8 9.3.3,
 * Annex D; PS3.7 Annex D.3.3).
 *
 * The request and its answer lie in an arena of their own; the association
 * keeps copies of what is needed later, and of nothing else.
 */
#include "net/assoc.h"

#include "base/clock.h"
#include "base/rd.h"
#include "dicom/file.h"

#define UID_MAX 64

struct handshake {
	struct assoc *a;
	const struct assoc_policy *policy;
	void *ctx;
	struct arena arena;
	struct buf body;
	struct pdu_associate rq, ac;
	bool named;  /* the peer could be named */
	bool proven; /* and its user */
};

/* An HTTP or TLS client on the wrong port: say so instead of "unexpected PDU
 * of type 71". */
static bool
check_foreign(struct conn *c, struct err *e)
{
	static const char methods[][5] = {"GET ", "POST", "HEAD", "OPTI",
	    "PUT ", "DELE", "PATC", "CONN", "TRAC", "PRI "};
	uint8_t first[4];
	size_t i;

	if (!conn_peek(c, first, sizeof(first), e))
		return false;
	if (first[0] == 0x16 && first[1] == 0x03)
		return fail(e, ERR_PROTOCOL,
		    "a TLS hello came to the plain DICOM port");
	for (i = 0; i < ARRAY_LEN(methods); i++)
		if (memcmp(first, methods[i], 4) == 0)
			return fail(e, ERR_PROTOCOL,
			    "an HTTP request came to the DICOM port");
	return true;
}

/* Anything but an A-ASSOCIATE-RQ in Sta2. */
static bool
not_a_request(struct assoc *a, const struct assoc_header *h, struct err *e)
{
	if (assoc_step(a, assoc_event(h->type)) == UL_AA_2) {
		(void)assoc_aborted(a, h->body, e);
		return fail_in(e, "before any request");
	}
	(void)fail(e, ERR_PROTOCOL,
	    "a PDU of type %u instead of an A-ASSOCIATE-RQ", (unsigned)h->type);
	assoc_abort(a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	return false;
}

/* The whole PDU into h->body, growing by what arrives. */
static bool
read_request(struct handshake *h, struct err *e)
{
	struct assoc_header header;
	struct assoc *a = h->a;
	struct str part;

	if (!check_foreign(a->conn, e)) {
		if (e->code == ERR_PROTOCOL)
			a->end = ASSOC_LOST;
		return assoc_unread(a, e);
	}
	if (!assoc_read_header(a, &header, e))
		return false;
	if (header.type != PDU_ASSOCIATE_RQ)
		return not_a_request(a, &header, e);
	if (header.length > LIMIT_ASSOCIATE_PDU) {
		(void)fail(e, ERR_PROTOCOL, "an A-ASSOCIATE-RQ of %lu bytes",
		    (unsigned long)header.length);
		return assoc_violated(a, ABORT_INVALID_PARAMETER);
	}
	while (h->body.n < header.length) {
		if (!conn_take(a->conn, header.length - h->body.n, &part, e))
			return assoc_unread(a, e);
		buf_add(&h->body, part);
	}
	(void)assoc_step(a, UL_EVT6);
	return true;
}

/* AE-6 or AE-8: A-ASSOCIATE-RJ, then wait for the peer to close. Always
 * false. */
static bool
reject(struct handshake *h, struct pdu_reject r)
{
	struct err unsent;
	struct buf pdu;

	(void)assoc_step(h->a, UL_EVT8);
	h->a->reject = r;
	h->a->conn->hard_deadline_ms = clock_mono_ms() + ASSOC_CLOSE_MS;
	buf_init(&pdu, 64);
	pdu_reject_build(&pdu, r);
	if (assoc_send(h->a, &pdu, &unsent))
		conn_finish(h->a->conn, ASSOC_CLOSE_MS);
	buf_fini(&pdu);
	h->a->unsendable = true;
	h->a->end = ASSOC_REJECTED;
	return false;
}

static bool
too_much(struct handshake *h)
{
	return reject(
	    h, (struct pdu_reject){REJECT_PERMANENT, REJECT_BY_PRESENTATION,
		   REJECT_PRESENTATION_LIMIT});
}

static bool
parse_request(struct handshake *h, struct err *e)
{
	struct assoc *a = h->a;

	if (!pdu_associate_parse(
		&h->arena, PDU_ASSOCIATE_RQ, buf_str(&h->body), &h->rq, e)) {
		if (e->code == ERR_LIMIT)
			return too_much(h);
		/* It is the right PDU with a wrong content, which "service
		 * user, no reason" (AA-1) would hide from the peer. */
		return assoc_violated(a, ABORT_INVALID_PARAMETER);
	}
	memcpy(a->calling, h->rq.calling, sizeof(a->calling));
	memcpy(a->called, h->rq.called, sizeof(a->called));
	h->named = true;
	if (h->rq.implementation_uid.n <= UID_MAX)
		a->peer_implementation_uid =
		    arena_dup(&a->arena, h->rq.implementation_uid);
	if (h->rq.implementation_version.n <= UID_MAX)
		a->peer_implementation_version =
		    arena_dup(&a->arena, h->rq.implementation_version);
	return true;
}

/* What the provider itself refuses (PS3.8 7.1.1.9 and Table 9-21). */
static bool
check_request(struct handshake *h, struct err *e)
{
	const struct pdu_associate *rq = &h->rq;
	struct assoc *a = h->a;

	if ((rq->version & 1) == 0) {
		(void)fail(e, ERR_PROTOCOL,
		    "protocol version 1 is not among the peer's (%04x)",
		    (unsigned)rq->version);
		return reject(
		    h, (struct pdu_reject){REJECT_PERMANENT, REJECT_BY_ACSE,
			   REJECT_ACSE_PROTOCOL_VERSION});
	}
	if (!str_eq_text(rq->application, UID_DICOMApplicationContext)) {
		(void)fail(
		    e, ERR_PROTOCOL, "the application context is not DICOM's");
		return reject(
		    h, (struct pdu_reject){REJECT_PERMANENT, REJECT_BY_USER,
			   REJECT_USER_APPLICATION_CONTEXT});
	}
	/* Annex D.1 requires the item; without it the usual size is safe. */
	a->max_out = rq->has_max_length ? rq->max_length : 16 * KIB;
	if (a->max_out == 0 || a->max_out > LIMIT_PDU_OUT)
		a->max_out = LIMIT_PDU_OUT;
	if (a->max_out < LIMIT_PDU_OUT_MIN) {
		(void)fail(e, ERR_PROTOCOL,
		    "the peer takes PDUs of at most %lu bytes",
		    (unsigned long)a->max_out);
		return too_much(h);
	}
	return true;
}

static bool
admit(struct handshake *h, struct err *e)
{
	struct pdu_reject r = {
	    REJECT_PERMANENT, REJECT_BY_USER, REJECT_USER_NO_REASON};

	if (h->policy->admit == NULL ||
	    h->policy->admit(h->ctx, h->a->conn, &h->rq, &r, e))
		return true;
	return reject(h, r);
}

static bool
identify(struct handshake *h, struct err *e)
{
	struct pdu_reject r = {
	    REJECT_PERMANENT, REJECT_BY_ACSE, REJECT_ACSE_NO_REASON};

	if (h->policy->identify == NULL || h->rq.identity.type == 0 ||
	    h->policy->identify(
		h->ctx, h->a->conn, &h->rq.identity, &h->proven, &r, e))
		return true;
	return reject(h, r);
}

static struct str
find_extended(const struct pdu_associate *v, struct str sop_class)
{
	size_t i;

	for (i = 0; i < v->extended_count; i++)
		if (str_eq(v->extended[i].sop_class, sop_class))
			return v->extended[i].info;
	return STR("");
}

/* Ask the policy for one context; the index of the syntax, or -1. */
static int
choose(struct handshake *h, const struct pdu_context *rq,
    struct assoc_context *kept)
{
	const struct pdu_role *role = pdu_find_role(&h->rq, rq->abstract);
	struct str extended = find_extended(&h->rq, rq->abstract);
	bool may_scp = role != NULL && role->scp, asked = extended.n > 0;
	uint8_t result = CONTEXT_NO_REASON;
	int pick;

	kept->result = CONTEXT_ABSTRACT_SYNTAX;
	if (rq->abstract.n == 0 || rq->abstract.n > UID_MAX)
		return -1;
	kept->result = CONTEXT_TRANSFER_SYNTAXES;
	if (rq->syntax_count == 0)
		return -1;
	pick =
	    h->policy->choose(h->ctx, &h->rq, rq, &result, &may_scp, &extended);
	must(pick < (int)rq->syntax_count);
	if (pick >= 0 && rq->syntaxes[pick].n > UID_MAX)
		return -1;
	if (pick < 0) {
		kept->result =
		    result != CONTEXT_ACCEPTED ? result : CONTEXT_NO_REASON;
		return -1;
	}
	kept->result = CONTEXT_ACCEPTED;
	kept->peer_scu = role == NULL || role->scu;
	kept->peer_scp = role != NULL && role->scp && may_scp;
	if (asked)
		kept->extended = arena_dup(&h->a->arena, extended);
	return pick;
}

static struct str
keep_text(struct arena *arena, struct str s)
{
	char *text = arena_cstr(arena, s);

	return text != NULL ? str_of(text, s.n) : STR("");
}

static void
answer_context(struct handshake *h, size_t i)
{
	static const struct str fallback = {
	    (const uint8_t *)UID_ImplicitVRLittleEndian,
	    sizeof(UID_ImplicitVRLittleEndian) - 1};
	const struct pdu_context *rq = &h->rq.contexts[i];
	struct pdu_context *ac = &h->ac.contexts[i];
	struct assoc_context *kept = &h->a->contexts[i];
	int pick = choose(h, rq, kept);

	kept->id = ac->id = rq->id;
	ac->result = kept->result;
	if (rq->abstract.n <= UID_MAX)
		kept->abstract = keep_text(&h->a->arena, rq->abstract);
	ac->syntax_count = 1;
	ac->syntaxes = arena_array(&h->arena, 1, sizeof(*ac->syntaxes));
	if (ac->syntaxes == NULL)
		return;
	ac->syntaxes[0] = fallback;
	if (pick < 0)
		return;
	ac->syntaxes[0] = rq->syntaxes[pick];
	kept->syntax = keep_text(&h->a->arena, rq->syntaxes[pick]);
	kept->layout = syntax_of(kept->syntax);
}

static bool
answer_contexts(struct handshake *h)
{
	size_t n = h->rq.context_count, i;

	h->ac.contexts = arena_array(&h->arena, n, sizeof(*h->ac.contexts));
	h->a->contexts = arena_array(&h->a->arena, n, sizeof(*h->a->contexts));
	if (h->ac.contexts == NULL || h->a->contexts == NULL)
		return false;
	h->ac.context_count = h->a->context_count = n;
	for (i = 0; i < n; i++)
		answer_context(h, i);
	return !h->arena.over && !h->a->arena.over;
}

/* PS3.7 D.3.3.4: an answer for each class that was asked for and is accepted
 * in some context; never a role that was not proposed. */
static bool
answer_roles(struct handshake *h)
{
	const struct pdu_associate *rq = &h->rq;
	const struct assoc_context *kept;
	struct pdu_role *role;
	size_t i, j;
	bool accepted, scp;

	h->ac.roles =
	    arena_array(&h->arena, rq->role_count, sizeof(*h->ac.roles));
	if (h->ac.roles == NULL)
		return false;
	for (i = 0; i < rq->role_count; i++) {
		if (pdu_find_role(rq, rq->roles[i].sop_class) != &rq->roles[i])
			continue;
		accepted = scp = false;
		for (j = 0; j < h->a->context_count; j++) {
			kept = &h->a->contexts[j];
			if (kept->result != CONTEXT_ACCEPTED ||
			    !str_eq(kept->abstract, rq->roles[i].sop_class))
				continue;
			accepted = true;
			scp = scp || kept->peer_scp;
		}
		if (!accepted)
			continue;
		role = &h->ac.roles[h->ac.role_count++];
		*role = rq->roles[i];
		role->scp = scp;
	}
	return true;
}

/* PS3.7 D.3.3.5: one answer a class, only where there was a proposal. */
static bool
answer_extended(struct handshake *h)
{
	const struct assoc_context *kept;
	struct pdu_extended *out;
	size_t i;

	h->ac.extended = arena_array(
	    &h->arena, h->a->context_count, sizeof(*h->ac.extended));
	if (h->ac.extended == NULL)
		return false;
	for (i = 0; i < h->a->context_count; i++) {
		kept = &h->a->contexts[i];
		if (kept->extended.n == 0 ||
		    find_extended(&h->ac, kept->abstract).n > 0)
			continue;
		out = &h->ac.extended[h->ac.extended_count++];
		out->sop_class = kept->abstract;
		out->info = kept->extended;
	}
	return true;
}

/* The lesser of two windows, in which 0 is no limit. */
static uint16_t
lesser(uint16_t asked, uint16_t granted)
{
	return asked == 0 || granted < asked ? granted : asked;
}

static void
answer_rest(struct handshake *h)
{
	uint16_t granted = h->policy->async_performed;
	struct assoc *a = h->a;

	h->ac.version = 1;
	h->ac.titles = h->rq.titles;
	h->ac.application = h->rq.application;
	h->ac.has_max_length = true;
	h->ac.max_length =
	    h->policy->max_length != 0 ? h->policy->max_length : LIMIT_PDU_IN;
	h->ac.implementation_uid = STR(IMPLEMENTATION_CLASS_UID);
	h->ac.implementation_version = STR(IMPLEMENTATION_VERSION_NAME);
	if (h->rq.has_async) {
		h->ac.has_async = true;
		h->ac.async_invoked =
		    lesser(h->rq.async_invoked, granted > 0 ? granted : 1);
		h->ac.async_performed = lesser(h->rq.async_performed, 1);
		a->async_performed = h->ac.async_invoked;
	}
	/* Only of who is certain. Tickets (type 3 and above) would need an
	 * answer that we do not have. */
	if (h->proven && h->rq.identity.response_requested)
		h->ac.identity.answered = true;
}

static bool
accept_request(struct handshake *h, struct err *e)
{
	struct buf pdu;
	bool ok;

	if (!answer_contexts(h) || !answer_roles(h) || !answer_extended(h)) {
		(void)fail(e, ERR_LIMIT, "the request is too complex");
		return too_much(h);
	}
	answer_rest(h);
	buf_init(&pdu, 2 * LIMIT_ASSOCIATE_PDU);
	pdu_associate_build(&pdu, PDU_ASSOCIATE_AC, &h->ac);
	if (pdu.over) {
		buf_fini(&pdu);
		(void)fail(e, ERR_LIMIT, "the answer would be too long");
		return too_much(h);
	}
	(void)assoc_step(h->a, UL_EVT7);
	ok = assoc_send(h->a, &pdu, e);
	buf_fini(&pdu);
	return ok;
}

bool
assoc_accept(struct assoc **out, struct conn *c,
    const struct assoc_policy *policy, void *ctx, struct err *e)
{
	struct handshake h = {.policy = policy, .ctx = ctx};
	bool ok;

	*out = NULL;
	h.a = assoc_new(c, false);
	arena_init(&h.arena, 2 * LIMIT_ASSOC_ARENA);
	buf_init(&h.body, LIMIT_ASSOCIATE_PDU);
	conn_message_end(c);
	c->hard_deadline_ms = clock_mono_ms() + WAIT_ARTIM_MS;
	(void)assoc_step(h.a, UL_EVT5);
	ok = read_request(&h, e) && parse_request(&h, e) &&
	     check_request(&h, e) && admit(&h, e) && identify(&h, e) &&
	     accept_request(&h, e);
	arena_fini(&h.arena);
	buf_fini(&h.body);
	if (ok)
		c->hard_deadline_ms = 0;
	if (ok || h.named)
		*out = h.a;
	else
		assoc_free(&h.a);
	return ok;
}
