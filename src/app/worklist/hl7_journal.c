/*
 * 'hl7 journal'.
 */
#include "app/worklist/hl7.h"
#include "app/worklist/table.h"

#include "store/worklist/journal.h"

#include <inttypes.h>

#define LIST_MAX 50
#define ARENA    (64 * MIB)

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

	if (r->max != NULL &&
	    (!str_u64(str_from(r->max), &max) || max == 0 || max > 10000))
		return fail(e, ERR_USAGE, "--max: allowed are 1 to 10000");
	if (!hl7_need_store(r, e))
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
	const char *charset = setting_text(&r->settings, "hl7.charset");
	struct str rest = raw, line;
	struct er7_message m;
	struct buf clean;
	struct err e;

	if (er7_parse(a, raw, charset[0] != '\0' ? charset : "UTF-8", &m, &e))
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

static bool
show(struct hl7_request *r, struct err *e)
{
	struct journal_entry j;
	char when[32];
	struct arena a;
	int64_t id;
	bool ok;

	if (!take_id("a journal entry", r->words.at[2], &id, e) ||
	    !hl7_need_store(r, e))
		return false;
	arena_init(&a, ARENA + 4 * LIMIT_HL7_FRAME);
	ok = journal_find(r->store, id, &a, &j, e);
	if (ok) {
		put_line(j.sent ? "sent" : "came", local_time(j.when_ms, when));
		put_line(j.sent ? "to" : "from", j.source);
		put_line("application", j.application);
		put_line("facility", j.facility);
		put_line("type", j.type);
		put_line("control id", j.control_id);
		put_line("outcome", j.outcome);
		put_line("reason", j.reason);
		putchar('\n');
		put_message(r, &a, j.raw);
	}
	arena_fini(&a);
	return ok;
}

bool
hl7_journal(struct hl7_request *r, struct err *e)
{
	const char *name = r->words.at[1];
	char shown[80];

	if (r->max != NULL && strcmp(name, "list") != 0)
		return fail(e, ERR_USAGE, "--max belongs to 'list'");
	if (r->failed && !strcmp(name, "show"))
		return fail(e, ERR_USAGE, "--failed belongs to 'list'");
	if (!strcmp(name, "list"))
		return options_words(&r->words, 2, 2, e) && list(r, e);
	if (!strcmp(name, "show"))
		return options_words(&r->words, 3, 3, e) && show(r, e);
	return fail(e, ERR_USAGE,
	    "hl7 journal: '%s' is not allowed; allowed: list or show",
	    str_printable(shown, sizeof(shown), str_from(name)));
}
