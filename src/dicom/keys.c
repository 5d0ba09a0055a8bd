/*
 * Keys: read breadth first, matched and answered with stacks of one frame a
 * level.
 */
#include "dicom/keys.h"

#include "base/limit.h"
#include "dicom/charset.h"
#include "dicom/match.h"

/* A sequence within each level, and the main data set. */
#define FRAMES (LIMIT_SQ_DEPTH + 1)

static bool
is_creator(uint32_t tag)
{
	return TAG_IS_PRIVATE(tag) && TAG_ELEMENT(tag) >= 0x10 &&
	       TAG_ELEMENT(tag) <= 0xff;
}

static bool
is_key(uint32_t tag)
{
	return TAG_ELEMENT(tag) != 0 && tag != TAG_SpecificCharacterSet &&
	       !is_creator(tag);
}

/* The VR that counts: the dictionary's where the element does not say. */
static enum vr
vr_of(const struct element *element)
{
	if (element->vr == VR_UN || element->vr == VR_NONE)
		return dict_vr(element->tag);
	return element->vr;
}

struct str
key_text(struct arena *a, const struct element *element, struct str charset)
{
	enum vr vr = vr_of(element);
	enum vr_kind kind = vr_kind(vr);

	if (kind != VR_KIND_TEXT && kind != VR_KIND_LOCAL)
		return element->value;
	return str_trim_end(
	    charset_to_utf8(a, charset, element->value, vr == VR_PN));
}

/* What the creator's block is in this data set; 0 when it has none. */
static uint32_t
private_tag(const struct dataset *ds, uint32_t tag, struct str creator)
{
	uint32_t group = tag & 0xffff0000U, block;
	const struct element *element;

	for (block = 0x10; block <= 0xff; block++) {
		element = dataset_find(ds, group | block);
		if (element != NULL &&
		    str_eq(str_trim(element->value), creator))
			return group | block << 8 | (tag & 0xff);
	}
	return 0;
}

const struct element *
key_find(const struct key *key, const struct dataset *ds)
{
	uint32_t tag;

	if (key->creator.n == 0)
		return dataset_find(ds, key->tag);
	tag = private_tag(ds, key->tag, key->creator);
	return tag != 0 ? dataset_find(ds, tag) : NULL;
}

/* "+1", "01" and "1" are the same number (PS3.5 6.2, IS). */
static struct str
normal_number(struct arena *a, struct str s)
{
	struct str digits = s;
	char *text;
	int64_t v;

	if (digits.n > 1 && digits.p[0] == '+')
		digits = str_of(digits.p + 1, digits.n - 1);
	if (!str_i64(digits, &v))
		return s;
	text = arena_printf(a, "%lld", (long long)v);
	return text != NULL ? str_from(text) : s;
}

static size_t
count_values(struct str value)
{
	size_t i, n = 1;

	for (i = 0; i < value.n; i++)
		n += value.p[i] == '\\';
	return n;
}

static bool
read_value(struct arena *a, const struct element *element, struct str charset,
    bool empty_values, struct key *key, struct err *e)
{
	enum vr_kind kind = vr_kind(key->vr);
	struct str value = element->value;

	if (kind == VR_KIND_LOCAL)
		value = charset_to_utf8(a, charset, value, key->vr == VR_PN);
	if (kind == VR_KIND_LOCAL || kind == VR_KIND_TEXT)
		value = str_trim(value);
	if (key->vr != VR_UI && value.n > LIMIT_INDEX_VALUE)
		return fail(e, ERR_LIMIT, "a key of %zu bytes", value.n);
	if (key->vr != VR_UI && vr_is_multi(key->vr) &&
	    count_values(value) > LIMIT_KEY_VALUES)
		return fail(e, ERR_LIMIT, "a key of more than %d values",
		    LIMIT_KEY_VALUES);
	if (empty_values && str_eq_text(value, "\"\"")) {
		key->empty = key->demands = true;
		return true;
	}
	if (kind == VR_KIND_BINARY
		? value.n == 0
		: match_kind(key->vr, value) == MATCH_UNIVERSAL)
		return true;
	key->demands = true;
	key->moment = match_moment(a, key->vr, value, &key->value);
	if (key->vr == VR_IS)
		key->value = normal_number(a, value);
	return true;
}

