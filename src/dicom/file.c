/*
 * Part 10 files: reading and writing what stands before the data set.
 *
 * The end of the meta header is where group 2 ends, whatever its group length
 * says; only a deflated data set, whose first bytes may look like group 2, is
 * found by the group length where that leads to the end of an element.
 */
#include "dicom/file.h"

#include "base/limit.h"
#include "base/rd.h"
#include "dicom/build.h"

#define PREFIX     "DICM"
#define PREFIX_LEN 4
#define GROUP_META 0x0002
#define GROUP_ITEM 0xfffe

#define HEADER_SHORT 8
/* Elements that are looked at when a syntax is guessed. */
#define GUESS_ELEMENTS 8

static bool
has_prefix(struct str bytes, size_t at)
{
	return bytes.n >= at + PREFIX_LEN &&
	       !memcmp(bytes.p + at, PREFIX, PREFIX_LEN);
}

static struct str
from_offset(struct str bytes, size_t at)
{
	return str_of(bytes.p + at, bytes.n - at);
}

static bool
is_meta(struct str bytes)
{
	return bytes.n >= HEADER_SHORT && bytes.p[0] == GROUP_META &&
	       bytes.p[1] == 0;
}

/* An element of explicit VR little endian, or implicit where what should be
 * the VR is none. */
static struct str
read_meta_element(struct rd *r, uint32_t *tag)
{
	uint16_t group = rd_u16le(r);
	struct str b;
	uint32_t length;
	enum vr vr;

	*tag = TAG(group, rd_u16le(r));
	b = rd_take(r, 4);
	if (b.n == 0)
		return b;
	vr = vr_from_bytes(b.p[0], b.p[1]);
	length = (uint32_t)b.p[3] << 8 | b.p[2];
	if (vr == VR_NONE)
		length = length << 16 | (uint32_t)b.p[1] << 8 | b.p[0];
	else if (vr_is_long(vr))
		length = rd_u32le(r);
	return rd_take(r, length);
}

static void
keep_meta_value(struct file_meta *out, uint32_t tag, struct str value)
{
	struct str *at = NULL;

	switch (tag) {
	case TAG_MediaStorageSOPClassUID:
		at = &out->sop_class;
		break;
	case TAG_MediaStorageSOPInstanceUID:
		at = &out->sop_instance;
		break;
	case TAG_TransferSyntaxUID:
		at = &out->syntax;
		break;
	case TAG_SourceApplicationEntityTitle:
		at = &out->source_ae;
		break;
	case TAG_PrivateInformationCreatorUID:
		at = &out->private_creator;
		break;
	case TAG_PrivateInformation:
		if (out->private_info.n == 0)
			out->private_info = value;
		return;
	default:
		return;
	}
	if (at->n == 0)
		*at = str_trim(value);
}

/* Group 2, which begins at 'at'; *used is its length. */
static bool
read_meta(struct str file, size_t at, struct file_meta *out, size_t *used,
    struct err *e)
{
	struct str bytes = from_offset(file, at);
	bool bad = false;
	struct rd r = rd_over(bytes, &bad);
	uint64_t promised = 0;
	struct str value;
	uint32_t tag;

	*used = 0;
	while (is_meta(from_offset(bytes, *used))) {
		if (promised == *used && promised > 0 &&
		    syntax_of(out->syntax).deflated)
			break;
		value = read_meta_element(&r, &tag);
		if (bad)
			return fail(e,
			    file.n >= LIMIT_META ? ERR_LIMIT : ERR_MALFORMED,
			    "meta header goes on behind (%04x,%04x) at its end",
			    TAG_GROUP(tag), TAG_ELEMENT(tag));
		*used = bytes.n - rd_left(&r);
		if (tag == TAG_FileMetaInformationGroupLength && value.n == 4)
			promised =
			    *used + ((uint64_t)value.p[3] << 24 |
					(uint64_t)value.p[2] << 16 |
					(uint64_t)value.p[1] << 8 | value.p[0]);
		keep_meta_value(out, tag, value);
	}
	if (*used > LIMIT_META)
		return fail(e, ERR_LIMIT, "meta header is longer than %lu KiB",
		    LIMIT_META / KIB);
	return true;
}

/* Do the bytes begin with elements of this layout? The first must be known,
 * or private, and lie in the bytes as a whole. */
static bool
reads_as(struct str bytes, bool explicit_vr, bool big_endian)
{
	bool bad = false;
	struct rd r = rd_over(bytes, &bad);
	unsigned seen;
	uint32_t tag, length;
	uint16_t group;
	enum vr vr;
	struct str b;

	for (seen = 0; seen < GUESS_ELEMENTS && rd_left(&r) >= HEADER_SHORT;
	     seen++) {
		group = big_endian ? rd_u16be(&r) : rd_u16le(&r);
		tag = TAG(group, big_endian ? rd_u16be(&r) : rd_u16le(&r));
		if (group == 0 ||
		    (dict_tag(tag) == NULL && !TAG_IS_PRIVATE(tag)))
			return seen > 0;
		if (!explicit_vr) {
			length = rd_u32le(&r);
		} else {
			b = rd_take(&r, 2);
			vr = vr_from_bytes(b.p[0], b.p[1]);
			length = big_endian ? rd_u16be(&r) : rd_u16le(&r);
			if (vr == VR_NONE)
				return seen > 0;
			if (vr_is_long(vr))
				length =
				    big_endian ? rd_u32be(&r) : rd_u32le(&r);
		}
		if (length == LENGTH_UNDEFINED)
			return (big_endian ? rd_u16be(&r) : rd_u16le(&r)) ==
			       GROUP_ITEM;
		rd_skip(&r, length);
		if (bad)
			return seen > 0;
	}
	return seen > 0;
}

