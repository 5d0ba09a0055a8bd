/*
 * Secrets: random ones as text, their hashes, and the second factor.
 */
#ifndef WEB_AUTH_SECRET_H
#define WEB_AUTH_SECRET_H

#include "base/err.h"
#include "base/str.h"

/* n letters and digits from the system's random source; out has n + 1. */
void secret_text(char *out, size_t n);
void secret_hash(struct str text, uint8_t out[32]);
/* In a time that does not tell where they differ. */
bool secret_same(struct str a, struct str b);

/* RFC 6238: six digits for 30 seconds, by SHA-1, as every telephone has it. */
#define TOTP_SECRET_TEXT 33 /* 20 bytes in base 32 */
void totp_text(const uint8_t secret[20], char out[TOTP_SECRET_TEXT]);
/* The step whose code it is, one before and one after now are allowed, or -1.
 */
int64_t totp_step(const uint8_t secret[20], struct str code, int64_t utc_ms);

#endif
