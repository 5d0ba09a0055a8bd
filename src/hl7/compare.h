/*
 * Two messages side by side, segment by segment (F64), counted as the manual
 * does: index 0 is the segment's name, MSH 1 the encoding characters.
 */
#ifndef HL7_COMPARE_H
#define HL7_COMPARE_H

#include "hl7/er7.h"

/* As text for a terminal, and as one HTML page (escaped; self-contained).
 * *differences: fields that differ. */
void compare_text(struct arena *a, const struct er7_message *left,
    const struct er7_message *right, struct buf *out, size_t *differences);
void compare_html(struct arena *a, const char *left_name,
    const struct er7_message *left, const char *right_name,
    const struct er7_message *right, struct buf *out);

#endif
