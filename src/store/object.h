/*
 * One object: receive it, commit it, read it again.
 *
 * object_begin → object_write… → object_commit, or object_abort at any time
 * before commit has returned. object.c opens with the commit protocol as
 * numbered invariants.
 */
#ifndef STORE_OBJECT_H
#define STORE_OBJECT_H

#include "dicom/parse.h"
#include "store/store.h"

/* Where a stream of objects comes from: one an association or import thread,
 * used by one thread at a time. Caches keys of patient, study and series and
 * the folder last used. */
struct intake;
struct intake *intake_new(struct store *, const char *source_ae);
void intake_free(struct intake **);

struct object_header {
	struct str sop_class;    /* what the sender says; may be empty */
	struct str sop_instance; /* likewise; may be empty or invalid */
	struct str syntax;       /* transfer syntax of the data set's bytes */
	uint64_t size_hint;      /* 0 when unknown */
};

struct object;

/* ERR_FULL below the reserve, ERR_IO when the store is read-only. */
bool object_begin(struct intake *, const struct object_header *,
    struct object **out, struct err *e) MUST_USE;
/* Parses, hashes and writes; bounded memory. ERR_MALFORMED, ERR_LIMIT for the
 * data set; ERR_FULL, ERR_IO for the disk. After a failure only object_abort()
 * may follow. */
bool object_write(struct object *, struct str part, struct err *e) MUST_USE;

enum object_outcome {
	OBJECT_STORED,
	OBJECT_SAME,        /* identical to a committed one; nothing stored */
	OBJECT_QUARANTINED, /* differs: the first stays, this one is kept aside
			     */
	OBJECT_REPLACED     /* differs: this one took its place */
};
struct object_result {
	enum object_outcome outcome;
	bool class_mismatch;    /* header and data set name different classes */
	bool instance_mismatch; /* … or instances; the data set's counts */
	char sop_instance[65];
	char study[65];
	uint64_t size; /* of the data set */
};
/* Durable when it returns true: file flushed, row committed. Frees *o in every
 * case. ERR_MALFORMED when the data set does not end here, ERR_CONFLICT when
 * store.duplicate refuses, ERR_FULL, ERR_IO. */
bool object_commit(
    struct object **o, struct object_result *out, struct err *e) MUST_USE;
void object_abort(struct object **o);

/* Reading: opens the file of an index row (instance.path) read-only; checks
 * the meta header. data_at and data_size bound the data set. */
struct object_file {
	int fd;
	uint64_t data_at, data_size;
	char sop_class[65], sop_instance[65], syntax[65], source_ae[17];
	int64_t arrived_ms;
	uint8_t sha256[32];
};
bool object_open(struct store *, const char *path, struct object_file *out,
    struct err *e) MUST_USE;
void object_close(struct object_file *);
/* Re-read all bytes and compare length and hash: ERR_CORRUPT when they differ.
 */
bool object_verify(struct object_file *, struct err *e) MUST_USE;

struct index_row;
/* The CRC-32 of an instance's data set, from its row (index_search with
 * want_file), or where that has none from the file, whose bytes are verified
 * then; the row has it ever after. */
bool object_checksum(struct store *, const struct index_row *row, uint32_t *out,
    struct err *e) MUST_USE;

#endif
