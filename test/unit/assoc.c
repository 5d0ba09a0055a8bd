/*
 * Associations: negotiation item by item, every way they begin and end. The
 * peer is a bare socket that says what the test wants; both sides at once meet
 * over the loopback.
 */
#include "net/assoc.h"

#include "base/clock.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#define CT  "1.2.840.10008.5.1.4.1.1.2"
#define MR  "1.2.840.10008.5.1.4.1.1.4"
#define NOT "1.2.3.4.5.6"
#define LE  "1.2.840.10008.1.2"
#define ELE "1.2.840.10008.1.2.1"

static struct str syntaxes[] = {
    {(const uint8_t *)LE, sizeof(LE) - 1},
    {(const uint8_t *)ELE, sizeof(ELE) - 1},
};

/* Takes everything but NOT, with the last syntax; CT may be SCP. */
static int
choose(void *ctx, const struct pdu_associate *rq,
    const struct pdu_context *context, uint8_t *result, bool *may_scp,
    struct str *extended)
{
	(void)ctx;
	(void)rq;
	if (str_eq_text(context->abstract, NOT)) {
		*result = CONTEXT_ABSTRACT_SYNTAX;
		return -1;
	}
	if (!str_eq_text(context->abstract, CT))
		*may_scp = false;
	if (extended->n > 0)
		*extended = STR("\1");
	return (int)context->syntax_count - 1;
}

static bool
admit(void *ctx, const struct conn *c, const struct pdu_associate *rq,
    struct pdu_reject *reject, struct err *e)
{
	(void)ctx;
	(void)c;
	if (strcmp(rq->called, "NOBODY") != 0)
		return true;
	reject->reason = REJECT_USER_CALLED_AE;
	return fail(e, ERR_DENIED, "no such AE title: %s", rq->called);
}

/* "doctor" is who he says; "thief" is not. */
static bool
identify(void *ctx, const struct conn *c, const struct pdu_user_identity *user,
    bool *proven, struct pdu_reject *reject, struct err *e)
{
	(void)ctx;
	(void)c;
	(void)reject;
	*proven = str_eq_text(user->primary, "doctor");
	if (str_eq_text(user->primary, "thief"))
		return fail(e, ERR_DENIED, "no such user");
	return true;
}

static const struct assoc_policy policy = {.admit = admit,
    .identify = identify,
    .choose = choose,
    .async_performed = 8};

static struct pdu_context default_contexts[3];

static struct pdu_associate
request(void)
{
	struct pdu_associate v = {.version = 1,
	    .called = "FILEROOM",
	    .calling = "MODALITY",
	    .application = STR(UID_DICOMApplicationContext),
	    .contexts = default_contexts,
	    .context_count = 3,
	    .has_max_length = true,
	    .max_length = 16384,
	    .implementation_uid = STR("1.2.3"),
	    .implementation_version = STR("PEER_1")};
	static const char *const classes[] = {CT, NOT, MR};
	size_t i;

	for (i = 0; i < 3; i++)
		default_contexts[i] =
		    (struct pdu_context){.id = (uint8_t)(2 * i + 1),
			.abstract = str_from(classes[i]),
			.syntaxes = syntaxes,
			.syntax_count = 2};
	return v;
}

/* One side as the test sees it: what was said, and the bare other end. */
struct side {
	struct assoc *assoc;
	struct err e;
	bool ok;
	int fd;
	uint8_t answer[4096];
	size_t n;
};

/* What the other end got, up to the end of the stream or what is there. */
static void
hear(struct side *s)
{
	ssize_t n;

	while ((n = recv(s->fd, s->answer + s->n, sizeof(s->answer) - s->n,
		    MSG_DONTWAIT)) > 0)
		s->n += (size_t)n;
}

static void
accept_bytes(struct side *s, struct str bytes, bool hang_up)
{
	int fds[2];

	memset(s, 0, sizeof(*s));
	if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0))
		return;
	s->fd = fds[1];
	CHECK(write(fds[1], bytes.p, bytes.n) == (ssize_t)bytes.n);
	if (hang_up)
		CHECK(shutdown(fds[1], SHUT_WR) == 0);
	s->ok = assoc_accept(&s->assoc, conn_new(fds[0]), &policy, NULL, &s->e);
	hear(s);
}

static void
accept_request(struct side *s, const struct pdu_associate *rq, bool hang_up)
{
	struct buf b;

	buf_init(&b, 2 * LIMIT_ASSOCIATE_PDU);
	pdu_associate_build(&b, PDU_ASSOCIATE_RQ, rq);
	CHECK(!b.over);
	accept_bytes(s, buf_str(&b), hang_up);
	buf_fini(&b);
}

