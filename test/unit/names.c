/*
 * Host names of nodes, with a name service of our own: names that resolve,
 * that do not, that change, and that hang; nobody waits for it.
 */
#include "store/table/names.h"

#include "base/thread.h"
#include "store/worklist/hl7_node.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>

#include "archive.h"

/* Takes the place of the C library's. "hangs…": until let go. "none…": there
 * is no such host. "again…": no answer. All others: 10.0.0.x. */
static atomic_int asked, answered, x = 1, again;
static struct mutex lock = MUTEX_INIT;
static bool let_go;
static struct cond gone;

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
    struct addrinfo **out)
{
	struct addrinfo *a;
	struct sockaddr_in *in;

	(void)service;
	(void)hints;
	atomic_fetch_add(&asked, 1);
	mutex_lock(&lock);
	while (!strncmp(host, "hangs", 5) && !let_go)
		cond_wait(&gone, &lock);
	mutex_unlock(&lock);
	atomic_fetch_add(&answered, 1);
	if (!strncmp(host, "none", 4))
		return EAI_NONAME;
	if (again || !strncmp(host, "hangs", 5))
		return EAI_AGAIN;
	a = must_zalloc(sizeof(*a) + sizeof(*in));
	in = (struct sockaddr_in *)(void *)(a + 1);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0x0a000000u + (unsigned)x);
	a->ai_family = AF_INET;
	a->ai_addr = (struct sockaddr *)in;
	*out = a;
	return 0;
}

void
freeaddrinfo(struct addrinfo *a)
{
	free(a);
}

static void
hang(void)
{
	cond_init(&gone);
	mutex_lock(&lock);
	let_go = false;
	mutex_unlock(&lock);
}

/* And wait for those that hung. */
static void
release(void)
{
	mutex_lock(&lock);
	let_go = true;
	cond_broadcast(&gone);
	mutex_unlock(&lock);
	while (atomic_load(&answered) != atomic_load(&asked))
		clock_sleep_ms(1);
}

static struct address
at(const char *text)
{
	struct address a;

	CHECK(address_parse(text, &a));
	return a;
}

static enum names_said
ask_once(struct names *n, const char *host, const char *text)
{
	struct address a = at(text);

	return names_say(n, host, &a, clock_mono_ms() + 60000);
}

/* Until it has been looked up, which may take longer than a question waits. */
static enum names_said
ask(struct names *n, const char *host, const char *text)
{
	int64_t end = clock_mono_ms() + 60000;
	enum names_said said;

	do
		said = ask_once(n, host, text);
	while (said == NAMES_NOT_YET && clock_mono_ms() < end);
	return said;
}

/* Or until this is said, for a minute. */
static bool
says(struct names *n, const char *host, const char *text, enum names_said what)
{
	int64_t end = clock_mono_ms() + 60000;

	while (ask(n, host, text) != what)
		if (clock_mono_ms() > end)
			return false;
	return true;
}

TEST(found)
{
	struct names *n = names_new();
	int before = asked;
	int64_t begin;

	CHECK_EQ(ask(n, "10.0.0.9", "10.0.0.9"), NAMES_YES);
	CHECK_EQ(ask(n, "10.0.0.9", "10.0.0.8"), NAMES_NO);
	CHECK_EQ(asked, before);
	CHECK_EQ(ask(n, "ct", "10.0.0.1"), NAMES_YES);
	CHECK_EQ(ask(n, "ct", "::ffff:10.0.0.1"), NAMES_YES);
	CHECK_EQ(ask(n, "ct", "10.0.0.2"), NAMES_NO);
	begin = clock_mono_ms();
	CHECK_EQ(ask(n, "none", "10.0.0.1"), NAMES_NOWHERE);
	CHECK_EQ(ask(n, "none", "10.0.0.1"), NAMES_NOWHERE);
	/* A failure counts for five seconds. */
	if (clock_mono_ms() - begin < 5000)
		CHECK_EQ(asked, before + 2);
	names_free(&n);
	names_free(&n);
}

/* A second later it has moved; old addresses count while nobody answers. */
TEST(changed)
{
	struct address was = at("10.0.0.1");
	struct names *n = names_new();

	CHECK_EQ(ask(n, "ct", "10.0.0.1"), NAMES_YES);
	names_age(n);
	again = 1;
	CHECK_EQ(names_say(n, "ct", &was, 0), NAMES_YES);
	CHECK_EQ(ask(n, "ct", "10.0.0.7"), NAMES_NO);
	CHECK_EQ(ask(n, "ct", "10.0.0.1"), NAMES_YES);
	again = 0;
	x = 7;
	names_age(n);
	/* Who is not among the old ones waits for the new. */
	CHECK(says(n, "ct", "10.0.0.7", NAMES_YES));
	CHECK_EQ(ask(n, "ct", "10.0.0.1"), NAMES_NO);
	x = 1;
	names_free(&n);
}

TEST(hanging_names_hold_up_nobody)
{
	struct node node = {.ae = "SLOW", .host = "hangs.1", .port = 104};
	struct hl7_node host = {.name = "H", .host = "hangs.2", .port = 1};
	struct archive t;
	const char *why;
	int64_t begin;
	int i;

	hang();
	if (!archive_begin(&t))
		return;
	CHECK(node_put(t.store, &node, true, &t.e));
	CHECK(hl7_node_put(t.store, &host, true, &t.e));
	(void)str_copy(node.ae, sizeof(node.ae), STR("QUICK"));
	(void)str_copy(node.host, sizeof(node.host), STR("ct"));
	CHECK(node_put(t.store, &node, true, &t.e));
	node_prepare(t.store);
	begin = clock_mono_ms();
	while (!node_known(t.store, "QUICK", "10.0.0.1", &why) &&
	       clock_mono_ms() - begin < 60000)
		clock_sleep_ms(1);
	begin = clock_mono_ms();
	for (i = 0; i < 200; i++) {
		CHECK(!node_known(t.store, "SLOW", "10.0.0.1", &why));
		CHECK_STR(str_from(why),
		    "the known node's host name is still being looked up");
		CHECK(!hl7_node_known(t.store, "10.0.0.1"));
		CHECK(node_known(t.store, "QUICK", "10.0.0.1", &why));
	}
	/* Once for each name, not each time. */
	CHECK(clock_mono_ms() - begin < 100 * NAMES_WAIT_MS);
	archive_end(&t);
	release();
}

/* As many as there are threads, and more; the store has gone before them. */
TEST(more_than_there_are_threads)
{
	struct names *n = names_new();
	char host[32];
	int i, before = asked;
	int64_t end;

	hang();
	for (i = 0; i < 100; i++) {
		snprintf(host, sizeof(host), "hangs.%d", i);
		names_want(n, host);
		names_want(n, host);
	}
	CHECK_EQ(ask_once(n, "ct", "10.0.0.1"), NAMES_NOT_YET);
	CHECK(asked - before <= 16);
	release();
	CHECK(says(n, "ct", "10.0.0.1", NAMES_YES));
	/* Others that stood before it may only just be asked for. */
	end = clock_mono_ms() + 60000;
	while (asked < before + 101 && clock_mono_ms() < end)
		clock_sleep_ms(1);
	CHECK_EQ(asked, before + 101);
	while (answered != asked)
		clock_sleep_ms(1);
	hang();
	names_age(n);
	CHECK(says(n, "hangs.1", "10.0.0.1", NAMES_NOWHERE));
	names_free(&n);
	release();
}

TEST_MAIN
