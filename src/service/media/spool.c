#include "service/media/spool.h"

#include "base/limit.h"
#include "base/os.h"

void
spool_init(struct spool *s, struct store *store)
{
	*s = (struct spool){.store = store, .fd = -1};
	buf_init(&s->memory, LIMIT_SPOOL_MEMORY);
}

void
spool_fini(struct spool *s)
{
	buf_fini(&s->memory);
	os_close(&s->fd);
}

uint64_t
spool_size(const struct spool *s)
{
	return s->filed + s->memory.n;
}

static bool
write_out(struct spool *s, struct str bytes, struct err *e)
{
	if (s->fd < 0 && !store_scratch(s->store, &s->fd, e))
		return false;
	if (!os_pwrite_all(s->fd, bytes, (off_t)s->filed))
		return fail_errno(e, "cannot write a temporary file");
	s->filed += bytes.n;
	return true;
}

bool
spool_append(struct spool *s, struct str bytes, struct err *e)
{
	if (bytes.n > LIMIT_SPOOL_MEMORY - s->memory.n) {
		if (!write_out(s, buf_str(&s->memory), e))
			return false;
		buf_clear(&s->memory);
	}
	if (bytes.n > LIMIT_SPOOL_MEMORY)
		return write_out(s, bytes, e);
	buf_add(&s->memory, bytes);
	return true;
}

bool
spool_read(
    const struct spool *s, uint64_t at, uint8_t *p, size_t n, struct err *e)
{
	uint64_t filed = at < s->filed ? s->filed - at : 0;
	size_t first = filed < n ? (size_t)filed : n;

	must(at + n <= spool_size(s));
	if (first > 0 &&
	    os_pread_full(s->fd, p, first, (off_t)at) != (ssize_t)first)
		return fail_errno(e, "cannot read a temporary file");
	if (n > first)
		memcpy(p + first, s->memory.p + (size_t)(at + first - s->filed),
		    n - first);
	return true;
}
