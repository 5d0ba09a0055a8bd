/*
 * Data sets in memory: reading, look-up, building.
 */
#include "dicom/dataset.h"

#include "dicom/build.h"
#include "test.h"

static const struct syntax implicit = {
    UID_ImplicitVRLittleEndian, false, false, false, false};
static const struct syntax little = {
    UID_ExplicitVRLittleEndian, true, false, false, false};
static const struct syntax big = {
    UID_ExplicitVRBigEndian, true, true, false, false};
static const struct syntax jpeg = {
    UID_JPEGBaseline8Bit, true, false, false, true};

static struct arena arena;

static struct buf
start(void)
{
	struct buf b;

	arena_fini(&arena);
	arena_init(&arena, LIMIT_HEADER);
	buf_init(&b, 64 * MIB);
	return b;
}

static void
put(struct buf *b, uint32_t tag, enum vr vr, const char *text)
{
	build_element(b, tag, vr, str_from(text), little);
}

/* Reads and frees b; NULL when that fails, with the reason in *e. */
static struct dataset *
read_it(struct buf *b, struct syntax syntax, size_t value_cap,
    uint32_t stop_tag, struct err *e)
{
	struct dataset *ds;

	*e = (struct err){0};
	if (!dataset_read(
		&arena, buf_str(b), syntax, value_cap, stop_tag, &ds, e)) {
		CHECK(ds == NULL);
		buf_fini(b);
		return NULL;
	}
	buf_fini(b);
	return ds;
}

TEST(read_and_find)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;
	const struct element *element;

	put(&b, TAG_Modality, VR_CS, "CT");
	put(&b, TAG_PatientName, VR_PN, "DOE^J");
	put(&b, TAG_PatientID, VR_LO, "");
	ds = read_it(&b, little, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	CHECK_EQ(ds->n, 3);
	element = dataset_find(ds, TAG_PatientName);
	if (!CHECK(element != NULL))
		return;
	CHECK_EQ(element->vr, VR_PN);
	CHECK_EQ(element->length, 6);
	CHECK(!element->skipped);
	CHECK_STR(element->value, "DOE^J ");
	CHECK_STR(dataset_str(ds, TAG_PatientName), "DOE^J");
	CHECK_STR(dataset_str(ds, TAG_Modality), "CT");
	CHECK_STR(dataset_str(ds, TAG_PatientID), "");
	CHECK(dataset_find(ds, TAG_PatientID) != NULL);
	CHECK(dataset_find(ds, TAG_PatientSex) == NULL);
	CHECK_STR(dataset_str(ds, TAG_PatientSex), "");
}

TEST(padding_of_values)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;

	build_element(&b, TAG_SOPInstanceUID, VR_UI, STR("1.2.3\0"), little);
	put(&b, TAG_PatientID, VR_LO, "  id  ");
	put(&b, TAG_PatientComments, VR_LT, "  text  ");
	build_element(&b, TAG_Rows, VR_US, STR("\x20\0"), little);
	ds = read_it(&b, little, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	CHECK_STR(dataset_str(ds, TAG_SOPInstanceUID), "1.2.3");
	CHECK_STR(dataset_str(ds, TAG_PatientID), "id");
	CHECK_STR(dataset_str(ds, TAG_PatientComments), "  text");
	CHECK_EQ(dataset_str(ds, TAG_Rows).n, 2);
}

