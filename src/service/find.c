/*
 * Query (PS3.4 C.4.1): C-FIND of the Patient Root and Study Root models, and
 * of the retired Patient/Study Only model, as performer.
 *
 * Rows come from the index in batches, by key, with no cursor left open while
 * answers are sent. Answers gather and leave together, so a query with one
 * answer is one segment, final response included; between them a C-CANCEL is
 * looked for. What the index does not
 * hold comes from the files of the rows that are left, one at a time.
 */
#include "service/service.h"

#include "base/log.h"
#include "dicom/build.h"
#include "service/query/query.h"

/* What one answer may take beside the row it is made from. */
#define ANSWER_ARENA (24 * MIB)
/* Answers between two looks for a C-CANCEL: they take some 0.1 ms. */
#define CANCEL_STEP 16

struct find {
	struct session *session;
	const struct dimse *rq;
	struct query query;
	struct syntax layout; /* of the context */
	struct arena rows;    /* of one batch */
	struct arena scratch; /* of one row */
	struct arena header;  /* of one file */
	struct arena below;   /* instances of one row's entity */
	struct buf out;       /* an identifier being sent */
	uint64_t answered, unread;
};

enum step {
	STEP_ON,
	STEP_CANCELLED,
	STEP_FAILED, /* to be answered */
	STEP_GONE    /* the association has ended */
};

static bool
serves(struct str abstract)
{
	return str_eq_text(abstract,
		   UID_PatientRootQueryRetrieveInformationModelFind) ||
	       str_eq_text(
		   abstract, UID_StudyRootQueryRetrieveInformationModelFind) ||
	       str_eq_text(abstract,
		   UID_PatientStudyOnlyQueryRetrieveInformationModelFind);
}

/* Files may be long in coming: what is found leaves at once then. */
static void
gather(struct find *f)
{
	if (!f->query.file)
		assoc_gather(f->session->assoc);
}

/* What is answered to a row, but for what its file holds. */
struct row_answer {
	struct query_found found;
	struct index_counts counts;
	struct query_file file;
	bool incomplete; /* the file cannot be read */
};

/* The file of the row and what it says. False: the row does not match. */
static bool
look_into_file(
    struct find *f, const struct index_row *row, struct row_answer *out)
{
	struct err e;

	arena_reset(&f->header);
	if (query_file_read(&f->query, f->session->store, row, &f->header,
		&out->file, &e)) {
		out->found.file = &out->file;
		return !f->query.file_demands ||
		       query_matches_file(
			   &f->query, &f->scratch, row, &out->file);
	}
	/* Once is enough: there may be a million of them. */
	if (f->unread++ == 0)
		log_warning("dicom",
		    "C-FIND of '%s': what a file holds is left out: %s",
		    f->session->assoc->calling, e.text);
	out->incomplete = true;
	return !f->query.file_demands;
}

/* Relational (PS3.4 C.4.1.3.2.1): keys of levels below match if some instance
 * fits. The row's first does not; the others are looked into, as many as one
 * batch has. */
static bool
look_below(struct find *f, const struct index_row *row, struct row_answer *out)
{
	struct index_row *rows;
	struct search search;
	struct err e;
	size_t n, i;

	arena_reset(&f->below);
	if (!query_search_below(&f->query, &f->below, row, &search) ||
	    !index_search(
		f->session->store, &search, 0, &f->below, &rows, &n, &e))
		return false;
	for (i = 0; i < n; i++) {
		arena_reset(&f->scratch);
		if (!query_matches(&f->query, &f->scratch, &rows[i]) ||
		    !look_into_file(f, &rows[i], out))
			continue;
		out->found.row = &rows[i];
		return true;
	}
	return false;
}

static bool
build_answer(struct find *f, const struct row_answer *row, struct err *e)
{
	struct dataset *answer;

	arena_reset(&f->scratch);
	buf_clear(&f->out);
	answer = query_answer(&f->query, &f->scratch, &row->found);
	if (answer == NULL)
		return fail(e, ERR_LIMIT, "an answer that is too large");
	return build_dataset(&f->out, answer, f->layout, e);
}

static enum step
send_answer(struct find *f, struct row_answer *row, struct err *e)
{
	struct session *s = f->session;
	struct dimse rsp;
	bool ok = build_answer(f, row, e);

	if (!ok && row->found.file != NULL) {
		/* What the index has is little. */
		row->found.file = NULL;
		row->incomplete = true;
		ok = build_answer(f, row, e);
	}
	if (!ok)
		return STEP_FAILED;
	rsp = dimse_response(f->rq, f->query.unsupported || row->incomplete
					? STATUS_PendingWarning
					: STATUS_Pending);
	if (!dimse_send(s->assoc, &rsp, buf_str(&f->out), e))
		return STEP_GONE;
	f->answered++;
	return STEP_ON;
}

