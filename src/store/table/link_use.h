/*
 * How often the link of a study was opened. Not flushed: a number.
 */
#ifndef STORE_TABLE_LINK_USE_H
#define STORE_TABLE_LINK_USE_H

#include "store/store.h"

struct link_use {
	int64_t opens, last_ms;
};

void link_use_count(struct store *, struct str study);
/* None is no failure. */
bool link_use_get(struct store *, struct str study, struct link_use *out,
    struct err *e) MUST_USE;

#endif
