/*
 * Reports (ORU^R01; HL7 2.5.1 chapter 7): the text of the OBX segments, PDFs in
 * those of type ED, and the study they belong to.
 *
 * A message may be about several exams, each with an OBR of its own. What
 * stands behind an OBR is about its exam; exams with nothing behind theirs have
 * what the one before has: one report of several exams. An OBR of the same
 * study, accession or order number as the one before, or of none of these, goes
 * on with that report.
 */
#include "hl7/order_inside.h"

#include "base/limit.h"

#define REPORT_TEXT_CAP (4 * MIB)
/* More than anybody reports of at once. */
#define GROUPS_MAX    1000
#define EXAMS_MAX     50
#define DOCUMENTS_MAX 20 /* of one exam */

/* An OBR with the ORC before it, and what follows. */
struct group {
	size_t from, to;
	size_t patient, header; /* what stands before the patient's */
	const struct er7_segment *orc, *obr;
};

struct document {
	struct str data;
	bool hex;
};

struct exam {
	struct order_report report;
	struct str number; /* of the order: the filler's, else the placer's */
	struct buf text;
	struct document documents[DOCUMENTS_MAX];
	size_t document_count;
	struct str heading; /* that the text stands under */
	bool taken_back;    /* something it said was wrong */
};

struct exams {
	struct exam *at;
	size_t n;
	bool crowded; /* more exams, or documents of one, than there may be */
	bool long_text;
};

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

static void
close_group(struct group *now, size_t to, struct group *groups, size_t *n)
{
	/* An ORC alone reports nothing. */
	if (now->obr != NULL) {
		now->to = to;
		if (groups != NULL)
			groups[*n] = *now;
		++*n;
	}
	now->from = 0;
	now->orc = now->obr = NULL;
}

/* How many groups there are; they are filled in when groups is not NULL. */
static size_t
find_groups(const struct er7_message *m, struct group *groups)
{
	const struct er7_segment *s, *orc = NULL;
	struct group now = {0};
	size_t i, n = 0;

	for (i = 1; i < m->n; i++) {
		s = &m->segments[i];
		if (is(s, "PID")) {
			close_group(&now, i, groups, &n);
			now.patient = i;
			now.header = 0;
			orc = NULL;
		}
		if (!is(s, "ORC") && !is(s, "OBR"))
			continue;
		if (is(s, "ORC") || now.obr != NULL || now.from == 0)
			close_group(&now, i, groups, &n);
		if (is(s, "ORC"))
			orc = s;
		else
			now.obr = s;
		now.orc = orc;
		now.from = now.from > 0 ? now.from : i;
		now.header = now.header > 0 ? now.header : i;
	}
	close_group(&now, m->n, groups, &n);
	return n;
}

static bool
is_pdf(const struct order_reader *r, const struct er7_segment *obx)
{
	struct str subtype = part(r, obx, 5, 3);
	struct str kind = part(r, obx, 5, 2);

	return str_eq_nocase(subtype, STR("PDF")) ||
	       str_eq_nocase(kind, STR("PDF")) ||
	       str_eq_nocase(kind, STR("AP")) ||
	       str_eq_nocase(kind, STR("application/pdf")) ||
	       str_eq_nocase(subtype, STR("application/pdf")) ||
	       /* "%PDF-", whatever it is called. */
	       str_starts(part(r, obx, 5, 5), STR("JVBERi0"));
}

/* OBX-5 of type ED: source, type, subtype, encoding (HL7 table 0299), data. */
static void
take_document(const struct order_reader *r, const struct er7_segment *obx,
    struct exams *all, struct exam *exam)
{
	struct str data = part(r, obx, 5, 5);

	if (!is_pdf(r, obx) || data.n == 0)
		return;
	if (exam->document_count == DOCUMENTS_MAX) {
		all->crowded = true;
		return;
	}
	exam->documents[exam->document_count++] = (struct document){
	    data, str_eq_nocase(str_trim(part(r, obx, 5, 4)), STR("Hex"))};
}

/* DCM 113014 is Study; others name what it is. */
static bool
names_study(const struct order_reader *r, const struct er7_segment *obx)
{
	return str_eq(part(r, obx, 3, 1), STR("113014")) ||
	       str_eq_nocase(part(r, obx, 3, 2), STR("Study Instance UID")) ||
	       str_eq_nocase(part(r, obx, 3, 1), STR("Study Instance UID"));
}

