/*
 * 'import': files, folders, zips and DICOMDIR media into the archive, by
 * several threads, beside a running server.
 *
 * Resumable: what is there already, byte for byte, is found by its content and
 * skipped. What is DICOM and was not stored is refused with a reason, one line
 * each on stderr; what is not DICOM is counted, and refused only where it was
 * named itself.
 */
#include "app/archive/crawl.h"
#include "service/file/feed.h"
#include "app/progress.h"
#include "app/settings.h"
#include "service/file/unzip.h"
#include "app/verb.h"
#include "base/os.h"
#include "base/thread.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>

#define MOST_THREADS 64

static atomic_bool stopped;

struct tally {
	uint64_t stored, bytes, same, aside, replaced, foreign, media, refused;
};

struct import {
	struct store *store;
	struct crawl crawl;
	/* Guards all below. */
	struct mutex mutex;
	size_t next;
	uint64_t done_bytes;
	struct tally tally;
	struct progress progress;
	bool broken; /* the archive cannot take more: why */
	struct err why;
};

/* What came of one stream. */
struct outcome {
	enum feed_outcome is;
	uint64_t size;
	struct err e;
};

static void
on_signal(int number)
{
	(void)number;
	stopped = true;
}

/* entry: within a zip, or NULL. With the mutex held. */
static void
say_refused(
    struct import *m, const char *path, const char *entry, const char *why)
{
	m->tally.refused++;
	progress_hide(&m->progress);
	fputs("refused: ", stderr);
	verb_put(stderr, path);
	if (entry != NULL) {
		fputs(": ", stderr);
		verb_put(stderr, entry);
	}
	fputs(": ", stderr);
	verb_put(stderr, why);
	fputc('\n', stderr);
}

static void
refuse(struct import *m, const char *path, const char *entry, const char *why)
{
	mutex_lock(&m->mutex);
	say_refused(m, path, entry, why);
	mutex_unlock(&m->mutex);
}

static void
on_crawl_refused(void *ctx, const char *path, const char *why)
{
	refuse(ctx, path, NULL, why);
}

static void
count_stored(struct tally *t, const struct outcome *o)
{
	switch (o->is) {
	case FEED_STORED:
		t->stored++;
		t->bytes += o->size;
		break;
	case FEED_SAME:
		t->same++;
		break;
	case FEED_ASIDE:
		t->aside++;
		break;
	case FEED_REPLACED:
		t->replaced++;
		break;
	case FEED_MEDIA:
		t->media++;
		break;
	default:
		break;
	}
}

/* named: what is not DICOM is refused instead of skipped. */
static void
count(struct import *m, const char *path, const char *entry, bool named,
    const struct outcome *o)
{
	mutex_lock(&m->mutex);
	count_stored(&m->tally, o);
	if (o->is == FEED_FOREIGN && !named)
		m->tally.foreign++;
	else if (o->is == FEED_FOREIGN || o->is == FEED_REFUSED)
		say_refused(m, path, entry, o->e.text);
	if (o->is == FEED_BROKEN && !m->broken) {
		m->broken = true;
		m->why = o->e;
	}
	mutex_unlock(&m->mutex);
}

static bool
go_on(struct import *m)
{
	bool yes;

	mutex_lock(&m->mutex);
	yes = !m->broken && !stopped;
	mutex_unlock(&m->mutex);
	return yes;
}

static bool
named_zip(struct str name)
{
	return name.n > 4 &&
	       str_eq_nocase(str_of(name.p + name.n - 4, 4), STR(".zip"));
}

/* Whether it was DICOM, or is said to be something that might hold it. */
static bool
import_entry(struct import *m, struct feed *feed, struct unzip *zip,
    const char *path, const struct unzip_entry *entry)
{
	struct outcome o = {0};

	if (entry->encrypted) {
		refuse(m, path, entry->name, "it is encrypted");
		return true;
	}
	o.is = feed_stream(feed, unzip_read, zip, entry->size, &o.size, &o.e);
	if (o.is == FEED_ZIP && named_zip(str_from(entry->name))) {
		refuse(m, path, entry->name,
		    "it is a zip within a zip: unpack it first");
		return true;
	}
	if (o.is == FEED_ZIP)
		o.is = FEED_FOREIGN;
	count(m, path, entry->name, false, &o);
	return o.is != FEED_FOREIGN;
}

static void
import_zip(struct import *m, struct feed *feed, const struct crawl_item *item)
{
	struct unzip_entry entry;
	struct unzip *zip;
	bool end = false, any = false, good;
	struct err e;

	if (!unzip_open(&zip, item->path, &e)) {
		refuse(m, item->path, NULL, e.text);
		return;
	}
	while (go_on(m)) {
		good = unzip_next(zip, &entry, &end, &e);
		if (!good)
			refuse(m, item->path, NULL, e.text);
		if (!good || end)
			break;
		any |= import_entry(m, feed, zip, item->path, &entry);
	}
	if (end && !any && item->named)
		refuse(m, item->path, NULL, "there is no DICOM file in it");
	unzip_close(&zip);
}

