/*
 * Searching the worklist, following what modalities tell, clearing up.
 *
 * One condition leads: its index is gone through, and the others are checked
 * on what it finds (their columns are hidden from the planner by a '+'). The
 * station leads together with the date, which is the question modalities ask.
 */
#include "base/clock.h"
#include "base/limit.h"
#include "dicom/value.h"
#include "store/inside.h"
#include "store/worklist/item_inside.h"

#define SQL_ROOM 8192
#define ARGS     64
/* Rows that are put in order anew for every batch; where there are more, the
 * index of the dates leads, which has them in order. */
#define SORTED_MOST 5000
/* Items removed in one transaction. */
#define EXPIRE_AT_ONCE 1000

enum lead {
	LEAD_STUDY,
	LEAD_ACCESSION,
	LEAD_PATIENT,
	LEAD_NAME,
	LEAD_STATION,
	LEAD_STEP,
	LEAD_PROCEDURE,
	LEAD_DATE
};

/* What stands in an item for the station that leads. */
enum branch {
	BRANCH_EQUAL,
	BRANCH_WITHOUT, /* nothing: it is for all */
	BRANCH_SEVERAL, /* it, maybe, among others */
	BRANCH_LONGER,  /* more than DICOM allows */
	BRANCH_COUNT    /* another condition leads */
};

struct query {
	enum branch branch;
	const struct item_search *s;
	struct arena scratch;
	struct buf sql;
	struct db_value args[ARGS];
	size_t n;
	enum lead lead;
	struct str name_from; /* what a name begins with, folded */
};

static void
arg(struct query *q, struct db_value v)
{
	must(q->n < ARGS);
	q->args[q->n++] = v;
}

/* Behind all that begin so. */
static struct str
end_of(struct query *q, struct str from)
{
	return str_from(arena_printf(&q->scratch, "%.*s\xff", STR_ARG(from)));
}

/* All that begin with the value. */
static void
begins_with(struct query *q, const char *and, const char *plus,
    const char *column, struct str value)
{
	buf_printf(&q->sql, "%s (%s%s >= ? AND %s%s < ?)", and, plus, column,
	    plus, column);
	arg(q, db_str(value));
	arg(q, db_str(end_of(q, value)));
}

/* A column that holds what f holds. */
static void
is_equal(struct query *q, enum field f, struct str value, enum lead lead)
{
	const char *plus = q->lead == lead ? "" : "+";

	if (value.n == 0)
		return;
	if (q->s->cut && value.n >= field_info(f)->room) {
		begins_with(q, " AND", plus, field_info(f)->keyword, value);
		return;
	}
	buf_printf(&q->sql, " AND %s%s = ?", plus, field_info(f)->keyword);
	arg(q, db_str(value));
}

/* Before the first wild card, without separators at its end. */
static struct str
name_prefix(struct query *q, struct str pattern)
{
	size_t n;

	for (n = 0; n < pattern.n && pattern.p[n] != '*' && pattern.p[n] != '?';
	     n++)
		;
	pattern = pn_key(&q->scratch, str_of(pattern.p, n));
	while (pattern.n > 0 && (pattern.p[pattern.n - 1] == '^' ||
				    pattern.p[pattern.n - 1] == '='))
		pattern.n--;
	return pattern;
}

#define COUNT(column)                                                          \
	"SELECT count(*) FROM (SELECT 1 FROM item WHERE " column               \
	" >= ? AND " column " <= ? LIMIT ?)"

/* Does the index of a column give few enough? An empty value gives none to
 * lead by. */
static bool
leads(struct db *db, const char *count, struct str from, struct str to)
{
	struct err e;
	int64_t n;
	bool found;

	if (from.n == 0)
		return false;
	return !db_get_int(db, count,
		   DB_ARGS(db_str(from), db_str(to), db_int(SORTED_MOST + 1)),
		   &n, &found, &e) ||
	       n <= SORTED_MOST;
}

