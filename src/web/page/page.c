/*
 * Pages, see page.h.
 */
#include "web/page/page.h"

#include "web/http/inside.h"
#include "web/page/asset.h"

bool
page_portal(struct call *c, struct reply *r, struct err *e)
{
	(void)e;
	if (c->viewer.kind == VIEWER_USER)
		asset_page(c, r, "index.html");
	else
		reply_redirect(r, "/login");
	return true;
}

bool
page_login(struct call *c, struct reply *r, struct err *e)
{
	(void)e;
	asset_page(c, r, "login.html");
	return true;
}

void
page_begin(struct reply *r, const char *title, const char *key)
{
	r->type = "text/html; charset=utf-8";
	buf_text(&r->body,
	    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">"
	    "<meta name=\"color-scheme\" content=\"light dark\">");
	buf_printf(&r->body,
	    "<link rel=\"stylesheet\" href=\"%s\">"
	    "<link rel=\"icon\" href=\"%s\">"
	    "<script type=\"module\" src=\"%s\"></script><title>",
	    asset_path("page.css"), asset_path("icon.svg"),
	    asset_path("page.ts"));
	html_text(&r->body, str_from(title));
	buf_text(&r->body,
	    " · Fileroom</title></head><body class=\"small\"><main>"
	    "<p class=\"brand\">Fileroom</p><h1");
	if (key != NULL)
		buf_printf(&r->body, " data-text=\"%s\"", key);
	buf_text(&r->body, ">");
	html_text(&r->body, str_from(title));
	buf_text(&r->body, "</h1>");
}

void
page_end(struct call *c, struct reply *r)
{
	struct buf *b = &r->body;
	const char *institution, *department;

	buf_text(b, "</main><footer data-place>");
	if (c != NULL && c->client[0] != '\0') {
		institution = web_text(c, WEB_INSTITUTION);
		department = web_text(c, WEB_DEPARTMENT);
		if (institution[0] != '\0' || department[0] != '\0')
			buf_text(b, "<bdi>");
		html_text(b, str_from(institution));
		if (institution[0] != '\0' && department[0] != '\0')
			buf_text(b, " - ");
		html_text(b, str_from(department));
		if (institution[0] != '\0' || department[0] != '\0')
			buf_text(b, "</bdi>");
		buf_text(b, "<span>Client IP: ");
		html_text(b, str_from(c->client));
		buf_text(b, "</span>");
	}
	buf_text(b, "</footer></body></html>\n");
}
