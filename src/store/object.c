/*
 * Receiving and committing one object.
 *
 * The commit protocol:
 *   1. A file gets a name below a day folder only when it is whole: data set,
 *      and a header that seals its length and hash.
 *   2. That name was never used before; it holds nothing of the data.
 *   3. After the rename the file is flushed once, which on ext4, XFS and btrfs
 *      also makes name and folders durable; elsewhere they are flushed too.
 *   4. Only then its row is committed, and only then object_commit() returns
 *      true. So a row always has its file, also after a power cut. The row
 *      itself is not flushed: recovery puts it back from the file.
 *   5. The row's unique SOP Instance UID decides between two arrivals; the
 *      loser compares and removes its own file.
 *   6. What replaces another object: new file durable, then row and tombstone
 *      in one flushed commit, then the old file is unlinked.
 *   7. A file with a name is removed again only if its row is certainly not
 *      committed (COMMIT_UNDONE). If that is unsure the file stays: recovery
 *      decides.
 *   8. A failed flush is never tried again: the file goes, the store is
 *      read-only until the process starts anew.
 * Files are locked (flock) from when they are made in objects/tmp until their
 * row is committed, so that a recovery beside us settles only what is left.
 *
 * Small objects stay in memory until they are whole: what turns out to be
 * malformed or already there never touches the disk.
 */
#include "store/object.h"

#include "base/hasher.h"
#include "base/log.h"
#include "base/os.h"
#include "store/arrive.h"
#include "store/index/attribute.h"
#include "store/folder.h"
#include "store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* An object up to here is written in one go. */
#define SMALL (64 * KIB)
/* Look at the room on the disk each time this much has come. */
#define ROOM_STEP (16 * MIB)

struct intake {
	struct store *store;
	char source_ae[17];
};

struct object {
	struct store *store;
	struct syntax syntax;
	char source_ae[17];
	char syntax_uid[65], sop_class[65], sop_instance[65];
	struct capture capture;
	struct parse *parse;
	struct hasher *hasher;
	bool follows;       /* the hasher reads the file */
	uint64_t hashed;    /* of the data set, before it did */
	struct buf pending; /* not written yet */
	int fd;             /* in objects/tmp; -1 while all is pending */
	char name[NAME_ROOM];
	uint64_t size;    /* of the data set so far */
	uint64_t written; /* of the file */
	uint64_t flushed; /* write-back was started up to here */
	bool failed;
};

struct intake *
intake_new(struct store *s, const char *source_ae)
{
	struct intake *in = must_zalloc(sizeof(*in));

	in->store = s;
	(void)str_copy(in->source_ae, sizeof(in->source_ae),
	    str_trim(str_from(source_ae)));
	return in;
}

void
intake_free(struct intake **in)
{
	free(*in);
	*in = NULL;
}

/* UIDs of a header that cannot be UIDs are left out, not cut. */
static void
keep_uid(char out[65], struct str uid)
{
	size_t i;

	uid = str_trim(uid);
	out[0] = '\0';
	for (i = 0; i < uid.n; i++)
		if (uid.p[i] < 0x20 || uid.p[i] > 0x7e)
			return;
	if (uid.n < 65)
		(void)str_copy(out, 65, uid);
}

bool
object_begin(struct intake *in, const struct object_header *header,
    struct object **out, struct err *e)
{
	struct object *o;

	*out = NULL;
	if (!store_room(in->store, header->size_hint, e) ||
	    !store_writer_begin(in->store, e))
		return false;
	if (str_trim(header->syntax).n == 0)
		return fail(e, ERR_MALFORMED, "no transfer syntax");
	o = must_zalloc(sizeof(*o));
	o->store = in->store;
	o->fd = -1;
	memcpy(o->source_ae, in->source_ae, sizeof(o->source_ae));
	keep_uid(o->sop_class, header->sop_class);
	keep_uid(o->sop_instance, header->sop_instance);
	keep_uid(o->syntax_uid, header->syntax);
	if (o->syntax_uid[0] == '\0') {
		free(o);
		return fail(e, ERR_MALFORMED, "transfer syntax is no UID");
	}
	o->syntax = syntax_of(str_from(o->syntax_uid));
	capture_init(&o->capture);
	o->parse = parse_new(o->syntax, &capture_events, &o->capture);
	o->hasher = hasher_new();
	buf_init(&o->pending, SMALL + SEAL_DATA_AT);
	buf_fill(&o->pending, 0, SEAL_DATA_AT);
	*out = o;
	return true;
}