static void
choose_lead(struct query *q, struct db *db)
{
	const struct item_search *s = q->s;

	q->name_from = name_prefix(q, s->name);
	if (s->study.n > 0)
		q->lead = LEAD_STUDY;
	else if (s->accession.n > 0)
		q->lead = LEAD_ACCESSION;
	else if (s->patient_id.n > 0)
		q->lead = LEAD_PATIENT;
	else if (leads(db, COUNT("name_key"), q->name_from,
		     end_of(q, q->name_from)))
		q->lead = LEAD_NAME;
	else if (s->station_ae.n > 0)
		q->lead = LEAD_STATION;
	else if (s->date_from.n + s->date_to.n > 0)
		q->lead = LEAD_DATE;
	else if (leads(db, COUNT("ScheduledProcedureStepID"), s->step_id,
		     s->step_id))
		q->lead = LEAD_STEP;
	else if (leads(db, COUNT("RequestedProcedureID"), s->procedure_id,
		     s->procedure_id))
		q->lead = LEAD_PROCEDURE;
	else
		q->lead = LEAD_DATE;
}

static bool
by_date(const struct query *q)
{
	return q->lead == LEAD_DATE || q->lead == LEAD_STATION;
}

static void
add_dates(struct query *q)
{
	const char *plus = by_date(q) ? "" : "+";
	const struct item_search *s = q->s;

	if (s->date_from.n > 0) {
		buf_printf(&q->sql,
		    " AND %sScheduledProcedureStepStartDate >= ?", plus);
		arg(q, db_str(s->date_from));
	}
	if (s->date_to.n > 0) {
		buf_printf(&q->sql,
		    " AND %sScheduledProcedureStepStartDate <= ?"
		    " AND %sScheduledProcedureStepStartDate > ''",
		    plus, plus);
		arg(q, db_str(s->date_to));
	}
}

static bool
is_long(const struct item_search *s)
{
	return s->cut && s->station_ae.n >=
			     field_info(FIELD_ScheduledStationAETitle)->room;
}

/* Where another condition leads. */
static void
check_station(struct query *q)
{
	const struct item_search *s = q->s;

	buf_printf(&q->sql,
	    " AND (+ScheduledStationAETitle IN (?%s)"
	    " OR instr(ScheduledStationAETitle, '\\') > 0",
	    s->without_ae ? ", ''" : "");
	arg(q, db_str(s->station_ae));
	if (is_long(s))
		begins_with(
		    q, " OR", "+", "ScheduledStationAETitle", s->station_ae);
	buf_text(&q->sql, ")");
}

static void
add_station(struct query *q)
{
	const struct item_search *s = q->s;

	if (s->station_ae.n == 0)
		return;
	switch (q->branch) {
	case BRANCH_EQUAL:
		buf_text(&q->sql, " AND ScheduledStationAETitle = ?");
		arg(q, db_str(s->station_ae));
		break;
	case BRANCH_WITHOUT:
		buf_text(&q->sql, " AND ScheduledStationAETitle = ''");
		break;
	case BRANCH_SEVERAL:
		buf_text(
		    &q->sql, " AND instr(ScheduledStationAETitle, '\\') > 0");
		break;
	case BRANCH_LONGER:
		begins_with(
		    q, " AND", "", "ScheduledStationAETitle", s->station_ae);
		/* Found already. */
		buf_text(&q->sql,
		    " AND ScheduledStationAETitle <> ?"
		    " AND instr(ScheduledStationAETitle, '\\') = 0");
		arg(q, db_str(s->station_ae));
		break;
	case BRANCH_COUNT:
		check_station(q);
		break;
	}
}

/* Names without a first group begin with '='. */
static void
add_name(struct query *q)
{
	const char *plus = q->lead == LEAD_NAME ? "" : "+";

	if (q->name_from.n == 0)
		return;
	buf_printf(&q->sql,
	    " AND ((%sname_key >= ? AND %sname_key < ?)"
	    " OR (%sname_key >= '=' AND %sname_key < '>'))",
	    plus, plus, plus, plus);
	arg(q, db_str(q->name_from));
	arg(q, db_str(end_of(q, q->name_from)));
}

/* Only what the partial indexes hold. */
static bool
only_open(const struct item_search *s)
{
	bool any = false;
	size_t i;

	for (i = 1; i <= STATUS_STARTED; i++)
		any = any || s->status[i];
	for (; i < STATUS_COUNT; i++)
		if (s->status[i])
			return false;
	return any;
}

