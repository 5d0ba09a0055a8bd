/*
 * Part 10 files: every form of what stands before the data set, and a folder
 * of real files where there is one: $FILEROOM_SHARED/data, else
 * ../shared/data, with a MANIFEST.tsv that says what is malformed.
 */
#include "dicom/file.h"

#include "dicom/build.h"
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct syntax implicit = {
    UID_ImplicitVRLittleEndian, false, false, false, false};
static const struct syntax little = {
    UID_ExplicitVRLittleEndian, true, false, false, false};
static const struct syntax big = {
    UID_ExplicitVRBigEndian, true, true, false, false};

#define CT "1.2.840.10008.5.1.4.1.1.2"

static struct buf
start(void)
{
	struct buf b;

	buf_init(&b, 1 * MIB);
	return b;
}

static struct buf
with_prefix(void)
{
	struct buf b = start();

	buf_fill(&b, 0, FILE_PREAMBLE);
	buf_text(&b, "DICM");
	return b;
}

static void
put(struct buf *b, uint32_t tag, enum vr vr, const char *text,
    struct syntax syntax)
{
	build_element(b, tag, vr, str_from(text), syntax);
}

static void
put_data(struct buf *b, struct syntax syntax)
{
	put(b, TAG_SOPClassUID, VR_UI, CT, syntax);
	put(b, TAG_SOPInstanceUID, VR_UI, "1.2.3", syntax);
	put(b, TAG_PatientID, VR_LO, "id", syntax);
}

/* Read, and compare what matters; data_at is where the data set was put. */
static void
expect(struct buf *b, const char *syntax, bool guessed, size_t data_at)
{
	struct file_meta meta;
	struct err e = {0};

	if (CHECK(file_meta_read(buf_str(b), &meta, &e))) {
		CHECK_STR(meta.syntax, syntax);
		CHECK_EQ(meta.guessed, guessed);
		CHECK_EQ(meta.data_offset, data_at);
		CHECK(meta.meta_offset <= meta.data_offset);
	} else {
		printf("message: %s\n", e.text);
	}
	buf_fini(b);
}

static void
expect_failure(struct buf *b, enum err_code code)
{
	struct file_meta meta;
	struct err e = {0};

	CHECK(!file_meta_read(buf_str(b), &meta, &e));
	CHECK_EQ(e.code, code);
	buf_fini(b);
}

TEST(build_and_read)
{
	struct buf b = start();
	struct err e;
	struct file_meta meta;
	const struct file_meta want = {
	    .sop_class = STR(CT),
	    .sop_instance = STR("1.2.3"),
	    .syntax = STR(UID_JPEGBaseline8Bit),
	    .source_ae = STR("SCANNER"),
	    .private_creator = STR("2.25.1"),
	    .private_info = STR("\1\2\3\4"),
	};

	CHECK(file_meta_build(&b, &want, &e));
	CHECK_EQ(b.n % 2, 0);
	CHECK(!memcmp(b.p + 128, "DICM\2\0\0\0UL\4\0", 12));
	CHECK(!memcmp(b.p + 144, "\2\0\1\0OB\0\0\2\0\0\0\0\1", 14));
	CHECK_EQ(b.p[140] + b.p[141] * 256, (int)b.n - 144);
	if (CHECK(file_meta_read(buf_str(&b), &meta, &e))) {
		CHECK_STR(meta.sop_class, CT);
		CHECK_STR(meta.sop_instance, "1.2.3");
		CHECK_STR(meta.syntax, UID_JPEGBaseline8Bit);
		CHECK_STR(meta.source_ae, "SCANNER");
		CHECK_STR(meta.private_creator, "2.25.1");
		CHECK_STR(meta.private_info, "\1\2\3\4");
		CHECK(!meta.guessed);
		CHECK_EQ(meta.meta_offset, 132);
		CHECK_EQ(meta.data_offset, b.n);
	}
	buf_fini(&b);
}

/* The whole header as a data set of its own: in order, readable by others. */
TEST(built_header_is_well_formed)
{
	struct buf b = start();
	struct dataset *ds;
	struct arena a;
	struct err e;
	const struct file_meta want = {
	    .sop_class = STR(CT),
	    .sop_instance = STR("1.2.3"),
	    .syntax = STR(UID_ExplicitVRLittleEndian),
	};
	size_t i;

	arena_init(&a, 1 * MIB);
	CHECK(file_meta_build(&b, &want, &e));
	if (CHECK(dataset_read(
		&a, str_of(b.p + 132, b.n - 132), little, 1000, 0, &ds, &e))) {
		CHECK_EQ(ds->n, 7);
		for (i = 0; i < ds->n; i++)
			CHECK_EQ(TAG_GROUP(ds->elements[i].tag), 2);
		CHECK_STR(dataset_str(ds, TAG_ImplementationClassUID),
		    IMPLEMENTATION_CLASS_UID);
		CHECK_STR(dataset_str(ds, TAG_ImplementationVersionName),
		    IMPLEMENTATION_VERSION_NAME);
		CHECK(
		    dataset_find(ds, TAG_SourceApplicationEntityTitle) == NULL);
	}
	arena_fini(&a);
	buf_fini(&b);
}

