/*
 * Character sets of answers, and values as they may stand in them.
 */
#include "service/worklist/letters.h"

#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/charset.h"
#include "dicom/recode.h"
#include "dicom/value.h"
#include "service/worklist/romanize.h"

/* PS3.5 6.2: characters of each component group of a PN. */
#define NAME_GROUP  64
#define NAME_GROUPS 3
/* HHMMSS.FFFFFF, the whole of a TM (PS3.5 6.2). */
#define TIME_LENGTH 14
/* Characters a character is taken apart into. */
#define PARTS 20
/* From the radicals on: Han, kana, Hangul. */
#define EAST_ASIAN 0x2e80

static const char ascii_alone[] = "ISO_IR 6";

/* From the narrowest on: one byte, those that most readers know first; code
 * extensions; what most of China has; everything. */
static const char *const sets[] = {"ISO_IR 100", "ISO_IR 101", "ISO_IR 144",
    "ISO_IR 203", "ISO_IR 126", "ISO_IR 148", "ISO_IR 127", "ISO_IR 138",
    "ISO_IR 109", "ISO_IR 110", "ISO_IR 166", "ISO_IR 13", "\\ISO 2022 IR 87",
    "\\ISO 2022 IR 149", "\\ISO 2022 IR 58", "ISO 2022 IR 13\\ISO 2022 IR 87",
    "\\ISO 2022 IR 87\\ISO 2022 IR 159", "GB18030", "ISO_IR 192"};

static bool
is_ascii_alone(struct str charset)
{
	return str_eq_text(charset, ascii_alone);
}

bool
letters_known(struct str charset)
{
	return charset.n > 0 &&
	       (is_ascii_alone(charset) || charset_known(charset));
}

static bool
holds(struct str charset, struct str text)
{
	struct buf scratch;
	bool ok;

	if (is_ascii_alone(charset))
		return utf8_is_ascii(text);
	buf_init(&scratch, LIMIT_HEADER);
	ok = charset_encode_2022(charset, text, false, &scratch);
	buf_fini(&scratch);
	return ok;
}

static bool
holds_character(struct str charset, uint32_t c)
{
	struct buf one;
	bool ok;

	buf_init(&one, 8);
	utf8_put(&one, c);
	ok = holds(charset, buf_str(&one));
	buf_fini(&one);
	return ok;
}

/* Is one of the letters beside it a capital? "MÜLLER" is "MUELLER". */
static bool
among_capitals(struct str before, struct str behind)
{
	uint32_t c;
	size_t at = before.n;

	if (utf8_next(behind, &c) > 0 && utf8_is_upper(c))
		return true;
	while (at > 0 && (before.p[at - 1] & 0xc0) == 0x80)
		at--;
	if (at == 0 ||
	    !utf8_next(str_of(before.p + at - 1, before.n - at + 1), &c))
		return false;
	/* Between a capital and a small letter it is only the second. */
	return utf8_is_upper(c) && (utf8_next(behind, &c) == 0 || c < 'A');
}

/* The letter of an upsilon behind an omicron is u (ELOT 743). */
static bool
is_greek_u(struct str before, uint32_t c)
{
	static const char *const ends[] = {"ο", "Ο", "ό", "Ό"};
	size_t i;

	if (c != 0x3c5 && c != 0x3a5 && c != 0x3cd && c != 0x38e)
		return false;
	for (i = 0; i < ARRAY_LEN(ends); i++)
		if (str_ends(before, str_from(ends[i])))
			return true;
	return false;
}

/* Without its accents if the set has the letter then. */
static void
fit_character(struct buf *out, struct str charset, uint32_t c, bool upper)
{
	uint32_t parts[PARTS];
	size_t n, i;

	n = romanize_knows(c) ? 0 : utf8_parts(c, parts, PARTS);
	if (n < 2) {
		romanize(out, n == 1 ? parts[0] : c, upper);
		return;
	}
	for (i = 0; i < n; i++)
		if (!utf8_is_mark(parts[i]) &&
		    holds_character(charset, parts[i]))
			utf8_put(out, parts[i]);
		else
			romanize(out, parts[i], upper);
}

/* Kana of half width, with their marks. */
static bool
is_half_width(uint32_t c)
{
	return c >= 0xff61 && c <= 0xff9f;
}

