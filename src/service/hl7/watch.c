/*
 * One thread. It looks at the folder every two seconds, and at once when the
 * system says that a file was closed or renamed into it (inotify: only for
 * local changes, so that the looking is never left out). A folder so large
 * that looking takes long is looked at less often.
 */
#include "service/hl7/watch.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "service/hl7/watch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_MS 2000
/* Somebody makes an empty file and fills it later; not for ever. */
#define EMPTY_MS 60000
#define POLL_MS  2000
#define PAUSE_MS 5000  /* after trouble with the folder or the store */
#define RETRY_MS 30000 /* after trouble with a file */
/* Between rounds, however much is told of changes. */
#define GAP_MS 100
/* The share of the time that looking may take: one in so many. */
#define SHARE       20
#define REPORT_MAX  (64 * KIB)
#define EVENTS_ROOM (16 * KIB)

struct hl7_watch {
	struct store *store;
	struct thread thread;
	int wake_fd, inotify_fd;
	struct mutex lock;
	/* Under the lock: what the thread is to do. */
	bool stopping, changed;
	struct hl7_watch_config next;
	char next_folder[PATH_MAX], next_uid_for[256];
	/* The thread's own. */
	struct hl7_watch_config config;
	char folder[PATH_MAX], uid_for[256];
	struct watch_list list;
	int watch_id; /* of inotify; -1: none */
	dev_t dev;
	ino_t ino;
	bool in_trouble;
	struct err trouble; /* told already */
	int64_t scan_ms;    /* what the last look took */
};

static bool
stopping(struct hl7_watch *w)
{
	bool yes;

	mutex_lock(&w->lock);
	yes = w->stopping || w->changed;
	mutex_unlock(&w->lock);
	return yes;
}

/* The same trouble again is not news. */
static void
trouble(struct hl7_watch *w, const struct err *e)
{
	if (!w->in_trouble || strcmp(w->trouble.text, e->text) != 0)
		log_error("watch",
		    "folder '%s': %s; nothing is taken until "
		    "that is mended",
		    w->folder, e->text);
	w->in_trouble = true;
	w->trouble = *e;
}

static void
no_trouble(struct hl7_watch *w)
{
	if (w->in_trouble)
		log_info("watch", "folder '%s': all is well again", w->folder);
	w->in_trouble = false;
}

/* Once for each file and trouble. */
static void
file_trouble(struct watch_known *k, const struct err *e)
{
	if (!k->told)
		log_error(
		    "watch", "'%s': %s; it is tried again", k->name, e->text);
	k->told = true;
	k->retry_ms = clock_mono_ms() + RETRY_MS;
}

/* Where it is said who gave a message: the name, and what tells this file from
 * others that had the name. */
static void
source_of(const struct watch_known *k, char out[64])
{
	const struct watch_identity *i = &k->identity;
	struct str name = utf8_cut(str_from(k->name), 46);
	char shown[50];
	uint32_t h = 2166136261u;
	const uint64_t parts[] = {(uint64_t)i->ino, (uint64_t)i->changed.tv_sec,
	    (uint64_t)i->changed.tv_nsec, (uint64_t)i->size};
	size_t p, b;

	for (p = 0; p < ARRAY_LEN(parts); p++)
		for (b = 0; b < 64; b += 8)
			h = (h ^ (uint8_t)(parts[p] >> b)) * 16777619u;
	/* Names of files may be any bytes. */
	if (!utf8_valid(name))
		name = str_from(str_printable(shown, sizeof(shown), name));
	snprintf(out, 64, "%.*s#%08" PRIx32, STR_ARG(name), h);
}

static void
add_reason(void *ctx, size_t number, const struct hl7_result *r)
{
	char words[400];

	if (r->code == ACK_ACCEPT)
		return;
	hl7_file_words(number, r, words, sizeof(words));
	buf_printf(ctx, "%s\n", words);
}

static void
take(struct hl7_watch *w, const struct watch_known *k, struct str bytes,
    struct buf *report, struct hl7_file *out)
{
	char source[64];

