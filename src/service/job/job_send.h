/*
 * Jobs of the kind "send": studies of the archive to a node, instance by
 * instance (detail: {"studies": ["1.2…"], "commit": true}).
 */
#ifndef SERVICE_JOB_JOB_SEND_H
#define SERVICE_JOB_JOB_SEND_H

#include "store/table/job.h"

struct job_send {
	const char *node; /* AE title of a known node */
	const char *const *studies;
	size_t study_count;
	/* When all is sent a job of the kind "commit" is added for the node,
	 * with the detail {"send": <this job's id>}: its done items are what
	 * the node is to commit itself to. */
	bool commit;
};

/* What cannot work is refused: a node that is not known (ERR_MISSING) or does
 * not listen (ERR_USAGE), a study that is not here (ERR_MISSING). */
bool job_send_add(struct store *s, const struct job_send *what, int64_t *id,
    struct err *e) MUST_USE;

#endif
