/*
 * What the portal keeps in memory about who comes: the users as of now, those
 * who are logged in (visits), and how often somebody failed. One for all of it,
 * with one lock that is never held across a call of the system.
 */
#ifndef WEB_AUTH_GUARD_H
#define WEB_AUTH_GUARD_H

#include "net/conn.h"
#include "store/table/activity.h"
#include "store/table/user.h"

struct guard;

struct guard *guard_new(struct store *);
void guard_free(struct guard **);

/* A user by id, as the table has it now or half a second ago. ERR_MISSING. */
bool guard_user(
    struct guard *, int64_t id, struct user *out, struct err *e) MUST_USE;
/* A change by ourselves counts at once. */
void guard_forget(struct guard *);

#define VISIT_TOKEN 44 /* 43 letters: 256 bits */
#define VISIT_NAME  13 /* what lists and activity show */

/* Who is logged in by a cookie: a user, or the bearer of a patient's link. */
struct visit {
	char name[VISIT_NAME];
	char token[VISIT_TOKEN]; /* what requests that change things repeat */
	int64_t user;            /* 0: by a link */
	const char *by;          /* "cookie", "link", … */
	char who[65];            /* the user's name */
	int64_t generation;      /* of the user at login */
	char study[65];          /* of a link: all that may be seen */
	char link[65];           /* its token: looked up each time */
	bool answered;           /* what the link asks */
	char address[CONN_ADDRESS_ROOM];
	char browser[160];
	int64_t began_ms, seen_ms; /* UTC */
	uint64_t requests, bytes_in, bytes_out;
	uint32_t downloads, uploads, searches;
	uint64_t instances_in;
	int64_t used_step; /* of the second factor */
};

/* cookie gets what the browser is to keep. The oldest goes when there are too
 * many. */
void visit_begin(struct guard *, struct visit *v, char cookie[VISIT_TOKEN]);
/* The visit of a program, which sends a name and password, or a key, with each
 * request: one for its user and address, begun at need. */
void visit_program(struct guard *, struct visit *v);
/* What was done in a visit, once it is over: a line for people without anything
 * secret (NULL: it only counts), and what it comes to. */
struct visit_deed {
	const char *line;
	uint64_t bytes_in, bytes_out, instances_in;
	bool download, upload, search;
};
void visit_note(
    struct guard *, const char *name, const struct visit_deed *deed);
/* Writes down what has ended, and now and then what goes on. May touch the
 * database. */
void visit_write(struct guard *);
/* A log-in that failed: the name of the user if there is one. */
void visit_failed(struct guard *, const char *who, const char *why,
    const char *address, struct str browser);
/* Counts as a request. False: unknown, or too long ago. */
bool visit_find(struct guard *, struct str cookie, struct visit *out);
/* When it last was here, UTC, which does not count as a request; 0: unknown, or
 * too long ago. */
int64_t visit_seen_ms(struct guard *, struct str cookie);
void visit_end(struct guard *, struct str cookie);
/* All of a user but the one with this name (or NULL). */
void visit_end_all(struct guard *, int64_t user, const char *but);
/* Of patients' links to a study. */
void visit_end_study(struct guard *, struct str study);
/* The row of a session that goes on was written down a while ago: here it is
 * as of now, with what was done (or NULL). Other rows stay as they are. */
void visit_refresh(
    struct guard *, struct activity *row, struct arena *a, struct str *actions);
typedef void visit_fn(void *ctx, const struct visit *v);
void visit_each(struct guard *, visit_fn *fn, void *ctx);

/* Failures by what is tried and from where. Before a try: false when there were
 * too many; *wait_s is then how long to wait. */
bool guard_may_try(
    struct guard *, struct str account, const char *address, int *wait_s);
void guard_failed(struct guard *, struct str account, const char *address);
void guard_succeeded(struct guard *, struct str account);
/* A code of the second factor counts once: false when it was used. */
bool guard_step(struct guard *, int64_t user, int64_t step);

/* A name and password that were right within the last minutes are not hashed
 * again for each request (HTTP Basic). */
bool guard_knows(
    struct guard *, struct str credentials, int64_t *user, int64_t *generation);
void guard_learns(
    struct guard *, struct str credentials, int64_t user, int64_t generation);

#endif
