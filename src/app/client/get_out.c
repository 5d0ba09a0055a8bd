/*
 * Receiving into files: a temporary file within the folder, then its name.
 */
#include "app/client/get_out.h"

#include "base/filename.h"
#include "base/os.h"
#include "dicom/charset.h"
#include "dicom/file.h"
#include "dicom/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEMP_ROOM 48
#define PATH_MOST 1024
/* What of a value counts for a name. */
#define VALUE_MOST 256
/* Names with a number behind that are tried; then a hash stands there. */
#define NUMBERS_MOST 20

static const uint32_t kept_tags[] = {TAG_SpecificCharacterSet, TAG_SOPClassUID,
    TAG_SOPInstanceUID, TAG_StudyDate, TAG_StudyDescription,
    TAG_SeriesDescription, TAG_PatientName, TAG_PatientID, TAG_StudyInstanceUID,
    TAG_SeriesNumber, TAG_InstanceNumber};
#define KEPT ARRAY_LEN(kept_tags)

struct value {
	uint8_t bytes[VALUE_MOST];
	size_t n;
};

struct get_out {
	char *folder, source_ae[17];
	int dir, fd;
	char temp[TEMP_ROOM]; /* empty: no file is being received */
	uint64_t data_at, size;
	struct object_header header; /* in the texts below */
	char sop_class[65], sop_instance[65], syntax[65];
	struct parse *parse;
	struct value values[KEPT];
	struct value *current; /* what value events are of; NULL: skipped */
	struct arena arena;
	struct buf path;
};

bool
get_out_open(struct get_out **out, const char *folder, const char *source_ae,
    struct err *e)
{
	struct get_out *o;
	int dir;

	if (os->mkdirat(AT_FDCWD, folder, 0777) != 0 && errno != EEXIST)
		return fail_errno(e, "cannot make '%s'", folder);
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fail_errno(e, "cannot open '%s'", folder);
	o = must_zalloc(sizeof(*o));
	o->folder = must_strdup(folder);
	o->dir = dir;
	o->fd = -1;
	(void)str_copy(o->source_ae, sizeof(o->source_ae), str_from(source_ae));
	arena_init(&o->arena, MIB);
	buf_init(&o->path, PATH_MOST);
	*out = o;
	return true;
}

static void
drop(void *ctx)
{
	struct get_out *o = ctx;

	if (o->temp[0] != '\0')
		(void)os->unlinkat(o->dir, o->temp, 0);
	o->temp[0] = '\0';
	if (o->fd >= 0)
		os_close(&o->fd);
	if (o->parse != NULL)
		parse_free(&o->parse);
}

void
get_out_close(struct get_out **out)
{
	struct get_out *o = *out;

	if (o == NULL)
		return;
	drop(o);
	os_close(&o->dir);
	arena_fini(&o->arena);
	buf_fini(&o->path);
	free(o->folder);
	free(o);
	*out = NULL;
}

/* The parser's events: values of the main data set that names are made of. */

static bool
on_element(void *ctx, const struct parse_element *el, struct err *e)
{
	struct get_out *o = ctx;
	size_t i;

	(void)e;
	o->current = NULL;
	for (i = 0; i < KEPT && el->depth == 0; i++)
		if (kept_tags[i] == el->tag && o->values[i].n == 0)
			o->current = &o->values[i];
	return true;
}

static bool
on_value(void *ctx, struct str part, struct err *e)
{
	struct value *v = ((struct get_out *)ctx)->current;
	size_t n;

	(void)e;
	if (v == NULL)
		return true;
	n = VALUE_MOST - v->n < part.n ? VALUE_MOST - v->n : part.n;
	memcpy(v->bytes + v->n, part.p, n);
	v->n += n;
	return true;
}

static const struct parse_events events = {
    .element = on_element, .value = on_value};

static struct str
raw(const struct get_out *o, uint32_t tag)
{
	size_t i;

	for (i = 0; i < KEPT; i++)
		if (kept_tags[i] == tag)
			return str_trim(
			    str_of(o->values[i].bytes, o->values[i].n));
	return STR("");
}

/* UIDs that the data set leaves out are what the request says. */
static struct str
sop_class(const struct get_out *o)
{
	struct str own = raw(o, TAG_SOPClassUID);

	return own.n > 0 ? own : str_from(o->sop_class);
}

static struct str
sop_instance(const struct get_out *o)
{
	struct str own = raw(o, TAG_SOPInstanceUID);

	return own.n > 0 ? own : str_from(o->sop_instance);
}

