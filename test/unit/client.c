/*
 * Requests of ours against peers that behave, and peers that do not. The peer
 * is a thread with an association of its own over the loopback, which plays a
 * script.
 */
#include "service/client/client.h"

#include "base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "archive.h"

#define CT   UID_CTImageStorage
#define FIND UID_StudyRootQueryRetrieveInformationModelFind
#define MOVE UID_StudyRootQueryRetrieveInformationModelMove
#define GET  UID_StudyRootQueryRetrieveInformationModelGet
#define OURS "1.2.826.1"
/* What nothing here may come to. */
#define LONG_MS 60000
#define OTHER   "1.2.826.2"

typedef void script_fn(struct assoc *a, const struct dimse *rq);

struct peer {
	int fd;
	uint16_t port;
	bool no_roles;
	script_fn *script;
	struct thread thread;
};

static int
choose(void *ctx, const struct pdu_associate *rq,
    const struct pdu_context *context, uint8_t *result, bool *may_scp,
    struct str *extended)
{
	const struct peer *p = ctx;

	(void)rq;
	(void)context;
	(void)result;
	if (p->no_roles)
		*may_scp = false;
	*extended = STR("\1");
	return 0;
}

static void
serve(void *arg)
{
	static const struct assoc_policy policy = {.choose = choose};
	struct peer *p = arg;
	struct assoc *a = NULL;
	struct dimse rq;
	struct err e;
	int fd = accept(p->fd, NULL, NULL);

	if (fd < 0 || !assoc_accept(&a, conn_new(fd), &policy, p, &e))
		return;
	if (dimse_read(a, &rq, &e) && dimse_drain(a, &e))
		p->script(a, &rq);
	while (a->end == ASSOC_OPEN && dimse_read(a, &rq, &e))
		;
	assoc_free(&a);
}

static void
peer_begin(struct peer *p, script_fn *script)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof(at);

	p->script = script;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(p->fd, (struct sockaddr *)&at, n) == 0);
	CHECK(listen(p->fd, 1) == 0);
	CHECK(getsockname(p->fd, (struct sockaddr *)&at, &n) == 0);
	p->port = ntohs(at.sin_port);
	CHECK(thread_start(&p->thread, "peer", serve, p));
}

static void
peer_end(struct peer *p)
{
	thread_join(&p->thread);
	close(p->fd);
}

/* One request of the test, from opening to closing. */
struct ask {
	struct peer peer;
	struct arena arena, answers;
	struct assoc *assoc;
	struct client_query q;
	struct client_end end;
	struct err e;
	int told, enough; /* cancel after so many; 0: never */
	char last[65];
	bool stop;
};

static bool
told(void *ctx, const struct dataset *identifier, const struct client_end *end)
{
	struct ask *k = ctx;

	(void)end;
	k->told++;
	if (identifier != NULL)
		(void)str_copy(k->last, sizeof(k->last),
		    dataset_str(identifier, TAG_StudyInstanceUID));
	return k->enough == 0 || k->told < k->enough;
}

static bool
stopped(void *ctx)
{
	return ((struct ask *)ctx)->stop;
}

static bool
ask_begin(struct ask *k, script_fn *script, const char *model, int timeout_ms)
{
	struct client client = {.ae_title = "US", .timeout_ms = LONG_MS};
	struct node to = {.ae = "THEM", .host = "127.0.0.1"};
	struct str classes[] = {STR(CT)};
	struct client_wish wish;
	struct dataset *identifier;

	log_level_set(LOG_ERROR);
	arena_init(&k->arena, MIB);
	arena_init(&k->answers, LIMIT_EXCHANGE);
	peer_begin(&k->peer, script);
	to.port = k->peer.port;
	identifier = dataset_new(&k->arena);
	CHECK(dataset_put_text(
	    identifier, TAG_QueryRetrieveLevel, VR_CS, "STUDY"));
	CHECK(dataset_put_text(identifier, TAG_StudyInstanceUID, VR_UI, OURS));
	CHECK(client_wish_get(&wish, &k->arena, model, classes, 1, &k->e));
	k->q = (struct client_query){.model = model,
	    .identifier = identifier,
	    .answer = told,
	    .stop = stopped,
	    .ctx = k,
	    .arena = &k->answers};
	if (CHECK(client_open(&k->assoc, &client, &to, &wish, &k->e))) {
		/* However long it took until here. */
		k->assoc->conn->progress_ms = timeout_ms;
		return true;
	}
	printf("%s\n", k->e.text);
	return false;
}

