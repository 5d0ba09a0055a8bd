/*
 * 'worklist exams', 'worklist reports' and 'worklist report': what came of the
 * items.
 */
#include "app/worklist/table.h"
#include "app/worklist/worklist.h"

#include "store/worklist/mpps.h"
#include "store/worklist/report.h"

#include <inttypes.h>

#define LIST_MAX  500
#define LIST_MOST 10000
#define ARENA     (64 * MIB)
#define NAME_WIDE 40

static void
put_exam(struct table *t, const struct mpps *m)
{
	static const char *const states[] = {
	    [MPPS_IN_PROGRESS] = "in progress",
	    [MPPS_COMPLETED] = "completed",
	    [MPPS_DISCONTINUED] = "discontinued",
	};
	char when[32];

	table_text(t, local_time(m->created_ms, when));
	table_text(t, m->wrong_entry ? "wrong entry" : states[m->state]);
	table_text(t, m->ae);
	table_add(t, m->modality);
	table_add(t, m->patient_id);
	table_add(t, m->patient_name);
	table_add(t, m->accession);
	table_text(t, arena_printf(t->arena, "%" PRIu64, m->items));
	table_text(t, m->uid);
}

bool
worklist_exams(struct worklist_request *r, struct err *e)
{
	static const char *const heads[] = {"BEGAN", "STATE", "STATION",
	    "MODALITY", "PATIENT ID", "PATIENT NAME", "ACCESSION", "ITEMS",
	    "UID"};
	struct mpps *rows;
	struct table t;
	struct arena a;
	uint64_t max = LIST_MAX;
	size_t n = 0, i;
	bool ok;

	if (!worklist_max(r->max, LIST_MOST, &max, e) ||
	    !worklist_open(r, false, e))
		return false;
	arena_init(&a, ARENA);
	ok = r->unscheduled
		 ? mpps_unscheduled(r->store, (size_t)max, &a, &rows, &n, e)
		 : mpps_list(r->store, (size_t)max, &a, &rows, &n, e);
	table_init(&t, &a, heads, ARRAY_LEN(heads));
	t.most[5] = NAME_WIDE;
	for (i = 0; ok && i < n; i++)
		put_exam(&t, &rows[i]);
	if (ok && n > 0)
		table_print(&t);
	arena_fini(&a);
	return ok;
}

static void
put_report(struct table *t, const struct report *row)
{
	char when[32];

	table_text(t, arena_printf(t->arena, "%" PRId64, row->id));
	table_text(t, local_time(row->when_ms, when));
	table_add(t, row->status);
	table_text(t, row->pdf_size == 0    ? "text"
		      : row->text_size == 0 ? "pdf"
					    : "text, pdf");
	table_add(t, row->patient_id);
	table_add(t, row->accession);
	table_add(t, row->title);
	table_add(t, row->study);
}

bool
worklist_reports(struct worklist_request *r, struct err *e)
{
	static const char *const heads[] = {"ID", "CAME", "STATUS", "FORM",
	    "PATIENT ID", "ACCESSION", "TITLE", "STUDY"};
	const char *study = r->words.n > 1 ? r->words.at[1] : "";
	struct report *rows;
	struct table t;
	struct arena a;
	uint64_t max = LIST_MAX;
	size_t n = 0, i;
	bool ok;

	if (!worklist_max(r->max, LIST_MOST, &max, e) ||
	    !worklist_open(r, false, e))
		return false;
	arena_init(&a, ARENA);
	ok = report_list(
	    r->store, str_from(study), (size_t)max, &a, &rows, &n, e);
	table_init(&t, &a, heads, ARRAY_LEN(heads));
	t.most[6] = NAME_WIDE;
	for (i = 0; ok && i < n; i++)
		put_report(&t, &rows[i]);
	if (ok && n > 0)
		table_print(&t);
	arena_fini(&a);
	return ok;
}

/* Lines as they are, what a terminal would obey escaped. */
static void
put_text(struct str text)
{
	struct str line;
	struct buf clean;

	buf_init(&clean, 8 * LIMIT_HL7_FRAME);
	while (text.n > 0 && str_split(&text, '\n', &line)) {
		buf_clear(&clean);
		verb_clean(&clean, line);
		puts(buf_cstr(&clean));
	}
	buf_fini(&clean);
}

bool
worklist_report(struct worklist_request *r, struct err *e)
{
	struct report report;
	struct arena a;
	int64_t id;
	bool ok;

	if (!take_id("a report", r->words.at[1], &id, e) ||
	    !worklist_open(r, false, e))
		return false;
	arena_init(&a, LIMIT_REPORT + LIMIT_HL7_FRAME);
	ok = report_find(r->store, id, &a, &report, e);
	if (ok && r->out != NULL)
		ok = text_write_file(
		    r->out, report.pdf.n > 0 ? report.pdf : report.text, e);
	else if (ok)
		put_text(report.text);
	if (ok && r->out == NULL && report.pdf.n > 0)
		fprintf(stderr,
		    "report %" PRId64 " has a PDF of %zu bytes: -o FILE writes "
		    "it\n",
		    id, report.pdf.n);
	arena_fini(&a);
	return ok;
}
