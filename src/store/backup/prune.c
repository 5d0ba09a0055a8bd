/*
 * Which row an object file belongs to is read from its header: paths are no
 * key of the index.
 */
#include "store/backup/prune.h"

#include "base/os.h"
#include "store/folder.h"
#include "store/inside.h"
#include "store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>

static bool
is_named(int fd, const char *path, struct db *db, bool *named, struct err *e)
{
	struct object_file f;
	uint32_t number;
	struct err why;
	int64_t one;

	*named = true;
	if (!seal_read(fd, path, &f, &number, &why))
		return true;
	return db_get_int(db,
	    "SELECT 1 FROM instance WHERE SOPInstanceUID = ? AND path = ?",
	    DB_ARGS(db_text(f.sop_instance),
		db_text(path + sizeof(FOLDER_OBJECTS))),
	    &one, named, e);
}

/* path: below dir, of an object or of what was set aside. */
static bool
prune_one(
    int dir, const char *path, struct db *db, uint64_t *removed, struct err *e)
{
	const size_t objects = sizeof(FOLDER_OBJECTS);
	const size_t aside = sizeof(FOLDER_QUARANTINE);
	bool named = true, ok = true;
	int64_t one;
	int fd;

	if (strncmp(path, FOLDER_OBJECTS "/", objects) == 0 &&
	    folder_path_valid(path + objects)) {
		fd = folder_open(dir, path, O_RDONLY);
		if (fd < 0)
			return fail_errno(e, "cannot open '%s'", path);
		ok = is_named(fd, path, db, &named, e);
		os_close(&fd);
	} else if (strncmp(path, FOLDER_QUARANTINE "/", aside) == 0 &&
		   folder_aside_valid(path + aside)) {
		ok = db_get_int(db, "SELECT 1 FROM quarantine WHERE path = ?",
		    DB_ARGS(db_text(path + aside)), &one, &named, e);
	}
	if (!ok || named)
		return ok;
	if (os->unlinkat(dir, path, 0) != 0)
		return fail_errno(e, "cannot remove '%s'", path);
	++*removed;
	return true;
}

bool
prune(int dir, const char *folder, struct db *db, uint64_t *removed,
    struct err *e)
{
	char *root = must_strdup(folder);
	char *roots[] = {root, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t skip = strlen(folder);
	bool ok = walk != NULL || fail_errno(e, "cannot read '%s'", folder);
	const FTSENT *f;

	while (skip > 0 && folder[skip - 1] == '/')
		skip--;
	while (ok && (f = fts_read(walk)) != NULL)
		if (f->fts_info == FTS_F && f->fts_pathlen > skip + 1)
			ok = prune_one(dir,
			    f->fts_path + skip +
				strspn(f->fts_path + skip, "/"),
			    db, removed, e);
	if (walk != NULL)
		(void)fts_close(walk);
	free(root);
	return ok;
}