static void
end(struct side *s)
{
	assoc_free(&s->assoc);
	close(s->fd);
}

/* The answer is one PDU of ten bytes. */
static void
check_short(const struct side *s, size_t at, int type, int b7, int b8, int b9)
{
	if (!CHECK_EQ(s->n, at + 10))
		return;
	CHECK_EQ(s->answer[at], type);
	CHECK_EQ(s->answer[at + 5], 4);
	CHECK_EQ(s->answer[at + 7], b7);
	CHECK_EQ(s->answer[at + 8], b8);
	CHECK_EQ(s->answer[at + 9], b9);
}

static bool
parse_answer(const struct side *s, struct arena *a, struct pdu_associate *ac)
{
	struct err e;

	arena_init(a, LIMIT_ASSOC_ARENA);
	return CHECK(s->n > PDU_HEADER) && CHECK_EQ(s->answer[0], 2) &&
	       CHECK(pdu_associate_parse(a, PDU_ASSOCIATE_AC,
		   str_of(s->answer + PDU_HEADER, s->n - PDU_HEADER), ac, &e));
}

static void
check_kept(const struct assoc *a)
{
	CHECK_EQ(a->state, UL_STA6);
	CHECK_EQ(a->end, ASSOC_OPEN);
	CHECK_STR(str_from(a->calling), "MODALITY");
	CHECK_EQ(a->max_out, 16384);
	CHECK_EQ(a->async_performed, 5);
	CHECK_STR(a->peer_implementation_version, "PEER_1");
	CHECK(assoc_context(a, 1) != NULL);
	CHECK(assoc_context(a, 3) == NULL);
	CHECK(assoc_context(a, 7) == NULL);
	CHECK(assoc_context(a, 1)->peer_scp);
	CHECK(!assoc_context(a, 5)->peer_scp);
	CHECK(assoc_context(a, 5)->peer_scu);
	CHECK(assoc_context(a, 5)->layout.explicit_vr);
	CHECK(assoc_find_context(a, STR(MR), STR(ELE)) == assoc_context(a, 5));
	CHECK(assoc_find_context(a, STR(MR), STR("")) == assoc_context(a, 5));
	CHECK(assoc_find_context(a, STR(MR), STR(LE)) == NULL);
	CHECK(assoc_find_context(a, STR(NOT), STR("")) == NULL);
}

TEST(accepts_with_an_answer_to_every_item)
{
	struct pdu_role roles[] = {{STR(CT), true, true}, {STR(MR), true, true},
	    {STR(NOT), true, true}, {STR("1.9.9"), true, true}};
	struct pdu_extended extended[] = {
	    {STR(CT), STR("\1\1\1")}, {STR(NOT), STR("\1")}};
	struct pdu_associate rq = request(), ac;
	struct arena arena;
	struct side s;

	rq.roles = roles;
	rq.role_count = 4;
	rq.extended = extended;
	rq.extended_count = 2;
	rq.has_async = true;
	rq.async_invoked = 5;
	rq.identity = (struct pdu_user_identity){
	    .type = 1, .response_requested = true, .primary = STR("doctor")};
	accept_request(&s, &rq, false);
	if (!CHECK(s.ok) || !parse_answer(&s, &arena, &ac))
		return;
	CHECK_EQ(ac.version, 1);
	CHECK_STR(str_from(ac.called), "FILEROOM");
	CHECK_EQ(ac.context_count, 3);
	CHECK_EQ(ac.contexts[0].result, CONTEXT_ACCEPTED);
	CHECK_STR(ac.contexts[0].syntaxes[0], ELE);
	CHECK_EQ(ac.contexts[1].result, CONTEXT_ABSTRACT_SYNTAX);
	CHECK_EQ(ac.contexts[1].syntax_count, 1);
	CHECK_EQ(ac.contexts[2].result, CONTEXT_ACCEPTED);
	CHECK_EQ(ac.contexts[2].id, 5);
	CHECK_EQ(ac.max_length, LIMIT_PDU_IN);
	CHECK(ac.implementation_uid.n > 0 && ac.implementation_version.n > 0);
	CHECK_EQ(ac.role_count, 2);
	CHECK(ac.roles[0].scu && ac.roles[0].scp);
	CHECK(ac.roles[1].scu && !ac.roles[1].scp);
	CHECK_EQ(ac.extended_count, 1);
	CHECK_STR(ac.extended[0].sop_class, CT);
	CHECK_STR(ac.extended[0].info, "\1");
	CHECK(ac.has_async);
	CHECK_EQ(ac.async_invoked, 5);
	CHECK_EQ(ac.async_performed, 1);
	CHECK(ac.identity.answered);
	CHECK_EQ(ac.identity.answer.n, 0);
	check_kept(s.assoc);
	arena_fini(&arena);
	end(&s);
}

