/*
 * Reports (ORU^R01; HL7 2.5.1 chapter 7): the text of the OBX segments, a PDF
 * in one of type ED, and the study it belongs to.
 */
#include "hl7/order_inside.h"

#include "base/limit.h"

#define REPORT_TEXT_CAP (4 * MIB)

static bool
is(const struct er7_segment *s, const char *name)
{
	return strcmp(s->name, name) == 0;
}

static struct str
part(const struct order_reader *r, const struct er7_segment *s, unsigned field,
    unsigned component)
{
	return er7_component(
	    r->m, er7_repetition(r->m, er7_field(s, field), 1), component);
}

/* OBX-5 of type ED: source, type, subtype, encoding, data. */
static void
take_document(struct order_reader *r, const struct er7_segment *obx)
{
	struct order_report *report = &r->out->report;
	struct str subtype = part(r, obx, 5, 3);
	struct str kind = part(r, obx, 5, 2);

	if (report->pdf.n > 0)
		return;
	if (str_eq_nocase(subtype, STR("PDF")) ||
	    str_eq_nocase(kind, STR("PDF")) || str_eq_nocase(kind, STR("AP")) ||
	    str_eq_nocase(kind, STR("application/pdf")) ||
	    str_eq_nocase(subtype, STR("application/pdf")))
		report->pdf = part(r, obx, 5, 5);
}

/* DCM 113014 is Study; others name what it is. */
static bool
names_study(const struct order_reader *r, const struct er7_segment *obx)
{
	return str_eq(part(r, obx, 3, 1), STR("113014")) ||
	       str_eq_nocase(part(r, obx, 3, 2), STR("Study Instance UID")) ||
	       str_eq_nocase(part(r, obx, 3, 1), STR("Study Instance UID"));
}

static void
take_text(
    struct order_reader *r, const struct er7_segment *obx, struct buf *out)
{
	struct str rest = er7_field(obx, 5), one;
	struct str type = str_trim(er7_field(obx, 2));
	bool coded = str_eq_nocase(type, STR("CE")) ||
		     str_eq_nocase(type, STR("CWE")) ||
		     str_eq_nocase(type, STR("CNE"));

	while (rest.n > 0) {
		/* One after the other: there may be many. */
		one = er7_repetition(r->m, rest, 1);
		rest = str_of(rest.p + one.n, rest.n - one.n);
		if (rest.n > 0)
			rest = str_of(rest.p + 1, rest.n - 1);
		/* Of a code its meaning, if it has one. */
		if (coded && er7_component(r->m, one, 2).n > 0)
			one = er7_component(r->m, one, 2);
		else if (coded)
			one = er7_component(r->m, one, 1);
		one = er7_text(r->arena, r->m, one);
		if (out->n > 0)
			buf_u8(out, '\n');
		buf_add(out, one);
	}
}

static void
take_observation(
    struct order_reader *r, const struct er7_segment *obx, struct buf *text)
{
	struct order_report *report = &r->out->report;
	struct str type = str_trim(er7_field(obx, 2));

	if (names_study(r, obx)) {
		if (report->study.n == 0)
			report->study = str_trim(
			    er7_text(r->arena, r->m, part(r, obx, 5, 1)));
	} else if (str_eq_nocase(type, STR("ED"))) {
		take_document(r, obx);
	} else if (!str_eq_nocase(type, STR("RP"))) {
		take_text(r, obx, text);
	}
}

static void
fill_identity(struct order_reader *r, const struct order_scope *scope)
{
	static const struct mapping_place accession[] = {{"OBR", 18, 1, 0, 0},
	    {"ORC", 3, 1, 0, 0}, {"OBR", 3, 1, 0, 0}, {"OBR", 2, 1, 0, 0}};
	static const struct mapping_place study[] = {
	    {"ZDS", 1, 1, 0, 0}, {"IPC", 3, 1, 0, 0}};
	struct order_report *report = &r->out->report;
	struct order_value value = {0};
	size_t i;

	order_fill(r, scope, FIELD_AccessionNumber, &value);
	for (i = 0; i < ARRAY_LEN(accession) && !value.given; i++)
		(void)order_fill_from(
		    r, scope, FIELD_AccessionNumber, &accession[i], &value);
	report->accession = value.text;
	value = (struct order_value){0};
	order_fill(r, scope, FIELD_StudyInstanceUID, &value);
	for (i = 0; i < ARRAY_LEN(study) && !value.given; i++)
		(void)order_fill_from(
		    r, scope, FIELD_StudyInstanceUID, &study[i], &value);
	if (report->study.n == 0)
		report->study = value.text;
}

bool
order_read_report(struct order_reader *r)
{
	const struct er7_segment *obr = er7_find(r->m, "OBR", NULL);
	struct order_scope scope = {
	    .from = 1,
	    .to = r->m->n,
	    .orc = er7_find(r->m, "ORC", NULL),
	};
	struct order_report *report = &r->out->report;
	struct buf text;
	size_t i, f;

	r->out->kind = ORDER_KIND_REPORT;
	if (obr == NULL)
		return order_refuse(r, false, 100, "OBR", 0,
		    "a report without an OBR segment: it belongs to nothing");
	buf_init(&text, REPORT_TEXT_CAP);
	for (i = 1; i < r->m->n; i++)
		if (is(&r->m->segments[i], "OBX"))
			take_observation(r, &r->m->segments[i], &text);
	report->text = arena_dup(r->arena, buf_str(&text));
	r->over = r->over || text.over;
	buf_fini(&text);
	report->status =
	    str_trim(er7_text(r->arena, r->m, part(r, obr, 25, 1)));
	report->title = er7_text(r->arena, r->m, part(r, obr, 4, 2));
	if (report->title.n == 0)
		report->title = er7_text(r->arena, r->m, part(r, obr, 4, 1));
	for (f = 0; f < FIELD_COUNT; f++)
		if (order_is_patient_field((enum field)f))
			order_fill(
			    r, &scope, (enum field)f, &r->out->patient[f]);
	report->filler = str_trim(er7_text(r->arena, r->m, part(r, obr, 3, 1)));
	if (report->filler.n == 0 && scope.orc != NULL)
		report->filler = str_trim(
		    er7_text(r->arena, r->m, part(r, scope.orc, 3, 1)));
	fill_identity(r, &scope);
	if (report->study.n == 0 && report->accession.n == 0)
		return order_refuse(r, false, 101, "OBR", 18,
		    "neither a Study Instance UID nor an accession number: the "
		    "report belongs to no study");
	return true;
}
