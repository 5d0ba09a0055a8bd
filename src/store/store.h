/*
 * The archive: object files and their index, in one data folder.
 *
 *   DATA/lock                 flock'ed by the server
 *   DATA/fileroom.db          SQLite: index, nodes, settings, activity
 *   DATA/objects/tmp/         files being received
 *   DATA/objects/YYYY/MM/DD/<study key>/<instance key>.dcm
 *   DATA/quarantine/          second arrivals that differ, torn files set aside
 *   DATA/token.key            under which tokens of studies are kept
 *
 * Everything here may be called from any thread unless it says otherwise.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"

struct store;

enum store_duplicate {
	DUPLICATE_QUARANTINE,
	DUPLICATE_REPLACE,
	DUPLICATE_REFUSE
};

struct store_config {
	const char *folder;
	/* The server: locks the folder, recovers after an unclean stop, marks
	 * the stop as clean at close. Verbs beside it: false. */
	bool server;
	/* Make the folder and the database if there are none. */
	bool create;
	/* The index is to be built anew: also where it is missing, or where no
	 * file is left of what it names. */
	bool rebuild;
};

/* ERR_DENIED when another server holds the folder ("another server (process
 * 123) uses '…'"), ERR_UNSUPPORTED when the schema is newer than this program
 * knows (says both versions and what to do), ERR_MISSING without create,
 * ERR_CONFLICT when there are objects and no database. Without any file of what
 * the index names (a disk that is not mounted) the store is read-only. */
bool store_open(struct store **, const struct store_config *, struct err *e);
void store_close(struct store **);

/* Take effect at once. */
void store_set_duplicate(struct store *, enum store_duplicate);
void store_set_reserve(struct store *, uint64_t bytes);

/* ERR_FULL when need bytes more would go below the reserve; ERR_IO when the
 * store is read-only. */
bool store_room(struct store *, uint64_t need, struct err *e) MUST_USE;

/* Read-only after a failed flush, until the process starts anew and recovery
 * has checked: why, or NULL. Static text. */
const char *store_read_only(const struct store *);

const char *store_folder(const struct store *);
/* A file without a name in the data folder, gone when it is closed. */
bool store_scratch(struct store *, int *fd, struct err *e) MUST_USE;

struct store_counts {
	uint64_t patients, studies, series, instances, bytes, quarantined;
};
bool store_count(struct store *, struct store_counts *out, struct err *e);

#endif
