/*
 * The pool that works the job queue (store/table/job.h): at most
 * dicom.max_outgoing jobs at once, one for each node, so that a node that is
 * down holds up nobody but itself; retries with growing pauses.
 */
#ifndef SERVICE_JOB_RUNNER_H
#define SERVICE_JOB_RUNNER_H

#include "service/client/client.h"
#include "store/table/job.h"

struct runner;

struct runner_config {
	struct client client;
	unsigned max_outgoing;
};

/* One attempt at a job. */
struct job_run {
	struct store *store;
	struct client client;
	struct job *job; /* counts are to be kept up to date */
	struct arena *arena;
	struct runner *runner;
};
/* The job was cancelled or the program stops: come to an end. */
bool job_run_stop(struct job_run *run);

enum job_outcome {
	JOB_OUTCOME_DONE,
	JOB_OUTCOME_AGAIN,   /* later, with the error in *e */
	JOB_OUTCOME_HOPELESS /* another attempt would change nothing */
};
/* A kind of job: one file and one const struct job_kind each, listed in
 * runner.c. */
struct job_kind {
	const char *name;
	enum job_outcome (*run)(struct job_run *run, struct err *e);
	unsigned attempts; /* at most; with pauses of 15 s, 1, 5, 15 min, 1 h */
};
extern const struct job_kind job_kind_send, job_kind_fetch, job_kind_report;

bool runner_open(struct runner **, struct store *, const struct runner_config *,
    struct err *e) MUST_USE;
void runner_configure(struct runner *, const struct runner_config *);
/* Look at the queue at once: something was added by this process. */
void runner_wake(struct runner *);
void runner_close(struct runner **, int wait_ms);

#endif
