/*
 * A round reads the whole folder, however large, and keeps the oldest files of
 * it: memory is bounded, and what waits gets its turn.
 */
#include "service/hl7/watch_list.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Names between two rounds; of more each waits until it stands still. */
#define ARRIVED_MAX 1024

struct watch_identity
watch_identity(const struct stat *st)
{
	return (struct watch_identity){.dev = st->st_dev,
	    .ino = st->st_ino,
	    .size = st->st_size,
	    .changed = st->st_mtim};
}

bool
watch_same(const struct watch_identity *a, const struct watch_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

void
watch_list_init(struct watch_list *l)
{
	*l = (struct watch_list){0};
	map_init(&l->known);
	map_init(&l->arrived);
}

static void
free_value(void *ctx, struct str key, void *value)
{
	struct watch_known *k = value;

	(void)ctx;
	(void)key;
	free(k->reasons);
	free(k);
}

void
watch_list_clear(struct watch_list *l)
{
	map_each(&l->known, free_value, NULL);
	map_clear(&l->known);
	map_clear(&l->arrived);
	l->known_count = l->arrived_count = l->n = 0;
	l->crowded = false;
}

void
watch_list_fini(struct watch_list *l)
{
	watch_list_clear(l);
	map_fini(&l->known);
	map_fini(&l->arrived);
}

bool
watch_wanted(const char *name)
{
	struct str s = str_from(name);

	return s.n > 4 && s.n <= NAME_MAX &&
	       (str_eq_nocase(str_of(s.p + s.n - 4, 4), STR(".hl7")) ||
		   str_eq_nocase(str_of(s.p + s.n - 4, 4), STR(".txt")));
}

void
watch_list_arrived(struct watch_list *l, const char *name)
{
	struct watch_known *k = map_get(&l->known, str_from(name));
	static char yes;

	/* Under a name that is known: it took the place of another. */
	if (k != NULL)
		watch_list_forget(l, k);
	if (l->arrived_count >= ARRIVED_MAX)
		return;
	if (map_put(&l->arrived, str_from(name), &yes) == NULL)
		l->arrived_count++;
}

void
watch_list_forget(struct watch_list *l, struct watch_known *k)
{
	if (map_take(&l->known, str_from(k->name)) != NULL)
		l->known_count--;
	free(k->reasons);
	free(k);
}

static bool
older(const struct watch_known *a, const struct watch_known *b)
{
	const struct timespec *s = &a->identity.changed;
	const struct timespec *t = &b->identity.changed;

	if (s->tv_sec != t->tv_sec)
		return s->tv_sec < t->tv_sec;
	if (s->tv_nsec != t->tv_nsec)
		return s->tv_nsec < t->tv_nsec;
	return strcmp(a->name, b->name) < 0;
}

/* It is too young for this round. What was decided or told of it stays. */
static void
leave_out(struct watch_list *l, struct watch_known *k)
{
	if (k->verdict == WATCH_UNDECIDED && !k->told)
		watch_list_forget(l, k);
}

/* In its place among the oldest. */
static void
insert(struct watch_list *l, struct watch_known *k)
{
	size_t low = 0, high = l->n, middle;

	if (l->n == WATCH_ROUND) {
		if (older(l->at[l->n - 1], k)) {
			leave_out(l, k);
			return;
		}
		leave_out(l, l->at[--l->n]);
		high = l->n;
	}
	while (low < high) {
		middle = low + (high - low) / 2;
		if (older(l->at[middle], k))
			low = middle + 1;
		else
			high = middle;
	}
	memmove(&l->at[low + 1], &l->at[low], (l->n - low) * sizeof(l->at[0]));
	l->at[low] = k;
	l->n++;
}

static struct watch_known *
learn(struct watch_list *l, const char *name, const struct stat *st)
{
	struct watch_known *k = must_zalloc(sizeof(*k));

	(void)str_copy(k->name, sizeof(k->name), str_from(name));
	k->identity = watch_identity(st);
	k->since_ms = clock_mono_ms();
	k->whole = map_take(&l->arrived, str_from(name)) != NULL;
	l->arrived_count -= k->whole;
	(void)map_put(&l->known, str_from(k->name), k);
	l->known_count++;
	return k;
}

static void
look(struct watch_list *l, int dir_fd, const char *name)
{
	struct watch_known *k = map_get(&l->known, str_from(name));
	struct watch_identity now;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return;
	now = watch_identity(&st);
	if (k != NULL && !watch_same(&k->identity, &now)) {
		watch_list_forget(l, k);
		k = NULL;
	}
	if (k == NULL)
		k = learn(l, name, &st);
	k->mode = st.st_mode;
	k->round = l->round;
	/* What rests takes nobody's place among the oldest. */
	if (k->retry_ms > clock_mono_ms())
		return;
	insert(l, k);
}

struct gone {
	unsigned round;
	struct watch_known *list[WATCH_KNOWN];
	size_t n;
};

static void
note_gone(void *ctx, struct str key, void *value)
{
	struct watch_known *k = value;
	struct gone *g = ctx;

	(void)key;
	if (k->round != g->round && g->n < ARRAY_LEN(g->list))
		g->list[g->n++] = k;
}

static void
forget_gone(struct watch_list *l)
{
	struct gone *g = must_zalloc(sizeof(*g));
	size_t i;

	g->round = l->round;
	map_each(&l->known, note_gone, g);
	for (i = 0; i < g->n; i++)
		watch_list_forget(l, g->list[i]);
	free(g);
}

static bool
read_folder(struct watch_list *l, int dir_fd, DIR *dir)
{
	struct dirent *entry;

	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			return errno == 0;
		if (watch_wanted(entry->d_name))
			look(l, dir_fd, entry->d_name);
	}
}

bool
watch_list_scan(struct watch_list *l, int dir_fd, struct err *e)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	bool ok;

	l->round++;
	l->n = 0;
	if (dir == NULL) {
		(void)fail_errno(e, "cannot read it");
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	ok = read_folder(l, dir_fd, dir) || fail_errno(e, "cannot read it");
	(void)closedir(dir);
	if (!ok)
		return false;
	l->crowded = l->known_count > WATCH_KNOWN;
	forget_gone(l);
	/* What arrived and has gone again, or was no file. */
	map_clear(&l->arrived);
	l->arrived_count = 0;
	return true;
}
