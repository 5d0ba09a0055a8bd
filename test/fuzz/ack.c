/*
 * Any bytes as a message that is to be understood and answered: by every
 * mapping the same verdict twice, and the acknowledgement is a message that
 * says so and names what it answers.
 */
#include "hl7/ack.h"

#include "base/limit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ack_config config = {
    .application = "FILEROOM",
    .facility = "",
    .now = "20260101120000",
    .control_id = "1",
};

/* Of a message whose escapes and delimiters are sound; odd ones may say
 * anything, but must be read without harm. */
static void
check_answer(struct arena *a, const struct er7_message *m, struct str text,
    const char *code)
{
	struct er7_message back;
	struct str id, why;
	char got[3];
	struct err e;

	if (!er7_parse(a, text, "UTF-8", &back, &e))
		return;
	if (!ack_read(a, &back, got, &id, &why))
		return;
	if (m->d.field == '|' && m->d.component == '^')
		must(!strcmp(got, code));
}

static void
answer(struct arena *a, const struct er7_message *m, bool ok,
    const struct order_problem *why)
{
	static const char *const codes[] = {"AA", "AE", "AR"};
	enum ack_code code = ok            ? ACK_ACCEPT
			     : why->reject ? ACK_REJECT
					   : ACK_ERROR;
	struct ack_out out;

	ack_build(a, m, code, ok ? NULL : why, &config, &out);
	must(out.n <= 2);
	if (out.n == 0 || a->over)
		return;
	if (er7_field(&m->segments[0], 15).n == 0 &&
	    er7_field(&m->segments[0], 16).n == 0)
		check_answer(a, m, out.text[out.n - 1], codes[code]);
}

static void
understand(struct str bytes, const char *preset)
{
	struct order_problem why = {0};
	struct order_message order;
	struct er7_message m;
	struct ack_out out;
	struct arena a;
	struct err e;
	bool ok;

	arena_init(&a, 16 * MIB);
	if (er7_parse(&a, bytes, "8859/1", &m, &e)) {
		ok = order_read(
		    &a, &m, mapping_preset(preset), &order, NULL, NULL, &why);
		must(ok || (why.code >= 100 && why.text[0] != '\0'));
		answer(&a, &m, ok, &why);
	} else {
		why = (struct order_problem){.reject = true, .code = 100};
		(void)str_copy(why.text, sizeof(why.text), str_from(e.text));
		ack_build_unreadable(&a, bytes, &why, &config, &out);
		must(out.n <= 1);
	}
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t i;

	if (size > 4096)
		return 0;
	for (i = 0; mapping_presets[i] != NULL; i++)
		understand(str_of(data, size), mapping_presets[i]);
	return 0;
}