TEST(integers)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;
	int64_t v;

	build_element(&b, TAG_Rows, VR_US, STR("\xff\xff\1\0"), little);
	build_element(
	    &b, TAG_SmallestImagePixelValue, VR_SS, STR("\xfe\xff"), little);
	build_element(
	    &b, TAG_SimpleFrameList, VR_UL, STR("\xff\xff\xff\xff"), little);
	build_element(
	    &b, TAG_ReferencePixelX0, VR_SL, STR("\xff\xff\xff\xff"), little);
	build_element(&b, TAG_Columns, VR_US, STR(""), little);
	put(&b, TAG_InstanceNumber, VR_IS, " -12 \\5");
	put(&b, TAG_SeriesNumber, VR_IS, "+7");
	put(&b, TAG_AcquisitionNumber, VR_IS, "1A");
	put(&b, TAG_PatientID, VR_LO, "12");
	ds = read_it(&b, little, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	CHECK(dataset_int(ds, TAG_Rows, &v) && v == 65535);
	CHECK(dataset_int(ds, TAG_SmallestImagePixelValue, &v) && v == -2);
	CHECK(dataset_int(ds, TAG_SimpleFrameList, &v) && v == 4294967295);
	CHECK(dataset_int(ds, TAG_ReferencePixelX0, &v) && v == -1);
	CHECK(dataset_int(ds, TAG_InstanceNumber, &v) && v == -12);
	CHECK(dataset_int(ds, TAG_SeriesNumber, &v) && v == 7);
	CHECK(!dataset_int(ds, TAG_AcquisitionNumber, &v));
	CHECK(!dataset_int(ds, TAG_Columns, &v));
	CHECK(!dataset_int(ds, TAG_PatientID, &v));
	CHECK(!dataset_int(ds, TAG_BitsAllocated, &v));
}

TEST(big_endian_values_are_turned)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;
	int64_t v;

	buf_add(&b, STR("\0\x28\0\x10US\0\2\1\2"));
	buf_add(&b, STR("\0\x09\x10\x10"
			"OW\0\0\0\0\0\5\1\2\3\4\5"));
	buf_add(&b, STR("\0\x09\x10\x11UN\0\0\0\0\0\2\1\2"));
	buf_add(&b, STR("\0\x10\0\x20LO\0\2ab"));
	ds = read_it(&b, big, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	CHECK(dataset_int(ds, TAG_Rows, &v) && v == 0x102);
	CHECK_STR(dataset_str(ds, 0x00091010), "\2\1\4\3\5");
	CHECK_STR(dataset_str(ds, 0x00091011), "\1\2");
	CHECK_STR(dataset_str(ds, TAG_PatientID), "ab");
}

TEST(order_and_repetition)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;
	size_t i;

	put(&b, TAG_PatientID, VR_LO, "first ");
	put(&b, TAG_Modality, VR_CS, "CT");
	put(&b, TAG_PatientID, VR_LO, "second");
	put(&b, TAG_PatientName, VR_PN, "DOE");
	put(&b, TAG_Modality, VR_CS, "MR");
	put(&b, TAG_StudyID, VR_SH, "7");
	ds = read_it(&b, little, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	CHECK_EQ(ds->n, 4);
	for (i = 1; i < ds->n; i++)
		CHECK(ds->elements[i - 1].tag < ds->elements[i].tag);
	CHECK_STR(dataset_str(ds, TAG_PatientID), "first");
	CHECK_STR(dataset_str(ds, TAG_Modality), "CT");
	CHECK_STR(dataset_str(ds, TAG_PatientName), "DOE");
	CHECK_STR(dataset_str(ds, TAG_StudyID), "7");
}

/* Insertion one by one would take minutes. */
TEST(many_elements_in_the_worst_order)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;
	uint32_t n = 300000, i;
	uint8_t value[4];

	for (i = 0; i < n; i++) {
		memcpy(value, &i, sizeof(value));
		build_element(&b, 0x00091000 + (n - i) / 2, VR_UL,
		    str_of(value, sizeof(value)), implicit);
	}
	ds = read_it(&b, implicit, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	CHECK_EQ(ds->n, n / 2 + 1);
	for (i = 1; i < ds->n; i++)
		if (!CHECK(ds->elements[i - 1].tag < ds->elements[i].tag))
			break;
	memcpy(&i, ds->elements[ds->n - 1].value.p, sizeof(i));
	CHECK_EQ(i, 0);
	memcpy(&i, ds->elements[1].value.p, sizeof(i));
	CHECK_EQ(i, n - 3);
}

