/*
 * The pool that works the job queue (store/table/job.h): at most
 * dicom.max_outgoing jobs at once, one for each node, so that a node that is
 * down holds up nobody but itself; retries with growing pauses. A job that
 * waits, for its turn or for its next attempt, holds no thread.
 */
#ifndef SERVICE_JOB_RUNNER_H
#define SERVICE_JOB_RUNNER_H

#include "service/client/client.h"
#include "store/table/job.h"

struct runner;
struct job_kind;

struct runner_config {
	struct client client;                /* copied with client_copy() */
	unsigned max_outgoing;               /* at least 1 */
	const struct job_kind *const *kinds; /* NULL: all; others for tests */
};

/* One attempt at a job. */
struct job_run {
	struct store *store;
	struct client client;
	struct job *job; /* as it was when the attempt began */
	struct arena *arena;
	struct runner *runner;
};
/* Come to an end: the job was cancelled, the program stops, or others for the
 * same node have waited long enough. What is returned then does not count as an
 * attempt, unless it is JOB_OUTCOME_DONE. Cheap enough to ask for each item. */
bool job_run_stop(struct job_run *run);

enum job_outcome {
	JOB_OUTCOME_DONE,
	JOB_OUTCOME_AGAIN, /* later, with the error in *e; the node rests */
	/* At job->next_ms: the kind waits for something that is not the node's
	 * fault. No attempt is counted, and the node does not rest. *e says
	 * what for. */
	JOB_OUTCOME_LATER,
	JOB_OUTCOME_HOPELESS /* another attempt would change nothing */
};
/* A kind of job: one file and one const struct job_kind each, listed in
 * runner.c. */
struct job_kind {
	const char *name;
	enum job_outcome (*run)(struct job_run *run, struct err *e);
	/* At most, with pauses of 15 s, 1, 5, 15 min, 1 h, 1 h …; counted anew
	 * after one that got an item done. */
	unsigned attempts;
};
extern const struct job_kind job_kind_send, job_kind_fetch, job_kind_report,
    job_kind_commit, job_kind_hl7, job_kind_settle;

/* What was running when the last server ended waits again. */
bool runner_open(struct runner **, struct store *, const struct runner_config *,
    struct err *e) MUST_USE;
void runner_configure(struct runner *, const struct runner_config *);
/* Look at the queue at once: something was added by this process. What other
 * processes add is seen within a second. */
void runner_wake(struct runner *);
/* Jobs being worked on now. */
unsigned runner_running(struct runner *);
/* Begin no other attempt, and ask those under way to end. */
void runner_stop(struct runner *);
/* The same, and wait for them; when wait_ms was not enough every connection of
 * the process ends (conn_stop_all). */
void runner_close(struct runner **, int wait_ms);

#endif