static void
add_status(struct query *q)
{
	bool any = false, all = true;
	size_t i;

	for (i = 1; i < STATUS_COUNT; i++) {
		any = any || q->s->status[i];
		all = all && q->s->status[i];
	}
	if (!any || all)
		return;
	if (only_open(q->s))
		buf_text(&q->sql, " AND status <= 3");
	buf_text(&q->sql, " AND +status IN (0");
	for (i = 1; i < STATUS_COUNT; i++)
		if (q->s->status[i])
			buf_printf(&q->sql, ", %zu", i);
	buf_text(&q->sql, ")");
}

/* In the order of start date, start time, id. */
static void
add_order(struct query *q, const struct item *after, size_t max)
{
	const char *plus = by_date(q) ? "" : "+";

	if (after != NULL) {
		buf_printf(&q->sql,
		    " AND (%sScheduledProcedureStepStartDate,"
		    " ScheduledProcedureStepStartTime, id) > (?, ?, ?)",
		    plus);
		arg(q,
		    db_str(
			after->value[FIELD_ScheduledProcedureStepStartDate]));
		arg(q,
		    db_str(
			after->value[FIELD_ScheduledProcedureStepStartTime]));
		arg(q, db_int(after->id));
	}
	buf_printf(&q->sql,
	    " ORDER BY %sScheduledProcedureStepStartDate,"
	    " ScheduledProcedureStepStartTime, id LIMIT ?",
	    plus);
	arg(q, db_int((int64_t)max));
}

/* The index that a branch, or a search by date, goes through. */
static void
add_source(struct query *q)
{
	bool open = only_open(q->s);

	buf_text(&q->sql, "SELECT id, ScheduledProcedureStepStartDate AS d,"
			  " ScheduledProcedureStepStartTime AS t FROM item");
	if (q->branch == BRANCH_SEVERAL)
		buf_text(&q->sql, " INDEXED BY item_stations");
	else if (q->branch != BRANCH_COUNT)
		buf_printf(&q->sql, " INDEXED BY %s",
		    open ? "item_open" : "item_station");
	else if (q->lead == LEAD_DATE)
		buf_printf(&q->sql, " INDEXED BY %s",
		    open ? "item_open_start" : "item_start");
	buf_text(&q->sql, " WHERE 1");
}

static void
add_select(struct query *q, const struct item *after, size_t max)
{
	const struct item_search *s = q->s;

	add_source(q);
	is_equal(q, FIELD_StudyInstanceUID, s->study, LEAD_STUDY);
	is_equal(q, FIELD_AccessionNumber, s->accession, LEAD_ACCESSION);
	is_equal(q, FIELD_PatientID, s->patient_id, LEAD_PATIENT);
	add_name(q);
	add_station(q);
	is_equal(q, FIELD_ScheduledProcedureStepID, s->step_id, LEAD_STEP);
	is_equal(
	    q, FIELD_RequestedProcedureID, s->procedure_id, LEAD_PROCEDURE);
	is_equal(q, FIELD_Modality, s->modality, LEAD_STUDY);
	add_dates(q);
	add_status(q);
	add_order(q, after, max);
}

static bool
has_branch(const struct item_search *s, enum branch branch)
{
	if (branch == BRANCH_WITHOUT)
		return s->without_ae;
	return branch != BRANCH_LONGER || is_long(s);
}

/* A station is looked for at up to four places of its index, each in order and
 * no further than needed. */
static void
add_branches(struct query *q, const struct item *after, size_t max)
{
	size_t branch;

	buf_text(&q->sql, "SELECT id FROM (");
	for (branch = 0; branch < BRANCH_COUNT; branch++) {
		if (!has_branch(q->s, (enum branch)branch))
			continue;
		q->branch = (enum branch)branch;
		buf_printf(&q->sql, "%sSELECT * FROM (",
		    branch > 0 ? " UNION ALL " : "");
		add_select(q, after, max);
		buf_text(&q->sql, ")");
	}
	buf_text(&q->sql, ") ORDER BY d, t, id LIMIT ?");
	arg(q, db_int((int64_t)max));
}

