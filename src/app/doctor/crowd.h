/*
 * Things that may each take long (names, other machines), asked side by side
 * with one deadline for all.
 */
#ifndef APP_DOCTOR_CROWD_H
#define APP_DOCTOR_CROWD_H

#include "base/attr.h"

typedef void crowd_fn(void *item);

/* Calls fn for a copy of each of the n items of size bytes, in other threads,
 * until all are done or wait_ms are over. done[i] tells of which ones items[i]
 * has become what fn made of it. Those that are late go on with their copies,
 * which may own nothing. */
void crowd_run(
    void *items, size_t size, size_t n, crowd_fn *fn, int wait_ms, bool *done);

#endif
