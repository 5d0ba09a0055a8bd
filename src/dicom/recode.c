/*
 * Choosing and applying the character set of a data set.
 *
 * Each candidate is tried on every text until one holds them all; most fail at
 * the first character.
 */
#include "dicom/recode.h"

#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/charset.h"
#include "dicom/charset_terms.h"

/* Of one byte, those that most readers know first; the Greek set got its euro
 * sign late. */
static const char *const narrow[] = {"ISO_IR 100", "ISO_IR 101", "ISO_IR 144",
    "ISO_IR 203", "ISO_IR 126", "ISO_IR 148", "ISO_IR 127", "ISO_IR 138",
    "ISO_IR 109", "ISO_IR 110", "ISO_IR 166", "ISO_IR 13"};

static const char utf8[] = "ISO_IR 192";

/* All elements of a tree, one after the other. */
struct walk {
	struct {
		struct dataset *ds;
		size_t at;
	} stack[LIMIT_SQ_DEPTH + 2];
	size_t n;
};

static void
walk_begin(struct walk *w, struct dataset *ds)
{
	w->stack[0].ds = ds;
	w->stack[0].at = 0;
	w->n = 1;
}

/* The next element that is no sequence with items; NULL at the end. */
static struct element *
walk_any(struct walk *w)
{
	struct element *element;
	struct dataset *ds;

	while (w->n > 0) {
		ds = w->stack[w->n - 1].ds;
		if (w->stack[w->n - 1].at == ds->n) {
			/* The top has no next: it is no item. */
			w->stack[w->n - 1].ds = ds->next;
			w->stack[w->n - 1].at = 0;
			if (w->n == 1 || ds->next == NULL)
				w->n--;
			continue;
		}
		element = &ds->elements[w->stack[w->n - 1].at++];
		if (element->items == NULL)
			return element;
		must(w->n < ARRAY_LEN(w->stack));
		w->stack[w->n].ds = element->items;
		w->stack[w->n++].at = 0;
	}
	return NULL;
}

/* The next text; NULL at the end. */
static struct element *
walk_next(struct walk *w)
{
	struct element *element;
	enum vr_kind kind;

	while ((element = walk_any(w)) != NULL) {
		kind = vr_kind(element->vr);
		if (element->value.n > 0 &&
		    (kind == VR_KIND_TEXT || kind == VR_KIND_LOCAL))
			return element;
	}
	return NULL;
}

static bool
is_ascii(struct dataset *ds)
{
	struct element *element;
	struct walk w;
	size_t i;

	walk_begin(&w, ds);
	while ((element = walk_next(&w)) != NULL)
		for (i = 0; i < element->value.n; i++)
			if (element->value.p[i] >= 0x80)
				return false;
	return true;
}

static bool
holds(struct dataset *ds, struct str charset, struct buf *scratch)
{
	struct element *element;
	struct walk w;

	walk_begin(&w, ds);
	while ((element = walk_next(&w)) != NULL) {
		buf_clear(scratch);
		if (!charset_encode_2022(charset, element->value,
			element->vr == VR_PN, scratch) ||
		    scratch->over)
			return false;
	}
	return true;
}

static bool
apply(struct dataset *ds, struct str charset, struct buf *scratch)
{
	struct element *element;
	struct walk w;

	walk_begin(&w, ds);
	while ((element = walk_next(&w)) != NULL) {
		buf_clear(scratch);
		if (!charset_encode_2022(charset, element->value,
			element->vr == VR_PN, scratch) ||
		    scratch->n == 0)
			continue;
		element->value = arena_dup(ds->arena, buf_str(scratch));
		element->length = (uint32_t)element->value.n;
	}
	return !ds->arena->over;
}

/* One value that names a set only for code extensions, as some write it: the
 * value before it is meant to be empty. */
static struct str
with_extensions(struct arena *a, struct str wanted)
{
	char *text;

	if (!str_starts(wanted, STR("ISO 2022")) ||
	    str_find(wanted, '\\') < wanted.n)
		return STR("");
	text = arena_printf(a, "\\%.*s", (int)wanted.n, (const char *)wanted.p);
	return str_from(text);
}

static struct str
choose(struct dataset *ds, struct str wanted, struct buf *scratch)
{
	struct str other;
	size_t i;

	wanted = str_trim(wanted);
	if (wanted.n > 0 && charset_known(wanted)) {
		if (holds(ds, wanted, scratch))
			return wanted;
		other = with_extensions(ds->arena, wanted);
		if (other.n > 0 && holds(ds, other, scratch))
			return other;
	}
	for (i = 0; i < ARRAY_LEN(narrow); i++)
		if (holds(ds, str_from(narrow[i]), scratch))
			return str_from(narrow[i]);
	return str_from(utf8);
}

