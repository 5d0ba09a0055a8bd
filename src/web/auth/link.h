/*
 * Patients' links (F78-F84): a token opens one study, for as long as the
 * settings say.
 */
#ifndef WEB_AUTH_LINK_H
#define WEB_AUTH_LINK_H

#include "store/index/index.h"
#include "store/table/token.h"
#include "web/http/call.h"

/* What names a link in its cookie's name and its page's address, where neither
 * token nor study is to stand: so that several are open side by side. */
#define LINK_NAME 17
void link_name(struct str study, char out[LINK_NAME]);

/* The study of a token that is open now, and until when (0: for ever). False:
 * the reply says why not; unknown tokens count as failures of the address. */
bool link_open(
    struct call *c, struct reply *r, struct str token, struct token_study *out);
/* Is this the date of birth of the study's patient (YYYYMMDD, or with other
 * characters between)? On failure the reply says it: wrong, too often, or that
 * there is none to compare with. */
bool link_answer(struct call *c, struct reply *r, const struct index_row *study,
    struct str date);
/* Until when the token of a study is open; 0: for ever, 1: it never is. */
bool link_until(struct call *c, const struct token_study *t, int64_t *until_ms,
    struct err *e) MUST_USE;

#endif
