/*
 * Sending to nodes that behave and to nodes that do not. The node is a thread
 * with an acceptor of its own; the files are made here.
 */
#include "service/client/sender.h"

#include "base/clock.h"
#include "base/os.h"
#include "base/thread.h"
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#define CT   "1.2.840.10008.5.1.4.1.1.2"
#define MR   "1.2.840.10008.5.1.4.1.1.4"
#define JPEG "1.2.840.10008.1.2.4.50"
#define MOST 300
/* What nothing here may come to. */
#define LONG_MS 60000

/* How the node behaves. */
struct node_side {
	/* What it takes: the one syntax, or any (empty). */
	const char *only, *refused_class;
	uint16_t window;
	size_t hold;     /* answers only when so many are outstanding */
	int close_after; /* messages; -1: never */
	bool wrong_id, silent, abort_first;
	int timeout_ms;  /* of ours */
	uint16_t status; /* answered to every store */
	int listen_fd;
	uint16_t port;
	struct thread thread;
	/* What it saw. */
	unsigned associations, messages;
	size_t contexts_most, outstanding_most;
	char syntaxes[MOST][65];
	uint64_t bytes;
	char originator[17];
};

static int
choose(void *ctx, const struct pdu_associate *rq,
    const struct pdu_context *context, uint8_t *result, bool *may_scp,
    struct str *extended)
{
	struct node_side *n = ctx;
	size_t i;

	(void)may_scp;
	*extended = STR("");
	if (rq->context_count > n->contexts_most)
		n->contexts_most = rq->context_count;
	if (n->refused_class != NULL &&
	    str_eq_text(context->abstract, n->refused_class)) {
		*result = CONTEXT_ABSTRACT_SYNTAX;
		return -1;
	}
	for (i = 0; i < context->syntax_count; i++)
		if (n->only == NULL ||
		    str_eq_text(context->syntaxes[i], n->only))
			return (int)i;
	*result = CONTEXT_TRANSFER_SYNTAXES;
	return -1;
}

static bool
admit(void *ctx, const struct conn *c, const struct pdu_associate *rq,
    struct pdu_reject *reject, struct err *e)
{
	(void)ctx;
	(void)c;
	(void)rq;
	(void)reject;
	(void)e;
	return true;
}

static bool
take(struct node_side *n, struct assoc *a, struct dimse *rq, struct err *e)
{
	const struct assoc_context *context;
	struct str part;

	if (!dimse_read(a, rq, e))
		return false;
	context = assoc_context(a, rq->context);
	if (n->messages < MOST)
		(void)str_copy(n->syntaxes[n->messages], 65, context->syntax);
	memcpy(n->originator, rq->originator_ae, sizeof(n->originator));
	n->messages++;
	do {
		if (!dimse_read_part(a, &part, e))
			return false;
		n->bytes += part.n;
		if (n->close_after >= 0 &&
		    n->messages > (unsigned)n->close_after)
			return false;
	} while (part.n > 0);
	return true;
}

static void
serve_one(struct node_side *n, struct assoc *a)
{
	struct dimse held[64], rsp;
	size_t outstanding = 0, hold = n->hold > 0 ? n->hold : 1;
	struct err e;

	if (n->abort_first) {
		n->abort_first = false;
		assoc_abort(a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
		return;
	}
	while (take(n, a, &held[outstanding], &e)) {
		outstanding++;
		if (outstanding > n->outstanding_most)
			n->outstanding_most = outstanding;
		if (n->silent ||
		    (outstanding < hold && conn_wait(a->conn, 200)))
			continue;
		/* The last one first: the order is the node's. */
		while (outstanding > 0) {
			rsp = dimse_response(&held[--outstanding], n->status);
			if (n->wrong_id)
				rsp.message_id += 7;
			if (!dimse_send(a, &rsp, STR(""), &e))
				return;
		}
	}
}

static void
run_node(void *arg)
{
	struct node_side *n = arg;
	struct assoc_policy policy = {
	    .admit = admit, .choose = choose, .async_performed = n->window};
	struct assoc *a;
	struct err e;
	int fd;

	while ((fd = accept(n->listen_fd, NULL, NULL)) >= 0) {
		n->associations++;
		if (assoc_accept(&a, conn_new(fd), &policy, n, &e))
			serve_one(n, a);
		assoc_free(&a);
	}
}

static void
node_begin(struct node_side *n)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	n->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(n->listen_fd, (void *)&at, sizeof(at)) == 0);
	CHECK(listen(n->listen_fd, 16) == 0);
	CHECK(getsockname(n->listen_fd, (void *)&at, &size) == 0);
	n->port = ntohs(at.sin_port);
	CHECK(thread_start(&n->thread, "node", run_node, n));
}

