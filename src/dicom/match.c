/*
 * Attribute matching, PS3.4 C.2.2.2, on UTF-8 text.
 *
 * Dates and times match by what they mean (C.2.2.2.1.3): a key of less
 * precision covers all it leaves open, so that the time 10 is 10:00 to
 * 10:59:59.999999, alone and as the end of a range. Names compare folded, by
 * component groups: a key of one group matches any group of the value, one of
 * several groups is compared group by group, empty ones matching all.
 *
 * Wild cards: the pattern is cut at each '*', and each piece is looked for
 * once, from left to right. A piece without '?' is found in linear time by
 * memmem(); one with '?' by a machine that keeps the state of all its
 * positions in one bit each, so no pattern takes more than the length of the
 * value times a 64th of the longest piece.
 */
#include "dicom/match.h"

#include "base/utf8.h"
#include "dicom/value.h"

/* Digits of a decimal string that count, and its exponent: more is compared as
 * text. */
#define DECIMAL_MAX   64
#define DECIMAL_POWER 10000

/* Units of a binary key that are alternatives. */
#define BINARY_LIST 64

/* Pieces up to here are tried at each place. */
#define PIECE_SHORT 16

static bool
is_continuation(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

static bool
has_wild(struct str s)
{
	return str_find(s, '*') != s.n || str_find(s, '?') != s.n;
}

static bool
only_stars(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] != '*')
			return false;
	return true;
}

/* The end of the character that begins at 'at'. */
static size_t
next_character(struct str s, size_t at)
{
	do
		at++;
	while (at < s.n && is_continuation(s.p[at]));
	return at;
}

/* Does the piece, without '*', stand at 'at'? *end: behind it. */
static bool
stands_at(struct str piece, struct str value, size_t at, size_t *end)
{
	size_t i;

	for (i = 0; i < piece.n; i++) {
		if (at >= value.n)
			return false;
		if (piece.p[i] == '?')
			at = next_character(value, at);
		else if (piece.p[i] == value.p[at])
			at++;
		else
			return false;
	}
	*end = at;
	return true;
}

static bool
find_short(struct str piece, struct str value, size_t *at)
{
	size_t from, end;

	for (from = *at; from < value.n; from = next_character(value, from)) {
		if (stands_at(piece, value, from, &end)) {
			*at = end;
			return true;
		}
	}
	return false;
}

/* One bit for each byte of the piece: those before it have been seen. */
struct machine {
	size_t words;
	uint64_t *accepts; /* for each byte, the positions that take it */
	uint64_t *wild;    /* positions of '?' */
	uint64_t *state;
};

static void
machine_init(struct machine *m, struct str piece)
{
	size_t i, c;
	uint64_t bit;

	m->words = (piece.n + 63) / 64;
	m->accepts = must_zalloc(258 * m->words * sizeof(uint64_t));
	m->wild = m->accepts + 256 * m->words;
	m->state = m->wild + m->words;
	for (i = 0; i < piece.n; i++) {
		bit = (uint64_t)1 << i % 64;
		if (piece.p[i] != '?') {
			m->accepts[piece.p[i] * m->words + i / 64] |= bit;
			continue;
		}
		m->wild[i / 64] |= bit;
		for (c = 0; c < 256; c++)
			if (!is_continuation((uint8_t)c))
				m->accepts[c * m->words + i / 64] |= bit;
	}
}

static void
machine_step(struct machine *m, uint8_t c)
{
	/* A piece begins at a character; '?' lasts to the end of one. */
	uint64_t carry = is_continuation(c) ? 0 : 1, out, stay;
	size_t w;

	for (w = 0; w < m->words; w++) {
		stay = is_continuation(c) ? m->state[w] & m->wild[w] : 0;
		out = m->state[w] >> 63;
		m->state[w] = ((m->state[w] << 1 | carry) &
				  m->accepts[c * m->words + w]) |
			      stay;
		carry = out;
	}
}

