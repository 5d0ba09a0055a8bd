/*
 * Messages of any bytes, read by every preset: what comes out is valid text
 * with its reasons, and each step that was read, written as a record, reads as
 * the same again. An input that begins with FF is a record itself: values with
 * 1E between them.
 */
#include "hl7/order.h"

#include "base/limit.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_values(const struct order_value *value)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++) {
		must(value[f].given || value[f].text.n == 0);
		must(utf8_valid(value[f].text));
	}
}

static void
round_trip(const struct str record[FIELD_COUNT], enum order_status status)
{
	static const struct order_sender sender = {"A", "B", "C", "D", "1", ""};
	struct order_message order;
	struct order_problem why;
	struct er7_message m;
	struct arena a;
	struct buf out;
	struct err e;
	size_t i, f;

	buf_init(&out, 16 * MIB);
	order_build(&out, record, status, "XO", &sender);
	for (i = 0; mapping_presets[i] != NULL && !out.over; i++) {
		arena_init(&a, 64 * MIB);
		must(er7_parse(&a, buf_str(&out), "UTF-8", &m, &e));
		must(order_read(&a, &m, mapping_preset(mapping_presets[i]),
		    &order, NULL, NULL, &why));
		must(order.step_count == 1);
		must(order.steps[0].status == status);
		for (f = 0; f < FIELD_COUNT; f++)
			must(str_eq(order.steps[0].value[f].text, record[f]));
		arena_fini(&a);
	}
	buf_fini(&out);
}

static void
read_record(struct str text)
{
	struct str record[FIELD_COUNT] = {{0}};
	size_t i;

	/* Of line breaks one kind comes back, NUL is nothing in a message. */
	if (!utf8_valid(text) || str_find(text, '\r') < text.n ||
	    str_find(text, '\0') < text.n)
		return;
	for (i = 0; i < FIELD_COUNT && str_split(&text, 0x1e, &record[i]); i++)
		;
	round_trip(record, (enum order_status)(text.n % STATUS_COUNT));
}

static void
check_order(const struct order_message *order)
{
	struct str record[FIELD_COUNT];
	size_t i, f;

	check_values(order->patient);
	for (i = 0; i < order->report_count; i++)
		must(utf8_valid(order->reports[i].text) &&
		     utf8_valid(order->reports[i].study));
	must((order->kind == ORDER_KIND_STEPS) == (order->step_count > 0));
	for (i = 0; i < order->step_count && i < 3; i++) {
		check_values(order->steps[i].value);
		for (f = 0; f < FIELD_COUNT; f++)
			record[f] = order->steps[i].value[f].text;
		round_trip(record, order->steps[i].status);
	}
}

static void
read_message(struct str bytes, const char *preset)
{
	struct order_message order;
	struct order_problem why;
	struct order_trace *traces;
	struct er7_message m;
	struct arena a;
	struct err e;
	size_t i, n;

	arena_init(&a, 16 * MIB);
	if (!er7_parse(&a, bytes, "UTF-8", &m, &e)) {
		must(e.text[0] != '\0');
	} else if (order_read(&a, &m, mapping_preset(preset), &order, &traces,
		       &n, &why)) {
		for (i = 0; i < n; i++)
			must(utf8_valid(traces[i].text) &&
			     traces[i].field < FIELD_COUNT);
		check_order(&order);
	} else {
		must(why.text[0] != '\0' && why.code >= 100 && why.code <= 207);
		must(utf8_valid(str_from(why.text)));
	}
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size), one;
	size_t i, n = 0;

	if (size > 4096)
		return 0;
	if (size > 0 && data[0] == 0xff && (size == 1 || data[1] != 0xfe)) {
		read_record(str_of(data + 1, size - 1));
		return 0;
	}
	while (er7_split(&rest, &one) && n++ < 4)
		for (i = 0; mapping_presets[i] != NULL; i++)
			read_message(one, mapping_presets[i]);
	return 0;
}
