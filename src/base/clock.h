/*
 * Time. Deadlines use the monotonic clock, records the wall clock in UTC.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/attr.h"

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_utc_ms(void); /* since 1970-01-01T00:00:00Z */
/* Sleep, for retry loops of clients only. */
void clock_sleep_ms(int64_t ms);

/* "2026-11-21T06:48:00.123Z" (CLOCK_ISO_ROOM bytes with the NUL). */
#define CLOCK_ISO_ROOM 32
const char *clock_iso(int64_t utc_ms, char out[CLOCK_ISO_ROOM]);
struct clock_date {
	int year, month, day;
};
struct clock_date clock_date_utc(int64_t utc_ms);
/* The day it is or was where we are: what DICOM and people mean. */
struct clock_date clock_date_local(int64_t utc_ms);

#endif
