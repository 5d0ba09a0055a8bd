/*
 * The routes: one table (src/web/route_table.c) from which come what is
 * answered, what it demands, the page /api/v1/openapi.json, the tests of who
 * may do what, and the names of activity.
 *
 * A pattern is a path whose parts are literal or "{name}": such a part takes
 * one part of the path, percent-decoded (any character, also a slash that was
 * sent as %2F). A last part "{name...}" takes the rest. A literal part wins
 * over a name. A part named {study} is the UID of a study that the caller may
 * see: it is looked up before the handler runs, and what may not be seen is not
 * there (404).
 */
#ifndef WEB_HTTP_ROUTE_H
#define WEB_HTTP_ROUTE_H

#include "base/err.h"
#include "base/str.h"

struct call;
struct reply;

enum method {
	METHOD_GET, /* answers HEAD too */
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_COUNT
};
const char *method_name(enum method m);

/* Who may call: the rights of store/table/user.h, or one of these. */
#define DEMAND_NOTHING 0x10000U /* anybody */
#define DEMAND_LOCAL   0x20000U /* this machine; else the right 'activity' */
#define DEMAND_LINK    0x80000U /* who came by a patient's link */
#define DEMAND_USER    0x40000U /* any user who is logged in */

enum route_flags {
	/* Also for who came by a patient's link, for its own study alone. */
	ROUTE_LINK = 1,
	/* Served in the thread that waits for all connections: it must touch
	 * neither disk nor database. */
	ROUTE_QUICK = 2,
	/* The handler reads the body as it comes: call_read(). */
	ROUTE_STREAM = 4,
	/* Answers people, not programs: errors are pages. */
	ROUTE_PAGE = 8,
	/* Checks a password: runs where few do at once. */
	ROUTE_PASSWORD = 16,
	/* Changes nothing for others and needs no proof that a page of ours
	 * sent it: logging in itself. */
	ROUTE_OPEN = 32,
	/* Also for who came by a patient's link and has not answered yet
	 * what it asks. */
	ROUTE_QUESTION = 64
};

#define ROUTE_PARTS  10
#define ROUTE_PARAMS 4

struct route {
	enum method method;
	const char *path;
	unsigned demand; /* one right, or one of the above */
	unsigned flags;
	size_t body_max; /* bytes; 0: no body. ROUTE_STREAM: none counts */
	/* False with an error is answered by reply_error(). */
	bool (*run)(struct call *c, struct reply *r, struct err *e);
	const char *name; /* of the activity: two or three words */
	/* What it does, takes and answers, for the OpenAPI page. */
	const char *summary;
	/* Names of the query's parameters, separated by spaces. Another one is
	 * answered 400. NULL: the query is the handler's own business. */
	const char *query;
	/* Names of the body's members, if it is JSON: likewise. */
	const char *body;
};

extern const struct route route_table[];
extern const size_t route_count;

enum route_found { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };
/* The route of a raw path (no query), and the parts of its names, not decoded
 * yet. ROUTE_NO_METHOD: *allow is a bit for each method there is. */
enum route_found route_find(enum method m, struct str path,
    const struct route **out, struct str params[ROUTE_PARAMS], unsigned *allow);
/* The place of a name among a route's params, or -1. */
int route_param(const struct route *r, const char *name);
/* Decode %XX; false for half ones and for a NUL, which no text of ours has.
 * plus: a '+' is a space (queries and forms). Valid UTF-8 only. */
struct arena;
bool percent_decode(
    struct arena *a, struct str in, bool plus, struct str *out) MUST_USE;

#endif
