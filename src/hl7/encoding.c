/*
 * Names of character sets, and conversion through iconv.
 */
#include "hl7/encoding.h"

#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>

#define KEY_ROOM 32

/* HL7 table 0211 and what is seen besides; the keys are folded: lower case,
 * without spaces, '_' and '-'. */
static const struct {
	const char *key, *name;
} names[] = {
    {"ascii", "US-ASCII"},
    {"isoir6", "US-ASCII"},
    {"8859/1", "ISO-8859-1"},
    {"8859/2", "ISO-8859-2"},
    {"8859/3", "ISO-8859-3"},
    {"8859/4", "ISO-8859-4"},
    {"8859/5", "ISO-8859-5"},
    {"8859/6", "ISO-8859-6"},
    {"8859/7", "ISO-8859-7"},
    {"8859/8", "ISO-8859-8"},
    {"8859/9", "ISO-8859-9"},
    {"8859/15", "ISO-8859-15"},
    {"isoir14", "WINDOWS-31J"},
    {"isoir13", "WINDOWS-31J"},
    {"isoir87", "ISO-2022-JP"},
    {"jisx0202", "ISO-2022-JP"},
    {"jas2020", "ISO-2022-JP"},
    {"isoir159", "ISO-2022-JP-2"},
    {"gb18030", "GB18030"},
    {"gb180302000", "GB18030"},
    {"gbk", "GBK"},
    {"gb2312", "GBK"},
    {"ksx1001", "CP949"},
    {"isoir149", "CP949"},
    {"euckr", "CP949"},
    {"cns116431992", "EUC-TW"},
    {"cns11643", "EUC-TW"},
    {"big5", "BIG5-HKSCS"},
    {"shiftjis", "WINDOWS-31J"},
    {"sjis", "WINDOWS-31J"},
    {"eucjp", "EUC-JP"},
    {"unicode", "UTF-8"},
    {"unicodeutf8", "UTF-8"},
    {"utf8", "UTF-8"},
    {"65001", "UTF-8"},
    {"isoir192", "UTF-8"},
    {"unicodeutf16", "UTF-16"},
    {"utf16", "UTF-16"},
    {"utf16le", "UTF-16LE"},
    {"utf16be", "UTF-16BE"},
    {"unicodeutf32", "UTF-32"},
    {"utf32", "UTF-32"},
    {"isoir100", "ISO-8859-1"},
    {"isoir101", "ISO-8859-2"},
    {"isoir109", "ISO-8859-3"},
    {"isoir110", "ISO-8859-4"},
    {"isoir144", "ISO-8859-5"},
    {"isoir127", "ISO-8859-6"},
    {"isoir126", "ISO-8859-7"},
    {"isoir138", "ISO-8859-8"},
    {"isoir148", "ISO-8859-9"},
    {"isoir203", "ISO-8859-15"},
    {"isoir166", "TIS-620"},
    {"tis620", "TIS-620"},
    {"latin1", "ISO-8859-1"},
    {"ansi", "WINDOWS-1252"},
};

/* "ISO8859-1", "ISO_8859/1" and "8859/1" are the same. */
static void
fold(struct str s, char out[KEY_ROOM])
{
	size_t i, n = 0;

	for (i = 0; i < s.n && n + 1 < KEY_ROOM; i++) {
		uint8_t c = s.p[i];

		if (c == '_' || c == '-' || c == ' ')
			continue;
		out[n++] = (char)tolower(c);
	}
	out[n] = '\0';
}

static const char *
windows(const char *key)
{
	static const char *const pages[] = {"WINDOWS-1250", "WINDOWS-1251",
	    "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255",
	    "WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258"};
	const char *digits = key;

	if (!strncmp(key, "windows", 7))
		digits = key + 7;
	else if (!strncmp(key, "cp", 2))
		digits = key + 2;
	if (strlen(digits) != 4 || strncmp(digits, "125", 3) != 0 ||
	    digits[3] < '0' || digits[3] > '8')
		return NULL;
	return pages[digits[3] - '0'];
}

const char *
encoding_name(struct str msh18)
{
	char key[KEY_ROOM], part[KEY_ROOM];
	const char *k = key;
	size_t i;

	fold(str_trim(msh18), key);
	if (key[0] == '\0')
		return NULL;
	if (!strncmp(k, "iso8859", 7))
		k += 3;
	/* 8859-15 has lost its divider by now. */
	if (!strncmp(k, "8859", 4) && k[4] != '/' && k[4] != '\0') {
		snprintf(part, sizeof(part), "8859/%.20s", k + 4);
		k = part;
	}
	for (i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(k, names[i].key))
			return names[i].name;
	return windows(k);
}

