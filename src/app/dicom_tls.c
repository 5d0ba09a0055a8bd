/*
 * Where certificate, key and authorities lie, the making of our own, and what
 * is in force.
 *
 * A pair is replaced in two steps by whoever does it: a change is taken only
 * when the files have come to rest, and a pair that does not fit is named once
 * and changes nothing.
 */
#include "app/dicom_tls.h"

#include "base/log.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FOLDER "tls"

static bool
beneath(char out[DICOM_TLS_PATH_ROOM], const char *data, const char *path,
    struct err *e)
{
	int n;

	n = snprintf(out, DICOM_TLS_PATH_ROOM, "%s%s%s",
	    path[0] == '/' ? "" : data, path[0] == '/' ? "" : "/", path);
	if (n >= DICOM_TLS_PATH_ROOM)
		return fail(
		    e, ERR_USAGE, "the path '%.200s…' is too long", out);
	return true;
}

bool
dicom_tls_files(const struct settings *s, const char *data,
    struct dicom_tls_files *out, struct err *e)
{
	const char *cert = s->at[SETTING_DICOM_TLS_CERT].text;
	const char *key = s->at[SETTING_DICOM_TLS_KEY].text;
	const char *ca = s->at[SETTING_DICOM_TLS_CA].text;

	*out =
	    (struct dicom_tls_files){.ours = cert[0] == '\0' && key[0] == '\0'};
	return beneath(out->cert, data,
		   cert[0] != '\0' ? cert : FOLDER "/dicom-cert.pem", e) &&
	       beneath(out->key, data,
		   key[0] != '\0' ? key : FOLDER "/dicom-key.pem", e) &&
	       (ca[0] == '\0' || beneath(out->ca, data, ca, e));
}

static void
host_name(char out[65])
{
	if (gethostname(out, 65) != 0 || out[0] == '\0')
		(void)str_copy(out, 65, STR("fileroom"));
	out[64] = '\0';
}

bool
dicom_tls_make(const struct dicom_tls_files *f, const char *data, struct err *e)
{
	char folder[DICOM_TLS_PATH_ROOM], name[65];
	bool new = access(f->cert, F_OK) != 0;

	if (!f->ours)
		return true;
	if (!beneath(folder, data, FOLDER, e))
		return false;
	if (!os_make_folder(AT_FDCWD, folder))
		return fail_errno(e, "cannot make the folder '%.200s'", folder);
	host_name(name);
	if (!tls_make(f->cert, f->key, name, e))
		return false;
	if (new)
		log_info("tls",
		    "made the certificate '%s' for '%s', signed by itself",
		    f->cert, name);
	return true;
}

static void
stamp_one(const char *path, int64_t out[6])
{
	struct stat st;

	memset(out, 0, 6 * sizeof(*out));
	if (path[0] == '\0' || stat(path, &st) != 0)
		return;
	out[0] = (int64_t)st.st_dev;
	out[1] = (int64_t)st.st_ino;
	out[2] = st.st_mtim.tv_sec;
	out[3] = st.st_mtim.tv_nsec;
	out[4] = st.st_size;
	/* Also a file that has become readable. */
	out[5] = st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

static void
stamp(const struct dicom_tls_files *f, int64_t out[DICOM_TLS_STAMP])
{
	stamp_one(f->cert, out);
	stamp_one(f->key, out + 6);
	stamp_one(f->ca, out + 12);
}

static bool
same_files(const struct dicom_tls_files *a, const struct dicom_tls_files *b)
{
	return strcmp(a->cert, b->cert) == 0 && strcmp(a->key, b->key) == 0 &&
	       strcmp(a->ca, b->ca) == 0;
}

static bool
load(struct dicom_tls *t, const struct dicom_tls_files *f, int64_t client_cert,
    const char *data, struct err *e)
{
	/* In the order of the choices in settings.def. */
	static const enum tls_client_cert kinds[] = {TLS_CLIENT_CERT_NONE,
	    TLS_CLIENT_CERT_REQUEST, TLS_CLIENT_CERT_REQUIRE};
	struct tls_config c = {.server = true,
	    .cert = f->cert,
	    .key = f->key,
	    .ca = f->ca,
	    .client_cert = kinds[client_cert]};
	struct tls *next;

	t->stale = false;
	if (!dicom_tls_make(f, data, e))
		return false;
	stamp(f, t->seen);
	if (!tls_new(&next, &c, e))
		return false;
	tls_unref(&t->tls);
	t->tls = next;
	t->files = *f;
	t->client_cert = client_cert;
	memcpy(t->loaded, t->seen, sizeof(t->loaded));
	return true;
}

bool
dicom_tls_take(struct dicom_tls *t, const struct settings *s, const char *data,
    struct err *e)
{
	int64_t client_cert = s->at[SETTING_DICOM_TLS_CLIENT_CERT].number;
	struct dicom_tls_files f;

	if (s->at[SETTING_DICOM_TLS_PORT].number == 0 &&
	    s->at[SETTING_HL7_TLS].number == 0) {
		tls_unref(&t->tls);
		return true;
	}
	if (!dicom_tls_files(s, data, &f, e))
		return false;
	if (t->tls != NULL && !t->stale && same_files(&t->files, &f) &&
	    t->client_cert == client_cert)
		return true;
	return load(t, &f, client_cert, data, e) ||
	       fail_in(e, "dicom.tls_cert, dicom.tls_key, dicom.tls_ca");
}

bool
dicom_tls_changed(struct dicom_tls *t)
{
	int64_t now[DICOM_TLS_STAMP];
	bool rests;

	if (t->tls == NULL)
		return false;
	stamp(&t->files, now);
	rests = memcmp(now, t->seen, sizeof(now)) == 0;
	memcpy(t->seen, now, sizeof(now));
	if (!rests || memcmp(now, t->loaded, sizeof(now)) == 0)
		return false;
	/* Whatever comes of it, this state is looked at once. */
	memcpy(t->loaded, now, sizeof(now));
	t->stale = true;
	return true;
}

void
dicom_tls_fini(struct dicom_tls *t)
{
	tls_unref(&t->tls);
}
