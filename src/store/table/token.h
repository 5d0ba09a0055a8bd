/*
 * Study tokens (F70-F75, F78): 64 letters and digits from the system's random
 * source, one for each study, permanent until revoked. Looked up by SHA-256;
 * the text itself is kept encrypted under DATA/token.key, so that it can be
 * shown again and a copy of the database alone opens nothing.
 */
#ifndef STORE_TABLE_TOKEN_H
#define STORE_TABLE_TOKEN_H

#include "store/store.h"

#define TOKEN_ROOM 65

struct token_study {
	char study[65];
	char token[TOKEN_ROOM];
	char date[9]; /* StudyDate */
	struct str description;
	int64_t issued_ms;
};
/* The token of a study of the archive, made (and flushed) if there is none.
 * ERR_MISSING: no such study. */
bool token_of_study(struct store *, struct str study, struct arena *a,
    struct token_study *out, struct err *e) MUST_USE;
/* Of all studies of a patient, newest study first, at most LIMIT_TOKENS; of
 * this issuer, or of any where it is NULL. Tokens that cannot be shown are "".
 * None is no failure. */
bool token_of_patient(struct store *, struct str patient_id,
    const struct str *issuer, struct arena *a, struct token_study **out,
    size_t *n, struct err *e) MUST_USE;
/* The study of a token: ERR_MISSING when it is unknown, revoked, or its study
 * is gone. Equal time for all that are wrong. */
bool token_resolve(struct store *, struct str token, struct arena *a,
    struct token_study *out, struct err *e) MUST_USE;
/* The next token_of_study() makes another. */
bool token_revoke(struct store *, struct str study, struct err *e) MUST_USE;

#endif
