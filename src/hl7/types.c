/*
 * Conversions by data type. Nothing is lost here: what is too long for DICOM
 * stays whole and is noted, it is cut where it leaves for a modality.
 */
#include "hl7/types.h"

#include "base/limit.h"
#include "base/utf8.h"

#include <ctype.h>

/* The component groups of a name: alphabetic, ideographic, phonetic. */
#define GROUPS 3
/* A name with all its parts, in any set. */
#define NAME_CAP 4096

static bool
is_digits(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!isdigit(s.p[i]))
			return false;
	return s.n > 0;
}

static unsigned
number(struct str s)
{
	unsigned v = 0;
	size_t i;

	for (i = 0; i < s.n && i < 9; i++)
		v = 10 * v + (s.p[i] - '0');
	return v;
}

static bool
is_day(unsigned y, unsigned m, unsigned d)
{
	static const uint8_t days[] = {
	    31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (y < 1000 || y > 9999 || m < 1 || m > 12 || d < 1 || d > days[m - 1])
		return false;
	return m != 2 || d < 29 ||
	       (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

/* The digits at the start of s. */
static struct str
leading_digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && isdigit(s.p[n]))
		n++;
	return str_of(s.p, n);
}

static struct str
rest_of(struct str s, size_t n)
{
	return n < s.n ? str_of(s.p + n, s.n - n) : str_of(s.p + s.n, 0);
}

/* HH[MM[SS]] and what is a fraction behind it. What is out of range ends the
 * time where it stands. */
static void
put_time(struct str digits, struct str fraction, char time[14])
{
	static const unsigned limits[] = {23, 59, 60};
	size_t n, i;

	time[0] = '\0';
	for (n = 0; n < 3 && digits.n >= 2 * n + 2; n++)
		if (number(str_of(digits.p + 2 * n, 2)) > limits[n])
			break;
	memcpy(time, digits.p, 2 * n);
	time[2 * n] = '\0';
	if (n < 3)
		return;
	if (digits.n > 6)
		fraction = rest_of(digits, 6);
	if (fraction.n > 6)
		fraction.n = 6;
	while (fraction.n > 0 && fraction.p[fraction.n - 1] == '0')
		fraction.n--;
	if (fraction.n == 0)
		return;
	time[6] = '.';
	for (i = 0; i < fraction.n; i++)
		time[7 + i] = (char)fraction.p[i];
	time[7 + i] = '\0';
}

/* One or two digits of a clock, as two. */
static bool
clock_part(struct str *s, char *digits)
{
	struct str part = leading_digits(*s);

	if (part.n < 1 || part.n > 2)
		return false;
	digits[0] = part.n == 2 ? (char)part.p[0] : '0';
	digits[1] = (char)part.p[part.n - 1];
	*s = rest_of(*s, part.n);
	return true;
}

/* The hour of a clock of twelve hours, by what stands behind it. */
static void
half_day(struct str s, char hour[2])
{
	unsigned h = number(str_of(hour, 2));

	s = str_trim(s);
	s = str_of(s.p, s.n < 2 ? s.n : 2);
	if (h > 12 || h == 0)
		return;
	if (str_eq_nocase(s, STR("PM")))
		h = h % 12 + 12;
	else if (str_eq_nocase(s, STR("AM")))
		h %= 12;
	hour[0] = (char)('0' + h / 10);
	hour[1] = (char)('0' + h % 10);
}

/* h:mm[:ss] without its colons, or the digits alone, behind a date. */
static void
put_clock(struct str s, char time[14])
{
	struct str all, fraction = STR("");
	char digits[6];
	size_t n = 0;

	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == 'T'))
		s = rest_of(s, 1);
	all = leading_digits(s);
	if (all.n > 2) {
		s = rest_of(s, all.n);
		if (s.n > 0 && s.p[0] == '.')
			fraction = leading_digits(rest_of(s, 1));
		put_time(all, fraction, time);
		return;
	}
	while (n < sizeof(digits) && clock_part(&s, digits + n)) {
		n += 2;
		if (s.n == 0 || s.p[0] != ':')
			break;
		s = rest_of(s, 1);
	}
	if (n == sizeof(digits) && s.n > 0 && s.p[0] == '.') {
		fraction = leading_digits(rest_of(s, 1));
		s = rest_of(s, 1 + fraction.n);
	}
	if (n > 2)
		half_day(s, digits);
	put_time(str_of(digits, n), fraction, time);
}

