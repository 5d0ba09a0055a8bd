/*
 * Files for 'store', found as 'import' finds them. Class and instance are
 * those of the data set, which a meta header may contradict (PS3.10 7.1): the
 * node would compare them. An entry of a zip is unpacked to a file without a
 * name, as long as its batch lives.
 */
#include "app/client/send.h"

#include "app/archive/crawl.h"
#include "service/file/unzip.h"
#include "base/limit.h"
#include "base/os.h"
#include "dicom/file.h"

#include <fcntl.h>
#include <unistd.h>

/* Enough of a data set to hold its SOP Instance UID: group 8 begins it. */
#define HEAD (2 * LIMIT_META)

static bool
take_uids(struct str bytes, const struct file_meta *meta,
    struct object_file *out, struct err *e)
{
	struct dataset_reader *r;
	struct dataset *ds;
	struct arena arena;
	struct err ignored;
	bool end = false;

	arena_init(&arena, LIMIT_EXCHANGE);
	r = dataset_reader_new(&arena, syntax_of(meta->syntax),
	    LIMIT_INDEX_VALUE, TAG_SOPInstanceUID + 1);
	if (dataset_reader_feed(r, bytes, &end, &ignored) &&
	    dataset_reader_end(r, &ds, &ignored)) {
		(void)str_copy(out->sop_class, sizeof(out->sop_class),
		    str_trim(dataset_str(ds, TAG_SOPClassUID)));
		(void)str_copy(out->sop_instance, sizeof(out->sop_instance),
		    str_trim(dataset_str(ds, TAG_SOPInstanceUID)));
	}
	dataset_reader_free(&r);
	arena_fini(&arena);
	if (out->sop_class[0] == '\0')
		(void)str_copy(
		    out->sop_class, sizeof(out->sop_class), meta->sop_class);
	if (out->sop_instance[0] == '\0')
		(void)str_copy(out->sop_instance, sizeof(out->sop_instance),
		    meta->sop_instance);
	return (out->sop_class[0] != '\0' && out->sop_instance[0] != '\0') ||
	       fail(e, ERR_MALFORMED,
		   "it has no SOP Class UID or no SOP Instance UID");
}

static bool
has_prefix(struct str head)
{
	return head.n >= FILE_PREAMBLE + 4 &&
	       !memcmp(head.p + FILE_PREAMBLE, "DICM", 4);
}

bool
send_describe(int fd, struct object_file *out, bool *prefix, struct err *e)
{
	uint8_t *head = must_alloc(HEAD);
	struct file_meta meta;
	struct stat st;
	ssize_t got = os_pread_full(fd, head, HEAD, 0);
	struct str bytes = str_of(head, got > 0 ? (size_t)got : 0);
	bool done = false;

	*out = (struct object_file){.fd = -1};
	*prefix = has_prefix(bytes);
	if (got < 0 || fstat(fd, &st) != 0) {
		fail_errno(e, "cannot read");
	} else if (bytes.n == 0) {
		(void)fail(e, ERR_MALFORMED, "it is empty");
	} else if (file_meta_read(
		       str_of(bytes.p,
			   bytes.n < LIMIT_META ? bytes.n : LIMIT_META),
		       &meta, e)) {
		out->data_at = meta.data_offset;
		out->data_size = (uint64_t)st.st_size - meta.data_offset;
		(void)str_copy(out->syntax, sizeof(out->syntax), meta.syntax);
		done = take_uids(str_of(bytes.p + meta.data_offset,
				     bytes.n - (size_t)meta.data_offset),
		    &meta, out, e);
	}
	free(head);
	return done;
}

static bool
is_zip(int fd)
{
	uint8_t head[4] = {0};

	return os_pread_full(fd, head, 4, 0) == 4 &&
	       (!memcmp(head, "PK\003\004", 4) ||
		   !memcmp(head, "PK\005\006", 4));
}

/* Is it of the kind that is sent? Counts it otherwise. named: it is refused
 * where it is no DICOM. */
static bool
take(struct send *s, int fd, const char *path, const char *entry, bool named,
    struct sender_item *item)
{
	struct object_file f;
	struct err why;
	bool prefix;

