/*
 * UIDs, dates, times and person names: their grammars of PS3.5 6.2 and 9, and
 * what old versions of them are still met (dates with dots, times with
 * colons).
 */
#include "dicom/value.h"

#include "base/utf8.h"

#include <gnutls/crypto.h>
#include <sys/random.h>

#define UID_MAX (UID_ROOM - 1)

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool
uid_valid(struct str uid)
{
	struct str rest = uid, part;
	size_t i;

	if (uid.n == 0 || uid.n > UID_MAX)
		return false;
	while (str_split(&rest, '.', &part)) {
		if (part.n == 0 || (part.n > 1 && part.p[0] == '0'))
			return false;
		for (i = 0; i < part.n; i++)
			if (!is_digit(part.p[i]))
				return false;
	}
	return true;
}

bool
uid_met(struct str uid)
{
	size_t i;
	uint8_t c;

	if (uid.n == 0 || uid.n > UID_MAX || !is_digit(uid.p[0]))
		return false;
	for (i = 0; i < uid.n; i++) {
		c = uid.p[i];
		if (!is_digit(c) && c != '.' && c != '-' && c != '_' &&
		    !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
			return false;
	}
	return true;
}

/* "2.25." and the 128 bits as one decimal number. */
static void
uid_from_bits(const uint8_t bits[16], char out[UID_ROOM])
{
	static const char root[] = "2.25.";
	char digits[40];
	size_t i, n = sizeof(digits);
	unsigned __int128 v = 0;

	for (i = 0; i < 16; i++)
		v = v << 8 | bits[i];
	do {
		digits[--n] = (char)('0' + (int)(v % 10));
		v /= 10;
	} while (v > 0);
	memcpy(out, root, sizeof(root) - 1);
	memcpy(out + sizeof(root) - 1, digits + n, sizeof(digits) - n);
	out[sizeof(root) - 1 + sizeof(digits) - n] = '\0';
}

void
uid_new(char out[UID_ROOM])
{
	uint8_t bits[16];

	must(getrandom(bits, sizeof(bits), 0) == (ssize_t)sizeof(bits));
	/* Version 4 and the variant: RFC 9562 5.4. */
	bits[6] = (uint8_t)((bits[6] & 0x0f) | 0x40);
	bits[8] = (uint8_t)((bits[8] & 0x3f) | 0x80);
	uid_from_bits(bits, out);
}

void
uid_from_hash(struct str seed, char out[UID_ROOM])
{
	uint8_t digest[32];

	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, seed.n > 0 ? seed.p : digest,
		 seed.n, digest) == 0);
	digest[0] &= 0x7f;
	uid_from_bits(digest, out);
}

