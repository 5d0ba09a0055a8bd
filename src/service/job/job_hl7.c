/*
 * Jobs of the kind "hl7". The detail is {"node": NAME} or {"host", "port",
 * "tls"}, and "message" in UTF-8 or "hex" of what is no UTF-8.
 *
 * AA and CA end the job. AE, AR, CE and CR fail it for good, with the host's
 * reason: the same message again would be refused again, unless the host says
 * that the fault is its own (HL7 table 0357: 206, 207). Everything else is
 * tried again; a host that took a message and whose acknowledgement was lost
 * gets it once more, with the same control id.
 *
 * A message that was added after one that still waits goes behind it: an order
 * comes before its change. One that failed for good holds up nobody.
 */
#include "service/job/job_hl7.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/limit.h"
#include "base/utf8.h"
#include "hl7/er7.h"
#include "service/hl7/call.h"
#include "service/job/runner.h"
#include "store/worklist/hl7_node.h"
#include "store/worklist/journal.h"

/* As long as the sending of images: about a day. */
#define ATTEMPTS 30
/* A message of a job is held in memory more than once; those with embedded
 * documents of real reports stay under this. */
#define MESSAGE_MAX (2 * MIB)

bool
job_hl7_node(
    struct store *s, const char *name, struct hl7_node *out, struct err *e)
{
	struct hl7_node *nodes;
	char shown[80];
	struct arena a;
	size_t n = 0, i;
	bool ok;

	*out = (struct hl7_node){0};
	arena_init(&a, 4 * MIB);
	ok = hl7_node_list(s, &a, &nodes, &n, e);
	for (i = 0; ok && i < n; i++)
		if (strcmp(nodes[i].name, name) == 0)
			*out = nodes[i];
	arena_fini(&a);
	if (!ok)
		return false;
	str_printable(shown, sizeof(shown), str_from(name));
	if (out->name[0] == '\0')
		return fail(e, ERR_MISSING,
		    "there is no HL7 node '%s': add it with 'fileroom hl7 node "
		    "add NAME HOST PORT'",
		    shown);
	if (out->port == 0)
		return fail(e, ERR_USAGE,
		    "HL7 node '%s' does not listen: give it a port with "
		    "'fileroom hl7 node edit NAME --port PORT'",
		    shown);
	return true;
}

/* What stands in the column of the node, by which the runner tells hosts from
 * each other: "hl7:NAME" or "HOST:PORT" if it fits, else a digest. */
static void
label(const struct job_hl7 *what, char out[17])
{
	char whole[300];
	uint32_t h = 2166136261u;
	size_t i;

	if (what->node != NULL)
		snprintf(whole, sizeof(whole), "hl7:%s", what->node);
	else
		snprintf(whole, sizeof(whole), "%s:%u", what->host,
		    (unsigned)what->port);
	if (strlen(whole) <= 16) {
		(void)str_copy(out, 17, str_from(whole));
		return;
	}
	for (i = 0; whole[i] != '\0'; i++)
		h = (h ^ (uint8_t)whole[i]) * 16777619u;
	snprintf(out, 17, "%.7s~%08x", whole, (unsigned)h);
}

static void
put_message(struct json *json, struct str message)
{
	struct buf hex;
	size_t i;

	if (utf8_valid(message) && str_find(message, '\0') == message.n) {
		json_key(json, "message");
		json_str(json, message);
		return;
	}
	buf_init(&hex, 2 * MESSAGE_MAX);
	for (i = 0; i < message.n; i++)
		buf_printf(&hex, "%02x", message.p[i]);
	json_key(json, "hex");
	json_str(json, buf_str(&hex));
	buf_fini(&hex);
}

static void
put_detail(struct buf *out, const struct job_hl7 *what)
{
	struct json json;

	json_init(&json, out);
	json_object(&json);
	if (what->node != NULL) {
		json_key(&json, "node");
		json_text(&json, what->node);
	} else {
		json_key(&json, "host");
		json_text(&json, what->host);
		json_key(&json, "port");
		json_i64(&json, what->port);
		json_key(&json, "tls");
		json_bool(&json, what->tls);
	}
	put_message(&json, what->message);
	json_end_object(&json);
}

bool
job_hl7_make(const struct job_hl7 *what, struct buf *detail, struct job *out,
    struct err *e)
{
	*out = (struct job){.kind = "hl7"};
	if (what->message.n > MESSAGE_MAX)
		return fail(e, ERR_LIMIT,
		    "a message of more than %lu MiB cannot be queued",
		    MESSAGE_MAX / MIB);
	label(what, out->node);
	put_detail(detail, what);
	out->detail = buf_str(detail);
	if (detail->over)
		return fail(e, ERR_LIMIT, "the message is too large for a job");
	return true;
}

bool
job_hl7_add(
    struct store *s, const struct job_hl7 *what, int64_t *id, struct err *e)
{
	struct hl7_node node;
	struct buf detail;
	struct job j;
	bool ok;

