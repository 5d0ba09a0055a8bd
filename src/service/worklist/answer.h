/*
 * From a worklist item to the data set that answers a query (PS3.4 Table
 * K.6-1): what was asked for and nothing else, values as the standard allows
 * them, nothing of type 1 empty.
 */
#ifndef SERVICE_WORKLIST_ANSWER_H
#define SERVICE_WORKLIST_ANSWER_H

#include "service/worklist/ask.h"

/* The answer in its character set; NULL past the arena's budget. notes (may
 * be NULL): what had to be cut or filled in, the last of it. */
struct dataset *answer_build(const struct ask *ask, struct arena *a,
    const struct item *item, const char **note) MUST_USE;

/* What answers hold of one attribute, texts as UTF-8. False past the budget
 * of the data set's arena. */
bool answer_put(struct dataset *ds, const struct attribute *attribute,
    const struct item *item, const struct letters *letters) MUST_USE;
/* Backslashes separate values of the attribute. */
bool attribute_is_multi(const struct attribute *attribute);
/* (0040,0020), PS3.3 C.4.10. */
const char *answer_status(enum order_status status);

#endif
