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
	char token[TOKEN_ROOM]; /* "": it cannot be shown */
	char date[9];           /* StudyDate, or "" */
	struct str description;
	int64_t issued_ms;
	bool there; /* in the archive */
};
/* The token of a study of the archive, made (and flushed) if there is none.
 * ERR_MISSING: no such study. ERR_DENIED: it was made with another key than
 * the one in force, or that key is not the one in its file; the text says
 * what to do. */
bool token_of_study(struct store *, struct str study, struct arena *a,
    struct token_study *out, struct err *e) MUST_USE;
/* Of all studies of a patient, newest study first, at most LIMIT_TOKENS; of
 * this issuer, or of any where it is NULL; an ID without studies that was
 * merged into another means that. None is no failure. Nobody's ID is
 * the empty one. */
bool token_of_patient(struct store *, struct str patient_id,
    const struct str *issuer, struct arena *a, struct token_study **out,
    size_t *n, struct err *e) MUST_USE;
/* The study of a token: ERR_MISSING when it is unknown, revoked, or its study
 * is gone (a study that comes back has its token again). Needs no key. Equal
 * time for all that are wrong. */
bool token_resolve(struct store *, struct str token, struct arena *a,
    struct token_study *out, struct err *e) MUST_USE;
/* The next token_of_study() makes another. ERR_MISSING: it has none. */
bool token_revoke(struct store *, struct str study, struct err *e) MUST_USE;
/* Up to LIMIT_ROWS studies behind this one that have tokens, in the order of
 * their UIDs, without the tokens themselves; fewer: there are no more. */
bool token_list(struct store *, struct str after, struct arena *a,
    struct token_study **out, size_t *n, struct err *e) MUST_USE;
/* Give a lost key up: tokens made with it still resolve, and are not shown any
 * more. ERR_CONFLICT when the file's key is in force. */
bool token_new_key(struct store *, struct err *e) MUST_USE;
/* Whether tokens can be shown; fails as token_of_study() would. */
bool token_check(struct store *, struct err *e) MUST_USE;

#endif
