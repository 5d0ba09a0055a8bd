/*
 * Sending HL7 messages by the job queue: a message a job, tried again while
 * the host cannot be reached or gives no acknowledgement. Each attempt that
 * ended is in the HL7 journal.
 *
 * Messages for one host are sent in the order they were added: one that has to
 * wait lets those behind it wait too, one that failed for good does not.
 */
#ifndef SERVICE_JOB_JOB_HL7_H
#define SERVICE_JOB_JOB_HL7_H

#include "base/buf.h"
#include "store/store.h"

struct job_hl7 {
	/* The name of an HL7 node, looked up when the message is sent; NULL:
	 * the host that follows. */
	const char *node;
	const char *host;
	uint16_t port;
	bool tls;
	struct str message; /* in any character set, as it is to be sent */
};

/* ERR_MISSING, ERR_USAGE: there is no such node, or it does not listen. */
bool job_hl7_add(struct store *, const struct job_hl7 *what, int64_t *id,
    struct err *e) MUST_USE;

/* The job alone, for job_insert(); detail, whose cap is JOB_HL7_DETAIL, holds
 * what it points to. The node is not looked up. */
#define JOB_HL7_DETAIL (7 * 1024 * 1024UL)
struct job;
bool job_hl7_make(const struct job_hl7 *what, struct buf *detail,
    struct job *out, struct err *e) MUST_USE;

/* An HL7 node by its name; ERR_MISSING says how to add it. */
struct hl7_node;
bool job_hl7_node(struct store *, const char *name, struct hl7_node *out,
    struct err *e) MUST_USE;

#endif
