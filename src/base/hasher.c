/*
 * Followers are threads that stay: at most as many as there are cores, each
 * started when no other is free, and waiting for the next stream ever after.
 */
#include "base/hasher.h"

#include "base/limit.h"
#include "base/os.h"
#include "base/thread.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <libdeflate.h>
#include <stdatomic.h>

/* What a follower reads at once; it is still in the processor's cache. */
#define BLOCK_FOLLOW (128 * KIB)

struct hasher {
	gnutls_hash_hd_t hash;
	uint32_t crc32;
	bool follows, counted;
	struct hasher *next; /* under the crew's lock: waits for a follower */
	struct mutex lock;
	struct cond wake, done;
	/* Under the lock: */
	off_t end;
	bool ended, left;
	/* The follower's, and the owner's after it left: */
	int fd;
	off_t at;
	int failed; /* errno */
};

/* Big streams in the process, and threads that follow one. */
static atomic_uint streams, followers;

static struct {
	struct mutex lock;
	struct cond wake;
	struct hasher *waiting;
	unsigned count, idle, wanted;
} crew;
static pthread_once_t crew_once = PTHREAD_ONCE_INIT;

static void
crew_init(void)
{
	mutex_init(&crew.lock);
	cond_init(&crew.wake);
}

struct hasher *
hasher_new(void)
{
	struct hasher *h = must_zalloc(sizeof(*h));

	must(gnutls_hash_init(&h->hash, GNUTLS_DIG_SHA256) == 0);
	return h;
}

static void
take(struct hasher *h, struct str part)
{
	must(gnutls_hash(h->hash, part.p, part.n) == 0);
	h->crc32 = libdeflate_crc32(h->crc32, part.p, part.n);
}

void
hasher_add(struct hasher *h, struct str part)
{
	must(!h->follows);
	if (part.n > 0)
		take(h, part);
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
	take(h, str_of(block, want));
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
follow(struct hasher *h, uint8_t *block)
{
	bool ended = false, ok = true;
	off_t end;

	while (!ended) {
		mutex_lock(&h->lock);
		while ((h->end <= h->at || !ok) && !h->ended)
			cond_wait(&h->wake, &h->lock);
		end = h->end;
		ended = h->ended;
		mutex_unlock(&h->lock);
		if (ok)
			start_writeback(h, end);
		while (ok && h->at < end)
			ok = hash_block(h, block, end);
	}
	/* The owner may free it as soon as the lock is given back. */
	mutex_lock(&h->lock);
	h->left = true;
	cond_signal(&h->done);
	mutex_unlock(&h->lock);
}

static void
serve(void *unused)
{
	uint8_t *block = must_alloc(BLOCK_FOLLOW);
	struct hasher *h;

	(void)unused;
	mutex_lock(&crew.lock);
	for (;;) {
		crew.idle++;
		while (crew.waiting == NULL)
			cond_wait(&crew.wake, &crew.lock);
		crew.idle--;
		crew.wanted--;
		h = crew.waiting;
		crew.waiting = h->next;
		mutex_unlock(&crew.lock);
		follow(h, block);
		mutex_lock(&crew.lock);
	}
}

/* A follower for h, a new one if no other is free. */
static bool
engage(struct hasher *h)
{
	struct thread t;
	bool ok = true;

	(void)pthread_once(&crew_once, crew_init);
	mutex_lock(&crew.lock);
	/* One that is just done with another stream comes back for this. */
	if (crew.idle <= crew.wanted && crew.count < thread_cores()) {
		ok = thread_start(&t, "hasher", serve, NULL);
		if (ok) {
			thread_detach(&t);
			crew.count++;
		}
	}
	if (ok) {
		crew.wanted++;
		h->next = crew.waiting;
		crew.waiting = h;
		cond_signal(&crew.wake);
	}
	mutex_unlock(&crew.lock);
	return ok;
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
		cond_init(&h->done);
		h->fd = fd;
		h->at = h->end = at;
		h->follows = engage(h);
		if (h->follows)
			return true;
		cond_fini(&h->done);
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
	while (!h->left)
		cond_wait(&h->done, &h->lock);
	mutex_unlock(&h->lock);
	cond_fini(&h->done);
	cond_fini(&h->wake);
	mutex_fini(&h->lock);
	h->follows = false;
	atomic_fetch_sub(&followers, 1);
}

bool
hasher_end(struct hasher *h, struct digest *out, struct err *e)
{
	stop(h, false);
	gnutls_hash_deinit(h->hash, out->sha256);
	out->crc32 = h->crc32;
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
