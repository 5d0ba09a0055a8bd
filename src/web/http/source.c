/*
 * Files as sources. What the page cache holds is given at once, in the thread
 * that waits for all connections (RWF_NOWAIT); the rest is read by a pool.
 */
#include "web/http/source.h"

#include "base/os.h"

#include <errno.h>
#include <sys/uio.h>

struct file {
	struct source source;
	int fd;
	uint64_t at;
};

bool
source_read_fd(int fd, uint64_t at, uint8_t *p, size_t room, bool wait,
    size_t *n, struct err *e)
{
	struct iovec v = {p, room};
	ssize_t got;

	*n = 0;
	if (wait)
		got = os_pread_full(fd, p, room, (off_t)at);
	else
		do
			got = preadv2(fd, &v, 1, (off_t)at, RWF_NOWAIT);
		while (got < 0 && errno == EINTR);
	/* Not in memory, or a file system that cannot tell. */
	if (got < 0 && !wait)
		return true;
	if (got < 0)
		return fail_errno(e, "cannot read a file");
	if (got == 0 && wait)
		return fail(e, ERR_CORRUPT, "a file is shorter than it was");
	*n = (size_t)got;
	return true;
}

static bool
file_read(struct source *s, uint64_t at, uint8_t *p, size_t room, bool wait,
    size_t *n, struct err *e)
{
	struct file *f = (struct file *)s;

	*n = 0;
	if (at >= s->size)
		return true;
	if (room > s->size - at)
		room = (size_t)(s->size - at);
	return source_read_fd(f->fd, f->at + at, p, room, wait, n, e);
}

static void
file_free(struct source *s)
{
	struct file *f = (struct file *)s;

	os_close(&f->fd);
	free(f);
}

struct source *
source_of_file(int fd, uint64_t at, uint64_t size)
{
	struct file *f = must_zalloc(sizeof(*f));

	f->source.size = size;
	f->source.read = file_read;
	f->source.free = file_free;
	f->fd = fd;
	f->at = at;
	return &f->source;
}

struct bytes {
	struct source source; /* the first member */
	uint8_t p[];
};

static bool
bytes_read(struct source *s, uint64_t at, uint8_t *p, size_t room, bool wait,
    size_t *n, struct err *e)
{
	const struct bytes *b = (const struct bytes *)s;

	(void)wait;
	(void)e;
	*n = at < s->size ? (size_t)(s->size - at) : 0;
	if (*n > room)
		*n = room;
	if (*n > 0)
		memcpy(p, b->p + at, *n);
	return true;
}

static void
bytes_free(struct source *s)
{
	free(s);
}

struct source *
source_of_bytes(struct str bytes)
{
	struct bytes *b = must_zalloc(sizeof(*b) + bytes.n);

	b->source.size = bytes.n;
	b->source.read = bytes_read;
	b->source.free = bytes_free;
	if (bytes.n > 0)
		memcpy(b->p, bytes.p, bytes.n);
	return &b->source;
}
