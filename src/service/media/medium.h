/*
 * Instances as they stand on a medium (PS3.10 8, PS3.11 Annex D): names of the
 * standard, a DICOMDIR that leads to each, and a README.TXT for people.
 *
 *   DICOMDIR
 *   README.TXT
 *   DICOM/PT000001/ST000001/SE000001/IM000001
 *
 * What the index knows of patient, study and series is what the DICOMDIR says,
 * so corrected names too; the rest is read from the objects' headers. The same
 * instances in the same order give the same bytes. Memory: some 40 bytes an
 * instance and 200 a series, the rest lies in the data folder.
 */
#ifndef SERVICE_MEDIUM_H
#define SERVICE_MEDIUM_H

#include "store/index/index.h"
#include "store/object.h"

struct medium;

struct medium *medium_new(struct store *);
void medium_free(struct medium **);

/* Where an instance's file is to stand. */
struct medium_place {
	struct medium_level *patient, *study, *series;
	unsigned number;
	char path[48]; /* with '/' */
};
/* The row has all columns. A place that gets no file is simply not there. */
bool medium_place(struct medium *m, const struct index_row *row,
    struct medium_place *out, struct err *e) MUST_USE;
/* The file stands there, in this transfer syntax. */
bool medium_add(struct medium *m, const struct index_row *row,
    const struct medium_place *place, const struct object_file *file,
    const char *syntax, struct err *e) MUST_USE;
/* Is this transfer syntax one of a general purpose profile? */
bool medium_syntax_allowed(struct str syntax);
/* How many files are in others; the README names them. */
uint64_t medium_others(const struct medium *m);

/* No more instances: what stands beside them. */
bool medium_end(struct medium *m, struct err *e) MUST_USE;

enum medium_part { MEDIUM_DICOMDIR, MEDIUM_README, MEDIUM_PARTS };
const char *medium_part_name(enum medium_part part);
uint64_t medium_part_size(const struct medium *m, enum medium_part part);
uint32_t medium_part_crc32(const struct medium *m, enum medium_part part);
bool medium_part_read(const struct medium *m, enum medium_part part,
    uint64_t at, uint8_t *p, size_t n, struct err *e) MUST_USE;

#endif