TEST(build_has_a_limit)
{
	static uint8_t info[128 * KIB];
	struct buf b;
	struct err e;
	struct file_meta want = {
	    .sop_class = STR(CT),
	    .sop_instance = STR("1.2.3"),
	    .syntax = STR(UID_ExplicitVRLittleEndian),
	};

	buf_init(&b, 200);
	CHECK(!file_meta_build(&b, &want, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	buf_fini(&b);
	b = start();
	want.private_creator = STR("2.25.1");
	want.private_info = str_of(info, sizeof(info));
	CHECK(!file_meta_build(&b, &want, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	buf_fini(&b);
}

static void
put_group_length(struct buf *b, uint32_t n)
{
	build_header(b, TAG_FileMetaInformationGroupLength, VR_UL, 4, little);
	buf_u32le(b, n);
}

TEST(group_length_wrong_or_missing)
{
	static const uint32_t lengths[] = {0, 1, 8, 28, 34, 1000, 0xffffffff};
	struct buf b;
	size_t i, at;

	for (i = 0; i <= ARRAY_LEN(lengths); i++) {
		b = with_prefix();
		if (i < ARRAY_LEN(lengths))
			put_group_length(&b, lengths[i]);
		put(&b, TAG_TransferSyntaxUID, VR_UI,
		    UID_ExplicitVRLittleEndian, little);
		put(&b, TAG_SourceApplicationEntityTitle, VR_AE, "A", little);
		at = b.n;
		put_data(&b, little);
		expect(&b, UID_ExplicitVRLittleEndian, false, at);
	}
}

/* Bytes that look like group 2 at the beginning of a deflated data set. */
TEST(group_length_leads_to_deflated_data)
{
	struct buf b = with_prefix();

	put_group_length(&b, 30);
	put(&b, TAG_TransferSyntaxUID, VR_UI,
	    UID_DeflatedExplicitVRLittleEndian, little);
	CHECK_EQ(b.n, 144 + 30);
	buf_add(&b, STR("\2\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
	expect(&b, UID_DeflatedExplicitVRLittleEndian, false, 144 + 30);
}

TEST(elements_out_of_order_and_odd)
{
	struct buf b = with_prefix();
	struct file_meta meta;
	struct err e;

	put(&b, TAG_TransferSyntaxUID, VR_UI, UID_ExplicitVRLittleEndian,
	    little);
	buf_add(&b, STR("\2\0\3\0UI\5\0"
			"1.2.3"));
	put_group_length(&b, 4);
	buf_add(&b, STR("\2\0\2\0UI\3\0"
			"1.2"));
	put(&b, TAG_TransferSyntaxUID, VR_UI, UID_JPEGBaseline8Bit, little);
	if (CHECK(file_meta_read(buf_str(&b), &meta, &e))) {
		CHECK_STR(meta.syntax, UID_ExplicitVRLittleEndian);
		CHECK_STR(meta.sop_class, "1.2");
		CHECK_STR(meta.sop_instance, "1.2.3");
		CHECK_EQ(meta.data_offset, b.n);
	}
	buf_fini(&b);
}

TEST(meta_header_in_implicit_vr)
{
	struct buf b = with_prefix();
	size_t at;

	put(&b, TAG_TransferSyntaxUID, VR_UI, UID_ImplicitVRLittleEndian,
	    implicit);
	at = b.n;
	put_data(&b, implicit);
	expect(&b, UID_ImplicitVRLittleEndian, false, at);
}

TEST(no_preamble_but_group_2)
{
	struct buf b = start();
	size_t at;

	put_group_length(&b, 28);
	put(&b, TAG_TransferSyntaxUID, VR_UI, UID_ExplicitVRLittleEndian,
	    little);
	at = b.n;
	put_data(&b, little);
	expect(&b, UID_ExplicitVRLittleEndian, false, at);
	b = start();
	buf_text(&b, "DICM");
	put(&b, TAG_TransferSyntaxUID, VR_UI, UID_ExplicitVRLittleEndian,
	    little);
	at = b.n;
	put_data(&b, little);
	expect(&b, UID_ExplicitVRLittleEndian, false, at);
}

TEST(no_header_at_all)
{
	struct buf b = start();

	put_data(&b, little);
	expect(&b, UID_ExplicitVRLittleEndian, true, 0);
	b = start();
	put_data(&b, big);
	expect(&b, UID_ExplicitVRBigEndian, true, 0);
	b = start();
	put_data(&b, implicit);
	expect(&b, UID_ImplicitVRLittleEndian, true, 0);
	b = start();
	buf_add(&b, STR("\x08\0\0\0\4\0\0\0\x10\1\0\0"));
	put(&b, TAG(8, 1), VR_UL, "xxxx", implicit);
	expect(&b, UID_ImplicitVRLittleEndian, true, 0);
	b = start();
	build_header(
	    &b, TAG_ReferencedImageSequence, VR_SQ, LENGTH_UNDEFINED, big);
	build_header(&b, TAG(0xfffe, 0xe0dd), VR_NONE, 0, big);
	expect(&b, UID_ExplicitVRBigEndian, true, 0);
	/* A first value that is not all there yet is no reason to guess. */
	b = start();
	put(&b, TAG_PatientID, VR_LO, "id", implicit);
	b.n--;
	expect_failure(&b, ERR_MALFORMED);
}

TEST(prefix_but_no_group_2)
{
	struct buf b = with_prefix();

	put_data(&b, little);
	expect(&b, UID_ExplicitVRLittleEndian, true, 132);
	/* The four letters by chance, in a value of a bare data set. */
	b = start();
	put(&b, TAG_ImageType, VR_CS, "A", little);
	build_header(&b, TAG_StudyDescription, VR_LO, 200, little);
	buf_fill(&b, 'x', 128 - b.n);
	buf_text(&b, "DICM");
	buf_fill(&b, 'x', 18 + 200 - b.n);
	put_data(&b, little);
	expect(&b, UID_ExplicitVRLittleEndian, true, 0);
}

TEST(no_transfer_syntax)
{
	struct buf b = with_prefix();
	size_t at;

	put(&b, TAG_SourceApplicationEntityTitle, VR_AE, "A", little);
	put(&b, TAG_TransferSyntaxUID, VR_UI, "", little);
	at = b.n;
	put_data(&b, implicit);
	expect(&b, UID_ImplicitVRLittleEndian, true, at);
	b = with_prefix();
	put(&b, TAG_SourceApplicationEntityTitle, VR_AE, "A", little);
	expect_failure(&b, ERR_MALFORMED);
}

TEST(preambles_of_other_formats)
{
	static const char *others[] = {
	    "{\"json\":\"", "MZ\x90", "\177ELF\2\1\1", "II*", "MM", "<html>"};
	struct buf b;
	size_t i, at;

	for (i = 0; i < ARRAY_LEN(others); i++) {
		b = with_prefix();
		memcpy(b.p, others[i], strlen(others[i]));
		put(&b, TAG_TransferSyntaxUID, VR_UI,
		    UID_ExplicitVRLittleEndian, little);
		at = b.n;
		put_data(&b, little);
		expect(&b, UID_ExplicitVRLittleEndian, false, at);
	}
}

TEST(no_data_set)
{
	static const char *others[] = {"", "D", "DICM", "hello, world",
	    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "MSH|^~\\&|A|B|C|D|",
	    "\x89PNG\r\n\x1a\n", "%PDF-1.7 ............................."};
	struct buf b;
	size_t i;

	for (i = 0; i < ARRAY_LEN(others); i++) {
		b = start();
		buf_text(&b, others[i]);
		expect_failure(&b, ERR_MALFORMED);
	}
	b = start();
	buf_fill(&b, 0, 1000);
	expect_failure(&b, ERR_MALFORMED);
	b = start();
	buf_fill(&b, 0xff, 1000);
	expect_failure(&b, ERR_MALFORMED);
	b = with_prefix();
	expect_failure(&b, ERR_MALFORMED);
}

TEST(meta_header_that_does_not_end)
{
	struct buf b = with_prefix();

	put(&b, TAG_TransferSyntaxUID, VR_UI, UID_ExplicitVRLittleEndian,
	    little);
	build_header(&b, TAG_PrivateInformation, VR_OB, 1000, little);
	buf_fill(&b, 0, 999);
	expect_failure(&b, ERR_MALFORMED);
	b = with_prefix();
	build_header(
	    &b, TAG_PrivateInformation, VR_OB, LENGTH_UNDEFINED, little);
	buf_fill(&b, 0, 999);
	expect_failure(&b, ERR_MALFORMED);
	b = with_prefix();
	build_header(&b, TAG_PrivateInformation, VR_OB, 100000, little);
	buf_fill(&b, 0, LIMIT_META - b.n);
	expect_failure(&b, ERR_LIMIT);
	b = with_prefix();
	build_header(&b, TAG_PrivateInformation, VR_OB, 100000, little);
	buf_fill(&b, 0, 100000);
	put_data(&b, little);
	expect_failure(&b, ERR_LIMIT);
}

/* Every cut of a regular file: never an invalid slice, never another place. */
TEST(every_cut)
{
	struct buf b = start();
	struct err e;
	struct file_meta meta;
	const struct file_meta want = {
	    .sop_class = STR(CT),
	    .sop_instance = STR("1.2.3"),
	    .syntax = STR(UID_ExplicitVRLittleEndian),
	};
	size_t n, at, read = 0;
	uint8_t *copy;

	CHECK(file_meta_build(&b, &want, &e));
	at = b.n;
	put_data(&b, little);
	for (n = 0; n <= b.n; n++) {
		copy = must_alloc(n);
		memcpy(copy, b.p, n);
		if (file_meta_read(str_of(copy, n), &meta, &e)) {
			CHECK(meta.data_offset <= n);
			if (n >= at)
				CHECK_EQ(meta.data_offset, at);
			read++;
		}
		free(copy);
	}
	CHECK(read > b.n - at);
	buf_fini(&b);
}

/* Files of the folder that are refused, rightly; the others are read. */
static const char *const refused[] = {
    "/DICOMDIR-nooffset",    /* its last item is cut off */
    "/rtplan_truncated.dcm", /* cut in a value */
    "/no_meta.dcm",          /* one byte before the data set is lost */
    "/MR_truncated.dcm",     /* Pixel Data too short */
    "/GH364.dcm",            /* an item outside of a sequence */
    "/3gb-bulk-data-truncated",
    "/emri_small_jpeg_2k_lossless_too_short.dcm",
    "/a_associate_ac.bin",
};

static bool
is_refused(struct str path)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(refused); i++)
		if (str_ends(path, str_from(refused[i])))
			return true;
	return false;
}

static bool
parse_bytes_of(struct str bytes, struct err *e)
{
	static const struct parse_events none;
	struct file_meta meta;
	struct parse *p;
	struct str data;
	bool ok;

	if (!file_meta_read(
		str_of(bytes.p, bytes.n < LIMIT_META ? bytes.n : LIMIT_META),
		&meta, e))
		return false;
	data = str_of(
	    bytes.p + meta.data_offset, bytes.n - (size_t)meta.data_offset);
	p = parse_new(syntax_of(meta.syntax), &none, NULL);
	ok = parse_feed(p, data, e) && parse_end(p, e);
	parse_free(&p);
	return ok;
}

static bool
parse_file(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;
	bool ok;

	if (fd < 0)
		return fail_errno(e, "cannot open");
	must(fstat(fd, &st) == 0 && st.st_size > 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	must(p != MAP_FAILED);
	close(fd);
	ok = parse_bytes_of(str_of(p, (size_t)st.st_size), e);
	munmap(p, (size_t)st.st_size);
	return ok;
}

static int
check_row(const char *folder, struct str line)
{
	char file[4096], path[8192];
	struct str column;
	struct err e = {0};
	bool ok;

	if (!str_split(&line, '\t', &column) ||
	    !str_starts(column, STR("dicom/")) ||
	    !str_copy(file, sizeof(file), column))
		return 0;
	snprintf(path, sizeof(path), "%s/data/%s", folder, file);
	ok = parse_file(path, &e);
	if (!CHECK_EQ(ok, !is_refused(column)))
		printf("%s: %s\n", path, e.text);
	return 1;
}

TEST(a_folder_of_real_files)
{
	const char *folder = getenv("FILEROOM_SHARED");
	char path[4096];
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int files = 0;
	FILE *f;

	if (folder == NULL)
		folder = "../shared";
	snprintf(path, sizeof(path), "%s/data/MANIFEST.tsv", folder);
	f = fopen(path, "re");
	if (f == NULL) {
		printf("skip: no '%s'\n", path);
		return;
	}
	while ((n = getline(&line, &room, f)) > 0)
		files += check_row(folder, str_of(line, (size_t)n));
	CHECK(files > 0);
	printf("%d files\n", files);
	free(line);
	fclose(f);
}

TEST_MAIN
