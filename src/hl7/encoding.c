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
    {"iso2022jp", "ISO-2022-JP"},
    {"iso2022jp2", "ISO-2022-JP-2"},
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
    {"koi8r", "KOI8-R"},
    {"koi8u", "KOI8-U"},
    {"macintosh", "MACINTOSH"},
};

/* ISO 2022 within another set, as it stands in messages of Japan, Korea and
 * China (MSH-18 repeated, MSH-20): a sequence holds up to the next, or to the
 * end of the segment. Delimiters are ASCII's: in the Roman set of JIS X 0201
 * too, whose yen and overline they would be. */
static const struct {
	const char *sequence; /* behind ESC */
	const char *name;     /* NULL: the message's own set again */
	bool kept;            /* the bytes need the sequence before them */
} designated[] = {
    {"(B", NULL, false},
    {"(J", NULL, false},
    {"$B", "ISO-2022-JP-2", true},
    {"$@", "ISO-2022-JP-2", true},
    {"$A", "ISO-2022-JP-2", true},
    {"$(C", "ISO-2022-JP-2", true},
    {"$(D", "ISO-2022-JP-2", true},
    {"(I", "ISO-2022-JP-3", true},
    {")I", "WINDOWS-31J", false},
    {"$)C", "CP949", false},
    {"$)A", "GBK", false},
    {"-A", "ISO-8859-1", false},
    {"-B", "ISO-8859-2", false},
    {"-C", "ISO-8859-3", false},
    {"-D", "ISO-8859-4", false},
    {"-F", "ISO-8859-7", false},
    {"-G", "ISO-8859-6", false},
    {"-H", "ISO-8859-8", false},
    {"-L", "ISO-8859-5", false},
    {"-M", "ISO-8859-9", false},
    {"-T", "TIS-620", false},
};
#define OWN     ARRAY_LEN(designated)
#define UNKNOWN (ARRAY_LEN(designated) + 1)

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