/* What begins the text and is of half width, or is not. */
static struct str
next_run(struct str text, bool *half)
{
	uint32_t c;
	size_t at, n;

	(void)utf8_next(text, &c);
	*half = is_half_width(c);
	for (at = 0; at < text.n; at += n) {
		n = utf8_next(str_of(text.p + at, text.n - at), &c);
		if (n == 0)
			n = 1;
		else if (is_half_width(c) != *half)
			break;
	}
	return str_of(text.p, at);
}

/* Letters and their marks become one, that the set may have. Kana of half
 * width, which are two characters where they are voiced, become those of full
 * width that romanize() knows, unless the set has them as they are. */
static struct str
compose(struct arena *a, struct str charset, struct str text)
{
	struct str run, done;
	struct buf out;
	bool half;

	if (!holds_character(charset, 0xff71))
		return utf8_compose(a, text);
	buf_init(&out, LIMIT_HEADER);
	for (; text.n > 0; text = str_of(text.p + run.n, text.n - run.n)) {
		run = next_run(text, &half);
		buf_add(&out, half ? run : utf8_compose(a, run));
	}
	done = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return done;
}

/* ASCII; the tilde is another letter in JIS X 0201. A backslash is that of
 * lists in any set. */
static bool
fits_all(struct str s)
{
	return utf8_is_ascii(s) && str_find(s, '~') == s.n;
}

struct str
letters_fit(struct arena *a, const struct letters *l, struct str text)
{
	struct str rest, before, behind, fitted;
	struct buf out;
	uint32_t c;
	size_t n;
	bool upper;

	if (l->node.n == 0 || fits_all(text) || holds(l->node, text))
		return text;
	text = compose(a, l->node, text);
	buf_init(&out, LIMIT_HEADER);
	for (rest = text; rest.n > 0; rest = behind) {
		n = utf8_next(rest, &c);
		if (n == 0) {
			behind = str_of(rest.p + 1, rest.n - 1);
			continue;
		}
		before = str_of(text.p, text.n - rest.n);
		behind = str_of(rest.p + n, rest.n - n);
		upper = among_capitals(before, behind);
		if ((c < 0x80 && c != '~') || holds_character(l->node, c))
			utf8_put(&out, c);
		else if (c == '~')
			buf_u8(&out, '-');
		else if (is_greek_u(before, c))
			buf_u8(&out, utf8_is_upper(c) ? 'U' : 'u');
		else
			fit_character(&out, l->node, c, upper);
	}
	fitted = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return fitted;
}

static bool
allowed(enum vr vr, uint32_t c)
{
	if (c == 0x7f || c == 0x1b)
		return false;
	if (c >= ' ')
		return vr_kind(vr) != VR_KIND_TEXT || c < 0x7f;
	return (vr == VR_LT || vr == VR_ST) &&
	       (c == '\r' || c == '\n' || c == '\f' || c == '\t');
}

static uint32_t
replaced(enum vr vr, uint32_t c)
{
	if (vr != VR_CS)
		return c == '\\' ? (vr == VR_PN ? ' ' : '/') : c;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 'A';
	if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ')
		return c;
	return '_';
}

/* One value, at most so many characters; 0: any number. */
static void
put_text(
    struct buf *out, enum vr vr, size_t most, struct str s, const char **note)
{
	size_t n, count = 0;
	uint32_t c;

	s = str_trim(s);
	for (; s.n > 0; s = str_of(s.p + n, s.n - n)) {
		n = utf8_next(s, &c);
		if (n == 0) {
			n = 1;
			continue;
		}
		if (!allowed(vr, c)) {
			if (vr_kind(vr) == VR_KIND_TEXT || c == 0x1b)
				continue;
			c = ' ';
		}
		if (most > 0 && count == most) {
			if (note != NULL)
				*note = "cut to the length DICOM allows";
			break;
		}
		if (vr_is_multi(vr))
			c = replaced(vr, c);
		utf8_put(out, c);
		count++;
	}
	while (out->n > 0 && out->p[out->n - 1] == ' ')
		out->n--;
}

static struct str
take(struct arena *a, struct buf *out)
{
	struct str s = arena_dup(a, buf_str(out));

	buf_fini(out);
	return s;
}

/* "^^^^" at the end, which some devices choke on, says nothing. */
static void
end_group(struct buf *out, size_t begin)
{
	while (out->n > begin &&
	       (out->p[out->n - 1] == '^' || out->p[out->n - 1] == ' '))
		out->n--;
}

