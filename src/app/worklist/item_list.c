/*
 * 'worklist list' and 'worklist show'.
 */
#include "app/worklist/table.h"
#include "app/worklist/worklist.h"

#include "base/clock.h"
#include "base/json.h"
#include "dicom/match.h"

#include <ctype.h>
#include <inttypes.h>

#define TABLE_MAX  500
#define MAX_MAX    10000000
#define NAME_WIDE  40
#define PAGE_ARENA (32 * MIB)

struct listing {
	struct worklist_request *r;
	struct item_search search;
	char from[9], to[9], pattern[200], modality[40];
	uint64_t max, shown;
	bool more;
	struct arena cells;
	struct table table;
	struct buf text;
	struct json json;
};

static bool
take_dates(struct listing *l, struct err *e)
{
	const struct worklist_request *r = l->r;

	if (r->today && (r->from != NULL || r->to != NULL))
		return fail(
		    e, ERR_USAGE, "--today stands without --from, --to");
	if (r->today) {
		date_of(0, l->from);
		memcpy(l->to, l->from, sizeof(l->to));
	}
	if ((r->from != NULL && !date_word("--from", r->from, l->from, e)) ||
	    (r->to != NULL && !date_word("--to", r->to, l->to, e)))
		return false;
	l->search.date_from = str_from(l->from);
	l->search.date_to = str_from(l->to);
	return true;
}

static bool
take_statuses(struct listing *l, struct err *e)
{
	struct str rest = str_from(l->r->status), one;
	enum order_status status;
	char shown[80];

	if (l->r->status == NULL)
		return true;
	while (str_split(&rest, ',', &one)) {
		status = item_status_word(one);
		if (status == STATUS_NONE)
			return fail(e, ERR_USAGE,
			    "--status '%s' is not allowed; allowed: scheduled, "
			    "arrived, started, completed, discontinued, "
			    "canceled or held, several with commas",
			    str_printable(shown, sizeof(shown), one));
		l->search.status[status] = true;
	}
	return true;
}

/* "doe" asks for names that begin so. */
static bool
take_name(struct listing *l, struct err *e)
{
	const char *name = l->r->name;

	if (name == NULL)
		return true;
	if (strlen(name) + 2 > sizeof(l->pattern))
		return fail(e, ERR_USAGE, "--name is too long");
	snprintf(l->pattern, sizeof(l->pattern), "%s%s", name,
	    strpbrk(name, "*?") == NULL ? "*" : "");
	l->search.name = str_from(l->pattern);
	return true;
}

/* Modalities stand in capitals. */
static bool
take_modality(struct listing *l, struct err *e)
{
	const char *word = l->r->modality;
	size_t i;

	if (word == NULL)
		return true;
	if (strlen(word) >= sizeof(l->modality))
		return fail(e, ERR_USAGE, "--modality is too long");
	for (i = 0; word[i] != '\0'; i++)
		l->modality[i] = (char)toupper((unsigned char)word[i]);
	l->search.modality = str_from(l->modality);
	return true;
}

static bool
take_search(struct listing *l, struct err *e)
{
	const struct worklist_request *r = l->r;

	l->search.patient_id = str_from(r->patient);
	l->search.accession = str_from(r->accession);
	l->search.station_ae = str_from(r->station);
	l->max = r->json ? MAX_MAX : TABLE_MAX;
	return worklist_max(r->max, MAX_MAX, &l->max, e) && take_dates(l, e) &&
	       take_statuses(l, e) && take_name(l, e) && take_modality(l, e);
}

static void
put_json(struct json *j, const struct item *item)
{
	char when[CLOCK_ISO_ROOM];
	size_t f;

	json_object(j);
	json_key(j, "id");
	json_i64(j, item->id);
	json_key(j, "status");
	json_text(j, order_status_name(item->status));
	for (f = 0; f < FIELD_COUNT; f++) {
		if (item->value[f].n == 0)
			continue;
		json_key(j, field_info((enum field)f)->keyword);
		json_str(j, item->value[f]);
	}
	json_key(j, "application");
	json_str(j, item->application);
	json_key(j, "facility");
	json_str(j, item->facility);
	json_key(j, "created");
	json_text(j, clock_iso(item->created_ms, when));
	json_key(j, "changed");
	json_text(j, clock_iso(item->changed_ms, when));
	json_end_object(j);
}

static struct str
shown_date(struct arena *a, struct str da)
{
	char *p;

	if (da.n != 8)
		return da;
	p = arena_printf(a, "%.4s-%.2s-%.2s", (const char *)da.p,
	    (const char *)da.p + 4, (const char *)da.p + 6);
	return str_from(p);
}

static struct str
shown_time(struct arena *a, struct str tm)
{
	if (tm.n < 4)
		return tm;
	return str_from(arena_printf(
	    a, "%.2s:%.2s", (const char *)tm.p, (const char *)tm.p + 2));
}

