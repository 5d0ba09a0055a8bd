/*
 * 'worklist-find': C-FIND of another server's modality worklist (PS3.4 K.6),
 * and what it answers into our own.
 *
 * An answer goes the way of an order: it finds the item of the same order,
 * accession number or procedure, else it makes one; each is in the HL7 journal
 * as the order it would have been. What is here already with the same values
 * is left alone.
 */
#include "app/client/answer.h"
#include "app/client/model.h"
#include "app/client/target.h"
#include "app/worklist/common.h"

#include "base/clock.h"
#include "base/limit.h"
#include "dicom/dict.h"
#include "service/worklist/read.h"

#include <inttypes.h>

#define MODEL UID_ModalityWorklistInformationModelFind
#define STEPS "ScheduledProcedureStepSequence."
/* Items of one transaction, and what they may take of memory. */
#define BATCH       200
#define BATCH_ARENA (64 * MIB)
/* Of one answer; the standard has one. */
#define STEPS_MOST 100
/* Items of ours that one may be. */
#define SAME_MOST  50
#define WORDS_MOST 16

struct request {
	struct target_options target;
	const char *from, *to, *name, *id, *accession, *birth_date, *station;
	const char *modality, *format, *charset, *max;
	bool import, today;
	struct words words;
};

struct finding {
	struct target t;
	struct arena arena, answers_arena, batch_arena;
	struct keys keys;
	enum answer_format format;
	struct answers answers;
	uint64_t max, got;
	bool import, unsupported, failed;
	bool as_ourselves; /* under the title of this server */
	struct err why;
	struct worklist_rules rules;
	struct item *batch;
	size_t batched;
	uint64_t imported, same, left_out;
};

/* The columns of F52. */
static const char *const columns[] = {"PatientName", "PatientID",
    "PatientBirthDate", "PatientSex", "AccessionNumber", "RequestingPhysician",
    "RequestedProcedureDescription", STEPS "Modality",
    STEPS "ScheduledProcedureStepStartDate",
    STEPS "ScheduledProcedureStepStartTime",
    STEPS "ScheduledProcedureStepStatus", STEPS "ScheduledStationAETitle",
    STEPS "ScheduledStationName", "RequestedProcedureID"};

/* Options as words of keys. */
struct key_words {
	const char *at[WORDS_MOST];
	size_t n;
};

static bool
add_word(struct finding *f, struct key_words *w, const char *key,
    const char *value, struct err *e)
{
	if (value == NULL)
		return true;
	must(w->n < WORDS_MOST);
	w->at[w->n] = arena_printf(&f->arena, "%s=%s", key, value);
	return w->at[w->n++] != NULL || fail(e, ERR_LIMIT, "too many keys");
}

static bool
add_dates(struct finding *f, struct key_words *w, const struct request *r,
    struct err *e)
{
	char from[9] = "", to[9] = "", range[20];

	if (r->today && (r->from != NULL || r->to != NULL))
		return fail(
		    e, ERR_USAGE, "--today stands instead of --from and --to");
	if (r->today) {
		date_of(0, range);
		return add_word(
		    f, w, STEPS "ScheduledProcedureStepStartDate", range, e);
	}
	if (r->from == NULL && r->to == NULL)
		return true;
	if ((r->from != NULL && !date_word("--from", r->from, from, e)) ||
	    (r->to != NULL && !date_word("--to", r->to, to, e)))
		return false;
	if (strcmp(from, to) == 0)
		to[0] = '\0';
	snprintf(range, sizeof(range), "%s%s%s", from,
	    r->from != NULL && r->to != NULL && to[0] == '\0' ? "" : "-", to);
	return add_word(
	    f, w, STEPS "ScheduledProcedureStepStartDate", range, e);
}

static bool
add_options(struct finding *f, struct key_words *w, const struct request *r,
    struct err *e)
{
	char birth[9];

	if (r->birth_date != NULL &&
	    !date_word("--birth-date", r->birth_date, birth, e))
		return false;
	return add_dates(f, w, r, e) &&
	       add_word(f, w, "PatientName", r->name, e) &&
	       add_word(f, w, "PatientID", r->id, e) &&
	       add_word(f, w, "AccessionNumber", r->accession, e) &&
	       add_word(f, w, "PatientBirthDate",
		   r->birth_date != NULL ? birth : NULL, e) &&
	       add_word(f, w, STEPS "ScheduledStationAETitle", r->station, e) &&
	       add_word(f, w, STEPS "Modality", r->modality, e);
}

