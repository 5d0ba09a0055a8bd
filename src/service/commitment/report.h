/*
 * Telling a peer the outcome of a storage commitment (PS3.4 J.3.3) on an
 * association that it opened: the one on which it asked, or a later one.
 *
 * An N-EVENT-REPORT leaves only from an idle association: parked, with nothing
 * of the peer's unread. For that a session may ask to be woken (wake_ms); the
 * worker that gets it sends one report and parks it again. The answer comes as
 * a message like any other, however late. So no thread waits for a peer, and
 * whoever is in the middle of a request is not told something else.
 *
 * One report is under way at a time (nobody grants us more operations). What
 * is not answered here is told by a job (service/job/job_report.c).
 */
#ifndef SERVICE_COMMITMENT_REPORT_H
#define SERVICE_COMMITMENT_REPORT_H

#include "service/commitment/verify.h"
#include "service/service.h"
#include "store/table/commitment.h"

/* The association has begun: does its peer take reports, and are there any? */
void report_begin(struct session *s);
/* It asked for something new: look for the outcome soon. */
void report_soon(struct session *s);
/* wake_ms has come. Returns as serve(). */
bool report_wake(struct session *s, struct err *e) MUST_USE;
/* A response of the peer: true when it answers our report. */
bool report_answered(struct session *s, const struct dimse *rsp);
/* The association ends. */
void report_end(struct session *s);

/* Look for the outcome of a commitment that was asked of us, as far as that is
 * still to be done. Fills r from the row, and keeps what is new. */
bool report_settle(struct store *store, struct commitment *c,
    const struct verify *how, struct arena *a, struct references *r,
    struct err *e) MUST_USE;
/* Send the outcome in this context; *message_id is that of the request. */
bool report_send(struct assoc *assoc, const struct assoc_context *context,
    const struct commitment *c, const struct references *r, struct arena *a,
    uint16_t *message_id, struct err *e) MUST_USE;
/* It was sent a moment ago and may yet be answered. */
bool report_under_way(const struct commitment *c);
/* Does this status mean that the peer has it? */
bool report_taken(uint16_t status);

#endif