static bool
find_long(struct str piece, struct str value, size_t *at)
{
	struct machine m;
	size_t i, last = piece.n - 1;
	bool found = false;

	machine_init(&m, piece);
	for (i = *at; i < value.n && !found; i++) {
		machine_step(&m, value.p[i]);
		found = (m.state[last / 64] >> last % 64 & 1) != 0;
	}
	free(m.accepts);
	if (!found)
		return false;
	while (
	    piece.p[last] == '?' && i < value.n && is_continuation(value.p[i]))
		i++;
	*at = i;
	return true;
}

/* The first place of the piece from *at on; *at: behind it. */
static bool
find_piece(struct str piece, struct str value, size_t *at)
{
	const uint8_t *found;

	if (piece.n == 0)
		return true;
	if (piece.n > value.n - *at)
		return false;
	if (str_find(piece, '?') == piece.n) {
		found = memmem(value.p + *at, value.n - *at, piece.p, piece.n);
		if (found == NULL)
			return false;
		*at = (size_t)(found - value.p) + piece.n;
		return true;
	}
	if (piece.n <= PIECE_SHORT)
		return find_short(piece, value, at);
	return find_long(piece, value, at);
}

/* Does the value end with the piece, which begins not before 'from'? */
static bool
ends_with(struct str piece, struct str value, size_t from)
{
	size_t i = piece.n, at = value.n;

	while (i > 0) {
		i--;
		if (at <= from)
			return false;
		at--;
		if (piece.p[i] != '?') {
			if (piece.p[i] != value.p[at])
				return false;
			continue;
		}
		while (at > from && is_continuation(value.p[at]))
			at--;
	}
	return true;
}

bool
match_wild(struct str pattern, struct str value)
{
	struct str rest, piece;
	size_t at = 0, first = str_find(pattern, '*');

	if (!stands_at(str_of(pattern.p, first), value, 0, &at))
		return false;
	if (first == pattern.n)
		return at == value.n;
	rest = str_of(pattern.p + first + 1, pattern.n - first - 1);
	while (str_split(&rest, '*', &piece)) {
		if (rest.p == NULL)
			return ends_with(piece, value, at);
		if (!find_piece(piece, value, &at))
			return false;
	}
	return true;
}

static bool
takes_wild(enum vr vr)
{
	switch (vr) {
	case VR_AE:
	case VR_CS:
	case VR_LO:
	case VR_LT:
	case VR_PN:
	case VR_SH:
	case VR_ST:
	case VR_UC:
	case VR_UR:
	case VR_UT:
		return true;
	default:
		return false;
	}
}

static bool
takes_range(enum vr vr)
{
	return vr == VR_DA || vr == VR_TM || vr == VR_DT;
}

/* A name of delimiters alone, as some send for none: it asks for nothing. */
static bool
is_nobody(struct str name)
{
	size_t i;

	for (i = 0; i < name.n; i++)
		if (name.p[i] != '^' && name.p[i] != '=' && name.p[i] != ' ')
			return false;
	return true;
}

static bool
is_binary(enum vr vr)
{
	return vr != VR_NONE && vr_kind(vr) == VR_KIND_BINARY;
}

enum match_kind
match_kind(enum vr vr, struct str key)
{
	struct str from, to;

	if (is_binary(vr))
		return key.n == 0 ? MATCH_UNIVERSAL : MATCH_SINGLE;
	key = str_trim(key);
	if (only_stars(key) || (vr == VR_PN && is_nobody(key)))
		return MATCH_UNIVERSAL;
	if (vr == VR_UI)
		return str_find(key, '\\') != key.n ? MATCH_UID_LIST
						    : MATCH_SINGLE;
	if (takes_range(vr) && match_range_split(vr, key, &from, &to))
		return MATCH_RANGE;
	return takes_wild(vr) && has_wild(key) ? MATCH_WILD : MATCH_SINGLE;
}

/* Is the minus sign at 'at' that of an offset from UTC? Four digits follow
 * it, to the end or to another minus sign, and are 1200 at most: no year of
 * interest is (PS3.5 6.2, DT). */
static bool
is_zone(struct str key, size_t at)
{
	struct str rest = str_of(key.p + at + 1, key.n - at - 1);
	uint64_t v;

	if (at == 0 || key.p[at - 1] == '-' || rest.n < 4)
		return false;
	if (rest.n > 4 && rest.p[4] != '-' && rest.p[4] != ' ')
		return false;
	return str_u64(str_of(rest.p, 4), &v) && v <= 1200 && v % 100 < 60;
}

