/*
 * UTF-8 text: validity, and the folding that makes names compare regardless of
 * case and accents (through utf8proc).
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/arena.h"
#include "base/buf.h"

bool utf8_valid(struct str s);
bool utf8_is_ascii(struct str s);
/* Copy with every invalid byte replaced by U+FFFD; output is always valid. */
void utf8_repair(struct str s, struct buf *out);
/* Case folded, compatibility decomposed, marks stripped, letters with strokes
 * and the like as plain ones, spaces collapsed. Input that is not valid UTF-8
 * is repaired first. */
struct str utf8_fold(struct arena *a, struct str s);
/* The same, but letters with strokes stay what they are: for what tells people
 * apart, where two must not become one. */
struct str utf8_fold_accents(struct arena *a, struct str s);
/* What is missing there: makes utf8_fold() of it. ASCII is given back as it is.
 */
struct str utf8_fold_letters(struct arena *a, struct str folded);
/* The plain Latin letters for one that Unicode does not take apart; NULL for
 * all others. */
const char *utf8_letter(uint32_t small);
/* The largest prefix of at most n bytes that ends at a character. */
struct str utf8_cut(struct str s, size_t n);
/* Decode the character at s.p; 1 to 4 bytes, or 0 at a bad byte or the end. */
size_t utf8_next(struct str s, uint32_t *code_point);

/* The characters that this one is made of (compatibility decomposition), marks
 * among them; itself where it is made of no others. Their count, at most room;
 * 0 for what is no character. */
size_t utf8_parts(uint32_t code_point, uint32_t *parts, size_t room);
/* An accent or another mark upon a letter. */
bool utf8_is_mark(uint32_t code_point);
bool utf8_is_upper(uint32_t code_point);
/* The small letter of a capital; others as they are. */
uint32_t utf8_small(uint32_t code_point);
/* Letters and marks joined to single characters where there are such
 * (compatibility composition). */
struct str utf8_compose(struct arena *a, struct str s);
void utf8_put(struct buf *out, uint32_t code_point);

/* Columns on a terminal: wide characters take two, marks none. */
size_t utf8_columns(struct str s);

#endif
