/*
 * Who a request is from, and whether it may: the one place where rights,
 * visibility and proof of origin are enforced. It runs before every handler.
 */
#ifndef WEB_AUTH_ACCESS_H
#define WEB_AUTH_ACCESS_H

#include "store/index/index.h"
#include "web/http/call.h"

/* Does admitting this request mean to check a password? */
bool access_is_slow(const struct call *c);
/* False: refused; either the reply says why, or the error. */
bool access_admit(struct call *c, struct reply *r, struct err *e) MUST_USE;

/* May the viewer do this? (An enum right.) */
bool access_may(const struct call *c, unsigned right);

/* Codes such as modalities (VR CS) are of capitals: "ct" means CT. */
struct str access_code(struct arena *a, struct str typed);
/* What keeps a search to the studies that the viewer may see: at most this many
 * conditions, and columns that must be wanted of the rows. Rows are to be asked
 * access_sees(), too. */
#define ACCESS_CONDITIONS 4
void access_limit(
    struct call *c, struct condition *out, size_t *n, bool want[COLUMN_COUNT]);
bool access_sees(struct call *c, const struct index_row *study);
/* The same of a patient's row, of which columns of the study that fits are
 * there, too. */
bool access_sees_row(
    struct call *c, enum index_level level, const struct index_row *row);
/* Is it limited at all? */
bool access_is_limited(const struct call *c);
/* A study by its UID, with all columns of patient and study. ERR_MISSING, also
 * when it may not be seen. */
bool access_study(struct call *c, struct str uid, struct index_row *out,
    struct err *e) MUST_USE;

/* A name and password. On failure the reply says it: wrong, or too often. */
bool access_password(struct call *c, struct reply *r, struct str name,
    struct str password, struct user *out);
/* To the activity: somebody could not log in. who: a user there is, or "". */
void access_failed(struct call *c, const char *who, const char *why);
/* Begin a visit and give the browser its cookie. */
void access_enter(struct call *c, struct reply *r, const struct user *u);
/* The same by a patient's link. Each has a cookie of its own, for what is asked
 * of its study; of more than LINKS in one browser those are left that were used
 * last. */
#define LINKS 24
void access_enter_link(
    struct call *c, struct reply *r, const char *study, struct str token);
/* The page of the link that the viewer came by. */
const char *access_link_page(struct call *c);
/* Is the link's question still to be answered? */
bool access_asks(struct call *c);
/* It was answered: the visit goes on under another cookie. */
void access_answered(struct call *c, struct reply *r);
/* End the one there is, and take the cookie back. */
void access_leave(struct call *c, struct reply *r);

/* An API key begins so: it can be found in places where it should not be. */
#define KEY_PREFIX "frk_"
#define KEY_ROOM   48

#endif
