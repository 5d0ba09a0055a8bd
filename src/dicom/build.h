/*
 * Data sets to bytes (PS3.5 section 7): even lengths, padded by VR, sequences
 * and items with defined lengths, group lengths left out (but for group 2,
 * see file.h, and command sets, see net/dimse).
 */
#ifndef DICOM_BUILD_H
#define DICOM_BUILD_H

#include "dicom/dataset.h"

/* Append the data set in an uncompressed or deflated syntax; ERR_LIMIT when
 * out's cap is passed. */
bool build_dataset(struct buf *out, const struct dataset *ds,
    struct syntax syntax, struct err *e);
/* The VR under which a value of this (even) length is written: UN where the
 * explicit VR's length field has no room for it (PS3.5 6.2.2 note 1), and
 * where there is none. */
enum vr build_vr(enum vr vr, uint32_t length, struct syntax syntax);
/* One element header (tag, VR, length field); no VR for items and delimiters.
 */
void build_header(struct buf *out, uint32_t tag, enum vr vr, uint32_t length,
    struct syntax syntax);
/* One element with a little endian value, padded. */
void build_element(struct buf *out, uint32_t tag, enum vr vr, struct str value,
    struct syntax syntax);

#endif