static const char *
dos(const char *key)
{
	static const char *const pages[] = {"IBM437", "IBM737", "IBM775",
	    "IBM850", "IBM852", "IBM855", "IBM857", "IBM860", "IBM861",
	    "IBM862", "IBM863", "IBM864", "IBM865", "IBM866", "IBM869"};
	size_t i;

	if (strncmp(key, "cp", 2) != 0 && strncmp(key, "ibm", 3) != 0)
		return NULL;
	key += key[0] == 'c' ? 2 : 3;
	for (i = 0; i < ARRAY_LEN(pages); i++)
		if (strcmp(key, pages[i] + 3) == 0)
			return pages[i];
	return NULL;
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
	return windows(k) != NULL ? windows(k) : dos(k);
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

static void
decode_run(iconv_t cd, struct str bytes, struct buf *out, bool *lossy)
{
	(void)iconv(cd, NULL, NULL, NULL, NULL);
	while (bytes.n > 0 && !out->over) {
		if (convert(cd, &bytes, out) || bytes.n == 0)
			continue;
		replace(out, lossy);
		bytes = str_of(bytes.p + 1, bytes.n - 1);
	}
}

static bool
has_high(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return true;
	return false;
}

/* What the sequence at the start of s designates; UNKNOWN: nothing. */
static size_t
designation(struct str s)
{
	struct str rest = str_of(s.p + 1, s.n - 1);
	size_t i;

	for (i = 0; i < ARRAY_LEN(designated); i++)
		if (str_starts(rest, str_from(designated[i].sequence)))
			return i;
	return UNKNOWN;
}

/* Up to the next sequence, or the end of the segment, where the message's own
 * set is back. */
static size_t
run_length(struct str s)
{
	size_t n = 1;

	while (n < s.n && s.p[n] != 0x1b && s.p[n] != '\r' && s.p[n] != '\n')
		n++;
	return n;
}

/* The runs of a text in which escape sequences stand. */
static void
decode_2022(const char *name, struct str bytes, struct buf *out, bool *lossy)
{
	iconv_t cds[OWN + 1];
	size_t set = OWN, i, n;
	const char *of;
	struct str run;

	for (i = 0; i <= OWN; i++)
		cds[i] = (iconv_t)-1;
	for (; bytes.n > 0; bytes = str_of(bytes.p + n, bytes.n - n)) {
		n = run_length(bytes);
		run = str_of(bytes.p, n);
		set = bytes.p[0] == 0x1b ? designation(bytes) : OWN;
		if (set < OWN && !designated[set].kept) {
			i = 1 + strlen(designated[set].sequence);
			run = str_of(run.p + i, run.n - i);
		}
		if (set == UNKNOWN ||
		    (set < OWN && designated[set].name == NULL))
			set = OWN;
		of = set < OWN ? designated[set].name : name;
		if (cds[set] == (iconv_t)-1)
			cds[set] = iconv_open("UTF-8", of);
		if (cds[set] != (iconv_t)-1)
			decode_run(cds[set], run, out, lossy);
		else
			*lossy = true;
	}
	for (i = 0; i <= OWN; i++)
		if (cds[i] != (iconv_t)-1)
			iconv_close(cds[i]);
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
	/* Of the 7-bit sets the sequences are the whole. */
	if (!strncmp(name, "ISO-2022-JP", 11))
		name = has_high(bytes) ? "WINDOWS-31J" : "US-ASCII";
	if (str_find(bytes, 0x1b) < bytes.n && strncmp(name, "UTF-", 4) != 0) {
		decode_2022(name, bytes, out, lossy);
		return;
	}
	cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1) {
		*lossy = true;
		utf8_repair(bytes, out);
		return;
	}
	decode_run(cd, bytes, out, lossy);
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

/* The first of MSH-18 that is more than ASCII: an empty one is ASCII, too, and
 * what follows it says what else there is. */
static const char *
first_name(struct str msh18, uint8_t repetition)
{
	const char *name = NULL, *one;
	struct str part;

	while (str_split(&msh18, repetition, &part)) {
		one = encoding_name(part);
		if (one != NULL && strcmp(one, "US-ASCII") != 0)
			return one;
		name = one != NULL ? one : name;
	}
	return name;
}

/* MSH-18 of the line, before anything is decoded: what looks like a separator
 * within two-byte text of ISO 2022 is none, nor, with pairs, what stands behind
 * a byte that may be the first of two. */
static struct str
field_18(struct str line, bool pairs)
{
	size_t i, begin = 0, fields = 0;
	bool shifted = false;

	for (i = 3; i < line.n; i++) {
		uint8_t c = line.p[i],
			next = i + 1 < line.n ? line.p[i + 1] : 0;

		if (c == 0x1b && (next == '$' || next == '(')) {
			shifted = next == '$' && i + 2 < line.n &&
				  line.p[i + 2] != ')';
			i += 2;
		} else if (pairs && c >= 0x81) {
			i++;
		} else if (c == line.p[3] && !shifted) {
			if (++fields == 18)
				return str_of(line.p + begin, i - begin);
			begin = i + 1;
		}
	}
	return fields == 17 ? str_of(line.p + begin, line.n - begin) : STR("");
}

static bool
is_of_pairs(const char *name)
{
	static const char *const sets[] = {
	    "WINDOWS-31J", "GBK", "GB18030", "BIG5-HKSCS"};
	size_t i;

	for (i = 0; name != NULL && i < ARRAY_LEN(sets); i++)
		if (strcmp(name, sets[i]) == 0)
			return true;
	return false;
}

/* What MSH-18 names; NULL: nothing that is known. All sets but UTF-16 and
 * UTF-32 have ASCII there. */
static const char *
find_msh18(struct str m)
{
	const char *name;
	size_t end = 0;

	while (m.n > 0 && m.p[0] != 'M' && m.p[0] != 'm')
		m = str_of(m.p + 1, m.n - 1);
	if (m.n < 9)
		return NULL;
	while (end < m.n && m.p[end] != '\r' && m.p[end] != '\n')
		end++;
	m.n = end;
	name = first_name(field_18(m, false), m.p[5]);
	if (name != NULL)
		return name;
	/* Perhaps a letter before it ends with the byte of a separator. */
	name = first_name(field_18(m, true), m.p[5]);
	return is_of_pairs(name) ? name : NULL;
}

/* Text cut in the middle of a letter is UTF-8 all the same. */
static bool
is_no_utf8(struct str s)
{
	bool bad = false;
	uint32_t c;
	size_t n;

	for (; s.n > 0; s = str_of(s.p + n, s.n - n)) {
		n = utf8_next(s, &c);
		if (n > 1)
			return false;
		bad = bad || n == 0;
		n = n == 0 ? 1 : n;
	}
	return bad;
}

/* Text of these that has other letters than ASCII is hardly ever UTF-8 by
 * chance: it would be capitals with accents before signs, all of them. */
static bool
is_latin(const char *name)
{
	static const char *const sets[] = {"ISO-8859-1", "ISO-8859-2",
	    "ISO-8859-3", "ISO-8859-4", "ISO-8859-9", "ISO-8859-15",
	    "WINDOWS-1250", "WINDOWS-1252", "WINDOWS-1254"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(sets); i++)
		if (!strcmp(name, sets[i]))
			return true;
	return false;
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
	named = find_msh18(m);
	/* Who says ASCII, or Unicode in a text that plainly is not, means
	 * something else. */
	if (named == NULL || (!strcmp(named, "US-ASCII") && !is_ascii(m)) ||
	    !strncmp(named, "UTF-16", 6) || !strncmp(named, "UTF-32", 6))
		return is_latin(usual) && !is_ascii(m) && utf8_valid(m)
			   ? "UTF-8"
			   : usual;
	return strcmp(named, "UTF-8") == 0 && is_no_utf8(m) ? usual : named;
}
