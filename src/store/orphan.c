/*
 * Files and their rows, see orphan.h. The file is what counts: it is read
 * wholly, compared with its seal, and flushed, before a row says it is there.
 */
#include "store/orphan.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "store/arrive.h"
#include "store/aside.h"
#include "store/quarantine.h"
#include "store/index/attribute.h"
#include "store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* Reads the data set through hash and parser. */
static bool
read_through(struct object_file *f, const char *path, struct capture *capture,
    struct digest *digest, struct err *parsed, struct err *e)
{
	struct parse *parse =
	    parse_new(syntax_of(str_from(f->syntax)), &capture_events, capture);
	uint8_t *block = must_alloc(BLOCK_IO);
	uint64_t left = f->data_size;
	off_t at = (off_t)f->data_at;
	bool ended;
	struct hasher *hasher = hasher_new();
	ssize_t n = 0;

	(void)posix_fadvise(f->fd, at, 0, POSIX_FADV_SEQUENTIAL);
	parsed->code = ERR_NONE;
	while (left > 0) {
		n = os_pread_full(
		    f->fd, block, left < BLOCK_IO ? left : BLOCK_IO, at);
		if (n <= 0)
			break;
		hasher_add(hasher, str_of(block, (size_t)n));
		if (parsed->code == ERR_NONE)
			(void)!parse_feed(
			    parse, str_of(block, (size_t)n), parsed);
		left -= (uint64_t)n;
		at += n;
	}
	if (parsed->code == ERR_NONE)
		(void)!parse_end(parse, parsed);
	ended = hasher_end(hasher, digest, e);
	hasher_free(&hasher);
	parse_free(&parse);
	free(block);
	if (!ended)
		return false;
	if (n < 0)
		return fail_errno(e, "cannot read '%s'", path);
	if (left > 0)
		return fail(e, ERR_CORRUPT, "'%s' is cut", path);
	return true;
}

static bool
inspect_bytes(struct object_file *f, const char *path, struct arena *a,
    struct row *row, struct err *e)
{
	struct row_input in = {
	    .sop_class = str_from(f->sop_class),
	    .sop_instance = str_from(f->sop_instance),
	};
	struct row_mismatch mismatch;
	struct capture capture;
	struct err parsed;
	bool ok;

	capture_init(&capture);
	in.capture = &capture;
	ok = read_through(f, path, &capture, &in.digest, &parsed, e);
	if (ok && memcmp(in.digest.sha256, f->sha256, sizeof(f->sha256)) != 0)
		ok = fail(e, ERR_CORRUPT,
		    "'%s': the bytes are not those that were received", path);
	if (ok && parsed.code != ERR_NONE)
		ok = fail(e, ERR_MALFORMED, "'%s': %s", path, parsed.text);
	if (ok)
		row_make(&in, a, row, &mismatch);
	capture_fini(&capture);
	return ok;
}

static bool
inspect_open(struct object_file *f, const char *path, bool bytes,
    struct arena *a, struct row *row, struct err *e)
{
	*row = (struct row){.crc32 = -1};
	if (bytes && !inspect_bytes(f, path, a, row, e))
		return false;
	if (!bytes) {
		row->value[COLUMN_SOPClassUID] =
		    arena_dup(a, str_from(f->sop_class));
		row->value[COLUMN_SOPInstanceUID] =
		    arena_dup(a, str_from(f->sop_instance));
	}
	row->syntax = arena_dup(a, str_from(f->syntax));
	row->source = arena_dup(a, str_from(f->source_ae));
	row->path = str_from(arena_cstr(a, str_from(path)));
	row->size = f->data_size;
	row->arrived_ms = f->arrived_ms;
	memcpy(row->sha256, f->sha256, sizeof(row->sha256));
	must(!a->over);
	return true;
}

bool
inspect(struct store *s, const char *path, bool bytes, struct arena *a,
    struct row *row, struct err *e)
{
	struct object_file f;
	bool ok;

