/*
 * The push parser for data sets.
 *
 * Between two calls the parser is at one of three places: inside a value (its
 * bytes are handed on as they lie in the caller's memory), inside a header (at
 * most twelve bytes, kept in 'head' only if the caller's bytes end in it), or
 * in the zeros behind the last element. Open sequences and items are levels of
 * a fixed stack; each knows the position at which it must have ended, its own
 * if its length is defined, else that of the level around it. A length is
 * compared with what is left in its level before anything is done with it.
 *
 * PS3.5 7.1 (elements), 7.5 (sequences), 6.2.2 note 2 (UN of undefined length),
 * A.4 (fragments).
 */
#include "dicom/parse.h"

#include "base/rd.h"
#include "dicom/inflate.h"

#include <inttypes.h>

#define TAG_ITEM         TAG(0xfffe, 0xe000)
#define TAG_ITEM_END     TAG(0xfffe, 0xe00d)
#define TAG_SEQUENCE_END TAG(0xfffe, 0xe0dd)
#define GROUP_ITEM       0xfffe

#define HEADER_SHORT 8
#define HEADER_LONG  12

/* For messages. */
#define TAG_TEXT      "(%04x,%04x)"
#define TAG_ARGS(tag) TAG_GROUP(tag), TAG_ELEMENT(tag)

enum level_kind {
	LEVEL_SEQUENCE,
	LEVEL_ITEM,
	LEVEL_FRAGMENTS /* encapsulated Pixel Data */
};

struct level {
	enum level_kind kind;
	uint32_t tag; /* of the sequence */
	uint64_t end;
	bool undefined;
	/* What to go back to behind it. */
	bool explicit_vr, big_endian;
};

struct parse {
	const struct parse_events *events;
	void *ctx;
	struct syntax syntax;
	struct inflate *inflate; /* NULL unless deflated */
	struct level levels[2 * LIMIT_SQ_DEPTH];
	unsigned level_count, item_count;
	enum err_code failed;
	/* How the next header is written, and whether that may still turn out
	 * to be wrong. */
	bool explicit_vr, big_endian, unsettled;
	bool in_value, in_padding;
	uint32_t tag; /* of the last element */
	uint64_t value_left;
	uint64_t pos; /* of the next header or of the next byte of a value */
	uint64_t elements;
	uint8_t head[HEADER_LONG];
	size_t head_n;
};

/* A header, decoded. */
struct header {
	uint32_t tag, length;
	enum vr vr;
	bool explicit_vr;
	size_t size;
};

static bool inflated(void *ctx, struct str part, struct err *e);

struct parse *
parse_new(struct syntax syntax, const struct parse_events *events, void *ctx)
{
	struct parse *p = must_zalloc(sizeof(*p));

	p->events = events;
	p->ctx = ctx;
	p->syntax = syntax;
	p->explicit_vr = syntax.explicit_vr;
	p->big_endian = syntax.big_endian;
	p->unsettled = true;
	if (syntax.deflated)
		p->inflate = inflate_new(inflated, p);
	return p;
}

void
parse_free(struct parse **at)
{
	struct parse *p = *at;

	*at = NULL;
	if (p == NULL)
		return;
	inflate_free(&p->inflate);
	free(p);
}

uint64_t
parse_elements(const struct parse *p)
{
	return p->elements;
}

uint64_t
parse_bytes(const struct parse *p)
{
	return p->pos + p->head_n;
}

struct syntax
parse_syntax(const struct parse *p)
{
	return p->syntax;
}

static uint16_t
get_u16(const uint8_t *b, bool big_endian)
{
	return (uint16_t)(big_endian ? b[0] << 8 | b[1] : b[1] << 8 | b[0]);
}

static uint32_t
get_u32(const uint8_t *b, bool big_endian)
{
	uint32_t first = get_u16(b, big_endian);
	uint32_t second = get_u16(b + 2, big_endian);

	return big_endian ? first << 16 | second : second << 16 | first;
}

static uint32_t
get_tag(const uint8_t *b, bool big_endian)
{
	return TAG(get_u16(b, big_endian), get_u16(b + 2, big_endian));
}

