/*
 * References to and from data sets and text. An instance is looked up among
 * those before it by a hash table, so that a hostile list costs no more than
 * a good one.
 */
#include "service/commitment/references.h"

#include "base/limit.h"
#include "base/map.h"
#include "dicom/build.h"
#include "dicom/value.h"

/* A list being filled: the key of 'seen' is class and instance. */
struct filling {
	struct references *r;
	size_t room;
	struct map seen;
};

static bool
add(struct filling *f, const struct dataset *item, uint16_t reason,
    struct err *e)
{
	struct reference *at = &f->r->at[f->r->n];
	struct reference *before;
	char key[2 * UID_ROOM];

	at->sop_class = dataset_str(item, TAG_ReferencedSOPClassUID);
	at->sop_instance = dataset_str(item, TAG_ReferencedSOPInstanceUID);
	at->reason = reason;
	if (!uid_met(at->sop_class) || !uid_met(at->sop_instance))
		return fail(e, ERR_MALFORMED,
		    "item %zu references no SOP Class and Instance UID",
		    f->r->n + 1);
	snprintf(key, sizeof(key), "%.*s %.*s", STR_ARG(at->sop_class),
	    STR_ARG(at->sop_instance));
	before = map_get(&f->seen, str_from(key));
	if (before == NULL) {
		map_put(&f->seen, str_from(key), at);
		f->r->n++;
	} else if (before->reason == 0) {
		before->reason = reason;
	}
	return true;
}

static size_t
items_of(const struct dataset *ds, uint32_t sequence)
{
	const struct element *element = dataset_find(ds, sequence);

	return element != NULL ? element->item_count : 0;
}

static bool
add_sequence(
    struct filling *f, const struct dataset *ds, uint32_t tag, struct err *e)
{
	const struct element *element = dataset_find(ds, tag);
	const struct dataset *item;
	int64_t reason = 0;

	if (element == NULL)
		return true;
	for (item = element->items; item != NULL; item = item->next) {
		/* Without a reason it has still failed. */
		if (tag == TAG_FailedSOPSequence &&
		    (!dataset_int(item, TAG_FailureReason, &reason) ||
			reason == 0))
			reason = STATUS_ProcessingFailure;
		if (!add(f, item, (uint16_t)reason, e))
			return false;
	}
	return true;
}

static bool
read_transaction(
    const struct dataset *ds, struct references *out, struct err *e)
{
	struct str uid = dataset_str(ds, TAG_TransactionUID);

	if (!uid_met(uid))
		return fail(e, ERR_MALFORMED, "no Transaction UID (0008,1195)");
	(void)str_copy(out->transaction, sizeof(out->transaction), uid);
	return true;
}

static bool
read_items(struct arena *a, const struct dataset *ds, bool event,
    struct references *out, struct err *e)
{
	struct filling f = {.r = out};
	bool ok;

	f.room = items_of(ds, TAG_ReferencedSOPSequence);
	if (event)
		f.room += items_of(ds, TAG_FailedSOPSequence);
	if (f.room == 0)
		return fail(e, ERR_MALFORMED,
		    "no Referenced SOP Sequence (0008,1199) with items");
	if (f.room > LIMIT_REFERENCES)
		return fail(e, ERR_LIMIT,
		    "%zu instances in one request: at most %d are taken",
		    f.room, LIMIT_REFERENCES);
	out->at = arena_array(a, f.room, sizeof(*out->at));
	if (out->at == NULL)
		return fail(e, ERR_LIMIT, "too many references");
	map_init(&f.seen);
	ok = add_sequence(&f, ds, TAG_ReferencedSOPSequence, e) &&
	     (!event || add_sequence(&f, ds, TAG_FailedSOPSequence, e));
	map_fini(&f.seen);
	return ok;
}

static bool
read_information(struct arena *a, struct str bytes, struct syntax syntax,
    bool event, struct references *out, struct err *e)
{
	struct dataset *ds;

	*out = (struct references){.n = 0};
	return dataset_read(a, bytes, syntax, LIMIT_HEADER_VALUE, 0, &ds, e) &&
	       read_transaction(ds, out, e) && read_items(a, ds, event, out, e);
}

bool
references_read_action(struct arena *a, struct str bytes, struct syntax syntax,
    struct references *out, struct err *e)
{
	return read_information(a, bytes, syntax, false, out, e);
}