/* Suffixes of OBX-3.1, or all of it, by which parts of a report are told apart
 * (HL7 2.5.1, 7.2.4). */
static const struct {
	const char *suffix, *heading;
} parts[] = {
    {"GDT", "Description"},
    {"IMP", "Impression"},
    {"REC", "Recommendation"},
    {"ADT", "Addendum"},
    {"TCM", "Technician's comment"},
    {"CNP", "Confirming procedures"},
};

/* What an observation is about, in words; or nothing. */
static struct str
heading_of(const struct order_reader *r, const struct er7_segment *obx)
{
	struct str code = part(r, obx, 3, 1), name = part(r, obx, 3, 2);
	struct str suffix = str_trim(er7_subcomponent(r->m, code, 2));
	size_t i;

	code = str_trim(er7_subcomponent(r->m, code, 1));
	for (i = 0; i < ARRAY_LEN(parts); i++)
		if (str_eq(suffix, str_from(parts[i].suffix)) ||
		    str_eq(code, str_from(parts[i].suffix)))
			return str_from(parts[i].heading);
	name = str_trim(er7_text(r->arena, r->m, name));
	return name.n > 0 ? name : er7_text(r->arena, r->m, code);
}

enum value { VALUE_TEXT, VALUE_CODE, VALUE_NUMBERS, VALUE_SINGLE };

/* OBX-2 (table 0125), as it is written. */
static enum value
value_of(const struct er7_segment *obx)
{
	static const struct {
		const char *type;
		enum value value;
	} types[] = {
	    {"CE", VALUE_CODE},
	    {"CWE", VALUE_CODE},
	    {"CNE", VALUE_CODE},
	    {"CF", VALUE_CODE},
	    {"IS", VALUE_SINGLE},
	    {"NM", VALUE_SINGLE},
	    {"SN", VALUE_NUMBERS},
	    {"DT", VALUE_SINGLE},
	    {"TM", VALUE_SINGLE},
	    {"TS", VALUE_SINGLE},
	    {"DTM", VALUE_SINGLE},
	};
	struct str type = str_trim(er7_field(obx, 2));
	size_t i;

	for (i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq_nocase(type, str_from(types[i].type)))
			return types[i].value;
	return VALUE_TEXT;
}

static void
add_text(struct order_reader *r, struct buf *out, struct str raw)
{
	buf_add(out, er7_text(r->arena, r->m, raw));
}

/* One repetition of OBX-5. */
static void
add_value(struct order_reader *r, const struct er7_segment *obx,
    enum value value, struct str one, struct buf *out)
{
	struct str unit = str_trim(part(r, obx, 6, 1));
	unsigned i;

	switch (value) {
	case VALUE_CODE:
		/* Of a code its meaning, if it has one. */
		i = er7_component(r->m, one, 2).n > 0 ? 2 : 1;
		add_text(r, out, er7_component(r->m, one, i));
		return;
	case VALUE_NUMBERS:
		/* ">^5", "^1^-^10", "^1^:^128" */
		for (i = 1; i <= 4; i++)
			add_text(r, out, er7_component(r->m, one, i));
		break;
	case VALUE_TEXT:
		add_text(r, out, one);
		return;
	case VALUE_SINGLE:
		add_text(r, out, one);
		break;
	}
	if (unit.n > 0) {
		buf_u8(out, ' ');
		add_text(r, out, unit);
	}
}

/* Repetitions are lines. */
static void
add_lines(struct order_reader *r, const struct er7_segment *obx,
    enum value value, struct str heading, struct buf *out)
{
	struct str rest = er7_field(obx, 5), one;

	while (rest.n > 0) {
		/* One after the other: there may be many. */
		one = er7_repetition(r->m, rest, 1);
		rest = str_of(rest.p + one.n, rest.n - one.n);
		if (rest.n > 0)
			rest = str_of(rest.p + 1, rest.n - 1);
		if (out->n > 0)
			buf_u8(out, '\n');
		if (heading.n > 0) {
			buf_add(out, heading);
			buf_text(out, ": ");
		}
		add_value(r, obx, value, one, out);
	}
}

