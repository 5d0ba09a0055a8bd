/*
 * What goes by itself: worklist items after worklist.retention (F35, A9),
 * entries of the HL7 journal after 90 days. Once an hour, and when the setting
 * changes.
 *
 * A clock that was set is not believed at once: nothing goes for an hour after
 * it jumped.
 */
#ifndef SERVICE_HL7_UPKEEP_H
#define SERVICE_HL7_UPKEEP_H

#include "store/store.h"

struct upkeep;

/* Of the clock's local day; one of both, or 0 and 0: never. */
struct upkeep_config {
	unsigned days, months;
};

bool upkeep_open(struct upkeep **, struct store *, const struct upkeep_config *,
    struct err *e) MUST_USE;
void upkeep_configure(struct upkeep *, const struct upkeep_config *);
void upkeep_close(struct upkeep **);

/* The first day that stays, YYYYMMDD: so many days or months before a day. The
 * 31st of a month that has none is its last. */
void upkeep_day(int64_t utc_ms, const struct upkeep_config *, char out[9]);

#endif
