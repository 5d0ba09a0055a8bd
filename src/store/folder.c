/*
 * Day folders and paths, see folder.h.
 *
 * The days in use only grow: a clock that jumps back goes on in the newest
 * folder. So an unclean stop can have left files without rows only in the
 * folders from the one marked in table writer on. The mark moves, in a flushed
 * commit, when a new day has begun and the last object of the old one has its
 * row.
 */
#include "store/folder.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STUDY_DIGITS    20
#define INSTANCE_DIGITS 28 /* 16 of the hash, 12 random */
#define RANDOM_DIGITS   24
#define SUFFIX          ".dcm"

void
folder_init(struct store *s)
{
	mutex_init(&s->days.lock);
}

static void
day_of(int64_t ms, char out[DAY_ROOM])
{
	struct clock_date d = clock_date_utc(ms);
	unsigned year = (unsigned)d.year % 10000;

	snprintf(out, DAY_ROOM, "%04u/%02u/%02u", year, (unsigned)d.month % 100,
	    (unsigned)d.day % 100);
}

struct arrival
folder_arrival(struct store *s)
{
	struct days *d = &s->days;
	struct arrival out;

	mutex_lock(&d->lock);
	out.ms = clock_utc_ms();
	if (out.ms < d->last_arrival_ms)
		out.ms = d->last_arrival_ms;
	d->last_arrival_ms = out.ms;
	out.number = d->arrivals++;
	mutex_unlock(&d->lock);
	return out;
}

void
folder_enter(struct store *s, char day[DAY_ROOM])
{
	struct days *d = &s->days;

	day_of(clock_utc_ms(), day);
	mutex_lock(&d->lock);
	if (strcmp(day, d->newest) > 0) {
		d->older += d->newer;
		d->newer = 0;
		memcpy(d->newest, day, DAY_ROOM);
	} else {
		memcpy(day, d->newest, DAY_ROOM);
	}
	d->newer++;
	mutex_unlock(&d->lock);
}

struct mark {
	int64_t writer;
	char day[DAY_ROOM];
};

static bool
move_mark(struct upsert *u, void *ctx, struct err *e)
{
	const struct mark *m = ctx;

	return db_exec(upsert_db(u),
	    "UPDATE writer SET folder = ?, last_instance ="
	    " (SELECT coalesce(max(id), 0) FROM instance) WHERE id = ?",
	    DB_ARGS(db_text(m->day), db_int(m->writer)), e);
}

void
folder_leave(struct store *s, const char *day)
{
	struct days *d = &s->days;
	struct mark m = {.writer = s->writer_id};
	struct err e;
	bool behind;

	mutex_lock(&d->lock);
	if (strcmp(day, d->newest) == 0)
		d->newer--;
	else
		d->older--;
	behind = d->older == 0 && strcmp(d->marked, d->newest) < 0;
	memcpy(m.day, d->newest, DAY_ROOM);
	if (behind)
		memcpy(d->marked, d->newest, DAY_ROOM);
	mutex_unlock(&d->lock);
	if (!behind || m.writer == 0 || atomic_load(&s->look_again))
		return;
	/* An old mark costs a longer recovery and nothing else. */
	if (commit_run(s->commit, true, move_mark, &m, &e) != COMMIT_DONE)
		log_warning("store", "cannot note the new day: %s", e.text);
}

static void
hex(const uint8_t *p, size_t digits, char *out)
{
	static const char set[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < digits; i++)
		out[i] = set[p[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	out[digits] = '\0';
}

static void
hash_hex(struct str s, size_t digits, char *out)
{
	uint8_t digest[32];

	must(gnutls_hash_fast(
		 GNUTLS_DIG_SHA256, s.n > 0 ? s.p : digest, s.n, digest) == 0);
	hex(digest, digits, out);
}

void
folder_path(
    const char *day, struct str study, struct str instance, char out[PATH_ROOM])
{
	char study_key[STUDY_DIGITS + 1], key[17], tail[13];
	uint8_t random[6];

	hash_hex(study, STUDY_DIGITS, study_key);
	hash_hex(instance, 16, key);
	os_random(random, sizeof(random));
	hex(random, 12, tail);
	snprintf(
	    out, PATH_ROOM, "%.10s/%s/%s%s" SUFFIX, day, study_key, key, tail);
}

void
folder_random_name(const char *suffix, char out[NAME_ROOM])
{
	uint8_t random[RANDOM_DIGITS / 2];
	char name[RANDOM_DIGITS + 1];

	os_random(random, sizeof(random));
	hex(random, RANDOM_DIGITS, name);
	snprintf(out, NAME_ROOM, "%s%.16s", name, suffix);
}

/* n characters, all digits or hex digits. */
static bool
is_key(const char *p, size_t n, bool decimal)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!(p[i] >= '0' && p[i] <= '9') &&
		    (decimal || !(p[i] >= 'a' && p[i] <= 'f')))
			return false;
	return true;
}

