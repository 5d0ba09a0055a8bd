/*
 * The tree of records, and where each of them stands in the file.
 *
 * Series and instances stand in the order of their numbers, the same numbers as
 * they came. Records follow each other as one reads: a patient, his first
 * study, its first series with its files, the next series. Programs that ignore
 * the offsets see the same tree.
 */
#include "dicom/dicomdir.h"

#include "base/hasher.h"
#include "base/limit.h"
#include "dicom/build.h"
#include "dicom/file.h"
#include "dicom/value.h"

#define NONE UINT32_MAX

/* In a record: its values of (0004,1400) and (0004,1420), see
 * dicomdir_record.c. */
#define NEXT_AT  16
#define LOWER_AT 38
/* 43 characters are padded: the head is of one length. */
#define UID_LENGTH 44

struct node {
	uint32_t parent, first, last, next;
	int32_t order;           /* among its equals */
	uint32_t length, offset; /* of the record, in the file */
	uint64_t at;             /* in the room */
	bool used;               /* it or one below it has a file */
};

struct dicomdir {
	struct dicomdir_room room;
	char file_set_id[17];
	struct node *nodes;
	uint32_t count, nodes_room;
	uint32_t first, last; /* of the root directory entity */
	uint64_t end;         /* of what the room holds */
	struct hasher *hasher;
	char uid[UID_ROOM]; /* of the file-set, once it is known */
	uint32_t *line;     /* while they are sorted */
	uint32_t line_room;
	struct buf scratch;
};

struct dicomdir *
dicomdir_new(const char *file_set_id, const struct dicomdir_room *room)
{
	struct dicomdir *d = must_zalloc(sizeof(*d));

	must(str_copy(
	    d->file_set_id, sizeof(d->file_set_id), str_from(file_set_id)));
	d->room = *room;
	d->first = d->last = NONE;
	d->hasher = hasher_new();
	buf_init(&d->scratch, LIMIT_DIRECTORY_RECORD);
	return d;
}

void
dicomdir_free(struct dicomdir **dp)
{
	struct dicomdir *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	hasher_free(&d->hasher);
	buf_fini(&d->scratch);
	free(d->line);
	free(d->nodes);
	free(d);
}

static void
link_node(struct dicomdir *d, uint32_t parent, uint32_t i)
{
	uint32_t *first, *last;

	if (parent == DICOMDIR_ROOT) {
		first = &d->first;
		last = &d->last;
	} else {
		first = &d->nodes[parent].first;
		last = &d->nodes[parent].last;
	}
	if (*last == NONE)
		*first = i;
	else
		d->nodes[*last].next = i;
	*last = i;
}

static int32_t
order_of(const struct directory_entry *entry)
{
	uint32_t tag = entry->type == DIRECTORY_SERIES ? TAG_SeriesNumber
						       : TAG_InstanceNumber;
	int64_t n;

	if (entry->from == NULL || entry->type == DIRECTORY_PATIENT ||
	    entry->type == DIRECTORY_STUDY ||
	    !dataset_int(entry->from, tag, &n) || n < INT32_MIN ||
	    n > INT32_MAX)
		return 0;
	return (int32_t)n;
}

static int
compare(const void *a, const void *b, void *ctx)
{
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct node *nodes = ctx;

	if (nodes[i].order != nodes[k].order)
		return nodes[i].order < nodes[k].order ? -1 : 1;
	return i < k ? -1 : i > k;
}

/* One directory entity. */
static void
sort(struct dicomdir *d, uint32_t *first, uint32_t *last)
{
	uint32_t i, n = 0;

	for (i = *first; i != NONE; i = d->nodes[i].next) {
		if (n == d->line_room) {
			d->line_room = d->line_room * 2 + 64;
			d->line = must_realloc(
			    d->line, d->line_room * sizeof(*d->line));
		}
		d->line[n++] = i;
	}
	if (n < 2)
		return;
	qsort_r(d->line, n, sizeof(*d->line), compare, d->nodes);
	*first = d->line[0];
	*last = d->line[n - 1];
	for (i = 0; i < n; i++)
		d->nodes[d->line[i]].next = i + 1 < n ? d->line[i + 1] : NONE;
}

bool
dicomdir_add(struct dicomdir *d, uint32_t parent,
    const struct directory_entry *entry, uint32_t *out, struct err *e)
{
	struct node *node;
	uint32_t i;

	must(d->uid[0] == '\0');
	must(parent == DICOMDIR_ROOT || parent < d->count);
	buf_clear(&d->scratch);
	if (!directory_build(&d->scratch, entry, e) ||
	    !d->room.append(d->room.ctx, buf_str(&d->scratch), e))
		return false;
	hasher_add(d->hasher, buf_str(&d->scratch));
	if (d->count == d->nodes_room) {
		must(d->nodes_room < UINT32_MAX / 4);
		d->nodes_room = d->nodes_room * 2 + 64;
		d->nodes =
		    must_realloc(d->nodes, d->nodes_room * sizeof(*d->nodes));
	}
	*out = d->count++;
	node = &d->nodes[*out];
	*node = (struct node){.parent = parent,
	    .first = NONE,
	    .last = NONE,
	    .next = NONE,
	    .order = order_of(entry),
	    .length = (uint32_t)d->scratch.n,
	    .at = d->end};
	d->end += d->scratch.n;
	link_node(d, parent, *out);
	for (i = *out;
	     entry->file_id.n > 0 && i != DICOMDIR_ROOT && !d->nodes[i].used;
	     i = d->nodes[i].parent)
		d->nodes[i].used = true;
	return true;
}

