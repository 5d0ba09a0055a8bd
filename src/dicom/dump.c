/*
 * Data sets as text: a walk over the tree with an explicit stack, and a
 * printer for each kind of value.
 */
#include "dicom/dump.h"

#include "base/rd.h"
#include "base/utf8.h"
#include "dicom/charset.h"
#include "dicom/file.h"

#include <inttypes.h>

/* Bytes of a value that are shown; a few more complete a number. */
#define VALUE_SHOWN 72
/* Bytes of text that are decoded to show them: of a longer value the rest
 * would be cut anyway, whatever the character set. */
#define TEXT_DECODED 1024
#define DECODED_MAX  (16 * KIB)
#define ELLIPSIS     "…"
#define INDENT       2

struct frame {
	const struct dataset *item;
	size_t next;
	unsigned number; /* of the item in its sequence */
	struct str charset;
};

struct dump {
	struct buf *out;
	struct buf text; /* decoded */
	struct frame frames[LIMIT_SQ_DEPTH + 1];
	unsigned frame_n;
};

static void
add_escaped(struct buf *out, uint32_t code_point, struct str bytes)
{
	if (code_point < 0x20 || code_point == 0x7f)
		buf_printf(out, "\\x%02" PRIx32, code_point);
	else if (code_point >= 0x80 && code_point < 0xa0)
		buf_printf(out, "\\u%04" PRIx32, code_point);
	else
		buf_add(out, bytes);
}

/* UTF-8 without control characters, cut; more: this is not all of it. */
static void
add_utf8(struct buf *out, struct str utf8, bool more)
{
	size_t shown = 0, n;
	uint32_t code_point;

	while (utf8.n > 0 && shown < VALUE_SHOWN) {
		n = utf8_next(utf8, &code_point);
		must(n > 0); /* charset_decode() gives valid text only */
		add_escaped(out, code_point, str_of(utf8.p, n));
		utf8 = str_of(utf8.p + n, utf8.n - n);
		shown += n;
	}
	if (utf8.n > 0 || more)
		buf_text(out, ELLIPSIS);
}

/* Of the default repertoire: anything else is shown as bytes. */
static void
add_ascii(struct buf *out, struct str text)
{
	size_t i;

	for (i = 0; i < text.n && i < VALUE_SHOWN; i++) {
		if (text.p[i] < 0x20 || text.p[i] > 0x7e)
			buf_printf(out, "\\x%02x", text.p[i]);
		else
			buf_u8(out, text.p[i]);
	}
	if (i < text.n)
		buf_text(out, ELLIPSIS);
}

static void
add_text(struct dump *d, const struct element *element, struct str charset)
{
	struct str text = str_trim_end(element->value);
	bool cut = text.n > TEXT_DECODED;

	buf_text(d->out, "[");
	if (vr_kind(element->vr) == VR_KIND_LOCAL) {
		buf_clear(&d->text);
		charset_decode(charset,
		    str_of(text.p, cut ? TEXT_DECODED : text.n),
		    element->vr == VR_PN, &d->text, NULL);
		add_utf8(d->out, buf_str(&d->text), cut);
	} else {
		add_ascii(d->out, text);
	}
	buf_text(d->out, "]");
}

static void
add_float(struct buf *out, struct rd *r)
{
	uint32_t bits = rd_u32le(r);
	float v;

	memcpy(&v, &bits, sizeof(v));
	buf_printf(out, "%.9g", (double)v);
}

static void
add_double(struct buf *out, struct rd *r)
{
	uint64_t bits = rd_u64le(r);
	double v;

	memcpy(&v, &bits, sizeof(v));
	buf_printf(out, "%.17g", v);
}

static void
add_number(struct buf *out, enum vr vr, struct rd *r)
{
	uint16_t group;

	switch (vr) {
	case VR_AT:
		group = rd_u16le(r);
		buf_printf(out, "(%04x,%04x)", group, rd_u16le(r));
		break;
	case VR_US:
		buf_printf(out, "%u", rd_u16le(r));
		break;
	case VR_SS:
		buf_printf(out, "%d", (int16_t)rd_u16le(r));
		break;
	case VR_UL:
		buf_printf(out, "%" PRIu32, rd_u32le(r));
		break;
	case VR_SL:
		buf_printf(out, "%" PRId32, (int32_t)rd_u32le(r));
		break;
	case VR_UV:
		buf_printf(out, "%" PRIu64, rd_u64le(r));
		break;
	case VR_SV:
		buf_printf(out, "%" PRId64, (int64_t)rd_u64le(r));
		break;
	case VR_FL:
	case VR_OF:
		add_float(out, r);
		break;
	case VR_FD:
	case VR_OD:
		add_double(out, r);
		break;
	case VR_OW:
		buf_printf(out, "%04x", rd_u16le(r));
		break;
	case VR_OL:
		buf_printf(out, "%08" PRIx32, rd_u32le(r));
		break;
	case VR_OV:
		buf_printf(out, "%016" PRIx64, rd_u64le(r));
		break;
	default:
		buf_printf(out, "%02x", rd_u8(r));
		break;
	}
}

/* Bytes of one value of a binary VR. */
static size_t
number_size(enum vr vr)
{
	return vr == VR_AT ? 4 : vr_unit(vr);
}

static void
add_numbers(struct buf *out, const struct element *element)
{
	bool bad = false;
	struct rd r = rd_over(element->value, &bad);
	size_t size = number_size(element->vr), before = out->n;

	while (rd_left(&r) >= size && out->n - before < VALUE_SHOWN &&
	       !out->over) {
		if (out->n > before)
			buf_text(out, "\\");
		add_number(out, element->vr, &r);
	}
	if (rd_more(&r))
		buf_text(out, ELLIPSIS);
}

