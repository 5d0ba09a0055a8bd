/*
 * The coded character sets of PS3.3 C.12.1.1.2 as tables: from a code to the
 * Unicode character, and back.
 *
 * The tables are filled by iconv, each when it is first used, and stay for the
 * life of the process; any thread may be the first. A set that this system's
 * iconv lacks is empty: all its codes are unknown.
 */
#ifndef DICOM_CHARSET_TABLES_H
#define DICOM_CHARSET_TABLES_H

#include "base/str.h"

enum charset_set {
	SET_NONE,
	SET_ASCII,    /* ISO-IR 6, G0 */
	SET_ROMAJI,   /* ISO-IR 14, G0 */
	SET_KATAKANA, /* ISO-IR 13, G1, and the rest up to SET_THAI in G1 */
	SET_LATIN1,
	SET_LATIN2,
	SET_LATIN3,
	SET_LATIN4,
	SET_CYRILLIC,
	SET_ARABIC,
	SET_GREEK,
	SET_HEBREW,
	SET_LATIN5,
	SET_LATIN9,
	SET_THAI,
	SET_KANJI,       /* ISO-IR 87, two bytes, G0 */
	SET_KANJI_EXTRA, /* ISO-IR 159, two bytes, G0 */
	SET_KOREAN,      /* ISO-IR 149, two bytes, G1 */
	SET_CHINESE,     /* ISO-IR 58, two bytes, G1 */
	SET_COUNT
};

/* Codes of this set have two bytes. */
bool charset_is_double(enum charset_set set);
/* The character of a code: one byte of 21..7E (G0 sets) or A0..FF (G1 sets), 0
 * when the set has none there. */
uint32_t charset_single(enum charset_set set, uint8_t code);
/* Both bytes 21..7E; the high bits of G1 are taken off before. */
uint32_t charset_double(enum charset_set set, uint8_t lead, uint8_t trail);
/* The code of a character in a set of one byte, 0 when it has none. */
uint8_t charset_code(enum charset_set set, uint32_t character);
/* The same for a set of two bytes, both 21..7E, the first in the high half. */
uint16_t charset_double_code(enum charset_set set, uint32_t character);

#endif