static void
ask_end(struct ask *k)
{
	client_close(&k->assoc);
	peer_end(&k->peer);
	arena_fini(&k->arena);
	arena_fini(&k->answers);
}

static bool
find(struct ask *k, script_fn *script)
{
	bool ok = ask_begin(k, script, FIND, LONG_MS) &&
		  client_find(k->assoc, &k->q, &k->end, &k->e);

	ask_end(k);
	return ok;
}

/* What peers say. */

static void
say_data(struct assoc *a, const struct dimse *m, struct str data)
{
	struct err e;

	(void)!dimse_send(a, m, data, &e);
}

static void
say(struct assoc *a, const struct dimse *rq, uint16_t status, const char *study)
{
	struct dimse rsp = dimse_response(rq, status);
	struct buf b;

	buf_init(&b, KIB);
	if (study != NULL)
		build_element(&b, TAG_StudyInstanceUID, VR_UI, str_from(study),
		    assoc_context(a, rq->context)->layout);
	say_data(a, &rsp, buf_str(&b));
	buf_fini(&b);
}

static void
two_answers(struct assoc *a, const struct dimse *rq)
{
	say(a, rq, STATUS_Pending, "1.2.3");
	say(a, rq, STATUS_PendingWarning, "1.2.4");
	say(a, rq, STATUS_Success, NULL);
}

TEST(find_answers)
{
	struct ask k = {0};

	CHECK(find(&k, two_answers));
	CHECK_EQ(k.end.status, STATUS_Success);
	CHECK_EQ(k.end.answers, 2);
	CHECK_EQ(k.told, 2);
	CHECK_STR(str_from(k.last), "1.2.4");
}

static void
failure(struct assoc *a, const struct dimse *rq)
{
	struct dimse rsp = dimse_response(rq, STATUS_OutOfResources);

	dimse_comment(&rsp, "too much");
	say_data(a, &rsp, STR(""));
}

TEST(find_failure_is_a_status)
{
	struct ask k = {0};

	CHECK(find(&k, failure));
	CHECK_EQ(k.end.status, STATUS_OutOfResources);
	CHECK_STR(str_from(k.end.comment), "too much");
}

static void
poor_answers(struct assoc *a, const struct dimse *rq)
{
	struct dimse rsp = dimse_response(rq, STATUS_Pending);

	say(a, rq, STATUS_Pending, NULL);
	say_data(a, &rsp, STR("\377\377\377\377garbage that is no data set"));
	say(a, rq, STATUS_Pending, "1.2.3");
	say(a, rq, STATUS_Success, "9.9.9");
}

TEST(find_unreadable_answers_are_counted)
{
	struct ask k = {0};

	CHECK(find(&k, poor_answers));
	CHECK_EQ(k.end.answers, 1);
	CHECK_EQ(k.end.unreadable, 2);
	CHECK_EQ(k.told, 3);
	CHECK_STR(str_from(k.last), "1.2.3");
}

static void
wrong_id(struct assoc *a, const struct dimse *rq)
{
	struct dimse other = *rq;

	other.message_id++;
	say(a, &other, STATUS_Pending, "1.2.3");
}

static void
wrong_command(struct assoc *a, const struct dimse *rq)
{
	struct dimse other = *rq;

	other.command = C_MOVE_RQ;
	say(a, &other, STATUS_Success, NULL);
}

TEST(find_answers_to_another_question)
{
	struct ask k = {0}, l = {0};

	CHECK(!find(&k, wrong_id));
	CHECK_EQ(k.e.code, ERR_PROTOCOL);
	CHECK_EQ(k.end.answers, 0);
	CHECK(!find(&l, wrong_command));
	CHECK_EQ(l.e.code, ERR_PROTOCOL);
}

static void
until_cancelled(struct assoc *a, const struct dimse *rq)
{
	struct err e;

	do
		say(a, rq, STATUS_Pending, "1.2.3");
	while (!dimse_cancelled(a, rq->message_id, &e));
	say(a, rq, STATUS_Cancel, NULL);
}

TEST(find_enough)
{
	struct ask k = {0};

	k.enough = 3;
	CHECK(find(&k, until_cancelled));
	CHECK_EQ(k.end.status, STATUS_Cancel);
	CHECK_EQ(k.told, 3);
}

