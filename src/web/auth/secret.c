/*
 * Secrets, see secret.h. Random letters are drawn without bias: bytes past the
 * last whole round of the alphabet are thrown away.
 */
#include "web/auth/secret.h"

#include "base/os.h"
#include "base/utf8.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <sodium.h>

#define PASSES      3
#define MEMORY      (64UL << 20)
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

static size_t
characters(struct str s)
{
	size_t i, n = 0;

	for (i = 0; i < s.n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			n++;
	return n;
}

bool
password_check(struct str password, struct err *e)
{
	size_t n = characters(password);

	if (!utf8_valid(password) || memchr(password.p, 0, password.n) != NULL)
		return fail(e, ERR_USAGE, "a password is UTF-8 text");
	if (n < PASSWORD_LEAST || n > PASSWORD_MOST)
		return fail(e, ERR_USAGE, "a password has %d to %d characters",
		    PASSWORD_LEAST, PASSWORD_MOST);
	return true;
}

static pthread_once_t ready = PTHREAD_ONCE_INIT;
static char nobodys[crypto_pwhash_STRBYTES];

static void
get_ready(void)
{
	char text[33];

	must(sodium_init() >= 0);
	secret_text(text, 32);
	if (crypto_pwhash_str_alg(nobodys, text, 32, PASSES, MEMORY,
		crypto_pwhash_ALG_ARGON2ID13) != 0)
		nobodys[0] = '\0';
}

bool
password_hash(struct str password, char out[PASSWORD_ROOM], struct err *e)
{
	_Static_assert(PASSWORD_ROOM >= crypto_pwhash_STRBYTES, "room");

	must(pthread_once(&ready, get_ready) == 0);
	if (crypto_pwhash_str_alg(out, (const char *)password.p, password.n,
		PASSES, MEMORY, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return fail(e, ERR_IO, "no memory for hashing a password");
	return true;
}

bool
password_verify(struct str password, const char *hash)
{
	bool none = hash == NULL || hash[0] == '\0';
	bool same;

	must(pthread_once(&ready, get_ready) == 0);
	same = crypto_pwhash_str_verify(none ? nobodys : hash,
		   (const char *)password.p, password.n) == 0;
	return same && !none;
}

unsigned
password_strength(struct str s)
{
	bool lower = false, upper = false, digit = false, other = false;
	size_t i, n = characters(s), kinds;

	for (i = 0; i < s.n; i++) {
		lower |= s.p[i] >= 'a' && s.p[i] <= 'z';
		upper |= s.p[i] >= 'A' && s.p[i] <= 'Z';
		digit |= s.p[i] >= '0' && s.p[i] <= '9';
		other |= s.p[i] < '0' || s.p[i] > 'z' ||
			 (s.p[i] > '9' && s.p[i] < 'A') ||
			 (s.p[i] > 'Z' && s.p[i] < 'a');
	}
	kinds = (size_t)lower + upper + digit + other;
	if (n < PASSWORD_LEAST)
		return 0;
	n = n / 6 + kinds - 1;
	return n > 4 ? 4 : (unsigned)n;
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
