/*
 * What the values of (0008,0005) mean (PS3.3 C.12.1.1.2), for the decoder and
 * the encoder of texts: the defined terms, names that are none and stand in
 * real files, and the escape sequences of ISO 2022.
 */
#ifndef DICOM_CHARSET_TERMS_H
#define DICOM_CHARSET_TERMS_H

#include "dicom/charset_tables.h"

enum charset_mode { CHARSET_CODES, CHARSET_UTF8, CHARSET_GB18030, CHARSET_GBK };

/* Value 1 says what is active; the others only help where the text lacks a
 * designation. */
struct charset_repertoire {
	enum charset_mode mode;
	enum charset_set g0, g1;
	enum charset_set spare; /* for upper-half bytes without G1 */
	bool guessed;           /* value 1 is not a defined term */
};
struct charset_repertoire charset_repertoire(struct str charset);

/* Sets that all values name, in their order: what a text may designate (PS3.5
 * 6.1.2.5.4 c). The count; terms that would not fit are left out. */
#define CHARSET_LISTED 32
size_t charset_listed(
    struct str charset, enum charset_set sets[CHARSET_LISTED]);

/* PS3.3 Tables C.12-3 and C.12-4; the last has no bytes. */
struct charset_designation {
	const char *bytes; /* behind ESC */
	bool g1;
	enum charset_set set;
};
extern const struct charset_designation charset_designations[];

#endif
