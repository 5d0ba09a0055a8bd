/*
 * Jobs of the kind "settle": a study whose images have started an item of the
 * worklist (worklist.on_images) gets no more for a while, so the exam is over.
 * As long as images come the job waits.
 */
#include "base/clock.h"
#include "base/json_read.h"
#include "service/job/runner.h"
#include "service/worklist/arrival.h"

#define ATTEMPTS 10

static enum job_outcome
run_settle(struct job_run *run, struct err *e)
{
	struct notify_config notify;
	struct item_watch watch;
	struct str value;
	int64_t quiet_s, due_ms;
	char study[65];
	size_t n;

	if (!json_member(run->job->detail, "study", &value) ||
	    !json_string(value, study, sizeof(study)) ||
	    !json_member(run->job->detail, "quiet_s", &value) ||
	    !json_integer(value, &quiet_s)) {
		(void)fail(e, ERR_CORRUPT, "the job does not say which study");
		return JOB_OUTCOME_HOPELESS;
	}
	notify_read(run->job->detail, &notify);
	watch = notify_watch(&notify);
	if (!arrival_settle(run->store, str_from(study), quiet_s * 1000, &watch,
		&n, &due_ms, e))
		return JOB_OUTCOME_AGAIN;
	if (due_ms == 0)
		return JOB_OUTCOME_DONE;
	run->job->next_ms = due_ms;
	(void)fail(e, ERR_TIMEOUT, "images still arrive");
	return JOB_OUTCOME_LATER;
}

const struct job_kind job_kind_settle = {
    .name = "settle",
    .run = run_settle,
    .attempts = ATTEMPTS,
};