TEST(sequences)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds, *item;
	const struct element *sequence;

	buf_add(&b, STR("\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"));
	buf_add(&b, STR("\xfe\xff\0\xe0\xff\xff\xff\xff"));
	put(&b, TAG_ReferencedSOPInstanceUID, VR_UI, "1.2");
	put(&b, TAG_ReferencedSOPClassUID, VR_UI, "1.1");
	buf_add(&b, STR("\x08\0\x99\x11SQ\0\0\x08\0\0\0"));
	buf_add(&b, STR("\xfe\xff\0\xe0\0\0\0\0"));
	buf_add(&b, STR("\xfe\xff\x0d\xe0\0\0\0\0"));
	buf_add(&b, STR("\xfe\xff\0\xe0\0\0\0\0"));
	buf_add(&b, STR("\xfe\xff\xdd\xe0\0\0\0\0"));
	put(&b, TAG_PatientID, VR_LO, "id");
	buf_add(&b, STR("\x19\0\x10\x10UN\0\0\xff\xff\xff\xff"));
	buf_add(&b, STR("\xfe\xff\0\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"));
	ds = read_it(&b, little, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	CHECK_EQ(ds->n, 3);
	CHECK_STR(dataset_str(ds, TAG_PatientID), "id");
	sequence = dataset_find(ds, TAG_ReferencedImageSequence);
	if (!CHECK(sequence != NULL && sequence->item_count == 2))
		return;
	item = sequence->items;
	CHECK_EQ(item->n, 3);
	CHECK_STR(dataset_str(item, TAG_ReferencedSOPClassUID), "1.1");
	CHECK_STR(dataset_str(item, TAG_ReferencedSOPInstanceUID), "1.2");
	sequence = dataset_find(item, TAG_ReferencedSOPSequence);
	CHECK(sequence != NULL && sequence->item_count == 1 &&
	      sequence->items->n == 0);
	item = item->next;
	CHECK(item != NULL && item->n == 0 && item->next == NULL);
	sequence = dataset_find(ds, 0x00191010);
	CHECK(sequence != NULL && sequence->vr == VR_SQ &&
	      sequence->item_count == 1);
}

TEST(values_that_are_skipped)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;
	const struct element *element;

	put(&b, TAG_PatientName, VR_PN, "0123456789");
	put(&b, TAG_PatientID, VR_LO, "01234567");
	put(&b, TAG_PixelData, VR_OW, "ab");
	ds = read_it(&b, little, 8, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	element = dataset_find(ds, TAG_PatientName);
	CHECK(
	    element->skipped && element->length == 10 && element->value.n == 0);
	element = dataset_find(ds, TAG_PatientID);
	CHECK(!element->skipped && element->value.n == 8);
	element = dataset_find(ds, TAG_PixelData);
	CHECK(element->skipped && element->length == 2);

	b = start();
	buf_add(&b, STR("\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"));
	buf_add(&b, STR("\xfe\xff\0\xe0\2\0\0\0ab\xfe\xff\xdd\xe0\0\0\0\0"));
	ds = read_it(&b, jpeg, 100, 0, &e);
	if (!CHECK(ds != NULL))
		return;
	element = dataset_find(ds, TAG_PixelData);
	CHECK(element->skipped && element->length == LENGTH_UNDEFINED &&
	      element->items == NULL);
}

TEST(stop_tag)
{
	struct buf b = start();
	struct err e;
	struct dataset *ds;

	put(&b, TAG_Modality, VR_CS, "CT");
	put(&b, TAG_PixelData, VR_OW, "ab");
	buf_text(&b, "what follows is not looked at");
	ds = read_it(&b, little, 100, TAG_PixelData, &e);
	CHECK(ds != NULL && ds->n == 1);
	/* An inner element of that tag stops nothing. */
	b = start();
	buf_add(&b, STR("\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"));
	buf_add(&b, STR("\xfe\xff\0\xe0\xff\xff\xff\xff"));
	put(&b, TAG_PatientID, VR_LO, "id");
	buf_add(&b, STR("\xfe\xff\x0d\xe0\0\0\0\0"));
	buf_add(&b, STR("\xfe\xff\xdd\xe0\0\0\0\0"));
	put(&b, TAG_PatientID, VR_LO, "id");
	buf_text(&b, "junk");
	ds = read_it(&b, little, 100, TAG_PatientID, &e);
	CHECK(ds != NULL && ds->n == 1 && ds->elements[0].items->n == 1);
}