static void
assemble(struct query *q, struct db *db, const struct item_search *s,
    const struct item *after, size_t max)
{
	*q = (struct query){.s = s, .branch = BRANCH_COUNT};
	arena_init(&q->scratch, 1 * MIB);
	buf_init(&q->sql, SQL_ROOM);
	choose_lead(q, db);
	if (q->lead == LEAD_STATION)
		add_branches(q, after, max);
	else
		add_select(q, after, max);
	must(!q->sql.over);
}

static void
query_fini(struct query *q)
{
	buf_fini(&q->sql);
	arena_fini(&q->scratch);
}

static bool
fetch(struct db *db, struct query *q, size_t max, struct arena *a,
    struct item **out, size_t *n, struct err *e)
{
	int64_t *ids = arena_array(a, max, sizeof(*ids));
	struct db_stmt *stmt;
	enum db_step step;
	size_t i, count = 0;
	bool found;

	if (ids == NULL)
		return fail(e, ERR_LIMIT, "too many items at once");
	if (!db_query(db, buf_cstr(&q->sql), q->args, q->n, &stmt, e))
		return false;
	while ((step = db_step(stmt, e)) == DB_STEP_ROW && count < max)
		ids[count++] = db_column_int(stmt, 0);
	if (step == DB_STEP_ROW)
		db_reset(stmt);
	if (step == DB_STEP_FAILED)
		return false;
	*out = arena_array(a, count, sizeof(**out));
	if (*out == NULL && count > 0)
		return fail(e, ERR_LIMIT, "too many items at once");
	for (i = 0; i < count; i++) {
		if (!item_fetch(db, ids[i], a, &(*out)[*n], &found, e))
			return false;
		*n += found;
	}
	return true;
}

bool
item_list(struct store *s, const struct item_search *search,
    const struct item *after, size_t max, struct arena *a, struct item **out,
    size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct query q;
	bool ok;

	*out = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	assemble(&q, db, search, after, max);
	ok = fetch(db, &q, max, a, out, n, e);
	query_fini(&q);
	store_reader_done(s, db);
	return ok;
}