static void
node_end(struct node_side *n)
{
	(void)shutdown(n->listen_fd, SHUT_RDWR);
	thread_join(&n->thread);
	close(n->listen_fd);
}

/* Our side: items with files in memory, and what became of them. */
struct ours {
	struct sender *sender;
	struct sender_item items[MOST];
	size_t n, file_size, results, good;
	uint16_t status[MOST];
	char comment[200];
	int stop_after; /* results; -1: never */
	int64_t stop_at_ms;
	struct err e;
};

static bool
open_item(void *ctx, const struct sender_item *item, struct object_file *out,
    struct err *e)
{
	struct ours *o = ctx;
	/* (0008,0018) of length 2, then private bytes nobody looks at. */
	uint8_t head[] = {8, 0, 0x18, 0, 'U', 'I', 2, 0, '1', 0, 9, 0, 1, 0,
	    'O', 'B', 0, 0, 0, 0, 0, 0};
	uint32_t rest = (uint32_t)(o->file_size - sizeof(head));

	if (str_eq_text(item->path, "gone"))
		return fail(e, ERR_MISSING, "no such file");
	*out = (struct object_file){
	    .fd = memfd_create("item", 0), .data_size = o->file_size};
	memcpy(head + 18, &rest, 4);
	if (str_eq_text(item->path, "torn"))
		head[18] = 0xff;
	CHECK(write(out->fd, head, sizeof(head)) == sizeof(head));
	if (!str_eq_text(item->path, "short"))
		CHECK(ftruncate(out->fd, (off_t)o->file_size) == 0);
	memcpy(out->syntax, item->syntax, sizeof(out->syntax));
	return true;
}

static void
result(void *ctx, const struct sender_item *item, uint16_t status,
    const char *comment)
{
	struct ours *o = ctx;
	size_t i = (size_t)(item - o->items);

	CHECK(i < o->n && o->status[i] == 0xffff);
	o->status[i] = status;
	o->results++;
	o->good += status == STATUS_Success;
	if (comment[0] != '\0')
		(void)str_copy(
		    o->comment, sizeof(o->comment), str_from(comment));
}

static bool
stop(void *ctx)
{
	struct ours *o = ctx;

	if (o->stop_at_ms != 0)
		return clock_mono_ms() >= o->stop_at_ms;
	return o->stop_after >= 0 && o->results >= (size_t)o->stop_after;
}

static void
ours_begin(struct ours *o, const struct node_side *n, size_t count,
    const char *sop_class, const char *syntax)
{
	struct sender_events events = {open_item, result, stop};
	struct sender_config config = {
	    .client = {.ae_title = "FILEROOM", .timeout_ms = n->timeout_ms},
	    .to = {.ae = "NODE", .host = "127.0.0.1", .port = n->port},
	    .originator_ae = "ASKER",
	    .window = 8,
	};
	size_t i;

	memset(o, 0, sizeof(*o));
	memset(o->status, 0xff, sizeof(o->status));
	o->stop_after = -1;
	o->n = count;
	o->file_size = 1000;
	for (i = 0; i < count; i++) {
		struct sender_item *item = &o->items[i];

		(void)str_copy(item->sop_class, 65, str_from(sop_class));
		(void)str_copy(item->syntax, 65, str_from(syntax));
		snprintf(item->sop_instance, 65, "1.2.3.%zu", i);
		item->path = STR("x");
	}
	o->sender = sender_new(&config, &events, o);
}

