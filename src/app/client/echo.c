/*
 * 'echo': does a node answer, how fast, and what does it say of itself; if
 * not, why, and what to do about it.
 */
#include "app/client/echo.h"

#include "app/client/target.h"
#include "base/clock.h"
#include "base/thread.h"

#include <stdatomic.h>

/* Dead nodes cost a timeout each; that many wait at a time. */
#define MOST_THREADS 16

struct answer {
	bool good;
	struct err e;
	int64_t open_us, echo_us;
	char implementation[33], implementation_uid[65], syntax[65];
	uint32_t max_out;
};

static void
take_words(struct answer *out, const struct assoc *a)
{
	const struct assoc_context *c =
	    assoc_find_context(a, STR(UID_Verification), STR(""));
	const struct dict_uid *known;

	(void)str_printable(out->implementation, sizeof(out->implementation),
	    str_trim(a->peer_implementation_version));
	(void)str_printable(out->implementation_uid,
	    sizeof(out->implementation_uid),
	    str_trim(a->peer_implementation_uid));
	out->max_out = a->max_out;
	known = c != NULL ? dict_uid(c->syntax) : NULL;
	(void)str_copy(out->syntax, sizeof(out->syntax),
	    known != NULL ? str_from(known->name) : STR("unknown"));
}

static void
ask(const struct client *c, const struct node *n, struct answer *out)
{
	static const char *const classes[] = {UID_Verification};
	int64_t begun = clock_mono_us();
	struct client_wish wish;
	struct client_end end;
	struct arena arena;
	struct assoc *a = NULL;

	*out = (struct answer){.good = false};
	arena_init(&arena, MIB);
	if (client_wish_plain(&wish, &arena, classes, 1, &out->e) &&
	    client_open(&a, c, n, &wish, &out->e)) {
		out->open_us = clock_mono_us() - begun;
		take_words(out, a);
		begun = clock_mono_us();
		out->good = client_echo(a, &end, &out->e);
		out->echo_us = clock_mono_us() - begun;
		if (out->good && end.status != STATUS_Success)
			out->good = fail(&out->e, ERR_UNSUPPORTED,
			    "node '%s' answered the C-ECHO with %s (%04X)",
			    n->ae, status_name(end.status),
			    (unsigned)end.status);
		client_close(&a);
	}
	arena_fini(&arena);
}

static void
put_node(const struct node *n)
{
	printf("%s at %s port %u%s", n->ae, n->host, (unsigned)n->port,
	    n->tls ? " (TLS)" : "");
}

bool
echo_one(const struct client *c, const struct node *n, struct err *e)
{
	struct answer a;

	ask(c, n, &a);
	if (!a.good) {
		*e = a.e;
		return false;
	}
	put_node(n);
	printf(" answers\n");
	printf("  time: %.1f ms; the association took %.1f ms\n",
	    (double)a.echo_us / 1000, (double)a.open_us / 1000);
	printf("  implementation: %s (%s)\n",
	    a.implementation[0] != '\0' ? a.implementation : "no name",
	    a.implementation_uid[0] != '\0' ? a.implementation_uid : "no UID");
	printf("  accepted: %s, PDUs of up to %lu bytes\n", a.syntax,
	    (unsigned long)a.max_out);
	return true;
}

struct round {
	const struct client *client;
	const struct node *nodes;
	struct answer *answers;
	size_t n;
	atomic_size_t next;
};

static void
work(void *arg)
{
	struct round *r = arg;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->n)
		if (r->nodes[i].port != 0)
			ask(r->client, &r->nodes[i], &r->answers[i]);
}

static size_t
put_table(const struct round *r)
{
	const struct answer *a;
	const struct node *n;
	size_t i, dead = 0;
	char where[300];

	for (i = 0; i < r->n; i++) {
		n = &r->nodes[i];
		a = &r->answers[i];
		snprintf(where, sizeof(where), "%s:%u%s", n->host,
		    (unsigned)n->port, n->tls ? " tls" : "");
		printf("%-16s %-28s ", n->ae, where);
		if (n->port == 0) {
			puts("does not listen");
		} else if (a->good) {
			printf("answers in %.1f ms, %s\n",
			    (double)a->echo_us / 1000, a->implementation);
		} else {
			dead++;
			fputs("no: ", stdout);
			verb_put(stdout, a->e.text);
			putchar('\n');
		}
	}
	return dead;
}

bool
echo_all(
    const struct client *c, const struct node *nodes, size_t n, struct err *e)
{
	struct round r = {.client = c, .nodes = nodes, .n = n};
	struct thread threads[MOST_THREADS];
	size_t started = 0, dead;

	r.answers = must_zalloc((n + 1) * sizeof(*r.answers));
	while (started < MOST_THREADS && started < n &&
	       thread_start(&threads[started], "echo", work, &r))
		started++;
	if (started == 0)
		work(&r);
	while (started > 0)
		thread_join(&threads[--started]);
	dead = put_table(&r);
	free(r.answers);
	return dead == 0 ||
	       fail(e, ERR_IO, "%zu of %zu nodes did not answer", dead, n);
}

static bool
echo(const struct target_options *o, const char *word, struct err *e)
{
	struct target t;
	struct node n;
	bool done;

	if (!target_open(&t, o, e))
		return false;
	done = target_node(&t, word, &n, e) && echo_one(&t.client, &n, e);
	target_close(&t);
	return done;
}

static int
run(int argc, char **argv)
{
	struct target_options o = {0};
	const struct option options[] = {TARGET_OPTIONS(o)};
	struct words words = {0};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	       options_words(&words, 1, 1, &e) && echo(&o, words.at[0], &e);
	words_free(&words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_echo = {
    .name = "echo",
    .summary = "Ask a node whether it answers (C-ECHO)",
    .usage = "echo NODE",
    .help = "NODE is the AE title of a known node, or\n"
	    "AETITLE@HOST:PORT, with +tls behind it where it speaks TLS; an\n"
	    "IPv6 address stands in brackets. Prints how long the answer\n"
	    "took and what the node says of itself; exit status 1 when it\n"
	    "does not answer, with the reason and what to do. 'node echo\n"
	    "--all' asks all known nodes.\n\n" TARGET_HELP,
    .run = run,
};