bool
match_range_split(enum vr vr, struct str key, struct str *from, struct str *to)
{
	size_t i, at = 0, count = 0;

	if (!takes_range(vr))
		return false;
	key = str_trim(key);
	for (i = 0; i < key.n; i++) {
		if (key.p[i] != '-' || (vr == VR_DT && is_zone(key, i)))
			continue;
		at = i;
		count++;
	}
	if (count != 1)
		return false;
	*from = str_trim(str_of(key.p, at));
	*to = str_trim(str_of(key.p + at + 1, key.n - at - 1));
	return true;
}

/* A date or time from 'from' to 'to', both included; an empty one is open. */
static bool
in_text_range(enum vr vr, struct str from, struct str to, struct str value)
{
	char low[14], high[14], v[14];

	if (vr == VR_DA) {
		if (!date_parse(value, v) ||
		    (from.n > 0 && !date_parse(from, low)) ||
		    (to.n > 0 && !date_parse(to, high)))
			return false;
	} else {
		if (!time_parse(value, false, v) ||
		    (from.n > 0 && !time_parse(from, false, low)) ||
		    (to.n > 0 && !time_parse(to, true, high)))
			return false;
	}
	return (from.n == 0 || strcmp(low, v) <= 0) &&
	       (to.n == 0 || strcmp(v, high) <= 0);
}

bool
match_in_range(enum vr vr, struct str from, struct str to, struct str value)
{
	struct datetime low, high, v;

	if (vr != VR_DT)
		return in_text_range(vr, from, to, value);
	if (!datetime_parse(value, false, &v) ||
	    (from.n > 0 && !datetime_parse(from, false, &low)) ||
	    (to.n > 0 && !datetime_parse(to, true, &high)))
		return false;
	return (from.n == 0 || datetime_cmp(&low, &v) <= 0) &&
	       (to.n == 0 || datetime_cmp(&v, &high) <= 0);
}

/* Eight digits, maybe with the same separator twice; *s is then behind them. */
static bool
take_date(struct str *s, char out[9])
{
	uint8_t separator = 0, c;
	size_t i, n = 0;

	for (i = 0; n < 8; i++) {
		if (i == s->n)
			return false;
		c = s->p[i];
		if (i == 4 && (c == '.' || c == '-' || c == '/'))
			separator = c;
		else if (separator != 0 && i == 7 ? c != separator
						  : c < '0' || c > '9')
			return false;
		else if (i != 7 || separator == 0)
			out[n++] = (char)c;
	}
	out[8] = '\0';
	*s = str_of(s->p + i, s->n - i);
	return true;
}

/* Who ends each month with its 31st day means its last one. */
static bool
take_end_of_range(struct str *s, char out[9])
{
	char text[9], day[9];

	if (!take_date(s, text))
		return false;
	while (!date_parse(str_from(text), day)) {
		if (strcmp(text + 6, "28") <= 0 || strcmp(text + 6, "31") > 0)
			return false;
		if (text[7] == '0')
			memcpy(text + 6, "29", 2);
		else
			text[7]--;
	}
	memcpy(out, day, 9);
	return true;
}

static bool
read_dates(struct str key, char from[9], char to[9])
{
	from[0] = to[0] = '\0';
	if (key.n > 0 && key.p[0] != '-' && !take_end_of_range(&key, from))
		return false;
	key = str_trim(key);
	if (key.n == 0 || key.p[0] != '-')
		return false;
	key = str_trim(str_of(key.p + 1, key.n - 1));
	if (key.n > 0 && !take_end_of_range(&key, to))
		return false;
	return key.n == 0 && (from[0] != '\0' || to[0] != '\0');
}