static void
deaf(struct assoc *a, const struct dimse *rq)
{
	while (a->end == ASSOC_OPEN)
		say(a, rq, STATUS_Pending, "1.2.3");
}

TEST(find_enough_of_a_deaf_peer)
{
	struct ask k = {0};

	k.enough = 3;
	CHECK(ask_begin(&k, deaf, FIND, 300));
	CHECK(!client_find(k.assoc, &k.q, &k.end, &k.e));
	CHECK_EQ(k.e.code, ERR_CANCELLED);
	CHECK_EQ(k.told, 3);
	ask_end(&k);
}

static void
mute(struct assoc *a, const struct dimse *rq)
{
	(void)a;
	(void)rq;
}

TEST(find_silence)
{
	struct ask k = {0}, l = {0};

	CHECK(ask_begin(&k, mute, FIND, 150));
	CHECK(!client_find(k.assoc, &k.q, &k.end, &k.e));
	CHECK_EQ(k.e.code, ERR_TIMEOUT);
	ask_end(&k);
	l.stop = true;
	CHECK(ask_begin(&l, mute, FIND, 150));
	CHECK(!client_find(l.assoc, &l.q, &l.end, &l.e));
	CHECK_EQ(l.e.code, ERR_CANCELLED);
	ask_end(&l);
}

static uint16_t echo_status, event_status;

static uint16_t
demand(struct assoc *a, const struct dimse *rq, uint16_t command)
{
	struct dimse m = {.context = rq->context,
			 .command = command,
			 .message_id = 77,
			 .event_or_action = 1},
		     rsp;
	struct err e;

	say_data(a, &m, STR(""));
	return dimse_read(a, &rsp, &e) && rsp.message_id == 77 ? rsp.status
							       : 0xffff;
}

static void
asks_back(struct assoc *a, const struct dimse *rq)
{
	echo_status = demand(a, rq, C_ECHO_RQ);
	event_status = demand(a, rq, N_EVENT_REPORT_RQ);
	two_answers(a, rq);
}

TEST(find_while_the_peer_asks)
{
	struct ask k = {0};

	CHECK(find(&k, asks_back));
	CHECK_EQ(k.end.answers, 2);
	CHECK_EQ(echo_status, STATUS_Success);
	CHECK_EQ(event_status, STATUS_NoSuchSOPClass);
}

static void
floods(struct assoc *a, const struct dimse *rq)
{
	struct dimse m = {.context = rq->context, .command = C_ECHO_RQ};
	int i;

	for (i = 0; i <= LIMIT_BARREN; i++)
		say_data(a, &m, STR(""));
}

TEST(find_flooded)
{
	struct ask k = {0};

	CHECK(!find(&k, floods));
	CHECK_EQ(k.e.code, ERR_PROTOCOL);
}

static void
moves(struct assoc *a, const struct dimse *rq)
{
	struct dimse rsp = dimse_response(rq, STATUS_Pending);

	rsp.has_counts = true;
	rsp.remaining = 65535;
	CHECK_STR(str_from(rq->destination), "ELSEWHERE");
	say_data(a, &rsp, STR(""));
	rsp.remaining = 0;
	rsp.completed = 2;
	rsp.failed = 1;
	rsp.status = STATUS_SubOperationsWarning;
	rsp.context = rq->context;
	say_data(a, &rsp,
	    STR("\x08\0\x58\0UI\x0c\0"
		"1.2.3\\1.2.4\0"));
}

TEST(move_counts_and_failed_list)
{
	struct ask k = {0};

	CHECK(ask_begin(&k, moves, MOVE, LONG_MS));
	k.q.destination = "ELSEWHERE";
	CHECK(client_move(k.assoc, &k.q, &k.end, &k.e));
	CHECK_EQ(k.told, 1);
	CHECK_EQ(k.end.status, STATUS_SubOperationsWarning);
	CHECK_EQ(k.end.completed, 2);
	CHECK_EQ(k.end.failed, 1);
	CHECK_STR(k.end.failed_list, "1.2.3\\1.2.4");
	ask_end(&k);
}

/* Sub-operations of a C-GET. */

static uint16_t store_status[3];

