/*
 * Activity, refusals, and the log lines about them. Titles are a peer's bytes:
 * the log escapes them, and where they are stored they become printable here.
 */
#include "service/record.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/table/node.h"

/* A title as others may show it. */
static void
printable(char *out, size_t room, const char *text)
{
	(void)str_printable(out, room, str_from(text));
}

void
record_begin(struct session *s)
{
	struct activity *row = &s->activity;
	const struct assoc *a = s->assoc;

	(void)str_copy(row->protocol, sizeof(row->protocol), STR("dicom"));
	printable(row->calling, sizeof(row->calling), a->calling);
	printable(row->called, sizeof(row->called), a->called);
	(void)str_copy(row->address, sizeof(row->address),
	    str_from(a->conn->peer.address));
	row->start_ms = clock_utc_ms();
	live_begin(s->store, &s->live, row);
}

static void
log_end(const struct session *s)
{
	const struct activity *row = &s->activity;

	log_info("dicom",
	    "association of '%s' at %s with '%s' %s after %lld ms: "
	    "%u echoes, %u stores (%u failed), %u finds, %u gets, %u moves, "
	    "%llu instances in, %llu out, %llu bytes in, %llu out%s%s",
	    s->assoc->calling, row->address, s->assoc->called, row->end,
	    (long long)(row->end_ms - row->start_ms), (unsigned)row->echoes,
	    (unsigned)row->stores, (unsigned)row->stores_failed,
	    (unsigned)row->finds, (unsigned)row->gets, (unsigned)row->moves,
	    (unsigned long long)row->instances_in,
	    (unsigned long long)row->instances_out,
	    (unsigned long long)row->bytes_in,
	    (unsigned long long)row->bytes_out,
	    row->detail[0] != '\0' ? "; " : "", row->detail);
}

/* Modalities ask for the worklist every few seconds, each time by a new
 * association (F38). */
static bool
is_polling(const struct session *s)
{
	const struct activity *row = &s->activity;

	return s->worklist_queries > 0 && !s->config.worklist.log_queries &&
	       row->echoes + row->stores + row->gets + row->moves +
		       row->finds ==
		   0 &&
	       row->instances_in + row->instances_out == 0;
}

void
record_end(struct session *s, const struct err *why)
{
	struct activity *row = &s->activity;
	const struct assoc *a = s->assoc;

	live_end(s->store, &s->live);
	row->end_ms = clock_utc_ms();
	row->bytes_in = a->conn->bytes_in;
	row->bytes_out = a->conn->bytes_out;
	(void)str_copy(
	    row->end, sizeof(row->end), str_from(assoc_end_text(a->end)));
	if (a->end != ASSOC_RELEASED && why->code != ERR_NONE)
		printable(row->detail, sizeof(row->detail), why->text);
	if (is_polling(s)) {
		log_debug("dicom", "'%s' at %s asked for the worklist",
		    s->assoc->calling, row->address);
		return;
	}
	if (s->config.worklist.log_queries)
		row->finds += s->worklist_queries;
	log_end(s);
	activity_record(s->store, row);
}

void
record_refusal(struct store *store, const char *calling, const char *called,
    const char *address, const char *reason)
{
	struct refusal r = {.count = 1};

	log_warning("dicom", "refused '%s' at %s calling '%s': %s", calling,
	    address, called, reason);
	printable(r.calling, sizeof(r.calling), calling);
	printable(r.called, sizeof(r.called), called);
	printable(r.reason, sizeof(r.reason), reason);
	(void)str_copy(r.address, sizeof(r.address), str_from(address));
	r.first_ms = r.last_ms = clock_utc_ms();
	refusal_record(store, &r);
}

void
record_stranger(struct store *store, const char *address, const struct err *why)
{
	switch (why->code) {
	case ERR_PROTOCOL:
	case ERR_MALFORMED:
	case ERR_LIMIT:
	case ERR_DENIED:
		record_refusal(store, "", "", address, why->text);
		break;
	default:
		/* Port scanners and load balancers look in and leave. */
		log_debug(
		    "dicom", "no association from %s: %s", address, why->text);
		break;
	}
}