TEST(does_not_answer_what_was_not_asked)
{
	struct pdu_associate rq = request(), ac;
	struct arena arena;
	struct side s;

	accept_request(&s, &rq, false);
	if (!CHECK(s.ok) || !parse_answer(&s, &arena, &ac))
		return;
	CHECK_EQ(ac.role_count, 0);
	CHECK_EQ(ac.extended_count, 0);
	CHECK(!ac.has_async && !ac.identity.answered);
	CHECK(!assoc_context(s.assoc, 1)->peer_scp);
	arena_fini(&arena);
	end(&s);
	/* Who is not certain is not answered, and who does not ask neither. */
	rq.identity = (struct pdu_user_identity){
	    .type = 3, .response_requested = true, .primary = STR("t")};
	accept_request(&s, &rq, false);
	if (!CHECK(s.ok) || !parse_answer(&s, &arena, &ac))
		return;
	CHECK(!ac.identity.answered);
	arena_fini(&arena);
	end(&s);
	rq.identity =
	    (struct pdu_user_identity){.type = 2, .primary = STR("doctor")};
	accept_request(&s, &rq, false);
	if (!CHECK(s.ok) || !parse_answer(&s, &arena, &ac))
		return;
	CHECK(!ac.identity.answered);
	arena_fini(&arena);
	end(&s);
}

TEST(limits_of_the_peer)
{
	struct pdu_associate rq = request();
	struct side s;

	rq.max_length = 0;
	accept_request(&s, &rq, false);
	CHECK(s.ok);
	CHECK_EQ(s.assoc->max_out, LIMIT_PDU_OUT);
	end(&s);
	rq.max_length = 0xffffffff;
	accept_request(&s, &rq, false);
	CHECK_EQ(s.assoc->max_out, LIMIT_PDU_OUT);
	end(&s);
	rq.max_length = LIMIT_PDU_OUT_MIN;
	accept_request(&s, &rq, false);
	CHECK(s.ok);
	CHECK_EQ(s.assoc->max_out, LIMIT_PDU_OUT_MIN);
	end(&s);
	rq.max_length = LIMIT_PDU_OUT_MIN - 1;
	accept_request(&s, &rq, true);
	CHECK(!s.ok);
	check_short(&s, 0, PDU_ASSOCIATE_RJ, REJECT_PERMANENT,
	    REJECT_BY_PRESENTATION, REJECT_PRESENTATION_LIMIT);
	end(&s);
	rq.has_max_length = false;
	accept_request(&s, &rq, false);
	CHECK_EQ(s.assoc->max_out, 16384);
	end(&s);
}

TEST(rejects)
{
	struct pdu_associate rq = request();
	struct side s;

	rq.version = 2;
	accept_request(&s, &rq, true);
	CHECK(!s.ok);
	check_short(&s, 0, PDU_ASSOCIATE_RJ, REJECT_PERMANENT, REJECT_BY_ACSE,
	    REJECT_ACSE_PROTOCOL_VERSION);
	end(&s);
	/* Other versions beside ours do not matter. */
	rq.version = 0xffff;
	accept_request(&s, &rq, false);
	CHECK(s.ok);
	end(&s);
	rq = request();
	rq.application = STR("1.2.840.10008.3.1.1.2");
	accept_request(&s, &rq, true);
	CHECK(!s.ok);
	check_short(&s, 0, PDU_ASSOCIATE_RJ, REJECT_PERMANENT, REJECT_BY_USER,
	    REJECT_USER_APPLICATION_CONTEXT);
	end(&s);
	rq = request();
	memcpy(rq.called, "NOBODY", 7);
	accept_request(&s, &rq, true);
	CHECK(!s.ok);
	CHECK_EQ(s.e.code, ERR_DENIED);
	check_short(&s, 0, PDU_ASSOCIATE_RJ, REJECT_PERMANENT, REJECT_BY_USER,
	    REJECT_USER_CALLED_AE);
	if (CHECK(s.assoc != NULL)) {
		CHECK_EQ(s.assoc->end, ASSOC_REJECTED);
		CHECK_EQ(s.assoc->reject.reason, REJECT_USER_CALLED_AE);
		CHECK_STR(str_from(s.assoc->calling), "MODALITY");
	}
	end(&s);
	rq = request();
	rq.identity = (struct pdu_user_identity){
	    .type = 2, .primary = STR("thief"), .secondary = STR("x")};
	accept_request(&s, &rq, true);
	CHECK(!s.ok);
	check_short(&s, 0, PDU_ASSOCIATE_RJ, REJECT_PERMANENT, REJECT_BY_ACSE,
	    REJECT_ACSE_NO_REASON);
	end(&s);
}

