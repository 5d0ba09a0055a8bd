/*
 * Arbitrary bytes as what a node sends to us as its client: the answer to our
 * request for an association, then answers of DIMSE. The first byte of the
 * input says what we ask for; bit 3 puts a good A-ASSOCIATE-AC in front.
 *
 * Every input runs twice, once as one piece and once cut into many: what is
 * made of it must be the same. Whatever the bytes, the association ends.
 */
#include "base/os.h"
#include "service/client/client.h"
#include "service/receive.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_IN 6000
#define PIECES      50

enum behaviour { ASKS = 3, IS_ACCEPTED = 8, CANCELS = 16 };

struct run {
	struct buf *story;
	bool cancels;
	unsigned told;
};

static void
note(struct buf *story, uint64_t what)
{
	buf_u32le(story, (uint32_t)what);
}

static bool
on_answer(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct run *r = ctx;

	note(r->story, end->status);
	note(r->story, ds != NULL ? ds->n : 77);
	if (ds != NULL)
		buf_add(r->story, dataset_str(ds, TAG_PatientName));
	return !r->cancels || ++r->told < 2;
}

static bool
on_begin(void *ctx, const struct object_header *header, struct err *e)
{
	struct run *r = ctx;

	(void)e;
	buf_add(r->story, header->sop_instance);
	return true;
}

static bool
on_write(void *ctx, struct str part, struct err *e)
{
	struct run *r = ctx;

	(void)e;
	buf_add(r->story, part);
	return true;
}

static bool
on_commit(void *ctx, struct object_result *out, struct err *e)
{
	struct run *r = ctx;

	(void)e;
	*out = (struct object_result){.outcome = OBJECT_STORED};
	note(r->story, 1);
	return true;
}

static void
on_abort(void *ctx)
{
	note(((struct run *)ctx)->story, 2);
}

static const struct receiver receiver = {.begin = on_begin,
    .write = on_write,
    .commit = on_commit,
    .abort = on_abort};

static const char *const models[] = {
    UID_StudyRootQueryRetrieveInformationModelFind,
    UID_StudyRootQueryRetrieveInformationModelMove,
    UID_StudyRootQueryRetrieveInformationModelGet, UID_Verification};

static void
ask(struct assoc *a, uint8_t how, struct run *r, struct err *e)
{
	struct arena arena, answers;
	struct client_query q = {.model = models[how & ASKS],
	    .destination = "X",
	    .answer = on_answer,
	    .ctx = r,
	    .arena = &answers};
	struct client_end end = {0};
	struct dataset *ds;
	bool ok = false;

	arena_init(&arena, MIB);
	arena_init(&answers, LIMIT_EXCHANGE);
	ds = dataset_new(&arena);
	must(dataset_put_text(ds, TAG_StudyInstanceUID, VR_UI, "1.2.3"));
	q.identifier = ds;
	if ((how & ASKS) == 0)
		ok = client_find(a, &q, &end, e);
	else if ((how & ASKS) == 1)
		ok = client_move(a, &q, &end, e);
	else if ((how & ASKS) == 2)
		ok = client_get_into(a, &q, &receiver, r, &end, e);
	else
		ok = client_echo(a, &end, e);
	note(r->story, ok);
	note(r->story, end.status);
	note(r->story, end.failed);
	note(r->story, end.kept);
	note(r->story, end.unreadable);
	buf_add(r->story, end.failed_list);
	arena_fini(&arena);
	arena_fini(&answers);
}

static void
serve(struct conn *c, uint8_t how, struct buf *story)
{
	struct str classes[] = {STR(UID_CTImageStorage)};
	struct run r = {.story = story, .cancels = (how & CANCELS) != 0};
	struct client_wish wish;
	struct assoc_request rq = {
	    .calling = "A", .called = "B", .timeout_ms = 1000};
	struct arena arena;
	struct assoc *a;
	struct err e = {0};

	arena_init(&arena, MIB);
	must(
	    client_wish_get(&wish, &arena, models[how & ASKS], classes, 1, &e));
	rq.contexts = wish.contexts;
	rq.context_count = 3;
	rq.roles = wish.roles;
	rq.role_count = wish.role_count;
	if (assoc_request_over(&a, c, &rq, &e)) {
		ask(a, how, &r, &e);
		client_close(&a);
	}
	note(story, e.code);
	arena_fini(&arena);
}

static void
put_accept(struct buf *out, uint8_t how)
{
	struct str syntax = STR(UID_ExplicitVRLittleEndian);
	struct pdu_context contexts[] = {
	    {.id = 1,
		.abstract = str_from(models[how & ASKS]),
		.syntaxes = &syntax,
		.syntax_count = 1},
	    {.id = 3,
		.abstract = STR(UID_CTImageStorage),
		.syntaxes = &syntax,
		.syntax_count = 1}};
	struct pdu_role role = {STR(UID_CTImageStorage), false, true};
	struct pdu_associate ac = {.version = 1,
	    .called = "B",
	    .calling = "A",
	    .application = STR(UID_DICOMApplicationContext),
	    .contexts = contexts,
	    .context_count = 2,
	    .roles = &role,
	    .role_count = 1,
	    .has_max_length = true,
	    .max_length = 16384};

	pdu_associate_build(out, PDU_ASSOCIATE_AC, &ac);
}

static void
run(struct str bytes, uint8_t how, bool cut, struct buf *story)
{
	size_t piece = cut ? bytes.n / PIECES + 1 : bytes.n, n;
	int fds[2];

	must(socketpair(AF_UNIX, cut ? SOCK_SEQPACKET : SOCK_STREAM, 0, fds) ==
	     0);
	while (bytes.n > 0) {
		n = piece < bytes.n ? piece : bytes.n;
		must(send(fds[1], bytes.p, n, 0) == (ssize_t)n);
		bytes = str_of(bytes.p + n, bytes.n - n);
	}
	must(shutdown(fds[1], SHUT_WR) == 0);
	serve(conn_new(fds[0]), how, story);
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
	if (data[0] & IS_ACCEPTED)
		put_accept(&bytes, data[0]);
	buf_add(&bytes, str_of(data + 1, size - 1));
	run(buf_str(&bytes), data[0], false, &whole);
	run(buf_str(&bytes), data[0], true, &cut);
	must(str_eq(buf_str(&whole), buf_str(&cut)));
	buf_fini(&bytes);
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
