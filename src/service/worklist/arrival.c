/*
 * Noting arrivals; the job that sees to it that a study comes to rest is made
 * here and run by service/job/job_settle.c.
 */
#include "service/worklist/arrival.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "store/table/job.h"

/* After so long a study is looked at again. */
#define LOOK_AGAIN_MS 10000

static bool
was_seen(struct arrival_seen *seen, const char *study)
{
	int64_t now = clock_mono_ms();
	size_t i;

	for (i = 0; i < ARRAY_LEN(seen->study); i++)
		if (strcmp(seen->study[i], study) == 0)
			break;
	if (i < ARRAY_LEN(seen->study) &&
	    now < seen->looked_ms[i] + LOOK_AGAIN_MS)
		return true;
	if (i == ARRAY_LEN(seen->study))
		i = seen->next++ % ARRAY_LEN(seen->study);
	(void)str_copy(seen->study[i], sizeof(seen->study[i]), str_from(study));
	seen->looked_ms[i] = now;
	return false;
}

static bool
queue_settling(struct store *s, const struct arrival_config *c,
    const char *study, struct err *e)
{
	struct job job = {.kind = "settle",
	    .node = "worklist:",
	    .next_ms = clock_utc_ms() + c->quiet_s * INT64_C(1000)};
	struct buf detail;
	struct json j;
	bool ok;

	buf_init(&detail, 64 * KIB);
	json_init(&j, &detail);
	json_object(&j);
	json_key(&j, "study");
	json_text(&j, study);
	json_key(&j, "quiet_s");
	json_i64(&j, c->quiet_s);
	notify_write(&c->notify, &j);
	json_end_object(&j);
	job.detail = buf_str(&detail);
	ok = job_add_once(s, &job, e);
	buf_fini(&detail);
	return ok;
}

void
arrival_note(struct store *s, const struct arrival_config *config,
    struct arrival_seen *seen, const char *study)
{
	static const char *const words[] = {
	    [ARRIVAL_MARK] = "started",
	    [ARRIVAL_HIDE] = "done, and no longer shown",
	    [ARRIVAL_DELETE] = "done, and deleted",
	};
	struct item_watch watch = notify_watch(&config->notify);
	bool open;
	size_t n;
	struct err e;

	if (study[0] == '\0' || was_seen(seen, study))
		return;
	if (!arrival_begin(
		s, str_from(study), config->then, &watch, &n, &open, &e) ||
	    (open && !queue_settling(s, config, study, &e))) {
		log_error(
		    "worklist", "the arrival of study %s: %s", study, e.text);
		return;
	}
	if (n > 0)
		log_info("worklist",
		    "images of study %s: %zu item%s of the worklist %s %s",
		    study, n, n == 1 ? "" : "s", n == 1 ? "is" : "are",
		    words[config->then]);
}