static struct level *
top_level(struct parse *p)
{
	return p->level_count > 0 ? &p->levels[p->level_count - 1] : NULL;
}

/* Bytes left in the innermost level. */
static uint64_t
room_left(struct parse *p)
{
	const struct level *top = top_level(p);

	return (top != NULL ? top->end : UINT64_MAX) - p->pos;
}

static bool
push_level(
    struct parse *p, enum level_kind kind, uint32_t length, struct err *e)
{
	const struct level *top = top_level(p);
	uint64_t end = top != NULL ? top->end : UINT64_MAX;
	struct level *level;

	if (p->level_count == ARRAY_LEN(p->levels))
		return fail(e, ERR_LIMIT,
		    "sequence " TAG_TEXT " is nested deeper than %d",
		    TAG_ARGS(p->tag), LIMIT_SQ_DEPTH);
	level = &p->levels[p->level_count++];
	*level = (struct level){
	    .kind = kind,
	    .tag = kind == LEVEL_ITEM ? top->tag : p->tag,
	    .end = length == LENGTH_UNDEFINED ? end : p->pos + length,
	    .undefined = length == LENGTH_UNDEFINED,
	    .explicit_vr = p->explicit_vr,
	    .big_endian = p->big_endian,
	};
	p->item_count += kind == LEVEL_ITEM;
	return true;
}

static bool
pop_level(struct parse *p, struct err *e)
{
	const struct level *top = top_level(p);

	p->level_count--;
	p->explicit_vr = top->explicit_vr;
	p->big_endian = top->big_endian;
	p->unsettled = false;
	if (top->kind == LEVEL_ITEM) {
		p->item_count--;
		return p->events->item_end == NULL ||
		       p->events->item_end(p->ctx, e);
	}
	return p->events->sequence_end == NULL ||
	       p->events->sequence_end(p->ctx, e);
}

/* Close what ends here, with or without a delimiter of its own. */
static bool
close_levels(struct parse *p, struct err *e)
{
	while (p->level_count > 0 && top_level(p)->end == p->pos)
		if (!pop_level(p, e))
			return false;
	return true;
}

static bool
end_value(struct parse *p, struct err *e)
{
	p->in_value = false;
	return p->events->value_end == NULL || p->events->value_end(p->ctx, e);
}

static bool
begin_value(struct parse *p, uint32_t length, struct err *e)
{
	p->value_left = length;
	p->in_value = length > 0;
	return p->in_value || end_value(p, e);
}

static bool
take_item(struct parse *p, const struct level *top, const struct header *h,
    struct err *e)
{
	bool fragment = top->kind == LEVEL_FRAGMENTS;

	if (fragment && h->length == LENGTH_UNDEFINED)
		return fail(e, ERR_MALFORMED,
		    "fragment of " TAG_TEXT " has no length",
		    TAG_ARGS(top->tag));
	if (h->length != LENGTH_UNDEFINED && h->length > room_left(p))
		return fail(e, ERR_MALFORMED,
		    "item of %" PRIu32 " bytes leaves its sequence " TAG_TEXT,
		    h->length, TAG_ARGS(top->tag));
	if (p->events->item != NULL &&
	    !p->events->item(p->ctx, fragment, h->length, e))
		return false;
	if (fragment)
		return begin_value(p, h->length, e);
	p->unsettled = true;
	return push_level(p, LEVEL_ITEM, h->length, e);
}

/* An item or a delimiter; the length of a delimiter means nothing. */
static bool
take_mark(struct parse *p, const struct header *h, struct err *e)
{
	const struct level *top = top_level(p);

	if (top == NULL)
		return fail(e, ERR_MALFORMED, TAG_TEXT " outside of a sequence",
		    TAG_ARGS(h->tag));
	if (h->tag == TAG_ITEM && top->kind != LEVEL_ITEM)
		return take_item(p, top, h, e);
	if (h->tag == TAG_ITEM_END && top->kind == LEVEL_ITEM && top->undefined)
		return pop_level(p, e);
	if (h->tag == TAG_SEQUENCE_END && top->kind != LEVEL_ITEM &&
	    top->undefined)
		return pop_level(p, e);
	return fail(e, ERR_MALFORMED,
	    TAG_TEXT " where it has no place, in sequence " TAG_TEXT,
	    TAG_ARGS(h->tag), TAG_ARGS(top->tag));
}

