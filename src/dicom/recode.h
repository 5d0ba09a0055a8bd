/*
 * The character set of a data set that was made of UTF-8 (PS3.3 C.12.1.1.2).
 */
#ifndef DICOM_RECODE_H
#define DICOM_RECODE_H

#include "dicom/dataset.h"

/* Encode all texts of ds, those in sequences too, in one character set and say
 * so in (0008,0005): the wanted one, if it is a defined term and holds them
 * all, else the narrowest set of one byte that does, else UTF-8. Texts in ASCII
 * alone need none and get none. No character is ever lost. False past the
 * arena's budget. */
bool dataset_recode(struct dataset *ds, struct str wanted) MUST_USE;
/* The way back: all texts to UTF-8, those of items that name a set of their
 * own too, and (0008,0005) says so where they are more than ASCII. charset: of
 * a data set that names none. False past the arena's budget. */
bool dataset_to_utf8(struct dataset *ds, struct str charset) MUST_USE;
/* Encode them in this set and say so, also where they are ASCII alone. *fits
 * false: it does not hold them all, or is none; nothing has changed. */
bool dataset_recode_in(
    struct dataset *ds, struct str charset, bool *fits) MUST_USE;
/* Does it hold them all? */
bool dataset_fits(struct dataset *ds, struct str charset);
/* The highest character in them; 0 without any. */
uint32_t dataset_highest(struct dataset *ds);

#endif