static bool
ours_send(struct ours *o)
{
	return sender_send(o->sender, o->items, o->n, &o->e);
}

#define PAIR(node_init)                                                        \
	struct node_side n = node_init;                                        \
	struct ours o;                                                         \
	n.close_after = n.close_after == 0 ? -1 : n.close_after;               \
	n.timeout_ms = n.timeout_ms == 0 ? LONG_MS : n.timeout_ms;             \
	node_begin(&n)

#define NODE(...) ((struct node_side){__VA_ARGS__})

TEST(plain)
{
	PAIR(NODE(.window = 1));
	ours_begin(&o, &n, 20, CT, UID_ExplicitVRLittleEndian);
	CHECK(ours_send(&o));
	CHECK(sender_reached(o.sender));
	CHECK_EQ(o.good, 20);
	memset(o.status, 0xff, sizeof(o.status));
	CHECK(ours_send(&o)); /* the same association */
	CHECK_EQ(o.good, 40);
	sender_free(&o.sender);
	node_end(&n);
	CHECK_EQ(n.associations, 1);
	CHECK_EQ(n.messages, 40);
	CHECK_EQ(n.bytes, 40000);
	CHECK_EQ(n.outstanding_most, 1);
	CHECK_STR(str_from(n.originator), "ASKER");
	CHECK_STR(str_from(n.syntaxes[0]), UID_ExplicitVRLittleEndian);
}

TEST(as_many_in_flight_as_granted)
{
	static const uint16_t granted[] = {4, 8, 0};
	static const size_t most[] = {4, 8, 8};
	size_t i;

	for (i = 0; i < ARRAY_LEN(granted); i++) {
		PAIR(NODE(.window = granted[i], .hold = 16));
		ours_begin(&o, &n, 40, CT, UID_ExplicitVRLittleEndian);
		CHECK(ours_send(&o));
		CHECK_EQ(o.good, 40);
		sender_free(&o.sender);
		node_end(&n);
		/* A window of 0 is what assoc_accept() takes for 1. */
		if (granted[i] != 0)
			CHECK_EQ(n.outstanding_most, most[i]);
	}
}

TEST(converted)
{
	PAIR(NODE(.only = UID_ImplicitVRLittleEndian));
	ours_begin(&o, &n, 3, CT, UID_ExplicitVRLittleEndian);
	(void)str_copy(o.items[1].syntax, 65, STR(JPEG));
	CHECK(ours_send(&o));
	sender_free(&o.sender);
	node_end(&n);
	CHECK_EQ(o.good, 2);
	CHECK_EQ(o.status[1], SENDER_NO_CONTEXT);
	CHECK(strstr(o.comment, "JPEG") != NULL);
	CHECK_STR(str_from(n.syntaxes[1]), UID_ImplicitVRLittleEndian);
	CHECK_EQ(n.associations, 1);
}

TEST(class_refused)
{
	PAIR(NODE(.refused_class = CT));
	ours_begin(&o, &n, 4, CT, UID_ExplicitVRLittleEndian);
	CHECK(ours_send(&o));
	CHECK_EQ(o.results, 4);
	CHECK_EQ(o.status[3], SENDER_NO_CONTEXT);
	CHECK(sender_reached(o.sender));
	sender_free(&o.sender);
	node_end(&n);
}

