/*
 * 'hl7 journal'.
 */
#include "app/worklist/hl7.h"
#include "app/worklist/table.h"

#include "service/hl7/file.h"
#include "store/worklist/journal.h"

#include <inttypes.h>

#define LIST_MAX  50
#define LIST_MOST 10000
#define ARENA     (64 * MIB)
/* Of failed ones at once. */
#define REPLAY_MAX 10000

static bool
list(struct hl7_request *r, struct err *e)
{
	static const char *const heads[] = {"ID", "WHEN", "WAY", "WHO", "TYPE",
	    "CONTROL ID", "OUTCOME", "REASON"};
	struct journal_entry *rows;
	uint64_t max = LIST_MAX;
	char when[32];
	struct table t;
	struct arena a;
	size_t n = 0, i;
	bool ok;

	if (!worklist_max(r->max, LIST_MOST, &max, e) || !hl7_need_store(r, e))
		return false;
	arena_init(&a, ARENA);
	ok =
	    journal_list(r->store, r->failed, 0, (size_t)max, &a, &rows, &n, e);
	table_init(&t, &a, heads, ARRAY_LEN(heads));
	for (i = 0; ok && i < n; i++) {
		table_text(&t, arena_printf(&a, "%" PRId64, rows[i].id));
		table_text(&t, local_time(rows[i].when_ms, when));
		table_text(&t, rows[i].sent ? "to" : "from");
		table_text(&t, rows[i].source);
		table_text(&t, rows[i].type);
		table_text(&t, rows[i].control_id);
		table_text(&t, rows[i].outcome);
		table_text(&t, rows[i].reason);
	}
	if (ok && n > 0)
		table_print(&t);
	arena_fini(&a);
	return ok;
}

static void
put_line(const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	printf("%-12s ", name);
	verb_put(stdout, value);
	putchar('\n');
}

/* As it came, a segment a line; in UTF-8 where it can be read. */
static void
put_message(struct hl7_request *r, struct arena *a, struct str raw)
{
	const char *charset = r->settings.at[SETTING_HL7_CHARSET].text;
	struct str rest = raw, line;
	struct er7_message m;
	struct buf clean;
	struct err e;

	if (er7_parse(a, raw, charset, &m, &e))
		rest = m.text;
	buf_init(&clean, 4 * LIMIT_HL7_FRAME);
	while (str_split(&rest, '\r', &line)) {
		if (line.n > 0 && line.p[0] == '\n')
			line = str_of(line.p + 1, line.n - 1);
		if (line.n == 0)
			continue;
		buf_clear(&clean);
		verb_clean(&clean, line);
		fputs(buf_cstr(&clean), stdout);
		putchar('\n');
	}
	buf_fini(&clean);
}

static void
put_entry(struct hl7_request *r, struct arena *a, const struct journal_entry *j)
{
	char when[32];

	put_line(j->sent ? "sent" : "came", local_time(j->when_ms, when));
	put_line(j->sent ? "to" : "from", j->source);
	put_line("application", j->application);
	put_line("facility", j->facility);
	put_line("type", j->type);
	put_line("control id", j->control_id);
	put_line("outcome", j->outcome);
	put_line("reason", j->reason);
	putchar('\n');
	put_message(r, a, j->raw);
}

static bool
show(struct hl7_request *r, struct err *e)
{
	struct journal_entry j;
	struct arena a;
	int64_t id;
	bool ok;

	if (!take_id("a journal entry", r->words.at[2], &id, e) ||
	    !hl7_need_store(r, e))
		return false;
	arena_init(&a, ARENA + 4 * LIMIT_HL7_FRAME);
	ok = journal_find(r->store, id, &a, &j, e);
	if (ok && r->out != NULL)
		ok = text_write_file(r->out, j.raw, e);
	else if (ok)
		put_entry(r, &a, &j);
	arena_fini(&a);
	return ok;
}

