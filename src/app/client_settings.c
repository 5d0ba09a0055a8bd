/*
 * From settings to a client.
 */
#include "app/client_settings.h"

#include "app/dicom_tls.h"

#include <unistd.h>

/* Our certificate is shown to nodes that ask for one; an archive that has
 * never opened its TLS port has none to show. */
static bool
open_tls(
    const struct settings *s, const char *data, struct tls **out, struct err *e)
{
	struct dicom_tls_files f;
	struct tls_config c;

	if (!dicom_tls_files(s, data, &f, e))
		return false;
	c = (struct tls_config){.cert = f.cert, .key = f.key, .ca = f.ca};
	if (f.ours && access(f.cert, F_OK) != 0)
		c.cert = c.key = "";
	return tls_new(out, &c, e);
}

bool
client_settings(const struct settings *s, const char *data, struct client *out,
    struct err *e)
{
	const struct setting_value *at = s->at;
	struct err why;

	*out = (struct client){
	    .timeout_ms = (int)at[SETTING_DICOM_TIMEOUT_S].number * 1000};
	if (!str_copy(out->ae_title, sizeof(out->ae_title),
		str_from(at[SETTING_DICOM_AE_TITLE].text)))
		return fail(e, ERR_USAGE, "an AE title over 16 characters");
	if (!open_tls(s, data, &out->tls, &why))
		(void)str_copy(out->tls_trouble, sizeof(out->tls_trouble),
		    str_from(why.text));
	return true;
}