static void
not_dicom(struct str bytes, const char *word)
{
	struct side s;

	accept_bytes(&s, bytes, false);
	CHECK(!s.ok);
	CHECK_EQ(s.e.code, ERR_PROTOCOL);
	CHECK(strstr(s.e.text, word) != NULL);
	CHECK(s.assoc == NULL);
	CHECK_EQ(s.n, 0);
	/* Closed at once. */
	CHECK_EQ(recv(s.fd, s.answer, 1, MSG_DONTWAIT), 0);
	end(&s);
}

TEST(knows_strangers)
{
	not_dicom(STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "an HTTP request");
	not_dicom(STR("POST /x HTTP/1.1\r\n"), "an HTTP request");
	not_dicom(STR("OPTIONS * HTTP/1.1\r\n"), "an HTTP request");
	not_dicom(STR("\x16\x03\x01\x02\x00\x01\x00"), "a TLS hello");
}

TEST(aborts_what_is_no_request)
{
	struct side s;

	/* Table 9-10, Sta2: AA-1. */
	accept_bytes(&s, STR("\4\0\0\0\0\6\0\0\0\2\1\3"), true);
	CHECK(!s.ok);
	CHECK_EQ(s.e.code, ERR_PROTOCOL);
	check_short(&s, 0, PDU_ABORT, 0, ABORT_BY_USER, 0);
	end(&s);
	accept_bytes(&s, STR("\x63\0\0\0\0\0"), true);
	check_short(&s, 0, PDU_ABORT, 0, ABORT_BY_USER, 0);
	end(&s);
	accept_bytes(&s, STR("\5\0\0\0\0\4\0\0\0\0"), true);
	check_short(&s, 0, PDU_ABORT, 0, ABORT_BY_USER, 0);
	end(&s);
	/* AA-2. */
	accept_bytes(&s, STR("\7\0\0\0\0\4\0\0\0\0"), true);
	CHECK_EQ(s.e.code, ERR_CLOSED);
	CHECK_EQ(s.n, 0);
	end(&s);
	/* A length beyond reason is refused before any of it is read. */
	accept_bytes(&s, STR("\1\0\x7f\xff\xff\xff"), true);
	CHECK_EQ(s.e.code, ERR_PROTOCOL);
	check_short(
	    &s, 0, PDU_ABORT, 0, ABORT_BY_PROVIDER, ABORT_INVALID_PARAMETER);
	end(&s);
	accept_bytes(&s, STR("\1\0\0\0\0\4\0\1\0\0"), true);
	CHECK_EQ(s.e.code, ERR_MALFORMED);
	check_short(
	    &s, 0, PDU_ABORT, 0, ABORT_BY_PROVIDER, ABORT_INVALID_PARAMETER);
	end(&s);
	accept_bytes(&s, STR(""), true);
	CHECK_EQ(s.e.code, ERR_CLOSED);
	CHECK_EQ(s.n, 0);
	end(&s);
}

TEST(bad_ids_are_aborted)
{
	struct pdu_associate rq = request();
	struct side s;

	default_contexts[2].id = 1;
	accept_request(&s, &rq, true);
	CHECK(!s.ok);
	check_short(
	    &s, 0, PDU_ABORT, 0, ABORT_BY_PROVIDER, ABORT_INVALID_PARAMETER);
	end(&s);
}

/* Strange contexts are refused one by one, the others stand. */
TEST(strange_contexts_are_refused_alone)
{
	char longer[80] = "";
	struct str long_syntax = str_of(longer, sizeof(longer));
	struct pdu_associate rq = request(), ac;
	struct arena arena;
	struct side s;

	memset(longer, '1', sizeof(longer));
	default_contexts[0].syntax_count = 0;
	default_contexts[1].abstract = long_syntax;
	default_contexts[2].syntaxes = &long_syntax;
	default_contexts[2].syntax_count = 1;
	accept_request(&s, &rq, false);
	if (!CHECK(s.ok) || !parse_answer(&s, &arena, &ac))
		return;
	CHECK_EQ(ac.contexts[0].result, CONTEXT_TRANSFER_SYNTAXES);
	CHECK_EQ(ac.contexts[1].result, CONTEXT_ABSTRACT_SYNTAX);
	CHECK_EQ(ac.contexts[2].result, CONTEXT_TRANSFER_SYNTAXES);
	arena_fini(&arena);
	end(&s);
}

