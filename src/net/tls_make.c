/*
 * A self-signed certificate, so that TLS works from the first start. EC P-256:
 * a handshake costs a fiftieth of what RSA takes, and every peer that knows
 * BCP 195 knows it.
 *
 * The key comes first, each file under a temporary name until it is whole and
 * flushed: an interruption leaves a key without certificate at worst, and the
 * next start makes the certificate of it.
 */
#include "base/clock.h"
#include "base/limit.h"
#include "base/os.h"
#include "net/tls_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <libgen.h>
#include <unistd.h>

#define PATH_ROOM    4096
#define SERIAL_BYTES 16
/* Before ours a clock may be wrong by this much. */
#define EARLY_S (24 * 3600)
#define VALID_S (30LL * 365 * 24 * 3600)

static bool
there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The name in the folder is flushed too, or the certificate may be there after
 * a power cut and its key not. */
static bool
flush_folder(const char *path, struct err *e)
{
	char copy[PATH_ROOM];
	const char *folder;
	int fd, code;

	(void)str_copy(copy, sizeof(copy), str_from(path));
	folder = dirname(copy);
	fd =
	    os->openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fail_errno(e, "cannot open '%.200s'", folder);
	code = os->fsync(fd);
	if (code != 0)
		fail_errno(e, "cannot flush '%.200s'", folder);
	os_close(&fd);
	return code == 0;
}

static bool
write_file(const char *path, const gnutls_datum_t *pem, struct err *e)
{
	char part[PATH_ROOM];
	bool ok;
	int fd;

	if ((size_t)snprintf(part, sizeof(part), "%s.part", path) >=
	    sizeof(part))
		return fail(e, ERR_USAGE, "'%.100s…' is too long", path);
	/* Of an interrupted start. */
	(void)unlink(part);
	fd = os->openat(
	    AT_FDCWD, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(e, "cannot make '%.200s'", part);
	os_inherit(AT_FDCWD, part, fd);
	ok = os_write_all(fd, str_of(pem->data, pem->size)) &&
	     os->fsync(fd) == 0;
	if (!ok)
		fail_errno(e, "cannot write '%.200s'", part);
	os_close(&fd);
	if (ok && os->rename_new(AT_FDCWD, part, AT_FDCWD, path) != 0)
		ok = fail_errno(e, "cannot make '%.200s'", path);
	if (!ok)
		(void)os->unlinkat(AT_FDCWD, part, 0);
	return ok && flush_folder(path, e);
}

static bool
failed(int code, const char *what, struct err *e)
{
	return fail(
	    e, ERR_IO, "cannot make %s: %s", what, gnutls_strerror(code));
}

static bool
make_key(gnutls_x509_privkey_t key, const char *path, struct err *e)
{
	gnutls_datum_t pem = {0};
	bool ok;
	int code;

	code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
	    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (code == 0)
		code = gnutls_x509_privkey_export2_pkcs8(
		    key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
	if (code != 0)
		return failed(code, "a private key", e);
	ok = write_file(path, &pem, e);
	explicit_bzero(pem.data, pem.size);
	gnutls_free(pem.data);
	return ok;
}

static bool
read_key(gnutls_x509_privkey_t key, const char *path, struct err *e)
{
	gnutls_datum_t d;
	struct buf pem;
	int code = -1;

	buf_init(&pem, LIMIT_PEM);
	if (tls_read_file(path, &pem, e)) {
		d = (gnutls_datum_t){pem.p, (unsigned)pem.n};
		code = gnutls_x509_privkey_import2(
		    key, &d, GNUTLS_X509_FMT_PEM, NULL, 0);
		if (code != 0)
			(void)fail(e, ERR_USAGE,
			    "'%.200s' holds no private key in PEM form", path);
	}
	if (pem.p != NULL)
		explicit_bzero(pem.p, pem.room);
	buf_fini(&pem);
	return code == 0;
}

/* RFC 5280 4.1.2.2: positive and unique; two servers of one name must not
 * have the same. */
static void
make_serial(uint8_t serial[SERIAL_BYTES])
{
	os_random(serial, SERIAL_BYTES);
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
}

static int
describe(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *name)
{
	time_t now = (time_t)(clock_utc_ms() / 1000);
	uint8_t serial[SERIAL_BYTES], id[20];
	size_t id_n = sizeof(id);
	int code = 0;

	make_serial(serial);
#define THEN(call) code = code == 0 ? (call) : code
	THEN(gnutls_x509_crt_set_version(cert, 3));
	THEN(gnutls_x509_crt_set_serial(cert, serial, sizeof(serial)));
	THEN(gnutls_x509_crt_set_activation_time(cert, now - EARLY_S));
	THEN(gnutls_x509_crt_set_expiration_time(cert, now + VALID_S));
	THEN(gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0,
	    name, (unsigned)strlen(name)));
	THEN(gnutls_x509_crt_set_key(cert, key));
	THEN(gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME,
	    name, (unsigned)strlen(name), GNUTLS_FSAN_SET));
	/* Its own authority: a peer can put it among the trusted ones. */
	THEN(gnutls_x509_crt_set_basic_constraints(cert, 1, -1));
	THEN(gnutls_x509_crt_set_key_usage(
	    cert, GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_CERT_SIGN));
	THEN(gnutls_x509_crt_set_key_purpose_oid(
	    cert, GNUTLS_KP_TLS_WWW_SERVER, 0));
	THEN(gnutls_x509_crt_set_key_purpose_oid(
	    cert, GNUTLS_KP_TLS_WWW_CLIENT, 0));
	THEN(
	    gnutls_x509_crt_get_key_id(cert, GNUTLS_KEYID_USE_SHA1, id, &id_n));
	THEN(gnutls_x509_crt_set_subject_key_id(cert, id, id_n));
	THEN(gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0));
#undef THEN
	return code;
}

static bool
make_certificate(gnutls_x509_privkey_t key, const char *path, const char *name,
    struct err *e)
{
	gnutls_x509_crt_t cert;
	gnutls_datum_t pem = {0};
	bool ok;
	int code;

	must(gnutls_x509_crt_init(&cert) == 0);
	code = describe(cert, key, name);
	if (code == 0)
		code = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem);
	ok = code == 0 ? write_file(path, &pem, e)
		       : failed(code, "a certificate", e);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(cert);
	return ok;
}

bool
tls_make(const char *cert, const char *key, const char *name, struct err *e)
{
	gnutls_x509_privkey_t k;
	bool ok;

	if (there(cert)) {
		if (there(key))
			return true;
		return fail(e, ERR_USAGE,
		    "there is '%.150s' but not its key '%.150s': put the key "
		    "there, or remove the certificate and another is made",
		    cert, key);
	}
	must(gnutls_x509_privkey_init(&k) == 0);
	ok = there(key) ? read_key(k, key, e) : make_key(k, key, e);
	ok = ok && make_certificate(k, cert, name, e);
	gnutls_x509_privkey_deinit(k);
	return ok;
}
