/*
 * What modalities asked of the worklist last: for people who wonder what a
 * scanner shows. A small table, not a log: the same query again is counted,
 * and reaches the disk once a minute at most.
 */
#ifndef STORE_WORKLIST_ASKED_H
#define STORE_WORKLIST_ASKED_H

#include "store/store.h"

/* A longer identifier is not kept: real ones have less than 1 KiB. */
#define ASKED_IDENTIFIER (8 * 1024)

struct asked {
	char ae[17]; /* printable */
	char address[48];
	struct str identifier; /* explicit VR little endian; none if failed */
	int64_t first_ms, last_ms;
	uint64_t count;   /* times it was asked */
	uint64_t answers; /* the last time */
	int64_t took_us;
	/* What held then, one letter each; the service's own. */
	char rules[8];
	char failed[100]; /* why it was refused, or not kept */
};

/* Never waits for a flush; most calls write nothing. Of each AE title the last
 * few queries stay, and so many in all. */
void asked_note(struct store *s, const struct asked *asked);
/* Of this AE title, NULL for the last query of each; the latest first. */
bool asked_list(struct store *s, const char *ae, size_t max, struct arena *a,
    struct asked **out, size_t *n, struct err *e) MUST_USE;

#endif