static bool
is_file_name(const char *name)
{
	return strlen(name) == INSTANCE_DIGITS + sizeof(SUFFIX) - 1 &&
	       is_key(name, INSTANCE_DIGITS, false) &&
	       !strcmp(name + INSTANCE_DIGITS, SUFFIX);
}

bool
folder_path_valid(const char *path)
{
	return strlen(path) ==
		   12 + STUDY_DIGITS + INSTANCE_DIGITS + sizeof(SUFFIX) - 1 &&
	       is_key(path, 4, true) && path[4] == '/' &&
	       is_key(path + 5, 2, true) && path[7] == '/' &&
	       is_key(path + 8, 2, true) && path[10] == '/' &&
	       is_key(path + 11, STUDY_DIGITS, false) &&
	       path[11 + STUDY_DIGITS] == '/' &&
	       is_file_name(path + 12 + STUDY_DIGITS);
}

bool
folder_aside_valid(const char *path)
{
	if (!strncmp(path, "torn/", 5))
		path += 5;
	return strlen(path) == RANDOM_DIGITS + sizeof(SUFFIX) - 1 &&
	       is_key(path, RANDOM_DIGITS, false) &&
	       !strcmp(path + RANDOM_DIGITS, SUFFIX);
}

/* The folders of a path, one after the other. */
static const size_t folder_ends[] = {4, 7, 10, 11 + STUDY_DIGITS};

/* One folder more, which must be one and no link. Closes dir unless it is the
 * archive's. */
static int
descend(struct store *s, int dir, const char *name)
{
	int next = -1, saved;

	if (os_make_folder(dir, name))
		next = folder_open(dir, name, O_PATH | O_DIRECTORY);
	saved = errno;
	if (dir != s->objects_fd)
		os_close(&dir);
	errno = saved;
	return next;
}

bool
folder_make(struct store *s, const char *path, struct err *e)
{
	char folder[PATH_ROOM];
	int dir = s->objects_fd;
	size_t i, begin = 0;

	for (i = 0; i < ARRAY_LEN(folder_ends); i++) {
		memcpy(folder, path, folder_ends[i]);
		folder[folder_ends[i]] = '\0';
		dir = descend(s, dir, folder + begin);
		if (dir < 0)
			return fail_errno(
			    e, "cannot make '%s/%s'", FOLDER_OBJECTS, folder);
		begin = folder_ends[i] + 1;
	}
	os_close(&dir);
	return true;
}