/* VRs that hold fragments when their length is undefined (PS3.5 A.4); the
 * standard has it for Pixel Data only. */
static bool
is_other(enum vr vr)
{
	return vr == VR_OB || vr == VR_OW || vr == VR_OF || vr == VR_OD ||
	       vr == VR_OL || vr == VR_OV;
}

enum content { CONTENT_VALUE, CONTENT_SEQUENCE, CONTENT_FRAGMENTS };

/* What follows the header of an element; its VR is made to agree. */
static bool
find_content(struct header *h, enum content *out, struct err *e)
{
	*out = CONTENT_SEQUENCE;
	if (h->length != LENGTH_UNDEFINED) {
		if (h->vr != VR_SQ)
			*out = CONTENT_VALUE;
		return true;
	}
	if (h->tag == TAG_PixelData || (h->explicit_vr && is_other(h->vr))) {
		*out = CONTENT_FRAGMENTS;
		return true;
	}
	if (!h->explicit_vr)
		h->vr = VR_SQ;
	if (h->vr == VR_SQ || h->vr == VR_UN)
		return true;
	return fail(e, ERR_MALFORMED, TAG_TEXT " with VR %s has no length",
	    TAG_ARGS(h->tag), vr_name(h->vr));
}

static bool
open_sequence(struct parse *p, const struct header *h, enum content content,
    struct err *e)
{
	bool sequence = content == CONTENT_SEQUENCE;

	if (!push_level(
		p, sequence ? LEVEL_SEQUENCE : LEVEL_FRAGMENTS, h->length, e))
		return false;
	if (sequence && !h->explicit_vr)
		p->explicit_vr = false;
	if (sequence && h->vr == VR_UN)
		p->explicit_vr = p->big_endian = false;
	return true;
}

static bool
take_element(struct parse *p, struct header *h, struct err *e)
{
	const struct level *top = top_level(p);
	struct parse_element element;
	enum content content;

	if (top != NULL && top->kind != LEVEL_ITEM)
		return fail(e, ERR_MALFORMED,
		    TAG_TEXT " outside of an item, in sequence " TAG_TEXT,
		    TAG_ARGS(h->tag), TAG_ARGS(top->tag));
	if (++p->elements > LIMIT_ELEMENTS)
		return fail(e, ERR_LIMIT, "data set has more than %d elements",
		    LIMIT_ELEMENTS);
	if (!find_content(h, &content, e))
		return false;
	if (h->length != LENGTH_UNDEFINED && h->length > room_left(p))
		return fail(e, ERR_MALFORMED,
		    TAG_TEXT " of %" PRIu32 " bytes leaves its item",
		    TAG_ARGS(h->tag), h->length);
	p->tag = h->tag;
	element = (struct parse_element){
	    .tag = h->tag,
	    .vr = h->vr,
	    .length = h->length,
	    .depth = p->item_count,
	    .offset = p->pos - h->size,
	    .big_endian = p->big_endian,
	    .explicit_vr = h->explicit_vr,
	};
	if (p->events->element != NULL &&
	    !p->events->element(p->ctx, &element, e))
		return false;
	if (content == CONTENT_VALUE)
		return begin_value(p, h->length, e);
	return open_sequence(p, h, content, e);
}

static bool
is_upper(uint8_t b)
{
	return b >= 'A' && b <= 'Z';
}

static bool
is_print(uint8_t b)
{
	return b >= 0x20 && b < 0x7f;
}

/*
 * A VR that cannot be one: an explicit header all the same, with the 16-bit
 * length that writers of "??", blanks and zeros use, or the low half of an
 * implicit header's length? Those lengths are multiples of 64 KiB or odd
 * enough to be met in big values only.
 */
static bool
is_blank_vr(uint32_t tag, const uint8_t *b)
{
	const struct dict_tag *known;

	if (!(is_print(b[4]) && is_print(b[5])) && (b[4] != 0 || b[5] != 0))
		return false;
	known = dict_tag(tag);
	return known == NULL || !vr_is_long(known->vr);
}