static void
take_text(struct order_reader *r, const struct er7_segment *obx, bool headings,
    struct exam *exam)
{
	enum value value = value_of(obx);
	struct str heading = heading_of(r, obx);
	struct buf *out = &exam->text;

	/* A line without text parts paragraphs. */
	if (er7_field(obx, 5).n == 0 && out->n > 0)
		buf_u8(out, '\n');
	/* A number alone says nothing. */
	if (value != VALUE_TEXT) {
		add_lines(r, obx, value, heading, out);
		return;
	}
	if (headings && er7_field(obx, 5).n > 0 &&
	    !str_eq(heading, exam->heading)) {
		if (out->n > 0)
			buf_text(out, "\n\n");
		buf_add(out, heading);
		buf_u8(out, ':');
		exam->heading = heading;
	}
	add_lines(r, obx, value, STR(""), out);
}

static bool
is_document(const struct er7_segment *obx)
{
	struct str type = str_trim(er7_field(obx, 2));

	return str_eq_nocase(type, STR("ED")) || str_eq_nocase(type, STR("RP"));
}

/* OBX-11 (table 0085): deleted, or sent by mistake (of another patient). */
static bool
is_taken_back(const struct order_reader *r, const struct er7_segment *obx)
{
	struct str status = str_trim(part(r, obx, 11, 1));

	return str_eq_nocase(status, STR("D")) ||
	       str_eq_nocase(status, STR("W"));
}

/* Whether the text of a group is about several things, each with a name. */
static bool
has_headings(const struct order_reader *r, const struct group *g)
{
	const struct er7_segment *s;
	struct str first = STR(""), heading;
	bool several = false;
	size_t i;

	for (i = g->from; i < g->to; i++) {
		s = &r->m->segments[i];
		if (!is(s, "OBX") || is_document(s) || is_taken_back(r, s) ||
		    value_of(s) != VALUE_TEXT || names_study(r, s) ||
		    er7_field(s, 5).n == 0)
			continue;
		heading = heading_of(r, s);
		if (heading.n == 0)
			return false;
		several = several || (first.n > 0 && !str_eq(first, heading));
		first = heading;
	}
	return several;
}

static void
take_observation(struct order_reader *r, const struct er7_segment *obx,
    bool headings, struct exams *all, struct exam *exam)
{
	if (names_study(r, obx))
		return;
	if (is_taken_back(r, obx))
		exam->taken_back = true;
	else if (str_eq_nocase(str_trim(er7_field(obx, 2)), STR("ED")))
		take_document(r, obx, all, exam);
	else if (!is_document(obx))
		take_text(r, obx, headings, exam);
}

/* Notes behind the OBR and its observations are lines of the report. */
static void
take_note(
    struct order_reader *r, const struct er7_segment *nte, struct buf *out)
{
	struct str text = er7_text(r->arena, r->m, er7_field(nte, 3));

	if (text.n > 0 && out->n > 0)
		buf_u8(out, '\n');
	buf_add(out, text);
}

static struct str
study_of(struct order_reader *r, const struct order_scope *scope)
{
	static const struct mapping_place study[] = {
	    {"ZDS", 1, 1, 0, 0}, {"IPC", 3, 1, 0, 0}};
	struct order_value value = {0};
	size_t i;

	for (i = scope->from; i < scope->to; i++)
		if (is(&r->m->segments[i], "OBX") &&
		    names_study(r, &r->m->segments[i]))
			return str_trim(er7_text(
			    r->arena, r->m, part(r, &r->m->segments[i], 5, 1)));
	order_fill(r, scope, FIELD_StudyInstanceUID, &value);
	for (i = 0; i < ARRAY_LEN(study) && !value.given; i++)
		(void)order_fill_from(
		    r, scope, FIELD_StudyInstanceUID, &study[i], &value);
	return value.text;
}

/* The mapped number first, then those that it may stand in; which one it is
 * only the archive knows. */
static void
read_accessions(struct order_reader *r, const struct order_scope *scope,
    struct order_report *out)
{
	static const struct mapping_place places[] = {{"OBR", 18, 1, 0, 0},
	    {"ORC", 3, 1, 0, 0}, {"OBR", 3, 1, 0, 0}, {"OBR", 2, 1, 0, 0}};
	struct order_value value = {0};
	size_t i, n = 0;