int
folder_rename_into(struct store *s, const char *name, const char *path)
{
	const size_t end = folder_ends[ARRAY_LEN(folder_ends) - 1];
	char folder[PATH_ROOM];
	int dir, rc, saved;

	memcpy(folder, path, end);
	folder[end] = '\0';
	dir = folder_open(s->objects_fd, folder, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return -1;
	rc = os->rename_new(s->tmp_fd, name, dir, path + end + 1);
	saved = errno;
	os_close(&dir);
	errno = saved;
	return rc;
}

bool
folder_flush(struct store *s, const char *path, struct err *e)
{
	char folder[PATH_ROOM];
	size_t i = ARRAY_LEN(folder_ends);
	bool ok;
	int fd;

	if (!s->flush_folders)
		return true;
	while (i-- > 0) {
		memcpy(folder, path, folder_ends[i]);
		folder[folder_ends[i]] = '\0';
		fd = folder_open(s->objects_fd, folder, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fail_errno(e, "cannot open '%s'", folder);
		ok = store_flush(s, fd, folder, e);
		os_close(&fd);
		if (!ok)
			return false;
	}
	return store_flush(s, s->objects_fd, FOLDER_OBJECTS, e);
}

int
folder_open(int dir, const char *path, int flags)
{
	struct open_how how = {
	    .flags = (uint64_t)(unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	/* Some sandboxes know no openat2(2); the names are ours. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = os->openat(dir, path, flags | O_NOFOLLOW, 0);
	return (int)fd;
}

struct names {
	char (*v)[NAME_ROOM];
	size_t n;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names in a folder that are n digits (files: names of objects), in order.
 * A folder that is not there has none. */
static bool
read_names(
    int dir, const char *path, size_t digits, struct names *out, struct err *e)
{
	const struct dirent *d;
	size_t room = 0;
	DIR *stream;
	int fd;

	*out = (struct names){.n = 0};
	fd = folder_open(dir, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0 && errno == ENOENT)
		return true;
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (stream == NULL) {
		(void)fail_errno(e, "cannot read '%s'", path);
		os_close(&fd);
		return false;
	}
	while (errno = 0, (d = readdir(stream)) != NULL) {
		if (digits == 0 ? !is_file_name(d->d_name)
				: strlen(d->d_name) != digits ||
				      !is_key(d->d_name, digits, digits < 5))
			continue;
		if (out->n == room) {
			room = room * 2 + 16;
			out->v = must_realloc(out->v, room * sizeof(*out->v));
		}
		(void)str_copy(
		    out->v[out->n++], NAME_ROOM, str_from(d->d_name));
	}
	if (errno != 0) {
		(void)fail_errno(e, "cannot read '%s'", path);
		closedir(stream);
		free(out->v);
		return false;
	}
	closedir(stream);
	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), by_name);
	return true;
}

static void
add_days(struct day_list *out, const char *month, const struct names *days,
    const char *from)
{
	char day[DAY_ROOM];
	size_t i;

	for (i = 0; i < days->n; i++) {
		snprintf(day, sizeof(day), "%.7s/%.2s", month, days->v[i]);
		if (strcmp(day, from) < 0)
			continue;
		out->days =
		    must_realloc(out->days, (out->n + 1) * sizeof(*out->days));
		memcpy(out->days[out->n++], day, DAY_ROOM);
	}
}

static bool
add_year(struct store *s, struct day_list *out, const char *year,
    const char *from, struct err *e)
{
	struct names months, days;
	char month[8];
	size_t i;

	if (!read_names(s->objects_fd, year, 2, &months, e))
		return false;
	for (i = 0; i < months.n; i++) {
		snprintf(month, sizeof(month), "%.4s/%.2s", year, months.v[i]);
		if (strncmp(month, from, 7) < 0)
			continue;
		if (!read_names(s->objects_fd, month, 2, &days, e)) {
			free(months.v);
			return false;
		}
		add_days(out, month, &days, from);
		free(days.v);
	}
	free(months.v);
	return true;
}

bool
folder_days(
    struct store *s, const char *from, struct day_list *out, struct err *e)
{
	struct names years;
	bool ok = true;
	size_t i;

	*out = (struct day_list){.n = 0};
	if (!read_names(s->objects_fd, ".", 4, &years, e))
		return false;
	for (i = 0; i < years.n && ok; i++)
		if (strncmp(years.v[i], from, 4) >= 0)
			ok = add_year(s, out, years.v[i], from, e);
	free(years.v);
	if (!ok) {
		free(out->days);
		*out = (struct day_list){.n = 0};
	}
	return ok;
}

bool
folder_find_newest(struct store *s, struct err *e)
{
	struct day_list days;

	if (!folder_days(s, "", &days, e))
		return false;
	mutex_lock(&s->days.lock);
	if (days.n > 0 && strcmp(days.days[days.n - 1], s->days.newest) > 0)
		memcpy(s->days.newest, days.days[days.n - 1], DAY_ROOM);
	mutex_unlock(&s->days.lock);
	free(days.days);
	return true;
}

static bool
study_files(struct store *s, const char *folder, folder_fn *fn, void *ctx,
    struct err *e)
{
	struct names files;
	char path[PATH_ROOM];
	bool ok = true;
	size_t i;

	if (!read_names(s->objects_fd, folder, 0, &files, e))
		return false;
	for (i = 0; i < files.n && ok; i++) {
		snprintf(path, sizeof(path), "%.31s/%.32s", folder, files.v[i]);
		ok = fn(ctx, path, e);
	}
	free(files.v);
	return ok;
}

bool
folder_files(
    struct store *s, const char *day, folder_fn *fn, void *ctx, struct err *e)
{
	struct names studies;
	char folder[PATH_ROOM];
	bool ok = true;
	size_t i;

	if (!read_names(s->objects_fd, day, STUDY_DIGITS, &studies, e))
		return false;
	for (i = 0; i < studies.n && ok; i++) {
		snprintf(
		    folder, sizeof(folder), "%.10s/%.20s", day, studies.v[i]);
		ok = study_files(s, folder, fn, ctx, e);
	}
	free(studies.v);
	return ok;
}

bool
folder_names(int dir, folder_fn *fn, void *ctx, struct err *e)
{
	const struct dirent *d;
	bool ok = true;
	DIR *stream;
	int fd;

	fd = folder_open(dir, ".", O_RDONLY | O_DIRECTORY);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (stream == NULL) {
		(void)fail_errno(e, "cannot read a folder");
		os_close(&fd);
		return false;
	}
	while (ok && (errno = 0, d = readdir(stream)) != NULL)
		if (d->d_name[0] != '.' && d->d_type != DT_DIR)
			ok = fn(ctx, d->d_name, e);
	if (ok && errno != 0)
		ok = fail_errno(e, "cannot read a folder");
	closedir(stream);
	return ok;
}
