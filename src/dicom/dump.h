/*
 * Data sets as text for people, one element a line:
 *
 *   (0010,0010) PN [DOE^JOHN]  # 8, 1 PatientName
 *
 * with the length as written, the number of values and the keyword behind the
 * '#'. Items of sequences are indented. Text is decoded to UTF-8, control
 * characters are written as \xNN, long values are cut with an ellipsis: a line
 * holds nothing that could forge another.
 */
#ifndef DICOM_DUMP_H
#define DICOM_DUMP_H

#include "dicom/dataset.h"

/* Append the data set. charset: the value of (0008,0005) that holds where the
 * data set and its items have none. ERR_LIMIT when out's cap is passed. */
bool dump_dataset(struct buf *out, const struct dataset *ds, struct str charset,
    struct err *e);

/* Append a whole Part 10 file: where it has one its meta header, then the data
 * set, without values above LIMIT_HEADER_VALUE. */
bool dump_file(struct buf *out, struct str bytes, struct err *e);

#endif
