/*
 * Mappings of any bytes: what is taken comes back the same when it is written
 * and read again, and any message is read by it.
 */
#include "hl7/order.h"

#include "base/limit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char message[] =
    "MSH|^~\\&|A|B|||20260102||ORM^O01|1|P|2.3\r"
    "PID|1||ID^^^ISS~X^Y&Z||A^B~C^D||19700101|F\rNTE|1||x\\.br\\y\r"
    "ORC|NW|P&Q|F|||||||||^^^20260102\rOBR|1|||C^D&E^L\rIPC|1|2|3|4\rZDS|1.2\r";

static bool
same_place(const struct mapping_place *x, const struct mapping_place *y)
{
	/* The first repetition is so with and without its number. */
	return strcmp(x->segment, y->segment) == 0 &&
	       x->position == y->position && x->component == y->component &&
	       x->subcomponent == y->subcomponent &&
	       (x->repetition == y->repetition ||
		   x->repetition + y->repetition == 1);
}

static void
written_again(const struct mapping *m)
{
	struct mapping again;
	struct buf out;
	struct err e;
	size_t f, i;

	buf_init(&out, MIB);
	mapping_write(m, &out);
	must(mapping_read(buf_str(&out), &again, &e));
	for (f = 0; f < FIELD_COUNT; f++) {
		must(again.count[f] == m->count[f]);
		for (i = 0; i < m->count[f]; i++)
			must(same_place(&m->at[f][i], &again.at[f][i]));
	}
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct order_message order;
	struct order_problem why;
	struct mapping mapping;
	struct er7_message m;
	struct arena a;
	struct err e;
	bool ok;

	if (size > 4096)
		return 0;
	if (!mapping_read(str_of(data, size), &mapping, &e)) {
		must(e.code == ERR_USAGE && strstr(e.text, "line ") != NULL);
		return 0;
	}
	written_again(&mapping);
	arena_init(&a, MIB);
	must(er7_parse(&a, str_from(message), "UTF-8", &m, &e));
	ok = order_read(&a, &m, &mapping, &order, NULL, NULL, &why);
	must(ok || why.text[0] != '\0');
	arena_fini(&a);
	return 0;
}