static struct str
name_value(struct arena *a, struct str value, const char **note)
{
	struct str rest = value, group;
	size_t i, begin, full = 0;
	struct buf out;

	buf_init(&out, LIMIT_HEADER);
	for (i = 0; i < NAME_GROUPS && str_split(&rest, '=', &group); i++) {
		if (i > 0)
			buf_u8(&out, '=');
		begin = out.n;
		put_text(&out, VR_PN, NAME_GROUP, group, note);
		end_group(&out, begin);
		if (out.n > begin)
			full = out.n;
	}
	out.n = full;
	return take(a, &out);
}

static struct str
text_value(struct arena *a, enum vr vr, bool multi, struct str value,
    const char **note)
{
	struct str rest = value, part;
	struct buf out, one;

	buf_init(&out, LIMIT_HEADER);
	if (!multi) {
		put_text(&out, vr, vr_max(vr), value, note);
		return take(a, &out);
	}
	buf_init(&one, LIMIT_HEADER);
	while (str_split(&rest, '\\', &part)) {
		buf_clear(&one);
		put_text(&one, vr, vr_max(vr), part, note);
		if (one.n == 0)
			continue;
		if (out.n > 0)
			buf_u8(&out, '\\');
		buf_add(&out, buf_str(&one));
	}
	buf_fini(&one);
	return take(a, &out);
}

static struct str
time_value(struct arena *a, struct str value)
{
	char parsed[TIME_LENGTH];
	uint8_t *text;
	size_t i, n = 0;

	value = str_trim(value);
	if (!time_parse(value, false, parsed) || value.n > TIME_LENGTH)
		return STR("");
	text = arena_alloc(a, TIME_LENGTH);
	for (i = 0; text != NULL && i < value.n; i++)
		if (value.p[i] != ':')
			text[n++] = value.p[i];
	return str_of(text, n);
}

static bool
is_decimal(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (strchr("0123456789+-.eE", s.p[i]) == NULL || s.p[i] == 0)
			return false;
	return s.n <= vr_max(VR_DS);
}

struct str
letters_value(struct arena *a, const struct letters *l, enum vr vr, bool multi,
    struct str value, const char **note)
{
	char day[9];

	switch (vr) {
	case VR_PN:
		return name_value(a, letters_fit(a, l, value), note);
	case VR_UI:
		value = str_trim(value);
		return uid_valid(value) ? value : STR("");
	case VR_DA:
		return date_parse(str_trim(value), day)
			   ? arena_dup(a, str_from(day))
			   : STR("");
	case VR_TM:
		return time_value(a, value);
	case VR_DS:
		value = str_trim(value);
		return is_decimal(value) ? value : STR("");
	default:
		return text_value(a, vr, multi, letters_fit(a, l, value), note);
	}
}

/* "ISO 2022 IR 87" alone, as some write it: the value before it is meant to be
 * empty. */
static struct str
with_extensions(struct arena *a, struct str charset)
{
	char *text;

	if (!str_starts(charset, STR("ISO 2022")) ||
	    str_find(charset, '\\') < charset.n)
		return STR("");
	text =
	    arena_printf(a, "\\%.*s", (int)charset.n, (const char *)charset.p);
	return str_from(text);
}

/* The sets of East Asia have Greek and Cyrillic letters, too, but readers
 * elsewhere have not these sets. */
static bool
is_for_others(const char *set, uint32_t highest)
{
	return highest < EAST_ASIAN &&
	       (strstr(set, "2022") != NULL || strcmp(set, "GB18030") == 0);
}

static bool
encode_narrowest(struct dataset *ds)
{
	uint32_t highest = dataset_highest(ds);
	bool fits = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sets) && !fits; i++) {
		if (is_for_others(sets[i], highest))
			continue;
		/* GB18030 holds whatever there is; what GBK does is Chinese. */
		if (strcmp(sets[i], "GB18030") == 0 &&
		    !dataset_fits(ds, STR("GBK")))
			continue;
		if (!dataset_recode_in(ds, str_from(sets[i]), &fits))
			return false;
	}
	return true;
}

bool
letters_encode(struct dataset *ds, const struct letters *l)
{
	struct str asked = str_trim(l->asked);
	bool fits = false;

	if (is_ascii_alone(l->node))
		return true;
	if (l->node.n > 0 && !dataset_recode_in(ds, l->node, &fits))
		return false;
	if (!fits && asked.n > 0 && !dataset_recode_in(ds, asked, &fits))
		return false;
	if (!fits && asked.n > 0) {
		asked = with_extensions(ds->arena, asked);
		if (asked.n > 0 && !dataset_recode_in(ds, asked, &fits))
			return false;
	}
	return fits || encode_narrowest(ds);
}
