/*
 * Slices: a pointer and a length, owning nothing. The bytes live as long as
 * what they were cut from. NUL-terminated text exists only at the border with
 * libraries.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/attr.h"
#include <string.h>

struct str {
	const uint8_t *p;
	size_t n;
};

/* A literal as a slice; usable in expressions. */
#define STR(literal)                                                           \
	((struct str){(const uint8_t *)(literal), sizeof(literal) - 1})

/* For printf: "%.*s", STR_ARG(s). Only for text that is known to be ours;
 * a peer's bytes go through log fields or str_printable(). */
#define STR_ARG(s) (int)(s).n, (const char *)(s).p

struct str str_from(const char *text); /* NULL gives the empty slice */
struct str str_of(const void *p, size_t n);
bool str_eq(struct str a, struct str b);
bool str_eq_text(struct str a, const char *text);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
int str_cmp(struct str a, struct str b);        /* byte order, shorter first */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Index of the first byte b, or s.n. */
size_t str_find(struct str s, uint8_t b);
/* Without leading and trailing spaces, and without trailing NULs (PS3.5 6.2
 * pads text with spaces and UIDs with a NUL; peers mix them up). */
struct str str_trim(struct str s);
/* As str_trim, keeping leading spaces. */
struct str str_trim_end(struct str s);
/* Cut the part before the next separator off *rest into *part; false when
 * nothing is left. "a\b" with '\\' gives "a", "b"; "" gives "" once: set
 * *rest with str_split_begin semantics: a slice whose p is NULL is finished. */
bool str_split(struct str *rest, uint8_t separator, struct str *part);
/* Decimal, the whole slice, no sign, no overflow; else false. */
bool str_u64(struct str s, uint64_t *out) MUST_USE;
bool str_i64(struct str s, int64_t *out) MUST_USE;
/* Copy into dst of size room, always NUL-terminated; false when it was cut. */
bool str_copy(char *dst, size_t room, struct str s);
/* As str_copy, with every byte outside printable ASCII written as \xNN, so
 * that a peer's bytes cannot forge a log line. Returns dst. */
const char *str_printable(char *dst, size_t room, struct str s);

#endif
