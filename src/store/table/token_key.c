/*
 * The file token.key, and AES-256-GCM under its key.
 *
 * The file is made within a writing transaction, which is one process at a
 * time, under another name until it is whole and flushed. A crash before the
 * commit leaves a key that nothing was sealed with: the next token takes it.
 */
#include "store/table/token_key.h"

#include "base/limit.h"
#include "base/os.h"
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <unistd.h>

#define FILE_NAME "token.key"
#define PART_NAME "token.key.part"
#define NONCE     12
#define TAG       16
#define TEXT      64
#define HEX       (2 * TOKEN_KEY_BYTES)

static void
set_number(struct token_key *k)
{
	static const char what[] = "number of a token key:";
	uint8_t text[sizeof(what) + TOKEN_KEY_BYTES], digest[32];

	memcpy(text, what, sizeof(what));
	memcpy(text + sizeof(what), k->bytes, TOKEN_KEY_BYTES);
	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, text, sizeof(text), digest) ==
	     0);
	memcpy(&k->number, digest, sizeof(k->number));
	explicit_bzero(text, sizeof(text));
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
take_hex(struct token_key *k, struct str text)
{
	int high, low;
	size_t i;

	while (text.n > 0 && text.p[text.n - 1] <= ' ')
		text.n--;
	if (text.n != HEX)
		return false;
	for (i = 0; i < TOKEN_KEY_BYTES; i++) {
		high = hex_digit(text.p[2 * i]);
		low = hex_digit(text.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		k->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* k->there: whether there is a file. */
static bool
read_file(struct store *s, struct token_key *k, struct err *e)
{
	uint8_t text[HEX + 16];
	bool taken;
	ssize_t n;
	int fd;

	*k = (struct token_key){.there = false};
	fd = os->openat(s->dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return fail_errno(
		    e, "cannot open '%s/" FILE_NAME "'", s->folder);
	n = os_read_full(fd, text, sizeof(text));
	if (n < 0)
		(void)fail_errno(
		    e, "cannot read '%s/" FILE_NAME "'", s->folder);
	os_close(&fd);
	taken = n >= 0 && take_hex(k, str_of(text, (size_t)n));
	explicit_bzero(text, sizeof(text));
	if (n < 0)
		return false;
	if (!taken)
		return fail(e, ERR_CORRUPT,
		    "'%s/" FILE_NAME "' holds no key of 64 hex digits: put it "
		    "back from a copy",
		    s->folder);
	set_number(k);
	k->there = true;
	return true;
}

static bool
write_part(struct store *s, const struct token_key *k, struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	char text[HEX + 1];
	bool ok;
	size_t i;
	int fd;

	for (i = 0; i < TOKEN_KEY_BYTES; i++) {
		text[2 * i] = digits[k->bytes[i] >> 4];
		text[2 * i + 1] = digits[k->bytes[i] & 15];
	}
	text[HEX] = '\n';
	/* Of an interrupted one. */
	(void)os->unlinkat(s->dir_fd, PART_NAME, 0);
	fd = os->openat(s->dir_fd, PART_NAME,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(
		    e, "cannot make '%s/" FILE_NAME "'", s->folder);
	os_inherit(s->dir_fd, PART_NAME, fd);
	ok = os_write_all(fd, str_of(text, sizeof(text))) ||
	     fail_errno(e, "cannot write '%s/" FILE_NAME "'", s->folder);
	ok = ok && store_flush(s, fd, PART_NAME, e);
	os_close(&fd);
	explicit_bzero(text, sizeof(text));
	return ok;
}

static bool
make_file(struct store *s, struct token_key *k, struct err *e)
{
	bool ok;

	os_random(k->bytes, sizeof(k->bytes));
	set_number(k);
	ok = write_part(s, k, e);
	if (ok &&
	    os->rename_new(s->dir_fd, PART_NAME, s->dir_fd, FILE_NAME) != 0)
		ok = fail_errno(e, "cannot make '%s/" FILE_NAME "'", s->folder);
	if (!ok) {
		(void)os->unlinkat(s->dir_fd, PART_NAME, 0);
		return false;
	}
	k->there = true;
	return store_flush(s, s->dir_fd, s->folder, e);
}

static bool
in_force(struct db *db, int64_t *number, bool *found, struct err *e)
{
	return db_get_int(db,
	    "SELECT value FROM state WHERE name = 'token_key'", DB_NO_ARGS,
	    number, found, e);
}

static bool
put_in_force(struct db *db, int64_t number, struct err *e)
{
	return db_exec(db,
	    "INSERT OR REPLACE INTO state (name, value)"
	    " VALUES ('token_key', ?)",
	    DB_ARGS(db_int(number)), e);
}

/* What the file holds; a key that is not the one in force is an error. */
static bool
compare(struct store *s, struct db *db, struct token_key *k, bool *found,
    struct err *e)
{
	int64_t number;

	/* In this order: the file is there before the number is. */
	*k = (struct token_key){.there = false};
	if (!in_force(db, &number, found, e) || !read_file(s, k, e))
		return false;
	if (!*found || (k->there && k->number == number))
		return true;
	return fail(e, ERR_DENIED,
	    "%s: put back the file that tokens were made with, or run "
	    "'fileroom token new-key', after which these still open their "
	    "studies but cannot be shown; '%s/" FILE_NAME "'",
	    k->there ? "the key of tokens is not the one they were made with"
		     : "the key of tokens is missing",
	    s->folder);
}

bool
token_key_find(
    struct store *s, struct db *db, struct token_key *out, struct err *e)
{
	bool found;

	if (!compare(s, db, out, &found, e)) {
		token_key_forget(out);
		return false;
	}
	out->there = out->there && found;
	return true;
}

bool
token_key_need(
    struct store *s, struct db *db, struct token_key *out, struct err *e)
{
	bool found, ok;

	ok = compare(s, db, out, &found, e);
	if (ok && !found)
		ok = (out->there || make_file(s, out, e)) &&
		     put_in_force(db, out->number, e);
	if (!ok)
		token_key_forget(out);
	return ok;
}

bool
token_key_renew(struct store *s, struct db *db, struct err *e)
{
	struct token_key k;
	int64_t number;
	bool found, ok;

	ok = read_file(s, &k, e) && in_force(db, &number, &found, e);
	if (ok && k.there && found && k.number == number)
		ok = fail(e, ERR_CONFLICT,
		    "'%s/" FILE_NAME "' is the key of the tokens: no other is "
		    "needed",
		    s->folder);
	ok = ok && (k.there || make_file(s, &k, e)) &&
	     put_in_force(db, k.number, e);
	token_key_forget(&k);
	return ok;
}

void
token_key_forget(struct token_key *k)
{
	explicit_bzero(k, sizeof(*k));
}

static gnutls_aead_cipher_hd_t
cipher(const struct token_key *k)
{
	gnutls_aead_cipher_hd_t h;
	gnutls_datum_t key = {
	    (unsigned char *)(uintptr_t)k->bytes, TOKEN_KEY_BYTES};

	must(gnutls_aead_cipher_init(&h, GNUTLS_CIPHER_AES_256_GCM, &key) == 0);
	return h;
}

/* A random nonce: 2^32 tokens are needed for a repetition to be likely
 * enough to matter (NIST SP 800-38D 8.3). */
void
token_seal(const struct token_key *k, struct str study, const char token[65],
    uint8_t out[TOKEN_SEALED])
{
	gnutls_aead_cipher_hd_t h = cipher(k);
	size_t n = TOKEN_SEALED - NONCE;

	os_random(out, NONCE);
	must(gnutls_aead_cipher_encrypt(h, out, NONCE, study.p, study.n, TAG,
		 token, TEXT, out + NONCE, &n) == 0);
	must(n == TOKEN_SEALED - NONCE);
	gnutls_aead_cipher_deinit(h);
}

bool
token_unseal(const struct token_key *k, struct str study, struct str sealed,
    char token[65])
{
	gnutls_aead_cipher_hd_t h;
	size_t n = TEXT;
	bool ok;

	memset(token, 0, TEXT + 1);
	if (!k->there || sealed.n != TOKEN_SEALED)
		return false;
	h = cipher(k);
	ok = gnutls_aead_cipher_decrypt(h, sealed.p, NONCE, study.p, study.n,
		 TAG, sealed.p + NONCE, sealed.n - NONCE, token, &n) == 0 &&
	     n == TEXT;
	gnutls_aead_cipher_deinit(h);
	if (!ok)
		memset(token, 0, TEXT + 1);
	return ok;
}
