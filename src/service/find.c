/*
 * Query (PS3.4 C.4.1): C-FIND of the Patient Root and Study Root models, and
 * of the retired Patient/Study Only model, as performer.
 *
 * Rows come from the index in batches, by key, with no cursor left open while
 * answers are sent. The answers of a batch leave together (the socket is
 * corked), so a query with one answer is one segment, final response
 * included; between answers a C-CANCEL is looked for.
 */
#include "service/service.h"

#include "base/log.h"
#include "dicom/build.h"
#include "service/query/query.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Extended negotiation (PS3.4 C.5.1.1): relational queries, combined date and
 * time, fuzzy names, time zones, views: all of them no. */
#define EXTENDED_FIELDS 5

/* What one answer may take beside the row it is made from. */
#define ANSWER_ARENA (8 * MIB)

struct find {
	struct session *session;
	const struct dimse *rq;
	struct query query;
	struct syntax layout; /* of the context */
	struct arena rows;    /* of one batch */
	struct arena scratch; /* of one row */
	struct buf out;       /* an identifier being sent */
	uint64_t answered;
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

static size_t
extended(struct str proposed, uint8_t *answer, size_t room)
{
	size_t n = proposed.n < EXTENDED_FIELDS ? proposed.n : EXTENDED_FIELDS;

	if (n > room)
		n = room;
	memset(answer, 0, n);
	return n;
}

/* Held back writes leave when the cork is drawn, at the latest after 200 ms.
 * Without effect, and without harm, on a socket that is not TCP. */
static void
cork(struct session *s, int on)
{
	(void)setsockopt(
	    s->assoc->conn->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* Studies, series and instances of the row's patient. */
static bool
count_patient(struct find *f, const struct index_row *patient,
    struct query_counts *counts, struct err *e)
{
	struct str id = patient->value[COLUMN_PatientID];
	struct str issuer = patient->value[COLUMN_IssuerOfPatientID];
	struct condition same = {
	    .column = COLUMN_PatientID, .kind = CONDITION_IS, .a = id};
	struct search search = {
	    .level = LEVEL_STUDY, .conditions = &same, .count = 1};
	struct index_row *rows;
	int64_t after_id = 0;
	uint64_t v;
	size_t i, n = LIMIT_ROWS;

	*counts = (struct query_counts){0};
	if (id.n == 0)
		return true;
	search.want[COLUMN_PatientID] = true;
	search.want[COLUMN_IssuerOfPatientID] = true;
	search.want[COLUMN_NumberOfStudyRelatedSeries] = true;
	search.want[COLUMN_NumberOfStudyRelatedInstances] = true;
	for (; n == LIMIT_ROWS; after_id = rows[n - 1].id) {
		arena_reset(&f->scratch);
		if (!index_search(f->session->store, &search, after_id,
			&f->scratch, &rows, &n, e))
			return false;
		for (i = 0; i < n; i++) {
			if (!str_eq(rows[i].value[COLUMN_IssuerOfPatientID],
				issuer))
				continue;
			counts->studies++;
			if (str_u64(
				rows[i]
				    .value[COLUMN_NumberOfStudyRelatedSeries],
				&v))
				counts->series += v;
			if (str_u64(rows[i].value
					[COLUMN_NumberOfStudyRelatedInstances],
				&v))
				counts->instances += v;
		}
		if (n == 0)
			break;
	}
	counts->known = true;
	return true;
}

static enum step
send_answer(struct find *f, const struct index_row *row, struct err *e)
{
	struct session *s = f->session;
	struct query_counts counts = {0};
	struct dimse rsp = dimse_response(f->rq,
	    f->query.unsupported ? STATUS_PendingWarning : STATUS_Pending);
	struct dataset *answer;

	if (f->query.counts && !count_patient(f, row, &counts, e))
		return STEP_FAILED;
	arena_reset(&f->scratch);
	answer = query_answer(
	    &f->query, &f->scratch, row, &counts, s->config.ae_title);
	if (answer == NULL) {
		(void)fail(e, ERR_LIMIT, "an answer that is too large");
		return STEP_FAILED;
	}
	buf_clear(&f->out);
	if (!build_dataset(&f->out, answer, f->layout, e))
		return STEP_FAILED;
	if (!dimse_send(s->assoc, &rsp, buf_str(&f->out), e))
		return STEP_GONE;
	f->answered++;
	return STEP_ON;
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
		step = look_for_cancel(f, e);
		if (step == STEP_ON)
			step = send_answer(f, &rows[i], e);
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
		cork(s, 0);
		cork(s, 1);
	}
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
		return service_answer(s, f->rq, STATUS_Success, NULL, e);
	case STEP_CANCELLED:
		return service_answer(s, f->rq, STATUS_Cancel, NULL, e);
	case STEP_FAILED:
		return service_fail(s, f->rq, &why, e);
	case STEP_GONE:
		break;
	}
	return s->assoc->end == ASSOC_OPEN ? service_gone(s, e) : false;
}

static bool
answer(struct session *s, const struct dimse *rq, struct str identifier,
    struct err *e)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	enum query_model model;
	struct find f = {.session = s, .rq = rq, .layout = context->layout};
	struct err why;
	bool ok;

	must(query_model_of(context->abstract, &model));
	if (!query_read(
		&s->arena, model, identifier, context->layout, &f.query, &why))
		return service_fail(s, rq, &why, e);
	arena_init(&f.rows, query_rows_budget(&f.query));
	arena_init(&f.scratch, ANSWER_ARENA);
	buf_init(&f.out, LIMIT_IDENTIFIER);
	cork(s, 1);
	ok = answer_end(&f, send_matches(&f, e), e);
	cork(s, 0);
	buf_fini(&f.out);
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
    .extended = extended,
    .serve = serve,
};
