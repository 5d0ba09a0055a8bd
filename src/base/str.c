/*
 * Slices. Nothing here passes a NULL pointer to a library function, even with
 * a length of 0, or adds to one: an empty slice may well hold NULL.
 */
#include "base/str.h"

struct str
str_from(const char *text)
{
	return str_of(text, text != NULL ? strlen(text) : 0);
}

struct str
str_of(const void *p, size_t n)
{
	return (struct str){p, n};
}

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
str_eq_text(struct str a, const char *text)
{
	return str_eq(a, str_from(text));
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool
str_eq_nocase(struct str a, struct str b)
{
	size_t i;

	if (a.n != b.n)
		return false;
	for (i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	return (a.n > b.n) - (a.n < b.n);
}

bool
str_starts(struct str s, struct str prefix)
{
	if (prefix.n > s.n)
		return false;
	return prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0;
}

bool
str_ends(struct str s, struct str suffix)
{
	if (suffix.n > s.n)
		return false;
	return suffix.n == 0 ||
	       memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0;
}

size_t
str_find(struct str s, uint8_t b)
{
	const uint8_t *at = s.n > 0 ? memchr(s.p, b, s.n) : NULL;

	return at != NULL ? (size_t)(at - s.p) : s.n;
}

struct str
str_trim_end(struct str s)
{
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\0'))
		s.n--;
	return s;
}

struct str
str_trim(struct str s)
{
	s = str_trim_end(s);
	while (s.n > 0 && s.p[0] == ' ') {
		s.p++;
		s.n--;
	}
	return s;
}

bool
str_split(struct str *rest, uint8_t separator, struct str *part)
{
	size_t n;

	if (rest->p == NULL)
		return false;
	n = str_find(*rest, separator);
	*part = str_of(rest->p, n);
	if (n == rest->n)
		*rest = str_of(NULL, 0);
	else
		*rest = str_of(rest->p + n + 1, rest->n - n - 1);
	return true;
}

bool
str_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (s.n == 0)
		return false;
	for (i = 0; i < s.n; i++) {
		uint64_t digit = (uint64_t)s.p[i] - '0';

		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

bool
str_i64(struct str s, int64_t *out)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t v;

	if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_of(s.p + 1, s.n - 1);
	if (!str_u64(s, &v) || v > (uint64_t)INT64_MAX + minus)
		return false;
	/* 0 - v in unsigned arithmetic: -2^63 has no positive twin. */
	*out = (int64_t)(minus ? 0 - v : v);
	return true;
}

bool
str_copy(char *dst, size_t room, struct str s)
{
	size_t n;

	must(room > 0);
	n = s.n < room ? s.n : room - 1;
	if (n > 0)
		memcpy(dst, s.p, n);
	dst[n] = '\0';
	return n == s.n;
}

const char *
str_printable(char *dst, size_t room, struct str s)
{
	static const char digits[] = "0123456789abcdef";
	size_t i, n = 0;

	must(room > 0);
	for (i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool plain = c >= 0x20 && c <= 0x7e;

		if ((plain ? 1U : 4U) > room - 1 - n)
			break;
		if (plain) {
			dst[n++] = (char)c;
			continue;
		}
		dst[n++] = '\\';
		dst[n++] = 'x';
		dst[n++] = digits[c >> 4];
		dst[n++] = digits[c & 15];
	}
	dst[n] = '\0';
	return dst;
}
