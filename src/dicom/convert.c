/*
 * Re-encoding a data set as it streams by.
 *
 * Every element goes out under the header of the new syntax as soon as its own
 * header has come in, so no length may depend on what follows: sequences and
 * items that are not empty go out with undefined lengths. A value goes on as
 * it lies in the caller's memory, unless its units are turned around; then a
 * unit cut by the caller waits in 'carry'.
 */
#include "dicom/convert.h"

#include "dicom/build.h"
#include "dicom/deflate.h"

#define TAG_ITEM         TAG(0xfffe, 0xe000)
#define TAG_ITEM_END     TAG(0xfffe, 0xe00d)
#define TAG_SEQUENCE_END TAG(0xfffe, 0xe0dd)

#define UNIT_MAX   8
#define OUT_FLUSH  (32 * KIB)
#define SWAP_BLOCK (16 * KIB)
/* Headers, padding and carried units are the most that one event adds. */
#define OUT_ROOM (OUT_FLUSH + SWAP_BLOCK + 64)

struct convert {
	convert_sink *sink;
	void *ctx;
	struct syntax to;
	struct parse *parse;
	struct deflate *deflate; /* NULL unless the output is deflated */
	struct buf out;
	/* Which of the open sequences and items were written as empty and so
	 * need no delimiter, innermost last. */
	bool empty[2 * LIMIT_SQ_DEPTH];
	unsigned open_n;
	/* The value under way. */
	bool drop, odd;
	uint8_t pad;
	unsigned unit; /* bytes to turn around; 1 for none */
	uint8_t carry[UNIT_MAX];
	unsigned carry_n;
};

static bool
send(struct convert *c, struct str bytes, struct err *e)
{
	if (bytes.n == 0)
		return true;
	if (c->deflate != NULL)
		return deflate_feed(c->deflate, bytes, e);
	return c->sink(c->ctx, bytes, e);
}

static bool
flush(struct convert *c, struct err *e)
{
	bool ok;

	/* The cap stands above all that gathers between two flushes. */
	must(!c->out.over);
	ok = send(c, buf_str(&c->out), e);
	buf_clear(&c->out);
	return ok;
}

static bool
flush_full(struct convert *c, struct err *e)
{
	return c->out.n < OUT_FLUSH || flush(c, e);
}

static bool
push(
    struct convert *c, uint32_t tag, enum vr vr, uint32_t length, struct err *e)
{
	must(c->open_n < ARRAY_LEN(c->empty));
	c->empty[c->open_n++] = length == 0;
	if (length > 0)
		length = LENGTH_UNDEFINED;
	build_header(&c->out, tag, vr, length, c->to);
	return flush_full(c, e);
}

static bool
pop(struct convert *c, uint32_t delimiter, struct err *e)
{
	if (!c->empty[--c->open_n])
		build_header(&c->out, delimiter, VR_NONE, 0, c->to);
	return flush_full(c, e);
}

static bool
on_element(void *ctx, const struct parse_element *at, struct err *e)
{
	struct convert *c = ctx;
	enum vr vr = at->vr, written;
	uint32_t length = at->length;
	bool big_endian;

	if (at->tag == TAG_PixelData && length == LENGTH_UNDEFINED)
		return fail(e, ERR_UNSUPPORTED,
		    "compressed pixel data cannot be re-encoded");
	if (vr == VR_SQ || (vr == VR_UN && length == LENGTH_UNDEFINED))
		return push(c, at->tag, VR_SQ, length, e);
	if (length == LENGTH_UNDEFINED)
		return fail(e, ERR_UNSUPPORTED,
		    "fragments of (%04x,%04x) cannot be re-encoded",
		    TAG_GROUP(at->tag), TAG_ELEMENT(at->tag));
	c->drop = TAG_ELEMENT(at->tag) == 0;
	c->carry_n = 0;
	if (c->drop)
		return true;
	if (!at->explicit_vr && at->tag == TAG_PixelData)
		vr = VR_OW;
	c->odd = (length & 1) != 0;
	c->pad = vr_pad(vr);
	length += c->odd;
	written = build_vr(vr, length, c->to);
	/* The bytes of UN are little endian in every syntax. */
	big_endian = c->to.big_endian && written != VR_UN;
	c->unit = at->big_endian != big_endian ? vr_unit(vr) : 1;
	build_header(&c->out, at->tag, written, length, c->to);
	return flush_full(c, e);
}

