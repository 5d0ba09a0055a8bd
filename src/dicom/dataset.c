/*
 * Data sets in memory: look-up, building, reading.
 *
 * The reader keeps the elements of all open items on one heap stack; when an
 * item ends, its elements are sorted if need be and move to the arena as an
 * array of their exact number. So the arena holds no leftovers of growing, and
 * the stack is bounded by the arena's budget. The sort is stable and takes
 * n log n whatever the order: a hostile order costs nothing.
 */
#include "dicom/dataset.h"

#include "base/rd.h"

#define ROOM_FIRST 8

struct dataset *
dataset_new(struct arena *a)
{
	struct dataset *ds = arena_alloc(a, sizeof(*ds));

	if (ds != NULL)
		ds->arena = a;
	return ds;
}

/* Index of the first element whose tag is not smaller. */
static size_t
lower_bound(const struct dataset *ds, uint32_t tag)
{
	size_t low = 0, high = ds->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (ds->elements[middle].tag < tag)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct element *
dataset_find(const struct dataset *ds, uint32_t tag)
{
	size_t i = lower_bound(ds, tag);

	return i < ds->n && ds->elements[i].tag == tag ? &ds->elements[i]
						       : NULL;
}

/* PS3.5 6.2: leading spaces mean something in the long texts only. */
static struct str
without_padding(enum vr vr, struct str value)
{
	if (vr == VR_LT || vr == VR_ST || vr == VR_UT || vr == VR_UC)
		return str_trim_end(value);
	if (vr_kind(vr) == VR_KIND_TEXT || vr_kind(vr) == VR_KIND_LOCAL)
		return str_trim(value);
	return value;
}

struct str
dataset_str(const struct dataset *ds, uint32_t tag)
{
	const struct element *element = dataset_find(ds, tag);

	if (element == NULL)
		return STR("");
	return without_padding(element->vr, element->value);
}

static bool
first_integer_string(struct str value, int64_t *out)
{
	struct str first = str_trim(str_of(value.p, str_find(value, '\\')));

	if (first.n > 1 && first.p[0] == '+' && first.p[1] != '-')
		first = str_of(first.p + 1, first.n - 1);
	return str_i64(first, out);
}

bool
dataset_int(const struct dataset *ds, uint32_t tag, int64_t *out)
{
	const struct element *element = dataset_find(ds, tag);
	bool bad = false;
	struct rd r;

	if (element == NULL)
		return false;
	r = rd_over(element->value, &bad);
	switch (element->vr) {
	case VR_US:
		*out = rd_u16le(&r);
		break;
	case VR_SS:
		*out = (int16_t)rd_u16le(&r);
		break;
	case VR_UL:
		*out = rd_u32le(&r);
		break;
	case VR_SL:
		*out = (int32_t)rd_u32le(&r);
		break;
	case VR_IS:
		return first_integer_string(element->value, out);
	default:
		return false;
	}
	return !bad;
}

static bool
make_room(struct dataset *ds)
{
	size_t room = ds->room > 0 ? ds->room * 2 : ROOM_FIRST;
	struct element *elements;

	if (ds->n < ds->room)
		return true;
	elements = arena_array(ds->arena, room, sizeof(*elements));
	if (elements == NULL)
		return false;
	if (ds->n > 0)
		memcpy(elements, ds->elements, ds->n * sizeof(*elements));
	ds->elements = elements;
	ds->room = room;
	return true;
}

/* The element of this tag, emptied if it was there; NULL past the budget. */
static struct element *
put_element(struct dataset *ds, uint32_t tag, enum vr vr)
{
	size_t i = lower_bound(ds, tag);
	struct element *at;

	if (i == ds->n || ds->elements[i].tag != tag) {
		if (!make_room(ds))
			return NULL;
		at = &ds->elements[i];
		memmove(at + 1, at, (ds->n - i) * sizeof(*at));
		ds->n++;
	}
	at = &ds->elements[i];
	*at = (struct element){.tag = tag, .vr = vr, .value = STR("")};
	return at;
}

bool
dataset_put(struct dataset *ds, uint32_t tag, enum vr vr, struct str value)
{
	struct str copy = STR("");
	struct element *element;

	must(value.n < LENGTH_UNDEFINED);
	if (value.n > 0)
		copy = arena_dup(ds->arena, value);
	if (copy.p == NULL)
		return false;
	element = put_element(ds, tag, vr);
	if (element == NULL)
		return false;
	element->value = copy;
	element->length = (uint32_t)copy.n;
	return true;
}

bool
dataset_put_text(struct dataset *ds, uint32_t tag, enum vr vr, const char *text)
{
	return dataset_put(ds, tag, vr, str_from(text));
}

bool
dataset_put_u16(struct dataset *ds, uint32_t tag, uint16_t v)
{
	uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

	return dataset_put(ds, tag, VR_US, str_of(b, sizeof(b)));
}

bool
dataset_put_u32(struct dataset *ds, uint32_t tag, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
	    (uint8_t)(v >> 24)};

	return dataset_put(ds, tag, VR_UL, str_of(b, sizeof(b)));
}