/*
 * At the first element of the data set and of each item: are its headers
 * really written as they should be? An implicit length that reads as the VR
 * of the dictionary is above 16 KiB, and odd for all VRs of big values.
 */
static void
settle_layout(struct parse *p, uint32_t tag, const uint8_t *b)
{
	enum vr vr = vr_from_bytes(b[4], b[5]);
	bool explicit_vr = p->explicit_vr;

	/* An implicit header of an empty value tells nothing. */
	if (get_u32(b + 4, false) == 0)
		return;
	p->unsettled = false;
	if (explicit_vr && vr == VR_NONE && !is_blank_vr(tag, b))
		explicit_vr = is_upper(b[4]) && is_upper(b[5]);
	else if (!explicit_vr && vr != VR_NONE)
		explicit_vr = TAG_GROUP(tag) <= 8 || vr == dict_vr(tag);
	if (explicit_vr == p->explicit_vr)
		return;
	p->explicit_vr = explicit_vr;
	if (p->level_count > 0)
		return;
	if (p->syntax.encapsulated || p->syntax.big_endian)
		p->syntax.explicit_vr = explicit_vr;
	else
		p->syntax = syntax_of(
		    str_from(explicit_vr ? UID_ExplicitVRLittleEndian
					 : UID_ImplicitVRLittleEndian));
}

/* PS3.5 7.1.2 and 7.1.3, from the first eight bytes of a header; the length
 * of a long one is still to come. */
static void
read_short_header(struct parse *p, const uint8_t *b, struct header *h)
{
	bool big_endian = p->big_endian;

	h->tag = get_tag(b, big_endian);
	h->size = HEADER_SHORT;
	h->length = get_u32(b + 4, big_endian);
	h->vr = VR_NONE;
	h->explicit_vr = false;
	if (TAG_GROUP(h->tag) == GROUP_ITEM)
		return;
	if (p->unsettled)
		settle_layout(p, h->tag, b);
	if (p->explicit_vr) {
		h->vr = vr_from_bytes(b[4], b[5]);
		h->explicit_vr = true;
		if (h->vr != VR_NONE) {
			h->size =
			    vr_is_long(h->vr) ? HEADER_LONG : HEADER_SHORT;
		} else if (is_upper(b[4]) && is_upper(b[5])) {
			/* A VR newer than the table has a 32-bit length. */
			h->vr = VR_UN;
			if (b[6] == 0 && b[7] == 0)
				h->size = HEADER_LONG;
		} else {
			h->explicit_vr = is_blank_vr(h->tag, b);
		}
		if (h->explicit_vr)
			h->length = get_u16(b + 6, big_endian);
	}
	if (h->vr == VR_NONE)
		h->vr = dict_vr(h->tag);
}

/* The header at b was complete. */
static bool
take_header(struct parse *p, struct header *h, struct err *e)
{
	p->pos += h->size;
	if (TAG_GROUP(h->tag) == GROUP_ITEM)
		return take_mark(p, h, e);
	return take_element(p, h, e);
}

static bool
fail_room(struct parse *p, struct err *e)
{
	return fail(e, ERR_MALFORMED,
	    "element behind " TAG_TEXT " leaves its item or sequence",
	    TAG_ARGS(p->tag));
}

/* Zeros where a header should be, at the top level, behind an element. */
static bool
is_padding(struct parse *p, const uint8_t *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (b[i] != 0)
			return false;
	return p->level_count == 0 && p->elements > 0;
}

/* Fill 'head' up to want bytes; false while they have not arrived. */
static bool
gather(struct parse *p, struct rd *r, size_t want)
{
	size_t n = want - p->head_n;

	if (n > rd_left(r))
		n = rd_left(r);
	if (n > 0)
		memcpy(p->head + p->head_n, rd_take(r, n).p, n);
	p->head_n += n;
	return p->head_n == want;
}

