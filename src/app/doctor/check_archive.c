/*
 * The data folder and what is in it: who may read it, who has it, whether it
 * can be opened, what was set aside or lost. Opening it makes nothing where
 * there is no archive, and converts no older one.
 */
#include "app/doctor/doctor.h"

#include "app/verb.h"
#include "base/clock.h"
#include "base/limit.h"
#include "store/health.h"
#include "store/table/activity.h"
#include "store/table/token.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_MS (24LL * 3600 * 1000)
#define ROWS   100000

/* A reader needs the way in and the right on the thing itself. */
static bool
exposed(const struct stat *folder, const struct stat *inside)
{
	bool others = (folder->st_mode & S_IXOTH) != 0 &&
		      (inside->st_mode & S_IROTH) != 0;
	bool group = (folder->st_mode & S_IXGRP) != 0 &&
		     (inside->st_mode & S_IRGRP) != 0;

	return others || group;
}

static void
check_rights(struct doctor *d, const struct stat *folder)
{
	static const char *const names[] = {"objects", "fileroom.db",
	    "fileroom.db-wal", "quarantine", "token.key"};
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		if (stat(doctor_path(d, names[i]), &st) != 0 ||
		    !exposed(folder, &st))
			continue;
		doctor_say(d, SIGN_ARCHIVE_EXPOSED,
		    "'%s' has mode %04o and '%s' in it %04o", d->data,
		    (unsigned)folder->st_mode & 07777, names[i],
		    (unsigned)st.st_mode & 07777);
		doctor_command(d, "chmod 0700 %s", doctor_quote(d, d->data));
		return;
	}
	doctor_say(d, SIGN_ARCHIVE_PRIVATE, "'%s' has mode %04o", d->data,
	    (unsigned)folder->st_mode & 07777);
}

static void
check_owner(struct doctor *d, const struct stat *folder)
{
	if (folder->st_uid != geteuid())
		doctor_say(d, SIGN_ARCHIVE_OWNER,
		    "'%s' belongs to user %u, this runs as user %u", d->data,
		    (unsigned)folder->st_uid, (unsigned)geteuid());
}

static bool
may_write(struct doctor *d)
{
	static const char *const names[] = {
	    "", "objects", "objects/tmp", "quarantine", "fileroom.db"};
	const char *path;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		path = i == 0 ? d->data : doctor_path(d, names[i]);
		if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 ||
		    (errno != EACCES && errno != EROFS && errno != EPERM))
			continue;
		doctor_say(d, SIGN_ARCHIVE_READ_ONLY, "'%s': %s", path,
		    strerrordesc_np(errno));
		return false;
	}
	return true;
}

static void
check_holder(struct doctor *d)
{
	struct store_holder h;
	struct err e;

	/* Without a lock file no server has ever been here. */
	if (!store_holder(d->data, &h, &e) && e.code != ERR_MISSING) {
		doctor_say(
		    d, SIGN_NOT_CHECKED, "whether a server runs: %s", e.text);
		return;
	}
	d->served = h.held;
	d->process = h.process;
	if (!h.held) {
		doctor_say(
		    d, SIGN_SERVER_STOPPED, "no server uses '%s'", d->data);
		return;
	}
	doctor_say(d, SIGN_SERVER_RUNS,
	    "a server (process %" PRId64 ") uses '%s'", h.process, d->data);
	if (h.read_only[0] != '\0')
		doctor_say(d, SIGN_SERVER_READ_ONLY,
		    "the server is read-only: %s", h.read_only);
}

/* Another program's archive is left as it is. */
static bool
check_schema(struct doctor *d)
{
	int64_t found, known;
	struct err e;

	if (!store_schema(d->data, &found, &known, &e)) {
		doctor_say(d, SIGN_ARCHIVE_BROKEN, "%s", e.text);
		return false;
	}
	if (found >= known || found == 0)
		return true;
	doctor_say(d, SIGN_ARCHIVE_OLDER,
	    "the index has schema version %" PRId64
	    ", this program writes version %" PRId64,
	    found, known);
	return false;
}

