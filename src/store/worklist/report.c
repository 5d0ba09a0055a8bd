/*
 * Reports, see report.h: table report. A final one ends the items it is about.
 */
#include "store/worklist/report.h"

#include "base/base64.h"
#include "base/limit.h"
#include "store/inside.h"
#include "store/worklist/item_inside.h"

/* What a PDF begins with, maybe behind something else (PDF 32000-1 annex H,
 * note 13). */
#define PDF_HEAD 1024

static bool
is_pdf(struct str s)
{
	size_t i;

	for (i = 0; i + 5 <= s.n && i < PDF_HEAD; i++)
		if (memcmp(s.p + i, "%PDF-", 5) == 0)
			return true;
	return false;
}

static int
hex_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
decode_hex(struct str part, int *half, struct buf *out)
{
	size_t i;
	int v;

	for (i = 0; i < part.n; i++) {
		if (part.p[i] <= ' ')
			continue;
		v = hex_of(part.p[i]);
		if (v < 0)
			return false;
		if (*half >= 0)
			buf_u8(out, (uint8_t)(*half << 4 | v));
		*half = *half >= 0 ? -1 : v;
	}
	return true;
}

/* Line breaks may stand in it as escapes (\X0D0A\, \.br\). */
static bool
decode(struct str in, bool hex, struct buf *out)
{
	struct base64 d = {0};
	struct str part;
	bool escape = false;
	int half = -1;

	while (str_split(&in, '\\', &part)) {
		if (!escape && (hex ? !decode_hex(part, &half, out)
				    : !base64_decode(&d, part, out)))
			return false;
		escape = !escape;
	}
	return hex ? half < 0 : base64_end(&d, out);
}

/* Where a report, and its documents, belong. */
struct place {
	struct str study, accession;
	bool replaced; /* there was one before */
};

/* Once there is a report, whatever is still open about it is over. */
static bool
end_items(struct item_effect *x, const struct order_report *r,
    const struct place *place, const struct person *patient, struct err *e)
{
	bool by_study;

	if (r->status.n > 0 && !str_eq_nocase(r->status, STR("F")) &&
	    !str_eq_nocase(r->status, STR("C")))
		return true;
	return item_lead(x->db, r->study, place->accession, &by_study, e) &&
	       db_exec(x->db,
		   by_study ? "UPDATE item SET status = ?1, changed = ?2"
			      " WHERE StudyInstanceUID = ?3 AND (?4 = '' OR"
			      " +PatientID = ?4) AND status NOT IN (?1, ?5, ?6)"
			    : "UPDATE item SET status = ?1, changed = ?2"
			      " WHERE AccessionNumber = ?3 AND (?4 = '' OR"
			      " +PatientID = ?4) AND status NOT IN (?1, ?5, "
			      "?6)",
		   DB_ARGS(db_int(STATUS_COMPLETED), db_int(x->now_ms),
		       db_str(by_study ? r->study : place->accession),
		       db_str(patient->id), db_int(STATUS_DISCONTINUED),
		       db_int(STATUS_CANCELED)),
		   e);
}

/* Whether the worklist or the archive has an exam of the patient by this
 * number. */
static bool
is_accession(struct item_effect *x, struct str number,
    const struct person *patient, bool *yes, struct err *e)
{
	int64_t one;

	return db_get_int(x->db,
	    "SELECT 1 FROM item WHERE AccessionNumber = ?1"
	    " AND (?2 = '' OR +PatientID = ?2) UNION ALL"
	    " SELECT 1 FROM study s JOIN patient p ON p.id = s.patient"
	    " WHERE s.AccessionNumber = ?1 AND (?2 = '' OR +p.PatientID = ?2)"
	    " LIMIT 1",
	    DB_ARGS(db_str(number), db_str(patient->id)), &one, yes, e);
}

