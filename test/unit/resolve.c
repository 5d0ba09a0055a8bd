/*
 * Host names, and a name service that hangs: getaddrinfo() is this file's.
 */
#include "net/resolve.h"

#include "base/clock.h"
#include "base/limit.h"

#include <arpa/inet.h>
#include <stdatomic.h>

#include "test.h"

static atomic_bool hang;
static atomic_int asked, answered;

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
    struct addrinfo **out)
{
	struct sockaddr_in *at;

	if ((hints->ai_flags & AI_NUMERICHOST) != 0)
		return EAI_NONAME;
	atomic_fetch_add(&asked, 1);
	while (atomic_load(&hang))
		clock_sleep_ms(5);
	atomic_fetch_add(&answered, 1);
	if (strcmp(host, "pacs") != 0)
		return EAI_NONAME;
	*out = must_zalloc(sizeof(**out));
	at = must_zalloc(sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_port = htons((uint16_t)strtoul(service, NULL, 10));
	(*out)->ai_addr = (struct sockaddr *)at;
	(*out)->ai_addrlen = sizeof(*at);
	return 0;
}

void
freeaddrinfo(struct addrinfo *list)
{
	free(list->ai_addr);
	free(list);
}

static bool
stop(void *ctx)
{
	return clock_mono_ms() >= *(int64_t *)ctx;
}

/* The threads left behind have ended. */
static void
settle(void)
{
	int64_t until = clock_mono_ms() + 5000;

	atomic_store(&hang, false);
	while (answered < asked && clock_mono_ms() < until)
		clock_sleep_ms(1);
	CHECK_EQ(answered, asked);
}

TEST(found_and_not_found)
{
	int64_t until = clock_mono_ms() + 5000;
	struct addrinfo *list = NULL;
	struct err e;

	if (CHECK(resolve("pacs", 104, until, NULL, &list, &e))) {
		CHECK_EQ(
		    ((struct sockaddr_in *)(void *)list->ai_addr)->sin_port,
		    htons(104));
		freeaddrinfo(list);
	}
	CHECK(!resolve("nobody", 104, until, NULL, &list, &e));
	CHECK_EQ(e.code, ERR_IO);
	CHECK(strstr(e.text, "'nobody'") != NULL);
}

TEST(a_name_service_that_hangs)
{
	int64_t start = clock_mono_ms(), when;
	struct conn_watch watch = {stop, &when};
	struct addrinfo *list = NULL;
	struct err e;

	atomic_store(&hang, true);
	CHECK(!resolve("pacs", 104, start + 100, NULL, &list, &e));
	CHECK_EQ(e.code, ERR_TIMEOUT);
	when = clock_mono_ms() + 50;
	CHECK(!resolve("pacs", 104, start + 60000, &watch, &list, &e));
	CHECK_EQ(e.code, ERR_CANCELLED);
	CHECK(clock_mono_ms() - start < 3000);
	settle();
}

TEST(so_many_may_hang)
{
	struct addrinfo *list = NULL;
	int64_t past = clock_mono_ms();
	struct err e;
	size_t i;

	atomic_store(&hang, true);
	for (i = 0; i < LIMIT_LOOKUPS; i++)
		if (!resolve("pacs", 104, past, NULL, &list, &e))
			CHECK_EQ(e.code, ERR_TIMEOUT);
	CHECK(!resolve("pacs", 104, past + 60000, NULL, &list, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	settle();
	/* And then, as soon as the first has cleaned up, all is well again. */
	past = clock_mono_ms();
	while (!resolve("pacs", 104, past + 5000, NULL, &list, &e) &&
	       clock_mono_ms() < past + 5000)
		clock_sleep_ms(1);
	if (CHECK(list != NULL))
		freeaddrinfo(list);
}

TEST_MAIN
