/*
 * Shared by the verbs 'worklist' and 'hl7'.
 */
#include "app/worklist/common.h"

#include "app/client_settings.h"
#include "base/clock.h"
#include "hl7/types.h"
#include "service/hl7/intake.h"
#include "service/job/job_hl7.h"
#include "store/health.h"
#include "store/worklist/hl7_node.h"
#include "store/worklist/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

static bool
read_all(int fd, const char *path, struct buf *out, struct err *e)
{
	uint8_t *p;
	ssize_t n;

	do {
		p = buf_space(out, 64 * KIB);
		if (p == NULL)
			return fail(e, ERR_LIMIT, "'%s' is larger than %lu MiB",
			    path, MESSAGES_FILE_MAX / MIB);
		do
			n = read(fd, p, 64 * KIB);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return fail_errno(e, "cannot read '%s'", path);
		buf_filled(out, (size_t)n);
	} while (n > 0);
	return true;
}

bool
worklist_max(const char *text, uint64_t most, uint64_t *max, struct err *e)
{
	uint64_t n;

	if (text == NULL)
		return true;
	if (!str_u64(str_from(text), &n) || n == 0 || n > most)
		return fail(
		    e, ERR_USAGE, "--max: allowed are 1 to %" PRIu64, most);
	*max = n;
	return true;
}

