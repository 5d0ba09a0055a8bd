/*
 * Addresses of the portal as they are given to people.
 */
#ifndef WEB_LINK_H
#define WEB_LINK_H

#include "base/buf.h"
#include "web/web.h"

/* "pacs.example.org:3000": a host as the settings name it and the port we
 * listen on, unless the host brings its own (that of a proxy) or it is the
 * usual one. An IPv6 address gets its brackets. */
void link_authority(struct str host, unsigned port, bool tls, struct buf *out);
/* "https://pacs.example.org:3000/token?<64 characters>". False, and nothing is
 * added, while the portal is closed or has no name that others could use:
 * neither http.server_name nor an outside address. */
bool link_token(const struct web_config *c, struct str token, struct buf *out);

#endif
