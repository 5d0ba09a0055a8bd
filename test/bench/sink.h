/*
 * Where a C-MOVE sends to: a listener within the load's process that takes
 * every object, as storescp does without its files. One operation at a time,
 * in the first syntax proposed.
 */
#ifndef TEST_BENCH_SINK_H
#define TEST_BENCH_SINK_H

#include "base/thread.h"
#include "net/dimse.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

struct sink {
	int fd;
	bool digest; /* of the data sets: the sum of their CRC-32 */
	struct thread thread;
	atomic_ullong instances, bytes, sum;
};

struct sink_link {
	struct sink *sink;
	int fd;
};

static bool
sink_admit(void *ctx, const struct conn *c, const struct pdu_associate *rq,
    struct pdu_reject *reject, struct err *e)
{
	(void)ctx;
	(void)c;
	(void)rq;
	(void)reject;
	(void)e;
	return true;
}

static int
sink_choose(void *ctx, const struct pdu_associate *rq,
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

static bool
sink_take(struct sink *s, struct assoc *a, struct err *e)
{
	struct dimse rq, rsp;
	struct str part;
	uLong crc = 0;

	if (!dimse_read(a, &rq, e))
		return false;
	do {
		if (!dimse_read_part(a, &part, e))
			return false;
		if (s->digest)
			crc = crc32_z(crc, part.p, part.n);
		atomic_fetch_add(&s->bytes, part.n);
	} while (part.n > 0);
	atomic_fetch_add(&s->sum, crc);
	atomic_fetch_add(&s->instances, 1);
	rsp = dimse_response(&rq, STATUS_Success);
	return dimse_send(a, &rsp, STR(""), e);
}

static void
sink_serve(void *arg)
{
	static const struct assoc_policy policy = {
	    .admit = sink_admit, .choose = sink_choose};
	struct sink_link *link = arg;
	struct assoc *a;
	struct err e;

	if (assoc_accept(&a, conn_new(link->fd), &policy, NULL, &e))
		while (sink_take(link->sink, a, &e))
			;
	assoc_free(&a);
	free(link);
}

static void
sink_listen(void *arg)
{
	struct sink *s = arg;
	struct sink_link *link;
	struct thread thread;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		link = must_alloc(sizeof(*link));
		*link = (struct sink_link){s, fd};
		must(thread_start(&thread, "sink", sink_serve, link));
		thread_detach(&thread);
	}
}

static bool
sink_open(struct sink *s, uint16_t port, struct err *e)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s->fd < 0 || bind(s->fd, (void *)&at, sizeof(at)) != 0 ||
	    listen(s->fd, 16) != 0)
		return fail_errno(
		    e, "cannot listen on port %u", (unsigned)port);
	must(thread_start(&s->thread, "sink", sink_listen, s));
	return true;
}

static void
sink_close(struct sink *s)
{
	(void)shutdown(s->fd, SHUT_RDWR);
	thread_join(&s->thread);
	(void)close(s->fd);
}

#endif