static struct str
text(struct get_out *o, uint32_t tag)
{
	return charset_to_utf8(&o->arena, raw(o, TAG_SpecificCharacterSet),
	    raw(o, tag), tag == TAG_PatientName);
}

/* A new file in the folder, with a meta header. */
static bool
open_temp(struct get_out *o, struct str sop_class, struct str sop_instance,
    char name[TEMP_ROOM], int *fd, uint64_t *data_at, struct err *e)
{
	struct file_meta meta = {.sop_class = sop_class,
	    .sop_instance = sop_instance,
	    .syntax = str_from(o->syntax),
	    .source_ae = str_from(o->source_ae)};
	struct buf head;
	uint64_t random;
	bool ok;

	os_random(&random, sizeof(random));
	snprintf(name, TEMP_ROOM, ".fileroom-%016llx.part",
	    (unsigned long long)random);
	*fd = os->openat(o->dir, name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (*fd < 0) {
		name[0] = '\0';
		return fail_errno(e, "cannot make a file in '%s'", o->folder);
	}
	buf_init(&head, 2 * LIMIT_META);
	ok = file_meta_build(&head, &meta, e);
	if (ok && !os_write_all(*fd, buf_str(&head)))
		ok = fail_errno(e, "cannot write in '%s'", o->folder);
	*data_at = head.n;
	buf_fini(&head);
	return ok;
}

static bool
begin(void *ctx, const struct object_header *header, struct err *e)
{
	struct get_out *o = ctx;
	size_t i;

	(void)str_copy(o->sop_class, sizeof(o->sop_class), header->sop_class);
	(void)str_copy(
	    o->sop_instance, sizeof(o->sop_instance), header->sop_instance);
	(void)str_copy(o->syntax, sizeof(o->syntax), header->syntax);
	o->size = 0;
	o->current = NULL;
	for (i = 0; i < KEPT; i++)
		o->values[i].n = 0;
	arena_reset(&o->arena);
	if (open_temp(o, header->sop_class, header->sop_instance, o->temp,
		&o->fd, &o->data_at, e)) {
		o->parse = parse_new(syntax_of(header->syntax), &events, o);
		return true;
	}
	drop(o);
	return false;
}

static bool
write_part(void *ctx, struct str part, struct err *e)
{
	struct get_out *o = ctx;

	o->size += part.n;
	if (!parse_feed(o->parse, part, e))
		return false;
	return os_write_all(o->fd, part) ||
	       fail_errno(e, "cannot write in '%s'", o->folder);
}

/* The data set names another instance than the request did: the meta header
 * must fit the data set (PS3.10 7.1). */
static bool
rewrite(struct get_out *o, struct err *e)
{
	struct get_out *from = o;
	char name[TEMP_ROOM];
	uint8_t *block;
	uint64_t at = o->data_at, left = o->size, data_at;
	ssize_t got = 0;
	int fd;
	bool ok;

	ok =
	    open_temp(o, sop_class(o), sop_instance(o), name, &fd, &data_at, e);
	block = must_alloc(BLOCK_IO);
	while (ok && left > 0) {
		got = os_pread_full(from->fd, block,
		    left < BLOCK_IO ? (size_t)left : BLOCK_IO, (off_t)at);
		ok = got > 0 && os_write_all(fd, str_of(block, (size_t)got));
		if (!ok)
			fail_errno(e, "cannot copy in '%s'", o->folder);
		at += (uint64_t)got;
		left -= (uint64_t)got;
	}
	free(block);
	(void)os->unlinkat(o->dir, o->temp, 0);
	os_close(&o->fd);
	memcpy(o->temp, name, sizeof(o->temp));
	o->fd = fd;
	o->data_at = data_at;
	return ok;
}

static bool
make_folder(struct get_out *o, struct err *e)
{
	if (o->path.over)
		return fail(e, ERR_LIMIT, "a name that is too long");
	if (os->mkdirat(o->dir, buf_cstr(&o->path), 0777) != 0 &&
	    errno != EEXIST)
		return fail_errno(e, "cannot make '%s' in '%s'",
		    buf_cstr(&o->path), o->folder);
	buf_u8(&o->path, '/');
	return true;
}

/* Six digits that are the same for the same UID. */
static void
add_hash(struct buf *path, struct str uid)
{
	char hash[UID_ROOM];
	size_t n;

	uid_from_hash(uid, hash);
	n = strlen(hash);
	buf_printf(path, "_%s", hash + (n > 6 ? n - 6 : 0));
}

static bool
make_folders(struct get_out *o, struct err *e)
{
	struct buf *path = &o->path;
	size_t from;

	buf_clear(path);
	filename_add(path, 0, pn_alphabetic(text(o, TAG_PatientName)), 40);
	filename_add(path, 0, text(o, TAG_PatientID), 32);
	filename_end(path, 0, "patient");
	if (!make_folder(o, e))
		return false;
	from = path->n;
	filename_add(path, from, raw(o, TAG_StudyDate), 8);
	filename_add(path, from, text(o, TAG_StudyDescription), 40);
	filename_end(path, from, "study");
	add_hash(path, raw(o, TAG_StudyInstanceUID));
	if (!make_folder(o, e))
		return false;
	from = path->n;
	filename_number(path, from, raw(o, TAG_SeriesNumber), 3);
	filename_add(path, from, text(o, TAG_SeriesDescription), 40);
	filename_end(path, from, "series");
	if (!make_folder(o, e))
		return false;
	from = path->n;
	filename_number(path, from, raw(o, TAG_InstanceNumber), 4);
	filename_end(path, from, "image");
	return true;
}

/* Is what stands there the same, byte for byte? */
static bool
is_same(const struct get_out *o, const char *path)
{
	uint8_t *ours = must_alloc(2 * BLOCK_IO), *theirs = ours + BLOCK_IO;
	int fd = openat(o->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = 1, m;
	off_t at = 0;
	bool same = fd >= 0;

	while (same && n > 0) {
		n = os_pread_full(o->fd, ours, BLOCK_IO, at);
		m = os_pread_full(fd, theirs, BLOCK_IO, at);
		same = n >= 0 && n == m && memcmp(ours, theirs, (size_t)n) == 0;
		at += n;
	}
	if (fd >= 0)
		os_close(&fd);
	free(ours);
	return same;
}

/* The n-th name for it. */
static void
number_name(struct get_out *o, size_t plain, unsigned n)
{
	o->path.n = plain;
	if (n > NUMBERS_MOST)
		add_hash(&o->path, sop_instance(o));
	if (n > 1)
		buf_printf(&o->path, "_%u", n);
	buf_text(&o->path, ".dcm");
}

static bool
take_name(struct get_out *o, enum object_outcome *outcome, struct err *e)
{
	size_t plain = o->path.n;
	unsigned n;

	for (n = 1; n < 2 * NUMBERS_MOST; n++) {
		number_name(o, plain, n);
		if (o->path.over)
			break;
		if (os->rename_new(
			o->dir, o->temp, o->dir, buf_cstr(&o->path)) == 0) {
			o->temp[0] = '\0';
			*outcome = OBJECT_STORED;
			return true;
		}
		if (errno != EEXIST)
			return fail_errno(e, "cannot name '%s' in '%s'",
			    buf_cstr(&o->path), o->folder);
		if (is_same(o, buf_cstr(&o->path))) {
			*outcome = OBJECT_SAME;
			return true;
		}
	}
	return fail(e, ERR_CONFLICT, "too many files of one name");
}

static bool
finish(struct get_out *o, struct object_result *out, struct err *e)
{
	if (!parse_end(o->parse, e))
		return false;
	out->size = o->size;
	out->class_mismatch = !str_eq_text(sop_class(o), o->sop_class);
	out->instance_mismatch = !str_eq_text(sop_instance(o), o->sop_instance);
	(void)str_copy(
	    out->sop_instance, sizeof(out->sop_instance), sop_instance(o));
	(void)str_copy(
	    out->study, sizeof(out->study), raw(o, TAG_StudyInstanceUID));
	if (!uid_met(sop_instance(o)) || !uid_met(sop_class(o)))
		return fail(e, ERR_MALFORMED,
		    "it has no valid SOP Class or Instance UID");
	if ((out->class_mismatch || out->instance_mismatch) && !rewrite(o, e))
		return false;
	if (!make_folders(o, e) || !take_name(o, &out->outcome, e))
		return false;
	return os->fsync(o->fd) == 0 ||
	       fail_errno(e, "cannot flush '%s'", buf_cstr(&o->path));
}

static bool
commit(void *ctx, struct object_result *out, struct err *e)
{
	bool done;

	*out = (struct object_result){.outcome = OBJECT_STORED};
	done = finish(ctx, out, e);
	drop(ctx);
	return done;
}

const struct receiver get_out_receiver = {
    .begin = begin, .write = write_part, .commit = commit, .abort = drop};