/* dd/mm/yyyy, dd.mm.yyyy and yyyy-mm-dd, maybe with a time behind. */
static bool
written_date(struct str s, char date[9], char time[14])
{
	struct str a = leading_digits(s), b, c;
	unsigned y, m, d;
	uint8_t mark;

	if (a.n == 0 || a.n == s.n)
		return false;
	mark = s.p[a.n];
	if (mark != '/' && mark != '.' && mark != '-')
		return false;
	s = rest_of(s, a.n + 1);
	b = leading_digits(s);
	if (b.n == 0 || b.n > 2 || b.n == s.n || s.p[b.n] != mark)
		return false;
	s = rest_of(s, b.n + 1);
	c = leading_digits(s);
	if (a.n == 4 && c.n >= 1 && c.n <= 2) {
		y = number(a);
		d = number(c);
	} else if (a.n <= 2 && c.n == 4) {
		y = number(c);
		d = number(a);
	} else {
		return false;
	}
	m = number(b);
	if (!is_day(y, m, d))
		return false;
	snprintf(date, 9, "%04u%02u%02u", y % 10000, m % 100, d % 100);
	put_clock(rest_of(s, c.n), time);
	return true;
}

bool
types_time(struct str ts, char date[9], char time[14])
{
	struct str digits, fraction = STR("");

	ts = str_trim(ts);
	date[0] = time[0] = '\0';
	if (written_date(ts, date, time))
		return true;
	digits = leading_digits(ts);
	if (digits.n < 8 || !is_day(number(str_of(digits.p, 4)),
				number(str_of(digits.p + 4, 2)),
				number(str_of(digits.p + 6, 2))))
		return false;
	memcpy(date, digits.p, 8);
	date[8] = '\0';
	if (digits.n == 8) {
		put_clock(rest_of(ts, 8), time);
		return true;
	}
	if (digits.n < ts.n && ts.p[digits.n] == '.')
		fraction = leading_digits(rest_of(ts, digits.n + 1));
	put_time(rest_of(digits, 8), fraction, time);
	return true;
}

static size_t
characters(struct str s)
{
	size_t n = 0, step;
	uint32_t c;

	for (; s.n > 0; n++) {
		step = utf8_next(s, &c);
		s = rest_of(s, step > 0 ? step : 1);
	}
	return n;
}

/* Line breaks and tabs become spaces in what is one line. */
static struct str
one_line(struct arena *a, struct str s)
{
	uint8_t *copy;
	size_t i;

	for (i = 0; i < s.n && s.p[i] >= ' '; i++)
		;
	if (i == s.n)
		return str_trim(s);
	s = arena_dup(a, s);
	copy = (uint8_t *)(uintptr_t)s.p;
	for (i = 0; copy != NULL && i < s.n; i++)
		if (copy[i] < ' ')
			copy[i] = ' ';
	return str_trim(s);
}

static void
note_length(struct arena *a, struct types_result *r, unsigned room)
{
	if (room > 0 && r->note == NULL && r->text.n > room &&
	    characters(r->text) > room)
		r->note = arena_printf(a,
		    "longer than %u characters: modalities get the first",
		    room);
}

/* One part of a name: DICOM's own delimiters may not stand in it. */
static void
add_part(struct arena *a, const struct er7_message *m, struct str raw,
    struct buf *out)
{
	struct str s = one_line(a, er7_text(a, m, raw));
	size_t i;

	for (i = 0; i < s.n; i++)
		buf_u8(out, s.p[i] == '^' || s.p[i] == '=' || s.p[i] == '\\'
				? ' '
				: s.p[i]);
}

