/*
 * Arbitrary bytes as what a peer sends to a server: before, within and after
 * an association. The first byte of the input says how our side behaves, bit 0
 * puts a good A-ASSOCIATE-RQ in front.
 *
 * Every input runs twice, once as one piece and once cut into many: commands,
 * data, answers and the way it ends must be the same. (A packet socket gives
 * the cuts: each read gets one packet.) Whatever the bytes, an association
 * ends, in one of the ways there are.
 */
#include "net/dimse.h"

#include "base/clock.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* So that neither side can fill a socket's buffer, and what is unread at the
 * end is drained when the connection closes. */
#define SIZE_MAX_IN 6000
#define PIECES      50

enum behaviour {
	WITH_REQUEST = 1,
	ANSWERS = 2,
	LOOKS = 4,
	READS_ONE_PART = 8,
	RELEASES = 16
};

static int
choose(void *ctx, const struct pdu_associate *rq,
    const struct pdu_context *context, uint8_t *result, bool *may_scp,
    struct str *extended)
{
	(void)ctx;
	(void)may_scp;
	(void)extended;
	must(rq->context_count > 0);
	*result = CONTEXT_ABSTRACT_SYNTAX;
	return context->id % 4 == 1 ? (int)context->syntax_count - 1 : -1;
}

static void
put_request(struct buf *out)
{
	struct str syntax = STR("1.2.840.10008.1.2");
	struct pdu_context contexts[] = {
	    {.id = 1,
		.abstract = STR("1.2.840.10008.1.1"),
		.syntaxes = &syntax,
		.syntax_count = 1},
	    {.id = 3,
		.abstract = STR("1.2.840.10008.1.1"),
		.syntaxes = &syntax,
		.syntax_count = 1}};
	struct pdu_associate rq = {.version = 1,
	    .called = "A",
	    .calling = "B",
	    .application = STR(UID_DICOMApplicationContext),
	    .contexts = contexts,
	    .context_count = 2,
	    .has_max_length = true,
	    .max_length = 16384};

	pdu_associate_build(out, PDU_ASSOCIATE_RQ, &rq);
}

/* What happened, as bytes to compare. */
static void
note(struct buf *story, uint64_t what)
{
	buf_u32le(story, (uint32_t)what);
}

static bool
serve_message(struct assoc *a, uint8_t how, struct buf *story, struct err *e)
{
	struct dimse m, answer;
	struct str part;

	if (!dimse_read(a, &m, e))
		return false;
	must(assoc_context(a, m.context) != NULL);
	note(story, m.command);
	note(story, m.message_id);
	note(story, m.has_data);
	buf_text(story, m.sop_class);
	buf_text(story, m.sop_instance);
	while (m.has_data) {
		if (!dimse_read_part(a, &part, e))
			return false;
		/* How much is in one part depends on the cut. */
		if ((how & READS_ONE_PART) || part.n == 0)
			break;
		buf_add(story, part);
	}
	if (!a->message_open && (how & LOOKS) &&
	    dimse_cancelled(a, m.message_id, e))
		note(story, e->code);
	if (!a->message_open && (how & ANSWERS) && !m.is_response) {
		answer = dimse_response(&m, 0);
		if (!dimse_send(a, &answer, STR("xx"), e))
			return false;
	}
	return true;
}

static void
serve(struct conn *c, uint8_t how, struct buf *story)
{
	static const struct assoc_policy policy = {.choose = choose};
	struct err e = {0};
	struct assoc *a;
	bool ok = assoc_accept(&a, c, &policy, NULL, &e);
	int left = how >> 5;

	must(!ok || a->state == UL_STA6);
	must(ok || a == NULL || a->end != ASSOC_OPEN);
	while (ok && (left-- > 0 || (how & RELEASES) == 0))
		ok = serve_message(a, how, story, &e);
	if (ok)
		(void)assoc_release(a, &e);
	if (a != NULL) {
		must(a->end != ASSOC_OPEN);
		note(story, a->end);
		note(story, a->state);
	}
	note(story, e.code);
	assoc_free(&a);
}

static void
run(struct str bytes, uint8_t how, bool cut, struct buf *story)
{
	size_t piece = cut ? bytes.n / PIECES + 1 : bytes.n, n;
	uint8_t answer[8192];
	int fds[2];
	ssize_t got;

	must(socketpair(AF_UNIX, cut ? SOCK_SEQPACKET : SOCK_STREAM, 0, fds) ==
	     0);
	while (bytes.n > 0) {
		n = piece < bytes.n ? piece : bytes.n;
		must(send(fds[1], bytes.p, n, 0) == (ssize_t)n);
		bytes = str_of(bytes.p + n, bytes.n - n);
	}
	must(shutdown(fds[1], SHUT_WR) == 0);
	serve(conn_new(fds[0]), how, story);
	while ((got = recv(fds[1], answer, sizeof(answer), MSG_DONTWAIT)) > 0)
		buf_add(story, str_of(answer, (size_t)got));
	close(fds[1]);
	must(!story->over);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf bytes, whole, cut;

	if (size == 0 || size > SIZE_MAX_IN)
		return 0;
	buf_init(&bytes, 2 * SIZE_MAX_IN);
	buf_init(&whole, 4 * MIB);
	buf_init(&cut, 4 * MIB);
	if (data[0] & WITH_REQUEST)
		put_request(&bytes);
	buf_add(&bytes, str_of(data + 1, size - 1));
	run(buf_str(&bytes), data[0], false, &whole);
	run(buf_str(&bytes), data[0], true, &cut);
	must(str_eq(buf_str(&whole), buf_str(&cut)));
	buf_fini(&bytes);
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
