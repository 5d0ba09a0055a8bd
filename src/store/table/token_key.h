/*
 * DATA/token.key: the key under which tokens are kept, 64 hex digits, made
 * once and never overwritten. A copy of the database without it shows none.
 *
 * Table state holds the number of the key in force ('token_key'), so that a
 * lost or foreign file is noticed before anything is sealed with another.
 */
#ifndef STORE_TABLE_TOKEN_KEY_H
#define STORE_TABLE_TOKEN_KEY_H

#include "store/db.h"
#include "store/store.h"

#define TOKEN_KEY_BYTES 32
#define TOKEN_SEALED    (12 + 64 + 16) /* nonce, token, tag */

struct token_key {
	uint8_t bytes[TOKEN_KEY_BYTES];
	int64_t number; /* what table state names it by */
	bool there;     /* else no token was ever made */
};

/* The key in force. ERR_DENIED in words when it is not the file's. */
bool token_key_find(
    struct store *, struct db *, struct token_key *out, struct err *e) MUST_USE;
/* The same within a transaction; makes and flushes the first one. */
bool token_key_need(
    struct store *, struct db *, struct token_key *out, struct err *e) MUST_USE;
/* Within a transaction: the file's key, made if there is none, from now on.
 * ERR_CONFLICT when it is in force already. */
bool token_key_renew(struct store *, struct db *, struct err *e) MUST_USE;
void token_key_forget(struct token_key *);

/* The study belongs to what is sealed: rows that were exchanged do not open. */
void token_seal(const struct token_key *, struct str study,
    const char token[65], uint8_t out[TOKEN_SEALED]);
/* False when it was sealed with another key. */
bool token_unseal(const struct token_key *, struct str study, struct str sealed,
    char token[65]) MUST_USE;

#endif