/* Complete the unit that was cut; true when one was written or none waits. */
static bool
add_carry(struct convert *c, struct str *part)
{
	unsigned i;

	while (c->carry_n > 0 && c->carry_n < c->unit && part->n > 0) {
		c->carry[c->carry_n++] = part->p[0];
		*part = str_of(part->p + 1, part->n - 1);
	}
	if (c->carry_n < c->unit)
		return c->carry_n == 0;
	for (i = c->unit; i > 0; i--)
		buf_u8(&c->out, c->carry[i - 1]);
	c->carry_n = 0;
	return true;
}

static void
add_swapped(struct convert *c, struct str whole)
{
	uint8_t *p = buf_space(&c->out, whole.n);
	size_t at, i;

	must(p != NULL);
	for (at = 0; at < whole.n; at += c->unit)
		for (i = 0; i < c->unit; i++)
			p[at + i] = whole.p[at + c->unit - 1 - i];
	buf_filled(&c->out, whole.n);
}

static bool
send_swapped(struct convert *c, struct str part, struct err *e)
{
	size_t n;

	if (!add_carry(c, &part))
		return true;
	while (part.n >= c->unit) {
		if (!flush_full(c, e))
			return false;
		n = part.n < SWAP_BLOCK ? part.n : SWAP_BLOCK;
		n -= n % c->unit;
		add_swapped(c, str_of(part.p, n));
		part = str_of(part.p + n, part.n - n);
	}
	if (part.n > 0)
		memcpy(c->carry, part.p, part.n);
	c->carry_n = (unsigned)part.n;
	return flush_full(c, e);
}

static bool
on_value(void *ctx, struct str part, struct err *e)
{
	struct convert *c = ctx;

	if (c->drop)
		return true;
	if (c->unit > 1)
		return send_swapped(c, part, e);
	if (part.n < OUT_FLUSH - c->out.n) {
		buf_add(&c->out, part);
		return true;
	}
	return flush(c, e) && send(c, part, e);
}

static bool
on_value_end(void *ctx, struct err *e)
{
	struct convert *c = ctx;

	if (c->drop)
		return true;
	/* A broken unit at the end stays as it is. */
	buf_add(&c->out, str_of(c->carry, c->carry_n));
	c->carry_n = 0;
	if (c->odd)
		buf_u8(&c->out, c->pad);
	return flush_full(c, e);
}

static bool
on_item(void *ctx, bool fragment, uint32_t length, struct err *e)
{
	(void)fragment; /* refused with its element */
	return push(ctx, TAG_ITEM, VR_NONE, length, e);
}

static bool
on_item_end(void *ctx, struct err *e)
{
	return pop(ctx, TAG_ITEM_END, e);
}

static bool
on_sequence_end(void *ctx, struct err *e)
{
	return pop(ctx, TAG_SEQUENCE_END, e);
}

static bool
on_deflated(void *ctx, struct str part, struct err *e)
{
	struct convert *c = ctx;

	return c->sink(c->ctx, part, e);
}

bool
convert_possible(struct syntax from, struct syntax to)
{
	return !from.encapsulated && !to.encapsulated;
}

struct convert *
convert_new(struct syntax from, struct syntax to, convert_sink *sink, void *ctx)
{
	static const struct parse_events events = {
	    .element = on_element,
	    .value = on_value,
	    .value_end = on_value_end,
	    .item = on_item,
	    .item_end = on_item_end,
	    .sequence_end = on_sequence_end,
	};
	struct convert *c = must_zalloc(sizeof(*c));

	c->sink = sink;
	c->ctx = ctx;
	c->to = to;
	buf_init(&c->out, OUT_ROOM);
	c->parse = parse_new(from, &events, c);
	if (to.deflated)
		c->deflate = deflate_new(on_deflated, c);
	return c;
}

void
convert_free(struct convert **at)
{
	struct convert *c = *at;

	*at = NULL;
	if (c == NULL)
		return;
	parse_free(&c->parse);
	deflate_free(&c->deflate);
	buf_fini(&c->out);
	free(c);
}

bool
convert_feed(struct convert *c, struct str part, struct err *e)
{
	return parse_feed(c->parse, part, e);
}

bool
convert_end(struct convert *c, struct err *e)
{
	return parse_end(c->parse, e) && flush(c, e) &&
	       (c->deflate == NULL || deflate_end(c->deflate, e));
}