	*item = (struct sender_item){.path = {NULL, 0}};
	if (!send_describe(fd, &f, &prefix, &why)) {
		if (prefix || named)
			send_refuse(s, path, entry, why.text);
		else
			s->foreign++;
		return false;
	}
	if (!strcmp(f.sop_class, UID_MediaStorageDirectoryStorage)) {
		s->media++;
		return false;
	}
	memcpy(item->sop_class, f.sop_class, sizeof(item->sop_class));
	memcpy(item->sop_instance, f.sop_instance, sizeof(item->sop_instance));
	memcpy(item->syntax, f.syntax, sizeof(item->syntax));
	return true;
}

/* -1 with *e set. */
static int
unpack(struct unzip *zip, struct err *e)
{
	const char *folder = getenv("TMPDIR");
	uint8_t *block;
	ssize_t got = 0;
	int fd = open(folder != NULL && folder[0] != '\0' ? folder : "/tmp",
	    O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		fail_errno(e, "cannot make a temporary file (TMPDIR)");
		return -1;
	}
	block = must_alloc(BLOCK_IO);
	while ((got = unzip_read(zip, block, BLOCK_IO, e)) > 0)
		if (!os_write_all(fd, str_of(block, (size_t)got))) {
			fail_errno(e, "cannot unpack it (TMPDIR)");
			got = -1;
			break;
		}
	free(block);
	if (got < 0)
		os_close(&fd);
	return fd;
}

static bool
add_entry(struct send *s, struct unzip *zip, const char *path,
    const struct unzip_entry *entry, struct err *e)
{
	struct sender_item item;
	char label[600];
	struct err why;
	int fd;

	if (entry->encrypted) {
		send_refuse(s, path, entry->name, "it is encrypted");
		return true;
	}
	fd = unpack(zip, &why);
	if (fd < 0) {
		send_refuse(s, path, entry->name, why.text);
		return true;
	}
	if (!take(s, fd, path, entry->name, false, &item)) {
		os_close(&fd);
		return true;
	}
	snprintf(label, sizeof(label), "%.300s: %s", path, entry->name);
	s->total++;
	return send_add(s, &item, label, fd, e);
}

static bool
add_zip(struct send *s, const char *path, struct err *e)
{
	struct unzip_entry entry;
	struct unzip *zip;
	struct err why;
	bool end = false, done = true;

	if (!unzip_open(&zip, path, &why)) {
		send_refuse(s, path, NULL, why.text);
		return true;
	}
	while (done && !interrupted()) {
		if (!unzip_next(zip, &entry, &end, &why)) {
			send_refuse(s, path, NULL, why.text);
			break;
		}
		if (end)
			break;
		done = add_entry(s, zip, path, &entry, e);
	}
	unzip_close(&zip);
	return done;
}

static bool
add_file(struct send *s, const struct crawl_item *file, struct err *e)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct sender_item item;
	struct err why;
	bool zip, good;

	if (fd < 0) {
		fail_errno(&why, "cannot open");
		send_refuse(s, file->path, NULL, why.text);
		return true;
	}
	zip = is_zip(fd);
	good = !zip && take(s, fd, file->path, NULL, file->named, &item);
	os_close(&fd);
	if (zip)
		return add_zip(s, file->path, e);
	return !good || send_add(s, &item, file->path, -1, e);
}

static void
on_refused(void *ctx, const char *path, const char *why)
{
	send_refuse(ctx, path, NULL, why);
}

bool
send_paths(struct send *s, const char *const *paths, size_t n, struct err *e)
{
	struct crawl crawl;
	bool done = true;
	size_t i;

	crawl_init(&crawl, s->t.data, on_refused, s);
	for (i = 0; i < n && !interrupted(); i++)
		crawl_add(&crawl, paths[i]);
	s->total = crawl.n;
	for (i = 0; done && i < crawl.n && !interrupted(); i++)
		done = add_file(s, &crawl.items[i], e);
	crawl_fini(&crawl);
	if (done && interrupted())
		done = fail(e, ERR_CANCELLED, "stopped");
	return done && send_flush(s, e);
}
