/*
 * Zips of our own, read by unzip and by what libarchive makes of them; the
 * lengths that were told beforehand; ZIP64 on both sides of its limits.
 */
#include "base/zip.h"

#include "base/limit.h"
#include "test.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <zlib.h>

#define ENTRIES 40

struct made {
	struct zip_entry entry[ENTRIES];
	uint8_t *bytes[ENTRIES];
	char name[ENTRIES][64];
	struct buf all;
	uint64_t told;
};

static void
make_entry(struct made *m, size_t i)
{
	size_t n = i * i * 100, k;
	struct zip_entry *e = &m->entry[i];

	m->bytes[i] = must_alloc(n + 1);
	for (k = 0; k < n; k++)
		m->bytes[i][k] = (uint8_t)(k * 7 + i);
	snprintf(m->name[i], sizeof(m->name[i]), "Grüße/%zu ä.dcm", i);
	*e = (struct zip_entry){
	    .name = str_from(m->name[i]),
	    .size = n,
	    .crc32 = (uint32_t)crc32(0, m->bytes[i], (uInt)n),
	    .year = 2026,
	    .month = 2,
	    .day = 28,
	    .hour = 23,
	    .minute = 59,
	    .second = 58,
	};
}

static void
make(struct made *m)
{
	uint64_t at[ENTRIES], central;
	size_t i;

	buf_init(&m->all, 64 * MIB);
	m->told = 0;
	for (i = 0; i < ENTRIES; i++) {
		make_entry(m, i);
		at[i] = m->all.n;
		zip_local(&m->all, &m->entry[i]);
		buf_add(&m->all, str_of(m->bytes[i], m->entry[i].size));
		m->told += zip_local_size(&m->entry[i]) + m->entry[i].size;
	}
	central = m->all.n;
	for (i = 0; i < ENTRIES; i++) {
		zip_central(&m->all, &m->entry[i], at[i]);
		m->told += zip_central_size(&m->entry[i], at[i]);
	}
	m->told += zip_end_size(ENTRIES, central, m->all.n - central);
	zip_end(&m->all, ENTRIES, central, m->all.n - central);
}

static void
unmake(struct made *m)
{
	size_t i;

	for (i = 0; i < ENTRIES; i++)
		free(m->bytes[i]);
	buf_fini(&m->all);
}

TEST(read_by_others)
{
	struct made m;
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	uint8_t *got = must_alloc(MIB);
	size_t i;

	CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	make(&m);
	CHECK_EQ(m.all.n, m.told);
	archive_read_support_format_zip_seekable(a);
	CHECK_EQ(archive_read_open_memory(a, m.all.p, m.all.n), ARCHIVE_OK);
	for (i = 0; i < ENTRIES; i++) {
		CHECK_EQ(archive_read_next_header(a, &e), ARCHIVE_OK);
		CHECK(!strcmp(archive_entry_pathname_utf8(e), m.name[i]));
		CHECK_EQ(archive_entry_size(e), m.entry[i].size);
		CHECK_EQ(archive_entry_perm(e), 0644);
		CHECK_EQ(archive_read_data(a, got, MIB), m.entry[i].size);
		CHECK(!memcmp(got, m.bytes[i], m.entry[i].size));
	}
	CHECK_EQ(archive_read_next_header(a, &e), ARCHIVE_EOF);
	archive_read_free(a);
	free(got);
	unmake(&m);
}

static uint64_t
u64_at(const struct buf *b, size_t at)
{
	uint64_t v = 0;
	size_t i;

	for (i = 8; i-- > 0;)
		v = v << 8 | b->p[at + i];
	return v;
}

/* A size or an offset of 4 GiB - 1 is the mark of ZIP64 and needs it. */
TEST(zip64_limits)
{
	static const uint64_t values[] = {
	    0, UINT32_MAX - 1, UINT32_MAX, 1ULL << 40};
	struct zip_entry e = {.name = STR("x"), .year = 2000};
	size_t i, k, extra;
	struct buf b;

	buf_init(&b, KIB);
	for (i = 0; i < ARRAY_LEN(values); i++)
		for (k = 0; k < ARRAY_LEN(values); k++) {
			e.size = values[i];
			buf_clear(&b);
			zip_local(&b, &e);
			CHECK_EQ(b.n, zip_local_size(&e));
			CHECK_EQ(b.n, i < 2 ? 31 : 51);
			if (i >= 2)
				CHECK_EQ(u64_at(&b, 35), values[i]);
			buf_clear(&b);
			zip_central(&b, &e, values[k]);
			CHECK_EQ(b.n, zip_central_size(&e, values[k]));
			extra = (i < 2 ? 0 : 16U) + (k < 2 ? 0 : 8U);
			CHECK_EQ(b.n, 47 + (extra > 0 ? extra + 4 : 0));
			if (k >= 2)
				CHECK_EQ(u64_at(&b, b.n - 8), values[k]);
		}
	buf_fini(&b);
}

TEST(end_limits)
{
	struct buf b;

	buf_init(&b, KIB);
	zip_end(&b, 65534, 1, 2);
	CHECK_EQ(b.n, 22);
	CHECK_EQ(b.n, zip_end_size(65534, 1, 2));
	buf_clear(&b);
	zip_end(&b, 65535, 100, 200);
	CHECK_EQ(b.n, 98);
	CHECK_EQ(b.n, zip_end_size(65535, 100, 200));
	CHECK_EQ(u64_at(&b, 24), 65535);
	CHECK_EQ(u64_at(&b, 64), 300);
	buf_clear(&b);
	zip_end(&b, 1, 1ULL << 33, 200);
	CHECK_EQ(u64_at(&b, 48), 1ULL << 33);
	CHECK_EQ(u64_at(&b, 64), (1ULL << 33) + 200);
	buf_fini(&b);
}

TEST(joined_crc)
{
	static const uint8_t text[] = "a header, and a data set";
	uint32_t a = (uint32_t)crc32(0, text, 9);
	uint32_t b = (uint32_t)crc32(0, text + 9, 15);

	CHECK_EQ(zip_crc_join(a, b, 15), crc32(0, text, 24));
	CHECK_EQ(zip_crc_join(a, 0, 0), a);
}

TEST_MAIN
