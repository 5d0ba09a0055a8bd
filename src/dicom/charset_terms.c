/*
 * The defined terms of Specific Character Set, and what is met instead.
 */
#include "dicom/charset_terms.h"

#include "dicom/charset.h"

static const struct {
	const char *number;
	enum charset_set g0, g1;
	bool alone;   /* as ISO_IR n, Tables C.12-2 and C.12-5 */
	bool extends; /* as ISO 2022 IR n, Tables C.12-3 and C.12-4 */
	enum charset_mode mode;
} terms[] = {
    {"6", SET_ASCII, SET_NONE, true, true, CHARSET_CODES},
    {"100", SET_ASCII, SET_LATIN1, true, true, CHARSET_CODES},
    {"101", SET_ASCII, SET_LATIN2, true, true, CHARSET_CODES},
    {"109", SET_ASCII, SET_LATIN3, true, true, CHARSET_CODES},
    {"110", SET_ASCII, SET_LATIN4, true, true, CHARSET_CODES},
    {"144", SET_ASCII, SET_CYRILLIC, true, true, CHARSET_CODES},
    {"127", SET_ASCII, SET_ARABIC, true, true, CHARSET_CODES},
    {"126", SET_ASCII, SET_GREEK, true, true, CHARSET_CODES},
    {"138", SET_ASCII, SET_HEBREW, true, true, CHARSET_CODES},
    {"148", SET_ASCII, SET_LATIN5, true, true, CHARSET_CODES},
    {"203", SET_ASCII, SET_LATIN9, true, true, CHARSET_CODES},
    {"13", SET_ROMAJI, SET_KATAKANA, true, true, CHARSET_CODES},
    {"166", SET_ASCII, SET_THAI, true, true, CHARSET_CODES},
    {"87", SET_ASCII, SET_NONE, false, true, CHARSET_CODES},
    {"159", SET_ASCII, SET_NONE, false, true, CHARSET_CODES},
    {"149", SET_ASCII, SET_KOREAN, false, true, CHARSET_CODES},
    {"58", SET_ASCII, SET_CHINESE, false, true, CHARSET_CODES},
    {"192", SET_ASCII, SET_NONE, true, false, CHARSET_UTF8},
};

/* Names that are no defined terms and stand in real files, in the spelling
 * that squeeze() leaves. */
static const struct {
	const char *name;
	const char *number; /* NULL: GB18030 */
} aliases[] = {
    {"GB18030", NULL},
    {"GBK", NULL},
    {"GB2312", NULL},
    {"GB231280", NULL},
    {"ISO2022GBK", NULL},
    {"ISO2022GB18030", NULL},
    {"UTF8", "192"},
    {"UNICODE", "192"},
    {"ISO106461", "192"},
    {"LATIN1", "100"},
    {"ISO88591", "100"},
    {"ISO88592", "101"},
    {"ISO88593", "109"},
    {"ISO88594", "110"},
    {"ISO88595", "144"},
    {"ISO88596", "127"},
    {"ISO88597", "126"},
    {"ISO88598", "138"},
    {"ISO88599", "148"},
    {"ISO885915", "203"},
    {"ISO885911", "166"},
    {"TIS620", "166"},
    {"ASCII", "6"},
    {"USASCII", "6"},
    {"ISO646", "6"},
};

/* PS3.3 Tables C.12-3 and C.12-4. */
const struct charset_designation charset_designations[] = {
    {"(B", false, SET_ASCII},
    {"(J", false, SET_ROMAJI},
    {")I", true, SET_KATAKANA},
    {"-A", true, SET_LATIN1},
    {"-B", true, SET_LATIN2},
    {"-C", true, SET_LATIN3},
    {"-D", true, SET_LATIN4},
    {"-L", true, SET_CYRILLIC},
    {"-G", true, SET_ARABIC},
    {"-F", true, SET_GREEK},
    {"-H", true, SET_HEBREW},
    {"-M", true, SET_LATIN5},
    {"-b", true, SET_LATIN9},
    {"-T", true, SET_THAI},
    {"$B", false, SET_KANJI},
    {"$(D", false, SET_KANJI_EXTRA},
    {"$)C", true, SET_KOREAN},
    {"$)A", true, SET_CHINESE},
    /* JIS X 0208 as it was in 1978: its other shapes are the same words. */
    {"$@", false, SET_KANJI},
    {NULL, false, SET_NONE},
};

/* Letters and digits of a term, in upper case; longer ones are cut. */
static struct str
squeeze(struct str term, uint8_t out[24])
{
	size_t i, n = 0;
	uint8_t c;

	for (i = 0; i < term.n && n < 24; i++) {
		c = term.p[i];
		if (c >= 'a' && c <= 'z')
			c = (uint8_t)(c - 'a' + 'A');
		if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			out[n++] = c;
	}
	return str_of(out, n);
}

