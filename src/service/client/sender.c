/*
 * Sending in associations planned for what is to be sent.
 *
 * A 'pair' is a class with a stored syntax. An association is proposed for
 * the pairs of the items that wait, in their order, as far as 128 contexts go;
 * then come those of the association before, so that mixed batches do not
 * change associations at every turn. Items whose pair is not proposed wait for
 * the next association.
 *
 * Within one: the next item's file is opened and read ahead while the peer
 * works; then a place in the window is awaited; then it is sent. Answers are
 * taken as they come, by their message id.
 */
#include "service/client/sender.h"

#include "base/clock.h"
#include "base/log.h"
#include "service/client/account.h"
#include "service/client/outgoing.h"

/* Answers outstanding at most, whatever the node grants. */
#define WINDOW_MAX 64
/* After stop() said so: what is under way may still finish. */
#define STOP_GRACE_MS 1000

enum item_state { ITEM_WAITS, ITEM_FLIES, ITEM_DONE };

struct pair {
	char sop_class[65], syntax[65];
};

struct flight {
	size_t item;
	uint16_t message_id;
};

struct sender {
	struct sender_config config;
	struct sender_events events;
	void *ctx;
	struct conn_watch watch;
	int64_t stopped_ms; /* 0: stop() has not said so */
	struct assoc *assoc;
	bool reached;
	struct pair pairs[LIMIT_CONTEXTS]; /* proposed */
	size_t pair_count, context_count;
	/* The call under way. */
	const struct sender_item *items;
	size_t n, cursor;
	uint8_t *state;   /* enum item_state of each */
	bool stale;       /* the association is an old one, untested yet */
	bool file_failed; /* and so the association ended */
	struct flight flights[WINDOW_MAX];
	size_t flying;
	struct object_file next; /* of items[cursor], open; fd -1: not */
	const struct assoc_context *next_context;
};

static bool
stop_said(struct sender *s)
{
	if (s->stopped_ms == 0 && s->events.stop != NULL &&
	    s->events.stop(s->ctx))
		s->stopped_ms = clock_mono_ms();
	return s->stopped_ms != 0;
}

/* The connection asks: before there is an association nothing is lost. */
static bool
watch_stop(void *ctx)
{
	struct sender *s = ctx;

	return stop_said(s) &&
	       (s->assoc == NULL ||
		   clock_mono_ms() >= s->stopped_ms + STOP_GRACE_MS);
}

struct sender *
sender_new(const struct sender_config *config,
    const struct sender_events *events, void *ctx)
{
	struct sender *s = must_zalloc(sizeof(*s));

	s->config = *config;
	client_copy(&s->config.client, &config->client);
	s->events = *events;
	s->ctx = ctx;
	s->watch = (struct conn_watch){watch_stop, s};
	s->next.fd = -1;
	return s;
}

static void
close_next(struct sender *s)
{
	if (s->next.fd >= 0)
		object_close(&s->next);
	s->next.fd = -1;
}

