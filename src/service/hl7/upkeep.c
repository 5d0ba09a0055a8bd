/*
 * One thread that sleeps most of the time.
 */
#include "service/hl7/upkeep.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "store/worklist/item.h"
#include "store/worklist/journal.h"

#include <inttypes.h>

#define HOUR_MS    (60 * 60 * 1000LL)
#define DAY_MS     (24 * HOUR_MS)
#define JOURNAL_MS (90 * DAY_MS)
/* After the start: there is more to do then. */
#define START_MS (60 * 1000)
/* A clock that is corrected goes on by less. */
#define JUMP_MS (10 * 60 * 1000)

struct upkeep {
	struct store *store;
	struct thread thread;
	struct mutex lock;
	struct cond wake;
	/* Under the lock. */
	bool stopping, changed;
	struct upkeep_config config;
	/* The thread's own. */
	int64_t offset_ms; /* of the two clocks, when last looked at */
};

void
upkeep_day(int64_t utc_ms, const struct upkeep_config *c, char out[9])
{
	time_t at = (time_t)(utc_ms / 1000);
	struct tm day, moved;

	must(localtime_r(&at, &day) != NULL);
	/* Noon: no change of summer time leads to another day. */
	day.tm_hour = 12;
	day.tm_min = day.tm_sec = 0;
	day.tm_isdst = -1;
	day.tm_mon -= (int)c->months;
	day.tm_mday -= (int)c->days;
	moved = day;
	(void)mktime(&moved);
	/* From the 31st it has run over into the next month: back. */
	if (c->months > 0 && moved.tm_mday != day.tm_mday) {
		moved.tm_mday = 0;
		moved.tm_hour = 12;
		moved.tm_isdst = -1;
		(void)mktime(&moved);
	}
	must(strftime(out, 9, "%Y%m%d", &moved) == 8);
}

static void
work(struct upkeep *u, const struct upkeep_config *c)
{
	int64_t now = clock_utc_ms();
	char before[9];
	uint64_t n = 0;
	struct err e;

	if (c->days + c->months > 0) {
		upkeep_day(now, c, before);
		if (!item_expire(u->store, before, &n, &e))
			log_error("worklist", "old items: %s", e.text);
		if (n > 0)
			log_info("worklist",
			    "%" PRIu64 " items from before %s are deleted "
			    "(worklist.retention)",
			    n, before);
	}
	if (!journal_expire(u->store, now - JOURNAL_MS, &e))
		log_error("hl7", "old entries of the journal: %s", e.text);
}

/* Whether the wall clock has gone on as the other one has. */
static bool
is_steady(struct upkeep *u)
{
	int64_t offset = clock_utc_ms() - clock_mono_ms();
	int64_t jump = offset - u->offset_ms;

	u->offset_ms = offset;
	if (jump > -JUMP_MS && jump < JUMP_MS)
		return true;
	log_warning("worklist",
	    "the clock was set by %" PRId64 " s: nothing old is deleted for an "
	    "hour",
	    jump / 1000);
	return false;
}

static void
run(void *arg)
{
	struct upkeep *u = arg;
	int64_t due = clock_mono_ms() + START_MS;
	struct upkeep_config c;

	mutex_lock(&u->lock);
	while (!u->stopping) {
		while (!u->stopping && !u->changed &&
		       cond_wait_until(&u->wake, &u->lock, due))
			;
		if (u->stopping)
			break;
		u->changed = false;
		c = u->config;
		mutex_unlock(&u->lock);
		if (is_steady(u))
			work(u, &c);
		due = clock_mono_ms() + HOUR_MS;
		mutex_lock(&u->lock);
	}
	mutex_unlock(&u->lock);
}

bool
upkeep_open(struct upkeep **out, struct store *s,
    const struct upkeep_config *config, struct err *e)
{
	struct upkeep *u = must_zalloc(sizeof(*u));

	*out = NULL;
	u->store = s;
	u->config = *config;
	u->offset_ms = clock_utc_ms() - clock_mono_ms();
	mutex_init(&u->lock);
	cond_init(&u->wake);
	if (thread_start(&u->thread, "upkeep", run, u)) {
		*out = u;
		return true;
	}
	cond_fini(&u->wake);
	mutex_fini(&u->lock);
	free(u);
	return fail(e, ERR_IO, "cannot start a thread for the worklist");
}

void
upkeep_configure(struct upkeep *u, const struct upkeep_config *config)
{
	mutex_lock(&u->lock);
	if (u->config.days != config->days ||
	    u->config.months != config->months) {
		u->config = *config;
		u->changed = true;
		cond_signal(&u->wake);
	}
	mutex_unlock(&u->lock);
}

void
upkeep_close(struct upkeep **pu)
{
	struct upkeep *u = *pu;

	if (u == NULL)
		return;
	mutex_lock(&u->lock);
	u->stopping = true;
	cond_signal(&u->wake);
	mutex_unlock(&u->lock);
	thread_join(&u->thread);
	cond_fini(&u->wake);
	mutex_fini(&u->lock);
	free(u);
	*pu = NULL;
}
