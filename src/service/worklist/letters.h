/*
 * In which letters a modality gets its answers, and what becomes of values
 * that its character set or a value's length cannot hold.
 *
 * The set: that of the node, where one is configured; else that of the query,
 * if it holds all texts of the answer; else the narrowest standard set that
 * does, of one byte, with code extensions (ISO 2022, Japanese, Korean,
 * Chinese), GB18030, UTF-8. It is always declared. For a configured set what
 * it lacks is written in letters that it has: without accents, in Latin
 * letters, at worst by its code (U+5C71); never by a question mark.
 */
#ifndef SERVICE_WORKLIST_LETTERS_H
#define SERVICE_WORKLIST_LETTERS_H

#include "dicom/dataset.h"

struct letters {
	struct str node;  /* of the node; empty: not configured */
	struct str asked; /* of the query; maybe empty */
};

/* True for what a node may be configured to: a value of (0008,0005) or
 * "ISO_IR 6" (ASCII alone). */
bool letters_known(struct str charset);
/* UTF-8 that the node's set holds; text itself where it does already. */
struct str letters_fit(
    struct arena *a, const struct letters *l, struct str text);
/* The value as the standard allows it on the wire: at most its VR's length in
 * characters, without characters that the VR forbids; empty when nothing
 * usable is left. multi: backslashes separate values, else they are replaced.
 * *note (may be NULL) says what had to be done, or is left as it is. */
struct str letters_value(struct arena *a, const struct letters *l, enum vr vr,
    bool multi, struct str value, const char **note);
/* Encode a data set whose texts are UTF-8, and declare the set. False past the
 * arena's budget. */
bool letters_encode(struct dataset *ds, const struct letters *l) MUST_USE;

#endif
