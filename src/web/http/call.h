/*
 * One request, as its handler sees it. Handlers run in straight-line code in a
 * pool (but for ROUTE_QUICK); everything here lies in the call's arena or lives
 * as long as the call.
 */
#ifndef WEB_HTTP_CALL_H
#define WEB_HTTP_CALL_H

#include "base/arena.h"
#include "net/conn.h"
#include "store/table/user.h"
#include "web/auth/guard.h"
#include "web/http/input.h"
#include "web/http/reply.h"
#include "web/http/route.h"

struct store;
struct web;
struct upload;

#define CALL_HEADERS 64
#define CALL_PARAMS  64
#define CALL_HOST    256

struct call_pair {
	struct str name, value;
};

enum viewer_kind { VIEWER_NOBODY, VIEWER_USER, VIEWER_LINK };
enum viewer_by { BY_NOTHING, BY_COOKIE, BY_BASIC, BY_KEY };

/* Who asks; set before the handler runs. */
struct viewer {
	enum viewer_kind kind;
	enum viewer_by by;
	struct user user;   /* VIEWER_USER */
	struct visit visit; /* BY_COOKIE */
};

struct call {
	struct arena arena;
	struct web *web;
	struct store *store;
	const struct route *route;
	enum method method;
	bool head;        /* HEAD: only the head of the answer is sent */
	struct str path;  /* as sent */
	struct str query; /* as sent */
	struct str params[ROUTE_PARAMS];      /* decoded */
	struct call_pair fields[CALL_PARAMS]; /* of the query, decoded */
	size_t field_count;
	struct call_pair headers[CALL_HEADERS];
	size_t header_count;
	struct input members[INPUT_MEMBERS];
	size_t member_count;
	struct str body; /* whole, unless ROUTE_STREAM */
	struct upload *upload;
	struct viewer viewer;
	/* From where: behind trusted proxies the address they name. */
	char client[CONN_ADDRESS_ROOM];
	bool local;           /* that is this machine */
	bool secure;          /* over TLS, maybe that of a trusted proxy */
	char host[CALL_HOST]; /* as in Host, which is one of ours */
	int64_t began_ms;
	uint64_t instances_in; /* that were taken, for the activity */
};

/* Empty with a NULL p when it is not there. */
struct str call_header(const struct call *c, const char *name);
struct str call_cookie(const struct call *c, const char *name);
/* One after the other of what the header Cookie says. */
bool call_next_cookie(struct str *rest, struct str *name, struct str *value);
/* Does a header that lists entity tags have this one, or "*"? Weak ones count
 * where they may (RFC 9110 8.8.3.2). */
bool call_lists_tag(
    const struct call *c, const char *name, const char *tag, bool weak);
struct str call_field(const struct call *c, const char *name);
/* A part of the path by its name. */
struct str call_param(const struct call *c, const char *name);
/* A whole number of the query, or the default. ERR_USAGE names it. */
bool call_number(const struct call *c, const char *name, int64_t least,
    int64_t most, int64_t usual, int64_t *out, struct err *e) MUST_USE;
/* The query as an HTML form sends it into call.fields. ERR_USAGE names what
 * the route does not know, or what comes twice. */
bool call_fields(
    struct call *c, struct str text, const char *known, struct err *e) MUST_USE;

/* The body as JSON into call.members: those the route names, each once.
 * ERR_USAGE names another. */
bool call_json(struct call *c, struct err *e) MUST_USE;
/* The body as a form of HTML sends it, into call.fields. */
bool call_form(struct call *c, const char *known, struct err *e) MUST_USE;
/* A member; NULL when it is not there, or null. */
const struct input *call_member(const struct call *c, const char *name);
/* Its text, of least to most bytes; without one the text stays as it is unless
 * least is more than 0. ERR_USAGE names it. */
bool call_text(const struct call *c, const char *name, size_t least,
    size_t most, struct str *out, struct err *e) MUST_USE;
bool call_bool(
    const struct call *c, const char *name, bool *out, struct err *e) MUST_USE;

/* ROUTE_STREAM: between 1 and room bytes of the body, *n 0 at its end. Waits;
 * ERR_CLOSED when the client has gone or is too slow. */
bool call_read(
    struct call *c, void *p, size_t room, size_t *n, struct err *e) MUST_USE;
/* What Content-Length promises, or 0. */
uint64_t call_length(const struct call *c);

/* A text of the settings, as it is now. */
enum web_text_id {
	WEB_INSTITUTION,
	WEB_DEPARTMENT,
	WEB_VIEWER_NAME,
	WEB_VIEWER_URL
};
const char *web_text(struct call *c, enum web_text_id id);
enum web_flag_id { WEB_SANTE_LINKS, WEB_TOKEN_QUESTION };
bool web_flag(struct call *c, enum web_flag_id id);
/* sante://download?url=…, of the link by which the viewer came (F77). */
const char *web_sante_link(struct call *c);
/* How orders are taken, as it is set now. */
struct hl7_intake_config;
void web_orders(
    struct call *c, struct hl7_intake_config *out, char uid_for[256]);
/* "https://name:3000": how the portal is reached by others. */
const char *web_outside(struct call *c);
/* "https://host" by which this call came. */
const char *call_origin(struct call *c);

#endif