/* False when the element is no key after all. */
static bool
names_key(
    const struct dataset *ds, const struct element *element, struct key *key)
{
	uint32_t block = TAG_ELEMENT(element->tag) >> 8;

	if (!is_key(element->tag))
		return false;
	*key = (struct key){.tag = element->tag, .vr = dict_vr(element->tag)};
	if (TAG_IS_PRIVATE(element->tag)) {
		key->vr = element->vr;
		key->creator =
		    dataset_str(ds, (element->tag & 0xffff0000U) | block);
		return block >= 0x10 && key->creator.n > 0;
	}
	if (key->vr == VR_UN)
		key->vr = element->vr;
	return true;
}

/* The tree being read: data sets whose keys are still to come. */
struct reading {
	struct arena *arena;
	bool empty_values;
	struct keys *last; /* of the list of those that are known */
	size_t count;      /* of keys so far */
};

static bool
read_one(struct reading *r, const struct element *element, struct str charset,
    struct key *key, struct err *e)
{
	struct keys *items;

	key->sequence = key->vr == VR_SQ;
	if (!key->sequence)
		return read_value(
		    r->arena, element, charset, r->empty_values, key, e);
	if (element->items == NULL || element->items->n == 0)
		return true;
	items = arena_alloc(r->arena, sizeof(*items));
	if (items == NULL)
		return true;
	items->from = element->items;
	items->parent = key;
	r->last->next = items;
	r->last = items;
	key->items = items;
	return true;
}

static bool
read_list(
    struct reading *r, struct keys *keys, struct str charset, struct err *e)
{
	const struct dataset *ds = keys->from;
	struct key key;
	size_t i;

	r->count += ds->n;
	if (r->count > LIMIT_QUERY_KEYS)
		return fail(
		    e, ERR_LIMIT, "more than %d keys", LIMIT_QUERY_KEYS);
	keys->list = arena_array(r->arena, ds->n, sizeof(*keys->list));
	for (i = 0; i < ds->n && keys->list != NULL; i++) {
		if (!names_key(ds, &ds->elements[i], &key))
			continue;
		keys->list[keys->n] = key;
		if (!read_one(
			r, &ds->elements[i], charset, &keys->list[keys->n], e))
			return false;
		keys->n++;
	}
	if (r->arena->over)
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	return true;
}

/* A sequence demands what one of its keys does. Levels are few: each round
 * brings it up by one at least, in the end to the top. */
static void
demand_upwards(struct keys *first)
{
	bool changed = true;
	struct keys *k;
	size_t i;

	while (changed) {
		changed = false;
		for (k = first->next; k != NULL; k = k->next) {
			for (i = 0; i < k->n && !k->list[i].demands; i++)
				;
			if (i == k->n || k->parent->demands)
				continue;
			k->parent->demands = changed = true;
		}
	}
}

bool
keys_read(struct arena *a, const struct dataset *ds, bool empty_values,
    struct keys *out, struct err *e)
{
	struct str charset = dataset_str(ds, TAG_SpecificCharacterSet);
	struct reading r = {
	    .arena = a, .empty_values = empty_values, .last = out};
	struct keys *keys;

	*out = (struct keys){.from = ds};
	for (keys = out; keys != NULL; keys = keys->next)
		if (!read_list(&r, keys, charset, e))
			return false;
	demand_upwards(out);
	return true;
}

static struct str
charset_in(const struct dataset *item, struct str outer)
{
	struct str own = dataset_str(item, TAG_SpecificCharacterSet);

	return own.n > 0 ? own : outer;
}

