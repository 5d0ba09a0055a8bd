/*
 * Re-encode a data set among the uncompressed transfer syntaxes (implicit and
 * explicit VR little endian, explicit VR big endian, deflated), streaming:
 * bytes in, bytes out through a sink, bounded memory. Sequences and items that
 * are not empty come out with undefined lengths (one that would change cannot
 * be told before its end), group lengths are dropped, odd lengths padded,
 * values swapped by their VR's unit. From implicit VR the dictionary gives the
 * VR (the first of several; OW for Pixel Data), UN where it has none and where
 * a 16-bit length has no room (PS3.5 6.2.2); UN of undefined length comes out
 * as SQ. A data set with encapsulated Pixel Data fails with ERR_UNSUPPORTED.
 */
#ifndef DICOM_CONVERT_H
#define DICOM_CONVERT_H

#include "dicom/parse.h"

typedef bool convert_sink(void *ctx, struct str bytes, struct err *e);

struct convert;
struct convert *convert_new(
    struct syntax from, struct syntax to, convert_sink *sink, void *ctx);
void convert_free(struct convert **);
bool convert_feed(struct convert *, struct str part, struct err *) MUST_USE;
bool convert_end(struct convert *, struct err *) MUST_USE;
/* Whether from -> to is possible at all. */
bool convert_possible(struct syntax from, struct syntax to);

#endif
