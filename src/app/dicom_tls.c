/*
 * Where certificate, key and authorities lie, and the making of our own.
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
	if (os->mkdirat(AT_FDCWD, folder, 0700) != 0 && errno != EEXIST)
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
