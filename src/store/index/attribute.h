/*
 * From a data set that streams by to a row of the index: the attributes that
 * columns.def names, taken from the main data set while it is parsed, decoded,
 * normalised, and completed where the data set lacks identity.
 *
 * Identity, so that the same object always gives the same:
 *   SOP Instance  the data set's, else the header's, else "2.25." from the
 *                 hash of the data set
 *   Study         else derived from the Series UID, else from who and what the
 *                 study says it is, else from the instance
 *   Series        else derived from the study, modality and series number
 *   patient       Patient ID and issuer; without an ID name and birth date if
 *                 both are there, else the study
 * A UID that breaks the grammar of PS3.5 9.1 is kept as it is if it is at most
 * 64 printable characters without a backslash, else derived from its hash.
 */
#ifndef STORE_ATTRIBUTE_H
#define STORE_ATTRIBUTE_H

#include "base/hasher.h"
#include "base/buf.h"
#include "dicom/parse.h"
#include "store/index/upsert.h"

struct capture {
	struct buf bytes; /* the values found, one after the other */
	struct {
		size_t at, n;
		bool seen;
	} value[COLUMN_COUNT + 1]; /* the last: Specific Character Set */
	int current;               /* the value being taken, or -1 */
};

/* For parse_new(), with a struct capture as context. */
extern const struct parse_events capture_events;

void capture_init(struct capture *c);
void capture_fini(struct capture *c);

struct row_input {
	const struct capture *capture;
	struct str sop_class, sop_instance; /* of the header */
	struct digest digest;               /* of the data set */
};
struct row_mismatch {
	bool sop_class, sop_instance;
};
/* Fills in value, keys, identity and digest of the row; memory from the
 * arena, of at least ROW_ARENA bytes. */
#define ROW_ARENA (4 * MIB)
void row_make(const struct row_input *in, struct arena *a, struct row *out,
    struct row_mismatch *mismatch);

/* A PN has three groups of 64 characters, of four bytes at most (PS3.5 6.2);
 * longer values are not conformant, and a page of 500 rows must stay within
 * the memory of an exchange. */
#define ATTRIBUTE_TEXT_MAX 1024
/* The folded values of a name, each followed by a line end: folding leaves
 * none in them. */
struct str name_keys(struct arena *a, struct str name);

/* How values are written in the index, also for conditions: dates as YYYYMMDD,
 * integers without signs and zeros that mean nothing, others as they are. */
struct str index_text(struct arena *a, enum column_kind kind, struct str utf8);

#endif