	order_fill(r, scope, FIELD_AccessionNumber, &value);
	if (value.text.n > 0)
		out->accessions[n++] = value.text;
	for (i = 0; i < ARRAY_LEN(places); i++) {
		value = (struct order_value){0};
		if (order_fill_from(
			r, scope, FIELD_AccessionNumber, &places[i], &value) &&
		    value.text.n > 0)
			out->accessions[n++] = value.text;
	}
	out->accession_count = n;
	out->accession = n > 0 ? out->accessions[0] : STR("");
}

/* Component 1 of a field of the OBR, else of the ORC. */
static struct str
number_of(struct order_reader *r, const struct group *g, unsigned field)
{
	struct str number =
	    str_trim(er7_text(r->arena, r->m, part(r, g->obr, field, 1)));

	if (number.n == 0 && g->orc != NULL)
		number = str_trim(
		    er7_text(r->arena, r->m, part(r, g->orc, field, 1)));
	return number;
}

/* Whose it is, and what. */
static void
read_head(struct order_reader *r, const struct group *g, struct exam *exam)
{
	struct order_scope scope = {.from = g->from,
	    .to = g->to,
	    .patient = g->patient,
	    .header = g->header,
	    .orc = g->orc};
	struct order_report *report = &exam->report;
	struct order_value patient[FIELD_COUNT] = {0};
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++)
		if (order_is_patient_field((enum field)f))
			order_fill(r, &scope, (enum field)f, &patient[f]);
	/* The first patient is that of the message. */
	if (r->out->patient[FIELD_PatientID].text.n == 0)
		memcpy(r->out->patient, patient, sizeof(patient));
	report->patient_id = patient[FIELD_PatientID].text;
	report->issuer = patient[FIELD_IssuerOfPatientID].text;
	report->status =
	    str_trim(er7_text(r->arena, r->m, part(r, g->obr, 25, 1)));
	report->title = er7_text(r->arena, r->m, part(r, g->obr, 4, 2));
	if (report->title.n == 0)
		report->title = er7_text(r->arena, r->m, part(r, g->obr, 4, 1));
	report->filler = number_of(r, g, 3);
	exam->number =
	    report->filler.n > 0 ? report->filler : number_of(r, g, 2);
	report->study = study_of(r, &scope);
	read_accessions(r, &scope, report);
}

static bool
same(struct str a, struct str b)
{
	return a.n > 0 && str_eq(a, b);
}

static bool
has_name(const struct order_report *report)
{
	return report->study.n + report->accession.n > 0;
}

static bool
goes_on(const struct exam *before, const struct exam *now)
{
	const struct order_report *a = &before->report, *b = &now->report;

	return str_eq(a->patient_id, b->patient_id) &&
	       (!has_name(a) || !has_name(b) || same(a->study, b->study) ||
		   same(a->accession, b->accession) ||
		   same(before->number, now->number));
}

/* The exam that the group is about: a new one, or the last. */
static struct exam *
open_exam(struct order_reader *r, const struct group *g, struct exams *all)
{
	struct exam *now = &all->at[all->n];
	struct exam *before = all->n > 0 ? now - 1 : NULL;

	read_head(r, g, now);
	if (before == NULL || (!goes_on(before, now) && all->n < EXAMS_MAX)) {
		buf_init(&now->text, REPORT_TEXT_CAP);
		all->n++;
		return now;
	}
	all->crowded = all->crowded || !goes_on(before, now);
	if (before->report.study.n == 0)
		before->report.study = now->report.study;
	if (before->report.accession.n == 0) {
		before->report.accession = now->report.accession;
		memcpy(before->report.accessions, now->report.accessions,
		    sizeof(now->report.accessions));
		before->report.accession_count = now->report.accession_count;
	}
	*now = (struct exam){.document_count = 0};
	return before;
}

static bool
is_empty(const struct exam *exam)
{
	return exam->document_count == 0 && str_trim(exam->report.text).n == 0;
}

/* One report of several exams stands behind one of them. */
static void
share(struct exams *all, size_t to, size_t from)
{
	struct exam *a = &all->at[to], *b = &all->at[from];

	if (!is_empty(a) || is_empty(b) || a->report.taken_back ||
	    !str_eq(a->report.patient_id, b->report.patient_id))
		return;
	a->report.text = b->report.text;
	memcpy(a->documents, b->documents, sizeof(a->documents));
	a->document_count = b->document_count;
}