	source_of(k, source);
	if (w->config.take != NULL)
		w->config.take(w->config.ctx, source, bytes, report, out);
	else
		hl7_take_file(w->store, &w->config.intake, source, bytes,
		    add_reason, report, out);
}

/* WATCH_UNDECIDED: the store can take no more. */
static enum watch_verdict
decide(struct hl7_watch *w, struct watch_known *k, struct str bytes,
    struct buf *report)
{
	struct hl7_file file = {0};
	struct err e;

	take(w, k, bytes, report, &file);
	if (file.again) {
		(void)fail(&e, ERR_IO, "'%s': %s", k->name, file.again_why);
		trouble(w, &e);
		return WATCH_UNDECIDED;
	}
	if (file.messages == 0) {
		buf_text(report, "there is no HL7 message in it: no line "
				 "begins with MSH\n");
		return WATCH_REFUSED;
	}
	if (file.refused == 0) {
		log_info("watch", "'%s': %zu %s taken%s", k->name,
		    file.messages, file.messages == 1 ? "message" : "messages",
		    file.repeated == file.messages ? " before" : "");
		return WATCH_DONE;
	}
	buf_printf(report, "%zu of %zu messages taken, %zu refused\n",
	    file.taken, file.messages, file.refused);
	return WATCH_REFUSED;
}

/* For the file beside it; the first line for the log. */
static void
note_refused(struct watch_known *k, struct str reasons)
{
	char shown[300];

	free(k->reasons);
	k->reasons = must_alloc(reasons.n + 1);
	(void)str_copy(k->reasons, reasons.n + 1, reasons);
	reasons.n = str_find(reasons, '\n');
	log_warning("watch", "'%s' is refused: %s", k->name,
	    str_printable(shown, sizeof(shown), reasons));
}

static void
mark(struct hl7_watch *w, int dir_fd, struct watch_known *k, int fd)
{
	bool changed;
	struct err e;

	if (!watch_file_mark(dir_fd, k, fd, k->verdict, w->config.erase,
		str_from(k->reasons), &changed, &e)) {
		file_trouble(k, &e);
		return;
	}
	/* Under this name stands another file now, or what it has become. */
	watch_list_forget(&w->list, k);
}

/* False: the round is over. */
static bool
take_file(struct hl7_watch *w, int dir_fd, struct watch_known *k)
{
	struct buf bytes, report;
	enum watch_read got;
	bool go_on = true;
	struct err e;
	int fd;

	buf_init(&bytes, HL7_FILE_MAX + 1);
	buf_init(&report, REPORT_MAX);
	got = watch_file_read(dir_fd, k, &bytes, &fd, &e);
	if (got == WATCH_READ) {
		k->verdict = decide(w, k, buf_str(&bytes), &report);
		go_on = k->verdict != WATCH_UNDECIDED;
	} else if (got == WATCH_TOO_LARGE) {
		k->verdict = WATCH_REFUSED;
		buf_printf(&report, "%s\n", e.text);
	} else if (got == WATCH_UNREADABLE) {
		file_trouble(k, &e);
	} else {
		k->since_ms = clock_mono_ms();
	}
	if (k->verdict == WATCH_REFUSED)
		note_refused(k, buf_str(&report));
	if (k->verdict != WATCH_UNDECIDED)
		mark(w, dir_fd, k, fd);
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&report);
	buf_fini(&bytes);
	return go_on;
}

/* In how long a file is whole, if nobody touches it. */
static int64_t
rest_ms(const struct hl7_watch *w, const struct watch_known *k)
{
	int64_t need =
	    w->config.settle_ms > 0 ? w->config.settle_ms : SETTLE_MS;
	int64_t now = clock_mono_ms();

	if (k->retry_ms > now)
		return k->retry_ms - now;
	if (k->verdict != WATCH_UNDECIDED || k->whole)
		return 0;
	if (k->identity.size == 0)
		need = EMPTY_MS;
	return k->since_ms + need - now;
}

static int64_t
pause_ms(const struct hl7_watch *w)
{
	return w->config.settle_ms > 0 ? w->config.settle_ms : PAUSE_MS;
}