static bool
add_keys(struct finding *f, const struct request *r, struct err *e)
{
	struct key_words w = {.n = 0};
	const char **all;
	size_t n = r->words.n - 1, i;
	bool asks;

	if (!add_options(f, &w, r, e))
		return false;
	all = arena_array(&f->arena, n + w.n, sizeof(*all));
	if (all == NULL)
		return fail(e, ERR_LIMIT, "too many keys");
	for (i = 0; i < n + w.n; i++)
		all[i] = i < w.n ? w.at[i] : r->words.at[i - w.n + 1];
	if (!keys_init(&f->keys, &f->arena, r->charset, all, n + w.n, e))
		return false;
	if (!worklist_ask_all(f->keys.identifier))
		return fail(e, ERR_LIMIT, "too many keys");
	for (i = 0; i < n + w.n; i++)
		if (!keys_add(&f->keys, all[i], &asks, e))
			return false;
	return true;
}

/* Our items that may be this one. */
static bool
find_same(struct finding *f, const struct item *item, struct arena *a,
    struct item **out, size_t *n, struct err *e)
{
	struct item_search search = {
	    .patient_id = item->value[FIELD_PatientID],
	    .step_id = item->value[FIELD_ScheduledProcedureStepID],
	    .procedure_id = item->value[FIELD_RequestedProcedureID],
	};

	return item_list(f->t.store, &search, NULL, SAME_MOST, a, out, n, e);
}

static bool
is_same(const struct item *ours, const struct item *theirs)
{
	size_t i;

	if (theirs->status != STATUS_SCHEDULED &&
	    theirs->status != ours->status)
		return false;
	for (i = 0; i < FIELD_COUNT; i++)
		if (theirs->value[i].n > 0 &&
		    !str_eq(ours->value[i], theirs->value[i]))
			return false;
	return true;
}

static bool
is_here(struct finding *f, const struct item *item, bool *here, struct err *e)
{
	struct item *ours;
	struct arena a;
	size_t i, n;
	bool ok;

	*here = false;
	arena_init(&a, 16 * MIB);
	ok = find_same(f, item, &a, &ours, &n, e);
	for (i = 0; ok && i < n && !*here; i++)
		*here = is_same(&ours[i], item);
	arena_fini(&a);
	return ok;
}

/* As the order that it would have been. */
static bool
to_order(struct finding *f, const struct item *item, const char *control,
    struct order_message *order, struct item_message *m)
{
	char now[15];
	struct order_sender sender = {.application = "WORKLIST",
	    .facility = f->t.node.ae,
	    .receiving_application = "FILEROOM",
	    .receiving_facility = "",
	    .control_id = control,
	    .now = now};
	struct order_step *step;
	struct buf raw;
	size_t i;

	now_text(now);
	buf_init(&raw, MIB);
	order_build(&raw, item->value, item->status, "NW", &sender);
	step = arena_array(&f->batch_arena, 1, sizeof(*step));
	m->raw = arena_dup(&f->batch_arena, buf_str(&raw));
	buf_fini(&raw);
	if (step == NULL || m->raw.p == NULL)
		return false;
	*step = (struct order_step){
	    .action = ORDER_PUT, .status = item->status, .control = "NW"};
	for (i = 0; i < FIELD_COUNT; i++)
		step->value[i] = (struct order_value){
		    .given = item->value[i].n > 0, .text = item->value[i]};
	*order = (struct order_message){.kind = ORDER_KIND_STEPS,
	    .type = STR("ORM"),
	    .event = STR("O01"),
	    .control_id = str_from(control),
	    .application = STR("WORKLIST"),
	    .facility = str_from(f->t.node.ae),
	    .steps = step,
	    .step_count = 1};
	snprintf(m->source, sizeof(m->source), "worklist of %s", f->t.node.ae);
	m->order = order;
	m->replay = true; /* what was deleted here comes again */
	return true;
}

static void
say_left_out(struct finding *f, const struct item *item, const char *reason)
{
	fputs("fileroom: not imported: '", stderr);
	verb_put(stderr,
	    arena_cstr(&f->batch_arena, item->value[FIELD_PatientName]));
	fputs("', accession number '", stderr);
	verb_put(stderr,
	    arena_cstr(&f->batch_arena, item->value[FIELD_AccessionNumber]));
	fprintf(stderr, "': %s\n", reason);
	f->left_out++;
}

static void
count(struct finding *f, const struct item_message *messages, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (messages[i].outcome == ITEM_APPLIED)
			f->imported++;
		else
			say_left_out(f, &f->batch[i], messages[i].refused.text);
	}
}

/* Nothing in the arena is needed any more: of what is here already, and of
 * what was left out, nothing is kept. */
static void
begin_batch(struct finding *f)
{
	arena_reset(&f->batch_arena);
	f->batch = NULL;
}

