/*
 * The load of the benchmark on the HL7 port: orders, pipelined.
 *
 *     hl7load port=N [count=N] [conns=N] [window=N] [seed=N] [again=1]
 *
 * Each connection sends its part of count orders (ORM^O01), each of another
 * patient and with another accession number, and has at most window of them
 * unanswered; window=1 waits for each answer. Every answer must be AA and name
 * its order, in their order. again=1: the same orders once more, as changes
 * of what is there (other control ids).
 *
 * The clock runs from the moment all connections stand until the last answer.
 * Output is one JSON object; the exit status is 1 when anything failed.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/limit.h"
#include "base/thread.h"
#include "net/conn.h"
#include "net/mllp.h"

#include <inttypes.h>
#include <signal.h>

#define TIMEOUT_MS (600 * 1000)
#define OUT_CAP    (64 * MIB)

struct load {
	uint64_t port, count, conns, window, seed, again;
	pthread_barrier_t ready;
};

struct worker {
	struct load *load;
	uint64_t first, end; /* its orders */
	struct thread thread;
	struct conn *conn;
	struct mllp in;
	struct buf out, one;
	uint64_t sent, acked;
	int64_t begun_us, ended_us;
	bool failed;
	struct err why;
};

static void
put_order(struct worker *w, uint64_t n)
{
	uint64_t id = w->load->seed * 100000000 + n;
	struct buf *b = &w->one;

	buf_clear(b);
	buf_printf(b,
	    "MSH|^~\\&|HIS|CLINIC|FILEROOM|RAD|20260101120000||ORM^O01|%" PRIu64
	    "%s|P|2.3.1\r"
	    "PID|1||P%" PRIu64 "||DOE%" PRIu64
	    "^JANE^M||19510224|F|||1 MAIN ST^^TOWN\r"
	    "PV1|1|O|RAD^1^2|||||REF^RITA\r"
	    "ORC|NW|A%" PRIu64 "|F%" PRIu64 "|G%" PRIu64
	    "|IP||^^^20260102080000^^R||20260101||||||"
	    "20260102080000\r"
	    "OBR|1|A%" PRIu64 "|F%" PRIu64 "|21100^CT OF THE HEAD^LOCAL"
	    "||||||||||||REQ^RUTH||CT|||CTAWP1||||||^^^20260102080000^^R\r",
	    id, w->load->again ? "B" : "", id, id, id, id, id, id, id);
	mllp_frame(&w->out, buf_str(b));
}

static bool
is_answer(struct worker *w, struct str ack, struct err *e)
{
	uint64_t id = w->load->seed * 100000000 + w->first + w->acked;
	char want[64], shown[200];
	size_t i;

	snprintf(want, sizeof(want), "\rMSA|AA|%" PRIu64 "%s\r", id,
	    w->load->again ? "B" : "");
	for (i = 0; i + strlen(want) <= ack.n; i++)
		if (memcmp(ack.p + i, want, strlen(want)) == 0)
			return true;
	return fail(e, ERR_PROTOCOL, "no AA for order %" PRIu64 ": %s", id,
	    str_printable(shown, sizeof(shown), ack));
}

/* At least one answer. */
static bool
take_answers(struct worker *w, struct err *e)
{
	enum mllp_kind kind;
	struct str in, frame;
	const char *why;

	if (!conn_take(w->conn, BLOCK_IO, &in, e))
		return false;
	while (in.n > 0) {
		if (!mllp_feed(&w->in, &in, &kind, &frame, &why, e))
			return false;
		if (kind == MLLP_NOTHING)
			break;
		if (kind != MLLP_MESSAGE)
			return fail(e, ERR_PROTOCOL, "no answer");
		if (!is_answer(w, frame, e))
			return false;
		w->acked++;
	}
	return true;
}

static bool
run(struct worker *w, struct err *e)
{
	uint64_t all = w->end - w->first;

	while (w->acked < all) {
		while (w->sent < all && w->sent - w->acked < w->load->window)
			put_order(w, w->first + w->sent++);
		if (w->out.n > 0 && !conn_write(w->conn, buf_str(&w->out), e))
			return false;
		buf_clear(&w->out);
		if (!take_answers(w, e))
			return false;
	}
	return true;
}

static void
work(void *arg)
{
	struct worker *w = arg;

	buf_init(&w->out, OUT_CAP);
	buf_init(&w->one, 64 * KIB);
	mllp_init(&w->in);
	w->failed = !conn_open(&w->conn, "127.0.0.1", (uint16_t)w->load->port,
	    TIMEOUT_MS, NULL, &w->why);
	if (!w->failed)
		w->conn->progress_ms = TIMEOUT_MS;
	pthread_barrier_wait(&w->load->ready);
	w->begun_us = clock_mono_us();
	if (!w->failed)
		w->failed = !run(w, &w->why);
	w->ended_us = clock_mono_us();
	conn_free(&w->conn);
	mllp_fini(&w->in);
	buf_fini(&w->one);
	buf_fini(&w->out);
}

static int
tell(const struct load *l, const struct worker *workers)
{
	int64_t begun = INT64_MAX, ended = 0;
	uint64_t acked = 0, failures = 0, i;

	for (i = 0; i < l->conns; i++) {
		const struct worker *w = &workers[i];

		begun = w->begun_us < begun ? w->begun_us : begun;
		ended = w->ended_us > ended ? w->ended_us : ended;
		acked += w->acked;
		if (w->failed && failures++ == 0)
			fprintf(stderr, "%s\n", w->why.text);
	}
	printf("{\"orders\": %" PRIu64 ", \"failures\": %" PRIu64
	       ", \"wall_us\": %" PRId64 "}\n",
	    acked, failures, ended - begun);
	return failures > 0;
}

static bool
take_words(struct load *l, int argc, char **argv)
{
	const struct {
		const char *name;
		uint64_t *value;
	} words[] = {{"port", &l->port}, {"count", &l->count},
	    {"conns", &l->conns}, {"window", &l->window}, {"seed", &l->seed},
	    {"again", &l->again}};
	struct str name, rest;
	size_t j;
	int i;

	for (i = 1; i < argc; i++) {
		rest = str_from(argv[i]);
		if (!str_split(&rest, '=', &name))
			return false;
		for (j = 0; j < ARRAY_LEN(words); j++)
			if (str_eq_text(name, words[j].name))
				break;
		if (j == ARRAY_LEN(words) || !str_u64(rest, words[j].value))
			return false;
	}
	return l->port > 0 && l->conns > 0 && l->window > 0;
}

int
main(int argc, char **argv)
{
	struct load l = {.count = 10000, .conns = 1, .window = 1000, .seed = 1};
	struct worker *workers;
	uint64_t i;
	int status;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!take_words(&l, argc, argv)) {
		fputs("usage: hl7load port=N [count=N] [conns=N] [window=N] "
		      "[seed=N] [again=1]\n",
		    stderr);
		return 2;
	}
	workers = must_zalloc(l.conns * sizeof(*workers));
	must(pthread_barrier_init(&l.ready, NULL, (unsigned)l.conns) == 0);
	for (i = 0; i < l.conns; i++) {
		workers[i].load = &l;
		workers[i].first = l.count * i / l.conns;
		workers[i].end = l.count * (i + 1) / l.conns;
		must(thread_start(
		    &workers[i].thread, "load", work, &workers[i]));
	}
	for (i = 0; i < l.conns; i++)
		thread_join(&workers[i].thread);
	status = tell(&l, workers);
	free(workers);
	return status;
}
