/*
 * The settings http.* as the portal takes them.
 */
#ifndef APP_WEB_SETTINGS_H
#define APP_WEB_SETTINGS_H

#include "app/settings.h"
#include "web/web.h"

void web_settings(const struct settings *s, struct web_config *out);

#endif
