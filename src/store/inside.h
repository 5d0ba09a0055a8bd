/*
 * What the parts of the store share: the open folders, the read connections,
 * the state of the disk. Only for src/store and its tests.
 */
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include "base/buf.h"
#include "base/limit.h"
#include "base/map.h"
#include "base/thread.h"
#include "store/commit.h"
#include "store/db.h"
#include "store/store.h"

#include <stdatomic.h>

#define FOLDER_OBJECTS    "objects"
#define FOLDER_TMP        "objects/tmp"
#define FOLDER_QUARANTINE "quarantine"
#define FOLDER_TORN       "quarantine/torn"
#define DATABASE          "fileroom.db"
/* What the file 'lock' says after the process, for whoever looks (health.c). */
#define READ_ONLY_MARK "read-only: "

#define DAY_ROOM 11 /* "YYYY/MM/DD" */

struct names;        /* names.c: hosts of nodes, DICOM and HL7 */
struct known_nodes;  /* node.c */
struct hl7_known;    /* hl7_node.c */
struct asked_memory; /* worklist/asked.c */
struct live;         /* table/live.c */

/* Which day folders are in use (folder.c). */
struct days {
	struct mutex lock;
	char newest[DAY_ROOM];
	char marked[DAY_ROOM]; /* in our row of table writer */
	unsigned newer, older; /* objects in 'newest', and in days before */
	int64_t last_arrival_ms;
	uint32_t arrivals;
};

/* How much room the disk has (store.c), asked at most every 200 ms. */
struct space {
	struct mutex lock;
	int64_t asked_ms;
	uint64_t free_bytes;
};

struct store {
	char *folder, *database;
	bool server;
	bool flush_folders; /* an fsync of a file does not keep its name */
	int dir_fd, objects_fd, tmp_fd, quarantine_fd, torn_fd;
	int lock_fd, writers_fd;
	atomic_int duplicate;
	atomic_uint_fast64_t reserve;
	_Atomic(const char *) read_only;
	atomic_bool read_only_told; /* in the file 'lock' */
	/* Some commit is unsure: the next start looks at the files. */
	atomic_bool look_again;
	struct commit *commit;
	struct days days;
	struct space space;
	struct mutex writer_lock;
	int64_t writer_id; /* our row of table writer; 0: none yet */
	struct mutex reader_lock;
	struct cond reader_free;
	struct db **readers; /* idle ones */
	size_t readers_idle, readers_open, readers_max;
	struct names *names;
	struct known_nodes *known;
	struct hl7_known *hl7_known;
	struct asked_memory *asked;
	struct mutex live_lock;
	struct live *live; /* the newest first */
};

/* A read connection, to be given back; waits while all are in use. */
struct db *store_reader(struct store *s, struct err *e) MUST_USE;
void store_reader_done(struct store *s, struct db *db);

/* ERR_IO when the store is read-only. */
bool store_writable(struct store *s, struct err *e) MUST_USE;
void store_set_read_only(struct store *s, const char *why);
/* Flush a file of ours; after a failure that is not want of room the store is
 * read-only. */
bool store_flush(
    struct store *s, int fd, const char *path, struct err *e) MUST_USE;
/* Enter this process in table writer before it stores its first object;
 * ERR_DENIED while another one builds the index anew. */
bool store_writer_begin(struct store *s, struct err *e) MUST_USE;
/* Leave our row behind, as if the process had died: the next start recovers. */
void store_writer_leave_mark(struct store *s);
/* From now on no other process becomes a writer; false when one wants the
 * same. Those that are writers already are to be looked for afterwards. */
bool store_writer_alone(struct store *s);
/* Whether the process behind a row of table writer lives. */
bool store_writer_lives(struct store *s, int64_t id);

struct known_nodes *known_nodes_new(void);
void known_nodes_free(struct known_nodes **k);
struct hl7_known *hl7_known_new(void);
void hl7_known_free(struct hl7_known **k);
struct asked_memory *asked_memory_new(void);
void asked_memory_free(struct asked_memory **m);

/* How the database goes about a search, one step a line. */
struct search;
bool index_explain(struct store *s, const struct search *search,
    struct buf *out, struct err *e) MUST_USE;

/* At a start of the server (recover.c): *clean tells whether there was
 * nothing to do. */
bool store_recover(struct store *s, bool *clean, struct err *e) MUST_USE;
/* Unlink what tombstones name, and forget the tombstones. */
bool store_settle_tombstones(struct store *s, struct err *e) MUST_USE;

#endif