static bool
put_reports(struct order_reader *r, const struct exams *all)
{
	struct order_message *out = r->out;
	size_t i, d, n = 0;

	for (i = 0; i < all->n; i++)
		n += all->at[i].document_count + 1;
	out->reports = arena_array(r->arena, n, sizeof(*out->reports));
	if (out->reports == NULL)
		return order_refuse_large(r);
	for (i = 0; i < all->n; i++) {
		struct order_report report = all->at[i].report;

		if (!has_name(&report))
			return order_refuse(r, false, 101, "OBR", 18,
			    "neither a Study Instance UID nor an accession "
			    "number: the report belongs to no study");
		d = 0;
		do {
			if (d < all->at[i].document_count) {
				report.pdf = all->at[i].documents[d].data;
				report.hex = all->at[i].documents[d].hex;
			}
			out->reports[out->report_count++] = report;
			report.more = true;
			report.text = STR("");
		} while (++d < all->at[i].document_count);
	}
	return true;
}

static void
take_group(struct order_reader *r, const struct group *g, size_t from,
    struct exams *all, struct exam *exam)
{
	bool headings = has_headings(r, g), behind = false;
	const struct er7_segment *s;

	for (; from < g->to; from++) {
		s = &r->m->segments[from];
		behind = behind || s == g->obr;
		if (is(s, "OBX"))
			take_observation(r, s, headings, all, exam);
		else if (is(s, "NTE") && behind)
			take_note(r, s, &exam->text);
	}
}

/* Nothing is left of what it says, or it is said that there is nothing (OBR-25,
 * table 0123: the order was cancelled). */
static void
settle_taken_back(struct exam *exam)
{
	struct order_report *report = &exam->report;

	report->taken_back =
	    is_empty(exam) &&
	    (exam->taken_back || str_eq_nocase(report->status, STR("X")));
}

static bool
read_exams(struct order_reader *r, const struct group *groups, size_t n,
    struct exams *all)
{
	struct exam *exam;
	size_t g, i;

	for (g = 0; g < n; g++) {
		exam = open_exam(r, &groups[g], all);
		take_group(
		    r, &groups[g], g == 0 ? 1 : groups[g].from, all, exam);
	}
	for (i = 0; i < all->n; i++) {
		all->at[i].report.text =
		    arena_dup(r->arena, buf_str(&all->at[i].text));
		settle_taken_back(&all->at[i]);
		all->long_text = all->long_text || all->at[i].text.over;
		buf_fini(&all->at[i].text);
	}
	for (i = 1; i < all->n; i++)
		share(all, i, i - 1);
	for (i = all->n; i > 1; i--)
		share(all, i - 2, i - 1);
	if (all->crowded)
		return order_refuse(r, false, 102, "OBX", 5,
		    "more than %d exams, or %d documents of one, in a report",
		    EXAMS_MAX, DOCUMENTS_MAX);
	/* Not as if there were no room: it would come again and again. */
	if (all->long_text)
		return order_refuse(r, false, 102, "OBX", 5,
		    "the text of a report is longer than %d MiB",
		    (int)(REPORT_TEXT_CAP / MIB));
	return order_is_over(r) ? order_refuse_large(r) : put_reports(r, all);
}

bool
order_read_report(struct order_reader *r)
{
	size_t n = find_groups(r->m, NULL);
	struct exams all = {.n = 0};
	struct group *groups;

	r->out->kind = ORDER_KIND_REPORT;
	if (n == 0)
		return order_refuse(r, false, 100, "OBR", 0,
		    "a report without an OBR segment: it belongs to nothing");
	if (n > GROUPS_MAX)
		return order_refuse(r, false, 102, "OBR", 0,
		    "more than %d OBR segments in one report", GROUPS_MAX);
	groups = arena_array(r->arena, n, sizeof(*groups));
	/* One to read into. */
	all.at = arena_array(r->arena, EXAMS_MAX + 1, sizeof(*all.at));
	if (groups == NULL || all.at == NULL)
		return order_refuse_large(r);
	memset(all.at, 0, (EXAMS_MAX + 1) * sizeof(*all.at));
	(void)find_groups(r->m, groups);
	return read_exams(r, groups, n, &all);
}
