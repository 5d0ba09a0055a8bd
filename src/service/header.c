/*
 * Reading headers: blocks of the file until the last attribute that is wanted.
 */
#include "service/header.h"

#include "base/limit.h"
#include "base/os.h"
#include "dicom/build.h"

#define BLOCK (32 * KIB)

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
header_read(const struct object_file *file, dataset_wanted_fn *wanted,
    void *ctx, uint32_t stop_tag, struct arena *a, struct dataset **out,
    struct err *e)
{
	struct dataset_reader *r = dataset_reader_new(
	    a, syntax_of(str_from(file->syntax)), LIMIT_HEADER_VALUE, stop_tag);
	bool ok;

	dataset_reader_only(r, wanted, ctx);
	ok = feed(r, file, e) && dataset_reader_end(r, out, e);
	dataset_reader_free(&r);
	if (ok)
		understand(*out);
	return ok;
}