static bool
matches_value(const struct key *key, struct arena *scratch,
    const struct element *element, struct str charset)
{
	struct str value = STR("");
	enum vr vr = key->vr;

	if (element != NULL) {
		value = key_text(scratch, element, charset);
		/* What the identifier left open, or the file has otherwise. */
		if (vr == VR_UN || vr == VR_NONE ||
		    vr_kind(vr) != vr_kind(vr_of(element)) ||
		    vr_unit(vr) != vr_unit(vr_of(element)))
			vr = vr_of(element);
	}
	if (key->empty)
		return value.n == 0 && (element == NULL || !element->skipped);
	if (key->fuzzy)
		return match_name_fuzzy(scratch, key->value, value);
	return match_value(scratch, vr, key->value, value);
}

/* One item of a sequence of the data set against the keys for it. */
struct match_frame {
	const struct keys *keys;
	size_t at;
	const struct dataset *item; /* and those behind it */
	struct str charset;
};

/* Puts the items of a sequence on the stack. False: there are none. */
static bool
enter(struct match_frame *frame, const struct key *key,
    const struct element *element, struct str charset)
{
	if (element == NULL || element->items == NULL)
		return false;
	*frame = (struct match_frame){.keys = key->items,
	    .item = element->items,
	    .charset = charset_in(element->items, charset)};
	return true;
}

static bool
next_item(struct match_frame *frame, struct str outer)
{
	frame->item = frame->item->next;
	frame->at = 0;
	if (frame->item == NULL)
		return false;
	frame->charset = charset_in(frame->item, outer);
	return true;
}

/* The next item that is still to be tried, after one that does not match; the
 * number of frames left, 1 when there is none. */
static size_t
try_next(struct match_frame *stack, size_t n)
{
	while (n > 1 && !next_item(&stack[n - 1], stack[n - 2].charset))
		n--;
	return n;
}

/* Does the data set of the first frame match all its keys? */
static bool
match_all(struct match_frame *stack, struct arena *scratch)
{
	const struct element *element;
	struct match_frame *top;
	const struct key *key;
	size_t n = 1;
	bool ok;

	for (;;) {
		top = &stack[n - 1];
		if (top->at == top->keys->n) {
			if (--n == 0)
				return true;
			stack[n - 1].at++;
			continue;
		}
		key = &top->keys->list[top->at];
		element = key_find(key, top->item);
		ok = !key->demands;
		if (!ok && key->items != NULL && n < FRAMES &&
		    enter(&stack[n], key, element, top->charset)) {
			n++;
			continue;
		}
		if (!ok && !key->sequence)
			ok = matches_value(key, scratch, element, top->charset);
		if (ok) {
			top->at++;
			continue;
		}
		n = try_next(stack, n);
		if (n == 1)
			return false;
	}
}

bool
key_matches(const struct key *key, struct arena *scratch,
    const struct dataset *ds, struct str charset)
{
	struct match_frame stack[FRAMES];
	struct key one = *key;
	const struct keys keys = {.list = &one, .n = 1};

	if (!key->demands)
		return true;
	stack[0] =
	    (struct match_frame){.keys = &keys, .item = ds, .charset = charset};
	return match_all(stack, scratch);
}

static bool
item_matches(const struct keys *keys, struct arena *scratch,
    const struct dataset *item, struct str charset)
{
	struct match_frame stack[FRAMES];

	stack[0] = (struct match_frame){
	    .keys = keys, .item = item, .charset = charset};
	return match_all(stack, scratch);
}

/* Items of a sequence being copied: all of them, or what the keys name. */
struct copy_frame {
	const struct keys *keys; /* NULL: everything */
	size_t at;
	uint32_t tag;               /* of the sequence in the answer */
	const struct dataset *item; /* NULL: no more */
	struct dataset *into;       /* the data set that has the sequence */
	struct dataset *to;         /* the item being filled */
	struct str charset, outer;
};