/* False: the archive failed; *refused: it was refused once more. */
static bool
replay_one(struct hl7_request *r, int64_t id, bool *refused, struct err *e)
{
	struct hl7_intake_config c;
	struct hl7_result result;
	struct journal_entry j;
	char words[400];
	struct arena a;
	bool ok;

	worklist_intake(&r->settings, &c);
	c.replays = id;
	arena_init(&a, ARENA + 8 * LIMIT_HL7_FRAME);
	ok = journal_find(r->store, id, &a, &j, e);
	if (ok && j.sent)
		ok = fail(e, ERR_USAGE,
		    "journal entry %" PRId64 " was sent by us: 'fileroom hl7 "
		    "send' sends again",
		    id);
	if (ok)
		hl7_take(r->store, &c, j.source, &j.raw, 1, &a, &result);
	if (ok && result.journal_id == 0)
		ok = fail(e, ERR_IO, "journal entry %" PRId64 ": %s", id,
		    result.problem.text);
	if (ok) {
		*refused = result.code != ACK_ACCEPT;
		hl7_file_words(0, &result, words, sizeof(words));
		printf("%" PRId64 " again as %" PRId64 ": ", id,
		    result.journal_id);
		verb_put(stdout, words);
		putchar('\n');
	}
	arena_fini(&a);
	return ok;
}

/* The oldest first, as they came. */
static bool
replay_ids(struct hl7_request *r, const int64_t *ids, size_t n, struct err *e)
{
	size_t refused = 0, i;
	bool again;

	for (i = 0; i < n; i++) {
		again = false;
		if (!replay_one(r, ids[i], &again, e))
			return false;
		refused += again;
	}
	return refused == 0 ||
	       fail(e, ERR_DENIED, "%zu of %zu were refused again", refused, n);
}

static bool
replay_failed(struct hl7_request *r, struct err *e)
{
	struct journal_entry *rows;
	struct arena a;
	int64_t *ids = NULL;
	size_t n = 0, i;
	bool ok;

	arena_init(&a, ARENA);
	ok = journal_list(r->store, true, 0, REPLAY_MAX, &a, &rows, &n, e);
	if (ok)
		ids = arena_array(&a, n + 1, sizeof(*ids));
	for (i = 0; ids != NULL && i < n; i++)
		ids[i] = rows[n - 1 - i].id;
	ok = ok && replay_ids(r, ids, ids != NULL ? n : 0, e);
	arena_fini(&a);
	return ok;
}

static bool
replay(struct hl7_request *r, struct err *e)
{
	size_t n = r->words.n - 2, i;
	int64_t *ids;
	bool ok = true;

	if (r->failed != (n == 0))
		return fail(e, ERR_USAGE,
		    "'hl7 journal replay' needs numbers, or --failed");
	ids = must_zalloc((n + 1) * sizeof(*ids));
	for (i = 0; ok && i < n; i++)
		ok = take_id("a journal entry", r->words.at[i + 2], &ids[i], e);
	ok = ok && hl7_need_store(r, e) &&
	     (r->failed ? replay_failed(r, e) : replay_ids(r, ids, n, e));
	free(ids);
	return ok;
}

bool
hl7_journal(struct hl7_request *r, struct err *e)
{
	const char *name = r->words.at[1];
	char shown[80];

	if (r->max != NULL && strcmp(name, "list") != 0)
		return fail(e, ERR_USAGE, "--max belongs to 'list'");
	if (r->out != NULL && strcmp(name, "show") != 0)
		return fail(e, ERR_USAGE, "-o belongs to 'show'");
	if (r->failed && !strcmp(name, "show"))
		return fail(e, ERR_USAGE, "--failed belongs to 'list'");
	if (!strcmp(name, "list"))
		return options_words(&r->words, 2, 2, e) && list(r, e);
	if (!strcmp(name, "show"))
		return options_words(&r->words, 3, 3, e) && show(r, e);
	if (!strcmp(name, "replay"))
		return replay(r, e);
	return fail(e, ERR_USAGE,
	    "hl7 journal: '%s' is not allowed; allowed: list, show or replay",
	    str_printable(shown, sizeof(shown), str_from(name)));
}