	*id = 0;
	if (what->node != NULL && !job_hl7_node(s, what->node, &node, e))
		return false;
	buf_init(&detail, JOB_HL7_DETAIL);
	ok = job_hl7_make(what, &detail, &j, e) &&
	     job_add(s, &j, NULL, 0, id, e);
	buf_fini(&detail);
	return ok;
}

struct delivery {
	struct job_run *run;
	struct hl7_host host;
	struct conn_watch watch;
	struct str message;
	char to[64]; /* for the journal */
};

static bool
stop(void *ctx)
{
	return job_run_stop(ctx);
}

static int
digit(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static bool
unhex(struct str hex, char *out)
{
	size_t i;

	for (i = 0; i + 1 < hex.n; i += 2) {
		int high = digit(hex.p[i]), low = digit(hex.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (char)(high * 16 + low);
	}
	return true;
}

static bool
read_message(struct delivery *d, struct str detail, struct err *e)
{
	struct str value;
	char *text;

	if (json_member(detail, "message", &value)) {
		text = arena_alloc(d->run->arena, value.n + 1);
		if (text != NULL && json_string(value, text, value.n + 1)) {
			d->message = str_from(text);
			return true;
		}
	} else if (json_member(detail, "hex", &value) && value.n >= 2) {
		value = str_of(value.p + 1, value.n - 2);
		text = arena_alloc(d->run->arena, value.n / 2 + 1);
		if (text != NULL && unhex(value, text)) {
			d->message = str_of(text, value.n / 2);
			return true;
		}
	}
	return fail(e, ERR_CORRUPT, "the job does not say what to send");
}

static bool
read_host(struct delivery *d, struct str detail, struct err *e)
{
	struct hl7_host *h = &d->host;
	struct hl7_node node;
	char name[65] = "";
	struct str value;
	int64_t port = 0;

	if (json_member(detail, "node", &value) &&
	    json_string(value, name, sizeof(name))) {
		if (!job_hl7_node(d->run->store, name, &node, e))
			return false;
		memcpy(h->host, node.host, sizeof(h->host));
		h->port = node.port;
		h->secure = node.tls;
	} else if (json_member(detail, "host", &value) &&
		   json_string(value, h->host, sizeof(h->host)) &&
		   json_member(detail, "port", &value) &&
		   json_integer(value, &port) && port > 0 &&
		   port <= UINT16_MAX) {
		h->port = (uint16_t)port;
		h->secure =
		    json_member(detail, "tls", &value) && json_is_true(value);
	} else {
		return fail(e, ERR_CORRUPT, "the job does not say where to");
	}
	snprintf(d->to, sizeof(d->to), "%.57s:%u",
	    name[0] != '\0' ? name : h->host, (unsigned)h->port);
	return true;
}

static enum job_outcome
exchange(struct delivery *d, struct hl7_call *call, struct err *e)
{
	struct hl7_answer answer;
	char text[200];
	struct err ignored;

	if (!hl7_call_send(call, d->message, d->run->arena, &answer, e))
		return JOB_OUTCOME_AGAIN;
	hl7_answer_text(&answer, text, sizeof(text));
	/* For show: the message has been taken whatever becomes of this. */
	(void)!journal_sent(d->run->store, d->to, d->message, answer.taken,
	    answer.taken ? "" : text, &ignored);
	if (answer.taken)
		return JOB_OUTCOME_DONE;
	(void)fail(e, ERR_DENIED, "%s answered %s", d->to, text);
	return answer.passing ? JOB_OUTCOME_AGAIN : JOB_OUTCOME_HOPELESS;
}

/* Whether an older one is to be sent first; then this one is due after it. */
static bool
goes_behind(struct job_run *run, struct err *e)
{
	int64_t now = clock_utc_ms(), older_ms;
	struct err ignored;

	if (!job_older(run->store, run->job, &older_ms, &ignored) ||
	    older_ms == INT64_MIN)
		return false;
	run->job->next_ms = (older_ms > now ? older_ms : now) + 1;
	(void)fail(e, ERR_CONFLICT, "a message before it that still waits");
	return true;
}

static enum job_outcome
run_hl7(struct job_run *run, struct err *e)
{
	struct delivery d = {.run = run,
	    .watch = {.stop = stop, .ctx = run},
	    .host = {.tls = run->client.tls,
		.trouble = run->client.tls_trouble,
		.timeout_ms = run->client.timeout_ms}};
	enum job_outcome outcome = JOB_OUTCOME_AGAIN;
	struct hl7_call *call;

	if (goes_behind(run, e))
		return JOB_OUTCOME_LATER;
	d.host.watch = &d.watch;
	if (!read_host(&d, run->job->detail, e) ||
	    !read_message(&d, run->job->detail, e))
		return e->code == ERR_CORRUPT || e->code == ERR_MISSING ||
			       e->code == ERR_USAGE
			   ? JOB_OUTCOME_HOPELESS
			   : JOB_OUTCOME_AGAIN;
	if (hl7_call_open(&call, &d.host, e)) {
		outcome = exchange(&d, call, e);
		hl7_call_close(&call);
	}
	return outcome;
}

const struct job_kind job_kind_hl7 = {
    .name = "hl7",
    .run = run_hl7,
    .attempts = ATTEMPTS,
};