/* Release it, unless answers are outstanding, which nobody will read. */
static void
disconnect(struct sender *s)
{
	close_next(s);
	if (s->assoc == NULL)
		return;
	s->assoc->conn->watch = NULL;
	if (s->flying > 0 && s->assoc->end == ASSOC_OPEN)
		assoc_abort(s->assoc, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	client_close(&s->assoc);
}

void
sender_free(struct sender **sp)
{
	if (*sp == NULL)
		return;
	disconnect(*sp);
	client_fini(&(*sp)->config.client);
	free(*sp);
	*sp = NULL;
}

bool
sender_reached(const struct sender *s)
{
	return s->reached;
}

static void
finish_item(struct sender *s, size_t i, uint16_t status, const char *comment)
{
	s->state[i] = ITEM_DONE;
	s->events.result(s->ctx, &s->items[i], status, comment);
}

static bool
proposed(const struct sender *s, const char *sop_class, const char *syntax)
{
	size_t i;

	for (i = s->pair_count; i-- > 0;)
		if (!strcmp(s->pairs[i].sop_class, sop_class) &&
		    !strcmp(s->pairs[i].syntax, syntax))
			return true;
	return false;
}

static bool
item_proposed(const struct sender *s, size_t i)
{
	return proposed(s, s->items[i].sop_class, s->items[i].syntax);
}

/* Does a class have its context of uncompressed syntaxes yet? */
static bool
has_plain(const struct sender *s, const char *sop_class)
{
	size_t i;

	for (i = 0; i < s->pair_count; i++)
		if (!strcmp(s->pairs[i].sop_class, sop_class) &&
		    outgoing_convertible(str_from(s->pairs[i].syntax)))
			return true;
	return false;
}

/* One more pair, if its contexts still fit. */
static void
propose(struct sender *s, const char *sop_class, const char *syntax)
{
	struct pair *p = &s->pairs[s->pair_count];
	size_t contexts = 1;

	if (s->context_count == LIMIT_CONTEXTS ||
	    proposed(s, sop_class, syntax))
		return;
	if (outgoing_convertible(str_from(syntax)) && !has_plain(s, sop_class))
		contexts = 2;
	if (s->context_count + contexts > LIMIT_CONTEXTS)
		return;
	memcpy(p->sop_class, sop_class, sizeof(p->sop_class));
	memcpy(p->syntax, syntax, sizeof(p->syntax));
	s->pair_count++;
	s->context_count += contexts;
}

static void
plan(struct sender *s)
{
	struct pair *before = must_alloc(sizeof(s->pairs));
	size_t i, n = s->pair_count;

	memcpy(before, s->pairs, sizeof(s->pairs));
	s->pair_count = s->context_count = 0;
	for (i = 0; i < s->n; i++)
		if (s->state[i] == ITEM_WAITS)
			propose(s, s->items[i].sop_class, s->items[i].syntax);
	for (i = 0; i < n; i++)
		propose(s, before[i].sop_class, before[i].syntax);
	free(before);
}

/* The contexts of the pairs: each with its own syntax alone, and after the
 * first of a class that can be converted the one to convert to. */
static size_t
list_contexts(const struct sender *s, struct pdu_context *contexts,
    struct str *own, struct str plain[2])
{
	const struct pair *p;
	size_t i, j, n = 0;

	for (i = 0; i < s->pair_count; i++) {
		p = &s->pairs[i];
		own[i] = str_from(p->syntax);
		contexts[n++] =
		    (struct pdu_context){.abstract = str_from(p->sop_class),
			.syntaxes = &own[i],
			.syntax_count = 1};
		if (!outgoing_convertible(own[i]))
			continue;
		for (j = 0; j < i; j++)
			if (!strcmp(s->pairs[j].sop_class, p->sop_class) &&
			    outgoing_convertible(own[j]))
				break;
		if (j == i)
			contexts[n++] = (struct pdu_context){
			    .abstract = str_from(p->sop_class),
			    .syntaxes = plain,
			    .syntax_count = 2};
	}
	must(n == s->context_count);
	return n;
}

/* The node knows none of the classes that were proposed: that is an answer
 * to each of their items, not a failure of the node. */
static void
refuse_proposed(struct sender *s, const char *why)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->state[i] == ITEM_WAITS && item_proposed(s, i))
			finish_item(s, i, SENDER_NO_CONTEXT, why);
	s->pair_count = s->context_count = 0;
}

/* Without an association afterwards if the node accepted none of the contexts
 * for what waited. */
static bool
connect_node(struct sender *s, struct err *e)
{
	struct pdu_context contexts[LIMIT_CONTEXTS];
	struct str own[LIMIT_CONTEXTS];
	struct str plain[] = {
	    STR(UID_ExplicitVRLittleEndian), STR(UID_ImplicitVRLittleEndian)};
	struct client_wish wish = {
	    .contexts = contexts,
	    .window = s->config.window,
	    .watch = &s->watch,
	};

	if (stop_said(s))
		return fail(e, ERR_CANCELLED, "stopped");
	plan(s);
	wish.context_count = list_contexts(s, contexts, own, plain);
	s->flying = 0;
	if (client_open(
		&s->assoc, &s->config.client, &s->config.to, &wish, e)) {
		s->reached = true;
		return true;
	}
	if (e->code != ERR_UNSUPPORTED)
		return false;
	s->reached = true;
	refuse_proposed(s, e->text);
	return true;
}

