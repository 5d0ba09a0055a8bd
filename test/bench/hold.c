/*
 * Peers that do nothing: silent TCP connections and idle associations, held
 * until the end of standard input.
 *
 *     hold PORT CALLED SILENT ASSOCIATIONS
 *
 * Split over processes, since one may have no more descriptors than the server
 * it burdens. A silent connection that the server closes, as it must when the
 * ARTIM timer expires (PS3.8 9.1.5), is opened again at once; a lost
 * association is not.
 *
 * Prints one JSON object when everything stands and another at the end.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limit.h"
#include "base/os.h"
#include "net/assoc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES     4
#define OUTPUT_CAP    (4 * KIB)
#define EVENTS        64
#define TIMEOUT_MS    30000
#define OF_SILENT     0
#define OF_ASSOC      1
#define OF_THE_END    2
#define TAGGED(of, v) ((uint64_t)(of) << 32 | (uint32_t)(v))

/* What one process has; sent to the parent when all stands and at the end. */
struct tally {
	uint64_t silent, reopened, associations, lost, failed;
	uint64_t opening_ms;
};

struct holder {
	uint16_t port;
	const char *called;
	uint64_t silent, associations;
	int epoll, end_fd, result_fd;
	struct assoc **held;
	struct tally tally;
};

static void
stop(const char *what)
{
	fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void
watch(struct holder *h, int fd, uint64_t of, uint64_t v)
{
	struct epoll_event event = {
	    .events = EPOLLIN | EPOLLRDHUP, .data.u64 = TAGGED(of, v)};

	if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		stop("epoll_ctl");
}

static void
open_silent(struct holder *h)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(h->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		stop("socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		h->tally.failed++;
		(void)close(fd);
		return;
	}
	h->tally.silent++;
	watch(h, fd, OF_SILENT, (uint64_t)fd);
}

static void
open_assoc(struct holder *h, uint64_t i)
{
	struct str syntax = STR(UID_ImplicitVRLittleEndian);
	struct pdu_context context = {.abstract = STR(UID_Verification),
	    .syntaxes = &syntax,
	    .syntax_count = 1};
	struct assoc_request rq = {.host = "127.0.0.1",
	    .port = h->port,
	    .calling = "HOLD",
	    .called = h->called,
	    .contexts = &context,
	    .context_count = 1,
	    .timeout_ms = TIMEOUT_MS};
	struct err e;

	if (!assoc_request(&h->held[i], &rq, &e)) {
		if (h->tally.failed++ == 0)
			fprintf(stderr, "hold: %s\n", e.text);
		return;
	}
	assoc_idle(h->held[i]);
	h->tally.associations++;
	watch(h, h->held[i]->conn->fd, OF_ASSOC, i);
}

static void
tell(const struct holder *h)
{
	ssize_t n = write(h->result_fd, &h->tally, sizeof(h->tally));

	if (n != sizeof(h->tally))
		stop("write");
}

/* False at the end of the test. */
static bool
on_event(struct holder *h, uint64_t data)
{
	uint32_t v = (uint32_t)data;

	switch (data >> 32) {
	case OF_SILENT:
		(void)close((int)v);
		h->tally.silent--;
		h->tally.reopened++;
		open_silent(h);
		return true;
	case OF_ASSOC:
		assoc_free(&h->held[v]);
		h->tally.associations--;
		h->tally.lost++;
		return true;
	default:
		return false;
	}
}

static void
hold(struct holder *h)
{
	struct epoll_event events[EVENTS];
	int64_t begun_ms = clock_mono_ms();
	bool going = true;
	uint64_t i;
	int n;

	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (h->epoll < 0)
		stop("epoll_create1");
	h->held = must_zalloc((h->associations + 1) * sizeof(struct assoc *));
	watch(h, h->end_fd, OF_THE_END, 0);
	for (i = 0; i < h->associations; i++)
		open_assoc(h, i);
	for (i = 0; i < h->silent; i++)
		open_silent(h);
	h->tally.opening_ms = (uint64_t)(clock_mono_ms() - begun_ms);
	tell(h);
	while (going) {
		n = epoll_wait(h->epoll, events, EVENTS, -1);
		for (i = 0; n > 0 && i < (uint64_t)n; i++)
			going = on_event(h, events[i].data.u64) && going;
	}
	tell(h);
	_exit(0);
}

static void
field(struct json *j, const char *name, uint64_t v)
{
	json_key(j, name);
	json_i64(j, (int64_t)v);
}

static void
report(int result_fd)
{
	struct tally sum = {0}, t;
	struct buf out;
	struct json j;
	int i;

	for (i = 0; i < PROCESSES; i++) {
		if (os_read_full(result_fd, &t, sizeof(t)) != sizeof(t))
			stop("a process has gone");
		sum.silent += t.silent;
		sum.reopened += t.reopened;
		sum.associations += t.associations;
		sum.lost += t.lost;
		sum.failed += t.failed;
		if (t.opening_ms > sum.opening_ms)
			sum.opening_ms = t.opening_ms;
	}
	buf_init(&out, OUTPUT_CAP);
	json_init(&j, &out);
	json_object(&j);
	field(&j, "silent", sum.silent);
	field(&j, "reopened", sum.reopened);
	field(&j, "associations", sum.associations);
	field(&j, "lost", sum.lost);
	field(&j, "failed", sum.failed);
	field(&j, "opening_ms", sum.opening_ms);
	json_end_object(&j);
	puts(buf_cstr(&out));
	(void)fflush(stdout);
	buf_fini(&out);
}

/* What process i holds of n. */
static uint64_t
share(uint64_t n, int i)
{
	return n / PROCESSES + ((uint64_t)i < n % PROCESSES ? 1 : 0);
}

int
main(int argc, char **argv)
{
	struct holder h = {0};
	int ends[2], results[2], i;
	uint64_t port, silent, associations;
	char byte;

	if (argc != 5 || !str_u64(str_from(argv[1]), &port) ||
	    !str_u64(str_from(argv[3]), &silent) ||
	    !str_u64(str_from(argv[4]), &associations) || port > UINT16_MAX) {
		fprintf(
		    stderr, "usage: hold PORT CALLED SILENT ASSOCIATIONS\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (pipe(ends) < 0 || pipe(results) < 0)
		stop("pipe");
	h.port = (uint16_t)port;
	h.called = argv[2];
	h.end_fd = ends[0];
	h.result_fd = results[1];
	for (i = 0; i < PROCESSES; i++) {
		h.silent = share(silent, i);
		h.associations = share(associations, i);
		switch (fork()) {
		case -1:
			stop("fork");
			break;
		case 0:
			(void)close(ends[1]);
			hold(&h);
			break;
		}
	}
	(void)close(results[1]);
	report(results[0]);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	(void)close(ends[1]);
	report(results[0]);
	for (i = 0; i < PROCESSES; i++)
		(void)wait(NULL);
	return 0;
}
