/*
 * How this archive calls other nodes, by its settings: what the server and
 * every verb with a NODE share.
 */
#ifndef APP_CLIENT_SETTINGS_H
#define APP_CLIENT_SETTINGS_H

#include "app/settings.h"
#include "service/client/client.h"

/* data: the archive's folder, for the certificates. TLS that cannot be set up
 * is no error until a node needs it: then client_open() says what is wrong
 * with the files. Free with client_fini(). */
bool client_settings(const struct settings *s, const char *data,
    struct client *out, struct err *e) MUST_USE;

#endif
