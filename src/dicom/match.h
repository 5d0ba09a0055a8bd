/*
 * C-FIND attribute matching (PS3.4 C.2.2.2) on UTF-8 values: single value,
 * list of UID, universal, wild card, range, multiple values. Names compare
 * regardless of case and accents. Linear in time for every pattern.
 */
#ifndef DICOM_MATCH_H
#define DICOM_MATCH_H

#include "base/arena.h"
#include "dicom/dict.h"

enum match_kind {
	MATCH_UNIVERSAL, /* empty, or only '*' */
	MATCH_SINGLE,
	MATCH_WILD,
	MATCH_RANGE,
	MATCH_UID_LIST
};

/* What the key asks, by VR (PS3.4 C.2.2.2.1 .. .6). */
enum match_kind match_kind(enum vr vr, struct str key);

/* Pattern with * and ?; folded: both sides through utf8_fold() before. '?' is
 * one character, not one byte. */
bool match_wild(struct str pattern, struct str value);

/* Split a range key "a-b", "-b", "a-": open ends are empty. False when the key
 * is not a range. Dates, times and date-times (a zone's minus sign in DT is
 * not a separator). */
bool match_range_split(
    enum vr vr, struct str key, struct str *from, struct str *to);

/* A key of VR DA, TM or DT as devices write it. */
enum match_moment {
	MATCH_MOMENT_PLAIN, /* nothing is to be said about it; also other VRs */
	/* Clear, but not written as PS3.5 has it: *out is. ISO dates, days
	 * behind the end of their month and 24:00 as ends of ranges. */
	MATCH_MOMENT_READ,
	/* One value that is none: it is compared to the letter. A date of
	 * four, six or eight digits is plain: registers know no better. */
	MATCH_MOMENT_LETTER,
	MATCH_MOMENT_WRONG /* a range without meaning: nothing matches */
};
enum match_moment match_moment(
    struct arena *a, enum vr vr, struct str key, struct str *out);

/* Is a date, time or date-time from 'from' to 'to', both included? An empty end
 * is open; what an end leaves open it includes. */
bool match_in_range(
    enum vr vr, struct str from, struct str to, struct str value);

/* Does a value (maybe multi-valued, maybe empty) match the key? An empty or
 * absent value matches only universal keys and "*". Numbers compare by what
 * they mean ("01" and "+1.0E0" are 1); of binary VRs key and value are bytes,
 * little endian, and any unit of the one may equal any of the other. */
bool match_value(
    struct arena *scratch, enum vr vr, struct str key, struct str value);

/* Fuzzy semantic matching of names (PS3.4 C.2.2.2.1.1), where negotiated: each
 * word of the key, without wild cards, begins some part of the name, whatever
 * the order, the component, case and accents. */
bool match_name_fuzzy(struct arena *scratch, struct str key, struct str value);
/* The longest word of such a key; empty: it has none. */
struct str match_longest_word(struct str key);

#endif
