/*
 * Printing answers.
 */
#include "app/client/answer.h"

#include "app/verb.h"
#include "base/json.h"
#include "base/limit.h"
#include "base/rd.h"
#include "base/utf8.h"
#include "dicom/charset.h"
#include "dicom/dict.h"
#include "dicom/dump.h"

/* One line of output; what is longer is not printed. */
#define LINE_CAP (16 * MIB)
/* A column is not made wider than this for a value. */
#define WIDTH_MOST 48
/* Sequences within sequences; real answers have two. (base/json.h nests 32
 * deep, and a sequence is an array of objects.) */
#define DEPTH_MOST 12

bool
answer_format_parse(const char *text, enum answer_format *out, struct err *e)
{
	static const char *const words[] = {"table", "json", "dump"};
	size_t i;

	*out = ANSWER_TABLE;
	for (i = 0; text != NULL && i < ARRAY_LEN(words); i++) {
		if (!strcmp(words[i], text)) {
			*out = (enum answer_format)i;
			return true;
		}
	}
	return text == NULL ||
	       fail(e, ERR_USAGE,
		   "--format '%.40s': allowed are table, json and dump", text);
}

void
answers_begin(struct answers *a, enum answer_format format,
    const struct key_path *columns, size_t n)
{
	*a = (struct answers){
	    .format = format, .columns = columns, .column_count = n};
	arena_init(&a->arena, GIB);
	buf_init(&a->line, LINE_CAP);
	a->cells = must_zalloc((n * ANSWER_FIRST + 1) * sizeof(*a->cells));
	a->widths = must_zalloc((n + 1) * sizeof(*a->widths));
}

static struct str
charset_of(const struct dataset *ds, struct str inherited)
{
	const struct element *found =
	    dataset_find(ds, TAG_SpecificCharacterSet);

	return found != NULL ? str_trim(found->value) : inherited;
}

/* One number of a binary value. */
static void
put_number(struct buf *out, enum vr vr, struct rd *r)
{
	uint64_t bits = 0;
	unsigned i, size = vr == VR_AT ? 4 : vr_unit(vr);
	struct str bytes = rd_take(r, size);
	double d;
	float f;

	for (i = (unsigned)bytes.n; i > 0; i--)
		bits = bits << 8 | bytes.p[i - 1];
	if (vr == VR_AT)
		buf_printf(out, "(%04x,%04x)", (unsigned)(bits & 0xffff),
		    (unsigned)(bits >> 16 & 0xffff));
	else if (vr == VR_FD && size == 8)
		memcpy(&d, &bits, 8), buf_printf(out, "%.17g", d);
	else if (vr == VR_FL)
		memcpy(&f, &bits, 4), buf_printf(out, "%.9g", (double)f);
	else if (vr == VR_SS)
		buf_printf(out, "%d", (int)(int16_t)bits);
	else if (vr == VR_SL)
		buf_printf(out, "%ld", (long)(int32_t)bits);
	else if (vr == VR_SV)
		buf_printf(out, "%lld", (long long)bits);
	else
		buf_printf(out, "%llu", (unsigned long long)bits);
}

static bool
is_number(enum vr vr)
{
	return vr == VR_US || vr == VR_UL || vr == VR_SS || vr == VR_SL ||
	       vr == VR_UV || vr == VR_SV || vr == VR_FL || vr == VR_FD ||
	       vr == VR_AT;
}

static void
put_numbers(struct buf *out, const struct element *el)
{
	unsigned size = el->vr == VR_AT ? 4 : vr_unit(el->vr);
	bool bad = false;
	struct rd r = rd_over(el->value, &bad);

	while (rd_left(&r) >= size) {
		put_number(out, el->vr, &r);
		if (rd_left(&r) >= size)
			buf_u8(out, '\\');
	}
}

