/*
 * 'worklist new', 'edit', 'duplicate', 'delete'.
 */
#include "app/worklist/worklist.h"

#include <inttypes.h>

#define ARENA (1 * MIB)

static void
say_made(struct worklist_request *r, int64_t id)
{
	struct item item;
	struct arena a;
	struct err e;

	arena_init(&a, ARENA);
	printf("item %" PRId64, id);
	if (item_find(r->store, id, &a, &item, &e) &&
	    item.value[FIELD_StudyInstanceUID].n > 0)
		printf(", Study Instance UID %.*s",
		    STR_ARG(item.value[FIELD_StudyInstanceUID]));
	putchar('\n');
	arena_fini(&a);
}

/* Before an archive is made for it. */
static bool
check_required(const struct item *item, struct err *e)
{
	struct buf names;
	size_t f;

	buf_init(&names, KIB);
	for (f = 0; f < FIELD_COUNT; f++)
		if (field_info((enum field)f)->required &&
		    item->value[f].n == 0)
			buf_printf(&names, "%s%s", names.n > 0 ? ", " : "",
			    field_info((enum field)f)->name);
	if (names.n > 0)
		(void)fail(e, ERR_USAGE, "required, and not given: %s",
		    buf_cstr(&names));
	f = names.n;
	buf_fini(&names);
	return f == 0;
}

bool
worklist_new(struct worklist_request *r, struct err *e)
{
	struct item item = {0};
	struct arena a;
	int64_t id;
	bool ok;

	arena_init(&a, ARENA);
	ok = item_assign(&r->words, 1, &a, &item, e) &&
	     check_required(&item, e) && worklist_open(r, true, e) &&
	     item_new(r->store, &r->rules.rules, &item, &id, e);
	arena_fini(&a);
	if (ok)
		say_made(r, id);
	return ok;
}

bool
worklist_edit(struct worklist_request *r, struct err *e)
{
	struct item item = {0}, ignored = {0};
	struct arena a;
	int64_t id;
	bool ok;

	if (!take_id("a worklist item", r->words.at[1], &id, e))
		return false;
	arena_init(&a, ARENA);
	/* The words first. */
	ok = item_assign(&r->words, 2, &a, &ignored, e) &&
	     worklist_open(r, false, e) &&
	     item_find(r->store, id, &a, &item, e);
	ok = ok && item_assign(&r->words, 2, &a, &item, e) &&
	     check_required(&item, e) &&
	     item_edit(r->store, &r->rules.rules, &item, e);
	arena_fini(&a);
	return ok;
}

/* A second exam is no longer the order it was copied from, and has a study of
 * its own. */
static void
begin_anew(struct item *item)
{
	item->id = 0;
	item->status = STATUS_SCHEDULED;
	item->application = item->facility = STR("");
	item->value[FIELD_ScheduledProcedureStepStatus] = STR("");
	item->value[FIELD_StudyInstanceUID] = STR("");
	item->value[FIELD_PlacerOrderNumber] = STR("");
	item->value[FIELD_FillerOrderNumber] = STR("");
}

bool
worklist_duplicate(struct worklist_request *r, struct err *e)
{
	struct item item = {0}, ignored = {0};
	struct arena a;
	int64_t id;
	bool ok;

	if (!take_id("a worklist item", r->words.at[1], &id, e))
		return false;
	arena_init(&a, ARENA);
	ok = item_assign(&r->words, 2, &a, &ignored, e) &&
	     worklist_open(r, false, e) &&
	     item_find(r->store, id, &a, &item, e);
	if (ok)
		begin_anew(&item);
	ok = ok && item_assign(&r->words, 2, &a, &item, e) &&
	     check_required(&item, e) &&
	     item_new(r->store, &r->rules.rules, &item, &id, e);
	arena_fini(&a);
	if (ok)
		say_made(r, id);
	return ok;
}

bool
worklist_delete(struct worklist_request *r, struct err *e)
{
	int64_t id;
	size_t i;

	for (i = 1; i < r->words.n; i++)
		if (!take_id("a worklist item", r->words.at[i], &id, e))
			return false;
	if (!worklist_open(r, false, e))
		return false;
	for (i = 1; i < r->words.n; i++)
		if (!take_id("a worklist item", r->words.at[i], &id, e) ||
		    !item_delete(r->store, id, e))
			return false;
	return true;
}
