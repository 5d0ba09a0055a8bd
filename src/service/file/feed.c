/*
 * Streams into the archive. The first LIMIT_META bytes stay in memory to the
 * end: what the meta header says points into them.
 */
#include "service/file/feed.h"
#include "base/os.h"
#include "dicom/file.h"

struct feed {
	struct intake *intake;
	struct object_result result; /* of the last object */
	size_t head_n;
	uint8_t head[LIMIT_META];
	uint8_t block[BLOCK_IO];
};

struct feed *
feed_new(struct store *store, const char *source)
{
	struct feed *f = must_alloc(sizeof(*f));

	f->intake = intake_new(store, source);
	f->head_n = 0;
	return f;
}

void
feed_free(struct feed **f)
{
	intake_free(&(*f)->intake);
	free(*f);
	*f = NULL;
}

const struct object_result *
feed_result(const struct feed *f)
{
	return &f->result;
}

ssize_t
feed_read_fd(void *ctx, void *p, size_t n, struct err *e)
{
	const int *fd = ctx;
	ssize_t got = os_read_full(*fd, p, n);

	if (got < 0)
		fail_errno(e, "cannot read");
	return got;
}

/* As much as fits: an entry of a zip comes in small pieces. */
static ssize_t
fill(feed_read *read, void *ctx, uint8_t *p, size_t n, struct err *e)
{
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = read(ctx, p + have, n - have, e);
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		must((size_t)got <= n - have);
		have += (size_t)got;
	}
	return (ssize_t)have;
}

static bool
has_prefix(struct str head)
{
	return head.n >= FILE_PREAMBLE + 4 &&
	       !memcmp(head.p + FILE_PREAMBLE, "DICM", 4);
}

static bool
is_zip(struct str head)
{
	return str_starts(head, STR("PK\003\004")) ||
	       str_starts(head, STR("PK\005\006"));
}

static enum feed_outcome
store_failed(const struct err *e)
{
	if (e->code == ERR_FULL || e->code == ERR_IO || e->code == ERR_DENIED)
		return FEED_BROKEN;
	return FEED_REFUSED;
}

static enum feed_outcome
write_all(struct feed *f, struct object *o, feed_read *read, void *ctx,
    size_t data_at, struct err *e)
{
	struct str part = str_of(f->head + data_at, f->head_n - data_at);
	ssize_t got;

	for (;;) {
		if (part.n > 0 && !object_write(o, part, e))
			return store_failed(e);
		got = fill(read, ctx, f->block, sizeof(f->block), e);
		if (got < 0)
			return FEED_REFUSED;
		if (got == 0)
			return FEED_STORED;
		part = str_of(f->block, (size_t)got);
	}
}

static enum feed_outcome
outcome_of(enum object_outcome outcome)
{
	switch (outcome) {
	case OBJECT_STORED:
		return FEED_STORED;
	case OBJECT_SAME:
		return FEED_SAME;
	case OBJECT_QUARANTINED:
		return FEED_ASIDE;
	case OBJECT_REPLACED:
		return FEED_REPLACED;
	}
	return FEED_STORED;
}

static enum feed_outcome
store_object(struct feed *f, const struct file_meta *meta, feed_read *read,
    void *ctx, uint64_t size_hint, uint64_t *size, struct err *e)
{
	struct object_header header = {
	    .sop_class = meta->sop_class,
	    .sop_instance = meta->sop_instance,
	    .syntax = meta->syntax,
	};
	struct object *o;
	enum feed_outcome outcome;

	if (size_hint > meta->data_offset)
		header.size_hint = size_hint - meta->data_offset;
	if (!object_begin(f->intake, &header, &o, e))
		return store_failed(e);
	outcome = write_all(f, o, read, ctx, (size_t)meta->data_offset, e);
	if (outcome != FEED_STORED) {
		object_abort(&o);
		return outcome;
	}
	if (!object_commit(&o, &f->result, e))
		return store_failed(e);
	*size = f->result.size;
	return outcome_of(f->result.outcome);
}

enum feed_outcome
feed_stream(struct feed *f, feed_read *read, void *ctx, uint64_t size_hint,
    uint64_t *size, struct err *e)
{
	struct file_meta meta;
	enum feed_outcome outcome;
	struct err why;
	struct str head;
	ssize_t got;
	bool prefix;

	*size = 0;
	got = fill(read, ctx, f->head, sizeof(f->head), e);
	if (got < 0)
		return FEED_REFUSED;
	f->head_n = (size_t)got;
	head = str_of(f->head, f->head_n);
	prefix = has_prefix(head);
	if (!prefix && is_zip(head))
		return FEED_ZIP;
	if (head.n == 0) {
		fail(e, ERR_MALFORMED, "it is empty");
		return FEED_FOREIGN;
	}
	if (!file_meta_read(head, &meta, e))
		return prefix ? FEED_REFUSED : FEED_FOREIGN;
	must(meta.data_offset <= head.n);
	if (str_eq_text(meta.sop_class, UID_MediaStorageDirectoryStorage))
		return FEED_MEDIA;
	outcome = store_object(f, &meta, read, ctx, size_hint, size, e);
	/* A guess that the bytes are DICOM was wrong when they do not parse. */
	if (outcome != FEED_REFUSED || !meta.guessed || prefix ||
	    e->code != ERR_MALFORMED)
		return outcome;
	why = *e;
	fail(e, ERR_MALFORMED,
	    "not a DICOM file (nor a data set without its header: %s)",
	    why.text);
	return FEED_FOREIGN;
}
