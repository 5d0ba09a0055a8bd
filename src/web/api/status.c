/*
 * For machines: is it alive, does it take images, how much does it do.
 */
#include "web/api/api.h"

#include "base/clock.h"
#include "store/store.h"
#include "web/http/inside.h"

bool
status_alive(struct call *c, struct reply *r, struct err *e)
{
	(void)c;
	(void)e;
	reply_text(r, 200, "text/plain; charset=utf-8", STR("ok\n"));
	return true;
}

bool
status_ready(struct call *c, struct reply *r, struct err *e)
{
	const char *why = store_read_only(c->store);
	struct store_counts counts;
	struct err full;

	if (why != NULL) {
		reply_refuse(r, 503, "read_only", "nothing is stored: %s", why);
		return true;
	}
	if (!store_room(c->store, 0, &full)) {
		reply_refuse(r, 503, "full", "nothing is stored: %s",
		    full.code == ERR_FULL ? full.text : "the disk has trouble");
		return true;
	}
	/* The database answers. */
	if (!store_count(c->store, &counts, e)) {
		e->code = ERR_TIMEOUT;
		return false;
	}
	reply_text(r, 200, "text/plain; charset=utf-8", STR("ready\n"));
	return true;
}

static void
metric(struct buf *out, const char *name, const char *kind, const char *help,
    uint64_t value)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help,
	    name, kind, name, (unsigned long long)value);
}

static void
http_metrics(struct web *w, struct buf *out)
{
	unsigned i;
	size_t open;

	buf_text(out,
	    "# HELP fileroom_http_requests_total Requests by the first digit "
	    "of their status.\n# TYPE fileroom_http_requests_total counter\n");
	for (i = 2; i < 6; i++)
		buf_printf(out,
		    "fileroom_http_requests_total{status=\"%uxx\"} %llu\n", i,
		    (unsigned long long)atomic_load(&w->counts.requests[i]));
	mutex_lock(&w->list_lock);
	open = w->client_count;
	mutex_unlock(&w->list_lock);
	metric(out, "fileroom_http_connections", "gauge", "Open connections.",
	    open);
	metric(out, "fileroom_http_sent_bytes_total", "counter",
	    "Bytes of answers.", atomic_load(&w->counts.bytes_out));
	metric(out, "fileroom_uptime_seconds", "gauge",
	    "Since the start of the process.",
	    (uint64_t)(clock_mono_ms() - w->started_ms) / 1000);
}

bool
status_metrics(struct call *c, struct reply *r, struct err *e)
{
	struct store_counts n;

	if (!store_count(c->store, &n, e))
		return false;
	r->type = "text/plain; version=0.0.4; charset=utf-8";
	metric(&r->body, "fileroom_patients", "gauge", "Patients.", n.patients);
	metric(&r->body, "fileroom_studies", "gauge", "Studies.", n.studies);
	metric(&r->body, "fileroom_series", "gauge", "Series.", n.series);
	metric(
	    &r->body, "fileroom_instances", "gauge", "Objects.", n.instances);
	metric(&r->body, "fileroom_stored_bytes", "gauge",
	    "Bytes of all objects.", n.bytes);
	metric(&r->body, "fileroom_quarantined", "gauge",
	    "Objects and files set aside.", n.quarantined);
	metric(&r->body, "fileroom_read_only", "gauge",
	    "1: nothing is stored until the disk was looked after.",
	    store_read_only(c->store) != NULL);
	http_metrics(c->web, &r->body);
	return true;
}
