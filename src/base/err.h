/*
 * Errors: a code that says what the caller may do, and a text for people.
 *
 * A struct err lives on the caller's stack and owns nothing. Functions that
 * can fail return bool and take a struct err * last. The text says the error
 * first and names the thing: "cannot open '%s'", no full stop.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

enum err_code {
	ERR_NONE = 0,
	ERR_IO,          /* the system failed: disk, socket */
	ERR_FULL,        /* no room on the disk, quota, or our reserve */
	ERR_TIMEOUT,     /* a deadline passed */
	ERR_CLOSED,      /* the peer has gone */
	ERR_MALFORMED,   /* bytes break their own format */
	ERR_PROTOCOL,    /* well formed, but not allowed here and now */
	ERR_LIMIT,       /* a cap of ours was reached */
	ERR_DENIED,      /* not permitted to this caller */
	ERR_MISSING,     /* the thing asked for does not exist */
	ERR_CONFLICT,    /* another thing stands in its place */
	ERR_CANCELLED,   /* the peer or the operator stopped it */
	ERR_CORRUPT,     /* what we stored is not what we read */
	ERR_UNSUPPORTED, /* understood, and not something we do */
	ERR_USAGE        /* wrong command line or setting */
};

struct err {
	enum err_code code;
	char text[372];
};

/* Set the error; always return false, so that 'return fail(...)' reads well. */
bool fail(struct err *e, enum err_code code, const char *format, ...)
    PRINTF(3, 4);

/* As fail(), with the code and ": reason" taken from errno (ENOSPC and EDQUOT
 * give ERR_FULL, ENOENT gives ERR_MISSING, the others ERR_IO). */
bool fail_errno(struct err *e, const char *format, ...) PRINTF(2, 3);

/* Put "what we were doing: " in front of the text; the code stays. */
bool fail_in(struct err *e, const char *format, ...) PRINTF(2, 3);

/* A lower-case word for the code ("io", "full", ...), stable for programs. */
const char *err_name(enum err_code code);

#endif
