/*
 * Specific Character Set (0008,0005), PS3.3 C.12.1.1.2 and PS3.5 6.1: every
 * defined term, single-byte, multi-byte and ISO 2022 with code extensions,
 * to UTF-8 and back. Delimiters (\ ^ =, and control characters) are found
 * after decoding and reset the active sets where PS3.5 6.1.2.5.3 says so.
 */
#ifndef DICOM_CHARSET_H
#define DICOM_CHARSET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Decode text to UTF-8 into out. charset: the value of (0008,0005), maybe
 * empty, maybe several values, maybe misspelt ("ISO-IR 100", "UTF-8" are
 * understood). person_name: the value is PN (delimiters ^ and = reset too).
 * Never fails: bytes that do not decode become U+FFFD, an unknown charset is
 * read as UTF-8 where that is valid, else as Latin-1; *lossy (may be NULL)
 * tells. Output is valid UTF-8 without NUL. */
void charset_decode(struct str charset, struct str text, bool person_name,
    struct buf *out, bool *lossy);
/* As above into an arena; ASCII without escapes is returned as it is. */
struct str charset_to_utf8(
    struct arena *a, struct str charset, struct str text, bool person_name);
/* Encode UTF-8 in one of the single-valued sets without extensions
 * ("", "ISO_IR 100" … "ISO_IR 192", "GB18030", "GBK"); false if a
 * character does not fit. */
bool charset_encode(
    struct str charset, struct str utf8, struct buf *out) MUST_USE;
/* Encode UTF-8 under any value of (0008,0005), code extensions included (PS3.5
 * 6.1.2.5). person_name: the value is PN, whose delimiters ^ and = end what was
 * designated. What is encoded decodes to the same; false, and nothing in out,
 * if a character is in none of the sets. */
bool charset_encode_2022(struct str charset, struct str utf8, bool person_name,
    struct buf *out) MUST_USE;
/* True if all values of charset are defined terms of PS3.3 C.12.1.1.2. */
bool charset_known(struct str charset);

#endif