TEST(every_cut_of_a_request)
{
	struct pdu_associate rq = request();
	struct side s;
	struct buf b;
	size_t n;

	buf_init(&b, LIMIT_ASSOCIATE_PDU);
	pdu_associate_build(&b, PDU_ASSOCIATE_RQ, &rq);
	for (n = 0; n < b.n; n++) {
		accept_bytes(&s, str_of(b.p, n), true);
		CHECK(!s.ok);
		CHECK(s.assoc == NULL);
		CHECK_EQ(s.e.code, ERR_CLOSED);
		CHECK_EQ(s.n, 0);
		end(&s);
	}
	buf_fini(&b);
}

struct drip {
	int fd;
	struct str bytes;
};

static void
drip(void *arg)
{
	struct drip *d = arg;
	size_t i;

	for (i = 0; i < d->bytes.n; i++)
		CHECK(write(d->fd, d->bytes.p + i, 1) == 1);
}

TEST(byte_by_byte)
{
	struct pdu_associate rq = request();
	struct assoc *a;
	struct thread t;
	struct drip d;
	struct err e;
	struct buf b;
	int fds[2];

	buf_init(&b, LIMIT_ASSOCIATE_PDU);
	pdu_associate_build(&b, PDU_ASSOCIATE_RQ, &rq);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	d.fd = fds[1];
	d.bytes = buf_str(&b);
	CHECK(thread_start(&t, "drip", drip, &d));
	CHECK(assoc_accept(&a, conn_new(fds[0]), &policy, NULL, &e));
	thread_join(&t);
	assoc_free(&a);
	close(fds[1]);
	buf_fini(&b);
}

TEST(costs_little_when_idle)
{
	struct pdu_associate rq = request();
	struct side s;

	accept_request(&s, &rq, false);
	if (!CHECK(s.ok))
		return;
	assoc_idle(s.assoc);
	CHECK(s.assoc->conn->in == NULL);
	CHECK(s.assoc->command.p == NULL && s.assoc->out.p == NULL);
	CHECK(sizeof(*s.assoc) < 1024);
	CHECK(s.assoc->arena.used < 2048);
	end(&s);
}

/* An open association with the bare other end, its answer already heard. */
static bool
open_side(struct side *s)
{
	struct pdu_associate rq = request();

	accept_request(s, &rq, false);
	s->n = 0;
	return CHECK(s->ok);
}

