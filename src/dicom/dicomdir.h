/*
 * DICOMDIR: the directory of a medium (PS3.3 Annex F, PS3.10 8.6), built of
 * patients, studies, series and instances. Types of records, their keys and the
 * classes they stand for are the tables of dicomdir.def.
 *
 * The records are built as they are added and lie elsewhere (struct
 * dicomdir_room) until the file is written, when every offset is known: a
 * record takes some 40 bytes of memory, whatever it holds. What is written is
 * a Part 10 file, the same for the same records in the same order; records
 * without a file below them are left out.
 */
#ifndef DICOM_DICOMDIR_H
#define DICOM_DICOMDIR_H

#include "dicom/dataset.h"

enum directory_type {
#define DIRECTORY_RECORD(type, name) DIRECTORY_##type,
#include "dicom/dicomdir.def"
	DIRECTORY_TYPES
};

struct directory_entry {
	enum directory_type type;
	/* The attributes its keys are taken of, texts in UTF-8; others are
	 * passed over. NULL: none is known. */
	const struct dataset *from;
	struct str charset; /* of the record, if that holds its texts */
	/* What a key of type 1 gets that has no value. */
	unsigned number;
	struct str name;
	/* Of a record with a file; file_id with '\' between its components.
	 * The file has the record's instance in this transfer syntax. */
	struct str file_id, sop_class, sop_instance, syntax;
};

/* The record for an instance of this class; ds may be NULL. */
enum directory_type directory_type(
    struct str sop_class, const struct dataset *ds);
/* Its name in the standard: "RT DOSE". */
const char *directory_type_name(enum directory_type type);
/* In the root directory entity, not in a series (Table F.4-1). */
bool directory_type_is_root(enum directory_type type);
/* Whether some record is made of this attribute of an instance, and from which
 * tag on an instance of this class needs not be read. */
bool directory_wanted(uint32_t tag);
uint32_t directory_stop_tag(struct str sop_class);
/* A file ID of PS3.10 8.2: up to 8 components of 1 to 8 of A-Z 0-9 _. */
bool directory_file_id_valid(struct str file_id);

/* Appends a record, an item with its header. Where the sequences of an object
 * are too large the record is made without them. */
bool directory_build(struct buf *out, const struct directory_entry *entry,
    struct err *e) MUST_USE;

/* Where records lie: bytes at the end, and bytes of those again. */
struct dicomdir_room {
	bool (*append)(void *ctx, struct str bytes, struct err *e);
	bool (*read)(
	    void *ctx, uint64_t at, uint8_t *p, size_t n, struct err *e);
	void *ctx;
};

struct dicomdir;

/* file_set_id: up to 16 characters of A-Z 0-9 _ and space. */
struct dicomdir *dicomdir_new(
    const char *file_set_id, const struct dicomdir_room *room);
void dicomdir_free(struct dicomdir **);

#define DICOMDIR_ROOT UINT32_MAX
/* Below 'parent'; *out is what others are added below. Series and instances
 * stand in the order of their numbers, else as they came. */
bool dicomdir_add(struct dicomdir *, uint32_t parent,
    const struct directory_entry *entry, uint32_t *out, struct err *e) MUST_USE;

/* The file, in parts. ERR_LIMIT past 4 GiB, where its offsets end. */
typedef bool dicomdir_sink(void *ctx, struct str part, struct err *e);
bool dicomdir_write(
    struct dicomdir *, dicomdir_sink *sink, void *ctx, struct err *e) MUST_USE;

#endif
