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

#endif