static void
drop_carets(struct buf *out, size_t from)
{
	while (out->n > from && out->p[out->n - 1] == '^')
		out->n--;
}

/* XPN from component 'first' on: family, given, middle, suffix, prefix,
 * degree; to PN: family, given, middle, prefix, suffix. */
static void
add_name(struct arena *a, const struct er7_message *m, struct str x,
    unsigned first, struct buf *out)
{
	size_t begin = out->n, at;
	unsigned i;

	for (i = 0; i < 3; i++) {
		/* Of the family name its first subcomponent is the whole. */
		add_part(a, m,
		    er7_subcomponent(m, er7_component(m, x, first + i), 1),
		    out);
		buf_u8(out, '^');
	}
	add_part(a, m, er7_component(m, x, first + 4), out);
	buf_u8(out, '^');
	at = out->n;
	add_part(a, m, er7_component(m, x, first + 3), out);
	if (er7_component(m, x, first + 5).n > 0) {
		if (out->n > at)
			buf_u8(out, ' ');
		add_part(a, m, er7_component(m, x, first + 5), out);
	}
	drop_carets(out, begin);
}

/* The next repetition. One after the other: there may be many. */
static bool
next_repetition(const struct er7_message *m, struct str *rest, struct str *one)
{
	if (m->d.repetition != 0)
		return str_split(rest, (uint8_t)m->d.repetition, one);
	*one = *rest;
	*rest = (struct str){NULL, 0};
	return one->p != NULL;
}

/* A = alphabetic, I = ideographic, P = phonetic (XPN-8, XCN-15). */
static size_t
group_of(struct str representation)
{
	if (str_eq(representation, STR("I")))
		return 1;
	return str_eq(representation, STR("P")) ? 2 : 0;
}

static struct str
person_name(struct arena *a, const struct er7_message *m, struct str field,
    unsigned first)
{
	struct str groups[GROUPS] = {{0}}, x, text;
	struct buf out;
	size_t g, n = 0, i = 0;

	buf_init(&out, NAME_CAP);
	while (i++ < LIMIT_HL7_REPETITIONS && next_repetition(m, &field, &x)) {
		if (x.n == 0)
			continue;
		g = group_of(er7_component(m, x, first == 1 ? 8 : 15));
		if (groups[g].n > 0)
			continue;
		buf_clear(&out);
		add_name(a, m, x, first, &out);
		groups[g] = arena_dup(a, buf_str(&out));
	}
	buf_clear(&out);
	for (g = 0; g < GROUPS; g++)
		if (groups[g].n > 0)
			n = g + 1;
	for (g = 0; g < n; g++) {
		if (g > 0)
			buf_u8(&out, '=');
		buf_add(&out, groups[g]);
	}
	text = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return text;
}

static bool
has_digit(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (isdigit(s.p[i]))
			return true;
	return false;
}

static struct str
name_of(struct arena *a, const struct er7_message *m, struct str raw, bool xcn)
{
	struct str one = er7_component(m, er7_repetition(m, raw, 1), 1);
	bool divided = one.n < er7_repetition(m, raw, 1).n;
	unsigned first = 1;

	/* A name alone, or one that came divided by something else. */
	if (!divided && er7_repetitions(m, raw) <= 1)
		return one_line(a, er7_text(a, m, er7_subcomponent(m, raw, 1)));
	/* XCN begins with an identifier; a name in its place has no digits and
	 * nothing behind the given name. */
	if (xcn && (has_digit(one) || one.n == 0 ||
		       er7_component(m, er7_repetition(m, raw, 1), 3).n > 0))
		first = 2;
	return person_name(a, m, raw, first);
}

static struct str
upper(struct arena *a, struct str s)
{
	uint8_t *copy;
	size_t i;

	s = arena_dup(a, s);
	copy = (uint8_t *)(uintptr_t)s.p;
	for (i = 0; copy != NULL && i < s.n; i++)
		copy[i] = (uint8_t)toupper(copy[i]);
	return s;
}

