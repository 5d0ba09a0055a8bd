/*
 * Secrets, see secret.h. Random letters are drawn without bias: bytes past the
 * last whole round of the alphabet are thrown away.
 */
#include "web/auth/secret.h"

#include "base/os.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <sodium.h>

#define TOTP_STEP_S 30

void
secret_text(char *out, size_t n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789";
	const unsigned all = sizeof(alphabet) - 1;
	uint8_t byte[64];
	size_t at = sizeof(byte), i = 0;

	while (i < n) {
		if (at == sizeof(byte)) {
			os_random(byte, sizeof(byte));
			at = 0;
		}
		if (byte[at] < 256 / all * all)
			out[i++] = alphabet[byte[at] % all];
		at++;
	}
	out[n] = '\0';
	explicit_bzero(byte, sizeof(byte));
}

void
secret_hash(struct str text, uint8_t out[32])
{
	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, text.p, text.n, out) == 0);
}

bool
secret_same(struct str a, struct str b)
{
	return a.n == b.n && sodium_memcmp(a.p, b.p, a.n) == 0;
}

void
totp_text(const uint8_t secret[20], char out[TOTP_SECRET_TEXT])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned bits = 0, n = 0;
	size_t i, at = 0;

	for (i = 0; i < 20; i++) {
		bits = bits << 8 | secret[i];
		for (n += 8; n >= 5; n -= 5)
			out[at++] = alphabet[bits >> (n - 5) & 31];
	}
	out[at] = '\0';
}

/* RFC 4226 5.3 */
static uint32_t
code_of(const uint8_t secret[20], int64_t step)
{
	uint8_t counter[8], mac[20];
	size_t i, at;

	for (i = 0; i < 8; i++)
		counter[i] = (uint8_t)(step >> (56 - 8 * i));
	must(gnutls_hmac_fast(GNUTLS_MAC_SHA1, secret, 20, counter, 8, mac) ==
	     0);
	at = mac[19] & 15;
	return ((uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
		   (uint32_t)mac[at + 2] << 8 | mac[at + 3]) %
	       1000000;
}

int64_t
totp_step(const uint8_t secret[20], struct str code, int64_t utc_ms)
{
	int64_t now = utc_ms / 1000 / TOTP_STEP_S, step, found = -1;
	char text[8];

	for (step = now - 1; step <= now + 1; step++) {
		snprintf(text, sizeof(text), "%06u",
		    (unsigned)code_of(secret, step));
		if (secret_same(code, str_of(text, 6)))
			found = step;
	}
	return found;
}