static void
tell(struct side *s, struct str bytes)
{
	CHECK(write(s->fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
}

TEST(peer_releases)
{
	uint32_t length;
	struct side s;

	if (!open_side(&s))
		return;
	tell(&s, STR("\5\0\0\0\0\4\0\0\0\0"));
	CHECK(!assoc_next_data(s.assoc, &length, &s.e));
	CHECK_EQ(s.e.code, ERR_CLOSED);
	CHECK_EQ(s.assoc->end, ASSOC_RELEASED);
	CHECK_EQ(s.assoc->state, UL_STA13);
	/* Later calls say the same, and nothing more is sent. */
	CHECK(!assoc_next_data(s.assoc, &length, &s.e));
	CHECK_EQ(s.e.code, ERR_CLOSED);
	CHECK(!assoc_release(s.assoc, &s.e));
	assoc_abort(s.assoc, ABORT_BY_USER, 0);
	hear(&s);
	check_short(&s, 0, PDU_RELEASE_RP, 0, 0, 0);
	end(&s);
}

TEST(peer_aborts)
{
	uint32_t length;
	struct side s;

	if (!open_side(&s))
		return;
	tell(&s, STR("\7\0\0\0\0\4\0\0\2\6"));
	CHECK(!assoc_next_data(s.assoc, &length, &s.e));
	CHECK_EQ(s.e.code, ERR_CLOSED);
	CHECK(strstr(s.e.text, "invalid PDU parameter") != NULL);
	CHECK_EQ(s.assoc->end, ASSOC_ABORTED_BY_PEER);
	hear(&s);
	CHECK_EQ(s.n, 0);
	end(&s);
}

TEST(peer_goes)
{
	uint32_t length;
	struct side s;

	if (!open_side(&s))
		return;
	CHECK(shutdown(s.fd, SHUT_WR) == 0);
	CHECK(!assoc_next_data(s.assoc, &length, &s.e));
	CHECK_EQ(s.e.code, ERR_CLOSED);
	CHECK_EQ(s.assoc->end, ASSOC_LOST);
	end(&s);
}

TEST(peer_is_silent)
{
	uint32_t length;
	struct side s;

	if (!open_side(&s))
		return;
	s.assoc->conn->progress_ms = 20;
	tell(&s, STR("\4\0\0"));
	CHECK(!assoc_next_data(s.assoc, &length, &s.e));
	CHECK_EQ(s.e.code, ERR_TIMEOUT);
	CHECK_EQ(s.assoc->end, ASSOC_LOST);
	hear(&s);
	check_short(&s, 0, PDU_ABORT, 0, ABORT_BY_PROVIDER, 0);
	end(&s);
}

static void
is_unforeseen(struct str pdu, int reason)
{
	uint32_t length;
	struct side s;

	if (!open_side(&s))
		return;
	tell(&s, pdu);
	CHECK(shutdown(s.fd, SHUT_WR) == 0);
	CHECK(!assoc_next_data(s.assoc, &length, &s.e));
	CHECK_EQ(s.e.code, ERR_PROTOCOL);
	CHECK_EQ(s.assoc->end, ASSOC_ABORTED_BY_US);
	CHECK_EQ(s.assoc->state, UL_STA13);
	hear(&s);
	check_short(&s, 0, PDU_ABORT, 0, ABORT_BY_PROVIDER, reason);
	end(&s);
}

TEST(the_unforeseen_is_aborted)
{
	is_unforeseen(STR("\1\0\0\0\0\4\0\0\0\0"), ABORT_UNEXPECTED_PDU);
	is_unforeseen(STR("\2\0\0\0\0\4\0\0\0\0"), ABORT_UNEXPECTED_PDU);
	is_unforeseen(STR("\3\0\0\0\0\4\0\0\0\0"), ABORT_UNEXPECTED_PDU);
	is_unforeseen(STR("\6\0\0\0\0\4\0\0\0\0"), ABORT_UNEXPECTED_PDU);
	is_unforeseen(STR("\0\0\0\0\0\0"), ABORT_UNRECOGNIZED_PDU);
	is_unforeseen(STR("\x0a\0\0\0\0\0"), ABORT_UNRECOGNIZED_PDU);
	is_unforeseen(STR("\5\0\0\0\0\5\0\0\0\0\0"), ABORT_UNRECOGNIZED_PDU);
}

TEST(we_release)
{
	struct side s;

	if (!open_side(&s))
		return;
	/* Data on its way is dropped (Sta7, AR-6). */
	tell(&s, STR("\4\0\0\0\0\7\0\0\0\3\1\0x"));
	tell(&s, STR("\6\0\0\0\0\4\0\0\0\0"));
	CHECK(assoc_release(s.assoc, &s.e));
	CHECK_EQ(s.assoc->end, ASSOC_RELEASED);
	hear(&s);
	check_short(&s, 0, PDU_RELEASE_RQ, 0, 0, 0);
	end(&s);
}

TEST(release_collision_as_acceptor)
{
	struct side s;

	if (!open_side(&s))
		return;
	tell(&s, STR("\5\0\0\0\0\4\0\0\0\0\6\0\0\0\0\4\0\0\0\0"));
	CHECK(assoc_release(s.assoc, &s.e));
	CHECK_EQ(s.assoc->end, ASSOC_RELEASED);
	CHECK_EQ(s.assoc->state, UL_STA13);
	hear(&s);
	if (CHECK_EQ(s.n, 20))
		CHECK_EQ(s.answer[0], PDU_RELEASE_RQ);
	check_short(&s, 10, PDU_RELEASE_RP, 0, 0, 0);
	end(&s);
}

TEST(release_collision_as_requestor)
{
	struct side s;

	if (!open_side(&s))
		return;
	s.assoc->requestor = true;
	tell(&s, STR("\5\0\0\0\0\4\0\0\0\0\6\0\0\0\0\4\0\0\0\0"));
	CHECK(assoc_release(s.assoc, &s.e));
	CHECK_EQ(s.assoc->end, ASSOC_RELEASED);
	CHECK_EQ(s.assoc->state, UL_STA1);
	hear(&s);
	check_short(&s, 10, PDU_RELEASE_RP, 0, 0, 0);
	end(&s);
}

TEST(release_answered_wrongly)
{
	struct side s;

	if (!open_side(&s))
		return;
	tell(&s, STR("\5\0\0\0\0\4\0\0\0\0\5\0\0\0\0\4\0\0\0\0"));
	CHECK(shutdown(s.fd, SHUT_WR) == 0);
	CHECK(!assoc_release(s.assoc, &s.e));
	CHECK_EQ(s.e.code, ERR_PROTOCOL);
	hear(&s);
	check_short(
	    &s, 10, PDU_ABORT, 0, ABORT_BY_PROVIDER, ABORT_UNEXPECTED_PDU);
	end(&s);
	if (!open_side(&s))
		return;
	tell(&s, STR("\7\0\0\0\0\4\0\0\0\0"));
	CHECK(!assoc_release(s.assoc, &s.e));
	CHECK_EQ(s.assoc->end, ASSOC_ABORTED_BY_PEER);
	end(&s);
}

TEST(we_abort)
{
	struct side s;

	if (!open_side(&s))
		return;
	assoc_abort(s.assoc, ABORT_BY_PROVIDER, ABORT_NOT_SPECIFIED);
	CHECK_EQ(s.assoc->end, ASSOC_ABORTED_BY_US);
	hear(&s);
	check_short(&s, 0, PDU_ABORT, 0, ABORT_BY_PROVIDER, 0);
	end(&s);
	/* What is freed while open is aborted, too. */
	if (!open_side(&s))
		return;
	assoc_free(&s.assoc);
	hear(&s);
	check_short(&s, 0, PDU_ABORT, 0, ABORT_BY_USER, 0);
	end(&s);
}

/* A server that accepts one connection and says bytes, or accepts properly. */
struct server {
	int fd;
	uint16_t port;
	struct str bytes; /* empty: a real association */
	bool silent;
	atomic_bool over; /* what was to be seen */
	struct assoc *assoc;
	struct thread thread;
};

static void
serve_one(void *arg)
{
	struct server *s = arg;
	uint8_t heard[4096];
	struct err e;
	int fd = accept(s->fd, NULL, NULL);

	if (s->bytes.n == 0 && !s->silent) {
		CHECK(assoc_accept(&s->assoc, conn_new(fd), &policy, NULL, &e));
		return;
	}
	/* Who waits for us may have given up before he wrote. */
	CHECK(recv(fd, heard, sizeof(heard), 0) > 0 || s->silent);
	if (s->bytes.n > 0)
		CHECK(write(fd, s->bytes.p, s->bytes.n) == (ssize_t)s->bytes.n);
	(void)shutdown(fd, s->silent ? SHUT_RD : SHUT_WR);
	while (recv(fd, heard, sizeof(heard), 0) > 0)
		;
	while (s->silent && !s->over)
		clock_sleep_ms(1);
	close(fd);
}

static void
start_server(struct server *s, struct str bytes, bool silent)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	*s = (struct server){.bytes = bytes, .silent = silent};
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(s->fd, (struct sockaddr *)&at, n) == 0);
	CHECK(listen(s->fd, 1) == 0);
	CHECK(getsockname(s->fd, (struct sockaddr *)&at, &n) == 0);
	s->port = ntohs(at.sin_port);
	CHECK(thread_start(&s->thread, "server", serve_one, s));
}

