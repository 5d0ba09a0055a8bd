/*
 * 'worklist explain': why a modality shows the patients it shows, or none.
 * What it asked last comes from the archive; the conditions are tried on the
 * worklist as it is now.
 */
#include "service/service.h"
#include "service/worklist/explain.h"
#include "app/worklist/table.h"
#include "app/worklist/worklist.h"
#include "base/clock.h"
#include "store/table/node.h"
#include "store/worklist/asked.h"

#include <inttypes.h>

#define QUERIES_SHOWN 5
#define TITLES_SHOWN  500
#define EXPLAIN_ARENA (64 * MIB)
#define VALUE_ROOM    80

static const char *
plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static const char *
name_of(const struct ask_key *key)
{
	const struct dict_tag *entry = dict_tag(key->key->tag);

	return entry != NULL ? entry->name : "a key";
}

static void
say_condition(const struct ask_key *key)
{
	char value[VALUE_ROOM];

	printf("%s = ", name_of(key));
	verb_put(stdout, explain_value(key, value, sizeof(value)));
	if (key->own_station)
		printf(" (its own: worklist.calling_ae_as_station)");
	if (key->ignored)
		printf(" (ignored for this node)");
	if (key->in_moment)
		printf(" (with the date)");
}

static void
say_query(const struct asked *q)
{
	char when[32], since[32];

	printf("\n%s asked at %s", q->ae, local_time(q->last_ms, when));
	if (q->count > 1)
		printf(" (%" PRIu64 " times since %s)", q->count,
		    local_time(q->first_ms, since));
	printf(" from %s: %" PRIu64 " answer%s in %.1f ms\n", q->address,
	    q->answers, plural(q->answers), (double)q->took_us / 1000);
	if (q->failed[0] == '\0')
		return;
	fputs("  ", stdout);
	verb_put(stdout, q->failed);
	putchar('\n');
}

static void
say_hidden(const struct explain *x, const struct ask *ask)
{
	size_t i;
	bool first = true;

	printf("  %10s %10" PRIu64 "  items in the worklist\n", "", x->items);
	if (x->hidden == 0)
		return;
	printf("  %10" PRIu64 " %10" PRIu64 "  that are not shown:", x->hidden,
	    x->items - x->hidden);
	for (i = 0; i < STATUS_COUNT; i++) {
		if (x->by_status[i] == 0 ||
		    ask_shows(ask, (enum order_status)i))
			continue;
		printf("%s %" PRIu64 " %s", first ? "" : ",", x->by_status[i],
		    order_status_name((enum order_status)i));
		first = false;
	}
	putchar('\n');
}

static void
say_samples(const struct explain_key *k)
{
	size_t i;

	for (i = 0; i < k->sample_count; i++) {
		fputs(i == 0 ? " They have " : ", ", stdout);
		if (k->samples[i].value[0] == '\0')
			fputs("none", stdout);
		else
			verb_put(stdout, k->samples[i].value);
		printf(" (%" PRIu64 ")", k->samples[i].count);
	}
	puts(k->sample_count == EXPLAIN_SAMPLES ? ", ..." : ".");
}

/* Whose absence would show more. */
static void
say_hints(const struct explain *x)
{
	const struct explain_key *k;
	size_t i;

	for (i = 0; i < x->key_count; i++) {
		k = &x->keys[i];
		if (k->alone == 0)
			continue;
		fputs("  Without ", stdout);
		say_condition(k->key);
		printf(" %" PRIu64 " more would be shown.", k->alone);
		say_samples(k);
	}
	if (x->hidden_alone > 0)
		printf("  %" PRIu64 " more match, but %s over or on hold.\n",
		    x->hidden_alone, x->hidden_alone == 1 ? "is" : "are");
}

static void
say_result(const struct explain *x, const struct ask *ask)
{
	size_t i;

	printf("     removed     remain\n");
	say_hidden(x, ask);
	for (i = 0; i < x->key_count; i++) {
		printf("  %10" PRIu64 " %10" PRIu64 "  ", x->keys[i].removed,
		    x->keys[i].remain);
		say_condition(x->keys[i].key);
		putchar('\n');
	}
	printf("  Now %" PRIu64 " item%s would be shown%s.\n", x->answers,
	    plural(x->answers),
	    x->lenient ? ", names taken as people write them" : "");
	if (ask->rules->limit > 0 && x->answers > ask->rules->limit)
		printf("  The node gets the first %u of them (limit).\n",
		    ask->rules->limit);
	say_hints(x);
	for (i = 0; i < ask->note_count; i++) {
		fputs("  Note: ", stdout);
		verb_put(stdout, ask->notes[i]);
		puts(".");
	}
}

