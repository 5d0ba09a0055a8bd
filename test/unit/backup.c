/*
 * Backup and restore: an equal archive comes back; damage, changes meanwhile,
 * interruptions, folders that must not be touched.
 */
#include "archive.h"

#include "store/backup/backup.h"
#include "store/backup/manifest.h"
#include "store/quarantine.h"
#include "store/table/token.h"

struct trial {
	struct archive archive;
	char folder[80], data[80]; /* of the backup, of what is restored */
	struct backup_options options;
	struct backup_result result;
	unsigned told;
	char last[128]; /* path told of */
	/* Progress: stop, or call, at this object. */
	uint64_t stop_at, call_at;
	void (*call)(struct trial *);
};

static struct sample
sample_of(int i)
{
	static char instance[8][32], study[8][32];
	int at = i & 7;
	struct sample s = {.instance = instance[at],
	    .sop_class = UID_CTImageStorage,
	    .study = study[at],
	    .series = "1.7.1",
	    .patient = "P",
	    .name = "N",
	    .description = "THORAX",
	    .pixels = i % 3 == 0 ? 70 * KIB : 500,
	    .fill = (uint8_t)i};

	snprintf(instance[at], sizeof(instance[at]), "1.9.%d", i);
	snprintf(study[at], sizeof(study[at]), "1.8.%d", i / 4);
	return s;
}

static void
put(struct trial *t, int from, int to)
{
	struct object_result out;
	struct sample s;
	int i;

	for (i = from; i < to; i++) {
		s = sample_of(i);
		CHECK(archive_put(&t->archive, &s, &out));
	}
}

static void
told(void *ctx, const char *path, const char *why)
{
	struct trial *t = ctx;

	CHECK(why[0] != '\0');
	t->told++;
	(void)str_copy(t->last, sizeof(t->last), str_from(path));
}

static bool
progress(void *ctx, uint64_t done, uint64_t total)
{
	struct trial *t = ctx;

	CHECK(done <= total || t->call_at != 0);
	if (t->call_at != 0 && done == t->call_at) {
		t->call_at = 0;
		t->call(t);
	}
	return t->stop_at == 0 || done < t->stop_at;
}

static bool
begin(struct trial *t, int objects)
{
	*t = (struct trial){.told = 0};
	if (!archive_begin(&t->archive))
		return false;
	snprintf(t->folder, sizeof(t->folder), "%s.backup", t->archive.folder);
	snprintf(t->data, sizeof(t->data), "%s.back", t->archive.folder);
	t->options = (struct backup_options){
	    .told = told, .progress = progress, .ctx = t};
	put(t, 0, objects);
	return true;
}