/* The accession number of the order that has this number. */
static bool
of_order(struct item_effect *x, struct str number, const struct person *patient,
    struct place *place, bool *found, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	*found = false;
	if (!db_query(x->db,
		"SELECT AccessionNumber FROM item WHERE (PlacerOrderNumber = ?1"
		" OR FillerOrderNumber = ?1) AND +PatientID = ?2"
		" AND AccessionNumber <> '' ORDER BY id DESC LIMIT 1",
		DB_ARGS(db_str(number), db_str(patient->id)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	place->accession = arena_dup(x->arena, db_column(q, 0));
	*found = true;
	db_reset(q);
	return true;
}

/* Of the numbers that it may be the first that is known. */
static bool
find_place(struct item_effect *x, const struct order_report *r,
    struct place *place, struct err *e)
{
	struct person patient;
	bool known = false;
	size_t i;

	*place = (struct place){r->study, r->accession, false};
	if (r->study.n > 0)
		return true;
	if (!item_patient(x, r->patient_id, r->issuer, &patient, e))
		return false;
	for (i = 0; i < r->accession_count && !known; i++) {
		if (!is_accession(x, r->accessions[i], &patient, &known, e))
			return false;
		if (known)
			place->accession = r->accessions[i];
	}
	for (i = 0; i < r->accession_count && !known && patient.id.n > 0; i++)
		if (!of_order(x, r->accessions[i], &patient, place, &known, e))
			return false;
	return true;
}

/* The one before it goes, and what it knew of its study stays known. */
static bool
replace(struct item_effect *x, const struct order_report *r,
    struct place *place, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!find_place(x, r, place, e))
		return false;
	if (r->filler.n == 0)
		return true;
	/* Not those of this message. */
	if (!db_query(x->db,
		"SELECT StudyInstanceUID, AccessionNumber FROM report"
		" WHERE filler = ? AND facility = ? AND application = ?"
		" AND journal <> ? ORDER BY id LIMIT 1",
		DB_ARGS(db_str(r->filler), db_str(x->order->facility),
		    db_str(x->order->application), db_int(x->journal_id)),
		&q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	if (place->study.n == 0)
		place->study = arena_dup(x->arena, db_column(q, 0));
	if (place->accession.n == 0)
		place->accession = arena_dup(x->arena, db_column(q, 1));
	db_reset(q);
	place->replaced = true;
	return db_exec(x->db,
	    "DELETE FROM report WHERE filler = ? AND facility = ?"
	    " AND application = ? AND journal <> ?",
	    DB_ARGS(db_str(r->filler), db_str(x->order->facility),
		db_str(x->order->application), db_int(x->journal_id)),
	    e);
}

static bool
insert(struct item_effect *x, const struct order_report *r,
    const struct place *place, struct str pdf, struct err *e)
{
	return db_exec(x->db,
	    "INSERT INTO report (StudyInstanceUID, AccessionNumber,"
	    " PatientID, IssuerOfPatientID, application, facility,"
	    " filler, title, status, at, journal, text, pdf)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    DB_ARGS(db_str(place->study), db_str(place->accession),
		db_str(r->patient_id), db_str(r->issuer),
		db_str(x->order->application), db_str(x->order->facility),
		db_str(r->filler), db_str(r->title), db_str(r->status),
		db_int(x->now_ms), db_int(x->journal_id), db_str(r->text),
		db_blob(pdf)),
	    e);
}

static bool
keep(struct item_effect *x, const struct order_report *r, struct place *place,
    struct str pdf, struct err *e)
{
	struct person patient;

	if (r->more)
		return insert(x, r, place, pdf, e);
	return replace(x, r, place, e) && insert(x, r, place, pdf, e) &&
	       item_patient(x, r->patient_id, r->issuer, &patient, e) &&
	       end_items(x, r, place, &patient, e);
}

/* A report that was wrong is shown no more; its message is in the journal. */
static bool
take_back(struct item_effect *x, const struct order_report *r,
    struct place *place, struct err *e)
{
	if (!replace(x, r, place, e))
		return false;
	x->remark = place->replaced
			? "the report was taken back"
			: "there is no such report to be taken back";
	return true;
}

static bool
apply(struct item_effect *x, const struct order_report *r, struct place *place,
    struct err *e)
{
	struct buf pdf;
	bool ok;

	if (r->taken_back)
		return take_back(x, r, place, e);
	if (str_trim(r->text).n == 0 && r->pdf.n == 0)
		return item_refuse(
		    x, 101, "OBX", 5, "a report with neither text nor a PDF");
	buf_init(&pdf, LIMIT_REPORT);
	if (r->pdf.n > 0 && !decode(r->pdf, r->hex, &pdf))
		ok = item_refuse(x, 102, "OBX", 5,
		    "the PDF is no %s: send it as ED with its data in "
		    "component 5",
		    r->hex ? "Hex" : "Base64");
	else if (pdf.over)
		ok = item_refuse(x, 207, "OBX", 5,
		    "the PDF is larger than %lu MiB", LIMIT_REPORT / MIB);
	else if (r->pdf.n > 0 && !is_pdf(buf_str(&pdf)))
		ok = item_refuse(
		    x, 102, "OBX", 5, "what is said to be a PDF is none");
	else
		ok = keep(x, r, place, buf_str(&pdf), e);
	buf_fini(&pdf);
	return ok;
}

bool
item_apply_report(struct item_effect *x, struct err *e)
{
	struct place place = {0};
	size_t i;

	for (i = 0; i < x->order->report_count && !x->refused; i++)
		if (!apply(x, &x->order->reports[i], &place, e))
			return false;
	return true;
}

/* A row of "id, StudyInstanceUID, …, at, journal, sizes". */
#define HEAD                                                                   \
	"r.id, r.StudyInstanceUID, r.AccessionNumber, r.PatientID,"            \
	" r.IssuerOfPatientID, r.title, r.status, r.at, r.journal,"            \
	" length(CAST(r.text AS BLOB)), length(r.pdf), r.application,"         \
	" r.facility"

static void
read_head(struct db_stmt *q, struct arena *a, struct report *out)
{
	*out = (struct report){
	    .id = db_column_int(q, 0),
	    .study = arena_dup(a, db_column(q, 1)),
	    .accession = arena_dup(a, db_column(q, 2)),
	    .patient_id = arena_dup(a, db_column(q, 3)),
	    .issuer = arena_dup(a, db_column(q, 4)),
	    .title = arena_dup(a, db_column(q, 5)),
	    .status = arena_dup(a, db_column(q, 6)),
	    .when_ms = db_column_int(q, 7),
	    .journal_id = db_column_int(q, 8),
	    .text_size = (uint64_t)db_column_int(q, 9),
	    .pdf_size = (uint64_t)db_column_int(q, 10),
	    .application = arena_dup(a, db_column(q, 11)),
	    .facility = arena_dup(a, db_column(q, 12)),
	};
}

struct study {
	struct str uid, accession;
	struct person patient;
};

static bool
find_study(struct db *db, struct arena *a, struct study *s, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT s.AccessionNumber, p.PatientID, p.IssuerOfPatientID"
		" FROM study s JOIN patient p ON p.id = s.patient"
		" WHERE s.StudyInstanceUID = ?",
		DB_ARGS(db_str(s->uid)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	s->accession = arena_dup(a, db_column(q, 0));
	s->patient.id = arena_dup(a, db_column(q, 1));
	s->patient.issuer = arena_dup(a, db_column(q, 2));
	db_reset(q);
	return true;
}

/* Is it of the study's patient, as far as both say? */
static bool
same_patient(struct db *db, struct arena *a, const struct study *s,
    const struct report *r, bool *yes, struct err *e)
{
	struct person of = person_of(r->patient_id, r->issuer), is;

	*yes = true;
	if (of.id.n == 0)
		return true;
	if (!person_resolve(db, a, &of, &is, e))
		return false;
	*yes = s->patient.id.n == 0 ||
	       (str_eq(is.id, s->patient.id) &&
		   (is.issuer.n == 0 || s->patient.issuer.n == 0 ||
		       str_eq(is.issuer, s->patient.issuer)));
	return true;
}

static bool
list(struct db *db, struct study *s, size_t max, struct arena *a,
    struct report *out, size_t *n, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	size_t i, read = 0;
	bool yes;

	if (!find_study(db, a, s, e) ||
	    !db_query(db,
		"SELECT " HEAD " FROM report r WHERE r.id IN"
		" (SELECT id FROM report WHERE StudyInstanceUID = ?1 UNION ALL"
		"  SELECT o.id FROM report o WHERE o.AccessionNumber = ?2"
		"  AND ?2 <> '' AND +o.StudyInstanceUID <> ?1 AND NOT EXISTS"
		"  (SELECT 1 FROM study s WHERE"
		"   s.StudyInstanceUID = o.StudyInstanceUID))"
		" ORDER BY r.id DESC LIMIT ?3",
		DB_ARGS(
		    db_str(s->uid), db_str(s->accession), db_int((int64_t)max)),
		&q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		read_head(q, a, &out[read++]);
	if (step == DB_STEP_FAILED)
		return false;
	for (i = 0; i < read; i++) {
		if (!same_patient(db, a, s, &out[i], &yes, e))
			return false;
		out[i].other_patient = !yes;
		/* The accession number alone is not enough then. */
		if (yes || str_eq(out[i].study, s->uid))
			out[(*n)++] = out[i];
	}
	return !a->over || fail(e, ERR_LIMIT, "too many reports at once");
}

static bool
list_all(struct db *db, size_t max, struct arena *a, struct report *out,
    size_t *n, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT " HEAD " FROM report r ORDER BY r.id DESC LIMIT ?",
		DB_ARGS(db_int((int64_t)max)), &q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW)
		read_head(q, a, &out[(*n)++]);
	return step == DB_STEP_DONE &&
	       (!a->over || fail(e, ERR_LIMIT, "too many reports at once"));
}

bool
report_list(struct store *st, struct str study, size_t max, struct arena *a,
    struct report **out, size_t *n, struct err *e)
{
	struct study s = {.uid = study};
	struct db *db;
	bool ok;

	*n = 0;
	*out = arena_array(a, max, sizeof(**out));
	if (*out == NULL && max > 0)
		return fail(e, ERR_LIMIT, "too many reports at once");
	db = store_reader(st, e);
	if (db == NULL)
		return false;
	ok = study.n > 0 ? list(db, &s, max, a, *out, n, e)
			 : list_all(db, max, a, *out, n, e);
	store_reader_done(st, db);
	return ok;
}

bool
report_find(struct store *s, int64_t id, struct arena *a, struct report *out,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	if (db == NULL)
		return false;
	if (db_query(db,
		"SELECT " HEAD ", r.text, r.pdf FROM report r WHERE r.id = ?",
		DB_ARGS(db_int(id)), &q, e)) {
		step = db_step(q, e);
		if (step == DB_STEP_ROW) {
			read_head(q, a, out);
			out->text = arena_dup(a, db_column(q, 13));
			out->pdf = arena_dup(a, db_column(q, 14));
			db_reset(q);
		}
	}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE)
		return fail(
		    e, ERR_MISSING, "there is no report %lld", (long long)id);
	if (step == DB_STEP_ROW && a->over)
		return fail(e, ERR_LIMIT, "a report that is too large");
	return step == DB_STEP_ROW;
}
