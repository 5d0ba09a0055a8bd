/*
 * A batch of messages goes through four steps: all are read, each by the
 * mapping of its sender; all go to item_take(), those too that could not be
 * read, for the journal; what came of each becomes an acknowledgement.
 *
 * Mappings are looked up once for each sender in a batch, so a change of one
 * is in force from the next batch on, and a batch sees one state of it.
 */
#include "service/hl7/intake.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "service/worklist/notify.h"
#include "store/worklist/hl7_node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>

/* Of what is broken, this much is kept in the journal. */
#define BROKEN_KEPT (64 * KIB)

struct sender {
	struct str application, facility;
	const struct mapping *mapping; /* NULL: *why says why */
	struct order_problem why;
	struct sender *next;
};

struct one {
	struct str bytes;
	const char *broken;
	struct er7_message parsed;
	bool read; /* parsed is a message, whatever it asks for */
	struct order_message order;
	bool headed;     /* order says what it is */
	bool understood; /* order is filled in; or: */
	struct order_problem problem;
};

struct batch {
	struct store *store;
	const struct hl7_intake_config *config;
	const char *source;
	struct arena *arena;
	struct one *ones;
	struct item_message *messages;
	size_t n;
	struct sender *senders;
};

static void problem(struct order_problem *p, bool reject, unsigned code,
    const char *format, ...) PRINTF(4, 5);

static void
problem(struct order_problem *p, bool reject, unsigned code, const char *format,
    ...)
{
	va_list args;

	*p = (struct order_problem){.reject = reject, .code = code};
	va_start(args, format);
	vsnprintf(p->text, sizeof(p->text), format, args);
	va_end(args);
}

/* For a look-up that failed, nothing is cached: the next message tries. */
static bool
load_mapping(struct batch *b, struct sender *s)
{
	char shown[80];
	struct mapping *m;
	struct str text;
	struct err e;
	bool found;

	if (!hl7_mapping_find(b->store, s->application, s->facility, b->arena,
		&text, &found, &e)) {
		problem(&s->why, true, 207,
		    "the field mapping cannot be looked up: send it again");
		log_error("hl7", "field mapping: %s", e.text);
		return false;
	}
	if (!found) {
		s->mapping = mapping_preset("manual");
		return true;
	}
	m = arena_alloc(b->arena, sizeof(*m));
	if (m == NULL) {
		problem(&s->why, true, 207, "the message is too large");
	} else if (mapping_read(text, m, &e)) {
		s->mapping = m;
	} else {
		problem(&s->why, true, 207,
		    "the field mapping of this sender is damaged");
		log_error("hl7", "the field mapping of '%s': %s",
		    str_printable(shown, sizeof(shown), s->application),
		    e.text);
	}
	return true;
}

static const struct mapping *
mapping_of(
    struct batch *b, const struct er7_message *m, struct order_problem *why)
{
	struct str application = er7_get(b->arena, m, "MSH", 3, 1);
	struct str facility = er7_get(b->arena, m, "MSH", 4, 1);
	struct sender *s;

	for (s = b->senders; s != NULL; s = s->next)
		if (str_eq(s->application, application) &&
		    str_eq(s->facility, facility))
			break;
	if (s == NULL) {
		s = arena_alloc(b->arena, sizeof(*s));
		if (s == NULL) {
			problem(why, true, 207, "the message is too large");
			return NULL;
		}
		s->application = application;
		s->facility = facility;
		if (load_mapping(b, s)) {
			s->next = b->senders;
			b->senders = s;
		}
	}
	*why = s->why;
	return s->mapping;
}

/* What one message asks for, or why not. */
static void
read_one(struct batch *b, struct one *o)
{
	const struct mapping *mapping;
	struct err e;

	if (o->broken != NULL) {
		problem(&o->problem, true, 207, "%s", o->broken);
		return;
	}
	/* What came before it in this batch is no concern of this one. */
	b->arena->over = false;
	if (!er7_parse(
		b->arena, o->bytes, b->config->charset, &o->parsed, &e)) {
		problem(&o->problem, true, e.code == ERR_LIMIT ? 102 : 100,
		    "%.150s", e.text);
		return;
	}
	o->read = true;
	mapping = mapping_of(b, &o->parsed, &o->problem);
	if (mapping == NULL)
		return;
	o->headed = true;
	o->understood = order_read(
	    b->arena, &o->parsed, mapping, &o->order, NULL, NULL, &o->problem);
}

static void
copy_part(char *out, size_t room, struct str s)
{
	(void)str_printable(out, room, s);
}

static void
describe(struct batch *b, const struct one *o, struct hl7_result *r)
{
	char type[8], event[8];

	if (!o->read)
		return;
	copy_part(
	    type, sizeof(type), er7_get(b->arena, &o->parsed, "MSH", 9, 1));
	copy_part(
	    event, sizeof(event), er7_get(b->arena, &o->parsed, "MSH", 9, 2));
	snprintf(r->type, sizeof(r->type), "%s%s%s", type,
	    event[0] != '\0' ? "^" : "", event);
	copy_part(r->control_id, sizeof(r->control_id),
	    er7_get(b->arena, &o->parsed, "MSH", 10, 1));
	copy_part(r->application, sizeof(r->application),
	    er7_get(b->arena, &o->parsed, "MSH", 3, 1));
	copy_part(r->facility, sizeof(r->facility),
	    er7_get(b->arena, &o->parsed, "MSH", 4, 1));
}

