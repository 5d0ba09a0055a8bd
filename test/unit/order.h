/*
 * What the tests of orders share: a message read by a preset.
 */
#ifndef TEST_UNIT_ORDER_H
#define TEST_UNIT_ORDER_H

#include "hl7/order.h"

#include "base/limit.h"
#include "test.h"

static struct arena arena;
static struct order_message order;
static struct order_problem problem;
static struct order_trace *traces;
static size_t trace_count;

static bool
read_with(const char *preset, const char *message)
{
	struct er7_message m;
	struct err e;

	arena_fini(&arena);
	arena_init(&arena, 16 * MIB);
	if (!CHECK(er7_parse(&arena, str_from(message), "UTF-8", &m, &e)))
		return false;
	return order_read(&arena, &m, mapping_preset(preset), &order, &traces,
	    &trace_count, &problem);
}

static struct str
value(size_t step, enum field f)
{
	if (step >= order.step_count)
		return STR("(no such step)");
	return order.steps[step].value[f].given
		   ? order.steps[step].value[f].text
		   : STR("(none)");
}

#define HEAD "MSH|^~\\&|APP|FAC|||20190315||"

#endif
