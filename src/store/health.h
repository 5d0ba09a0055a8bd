/*
 * How the archive is, for whoever looks after it: who has the folder, what was
 * set aside or lost, whether the disk flushes.
 */
#ifndef STORE_HEALTH_H
#define STORE_HEALTH_H

#include "store/store.h"

/* The server that has a folder; needs no open archive and writes nothing. */
struct store_holder {
	bool held;
	int64_t process;     /* 0: not known */
	char read_only[128]; /* why it takes nothing more, or empty */
};
/* ERR_MISSING without folder or lock file. */
bool store_holder(
    const char *folder, struct store_holder *out, struct err *e) MUST_USE;
/* The schema of the archive in a folder, and of this program. */
bool store_schema(
    const char *folder, int64_t *found, int64_t *known, struct err *e) MUST_USE;

struct store_health {
	char newest_day[11];    /* of the objects, "YYYY/MM/DD", or empty */
	bool flushes_folders;   /* the file system needs it */
	uint64_t differing;     /* in quarantine: second arrivals */
	uint64_t damaged;       /* in quarantine: torn and changed files */
	uint64_t lost;          /* instances whose file was found missing or
				 * damaged, and that did not come again */
	uint64_t week_bytes;    /* that came in the last seven days */
	int64_t backup_ms;      /* when the last one was finished; 0: none */
	uint64_t unclean_stops; /* that no start has recovered from yet */
};
bool store_health(
    struct store *, struct store_health *out, struct err *e) MUST_USE;
/* The median of some flushes of a small file among the objects. */
bool store_flush_time(
    struct store *, int64_t *median_us, struct err *e) MUST_USE;
/* Reads the whole index; *whole false: the first thing wrong is in text. */
bool store_quick_check(struct store *, bool *whole, char *text, size_t room,
    struct err *e) MUST_USE;

#endif