static void
work(struct hl7_watch *w, int dir_fd, int64_t *wait_ms)
{
	struct watch_known *k;
	size_t taken = 0, i;
	int64_t rest;

	for (i = 0; i < w->list.n; i++) {
		k = w->list.at[i];
		rest = rest_ms(w, k);
		if (rest > 0) {
			if (rest < *wait_ms)
				*wait_ms = rest;
			continue;
		}
		k->whole = false;
		taken++;
		if (k->verdict != WATCH_UNDECIDED) {
			mark(w, dir_fd, k, -1);
		} else if (!take_file(w, dir_fd, k)) {
			*wait_ms = pause_ms(w);
			return;
		}
		if (stopping(w))
			return;
	}
	no_trouble(w);
	/* There may be more than one round holds. */
	if (w->list.n == WATCH_ROUND && taken > 0)
		*wait_ms = 0;
}

/* inotify follows the folder that has the name now. */
static void
follow(struct hl7_watch *w, const struct stat *st)
{
	if (w->inotify_fd < 0 ||
	    (w->watch_id >= 0 && w->dev == st->st_dev && w->ino == st->st_ino))
		return;
	if (w->watch_id >= 0)
		(void)inotify_rm_watch(w->inotify_fd, w->watch_id);
	w->watch_id = inotify_add_watch(w->inotify_fd, w->folder,
	    IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
	w->dev = st->st_dev;
	w->ino = st->st_ino;
}

static bool
open_folder(struct hl7_watch *w, int *fd, struct err *e)
{
	struct stat st;

	*fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) != 0)
		return fail_errno(e, "cannot open it");
	if (faccessat(*fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return fail_errno(e,
		    "cannot rename files in it: the user that "
		    "the server runs as must be allowed to write there");
	follow(w, &st);
	return true;
}

/* One look at the folder; in how long the next is due. */
static int64_t
look(struct hl7_watch *w)
{
	int64_t begin = clock_mono_ms(), wait_ms = POLL_MS;
	struct err e;
	bool ok;
	int fd;

	ok = open_folder(w, &fd, &e) && watch_list_scan(&w->list, fd, &e);
	w->scan_ms = clock_mono_ms() - begin;
	if (ok && w->list.crowded)
		ok = fail(&e, ERR_LIMIT,
		    "more than %d files in it cannot be dealt with: move them "
		    "away",
		    WATCH_KNOWN);
	if (ok && SHARE * w->scan_ms > wait_ms)
		wait_ms = SHARE * w->scan_ms;
	if (ok) {
		work(w, fd, &wait_ms);
	} else {
		trouble(w, &e);
		wait_ms = pause_ms(w);
	}
	if (fd >= 0)
		(void)close(fd);
	return wait_ms;
}

/* Whether something came that is of interest. */
static bool
read_events(struct hl7_watch *w)
{
	char room[EVENTS_ROOM]
	    __attribute__((aligned(_Alignof(struct inotify_event))));
	const struct inotify_event *event;
	bool wanted = false;
	ssize_t n, at;

	while ((n = read(w->inotify_fd, room, sizeof(room))) > 0) {
		for (at = 0; at < n;
		     at += (ssize_t)sizeof(*event) + event->len) {
			event = (const void *)(room + at);
			if ((event->mask & IN_IGNORED) != 0 &&
			    event->wd == w->watch_id)
				w->watch_id = -1;
			if (event->wd != w->watch_id || event->len == 0 ||
			    !watch_wanted(event->name))
				continue;
			wanted = true;
			if ((event->mask & IN_MOVED_TO) != 0)
				watch_list_arrived(&w->list, event->name);
		}
	}
	return wanted;
}

static void
pause_for(struct hl7_watch *w, int64_t wait_ms)
{
	int64_t now = clock_mono_ms(), until = now + wait_ms;
	int64_t gap =
	    now + (SHARE * w->scan_ms > GAP_MS ? SHARE * w->scan_ms : GAP_MS);
	struct pollfd fds[2] = {{.fd = w->wake_fd, .events = POLLIN},
	    {.fd = w->inotify_fd, .events = POLLIN}};
	uint64_t count;

	/* In trouble events change nothing: the pause is kept. */
	if (w->in_trouble)
		gap = until;
	while (now < until && !stopping(w)) {
		(void)poll(fds, w->inotify_fd >= 0 ? 2 : 1, (int)(until - now));
		if ((fds[0].revents & POLLIN) != 0 &&
		    read(w->wake_fd, &count, sizeof(count)) < 0 &&
		    errno != EAGAIN)
			return;
		if (w->inotify_fd >= 0 && read_events(w) && gap < until)
			until = gap;
		now = clock_mono_ms();
	}
}

/* What hl7_watch_configure() left; whether there is a folder to watch. */
static bool
take_config(struct hl7_watch *w)
{
	mutex_lock(&w->lock);
	if (w->changed) {
		if (strcmp(w->folder, w->next_folder) != 0) {
			watch_list_clear(&w->list);
			w->in_trouble = false;
			if (w->watch_id >= 0)
				(void)inotify_rm_watch(
				    w->inotify_fd, w->watch_id);
			w->watch_id = -1;
		}
		w->config = w->next;
		memcpy(w->folder, w->next_folder, sizeof(w->folder));
		memcpy(w->uid_for, w->next_uid_for, sizeof(w->uid_for));
		w->config.folder = w->folder;
		w->config.intake.rules.uid_for = w->uid_for;
		w->changed = false;
	}
	mutex_unlock(&w->lock);
	return w->folder[0] != '\0';
}

static void
run(void *arg)
{
	struct hl7_watch *w = arg;
	bool stop = false;

	while (!stop) {
		if (take_config(w))
			pause_for(w, look(w));
		else
			pause_for(w, INT_MAX);
		mutex_lock(&w->lock);
		stop = w->stopping;
		mutex_unlock(&w->lock);
	}
}

static void
put_config(struct hl7_watch *w, const struct hl7_watch_config *c)
{
	w->next = *c;
	(void)str_copy(
	    w->next_folder, sizeof(w->next_folder), str_from(c->folder));
	(void)str_copy(w->next_uid_for, sizeof(w->next_uid_for),
	    str_from(c->intake.rules.uid_for));
	w->changed = true;
}

static void
wake(struct hl7_watch *w)
{
	uint64_t one = 1;

	must(write(w->wake_fd, &one, sizeof(one)) == sizeof(one));
}

bool
hl7_watch_open(struct hl7_watch **out, struct store *s,
    const struct hl7_watch_config *config, struct err *e)
{
	struct hl7_watch *w = must_zalloc(sizeof(*w));

	*out = NULL;
	w->store = s;
	w->watch_id = -1;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Without it the folder is only looked at from time to time. */
	w->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	mutex_init(&w->lock);
	watch_list_init(&w->list);
	put_config(w, config);
	/* A broken lease is no reason to end: see watch_file.c. */
	(void)signal(SIGIO, SIG_IGN);
	if (w->wake_fd >= 0 && thread_start(&w->thread, "watch", run, w)) {
		*out = w;
		return true;
	}
	(void)fail(e, ERR_IO, "cannot start the watch of a folder");
	if (w->wake_fd >= 0)
		(void)close(w->wake_fd);
	if (w->inotify_fd >= 0)
		(void)close(w->inotify_fd);
	watch_list_fini(&w->list);
	mutex_fini(&w->lock);
	free(w);
	return false;
}

void
hl7_watch_configure(struct hl7_watch *w, const struct hl7_watch_config *config)
{
	mutex_lock(&w->lock);
	put_config(w, config);
	mutex_unlock(&w->lock);
	wake(w);
}

void
hl7_watch_close(struct hl7_watch **pw)
{
	struct hl7_watch *w = *pw;

	if (w == NULL)
		return;
	mutex_lock(&w->lock);
	w->stopping = true;
	mutex_unlock(&w->lock);
	wake(w);
	thread_join(&w->thread);
	(void)close(w->wake_fd);
	if (w->inotify_fd >= 0)
		(void)close(w->inotify_fd);
	watch_list_fini(&w->list);
	mutex_fini(&w->lock);
	free(w);
	*pw = NULL;
}
