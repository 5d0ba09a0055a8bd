/*
 * Reports of a study that came by HL7: which there are, and each as it is.
 */
#include "web/api/api.h"

#include "base/clock.h"
#include "base/limit.h"
#include "store/worklist/report.h"

/* A study has some. */
#define REPORTS_MOST 200

/* The patient whose link it is gets none that names another. */
static bool
list(struct call *c, struct report **out, size_t *n, struct err *e)
{
	size_t i, all;

	if (!report_list(c->store, call_param(c, "study"), REPORTS_MOST,
		&c->arena, out, &all, e))
		return false;
	*n = 0;
	for (i = 0; i < all; i++)
		if (!(*out)[i].other_patient || c->viewer.kind == VIEWER_USER)
			(*out)[(*n)++] = (*out)[i];
	return true;
}

bool
report_index(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);
	char when[CLOCK_ISO_ROOM];
	struct report *rows;
	size_t n, i;

	if (!list(c, &rows, &n, e))
		return false;
	json_object(j);
	json_key(j, "reports");
	json_array(j);
	for (i = 0; i < n; i++) {
		json_object(j);
		json_key(j, "id");
		json_i64(j, rows[i].id);
		json_key(j, "title");
		json_str(j, rows[i].title);
		json_key(j, "status");
		json_str(j, rows[i].status);
		json_key(j, "application");
		json_str(j, rows[i].application);
		json_key(j, "facility");
		json_str(j, rows[i].facility);
		json_key(j, "other_patient");
		json_str(
		    j, rows[i].other_patient ? rows[i].patient_id : STR(""));
		json_key(j, "received");
		json_text(j, clock_iso(rows[i].when_ms, when));
		json_key(j, "text_bytes");
		json_i64(j, (int64_t)rows[i].text_size);
		json_key(j, "pdf_bytes");
		json_i64(j, (int64_t)rows[i].pdf_size);
		json_end_object(j);
	}
	json_end_array(j);
	json_end_object(j);
	return true;
}

/* One of this study; that of another is not there. */
static bool
find(struct call *c, int64_t *id, bool *pdf, struct err *e)
{
	struct str form = call_field(c, "form");
	struct report *rows;
	size_t n, i;

	*id = 0;
	*pdf = false;
	if (form.n > 0 && !str_eq_text(form, "text") &&
	    !str_eq_text(form, "pdf") && !str_eq_text(form, "view"))
		return fail(e, ERR_USAGE, "form is text, pdf or view");
	if (!list(c, &rows, &n, e))
		return false;
	if (!str_i64(call_param(c, "id"), id))
		n = 0;
	for (i = 0; i < n && rows[i].id != *id; i++)
		;
	*pdf = i < n && rows[i].pdf_size > 0 && !str_eq_text(form, "text");
	if (i == n || (form.n > 0 && !str_eq_text(form, "text") && !*pdf))
		return fail(
		    e, ERR_MISSING, "there is no such report of the study");
	return true;
}

static void
name_pdf(struct reply *r, const struct report *report, bool view)
{
	struct buf name;

	buf_init(&name, 4 * KIB);
	buf_add(&name, report->title.n > 0 && report->title.n < KIB
			   ? report->title
			   : STR("Report"));
	buf_text(&name, ".pdf");
	if (view)
		reply_inline(r, buf_str(&name));
	else
		reply_attachment(r, buf_str(&name));
	buf_fini(&name);
}

bool
report_show(struct call *c, struct reply *r, struct err *e)
{
	struct report report;
	struct arena a;
	int64_t id;
	bool pdf, ok;

	if (!find(c, &id, &pdf, e))
		return false;
	arena_init(&a, LIMIT_REPORT + LIMIT_HL7_FRAME);
	ok = report_find(c->store, id, &a, &report, e);
	if (ok && pdf) {
		reply_source(r, source_of_bytes(report.pdf), "application/pdf");
		name_pdf(
		    r, &report, str_eq_text(call_field(c, "form"), "view"));
	} else if (ok) {
		reply_text(r, 200, "text/plain; charset=utf-8", report.text);
	}
	arena_fini(&a);
	return ok;
}
