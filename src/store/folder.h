/*
 * The folders of objects: which day is in use, names of files, walking them.
 *
 * A path is "YYYY/MM/DD/<study key>/<instance key>.dcm", of digits and hex
 * digits only: nothing that a peer sends is ever part of a name.
 */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "store/inside.h"

#define PATH_ROOM 80
#define NAME_ROOM 48

/* An arrival: the moment, and a number that orders those of one millisecond. */
struct arrival {
	int64_t ms;
	uint32_t number;
};
/* Never earlier than the arrival before. */
struct arrival folder_arrival(struct store *s);

void folder_init(struct store *s);
/* The newest day folder there is into days.newest, before the first use. */
bool folder_find_newest(struct store *s, struct err *e) MUST_USE;
/* The folder in use, today's or a newer one; an object is on its way into it
 * until folder_leave(). */
void folder_enter(struct store *s, char day[DAY_ROOM]);
/* Moves the mark of our row in table writer on when no object is on its way
 * into an older folder any more. */
void folder_leave(struct store *s, const char *day);

/* A path for the object, never used before. */
void folder_path(const char *day, struct str study, struct str instance,
    char out[PATH_ROOM]);
bool folder_path_valid(const char *path);
/* A path within quarantine: what folder_random_name() made, also in torn/. */
bool folder_aside_valid(const char *path);
/* A name for a file in quarantine or tmp. */
void folder_random_name(const char *suffix, char out[NAME_ROOM]);
/* Give a file of objects/tmp its name below objects, through folders that are
 * no links; -1 with errno ENOENT: folder_make() first. */
int folder_rename_into(struct store *s, const char *name, const char *path);
/* Make the folders of a path. */
bool folder_make(struct store *s, const char *path, struct err *e) MUST_USE;
/* Where the file system needs it: flush the folders of a path. */
bool folder_flush(struct store *s, const char *path, struct err *e) MUST_USE;
/* Open a file below dir; links are not followed. */
int folder_open(int dir, const char *path, int flags);

/* The days there are from 'from' on, in order; freed by the caller. */
struct day_list {
	char (*days)[DAY_ROOM];
	size_t n;
};
bool folder_days(struct store *s, const char *from, struct day_list *out,
    struct err *e) MUST_USE;
/* Calls fn for the path of each file of a day, in no order. */
typedef bool folder_fn(void *ctx, const char *path, struct err *e);
bool folder_files(struct store *s, const char *day, folder_fn *fn, void *ctx,
    struct err *e) MUST_USE;
/* Calls fn for the name of each plain file in a folder. */
bool folder_names(int dir, folder_fn *fn, void *ctx, struct err *e) MUST_USE;

#endif
