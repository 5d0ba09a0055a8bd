/*
 * What is in the watched folder, and what is known of it from the rounds
 * before. Only for the watch, in its own thread.
 */
#ifndef SERVICE_HL7_WATCH_LIST_H
#define SERVICE_HL7_WATCH_LIST_H

#include "base/err.h"
#include "base/map.h"

#include <dirent.h>
#include <sys/stat.h>

/* Files looked at in one round, the oldest; the others wait for theirs. */
#define WATCH_ROUND 1000
/* Files that are remembered from round to round. */
#define WATCH_KNOWN 4096

/* The same file with the same content, as far as that can be told. */
struct watch_identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed; /* mtime */
};
struct watch_identity watch_identity(const struct stat *st);
bool watch_same(const struct watch_identity *a, const struct watch_identity *b);

enum watch_verdict { WATCH_UNDECIDED, WATCH_DONE, WATCH_REFUSED };

struct watch_known {
	char name[NAME_MAX + 1];
	struct watch_identity identity;
	mode_t mode;
	int64_t since_ms;           /* it stands still; monotonic */
	bool whole;                 /* it was renamed into the folder */
	bool told;                  /* its trouble is in the log */
	int64_t retry_ms;           /* leave it alone until then */
	enum watch_verdict verdict; /* taken; only the renaming is left */
	unsigned round;             /* it was seen in */
	char *reasons;              /* of a refusal, a line each; or NULL */
};

struct watch_list {
	struct map known; /* by name */
	size_t known_count;
	unsigned round;
	struct watch_known *at[WATCH_ROUND]; /* of this round, the oldest first
					      */
	size_t n;
	bool crowded; /* too many cannot be dealt with: nothing is taken */
	struct map arrived; /* names that were renamed into the folder */
	size_t arrived_count;
};

void watch_list_init(struct watch_list *l);
void watch_list_fini(struct watch_list *l);
/* .hl7 or .txt, and not one of ours. */
bool watch_wanted(const char *name);
/* A file of this name was renamed into the folder. */
void watch_list_arrived(struct watch_list *l, const char *name);
/* Everything that is known is forgotten: it is another folder. */
void watch_list_clear(struct watch_list *l);
/* One round. False: the folder cannot be read. */
bool watch_list_scan(struct watch_list *l, int dir_fd, struct err *e) MUST_USE;
/* It is no longer there under this name. */
void watch_list_forget(struct watch_list *l, struct watch_known *k);

#endif
