/*
 * A worklist to send messages to, one at a time.
 */
#ifndef TEST_UNIT_WORKLIST_H
#define TEST_UNIT_WORKLIST_H

#include "archive.h"
#include "store/worklist/item.h"
#include "store/worklist/journal.h"

static const struct item_rules rules = {.uid_root = "1.2.3", .uid_for = "all"};
static struct archive t;
static struct item_message sent;

#define HEAD(id) "MSH|^~\\&|APP|FAC|||20260101||ORM^O01|" id "|P|2.3.1\r"
#define PATIENT  "PID|||ID1||DOE^JANE||19510224|F\r"

/* One message, by the IHE mapping. */
UNUSED static bool
take_as(const char *text, bool replay)
{
	const struct mapping *mapping = mapping_preset("ihe-orm");
	struct order_problem problem;
	struct order_message order;
	struct er7_message m;

	arena_reset(&t.arena);
	if (!CHECK(er7_parse(&t.arena, str_from(text), "UTF-8", &m, &t.e)))
		return false;
	sent = (struct item_message){
	    .raw = str_from(text), .source = "test", .replay = replay};
	if (order_read(&t.arena, &m, mapping, &order, NULL, NULL, &problem))
		sent.order = &order;
	else
		sent.problem = &problem;
	if (!CHECK(item_take(t.store, &rules, &sent, 1, &t.e)))
		return false;
	return sent.outcome == ITEM_APPLIED;
}

UNUSED static bool
take(const char *text)
{
	return take_as(text, false);
}

UNUSED static struct item *
list_all(size_t *n)
{
	struct item_search all = {0};
	struct item *items = NULL;

	CHECK(item_list(t.store, &all, NULL, 1000, &t.arena, &items, n, &t.e));
	return items;
}

UNUSED static enum order_status
only_status(void)
{
	size_t n;
	struct item *items = list_all(&n);

	return CHECK_EQ(n, 1) ? items[0].status : STATUS_NONE;
}

#endif