static void
wipe(const char *folder)
{
	nftw(folder, archive_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
end(struct trial *t)
{
	archive_end(&t->archive);
	wipe(t->folder);
	wipe(t->data);
}

static bool
backup(struct trial *t)
{
	t->told = 0;
	t->last[0] = '\0';
	return store_backup(t->archive.store, t->folder, &t->options,
	    &t->result, &t->archive.e);
}

static bool
restore(struct trial *t)
{
	t->told = 0;
	t->last[0] = '\0';
	return store_restore(
	    t->folder, t->data, &t->options, &t->result, &t->archive.e);
}

static void
found(void *ctx, enum finding_kind kind, const char *path, const char *detail,
    bool repaired)
{
	(void)repaired;
	printf("%s %s %s\n", finding_name(kind), path, detail);
	++*(unsigned *)ctx;
}

/* The restored one opens, has these objects, and nothing is wrong with it. */
static void
check_restored(struct trial *t, int objects, const char *dump)
{
	struct check_options all = {.hashes = true};
	struct archive back = {.store = NULL};
	uint64_t checked = 0;
	unsigned n = 0;
	struct sample s;
	char *text;
	int i;

	memcpy(back.folder, t->data, sizeof(back.folder));
	arena_init(&back.arena, 64 * MIB);
	if (archive_open(&back, true)) {
		CHECK(store_check(
		    back.store, &all, found, NULL, &n, &checked, &back.e));
		CHECK_EQ(n, 0);
		CHECK_EQ(checked, objects);
		for (i = 0; i < objects; i++) {
			s = sample_of(i);
			CHECK(archive_has(&back, &s));
		}
		text = archive_dump(&back);
		CHECK(dump == NULL || strcmp(text, dump) == 0);
		free(text);
		store_close(&back.store);
	}
	arena_fini(&back.arena);
}

static void
restored_is(struct trial *t, int objects, const char *dump)
{
	if (!CHECK(restore(t)))
		printf("%s\n", t->archive.e.text);
	CHECK_EQ(t->told, 0);
	check_restored(t, objects, dump);
	wipe(t->data);
}

static void
path_of(struct trial *t, const char *root, int i, char out[200])
{
	struct sample s = sample_of(i);
	struct index_row row;

	CHECK(index_instance(t->archive.store, str_from(s.instance),
	    &t->archive.arena, &row, &t->archive.e));
	snprintf(out, 200, "%s/objects/%s", root, (const char *)row.path.p);
}

/* One bit at the end. */
static void
flip(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	uint8_t c = 0;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK(pread(fd, &c, 1, st.st_size - 1) == 1);
	c ^= 1;
	CHECK(pwrite(fd, &c, 1, st.st_size - 1) == 1);
	os_close(&fd);
}

TEST(there_and_back)
{
	struct token_study token, again;
	struct object_result out;
	struct sample s;
	struct trial t;
	char path[200], *dump;
	struct stat st;

	if (!begin(&t, 9))
		return;
	s = sample_of(3);
	s.fill = 99;
	CHECK(archive_put(&t.archive, &s, &out));
	CHECK_EQ(out.outcome, OBJECT_QUARANTINED);
	CHECK(token_of_study(t.archive.store, STR("1.8.1"), &t.archive.arena,
	    &token, &t.archive.e));
	snprintf(path, sizeof(path), "%s/tls", t.archive.folder);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/tls/a.pem", t.archive.folder);
	CHECK(symlink("/etc/passwd", path) == 0);
	snprintf(path, sizeof(path), "%s/tls/b.pem", t.archive.folder);
	CHECK(mknod(path, S_IFREG | 0600, 0) == 0);
	dump = archive_dump(&t.archive);
	if (!CHECK(backup(&t)))
		printf("%s\n", t.archive.e.text);
	CHECK_EQ(t.result.objects, 9);
	CHECK_EQ(t.result.aside, 1);
	CHECK_EQ(t.result.copied, 10);
	CHECK_EQ(t.told, 0);
	CHECK(stat(t.folder, &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK(restore(&t));
	CHECK_EQ(t.result.objects, 9);
	CHECK_EQ(t.result.copied, 10);
	snprintf(path, sizeof(path), "%s/tls/b.pem", t.data);
	CHECK(access(path, F_OK) == 0);
	snprintf(path, sizeof(path), "%s/tls/a.pem", t.data);
	CHECK(access(path, F_OK) != 0);
	snprintf(path, sizeof(path), "%s/RESTORING", t.data);
	CHECK(access(path, F_OK) != 0);
	snprintf(path, sizeof(path), "%s/token.key", t.data);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	check_restored(&t, 9, dump);
	{
		struct archive back = {.store = NULL};

		memcpy(back.folder, t.data, sizeof(back.folder));
		CHECK(archive_open(&back, false));
		CHECK(token_of_study(back.store, STR("1.8.1"), &t.archive.arena,
		    &again, &back.e));
		CHECK(strcmp(token.token, again.token) == 0);
		store_close(&back.store);
	}
	free(dump);
	end(&t);
}

TEST(only_what_is_new)
{
	struct trial t;

	if (!begin(&t, 5))
		return;
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 5);
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 0);
	CHECK_EQ(t.result.bytes, 0);
	put(&t, 5, 8);
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 3);
	CHECK_EQ(t.result.objects, 8);
	restored_is(&t, 8, NULL);
	end(&t);
}

TEST(linked)
{
	struct trial t;
	char path[200];
	struct stat st;

	if (!begin(&t, 5))
		return;
	t.options.link = true;
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 0);
	CHECK_EQ(t.result.linked, 5);
	path_of(&t, t.folder, 2, path);
	CHECK(stat(path, &st) == 0 && st.st_nlink == 2);
	restored_is(&t, 5, NULL);
	end(&t);
}

TEST(damage_is_told)
{
	struct trial t;
	char path[200], copy[200];

	if (!begin(&t, 6))
		return;
	path_of(&t, t.archive.folder, 2, path);
	flip(path);
	CHECK(backup(&t));
	CHECK_EQ(t.result.damaged, 1);
	CHECK_EQ(t.told, 1);
	CHECK(strstr(path, t.last) != NULL);
	path_of(&t, t.folder, 2, copy);
	CHECK(access(copy, F_OK) != 0);
	/* Well again; then missing, while the copy stands. */
	flip(path);
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 1);
	CHECK_EQ(t.told, 0);
	CHECK(unlink(path) == 0);
	CHECK(backup(&t));
	CHECK_EQ(t.told, 0);
	path_of(&t, t.archive.folder, 3, path);
	CHECK(unlink(path) == 0);
	path_of(&t, t.folder, 3, copy);
	CHECK(unlink(copy) == 0);
	CHECK(backup(&t));
	CHECK_EQ(t.told, 1);
	CHECK_EQ(t.result.damaged, 1);
	CHECK(strstr(path, t.last) != NULL);
	end(&t);
}