/* The next item that matches becomes the one being copied. */
static bool
begin_item(struct copy_frame *f)
{
	struct arena *a = f->into->arena;

	for (; f->item != NULL; f->item = f->item->next) {
		f->charset = charset_in(f->item, f->outer);
		if (f->keys == NULL ||
		    item_matches(f->keys, a, f->item, f->charset))
			break;
	}
	f->at = 0;
	if (f->item == NULL)
		return true;
	f->to = dataset_put_item(f->into, f->tag);
	return f->to != NULL;
}

static bool
put_value(struct dataset *to, uint32_t tag, enum vr vr,
    const struct element *element, struct str charset)
{
	struct str value = STR("");

	if (element != NULL) {
		vr = vr_of(element);
		value = key_text(to->arena, element, charset);
	}
	/* Bytes that were to be a sequence, and are none. */
	if (vr == VR_SQ)
		value = STR("");
	if (value.p == NULL && to->arena->over)
		return false;
	return dataset_put(to, tag, vr, value);
}

/* One attribute of the item; *deeper is filled for a sequence with items. */
static bool
copy_one(struct copy_frame *f, struct copy_frame *deeper)
{
	const struct key *key = NULL;
	const struct element *element;
	uint32_t tag;

	if (f->keys != NULL) {
		key = &f->keys->list[f->at++];
		element = key_find(key, f->item);
		tag = key->tag;
		if (key->creator.n > 0 &&
		    !dataset_put(f->to,
			(tag & 0xffff0000U) | TAG_ELEMENT(tag) >> 8, VR_LO,
			key->creator))
			return false;
	} else {
		element = &f->item->elements[f->at++];
		tag = element->tag;
		if (tag == TAG_SpecificCharacterSet || TAG_ELEMENT(tag) == 0)
			return true;
	}
	if (element == NULL || element->vr != VR_SQ)
		return put_value(f->to, tag, key != NULL ? key->vr : VR_UN,
		    element, f->charset);
	if (!dataset_put(f->to, tag, VR_SQ, STR("")))
		return false;
	*deeper = (struct copy_frame){
	    .keys = key != NULL ? key->items : NULL,
	    .tag = tag,
	    .item = element->items,
	    .into = f->to,
	    .outer = f->charset,
	};
	return element->items == NULL || begin_item(deeper);
}

static bool
copy_items(struct copy_frame *stack)
{
	struct copy_frame *top, *deeper;
	size_t n = 1, all;

	while (n > 0) {
		top = &stack[n - 1];
		if (top->item == NULL) {
			n--;
			continue;
		}
		all = top->keys != NULL ? top->keys->n : top->item->n;
		if (top->at == all) {
			top->item = top->item->next;
			if (!begin_item(top))
				return false;
			continue;
		}
		must(n < FRAMES + 1);
		deeper = &stack[n];
		deeper->item = NULL;
		if (!copy_one(top, deeper))
			return false;
		if (deeper->item != NULL)
			n++;
	}
	return true;
}

bool
key_answer(const struct key *key, const struct dataset *ds, struct str charset,
    struct dataset *answer)
{
	struct copy_frame stack[FRAMES + 1];
	const struct element *element = ds != NULL ? key_find(key, ds) : NULL;

	if (key->creator.n > 0 &&
	    !dataset_put(answer,
		(key->tag & 0xffff0000U) | TAG_ELEMENT(key->tag) >> 8, VR_LO,
		key->creator))
		return false;
	if (element == NULL || element->vr != VR_SQ)
		return put_value(answer, key->tag, key->vr, element, charset);
	if (!dataset_put(answer, key->tag, VR_SQ, STR("")))
		return false;
	stack[0] = (struct copy_frame){
	    .keys = key->items,
	    .tag = key->tag,
	    .item = element->items,
	    .into = answer,
	    .outer = charset,
	};
	return begin_item(&stack[0]) && copy_items(stack);
}
