/*
 * Activity (F111-F116): associations, HL7 connections and sessions of the
 * portal, by days of this machine's time zone; what goes on; deleting.
 */
#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "store/table/live.h"
#include "store/worklist/journal.h"
#include "web/api/api.h"
#include "web/http/inside.h"

#define ROWS      100
#define ROWS_MOST 500
/* Of an HL7 connection, in its details. */
#define MESSAGES_MOST 200

/* Midnight 'days' before today. */
static int64_t
midnight(int days)
{
	time_t now = (time_t)(clock_utc_ms() / 1000);
	struct tm t;

	must(localtime_r(&now, &t) != NULL);
	t.tm_mday -= days;
	t.tm_hour = t.tm_min = t.tm_sec = 0;
	t.tm_isdst = -1;
	return (int64_t)mktime(&t) * 1000;
}

static bool
take_days(struct call *c, struct activity_query *q, struct err *e)
{
	struct str s = call_field(c, "when");

	q->from_ms = 0;
	q->to_ms = INT64_MAX;
	if (s.n == 0 || str_eq_text(s, "today"))
		q->from_ms = midnight(0);
	else if (str_eq_text(s, "yesterday")) {
		q->from_ms = midnight(1);
		q->to_ms = midnight(0);
	} else if (str_eq_text(s, "last7"))
		q->from_ms = midnight(6);
	else if (!str_eq_text(s, "all"))
		return fail(
		    e, ERR_USAGE, "when is today, yesterday, last7 or all");
	return true;
}

static bool
take_protocol(struct call *c, struct activity_query *q, struct err *e)
{
	static const char *const known[] = {"dicom", "hl7", "web"};
	struct str s = call_field(c, "protocol");
	size_t i;

	q->protocol = "";
	if (s.n == 0)
		return true;
	for (i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq_text(s, known[i])) {
			q->protocol = known[i];
			return true;
		}
	return fail(e, ERR_USAGE, "protocol is dicom, hl7 or web");
}

/* "BEGAN-ID" of the last row of the page before. */
static bool
take_next(struct call *c, struct activity_query *q, struct err *e)
{
	struct str s = call_field(c, "next");
	size_t at = str_find(s, '-');
	uint64_t ms, id;

	if (s.n == 0)
		return true;
	if (at == s.n || !str_u64(str_of(s.p, at), &ms) ||
	    !str_u64(str_of(s.p + at + 1, s.n - at - 1), &id) ||
	    ms > INT64_MAX || id > INT64_MAX || id == 0)
		return fail(e, ERR_USAGE, "next is what the page before gave");
	q->after_ms = (int64_t)ms;
	q->after_id = (int64_t)id;
	return true;
}

static void
put(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_text(j, text);
}