static size_t
find_number(struct str number)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(terms); i++)
		if (str_eq_text(number, terms[i].number))
			break;
	return i;
}

/* The row of terms[] that a value names, or ARRAY_LEN(terms); *chinese for
 * GB18030, GBK and their relatives. */
static size_t
understand(struct str term, bool *chinese)
{
	static const char *const heads[] = {"ISO2022IR", "ISOIR", "ISO2022"};
	uint8_t room[24];
	struct str name = squeeze(term, room), head;
	size_t i;

	*chinese = false;
	for (i = 0; i < ARRAY_LEN(aliases); i++) {
		if (!str_eq_text(name, aliases[i].name))
			continue;
		*chinese = aliases[i].number == NULL;
		return find_number(str_from(aliases[i].number));
	}
	for (i = 0; i < ARRAY_LEN(heads); i++) {
		head = str_from(heads[i]);
		if (str_starts(name, head))
			return find_number(
			    str_of(name.p + head.n, name.n - head.n));
	}
	return ARRAY_LEN(terms);
}

static void
read_first(struct charset_repertoire *r, struct str term)
{
	bool chinese;
	size_t row;

	if (term.n == 0)
		return;
	row = understand(term, &chinese);
	if (chinese) {
		r->mode =
		    str_eq_text(term, "GBK") ? CHARSET_GBK : CHARSET_GB18030;
		return;
	}
	if (row == ARRAY_LEN(terms)) {
		r->guessed = true;
		return;
	}
	r->mode = terms[row].mode;
	r->g0 = terms[row].g0;
	r->g1 = terms[row].g1;
}

struct charset_repertoire
charset_repertoire(struct str charset)
{
	struct charset_repertoire r = {
	    CHARSET_CODES, SET_ASCII, SET_NONE, SET_NONE, false};
	struct str rest = charset, term;
	bool chinese, first = true, empty = false;
	size_t row;

	if (rest.n == 0)
		return r;
	while (str_split(&rest, '\\', &term)) {
		term = str_trim(term);
		if (first) {
			read_first(&r, term);
			empty = term.n == 0;
			first = false;
			continue;
		}
		row = understand(term, &chinese);
		if (row < ARRAY_LEN(terms) && r.spare == SET_NONE)
			r.spare = terms[row].g1;
		/* Not allowed there, but there is no doubt what is meant. */
		if (empty && r.mode == CHARSET_CODES) {
			if (chinese)
				r.mode = CHARSET_GB18030;
			else if (row < ARRAY_LEN(terms))
				r.mode = terms[row].mode;
		}
	}
	return r;
}

bool
charset_known(struct str charset)
{
	static const char alone[] = "ISO_IR ", extends[] = "ISO 2022 IR ";
	struct str rest = charset, term, head;
	size_t row, count = 0;

	if (rest.n == 0)
		return true;
	while (str_split(&rest, '\\', &term)) {
		term = str_trim(term);
		count++;
		if (count == 1 && (term.n == 0 || str_eq_text(term, "GBK") ||
				      str_eq_text(term, "GB18030")))
			continue;
		head = str_from(alone);
		if (!str_starts(term, head))
			head = str_from(extends);
		if (!str_starts(term, head))
			return false;
		row = find_number(str_of(term.p + head.n, term.n - head.n));
		if (row == ARRAY_LEN(terms))
			return false;
		if (head.n == sizeof(alone) - 1 ? !terms[row].alone
						: !terms[row].extends)
			return false;
	}
	return true;
}

size_t
charset_listed(struct str charset, enum charset_set sets[CHARSET_LISTED])
{
	struct str rest = charset, term;
	bool chinese, kanji, extra;
	size_t row, n = 0;

	while (str_split(&rest, '\\', &term)) {
		row = understand(str_trim(term), &chinese);
		if (row == ARRAY_LEN(terms) || !terms[row].extends)
			continue;
		if (n + 2 > CHARSET_LISTED)
			break;
		/* Sets of two bytes stand alone, the others in pairs. */
		kanji = str_eq_text(str_from(terms[row].number), "87");
		extra = str_eq_text(str_from(terms[row].number), "159");
		if (kanji || extra)
			sets[n++] = kanji ? SET_KANJI : SET_KANJI_EXTRA;
		else if (!charset_is_double(terms[row].g1))
			sets[n++] = terms[row].g0;
		if (terms[row].g1 != SET_NONE)
			sets[n++] = terms[row].g1;
	}
	return n;
}