static void
put_row(struct listing *l, const struct item *item)
{
	static const enum field fields[] = {FIELD_PatientName, FIELD_PatientID,
	    FIELD_AccessionNumber, FIELD_Modality,
	    FIELD_ScheduledStationAETitle, FIELD_RequestedProcedureID,
	    FIELD_RequestedProcedureDescription};
	const struct str *v = item->value;
	struct table *t = &l->table;
	size_t i;

	table_text(t, arena_printf(&l->cells, "%" PRId64, item->id));
	table_add(
	    t, shown_date(&l->cells, v[FIELD_ScheduledProcedureStepStartDate]));
	table_add(
	    t, shown_time(&l->cells, v[FIELD_ScheduledProcedureStepStartTime]));
	table_text(t, order_status_name(item->status));
	for (i = 0; i < ARRAY_LEN(fields); i++)
		table_add(t, v[fields[i]]);
}

static void
put_item(struct listing *l, const struct item *item)
{
	l->shown++;
	if (!l->r->json) {
		put_row(l, item);
		return;
	}
	buf_clear(&l->text);
	json_init(&l->json, &l->text);
	put_json(&l->json, item);
	printf("%s%s", l->shown > 1 ? ",\n" : "", buf_cstr(&l->text));
}

static bool
list_pages(struct listing *l, struct err *e)
{
	struct arena pages[2], scratch;
	struct item *items = NULL;
	const struct item *after = NULL;
	size_t n = 0, i, page = 0;
	bool ok = true;

	arena_init(&pages[0], PAGE_ARENA);
	arena_init(&pages[1], PAGE_ARENA);
	arena_init(&scratch, 1 * MIB);
	do {
		/* The item before the page lies in the other arena. */
		arena_reset(&pages[page]);
		ok = item_list(l->r->store, &l->search, after, LIMIT_ROWS,
		    &pages[page], &items, &n, e);
		for (i = 0; ok && i < n && !l->more; i++) {
			arena_reset(&scratch);
			if (l->pattern[0] != '\0' &&
			    !match_value(&scratch, VR_PN, l->search.name,
				items[i].value[FIELD_PatientName]))
				continue;
			l->more = l->shown == l->max;
			if (!l->more)
				put_item(l, &items[i]);
		}
		/* A page may lack what was deleted beside. */
		after = n > 0 ? &items[n - 1] : NULL;
		page = 1 - page;
	} while (ok && n > 0 && !l->more);
	arena_fini(&scratch);
	arena_fini(&pages[1]);
	arena_fini(&pages[0]);
	return ok;
}

bool
worklist_list(struct worklist_request *r, struct err *e)
{
	static const char *const heads[] = {"ID", "DATE", "TIME", "STATUS",
	    "PATIENT NAME", "PATIENT ID", "ACCESSION", "MODALITY", "STATION",
	    "PROCEDURE", "DESCRIPTION"};
	struct listing l = {.r = r};
	bool ok;

	if (!take_search(&l, e) || !worklist_open(r, false, e))
		return false;
	arena_init(&l.cells, GIB);
	buf_init(&l.text, MIB);
	table_init(&l.table, &l.cells, heads, ARRAY_LEN(heads));
	l.table.most[4] = l.table.most[10] = NAME_WIDE;
	if (r->json)
		putchar('[');
	ok = list_pages(&l, e);
	if (r->json)
		puts("]");
	else if (ok && l.shown > 0)
		table_print(&l.table);
	if (ok && l.more)
		fprintf(
		    stderr, "there are more than %" PRIu64 ": --max\n", l.max);
	buf_fini(&l.text);
	arena_fini(&l.cells);
	return ok;
}

static void
put_value(const char *name, struct str value, bool required)
{
	struct buf clean;
	size_t i, from = 0;

	buf_init(&clean, MIB);
	/* Lines of a long text stand under each other. */
	for (i = 0; i <= value.n; i++) {
		if (i < value.n && value.p[i] != '\n')
			continue;
		if (from > 0)
			buf_printf(&clean, "\n%41s", "");
		verb_clean(&clean, str_of(value.p + from, i - from));
		from = i + 1;
	}
	printf(
	    "%-36s %-3s %s\n", name, required ? "(*)" : "", buf_cstr(&clean));
	buf_fini(&clean);
}

static void
put_whole(const struct item *item)
{
	char created[32], changed[32];
	size_t f;

	printf("item %" PRId64 ", %s\n", item->id,
	    order_status_name(item->status));
	for (f = 0; f < FIELD_COUNT; f++)
		if (f < FIELD_SHOWN || item->value[f].n > 0)
			put_value(field_info((enum field)f)->name,
			    item->value[f],
			    field_info((enum field)f)->required);
	if (item->application.n + item->facility.n > 0) {
		put_value("ordered by", item->application, false);
		put_value("of", item->facility, false);
	}
	printf("came %s, changed %s\n", local_time(item->created_ms, created),
	    local_time(item->changed_ms, changed));
}

bool
worklist_show(struct worklist_request *r, struct err *e)
{
	struct json json;
	struct item item;
	struct arena a;
	struct buf text;
	int64_t id;
	bool ok;

	if (!take_id("a worklist item", r->words.at[1], &id, e) ||
	    !worklist_open(r, false, e))
		return false;
	arena_init(&a, MIB);
	buf_init(&text, MIB);
	ok = item_find(r->store, id, &a, &item, e);
	if (ok && r->json) {
		json_init(&json, &text);
		put_json(&json, &item);
		puts(buf_cstr(&text));
	} else if (ok) {
		put_whole(&item);
	}
	buf_fini(&text);
	arena_fini(&a);
	return ok;
}
