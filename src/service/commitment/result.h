/*
 * What another archive says about the storage commitment that we asked it for
 * (PS3.4 J.3.3.1.3): on the association of the request or on one of its own.
 */
#ifndef SERVICE_COMMITMENT_RESULT_H
#define SERVICE_COMMITMENT_RESULT_H

#include "service/commitment/references.h"
#include "store/store.h"

/* The Event Information of an N-EVENT-REPORT from this AE title, on disk when
 * it returns true, and the job that waits for it is due. ERR_MISSING: it was
 * not asked for that transaction. Told twice, the first counts. */
bool result_take(struct store *store, const char *ae, struct str bytes,
    struct syntax syntax, struct arena *a, struct err *e) MUST_USE;

#endif
