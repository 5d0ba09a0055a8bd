/*
 * Reading objects back: opening, checking the header, verifying all bytes.
 */
#include "store/object.h"

#include "base/os.h"
#include "store/folder.h"
#include "store/seal.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
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

bool
object_verify(struct object_file *f, struct err *e)
{
	uint8_t *block = must_alloc(BLOCK_IO), digest[32];
	uint64_t left = f->data_size;
	off_t at = (off_t)f->data_at;
	gnutls_hash_hd_t hash;
	ssize_t n = 0;

	must(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
	(void)posix_fadvise(f->fd, at, 0, POSIX_FADV_SEQUENTIAL);
	while (left > 0) {
		n = os_pread_full(
		    f->fd, block, left < BLOCK_IO ? left : BLOCK_IO, at);
		if (n <= 0)
			break;
		must(gnutls_hash(hash, block, (size_t)n) == 0);
		left -= (uint64_t)n;
		at += n;
	}
	gnutls_hash_deinit(hash, digest);
	free(block);
	if (n < 0)
		return fail_errno(e, "cannot read the object");
	if (left > 0)
		return fail(
		    e, ERR_CORRUPT, "%" PRIu64 " bytes are missing", left);
	if (memcmp(digest, f->sha256, sizeof(digest)) != 0)
		return fail(e, ERR_CORRUPT,
		    "the bytes are not those that were received");
	return true;
}