static struct dataset *
add_item(struct arena *a, struct element *element)
{
	struct dataset *item = dataset_new(a);

	if (item == NULL)
		return NULL;
	if (element->last_item != NULL)
		element->last_item->next = item;
	else
		element->items = item;
	element->last_item = item;
	element->item_count++;
	return item;
}

struct dataset *
dataset_put_item(struct dataset *ds, uint32_t tag)
{
	size_t i = lower_bound(ds, tag);
	struct element *element;

	if (i < ds->n && ds->elements[i].tag == tag &&
	    ds->elements[i].vr == VR_SQ) {
		element = &ds->elements[i];
	} else {
		element = put_element(ds, tag, VR_SQ);
		if (element == NULL)
			return NULL;
		element->length = LENGTH_UNDEFINED;
	}
	return add_item(ds->arena, element);
}

/* A list being read: its elements are stack[base ..], up to the next one. */
struct open_list {
	struct dataset *ds;
	size_t base;
	bool unsorted;
};

struct dataset_reader {
	struct arena *arena;
	struct parse *parse;
	size_t value_cap;
	uint32_t stop_tag;
	struct element *stack;
	size_t stack_n, stack_room;
	struct open_list lists[LIMIT_SQ_DEPTH + 1];
	unsigned list_n;
	bool done;
	dataset_wanted_fn *wanted; /* NULL: everything */
	void *wanted_ctx;
	bool over; /* in an element of the main data set that is not wanted */
	/* The value being read, if it is kept. */
	bool keep;
	unsigned swap_unit; /* above 1 if its bytes must be swapped */
	struct buf parts;   /* of a value that came in several, or is swapped */
};

static bool
fail_budget(const struct dataset_reader *r, struct err *e)
{
	return fail(e, ERR_LIMIT, "data set needs more than %zu KiB of memory",
	    r->arena->budget / KIB);
}

static bool
open_list(struct dataset_reader *r, struct dataset *ds)
{
	if (ds == NULL)
		return false;
	must(r->list_n < ARRAY_LEN(r->lists));
	r->lists[r->list_n++] =
	    (struct open_list){.ds = ds, .base = r->stack_n};
	return true;
}

static bool
push_element(struct dataset_reader *r, struct err *e)
{
	size_t room = r->stack_room * 2;

	if (r->stack_n < r->stack_room)
		return true;
	/* All of them will have to go to the arena. */
	if (r->stack_n >
	    (r->arena->budget - r->arena->used) / sizeof(*r->stack))
		return fail_budget(r, e);
	if (room == 0)
		room = 64;
	r->stack = must_realloc(r->stack, room * sizeof(*r->stack));
	r->stack_room = room;
	return true;
}

static bool
is_pixel_data(uint32_t tag)
{
	return tag == TAG_PixelData || tag == TAG_FloatPixelData ||
	       tag == TAG_DoubleFloatPixelData;
}