/* A new file that nobody else takes for a leftover. */
static bool
make_file(struct object *o, struct err *e)
{
	struct stat st;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		folder_random_name("", o->name);
		o->fd = os->openat(o->store->tmp_fd, o->name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (o->fd < 0 && errno == EEXIST)
			continue;
		if (o->fd < 0)
			return fail_errno(
			    e, "cannot make a file in '%s'", FOLDER_TMP);
		os_inherit(o->store->tmp_fd, o->name, o->fd);
		/* A recovery may have seen it before the lock. */
		if (flock(o->fd, LOCK_EX | LOCK_NB) == 0 &&
		    fstat(o->fd, &st) == 0 && st.st_nlink > 0)
			return true;
		(void)os->unlinkat(o->store->tmp_fd, o->name, 0);
		os_close(&o->fd);
	}
	return fail(e, ERR_IO, "cannot make a file in '%s'", FOLDER_TMP);
}

static bool
write_out(struct object *o, struct str part, struct err *e)
{
	if (o->fd < 0) {
		if (!make_file(o, e))
			return false;
		/* What is not hashed yet comes into the file now or later. */
		if (o->size > SMALL)
			o->follows = hasher_follow(o->hasher, o->fd,
			    (off_t)(SEAL_DATA_AT + o->hashed));
	}
	if (!os_write_all(o->fd, part))
		return fail_errno(e, "cannot write to '%s'", FOLDER_TMP);
	o->written += part.n;
	if (o->follows)
		hasher_grown(o->hasher, (off_t)o->written);
	if (o->written - o->flushed < BLOCK_WRITEBACK)
		return true;
	if (os->sync_range(o->fd, (off_t)o->flushed,
		(off_t)(o->written - o->flushed)) < 0 &&
	    (errno == EIO || errno == ENOSPC || errno == EDQUOT))
		return fail_errno(e, "cannot write to '%s'", FOLDER_TMP);
	o->flushed = o->written;
	return true;
}

static bool
write_pending(struct object *o, struct err *e)
{
	bool ok = write_out(o, buf_str(&o->pending), e);

	buf_clear(&o->pending);
	return ok;
}

static bool
keep_bytes(struct object *o, struct str part, struct err *e)
{
	if (o->pending.n + part.n > SMALL && !write_pending(o, e))
		return false;
	if (o->pending.n + part.n > SMALL)
		return write_out(o, part, e);
	buf_add(&o->pending, part);
	must(!o->pending.over);
	return true;
}

bool
object_write(struct object *o, struct str part, struct err *e)
{
	uint64_t before = o->size;

	must(!o->failed);
	o->failed = true;
	if (part.n > LIMIT_OBJECT - o->size)
		return fail(e, ERR_LIMIT, "the object is larger than %lu GiB",
		    LIMIT_OBJECT / GIB);
	o->size += part.n;
	if (before / ROOM_STEP != o->size / ROOM_STEP &&
	    !store_room(o->store, part.n, e))
		return false;
	if (!parse_feed(o->parse, part, e))
		return false;
	if (!keep_bytes(o, part, e))
		return false;
	if (!o->follows) {
		hasher_add(o->hasher, part);
		o->hashed += part.n;
	}
	o->failed = false;
	return true;
}

/* Take away a file that has no name but in objects/tmp. */
static void
drop_file(struct object *o)
{
	if (o->fd < 0)
		return;
	if (o->name[0] != '\0' &&
	    os->unlinkat(o->store->tmp_fd, o->name, 0) < 0 && errno != ENOENT)
		log_warning("store", "cannot remove '%s/%s': %s", FOLDER_TMP,
		    o->name, strerrordesc_np(errno));
	os_close(&o->fd);
}