static bool
take_batch(struct finding *f, struct err *e)
{
	struct item_message *messages =
	    arena_array(&f->batch_arena, BATCH, sizeof(*messages));
	struct order_message *orders =
	    arena_array(&f->batch_arena, BATCH, sizeof(*orders));
	char *control;
	bool ok = messages != NULL && orders != NULL;
	size_t i;

	for (i = 0; ok && i < f->batched; i++) {
		control = arena_printf(&f->batch_arena, "W%" PRIX64 "%03zX",
		    (uint64_t)clock_utc_ms(), i);
		ok = control != NULL && to_order(f, &f->batch[i], control,
					    &orders[i], &messages[i]);
	}
	if (!ok)
		return fail(e, ERR_LIMIT, "the answers are too large");
	if (!item_take(f->t.store, &f->rules.rules, messages, f->batched, e))
		return fail_in(e, "cannot import");
	count(f, messages, f->batched);
	f->batched = 0;
	begin_batch(f);
	return true;
}

/* What an item cannot be without; FIELD_COUNT: all is there. Without its
 * patient it might be taken for another one's. */
static enum field
lacks(const struct item *item)
{
	size_t i;

	for (i = 0; i < FIELD_COUNT; i++)
		if (field_info((enum field)i)->required &&
		    item->value[i].n == 0)
			break;
	return (enum field)i;
}

/* A station must not be empty in an answer: for what is for every station
 * some servers put the title of who asks. No modality has ours. */
static void
forget_own_station(const struct finding *f, struct item *item)
{
	struct str *station = &item->value[FIELD_ScheduledStationAETitle];

	if (f->as_ourselves && str_eq_text(*station, f->t.client.ae_title))
		*station = STR("");
}

static bool
take_step(struct finding *f, struct item *item, struct err *e)
{
	enum field lacking = lacks(item);
	char reason[80];
	bool here = false;

	forget_own_station(f, item);
	if (lacking != FIELD_COUNT) {
		snprintf(reason, sizeof(reason), "it has no %s",
		    field_info(lacking)->name);
		say_left_out(f, item, reason);
		f->batched--;
		return true;
	}
	if (!is_here(f, item, &here, e))
		return false;
	if (here) {
		f->same++;
		f->batched--;
	}
	return f->batched < BATCH || take_batch(f, e);
}

/* Each step of an answer. */
static bool
import(struct finding *f, const struct dataset *ds, struct err *e)
{
	size_t i;

	if (f->batched == 0)
		begin_batch(f);
	for (i = 0; i < STEPS_MOST; i++) {
		if (f->batch == NULL)
			f->batch = arena_array(
			    &f->batch_arena, BATCH, sizeof(*f->batch));
		if (f->batch == NULL)
			return fail(e, ERR_LIMIT, "no room for answers");
		if (!worklist_read(
			&f->batch_arena, ds, i, &f->batch[f->batched]))
			break;
		f->batched++;
		if (!take_step(f, &f->batch[f->batched - 1], e))
			return false;
	}
	if (!f->batch_arena.over)
		return true;
	/* Room for it once the others are gone. */
	if (f->batched == 0)
		return fail(e, ERR_LIMIT, "an answer is too large");
	return take_batch(f, e) && import(f, ds, e);
}

static bool
on_answer(void *ctx, const struct dataset *ds, const struct client_end *end)
{
	struct finding *f = ctx;

	if (end->status == STATUS_PendingWarning)
		f->unsupported = true;
	if (ds == NULL)
		return true;
	answers_put(&f->answers, ds);
	f->got++;
	if (f->import && !import(f, ds, &f->why)) {
		f->failed = true;
		return false;
	}
	return f->max == 0 || f->got < f->max;
}

static bool
on_stop(void *ctx)
{
	(void)ctx;
	return interrupted();
}

static bool
ask(struct finding *f, struct client_end *end, struct err *e)
{
	const char *const classes[] = {MODEL};
	struct client_query q = {.model = MODEL,
	    .identifier = f->keys.identifier,
	    .answer = on_answer,
	    .stop = on_stop,
	    .ctx = f,
	    .arena = &f->answers_arena};
	struct client_wish wish;
	struct assoc *a = NULL;
	bool done;

	if (!client_wish_plain(&wish, &f->arena, classes, 1, e) ||
	    !client_open(&a, &f->t.client, &f->t.node, &wish, e))
		return false;
	done = client_find(a, &q, end, e);
	client_close(&a);
	return done;
}

static void
say_counts(const struct finding *f, const struct client_end *end)
{
	fprintf(stderr, "%" PRIu64 " answer%s%s\n", f->got,
	    f->got == 1 ? "" : "s",
	    f->max != 0 && f->got == f->max ? ", as many as asked for" : "");
	if (f->import)
		fprintf(stderr,
		    "%" PRIu64 " imported, %" PRIu64 " here already, %" PRIu64
		    " not imported\n",
		    f->imported, f->same, f->left_out);
	if (end->unreadable > 0)
		fprintf(stderr,
		    "warning: %" PRIu64 " answers could not be read\n",
		    end->unreadable);
	if (f->unsupported)
		fputs("warning: the node does not support all of these keys\n",
		    stderr);
}

