/*
 * Character sets of messages: MSH-18 (HL7 table 0211, and what is met in the
 * field) to UTF-8.
 */
#ifndef HL7_ENCODING_H
#define HL7_ENCODING_H

#include "base/buf.h"
#include "base/err.h"

/* The name iconv knows for a value of MSH-18 or of the setting hl7.charset:
 * "8859/1" gives "ISO-8859-1". NULL when it is unknown or empty. */
const char *encoding_name(struct str msh18);
/* Bytes to UTF-8; what does not decode becomes U+FFFD and sets *lossy. */
void encoding_decode(
    const char *name, struct str bytes, struct buf *out, bool *lossy);
/* Back; false when a character does not fit. */
bool encoding_back(const char *name, struct str utf8, struct buf *out);
/* Which set the bytes of a message are in: MSH-18 where it is known, a byte
 * order mark, UTF-16 by its zeros, UTF-8 where the fallback is a Latin set of
 * single bytes and the text can be it, else fallback. */
const char *encoding_of(struct str message, const char *fallback);

#endif
