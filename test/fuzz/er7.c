/*
 * HL7 messages of any bytes: parts lie within the text, texts are UTF-8 that
 * is there, what is escaped comes back.
 */
#include "hl7/er7.h"

#include "base/limit.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inside(const struct er7_message *m, struct str s)
{
	must(s.n == 0 ||
	     (s.p >= m->text.p && s.p + s.n <= m->text.p + m->text.n));
}

static void
round_trip(struct arena *a, const struct er7_message *m, struct str text)
{
	struct buf out;
	struct str again;
	size_t i;

	/* Without an escape character special ones are lost. */
	if (m->d.escape == 0)
		return;
	for (i = 0; i < text.n; i++)
		if (text.p[i] < ' ')
			return;
	buf_init(&out, 4 * MIB);
	er7_escape(&out, &m->d, text);
	again = er7_text(a, m, buf_str(&out));
	must(out.over || a->over || str_eq(again, text));
	buf_fini(&out);
}

static void
walk(struct arena *a, const struct er7_message *m, const struct er7_segment *s)
{
	struct str field, one, text;
	unsigned r, c;
	size_t i;

	for (i = 0; i < s->n && i < 40; i++) {
		field = er7_field(s, (unsigned)i);
		inside(m, field);
		for (r = 1; r <= 3 && r <= er7_repetitions(m, field); r++)
			for (c = 0; c < 5; c++) {
				one = er7_component(
				    m, er7_repetition(m, field, r), c);
				inside(m, er7_subcomponent(m, one, 2));
				text = er7_text(a, m, one);
				must(utf8_valid(text));
				round_trip(a, m, text);
			}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size), one;
	struct er7_message m;
	struct arena a;
	struct err e;
	size_t i, n = 0;

	if (size > 4096)
		return 0;
	while (er7_split(&rest, &one) && n++ < 10) {
		arena_init(&a, 16 * MIB);
		if (er7_parse(&a, one, "UTF-8", &m, &e)) {
			must(utf8_valid(m.text));
			for (i = 0; i < m.n && i < 20; i++)
				walk(&a, &m, &m.segments[i]);
		}
		arena_fini(&a);
	}
	return 0;
}
