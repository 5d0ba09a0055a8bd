/*
 * Going through the worklist with the conditions of one query.
 */
#include "service/worklist/explain.h"

#include "base/limit.h"
#include "service/worklist/answer.h"

#define BATCH       200
#define BATCH_ARENA (4 * LIMIT_HL7_FRAME)

const char *
explain_value(const struct ask_key *key, char *out, size_t room)
{
	struct str value = key->value;

	if (key->key->sequence)
		return "a code";
	if (key->attribute->kind == ATTRIBUTE_PREGNANCY)
		return "a number";
	(void)str_copy(out, room, value);
	return out;
}

/* What the item has for the key. */
static void
value_of(
    const struct ask_key *key, const struct item *item, char *out, size_t room)
{
	struct str value = STR("");

	if (key->attribute->kind == ATTRIBUTE_STATUS)
		value = str_from(answer_status(item->status));
	else if (key->attribute->field != FIELD_COUNT)
		value = item->value[key->attribute->field];
	(void)str_copy(out, room, value);
}

static void
add_sample(struct explain_key *k, const struct item *item)
{
	char value[sizeof(k->samples[0].value)];
	size_t i;

	value_of(k->key, item, value, sizeof(value));
	k->alone++;
	for (i = 0; i < k->sample_count; i++)
		if (strcmp(k->samples[i].value, value) == 0)
			break;
	if (i == EXPLAIN_SAMPLES)
		return;
	if (i == k->sample_count) {
		k->sample_count++;
		memcpy(k->samples[i].value, value, sizeof(value));
	}
	k->samples[i].count++;
}

static void
take_item(const struct ask *ask, struct explain *x, struct arena *scratch,
    const struct item *item)
{
	struct explain_key *only = NULL;
	size_t i, failed = 0;

	for (i = 0; i < x->key_count; i++) {
		if (ask_key_matches(ask, x->keys[i].key, scratch, item))
			continue;
		only = &x->keys[i];
		only->removed += failed == 0;
		if (++failed > 1)
			break;
	}
	x->answers += failed == 0;
	if (failed == 1)
		add_sample(only, item);
}

typedef void take_fn(const struct ask *ask, struct explain *x,
    struct arena *scratch, const struct item *item);

static void
remember(struct item *last, struct arena *a, const struct item *item)
{
	arena_reset(a);
	*last = (struct item){.id = item->id};
	last->value[FIELD_ScheduledProcedureStepStartDate] =
	    arena_dup(a, item->value[FIELD_ScheduledProcedureStepStartDate]);
	last->value[FIELD_ScheduledProcedureStepStartTime] =
	    arena_dup(a, item->value[FIELD_ScheduledProcedureStepStartTime]);
}

/* Every item that the search finds. */
static bool
each(struct store *s, const struct item_search *search, take_fn *take,
    const struct ask *ask, struct explain *x, struct err *e)
{
	struct arena items, scratch, place;
	const struct item *after = NULL;
	struct item last, *batch;
	size_t n = BATCH, i;
	bool ok = true;

	arena_init(&items, BATCH_ARENA);
	arena_init(&scratch, BATCH_ARENA);
	arena_init(&place, LIMIT_HL7_FRAME);
	while (ok && n == BATCH) {
		arena_reset(&items);
		ok = item_list(s, search, after, BATCH, &items, &batch, &n, e);
		for (i = 0; ok && i < n; i++) {
			arena_reset(&scratch);
			take(ask, x, &scratch, &batch[i]);
		}
		if (!ok || n == 0)
			break;
		remember(&last, &place, &batch[n - 1]);
		after = &last;
	}
	arena_fini(&place);
	arena_fini(&scratch);
	arena_fini(&items);
	return ok;
}

static void
take_hidden(const struct ask *ask, struct explain *x, struct arena *scratch,
    const struct item *item)
{
	size_t i;

	for (i = 0; i < x->key_count; i++)
		if (!ask_key_matches(ask, x->keys[i].key, scratch, item))
			return;
	x->hidden_alone++;
}

static bool
look_at_hidden(
    struct store *s, const struct ask *ask, struct explain *x, struct err *e)
{
	struct item_search search = ask->search;
	size_t i;

	for (i = 0; i < STATUS_COUNT; i++) {
		search.status[i] = !ask_shows(ask, (enum order_status)i);
		if (search.status[i])
			x->hidden += x->by_status[i];
	}
	return x->hidden == 0 || each(s, &search, take_hidden, ask, x, e);
}

static void
begin(const struct ask *ask, struct explain *x)
{
	size_t i;

	x->answers = 0;
	for (i = 0; i < x->key_count; i++)
		x->keys[i] = (struct explain_key){.key = &ask->keys[i]};
}

bool
explain_run(struct store *s, struct ask *ask, struct arena *a,
    struct explain *x, struct err *e)
{
	struct item_search shown = {0};
	uint64_t remain;
	size_t i;

	*x = (struct explain){.key_count = ask->key_count};
	x->keys = arena_array(a, ask->key_count + 1, sizeof(*x->keys));
	if (x->keys == NULL)
		return fail(e, ERR_LIMIT, "too many keys");
	if (!item_count(s, x->by_status, e))
		return false;
	for (i = 0; i < STATUS_COUNT; i++) {
		x->items += x->by_status[i];
		shown.status[i] = ask_shows(ask, (enum order_status)i);
	}
	ask->lenient = false;
	begin(ask, x);
	if (!each(s, &shown, take_item, ask, x, e))
		return false;
	if (x->answers == 0 && ask->has_lenient) {
		ask->lenient = x->lenient = true;
		begin(ask, x);
		if (!each(s, &shown, take_item, ask, x, e))
			return false;
	}
	if (!look_at_hidden(s, ask, x, e))
		return false;
	remain = x->items - x->hidden;
	for (i = 0; i < x->key_count; i++) {
		/* Items come while we count. */
		remain -=
		    remain < x->keys[i].removed ? remain : x->keys[i].removed;
		x->keys[i].remain = remain;
	}
	return true;
}
