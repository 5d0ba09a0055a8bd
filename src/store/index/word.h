/*
 * Words: the values in which a piece is looked for wherever it stands, each
 * once, with the trigrams they are made of (FTS5, table word_text). A search
 * finds words by their trigrams, and rows by the words through the indexes
 * that are there anyway. So only a new name, description or number costs
 * something, and a word too many finds nothing wrong; one that is missing
 * does, which is why all of this is in the transactions of the rows.
 *
 * Values above WORD_MAX bytes, with a NUL or that are not UTF-8 have no
 * trigrams (whole = 0): each search compares them all.
 */
#ifndef STORE_WORD_H
#define STORE_WORD_H

#include "store/db.h"
#include "store/index/index.h"

/* The first two are also the kinds of table name_key. */
enum word_kind {
	WORD_PATIENT_NAME,
	WORD_REFERRING_NAME,
	WORD_DESCRIPTION,
	WORD_PATIENT_ID,
	WORD_ACCESSION,
	WORD_KINDS
};

/* Real ones stay below; a hostile one is not to cost thousands of trigrams. */
#define WORD_MAX 256
/* Trigrams asked for of one pattern. */
#define WORD_TRIGRAMS 5

/* WORD_KINDS when the column has none. */
enum word_kind word_kind_of(enum column c);

/* Whether a value has trigrams. */
bool word_whole(struct str value);
bool word_add(struct db *db, enum word_kind kind, struct str value,
    struct err *e) MUST_USE;
/* A row has lost this value: it goes unless another has it. */
bool word_drop(struct db *db, enum word_kind kind, struct str value,
    struct err *e) MUST_USE;
/* All go. */
bool word_clear(struct db *db, struct err *e) MUST_USE;
/* Make them anew from the rows. */
bool word_rebuild(struct db *db, struct err *e) MUST_USE;

/* Whether each value of the rows is a word and, with trigrams, can be found by
 * them. Only reads. */
bool word_check(
    struct db *db, bool trigrams, bool *good, struct err *e) MUST_USE;

/* What to MATCH in table word_text so that all words are found that fit the
 * pattern; without value when no three characters of it stand together. */
struct str word_query(struct arena *a, enum word_kind kind, struct str pattern);

#endif