bool
references_read_event(struct arena *a, struct str bytes, struct syntax syntax,
    struct references *out, struct err *e)
{
	return read_information(a, bytes, syntax, true, out, e);
}

static bool
put_reference(struct dataset *ds, const struct reference *at, bool event)
{
	bool failed = event && at->reason != 0;
	struct dataset *item = dataset_put_item(
	    ds, failed ? TAG_FailedSOPSequence : TAG_ReferencedSOPSequence);

	return item != NULL &&
	       dataset_put(
		   item, TAG_ReferencedSOPClassUID, VR_UI, at->sop_class) &&
	       dataset_put(item, TAG_ReferencedSOPInstanceUID, VR_UI,
		   at->sop_instance) &&
	       (!failed ||
		   dataset_put_u16(item, TAG_FailureReason, at->reason));
}

static bool
write_information(struct arena *a, const struct references *r, bool event,
    const char *retrieve_ae, struct syntax syntax, struct buf *out,
    struct err *e)
{
	struct dataset *ds = dataset_new(a);
	size_t i;
	bool ok;

	ok = ds != NULL &&
	     dataset_put_text(ds, TAG_TransactionUID, VR_UI, r->transaction);
	if (ok && event)
		ok = dataset_put_text(
		    ds, TAG_RetrieveAETitle, VR_AE, retrieve_ae);
	for (i = 0; ok && i < r->n; i++)
		ok = put_reference(ds, &r->at[i], event);
	if (!ok)
		return fail(e, ERR_LIMIT, "too many references");
	return build_dataset(out, ds, syntax, e);
}

bool
references_write_action(struct arena *a, const struct references *r,
    struct syntax syntax, struct buf *out, struct err *e)
{
	return write_information(a, r, false, "", syntax, out, e);
}

bool
references_write_event(struct arena *a, const struct references *r,
    const char *retrieve_ae, struct syntax syntax, struct buf *out,
    struct err *e)
{
	return write_information(a, r, true, retrieve_ae, syntax, out, e);
}

void
references_merge(struct references *asked, const struct references *got)
{
	struct reference *at;
	struct map by_uid;
	size_t i;

	map_init(&by_uid);
	for (i = 0; i < asked->n; i++) {
		asked->at[i].reason = STATUS_ProcessingFailure;
		map_put(&by_uid, asked->at[i].sop_instance, &asked->at[i]);
	}
	/* The failed ones are the last: who is named twice has failed. */
	for (i = 0; i < got->n; i++) {
		at = map_get(&by_uid, got->at[i].sop_instance);
		if (at != NULL)
			at->reason = got->at[i].reason;
	}
	map_fini(&by_uid);
}

size_t
references_failed(const struct references *r)
{
	size_t i, failed = 0;

	for (i = 0; i < r->n; i++)
		failed += r->at[i].reason != 0;
	return failed;
}

void
references_to_text(const struct references *r, struct buf *out)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		buf_printf(out, "%.*s %.*s %u\n", STR_ARG(r->at[i].sop_class),
		    STR_ARG(r->at[i].sop_instance), (unsigned)r->at[i].reason);
}

static bool
read_line(struct str line, struct reference *out)
{
	struct str reason;
	uint64_t v;

	if (!str_split(&line, ' ', &out->sop_class) ||
	    !str_split(&line, ' ', &out->sop_instance) ||
	    !str_split(&line, ' ', &reason) || line.p != NULL)
		return false;
	if (!str_u64(reason, &v) || v > UINT16_MAX)
		return false;
	out->reason = (uint16_t)v;
	return uid_met(out->sop_class) && uid_met(out->sop_instance);
}

bool
references_of_text(
    struct arena *a, struct str text, struct references *out, struct err *e)
{
	size_t i, lines = 0;
	struct str line;

	for (i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	out->n = 0;
	out->at = arena_array(a, lines, sizeof(*out->at));
	if (out->at == NULL)
		return fail(e, ERR_LIMIT, "too many references");
	for (i = 0; i < lines; i++) {
		line = str_of(text.p, str_find(text, '\n'));
		text = str_of(text.p + line.n + 1, text.n - line.n - 1);
		if (!read_line(line, &out->at[out->n++]))
			return fail(
			    e, ERR_CORRUPT, "line %zu is no reference", i + 1);
	}
	if (text.n > 0)
		return fail(e, ERR_CORRUPT, "the last reference is cut");
	return true;
}
