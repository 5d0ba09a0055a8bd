/*
 * An answer being put together by a handler: JSON, text, a page, or a source
 * of bytes. Which headers keep a browser from harm is decided here.
 */
#ifndef WEB_HTTP_REPLY_H
#define WEB_HTTP_REPLY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "web/http/source.h"

#define REPLY_HEADERS 16

struct call;

struct reply_header {
	const char *name, *value;
};

struct reply {
	struct call *call;   /* what is answered */
	struct arena *arena; /* of the call */
	unsigned status;     /* 0: 200 */
	const char *type;    /* Content-Type */
	struct buf body;
	struct source *source; /* instead of body */
	/* With a source of known size: Range and If-Range are honoured. */
	bool ranges;
	struct reply_header headers[REPLY_HEADERS];
	size_t header_count;
	bool page;  /* for a browser: its policy allows our own scripts */
	bool close; /* no further request on this connection */
	const char *cache;  /* Cache-Control; NULL: no-store */
	const char *policy; /* Content-Security-Policy; NULL: the usual one */
	struct json json;
};

/* The answer is JSON: write into the result. */
struct json *reply_json(struct reply *r);
/* Text that is whole; it is copied. */
void reply_text(
    struct reply *r, unsigned status, const char *type, struct str text);
/* Takes the source. */
void reply_source(struct reply *r, struct source *s, const char *type);
/* The value is copied; CR, LF and other control characters do not pass. */
void reply_header(struct reply *r, const char *name, const char *value);
void reply_redirect(struct reply *r, const char *location);
/* Start anew: what was written is dropped. */
void reply_clear(struct reply *r);
void reply_fini(struct reply *r);

/* {"error":{"code","message"}}: code is stable and for programs. Or, where
 * r->page is set, a page. */
void reply_refuse(struct reply *r, unsigned status, const char *code,
    const char *format, ...) PRINTF(4, 5);
/* The same from an error; what is the system's own trouble is logged and not
 * shown. */
void reply_error(struct reply *r, const struct err *e);
/* The bytes as they may stand in HTML. */
void html_text(struct buf *out, struct str text);

/* Content-Disposition of a file: the name in ASCII and in full (RFC 6266). */
void reply_attachment(struct reply *r, struct str file_name);
/* The same of one that the browser may show. */
void reply_inline(struct reply *r, struct str file_name);

#endif
