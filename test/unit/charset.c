/*
 * Specific Character Set: the examples of PS3.5 Annexes H to K byte for byte,
 * every defined term, hostile escapes, and real files (in $FILEROOM_SHARED or
 * ../shared; without them that test is skipped).
 */
#include "dicom/charset.h"
#include "base/limit.h"
#include "base/utf8.h"
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

static struct buf out;
static bool lossy;

static struct str
decode(const char *charset, struct str text, bool person_name)
{
	buf_fini(&out);
	buf_init(&out, 1 * MIB);
	charset_decode(str_from(charset), text, person_name, &out, &lossy);
	CHECK(utf8_valid(buf_str(&out)));
	return buf_str(&out);
}

#define NAME(charset, bytes) decode((charset), STR(bytes), true)
#define TEXT(charset, bytes) decode((charset), STR(bytes), false)

TEST(japanese_h_3_1)
{
	CHECK_STR(NAME("\\ISO 2022 IR 87",
		      "\x59\x61\x6d\x61\x64\x61\x5e\x54\x61\x72\x6f\x75\x3d"
		      "\x1b\x24\x42\x3b\x33\x45\x44\x1b\x28\x42\x5e"
		      "\x1b\x24\x42\x42\x40\x4f\x3a\x1b\x28\x42\x3d"
		      "\x1b\x24\x42\x24\x64\x24\x5e\x24\x40\x1b\x28\x42\x5e"
		      "\x1b\x24\x42\x24\x3f\x24\x6d\x24\x26\x1b\x28\x42"),
	    "Yamada^Tarou=山田^太郎=やまだ^たろう");
	CHECK(!lossy);
}

