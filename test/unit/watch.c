/*
 * The watched folder: which files are taken, when, and what becomes of them.
 * What a file goes through is a function of the test.
 */
#include "archive.h"
#include "service/hl7/watch.h"
#include "service/hl7/watch_file.h"

#include <sys/file.h>

#define SETTLE_MS 150
#define LONG_MS   60000

struct watched {
	char folder[64];
	struct hl7_watch *watch;
	struct mutex lock;
	/* Under the lock. */
	char taken[4096]; /* the contents, a space behind each */
	size_t count;
	bool again;
	void (*before)(struct watched *w); /* while a file is being taken */
};

static void
take(void *ctx, const char *source, struct str bytes, struct buf *report,
    struct hl7_file *out)
{
	struct watched *w = ctx;
	void (*before)(struct watched *);
	size_t n;

	(void)source;
	mutex_lock(&w->lock);
	before = w->before;
	w->before = NULL;
	mutex_unlock(&w->lock);
	if (before != NULL)
		before(w);
	mutex_lock(&w->lock);
	n = strlen(w->taken);
	if (w->again) {
		out->again = true;
		(void)str_copy(out->again_why, sizeof(out->again_why),
		    STR("the disk is full"));
	} else {
		snprintf(w->taken + n, sizeof(w->taken) - n, "%.*s ",
		    (int)(bytes.n < 20 ? bytes.n : 20), (const char *)bytes.p);
		out->messages = str_starts(bytes, STR("none")) ? 0 : 1;
		out->refused = str_starts(bytes, STR("bad"));
		out->taken = out->messages - out->refused;
		if (out->refused > 0)
			buf_text(report, "message 1: refused: bad it is\n");
	}
	w->count++;
	mutex_unlock(&w->lock);
}

static void
configure(struct watched *w, bool erase)
{
	struct hl7_watch_config c = {.folder = w->folder,
	    .erase = erase,
	    .take = take,
	    .ctx = w,
	    .settle_ms = SETTLE_MS};
	struct err e;

	if (w->watch != NULL)
		hl7_watch_configure(w->watch, &c);
	else if (!CHECK(hl7_watch_open(&w->watch, NULL, &c, &e)))
		printf("%s\n", e.text);
}

static void
begin(struct watched *w, bool erase)
{
	log_level_set(LOG_ERROR + 1);
	*w = (struct watched){.watch = NULL};
	CHECK(test_folder(w->folder, sizeof(w->folder)));
	mutex_init(&w->lock);
	configure(w, erase);
}

