/*
 * Addresses of the portal as they are given to people.
 */
#ifndef WEB_LINK_H
#define WEB_LINK_H

#include "base/buf.h"
#include "web/web.h"

/* "https://pacs.example.org:3000/token?<64 characters>". False, and nothing is
 * added, while the portal is closed or has no name that others could use:
 * neither http.server_name nor an outside address. */
bool link_token(const struct web_config *c, struct str token, struct buf *out);

#endif