static bool
ask(struct server *s, struct assoc **out, struct err *e)
{
	static struct pdu_role roles[] = {{STR(CT), true, true}};
	struct pdu_associate rq = request();
	struct assoc_request wanted = {.host = "127.0.0.1",
	    .port = s->port,
	    .calling = "CLIENT",
	    .called = "FILEROOM",
	    .contexts = rq.contexts,
	    .context_count = rq.context_count,
	    .roles = roles,
	    .role_count = 1,
	    .async_invoked = 4,
	    .max_length = 32768,
	    .timeout_ms = s->silent ? 500 : 60000};

	return assoc_request(out, &wanted, e);
}

static void
stop_server(struct server *s)
{
	s->over = true;
	thread_join(&s->thread);
	close(s->fd);
}

static void
release_server(void *arg)
{
	struct assoc *a = arg;
	uint32_t length;
	struct err e;

	CHECK(!assoc_next_data(a, &length, &e));
	CHECK_EQ(a->end, ASSOC_RELEASED);
}

TEST(request_and_accept)
{
	struct server s;
	struct assoc *a;
	struct thread t;
	struct err e;

	start_server(&s, STR(""), false);
	if (!CHECK(ask(&s, &a, &e)))
		return;
	stop_server(&s);
	CHECK_EQ(a->state, UL_STA6);
	CHECK_EQ(a->context_count, 3);
	CHECK(assoc_context(a, 1)->peer_scp && assoc_context(a, 1)->peer_scu);
	CHECK(assoc_context(a, 3) == NULL);
	CHECK_EQ(a->contexts[1].result, CONTEXT_ABSTRACT_SYNTAX);
	CHECK(assoc_context(a, 5)->peer_scp && !assoc_context(a, 5)->peer_scu);
	CHECK_STR(assoc_context(a, 5)->syntax, ELE);
	CHECK_EQ(a->max_out, LIMIT_PDU_IN);
	CHECK_EQ(a->async_invoked, 4);
	CHECK_EQ(s.assoc->max_out, 32768);
	CHECK_EQ(s.assoc->async_performed, 4);
	CHECK_STR(str_from(s.assoc->calling), "CLIENT");
	CHECK(a->peer_implementation_uid.n > 0);
	CHECK(thread_start(&t, "release", release_server, s.assoc));
	CHECK(assoc_release(a, &e));
	thread_join(&t);
	CHECK_EQ(a->end, ASSOC_RELEASED);
	assoc_free(&a);
	assoc_free(&s.assoc);
}