static bool
explain_query(struct worklist_request *r, const struct asked *q, struct err *e)
{
	struct worklist_config config;
	struct ask_rules rules;
	struct explain x;
	struct arena a;
	struct ask ask;
	bool ok;

	say_query(q);
	if (q->failed[0] != '\0')
		return true;
	arena_init(&a, EXPLAIN_ARENA);
	ask_flags_read(q->rules, &config);
	ask_rules_of(r->store, &a, q->ae, &config, &rules);
	ok = ask_read(&a, &rules, q->identifier,
		 syntax_of(str_from(UID_ExplicitVRLittleEndian)), &ask, e) &&
	     explain_run(r->store, &ask, &a, &x, e);
	if (ok)
		say_result(&x, &ask);
	arena_fini(&a);
	return ok;
}

/* Nothing asked by this title: what else may be the cause. */
static bool
say_never(
    struct worklist_request *r, const char *ae, struct arena *a, struct err *e)
{
	struct refusal *refusals;
	struct node node;
	bool any = false;
	size_t n, i;

	printf("%s has not asked for the worklist here.\n", ae);
	if (!refusal_list(r->store, a, &refusals, &n, e))
		return false;
	for (i = 0; i < n; i++) {
		if (strcmp(refusals[i].calling, ae) != 0)
			continue;
		any = true;
		printf("  It was refused at %s, calling ", refusals[i].address);
		verb_put(stdout, refusals[i].called);
		fputs(": ", stdout);
		verb_put(stdout, refusals[i].reason);
		putchar('\n');
	}
	if (!node_find(r->store, ae, &node, e)) {
		if (e->code != ERR_MISSING)
			return false;
		printf(
		    "  It is no known node: fileroom node add %s HOST PORT\n",
		    ae);
	} else if (!any) {
		puts("  It is a known node: look at its worklist settings (AE "
		     "title, address, port of this server).");
	}
	return true;
}

static bool
list_titles(struct worklist_request *r, struct arena *a, struct err *e)
{
	static const char *const heads[] = {
	    "AE TITLE", "ADDRESS", "LAST QUERY", "ANSWERS", "MS"};
	char text[32];
	struct table t;
	struct asked *q;
	size_t n, i;

	if (!asked_list(r->store, NULL, TITLES_SHOWN, a, &q, &n, e))
		return false;
	if (n == 0) {
		puts("nobody has asked for the worklist yet");
		return true;
	}
	table_init(&t, a, heads, ARRAY_LEN(heads));
	for (i = 0; i < n; i++) {
		table_text(&t, q[i].ae);
		table_text(&t, q[i].address);
		table_text(&t, local_time(q[i].last_ms, text));
		snprintf(text, sizeof(text), "%" PRIu64, q[i].answers);
		table_text(&t, text);
		snprintf(
		    text, sizeof(text), "%.1f", (double)q[i].took_us / 1000);
		table_text(&t, text);
	}
	table_print(&t);
	return true;
}

static bool
explain(struct worklist_request *r, struct arena *a, struct err *e)
{
	const char *ae;
	struct asked *q;
	size_t n, i;

	if (r->words.n == 1)
		return list_titles(r, a, e);
	ae = r->words.at[1];
	if (!asked_list(r->store, ae, QUERIES_SHOWN, a, &q, &n, e))
		return false;
	if (n == 0)
		return say_never(r, ae, a, e);
	for (i = 0; i < n; i++)
		if (!explain_query(r, &q[i], e))
			return false;
	return true;
}

bool
worklist_explain(struct worklist_request *r, struct err *e)
{
	struct arena a;
	bool ok;

	if (!worklist_open(r, false, e))
		return false;
	arena_init(&a, EXPLAIN_ARENA);
	ok = explain(r, &a, e);
	arena_fini(&a);
	return ok;
}