TEST(more_contexts_than_an_association_holds)
{
	size_t i;

	PAIR(NODE(.window = 1));
	ours_begin(&o, &n, MOST, CT, UID_ExplicitVRLittleEndian);
	for (i = 0; i < MOST; i++)
		snprintf(o.items[i].sop_class, 65, "1.2.3.%zu", i % 150);
	CHECK(ours_send(&o));
	CHECK_EQ(o.good, MOST);
	sender_free(&o.sender);
	node_end(&n);
	/* 150 classes with two contexts each. */
	CHECK_EQ(n.associations, 3);
	CHECK_EQ(n.contexts_most, LIMIT_CONTEXTS);
}

TEST(new_contexts_in_a_later_call)
{
	PAIR(NODE(.window = 1));
	ours_begin(&o, &n, 2, CT, UID_ExplicitVRLittleEndian);
	CHECK(ours_send(&o));
	(void)str_copy(o.items[0].sop_class, 65, STR(MR));
	memset(o.status, 0xff, sizeof(o.status));
	CHECK(ours_send(&o));
	memset(o.status, 0xff, sizeof(o.status));
	CHECK(ours_send(&o)); /* both are proposed by now */
	CHECK_EQ(o.good, 6);
	sender_free(&o.sender);
	node_end(&n);
	CHECK_EQ(n.associations, 2);
}

TEST(files_that_cannot_be_read)
{
	PAIR(NODE(.window = 4, .hold = 4));
	ours_begin(&o, &n, 12, CT, UID_ExplicitVRLittleEndian);
	o.items[2].path = STR("gone");
	o.items[5].path = STR("short");
	CHECK(ours_send(&o));
	CHECK_EQ(o.results, 12);
	CHECK_EQ(o.good, 10);
	CHECK_EQ(o.status[2], SENDER_NO_FILE);
	CHECK_EQ(o.status[5], SENDER_NO_FILE);
	sender_free(&o.sender);
	node_end(&n);
	CHECK_EQ(n.associations, 2);
}

TEST(a_data_set_that_cannot_be_converted)
{
	PAIR(NODE(.only = UID_ImplicitVRLittleEndian));
	ours_begin(&o, &n, 5, CT, UID_ExplicitVRLittleEndian);
	o.items[1].path = STR("torn");
	CHECK(ours_send(&o));
	CHECK_EQ(o.good, 4);
	CHECK_EQ(o.status[1], SENDER_NO_FILE);
	sender_free(&o.sender);
	node_end(&n);
}

TEST(statuses_come_through)
{
	PAIR(NODE(.status = STATUS_OutOfResources));
	ours_begin(&o, &n, 3, CT, UID_ExplicitVRLittleEndian);
	CHECK(ours_send(&o));
	CHECK_EQ(o.results, 3);
	CHECK_EQ(o.good, 0);
	CHECK_EQ(o.status[1], STATUS_OutOfResources);
	sender_free(&o.sender);
	node_end(&n);
}

TEST(wrong_answers)
{
	PAIR(NODE(.wrong_id = true));
	ours_begin(&o, &n, 3, CT, UID_ExplicitVRLittleEndian);
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_PROTOCOL);
	CHECK_EQ(o.results, 0);
	CHECK(sender_reached(o.sender));
	sender_free(&o.sender);
	node_end(&n);
}

TEST(closed_in_the_middle)
{
	PAIR(NODE(.close_after = 2));
	ours_begin(&o, &n, 5, CT, UID_ExplicitVRLittleEndian);
	o.file_size = 8 * MIB;
	CHECK(!ours_send(&o));
	CHECK(o.e.code == ERR_CLOSED || o.e.code == ERR_IO);
	CHECK_EQ(o.good, 2);
	sender_free(&o.sender);
	node_end(&n);
}

TEST(aborted)
{
	PAIR(NODE(.abort_first = true));
	ours_begin(&o, &n, 2, CT, UID_ExplicitVRLittleEndian);
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_CLOSED);
	CHECK_EQ(o.results, 0);
	CHECK(ours_send(&o)); /* the next call opens another */
	CHECK_EQ(o.good, 2);
	sender_free(&o.sender);
	node_end(&n);
}