/* The value as UTF-8, values separated by backslashes. */
static void
put_value(struct buf *out, const struct element *el, struct str charset)
{
	enum vr_kind kind = vr_kind(el->vr);

	if (el->skipped)
		buf_printf(out, "(%lu bytes)", (unsigned long)el->length);
	else if (el->vr == VR_SQ)
		buf_printf(out, "(%zu items)", el->item_count);
	else if (is_number(el->vr))
		put_numbers(out, el);
	else if (kind == VR_KIND_LOCAL)
		charset_decode(
		    charset, str_trim(el->value), el->vr == VR_PN, out, NULL);
	else if (kind == VR_KIND_TEXT || el->vr == VR_UN)
		charset_decode(STR(""), str_trim(el->value), false, out, NULL);
	else if (el->value.n > 0)
		buf_printf(out, "(%zu bytes)", el->value.n);
}

static void
flush(struct answers *a)
{
	if (a->line.over)
		fputs(
		    "fileroom: an answer is too long to be printed\n", stderr);
	else
		fwrite(a->line.p, 1, a->line.n, stdout);
	buf_clear(&a->line);
}

/* A table. */

static char *
make_cell(struct answers *a, const struct dataset *ds, size_t column)
{
	const struct dataset *holder = ds;
	const struct element *el =
	    key_path_find(&a->columns[column], ds, &holder);
	struct str charset = charset_of(ds, STR(""));
	struct buf raw, clean;
	char *cell;

	if (el == NULL)
		return NULL;
	buf_init(&raw, MIB);
	buf_init(&clean, 8 * MIB);
	put_value(&raw, el, charset_of(holder, charset));
	verb_clean(&clean, buf_str(&raw));
	cell = arena_cstr(&a->arena, buf_str(&clean));
	buf_fini(&raw);
	buf_fini(&clean);
	return cell;
}

static void
put_cell(struct answers *a, const char *text, size_t column)
{
	struct str s = str_from(text);
	size_t width = utf8_columns(s);

	buf_add(&a->line, s);
	if (column + 1 == a->column_count) {
		buf_u8(&a->line, '\n');
		return;
	}
	buf_fill(&a->line, ' ',
	    (width < a->widths[column] ? a->widths[column] - width : 0) + 2);
}

static void
put_row(struct answers *a, char *const *cells)
{
	size_t i;

	for (i = 0; i < a->column_count; i++)
		put_cell(a, cells[i] != NULL ? cells[i] : "", i);
	flush(a);
}

static void
put_head(struct answers *a)
{
	struct key_path path;
	struct buf name;
	size_t i, r, w;

	buf_init(&name, KIB);
	for (i = 0; i < a->column_count; i++) {
		path = a->columns[i];
		if (a->short_names)
			path = (struct key_path){
			    .tags = {path.tags[path.n - 1]}, .n = 1};
		buf_clear(&name);
		key_path_text(&path, &name);
		a->widths[i] = name.n;
		for (r = 0; r < a->rows; r++) {
			w = utf8_columns(
			    str_from(a->cells[r * a->column_count + i]));
			if (w > a->widths[i])
				a->widths[i] = w;
		}
		if (a->widths[i] > WIDTH_MOST + name.n)
			a->widths[i] = WIDTH_MOST + name.n;
		put_cell(a, buf_cstr(&name), i);
	}
	buf_fini(&name);
	flush(a);
}

static void
flow(struct answers *a)
{
	size_t r;

	put_head(a);
	for (r = 0; r < a->rows; r++)
		put_row(a, a->cells + r * a->column_count);
	a->rows = 0;
	a->flowing = true;
	arena_reset(&a->arena);
}

static void
put_table(struct answers *a, const struct dataset *ds)
{
	char **row = a->cells + a->rows * a->column_count;
	size_t i;

	for (i = 0; i < a->column_count; i++)
		row[i] = make_cell(a, ds, i);
	if (a->flowing) {
		put_row(a, row);
		arena_reset(&a->arena);
	} else if (++a->rows == ANSWER_FIRST) {
		flow(a);
	}
}