static void
say_set_aside(struct doctor *d, const struct store_health *h)
{
	if (h->differing > 0) {
		doctor_say(d, SIGN_QUARANTINE_DIFFERS,
		    "second arrivals in quarantine: %" PRIu64, h->differing);
		doctor_command(d, "fileroom quarantine list --data %s",
		    doctor_quote(d, d->data));
	}
	if (h->damaged > 0)
		doctor_say(d, SIGN_QUARANTINE_DAMAGED,
		    "damaged files in quarantine: %" PRIu64, h->damaged);
	if (h->lost > 0) {
		doctor_say(d, SIGN_OBJECTS_LOST,
		    "objects that are missing or damaged: %" PRIu64, h->lost);
		doctor_command(
		    d, "fileroom check --data %s", doctor_quote(d, d->data));
	}
	if (h->differing + h->damaged + h->lost == 0)
		doctor_say(d, SIGN_QUARANTINE_EMPTY,
		    "nothing is in quarantine, nothing is lost");
	if (h->unclean_stops > 0)
		doctor_say(d, SIGN_SERVER_UNCLEAN,
		    "processes that ended without a clean stop: %" PRIu64,
		    h->unclean_stops);
}

static void
check_activity(struct doctor *d)
{
	struct activity *rows;
	struct arena arena;
	const char *why = "";
	uint64_t failed = 0;
	size_t n, i;
	struct err e;

	arena_init(&arena, 128 * MIB);
	if (!activity_list(d->store, clock_utc_ms() - DAY_MS, ROWS, &arena,
		&rows, &n, &e)) {
		doctor_say(d, SIGN_NOT_CHECKED, "activity: %s", e.text);
		n = 0;
	}
	for (i = 0; i < n; i++) {
		if (rows[i].stores_failed == 0 || rows[i].outgoing)
			continue;
		if (failed == 0)
			why = rows[i].detail;
		failed += rows[i].stores_failed;
	}
	if (failed > 0) {
		doctor_say(d, SIGN_STORE_FAILED,
		    "images refused in the last day: %" PRIu64 "%s%s", failed,
		    why[0] != '\0' ? "; the last: " : "", why);
		doctor_command(d, "fileroom activity list --data %s",
		    doctor_quote(d, d->data));
	}
	arena_fini(&arena);
}

static void
check_index(struct doctor *d)
{
	char text[256];
	struct err e;
	bool whole;

	if (!store_quick_check(d->store, &whole, text, sizeof(text), &e))
		doctor_say(d, SIGN_INDEX_DAMAGED, "%s", e.text);
	else if (!whole)
		doctor_say(d, SIGN_INDEX_DAMAGED, "%s", text);
	else
		doctor_say(d, SIGN_INDEX_WHOLE, "the index was read through");
}

static void
say_backup(struct doctor *d, const struct store_health *h)
{
	int64_t days = (clock_utc_ms() - h->backup_ms) / DAY_MS;

	if (h->backup_ms != 0)
		doctor_say(d, days > 7 ? SIGN_BACKUP_OLD : SIGN_BACKUP_MADE,
		    "days since the last backup was finished: %" PRId64, days);
	else if (h->newest_day[0] != '\0')
		doctor_say(d, SIGN_BACKUP_NONE, "no backup was made");
}

static void
check_tokens(struct doctor *d)
{
	struct err e;

	if (!token_check(d->store, &e))
		doctor_say(d, SIGN_TOKEN_KEY, "%s", e.text);
}

static void
open_archive(struct doctor *d)
{
	struct store_config config = {.folder = d->data};
	struct settings stored = d->settings;
	struct err e;

	(void)umask(077);
	if (!store_open(&d->store, &config, &e)) {
		doctor_say(d, SIGN_ARCHIVE_BROKEN, "%s", e.text);
		return;
	}
	doctor_say(d, SIGN_ARCHIVE_OPENS, "the archive in '%s' opens", d->data);
	if (settings_load_stored(&stored, d->store, &e))
		d->settings = stored;
	else
		doctor_say(d, SIGN_NOT_CHECKED, "stored settings: %s", e.text);
}

void
check_archive(struct doctor *d)
{
	struct store_health h;
	struct stat st;
	struct err e;

	if (stat(d->data, &st) != 0 || !S_ISDIR(st.st_mode) ||
	    (access(doctor_path(d, "fileroom.db"), F_OK) != 0 &&
		errno == ENOENT)) {
		doctor_say(d, SIGN_ARCHIVE_MISSING,
		    "there is no archive in '%s'", d->data);
		return;
	}
	check_owner(d, &st);
	check_rights(d, &st);
	check_holder(d);
	if (!may_write(d) || !check_schema(d))
		return;
	open_archive(d);
	if (d->store == NULL)
		return;
	if (store_health(d->store, &h, &e)) {
		say_set_aside(d, &h);
		say_backup(d, &h);
	} else {
		doctor_say(d, SIGN_ARCHIVE_BROKEN, "%s", e.text);
	}
	check_tokens(d);
	check_activity(d);
	if (d->deep)
		check_index(d);
}
