/*
 * TLS: certificates made and read, and what is said of bad files.
 */
#include "net/tls.h"

#include "app/client_settings.h"
#include "app/dicom_tls.h"
#include "base/buf.h"
#include "base/limit.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#define PATH_ROOM 256

static char folder[64];

static const char *
in_folder(const char *name, char out[PATH_ROOM])
{
	snprintf(out, PATH_ROOM, "%s/%s", folder, name);
	return out;
}

__attribute__((constructor)) static void
make_folder(void)
{
	must(test_folder(folder, sizeof(folder)));
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *w)
{
	(void)st;
	(void)flag;
	(void)w;
	return remove(path);
}

__attribute__((destructor)) static void
remove_folder(void)
{
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
put(const char *name, const char *text)
{
	char path[PATH_ROOM];
	int fd =
	    open(in_folder(name, path), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool
made(const char *cert, const char *key, struct err *e)
{
	char c[PATH_ROOM], k[PATH_ROOM];

	return tls_make(in_folder(cert, c), in_folder(key, k), "host", e);
}

static bool
opens(bool server, const char *cert, const char *key, const char *ca,
    struct err *e)
{
	char a[PATH_ROOM], b[PATH_ROOM], c[PATH_ROOM];
	struct tls_config config = {
	    .server = server,
	    .cert = cert[0] != '\0' ? in_folder(cert, a) : "",
	    .key = key[0] != '\0' ? in_folder(key, b) : "",
	    .ca = ca[0] != '\0' ? in_folder(ca, c) : "",
	};
	struct tls *t;
	bool ok = tls_new(&t, &config, e);

	CHECK(ok == (t != NULL));
	if (!ok)
		CHECK_EQ(e->code, ERR_USAGE);
	tls_unref(&t);
	return ok;
}

static size_t
count_files(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

TEST(makes_a_pair_and_never_writes_over_one)
{
	char path[PATH_ROOM], one[TLS_FINGERPRINT_ROOM],
	    two[TLS_FINGERPRINT_ROOM];
	struct stat st;
	struct err e;

	CHECK(made("a.pem", "a.key", &e));
	CHECK_EQ(count_files(), 2);
	CHECK(stat(in_folder("a.key", path), &st) == 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK(tls_fingerprint(in_folder("a.pem", path), one, &e));
	CHECK_EQ(strlen(one), 64);
	CHECK(made("a.pem", "a.key", &e));
	CHECK(tls_fingerprint(path, two, &e));
	CHECK_STR(str_from(two), one);
	CHECK(opens(true, "a.pem", "a.key", "", &e));
	CHECK(opens(true, "a.pem", "a.key", "a.pem", &e));
	/* Interrupted after the key: the key stays. */
	CHECK(unlink(path) == 0);
	CHECK(made("a.pem", "a.key", &e));
	CHECK(opens(true, "a.pem", "a.key", "", &e));
	CHECK(tls_fingerprint(path, two, &e));
	CHECK(strcmp(one, two) != 0);
	/* A certificate alone is somebody's own. */
	CHECK(unlink(in_folder("a.key", path)) == 0);
	CHECK(!made("a.pem", "a.key", &e));
	CHECK(strstr(e.text, "a.key") != NULL);
	CHECK_EQ(count_files(), 1);
	CHECK(!made("none/b.pem", "none/b.key", &e));
	CHECK_EQ(e.code, ERR_MISSING);
}

/* RSA of 1024 bits, signed by itself. */
static void
put_weak(void)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
	gnutls_datum_t pem;

	must(gnutls_x509_privkey_init(&key) == 0);
	must(gnutls_x509_crt_init(&cert) == 0);
	must(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 1024, 0) == 0);
	must(gnutls_x509_crt_set_version(cert, 3) == 0);
	must(gnutls_x509_crt_set_serial(cert, "1", 1) == 0);
	must(gnutls_x509_crt_set_activation_time(cert, 1) == 0);
	must(gnutls_x509_crt_set_expiration_time(cert, INT32_MAX) == 0);
	must(gnutls_x509_crt_set_key(cert, key) == 0);
	must(gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0) == 0);
	must(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem) == 0);
	put("weak.pem", (const char *)pem.data);
	gnutls_free(pem.data);
	must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) == 0);
	put("weak.key", (const char *)pem.data);
	gnutls_free(pem.data);
	gnutls_x509_privkey_deinit(key);
	gnutls_x509_crt_deinit(cert);
}

