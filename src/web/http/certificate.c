/*
 * Reading the pair of HTTPS, and noticing that it is another.
 *
 * GnuTLS keeps pointers to what it was given while a handshake runs, so pairs
 * that were replaced stay until the end; there are never many.
 */
#include "web/http/certificate.h"

#include "base/buf.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/os.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <unistd.h>

#define FOLDER "tls"

struct certificate_pair {
	struct certificate_pair *before;
	gnutls_pcert_st chain[CERTIFICATE_CHAIN];
	unsigned count;
	gnutls_privkey_t key;
};

void
certificate_init(struct certificate *c)
{
	*c = (struct certificate){0};
	mutex_init(&c->lock);
}

static void
pair_free(struct certificate_pair *p)
{
	unsigned i;

	for (i = 0; i < p->count; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	if (p->key != NULL)
		gnutls_privkey_deinit(p->key);
	free(p);
}

void
certificate_fini(struct certificate *c)
{
	struct certificate_pair *p;

	while ((p = c->pair) != NULL) {
		c->pair = p->before;
		pair_free(p);
	}
	mutex_fini(&c->lock);
}

static bool
beneath(char out[CERTIFICATE_PATH], const char *data, const char *path,
    struct err *e)
{
	int n;

	n = snprintf(out, CERTIFICATE_PATH, "%s%s%s",
	    path[0] == '/' ? "" : data, path[0] == '/' ? "" : "/", path);
	if (n >= CERTIFICATE_PATH)
		return fail(
		    e, ERR_USAGE, "the path '%.200s…' is too long", out);
	return true;
}

static bool
make_own(const char *data, const char *cert, const char *key, struct err *e)
{
	char folder[CERTIFICATE_PATH], name[65] = "";
	bool new = access(cert, F_OK) != 0;

	if (!beneath(folder, data, FOLDER, e))
		return false;
	if (!os_make_folder(AT_FDCWD, folder))
		return fail_errno(e, "cannot make the folder '%.200s'", folder);
	if (gethostname(name, sizeof(name)) != 0 || name[0] == '\0')
		(void)str_copy(name, sizeof(name), STR("fileroom"));
	name[64] = '\0';
	if (!tls_make(cert, key, name, e))
		return false;
	if (new)
		log_info("tls",
		    "made the certificate '%s' for '%s', signed by itself",
		    cert, name);
	return true;
}

static void
stamp_one(const char *path, int64_t out[6])
{
	struct stat st;

	memset(out, 0, 6 * sizeof(*out));
	if (stat(path, &st) != 0)
		return;
	out[0] = (int64_t)st.st_dev;
	out[1] = (int64_t)st.st_ino;
	out[2] = st.st_mtim.tv_sec;
	out[3] = st.st_mtim.tv_nsec;
	out[4] = st.st_size;
	out[5] = st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

static void
stamp(const struct certificate *c, int64_t out[CERTIFICATE_STAMP])
{
	stamp_one(c->cert, out);
	stamp_one(c->key, out + 6);
}

static bool
read_file(const char *path, struct buf *out, struct err *e)
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
	return n >= 0 && !out->over;
}

/* tls_new() has checked that they fit. */
static bool
pair_read(struct certificate_pair *p, const char *cert, const char *key,
    struct err *e)
{
	struct buf pem, secret;
	gnutls_datum_t d;
	bool ok;

	buf_init(&pem, LIMIT_PEM);
	buf_init(&secret, LIMIT_PEM);
	ok = read_file(cert, &pem, e) && read_file(key, &secret, e);
	if (ok) {
		must(gnutls_privkey_init(&p->key) == 0);
		p->count = CERTIFICATE_CHAIN;
		d = (gnutls_datum_t){pem.p, (unsigned)pem.n};
		if (gnutls_pcert_list_import_x509_raw(
			p->chain, &p->count, &d, GNUTLS_X509_FMT_PEM, 0) != 0)
			p->count = 0;
		d = (gnutls_datum_t){secret.p, (unsigned)secret.n};
		ok = p->count > 0 && gnutls_privkey_import_x509_raw(p->key, &d,
					 GNUTLS_X509_FMT_PEM, NULL, 0) == 0;
		if (!ok)
			(void)fail(e, ERR_USAGE, "cannot use '%.200s'", cert);
	}
	if (secret.p != NULL)
		explicit_bzero(secret.p, secret.room);
	buf_fini(&pem);
	buf_fini(&secret);
	return ok;
}

static bool
load(struct certificate *c, struct err *e)
{
	struct tls_config check = {
	    .server = true, .cert = c->cert, .key = c->key, .ca = ""};
	struct certificate_pair *p;
	struct tls *tls;

	c->stale = false;
	stamp(c, c->seen);
	if (!tls_new(&tls, &check, e))
		return false;
	tls_unref(&tls);
	p = must_zalloc(sizeof(*p));
	if (!pair_read(p, c->cert, c->key, e)) {
		pair_free(p);
		return false;
	}
	mutex_lock(&c->lock);
	p->before = c->pair;
	c->pair = p;
	mutex_unlock(&c->lock);
	memcpy(c->loaded, c->seen, sizeof(c->loaded));
	return true;
}

bool
certificate_take(struct certificate *c, const char *data, const char *cert,
    const char *key, struct err *e)
{
	bool own = cert[0] == '\0' && key[0] == '\0', same;
	char cert_path[CERTIFICATE_PATH], key_path[CERTIFICATE_PATH];
	char cert_before[CERTIFICATE_PATH], key_before[CERTIFICATE_PATH];

	if (!beneath(cert_path, data,
		cert[0] != '\0' ? cert : FOLDER "/http-cert.pem", e) ||
	    !beneath(key_path, data,
		key[0] != '\0' ? key : FOLDER "/http-key.pem", e))
		return false;
	same = strcmp(cert_path, c->cert) == 0 && strcmp(key_path, c->key) == 0;
	if (c->pair != NULL && same && !c->stale)
		return true;
	memcpy(cert_before, c->cert, sizeof(c->cert));
	memcpy(key_before, c->key, sizeof(c->key));
	memcpy(c->cert, cert_path, sizeof(c->cert));
	memcpy(c->key, key_path, sizeof(c->key));
	if ((!own || make_own(data, c->cert, c->key, e)) && load(c, e))
		return true;
	/* What is served still comes from there. */
	memcpy(c->cert, cert_before, sizeof(c->cert));
	memcpy(c->key, key_before, sizeof(c->key));
	return fail_in(e, "http.tls_cert, http.tls_key");
}

bool
certificate_changed(struct certificate *c)
{
	int64_t now[CERTIFICATE_STAMP];
	bool rests;

	if (c->pair == NULL)
		return false;
	stamp(c, now);
	rests = memcmp(now, c->seen, sizeof(now)) == 0;
	memcpy(c->seen, now, sizeof(now));
	if (!rests || memcmp(now, c->loaded, sizeof(now)) == 0)
		return false;
	memcpy(c->loaded, now, sizeof(now));
	c->stale = true;
	return true;
}

bool
certificate_now(struct certificate *c, struct gnutls_pcert_st **chain,
    unsigned *count, struct gnutls_privkey_st **key)
{
	struct certificate_pair *p;

	mutex_lock(&c->lock);
	p = c->pair;
	mutex_unlock(&c->lock);
	if (p == NULL)
		return false;
	*chain = p->chain;
	*count = p->count;
	*key = p->key;
	return true;
}