	if (!object_open(s, path, &f, e))
		return false;
	ok = inspect_open(&f, path, bytes, a, row, e);
	object_close(&f);
	return ok;
}

static bool
keep_quarantined(
    struct store *s, struct set_aside *q, const char *reason, struct err *e)
{
	q->reason = reason;
	return commit_run(s->commit, true, set_aside_row, q, e) == COMMIT_DONE;
}

/* Move a file out of the day folders; q->path is its new name. */
static bool
move_out(struct store *s, const char *path, const char *folder, char *name,
    struct err *e)
{
	char file[NAME_ROOM];

	folder_random_name(".dcm", file);
	snprintf(name, 2 * NAME_ROOM, "%s%s", folder, file);
	return aside_move(s, s->objects_fd, path, name, NULL, e);
}

bool
orphan_set_torn(
    struct store *s, const char *path, const char *reason, struct err *e)
{
	char name[2 * NAME_ROOM];
	struct set_aside q = {.path = name, .arrived_ms = clock_utc_ms()};

	if (!move_out(s, path, "torn/", name, e) ||
	    !store_flush(s, s->torn_fd, FOLDER_TORN, e) ||
	    !keep_quarantined(s, &q, reason, e))
		return false;
	log_warning("store", "'%s/%s' is no whole object: moved to '%s/%s'",
	    FOLDER_OBJECTS, path, FOLDER_QUARANTINE, name);
	return true;
}

static bool
set_differing_aside(
    struct store *s, const char *path, const struct row *row, struct err *e)
{
	char name[2 * NAME_ROOM];
	struct set_aside q = {
	    .path = name,
	    .sop_instance = row->value[COLUMN_SOPInstanceUID],
	    .source = row->source,
	    .size = row->size,
	    .arrived_ms = row->arrived_ms,
	};

	bool there;

	memcpy(q.sha256, row->sha256, sizeof(q.sha256));
	if (!quarantine_has(s, q.sop_instance, q.sha256, &there, e))
		return false;
	if (there)
		return os->unlinkat(s->objects_fd, path, 0) == 0 ||
		       fail_errno(
			   e, "cannot remove '%s/%s'", FOLDER_OBJECTS, path);
	return move_out(s, path, "", name, e) &&
	       store_flush(s, s->quarantine_fd, FOLDER_QUARANTINE, e) &&
	       keep_quarantined(s, &q, "differs", e);
}

/* The row under the UID names another file, which is damaged or gone. */
static bool
take_over(struct upsert *u, void *ctx, struct err *e)
{
	const struct adoption *a = ctx;
	struct existing x;

	if (!existing_find(
		upsert_db(u), a->row->value[COLUMN_SOPInstanceUID], &x, e))
		return false;
	if (x.id != 0 && !upsert_delete(u, x.id, e))
		return false;
	return upsert_insert(u, a->row, e);
}

static bool
settle_duplicate(struct store *s, const char *path, struct adoption *a,
    enum orphan *out, struct err *e)
{
	const struct existing *x = &a->existing;
	struct object_file stored;
	struct err why;

	*out = ORPHAN_DUPLICATE;
	if (x->size != a->row->size ||
	    memcmp(x->sha256, a->row->sha256, sizeof(x->sha256)) != 0 ||
	    !str_eq(str_from(x->syntax), a->row->syntax))
		return set_differing_aside(s, path, a->row, e);
	if (object_open(s, x->path, &stored, &why)) {
		object_close(&stored);
		if (os->unlinkat(s->objects_fd, path, 0) < 0)
			return fail_errno(
			    e, "cannot remove '%s/%s'", FOLDER_OBJECTS, path);
		return true;
	}
	*out = ORPHAN_INDEXED;
	return commit_run(s->commit, true, take_over, a, e) == COMMIT_DONE;
}