static bool
finish(
    struct finding *f, bool done, const struct client_end *end, struct err *e)
{
	struct err why;

	if (f->batched > 0 && !f->failed && !take_batch(f, &why)) {
		f->failed = true;
		f->why = why;
	}
	answers_end(&f->answers);
	fflush(stdout);
	say_counts(f, end);
	if (f->failed) {
		*e = f->why;
		return false;
	}
	if (interrupted())
		return fail(e, ERR_CANCELLED, "stopped");
	if (f->left_out > 0)
		return fail(e, ERR_MALFORMED,
		    "%" PRIu64 " could not be imported", f->left_out);
	if (f->max != 0 && f->got >= f->max)
		return true;
	return done && model_succeeded(end, "worklist-find", e);
}

static bool
find(struct finding *f, struct err *e)
{
	struct key_path paths[ARRAY_LEN(columns)];
	struct client_end end = {0};
	bool done;
	size_t i;

	for (i = 0; i < ARRAY_LEN(columns); i++)
		if (!key_path_parse(str_from(columns[i]), &paths[i], e))
			return false;
	interrupt_catch();
	answers_begin(&f->answers, f->format, paths, ARRAY_LEN(paths));
	f->answers.short_names = true;
	done = ask(f, &end, e);
	return finish(f, done, &end, e);
}

static bool
prepare(struct finding *f, const struct request *r, struct err *e)
{
	f->import = r->import;
	f->as_ourselves = r->target.aet == NULL;
	if (!options_words(&r->words, 1, SIZE_MAX, e) ||
	    !answer_format_parse(r->format, &f->format, e))
		return false;
	if (r->max != NULL &&
	    (!str_u64(str_from(r->max), &f->max) || f->max == 0))
		return fail(e, ERR_USAGE, "--max: allowed are 1 and more");
	return add_keys(f, r, e);
}

static bool
run_find(const struct request *r, struct err *e)
{
	struct finding f = {0};
	bool done = false;

	arena_init(&f.arena, LIMIT_EXCHANGE);
	arena_init(&f.answers_arena, LIMIT_EXCHANGE);
	arena_init(&f.batch_arena, BATCH_ARENA);
	if (prepare(&f, r, e) && target_open(&f.t, &r->target, e)) {
		worklist_rules(&f.t.settings, &f.rules);
		done = (!f.import || target_needs_store(&f.t, e)) &&
		       target_node(&f.t, r->words.at[0], &f.t.node, e) &&
		       find(&f, e);
		target_close(&f.t);
	}
	arena_fini(&f.arena);
	arena_fini(&f.answers_arena);
	arena_fini(&f.batch_arena);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request r = {0};
	const struct option options[] = {TARGET_OPTIONS(r.target),
	    {"--from", OPTION_TEXT, &r.from}, {"--to", OPTION_TEXT, &r.to},
	    {"--today", OPTION_FLAG, &r.today},
	    {"--name", OPTION_TEXT, &r.name}, {"--patient", OPTION_TEXT, &r.id},
	    {"--accession", OPTION_TEXT, &r.accession},
	    {"--birth-date", OPTION_TEXT, &r.birth_date},
	    {"--station", OPTION_TEXT, &r.station},
	    {"--modality", OPTION_TEXT, &r.modality},
	    {"--import", OPTION_FLAG, &r.import},
	    {"--format", OPTION_TEXT, &r.format},
	    {"--charset", OPTION_TEXT, &r.charset},
	    {"--max", OPTION_TEXT, &r.max}};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &r.words, &e) &&
	       run_find(&r, &e);
	words_free(&r.words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_worklist_find = {
    .name = "worklist-find",
    .summary = "Ask another server for its modality worklist",
    .usage = "worklist-find NODE [--import] [OPTIONS] [KEY=VALUE]...",
    .help =
	"Shows what another server has on its worklist; --import puts it on\n"
	"ours. An answer that is here already changes nothing, one of the same\n"
	"order changes that. NODE: see 'fileroom help echo'. The counts stand\n"
	"on stderr at the end.\n\n"
	"  --from D, --to D  scheduled start date: YYYY-MM-DD, YYYYMMDD, today,\n"
	"                    yesterday, tomorrow; --today is both\n"
	"  --name PATTERN, --patient ID, --accession NUMBER, --birth-date D\n"
	"  --station AET, --modality M\n"
	"  KEY=VALUE         any other key, as in 'fileroom help find'\n"
	"  --import          into the archive at --data\n"
	"  --format F        table (default), json (an object a line) or dump\n"
	"  --max N           cancel after N answers\n"
	"  --charset C       Specific Character Set of the keys (default: none\n"
	"                    where they are ASCII, else ISO_IR 192)\n" TARGET_HELP,
    .run = run,
};