/* Nothing of it is in the store: the peer is to come again. */
static void
not_taken(struct hl7_result *r, const struct err *e)
{
	r->code = ACK_REJECT;
	r->journal_id = 0;
	problem(&r->problem, true, 207, "%s: send it again",
	    e->code == ERR_FULL ? "the disk is full"
				: "the message could not be stored");
}

static void
note_outcome(const struct item_message *m, struct hl7_result *r)
{
	r->journal_id = m->journal_id;
	r->repeated = m->outcome == ITEM_REPEATED;
	if (m->outcome != ITEM_REFUSED)
		return;
	r->problem = m->refused;
	r->code = m->refused.reject ? ACK_REJECT : ACK_ERROR;
}

/* One transaction for all; when it fails by what is in one of them, each by
 * itself, so that the others are not kept out. */
static void
take_all(struct batch *b, struct hl7_result *results)
{
	struct item_rules with_watch = b->config->rules;
	const struct item_rules *rules = &with_watch;
	struct notify_config notify;
	struct item_watch watch;
	struct err e;
	size_t i;

	memcpy(notify.to, b->config->notify, sizeof(notify.to));
	memcpy(notify.application, b->config->application,
	    sizeof(notify.application));
	memcpy(notify.facility, b->config->facility, sizeof(notify.facility));
	watch = notify_watch(&notify);
	with_watch.watch = &watch;
	if (item_take(b->store, rules, b->messages, b->n, &e)) {
		for (i = 0; i < b->n; i++)
			note_outcome(&b->messages[i], &results[i]);
		return;
	}
	log_error("hl7", "%zu messages could not be taken: %s", b->n, e.text);
	for (i = 0; i < b->n; i++) {
		if (b->n > 1 && e.code != ERR_FULL && e.code != ERR_IO &&
		    e.code != ERR_CANCELLED &&
		    item_take(b->store, rules, &b->messages[i], 1, &e))
			note_outcome(&b->messages[i], &results[i]);
		else
			not_taken(&results[i], &e);
	}
}

/* MSH-7 is local time, as everybody's; MSH-10 is ours alone. */
static void
stamp(char now[16], char control_id[24])
{
	static atomic_uint serial;
	int64_t ms = clock_utc_ms();
	time_t s = (time_t)(ms / 1000);
	struct tm t;

	must(localtime_r(&s, &t) != NULL);
	must(strftime(now, 16, "%Y%m%d%H%M%S", &t) > 0);
	snprintf(control_id, 24, "%" PRIX64 "%05X", (uint64_t)ms,
	    atomic_fetch_add(&serial, 1) & 0xfffffU);
}

static void
answer(struct batch *b, const struct one *o, struct hl7_result *r)
{
	char now[16], control_id[24];
	struct ack_config config = {
	    .application = b->config->application,
	    .facility = b->config->facility,
	    .now = now,
	    .control_id = control_id,
	};
	const struct order_problem *why =
	    r->code == ACK_ACCEPT ? NULL : &r->problem;

	/* An answer gets none: two of us would never come to an end. */
	if (o->understood && o->order.kind == ORDER_KIND_ACK)
		return;
	stamp(now, control_id);
	if (o->read)
		ack_build(b->arena, &o->parsed, r->code, why, &config, &r->ack);
	else
		ack_build_unreadable(
		    b->arena, o->bytes, &r->problem, &config, &r->ack);
}

static void
to_message(const struct batch *b, const struct one *o, struct item_message *m)
{
	*m = (struct item_message){
	    .raw = o->bytes,
	    .order = o->headed ? &o->order : NULL,
	    .problem = o->understood ? NULL : &o->problem,
	    .replay = b->config->replay,
	    .replays = b->config->replays,
	};
	if (o->broken != NULL && m->raw.n > BROKEN_KEPT)
		m->raw.n = BROKEN_KEPT;
	(void)str_copy(m->source, sizeof(m->source), str_from(b->source));
}

void
hl7_take_stream(struct store *s, const struct hl7_intake_config *config,
    const char *source, const struct str *messages, const char *const *broken,
    size_t n, struct arena *a, struct hl7_result *results)
{
	struct batch b = {
	    .store = s, .config = config, .source = source, .arena = a, .n = n};
	size_t i;

	if (n == 0)
		return;
	b.ones = must_zalloc(n * sizeof(*b.ones));
	b.messages = must_zalloc(n * sizeof(*b.messages));
	for (i = 0; i < n; i++) {
		results[i] = (struct hl7_result){.code = ACK_ACCEPT};
		b.ones[i].bytes = messages[i];
		b.ones[i].broken = broken != NULL ? broken[i] : NULL;
		read_one(&b, &b.ones[i]);
		describe(&b, &b.ones[i], &results[i]);
		to_message(&b, &b.ones[i], &b.messages[i]);
	}
	take_all(&b, results);
	for (i = 0; i < n; i++)
		answer(&b, &b.ones[i], &results[i]);
	free(b.messages);
	free(b.ones);
}

void
hl7_take(struct store *s, const struct hl7_intake_config *config,
    const char *source, const struct str *messages, size_t n, struct arena *a,
    struct hl7_result *results)
{
	hl7_take_stream(s, config, source, messages, NULL, n, a, results);
}

void
hl7_turn_away(const struct hl7_intake_config *config, struct str message,
    const char *why, struct arena *a, struct ack_out *out)
{
	char now[16], control_id[24];
	struct ack_config c = {
	    .application = config->application,
	    .facility = config->facility,
	    .now = now,
	    .control_id = control_id,
	};
	struct order_problem p;

	problem(&p, true, 207, "%s", why);
	stamp(now, control_id);
	ack_build_unreadable(a, message, &p, &c, out);
}