TEST(fed_byte_by_byte)
{
	struct buf b = start();
	struct dataset_reader *r =
	    dataset_reader_new(&arena, big, 100, TAG_PixelData);
	struct err e = {0};
	struct dataset *ds;
	bool done = false;
	int64_t v;
	size_t i;

	buf_add(&b, STR("\0\x10\0\x20LO\0\4abcd"));
	buf_add(&b, STR("\0\x28\0\x10US\0\2\1\2"));
	buf_add(&b, STR("\x7f\xe0\0\x10"
			"OW\0\0\0\0\0\4abcd"));
	for (i = 0; i < b.n && !done; i++)
		CHECK(dataset_reader_feed(r, str_of(b.p + i, 1), &done, &e));
	CHECK(done);
	CHECK(dataset_reader_feed(r, STR("more"), &done, &e) && done);
	if (CHECK(dataset_reader_end(r, &ds, &e))) {
		CHECK_EQ(ds->n, 2);
		CHECK_STR(dataset_str(ds, TAG_PatientID), "abcd");
		CHECK(dataset_int(ds, TAG_Rows, &v) && v == 0x102);
	}
	dataset_reader_free(&r);
	CHECK(r == NULL);
	buf_fini(&b);
}

TEST(malformed)
{
	struct buf b = start();
	struct err e;

	put(&b, TAG_PatientID, VR_LO, "abcd");
	b.n--;
	CHECK(read_it(&b, little, 100, 0, &e) == NULL);
	CHECK_EQ(e.code, ERR_MALFORMED);
}

/* A budget is never passed, whatever it is, and costs no abort. */
TEST(budgets)
{
	struct buf b = start(), copy;
	struct err e;
	struct dataset *ds;
	size_t budget, read = 0;

	buf_add(&b, STR("\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"));
	buf_add(&b, STR("\xfe\xff\0\xe0\xff\xff\xff\xff"));
	put(&b, TAG_ReferencedSOPInstanceUID, VR_UI, "1.2");
	buf_add(&b, STR("\xfe\xff\x0d\xe0\0\0\0\0"));
	buf_add(&b, STR("\xfe\xff\xdd\xe0\0\0\0\0"));
	put(&b, TAG_PatientID, VR_LO,
	    "0123456789012345678901234567890123456789");
	for (budget = 0; budget < 600; budget++) {
		copy = start();
		arena_init(&arena, budget);
		buf_add(&copy, buf_str(&b));
		ds = read_it(&copy, little, SIZE_MAX, 0, &e);
		CHECK(ds != NULL || e.code == ERR_LIMIT);
		read += ds != NULL;
	}
	CHECK(read > 0 && read < 500);
	buf_fini(&b);
}

/* A promise of 4 GiB costs nothing. */
TEST(lengths_that_lie)
{
	static const enum vr vrs[] = {VR_OB, VR_UN, VR_UT, VR_SQ, VR_OW};
	struct buf b;
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(vrs); i++) {
		b = start();
		build_header(&b, 0x00091010, vrs[i], 0xfffffffe, little);
		buf_add(&b, STR("\xfe\xff\0\xe0\xf0\xff\xff\xff"));
		CHECK(read_it(&b, little, SIZE_MAX, 0, &e) == NULL);
		CHECK_EQ(e.code, ERR_MALFORMED);
		CHECK(arena.used < KIB);
	}
	b = start();
	build_header(&b, 0x00091010, VR_NONE, 0xfffffffe, implicit);
	buf_text(&b, "abcd");
	CHECK(read_it(&b, implicit, SIZE_MAX, 0, &e) == NULL);
	CHECK_EQ(e.code, ERR_MALFORMED);
	CHECK(arena.used < KIB);
}

