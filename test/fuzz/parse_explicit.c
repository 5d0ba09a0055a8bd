/*
 * The parser, explicit VR little endian: the same events however the bytes are
 * cut. What is read into memory, built and read again is the same data set,
 * and built again the same bytes.
 */
#include "dicom/build.h"
#include "events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct element *
next_kept(const struct dataset *ds, size_t *i)
{
	const struct element *element;

	while (*i < ds->n) {
		element = &ds->elements[(*i)++];
		/* Group lengths are not written. */
		if (TAG_ELEMENT(element->tag) != 0)
			return element;
	}
	return NULL;
}

static void
same_element(const struct element *a, const struct element *b)
{
	size_t n = a->value.n;

	must(a->tag == b->tag && a->vr == b->vr);
	must(a->item_count == b->item_count);
	/* Padded to even. */
	must(b->value.n == n + n % 2);
	must(n == 0 || !memcmp(a->value.p, b->value.p, n));
	must(n % 2 == 0 || b->value.p[n] == vr_pad(a->vr));
}

struct pair {
	const struct dataset *a, *b;
	size_t i, j;
};

static void
same_dataset(const struct dataset *a, const struct dataset *b)
{
	struct pair pairs[LIMIT_SQ_DEPTH + 1] = {{a, b, 0, 0}}, *top;
	const struct element *x, *y;
	unsigned depth = 1;

	while (depth > 0) {
		top = &pairs[depth - 1];
		x = next_kept(top->a, &top->i);
		y = next_kept(top->b, &top->j);
		must((x == NULL) == (y == NULL));
		if (x != NULL) {
			same_element(x, y);
			must((x->items == NULL) == (y->items == NULL));
			if (x->items != NULL)
				pairs[depth++] =
				    (struct pair){x->items, y->items, 0, 0};
			continue;
		}
		if (depth > 1 && top->a->next != NULL) {
			must(top->b->next != NULL);
			*top = (struct pair){top->a->next, top->b->next, 0, 0};
		} else {
			must(depth == 1 || top->b->next == NULL);
			depth--;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct syntax syntax = syntax_of(STR(UID_ExplicitVRLittleEndian));
	struct buf first, second;
	struct dataset *ds, *again;
	struct arena arena;
	struct err e;
	bool valid = events_check(syntax, str_of(data, size));

	arena_init(&arena, 64 * MIB);
	buf_init(&first, 64 * MIB);
	buf_init(&second, 64 * MIB);
	if (!dataset_read(
		&arena, str_of(data, size), syntax, SIZE_MAX, 0, &ds, &e)) {
		must(!valid || e.code == ERR_LIMIT);
	} else {
		must(valid);
		if (build_dataset(&first, ds, syntax, &e)) {
			must(dataset_read(&arena, buf_str(&first), syntax,
			    SIZE_MAX, 0, &again, &e));
			same_dataset(ds, again);
			must(build_dataset(&second, again, syntax, &e));
			must(str_eq(buf_str(&first), buf_str(&second)));
		} else {
			/* Pixel Data are not kept in memory. */
			must(e.code == ERR_UNSUPPORTED);
		}
	}
	buf_fini(&first);
	buf_fini(&second);
	arena_fini(&arena);
	return 0;
}