static void
put_number(struct json *j, const char *key, uint64_t n)
{
	json_key(j, key);
	json_i64(j, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

static void
put_did(struct json *j, const struct activity *a)
{
	const struct {
		const char *key;
		uint64_t n;
	} did[] = {
	    {"echoes", a->echoes},
	    {"stores", a->stores},
	    {"stores_failed", a->stores_failed},
	    {"finds", a->finds},
	    {"gets", a->gets},
	    {"moves", a->moves},
	    {"instances_in", a->instances_in},
	    {"instances_out", a->instances_out},
	    {"requests", a->requests},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(did); i++)
		if (did[i].n > 0)
			put_number(j, did[i].key, did[i].n);
}

/* Leaves the object open. */
static void
put_row(struct json *j, const struct activity *a)
{
	char text[CLOCK_ISO_ROOM];

	json_object(j);
	put_number(j, "id", (uint64_t)a->id);
	put(j, "protocol", a->protocol);
	json_key(j, "outgoing");
	json_bool(j, a->outgoing);
	put(j, "who", a->calling);
	put(j, "called", a->called);
	put(j, "address", a->address);
	put(j, "began", clock_iso(a->start_ms, text));
	put(j, "ended",
	    strcmp(a->end, ACTIVITY_OPEN) ? clock_iso(a->end_ms, text) : "");
	put_number(j, "seconds", (uint64_t)((a->end_ms - a->start_ms) / 1000));
	put_number(j, "bytes_in", a->bytes_in);
	put_number(j, "bytes_out", a->bytes_out);
	put_did(j, a);
	put(j, "end", a->end);
	put(j, "detail", a->detail);
	if (strcmp(a->protocol, "web") != 0)
		return;
	put(j, "session", a->session);
	put(j, "browser", a->browser);
}

bool
activity_rows(struct call *c, struct reply *r, struct err *e)
{
	struct activity_query q = {0};
	struct activity *rows;
	struct json *j;
	char next[48] = "";
	int64_t limit;
	size_t n, i;

	if (!take_days(c, &q, e) || !take_protocol(c, &q, e) ||
	    !take_next(c, &q, e) ||
	    !call_number(c, "limit", 1, ROWS_MOST, ROWS, &limit, e))
		return false;
	q.max = (size_t)limit;
	visit_write(c->web->guard);
	if (!activity_find(c->store, &q, &c->arena, &rows, &n, e))
		return false;
	j = reply_json(r);
	json_object(j);
	json_key(j, "activity");
	json_array(j);
	for (i = 0; i < n; i++) {
		visit_refresh(c->web->guard, &rows[i], &c->arena, NULL);
		put_row(j, &rows[i]);
		json_end_object(j);
	}
	json_end_array(j);
	if (n == q.max)
		snprintf(next, sizeof(next), "%lld-%lld",
		    (long long)rows[n - 1].start_ms, (long long)rows[n - 1].id);
	put(j, "next", next);
	json_end_object(j);
	return true;
}

static bool
take_id(struct call *c, int64_t *id, struct err *e)
{
	return (str_i64(call_param(c, "id"), id) && *id > 0) ||
	       fail(e, ERR_MISSING, "there is no such activity");
}

/* What came by an HL7 connection: its address tells, and when. */
static bool
put_messages(
    struct call *c, struct json *j, const struct activity *a, struct err *e)
{
	struct journal_entry *list;
	char when[CLOCK_ISO_ROOM], line[320], text[320];
	size_t n, i;

	if (!journal_between(c->store, a->address, a->start_ms, a->end_ms,
		MESSAGES_MOST, &c->arena, &list, &n, e))
		return false;
	for (i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%.8s %s %s %s%s%s",
		    clock_iso(list[i].when_ms, when) + 11, list[i].type,
		    list[i].control_id, list[i].outcome,
		    list[i].reason[0] != '\0' ? ": " : "", list[i].reason);
		json_text(j, str_printable(text, sizeof(text), str_from(line)));
	}
	return true;
}

bool
activity_row(struct call *c, struct reply *r, struct err *e)
{
	struct str actions, line;
	struct activity a;
	struct json *j;
	int64_t id;

	if (!take_id(c, &id, e) ||
	    !activity_show(c->store, id, &c->arena, &a, &actions, e))
		return false;
	visit_refresh(c->web->guard, &a, &c->arena, &actions);
	j = reply_json(r);
	put_row(j, &a);
	json_key(j, "actions");
	json_array(j);
	while (actions.n > 0 && str_split(&actions, '\n', &line))
		if (line.n > 0)
			json_str(j, line);
	if (strcmp(a.protocol, "hl7") == 0 && !put_messages(c, j, &a, e))
		return false;
	json_end_array(j);
	json_end_object(j);
	return true;
}

static void
put_visit(void *ctx, const struct visit *v)
{
	char text[CLOCK_ISO_ROOM];
	struct json *j = ctx;

	json_object(j);
	put(j, "protocol", "web");
	json_key(j, "outgoing");
	json_bool(j, false);
	put(j, "who", v->who);
	put(j, "called", v->by);
	put(j, "address", v->address);
	put(j, "began", clock_iso(v->began_ms, text));
	put(j, "seen", clock_iso(v->seen_ms, text));
	put_number(j, "bytes_in", v->bytes_in);
	put_number(j, "bytes_out", v->bytes_out);
	put_number(j, "requests", v->requests);
	put(j, "session", v->name);
	put(j, "browser", v->browser);
	json_end_object(j);
}

static void
put_live(struct json *j, const struct activity *a)
{
	char text[CLOCK_ISO_ROOM];
	int64_t ms = clock_utc_ms() - a->start_ms;

	json_object(j);
	put(j, "protocol", a->protocol);
	json_key(j, "outgoing");
	json_bool(j, a->outgoing);
	put(j, "who", a->calling);
	put(j, "called", a->called);
	put(j, "address", a->address);
	put(j, "began", clock_iso(a->start_ms, text));
	put_number(j, "seconds", ms > 0 ? (uint64_t)ms / 1000 : 0);
	json_end_object(j);
}

bool
activity_now(struct call *c, struct reply *r, struct err *e)
{
	struct activity *rows;
	struct json *j;
	size_t n, i;

	if (!live_list(c->store, ROWS_MOST, &c->arena, &rows, &n, e))
		return false;
	j = reply_json(r);
	json_object(j);
	json_key(j, "activity");
	json_array(j);
	for (i = 0; i < n; i++)
		put_live(j, &rows[i]);
	visit_each(c->web->guard, put_visit, j);
	json_end_array(j);
	json_end_object(j);
	return true;
}

bool
activity_delete(struct call *c, struct reply *r, struct err *e)
{
	if (!activity_clear(c->store, INT64_MAX, e))
		return false;
	log_info("http", "'%s' at %s deleted the activity", c->viewer.user.name,
	    c->client);
	r->status = 204;
	return true;
}