static size_t
value_count(const struct element *element)
{
	size_t n = 1, i;

	if (element->vr == VR_SQ)
		return element->item_count;
	if (element->value.n == 0)
		return 0;
	if (vr_kind(element->vr) == VR_KIND_BINARY)
		return vr_is_long(element->vr) && element->vr != VR_SV &&
			       element->vr != VR_UV
			   ? 1
			   : element->value.n / number_size(element->vr);
	for (i = 0; vr_is_multi(element->vr) && i < element->value.n; i++)
		n += element->value.p[i] == '\\';
	return n;
}

static void
add_indent(struct dump *d)
{
	buf_fill(d->out, ' ', (size_t)(d->frame_n - 1) * INDENT);
}

static void
add_line_end(struct dump *d, const struct element *element)
{
	const struct dict_tag *known = dict_tag(element->tag);
	const char *name = "unknown";

	if (known != NULL)
		name = known->keyword;
	else if (TAG_IS_PRIVATE(element->tag))
		name = TAG_ELEMENT(element->tag) < 0x100 ? "PrivateCreator"
							 : "Private";
	buf_text(d->out, "  # ");
	if (element->length == LENGTH_UNDEFINED)
		buf_text(d->out, "u/l");
	else
		buf_printf(d->out, "%" PRIu32, element->length);
	buf_printf(d->out, ", %zu %s\n", value_count(element), name);
}

static void
add_item_line(struct dump *d)
{
	const struct frame *top = &d->frames[d->frame_n - 1];

	buf_fill(d->out, ' ', (size_t)(d->frame_n - 1) * INDENT - 1);
	buf_printf(d->out, "item %u\n", top->number);
}

static struct str
charset_of(const struct dataset *ds, struct str inherited)
{
	const struct element *element =
	    dataset_find(ds, TAG_SpecificCharacterSet);

	return element != NULL ? element->value : inherited;
}

static bool
push_items(struct dump *d, const struct element *element, struct err *e)
{
	struct str charset = d->frames[d->frame_n - 1].charset;

	if (element->items == NULL)
		return true;
	if (d->frame_n == ARRAY_LEN(d->frames))
		return fail(e, ERR_LIMIT, "sequences nested deeper than %d",
		    LIMIT_SQ_DEPTH);
	d->frames[d->frame_n++] = (struct frame){
	    .item = element->items,
	    .number = 1,
	    .charset = charset_of(element->items, charset),
	};
	add_item_line(d);
	return true;
}

static void
next_item(struct dump *d)
{
	struct frame *top = &d->frames[d->frame_n - 1];

	if (d->frame_n == 1 || top->item->next == NULL) {
		d->frame_n--;
		return;
	}
	top->item = top->item->next;
	top->next = 0;
	top->number++;
	top->charset = charset_of(top->item, top[-1].charset);
	add_item_line(d);
}

static bool
dump_element(struct dump *d, const struct element *element, struct err *e)
{
	struct str charset = d->frames[d->frame_n - 1].charset;

	add_indent(d);
	buf_printf(d->out, "(%04x,%04x) %s ", TAG_GROUP(element->tag),
	    TAG_ELEMENT(element->tag), vr_name(element->vr));
	if (element->skipped)
		buf_text(d->out, "(not read)");
	else if (element->vr == VR_SQ)
		buf_printf(d->out, "(%zu items)", element->item_count);
	else if (element->value.n == 0)
		buf_text(d->out, "(no value)");
	else if (vr_kind(element->vr) == VR_KIND_BINARY)
		add_numbers(d->out, element);
	else
		add_text(d, element, charset);
	add_line_end(d, element);
	return element->vr != VR_SQ || push_items(d, element, e);
}

bool
dump_dataset(struct buf *out, const struct dataset *ds, struct str charset,
    struct err *e)
{
	struct dump d = {.out = out, .frame_n = 1};
	struct frame *top;
	bool ok = true;

	buf_init(&d.text, DECODED_MAX);
	d.frames[0] = (struct frame){
	    .item = ds,
	    .charset = charset_of(ds, charset),
	};
	while (ok && d.frame_n > 0 && !out->over) {
		top = &d.frames[d.frame_n - 1];
		if (top->next < top->item->n)
			ok = dump_element(
			    &d, &top->item->elements[top->next++], e);
		else
			next_item(&d);
	}
	buf_fini(&d.text);
	if (ok && out->over)
		return fail(e, ERR_LIMIT, "dump is larger than %zu KiB",
		    out->cap / KIB);
	return ok;
}

static bool
dump_part(struct buf *out, struct arena *a, struct str bytes,
    struct syntax syntax, struct err *e)
{
	struct dataset *ds;

	return dataset_read(a, bytes, syntax, LIMIT_HEADER_VALUE, 0, &ds, e) &&
	       dump_dataset(out, ds, STR(""), e);
}

bool
dump_file(struct buf *out, struct str bytes, struct err *e)
{
	struct file_meta meta;
	struct arena a;
	struct str header, data;
	bool ok = true;

	if (!file_meta_read(bytes, &meta, e))
		return false;
	header = str_of(bytes.p + meta.meta_offset,
	    (size_t)(meta.data_offset - meta.meta_offset));
	data = str_of(
	    bytes.p + meta.data_offset, bytes.n - (size_t)meta.data_offset);
	arena_init(&a, LIMIT_HEADER);
	if (header.n > 0) {
		buf_text(out, "# meta header\n");
		ok = dump_part(out, &a, header,
		    syntax_of(STR(UID_ExplicitVRLittleEndian)), e);
	}
	if (ok) {
		buf_text(out, "# data set\n");
		arena_reset(&a);
		ok = dump_part(out, &a, data, syntax_of(meta.syntax), e);
	}
	arena_fini(&a);
	return ok;
}
