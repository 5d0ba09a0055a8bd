/*
 * The index: patients, studies, series, instances; what they can be searched
 * by is columns.def. Values are UTF-8; dates and times as DICOM wrote them
 * (dates normalised to YYYYMMDD). No cursor stays open while rows are sent:
 * rows come in batches and go on by key.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "store/store.h"

enum index_level { LEVEL_PATIENT, LEVEL_STUDY, LEVEL_SERIES, LEVEL_INSTANCE };

enum column {
#define COLUMN(level, keyword, kind) COLUMN_##keyword,
#include "store/index/columns.def"
#undef COLUMN
	COLUMN_COUNT
};

enum column_kind {
	COLUMN_KIND_UID,
	COLUMN_KIND_CODE,
	COLUMN_KIND_TEXT,
	COLUMN_KIND_NAME,
	COLUMN_KIND_DATE,
	COLUMN_KIND_TIME,
	COLUMN_KIND_INT,
	COLUMN_KIND_MADE
};

struct column_info {
	enum index_level level;
	uint32_t tag;
	enum column_kind kind;
	const char *keyword;
};
const struct column_info *column_info(enum column c);
/* COLUMN_COUNT when the attribute is not indexed. */
enum column column_of_tag(uint32_t tag);

enum condition_kind {
	CONDITION_IS,     /* equal; names by folded key, any component group */
	CONDITION_ROW,    /* of PatientID: the patient's row, its id in 'row' */
	CONDITION_OWNER,  /* of StudyInstanceUID: uploaded by the user 'row' */
	CONDITION_PREFIX, /* a: what stands before the first wild card */
	CONDITION_PATTERN, /* a: with * and ?; names folded on both sides */
	/* a: with * and ?, of TEXT; case and accents do not count. Slower. */
	CONDITION_FOLDED,
	/* a: of NAME; some part (family name, given names, each word of these)
	 * begins so. */
	CONDITION_PART_BEGINS,
	CONDITION_RANGE,  /* a to b inclusive, either may be empty */
	CONDITION_ANY_OF, /* list: UIDs or single values */
	/* ModalitiesInStudy: some series has a modality that fits a, or one of
	 * the list if there is one; each may have wild cards. */
	CONDITION_MODALITY,
	/* SOPClassesInStudy: some instance is of class a, or of one of the
	 * list. */
	CONDITION_CLASS,
	/* StudyDate with StudyTime, SeriesDate with SeriesTime, as one moment:
	 * from date a at time_a to date b at time_b, inclusive. An empty date
	 * is open, an empty time is the begin or end of the day. What has a
	 * date but no time fits the days of both ends. */
	CONDITION_DATE_TIME
};
struct condition {
	enum column column;
	enum condition_kind kind;
	struct str a, b;
	struct str time_a, time_b; /* CONDITION_DATE_TIME */
	const struct str *list;
	size_t list_count;
	int64_t row; /* CONDITION_ROW, CONDITION_OWNER */
};

struct search {
	enum index_level level; /* of the rows wanted */
	const struct condition *conditions;
	size_t count;
	/* What to fill in of each row; others may stay empty. */
	bool want[COLUMN_COUNT];
	/* Also path, syntax and size of an instance: at levels above that of
	 * the entity's first one (the lowest id), which stands for all; in a
	 * relational search with conditions below, of the chain that fits. */
	bool want_file;
	/* Also the id of the patient, for index_patient_counts(). */
	bool want_patient;
	/* Relational (PS3.4 C.4.1.2.2.2): conditions may be of levels below;
	 * a row fits when one and the same chain of rows under it fits all of
	 * these. Wanted columns below are those of the first chain that fits.
	 */
	bool relational;
};

struct index_row {
	int64_t id;      /* of the level's table */
	int64_t patient; /* with want_patient */
	/* This level's and those above; relational: all that are wanted. */
	struct str value[COLUMN_COUNT];
	/* LEVEL_INSTANCE, or with want_file: */
	struct str path, syntax; /* NUL-terminated */
	uint64_t size;           /* of the data set */
	int64_t crc32;           /* likewise; -1: see object_checksum() */
};

/* Up to LIMIT_ROWS rows with id > after_id in id order; memory from the arena.
 * *n < LIMIT_ROWS means there are no more. Rows may hold more than the
 * conditions ask for PATTERN conditions only where exactness would need a
 * scan: the caller filters with match_value(). */
bool index_search(struct store *, const struct search *, int64_t after_id,
    struct arena *a, struct index_row **rows, size_t *n,
    struct err *e) MUST_USE;

/* An order of rows that people look at. Rows of the same place are in the order
 * of their ids. */
enum index_order {
	ORDER_ARRIVED, /* of a study or patient: the id */
	ORDER_DATE,    /* of a study: date and time */
	ORDER_NAME,    /* of the patient, as it is written */
	ORDER_ID       /* of patients: the Patient ID */
};
struct listing {
	enum index_order order;
	bool descending;
	size_t max; /* rows, at most LIMIT_ROWS */
	/* Behind the row with these keys and this id, which index_list() gave;
	 * after_id 0: from the begin. */
	struct str after_a, after_b;
	int64_t after_id;
};
/* As index_search(), in an order, LEVEL_PATIENT or LEVEL_STUDY. *last gets the
 * keys of the last row; after_id 0: there is none behind it. */
bool index_list(struct store *, const struct search *, const struct listing *,
    struct arena *a, struct index_row **rows, size_t *n, struct listing *last,
    struct err *e) MUST_USE;

/* The instance with this SOP Instance UID; ERR_MISSING. */
bool index_instance(struct store *, struct str sop_instance, struct arena *a,
    struct index_row *out, struct err *e) MUST_USE;

/* Related to a patient (index_row.patient, or the id of a row of
 * LEVEL_PATIENT), who is one identity: ID and issuer. None is no failure. */
struct index_counts {
	uint64_t studies, series, instances;
};
bool index_patient_counts(struct store *, int64_t patient,
    struct index_counts *out, struct err *e) MUST_USE;

#endif
