/*
 * Certificates and keys of TLS: those that the settings name, else those that
 * the server makes in DATA/tls.
 */
#include "app/doctor/doctor.h"

#include "base/clock.h"
#include "base/limit.h"

#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (1 * MIB)
#define PATH_BYTES 4096
#define MONTH_S    (30LL * 24 * 3600)
#define ID_ROOM    64

static const char *const sections[] = {"dicom", "hl7", "http"};

struct pair {
	char cert[PATH_BYTES], key[PATH_BYTES];
	gnutls_x509_crt_t *certs; /* the first is the one that counts */
	unsigned cert_count;
	gnutls_x509_privkey_t private_key;
};

/* What the setting says, or the default place; *named tells which. */
static void
place(struct doctor *d, const char *section, const char *what,
    char out[PATH_BYTES], bool *named)
{
	const struct setting_value *v;
	char key[64];

	snprintf(key, sizeof(key), "%s.tls_%s", section, what);
	v = doctor_setting(d, key);
	*named = v != NULL && v->text[0] != '\0';
	if (*named)
		/* As app/dicom_tls.c reads it. */
		snprintf(out, PATH_BYTES, "%s%s%s",
		    v->text[0] == '/' ? "" : d->data,
		    v->text[0] == '/' ? "" : "/", v->text);
	else
		snprintf(out, PATH_BYTES, "%s/tls/%s-%s.pem", d->data, section,
		    what);
}

static bool
read_pem(struct doctor *d, const char *path, struct buf *out)
{
	struct err e;

	if (settings_read_file(path, out, &e))
		return true;
	doctor_say(d, SIGN_CERT_MISSING, "%s", e.text);
	return false;
}

static bool
load_certs(struct doctor *d, struct pair *p)
{
	gnutls_datum_t pem;
	struct buf b;
	int code = 0;
	bool ok;

	buf_init(&b, FILE_BYTES);
	ok = read_pem(d, p->cert, &b);
	if (ok) {
		pem = (gnutls_datum_t){b.p, (unsigned)b.n};
		code = gnutls_x509_crt_list_import2(
		    &p->certs, &p->cert_count, &pem, GNUTLS_X509_FMT_PEM, 0);
	}
	buf_fini(&b);
	if (ok && (code < 0 || p->cert_count == 0))
		doctor_say(d, SIGN_CERT_BROKEN, "'%s': %s", p->cert,
		    code < 0 ? gnutls_strerror(code) : "no certificate");
	return ok && code >= 0 && p->cert_count > 0;
}

static bool
load_key(struct doctor *d, struct pair *p)
{
	gnutls_datum_t pem;
	struct buf b;
	int code = 0;
	bool ok;

	must(gnutls_x509_privkey_init(&p->private_key) == 0);
	buf_init(&b, FILE_BYTES);
	ok = read_pem(d, p->key, &b);
	if (ok) {
		pem = (gnutls_datum_t){b.p, (unsigned)b.n};
		code = gnutls_x509_privkey_import2(
		    p->private_key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	}
	if (b.n > 0)
		explicit_bzero(b.p, b.n);
	buf_fini(&b);
	if (ok && code < 0)
		doctor_say(d, SIGN_CERT_BROKEN, "'%s': %s", p->key,
		    gnutls_strerror(code));
	return ok && code >= 0;
}

static void
check_key_file(struct doctor *d, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0 || (st.st_mode & (S_IRGRP | S_IROTH)) == 0)
		return;
	doctor_say(d, SIGN_CERT_EXPOSED, "'%s' has mode %04o", path,
	    (unsigned)st.st_mode & 07777);
	doctor_command(d, "chmod 0600 %s", doctor_quote(d, path));
}

