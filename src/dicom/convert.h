/*
 * Re-encode a data set among the uncompressed transfer syntaxes (implicit and
 * explicit VR little endian, explicit VR big endian, deflated), streaming:
 * bytes in, bytes out through a sink, bounded memory. Sequences come out with
 * undefined lengths where the input had them or where a length would change,
 * group lengths are dropped, values are swapped by their VR's unit. A data set
 * with encapsulated Pixel Data fails with ERR_UNSUPPORTED.
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
