/*
 * The token queries of a HIS (F70-F75): a Study Instance UID or a Patient ID
 * between 0x10 and 0x0D, answered by tokens of studies. Unknown is answered
 * by 0x10 0x0D; the form has no other words.
 *
 *   study    0x10 token 0x0D
 *   patient  0x10, for each study, newest first, its lines, each ended by
 *            0x0D, then one more 0x0D. Lines of 2023: UID, token; of 2024:
 *            UID, date, description, token.
 */
#ifndef SERVICE_HL7_TOKEN_QUERY_H
#define SERVICE_HL7_TOKEN_QUERY_H

#include "base/buf.h"
#include "store/table/token.h"

/* Appends the answer. query: what stands between 0x10 and 0x0D, in the
 * character set that the setting hl7.charset names; descriptions leave in
 * it. Every token is on disk when it returns. Never fails: what goes wrong is
 * logged and answered as unknown. Nothing of a token or a patient is logged. */
void token_query_answer(struct store *, struct str query, bool form_2023,
    const char *charset, struct arena *a, struct buf *out);

/* Its parts, pure. The text of a query as UTF-8; "" when it cannot be one. */
struct str token_query_text(
    struct str query, const char *charset, struct arena *a);
/* The answer for a patient. */
void token_query_put(struct buf *out, const struct token_study *v, size_t n,
    bool form_2023, const char *charset);

#endif