bool
messages_read_file(const char *path, struct buf *out, struct err *e)
{
	int fd = STDIN_FILENO;
	bool ok;

	if (strcmp(path, "-") != 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(e, "cannot open '%s'", path);
	ok = read_all(fd, path, out, e);
	if (fd != STDIN_FILENO)
		(void)close(fd);
	return ok;
}

bool
messages_each(const char *path, message_fn *fn, void *ctx, struct err *e)
{
	struct str rest, message;
	struct buf bytes;
	size_t number = 0;
	bool ok;

	buf_init(&bytes, MESSAGES_FILE_MAX + 64 * KIB);
	ok = messages_read_file(path, &bytes, e);
	rest = buf_str(&bytes);
	while (ok && er7_split(&rest, &message))
		ok = fn(ctx, message, ++number, e);
	buf_fini(&bytes);
	if (ok && number == 0)
		return fail(e, ERR_MALFORMED,
		    "there is no HL7 message in '%s': none of its lines begins "
		    "with MSH",
		    path);
	return ok;
}

static void
take_text(char *out, size_t room, const struct settings *s, enum setting_id id)
{
	(void)str_copy(out, room, str_from(s->at[id].text));
}

static void
item_rules(const struct settings *s, struct item_rules *out)
{
	*out = (struct item_rules){
	    .uid_for = s->at[SETTING_WORKLIST_UID_FOR].text};
	take_text(
	    out->uid_root, sizeof(out->uid_root), s, SETTING_WORKLIST_UID_ROOT);
}

void
worklist_rules(const struct settings *s, struct worklist_rules *out)
{
	item_rules(s, &out->rules);
	take_text(
	    out->notify.to, sizeof(out->notify.to), s, SETTING_WORKLIST_NOTIFY);
	take_text(out->notify.application, sizeof(out->notify.application), s,
	    SETTING_HL7_SENDING_APPLICATION);
	take_text(out->notify.facility, sizeof(out->notify.facility), s,
	    SETTING_HL7_SENDING_FACILITY);
	out->watch = notify_watch(&out->notify);
	out->rules.watch = &out->watch;
}

void
worklist_intake(const struct settings *s, struct hl7_intake_config *out)
{
	*out = (struct hl7_intake_config){0};
	item_rules(s, &out->rules);
	take_text(out->application, sizeof(out->application), s,
	    SETTING_HL7_SENDING_APPLICATION);
	take_text(out->facility, sizeof(out->facility), s,
	    SETTING_HL7_SENDING_FACILITY);
	take_text(out->charset, sizeof(out->charset), s, SETTING_HL7_CHARSET);
	take_text(out->notify, sizeof(out->notify), s, SETTING_WORKLIST_NOTIFY);
}

static bool
find_node(
    struct hl7_peer *p, struct store *store, const char *word, struct err *e)
{
	struct hl7_node node;

	if (store == NULL || str_find(str_from(word), ':') < strlen(word))
		return hl7_host_parse(word, &p->host, e);
	if (!job_hl7_node(store, word, &node, e)) {
		if (e->code == ERR_MISSING)
			e->code = ERR_USAGE;
		return false;
	}
	memcpy(p->node, node.name, sizeof(p->node));
	memcpy(p->application, node.application, sizeof(p->application));
	memcpy(p->facility, node.facility, sizeof(p->facility));
	memcpy(p->host.host, node.host, sizeof(p->host.host));
	p->host.port = node.port;
	p->host.secure = node.tls;
	return true;
}

bool
hl7_peer_find(struct hl7_peer *out, struct store *store,
    const struct settings *settings, const char *word, bool tls,
    const char *timeout, struct err *e)
{
	uint64_t seconds;

	*out = (struct hl7_peer){0};
	if (!find_node(out, store, word, e) ||
	    !client_settings(settings,
		store != NULL ? store_folder(store) : "data", &out->client, e))
		return false;
	out->host.secure = out->host.secure || tls;
	out->host.tls = out->client.tls;
	out->host.trouble = out->client.tls_trouble;
	out->host.timeout_ms = out->client.timeout_ms;
	if (timeout == NULL)
		return true;
	if (!str_u64(str_from(timeout), &seconds) || seconds == 0 ||
	    seconds > 86400)
		return fail(
		    e, ERR_USAGE, "--timeout: allowed are 1 to 86400 seconds");
	out->host.timeout_ms = (int)seconds * 1000;
	return true;
}

void
hl7_peer_fini(struct hl7_peer *p)
{
	client_fini(&p->client);
}

static void
peer_name(const struct hl7_peer *p, char out[330])
{
	snprintf(out, 330, "%s%s%s:%u", p->node,
	    p->node[0] != '\0' ? " at " : "", p->host.host,
	    (unsigned)p->host.port);
}

bool
hl7_peer_send(struct hl7_peer *p, struct hl7_call **call, struct store *store,
    struct str message, const char *what, struct err *e)
{
	char text[200], name[330], to[64];
	struct hl7_answer answer;
	struct err ignored;
	struct arena a;
	bool ok;

	arena_init(&a, 3 * LIMIT_HL7_FRAME);
	message = hl7_wire_form(&a, message);
	ok = (*call != NULL || hl7_call_open(call, &p->host, e)) &&
	     hl7_call_send(*call, message, &a, &answer, e);
	if (!ok) {
		arena_fini(&a);
		return fail_in(e, "%s", what);
	}
	hl7_answer_text(&answer, text, sizeof(text));
	peer_name(p, name);
	snprintf(to, sizeof(to), "%.57s:%u",
	    p->node[0] != '\0' ? p->node : p->host.host,
	    (unsigned)p->host.port);
	if (store != NULL && !journal_sent(store, to, message, answer.taken,
				 answer.taken ? "" : text, &ignored))
		fprintf(stderr, "it is not in the journal: %s\n", ignored.text);
	if (answer.taken) {
		verb_put(stdout, what);
		printf(": %s\n", text);
	} else {
		ok =
		    fail(e, ERR_DENIED, "%s: %s answered %s", what, name, text);
	}
	arena_fini(&a);
	return ok;
}

static void
say_queued(struct store *store, int64_t id, const char *what)
{
	static bool told;
	struct store_holder holder;
	struct err e;

	verb_put(stdout, what);
	printf(": job %" PRId64 "\n", id);
	if (!told &&
	    (!store_holder(store_folder(store), &holder, &e) || !holder.held))
		fputs("no server is running on this archive: the job begins "
		      "when one starts\n",
		    stderr);
	told = true;
}

bool
hl7_peer_queue(struct hl7_peer *p, struct store *store, struct str message,
    const char *what, struct err *e)
{
	struct job_hl7 job = {.node = p->node[0] != '\0' ? p->node : NULL,
	    .host = p->host.host,
	    .port = p->host.port,
	    .tls = p->host.secure};
	struct arena a;
	int64_t id;
	bool ok;

	if (store == NULL)
		return fail(e, ERR_MISSING,
		    "--queue needs an archive, whose server sends (--data)");
	arena_init(&a, LIMIT_HL7_FRAME + MIB);
	job.message = hl7_wire_form(&a, message);
	ok = job_hl7_add(store, &job, &id, e);
	if (ok)
		say_queued(store, id, what);
	arena_fini(&a);
	return ok || fail_in(e, "%s", what);
}

void
date_of(int days, char out[9])
{
	time_t now = (time_t)(clock_utc_ms() / 1000);
	struct tm t;

	must(localtime_r(&now, &t) != NULL);
	/* Noon: no change of summer time leads to another day. */
	t.tm_hour = 12;
	t.tm_mday += days;
	t.tm_isdst = -1;
	(void)mktime(&t);
	must(strftime(out, 9, "%Y%m%d", &t) > 0);
}

bool
date_word(const char *option, const char *word, char out[9], struct err *e)
{
	static const char *const words[] = {"yesterday", "today", "tomorrow"};
	char time[14], shown[80];
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq_nocase(str_from(word), str_from(words[i]))) {
			date_of((int)i - 1, out);
			return true;
		}
	/* Nothing behind it. */
	if ((strlen(word) == 8 || strlen(word) == 10) &&
	    types_time(str_from(word), out, time) && time[0] == '\0')
		return true;
	return fail(e, ERR_USAGE,
	    "%s '%s' is no date; allowed: YYYY-MM-DD, YYYYMMDD, today, "
	    "yesterday or tomorrow",
	    option, str_printable(shown, sizeof(shown), str_from(word)));
}