static bool
only_digits(struct str s)
{
	size_t i;

	for (i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		;
	return i == s.n;
}

static bool
contains_range(struct str key)
{
	struct str from, to;

	return match_range_split(VR_DA, key, &from, &to) || key.p[0] == '-' ||
	       key.p[key.n - 1] == '-';
}

static enum match_moment
read_date_key(struct arena *a, struct str key, struct str *out)
{
	char from[9], to[9];
	struct str rest = key;
	const char *text;

	if (take_date(&rest, from) && rest.n == 0 &&
	    date_parse(str_from(from), to))
		text = arena_printf(a, "%s", to);
	else if (read_dates(key, from, to))
		text = arena_printf(a, "%s-%s", from, to);
	else if (only_digits(key) && (key.n == 4 || key.n == 6 || key.n == 8))
		return MATCH_MOMENT_PLAIN;
	else
		return contains_range(key) ? MATCH_MOMENT_WRONG
					   : MATCH_MOMENT_LETTER;
	if (text == NULL || str_eq_text(key, text))
		return MATCH_MOMENT_PLAIN;
	*out = str_from(text);
	return MATCH_MOMENT_READ;
}

/* 24, 2400, 24:00:00: the end of a day. */
static bool
is_midnight(struct str s)
{
	size_t i, digits = 0;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == ':')
			continue;
		if (digits >= 6 || s.p[i] != "240000"[digits])
			return false;
		digits++;
	}
	return digits == 2 || digits == 4 || digits == 6;
}

static enum match_moment
read_time_key(struct arena *a, struct str key, struct str *out)
{
	struct str from, to;
	const char *text;
	char time[14];

	if (!match_range_split(VR_TM, key, &from, &to)) {
		if (time_parse(key, false, time))
			return MATCH_MOMENT_PLAIN;
		return contains_range(key) ? MATCH_MOMENT_WRONG
					   : MATCH_MOMENT_LETTER;
	}
	if (from.n > 0 && !time_parse(from, false, time))
		return MATCH_MOMENT_WRONG;
	if (to.n == 0 || time_parse(to, true, time))
		return MATCH_MOMENT_PLAIN;
	if (!is_midnight(to))
		return MATCH_MOMENT_WRONG;
	text = arena_printf(a, "%.*s-235959.999999", STR_ARG(from));
	if (text != NULL)
		*out = str_from(text);
	return MATCH_MOMENT_READ;
}

static enum match_moment
read_datetime_key(struct str key)
{
	struct datetime moment;
	struct str from, to;

	if (!match_range_split(VR_DT, key, &from, &to))
		return datetime_parse(key, false, &moment)
			   ? MATCH_MOMENT_PLAIN
			   : MATCH_MOMENT_LETTER;
	return (from.n == 0 || datetime_parse(from, false, &moment)) &&
		       (to.n == 0 || datetime_parse(to, true, &moment))
		   ? MATCH_MOMENT_PLAIN
		   : MATCH_MOMENT_WRONG;
}

enum match_moment
match_moment(struct arena *a, enum vr vr, struct str key, struct str *out)
{
	*out = key;
	if (!takes_range(vr))
		return MATCH_MOMENT_PLAIN;
	*out = key = str_trim(key);
	if (only_stars(key) || str_find(key, '\\') < key.n)
		return MATCH_MOMENT_PLAIN;
	switch (vr) {
	case VR_DA:
		return read_date_key(a, key, out);
	case VR_TM:
		return read_time_key(a, key, out);
	case VR_DT:
		return read_datetime_key(key);
	default:
		return MATCH_MOMENT_PLAIN;
	}
}

static bool
fits_moment(enum vr vr, struct str key, struct str value)
{
	struct str from, to;

	if (match_range_split(vr, key, &from, &to))
		return match_in_range(vr, from, to, value);
	return match_in_range(vr, key, key, value) ||
	       str_eq(str_trim(key), str_trim(value));
}

static size_t
count_byte(struct str s, uint8_t b)
{
	size_t i, n = 0;

	for (i = 0; i < s.n; i++)
		n += s.p[i] == b;
	return n;
}

/* Groups without trailing empty components: "DOE^*" is to match "DOE", which
 * is "DOE^" and more. */
