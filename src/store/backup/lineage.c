/*
 * The number of an archive, in table state under 'archive', and that of the
 * archive whose backup lies in a folder. Backups made before there were numbers
 * have none, and are taken for the archive's own.
 */
#include "store/backup/lineage.h"

#include "base/log.h"
#include "base/os.h"
#include "store/backup/manifest.h"
#include "store/inside.h"

#include <fcntl.h>
#include <unistd.h>

#define PATH_LONG 4096

static bool
read_number(struct db *db, int64_t *out, bool *found, struct err *e)
{
	return db_get_int(db, "SELECT value FROM state WHERE name = 'archive'",
	    DB_NO_ARGS, out, found, e);
}

static bool
put_number(struct upsert *u, void *ctx, struct err *e)
{
	uint32_t number;

	(void)ctx;
	os_random(&number, sizeof(number));
	return db_exec(upsert_db(u),
	    "INSERT OR IGNORE INTO state (name, value) VALUES ('archive', ?)",
	    DB_ARGS(db_int(number)), e);
}

static bool
our_number(struct store *s, int64_t *out, bool *found, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	if (db == NULL)
		return false;
	ok = read_number(db, out, found, e);
	store_reader_done(s, db);
	return ok;
}

/* An archive that cannot be written is backed up all the same. */
static bool
need_number(struct store *s, int64_t *out, bool *found, struct err *e)
{
	struct err why;

	if (!our_number(s, out, found, e))
		return false;
	if (*found)
		return true;
	if (commit_run(s->commit, true, put_number, NULL, &why) != COMMIT_DONE)
		log_warning("store",
		    "the archive gets no number for its backups: %s", why.text);
	return our_number(s, out, found, e);
}

/* What cannot be read there is no backup to be careful with. */
static bool
their_number(int dir, const char *folder, int64_t *out)
{
	char path[PATH_LONG];
	struct manifest m;
	bool found = false;
	struct db *db;
	struct err why;

	manifest_init(&m);
	if (manifest_read(dir, folder, &m, &why)) {
		snprintf(
		    path, sizeof(path), "%.3900s/%.31s", folder, m.database);
		if (faccessat(dir, m.database, F_OK, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    db_open(&db, path, DB_READ, &why)) {
			if (!read_number(db, out, &found, &why))
				found = false;
			db_close(&db);
		}
	}
	manifest_fini(&m);
	return found;
}

bool
lineage_check(struct store *s, int dir, const char *folder, struct err *e)
{
	int64_t ours = 0, theirs = 0;
	bool found = false;

	if (!need_number(s, &ours, &found, e))
		return false;
	if (!their_number(dir, folder, &theirs) || (found && ours == theirs))
		return true;
	return fail(e, ERR_CONFLICT,
	    "'%s' holds the backup of another archive, which is kept: restore "
	    "it ('fileroom help restore'), or back this one up into another "
	    "folder",
	    folder);
}