static bool
flush_file(struct store *s, const char *path, struct err *e)
{
	int fd = folder_open(s->objects_fd, path, O_RDONLY);
	bool ok;

	if (fd < 0)
		return fail_errno(e, "cannot open '%s'", path);
	ok = store_flush(s, fd, path, e) && folder_flush(s, path, e);
	os_close(&fd);
	return ok;
}

static bool
index_file(struct store *s, const char *path, const struct row *row,
    enum orphan *out, struct err *e)
{
	struct adoption a = {.row = row};

	if (!flush_file(s, path, e) ||
	    commit_run(s->commit, false, adopt, &a, e) != COMMIT_DONE)
		return false;
	*out = ORPHAN_INDEXED;
	if (a.existing.id == 0)
		return true;
	return settle_duplicate(s, path, &a, out, e);
}

/* A damaged file that has its row is for a check to find; it is rare enough to
 * look at all rows. */
static bool
settle_torn(struct store *s, const char *path, enum orphan *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok, found;
	int64_t id;

	if (db == NULL)
		return false;
	ok = db_get_int(db, "SELECT id FROM instance WHERE path = ?",
	    DB_ARGS(db_text(path)), &id, &found, e);
	store_reader_done(s, db);
	if (!ok)
		return false;
	*out = found ? ORPHAN_KNOWN : ORPHAN_TORN;
	if (!found)
		return orphan_set_torn(s, path, "torn", e);
	log_error("store", "'%s/%s' is damaged", FOLDER_OBJECTS, path);
	return true;
}

/* Whoever stores an object has its file locked until it has its row; what
 * becomes of it is not ours to say. */
static bool
being_stored(struct store *s, const char *path)
{
	int fd = folder_open(s->objects_fd, path, O_RDONLY);
	bool locked;

	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	os_close(&fd);
	return locked;
}

bool
orphan_settle(
    struct store *s, const char *path, enum orphan *out, struct err *e)
{
	struct arena a;
	struct row row;
	bool ok;

	*out = ORPHAN_KNOWN;
	if (being_stored(s, path))
		return true;
	arena_init(&a, ROW_ARENA);
	ok = inspect(s, path, true, &a, &row, e);
	if (ok) {
		ok = index_file(s, path, &row, out, e);
	} else if (e->code == ERR_CORRUPT) {
		ok = settle_torn(s, path, out, e);
	} else if (e->code == ERR_MALFORMED) {
		log_error("store", "left without a row: %s", e->text);
		*out = ORPHAN_LEFT;
		ok = true;
	} else if (e->code == ERR_MISSING) {
		*out = ORPHAN_KNOWN;
		ok = true;
	}
	arena_fini(&a);
	return ok;
}

void
orphan_add(struct store *s, struct orphan_list *list, const char *path)
{
	struct orphan_file *f;
	struct object_file file;
	struct err e;
	int fd;

	if (list->n == list->room) {
		list->room = list->room * 2 + 64;
		list->v = must_realloc(list->v, list->room * sizeof(*list->v));
	}
	f = &list->v[list->n++];
	*f = (struct orphan_file){.arrived_ms = 0};
	(void)str_copy(f->path, sizeof(f->path), str_from(path));
	fd = folder_open(s->objects_fd, path, O_RDONLY);
	if (fd >= 0 && seal_read(fd, path, &file, &f->number, &e))
		f->arrived_ms = file.arrived_ms;
	os_close(&fd);
}

static int
by_arrival(const void *a, const void *b)
{
	const struct orphan_file *x = a, *y = b;

	if (x->arrived_ms != y->arrived_ms)
		return x->arrived_ms < y->arrived_ms ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->path, y->path);
}

void
orphan_sort(struct orphan_list *list)
{
	if (list->n > 1)
		qsort(list->v, list->n, sizeof(*list->v), by_arrival);
}

void
orphan_list_free(struct orphan_list *list)
{
	free(list->v);
	*list = (struct orphan_list){.n = 0};
}
