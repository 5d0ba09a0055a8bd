/*
 * See carry.h. Nothing is ever written under a name that counts: a kill leaves
 * temporary files, which the next run removes.
 */
#include "store/backup/carry.h"

#include "base/os.h"
#include "store/seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <inttypes.h>
#include <unistd.h>

#define BYTES_AT_ONCE (64 * MIB)

static enum carried
failed(struct err *e, const char *path)
{
	(void)fail_errno(e, "cannot copy '%s'", path);
	return CARRIED_FAILED;
}

static enum carried
damaged(struct carry *c, const char *path, const char *why)
{
	c->damaged++;
	c->told(c->ctx, path, why);
	return CARRIED_NOT;
}

static bool
make_folders(struct carry *c, const char *path, struct err *e)
{
	char folder[CARRY_PATH];
	size_t i;

	for (i = 1; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		memcpy(folder, path, i);
		folder[i] = '\0';
		if (!os_make_folder(c->to, folder))
			return fail_errno(e, "cannot make '%s'", folder);
	}
	return true;
}

static bool
name_one(struct carry *c, const char *name, const char *path, struct err *e)
{
	/* Replaces a damaged or older one. */
	if (renameat(c->tmp, name, c->to, path) == 0)
		return true;
	if (errno == ENOENT) {
		if (!make_folders(c, path, e))
			return false;
		if (renameat(c->tmp, name, c->to, path) == 0)
			return true;
	}
	return fail_errno(e, "cannot name '%s'", path);
}

void
carry_fini(struct carry *c)
{
	while (c->n > 0)
		(void)os->unlinkat(c->tmp, c->waiting[--c->n].name, 0);
	c->waiting_bytes = 0;
}

bool
carry_flush(struct carry *c, struct err *e)
{
	size_t i;

	if (c->n == 0)
		return true;
	/* One flush of the file system: that of each file would be a commit of
	 * the journal each. */
	if (syncfs(c->tmp) != 0 || os->fsync(c->tmp) != 0) {
		(void)fail_errno(e, "cannot flush the copies");
		carry_fini(c);
		return false;
	}
	for (i = 0; i < c->n; i++)
		if (!name_one(c, c->waiting[i].name, c->waiting[i].path, e)) {
			carry_fini(c);
			return false;
		}
	c->n = 0;
	c->waiting_bytes = 0;
	return true;
}

bool
carry_settle(struct carry *c, struct err *e)
{
	if (!carry_flush(c, e))
		return false;
	return (syncfs(c->tmp) == 0 && syncfs(c->to) == 0) ||
	       fail_errno(e, "cannot flush the copies");
}

enum copied { COPIED, COPIED_NOT_READ, COPIED_NOT_WRITTEN };

/* From fd to out; digest: of what stands from data_at on. */
static enum copied
copy_bytes(int fd, int out, off_t data_at, uint8_t digest[32], uint64_t *size)
{
	uint8_t *block = must_alloc(BLOCK_IO);
	off_t at = 0, started = 0;
	bool written = true;
	gnutls_hash_hd_t hash;
	size_t skip;
	ssize_t n;

	must(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = os_pread_full(fd, block, BLOCK_IO, at)) > 0) {
		skip = at < data_at ? (size_t)(data_at - at) : 0;
		if (skip < (size_t)n)
			must(gnutls_hash(
				 hash, block + skip, (size_t)n - skip) == 0);
		written = os_write_all(out, str_of(block, (size_t)n));
		if (!written)
			break;
		at += n;
		if (at - started >= (off_t)BLOCK_WRITEBACK) {
			(void)os->sync_range(out, started, at - started);
			started = at;
		}
	}
	/* Begun here, the flush of all is short. */
	(void)os->sync_range(out, started, at - started);
	gnutls_hash_deinit(hash, digest);
	free(block);
	*size = (uint64_t)at;
	if (!written)
		return COPIED_NOT_WRITTEN;
	return n == 0 ? COPIED : COPIED_NOT_READ;
}

/* A place in waiting, with a temporary file: -1 and e. */
static int
begin(struct carry *c, const char *path, struct err *e)
{
	int fd;

	if ((c->n == CARRY_AT_ONCE || c->waiting_bytes >= BYTES_AT_ONCE) &&
	    !carry_flush(c, e))
		return -1;
	folder_random_name(".part", c->waiting[c->n].name);
	(void)str_copy(c->waiting[c->n].path, CARRY_PATH, str_from(path));
	fd = os->openat(c->tmp, c->waiting[c->n].name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		(void)fail_errno(e, "cannot copy '%s'", path);
		return -1;
	}
	os_inherit(c->tmp, c->waiting[c->n].name, fd);
	c->n++;
	return fd;
}

/* One file that cannot be read is no reason not to copy the others. */
static enum carried
unreadable(struct carry *c, const char *path, struct err *e)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return failed(e, path);
	(void)fail_errno(e, "cannot be read");
	return damaged(c, path, e->text);
}

/* f: what the seal says; NULL: any file. Closes fd. */
static enum carried
copy(struct carry *c, int fd, const char *path, const struct object_file *f,
    struct err *e)
{
	enum carried result = CARRIED;
	uint8_t digest[32];
	enum copied what;
	uint64_t size;
	int out;

