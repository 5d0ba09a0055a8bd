/*
 * Passwords of users: what they must be, their hashes, and whether one is
 * right.
 */
#ifndef STORE_TABLE_PASSWORD_H
#define STORE_TABLE_PASSWORD_H

#include "base/err.h"
#include "base/str.h"

#define PASSWORD_LEAST 8
#define PASSWORD_MOST  1024
#define PASSWORD_ROOM  128 /* of its hash */

/* 8 to 1,024 characters of UTF-8 (F95). */
bool password_check(struct str password, struct err *e) MUST_USE;
/* argon2id, 64 MiB and three passes; ERR_IO without that memory. */
bool password_hash(
    struct str password, char out[PASSWORD_ROOM], struct err *e) MUST_USE;
/* hash NULL or "": takes as long, and is false. */
bool password_verify(struct str password, const char *hash) MUST_USE;
/* 0 (weak) to 4, by length and variety: a hint. */
unsigned password_strength(struct str password);

#endif