static bool
guess_syntax(struct str bytes, struct file_meta *out)
{
	const char *uid;

	if (reads_as(bytes, true, false))
		uid = UID_ExplicitVRLittleEndian;
	else if (reads_as(bytes, true, true))
		uid = UID_ExplicitVRBigEndian;
	else if (reads_as(bytes, false, false))
		uid = UID_ImplicitVRLittleEndian;
	else
		return false;
	out->syntax = str_from(uid);
	out->guessed = true;
	return true;
}

/* A file whose meta header begins at 'at'. */
static bool
read_from_meta(
    struct str bytes, size_t at, struct file_meta *out, struct err *e)
{
	size_t used;

	if (!read_meta(bytes, at, out, &used, e))
		return false;
	out->meta_offset = at;
	out->data_offset = at + used;
	if (out->syntax.n > 0)
		return true;
	if (guess_syntax(from_offset(bytes, at + used), out))
		return true;
	return fail(e, ERR_MALFORMED,
	    "meta header names no transfer syntax, and the data set does not "
	    "tell it");
}

/* A data set without any header begins with what identifies it, group 8, or
 * just before or behind: not with a private group, as the letters of other
 * files' first bytes would make. */
static bool
begins_plainly(struct str bytes)
{
	unsigned little, big;

	if (bytes.n < 2)
		return false;
	little = bytes.p[0] | (unsigned)bytes.p[1] << 8;
	big = bytes.p[1] | (unsigned)bytes.p[0] << 8;
	return (little <= 0x10 && little % 2 == 0) ||
	       (big <= 0x10 && big % 2 == 0);
}

bool
file_meta_read(struct str bytes, struct file_meta *out, struct err *e)
{
	size_t at[] = {FILE_PREAMBLE + PREFIX_LEN, PREFIX_LEN, 0}, i;

	*out = (struct file_meta){0};
	for (i = 0; i < ARRAY_LEN(at); i++) {
		if (at[i] > 0 && !has_prefix(bytes, at[i] - PREFIX_LEN))
			continue;
		if (is_meta(from_offset(bytes, at[i])))
			return read_from_meta(bytes, at[i], out, e);
		if ((at[i] == 0 && !begins_plainly(bytes)) ||
		    !guess_syntax(from_offset(bytes, at[i]), out))
			continue;
		out->meta_offset = out->data_offset = at[i];
		return true;
	}
	return fail(e, ERR_MALFORMED, "not a DICOM file");
}

static void
build_text(struct buf *out, uint32_t tag, enum vr vr, struct str value,
    struct syntax syntax)
{
	if (value.n > 0)
		build_element(out, tag, vr, value, syntax);
}

bool
file_meta_build(struct buf *out, const struct file_meta *meta, struct err *e)
{
	static const uint8_t version[] = {0, 1};
	struct syntax s = syntax_of(STR(UID_ExplicitVRLittleEndian));
	struct buf body;

	buf_init(&body, LIMIT_META - HEADER_SHORT - 4);
	build_element(&body, TAG_FileMetaInformationVersion, VR_OB,
	    str_of(version, sizeof(version)), s);
	build_element(
	    &body, TAG_MediaStorageSOPClassUID, VR_UI, meta->sop_class, s);
	build_element(&body, TAG_MediaStorageSOPInstanceUID, VR_UI,
	    meta->sop_instance, s);
	build_element(&body, TAG_TransferSyntaxUID, VR_UI, meta->syntax, s);
	build_element(&body, TAG_ImplementationClassUID, VR_UI,
	    STR(IMPLEMENTATION_CLASS_UID), s);
	build_element(&body, TAG_ImplementationVersionName, VR_SH,
	    STR(IMPLEMENTATION_VERSION_NAME), s);
	build_text(
	    &body, TAG_SourceApplicationEntityTitle, VR_AE, meta->source_ae, s);
	build_text(&body, TAG_PrivateInformationCreatorUID, VR_UI,
	    meta->private_creator, s);
	build_text(&body, TAG_PrivateInformation, VR_OB, meta->private_info, s);
	buf_fill(out, 0, FILE_PREAMBLE);
	buf_text(out, PREFIX);
	build_header(out, TAG_FileMetaInformationGroupLength, VR_UL, 4, s);
	buf_u32le(out, (uint32_t)body.n);
	buf_add(out, buf_str(&body));
	out->over |= body.over;
	buf_fini(&body);
	if (out->over)
		return fail(e, ERR_LIMIT, "meta header is longer than %lu KiB",
		    LIMIT_META / KIB);
	return true;
}