bool
dataset_recode(struct dataset *ds, struct str wanted)
{
	struct str charset;
	struct buf scratch;
	bool ok;

	if (is_ascii(ds))
		return true;
	buf_init(&scratch, LIMIT_HEADER);
	charset = choose(ds, wanted, &scratch);
	ok = apply(ds, charset, &scratch) &&
	     dataset_put(ds, TAG_SpecificCharacterSet, VR_CS, charset);
	buf_fini(&scratch);
	return ok;
}

/* Of the innermost data set that names one. */
static struct str
charset_here(const struct walk *w, struct str otherwise)
{
	const struct element *named;
	size_t i;

	for (i = w->n; i > 0; i--) {
		named =
		    dataset_find(w->stack[i - 1].ds, TAG_SpecificCharacterSet);
		if (named != NULL)
			return str_trim(named->value);
	}
	return otherwise;
}

static bool
needs_no_decoding(struct str value)
{
	size_t i;

	for (i = 0; i < value.n; i++)
		if (value.p[i] >= 0x80 || value.p[i] == 0x1b ||
		    value.p[i] == '\0')
			return false;
	return true;
}

static void
decode(struct element *element, struct str charset, struct arena *a,
    struct buf *scratch)
{
	bool local = vr_kind(element->vr) == VR_KIND_LOCAL;
	struct str value = str_trim_end(element->value);

	if (needs_no_decoding(value))
		return;
	buf_clear(scratch);
	charset_decode(local ? charset : STR(""), value, element->vr == VR_PN,
	    scratch, NULL);
	element->value = arena_dup(a, buf_str(scratch));
	element->length = (uint32_t)element->value.n;
}

static void
drop_charsets(struct dataset *ds)
{
	struct element *element;
	struct dataset *holder;
	struct walk w;
	size_t at;

	walk_begin(&w, ds);
	while ((element = walk_any(&w)) != NULL) {
		if (element->tag != TAG_SpecificCharacterSet)
			continue;
		at = --w.stack[w.n - 1].at;
		holder = w.stack[w.n - 1].ds;
		holder->n--;
		memmove(
		    element, element + 1, (holder->n - at) * sizeof(*element));
	}
}

bool
dataset_to_utf8(struct dataset *ds, struct str charset)
{
	struct element *element;
	struct buf scratch;
	struct walk w;

	buf_init(&scratch, LIMIT_HEADER);
	walk_begin(&w, ds);
	while ((element = walk_next(&w)) != NULL)
		if (element->tag != TAG_SpecificCharacterSet)
			decode(element, charset_here(&w, charset), ds->arena,
			    &scratch);
	buf_fini(&scratch);
	drop_charsets(ds);
	if (is_ascii(ds))
		return !ds->arena->over;
	return dataset_put(
		   ds, TAG_SpecificCharacterSet, VR_CS, str_from(utf8)) &&
	       !ds->arena->over;
}

/* ASCII is the same in it, byte by byte. */
static bool
has_ascii(struct str charset)
{
	struct charset_repertoire r = charset_repertoire(charset);

	return r.mode != CHARSET_CODES || r.g0 == SET_ASCII;
}

bool
dataset_recode_in(struct dataset *ds, struct str charset, bool *fits)
{
	struct buf scratch;
	bool ok = true;

	*fits = charset_known(charset);
	if (!*fits)
		return true;
	if (!has_ascii(charset) || !is_ascii(ds)) {
		buf_init(&scratch, LIMIT_HEADER);
		*fits = holds(ds, charset, &scratch);
		ok = !*fits || apply(ds, charset, &scratch);
		buf_fini(&scratch);
	}
	if (!ok || !*fits || charset.n == 0)
		return ok;
	return dataset_put(ds, TAG_SpecificCharacterSet, VR_CS, charset);
}

bool
dataset_fits(struct dataset *ds, struct str charset)
{
	struct buf scratch;
	bool fits;

	buf_init(&scratch, LIMIT_HEADER);
	fits = charset_known(charset) && holds(ds, charset, &scratch);
	buf_fini(&scratch);
	return fits;
}

uint32_t
dataset_highest(struct dataset *ds)
{
	struct element *element;
	uint32_t highest = 0, c;
	struct str rest;
	struct walk w;
	size_t n;

	walk_begin(&w, ds);
	while ((element = walk_next(&w)) != NULL)
		for (rest = element->value; rest.n > 0;
		     rest = str_of(rest.p + n, rest.n - n)) {
			n = utf8_next(rest, &c);
			if (n == 0)
				n = 1;
			else if (c > highest)
				highest = c;
		}
	return highest;
}
