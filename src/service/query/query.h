/*
 * Query/Retrieve identifiers (PS3.4 C.2.2 and C.6): from a request's data set
 * to a search of the index, and from a row of the index to an answer's data
 * set.
 *
 * The conditions of the search only narrow; query_matches() decides, by the
 * rules of dicom/match.h. What the index does not hold is read from the file
 * of the row's first instance (query_file_read()), after the rest has matched.
 * Lenient where peers are: unique keys of the levels above may be missing, and
 * other keys of these levels count. Keys of levels below are unsupported, but
 * in relational queries; there the files of the entity's instances may have to
 * be looked into (at the levels STUDY and SERIES).
 */
#ifndef SERVICE_QUERY_H
#define SERVICE_QUERY_H

#include "dicom/keys.h"
#include "store/index/index.h"

enum query_model {
	QUERY_PATIENT_ROOT,
	QUERY_STUDY_ROOT,
	QUERY_PATIENT_STUDY_ONLY /* retired; no levels below STUDY */
};
/* The model of a FIND, MOVE or GET class; false when it is none of them. */
bool query_model_of(struct str sop_class, enum query_model *out) MUST_USE;

/* What was negotiated (PS3.4 C.5.1.1). */
struct query_options {
	bool relational;
	bool date_time;    /* a date and its time are one moment */
	bool fuzzy;        /* names by the beginnings of their parts */
	bool empty_values; /* two quotation marks ask for emptiness */
};
/* From the accepted item; and the answer to a proposed one: its length. */
struct query_options query_options(struct str extended);
size_t query_extended(struct str proposed, uint8_t *answer, size_t room);

/* What an answer holds for a key. */
enum query_source {
	QUERY_COLUMN,   /* a value of the row */
	QUERY_COUNT,    /* NumberOfPatientRelated…: struct index_counts */
	QUERY_CONSTANT, /* RetrieveAETitle, InstanceAvailability */
	QUERY_FILE,     /* of the first instance's file */
	QUERY_EMPTY     /* unsupported at this level: not answered */
};

struct query_key {
	struct key key;
	enum query_source source;
	enum column column; /* of QUERY_COLUMN */
	bool decided;       /* nothing is left to compare */
	/* Date-time matching: of a date the index of its time in keys; both
	 * are decided. */
	size_t time;
	bool moment;
};

struct query {
	enum query_model model;
	struct query_options options;
	struct search search;
	struct query_key *keys;
	size_t key_count;
	struct str charset; /* of the identifier, for the answers */
	/* PS3.4 C.4.1.1.4: some optional key is not supported. */
	bool unsupported;
	/* A date or time that is none. wrong: a range, which matches nothing;
	 * odd: a value that only its like matches. NULL: none. */
	const struct key *wrong, *odd;
	/* The answers need struct index_counts. */
	bool counts;
	/* Some key is QUERY_FILE; one of them may not match; one of them is of
	 * a level below (relational), so any instance's file may fit. */
	bool file, file_demands, deep;
	bool zone;         /* (0008,0201) is asked for */
	uint32_t stop_tag; /* the files need not be read from here on */
};

/* A C-FIND identifier. options: NULL for none. ERR_UNSUPPORTED: there is no
 * such level in the model; ERR_MALFORMED, ERR_LIMIT. Everything lies in the
 * arena. */
bool query_read(struct arena *a, enum query_model model,
    const struct query_options *options, struct str bytes, struct syntax syntax,
    struct query *out, struct err *e) MUST_USE;
/* What to tell of a key that is query.wrong or query.odd. Always false. */
bool query_fail_key(const struct key *key, struct err *e) MUST_USE;
/* A C-GET or C-MOVE identifier: only unique keys count, and the issuer of the
 * patient ID; that of its level must have a value, wild cards are none. The
 * search is for instances. */
bool query_read_retrieve(struct arena *a, enum query_model model,
    struct str bytes, struct syntax syntax, struct query *out,
    struct err *e) MUST_USE;

/* What a batch of rows may take at most, were every value of the longest: no
 * data that somebody stored can make a search fail for others. */
size_t query_rows_budget(const struct query *q);

/* What a query keeps of one file, at most. */
#define QUERY_FILE_ARENA (8 * MIB)
/* The attributes of a file that some key asks for. */
struct query_file {
	const struct dataset *ds;
	struct str charset;
};
/* Of the row's file, which is read up to the last of them. ERR_LIMIT when they
 * are too large. */
bool query_file_read(const struct query *q, struct store *store,
    const struct index_row *row, struct arena *a, struct query_file *out,
    struct err *e) MUST_USE;

/* Does the row match all keys that the index knows? */
bool query_matches(const struct query *q, struct arena *scratch,
    const struct index_row *row) MUST_USE;
/* … and its file the others? */
bool query_matches_file(const struct query *q, struct arena *scratch,
    const struct index_row *row, const struct query_file *file) MUST_USE;
/* … and the counts of its patient? */
bool query_matches_counts(
    const struct query *q, const struct index_counts *counts) MUST_USE;

/* What an answer is made of; counts and file may be NULL. */
struct query_found {
	const struct index_row *row;
	const struct index_counts *counts;
	const struct query_file *file;
	const char *retrieve_ae;
};
/* The answer, in its character set; NULL past the arena's budget. */
struct dataset *query_answer(const struct query *q, struct arena *a,
    const struct query_found *found) MUST_USE;

/* The search for the instances of a row's entity. False past the arena's
 * budget. */
bool query_search_below(const struct query *q, struct arena *a,
    const struct index_row *row, struct search *out) MUST_USE;
/* "PATIENT", "STUDY", "SERIES", "IMAGE". */
const char *query_level_name(enum index_level level);
/* The unique key of a level. */
enum column query_key_column(enum index_level level);
/* The highest level of a model. */
enum index_level query_top_level(enum query_model model);

#endif