static bool
belong_together(struct pair *p)
{
	uint8_t a[ID_ROOM], b[ID_ROOM];
	size_t na = sizeof(a), nb = sizeof(b);

	return gnutls_x509_crt_get_key_id(
		   p->certs[0], GNUTLS_KEYID_USE_SHA256, a, &na) == 0 &&
	       gnutls_x509_privkey_get_key_id(
		   p->private_key, GNUTLS_KEYID_USE_SHA256, b, &nb) == 0 &&
	       str_eq(str_of(a, na), str_of(b, nb));
}

static const char *
day(int64_t s, char out[CLOCK_ISO_ROOM])
{
	(void)clock_iso(s * 1000, out);
	out[10] = '\0';
	return out;
}

static bool
check_dates(struct doctor *d, struct pair *p)
{
	int64_t now = clock_utc_ms() / 1000;
	int64_t from = gnutls_x509_crt_get_activation_time(p->certs[0]);
	int64_t until = gnutls_x509_crt_get_expiration_time(p->certs[0]);
	char text[CLOCK_ISO_ROOM];

	if (until < now)
		doctor_say(d, SIGN_CERT_EXPIRED, "'%s' was valid until %s",
		    p->cert, day(until, text));
	else if (from > now)
		doctor_say(d, SIGN_CERT_EXPIRED, "'%s' is valid from %s on",
		    p->cert, day(from, text));
	else if (until - now < MONTH_S)
		doctor_say(d, SIGN_CERT_SOON, "'%s' is valid until %s", p->cert,
		    day(until, text));
	else
		return true;
	return false;
}

static void
judge(struct doctor *d, struct pair *p)
{
	char text[CLOCK_ISO_ROOM];
	bool good = check_dates(d, p);

	if (!belong_together(p)) {
		doctor_say(d, SIGN_CERT_KEY, "'%s' and '%s'", p->cert, p->key);
		return;
	}
	if (gnutls_x509_crt_check_issuer(p->certs[0], p->certs[0]) != 0)
		doctor_say(d, SIGN_CERT_SELF, "'%s' is self-signed", p->cert);
	if (good)
		doctor_say(d, SIGN_CERT_GOOD, "'%s' is valid until %s", p->cert,
		    day(gnutls_x509_crt_get_expiration_time(p->certs[0]),
			text));
}

static void
free_pair(struct pair *p)
{
	unsigned i;

	for (i = 0; i < p->cert_count; i++)
		gnutls_x509_crt_deinit(p->certs[i]);
	gnutls_free(p->certs);
	if (p->private_key != NULL)
		gnutls_x509_privkey_deinit(p->private_key);
}

/* Whom the peers' certificates must come from. */
static bool
check_authority(struct doctor *d, const char *section)
{
	struct pair p = {.cert_count = 0};
	bool named;

	place(d, section, "ca", p.cert, &named);
	if (named && load_certs(d, &p) && check_dates(d, &p))
		doctor_say(d, SIGN_CERT_GOOD,
		    "'%s' names %u whose certificates are trusted", p.cert,
		    p.cert_count);
	free_pair(&p);
	return named;
}

/* Is there anything to look at? What the server makes at its first start need
 * not be there before. */
static bool
check_section(struct doctor *d, const char *section)
{
	struct pair p = {.cert_count = 0};
	bool cert_named, key_named, certs, key;

	place(d, section, "cert", p.cert, &cert_named);
	place(d, section, "key", p.key, &key_named);
	if (!cert_named && !key_named && access(p.cert, F_OK) != 0 &&
	    access(p.key, F_OK) != 0)
		return false;
	certs = load_certs(d, &p);
	key = load_key(d, &p);
	check_key_file(d, p.key);
	if (certs && key)
		judge(d, &p);
	free_pair(&p);
	return true;
}

void
check_certificates(struct doctor *d)
{
	bool any = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sections); i++) {
		any = check_section(d, sections[i]) || any;
		any = check_authority(d, sections[i]) || any;
	}
	if (!any)
		doctor_say(d, SIGN_CERT_NONE, "no certificate is set up");
}
