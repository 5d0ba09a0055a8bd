/*
 * How jobs are shown: to people, and as a table for programs (CSV).
 */
#ifndef APP_JOBS_REPORT_H
#define APP_JOBS_REPORT_H

#include "store/table/job.h"

#include <stdio.h>

/* "job 12: 3 studies", and a warning where no server is there to work it. */
void job_say_added(struct store *s, int64_t id, size_t studies);
/* One line, for a list. */
void job_put_line(const struct job *j);
/* All about a job, and its items that failed or have a reason; all: each. */
bool job_put(struct store *s, int64_t id, bool all, struct err *e) MUST_USE;
/* Its items as CSV into a new file, or one that is written over:
 * uid,status,expected,got,reason. */
bool job_report(
    struct store *s, int64_t id, const char *path, struct err *e) MUST_USE;

#endif