static bool
is_ascii(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80 || s.p[i] == 0x1b)
			return false;
	return true;
}

static void
replace(struct buf *out, bool *lossy)
{
	buf_text(out, "\xef\xbf\xbd");
	*lossy = true;
}

/* One call of iconv from *in on; false: a byte that does not decode. */
static bool
convert(iconv_t cd, struct str *in, struct buf *out)
{
	char *from = (char *)(uintptr_t)in->p, *to;
	size_t left = in->n, room, given, n;

	/* Four bytes at most for one, and some for the end of a shift. */
	given = 4 * (in->n < 64 * 1024 ? in->n : 64 * 1024) + 16;
	room = given;
	to = (char *)buf_space(out, given);
	if (to == NULL) {
		*in = STR("");
		return true;
	}
	n = iconv(cd, &from, &left, &to, &room);
	buf_filled(out, given - room);
	*in = str_of(in->p + (in->n - left), left);
	return n != (size_t)-1 || errno == E2BIG;
}

void
encoding_decode(
    const char *name, struct str bytes, struct buf *out, bool *lossy)
{
	iconv_t cd;

	*lossy = false;
	if (!strcmp(name, "UTF-8")) {
		*lossy = !utf8_valid(bytes);
		if (*lossy)
			utf8_repair(bytes, out);
		else
			buf_add(out, bytes);
		return;
	}
	if (is_ascii(bytes) && strncmp(name, "UTF-", 4) != 0) {
		buf_add(out, bytes);
		return;
	}
	cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1) {
		*lossy = true;
		utf8_repair(bytes, out);
		return;
	}
	while (bytes.n > 0 && !out->over) {
		if (convert(cd, &bytes, out) || bytes.n == 0)
			continue;
		replace(out, lossy);
		bytes = str_of(bytes.p + 1, bytes.n - 1);
	}
	iconv_close(cd);
}

/* Back to ASCII, in sets that shift. */
static void
end_shift(iconv_t cd, struct buf *out)
{
	size_t room = 16;
	char *to = (char *)buf_space(out, room);

	if (to == NULL)
		return;
	(void)iconv(cd, NULL, NULL, &to, &room);
	buf_filled(out, 16 - room);
}

bool
encoding_back(const char *name, struct str utf8, struct buf *out)
{
	iconv_t cd;
	bool ok = true;

	if (is_ascii(utf8) || !strcmp(name, "UTF-8")) {
		buf_add(out, utf8);
		return true;
	}
	cd = iconv_open(name, "UTF-8");
	if (cd == (iconv_t)-1)
		return false;
	while (utf8.n > 0 && ok && !out->over)
		ok = convert(cd, &utf8, out);
	end_shift(cd, out);
	iconv_close(cd);
	return ok && !out->over;
}

/* MSH-18, first repetition, found without decoding: all sets but UTF-16 and
 * UTF-32 have ASCII there. */
static struct str
find_msh18(struct str m)
{
	struct str rest, field = STR("");
	size_t i, end = 0;

	while (m.n > 0 && m.p[0] != 'M' && m.p[0] != 'm')
		m = str_of(m.p + 1, m.n - 1);
	if (m.n < 9)
		return STR("");
	while (end < m.n && m.p[end] != '\r' && m.p[end] != '\n')
		end++;
	rest = str_of(m.p, end);
	for (i = 0; i < 18; i++)
		if (!str_split(&rest, m.p[3], &field))
			return STR("");
	return str_of(field.p, str_find(field, m.p[5]));
}

const char *
encoding_of(struct str m, const char *fallback)
{
	const char *named, *usual = encoding_name(str_from(fallback));

	if (usual == NULL)
		usual = "UTF-8";
	if (str_starts(m, STR("\xef\xbb\xbf")))
		return "UTF-8";
	if (str_starts(m, STR("\xff\xfe")) || str_starts(m, STR("\xfe\xff")))
		return "UTF-16";
	if (m.n >= 4 && m.p[0] != 0 && m.p[1] == 0)
		return "UTF-16LE";
	if (m.n >= 4 && m.p[0] == 0 && m.p[1] != 0)
		return "UTF-16BE";
	named = encoding_name(find_msh18(m));
	/* Who says ASCII, or two-byte Unicode in a text that plainly is not,
	 * means something else. */
	if (named == NULL || (!strcmp(named, "US-ASCII") && !is_ascii(m)) ||
	    !strncmp(named, "UTF-16", 6) || !strncmp(named, "UTF-32", 6))
		return usual;
	return named;
}
