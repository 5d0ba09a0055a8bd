/*
 * Query/Retrieve identifiers (PS3.4 C.2.2 and C.6): from a request's data set
 * to a search of the index, and from a row of the index to an answer's data
 * set. No sockets, no database: slices in, values out.
 *
 * The conditions of the search only narrow; query_matches() decides, by the
 * rules of dicom/match.h. Lenient where peers are: unique keys of the levels
 * above may be missing, keys of levels below are taken for unsupported.
 */
#ifndef SERVICE_QUERY_H
#define SERVICE_QUERY_H

#include "dicom/dataset.h"
#include "store/index/index.h"

enum query_model {
	QUERY_PATIENT_ROOT,
	QUERY_STUDY_ROOT,
	QUERY_PATIENT_STUDY_ONLY /* retired; no levels below STUDY */
};
/* The model of a FIND, MOVE or GET class; false when it is none of them. */
bool query_model_of(struct str sop_class, enum query_model *out) MUST_USE;

/* What an answer holds for a key. */
enum query_source {
	QUERY_COLUMN,   /* a value of the row */
	QUERY_COUNT,    /* NumberOfPatientRelated…: struct query_counts */
	QUERY_CONSTANT, /* RetrieveAETitle, InstanceAvailability */
	QUERY_EMPTY     /* unsupported at this level: without value */
};

struct query_key {
	uint32_t tag;
	enum vr vr;
	enum query_source source;
	enum column column; /* of QUERY_COLUMN */
	struct str value;   /* UTF-8, trimmed; empty: universal */
	bool decided;       /* the condition of the search is exact */
};

struct query {
	enum query_model model;
	struct search search;
	struct query_key *keys;
	size_t key_count;
	/* PS3.4 C.4.1.1.4: some optional key is not supported. */
	bool unsupported;
	/* The answers need struct query_counts. */
	bool counts;
};

/* A C-FIND identifier. ERR_UNSUPPORTED: there is no such level in the model;
 * ERR_MALFORMED, ERR_LIMIT. Everything lies in the arena. */
bool query_read(struct arena *a, enum query_model model, struct str bytes,
    struct syntax syntax, struct query *out, struct err *e) MUST_USE;
/* A C-GET or C-MOVE identifier: only unique keys count, that of its level must
 * have a value, wild cards are none. The search is for instances. */
bool query_read_retrieve(struct arena *a, enum query_model model,
    struct str bytes, struct syntax syntax, struct query *out,
    struct err *e) MUST_USE;

/* What a batch of rows may take at most, were every value of the longest: no
 * data that somebody stored can make a search fail for others. */
size_t query_rows_budget(const struct query *q);
/* Does the row match all keys? */
bool query_matches(const struct query *q, struct arena *scratch,
    const struct index_row *row) MUST_USE;

/* Related to the row's patient. */
struct query_counts {
	uint64_t studies, series, instances;
	bool known;
};
/* The answer for a row; NULL past the arena's budget. counts may be NULL. */
struct dataset *query_answer(const struct query *q, struct arena *a,
    const struct index_row *row, const struct query_counts *counts,
    const char *retrieve_ae) MUST_USE;

/* "PATIENT", "STUDY", "SERIES", "IMAGE". */
const char *query_level_name(enum index_level level);

#endif
