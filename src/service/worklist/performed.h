/*
 * What modalities say in MPPS (PS3.4 F.7): data sets of N-CREATE and N-SET to
 * what is kept, and what is kept to the answer of an N-GET. Bytes in, values
 * out.
 *
 * Attributes of type 1 at creation (Table F.7.2-1) must be there with a value;
 * those of type 2 need not be, for too many modalities leave them out. Of an
 * N-SET those that are fixed at creation are left as they are: the modality is
 * told when it gave others. At the end nothing more is demanded than the
 * status, so that an exam does come to its end.
 *
 * Kept data sets are in UTF-8, for an N-SET may come in another character set
 * than its N-CREATE.
 */
#ifndef SERVICE_WORKLIST_PERFORMED_H
#define SERVICE_WORKLIST_PERFORMED_H

#include "base/limit.h"
#include "dicom/dataset.h"
#include "net/dimse.h"
#include "store/worklist/mpps.h"

/* The data set that is kept and the one that comes, as trees. */
#define PERFORMED_ARENA (64 * MIB)

/* Why not, or not all, for the answer: of rsp the status, the error ID, the
 * comment and the attributes are set. Status success: nothing is wrong. */

/* All of *out is set but uid, ae and times, and lies in the arena. False: why
 * not, in rsp. */
bool performed_create(struct arena *a, struct str bytes, struct syntax syntax,
    struct mpps *out, struct dimse *rsp) MUST_USE;
/* Data, state and wrong_entry of *m change. True with a warning in rsp: some
 * attributes were not set. */
bool performed_set(struct arena *a, struct mpps *m, struct str bytes,
    struct syntax syntax, struct dimse *rsp) MUST_USE;
/* The attributes that rq asks for, or all; with a warning in rsp where some of
 * them are not there. Appends to out. */
bool performed_get(struct arena *a, const struct mpps *m,
    const struct dimse *rq, struct syntax syntax, struct buf *out,
    struct dimse *rsp) MUST_USE;

#endif