static bool
match_group(struct arena *a, struct str key, struct str value)
{
	size_t wanted, there;
	uint8_t *padded;

	if (!has_wild(key))
		return str_eq(key, value);
	if (match_wild(key, value))
		return true;
	wanted = count_byte(key, '^');
	there = count_byte(value, '^');
	if (wanted <= there)
		return false;
	padded = arena_alloc(a, value.n + wanted - there);
	if (padded == NULL)
		return false;
	if (value.n > 0)
		memcpy(padded, value.p, value.n);
	memset(padded + value.n, '^', wanted - there);
	return match_wild(key, str_of(padded, value.n + wanted - there));
}

/* Both folded, and not empty. */
static bool
match_name(struct arena *a, struct str key, struct str value)
{
	struct str key_group, value_group;

	if (str_find(key, '=') == key.n) {
		while (str_split(&value, '=', &value_group))
			if (value_group.n > 0 &&
			    match_group(a, key, value_group))
				return true;
		return false;
	}
	while (str_split(&key, '=', &key_group)) {
		if (!str_split(&value, '=', &value_group))
			value_group = STR("");
		if (only_stars(key_group))
			continue;
		if (value_group.n == 0 ||
		    !match_group(a, key_group, value_group))
			return false;
	}
	return true;
}

/* The names of a list, folded, without empty ones. */
static struct str *
fold_names(struct arena *a, struct str names, size_t *n)
{
	size_t i, room = 1;
	struct str *list, part;

	for (i = 0; i < names.n; i++)
		room += names.p[i] == '\\';
	list = arena_array(a, room, sizeof(*list));
	*n = 0;
	while (list != NULL && str_split(&names, '\\', &part)) {
		list[*n] = pn_key(a, part);
		*n += list[*n].n > 0;
	}
	return list;
}

/* Does any name of the key match any of the value? Each is folded once. */
static bool
match_names(struct arena *a, struct str key, struct str value)
{
	size_t key_count, value_count, i, k;
	struct str *keys = fold_names(a, key, &key_count);
	struct str *values = fold_names(a, value, &value_count);

	if (a->over || value_count == 0)
		return false;
	for (k = 0; k < key_count; k++)
		for (i = 0; i < value_count; i++)
			if (match_name(a, keys[k], values[i]))
				return true;
	return false;
}

/* A decimal number by its significant digits: 0.DIGITS times ten to the
 * power. Exact, whatever the precision. */
struct decimal {
	bool negative;
	int power;
	size_t n;
	uint8_t digits[DECIMAL_MAX];
};

/* The digits of a mantissa, up to its exponent. */
static bool
take_digits(struct str *s, struct decimal *d)
{
	bool point = false, any = false;
	uint8_t c;

	for (; s->n > 0; *s = str_of(s->p + 1, s->n - 1)) {
		c = s->p[0];
		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		any = true;
		d->power += point ? 0 : 1;
		if (c == '0' && d->n == 0) {
			d->power--;
			continue;
		}
		if (d->n == sizeof(d->digits))
			return false;
		d->digits[d->n++] = c;
	}
	while (d->n > 0 && d->digits[d->n - 1] == '0')
		d->n--;
	return any;
}

/* A sign, which may be missing. */
static bool
take_sign(struct str *s)
{
	bool negative = s->n > 0 && s->p[0] == '-';

	if (s->n > 0 && (negative || s->p[0] == '+'))
		*s = str_of(s->p + 1, s->n - 1);
	return negative;
}

/* DS and IS (PS3.5 6.2). */
static bool
decimal_parse(struct str s, struct decimal *d)
{
	uint64_t exponent;
	bool negative;

	*d = (struct decimal){0};
	s = str_trim(s);
	d->negative = take_sign(&s);
	if (!take_digits(&s, d))
		return false;
	if (s.n > 0) {
		if (s.p[0] != 'e' && s.p[0] != 'E')
			return false;
		s = str_of(s.p + 1, s.n - 1);
		negative = take_sign(&s);
		if (!str_u64(s, &exponent) || exponent > DECIMAL_POWER)
			return false;
		d->power += negative ? -(int)exponent : (int)exponent;
	}
	if (d->n == 0)
		*d = (struct decimal){0};
	return true;
}

static bool
same_number(struct str a, struct str b)
{
	struct decimal x, y;

	return decimal_parse(a, &x) && decimal_parse(b, &y) &&
	       x.negative == y.negative && x.power == y.power && x.n == y.n &&
	       memcmp(x.digits, y.digits, x.n) == 0;
}

