/*
 * DICOMDIR: every offset leads where it should, every key of type 1 has a
 * value, texts survive, whatever the objects hold.
 */
#include "dicom/dicomdir.h"

#include "base/limit.h"
#include "dicom/charset.h"
#include "dicom/file.h"
#include "dicom/recode.h"
#include "test.h"

static const struct syntax little = {
    UID_ExplicitVRLittleEndian, true, false, false, false};

struct made {
	struct buf room, file;
	struct arena arena;
	struct dicomdir *d;
	struct dataset *ds; /* of the file, once it is read */
	uint32_t *offsets;  /* of its records */
	size_t records;
};

static bool
append(void *ctx, struct str bytes, struct err *e)
{
	struct made *m = ctx;

	(void)e;
	buf_add(&m->room, bytes);
	return !m->room.over;
}

static bool
read_back(void *ctx, uint64_t at, uint8_t *p, size_t n, struct err *e)
{
	struct made *m = ctx;

	(void)e;
	CHECK(at + n <= m->room.n);
	memcpy(p, m->room.p + at, n);
	return true;
}

static bool
keep(void *ctx, struct str part, struct err *e)
{
	struct made *m = ctx;

	(void)e;
	buf_add(&m->file, part);
	return !m->file.over;
}

static void
begin(struct made *m)
{
	struct dicomdir_room room = {append, read_back, m};

	*m = (struct made){.ds = NULL};
	buf_init(&m->room, 64 * MIB);
	buf_init(&m->file, 64 * MIB);
	arena_init(&m->arena, 256 * MIB);
	m->d = dicomdir_new("SET_1", &room);
}

static void
end(struct made *m)
{
	dicomdir_free(&m->d);
	buf_fini(&m->room);
	buf_fini(&m->file);
	arena_fini(&m->arena);
	free(m->offsets);
}

static uint32_t
add(struct made *m, uint32_t parent, enum directory_type type,
    const struct dataset *from, const char *file_id)
{
	struct directory_entry entry = {.type = type,
	    .from = from,
	    .number = 7,
	    .name = STR("NAME0001"),
	    .charset = STR("ISO_IR 100"),
	    .file_id = str_from(file_id),
	    .sop_class = STR(UID_CTImageStorage),
	    .sop_instance = STR("1.2.3.4"),
	    .syntax = STR(UID_ExplicitVRLittleEndian)};
	struct err e;
	uint32_t i = 0;

	CHECK(dicomdir_add(m->d, parent, &entry, &i, &e));
	return i;
}

