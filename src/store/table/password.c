/*
 * Passwords, see password.h. Who has none is compared with a hash that nobody
 * knows, so that the time does not tell who is there.
 */
#include "store/table/password.h"

#include "base/os.h"
#include "base/utf8.h"

#include <pthread.h>
#include <sodium.h>

#define PASSES 3
#define MEMORY (64UL << 20)

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

	if (!utf8_valid(password) ||
	    (password.n > 0 && memchr(password.p, 0, password.n) != NULL))
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
	char bytes[32];

	must(sodium_init() >= 0);
	os_random(bytes, sizeof(bytes));
	if (crypto_pwhash_str_alg(nobodys, bytes, sizeof(bytes), PASSES, MEMORY,
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

	if (password.n == 0)
		password = STR(""); /* which is not NULL */
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