static bool
on_element(void *ctx, const struct parse_element *at, struct err *e)
{
	struct dataset_reader *r = ctx;
	struct open_list *list = &r->lists[r->list_n - 1];
	struct element *element;
	bool sequence;

	r->keep = false;

	if (at->depth == 0 && r->stop_tag != 0 && at->tag >= r->stop_tag) {
		r->done = true;
		return fail(e, ERR_CANCELLED, "the rest was not asked for");
	}
	if (at->depth == 0 && r->wanted != NULL)
		r->over = !r->wanted(r->wanted_ctx, at->tag);
	if (r->over)
		return true;
	if (!push_element(r, e))
		return false;
	if (r->stack_n > list->base && r->stack[r->stack_n - 1].tag >= at->tag)
		list->unsorted = true;
	element = &r->stack[r->stack_n++];
	*element = (struct element){
	    .tag = at->tag,
	    .vr = at->vr,
	    .length = at->length,
	    .value = STR(""),
	};
	/* Pixel Data of undefined length are fragments whatever their VR. */
	sequence = at->vr == VR_SQ ||
		   (at->vr == VR_UN && at->length == LENGTH_UNDEFINED);
	if (at->tag == TAG_PixelData && at->length == LENGTH_UNDEFINED)
		sequence = false;
	if (sequence)
		element->vr = VR_SQ;
	else
		element->skipped =
		    is_pixel_data(at->tag) || at->length > r->value_cap;
	r->keep = !sequence && !element->skipped;
	r->swap_unit = at->big_endian ? vr_unit(at->vr) : 1;
	return true;
}

static bool
on_value(void *ctx, struct str part, struct err *e)
{
	struct dataset_reader *r = ctx;
	struct element *element;

	if (!r->keep)
		return true;
	element = &r->stack[r->stack_n - 1];
	if (part.n < element->length || r->swap_unit > 1) {
		buf_add(&r->parts, part);
		return !r->parts.over || fail_budget(r, e);
	}
	element->value = arena_dup(r->arena, part);
	return element->value.p != NULL || fail_budget(r, e);
}

/* Turn each unit of n bytes around; a broken one at the end stays. */
static void
swap_units(uint8_t *p, size_t n, unsigned unit)
{
	unsigned i;
	uint8_t b;

	for (; n >= unit; n -= unit, p += unit) {
		for (i = 0; i < unit / 2; i++) {
			b = p[i];
			p[i] = p[unit - 1 - i];
			p[unit - 1 - i] = b;
		}
	}
}

static bool
on_value_end(void *ctx, struct err *e)
{
	struct dataset_reader *r = ctx;
	struct element *element;

	if (!r->keep)
		return true;
	r->keep = false;
	if (r->parts.n == 0)
		return true;
	if (r->swap_unit > 1)
		swap_units(r->parts.p, r->parts.n, r->swap_unit);
	element = &r->stack[r->stack_n - 1];
	element->value = arena_dup(r->arena, buf_str(&r->parts));
	buf_clear(&r->parts);
	return element->value.p != NULL || fail_budget(r, e);
}

static bool
on_item(void *ctx, bool fragment, uint32_t length, struct err *e)
{
	struct dataset_reader *r = ctx;

	(void)length;
	if (fragment || r->over)
		return true;
	if (!open_list(r, add_item(r->arena, &r->stack[r->stack_n - 1])))
		return fail_budget(r, e);
	return true;
}