static size_t
window(const struct sender *s)
{
	size_t asked = s->config.window, granted = s->assoc->async_invoked;

	if (asked < 1)
		asked = 1;
	if (asked > WINDOW_MAX)
		asked = WINDOW_MAX;
	/* 0 is without limit (PS3.7 D.3.3.3.1). */
	return granted == 0 || granted > asked ? asked : granted;
}

static void
no_context(struct sender *s, size_t i)
{
	const struct sender_item *item = &s->items[i];
	const struct dict_uid *sop_class = dict_uid(str_from(item->sop_class));
	const struct dict_uid *syntax = dict_uid(str_from(item->syntax));
	char why[200];

	snprintf(why, sizeof(why), "the node does not take %.64s in %.64s",
	    sop_class != NULL ? sop_class->name : item->sop_class,
	    syntax != NULL ? syntax->name : item->syntax);
	finish_item(s, i, SENDER_NO_CONTEXT, why);
}

/* Open an item's file and choose its context; false: it has its result. */
static bool
prepare(struct sender *s, size_t i)
{
	const struct sender_item *item = &s->items[i];
	struct str sop_class = str_from(item->sop_class);
	struct err e;

	/* Asked first, so that what is not accepted costs no file. */
	if (outgoing_context(s->assoc, sop_class, str_from(item->syntax)) ==
	    NULL) {
		no_context(s, i);
		return false;
	}
	if (!s->events.open(s->ctx, item, &s->next, &e)) {
		s->next.fd = -1;
		finish_item(s, i, SENDER_NO_FILE, e.text);
		return false;
	}
	s->next_context =
	    outgoing_context(s->assoc, sop_class, str_from(s->next.syntax));
	if (s->next_context == NULL) {
		close_next(s);
		no_context(s, i);
		return false;
	}
	outgoing_read_ahead(&s->next);
	return true;
}

/* Have the next item ready; false when this association has no more. */
static bool
advance(struct sender *s)
{
	if (s->next.fd >= 0)
		return true;
	for (; s->cursor < s->n; s->cursor++)
		if (s->state[s->cursor] == ITEM_WAITS &&
		    item_proposed(s, s->cursor) && prepare(s, s->cursor))
			return true;
	return false;
}