/* The next n bytes as a number; false when they are no digits. */
static bool
take_number(struct str *s, size_t n, int *out)
{
	int v = 0;
	size_t i;

	if (n > s->n)
		return false;
	for (i = 0; i < n; i++) {
		if (!is_digit(s->p[i]))
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = str_of(s->p + n, s->n - n);
	*out = v;
	return true;
}

static bool
take_byte(struct str *s, uint8_t c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_of(s->p + 1, s->n - 1);
	return true;
}

static int
days_of(int year, int month)
{
	static const int days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool
is_day(int year, int month, int day)
{
	return month >= 1 && month <= 12 && day >= 1 &&
	       day <= days_of(year, month);
}

bool
date_parse(struct str da, char out[9])
{
	int year, month, day;
	bool dots;

	da = str_trim(da);
	if (!take_number(&da, 4, &year))
		return false;
	dots = take_byte(&da, '.');
	if (!take_number(&da, 2, &month) || (dots && !take_byte(&da, '.')) ||
	    !take_number(&da, 2, &day) || da.n != 0 ||
	    !is_day(year, month, day))
		return false;
	snprintf(out, 9, "%04u%02u%02u", (unsigned)year % 10000,
	    (unsigned)month % 100, (unsigned)day % 100);
	return true;
}

void
date_add(char day[9], int days)
{
	struct str s = str_from(day);
	int year = 0, month = 1, d = 1, step = days < 0 ? -1 : 1;

	if (!take_number(&s, 4, &year) || !take_number(&s, 2, &month) ||
	    !take_number(&s, 2, &d) || !is_day(year, month, d))
		return;
	for (; days != 0; days -= step) {
		d += step;
		if (d == 0 && --month == 0) {
			month = 12;
			year--;
		}
		if (d == 0) {
			d = days_of(year, month);
		} else if (d > days_of(year, month)) {
			d = 1;
			if (++month > 12) {
				month = 1;
				year++;
			}
		}
		if (year < 1 || year > 9999)
			return;
	}
	snprintf(day, 9, "%04u%02u%02u", (unsigned)year % 10000,
	    (unsigned)month % 100, (unsigned)d % 100);
}

struct clock_time {
	int hour, minute, second, micros;
};

/* One to six digits; what is missing is 0, or 9 at the end of a range. */
static bool
take_fraction(struct str *s, bool end, int *micros)
{
	int v = 0, i;

	if (s->n == 0 || !is_digit(s->p[0]))
		return false;
	for (i = 0; i < 6; i++) {
		v *= 10;
		if (s->n > 0 && is_digit(s->p[0])) {
			v += s->p[0] - '0';
			*s = str_of(s->p + 1, s->n - 1);
		} else {
			v += end ? 9 : 0;
		}
	}
	*micros = v;
	return true;
}

/* HH[MM[SS[.F]]], or with colons; leaves what follows. */
static bool
take_time(struct str *s, bool end, struct clock_time *t)
{
	bool colons;

	*t = (struct clock_time){0};
	if (end)
		*t = (struct clock_time){0, 59, 59, 999999};
	if (!take_number(s, 2, &t->hour) || t->hour > 23)
		return false;
	colons = take_byte(s, ':');
	if (!colons && (s->n == 0 || !is_digit(s->p[0])))
		return true;
	if (!take_number(s, 2, &t->minute) || t->minute > 59)
		return false;
	if (colons ? !take_byte(s, ':') : s->n == 0 || !is_digit(s->p[0]))
		return true;
	/* 60 is a leap second. */
	if (!take_number(s, 2, &t->second) || t->second > 60)
		return false;
	return !take_byte(s, '.') || take_fraction(s, end, &t->micros);
}

bool
time_parse(struct str tm, bool end, char out[14])
{
	struct clock_time t;

	tm = str_trim(tm);
	if (!take_time(&tm, end, &t) || tm.n != 0)
		return false;
	snprintf(out, 14, "%02u%02u%02u.%06u", (unsigned)t.hour % 100,
	    (unsigned)t.minute % 100, (unsigned)t.second % 100,
	    (unsigned)t.micros % 1000000);
	return true;
}

/* YYYY[MM[DD]]; *whole when a time may follow. */
static bool
take_date(struct str *s, bool end, int *year, int *month, int *day, bool *whole)
{
	*month = end ? 12 : 1;
	*day = 1;
	*whole = false;
	if (!take_number(s, 4, year))
		return false;
	if (s->n > 0 && is_digit(s->p[0])) {
		if (!take_number(s, 2, month) || *month < 1 || *month > 12)
			return false;
		if (s->n > 0 && is_digit(s->p[0])) {
			*whole = true;
			return take_number(s, 2, day) &&
			       is_day(*year, *month, *day);
		}
	}
	if (end)
		*day = days_of(*year, *month);
	return true;
}

/* &ZZXX from -1200 to +1400. */
static bool
take_zone(struct str *s, struct datetime *out)
{
	int hours, minutes, sign = 1;

	if (s->n == 0)
		return true;
	if (take_byte(s, '-'))
		sign = -1;
	else if (!take_byte(s, '+'))
		return false;
	if (!take_number(s, 2, &hours) || !take_number(s, 2, &minutes) ||
	    minutes > 59 || hours * 60 + minutes > 14 * 60)
		return false;
	out->offset_minutes = sign * (hours * 60 + minutes);
	out->zoned = true;
	return true;
}

/* Days since 1 March of the year 0 of the Gregorian calendar; counting from
 * March puts the leap day at the end of its year. */
static int64_t
day_number(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;
	int64_t era = y >= 0 ? y / 400 : -1, of_era = y - era * 400;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       (153 * m + 2) / 5 + day - 1;
}

bool
datetime_parse(struct str dt, bool end, struct datetime *out)
{
	struct clock_time t = {0};
	int year, month, day;
	int64_t seconds;
	bool whole;

	*out = (struct datetime){0};
	dt = str_trim(dt);
	if (!take_date(&dt, end, &year, &month, &day, &whole))
		return false;
	if (end)
		t = (struct clock_time){23, 59, 59, 999999};
	if (whole && dt.n > 0 && is_digit(dt.p[0]) && !take_time(&dt, end, &t))
		return false;
	if (!take_zone(&dt, out) || dt.n != 0)
		return false;
	seconds = day_number(year, month, day) * 86400 + t.hour * 3600 +
		  t.minute * 60 + t.second;
	out->local_us = seconds * 1000000 + t.micros;
	return true;
}

int
datetime_cmp(const struct datetime *a, const struct datetime *b)
{
	int64_t x = a->local_us, y = b->local_us;

	if (a->zoned && b->zoned) {
		x -= (int64_t)a->offset_minutes * 60 * 1000000;
		y -= (int64_t)b->offset_minutes * 60 * 1000000;
	}
	return (x > y) - (x < y);
}

struct str
pn_alphabetic(struct str pn)
{
	struct str group = str_of(pn.p, str_find(pn, '='));

	group = str_trim(group);
	while (group.n > 0 &&
	       (group.p[group.n - 1] == '^' || group.p[group.n - 1] == ' '))
		group.n--;
	return group;
}

/* Takes separators from the end of what was added since from. */
static void
drop_trailing(struct buf *b, size_t from, uint8_t separator)
{
	while (b->n > from && b->p[b->n - 1] == separator)
		b->n--;
}

struct str
pn_accents_key(struct arena *a, struct str utf8_pn)
{
	struct str groups = utf8_pn, group, component, key;
	struct buf out;
	size_t from;

	if (utf8_pn.n == 0)
		return STR("");
	buf_init(&out, a->budget < SIZE_MAX / 8 ? a->budget : SIZE_MAX / 8);
	while (str_split(&groups, '=', &group)) {
		from = out.n;
		while (str_split(&group, '^', &component)) {
			if (component.n > 0)
				buf_add(&out, utf8_fold_accents(a, component));
			buf_u8(&out, '^');
		}
		drop_trailing(&out, from, '^');
		buf_u8(&out, '=');
	}
	drop_trailing(&out, 0, '=');
	a->over = a->over || out.over;
	key = a->over ? str_of(NULL, 0) : arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return key;
}

struct str
pn_key(struct arena *a, struct str utf8_pn)
{
	return utf8_fold_letters(a, pn_accents_key(a, utf8_pn));
}