TEST(bad_files_are_named)
{
	struct err e;

	CHECK(made("b.pem", "b.key", &e) && made("c.pem", "c.key", &e));
	put("nonsense", "not a certificate\n");
	put("empty", "");
	put_weak();
	CHECK(!opens(true, "gone.pem", "b.key", "", &e));
	CHECK(strstr(e.text, "gone.pem': No such file") != NULL);
	CHECK(!opens(true, "b.pem", "gone.key", "", &e));
	CHECK(strstr(e.text, "gone.key") != NULL);
	CHECK(!opens(true, "b.pem", "c.key", "", &e));
	CHECK(strstr(e.text, "is not that of the certificate") != NULL);
	CHECK(!opens(true, "nonsense", "b.key", "", &e));
	CHECK(strstr(e.text, "nonsense' holds no certificate") != NULL);
	CHECK(!opens(true, "empty", "b.key", "", &e));
	CHECK(!opens(true, "b.pem", "b.pem", "", &e));
	CHECK(strstr(e.text, "b.pem' holds no private key") != NULL);
	CHECK(!opens(true, "b.pem", "b.key", "nonsense", &e));
	CHECK(strstr(e.text, "nonsense") != NULL);
	CHECK(!opens(true, "b.pem", "b.key", "gone.ca", &e));
	CHECK(!opens(true, "weak.pem", "weak.key", "", &e));
	CHECK(strstr(e.text, "1024 bits") != NULL);
	CHECK(!opens(true, "", "", "", &e));
	CHECK(!opens(false, "b.pem", "", "", &e));
	/* A client may be nobody. */
	CHECK(opens(false, "", "", "", &e));
	CHECK(opens(false, "b.pem", "b.key", "c.pem", &e));
}

TEST(references)
{
	struct tls_config config = {.cert = "", .key = "", .ca = ""};
	struct tls *t, *other;
	struct err e;

	if (!CHECK(tls_new(&t, &config, &e)))
		return;
	other = tls_ref(t);
	CHECK(other == t);
	tls_unref(&t);
	CHECK(t == NULL);
	tls_unref(&other);
	tls_unref(&other);
	CHECK(tls_ref(NULL) == NULL);
}

/* A broken certificate is told when a node needs it, not before. */
TEST(client_by_the_settings)
{
	struct client c, copy;
	struct settings s;
	struct err e;

	settings_init(&s);
	CHECK(settings_set_pair(&s, "dicom.timeout_s=7", &e));
	CHECK(client_settings(&s, folder, &c, &e));
	CHECK_STR(str_from(c.ae_title), "FILEROOM");
	CHECK_EQ(c.timeout_ms, 7000);
	CHECK(c.tls != NULL);
	client_copy(&copy, &c);
	client_fini(&c);
	CHECK(copy.tls != NULL);
	client_fini(&copy);
	CHECK(settings_set_pair(&s, "dicom.tls_cert=lost.pem", &e));
	CHECK(client_settings(&s, folder, &c, &e));
	CHECK(c.tls == NULL && strstr(c.tls_trouble, "lost.pem") != NULL);
	client_fini(&c);
	CHECK(!settings_set_pair(&s, "dicom.tls_ca=a\nb", &e));
	CHECK_EQ(e.code, ERR_USAGE);
}

TEST(own_certificate_in_the_data_folder)
{
	struct dicom_tls_files f;
	char path[PATH_ROOM];
	struct settings s;
	struct stat st;
	struct err e;

	settings_init(&s);
	CHECK(settings_set_pair(&s, "dicom.tls_ca=/etc/ca.pem", &e));
	CHECK(dicom_tls_files(&s, folder, &f, &e));
	CHECK_STR(str_from(f.cert), in_folder("tls/dicom-cert.pem", path));
	CHECK_STR(str_from(f.key), in_folder("tls/dicom-key.pem", path));
	CHECK_STR(str_from(f.ca), "/etc/ca.pem");
	CHECK(dicom_tls_make(&f, folder, &e));
	CHECK(stat(in_folder("tls", path), &st) == 0);
	CHECK_EQ(st.st_mode & 0777, 0700);
	CHECK(opens(true, "tls/dicom-cert.pem", "tls/dicom-key.pem", "", &e));
	/* Somebody's own place is not written to. */
	CHECK(settings_set_pair(&s, "dicom.tls_cert=own.pem", &e));
	CHECK(dicom_tls_files(&s, folder, &f, &e) && !f.ours);
	CHECK(dicom_tls_make(&f, folder, &e));
	CHECK(stat(in_folder("own.pem", path), &st) != 0);
}

TEST_MAIN
