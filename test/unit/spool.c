/*
 * Bytes put aside, in memory and beyond: the same from any place.
 */
#include "service/media/spool.h"

#include "archive.h"

#include "base/limit.h"

#include <errno.h>

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 31 + i / 256);
}

static size_t
temporary(struct archive *t)
{
	char path[128];
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/objects/tmp", t->folder);
	dir = opendir(path);
	CHECK(dir != NULL);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	return n;
}

TEST(from_any_place)
{
	static const size_t pieces[] = {1, 700, 65536, LIMIT_SPOOL_MEMORY - 1,
	    3, LIMIT_SPOOL_MEMORY + 5, 17, LIMIT_SPOOL_MEMORY, 9};
	struct archive t;
	struct spool s;
	uint8_t *all;
	size_t n = 0, i, k, at;

	CHECK(archive_begin(&t));
	spool_init(&s, t.store);
	all = must_alloc(4 * LIMIT_SPOOL_MEMORY);
	for (i = 0; i < ARRAY_LEN(pieces); i++) {
		for (k = 0; k < pieces[i]; k++)
			all[k] = byte_at(n + k);
		CHECK(spool_append(&s, str_of(all, pieces[i]), &t.e));
		n += pieces[i];
		CHECK_EQ(spool_size(&s), n);
		/* The file has no name. */
		CHECK_EQ(temporary(&t), 0);
		for (at = 0; at < n; at += 1 + n / 7) {
			k = n - at < 100000 ? n - at : 100000;
			CHECK(spool_read(&s, at, all, k, &t.e));
			CHECK_EQ(all[0], byte_at(at));
			CHECK_EQ(all[k / 2], byte_at(at + k / 2));
			CHECK_EQ(all[k - 1], byte_at(at + k - 1));
		}
	}
	CHECK(s.fd >= 0);
	CHECK(spool_read(&s, 0, all, n, &t.e));
	for (i = 0; i < n && all[i] == byte_at(i); i++)
		continue;
	CHECK_EQ(i, n);
	free(all);
	spool_fini(&s);
	archive_end(&t);
}

static int
no_room(int dir, const char *path, int flags, mode_t mode)
{
	(void)dir;
	(void)path;
	(void)flags;
	(void)mode;
	errno = ENOSPC;
	return -1;
}

TEST(full_disk)
{
	struct os_ops full = os_real;
	struct archive t;
	struct spool s;
	uint8_t *p = must_zalloc(LIMIT_SPOOL_MEMORY + 1);

	CHECK(archive_begin(&t));
	spool_init(&s, t.store);
	full.openat = no_room;
	os = &full;
	CHECK(spool_append(&s, str_of(p, LIMIT_SPOOL_MEMORY), &t.e));
	CHECK(!spool_append(&s, STR("x"), &t.e));
	CHECK_EQ(t.e.code, ERR_FULL);
	os = &os_real;
	free(p);
	spool_fini(&s);
	archive_end(&t);
}

TEST_MAIN
