/*
 * The settings http.* as the portal takes them.
 */
#include "app/web_settings.h"

#include "app/worklist/common.h"

static void
text(char out[WEB_TEXT_ROOM], const struct settings *s, enum setting_id id)
{
	(void)str_copy(out, WEB_TEXT_ROOM, str_from(s->at[id].text));
}

void
web_settings(const struct settings *s, struct web_config *out)
{
	const struct setting_value *at = s->at;

	*out = (struct web_config){0};
	out->port_auto = at[SETTING_HTTP_PORT].number == SETTING_PORT_AUTO;
	if (!out->port_auto)
		out->port = (uint16_t)at[SETTING_HTTP_PORT].number;
	out->tls = at[SETTING_HTTP_TLS].number != 0;
	out->allow_plain = at[SETTING_HTTP_ALLOW_PLAIN].number != 0;
	out->token_days = (int)at[SETTING_HTTP_TOKEN_DAYS].number;
	/* In the order of the choices in settings.def. */
	out->token_from =
	    (enum web_link_from)at[SETTING_HTTP_TOKEN_FROM].number;
	out->token_question = at[SETTING_HTTP_TOKEN_QUESTION].number != 0;
	out->sante_links = at[SETTING_HTTP_SANTE_LINKS].number != 0;
	worklist_intake(s, &out->orders);
	(void)str_copy(out->uid_for, sizeof(out->uid_for),
	    str_from(out->orders.rules.uid_for));
	text(out->viewer_name, s, SETTING_HTTP_VIEWER_NAME);
	text(out->viewer_url, s, SETTING_HTTP_VIEWER_URL);
	text(out->bind, s, SETTING_HTTP_BIND);
	text(out->cert, s, SETTING_HTTP_TLS_CERT);
	text(out->key, s, SETTING_HTTP_TLS_KEY);
	text(out->proxies, s, SETTING_HTTP_TRUSTED_PROXIES);
	text(out->server_name, s, SETTING_HTTP_SERVER_NAME);
	text(out->outside_address, s, SETTING_HTTP_OUTSIDE_ADDRESS);
	text(out->institution, s, SETTING_HTTP_INSTITUTION);
	text(out->department, s, SETTING_HTTP_DEPARTMENT);
}