static bool
step_header(struct parse *p, struct rd *r, struct err *e)
{
	uint64_t room = room_left(p);
	const uint8_t *b = r->p;
	bool whole = p->head_n == 0 && rd_left(r) >= HEADER_LONG;
	struct header h;

	if (room < HEADER_SHORT)
		return fail_room(p, e);
	if (!whole) {
		b = p->head;
		if (p->head_n < HEADER_SHORT && !gather(p, r, HEADER_SHORT))
			return true;
	}
	read_short_header(p, b, &h);
	if (h.tag == 0 && p->elements == 0)
		return fail(e, ERR_MALFORMED, "data set begins with zeros");
	if (h.tag == 0 && is_padding(p, b, HEADER_SHORT)) {
		h.size = HEADER_SHORT;
		p->in_padding = true;
	}
	if (h.size > room)
		return fail_room(p, e);
	if (whole)
		rd_skip(r, h.size);
	else if (h.size > HEADER_SHORT && !gather(p, r, h.size))
		return true;
	p->head_n = 0;
	if (p->in_padding) {
		p->pos += h.size;
		return true;
	}
	if (h.size == HEADER_LONG)
		h.length = get_u32(b + HEADER_SHORT, p->big_endian);
	return take_header(p, &h, e);
}

static bool
step_value(struct parse *p, struct rd *r, struct err *e)
{
	size_t n = rd_left(r);
	struct str part;

	if (n > p->value_left)
		n = (size_t)p->value_left;
	part = rd_take(r, n);
	p->pos += n;
	p->value_left -= n;
	if (p->events->value != NULL && !p->events->value(p->ctx, part, e))
		return false;
	return p->value_left > 0 || end_value(p, e);
}

static bool
step_padding(struct parse *p, struct rd *r, struct err *e)
{
	struct str rest = rd_rest(r);

	p->pos += rest.n;
	if (rest.p[0] == 0 && !memcmp(rest.p, rest.p + 1, rest.n - 1))
		return true;
	return fail(e, ERR_MALFORMED, "bytes behind the end of the data set");
}

/* Bytes of the data set itself, inflated if it was deflated. */
static bool
parse_part(struct parse *p, struct str part, struct err *e)
{
	bool bad = false, ok = true;
	struct rd r = rd_over(part, &bad);

	if (part.n > LIMIT_OBJECT - parse_bytes(p))
		return fail(e, ERR_LIMIT, "data set is larger than %lu GiB",
		    LIMIT_OBJECT / GIB);
	while (ok && rd_more(&r)) {
		if (p->in_value)
			ok = step_value(p, &r, e);
		else if (p->in_padding)
			ok = step_padding(p, &r, e);
		else
			ok = step_header(p, &r, e);
		if (ok && !p->in_value && p->head_n == 0)
			ok = close_levels(p, e);
	}
	must(!bad);
	return ok;
}

static bool
inflated(void *ctx, struct str part, struct err *e)
{
	return parse_part(ctx, part, e);
}

bool
parse_feed(struct parse *p, struct str part, struct err *e)
{
	bool ok;

	if (p->failed != ERR_NONE)
		return fail(e, p->failed, "data set was refused before");
	ok = p->inflate != NULL ? inflate_feed(p->inflate, part, e)
				: parse_part(p, part, e);
	if (!ok)
		p->failed = e->code;
	return ok;
}

static bool
check_ended(struct parse *p, struct err *e)
{
	const struct level *top = top_level(p);

	if (p->in_value)
		return fail(e, ERR_MALFORMED,
		    "value of " TAG_TEXT " is %" PRIu64 " bytes short",
		    TAG_ARGS(p->tag), p->value_left);
	if (top != NULL)
		return fail(e, ERR_MALFORMED,
		    "data set ends inside of sequence " TAG_TEXT,
		    TAG_ARGS(top->tag));
	if (p->head_n > 0 && !is_padding(p, p->head, p->head_n))
		return fail(e, ERR_MALFORMED,
		    "data set ends inside of the header behind " TAG_TEXT,
		    TAG_ARGS(p->tag));
	return true;
}

bool
parse_end(struct parse *p, struct err *e)
{
	if (p->failed != ERR_NONE)
		return fail(e, p->failed, "data set was refused before");
	if ((p->inflate != NULL && !inflate_end(p->inflate, e)) ||
	    !check_ended(p, e)) {
		p->failed = e->code;
		return false;
	}
	return true;
}
