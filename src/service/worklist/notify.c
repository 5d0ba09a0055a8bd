/*
 * From a changed item to a job of the kind "hl7".
 */
#include "service/worklist/notify.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/limit.h"
#include "base/log.h"
#include "service/hl7/call.h"
#include "service/job/job_hl7.h"
#include "store/table/job.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

/* MSH-7 is local time, as everybody's; MSH-10 is ours alone. */
static void
stamp(char now[16], char control_id[24])
{
	static atomic_uint serial;
	int64_t ms = clock_utc_ms();
	time_t s = (time_t)(ms / 1000);
	struct tm t;

	must(localtime_r(&s, &t) != NULL);
	must(strftime(now, 16, "%Y%m%d%H%M%S", &t) > 0);
	snprintf(control_id, 24, "S%" PRIX64 "%05X", (uint64_t)ms,
	    atomic_fetch_add(&serial, 1) & 0xfffffU);
}

static bool
queue(const struct notify_config *c, struct str message, struct db *db,
    struct err *e)
{
	struct job_hl7 what = {.message = message};
	struct hl7_host host;
	struct buf detail;
	struct job job;
	struct err why;
	int64_t id;
	bool ok;

	/* The name of a node has no colon. */
	if (str_find(str_from(c->to), ':') == strlen(c->to)) {
		what.node = c->to;
	} else if (hl7_host_parse(c->to, &host, &why)) {
		what.host = host.host;
		what.port = host.port;
	} else {
		log_error("worklist", "worklist.notify: %s", why.text);
		return true;
	}
	buf_init(&detail, JOB_HL7_DETAIL);
	ok = job_hl7_make(&what, &detail, &job, e) &&
	     job_insert(db, &job, &id, e);
	buf_fini(&detail);
	return ok;
}

static bool
changed(void *ctx, struct db *db, const struct item *now, struct err *e)
{
	const struct notify_config *c = ctx;
	char when[16], control_id[24];
	struct order_sender sender = {
	    .application = c->application,
	    .facility = c->facility,
	    .receiving_application = "",
	    .receiving_facility = "",
	    .control_id = control_id,
	    .now = when,
	};
	struct buf message;
	bool ok;

	stamp(when, control_id);
	buf_init(&message, 1 * MIB);
	order_build(&message, now->value, now->status, "SC", &sender);
	if (message.over) {
		log_error("worklist",
		    "item %" PRId64 " is too large to be told of to '%s'",
		    now->id, c->to);
		ok = true;
	} else {
		ok = queue(c, buf_str(&message), db, e);
	}
	buf_fini(&message);
	return ok;
}

struct item_watch
notify_watch(const struct notify_config *config)
{
	struct item_watch watch = {0};

	if (config->to[0] == '\0')
		return watch;
	watch.changed = changed;
	watch.ctx = (void *)(uintptr_t)config;
	return watch;
}

void
notify_write(const struct notify_config *config, struct json *j)
{
	json_key(j, "notify");
	json_text(j, config->to);
	json_key(j, "application");
	json_text(j, config->application);
	json_key(j, "facility");
	json_text(j, config->facility);
}

static void
read_text(struct str object, const char *name, char *out, size_t room)
{
	struct str value;

	if (!json_member(object, name, &value) ||
	    !json_string(value, out, room))
		out[0] = '\0';
}

void
notify_read(struct str object, struct notify_config *out)
{
	read_text(object, "notify", out->to, sizeof(out->to));
	read_text(
	    object, "application", out->application, sizeof(out->application));
	read_text(object, "facility", out->facility, sizeof(out->facility));
}
