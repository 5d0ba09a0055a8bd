/*
 * Reading a DICOMDIR with the push parser: only the value being read is kept,
 * so its size does not matter.
 *
 * A File ID is up to 8 components of up to 8 characters (PS3.10 8.2). Media
 * are often copied to file systems that write them in lower case.
 */
#include "app/archive/media.h"
#include "base/buf.h"
#include "base/os.h"
#include "dicom/file.h"

#include <fcntl.h>
#include <unistd.h>

#define ID_MAX 1024

struct reader {
	const char *path;
	size_t folder_n; /* of path, with its slash */
	struct buf id;
	bool in_id;
	media_found *found;
	void *ctx;
};

static bool
open_media(const char *path, int *fd, uint8_t head[LIMIT_META],
    struct file_meta *meta, size_t *head_n, struct err *e)
{
	ssize_t got;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (*fd < 0)
		return fail_errno(e, "cannot open '%s'", path);
	got = os_read_full(*fd, head, LIMIT_META);
	if (got < 0) {
		fail_errno(e, "cannot read '%s'", path);
		os_close(fd);
		return false;
	}
	*head_n = (size_t)got;
	if (!file_meta_read(str_of(head, *head_n), meta, e)) {
		os_close(fd);
		return fail_in(e, "'%s'", path);
	}
	return true;
}

bool
media_is(const char *path)
{
	uint8_t *head = must_alloc(LIMIT_META);
	struct file_meta meta;
	struct err e;
	size_t n;
	bool is = false;
	int fd;

	if (open_media(path, &fd, head, &meta, &n, &e)) {
		is = str_eq_text(
		    meta.sop_class, UID_MediaStorageDirectoryStorage);
		os_close(&fd);
	}
	free(head);
	return is;
}

/* The component as it stands in the folder: as written, or in lower case. As
 * written where there is neither. */
static bool
add_component(struct buf *path, struct str part)
{
	size_t at = path->n, i;

	buf_add(path, part);
	if (access(buf_cstr(path), F_OK) == 0)
		return true;
	for (i = at; i < path->n; i++)
		if (path->p[i] >= 'A' && path->p[i] <= 'Z')
			path->p[i] = (uint8_t)(path->p[i] + ('a' - 'A'));
	if (access(buf_cstr(path), F_OK) == 0)
		return true;
	path->n = at;
	buf_add(path, part);
	return false;
}

static bool
component_allowed(struct str part)
{
	return part.n > 0 && !str_eq_text(part, ".") &&
	       !str_eq_text(part, "..") && str_find(part, '/') == part.n &&
	       str_find(part, '\0') == part.n;
}

static const char *
resolve(const struct reader *r, struct buf *path)
{
	struct str rest = str_trim(buf_str(&r->id)), part;
	bool there = true;

	buf_add(path, str_of(r->path, r->folder_n));
	while (str_split(&rest, '\\', &part)) {
		part = str_trim(part);
		if (!component_allowed(part))
			return "is no file name of a medium";
		if (path->n > r->folder_n)
			buf_u8(path, '/');
		if (there)
			there = add_component(path, part);
		else
			buf_add(path, part);
	}
	if (path->over)
		return "is too long a name";
	return there ? NULL : "is named by the DICOMDIR and not there";
}

static void
end_id(struct reader *r)
{
	struct buf path;
	const char *why;

	buf_init(&path, 8192);
	why = r->id.over ? "is too long a name" : resolve(r, &path);
	r->found(r->ctx, buf_cstr(&path), why);
	buf_fini(&path);
}

static bool
on_element(void *ctx, const struct parse_element *el, struct err *e)
{
	struct reader *r = ctx;

	(void)e;
	r->in_id = el->tag == TAG_ReferencedFileID && el->depth == 1;
	buf_clear(&r->id);
	return true;
}

static bool
on_value(void *ctx, struct str part, struct err *e)
{
	struct reader *r = ctx;

	(void)e;
	if (r->in_id)
		buf_add(&r->id, part);
	return true;
}

static bool
on_value_end(void *ctx, struct err *e)
{
	struct reader *r = ctx;

	(void)e;
	if (r->in_id && (r->id.over || str_trim(buf_str(&r->id)).n > 0))
		end_id(r);
	r->in_id = false;
	return true;
}

static bool
parse_rest(int fd, struct parse *parse, struct str first, struct err *e)
{
	uint8_t *block = must_alloc(BLOCK_IO);
	bool done = parse_feed(parse, first, e);
	ssize_t got = 1;

	while (done && got > 0) {
		got = os_read_full(fd, block, BLOCK_IO);
		if (got > 0)
			done = parse_feed(parse, str_of(block, (size_t)got), e);
		else if (got < 0)
			done = fail_errno(e, "cannot read");
	}
	free(block);
	return done && parse_end(parse, e);
}

bool
media_each(const char *path, media_found *found, void *ctx, struct err *e)
{
	static const struct parse_events events = {
	    .element = on_element,
	    .value = on_value,
	    .value_end = on_value_end,
	};
	const char *slash = strrchr(path, '/');
	struct reader r = {.path = path, .found = found, .ctx = ctx};
	uint8_t *head = must_alloc(LIMIT_META);
	struct file_meta meta;
	struct parse *parse;
	size_t n, at;
	bool done = false;
	int fd;

	r.folder_n = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	buf_init(&r.id, ID_MAX);
	if (open_media(path, &fd, head, &meta, &n, e)) {
		at = (size_t)meta.data_offset;
		parse = parse_new(syntax_of(meta.syntax), &events, &r);
		done = parse_rest(fd, parse, str_of(head + at, n - at), e);
		if (!done)
			fail_in(e, "'%s'", path);
		parse_free(&parse);
		os_close(&fd);
	}
	buf_fini(&r.id);
	free(head);
	return done;
}
