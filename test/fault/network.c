/*
 * A server whose Nth call of the network, or of a file being sent, fails, N =
 * 1, 2, 3, … until a run has none. Whatever fails: a requester that is answered
 * has counts that add up, nothing counts as sent that the destination has not
 * taken, and the server serves the next.
 *
 * The calls of the C library are replaced for all threads but those of the
 * requester and of the destination; or for the requester's alone.
 */
#include "../unit/archive.h"

#include "service/client/sender.h"
#include "service/receive.h"
#include "service/scp.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define ITEMS 5
/* Nothing here comes to it: what fails, fails at once. */
#define LONG_MS 60000
#define STUDY   "1.8.1"
#define FIND    UID_StudyRootQueryRetrieveInformationModelFind
#define MOVE    UID_StudyRootQueryRetrieveInformationModelMove
#define GET     UID_StudyRootQueryRetrieveInformationModelGet

static atomic_int calls_left = -1;
static atomic_bool hit;
static int number;
static _Thread_local bool exempt;
static atomic_bool requester; /* fails instead of the server */

static bool
due(void)
{
	if (exempt != atomic_load(&requester) || atomic_load(&calls_left) < 0)
		return false;
	if (atomic_fetch_sub(&calls_left, 1) != 0)
		return false;
	atomic_store(&hit, true);
	errno = number;
	return true;
}

static void *
real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	must(p != NULL);
	return p;
}

int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
	int (*call)(int, const struct sockaddr *, socklen_t);

	*(void **)&call = real("connect");
	return due() ? -1 : call(fd, to, n);
}

/* What is broken stays so. */
static bool
breaks(int fd)
{
	int why;

	if (!due())
		return false;
	why = errno;
	(void)shutdown(fd, SHUT_RDWR);
	errno = why;
	return true;
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t (*call)(int, const struct msghdr *, int);

	*(void **)&call = real("sendmsg");
	return breaks(fd) ? -1 : call(fd, m, flags);
}

ssize_t
recv(int fd, void *p, size_t n, int flags)
{
	ssize_t (*call)(int, void *, size_t, int);

	*(void **)&call = real("recv");
	return breaks(fd) ? -1 : call(fd, p, n, flags);
}

static bool
is_object(int fd)
{
	char link[64], path[400];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	return n > 4 && !memcmp(path + n - 4, ".dcm", 4);
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	ssize_t (*call)(int, void *, size_t, off_t);

	*(void **)&call = real("pread64");
	return is_object(fd) && due() ? -1 : call(fd, p, n, at);
}

/* The destination: takes all, and keeps count. */
struct dest {
	int fd;
	uint16_t port;
	struct thread thread;
	struct mutex lock;
	bool got[ITEMS];
};

static int
choose(void *ctx, const struct pdu_associate *rq,
    const struct pdu_context *context, uint8_t *result, bool *may_scp,
    struct str *extended)
{
	(void)ctx;
	(void)rq;
	(void)context;
	(void)result;
	(void)may_scp;
	*extended = STR("");
	return 0;
}

static void
take_all(struct dest *d, struct assoc *a)
{
	struct dimse rq, rsp;
	struct err e;
	size_t i;

	while (dimse_read(a, &rq, &e) && dimse_drain(a, &e)) {
		i = (size_t)(rq.sop_instance[strlen(rq.sop_instance) - 1] -
			     '0');
		must(i < ITEMS);
		mutex_lock(&d->lock);
		d->got[i] = true;
		mutex_unlock(&d->lock);
		rsp = dimse_response(&rq, STATUS_Success);
		if (!dimse_send(a, &rsp, STR(""), &e))
			return;
	}
}

static void
serve(void *arg)
{
	static const struct assoc_policy policy = {
	    .choose = choose, .async_performed = 4};
	struct dest *d = arg;
	struct assoc *a;
	struct err e;
	int fd;

	exempt = true;
	while ((fd = accept(d->fd, NULL, NULL)) >= 0) {
		if (assoc_accept(&a, conn_new(fd), &policy, d, &e))
			take_all(d, a);
		assoc_free(&a);
	}
}

