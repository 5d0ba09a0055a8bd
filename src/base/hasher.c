/*
 * A follower is a thread of its own for as long as one stream lasts: that
 * costs some microseconds, for objects that take a thousand.
 */
#include "base/hasher.h"

#include "base/limit.h"
#include "base/os.h"
#include "base/thread.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdatomic.h>

/* What a follower reads at once; it is still in the processor's cache. */
#define BLOCK_FOLLOW (128 * KIB)

struct hasher {
	gnutls_hash_hd_t hash;
	bool follows, counted;
	struct thread thread;
	struct mutex lock;
	struct cond wake;
	/* Under the lock: */
	off_t end;
	bool ended;
	/* The follower's, and after it was joined the owner's: */
	int fd;
	off_t at;
	int failed; /* errno */
};

/* Big streams in the process, and threads that follow one. */
static atomic_uint streams, followers;

struct hasher *
hasher_new(void)
{
	struct hasher *h = must_zalloc(sizeof(*h));

	must(gnutls_hash_init(&h->hash, GNUTLS_DIG_SHA256) == 0);
	return h;
}

void
hasher_add(struct hasher *h, struct str part)
{
	must(!h->follows);
	if (part.n > 0)
		must(gnutls_hash(h->hash, part.p, part.n) == 0);
}

static bool
hash_block(struct hasher *h, uint8_t *block, off_t end)
{
	size_t want = BLOCK_FOLLOW;
	ssize_t n;

	if (end - h->at < (off_t)want)
		want = (size_t)(end - h->at);
	n = os_pread_full(h->fd, block, want, h->at);
	if (n != (ssize_t)want) {
		h->failed = n < 0 ? errno : EIO;
		return false;
	}
	must(gnutls_hash(h->hash, block, want) == 0);
	h->at += n;
	return true;
}

/* The flush that comes at the end tells of errors. */
static void
start_writeback(const struct hasher *h, off_t end)
{
	if (h->at < (off_t)BLOCK_WRITEBACK && end > h->at)
		(void)os->sync_range(h->fd, h->at, end - h->at);
}

static void
follow(void *arg)
{
	struct hasher *h = arg;
	uint8_t *block = must_alloc(BLOCK_FOLLOW);
	bool ended = false, ok = true;
	off_t end;

	while (ok && !ended) {
		mutex_lock(&h->lock);
		while (h->end <= h->at && !h->ended)
			cond_wait(&h->wake, &h->lock);
		end = h->end;
		ended = h->ended;
		mutex_unlock(&h->lock);
		start_writeback(h, end);
		while (ok && h->at < end)
			ok = hash_block(h, block, end);
	}
	free(block);
}

bool
hasher_follow(struct hasher *h, int fd, off_t at)
{
	unsigned busy;

	must(!h->follows);
	if (!h->counted) {
		atomic_fetch_add(&streams, 1);
		h->counted = true;
	}
	busy = atomic_load(&streams) + atomic_fetch_add(&followers, 1);
	if (busy < thread_cores()) {
		mutex_init(&h->lock);
		cond_init(&h->wake);
		h->fd = fd;
		h->at = h->end = at;
		h->follows = thread_start(&h->thread, "hasher", follow, h);
		if (h->follows)
			return true;
		cond_fini(&h->wake);
		mutex_fini(&h->lock);
	}
	atomic_fetch_sub(&followers, 1);
	return false;
}

void
hasher_grown(struct hasher *h, off_t end)
{
	must(h->follows);
	mutex_lock(&h->lock);
	if (end > h->end)
		h->end = end;
	cond_signal(&h->wake);
	mutex_unlock(&h->lock);
}

/* Let the follower come to its end; with 'drop' at once. */
static void
stop(struct hasher *h, bool drop)
{
	if (!h->follows)
		return;
	mutex_lock(&h->lock);
	h->ended = true;
	if (drop)
		h->end = 0;
	cond_signal(&h->wake);
	mutex_unlock(&h->lock);
	thread_join(&h->thread);
	cond_fini(&h->wake);
	mutex_fini(&h->lock);
	h->follows = false;
	atomic_fetch_sub(&followers, 1);
}

bool
hasher_end(struct hasher *h, uint8_t out[32], struct err *e)
{
	stop(h, false);
	gnutls_hash_deinit(h->hash, out);
	h->hash = NULL;
	if (h->failed == 0)
		return true;
	errno = h->failed;
	return fail_errno(e, "cannot read back what was written");
}

void
hasher_free(struct hasher **ph)
{
	struct hasher *h = *ph;

	*ph = NULL;
	if (h == NULL)
		return;
	stop(h, true);
	if (h->counted)
		atomic_fetch_sub(&streams, 1);
	if (h->hash != NULL)
		gnutls_hash_deinit(h->hash, NULL);
	free(h);
}