static bool
is_uid(struct str s)
{
	size_t i;

	if (s.n == 0 || s.n > 64 || s.p[s.n - 1] == '.')
		return false;
	for (i = 0; i < s.n; i++) {
		bool first = i == 0 || s.p[i - 1] == '.';

		if (s.p[i] == '.' ? first : !isdigit(s.p[i]))
			return false;
		if (first && s.p[i] == '0' && i + 1 < s.n && s.p[i + 1] != '.')
			return false;
	}
	return true;
}

static bool
is_decimal(struct str s)
{
	size_t i = 0, digits = 0, dots = 0;

	if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
		i++;
	for (; i < s.n; i++) {
		digits += isdigit(s.p[i]) != 0;
		dots += s.p[i] == '.';
		if (!isdigit(s.p[i]) && s.p[i] != '.')
			return false;
	}
	return digits > 0 && dots <= 1 && s.n <= 16;
}

bool
types_measure(struct str text, struct str unit, char out[17])
{
	static const struct {
		const char *name;
		double in;
	} units[] = {
	    {"kg", 1}, {"g", 1e-3}, {"m", 1}, {"cm", 1e-2}, {"mm", 1e-3}};
	char copy[17];
	size_t i;

	if (!is_decimal(text) || !str_copy(copy, sizeof(copy), text))
		return false;
	for (i = 0; i < ARRAY_LEN(units); i++)
		if (str_eq_nocase(unit, str_from(units[i].name)))
			break;
	if (i == ARRAY_LEN(units))
		return false;
	snprintf(out, 17, "%.6g", strtod(copy, NULL) * units[i].in);
	return true;
}

static void
convert_sex(struct types_result *r)
{
	static const char known[] = "MFO";
	char c = r->text.n > 0 ? (char)toupper(r->text.p[0]) : '\0';
	const char *at = c != '\0' ? strchr(known, c) : NULL;

	if (at != NULL) {
		r->text = str_of(at, 1);
		return;
	}
	if (r->text.n > 0)
		r->note = "neither M, F nor O: left empty";
	r->text = STR("");
}

static void
convert_priority(struct arena *a, struct types_result *r)
{
	static const struct {
		char code;
		const char *text;
	} known[] = {{'S', "STAT"}, {'A', "HIGH"}, {'P', "HIGH"}, {'C', "HIGH"},
	    {'R', "ROUTINE"}, {'T', "MEDIUM"}};
	size_t i;

	r->text = upper(a, r->text);
	for (i = 0; i < ARRAY_LEN(known) && r->text.n == 1; i++)
		if (r->text.p[0] == (uint8_t)known[i].code) {
			r->text = str_from(known[i].text);
			return;
		}
}

struct str
types_code(struct arena *a, const struct er7_message *m, struct str field,
    unsigned first)
{
	struct str text, one;
	struct buf out;
	size_t begin, i = 0;
	unsigned c;

	buf_init(&out, 64 * NAME_CAP);
	while (
	    i++ < LIMIT_HL7_REPETITIONS && next_repetition(m, &field, &one)) {
		if (one.n == 0)
			continue;
		if (out.n > 0)
			buf_u8(&out, '\\');
		begin = out.n;
		for (c = 0; c < 3; c++) {
			if (c > 0)
				buf_u8(&out, '^');
			add_part(a, m, er7_component(m, one, first + c), &out);
		}
		drop_carets(&out, begin);
		if (out.n == begin && begin > 0)
			out.n--; /* no code, no divider */
	}
	text = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return text;
}

static void
bad(struct types_result *r, const char *why)
{
	if (r->text.n == 0)
		return;
	r->bad = true;
	r->note = why;
	r->text = STR("");
}

static void
convert_time(struct arena *a, enum field_type type, struct types_result *r)
{
	char date[9], time[14];

	if (!types_time(r->text, date, time)) {
		bad(r, "no date that could be read");
		return;
	}
	r->text =
	    arena_dup(a, str_from(type == FIELD_TYPE_DT_TIME ? time : date));
}