static void
dest_begin(struct dest *d)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);

	*d = (struct dest){0};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	mutex_init(&d->lock);
	d->fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(d->fd, (void *)&at, sizeof(at)) == 0);
	CHECK(listen(d->fd, 16) == 0);
	CHECK(getsockname(d->fd, (void *)&at, &size) == 0);
	d->port = ntohs(at.sin_port);
	CHECK(thread_start(&d->thread, "dest", serve, d));
}

static void
dest_end(struct dest *d)
{
	(void)shutdown(d->fd, SHUT_RDWR);
	thread_join(&d->thread);
	close(d->fd);
	mutex_fini(&d->lock);
}

static size_t
dest_took(struct dest *d)
{
	size_t i, n = 0;

	mutex_lock(&d->lock);
	for (i = 0; i < ITEMS; i++)
		n += d->got[i];
	memset(d->got, 0, sizeof(d->got));
	mutex_unlock(&d->lock);
	return n;
}

/* The server, and what is asked of it. */
struct world {
	struct archive t;
	struct dest dest;
	struct scp *scp;
	struct node us; /* the server, as the requester knows it */
	struct client client;
	struct arena arena, answers;
	struct dataset *identifier;
	size_t came; /* instances of a C-GET */
};

static void
put_items(struct world *w)
{
	char instance[32];
	struct sample s = {.instance = instance,
	    .sop_class = UID_CTImageStorage,
	    .study = STUDY,
	    .series = "1.7.1",
	    .patient = "P",
	    .name = "N",
	    .pixels = 40000};
	struct object_result out;
	int i;

	for (i = 0; i < ITEMS; i++) {
		snprintf(instance, sizeof(instance), "1.9.%d", i);
		CHECK(archive_put(&w->t, &s, &out));
	}
}

static bool
world_begin(struct world *w)
{
	struct scp_config config = {.service = {.ae_title = "FILEROOM",
					.access_open = true,
					.timeout_ms = LONG_MS},
	    .client = {.ae_title = "FILEROOM", .timeout_ms = LONG_MS},
	    .max_outgoing = 4,
	    .bind = "127.0.0.1",
	    .port_auto = true};
	struct node node = {.ae = "DEST", .host = "127.0.0.1"};
	const char *colon;

	exempt = true;
	*w = (struct world){
	    .client = {.ae_title = "ASKER", .timeout_ms = LONG_MS}};
	if (!archive_begin(&w->t))
		return false;
	/* What fails is told of, over and over. */
	log_level_set((enum log_level)(LOG_ERROR + 1));
	put_items(w);
	dest_begin(&w->dest);
	node.port = w->dest.port;
	CHECK(node_put(w->t.store, &node, true, &w->t.e));
	config.client.store = w->t.store;
	if (!CHECK(scp_open(&w->scp, w->t.store, &config, &w->t.e)))
		return false;
	colon = strrchr(scp_address(w->scp), ':');
	w->us = (struct node){.ae = "FILEROOM", .host = "127.0.0.1"};
	w->us.port = (uint16_t)strtoul(colon + 1, NULL, 10);
	arena_init(&w->arena, MIB);
	arena_init(&w->answers, LIMIT_EXCHANGE);
	w->identifier = dataset_new(&w->arena);
	CHECK(dataset_put_text(
	    w->identifier, TAG_QueryRetrieveLevel, VR_CS, "STUDY"));
	CHECK(dataset_put_text(
	    w->identifier, TAG_StudyInstanceUID, VR_UI, STUDY));
	return true;
}

static void
world_end(struct world *w)
{
	scp_close(&w->scp, clock_mono_ms() + 60000);
	dest_end(&w->dest);
	arena_fini(&w->arena);
	arena_fini(&w->answers);
	log_level_set(LOG_ERROR);
	archive_end(&w->t);
}

static bool
got_begin(void *ctx, const struct object_header *header, struct err *e)
{
	(void)ctx;
	(void)header;
	(void)e;
	return true;
}

static bool
got_write(void *ctx, struct str part, struct err *e)
{
	(void)ctx;
	(void)part;
	(void)e;
	return true;
}