/* JSON. */

struct frame {
	const struct dataset *item;
	size_t next; /* of its elements */
	struct str charset;
};

struct walk {
	struct json j;
	struct frame frames[DEPTH_MOST];
	size_t depth;
};

static void
put_key(struct json *j, uint32_t tag)
{
	const struct dict_tag *known = dict_tag(tag);
	char name[16];

	snprintf(name, sizeof(name), "%08lX", (unsigned long)tag);
	json_key(j, known != NULL ? known->keyword : name);
}

static void
put_strings(struct json *j, const struct element *el, struct str charset)
{
	struct buf text;
	struct str rest, part;
	bool many;

	buf_init(&text, LINE_CAP);
	put_value(&text, el, charset);
	rest = buf_str(&text);
	many = str_find(rest, '\\') < rest.n &&
	       (is_number(el->vr) || vr_is_multi(el->vr));
	if (!many) {
		json_str(j, rest);
	} else {
		json_array(j);
		while (str_split(&rest, '\\', &part))
			json_str(j, str_trim(part));
		json_end_array(j);
	}
	buf_fini(&text);
}

static void
put_json_value(struct json *j, const struct dataset *ds,
    const struct element *el, struct str charset)
{
	int64_t v;

	if ((el->vr == VR_US || el->vr == VR_UL || el->vr == VR_SS ||
		el->vr == VR_SL) &&
	    el->value.n == vr_unit(el->vr) && dataset_int(ds, el->tag, &v))
		json_i64(j, v);
	else
		put_strings(j, el, charset);
}

static void
enter(struct walk *w, const struct dataset *item, struct str charset)
{
	w->frames[w->depth++] =
	    (struct frame){.item = item, .charset = charset_of(item, charset)};
	json_object(&w->j);
}

/* The item is written: the next one, or back to what holds the sequence. */
static void
leave(struct walk *w)
{
	struct frame *f = &w->frames[w->depth - 1];
	const struct dataset *next = f->item->next;

	json_end_object(&w->j);
	w->depth--;
	if (w->depth == 0)
		return;
	if (next != NULL)
		enter(w, next, w->frames[w->depth - 1].charset);
	else
		json_end_array(&w->j);
}

static void
put_json(struct answers *a, const struct dataset *ds)
{
	struct walk w = {.depth = 0};
	const struct element *el;
	struct frame *f;

	json_init(&w.j, &a->line);
	enter(&w, ds, STR(""));
	while (w.depth > 0) {
		f = &w.frames[w.depth - 1];
		if (f->next == f->item->n) {
			leave(&w);
			continue;
		}
		el = &f->item->elements[f->next++];
		put_key(&w.j, el->tag);
		if (el->vr != VR_SQ) {
			put_json_value(&w.j, f->item, el, f->charset);
			continue;
		}
		json_array(&w.j);
		if (el->items != NULL && w.depth < DEPTH_MOST)
			enter(&w, el->items, f->charset);
		else
			json_end_array(&w.j);
	}
	buf_u8(&a->line, '\n');
	flush(a);
}

static void
put_dump(struct answers *a, const struct dataset *ds)
{
	struct err e;

	if (!dump_dataset(&a->line, ds, STR(""), &e))
		a->line.over = true;
	buf_u8(&a->line, '\n');
	flush(a);
}

void
answers_put(struct answers *a, const struct dataset *ds)
{
	switch (a->format) {
	case ANSWER_TABLE:
		put_table(a, ds);
		break;
	case ANSWER_JSON:
		put_json(a, ds);
		break;
	case ANSWER_DUMP:
		put_dump(a, ds);
		break;
	}
	fflush(stdout); /* a slow peer's answers are seen as they come */
}

void
answers_end(struct answers *a)
{
	if (a->format == ANSWER_TABLE && a->rows > 0)
		flow(a);
	arena_fini(&a->arena);
	buf_fini(&a->line);
	free(a->cells);
	free(a->widths);
}
