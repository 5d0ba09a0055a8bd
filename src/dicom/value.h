/*
 * Value types with a grammar of their own: UIDs, dates, times, person names.
 */
#ifndef DICOM_VALUE_H
#define DICOM_VALUE_H

#include "base/arena.h"
#include "base/buf.h"

#define UID_ROOM 65 /* PS3.5 9.1: at most 64 characters */

/* PS3.5 9.1: digits and dots, no leading zeros, at most 64. */
bool uid_valid(struct str uid);
/* What devices write for one too: components with leading zeros, letters and
 * hyphens in them. Such objects are kept under what they say, so who names
 * them must be understood. Never a part of a path but a plain name. */
bool uid_met(struct str uid);
/* "2.25." and a random UUID (PS3.5 B.2). */
void uid_new(char out[UID_ROOM]);
/* "2.25." and 127 bits of a hash of seed: the same seed, the same UID. */
void uid_from_hash(struct str seed, char out[UID_ROOM]);

/* DA as YYYYMMDD (also the old YYYY.MM.DD): eight digits that are a day in
 * the calendar. */
bool date_parse(struct str da, char out[9]);
/* So many days later, or earlier; the day stays where it would leave the
 * years 1 to 9999. */
void date_add(char day[9], int days);
/* TM to "HHMMSS.FFFFFF" with missing parts 0 (end false) or at their greatest
 * (end true), so that text order is time order; also the old HH:MM:SS. */
bool time_parse(struct str tm, bool end, char out[14]);

/* DT (PS3.5 6.2): a date and maybe a time, each of any precision from the year
 * on, and maybe an offset from UTC. */
struct datetime {
	int64_t local_us; /* as written, from an epoch of our own */
	int offset_minutes;
	bool zoned; /* an offset was written */
};
/* Missing parts as in time_parse(). */
bool datetime_parse(struct str dt, bool end, struct datetime *out);
/* Negative, 0 or positive. In UTC where both have an offset, else as written.
 */
int datetime_cmp(const struct datetime *a, const struct datetime *b);

/* PN: the alphabetic group of a value (before the first '='), without spaces
 * around it and ^ behind it; a slice of pn, spaces inside it stay. */
struct str pn_alphabetic(struct str pn);
/* Folded key of a whole PN value for comparing: components joined with '^',
 * trailing empty ones dropped, groups joined with '='. */
struct str pn_key(struct arena *a, struct str utf8_pn);
/* The same by utf8_fold_accents(). */
struct str pn_accents_key(struct arena *a, struct str utf8_pn);

#endif