static bool
got_commit(void *ctx, struct object_result *out, struct err *e)
{
	struct world *w = ctx;

	(void)e;
	*out = (struct object_result){.outcome = OBJECT_STORED};
	w->came++;
	return true;
}

static void
got_abort(void *ctx)
{
	(void)ctx;
}

/* One request in an association of its own. False: it was not answered. */
static bool
ask(struct world *w, const char *model, struct client_end *end)
{
	static const struct receiver receiver = {
	    got_begin, got_write, got_commit, got_abort};
	struct str classes[] = {STR(UID_CTImageStorage)};
	struct client_query q = {.model = model,
	    .identifier = w->identifier,
	    .destination = "DEST",
	    .arena = &w->answers};
	struct client_wish wish;
	struct assoc *a;
	struct arena wishes;
	struct err e;
	bool ok;

	arena_init(&wishes, MIB);
	w->came = 0;
	ok = client_wish_get(&wish, &wishes, model, classes, 1, &e) &&
	     client_open(&a, &w->client, &w->us, &wish, &e);
	if (ok) {
		if (!strcmp(model, MOVE))
			ok = client_move(a, &q, end, &e);
		else if (!strcmp(model, GET))
			ok = client_get_into(a, &q, &receiver, w, end, &e);
		else
			ok = client_find(a, &q, end, &e);
		client_close(&a);
	}
	arena_fini(&wishes);
	return ok;
}

static void
check_counts(struct world *w, const char *model, const struct client_end *end)
{
	size_t took = dest_took(&w->dest);

	if (!strcmp(model, FIND)) {
		CHECK(end->status == STATUS_Success && end->answers == 1);
		return;
	}
	CHECK(end->has_counts);
	CHECK_EQ(end->completed + end->failed + end->warning, ITEMS);
	CHECK_EQ(end->warning, 0);
	CHECK_EQ(end->status, end->failed == 0 ? STATUS_Success
			      : end->completed == 0
				  ? STATUS_OutOfResourcesSubOperations
				  : STATUS_SubOperationsWarning);
	if (!strcmp(model, MOVE))
		CHECK(end->completed <= took);
	else
		CHECK_EQ(end->completed, w->came);
}

static void
all_links_end(struct world *w)
{
	int64_t end = clock_mono_ms() + 60000;
	struct scp_counts counts;

	do {
		scp_count(w->scp, &counts);
		if (counts.connections == 0)
			return;
		clock_sleep_ms(1);
	} while (clock_mono_ms() < end);
	CHECK_EQ(counts.connections, 0);
}

static void
fail_each(const char *model, int with)
{
	struct client_end end;
	struct world w;
	int at, answered = 0;
	bool ok;

	if (!world_begin(&w))
		return;
	number = with;
	for (at = 0, hit = true; hit && at < 2000; at++) {
		(void)dest_took(&w.dest);
		atomic_store(&hit, false);
		atomic_store(&calls_left, at);
		ok = ask(&w, model, &end);
		all_links_end(&w);
		atomic_store(&calls_left, -1);
		if (ok)
			check_counts(&w, model, &end);
		answered += ok;
		/* Those that nothing failed for. */
		if (!hit)
			CHECK(ok &&
			      (!strcmp(model, FIND) || end.completed == ITEMS));
	}
	printf("%s, errno %d: %d calls failed, %d runs answered\n", model, with,
	    at - 1, answered);
	CHECK(at > 3 && at < 2000);
	CHECK(answered > 1);
	world_end(&w);
}

TEST(find)
{
	fail_each(FIND, ECONNRESET);
}

TEST(get)
{
	fail_each(GET, ECONNRESET);
	fail_each(GET, EIO);
}

TEST(requests)
{
	atomic_store(&requester, true);
	fail_each(FIND, ECONNRESET);
	fail_each(GET, EIO);
	atomic_store(&requester, false);
}

TEST(move)
{
	fail_each(MOVE, ECONNRESET);
	fail_each(MOVE, EIO);
}

TEST_MAIN
