/*
 * SHA-256 and CRC-32 inline and behind a writer: the same digests, whatever is
 * cut where.
 */
#include "base/hasher.h"

#include "base/os.h"
#include "base/thread.h"
#include "test.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <unistd.h>
#include <zlib.h>

#define SIZE 3000001

static uint8_t bytes[SIZE];

static void
fill(struct digest *digest)
{
	size_t i;

	for (i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 255);
	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, SIZE, digest->sha256) ==
	     0);
	digest->crc32 = (uint32_t)crc32(0, bytes, SIZE);
}

static int
temporary(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	must(fd >= 0);
	return fd;
}

TEST(inline_in_parts)
{
	struct digest want, got;
	struct hasher *h = hasher_new();
	size_t at, n;
	struct err e;

	fill(&want);
	for (at = 0; at < SIZE; at += n) {
		n = SIZE - at < 70001 ? SIZE - at : 70001;
		hasher_add(h, str_of(bytes + at, n));
	}
	CHECK(hasher_end(h, &got, &e));
	CHECK(memcmp(got.sha256, want.sha256, 32) == 0);
	CHECK_EQ(got.crc32, want.crc32);
	hasher_free(&h);
	CHECK(h == NULL);
}

TEST(behind_a_writer)
{
	struct digest want, got;
	struct hasher *h;
	size_t begin, at, n;
	struct err e;
	int fd;

	fill(&want);
	for (begin = 0; begin < 200000; begin += 65537) {
		h = hasher_new();
		fd = temporary();
		hasher_add(h, str_of(bytes, begin));
		if (thread_cores() > 1)
			CHECK(hasher_follow(h, fd, 100 + (off_t)begin));
		else if (!hasher_follow(h, fd, 100 + (off_t)begin))
			break;
		for (at = begin; at < SIZE; at += n) {
			n = SIZE - at < 262144 ? SIZE - at : 262144;
			CHECK(os_pwrite_all(
			    fd, str_of(bytes + at, n), 100 + (off_t)at));
			hasher_grown(h, 100 + (off_t)(at + n));
		}
		CHECK(hasher_end(h, &got, &e));
		CHECK(memcmp(got.sha256, want.sha256, 32) == 0);
		CHECK_EQ(got.crc32, want.crc32);
		hasher_free(&h);
		close(fd);
	}
}

TEST(a_file_that_cannot_be_read)
{
	struct hasher *h = hasher_new();
	int fd = temporary();
	struct digest got;
	struct err e;

	if (thread_cores() > 1) {
		CHECK(hasher_follow(h, fd, 0));
		hasher_grown(h, 1000);
		CHECK(!hasher_end(h, &got, &e));
		CHECK_EQ(e.code, ERR_IO);
	}
	hasher_free(&h);
	close(fd);
}

TEST(given_up_in_the_middle)
{
	struct hasher *h;
	int fd = temporary(), i;

	must(os_pwrite_all(fd, str_of(bytes, SIZE), 0));
	for (i = 0; i < 50; i++) {
		h = hasher_new();
		if (hasher_follow(h, fd, 0))
			hasher_grown(h, SIZE);
		hasher_free(&h);
	}
	close(fd);
}

TEST(no_more_followers_than_cores)
{
	struct hasher *h[64];
	int fd = temporary();
	unsigned i, n = 0;

	for (i = 0; i < 64; i++) {
		h[i] = hasher_new();
		n += hasher_follow(h[i], fd, 0);
	}
	CHECK(n <= thread_cores());
	for (i = 0; i < 64; i++)
		hasher_free(&h[i]);
	close(fd);
}

TEST_MAIN
