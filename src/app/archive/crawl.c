/*
 * Walking folders with an explicit stack; the files of a folder come in the
 * order of their names, so that two runs do the same.
 */
#include "app/archive/crawl.h"
#include "app/archive/media.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct names {
	char **at;
	size_t n, room;
};

static void
names_add(struct names *s, char *name)
{
	if (s->n == s->room) {
		s->room = s->room > 0 ? s->room * 2 : 64;
		s->at = must_realloc(s->at, s->room * sizeof(*s->at));
	}
	s->at[s->n++] = name;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
names_fini(struct names *s)
{
	while (s->n > 0)
		free(s->at[--s->n]);
	free(s->at);
}

void
crawl_init(
    struct crawl *c, const char *own_folder, crawl_refused *refused, void *ctx)
{
	struct stat st;

	*c = (struct crawl){.refused = refused, .ctx = ctx};
	if (stat(own_folder, &st) == 0) {
		c->own_device = st.st_dev;
		c->own_inode = st.st_ino;
	}
}

void
crawl_fini(struct crawl *c)
{
	while (c->n > 0)
		free(c->items[--c->n].path);
	free(c->items);
	*c = (struct crawl){0};
}

static void
refuse(struct crawl *c, const char *path)
{
	char reason[128];

	c->refused(c->ctx, path, strerror_r(errno, reason, sizeof(reason)));
}

static void
add_file(struct crawl *c, const char *path, const struct stat *st, bool named)
{
	if (c->n == c->room) {
		c->room = c->room > 0 ? c->room * 2 : 256;
		c->items = must_realloc(c->items, c->room * sizeof(*c->items));
	}
	c->items[c->n++] = (struct crawl_item){
	    must_strdup(path), (uint64_t)st->st_size, named};
	c->bytes += (uint64_t)st->st_size;
}

static char *
join(const char *folder, const char *name)
{
	size_t n = strlen(folder), m = strlen(name);
	char *path = must_alloc(n + m + 2);

	memcpy(path, folder, n);
	if (n == 0 || folder[n - 1] != '/')
		path[n++] = '/';
	memcpy(path + n, name, m + 1);
	return path;
}

/* A medium in a folder: its files are found by walking; what it names and
 * lacks is still worth a word. */
static void
note_missing(void *ctx, const char *path, const char *reason)
{
	struct crawl *c = ctx;

	if (reason != NULL)
		c->refused(c->ctx, path, reason);
}

static void
check_media(struct crawl *c, const char *path)
{
	struct err e;

	if (!media_is(path))
		return;
	if (!media_each(path, note_missing, c, &e))
		c->refused(c->ctx, path, e.text);
}

static bool
list_folder(struct crawl *c, const char *folder, struct names *names)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir = opendir(folder);

	if (dir == NULL || fstat(dirfd(dir), &st) != 0) {
		refuse(c, folder);
		if (dir != NULL)
			(void)closedir(dir);
		return false;
	}
	if (st.st_dev == c->own_device && st.st_ino == c->own_inode) {
		(void)closedir(dir);
		return false;
	}
	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			names_add(names, must_strdup(entry->d_name));
	if (errno != 0)
		refuse(c, folder);
	(void)closedir(dir);
	return true;
}

/* Takes the path over. */
static void
visit(struct crawl *c, struct names *folders, char *path, const char *name)
{
	struct stat st;
	bool link;

	if (lstat(path, &st) != 0) {
		refuse(c, path);
		free(path);
		return;
	}
	link = S_ISLNK(st.st_mode);
	if (link && stat(path, &st) != 0) {
		refuse(c, path);
	} else if (S_ISDIR(st.st_mode) && !link) {
		names_add(folders, path);
		return;
	} else if (S_ISDIR(st.st_mode)) {
		c->links++;
	} else if (S_ISREG(st.st_mode)) {
		add_file(c, path, &st, false);
		if (str_eq_nocase(str_from(name), STR("DICOMDIR")))
			check_media(c, path);
	}
	free(path);
}

static void
walk(struct crawl *c, const char *top)
{
	struct names folders = {0}, names = {0};
	char *folder;
	size_t i;

	names_add(&folders, must_strdup(top));
	while (folders.n > 0 && (c->stop == NULL || !*c->stop)) {
		folder = folders.at[--folders.n];
		if (list_folder(c, folder, &names) && names.n > 0)
			qsort(names.at, names.n, sizeof(*names.at), by_name);
		for (i = 0; i < names.n; i++) {
			visit(c, &folders, join(folder, names.at[i]),
			    names.at[i]);
			free(names.at[i]);
		}
		names.n = 0;
		free(folder);
	}
	names_fini(&names);
	names_fini(&folders);
}

static void
add_referenced(void *ctx, const char *path, const char *reason)
{
	struct crawl *c = ctx;
	struct stat st;

	if (reason != NULL)
		c->refused(c->ctx, path, reason);
	else if (stat(path, &st) != 0)
		refuse(c, path);
	else if (!S_ISREG(st.st_mode))
		c->refused(c->ctx, path, "is not a file");
	else
		add_file(c, path, &st, true);
}

void
crawl_add(struct crawl *c, const char *path)
{
	struct stat st;
	struct err e;

	if (stat(path, &st) != 0) {
		refuse(c, path);
	} else if (S_ISDIR(st.st_mode)) {
		walk(c, path);
	} else if (!S_ISREG(st.st_mode)) {
		c->refused(c->ctx, path, "is neither a file nor a folder");
	} else if (media_is(path)) {
		if (!media_each(path, add_referenced, c, &e))
			c->refused(c->ctx, path, e.text);
	} else {
		add_file(c, path, &st, true);
	}
}
