/*
 * Data sets to bytes. Lengths are written as zero and set when the item or
 * sequence has been written; the tree is walked with an explicit stack.
 */
#include "dicom/build.h"

#include "base/limit.h"
#include "dicom/deflate.h"

#define TAG_ITEM   TAG(0xfffe, 0xe000)
#define GROUP_ITEM 0xfffe

/* The greatest even length of a 16-bit field. */
#define SHORT_MAX 0xfffe

enum vr
build_vr(enum vr vr, uint32_t length, struct syntax syntax)
{
	if (vr == VR_NONE)
		return VR_UN;
	if (syntax.explicit_vr && !vr_is_long(vr) && length > SHORT_MAX)
		return VR_UN;
	return vr;
}

static void
put_u16(struct buf *out, uint16_t v, struct syntax syntax)
{
	if (syntax.big_endian)
		buf_u16be(out, v);
	else
		buf_u16le(out, v);
}

static void
put_u32(struct buf *out, uint32_t v, struct syntax syntax)
{
	if (syntax.big_endian)
		buf_u32be(out, v);
	else
		buf_u32le(out, v);
}

static void
set_u32(struct buf *out, size_t at, uint32_t v, struct syntax syntax)
{
	if (syntax.big_endian)
		buf_set_u32be(out, at, v);
	else
		buf_set_u32le(out, at, v);
}

void
build_header(struct buf *out, uint32_t tag, enum vr vr, uint32_t length,
    struct syntax syntax)
{
	put_u16(out, TAG_GROUP(tag), syntax);
	put_u16(out, TAG_ELEMENT(tag), syntax);
	if (!syntax.explicit_vr || TAG_GROUP(tag) == GROUP_ITEM) {
		put_u32(out, length, syntax);
		return;
	}
	vr = build_vr(vr, length, syntax);
	buf_text(out, vr_name(vr));
	if (vr_is_long(vr)) {
		put_u16(out, 0, syntax);
		put_u32(out, length, syntax);
	} else {
		put_u16(out, (uint16_t)length, syntax);
	}
}

/* Whole units turned around; a broken one at the end stays as it is. */
static void
add_swapped(struct buf *out, struct str value, unsigned unit)
{
	uint8_t *p = buf_space(out, value.n);
	size_t at, i;

	if (p == NULL || value.n == 0)
		return;
	memcpy(p, value.p, value.n);
	for (at = 0; value.n - at >= unit; at += unit)
		for (i = 0; i < unit; i++)
			p[at + i] = value.p[at + unit - 1 - i];
	buf_filled(out, value.n);
}

void
build_element(struct buf *out, uint32_t tag, enum vr vr, struct str value,
    struct syntax syntax)
{
	bool odd = (value.n & 1) != 0;
	uint8_t pad = vr_pad(vr);

	must(value.n < LENGTH_UNDEFINED - 1);
	vr = build_vr(vr, (uint32_t)(value.n + odd), syntax);
	build_header(out, tag, vr, (uint32_t)(value.n + odd), syntax);
	if (syntax.big_endian && vr_unit(vr) > 1)
		add_swapped(out, value, vr_unit(vr));
	else
		buf_add(out, value);
	if (odd)
		buf_u8(out, pad);
}

/* An item being written, and where the lengths to be set stand. */
struct frame {
	const struct dataset *item;
	size_t next;
	size_t item_at, sequence_at;
};

struct build {
	struct buf *out;
	struct syntax syntax;
	struct frame frames[LIMIT_SQ_DEPTH + 1];
	unsigned frame_n;
};

static size_t
open_length(struct build *b, uint32_t tag, enum vr vr)
{
	build_header(b->out, tag, vr, 0, b->syntax);
	return b->out->n;
}

static bool
close_length(struct build *b, size_t at, struct err *e)
{
	size_t n = b->out->n - at;

	if (b->out->over)
		return true;
	if (n >= LENGTH_UNDEFINED)
		return fail(e, ERR_LIMIT, "sequence is longer than 4 GiB");
	set_u32(b->out, at - 4, (uint32_t)n, b->syntax);
	return true;
}

static bool
push_sequence(struct build *b, const struct element *element, struct err *e)
{
	struct frame *frame;
	size_t at = open_length(b, element->tag, VR_SQ);

	if (element->items == NULL)
		return true;
	if (b->frame_n == ARRAY_LEN(b->frames))
		return fail(e, ERR_LIMIT, "sequences nested deeper than %d",
		    LIMIT_SQ_DEPTH);
	frame = &b->frames[b->frame_n++];
	*frame = (struct frame){.item = element->items, .sequence_at = at};
	frame->item_at = open_length(b, TAG_ITEM, VR_NONE);
	return true;
}

/* The innermost item has been written: go on to the next, or up. */
static bool
next_item(struct build *b, struct err *e)
{
	struct frame *top = &b->frames[b->frame_n - 1];

	if (b->frame_n == 1) {
		b->frame_n = 0;
		return true;
	}
	if (!close_length(b, top->item_at, e))
		return false;
	top->next = 0;
	top->item = top->item->next;
	if (top->item != NULL) {
		top->item_at = open_length(b, TAG_ITEM, VR_NONE);
		return true;
	}
	b->frame_n--;
	return close_length(b, top->sequence_at, e);
}

static bool
write_element(struct build *b, const struct element *element, struct err *e)
{
	if (TAG_ELEMENT(element->tag) == 0)
		return true;
	if (element->skipped)
		return fail(e, ERR_UNSUPPORTED,
		    "value of (%04x,%04x) was not kept in memory",
		    TAG_GROUP(element->tag), TAG_ELEMENT(element->tag));
	if (element->vr == VR_SQ)
		return push_sequence(b, element, e);
	build_element(
	    b->out, element->tag, element->vr, element->value, b->syntax);
	return true;
}

static bool
build_plain(struct buf *out, const struct dataset *ds, struct syntax syntax,
    struct err *e)
{
	struct build b = {.out = out, .syntax = syntax, .frame_n = 1};
	struct frame *top;
	bool ok = true;

	b.frames[0] = (struct frame){.item = ds};
	while (ok && b.frame_n > 0 && !out->over) {
		top = &b.frames[b.frame_n - 1];
		if (top->next < top->item->n)
			ok = write_element(
			    &b, &top->item->elements[top->next++], e);
		else
			ok = next_item(&b, e);
	}
	if (ok && out->over)
		return fail(e, ERR_LIMIT, "data set is larger than %zu KiB",
		    out->cap / KIB);
	return ok;
}

static bool
add_deflated(void *ctx, struct str part, struct err *e)
{
	struct buf *out = ctx;

	buf_add(out, part);
	if (out->over)
		return fail(e, ERR_LIMIT, "data set is larger than %zu KiB",
		    out->cap / KIB);
	return true;
}

bool
build_dataset(struct buf *out, const struct dataset *ds, struct syntax syntax,
    struct err *e)
{
	struct deflate *d;
	struct buf plain;
	bool ok;

	if (!syntax.deflated)
		return build_plain(out, ds, syntax, e);
	buf_init(&plain, LIMIT_INFLATED);
	d = deflate_new(add_deflated, out);
	ok = build_plain(&plain, ds, syntax, e) &&
	     deflate_feed(d, buf_str(&plain), e) && deflate_end(d, e);
	deflate_free(&d);
	buf_fini(&plain);
	return ok;
}