static uint16_t
put(struct assoc *a, const char *study, const char *instance)
{
	const struct assoc_context *c =
	    assoc_find_context(a, STR(CT), STR(UID_ExplicitVRLittleEndian));
	struct sample s = {.instance = instance,
	    .sop_class = CT,
	    .study = study,
	    .series = "1.2.5",
	    .patient = "P"};
	struct dimse m = {
	    .context = c->id, .command = C_STORE_RQ, .message_id = 5};
	struct dimse rsp;
	struct err e;
	struct buf b;

	(void)str_copy(m.sop_class, sizeof(m.sop_class), STR(CT));
	(void)str_copy(
	    m.sop_instance, sizeof(m.sop_instance), STR("../../../etc/passwd"));
	buf_init(&b, MIB);
	sample_build(&b, &s);
	say_data(a, &m, buf_str(&b));
	buf_fini(&b);
	return dimse_read(a, &rsp, &e) && rsp.command == C_STORE_RSP
		   ? rsp.status
		   : 0xffff;
}

static void
gives(struct assoc *a, const struct dimse *rq)
{
	store_status[0] = put(a, OURS, "1.2.6.1");
	store_status[1] = put(a, OTHER, "1.2.6.2");
	store_status[2] = demand(a, rq, C_ECHO_RQ);
	say(a, rq, STATUS_Success, NULL);
}

static bool
get(struct ask *k, struct archive *t, script_fn *script)
{
	struct intake *in = intake_new(t->store, "THEM");
	bool ok = ask_begin(k, script, GET, LONG_MS) &&
		  client_get(k->assoc, &k->q, in, &k->end, &k->e);

	ask_end(k);
	intake_free(&in);
	return ok;
}

TEST(get_stores)
{
	struct ask k = {0}, again = {0};
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(get(&k, &t, gives));
	CHECK_EQ(k.end.kept, 2);
	CHECK_EQ(k.end.foreign, 1);
	CHECK_EQ(store_status[0], STATUS_DataSetMismatchWarning);
	CHECK_EQ(store_status[2], STATUS_Success);
	CHECK_EQ(archive_files(&t), 2);
	CHECK(get(&again, &t, gives));
	CHECK_EQ(again.end.kept, 0);
	CHECK_EQ(again.end.same, 2);
	CHECK_EQ(archive_files(&t), 2);
	CHECK_EQ(archive_leftovers(&t), 0);
	archive_end(&t);
}

TEST(get_without_the_role)
{
	struct ask k = {0};
	struct archive t;

	if (!archive_begin(&t))
		return;
	k.peer.no_roles = true;
	CHECK(get(&k, &t, gives));
	CHECK_EQ(k.end.kept, 0);
	CHECK_EQ(k.end.refused, 2);
	CHECK_EQ(store_status[0], STATUS_SOPClassNotSupported);
	CHECK_EQ(archive_files(&t), 0);
	archive_end(&t);
}

static void
breaks_off(struct assoc *a, const struct dimse *rq)
{
	const struct assoc_context *c = assoc_find_context(a, STR(CT), STR(""));
	struct dimse m = {
	    .context = c->id, .command = C_STORE_RQ, .message_id = 5};
	struct err e;

	(void)rq;
	if (dimse_send_begin(a, &m, &e))
		(void)!dimse_send_part(a, STR("\x08\0\x18\0UI\x06\0"), &e);
	assoc_abort(a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
}

TEST(get_broken_off)
{
	struct ask k = {0};
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(!get(&k, &t, breaks_off));
	CHECK_EQ(k.e.code, ERR_CLOSED);
	CHECK_EQ(archive_files(&t), 0);
	CHECK_EQ(archive_leftovers(&t), 0);
	archive_end(&t);
}

TEST(wishes)
{
	struct str classes[] = {STR(CT), STR(UID_MRImageStorage)};
	struct client_wish w;
	struct arena a;
	struct err e;
	size_t i;

	arena_init(&a, MIB);
	CHECK(client_wish_get(&w, &a, GET, NULL, 0, &e));
	CHECK_EQ(w.context_count, LIMIT_CONTEXTS);
	CHECK_EQ(w.role_count, LIMIT_CONTEXTS - 1);
	CHECK(client_wish_get(&w, &a, GET, classes, 2, &e));
	CHECK_EQ(w.role_count, 2);
	CHECK_STR(w.contexts[0].abstract, GET);
	CHECK_STR(w.contexts[1].syntaxes[0], UID_ExplicitVRLittleEndian);
	for (i = 2; i < 10; i++)
		CHECK_EQ(w.contexts[i].syntax_count, 1);
	arena_fini(&a);
}

TEST_MAIN
