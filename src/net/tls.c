/*
 * What one side of TLS needs: versions and ciphers, certificate, key, trust.
 *
 * BCP 195 is RFC 8996 (nothing before TLS 1.2) and RFC 9325: ephemeral keys on
 * curves of 256 bits and more, ciphers with authentication, no SHA-1. Finite
 * field Diffie-Hellman is left out, as RFC 9325 4.1 advises. The suites of
 * PS3.15 B.13, which is stricter than B.12, are among these.
 */
#include "net/tls.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/os.h"
#include "net/tls_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#define PRIORITY                                                               \
	"NONE:+VERS-TLS1.3:+VERS-TLS1.2:+CTYPE-X509:+COMP-NULL:+AEAD:"         \
	"+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"                        \
	"+ECDHE-ECDSA:+ECDHE-RSA:"                                             \
	"+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:"    \
	"+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512:"            \
	"+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:"           \
	"+SIGN-ECDSA-SECP521R1-SHA512:+SIGN-EDDSA-ED25519:"                    \
	"+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:"                 \
	"+SIGN-RSA-PSS-RSAE-SHA512:"                                           \
	"+SIGN-RSA-PSS-SHA256:+SIGN-RSA-PSS-SHA384:+SIGN-RSA-PSS-SHA512:"      \
	"+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:"                  \
	"%PROFILE_MEDIUM"

bool
tls_read_file(const char *path, struct buf *out, struct err *e)
{
	uint8_t block[4 * KIB];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0) {
		while ((n = os_read_full(fd, block, sizeof(block))) > 0 &&
		       !out->over)
			buf_add(out, str_of(block, (size_t)n));
		explicit_bzero(block, sizeof(block));
	}
	if (n < 0)
		fail_errno(e, "cannot read '%.200s'", path);
	if (fd >= 0)
		os_close(&fd);
	if (out->over)
		return fail(e, ERR_USAGE, "'%.200s' is larger than %zu bytes",
		    path, out->cap);
	if (n < 0)
		e->code = ERR_USAGE;
	return n >= 0;
}