static bool
nonsense(
    struct sender *s, const char *what, const struct dimse *m, struct err *e)
{
	(void)fail(e, ERR_PROTOCOL, "node '%s' sent %s: %s %u", s->config.to.ae,
	    what, dimse_command_name(m->command), (unsigned)m->message_id);
	assoc_abort(s->assoc, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	return false;
}

static void
note_answer(struct sender *s, const struct dimse *m)
{
	struct activity *row = account(s->assoc);
	char text[100];

	if (m->status == STATUS_Success || status_is_warning(m->status)) {
		row->instances_out++;
		return;
	}
	row->stores_failed++;
	snprintf(text, sizeof(text), "%04X%s%s", (unsigned)m->status,
	    m->comment[0] != '\0' ? ": " : "", m->comment);
	account_note(s->assoc, text);
}

static bool
read_answer(struct sender *s, struct err *e)
{
	struct dimse m;
	size_t i, item;

	if (!dimse_read(s->assoc, &m, e))
		return false;
	/* A data set has no place here, and may have no end. */
	if (m.command != C_STORE_RSP || m.has_data ||
	    status_is_pending(m.status))
		return nonsense(s, "what is no answer to a C-STORE", &m, e);
	for (i = 0; i < s->flying; i++)
		if (s->flights[i].message_id == m.message_id)
			break;
	if (i == s->flying)
		return nonsense(s, "an answer to what was not asked", &m, e);
	item = s->flights[i].item;
	s->flights[i] = s->flights[--s->flying];
	s->stale = false;
	note_answer(s, &m);
	finish_item(s, item, m.status, m.comment);
	return true;
}

/* Read answers until at most 'most' are outstanding, and those that are here
 * already. */
static bool
collect(struct sender *s, size_t most, struct err *e)
{
	while (s->flying > most ||
	       (s->flying > 0 && conn_readable(s->assoc->conn)))
		if (!read_answer(s, e))
			return false;
	return true;
}

static bool
send_next(struct sender *s, struct err *e)
{
	const struct sender_item *item = &s->items[s->cursor];
	struct flight *flight = &s->flights[s->flying];
	struct dimse rq = {.message_id = s->assoc->next_message_id++,
	    .priority = s->config.priority,
	    .originator_id = s->config.originator_id};
	bool ok;

	memcpy(rq.sop_class, item->sop_class, sizeof(rq.sop_class));
	memcpy(rq.sop_instance, item->sop_instance, sizeof(rq.sop_instance));
	memcpy(rq.originator_ae, s->config.originator_ae,
	    sizeof(rq.originator_ae));
	ok = outgoing_send(s->assoc, s->next_context, &s->next, &rq, e);
	close_next(s);
	if (!ok && outgoing_file_failed(s->assoc, e)) {
		s->file_failed = true;
		finish_item(s, s->cursor, SENDER_NO_FILE, e->text);
		return false;
	}
	*flight = (struct flight){s->cursor, rq.message_id};
	s->flying++;
	s->state[s->cursor] = ITEM_FLIES;
	account(s->assoc)->stores++;
	return ok;
}

/* What this association can take. */
static bool
send_proposed(struct sender *s, struct err *e)
{
	size_t most = window(s);

	s->cursor = 0;
	while (advance(s)) {
		if (!collect(s, most - 1, e))
			return false;
		if (stop_said(s))
			break;
		if (!send_next(s, e))
			return false;
		(void)advance(s);
	}
	close_next(s);
	if (!collect(s, 0, e))
		return false;
	if (s->stopped_ms != 0)
		return fail(e, ERR_CANCELLED, "stopped");
	return true;
}

/* Sending failed. True: it goes on in another association, with what was in
 * flight too. */
static bool
broken(struct sender *s, const struct err *e)
{
	/* Or an old association that ended while nobody looked: nothing has
	 * arrived through it. */
	bool again = s->file_failed || (s->stale && e->code == ERR_CLOSED);
	size_t i;

	if (s->assoc->end == ASSOC_OPEN)
		return false;
	for (i = 0; again && i < s->flying; i++)
		s->state[s->flights[i].item] = ITEM_WAITS;
	s->stale = s->file_failed = false;
	return again;
}

static bool
any_waits(const struct sender *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->state[i] == ITEM_WAITS)
			return true;
	return false;
}

static bool
send_all(struct sender *s, struct err *e)
{
	bool ok;

	while (any_waits(s)) {
		if (s->assoc == NULL && !connect_node(s, e))
			return false;
		if (s->assoc == NULL)
			continue;
		ok = send_proposed(s, e);
		if (ok && !any_waits(s))
			return true;
		ok = ok || broken(s, e);
		/* The rest needs other contexts, or another association. */
		disconnect(s);
		s->flying = 0;
		if (!ok)
			return false;
	}
	return true;
}

bool
sender_send(
    struct sender *s, const struct sender_item *items, size_t n, struct err *e)
{
	bool ok;

	s->items = items;
	s->n = n;
	s->state = must_zalloc(n > 0 ? n : 1);
	s->stopped_ms = 0;
	s->stale = s->reached = s->assoc != NULL;
	ok = send_all(s, e);
	free(s->state);
	s->state = NULL;
	s->items = NULL;
	s->n = 0;
	return ok;
}