void
now_text(char out[15])
{
	time_t now = (time_t)(clock_utc_ms() / 1000);
	struct tm t;

	must(localtime_r(&now, &t) != NULL);
	must(strftime(out, 15, "%Y%m%d%H%M%S", &t) > 0);
}

const char *
local_time(int64_t utc_ms, char out[32])
{
	time_t at = (time_t)(utc_ms / 1000);
	struct tm t;

	if (localtime_r(&at, &t) == NULL ||
	    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &t) == 0)
		snprintf(out, 32, "?");
	return out;
}

bool
take_id(const char *what, const char *word, int64_t *id, struct err *e)
{
	char shown[80];

	if (str_i64(str_from(word), id) && *id > 0)
		return true;
	return fail(e, ERR_USAGE, "'%s' is not the number of %s",
	    str_printable(shown, sizeof(shown), str_from(word)), what);
}

bool
field_word(const char *word, enum field *out, struct err *e)
{
	char name[100];
	size_t i;

	(void)str_printable(name, sizeof(name), str_trim(str_from(word)));
	*out = field_find(str_from(name));
	for (i = 0; *out == FIELD_COUNT && name[i] != '\0'; i++)
		if (name[i] == '_')
			name[i] = ' ';
	*out = field_find(str_from(name));
	return *out != FIELD_COUNT ||
	       fail(e, ERR_USAGE,
		   "there is no field '%s' ('fileroom hl7 mapping show' lists "
		   "them)",
		   name);
}

bool
text_write_file(const char *path, struct str s, struct err *e)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (f == NULL)
		return fail_errno(e, "cannot write '%s'", path);
	ok = (s.n == 0 || fwrite(s.p, 1, s.n, f) == s.n) && fflush(f) == 0;
	if (!ok)
		(void)fail_errno(e, "cannot write '%s'", path);
	if (fclose(f) != 0 && ok)
		ok = fail_errno(e, "cannot write '%s'", path);
	return ok;
}