static void
import_file(struct import *m, struct feed *feed, const struct crawl_item *item)
{
	struct outcome o = {0};
	int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		fail_errno(&o.e, "cannot open");
		refuse(m, item->path, NULL, o.e.text);
		return;
	}
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	o.is = feed_stream(feed, feed_read_fd, &fd, item->size, &o.size, &o.e);
	os_close(&fd);
	if (o.is == FEED_ZIP)
		import_zip(m, feed, item);
	else
		count(m, item->path, NULL, item->named, &o);
}

static const struct crawl_item *
next_item(struct import *m)
{
	const struct crawl_item *item = NULL;

	mutex_lock(&m->mutex);
	if (!m->broken && !stopped && m->next < m->crawl.n)
		item = &m->crawl.items[m->next++];
	mutex_unlock(&m->mutex);
	return item;
}

static void
work(void *ctx)
{
	struct import *m = ctx;
	struct feed *feed = feed_new(m->store, "");
	const struct crawl_item *item;

	while ((item = next_item(m)) != NULL) {
		import_file(m, feed, item);
		mutex_lock(&m->mutex);
		m->done_bytes += item->size;
		progress_update(&m->progress, m->done_bytes, m->crawl.bytes);
		mutex_unlock(&m->mutex);
	}
	feed_free(&feed);
}

static bool
import_items(struct import *m, struct err *e)
{
	struct thread threads[MOST_THREADS];
	size_t want = 2 * thread_cores(), n = 0;

	if (want > MOST_THREADS)
		want = MOST_THREADS;
	if (want > m->crawl.n)
		want = m->crawl.n;
	while (n < want && thread_start(&threads[n], "import", work, m))
		n++;
	if (n == 0 && want > 0)
		return fail_errno(e, "cannot start a thread");
	while (n > 0)
		thread_join(&threads[--n]);
	return true;
}

static void
put_line(const char *what, uint64_t n)
{
	if (n > 0)
		printf("%s: %" PRIu64 "\n", what, n);
}

static int
summary(struct import *m)
{
	const struct tally *t = &m->tally;

	printf("stored: %" PRIu64 " (%.1f MB)\n", t->stored,
	    (double)t->bytes / 1e6);
	printf("already there: %" PRIu64 "\n", t->same);
	put_line("differ from what was there, and replaced it", t->replaced);
	put_line("differ from what is there, and were kept aside", t->aside);
	put_line("not DICOM, skipped", t->foreign);
	put_line("DICOMDIR, not stored", t->media);
	put_line("links to folders, not followed", m->crawl.links);
	printf("refused: %" PRIu64 "\n", t->refused);
	if (m->broken)
		return verb_error(&m->why);
	if (stopped) {
		fail(&m->why, ERR_CANCELLED, "stopped; run it again to go on");
		return verb_error(&m->why);
	}
	return t->refused > 0 ? VERB_FAILED : VERB_DONE;
}

static bool
import_paths(struct import *m, const struct words *paths, struct err *e)
{
	struct sigaction action = {
	    .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	size_t i;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	m->crawl.stop = &stopped;
	for (i = 0; i < paths->n && !stopped; i++)
		crawl_add(&m->crawl, paths->at[i]);
	progress_begin(&m->progress, "importing", NULL);
	if (!import_items(m, e))
		return false;
	progress_end(&m->progress);
	return true;
}

static int
import(const char *data, const struct words *paths)
{
	struct settings settings;
	struct import m = {0};
	struct err e;
	int status;

	if (!verb_store(&m.store, data, true, &e))
		return verb_error(&e);
	mutex_init(&m.mutex);
	crawl_init(&m.crawl, data, on_crawl_refused, &m);
	if (settings_for_verb(&settings, m.store, &e) &&
	    import_paths(&m, paths, &e))
		status = summary(&m);
	else
		status = verb_error(&e);
	crawl_fini(&m.crawl);
	mutex_fini(&m.mutex);
	store_close(&m.store);
	return status;
}

static int
run(int argc, char **argv)
{
	const char *data = NULL;
	const struct option options[] = {{"--data", OPTION_TEXT, &data}};
	struct words words = {0};
	struct err e;
	int status;

	if (options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	    options_words(&words, 1, SIZE_MAX, &e))
		status = import(verb_data(data), &words);
	else
		status = verb_error(&e);
	words_free(&words);
	return status;
}

const struct verb verb_import = {
    .name = "import",
    .summary = "Bring files, folders, zips and DICOMDIR media into the archive",
    .usage = "import PATH...",
    .help =
	"PATH is a DICOM file, a folder (with all that is in it), a zip, or\n"
	"a DICOMDIR. Works beside a running server. Run it again to resume:\n"
	"what is there already is skipped. Files in folders and zips that\n"
	"are not DICOM are skipped and counted. Exit status 1 when a file\n"
	"was refused; each is named with the reason.\n",
    .run = run,
};