bool
tls_fingerprint_of(const gnutls_datum_t *der, char out[TLS_FINGERPRINT_ROOM])
{
	uint8_t digest[32];
	size_t n = sizeof(digest), i;

	out[0] = '\0';
	if (gnutls_fingerprint(GNUTLS_DIG_SHA256, der, digest, &n) != 0 ||
	    n != sizeof(digest))
		return false;
	for (i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return true;
}

static gnutls_datum_t
datum(const struct buf *b)
{
	return (gnutls_datum_t){b->p, (unsigned)b->n};
}

/* The first certificate of a file, read. */
static bool
first_certificate(const char *path, const struct buf *pem,
    gnutls_x509_crt_t *out, struct err *e)
{
	gnutls_x509_crt_t *list;
	gnutls_datum_t d = datum(pem);
	unsigned n = 0, i;

	*out = NULL;
	if (gnutls_x509_crt_list_import2(
		&list, &n, &d, GNUTLS_X509_FMT_PEM, 0) < 0 ||
	    n == 0)
		return fail(e, ERR_USAGE,
		    "'%.200s' holds no certificate in PEM form", path);
	*out = list[0];
	for (i = 1; i < n; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
	return true;
}

bool
tls_fingerprint(const char *path, char out[TLS_FINGERPRINT_ROOM], struct err *e)
{
	gnutls_datum_t der = {0};
	gnutls_x509_crt_t cert;
	struct buf pem;
	bool ok;

	out[0] = '\0';
	buf_init(&pem, LIMIT_PEM);
	ok = tls_read_file(path, &pem, e) &&
	     first_certificate(path, &pem, &cert, e);
	buf_fini(&pem);
	if (!ok)
		return false;
	ok = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_DER, &der) == 0 &&
	     tls_fingerprint_of(&der, out);
	gnutls_free(der.data);
	gnutls_x509_crt_deinit(cert);
	return ok || fail(e, ERR_IO, "cannot hash '%.200s'", path);
}

/* Too short a key is refused by every peer: say so here. Dates are the
 * business of whoever verifies. */
static bool
check_certificate(const char *path, const struct buf *pem, struct err *e)
{
	int64_t now = clock_utc_ms() / 1000;
	gnutls_x509_crt_t cert;
	unsigned bits = 0;
	int kind;

	if (!first_certificate(path, pem, &cert, e))
		return false;
	kind = gnutls_x509_crt_get_pk_algorithm(cert, &bits);
	if (gnutls_x509_crt_get_expiration_time(cert) < now)
		log_warning("tls",
		    "the certificate in '%s' has expired: peers that verify it "
		    "will refuse it",
		    path);
	if (gnutls_x509_crt_get_activation_time(cert) > now)
		log_warning(
		    "tls", "the certificate in '%s' is not valid yet", path);
	gnutls_x509_crt_deinit(cert);
	if ((kind == GNUTLS_PK_RSA || kind == GNUTLS_PK_RSA_PSS) && bits < 2048)
		return fail(e, ERR_USAGE,
		    "'%.200s' has an RSA key of %u bits; at least 2048 are "
		    "needed (BCP 195)",
		    path, bits);
	return true;
}

static bool
take_pair(struct tls *t, const struct tls_config *c, const struct buf *cert,
    const struct buf *key, struct err *e)
{
	gnutls_datum_t cert_pem = datum(cert), key_pem = datum(key);
	gnutls_privkey_t parsed;
	int code;

	must(gnutls_privkey_init(&parsed) == 0);
	code = gnutls_privkey_import_x509_raw(
	    parsed, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_privkey_deinit(parsed);
	if (code == GNUTLS_E_DECRYPTION_FAILED)
		return fail(e, ERR_USAGE,
		    "the key in '%.200s' is under a password; store it without",
		    c->key);
	if (code != 0)
		return fail(e, ERR_USAGE,
		    "'%.200s' holds no private key in PEM form", c->key);
	code = gnutls_certificate_set_x509_key_mem2(
	    t->credentials, &cert_pem, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return fail(e, ERR_USAGE,
		    "the key in '%.150s' is not that of the certificate in "
		    "'%.150s'",
		    c->key, c->cert);
	if (code < 0)
		return fail(e, ERR_USAGE,
		    "cannot use '%.150s' and '%.150s': %s", c->cert, c->key,
		    gnutls_strerror(code));
	return true;
}

static bool
load_pair(struct tls *t, const struct tls_config *c, struct err *e)
{
	struct buf cert, key;
	bool ok;

	if (c->cert[0] == '\0' && c->key[0] == '\0' && !c->server)
		return true;
	if (c->cert[0] == '\0' || c->key[0] == '\0')
		return fail(
		    e, ERR_USAGE, "TLS needs both a certificate and its key");
	buf_init(&cert, LIMIT_PEM);
	buf_init(&key, LIMIT_PEM);
	ok = tls_read_file(c->cert, &cert, e) &&
	     check_certificate(c->cert, &cert, e) &&
	     tls_read_file(c->key, &key, e) && take_pair(t, c, &cert, &key, e);
	if (key.p != NULL)
		explicit_bzero(key.p, key.room);
	buf_fini(&cert);
	buf_fini(&key);
	return ok;
}

static bool
load_trusted(struct tls *t, const struct tls_config *c, struct err *e)
{
	gnutls_datum_t d;
	struct buf pem;
	int n = 0;

	if (c->ca[0] == '\0')
		return true;
	t->verifies = true;
	buf_init(&pem, LIMIT_PEM);
	if (!tls_read_file(c->ca, &pem, e)) {
		buf_fini(&pem);
		return false;
	}
	d = datum(&pem);
	n = gnutls_certificate_set_x509_trust_mem(
	    t->credentials, &d, GNUTLS_X509_FMT_PEM);
	buf_fini(&pem);
	if (n <= 0)
		return fail(e, ERR_USAGE,
		    "'%.200s' holds no certificate in PEM form", c->ca);
	return true;
}

bool
tls_new(struct tls **out, const struct tls_config *c, struct err *e)
{
	struct tls *t = must_zalloc(sizeof(*t));

	*out = NULL;
	atomic_init(&t->refs, 1);
	t->server = c->server;
	t->client_cert = c->client_cert;
	must(gnutls_certificate_allocate_credentials(&t->credentials) == 0);
	/* Ours, not a file's: it reads or it is a bug. */
	must(gnutls_priority_init(&t->priority,
		 c->server ? PRIORITY ":%SERVER_PRECEDENCE" : PRIORITY,
		 NULL) == 0);
	if (!load_pair(t, c, e) || !load_trusted(t, c, e)) {
		tls_unref(&t);
		return false;
	}
	*out = t;
	return true;
}

struct tls *
tls_ref(struct tls *t)
{
	if (t != NULL)
		atomic_fetch_add(&t->refs, 1);
	return t;
}

void
tls_unref(struct tls **tp)
{
	struct tls *t = *tp;

	*tp = NULL;
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	gnutls_certificate_free_credentials(t->credentials);
	gnutls_priority_deinit(t->priority);
	free(t);
}