static uint32_t
u32_at(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/* Writes and reads the file, and finds its records. */
static void
finish(struct made *m)
{
	const struct element *records;
	struct file_meta meta;
	struct err e;
	size_t at, i;

	CHECK(dicomdir_write(m->d, keep, m, &e));
	CHECK(file_meta_read(buf_str(&m->file), &meta, &e));
	CHECK(str_eq_text(meta.sop_class, UID_MediaStorageDirectoryStorage));
	CHECK(str_eq_text(meta.syntax, UID_ExplicitVRLittleEndian));
	CHECK(dataset_read(&m->arena,
	    str_of(m->file.p + meta.data_offset,
		m->file.n - (size_t)meta.data_offset),
	    little, LIMIT_HEADER_VALUE, 0, &m->ds, &e));
	records = dataset_find(m->ds, TAG_DirectoryRecordSequence);
	CHECK(records != NULL);
	m->records = records->item_count;
	m->offsets = must_alloc((m->records + 1) * sizeof(*m->offsets));
	at = m->file.n - records->length;
	for (i = 0; i < m->records; i++) {
		CHECK_EQ(u32_at(m->file.p + at), 0xe000fffeU);
		m->offsets[i] = (uint32_t)at;
		at += 8 + u32_at(m->file.p + at + 4);
	}
	CHECK_EQ(at, m->file.n);
}

static const struct dataset *
record(const struct made *m, size_t i)
{
	const struct dataset *item =
	    dataset_find(m->ds, TAG_DirectoryRecordSequence)->items;

	while (i-- > 0)
		item = item->next;
	return item;
}

static uint32_t
offset(const struct dataset *ds, uint32_t tag)
{
	int64_t v = -1;

	CHECK(dataset_int(ds, tag, &v));
	return (uint32_t)v;
}

/* Which record begins there; -1 for no offset. */
static int
record_at(const struct made *m, uint32_t at)
{
	size_t i;

	if (at == 0)
		return -1;
	for (i = 0; i < m->records; i++)
		if (m->offsets[i] == at)
			return (int)i;
	CHECK(false);
	return -2;
}

static int
next_of(const struct made *m, size_t i)
{
	return record_at(
	    m, offset(record(m, i), TAG_OffsetOfTheNextDirectoryRecord));
}

static int
lower_of(const struct made *m, size_t i)
{
	return record_at(
	    m, offset(record(m, i),
		   TAG_OffsetOfReferencedLowerLevelDirectoryEntity));
}

static bool
is(const struct dataset *ds, uint32_t tag, const char *text)
{
	return str_eq_text(dataset_str(ds, tag), text);
}

static int
root(const struct made *m, bool last)
{
	return record_at(m,
	    offset(m->ds,
		last
		    ? TAG_OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity
		    : TAG_OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity));
}

/* However they come, they stand as one reads them. */
TEST(tree)
{
	struct made m;
	uint32_t p1, p2, s1, s2, e1, e2, e3;

	begin(&m);
	p1 = add(&m, DICOMDIR_ROOT, DIRECTORY_PATIENT, NULL, NULL);
	p2 = add(&m, DICOMDIR_ROOT, DIRECTORY_PATIENT, NULL, NULL);
	s2 = add(&m, p2, DIRECTORY_STUDY, NULL, NULL);
	s1 = add(&m, p1, DIRECTORY_STUDY, NULL, NULL);
	e1 = add(&m, s1, DIRECTORY_SERIES, NULL, NULL);
	e2 = add(&m, s1, DIRECTORY_SERIES, NULL, NULL);
	e3 = add(&m, s2, DIRECTORY_SERIES, NULL, NULL);
	add(&m, e2, DIRECTORY_IMAGE, NULL, "DICOM\\A1");
	add(&m, e1, DIRECTORY_IMAGE, NULL, "DICOM\\A2");
	add(&m, e2, DIRECTORY_IMAGE, NULL, "DICOM\\A3");
	add(&m, e3, DIRECTORY_IMAGE, NULL, "DICOM\\A4");
	add(&m, DICOMDIR_ROOT, DIRECTORY_PALETTE, NULL, "DICOM\\A5");
	finish(&m);
	CHECK(is(m.ds, TAG_FileSetID, "SET_1"));
	/* 0 p1, 1 s1, 2 e1, 3 A2, 4 e2, 5 A1, 6 A3, 7 p2, 8 s2, 9 e3, 10 A4,
	 * 11 A5 */
	CHECK_EQ(m.records, 12);
	CHECK_EQ(root(&m, false), 0);
	CHECK_EQ(root(&m, true), 11);
	CHECK_EQ(next_of(&m, 0), 7);
	CHECK_EQ(lower_of(&m, 0), 1);
	CHECK_EQ(next_of(&m, 1), -1);
	CHECK_EQ(lower_of(&m, 1), 2);
	CHECK_EQ(next_of(&m, 2), 4);
	CHECK_EQ(lower_of(&m, 2), 3);
	CHECK_EQ(next_of(&m, 3), -1);
	CHECK_EQ(lower_of(&m, 3), -1);
	CHECK_EQ(lower_of(&m, 4), 5);
	CHECK_EQ(next_of(&m, 5), 6);
	CHECK_EQ(next_of(&m, 7), 11);
	CHECK_EQ(lower_of(&m, 7), 8);
	CHECK_EQ(next_of(&m, 11), -1);
	CHECK(is(record(&m, 6), TAG_ReferencedFileID, "DICOM\\A3"));
	CHECK(is(record(&m, 11), TAG_DirectoryRecordType, "PALETTE"));
	end(&m);
}

static void
add_number(struct made *m, uint32_t series, const char *number, const char *id)
{
	struct dataset *from = dataset_new(&m->arena);

	if (number != NULL)
		CHECK(
		    dataset_put_text(from, TAG_InstanceNumber, VR_IS, number));
	add(m, series, DIRECTORY_IMAGE, from, id);
}

TEST(in_the_order_of_numbers)
{
	static const char *const ids[] = {"C", "B", "D", "A", "E"};
	struct made m;
	uint32_t e;
	size_t i;

	begin(&m);
	e = add(&m, DICOMDIR_ROOT, DIRECTORY_SERIES, NULL, NULL);
	add_number(&m, e, "10", "A");
	add_number(&m, e, "9", "B");
	add_number(&m, e, "-1", "C");
	add_number(&m, e, "9", "D");
	add_number(&m, e, "99999", "E");
	finish(&m);
	for (i = 0; i < ARRAY_LEN(ids); i++)
		CHECK(is(record(&m, i + 1), TAG_ReferencedFileID, ids[i]));
	CHECK_EQ(next_of(&m, 5), -1);
	CHECK_EQ(next_of(&m, 1), 2);
	end(&m);
}

TEST(nothing_without_a_file)
{
	struct made m;
	uint32_t p, s, e;

	begin(&m);
	finish(&m);
	CHECK_EQ(m.records, 0);
	CHECK_EQ(root(&m, false), -1);
	CHECK_EQ(root(&m, true), -1);
	end(&m);
	begin(&m);
	p = add(&m, DICOMDIR_ROOT, DIRECTORY_PATIENT, NULL, NULL);
	s = add(&m, p, DIRECTORY_STUDY, NULL, NULL);
	add(&m, s, DIRECTORY_SERIES, NULL, NULL);
	e = add(&m, s, DIRECTORY_SERIES, NULL, NULL);
	add(&m, e, DIRECTORY_IMAGE, NULL, "A");
	add(&m, s, DIRECTORY_SERIES, NULL, NULL);
	add(&m, DICOMDIR_ROOT, DIRECTORY_PATIENT, NULL, NULL);
	finish(&m);
	CHECK_EQ(m.records, 4);
	CHECK_EQ(root(&m, true), 0);
	CHECK_EQ(next_of(&m, 2), -1);
	end(&m);
}

/* The same file-set has the same UID, another one another. */
TEST(file_set_uid)
{
	static const char *const ids[] = {"A", "A", "B"};
	struct file_meta meta;
	char uids[3][65];
	struct made m;
	struct err e;
	size_t i;

	for (i = 0; i < 3; i++) {
		begin(&m);
		add(&m, DICOMDIR_ROOT, DIRECTORY_PALETTE, NULL, ids[i]);
		finish(&m);
		CHECK(file_meta_read(buf_str(&m.file), &meta, &e));
		CHECK(str_copy(uids[i], 65, str_trim(meta.sop_instance)));
		end(&m);
	}
	CHECK(strcmp(uids[0], uids[1]) == 0);
	CHECK(strcmp(uids[0], uids[2]) != 0);
}

TEST(what_is_missing)
{
	struct dataset *from;
	struct made m;
	uint32_t p, s, e;

	begin(&m);
	from = dataset_new(&m.arena);
	CHECK(dataset_put_text(from, TAG_AcquisitionDate, VR_DA, "2001.02.03"));
	CHECK(dataset_put_text(from, TAG_ContentTime, VR_TM, "12:30:00"));
	CHECK(dataset_put_text(from, TAG_InstanceNumber, VR_IS, "12a"));
	p = add(&m, DICOMDIR_ROOT, DIRECTORY_PATIENT, from, NULL);
	s = add(&m, p, DIRECTORY_STUDY, from, NULL);
	e = add(&m, s, DIRECTORY_SERIES, from, NULL);
	add(&m, e, DIRECTORY_SR_DOCUMENT, from, "A");
	add(&m, e, DIRECTORY_WAVEFORM, NULL, "B");
	add(&m, e, DIRECTORY_SPECTROSCOPY, NULL, "C");
	finish(&m);
	CHECK(is(record(&m, 0), TAG_PatientID, "NAME0001"));
	CHECK(dataset_find(record(&m, 0), TAG_PatientName) != NULL);
	CHECK(dataset_find(record(&m, 0), TAG_PatientSex) == NULL);
	CHECK(is(record(&m, 1), TAG_StudyDate, "20010203"));
	CHECK(is(record(&m, 1), TAG_StudyTime, "000000"));
	CHECK(is(record(&m, 1), TAG_StudyID, "7"));
	CHECK(is(record(&m, 2), TAG_Modality, "OT"));
	CHECK(is(record(&m, 2), TAG_SeriesNumber, "7"));
	CHECK(is(record(&m, 3), TAG_ContentDate, "20010203"));
	CHECK(is(record(&m, 3), TAG_ContentTime, "123000.000000"));
	CHECK(is(record(&m, 3), TAG_InstanceNumber, "7"));
	CHECK(is(record(&m, 3), TAG_VerificationFlag, "UNVERIFIED"));
	CHECK(
	    is(dataset_find(record(&m, 3), TAG_ConceptNameCodeSequence)->items,
		TAG_CodeValue, "UNKNOWN"));
	CHECK(is(record(&m, 4), TAG_ContentDate, "19000101"));
	CHECK_EQ(offset(record(&m, 5), TAG_Rows), 1);
	CHECK_EQ(offset(record(&m, 5), TAG_DataPointRows), 1);
	end(&m);
}

static void
add_content(struct dataset *ds, const char *relationship, const char *title)
{
	struct dataset *item = dataset_put_item(ds, TAG_ContentSequence);
	struct dataset *code;

	CHECK(
	    dataset_put_text(item, TAG_RelationshipType, VR_CS, relationship));
	code = dataset_put_item(item, TAG_ConceptNameCodeSequence);
	CHECK(dataset_put_text(code, TAG_CodeMeaning, VR_LO, title));
}

TEST(sequences)
{
	struct dataset *from, *observer;
	const struct element *content;
	struct made m;

	begin(&m);
	from = dataset_new(&m.arena);
	add_content(from, "HAS CONCEPT MOD", "M\xc3\xbcller");
	add_content(from, "CONTAINS", "Findings");
	CHECK(dataset_put_text(from, TAG_VerificationFlag, VR_CS, "VERIFIED"));
	observer = dataset_put_item(from, TAG_VerifyingObserverSequence);
	CHECK(dataset_put_text(
	    observer, TAG_VerificationDateTime, VR_DT, "20250102101112"));
	observer = dataset_put_item(from, TAG_VerifyingObserverSequence);
	CHECK(dataset_put_text(
	    observer, TAG_VerificationDateTime, VR_DT, "20260102101112"));
	add(&m, DICOMDIR_ROOT, DIRECTORY_SR_DOCUMENT, from, "A");
	finish(&m);
	CHECK(is(record(&m, 0), TAG_VerificationDateTime, "20260102101112"));
	CHECK(is(record(&m, 0), TAG_SpecificCharacterSet, "ISO_IR 100"));
	content = dataset_find(record(&m, 0), TAG_ContentSequence);
	CHECK_EQ(content->item_count, 1);
	content = dataset_find(content->items, TAG_ConceptNameCodeSequence);
	CHECK(is(content->items, TAG_CodeMeaning, "M\xfcller"));
	end(&m);
}

/* What is too large is left out, not the record. */
TEST(large_sequences)
{
	struct dataset *from, *item;
	struct made m;
	int i;

	begin(&m);
	from = dataset_new(&m.arena);
	for (i = 0; i < 60000; i++) {
		item = dataset_put_item(from, TAG_ReferencedImageSequence);
		CHECK(dataset_put_text(item, TAG_ReferencedSOPInstanceUID,
		    VR_UI, "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17"));
	}
	CHECK(dataset_put_text(from, TAG_InstanceNumber, VR_IS, "3"));
	add(&m, DICOMDIR_ROOT, DIRECTORY_IMAGE, from, "A");
	finish(&m);
	CHECK(is(record(&m, 0), TAG_InstanceNumber, "3"));
	CHECK(dataset_find(record(&m, 0), TAG_ReferencedImageSequence) == NULL);
	end(&m);
}

TEST(types)
{
	struct arena a;
	struct dataset *ds;
	uint16_t i;

	arena_init(&a, 1 * MIB);
	ds = dataset_new(&a);
	CHECK_EQ(
	    directory_type(STR(UID_RTDoseStorage), NULL), DIRECTORY_RT_DOSE);
	CHECK_EQ(
	    directory_type(STR(UID_CTImageStorage), NULL), DIRECTORY_IMAGE);
	CHECK_EQ(directory_type(STR("1.2.3"), ds), DIRECTORY_PRIVATE);
	CHECK(dataset_put_u16(ds, TAG_Rows, 2));
	CHECK(dataset_put_u16(ds, TAG_Columns, 2));
	CHECK_EQ(directory_type(STR("1.2.3"), ds), DIRECTORY_IMAGE);
	for (i = 0; i < DIRECTORY_TYPES; i++)
		CHECK(strlen(directory_type_name(i)) <= 16);
	CHECK(directory_wanted(TAG_PatientName));
	CHECK(!directory_wanted(TAG_PixelData));
	CHECK(directory_stop_tag(STR(UID_CTImageStorage)) <= TAG_PixelData);
	CHECK(directory_stop_tag(STR(UID_EncapsulatedPDFStorage)) <=
	      TAG_EncapsulatedDocument);
	CHECK(directory_stop_tag(STR(UID_RTPlanStorage)) > TAG_RTPlanTime);
	arena_fini(&a);
}

TEST(file_ids)
{
	CHECK(directory_file_id_valid(STR("DICOMDIR")));
	CHECK(directory_file_id_valid(STR("A\\B\\C\\D\\E\\F\\G\\IM_00001")));
	CHECK(!directory_file_id_valid(STR("A\\B\\C\\D\\E\\F\\G\\H\\I")));
	CHECK(!directory_file_id_valid(STR("IM0000001")));
	CHECK(!directory_file_id_valid(STR("README.TXT")));
	CHECK(!directory_file_id_valid(STR("a")));
	CHECK(!directory_file_id_valid(STR("A\\\\B")));
	CHECK(!directory_file_id_valid(STR("")));
}

static uint64_t state = 88172645463325252U;

static uint32_t
any(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

/* Bytes of all kinds, also those that delimit and pad. */
static struct str
any_text(uint8_t *p, size_t room)
{
	static const char *const pieces[] = {"\\", "^", "=", " ", "\0",
	    "\x1b$B", "M\xc3\xbcller", "\xe5\xb1\xb1\xe7\x94\xb0", "\xff", "A",
	    "19990101", "12", "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd", "'\"", "-1"};
	size_t n = 0, k, times = any(6);
	const char *piece;

	while (times-- > 0) {
		piece = pieces[any(ARRAY_LEN(pieces))];
		k = piece[0] == '\0' ? 1 : strlen(piece);
		if (n + k > room)
			break;
		memcpy(p + n, piece, k);
		n += k;
	}
	return str_of(p, n);
}

static void
any_dataset(struct dataset *ds, unsigned depth)
{
	static const uint32_t tags[] = {
#define DIRECTORY_KEY(type, attribute, need, instead, literal) TAG_##attribute,
#include "dicom/dicomdir.def"
	};
	uint8_t text[256];
	size_t i;
	enum vr vr;

	for (i = 0; i < ARRAY_LEN(tags); i++) {
		if (any(3) == 0)
			continue;
		vr = any(9) == 0 ? VR_UN : dict_vr(tags[i]);
		if (vr != VR_SQ)
			CHECK(dataset_put(
			    ds, tags[i], vr, any_text(text, sizeof(text))));
		else if (depth < 3)
			any_dataset(dataset_put_item(ds, tags[i]), depth + 1);
	}
}

/* A text as it was, in the record's character set. */
static void
check_text(const struct made *m, const struct dataset *made,
    const struct dataset *from, uint32_t tag)
{
	struct str was = str_trim(dataset_find(from, tag)->value);
	struct arena a;
	struct str is_now;

	if (was.n == 0)
		return;
	arena_init(&a, 1 * MIB);
	is_now =
	    charset_to_utf8(&a, dataset_str(made, TAG_SpecificCharacterSet),
		dataset_str(made, tag), dict_vr(tag) == VR_PN);
	CHECK(str_eq(is_now, was));
	arena_fini(&a);
	(void)m;
}

TEST(random_objects)
{
	struct dataset *from;
	struct made m;
	int round;
	uint32_t p, s, e;
	unsigned type;

	for (round = 0; round < 60; round++) {
		begin(&m);
		from = dataset_new(&m.arena);
		any_dataset(from, 0);
		CHECK(dataset_put_text(from, TAG_StudyDescription, VR_LO,
		    round % 2 == 0 ? "\xe5\xb1\xb1 M\xc3\xbcller"
				   : "Jos\xc3\xa9"));
		p = add(&m, DICOMDIR_ROOT, DIRECTORY_PATIENT, from, NULL);
		s = add(&m, p, DIRECTORY_STUDY, from, NULL);
		e = add(&m, s, DIRECTORY_SERIES, from, NULL);
		for (type = DIRECTORY_IMAGE; type < DIRECTORY_TYPES; type++)
			add(&m, e, type, from, "DICOM\\X");
		finish(&m);
		CHECK_EQ(m.records, 3 + DIRECTORY_TYPES - DIRECTORY_IMAGE);
		CHECK_EQ(next_of(&m, 3), 4);
		CHECK(dataset_str(record(&m, 0), TAG_PatientID).n > 0);
		CHECK_EQ(dataset_str(record(&m, 1), TAG_StudyDate).n, 8);
		CHECK(dataset_str(record(&m, 1), TAG_StudyTime).n > 0);
		CHECK(dataset_str(record(&m, 2), TAG_SeriesNumber).n > 0);
		check_text(&m, record(&m, 1), from, TAG_StudyDescription);
		end(&m);
	}
}

TEST_MAIN
