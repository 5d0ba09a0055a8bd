/*
 * The files of DICOM TLS as the settings dicom.tls_* name them.
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

#endif