static void
refused(struct str bytes, bool silent, enum err_code code, const char *word)
{
	struct server s;
	struct assoc *a;
	struct err e = {0};

	start_server(&s, bytes, silent);
	CHECK(!ask(&s, &a, &e));
	CHECK(a == NULL);
	CHECK_EQ(e.code, code);
	if (!CHECK(strstr(e.text, word) != NULL))
		printf("text: %s\n", e.text);
	stop_server(&s);
}

TEST(requests_that_fail)
{
	refused(STR("\3\0\0\0\0\4\0\1\1\7"), false, ERR_DENIED,
	    "called AE title not recognized");
	refused(STR("\7\0\0\0\0\4\0\0\2\0"), false, ERR_CLOSED, "aborted");
	refused(STR("\4\0\0\0\0\6\0\0\0\2\1\0"), false, ERR_PROTOCOL, "type 4");
	refused(
	    STR("HTTP/1.1 400"), false, ERR_PROTOCOL, "an HTTP server answers");
	refused(STR("\x48\0\0\0\0\0"), false, ERR_PROTOCOL, "not speak DICOM");
	refused(STR("\2\0\0\0\0\4\0\1\0\0"), false, ERR_MALFORMED, "bytes");
	refused(STR("\2\0\x7f\0\0\0"), false, ERR_PROTOCOL, "bytes");
	refused(STR("\2\0\0"), false, ERR_CLOSED, "closed");
	refused(STR(""), true, ERR_TIMEOUT, "in time");
}

/* Contexts accepted with a syntax that was not offered, or never proposed. */
TEST(false_accepts_are_not_believed)
{
	struct str wrong = STR("1.2.840.10008.1.2.4.50");
	struct pdu_context contexts[3];
	struct pdu_associate ac = request();
	struct server s;
	struct assoc *a;
	struct err e;
	struct buf b;

	memcpy(contexts, default_contexts, sizeof(contexts));
	ac.contexts = contexts;
	contexts[0].syntaxes = &wrong;
	contexts[0].syntax_count = 1;
	contexts[1].id = 99;
	contexts[2].syntax_count = 1;
	buf_init(&b, LIMIT_ASSOCIATE_PDU);
	pdu_associate_build(&b, PDU_ASSOCIATE_AC, &ac);
	start_server(&s, buf_str(&b), false);
	if (CHECK(ask(&s, &a, &e))) {
		CHECK(assoc_context(a, 1) == NULL);
		CHECK(assoc_context(a, 3) == NULL);
		CHECK(assoc_context(a, 99) == NULL);
		CHECK(assoc_context(a, 5) != NULL);
		assoc_free(&a);
	}
	stop_server(&s);
	buf_fini(&b);
}

TEST(requests_we_cannot_make)
{
	struct assoc_request wanted = {.host = "127.0.0.1",
	    .port = 1,
	    .calling = "CLIENT",
	    .called = "A TITLE OVER SIXTEEN",
	    .timeout_ms = 100};
	struct assoc *a;
	struct err e;

	CHECK(!assoc_request(&a, &wanted, &e));
	CHECK_EQ(e.code, ERR_USAGE);
	request();
	wanted.contexts = default_contexts;
	wanted.context_count = 3;
	CHECK(!assoc_request(&a, &wanted, &e));
	CHECK_EQ(e.code, ERR_USAGE);
	wanted.called = "FILEROOM";
	CHECK(!assoc_request(&a, &wanted, &e));
	CHECK(e.code == ERR_IO || e.code == ERR_TIMEOUT);
}

TEST_MAIN
