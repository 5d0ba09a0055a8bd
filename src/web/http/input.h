/*
 * JSON that others wrote, as our API takes it: one object whose members are
 * text, whole numbers, true, false, null, or lists of text. Anything else is
 * refused, as are names that come twice, bytes that are no UTF-8, and NUL.
 */
#ifndef WEB_HTTP_INPUT_H
#define WEB_HTTP_INPUT_H

#include "base/arena.h"
#include "base/err.h"

#define INPUT_MEMBERS 64
#define INPUT_LIST    10000

enum input_kind {
	INPUT_NULL,
	INPUT_BOOL,
	INPUT_NUMBER,
	INPUT_TEXT,
	INPUT_LIST_OF_TEXT
};

struct input {
	struct str name;
	enum input_kind kind;
	int64_t number;  /* also 0 or 1 of INPUT_BOOL */
	struct str text; /* NUL-terminated */
	struct str *list;
	size_t list_count;
};

/* ERR_MALFORMED says what is wrong and at which byte. */
bool input_read(struct arena *a, struct str json,
    struct input out[INPUT_MEMBERS], size_t *n, struct err *e) MUST_USE;

#endif