TEST(damaged_copies)
{
	struct trial t;
	char copy[200], other[200];
	struct stat st;

	if (!begin(&t, 6))
		return;
	CHECK(backup(&t));
	path_of(&t, t.folder, 2, copy);
	flip(copy);
	CHECK(restore(&t));
	CHECK_EQ(t.told, 1);
	CHECK(strstr(copy, t.last) != NULL);
	wipe(t.data);
	/* Only who reads them sees it. */
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 0);
	path_of(&t, t.folder, 4, other);
	CHECK(stat(other, &st) == 0);
	CHECK(truncate(other, st.st_size - 1) == 0);
	t.options.reread = true;
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 2);
	t.options.reread = false;
	restored_is(&t, 6, NULL);
	end(&t);
}

static void
lose_one(struct trial *t)
{
	char path[200];

	/* As a deletion does: the row, then the file. */
	path_of(t, t->archive.folder, 5, path);
	archive_exec(
	    &t->archive, "DELETE FROM instance WHERE SOPInstanceUID = '1.9.5'");
	CHECK(unlink(path) == 0);
	put(t, 6, 8);
}

TEST(changes_meanwhile)
{
	struct trial t;

	if (!begin(&t, 6))
		return;
	t.call_at = 2;
	t.call = lose_one;
	if (!CHECK(backup(&t)))
		printf("%s\n", t.archive.e.text);
	CHECK_EQ(t.told, 0);
	CHECK_EQ(t.result.objects, 7);
	CHECK(restore(&t));
	CHECK_EQ(t.told, 0);
	CHECK_EQ(t.result.objects, 7);
	end(&t);
}

TEST(interrupted)
{
	struct store_config config = {.server = false};
	struct store *none;
	struct trial t;
	char path[200];

	if (!begin(&t, 5))
		return;
	t.stop_at = 3;
	CHECK(!backup(&t));
	CHECK_EQ(t.archive.e.code, ERR_CANCELLED);
	/* Nothing is finished yet. */
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_MISSING);
	wipe(t.data);
	t.stop_at = 0;
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 2);
	/* The one before stands until the next is whole. */
	put(&t, 5, 8);
	t.stop_at = 7;
	CHECK(!backup(&t));
	t.stop_at = 0;
	restored_is(&t, 5, NULL);
	CHECK(backup(&t));
	CHECK_EQ(t.result.copied, 1);
	/* The way back. */
	t.stop_at = 4;
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_CANCELLED);
	config.folder = t.data;
	CHECK(!store_open(&none, &config, &t.archive.e));
	CHECK_EQ(t.archive.e.code, ERR_MISSING);
	t.stop_at = 0;
	CHECK(restore(&t));
	CHECK_EQ(t.result.copied, 4);
	snprintf(path, sizeof(path), "%s/RESTORING", t.data);
	CHECK(access(path, F_OK) != 0);
	check_restored(&t, 8, NULL);
	end(&t);
}

TEST(pruned)
{
	struct object_result out;
	struct sample s;
	struct trial t;
	char copy[200];

	if (!begin(&t, 6))
		return;
	s = sample_of(3);
	s.fill = 99;
	CHECK(archive_put(&t.archive, &s, &out));
	CHECK(backup(&t));
	path_of(&t, t.folder, 5, copy);
	lose_one(&t);
	CHECK(quarantine_discard(t.archive.store, 1, &t.archive.e));
	CHECK(backup(&t));
	CHECK_EQ(t.result.pruned, 0);
	CHECK(access(copy, F_OK) == 0);
	t.options.prune = true;
	CHECK(backup(&t));
	CHECK_EQ(t.result.pruned, 2);
	CHECK(access(copy, F_OK) != 0);
	CHECK(restore(&t));
	CHECK_EQ(t.told, 0);
	CHECK_EQ(t.result.objects, 7);
	end(&t);
}

