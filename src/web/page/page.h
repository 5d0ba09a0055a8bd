/*
 * Pages: the portal itself and its log-in, which are files made of src/web/ui,
 * and the frame of those that are written here.
 */
#ifndef WEB_PAGE_PAGE_H
#define WEB_PAGE_PAGE_H

#include "web/http/call.h"

/* "/": the portal for who is logged in; else to the log-in. */
bool page_portal(struct call *c, struct reply *r, struct err *e);
bool page_login(struct call *c, struct reply *r, struct err *e);

/* The begin and end of a small page with our style, in a box of its own. The
 * title is in English; key names it in src/web/ui/text/en.ts: the page's script
 * puts the browser's language in its place. */
void page_begin(struct reply *r, const char *title, const char *key);
/* With institution, department and the client's address (F80, F85). c NULL: the
 * page's script asks for them. */
void page_end(struct call *c, struct reply *r);

#endif
