/*
 * The files of DICOM TLS as the settings dicom.tls_* name them, and what the
 * server's TLS port speaks with. Files and settings may change at any time:
 * new connections get what is in force then.
 */
#ifndef APP_DICOM_TLS_H
#define APP_DICOM_TLS_H

#include "app/settings.h"
#include "net/tls.h"

#define DICOM_TLS_PATH_ROOM 4096

struct dicom_tls_files {
	char cert[DICOM_TLS_PATH_ROOM], key[DICOM_TLS_PATH_ROOM];
	char ca[DICOM_TLS_PATH_ROOM]; /* "": none */
	bool ours; /* both cert and key have their default names */
};

/* ERR_USAGE when a path becomes too long. */
bool dicom_tls_files(const struct settings *s, const char *data,
    struct dicom_tls_files *out, struct err *e) MUST_USE;
/* Our own certificate and key under their default names, if they are not
 * there. */
bool dicom_tls_make(
    const struct dicom_tls_files *f, const char *data, struct err *e) MUST_USE;

/* The same as numbers that differ when a file is another. */
#define DICOM_TLS_STAMP 18
/* What is in force; zeroed at first. */
struct dicom_tls {
	struct tls *tls; /* NULL: neither DICOM nor HL7 wants it */
	struct dicom_tls_files files;
	int64_t client_cert;
	int64_t loaded[DICOM_TLS_STAMP], seen[DICOM_TLS_STAMP];
	bool stale;
};
/* The struct tls for these settings, read anew only when the settings name
 * other files or dicom_tls_changed() has said so. ERR_USAGE names the bad
 * file, and what was in force stays so. */
bool dicom_tls_take(struct dicom_tls *t, const struct settings *s,
    const char *data, struct err *e) MUST_USE;
/* Asked every now and then: true once for each change of a file, when the
 * files have been the same for two askings. */
bool dicom_tls_changed(struct dicom_tls *t);
void dicom_tls_fini(struct dicom_tls *t);

#endif
