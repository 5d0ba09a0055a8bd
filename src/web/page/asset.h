/*
 * The files of our pages: what tools/ui made of src/web/ui, in the program
 * itself, compressed already. Names carry a hash of what is in them, so that a
 * browser keeps them for good; pages themselves are asked for anew each time.
 */
#ifndef WEB_PAGE_ASSET_H
#define WEB_PAGE_ASSET_H

#include "base/err.h"
#include "base/str.h"

struct call;
struct reply;

enum asset_coding { ASSET_PLAIN, ASSET_GZIP, ASSET_BROTLI, ASSET_CODINGS };

struct asset {
	const char *name;   /* "app-1a2b3c4d.js", or "index.html" of a page */
	const char *path;   /* "/assets/app-1a2b3c4d.js" */
	const char *source; /* in src/web/ui: "page.css"; or "" */
	const char *type;
	const char *etag; /* with its quotes */
	/* In asset_bytes; where a coding gains nothing, n is 0. */
	struct {
		size_t at, n;
	} coded[ASSET_CODINGS];
};

/* Made by tools/ui. */
extern const struct asset asset_table[];
extern const size_t asset_count;
extern const uint8_t asset_bytes[];

/* "/assets/page-1a2b3c4d.css", as pages refer to what page.css became. */
const char *asset_path(const char *source);
/* A whole page by its name in src/web/ui. */
void asset_page(struct call *c, struct reply *r, const char *name);

/* The handler of /assets/{name}. */
bool asset_show(struct call *c, struct reply *r, struct err *e);

#endif
