/*
 * The keys of an identifier as a tree: matched against a data set (PS3.4
 * C.2.2.2, sequences by C.2.2.2.6), and what of a data set is returned for
 * them. Values in the tree are UTF-8. Nothing is recursive; a tree is at most
 * LIMIT_SQ_DEPTH deep and has at most LIMIT_QUERY_KEYS keys.
 *
 * A private attribute is found by its creator, whatever block the data set
 * gave it (PS3.5 7.8.1); one whose creator the identifier does not name is no
 * key.
 */
#ifndef DICOM_KEYS_H
#define DICOM_KEYS_H

#include "dicom/dataset.h"
#include "dicom/match.h"

struct keys;

struct key {
	uint32_t tag;
	enum vr vr;
	/* Text as UTF-8, trimmed; of binary VRs the bytes, little endian.
	 * Empty: universal. */
	struct str value;
	struct str creator;       /* of a private attribute */
	const struct keys *items; /* of a sequence; NULL: all that is there */
	bool sequence;
	bool empty;   /* matches what is absent or empty (C.2.2.2.7) */
	bool demands; /* there are data sets that it does not match */
	bool fuzzy;   /* a name, matched by match_name_fuzzy() */
	/* Of dates and times: how the value was written. What is clear stands
	 * in value as it is meant. */
	enum match_moment moment;
};

struct keys {
	struct key *list;
	size_t n;
	/* While they are read: */
	const struct dataset *from;
	struct key *parent;
	struct keys *next;
};

/* Of an identifier; group lengths and (0008,0005), which says how its texts
 * are written, are no keys. empty_values: a value of two quotation marks asks
 * for emptiness (C.2.2.2.7, where negotiated). ERR_LIMIT past the caps and the
 * arena. The tree points into ds. */
bool keys_read(struct arena *a, const struct dataset *ds, bool empty_values,
    struct keys *out, struct err *e) MUST_USE;

/* Does the data set, whose texts are in this character set, match? */
bool key_matches(const struct key *key, struct arena *scratch,
    const struct dataset *ds, struct str charset) MUST_USE;
/* The element that the key means; NULL when absent. */
const struct element *key_find(const struct key *key, const struct dataset *ds);
/* The text of an element as UTF-8, without padding; of other VRs its bytes. */
struct str key_text(
    struct arena *a, const struct element *element, struct str charset);
/* Puts what the data set has for the key into the answer, texts as UTF-8; an
 * element without value when it has nothing. Of a sequence the items that
 * match, with the attributes that were asked for. False past the budget of the
 * answer's arena. ds may be NULL. */
bool key_answer(const struct key *key, const struct dataset *ds,
    struct str charset, struct dataset *answer) MUST_USE;

#endif
