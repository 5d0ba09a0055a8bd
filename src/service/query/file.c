/*
 * What the index does not hold, from a file: its header is read up to the last
 * attribute that is asked for, and only those are kept.
 */
#include "service/query/query.h"

#include "base/os.h"
#include "dicom/build.h"
#include "store/object.h"

#define BLOCK (32 * KIB)

/* Binary search: keys stand in the order of their tags. */
static bool
is_asked(const struct query *q, uint32_t tag)
{
	size_t low = 0, high = q->key_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (q->keys[middle].key.tag < tag)
			low = middle + 1;
		else
			high = middle;
	}
	return low < q->key_count && q->keys[low].key.tag == tag &&
	       q->keys[low].source == QUERY_FILE;
}

/* A private attribute stands in a block that only its file knows. */
static bool
is_private_asked(const struct query *q, uint32_t tag)
{
	uint32_t asked;
	size_t i;

	for (i = 0; i < q->key_count; i++) {
		asked = q->keys[i].key.tag;
		if (q->keys[i].key.creator.n == 0 ||
		    TAG_GROUP(asked) != TAG_GROUP(tag))
			continue;
		if (TAG_ELEMENT(tag) <= 0xff || (asked & 0xff) == (tag & 0xff))
			return true;
	}
	return false;
}

static bool
wanted(void *ctx, uint32_t tag)
{
	const struct query *q = ctx;

	if (tag == TAG_SpecificCharacterSet ||
	    (tag == TAG_TimezoneOffsetFromUTC && q->zone))
		return true;
	return TAG_IS_PRIVATE(tag) ? is_private_asked(q, tag)
				   : is_asked(q, tag);
}

static bool
feed(struct dataset_reader *r, const struct object_file *file, struct err *e)
{
	uint8_t *block = must_alloc(BLOCK);
	uint64_t at = 0, end = file->data_size, n;
	bool done = false, ok = true;
	ssize_t got;

	/* A header that is longer is none, see limit.h. */
	if (end > LIMIT_HEADER)
		end = LIMIT_HEADER;
	while (ok && !done && at < end) {
		n = end - at < BLOCK ? end - at : BLOCK;
		got = os_pread_full(
		    file->fd, block, (size_t)n, (off_t)(file->data_at + at));
		if (got < 0)
			ok = fail_errno(e, "cannot read");
		else if (got == 0)
			ok = fail(e, ERR_CORRUPT, "the file is too short");
		else
			ok = dataset_reader_feed(
			    r, str_of(block, (size_t)got), &done, e);
		at += ok ? (uint64_t)got : 0;
	}
	free(block);
	if (ok && !done && end < file->data_size)
		ok = fail(e, ERR_LIMIT, "the header is too long");
	return ok;
}

/* Sequences that somebody passed on without knowing them: UN of defined length
 * holds what it was, in implicit VR little endian (PS3.5 6.2.2 note 2). */
static void
understand(struct dataset *ds)
{
	struct syntax implicit =
	    syntax_of(str_from(UID_ImplicitVRLittleEndian));
	struct element *element;
	struct dataset *inner;
	struct buf bytes;
	struct err e;
	size_t i;

	for (i = 0; i < ds->n; i++) {
		element = &ds->elements[i];
		if (element->vr != VR_UN || dict_vr(element->tag) != VR_SQ)
			continue;
		buf_init(&bytes, LIMIT_HEADER_VALUE + 16);
		build_header(&bytes, element->tag, VR_SQ,
		    (uint32_t)element->value.n, implicit);
		buf_add(&bytes, element->value);
		if (dataset_read(ds->arena, buf_str(&bytes), implicit,
			LIMIT_HEADER_VALUE, 0, &inner, &e) &&
		    inner->n == 1 && inner->elements[0].vr == VR_SQ)
			*element = inner->elements[0];
		buf_fini(&bytes);
	}
}

bool
query_file_read(const struct query *q, struct store *store,
    const struct index_row *row, struct arena *a, struct query_file *out,
    struct err *e)
{
	struct dataset_reader *r;
	struct object_file file;
	struct dataset *ds;
	bool ok;

	*out = (struct query_file){0};
	if (row->path.n == 0)
		return fail(e, ERR_MISSING, "there is no file");
	if (!object_open(store, (const char *)row->path.p, &file, e))
		return false;
	r = dataset_reader_new(a, syntax_of(str_from(file.syntax)),
	    LIMIT_HEADER_VALUE, q->stop_tag);
	dataset_reader_only(r, wanted, (void *)(uintptr_t)q);
	ok = feed(r, &file, e) && dataset_reader_end(r, &ds, e);
	dataset_reader_free(&r);
	object_close(&file);
	if (!ok)
		return fail_in(e, "'%s'", (const char *)row->path.p);
	understand(ds);
	out->ds = ds;
	out->charset = dataset_str(ds, TAG_SpecificCharacterSet);
	return true;
}