static void
end(struct watched *w)
{
	hl7_watch_close(&w->watch);
	mutex_fini(&w->lock);
	nftw(w->folder, archive_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *
path(const struct watched *w, const char *name)
{
	static char paths[4][400];
	static unsigned next;
	char *out = paths[next++ % 4];

	snprintf(out, sizeof(paths[0]), "%s/%s", w->folder, name);
	return out;
}

static void
put(const struct watched *w, const char *name, const char *text)
{
	FILE *f = fopen(path(w, name), "we");

	if (!CHECK(f != NULL))
		return;
	CHECK(fputs(text, f) >= 0);
	CHECK(fclose(f) == 0);
}

static bool
is_there(const struct watched *w, const char *name)
{
	struct stat st;

	return lstat(path(w, name), &st) == 0;
}

/* Until the file is there, or (there false) no longer. */
static bool
await(const struct watched *w, const char *name, bool there)
{
	int64_t until = clock_mono_ms() + LONG_MS;

	while (is_there(w, name) != there) {
		if (clock_mono_ms() > until) {
			printf("'%s' %s\n", name,
			    there ? "does not come" : "does not go");
			return false;
		}
		clock_sleep_ms(2);
	}
	return true;
}

static const char *
taken(struct watched *w)
{
	static char copy[sizeof(w->taken)];

	mutex_lock(&w->lock);
	memcpy(copy, w->taken, sizeof(copy));
	mutex_unlock(&w->lock);
	return copy;
}

static size_t
taken_count(struct watched *w)
{
	size_t n;

	mutex_lock(&w->lock);
	n = w->count;
	mutex_unlock(&w->lock);
	return n;
}

static bool
await_count(struct watched *w, size_t n)
{
	int64_t until = clock_mono_ms() + LONG_MS;

	while (taken_count(w) < n) {
		if (clock_mono_ms() > until)
			return false;
		clock_sleep_ms(2);
	}
	return true;
}

static void
content(const struct watched *w, const char *name, char out[400])
{
	FILE *f = fopen(path(w, name), "re");
	size_t n = 0;

	if (CHECK(f != NULL)) {
		n = fread(out, 1, 399, f);
		(void)fclose(f);
	}
	out[n] = '\0';
}

TEST(taken_files_get_don_refused_ones_err_with_the_reason)
{
	struct watched w;
	char text[400];

	begin(&w, false);
	put(&w, "good.hl7", "good");
	put(&w, "bad.TXT", "bad");
	put(&w, "none.Hl7", "none");
	put(&w, "other.doc", "other");
	put(&w, "hl7", "other");
	CHECK(mkdir(path(&w, "folder.hl7"), 0700) == 0);
	CHECK(await(&w, "good.hl7.DON", true));
	CHECK(await(&w, "bad.TXT.ERR", true));
	CHECK(await(&w, "none.Hl7.ERR", true));
	content(&w, "bad.TXT.ERR.log", text);
	CHECK(strstr(text, "bad it is") != NULL);
	content(&w, "none.Hl7.ERR.log", text);
	CHECK(strstr(text, "no HL7 message") != NULL);
	CHECK(!is_there(&w, "good.hl7") && !is_there(&w, "bad.TXT"));
	CHECK(is_there(&w, "other.doc") && is_there(&w, "hl7") &&
	      is_there(&w, "folder.hl7"));
	CHECK_EQ(taken_count(&w), 3);
	end(&w);
}

TEST(erased_when_taken_never_when_refused)
{
	struct watched w;

	begin(&w, true);
	put(&w, "good.hl7", "good");
	put(&w, "bad.hl7", "bad");
	CHECK(await(&w, "good.hl7", false));
	CHECK(await(&w, "bad.hl7.ERR", true));
	CHECK(await(&w, "good.hl7.DON", false));
	end(&w);
}

TEST(nothing_is_written_over)
{
	struct watched w;
	char text[400];

	begin(&w, false);
	put(&w, "a.hl7.DON", "old");
	put(&w, "b.hl7.ERR", "old");
	put(&w, "a.hl7", "one");
	put(&w, "b.hl7", "bad");
	CHECK(await(&w, "a.hl7.2.DON", true));
	CHECK(await(&w, "b.hl7.2.ERR", true));
	CHECK(is_there(&w, "b.hl7.2.ERR.log"));
	content(&w, "a.hl7.DON", text);
	CHECK_STR(str_from(text), "old");
	put(&w, "a.hl7", "two");
	CHECK(await(&w, "a.hl7.3.DON", true));
	end(&w);
}

TEST(a_file_that_is_open_for_writing_is_left_alone)
{
	struct watched w;
	FILE *f;

	begin(&w, false);
	f = fopen(path(&w, "slow.hl7"), "we");
	if (!CHECK(f != NULL))
		return;
	fputs("half", f);
	fflush(f);
	put(&w, "other.hl7", "other");
	CHECK(await(&w, "other.hl7.DON", true));
	/* It has stood still for longer than the other one by now. */
	put(&w, "third.hl7", "third");
	CHECK(await(&w, "third.hl7.DON", true));
	CHECK(is_there(&w, "slow.hl7"));
	fputs(" whole", f);
	fclose(f);
	CHECK(await(&w, "slow.hl7.DON", true));
	CHECK(strstr(taken(&w), "half whole ") != NULL);
	end(&w);
}

TEST(renamed_into_the_folder_it_is_taken_at_once)
{
	struct watched w;
	struct hl7_watch_config c;
	int64_t begun;

	begin(&w, false);
	/* The folder is watched from here on. */
	put(&w, "zero.hl7", "zero");
	CHECK(await(&w, "zero.hl7.DON", true));
	c = (struct hl7_watch_config){
	    .folder = w.folder, .take = take, .ctx = &w, .settle_ms = LONG_MS};
	hl7_watch_configure(w.watch, &c);
	put(&w, "first.tmp", "first");
	begun = clock_mono_ms();
	CHECK(rename(path(&w, "first.tmp"), path(&w, "first.hl7")) == 0);
	CHECK(await(&w, "first.hl7.DON", true));
	CHECK(clock_mono_ms() - begun < LONG_MS / 2);
	end(&w);
}

TEST(the_oldest_first)
{
	struct timespec times[2] = {{0}};
	struct watched w;
	unsigned i;
	char name[16];

	begin(&w, false);
	hl7_watch_close(&w.watch);
	for (i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "%u.hl7", i);
		put(&w, name, name);
		times[1].tv_sec = times[0].tv_sec = 1000000 + (i * 5) % 9;
		CHECK(utimensat(AT_FDCWD, path(&w, name), times, 0) == 0);
	}
	configure(&w, false);
	CHECK(await_count(&w, 9));
	CHECK_STR(str_from(taken(&w)),
	    "0.hl7 2.hl7 4.hl7 6.hl7 8.hl7 1.hl7 3.hl7 5.hl7 7.hl7 ");
	end(&w);
}

TEST(links_are_left_alone)
{
	struct watched w;

	begin(&w, false);
	put(&w, "target", "good");
	CHECK(symlink(path(&w, "target"), path(&w, "link.hl7")) == 0);
	CHECK(mkfifo(path(&w, "pipe.hl7"), 0600) == 0);
	put(&w, "good.hl7", "good");
	CHECK(await(&w, "good.hl7.DON", true));
	CHECK(is_there(&w, "link.hl7") && is_there(&w, "pipe.hl7"));
	CHECK_EQ(taken_count(&w), 1);
	end(&w);
}

static void
replace(struct watched *w)
{
	put(w, "new.tmp", "second");
	CHECK(rename(path(w, "new.tmp"), path(w, "a.hl7")) == 0);
}

TEST(another_file_that_takes_its_place_is_taken_too)
{
	struct watched w;

	begin(&w, true);
	mutex_lock(&w.lock);
	w.before = replace;
	mutex_unlock(&w.lock);
	put(&w, "a.hl7", "first");
	CHECK(await_count(&w, 2));
	CHECK(await(&w, "a.hl7", false));
	CHECK_STR(str_from(taken(&w)), "first second ");
	end(&w);
}

static void
append(struct watched *w)
{
	FILE *f = fopen(path(w, "a.hl7"), "ae");

	if (!CHECK(f != NULL))
		return;
	fputs("+more", f);
	fclose(f);
}

TEST(what_is_added_while_it_is_taken_is_taken_too)
{
	struct watched w;

	begin(&w, true);
	mutex_lock(&w.lock);
	w.before = append;
	mutex_unlock(&w.lock);
	put(&w, "a.hl7", "first");
	CHECK(await_count(&w, 2));
	CHECK(await(&w, "a.hl7", false));
	CHECK_STR(str_from(taken(&w)), "first first+more ");
	end(&w);
}

TEST(a_store_that_can_take_no_more_loses_nothing)
{
	struct watched w;

	begin(&w, false);
	mutex_lock(&w.lock);
	w.again = true;
	mutex_unlock(&w.lock);
	put(&w, "a.hl7", "one");
	put(&w, "b.hl7", "two");
	CHECK(await_count(&w, 1));
	mutex_lock(&w.lock);
	w.again = false;
	mutex_unlock(&w.lock);
	CHECK(await(&w, "a.hl7.DON", true));
	CHECK(await(&w, "b.hl7.DON", true));
	CHECK_STR(str_from(taken(&w)), "one two ");
	end(&w);
}

TEST(another_folder_by_a_setting)
{
	struct watched w;
	char first[64];

	begin(&w, false);
	memcpy(first, w.folder, sizeof(first));
	CHECK(mkdir(path(&w, "inner"), 0700) == 0);
	(void)str_copy(w.folder + strlen(w.folder), 8, STR("/inner"));
	configure(&w, false);
	put(&w, "a.hl7", "inner");
	CHECK(await(&w, "a.hl7.DON", true));
	/* A folder that comes and goes. */
	CHECK(unlink(path(&w, "a.hl7.DON")) == 0);
	CHECK(rmdir(w.folder) == 0);
	clock_sleep_ms(50);
	memcpy(w.folder, first, sizeof(first));
	configure(&w, false);
	put(&w, "b.hl7", "outer");
	CHECK(await(&w, "b.hl7.DON", true));
	end(&w);
}

TEST(long_names_get_their_suffix)
{
	struct watched w;
	char name[256], done[256];

	begin(&w, false);
	memset(name, 'n', 251);
	memcpy(name + 251, ".hl7", 5);
	put(&w, name, "long");
	memset(done, 'n', 239);
	memcpy(done + 239, ".DON", 5);
	CHECK(await(&w, done, true));
	end(&w);
}

TEST(more_than_a_round_holds)
{
	struct watched w;
	char name[16];
	unsigned i;

	begin(&w, true);
	hl7_watch_close(&w.watch);
	for (i = 0; i < 2 * WATCH_ROUND + 10; i++) {
		snprintf(name, sizeof(name), "%u.hl7", i);
		put(&w, name, "x");
	}
	configure(&w, true);
	CHECK(await_count(&w, 2 * WATCH_ROUND + 10));
	end(&w);
}

/* With a control id and without. */
#define ORDER(control, patient)                                                \
	"MSH|^~\\&|HIS|WARD|||20261121||ORM^O01|" control "|P|2.3.1\r"         \
	"PID|||" patient "||Doe^Jane\rORC|NW|A" patient "\rOBR||||RP1\r"

static int
die(int dir, const char *from, int to_dir, const char *to)
{
	(void)dir;
	(void)from;
	(void)to_dir;
	(void)to;
	_exit(9);
}

static void
watch_archive(struct archive *t, const struct watched *w)
{
	struct hl7_watch_config c = {.folder = w->folder,
	    .intake = {.charset = "UTF-8",
		.rules = {.uid_root = "2.25", .uid_for = "all"}},
	    .settle_ms = SETTLE_MS};
	struct hl7_watch *watch;
	struct err e;

	if (!CHECK(hl7_watch_open(&watch, t->store, &c, &e)))
		return;
	CHECK(await(w, "a.hl7", false));
	CHECK(await(w, "b.hl7", false));
	hl7_watch_close(&watch);
}

TEST(killed_between_the_commit_and_the_renaming)
{
	struct os_ops dying = os_real;
	struct watched w;
	struct archive t;
	int status = 0;
	pid_t child;

	begin(&w, false);
	hl7_watch_close(&w.watch);
	if (!archive_begin(&t))
		return;
	store_close(&t.store);
	put(&w, "a.hl7", ORDER("1", "P1") ORDER("", "P2"));
	put(&w, "b.hl7", ORDER("", "P2"));
	dying.rename_new = die;
	child = fork();
	if (child == 0) {
		os = &dying;
		if (archive_open(&t, true))
			watch_archive(&t, &w);
		_exit(1);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	CHECK(is_there(&w, "a.hl7"));
	CHECK(archive_open(&t, true));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM item"), 2);
	watch_archive(&t, &w);
	CHECK(is_there(&w, "a.hl7.DON") && is_there(&w, "b.hl7.DON"));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM item"), 2);
	/* Those of a.hl7 had their effect once; the same bytes in b.hl7 are
	 * another message. */
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM hl7_journal WHERE"
				 " outcome = 'applied'"),
	    3);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM hl7_journal WHERE"
				 " outcome = 'repeated'"),
	    2);
	archive_end(&t);
	end(&w);
}

TEST(which_names_are_wanted)
{
	CHECK(watch_wanted("a.hl7") && watch_wanted("a.HL7") &&
	      watch_wanted("a.b.TxT"));
	CHECK(!watch_wanted(".hl7") && !watch_wanted("a.hl7.DON") &&
	      !watch_wanted("a.hl7.ERR") && !watch_wanted("a.hl7.ERR.log") &&
	      !watch_wanted("ahl7") && !watch_wanted("") &&
	      !watch_wanted("a.hl7~"));
}

TEST_MAIN