TEST(a_stale_association_is_replaced)
{
	PAIR(NODE(.close_after = 3));
	ours_begin(&o, &n, 3, CT, UID_ExplicitVRLittleEndian);
	CHECK(ours_send(&o));
	CHECK_EQ(o.good, 3);
	memset(o.status, 0xff, sizeof(o.status));
	/* The node closes it, and the next one too. */
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_CLOSED);
	sender_free(&o.sender);
	node_end(&n);
	CHECK_EQ(n.associations, 2);
}

TEST(silence_ends)
{
	int64_t start = clock_mono_ms();

	PAIR(NODE(.silent = true, .timeout_ms = 1000));
	ours_begin(&o, &n, 2, CT, UID_ExplicitVRLittleEndian);
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_TIMEOUT);
	CHECK(clock_mono_ms() - start < LONG_MS / 2);
	sender_free(&o.sender);
	node_end(&n);
}

TEST(stopped)
{
	int64_t start;

	PAIR(NODE(.window = 1));
	ours_begin(&o, &n, 20, CT, UID_ExplicitVRLittleEndian);
	o.stop_after = 5;
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_CANCELLED);
	CHECK_EQ(o.results, 5);
	sender_free(&o.sender);
	node_end(&n);

	/* A silent node holds nobody. */
	n = NODE(.silent = true, .close_after = -1, .timeout_ms = LONG_MS);
	node_begin(&n);
	ours_begin(&o, &n, 2, CT, UID_ExplicitVRLittleEndian);
	start = clock_mono_ms();
	o.stop_at_ms = start + 100;
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_CANCELLED);
	CHECK(clock_mono_ms() - start < LONG_MS / 2);
	sender_free(&o.sender);
	node_end(&n);
}

TEST(nobody_there)
{
	struct node_side n = {.port = 1, .timeout_ms = LONG_MS};
	struct ours o;

	ours_begin(&o, &n, 1, CT, UID_ExplicitVRLittleEndian);
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_IO);
	CHECK(strstr(o.e.text, "refused") != NULL);
	CHECK(!sender_reached(o.sender));
	sender_free(&o.sender);
}

/* Nobody answers a connection attempt: the queue of the listener is full. */
TEST(stopped_while_connecting)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	struct node_side n = {.timeout_ms = LONG_MS};
	int64_t start;
	struct ours o;
	int i, fd, fill[8];

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(fd, (void *)&at, sizeof(at)) == 0 && listen(fd, 0) == 0);
	CHECK(getsockname(fd, (void *)&at, &size) == 0);
	for (i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (void *)&at, sizeof(at));
	}
	n.port = ntohs(at.sin_port);
	ours_begin(&o, &n, 1, CT, UID_ExplicitVRLittleEndian);
	start = clock_mono_ms();
	o.stop_at_ms = start + 300;
	CHECK(!ours_send(&o));
	CHECK_EQ(o.e.code, ERR_CANCELLED);
	CHECK(clock_mono_ms() - start < LONG_MS / 2);
	sender_free(&o.sender);
	for (i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
}

static bool
stop_at_once(void *ctx)
{
	++*(unsigned *)ctx;
	return true;
}

TEST(names)
{
	struct addrinfo *list = NULL;
	unsigned asked = 0;
	struct conn_watch watch = {stop_at_once, &asked};
	int64_t now = clock_mono_ms();
	struct err e;

	if (CHECK(resolve("127.0.0.1", 104, now, &watch, &list, &e)))
		freeaddrinfo(list);
	CHECK_EQ(asked, 0);
	if (CHECK(resolve("localhost", 104, now + LONG_MS, NULL, &list, &e)))
		freeaddrinfo(list);
	CHECK(!resolve("no-such-host.invalid", 104, now, NULL, &list, &e));
	CHECK_EQ(e.code, ERR_TIMEOUT);
	CHECK(strstr(e.text, "no-such-host") != NULL);
}

TEST_MAIN