	out = begin(c, path, e);
	if (out < 0) {
		os_close(&fd);
		return CARRIED_FAILED;
	}
	what = copy_bytes(
	    fd, out, f != NULL ? (off_t)f->data_at : 0, digest, &size);
	if (what == COPIED_NOT_WRITTEN)
		result = failed(e, path);
	else if (what == COPIED_NOT_READ)
		result = unreadable(c, path, e);
	else if (f != NULL && memcmp(digest, f->sha256, 32) != 0)
		result = damaged(
		    c, path, "the bytes are not those that were received");
	os_close(&fd);
	os_close(&out);
	if (result != CARRIED) {
		(void)os->unlinkat(c->tmp, c->waiting[--c->n].name, 0);
		return result;
	}
	c->waiting_bytes += size;
	c->bytes += size;
	c->copied++;
	return CARRIED;
}

/* True: it has its second name now, or had it. */
static bool
link_to(struct carry *c, const char *path, struct err *e)
{
	int tries;

	for (tries = 0; tries < 2; tries++) {
		if (linkat(c->from, path, c->to, path, 0) == 0 ||
		    errno == EEXIST)
			return true;
		if (errno != ENOENT || !make_folders(c, path, e))
			return false;
	}
	return false;
}

static bool
is_there(struct carry *c, const char *path, uint64_t size)
{
	struct stat st;

	return fstatat(c->to, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

/* Is the copy what was received? */
static bool
is_whole(struct carry *c, const char *path)
{
	struct object_file f = {.fd = -1};
	uint32_t number;
	struct err e;
	bool ok;
	int fd;

	fd = folder_open(c->to, path, O_RDONLY);
	if (fd < 0)
		return false;
	ok = seal_read(fd, path, &f, &number, &e);
	f.fd = fd;
	ok = ok && object_verify(&f, &e);
	os_close(&fd);
	return ok;
}

enum carried
carry_object(struct carry *c, const char *path, uint64_t size, struct err *e)
{
	struct object_file f;
	uint32_t number;
	int fd;

	if (is_there(c, path, size) && (!c->reread || is_whole(c, path))) {
		c->there++;
		return CARRIED;
	}
	fd = folder_open(c->from, path, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return CARRIED_GONE;
	if (fd < 0)
		return unreadable(c, path, e);
	if (!seal_read(fd, path, &f, &number, e)) {
		os_close(&fd);
		return damaged(c, path, e->text);
	}
	if (c->link && !is_there(c, path, size) && link_to(c, path, e)) {
		os_close(&fd);
		c->linked++;
		return CARRIED;
	}
	return copy(c, fd, path, &f, e);
}

enum carried
carry_file(struct carry *c, const char *path, bool again, struct err *e)
{
	struct stat st;
	int fd;

	fd = folder_open(c->from, path, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return CARRIED_GONE;
	if (fd < 0)
		return unreadable(c, path, e);
	if (fstat(fd, &st) != 0) {
		os_close(&fd);
		return failed(e, path);
	}
	if (!again && is_there(c, path, (uint64_t)st.st_size)) {
		os_close(&fd);
		c->there++;
		return CARRIED;
	}
	return copy(c, fd, path, NULL, e);
}

int
carry_folder(int dir, const char *path, bool make, struct err *e)
{
	int fd;

	if (make && !os_make_folder(dir, path)) {
		(void)fail_errno(e, "cannot make '%s'", path);
		return -1;
	}
	fd = os->openat(dir, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		(void)fail_errno(e, "cannot open '%s'", path);
	return fd;
}

struct sweep {
	int dir;
	const char *prefix, *but;
};

static bool
sweep_one(void *ctx, const char *name, struct err *e)
{
	const struct sweep *s = ctx;

	(void)e;
	if (strncmp(name, s->prefix, strlen(s->prefix)) == 0 &&
	    (s->but == NULL || strcmp(name, s->but) != 0))
		(void)os->unlinkat(s->dir, name, 0);
	return true;
}

void
carry_sweep(int dir, const char *prefix, const char *but)
{
	struct sweep s = {dir, prefix, but};
	struct err e;

	(void)!folder_names(dir, sweep_one, &s, &e);
}

bool
carry_each(int dir, folder_fn *fn, void *ctx, struct err *e)
{
	const struct dirent *d;
	bool ok = true;
	DIR *stream;
	int fd;

	fd = folder_open(dir, ".", O_RDONLY | O_DIRECTORY);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (stream == NULL) {
		(void)fail_errno(e, "cannot read a folder");
		if (fd >= 0)
			os_close(&fd);
		return false;
	}
	while (ok && (errno = 0, d = readdir(stream)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			ok = fn(ctx, d->d_name, e);
	if (ok && errno != 0)
		ok = fail_errno(e, "cannot read a folder");
	closedir(stream);
	return ok;
}

bool
carry_hash(int fd, char hex[65], struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t *block = must_alloc(BLOCK_IO), digest[32];
	gnutls_hash_hd_t hash;
	off_t at = 0;
	ssize_t n;
	size_t i;

	must(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
	while ((n = os_pread_full(fd, block, BLOCK_IO, at)) > 0) {
		must(gnutls_hash(hash, block, (size_t)n) == 0);
		at += n;
	}
	gnutls_hash_deinit(hash, digest);
	free(block);
	for (i = 0; i < 32; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[64] = '\0';
	return n == 0 || fail_errno(e, "cannot read the database");
}