void
object_abort(struct object **po)
{
	struct object *o = *po;

	if (o == NULL)
		return;
	/* Before the descriptor it may be reading is closed. */
	hasher_free(&o->hasher);
	drop_file(o);
	parse_free(&o->parse);
	capture_fini(&o->capture);
	buf_fini(&o->pending);
	free(o);
	*po = NULL;
}

/* The whole file, with its header, under its name in objects/tmp. */
static bool
finish_file(
    void *ctx, const struct row *row, struct arrival arrival, struct err *e)
{
	struct object *o = ctx;
	struct seal seal = {
	    .sop_class = row->value[COLUMN_SOPClassUID],
	    .sop_instance = row->value[COLUMN_SOPInstanceUID],
	    .syntax = row->syntax,
	    .source_ae = row->source,
	    .arrived_ms = arrival.ms,
	    .number = arrival.number,
	    .size = row->size,
	};
	uint8_t head[SEAL_DATA_AT];

	memcpy(seal.sha256, row->sha256, sizeof(seal.sha256));
	seal_build(&seal, head);
	if (o->fd < 0) {
		memcpy(o->pending.p, head, sizeof(head));
		return write_pending(o, e);
	}
	if (!write_pending(o, e))
		return false;
	if (!os_pwrite_all(o->fd, str_of(head, sizeof(head)), 0))
		return fail_errno(e, "cannot write to '%s'", FOLDER_TMP);
	return true;
}

/* The hash, when all of the data set is where the hasher finds it. */
static bool
finish_hash(struct object *o, struct digest *out, struct err *e)
{
	if (o->follows && !write_pending(o, e))
		return false;
	o->follows = false;
	return hasher_end(o->hasher, out, e);
}

static bool
describe(struct object *o, struct arena *a, struct row *row,
    struct object_result *out, struct err *e)
{
	struct row_input in = {
	    .capture = &o->capture,
	    .sop_class = str_from(o->sop_class),
	    .sop_instance = str_from(o->sop_instance),
	};
	struct row_mismatch mismatch;

	if (!finish_hash(o, &in.digest, e))
		return false;
	row_make(&in, a, row, &mismatch);
	row->syntax = str_from(o->syntax_uid);
	row->source = str_from(o->source_ae);
	row->size = o->size;
	*out = (struct object_result){
	    .class_mismatch = mismatch.sop_class,
	    .instance_mismatch = mismatch.sop_instance,
	    .size = o->size,
	};
	(void)str_copy(out->sop_instance, sizeof(out->sop_instance),
	    row->value[COLUMN_SOPInstanceUID]);
	(void)str_copy(out->study, sizeof(out->study),
	    row->value[COLUMN_StudyInstanceUID]);
	return true;
}

static bool
commit(struct object *o, const struct instead *instead,
    struct object_result *out, struct err *e)
{
	struct arriving file = {
	    .instead = instead, .finish = finish_file, .ctx = o};
	struct row row;
	struct arena a;
	bool ok;

	if (o->failed)
		return fail(e, ERR_PROTOCOL, "the object is not whole");
	if (o->size == 0)
		return fail(e, ERR_MALFORMED, "the data set is empty");
	if (!parse_end(o->parse, e) || !store_writable(o->store, e))
		return false;
	arena_init(&a, ROW_ARENA);
	file.fd = &o->fd;
	file.name = o->name;
	ok = describe(o, &a, &row, out, e) &&
	     arrive(o->store, &file, &row, &out->outcome, e);
	arena_fini(&a);
	return ok;
}

bool
object_commit(struct object **po, struct object_result *out, struct err *e)
{
	return object_commit_instead(po, NULL, out, e);
}

bool
object_commit_instead(struct object **po, const struct instead *instead,
    struct object_result *out, struct err *e)
{
	bool ok = commit(*po, instead, out, e);

	object_abort(po);
	return ok;
}