static enum step
answer_row(struct find *f, const struct index_row *row, struct err *e)
{
	struct row_answer out = {
	    .found = {.row = row, .retrieve_ae = f->session->config.ae_title}};

	arena_reset(&f->scratch);
	if (f->query.file && !look_into_file(f, row, &out) &&
	    !(f->query.deep && look_below(f, row, &out)))
		return STEP_ON;
	if (f->query.counts) {
		if (!index_patient_counts(
			f->session->store, row->patient, &out.counts, e))
			return STEP_FAILED;
		out.found.counts = &out.counts;
		if (!query_matches_counts(&f->query, &out.counts))
			return STEP_ON;
	}
	return send_answer(f, &out, e);
}

static enum step
look_for_cancel(struct find *f, struct err *e)
{
	struct assoc *a = f->session->assoc;

	if (!dimse_cancelled(a, f->rq->message_id, e))
		return STEP_ON;
	return e->code == ERR_CANCELLED ? STEP_CANCELLED : STEP_GONE;
}

static enum step
send_rows(struct find *f, const struct index_row *rows, size_t n, struct err *e)
{
	enum step step = look_for_cancel(f, e);
	size_t i;

	for (i = 0; i < n && step == STEP_ON; i++) {
		arena_reset(&f->scratch);
		if (!query_matches(&f->query, &f->scratch, &rows[i]))
			continue;
		if (f->query.file || f->answered % CANCEL_STEP == 0)
			step = look_for_cancel(f, e);
		if (step == STEP_ON)
			step = answer_row(f, &rows[i], e);
	}
	return step;
}

/* All batches; what they end with. */
static enum step
send_matches(struct find *f, struct err *e)
{
	struct session *s = f->session;
	struct index_row *rows;
	int64_t after_id = 0;
	enum step step;
	size_t n;

	for (;;) {
		arena_reset(&f->rows);
		if (!index_search(s->store, &f->query.search, after_id,
			&f->rows, &rows, &n, e))
			return STEP_FAILED;
		step = send_rows(f, rows, n, e);
		if (step != STEP_ON || n < LIMIT_ROWS)
			return step;
		after_id = rows[n - 1].id;
		/* The next ones may be long in coming. */
		if (!assoc_flush(s->assoc, e))
			return STEP_GONE;
		gather(f);
	}
}

static bool
refuse_key(struct find *f, const struct key *key, struct err *e)
{
	struct err why;

	(void)!query_fail_key(key, &why);
	return service_fail_key(f->session, f->rq, key->tag, &why, e);
}

static bool
answer_end(struct find *f, enum step step, struct err *e)
{
	struct session *s = f->session;
	struct err why = *e;

	log_debug("dicom", "C-FIND at level %s: %llu answers",
	    query_level_name(f->query.search.level),
	    (unsigned long long)f->answered);
	switch (step) {
	case STEP_ON:
		/* What is odd may stand in a file as it was asked; where it
		 * does not, nobody is to think that there are no images. */
		if (f->answered == 0 && f->query.odd != NULL)
			return refuse_key(f, f->query.odd, e);
		return service_answer(s, f->rq, STATUS_Success, NULL, e);
	case STEP_CANCELLED:
		return service_answer(s, f->rq, STATUS_Cancel, NULL, e);
	case STEP_FAILED:
		return service_fail(s, f->rq, &why, e);
	case STEP_GONE:
		break;
	}
	if (!assoc_flush(s->assoc, e))
		return false;
	return s->assoc->end == ASSOC_OPEN ? service_gone(s, e) : false;
}

static bool
answer(struct session *s, const struct dimse *rq, struct str identifier,
    struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	const struct query_options options = query_options(context->extended);
	enum query_model model;
	struct find f = {.session = s, .rq = rq, .layout = context->layout};
	struct err why;
	bool ok;

	must(query_model_of(context->abstract, &model));
	if (!query_read(&s->arena, model, &options, identifier, context->layout,
		&f.query, &why))
		return service_fail(s, rq, &why, e);
	if (f.query.wrong != NULL)
		return refuse_key(&f, f.query.wrong, e);
	arena_init(&f.rows, query_rows_budget(&f.query));
	arena_init(&f.scratch, ANSWER_ARENA);
	arena_init(&f.header, QUERY_FILE_ARENA);
	arena_init(&f.below, query_rows_budget(&f.query));
	buf_init(&f.out, LIMIT_IDENTIFIER);
	gather(&f);
	ok = answer_end(&f, send_matches(&f, e), e);
	if (!assoc_flush(s->assoc, &why)) {
		*e = why;
		ok = false;
	}
	buf_fini(&f.out);
	arena_fini(&f.header);
	arena_fini(&f.below);
	arena_fini(&f.scratch);
	arena_fini(&f.rows);
	return ok;
}

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	s->activity.finds++;
	return service_identifier(s, rq, answer, e);
}

const struct service service_find = {
    .name = "Query",
    .command = C_FIND_RQ,
    .pool = POOL_STORE,
    .serves = serves,
    .takes = service_takes_plain,
    .extended = query_extended,
    .serve = serve,
};