TEST(japanese_h_3_2)
{
	CHECK_STR(NAME("ISO 2022 IR 13\\ISO 2022 IR 87",
		      "\xd4\xcf\xc0\xde\x5e\xc0\xdb\xb3\x3d"
		      "\x1b\x24\x42\x3b\x33\x45\x44\x1b\x28\x4a\x5e"
		      "\x1b\x24\x42\x42\x40\x4f\x3a\x1b\x28\x4a\x3d"
		      "\x1b\x24\x42\x24\x64\x24\x5e\x24\x40\x1b\x28\x4a\x5e"
		      "\x1b\x24\x42\x24\x3f\x24\x6d\x24\x26\x1b\x28\x4a"),
	    "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
	CHECK(!lossy);
}

TEST(korean_i)
{
	CHECK_STR(
	    NAME("\\ISO 2022 IR 149",
		"\x48\x6f\x6e\x67\x5e\x47\x69\x6c\x64\x6f\x6e\x67\x3d"
		"\x1b\x24\x29\x43\xfb\xf3\x5e\x1b\x24\x29\x43\xd1\xce\xd4\xd7"
		"\x3d\x1b\x24\x29\x43\xc8\xab\x5e\x1b\x24\x29\x43\xb1\xe6"
		"\xb5\xbf"),
	    "Hong^Gildong=洪^吉洞=홍^길동");
	CHECK(!lossy);
	CHECK_STR(TEXT("\\ISO 2022 IR 149",
		      "\x1b$)CThe first line includes \xc7\xd1\xb1\xdb.\r\n"
		      "\x1b$)CThe second line includes \xc7\xd1\xb1\xdb, "
		      "too.\r\nThe third line"),
	    "The first line includes 한글.\r\n"
	    "The second line includes 한글, too.\r\nThe third line");
	CHECK(!lossy);
}

TEST(chinese_j)
{
	CHECK_STR(NAME("ISO_IR 192",
		      "Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1="),
	    "Wang^XiaoDong=王^小東=");
	CHECK(!lossy);
	CHECK_STR(NAME("GB18030",
		      "\x57\x61\x6e\x67\x5e\x58\x69\x61\x6f\x44\x6f\x6e\x67"
		      "\x3d\xcd\xf5\x5e\xd0\xa1\xb6\xab\x3d"),
	    "Wang^XiaoDong=王^小东=");
	CHECK(!lossy);
	CHECK_STR(
	    TEXT("GB18030", "The first line includes \xd6\xd0\xce\xc4.\r\nThe"),
	    "The first line includes 中文.\r\nThe");
	CHECK(!lossy);
	CHECK_STR(NAME("GBK", "\xcd\xf5^\xd0\xa1\xb6\xab"), "王^小东");
}

TEST(chinese_k)
{
	CHECK_STR(
	    NAME("\\ISO 2022 IR 58",
		"\x5A\x68\x61\x6E\x67\x5E\x58\x69\x61\x6F\x44\x6F\x6E\x67\x3D"
		"\x1B\x24\x29\x41\xD5\xC5\x5E"
		"\x1B\x24\x29\x41\xD0\xA1\xB6\xAB\x3D\x20"),
	    "Zhang^XiaoDong=张^小东= ");
	CHECK(!lossy);
	CHECK_STR(TEXT("\\ISO 2022 IR 58",
		      "1.\x1B\x24\x29\x41\xB5\xDA\xD2\xBB\xD0\xD0\xCE\xC4"
		      "\xD7\xD6\xA1\xA3\x0D\x0A"
		      "2.\x1B\x24\x29\x41\xB5\xDA\xB6\xFE\xD0\xD0\xCE\xC4"
		      "\xD7\xD6\xA1\xA3\x0D\x0A"),
	    "1.第一行文字。\r\n2.第二行文字。\r\n");
	CHECK(!lossy);
}

TEST(single_byte_sets)
{
	CHECK_STR(NAME("ISO_IR 100", "\xc4neas^R\xfc"
				     "diger"),
	    "Äneas^Rüdiger");
	CHECK_STR(NAME("ISO_IR 101", "Wa\xb3\xeasa"), "Wałęsa");
	CHECK_STR(NAME("ISO_IR 109", "\xa1\xb1"), "Ħħ");
	CHECK_STR(NAME("ISO_IR 110", "\xa2"), "ĸ");
	CHECK_STR(NAME("ISO_IR 144", "\xbb\xee\xda"
				     "ce\xdc\xd1yp\xd3"),
	    "Люкceмбypг");
	CHECK_STR(
	    NAME("ISO_IR 127", "\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1"),
	    "قباني^لنزار");
	CHECK_STR(NAME("ISO_IR 126", "\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2"),
	    "Διονυσιος");
	CHECK_STR(NAME("ISO_IR 138", "\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4"),
	    "שרון^דבורה");
	CHECK_STR(NAME("ISO_IR 148", "\xddz"), "İz");
	CHECK_STR(NAME("ISO_IR 203", "\xa4\xbd"), "€œ");
	CHECK_STR(NAME("ISO_IR 166", "\xa1\xd2"), "กา");
	CHECK_STR(NAME("ISO_IR 13", "\xd4\xcf\xc0\xde~"), "ﾔﾏﾀﾞ‾");
	CHECK(!lossy);
}

TEST(extensions_of_single_byte_sets)
{
	CHECK_STR(NAME("ISO 2022 IR 100\\ISO 2022 IR 144",
		      "J\xe9r\xf4me=\x1b-L\xbb\xee^\xe9"),
	    "Jérôme=Лю^é");
	CHECK(!lossy);
	CHECK_STR(
	    NAME("ISO 2022 IR 100\\ISO 2022 IR 126", "\x1b-F\xc4\x1b-A\xc4"),
	    "ΔÄ");
	CHECK_STR(TEXT("\\ISO 2022 IR 203", "\x1b-b\xa4"), "€");
	CHECK_STR(TEXT("\\ISO 2022 IR 13", "\x1b)I\xd4\xcf"), "ﾔﾏ");
	CHECK_STR(TEXT("\\ISO 2022 IR 159", "\x1b$(D\x30\x21\x1b(B."), "丂.");
	CHECK(!lossy);
}

/* PS3.5 6.1.2.5.3: what is designated ends at delimiters and controls. */
TEST(delimiters_reset)
{
	CHECK_STR(
	    NAME("ISO 2022 IR 100\\ISO 2022 IR 144", "\x1b-L\xbb=\xe9"), "Л=é");
	CHECK_STR(
	    TEXT("ISO 2022 IR 100\\ISO 2022 IR 144", "\x1b-L\xbb=\xe9"), "Л=щ");
	CHECK_STR(TEXT("ISO 2022 IR 100\\ISO 2022 IR 144", "\x1b-L\xbb\\\xe9"),
	    "Л\\é");
	CHECK_STR(TEXT("ISO 2022 IR 100\\ISO 2022 IR 144", "\x1b-L\xbb\t\xe9"),
	    "Л\té");
	CHECK_STR(
	    TEXT("\\ISO 2022 IR 87", "\x1b$B\x3b\x33\r\nABC"), "山\r\nABC");
}

/* Bytes of delimiters inside characters of two bytes are none. */
TEST(delimiters_inside_characters)
{
	/* JIS X 0208 3B5C, 3B5E, 3B3D. */
	CHECK_STR(
	    NAME("\\ISO 2022 IR 87", "\x1b$B\x3b\x5c\x3b\x5e\x3b\x3d\x1b(B^"),
	    "施枝蚕^");
	CHECK_STR(TEXT("GB18030", "\x81\x5c\\\x81\x5e"), "乗\\乛");
}

TEST(names_as_nec_writes_them)
{
	/* JIS rows 13 and 89 to 92, which the standard leaves empty. */
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$B\x2d\x21\x1b(B"), "①");
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$B\x7c\x62\x1b(B"), "髙");
	CHECK(!lossy);
}

TEST(real_world_spellings)
{
	CHECK_STR(TEXT("ISO-IR 100", "\xe9"), "é");
	CHECK_STR(TEXT("ISO IR 100", "\xe9"), "é");
	CHECK_STR(TEXT("iso_ir_144 ", "\xe9"), "щ");
	CHECK_STR(TEXT("ISO2022IR144", "\xe9"), "щ");
	CHECK_STR(TEXT("ISO 8859-2", "\xb3"), "ł");
	CHECK(!lossy);
	CHECK_STR(TEXT("UTF-8", "\xc3\xa9"), "é");
	CHECK_STR(TEXT("utf8", "\xc3\xa9"), "é");
	CHECK_STR(TEXT("GB2312", "\xcd\xf5"), "王");
	CHECK_STR(TEXT("\\ISO_IR 192", "\xc3\xa9"), "é");
	CHECK(!lossy);
}

TEST(text_without_a_charset)
{
	CHECK_STR(TEXT("", "plain"), "plain");
	CHECK(!lossy);
	CHECK_STR(TEXT("", "\xc3\xa9"), "é");
	CHECK(lossy);
	CHECK_STR(TEXT("", "\xe9"), "é");
	CHECK(lossy);
	CHECK_STR(TEXT("ISO_IR 6", "\xe9"), "é");
	CHECK(lossy);
	CHECK_STR(TEXT("KLINGON", "\xe9"), "é");
	CHECK(lossy);
	CHECK_STR(TEXT("KLINGON", "qapla"), "qapla");
	CHECK(!lossy);
	/* Designated all the same. */
	CHECK_STR(TEXT("", "\x1b$B\x3b\x33\x1b(B."), "山.");
	CHECK(!lossy);
}

/* Many writers designate once for a whole name, or not at all. */
TEST(missing_designations)
{
	CHECK_STR(
	    NAME("\\ISO 2022 IR 149", "\x1b$)C\xfb\xf3^\xd1\xce"), "洪^吉");
	CHECK(!lossy);
	CHECK_STR(NAME("\\ISO 2022 IR 149", "\xfb\xf3^\xd1\xce"), "洪^吉");
	CHECK_STR(NAME("ISO 2022 IR 149", "\xfb\xf3^\xd1\xce"), "洪^吉");
	CHECK(!lossy);
}

#define BAD "\xef\xbf\xbd"

TEST(hostile_escapes)
{
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b"), BAD);
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$"), BAD "$");
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$("), BAD "$(");
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b\x1b\x1b(BA"), BAD BAD "A");
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b[31mred"), BAD "[31mred");
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$B\x3b"), BAD);
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$B\x3b\x1b(B^"), BAD "^");
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$B\x3b\r^"), BAD "\r^");
	CHECK_STR(NAME("\\ISO 2022 IR 87", "\x1b$B\x3b\xbb"), BAD "»");
	CHECK_STR(NAME("\\ISO 2022 IR 149", "\x1b$)C\xfb^"), BAD "^");
	CHECK_STR(NAME("\\ISO 2022 IR 149", "\x1b$)C\xfb"), BAD);
	CHECK_STR(TEXT("ISO_IR 192", "\x1b[0m"), BAD "[0m");
	CHECK_STR(TEXT("GB18030", "\x1b[0m\xcd\xf5"), BAD "[0m王");
	CHECK(lossy);
}

TEST(bytes_that_are_nothing)
{
	CHECK_STR(TEXT("ISO_IR 100", "a\x85"
				     "b"),
	    "a" BAD "b");
	CHECK_STR(TEXT("ISO_IR 127", "\xa1"), BAD);
	CHECK_STR(TEXT("ISO_IR 166", "\xff"), BAD);
	CHECK_STR(TEXT("ISO_IR 13", "\xe0"), BAD);
	CHECK_STR(TEXT("ISO_IR 192", "a\xc0\x80\xed\xa0\x80z"),
	    "a" BAD BAD BAD BAD BAD "z");
	CHECK_STR(TEXT("GB18030", "\xff\x81"), BAD BAD);
	CHECK_STR(TEXT("GB18030", "\x81"), BAD);
	CHECK_STR(TEXT("GB18030", "\x81="), BAD "=");
	CHECK(lossy);
}

TEST(padding_and_nuls)
{
	CHECK_STR(TEXT("ISO_IR 100", "abc\0"), "abc");
	CHECK(!lossy);
	CHECK_STR(TEXT("ISO_IR 100", "a\0b"), "a" BAD "b");
	CHECK(lossy);
	CHECK_STR(TEXT("ISO_IR 192", "a\0b\0\0"), "a" BAD "b");
	CHECK_STR(TEXT("GB18030", "a\0b"), "a" BAD "b");
	CHECK_STR(TEXT("ISO_IR 100", "\0\0"), "");
	CHECK_STR(TEXT("ISO_IR 100", ""), "");
}

TEST(long_chinese_text)
{
	static uint8_t text[60001];
	struct str got;
	size_t i;

	for (i = 0; i < 60000; i += 2) {
		text[i] = 0xcd;
		text[i + 1] = 0xf5;
	}
	text[60000] = 0xcd;
	got = decode("GB18030", str_of(text, sizeof(text)), false);
	CHECK_EQ(got.n, 3 * 30001);
	CHECK(str_ends(got, STR("王" BAD)));
}

TEST(into_an_arena)
{
	struct arena a;
	struct str plain = STR("DOE^JOHN"), got;

	arena_init(&a, 1 * KIB);
	got = charset_to_utf8(&a, STR("ISO_IR 100"), plain, true);
	CHECK(got.p == plain.p && got.n == plain.n);
	CHECK_EQ(a.used, 0);
	CHECK_STR(
	    charset_to_utf8(&a, STR("ISO_IR 100"), STR("\xe9"), true), "é");
	CHECK_STR(charset_to_utf8(&a, STR("ISO_IR 13"), STR("~"), true), "‾");
	CHECK_STR(charset_to_utf8(&a, STR("ISO_IR 100"), STR("~"), true), "~");
	arena_fini(&a);
}

static bool
encodes(const char *charset, const char *utf8, struct str want)
{
	bool fits;

	buf_fini(&out);
	buf_init(&out, 1 * KIB);
	buf_text(&out, "|");
	fits = charset_encode(str_from(charset), str_from(utf8), &out);
	if (!fits)
		return CHECK_EQ(out.n, 1) && want.p == NULL;
	return want.p != NULL && out.n == want.n + 1 &&
	       !memcmp(out.p + 1, want.p, want.n);
}

TEST(encoding)
{
	const struct str never = {NULL, 0};

	CHECK(encodes("", "DOE^J", STR("DOE^J")));
	CHECK(encodes("", "é", never));
	CHECK(encodes("ISO_IR 6", "é", never));
	CHECK(encodes("ISO_IR 100", "Jérôme", STR("J\xe9r\xf4me")));
	CHECK(encodes("ISO_IR 100", "Люк", never));
	CHECK(encodes("ISO_IR 100", "a\r\nb\t", STR("a\r\nb\t")));
	CHECK(encodes("ISO_IR 144", "Люк", STR("\xbb\xee\xda")));
	CHECK(encodes("ISO_IR 126", "Δ", STR("\xc4")));
	CHECK(encodes("ISO_IR 166", "กา", STR("\xa1\xd2")));
	CHECK(encodes("ISO_IR 13", "ﾔﾏ^A", STR("\xd4\xcf^A")));
	CHECK(encodes("ISO_IR 13", "‾", STR("~")));
	CHECK(encodes("ISO_IR 13", "~", never));
	CHECK(encodes("ISO_IR 192", "王", STR("王")));
	CHECK(encodes("ISO_IR 192", "\xc0\x80", never));
	CHECK(encodes("GB18030", "王^小东", STR("\xcd\xf5^\xd0\xa1\xb6\xab")));
	CHECK(encodes("GBK", "王", STR("\xcd\xf5")));
	CHECK(encodes("GBK", "\xf0\x9f\x98\x80", never));
	CHECK(encodes("GB18030", "\xf0\x9f\x98\x80", STR("\x94\x39\xfc\x36")));
	CHECK(encodes("ISO_IR 100", "", STR("")));
	CHECK(encodes("ISO 2022 IR 87", "山", never));
	CHECK(encodes("ISO 2022 IR 149", "홍", never));
	CHECK(encodes("ISO_IR 100\\ISO 2022 IR 87", "a", never));
	CHECK(encodes("KLINGON", "a", never));
}

TEST(round_trip_of_every_byte)
{
	static const char *const sets[] = {"ISO_IR 100", "ISO_IR 101",
	    "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127",
	    "ISO_IR 126", "ISO_IR 138", "ISO_IR 148", "ISO_IR 203", "ISO_IR 13",
	    "ISO_IR 166"};
	struct buf back;
	struct str got;
	size_t i, known;
	int c;
	uint8_t byte;

	for (i = 0; i < ARRAY_LEN(sets); i++) {
		known = 0;
		for (c = 0x20; c < 0x100; c++) {
			byte = (uint8_t)c;
			got = decode(sets[i], str_of(&byte, 1), false);
			if (lossy)
				continue;
			known++;
			buf_init(&back, 8);
			CHECK(charset_encode(str_from(sets[i]), got, &back));
			CHECK(back.n == 1 && back.p[0] == byte);
			buf_fini(&back);
		}
		/* ISO 8859-6 and TIS 620 have gaps. */
		CHECK(known >= 96 + 48);
	}
}

TEST(defined_terms)
{
	static const char *const good[] = {"", "ISO_IR 100", "ISO_IR 192",
	    "GB18030", "GBK", "ISO_IR 13", "ISO_IR 203", "ISO_IR 166",
	    "\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87",
	    "ISO 2022 IR 6\\ISO 2022 IR 100", "\\ISO 2022 IR 58",
	    "\\ISO 2022 IR 149", "\\ISO 2022 IR 159", "ISO_IR 100 "};
	static const char *const bad[] = {"ISO-IR 100", "UTF-8", "ISO_IR 87",
	    "ISO_IR 149", "ISO 2022 IR 192", "ISO_IR 999", "iso_ir 100",
	    "ISO_IR 100\\", "\\GBK", "ISO_IR 100\\FOO", "ISO_IR ", "ISO_IR"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++)
		CHECK(charset_known(str_from(good[i])));
	for (i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!charset_known(str_from(bad[i])));
}

/* The value of the first element of explicit VR little endian that begins
 * with these eight bytes less the length; empty when there is none. */
static struct str
element(struct str file, struct str head)
{
	const uint8_t *at = memmem(file.p, file.n, head.p, head.n);
	size_t from, n;

	if (at == NULL)
		return STR("");
	from = (size_t)(at - file.p) + head.n;
	if (file.n - from < 2)
		return STR("");
	n = (size_t)(at[head.n] | at[head.n + 1] << 8);
	from += 2;
	return n <= file.n - from ? str_of(file.p + from, n) : STR("");
}

static struct str
read_file(const char *folder, const char *name, uint8_t *room, size_t size)
{
	char path[512];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/data/dicom/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return STR("");
	n = read(fd, room, size);
	close(fd);
	return str_of(room, n > 0 ? (size_t)n : 0);
}

TEST(real_files)
{
	static const char charsets[] = "pydicom+pydicom/charset_files/";
	static const struct {
		const char *file, *name;
	} files[] = {
	    {"chrArab", "قباني^لنزار"},
	    {"chrFren", "Buc^Jérôme"},
	    {"chrGerm", "Äneas^Rüdiger"},
	    {"chrGreek", "Διονυσιος"},
	    {"chrH31", "Yamada^Tarou=山田^太郎=やまだ^たろう"},
	    {"chrH32", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"},
	    {"chrHbrw", "שרון^דבורה"},
	    {"chrI2", "Hong^Gildong=洪^吉洞=홍^길동"},
	    {"chrJapMulti", "やまだ^たろう"},
	    {"chrJapMultiExplicitIR6", "やまだ^たろう"},
	    {"chrKoreanMulti", "김희중"},
	    {"chrRuss", "Люкceмбypг"},
	    {"chrX1", "Wang^XiaoDong=王^小東="},
	    {"chrX2", "Wang^XiaoDong=王^小东="},
	};
	const char *folder = getenv("FILEROOM_SHARED");
	static uint8_t room[16384];
	char path[128], charset[64];
	struct str file, got;
	size_t i;

	if (folder == NULL)
		folder = "../shared";
	for (i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(
		    path, sizeof(path), "%s%s.dcm", charsets, files[i].file);
		file = read_file(folder, path, room, sizeof(room));
		if (file.n == 0) {
			printf("skipped: no '%s' in '%s'\n", path, folder);
			continue;
		}
		CHECK(str_copy(charset, sizeof(charset),
		    element(file, STR("\x08\0\x05\0CS"))));
		got =
		    decode(charset, element(file, STR("\x10\0\x10\0PN")), true);
		CHECK_STR(str_trim(got), files[i].name);
		CHECK(!lossy);
	}
	buf_fini(&out);
}

TEST_MAIN
