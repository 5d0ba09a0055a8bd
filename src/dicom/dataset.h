/*
 * A data set in memory: a tree of elements in an arena, each list in the order
 * of its tags (a repeated tag: the first wins). Values are slices of the
 * arena, little endian and without trailing padding removed: as written.
 */
#ifndef DICOM_DATASET_H
#define DICOM_DATASET_H

#include "base/arena.h"
#include "base/buf.h"
#include "dicom/parse.h"

struct dataset;

struct element {
	uint32_t tag;
	enum vr vr;
	struct str value;      /* empty for sequences and skipped values */
	uint32_t length;       /* as written; tells skipped from empty */
	bool skipped;          /* value was larger than the reader's cap */
	struct dataset *items; /* linked by 'next'; NULL for no items */
	size_t item_count;
	struct dataset *last_item; /* NULL for no items */
};

struct dataset {
	struct element *elements;
	size_t n, room;
	struct dataset *next; /* the next item of the same sequence */
	struct arena *arena;
};

struct dataset *dataset_new(struct arena *a); /* NULL past the budget */

/* Read a whole data set from memory. Values longer than value_cap are skipped
 * (LIMIT_HEADER_VALUE is usual), Pixel Data always. Elements of tag >= stop_tag
 * at the top level end the reading (0 for none). */
bool dataset_read(struct arena *a, struct str bytes, struct syntax syntax,
    size_t value_cap, uint32_t stop_tag, struct dataset **out, struct err *e);

/* The same, fed in parts, for readers from a file or a socket. */
struct dataset_reader;
struct dataset_reader *dataset_reader_new(
    struct arena *a, struct syntax syntax, size_t value_cap, uint32_t stop_tag);
void dataset_reader_free(struct dataset_reader **);
/* Keep of the main data set only what is wanted; the rest is read over and
 * takes no memory. Before the first byte. */
typedef bool dataset_wanted_fn(void *ctx, uint32_t tag);
void dataset_reader_only(
    struct dataset_reader *, dataset_wanted_fn *wanted, void *ctx);
/* *done becomes true when stop_tag was reached: feed no more. */
bool dataset_reader_feed(struct dataset_reader *, struct str part, bool *done,
    struct err *e) MUST_USE;
/* The data set, owned by the arena; after done, or at the end of the bytes. */
bool dataset_reader_end(
    struct dataset_reader *, struct dataset **out, struct err *e) MUST_USE;

/* NULL when absent. */
const struct element *dataset_find(const struct dataset *ds, uint32_t tag);
/* Value without padding, empty when absent. For multiple values the whole,
 * with backslashes. */
struct str dataset_str(const struct dataset *ds, uint32_t tag);
/* The first value of a US, UL, SS, SL, IS, or false. */
bool dataset_int(const struct dataset *ds, uint32_t tag, int64_t *out);

/* Building: inserts in tag order, replacing an element of the same tag. The
 * value is copied. False past the arena's budget. */
bool dataset_put(
    struct dataset *ds, uint32_t tag, enum vr vr, struct str value);
bool dataset_put_text(
    struct dataset *ds, uint32_t tag, enum vr vr, const char *text);
bool dataset_put_u16(struct dataset *ds, uint32_t tag, uint16_t v); /* US */
bool dataset_put_u32(struct dataset *ds, uint32_t tag, uint32_t v); /* UL */
/* A new empty item at the end of sequence tag (made if absent). */
struct dataset *dataset_put_item(struct dataset *ds, uint32_t tag);

#endif