/* Stable, bottom up: runs of doubling width, from one array to the other. */
static void
sort_elements(struct element *elements, size_t n)
{
	struct element *from = elements, *to, *other, *swap;
	size_t width, i, left, right, middle, end;

	other = must_alloc(n * sizeof(*other));
	to = other;
	for (width = 1; width < n; width *= 2) {
		for (i = 0, middle = 0; i < n;) {
			left = i;
			middle = right = n - i > width ? i + width : n;
			end = n - middle > width ? middle + width : n;
			for (; i < end; i++)
				if (left < middle &&
				    (right == end ||
					from[left].tag <= from[right].tag))
					to[i] = from[left++];
				else
					to[i] = from[right++];
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != elements)
		memcpy(elements, from, n * sizeof(*elements));
	free(other);
}

/* The first of each tag stays; the new count. */
static size_t
drop_repeated(struct element *elements, size_t n)
{
	size_t kept = 0, i;

	for (i = 0; i < n; i++)
		if (kept == 0 || elements[kept - 1].tag != elements[i].tag)
			elements[kept++] = elements[i];
	return kept;
}

static bool
close_list(struct dataset_reader *r, struct err *e)
{
	struct open_list *list = &r->lists[--r->list_n];
	struct element *elements;
	size_t n = r->stack_n - list->base;
	struct dataset *ds = list->ds;

	if (n == 0)
		return true;
	elements = r->stack + list->base;
	if (list->unsorted) {
		sort_elements(elements, n);
		n = drop_repeated(elements, n);
	}
	r->stack_n = list->base;
	ds->elements = arena_array(r->arena, n, sizeof(*elements));
	if (ds->elements == NULL)
		return fail_budget(r, e);
	memcpy(ds->elements, elements, n * sizeof(*elements));
	ds->n = ds->room = n;
	return true;
}

static bool
on_item_end(void *ctx, struct err *e)
{
	struct dataset_reader *r = ctx;

	return r->over || close_list(r, e);
}

struct dataset_reader *
dataset_reader_new(
    struct arena *a, struct syntax syntax, size_t value_cap, uint32_t stop_tag)
{
	static const struct parse_events events = {
	    .element = on_element,
	    .value = on_value,
	    .value_end = on_value_end,
	    .item = on_item,
	    .item_end = on_item_end,
	};
	struct dataset_reader *r = must_zalloc(sizeof(*r));

	r->arena = a;
	r->value_cap = value_cap;
	r->stop_tag = stop_tag;
	buf_init(&r->parts, value_cap < a->budget ? value_cap : a->budget);
	r->parse = parse_new(syntax, &events, r);
	/* Past the budget the first element says so. */
	open_list(r, dataset_new(a));
	return r;
}

void
dataset_reader_only(
    struct dataset_reader *r, dataset_wanted_fn *wanted, void *ctx)
{
	r->wanted = wanted;
	r->wanted_ctx = ctx;
}

void
dataset_reader_free(struct dataset_reader **at)
{
	struct dataset_reader *r = *at;

	*at = NULL;
	if (r == NULL)
		return;
	parse_free(&r->parse);
	buf_fini(&r->parts);
	free(r->stack);
	free(r);
}

bool
dataset_reader_feed(
    struct dataset_reader *r, struct str part, bool *done, struct err *e)
{
	bool ok;

	*done = r->done;
	if (r->done)
		return true;
	if (r->list_n == 0)
		return fail_budget(r, e);
	ok = parse_feed(r->parse, part, e);
	*done = r->done;
	return ok || r->done;
}

bool
dataset_reader_end(
    struct dataset_reader *r, struct dataset **out, struct err *e)
{
	struct dataset *ds;

	*out = NULL;
	if (r->list_n == 0)
		return fail_budget(r, e);
	if (!r->done && !parse_end(r->parse, e))
		return false;
	/* Reading stops between elements of the main data set only. */
	must(r->list_n == 1);
	ds = r->lists[0].ds;
	if (!close_list(r, e))
		return false;
	*out = ds;
	return true;
}

bool
dataset_read(struct arena *a, struct str bytes, struct syntax syntax,
    size_t value_cap, uint32_t stop_tag, struct dataset **out, struct err *e)
{
	struct dataset_reader *r =
	    dataset_reader_new(a, syntax, value_cap, stop_tag);
	bool done, ok;

	*out = NULL;
	ok = dataset_reader_feed(r, bytes, &done, e) &&
	     dataset_reader_end(r, out, e);
	dataset_reader_free(&r);
	return ok;
}
