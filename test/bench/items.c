/*
 * What an order costs in worklists of two sizes.
 *
 *     items FOLDER [few=N] [many=N] [count=N]
 *
 * fills the worklist of a new data folder through item_take() up to few items,
 * measures, goes on to many, and measures again: count orders, half of them
 * new, half of them changes of any item, a hundred in a transaction, flushed
 * and journalled as they are when they come over the wire. Output is one JSON
 * object; *_us is for one order.
 */
#include "base/clock.h"
#include "base/log.h"
#include "store/worklist/item.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH      100
#define BATCH_FILL 1000
#define TEXT       64

struct bench {
	uint64_t few, many, count;
	struct store *store;
	uint64_t items, serial;
	uint64_t random;
};

struct order {
	char raw[TEXT], control[TEXT], patient[TEXT], name[TEXT];
	char accession[TEXT], date[TEXT];
	struct order_step step;
	struct order_message message;
};

static void
give(struct order *o, enum field f, const char *text)
{
	o->step.value[f] =
	    (struct order_value){.given = true, .text = str_from(text)};
}

static void
make(struct bench *b, struct order *o, uint64_t item, const char *modality)
{
	uint64_t serial = b->serial++;

	memset(o, 0, sizeof(*o));
	snprintf(o->raw, TEXT, "order %" PRIu64, serial);
	snprintf(o->control, TEXT, "C%010" PRIu64, serial);
	/* Orders are numbered as they come, patients are not. */
	snprintf(o->patient, TEXT, "P%" PRIu64, item * 7919 % 10000019);
	snprintf(o->name, TEXT, "NAME%" PRIu64 "^JANE", item * 104729 % 500009);
	snprintf(o->accession, TEXT, "A%010" PRIu64, item);
	snprintf(o->date, TEXT, "20%02" PRIu64 "%02" PRIu64 "%02" PRIu64,
	    20 + item / 130000 % 80, 1 + item / 11000 % 12,
	    1 + item / 400 % 28);
	give(o, FIELD_PatientID, o->patient);
	give(o, FIELD_PatientName, o->name);
	give(o, FIELD_AccessionNumber, o->accession);
	give(o, FIELD_PlacerOrderNumber, o->accession);
	give(o, FIELD_RequestedProcedureID, "21100");
	give(o, FIELD_ScheduledProcedureStepID, "21100");
	give(o, FIELD_RequestedProcedureDescription, "CT HEAD");
	give(o, FIELD_Modality, modality);
	give(o, FIELD_ScheduledStationAETitle, "CT1");
	give(o, FIELD_ScheduledProcedureStepStartDate, o->date);
	o->step.action = ORDER_PUT;
	o->message = (struct order_message){
	    .kind = ORDER_KIND_STEPS,
	    .type = STR("ORM"),
	    .event = STR("O01"),
	    .control_id = str_from(o->control),
	    .application = STR("HIS"),
	    .facility = STR("WARD"),
	    .steps = &o->step,
	    .step_count = 1,
	};
}

static uint64_t
any_item(struct bench *b)
{
	b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (b->random >> 33) % b->items;
}

static bool
take(struct bench *b, size_t n, bool changes, struct err *e)
{
	static const struct item_rules rules = {
	    .uid_root = "2.25", .uid_for = "all"};
	static struct order orders[BATCH_FILL];
	static struct item_message messages[BATCH_FILL];
	size_t i;

	for (i = 0; i < n; i++) {
		if (changes && i % 2 != 0)
			make(b, &orders[i], any_item(b), "MR");
		else
			make(b, &orders[i], b->items++, "CT");
		messages[i] = (struct item_message){
		    .raw = str_from(orders[i].raw),
		    .order = &orders[i].message,
		};
	}
	if (!item_take(b->store, &rules, messages, n, e))
		return false;
	for (i = 0; i < n; i++)
		if (messages[i].outcome != ITEM_APPLIED)
			return fail(e, ERR_CONFLICT, "order %s was refused: %s",
			    orders[i].control, messages[i].refused.text);
	return true;
}

static bool
fill(struct bench *b, uint64_t to, struct err *e)
{
	while (b->items < to)
		if (!take(b, BATCH_FILL, false, e))
			return false;
	return true;
}

static bool
measure(struct bench *b, double *us, struct err *e)
{
	int64_t since;
	uint64_t done;

	/* What the fill has left in the log is not counted. */
	for (done = 0; done < 10 * BATCH; done += BATCH)
		if (!take(b, BATCH, true, e))
			return false;
	since = clock_mono_us();
	for (done = 0; done < b->count; done += BATCH)
		if (!take(b, BATCH, true, e))
			return false;
	*us = (double)(clock_mono_us() - since) / (double)b->count;
	return true;
}

static bool
run(struct bench *b, const char *folder, struct err *e)
{
	struct store_config config = {
	    .folder = folder, .server = true, .create = true};
	double few_us = 0, many_us = 0;
	bool ok;

	if (!store_open(&b->store, &config, e))
		return false;
	store_set_reserve(b->store, 0);
	ok = fill(b, b->few, e) && measure(b, &few_us, e) &&
	     fill(b, b->many, e) && measure(b, &many_us, e);
	store_close(&b->store);
	if (ok)
		printf("{\"few\": %" PRIu64 ", \"many\": %" PRIu64
		       ", \"few_us\": %.2f, \"many_us\": %.2f}\n",
		    b->few, b->many, few_us, many_us);
	return ok;
}

static bool
take_word(struct bench *b, const char *word)
{
	const struct {
		const char *name;
		uint64_t *number;
	} names[] = {
	    {"few=", &b->few}, {"many=", &b->many}, {"count=", &b->count}};
	struct str s = str_from(word), name;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		name = str_from(names[i].name);
		if (str_starts(s, name))
			return str_u64(str_of(s.p + name.n, s.n - name.n),
			    names[i].number);
	}
	return false;
}

int
main(int argc, char **argv)
{
	struct bench b = {.few = 1000, .many = 1000000, .count = 10000};
	struct err e;
	int i;

	for (i = 2; i < argc; i++)
		if (!take_word(&b, argv[i]))
			argc = 0;
	if (argc < 2 || b.few == 0 || b.count == 0) {
		fprintf(stderr, "usage: items FOLDER [few=N] [many=N] "
				"[count=N]\n");
		return 2;
	}
	log_level_set(LOG_ERROR);
	if (run(&b, argv[1], &e))
		return 0;
	fprintf(stderr, "items: %s\n", e.text);
	return 1;
}
