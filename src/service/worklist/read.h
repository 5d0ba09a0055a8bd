/*
 * Answers of another worklist server (PS3.4 Table K.6-1) as items: the way
 * back from answer.h. Values are decoded to UTF-8, whatever the answer says of
 * its character set.
 */
#ifndef SERVICE_WORKLIST_READ_H
#define SERVICE_WORKLIST_READ_H

#include "dicom/dataset.h"
#include "store/worklist/item.h"

/* Every attribute that an item has a field for, asked for without a value, in
 * and beside the Scheduled Procedure Step Sequence. False past the budget. */
bool worklist_ask_all(struct dataset *identifier) MUST_USE;
/* Item 'step' of the sequence (one without it: step 0). False: there is none,
 * or (a->over) no room for it. Values lie in the arena. */
bool worklist_read(struct arena *a, const struct dataset *answer, size_t step,
    struct item *out) MUST_USE;

#endif
