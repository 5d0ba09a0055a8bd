/*
 * Storage commitment: the first byte chooses the syntax, the rest is the
 * information of an N-ACTION and of an N-EVENT-REPORT. What can be read can be
 * written and read again, and kept as text.
 */
#include "base/limit.h"
#include "service/commitment/references.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_same(const struct references *a, const struct references *b)
{
	size_t i;

	must(a->n == b->n && a->n > 0 && a->n <= LIMIT_REFERENCES);
	must(references_failed(a) == references_failed(b));
	for (i = 0; i < a->n; i++) {
		must(a->at[i].sop_instance.n > 0);
		must(a->at[i].sop_instance.n <= 64);
		must(a->at[i].sop_class.n > 0 && a->at[i].sop_class.n <= 64);
	}
}

static void
check_text(struct arena *a, const struct references *r)
{
	struct references again;
	struct buf text;
	struct err e;

	buf_init(&text, REFERENCES_ARENA);
	references_to_text(r, &text);
	must(references_of_text(a, buf_str(&text), &again, &e));
	check_same(r, &again);
	buf_fini(&text);
}

static void
check(struct str bytes, struct syntax syntax, bool event)
{
	struct references r, again;
	struct arena a;
	struct buf out;
	struct err e;
	bool ok;

	arena_init(&a, 4 * REFERENCES_ARENA);
	ok = event ? references_read_event(&a, bytes, syntax, &r, &e)
		   : references_read_action(&a, bytes, syntax, &r, &e);
	if (!ok) {
		must(e.code == ERR_MALFORMED || e.code == ERR_LIMIT);
		arena_fini(&a);
		return;
	}
	buf_init(&out, REFERENCES_ARENA);
	if (event) {
		must(references_write_event(&a, &r, "AE", syntax, &out, &e));
		must(references_read_event(
		    &a, buf_str(&out), syntax, &again, &e));
	} else {
		must(references_write_action(&a, &r, syntax, &out, &e));
		must(references_read_action(
		    &a, buf_str(&out), syntax, &again, &e));
	}
	check_same(&r, &again);
	must(strcmp(r.transaction, again.transaction) == 0);
	check_text(&a, &r);
	references_merge(&r, &again);
	buf_fini(&out);
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const syntaxes[] = {UID_ImplicitVRLittleEndian,
	    UID_ExplicitVRLittleEndian, UID_ExplicitVRBigEndian,
	    UID_DeflatedExplicitVRLittleEndian};
	struct syntax syntax;

	if (size == 0)
		return 0;
	syntax = syntax_of(str_from(syntaxes[data[0] % ARRAY_LEN(syntaxes)]));
	check(str_of(data + 1, size - 1), syntax, false);
	check(str_of(data + 1, size - 1), syntax, true);
	return 0;
}