/* This one or the next in its directory entity that is in use. */
static uint32_t
used(const struct dicomdir *d, uint32_t i)
{
	while (i != NONE && !d->nodes[i].used)
		i = d->nodes[i].next;
	return i;
}

/* The one that is written after i. */
static uint32_t
after(const struct dicomdir *d, uint32_t i)
{
	uint32_t next = used(d, d->nodes[i].first);

	while (next == NONE && i != DICOMDIR_ROOT) {
		next = used(d, d->nodes[i].next);
		i = d->nodes[i].parent;
	}
	return next;
}

static uint32_t
offset_of(const struct dicomdir *d, uint32_t i)
{
	return i == NONE ? 0 : d->nodes[i].offset;
}

static void
put_u32(struct buf *out, uint32_t tag, uint32_t v, struct syntax s)
{
	build_header(out, tag, VR_UL, 4, s);
	buf_u32le(out, v);
}

/* The head of the file, before 'size' bytes of records. */
static bool
put_head(struct dicomdir *d, struct buf *out, uint32_t first, uint32_t last,
    uint32_t size, struct err *e)
{
	struct syntax s = syntax_of(STR(UID_ExplicitVRLittleEndian));
	struct file_meta meta = {
	    .sop_class = STR(UID_MediaStorageDirectoryStorage),
	    .sop_instance = str_from(d->uid),
	    .syntax = STR(UID_ExplicitVRLittleEndian),
	};

	if (!file_meta_build(out, &meta, e))
		return false;
	build_element(out, TAG_FileSetID, VR_CS, str_from(d->file_set_id), s);
	put_u32(out,
	    TAG_OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity, first,
	    s);
	put_u32(out, TAG_OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity,
	    last, s);
	build_header(out, TAG_FileSetConsistencyFlag, VR_US, 2, s);
	buf_u16le(out, 0);
	build_header(out, TAG_DirectoryRecordSequence, VR_SQ, size, s);
	return true;
}

/* The file-set UID is a hash of the records, which name its files. */
static void
choose_uid(struct dicomdir *d)
{
	uint8_t seed[33];
	struct digest digest;
	struct err e;
	size_t n;

	if (d->uid[0] != '\0')
		return;
	/* It follows no file that could fail. */
	must(hasher_end(d->hasher, &digest, &e));
	memcpy(seed, digest.sha256, 32);
	seed[32] = 0;
	do {
		uid_from_hash(str_of(seed, sizeof(seed)), d->uid);
		n = strlen(d->uid);
		seed[32]++;
	} while (n != UID_LENGTH && n != UID_LENGTH - 1);
}

/* Offsets count from the first byte of the file, its preamble (F.3.2.2). */
static bool
lay_out(struct dicomdir *d, uint64_t at, uint64_t *end, struct err *e)
{
	uint32_t i;

	for (i = 0; i < d->count; i++)
		if (d->nodes[i].first != NONE)
			sort(d, &d->nodes[i].first, &d->nodes[i].last);
	for (i = used(d, d->first); i != NONE; i = after(d, i)) {
		d->nodes[i].offset = (uint32_t)at;
		at += d->nodes[i].length;
		if (at >= LENGTH_UNDEFINED)
			return fail(e, ERR_LIMIT,
			    "a DICOMDIR ends at 4 GiB: take fewer studies at "
			    "once");
	}
	*end = at;
	return true;
}

static uint32_t
last_used(const struct dicomdir *d)
{
	uint32_t i, last = NONE;

	for (i = used(d, d->first); i != NONE; i = used(d, d->nodes[i].next))
		last = i;
	return last;
}

static bool
write_record(struct dicomdir *d, uint32_t i, dicomdir_sink *sink, void *ctx,
    struct err *e)
{
	const struct node *node = &d->nodes[i];
	struct buf *b = &d->scratch;
	uint8_t *p;

	buf_clear(b);
	p = buf_space(b, node->length);
	must(p != NULL);
	if (!d->room.read(d->room.ctx, node->at, p, node->length, e))
		return false;
	buf_filled(b, node->length);
	buf_set_u32le(b, NEXT_AT, offset_of(d, used(d, node->next)));
	buf_set_u32le(b, LOWER_AT, offset_of(d, used(d, node->first)));
	return sink(ctx, buf_str(b), e);
}

bool
dicomdir_write(
    struct dicomdir *d, dicomdir_sink *sink, void *ctx, struct err *e)
{
	struct buf *b = &d->scratch;
	uint64_t head, end = 0;
	uint32_t i;

	choose_uid(d);
	buf_clear(b);
	if (!put_head(d, b, 0, 0, 0, e))
		return false;
	head = b->n;
	if (!lay_out(d, head, &end, e))
		return false;
	buf_clear(b);
	if (!put_head(d, b, offset_of(d, used(d, d->first)),
		offset_of(d, last_used(d)), (uint32_t)(end - head), e))
		return false;
	must(b->n == head);
	if (!sink(ctx, buf_str(b), e))
		return false;
	for (i = used(d, d->first); i != NONE; i = after(d, i))
		if (!write_record(d, i, sink, ctx, e))
			return false;
	return true;
}