bool
item_count(struct store *s, uint64_t counts[STATUS_COUNT], struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct db_stmt *q;
	int64_t status;

	memset(counts, 0, STATUS_COUNT * sizeof(*counts));
	if (db == NULL)
		return false;
	if (db_query(db, "SELECT status, count(*) FROM item GROUP BY status",
		DB_NO_ARGS, &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			status = db_column_int(q, 0);
			if (status >= 0 && status < STATUS_COUNT)
				counts[status] += (uint64_t)db_column_int(q, 1);
		}
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

bool
item_explain(struct store *s, const struct item_search *search, struct buf *out,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *stmt;
	struct query q;
	struct buf sql;

	if (db == NULL)
		return false;
	assemble(&q, db, search, NULL, 1);
	buf_init(&sql, SQL_ROOM + 64);
	buf_text(&sql, "EXPLAIN QUERY PLAN ");
	buf_add(&sql, buf_str(&q.sql));
	if (db_query(db, buf_cstr(&sql), q.args, q.n, &stmt, e))
		while ((step = db_step(stmt, e)) == DB_STEP_ROW) {
			buf_add(out, db_column(stmt, 3));
			buf_u8(out, '\n');
		}
	buf_fini(&sql);
	query_fini(&q);
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

/* What a modality tells, or images do. */
struct progress {
	struct str study, accession, step_id;
	enum order_status to;
	int64_t n;
};

/* Items are found by the Study Instance UID; by the accession number only
 * where no item has that UID: other procedures share it. */
bool
item_lead(struct db *db, struct str study, struct str accession, bool *by_study,
    struct err *e)
{
	int64_t id;

	*by_study = false;
	if (study.n == 0)
		return true;
	if (!db_get_int(db,
		"SELECT id FROM item WHERE StudyInstanceUID = ? LIMIT 1",
		DB_ARGS(db_str(study)), &id, by_study, e))
		return false;
	*by_study = *by_study || accession.n == 0;
	return true;
}

static bool
move_on(struct upsert *u, void *ctx, struct err *e)
{
	struct progress *p = ctx;
	bool by_study;

	if (!item_lead(upsert_db(u), p->study, p->accession, &by_study, e))
		return false;
	/* No step back: what is over stays over, what began did arrive. */
	if (!db_exec(upsert_db(u),
		by_study ? "UPDATE item SET status = ?, changed = ? WHERE"
			   " StudyInstanceUID = ? AND (? = '' OR"
			   " +ScheduledProcedureStepID = ?) AND status <> ?"
			   " AND status NOT IN (?, ?, ?) AND (? = 0 OR"
			   " status <> ?)"
			 : "UPDATE item SET status = ?, changed = ? WHERE"
			   " AccessionNumber = ? AND (? = '' OR"
			   " +ScheduledProcedureStepID = ?) AND status <> ?"
			   " AND status NOT IN (?, ?, ?) AND (? = 0 OR"
			   " status <> ?)",
		DB_ARGS(db_int(p->to), db_int(clock_utc_ms()),
		    db_str(by_study ? p->study : p->accession),
		    db_str(p->step_id), db_str(p->step_id), db_int(p->to),
		    db_int(STATUS_COMPLETED), db_int(STATUS_DISCONTINUED),
		    db_int(STATUS_CANCELED), db_int(p->to == STATUS_ARRIVED),
		    db_int(STATUS_STARTED)),
		e))
		return false;
	p->n = db_changes(upsert_db(u));
	return true;
}

bool
item_progress(struct store *s, struct str study, struct str accession,
    struct str step_id, enum order_status to, size_t *n, struct err *e)
{
	struct progress p = {.study = study,
	    .accession = accession,
	    .step_id = step_id,
	    .to = to};

	*n = 0;
	if (study.n == 0 && accession.n == 0)
		return true;
	if (commit_run(s->commit, true, move_on, &p, e) != COMMIT_DONE)
		return false;
	*n = (size_t)p.n;
	return true;
}

bool
item_open(struct store *s, struct str study, struct str accession, bool *open,
    struct err *e)
{
	struct db *db = store_reader(s, e);
	int64_t id;
	bool by_study, ok;

	*open = false;
	if (db == NULL)
		return false;
	ok = study.n + accession.n == 0 ||
	     (item_lead(db, study, accession, &by_study, e) &&
		 db_get_int(db,
		     by_study ? "SELECT id FROM item WHERE StudyInstanceUID = ?"
				" AND status NOT IN (?, ?, ?) LIMIT 1"
			      : "SELECT id FROM item WHERE AccessionNumber = ?"
				" AND status NOT IN (?, ?, ?) LIMIT 1",
		     DB_ARGS(db_str(by_study ? study : accession),
			 db_int(STATUS_COMPLETED), db_int(STATUS_DISCONTINUED),
			 db_int(STATUS_CANCELED)),
		     &id, open, e));
	store_reader_done(s, db);
	return ok;
}

struct expiry {
	const char *before;
	int64_t n;
};

static bool
expire_some(struct upsert *u, void *ctx, struct err *e)
{
	struct expiry *x = ctx;

	if (!db_exec(upsert_db(u),
		"DELETE FROM item WHERE id IN (SELECT id FROM item WHERE"
		" ScheduledProcedureStepStartDate < ?"
		" AND (ScheduledProcedureStepStartDate > '' OR"
		" strftime('%Y%m%d', created / 1000, 'unixepoch') < ?)"
		" AND status <> ? LIMIT ?)",
		DB_ARGS(db_text(x->before), db_text(x->before),
		    db_int(STATUS_STARTED), db_int(EXPIRE_AT_ONCE)),
		e))
		return false;
	x->n = db_changes(upsert_db(u));
	return true;
}

bool
item_expire(struct store *s, const char before[9], uint64_t *n, struct err *e)
{
	struct expiry x = {.before = before};

	*n = 0;
	do {
		if (commit_run(s->commit, true, expire_some, &x, e) !=
		    COMMIT_DONE)
			return false;
		*n += (uint64_t)x.n;
	} while (x.n == EXPIRE_AT_ONCE);
	return true;
}
