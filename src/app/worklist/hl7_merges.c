/*
 * 'hl7 merges': patients who became one.
 */
#include "app/worklist/hl7.h"
#include "app/worklist/table.h"

#include "store/worklist/merge.h"

#include <inttypes.h>

#define LIST_MAX  50
#define LIST_MOST 10000
#define ARENA     (64 * MIB)

/* As PID-3 has it. */
static struct str
identity(struct arena *a, struct str id, struct str issuer)
{
	return issuer.n == 0 ? id
			     : str_from(arena_printf(a, "%.*s^^^%.*s",
				   STR_ARG(id), STR_ARG(issuer)));
}

static bool
list(struct hl7_request *r, struct err *e)
{
	static const char *const heads[] = {
	    "ID", "WHEN", "PRIOR", "PATIENT", "BY"};
	uint64_t max = LIST_MAX;
	struct merge *rows;
	char when[32];
	struct table t;
	struct arena a;
	size_t n = 0, i;
	bool ok;

	if (!worklist_max(r->max, LIST_MOST, &max, e) || !hl7_need_store(r, e))
		return false;
	arena_init(&a, ARENA);
	ok = merge_list(r->store, 0, (size_t)max, &a, &rows, &n, e);
	table_init(&t, &a, heads, ARRAY_LEN(heads));
	for (i = 0; ok && i < n; i++) {
		table_text(&t, arena_printf(&a, "%" PRId64, rows[i].id));
		table_text(&t, local_time(rows[i].when_ms, when));
		table_add(
		    &t, identity(&a, rows[i].prior_id, rows[i].prior_issuer));
		table_add(&t, identity(&a, rows[i].patient_id, rows[i].issuer));
		table_text(
		    &t, arena_printf(&a, "%s%.0" PRId64 "%s",
			    rows[i].journal_id > 0 ? "journal entry " : "hand",
			    rows[i].journal_id,
			    rows[i].ended ? ", ended by a later one" : ""));
	}
	if (ok && n > 0)
		table_print(&t);
	arena_fini(&a);
	return ok;
}

/* "ID" or "ID^^^ISSUER". */
static bool
take_identity(
    const char *word, struct str *id, struct str *issuer, struct err *e)
{
	struct str rest = str_from(word), part;
	char shown[100];
	size_t i;

	*id = *issuer = STR("");
	for (i = 0; str_split(&rest, '^', &part); i++) {
		if (i == 0)
			*id = str_trim(part);
		else if (i == 3)
			*issuer = str_trim(part);
		else if (i > 3 || part.n > 0)
			*id = STR("");
	}
	return id->n > 0 ||
	       fail(e, ERR_USAGE, "'%s' is no patient: ID, or ID^^^ISSUER",
		   str_printable(shown, sizeof(shown), str_from(word)));
}

static bool
make(struct hl7_request *r, struct err *e)
{
	struct str prior, prior_issuer, patient, issuer;
	int64_t id;

	if (!take_identity(r->words.at[2], &prior, &prior_issuer, e) ||
	    !take_identity(r->words.at[3], &patient, &issuer, e) ||
	    !hl7_need_store(r, e) ||
	    !merge_new(r->store, prior, prior_issuer, patient, issuer, &id, e))
		return false;
	if (id == 0)
		puts("they are one already");
	else
		printf("%" PRId64 "\n", id);
	return true;
}

static bool
undo(struct hl7_request *r, struct err *e)
{
	int64_t id;

	return take_id("a merge", r->words.at[2], &id, e) &&
	       hl7_need_store(r, e) && merge_undo(r->store, id, e);
}

bool
hl7_merges(struct hl7_request *r, struct err *e)
{
	const char *name = r->words.at[1];
	char shown[80];

	if (r->max != NULL && strcmp(name, "list") != 0)
		return fail(e, ERR_USAGE, "--max belongs to 'list'");
	if (!strcmp(name, "list"))
		return options_words(&r->words, 2, 2, e) && list(r, e);
	if (!strcmp(name, "new"))
		return options_words(&r->words, 4, 4, e) && make(r, e);
	if (!strcmp(name, "undo"))
		return options_words(&r->words, 3, 3, e) && undo(r, e);
	return fail(e, ERR_USAGE,
	    "hl7 merges: '%s' is not allowed; allowed: list, new or undo",
	    str_printable(shown, sizeof(shown), str_from(name)));
}
