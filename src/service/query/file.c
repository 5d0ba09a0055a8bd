/*
 * What the index does not hold, from a file: its header is read up to the last
 * attribute that is asked for, and only those are kept.
 */
#include "service/query/query.h"

#include "service/header.h"

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

bool
query_file_read(const struct query *q, struct store *store,
    const struct index_row *row, struct arena *a, struct query_file *out,
    struct err *e)
{
	struct object_file file;
	struct dataset *ds;
	bool ok;

	*out = (struct query_file){0};
	if (row->path.n == 0)
		return fail(e, ERR_MISSING, "there is no file");
	if (!object_open(store, (const char *)row->path.p, &file, e))
		return false;
	ok = header_read(
	    &file, wanted, (void *)(uintptr_t)q, q->stop_tag, a, &ds, e);
	object_close(&file);
	if (!ok)
		return fail_in(e, "'%s'", (const char *)row->path.p);
	out->ds = ds;
	out->charset = dataset_str(ds, TAG_SpecificCharacterSet);
	return true;
}