TEST(folders_that_are_not_touched)
{
	struct trial t;
	char inner[128], kept[80], path[200];

	if (!begin(&t, 2))
		return;
	memcpy(kept, t.folder, sizeof(kept));
	/* Within the archive, around it, itself; somebody's files. */
	snprintf(inner, sizeof(inner), "%s/b", t.archive.folder);
	memcpy(t.folder, inner, sizeof(t.folder));
	CHECK(!backup(&t));
	CHECK_EQ(t.archive.e.code, ERR_USAGE);
	CHECK(access(inner, F_OK) != 0);
	memcpy(t.folder, t.archive.folder, sizeof(t.archive.folder));
	CHECK(!backup(&t));
	CHECK_EQ(t.archive.e.code, ERR_USAGE);
	(void)str_copy(t.folder, sizeof(t.folder), STR("/dev"));
	CHECK(!backup(&t));
	CHECK_EQ(t.archive.e.code, ERR_USAGE);
	memcpy(t.folder, kept, sizeof(kept));
	CHECK(mkdir(t.folder, 0700) == 0);
	snprintf(path, sizeof(path), "%s/letter", t.folder);
	CHECK(mknod(path, S_IFREG | 0600, 0) == 0);
	CHECK(!backup(&t));
	CHECK_EQ(t.archive.e.code, ERR_USAGE);
	CHECK(unlink(path) == 0);
	CHECK(backup(&t));
	/* Back only into what is empty. */
	memcpy(kept, t.data, sizeof(kept));
	memcpy(t.data, t.archive.folder, sizeof(t.archive.folder));
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_CONFLICT);
	memcpy(t.data, kept, sizeof(kept));
	CHECK(mkdir(t.data, 0700) == 0);
	snprintf(path, sizeof(path), "%s/letter", t.data);
	CHECK(mknod(path, S_IFREG | 0600, 0) == 0);
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_CONFLICT);
	CHECK(unlink(path) == 0);
	/* Where a disk for the objects was mounted. */
	snprintf(path, sizeof(path), "%s/objects", t.data);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/objects/2026", t.data);
	CHECK(mkdir(path, 0700) == 0);
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_CONFLICT);
	CHECK(rmdir(path) == 0);
	restored_is(&t, 2, NULL);
	end(&t);
}

static void
write_whole(const char *folder, const char *name, struct str text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && os_write_all(fd, text));
	os_close(&fd);
}

TEST(damaged_descriptions)
{
	struct trial t;
	char path[200];
	DIR *dir;
	const struct dirent *d;

	if (!begin(&t, 2))
		return;
	CHECK(backup(&t));
	write_whole(t.folder, "BACKUP", STR("fileroom-backup 2\nend\n"));
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_UNSUPPORTED);
	write_whole(t.folder, "BACKUP", STR("fileroom-backup 1\nobj"));
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_CORRUPT);
	wipe(t.data);
	CHECK(backup(&t));
	dir = opendir(t.folder);
	while ((d = readdir(dir)) != NULL)
		if (strncmp(d->d_name, "database-", 9) == 0) {
			snprintf(path, sizeof(path), "%s/%.40s", t.folder,
			    d->d_name);
			flip(path);
		}
	closedir(dir);
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_CORRUPT);
	/* Made again, it goes on into the same folder. */
	CHECK(backup(&t));
	restored_is(&t, 2, NULL);
	end(&t);
}

TEST(newer_schema)
{
	struct trial t;

	if (!begin(&t, 2))
		return;
	archive_exec(&t.archive, "PRAGMA user_version = 999");
	CHECK(backup(&t));
	CHECK(!restore(&t));
	CHECK_EQ(t.archive.e.code, ERR_UNSUPPORTED);
	CHECK(strstr(t.archive.e.text, "999") != NULL);
	end(&t);
}

TEST(manifest)
{
	static const char text[] =
	    "fileroom-backup 1\nmade 2026-01-01T00:00:00.000Z\nobjects 12\n"
	    "aside 3\ndatabase database-0123456789abcdef\nhash "
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	    "\nfile token.key\nfile tls/a b.pem\nend\n";
	static const char *const bad[] = {"", "/a", "a/", "a/b/c", ".a", "a/.b",
	    "..", "a/../b", "a\nb", "a//b"};
	struct manifest m;
	struct buf out;
	struct err e;
	size_t i;

	manifest_init(&m);
	CHECK(manifest_parse(str_from(text), &m, &e));
	CHECK_EQ(m.objects, 12);
	CHECK_STR(buf_str(&m.files), "token.key\ntls/a b.pem\n");
	buf_init(&out, MIB);
	manifest_build(&m, 1767225600000, &out);
	CHECK_STR(buf_str(&out), text);
	buf_fini(&out);
	manifest_fini(&m);
	for (i = 0; i < sizeof(text) - 5; i++) {
		manifest_init(&m);
		CHECK(!manifest_parse(str_of(text, i), &m, &e));
		manifest_fini(&m);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!manifest_path_valid(str_from(bad[i])));
}

TEST_MAIN
