/*
 * Reading objects back: opening, checking the header, verifying all bytes.
 */
#include "store/object.h"

#include "base/hasher.h"
#include "base/log.h"
#include "base/os.h"
#include "store/commit.h"
#include "store/folder.h"
#include "store/index/index.h"
#include "store/seal.h"

#include <fcntl.h>
#include <inttypes.h>

bool
object_open(
    struct store *s, const char *path, struct object_file *out, struct err *e)
{
	uint32_t number;
	int fd;

	*out = (struct object_file){.fd = -1};
	/* The path comes from the database: also a damaged one leads nowhere
	 * else. */
	if (!folder_path_valid(path))
		return fail(e, ERR_CORRUPT, "the index names no file of ours");
	fd = folder_open(s->objects_fd, path, O_RDONLY);
	if (fd < 0)
		return fail_errno(
		    e, "cannot open '%s/%s'", FOLDER_OBJECTS, path);
	if (!seal_read(fd, path, out, &number, e)) {
		os_close(&fd);
		return false;
	}
	out->fd = fd;
	return true;
}

void
object_close(struct object_file *f)
{
	os_close(&f->fd);
}

static bool
digest_file(struct object_file *f, struct digest *digest, struct err *e)
{
	uint8_t *block = must_alloc(BLOCK_IO);
	struct hasher *hasher = hasher_new();
	uint64_t left = f->data_size;
	off_t at = (off_t)f->data_at;
	ssize_t n = 0;
	bool ended;

	(void)posix_fadvise(f->fd, at, 0, POSIX_FADV_SEQUENTIAL);
	while (left > 0) {
		n = os_pread_full(
		    f->fd, block, left < BLOCK_IO ? left : BLOCK_IO, at);
		if (n <= 0)
			break;
		hasher_add(hasher, str_of(block, (size_t)n));
		left -= (uint64_t)n;
		at += n;
	}
	ended = hasher_end(hasher, digest, e);
	hasher_free(&hasher);
	free(block);
	if (!ended)
		return false;
	if (n < 0)
		return fail_errno(e, "cannot read the object");
	if (left > 0)
		return fail(
		    e, ERR_CORRUPT, "%" PRIu64 " bytes are missing", left);
	if (memcmp(digest->sha256, f->sha256, sizeof(f->sha256)) != 0)
		return fail(e, ERR_CORRUPT,
		    "the bytes are not those that were received");
	return true;
}

bool
object_verify(struct object_file *f, struct err *e)
{
	struct digest digest;

	return digest_file(f, &digest, e);
}

struct checksum {
	int64_t id;
	const char *path;
	uint32_t crc32;
};

/* The row may be another's by now: the path tells. */
static bool
keep_checksum(struct upsert *u, void *ctx, struct err *e)
{
	const struct checksum *c = ctx;

	return db_exec(upsert_db(u),
	    "UPDATE instance SET crc32 = ? WHERE id = ? AND path = ?",
	    DB_ARGS(db_int(c->crc32), db_int(c->id), db_str(str_from(c->path))),
	    e);
}

bool
object_checksum(
    struct store *s, const struct index_row *row, uint32_t *out, struct err *e)
{
	struct checksum c = {.id = row->id, .path = (const char *)row->path.p};
	struct object_file f;
	struct digest digest;
	struct err why;
	bool ok;

	*out = (uint32_t)row->crc32;
	if (row->crc32 >= 0)
		return true;
	if (!object_open(s, c.path, &f, e))
		return false;
	ok = digest_file(&f, &digest, e);
	object_close(&f);
	if (!ok)
		return false;
	*out = c.crc32 = digest.crc32;
	/* Without it the next one reads the file again. */
	if (commit_run(s->commit, false, keep_checksum, &c, &why) !=
	    COMMIT_DONE)
		log_warning("store", "a checksum is not kept: %s", why.text);
	return true;
}
