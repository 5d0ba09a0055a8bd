/*
 * Characters in Latin letters of ASCII, each by itself: for devices that have
 * no other letters.
 */
#ifndef SERVICE_WORKLIST_ROMANIZE_H
#define SERVICE_WORKLIST_ROMANIZE_H

#include "base/buf.h"

/* Appends what stands for the character; nothing for marks and what has no
 * width. A character whose sound is not known here becomes "U+5C71". upper: in
 * capitals. */
void romanize(struct buf *out, uint32_t character, bool upper);
/* The table has it, or it is Hangul. */
bool romanize_knows(uint32_t character);

#endif
