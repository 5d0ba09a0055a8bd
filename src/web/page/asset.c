/*
 * Assets, see asset.h. RFC 9110 12.5.3 (codings) and 13.1.2 (If-None-Match).
 */
#include "web/page/asset.h"

#include "web/http/call.h"

#include <string.h>

#define FOR_GOOD  "public, max-age=31536000, immutable"
#define ASK_AGAIN "no-cache"

static const struct asset *
find(struct str name)
{
	size_t i;

	for (i = 0; i < asset_count; i++)
		if (str_eq_text(name, asset_table[i].name))
			return &asset_table[i];
	return NULL;
}

const char *
asset_path(const char *source)
{
	size_t i;

	for (i = 0; i < asset_count; i++)
		if (strcmp(asset_table[i].source, source) == 0)
			return asset_table[i].path;
	must(false);
	return "";
}

/* Does the client take this coding? "q=0" is a no; other weights are not
 * compared: brotli is the smaller one. */
static bool
takes(struct str accepted, struct str coding)
{
	struct str part, name;

	while (str_split(&accepted, ',', &part)) {
		if (!str_split(&part, ';', &name) ||
		    !str_eq_nocase(str_trim(name), coding))
			continue;
		part = str_trim(part);
		return !str_eq_nocase(part, STR("q=0")) &&
		       !str_starts(part, STR("q=0.000")) &&
		       !str_eq(part, STR("q=0.0")) &&
		       !str_eq(part, STR("q=0.00"));
	}
	return false;
}

static enum asset_coding
choose(const struct call *c, const struct asset *a)
{
	struct str accepted = call_header(c, "Accept-Encoding");

	if (a->coded[ASSET_BROTLI].n > 0 && takes(accepted, STR("br")))
		return ASSET_BROTLI;
	if (a->coded[ASSET_GZIP].n > 0 && takes(accepted, STR("gzip")))
		return ASSET_GZIP;
	return ASSET_PLAIN;
}

static void
give(struct call *c, struct reply *r, const struct asset *a, const char *cache)
{
	static const char *const names[ASSET_CODINGS] = {
	    [ASSET_GZIP] = "gzip", [ASSET_BROTLI] = "br"};
	enum asset_coding coding = choose(c, a);

	reply_header(r, "ETag", a->etag);
	reply_header(r, "Vary", "Accept-Encoding");
	r->cache = cache;
	r->type = a->type;
	/* The browser's own copy is this one. */
	if (call_lists_tag(c, "If-None-Match", a->etag, true)) {
		r->status = 304;
		return;
	}
	if (names[coding] != NULL)
		reply_header(r, "Content-Encoding", names[coding]);
	buf_add(&r->body,
	    str_of(asset_bytes + a->coded[coding].at, a->coded[coding].n));
}

void
asset_page(struct call *c, struct reply *r, const char *name)
{
	const struct asset *a = find(str_from(name));

	must(a != NULL);
	r->page = true;
	give(c, r, a, ASK_AGAIN);
}

bool
asset_show(struct call *c, struct reply *r, struct err *e)
{
	const struct asset *a = find(call_param(c, "name"));

	if (a == NULL || strcmp(a->type, "text/html; charset=utf-8") == 0)
		return fail(e, ERR_MISSING, "there is no such file");
	give(c, r, a, FOR_GOOD);
	return true;
}