static void
convert_line(struct arena *a, enum field_type type, struct types_result *r)
{
	switch (type) {
	case FIELD_TYPE_SEX:
		convert_sex(r);
		break;
	case FIELD_TYPE_CS:
		r->text = upper(a, r->text);
		break;
	case FIELD_TYPE_PRIORITY:
		convert_priority(a, r);
		break;
	case FIELD_TYPE_DA:
	case FIELD_TYPE_DT_DATE:
	case FIELD_TYPE_DT_TIME:
		convert_time(a, type, r);
		break;
	case FIELD_TYPE_UI:
		if (!is_uid(r->text))
			bad(r, "no UID: taken as missing");
		break;
	case FIELD_TYPE_DS:
		if (!is_decimal(r->text))
			bad(r, "no number");
		break;
	default:
		break;
	}
}

/* Of an assigning authority (HD) its name, else its universal ID: what DICOM
 * has as the issuer. */
static struct str
authority(const struct er7_message *m, struct str raw)
{
	struct str name = er7_subcomponent(m, raw, 1);

	return str_trim(name).n > 0 ? name : er7_subcomponent(m, raw, 2);
}

struct types_result
types_convert(struct arena *a, const struct er7_message *m, enum field f,
    struct str raw, bool whole_field)
{
	const struct field_info *info = field_info(f);
	struct types_result r = {0};

	if (f == FIELD_IssuerOfPatientID && !whole_field)
		raw = authority(m, raw);
	switch (info->type) {
	case FIELD_TYPE_PN:
	case FIELD_TYPE_XCN:
		r.text = name_of(a, m, raw, info->type == FIELD_TYPE_XCN);
		if (!whole_field && is_digits(r.text))
			r.note = "a number, not a name: component 0 would take "
				 "the name behind it";
		break;
	case FIELD_TYPE_CODE:
		r.text = whole_field ? types_code(a, m, raw, 1)
				     : one_line(a, er7_text(a, m, raw));
		break;
	case FIELD_TYPE_LT:
	case FIELD_TYPE_ST:
		r.text = str_trim(
		    er7_text(a, m, er7_repetition(m, raw, whole_field)));
		/* Table 0009; in DICOM (PS3.3 C.2.3) 3 is pregnant. */
		if (f == FIELD_PregnancyStatus && str_eq(r.text, STR("B6")))
			r.text = STR("3");
		break;
	default:
		r.text = one_line(
		    a, er7_text(a, m, er7_repetition(m, raw, whole_field)));
		convert_line(a, info->type, &r);
		break;
	}
	note_length(a, &r, info->room);
	return r;
}

/* PN: family, given, middle, prefix, suffix; XPN: family, given, middle,
 * suffix, prefix. */
static void
build_group(struct buf *out, const struct er7_delimiters *d, struct str group)
{
	static const uint8_t order[] = {0, 1, 2, 4, 3};
	struct str parts[5] = {{0}}, rest = group;
	size_t i, begin = out->n;

	for (i = 0; i < 5 && str_split(&rest, '^', &parts[i]); i++)
		;
	for (i = 0; i < 5; i++) {
		if (i > 0)
			buf_u8(out, (uint8_t)d->component);
		er7_escape(out, d, parts[order[i]]);
	}
	while (out->n > begin && out->p[out->n - 1] == (uint8_t)d->component)
		out->n--;
}

void
types_name_build(struct buf *out, const struct er7_delimiters *d, struct str pn)
{
	static const char codes[] = "AIP";
	struct str rest = pn, group;
	bool several = str_find(pn, '=') < pn.n;
	size_t g, i, n;
	bool first = true;

	for (g = 0; g < GROUPS && str_split(&rest, '=', &group); g++) {
		if (group.n == 0)
			continue;
		if (!first)
			buf_u8(out, (uint8_t)d->repetition);
		first = false;
		n = out->n;
		build_group(out, d, group);
		if (!several)
			continue;
		/* XPN-8 tells which group it is. */
		for (i = 1; n < out->n; n++)
			i += out->p[n] == (uint8_t)d->component;
		for (; i < 8; i++)
			buf_u8(out, (uint8_t)d->component);
		buf_u8(out, (uint8_t)codes[g]);
	}
}
