/*
 * Zips of instances: byte for byte the same from any place on, and of the
 * length that was told before. (test/web reads them with others' programs.)
 */
#include "web/pack/pack.h"

#include "archive.h"
#include "base/buf.h"

#define IMAGES 12

static void
fill(struct archive *t)
{
	struct object_result out;
	struct sample s = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
	    .study = "1.1",
	    .patient = "P/1",
	    .name = "M\xc3\xbcller^J\xc3\xb6rg",
	    .charset = "ISO_IR 192",
	    .date = "20260228",
	    .time = "120000",
	    .description = "../../etc"};
	char uid[32], series[32], number[16];
	int i;

	for (i = 0; i < IMAGES; i++) {
		snprintf(uid, sizeof(uid), "1.3.%d", i);
		snprintf(series, sizeof(series), "1.2.%d", i % 3);
		/* Some have the same number. */
		snprintf(number, sizeof(number), "%d", i / 6);
		s.instance = uid;
		s.series = series;
		s.series_number = "7";
		s.number = number;
		s.pixels = (size_t)i * i * 3000;
		s.fill = (uint8_t)i;
		CHECK(archive_put(t, &s, &out));
	}
}

static struct source *
begin_as(struct archive *t, bool medium, char *tag)
{
	struct condition c = {.column = COLUMN_StudyInstanceUID,
	    .kind = CONDITION_IS,
	    .a = STR("1.1")};
	struct pack *p = pack_new(t->store);

	if (medium)
		pack_as_medium(p);
	CHECK(pack_add(p, &c, 1, NULL, NULL, &t->e));
	CHECK(pack_add(p, &c, 1, NULL, NULL, &t->e));
	CHECK_EQ(pack_count(p), IMAGES);
	CHECK(pack_end(p, &t->e));
	return pack_source(&p, tag);
}

static struct source *
begin(struct archive *t, char *tag)
{
	return begin_as(t, false, tag);
}

/* From 'from' on, in pieces; *got has room for all. */
static size_t
read_from(struct archive *t, struct source *s, uint64_t from, size_t piece,
    uint8_t *got)
{
	size_t n = 0, all = 0;
	bool wait = false;

	while (s->read(s, from + all, got + all, piece, wait, &n, &t->e)) {
		all += n;
		if (n == 0 && wait)
			return all;
		wait = n == 0;
	}
	CHECK(false);
	return all;
}

static void
check_ranges(bool medium)
{
	struct archive t;
	struct source *s;
	char tag[PACK_TAG];
	uint8_t *all, *part;
	uint64_t from;

	CHECK(archive_begin(&t));
	fill(&t);
	s = begin_as(&t, medium, tag);
	all = must_alloc(s->size + 1);
	part = must_alloc(s->size + 1);
	CHECK_EQ(read_from(&t, s, 0, 1 << 20, all), s->size);
	for (from = 0; from < s->size; from += 1 + from / 50) {
		CHECK_EQ(read_from(&t, s, from, 4096, part), s->size - from);
		CHECK(memcmp(part, all + from, s->size - from) == 0);
	}
	/* The directory byte by byte. */
	for (from = s->size - 300; from < s->size; from++) {
		CHECK_EQ(read_from(&t, s, from, 1, part), s->size - from);
		CHECK(memcmp(part, all + from, s->size - from) == 0);
	}
	s->free(s);
	free(all);
	free(part);
	archive_end(&t);
}

TEST(any_range)
{
	check_ranges(false);
}

TEST(any_range_of_a_medium)
{
	check_ranges(true);
}

/* Rows of an archive from before checksums get theirs when they are wanted. */
TEST(without_checksums)
{
	struct archive t;
	struct source *s;
	char tag[PACK_TAG], again[PACK_TAG];

	CHECK(archive_begin(&t));
	fill(&t);
	s = begin(&t, tag);
	s->free(s);
	archive_exec(&t, "UPDATE instance SET crc32 = -1");
	s = begin(&t, again);
	s->free(s);
	CHECK(strcmp(tag, again) == 0);
	CHECK_EQ(
	    archive_int(&t, "SELECT count(*) FROM instance WHERE crc32 >= 0"),
	    IMAGES);
	archive_end(&t);
}

static bool
see_series(void *ctx, const struct index_row *row, bool *sees, struct err *e)
{
	(void)e;
	*sees = str_eq_text(row->value[COLUMN_SeriesInstanceUID], ctx);
	return true;
}

TEST(only_what_may_be_seen)
{
	struct condition c = {
	    .column = COLUMN_PatientID, .kind = CONDITION_IS, .a = STR("P/1")};
	struct archive t;
	struct pack *p;

	CHECK(archive_begin(&t));
	fill(&t);
	p = pack_new(t.store);
	CHECK(pack_add(p, &c, 1, see_series, (char[]){"1.2.1"}, &t.e));
	CHECK_EQ(pack_count(p), IMAGES / 3);
	pack_free(&p);
	archive_end(&t);
}

/* The connection is cut off then: what was promised cannot be kept. */
TEST(a_file_that_is_gone)
{
	struct archive t;
	struct source *s;
	char tag[PACK_TAG];
	uint8_t got[100];
	size_t n;

	CHECK(archive_begin(&t));
	fill(&t);
	archive_exec(
	    &t, "UPDATE instance SET path = replace(path, '.dcm', 'x.dcm')");
	s = begin(&t, tag);
	CHECK(!s->read(s, 1000, got, sizeof(got), true, &n, &t.e));
	CHECK(strstr(t.e.text, "instance 1.3.") != NULL);
	s->free(s);
	archive_end(&t);
}

TEST_MAIN