static bool
match_text(enum vr vr, struct str key, struct str value)
{
	key = str_trim(key);
	value = str_trim(value);
	if (takes_wild(vr) && has_wild(key))
		return match_wild(key, value);
	return str_eq(key, value) ||
	       ((vr == VR_IS || vr == VR_DS) && same_number(key, value));
}

/* One value of the key and one of the attribute, both not empty. */
static bool
match_one(enum vr vr, struct str key, struct str value)
{
	if (takes_range(vr))
		return fits_moment(vr, key, value);
	return match_text(vr, key, value);
}

static bool
match_any_value(enum vr vr, struct str key, struct str value)
{
	struct str part;

	if (!vr_is_multi(vr))
		return str_trim(value).n > 0 && match_one(vr, key, value);
	while (str_split(&value, '\\', &part))
		if (str_trim(part).n > 0 && match_one(vr, key, part))
			return true;
	return false;
}

/* Numbers and tags by their units, other bytes as a whole. */
static bool
match_binary(enum vr vr, struct str key, struct str value)
{
	size_t unit = vr_unit(vr), i, k;

	if (vr == VR_AT)
		unit = 4;
	/* Lists are short, lest hostile ones cost their product. */
	if (unit == 1 || key.n > BINARY_LIST * unit || vr == VR_OW ||
	    vr == VR_OL || vr == VR_OV || vr == VR_OF || vr == VR_OD)
		return str_eq(key, value);
	for (k = 0; key.n - k >= unit; k += unit)
		for (i = 0; value.n - i >= unit; i += unit)
			if (memcmp(key.p + k, value.p + i, unit) == 0)
				return true;
	return false;
}

bool
match_value(struct arena *scratch, enum vr vr, struct str key, struct str value)
{
	struct str part;

	if (is_binary(vr))
		return key.n == 0 || match_binary(vr, key, value);

	key = str_trim(key);
	if (only_stars(key) || (vr == VR_PN && is_nobody(key)))
		return true;
	if (value.n == 0)
		return false;
	if (vr == VR_PN)
		return match_names(scratch, key, value);
	if (!vr_is_multi(vr))
		return match_any_value(vr, key, value);
	while (str_split(&key, '\\', &part)) {
		part = str_trim(part);
		if (part.n > 0 &&
		    (only_stars(part) || match_any_value(vr, part, value)))
			return true;
	}
	return false;
}

/* Between the parts of a name: delimiters of components and groups, and what
 * separates words in them. */
static bool
parts_names(uint8_t c)
{
	return c == '^' || c == '=' || c == ' ' || c == '-' || c == ',' ||
	       c == '\'';
}

/* The next word, empty between two separators; false at the end. */
static bool
next_word(struct str *rest, struct str *word)
{
	size_t n = 0;

	if (rest->n == 0)
		return false;
	while (n < rest->n && !parts_names(rest->p[n]))
		n++;
	*word = str_of(rest->p, n);
	n += n < rest->n;
	*rest = str_of(rest->p + n, rest->n - n);
	return true;
}

struct str
match_longest_word(struct str key)
{
	struct str word, best = STR("");

	while (next_word(&key, &word))
		if (word.n > best.n)
			best = word;
	return best;
}

static bool
part_begins(struct str name, struct str word)
{
	struct str part;

	while (next_word(&name, &part))
		if (str_starts(part, word))
			return true;
	return false;
}

/* Both folded. */
static bool
fits_loosely(struct str key, struct str name)
{
	struct str word;
	bool any = false;

	while (next_word(&key, &word)) {
		if (word.n == 0)
			continue;
		any = true;
		if (!part_begins(name, word))
			return false;
	}
	return any;
}

bool
match_name_fuzzy(struct arena *scratch, struct str key, struct str value)
{
	struct str keys = utf8_fold(scratch, key), names, one, name;

	value = utf8_fold(scratch, value);
	while (str_split(&keys, '\\', &one)) {
		names = value;
		while (str_split(&names, '\\', &name))
			if (fits_loosely(one, name))
				return true;
	}
	return false;
}
