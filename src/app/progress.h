/*
 * A progress bar on stderr, where that is a terminal; nothing elsewhere.
 * One thread at a time calls these.
 */
#ifndef APP_PROGRESS_H
#define APP_PROGRESS_H

#include "base/attr.h"

struct progress {
	const char *what; /* "importing" */
	const char *unit; /* "files"; NULL: bytes */
	bool shown;       /* a line stands on the terminal */
	bool terminal;
	int64_t start_ms, drawn_ms;
};

void progress_begin(struct progress *p, const char *what, const char *unit);
/* total 0: not known. Draws at most ten times a second. */
void progress_update(struct progress *p, uint64_t done, uint64_t total);
/* Wipes the line, so that others can be printed; it comes back by itself. */
void progress_hide(struct progress *p);
void progress_end(struct progress *p);

#endif