TEST(many_empty_items)
{
	struct buf b = start();
	struct err e;
	unsigned i;

	arena_init(&arena, 1 * MIB);
	buf_add(&b, STR("\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"));
	for (i = 0; i < 100000; i++)
		buf_add(&b, STR("\xfe\xff\0\xe0\0\0\0\0"));
	CHECK(read_it(&b, little, 100, 0, &e) == NULL);
	CHECK_EQ(e.code, ERR_LIMIT);
}

TEST(put_in_any_order)
{
	struct buf b = start();
	struct dataset *ds = dataset_new(&arena);
	int64_t v;
	uint32_t i;

	for (i = 0; i < 100; i++)
		CHECK(dataset_put_u32(ds, 0x00091000 + i * 37 % 100, i));
	CHECK_EQ(ds->n, 100);
	for (i = 1; i < ds->n; i++)
		CHECK(ds->elements[i - 1].tag < ds->elements[i].tag);
	CHECK(dataset_int(ds, 0x00091000 + 37, &v) && v == 1);
	CHECK(dataset_put_text(ds, 0x00091000 + 37, VR_LO, "new"));
	CHECK_STR(dataset_str(ds, 0x00091000 + 37), "new");
	CHECK_EQ(ds->n, 100);
	CHECK(dataset_put_u16(ds, TAG_Rows, 512));
	CHECK(dataset_int(ds, TAG_Rows, &v) && v == 512);
	buf_fini(&b);
}

TEST(put_items)
{
	struct buf b = start();
	struct dataset *ds = dataset_new(&arena), *item;
	const struct element *sequence;

	item = dataset_put_item(ds, TAG_ReferencedImageSequence);
	CHECK(dataset_put_text(item, TAG_PatientID, VR_LO, "a"));
	item = dataset_put_item(ds, TAG_ReferencedImageSequence);
	CHECK(dataset_put_text(item, TAG_PatientID, VR_LO, "b"));
	CHECK(dataset_put_text(ds, TAG_PatientID, VR_LO, "c"));
	item = dataset_put_item(ds, TAG_ReferencedImageSequence);
	CHECK(dataset_put_text(item, TAG_PatientID, VR_LO, "d"));
	sequence = dataset_find(ds, TAG_ReferencedImageSequence);
	CHECK_EQ(sequence->item_count, 3);
	CHECK_STR(dataset_str(sequence->items, TAG_PatientID), "a");
	CHECK_STR(dataset_str(sequence->items->next, TAG_PatientID), "b");
	CHECK_STR(dataset_str(sequence->items->next->next, TAG_PatientID), "d");
	CHECK(sequence->items->next->next->next == NULL);
	/* A text in its place, and a sequence again. */
	CHECK(dataset_put_text(
	    ds, TAG_ReferencedImageSequence, VR_LO, "not a sequence"));
	CHECK_EQ(dataset_find(ds, TAG_ReferencedImageSequence)->item_count, 0);
	CHECK(dataset_put_item(ds, TAG_ReferencedImageSequence) != NULL);
	CHECK_EQ(dataset_find(ds, TAG_ReferencedImageSequence)->item_count, 1);
	buf_fini(&b);
}

TEST(put_past_the_budget)
{
	struct buf b = start();
	struct dataset *ds;
	uint32_t i;

	arena_init(&arena, 2 * KIB);
	ds = dataset_new(&arena);
	for (i = 0; i < 100 && dataset_put_u32(ds, 0x00091000 + i, i); i++)
		;
	CHECK(i > 0 && i < 100);
	CHECK_EQ(ds->n, i);
	CHECK(!dataset_put_text(ds, TAG_PatientID, VR_LO, "0123456789abcdefg"));
	arena_fini(&arena);
	arena_init(&arena, 8);
	CHECK(dataset_new(&arena) == NULL);
	buf_fini(&b);
}

TEST_MAIN
