/*
 * Zip reading through libarchive, with nothing of it switched on but the zip
 * format. An entry whose bytes do not fit its checksum fails at its end, so
 * it is never taken for whole.
 *
 * libarchive gives names in the characters of the locale: in that of C it has
 * none but ASCII's. Heads are therefore read in one of UTF-8.
 */
#include "service/file/unzip.h"
#include "base/limit.h"
#include "base/os.h"
#include "base/str.h"

#include <errno.h>
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <sys/stat.h>

#define STREAM_BLOCK (64 * KIB)

struct unzip {
	struct archive *archive;
	int fd;
	uint64_t packed; /* the size of the zip; of a stream: so far */
	feed_read *read; /* of a stream */
	void *ctx;
	uint8_t *block;
	locale_t locale; /* 0: there is none of UTF-8 */
	uint64_t bytes, entries;
	bool over; /* a cap was reached: the rest is not read */
};

static struct unzip *
make(void)
{
	struct unzip *u = must_zalloc(sizeof(*u));

	u->fd = -1;
	u->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return u;
}

static const char *
reason(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text != NULL ? text : "unknown error";
}

static la_ssize_t
stream_read(struct archive *a, void *ctx, const void **out)
{
	struct unzip *u = ctx;
	struct err e;
	ssize_t got = u->read(u->ctx, u->block, STREAM_BLOCK, &e);

	if (got < 0)
		archive_set_error(a, EIO, "%s", e.text);
	else
		u->packed += (uint64_t)got;
	*out = u->block;
	return got < 0 ? ARCHIVE_FATAL : got;
}

bool
unzip_stream(struct unzip **out, feed_read *read, void *ctx, struct err *e)
{
	struct unzip *u = make();

	u->read = read;
	u->ctx = ctx;
	u->block = must_alloc(STREAM_BLOCK);
	u->archive = archive_read_new();
	must(u->archive != NULL);
	if (archive_read_support_format_zip_streamable(u->archive) !=
		ARCHIVE_OK ||
	    archive_read_open(u->archive, u, NULL, stream_read, NULL) !=
		ARCHIVE_OK) {
		fail(e, ERR_MALFORMED, "not a zip that can be read: %s",
		    reason(u->archive));
		unzip_close(&u);
		return false;
	}
	*out = u;
	return true;
}

bool
unzip_open(struct unzip **out, const char *path, struct err *e)
{
	struct unzip *u = make();
	struct stat st;

	u->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (u->fd < 0 || fstat(u->fd, &st) != 0) {
		fail_errno(e, "cannot open");
		unzip_close(&u);
		return false;
	}
	u->packed = (uint64_t)st.st_size;
	u->archive = archive_read_new();
	must(u->archive != NULL);
	if (archive_read_support_format_zip(u->archive) != ARCHIVE_OK ||
	    archive_read_open_fd(u->archive, u->fd, 64 * KIB) != ARCHIVE_OK) {
		fail(e, ERR_MALFORMED, "not a zip that can be read: %s",
		    reason(u->archive));
		unzip_close(&u);
		return false;
	}
	*out = u;
	return true;
}

void
unzip_close(struct unzip **u)
{
	if ((*u)->archive != NULL)
		(void)archive_read_free((*u)->archive);
	if ((*u)->locale != (locale_t)0)
		freelocale((*u)->locale);
	os_close(&(*u)->fd);
	free((*u)->block);
	free(*u);
	*u = NULL;
}

static bool
describe(struct unzip *u, struct archive_entry *entry, struct unzip_entry *out,
    struct err *e)
{
	const char *name = archive_entry_pathname_utf8(entry);

	if (name == NULL)
		name = archive_entry_pathname(entry);
	*out = (struct unzip_entry){0};
	(void)str_copy(out->name, sizeof(out->name),
	    str_from(name != NULL ? name : "(no name)"));
	out->encrypted = archive_entry_is_data_encrypted(entry) != 0;
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0)
		out->size = (uint64_t)archive_entry_size(entry);
	if (++u->entries > LIMIT_ZIP_ENTRIES) {
		u->over = true;
		return fail(
		    e, ERR_LIMIT, "more than %d entries", LIMIT_ZIP_ENTRIES);
	}
	return true;
}

static bool
next_file(struct unzip *u, struct unzip_entry *out, bool *end, struct err *e)
{
	struct archive_entry *entry;
	int code;

	*end = false;
	if (u->over)
		return fail(e, ERR_LIMIT,
		    "the rest was not read: it unpacks to too much");
	do {
		code = archive_read_next_header(u->archive, &entry);
		if (code == ARCHIVE_EOF) {
			*end = true;
			return true;
		}
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			return fail(e, ERR_MALFORMED,
			    "the zip cannot be read on: %s",
			    reason(u->archive));
		if (!describe(u, entry, out, e))
			return false;
	} while (archive_entry_filetype(entry) != AE_IFREG);
	return true;
}

bool
unzip_next(struct unzip *u, struct unzip_entry *out, bool *end, struct err *e)
{
	locale_t before = uselocale(u->locale);
	bool ok = next_file(u, out, end, e);

	(void)uselocale(before);
	return ok;
}

static bool
within_caps(struct unzip *u, size_t more, struct err *e)
{
	u->bytes += more;
	if (u->bytes <= LIMIT_INFLATE_FREE ||
	    (u->bytes <= LIMIT_ZIP_BYTES &&
		u->bytes / LIMIT_INFLATE_RATIO <= u->packed))
		return true;
	u->over = true;
	return fail(e, ERR_LIMIT,
	    "the zip unpacks to more than %d times its size, or %lu GiB",
	    LIMIT_INFLATE_RATIO, LIMIT_ZIP_BYTES / GIB);
}

ssize_t
unzip_read(void *ctx, void *p, size_t n, struct err *e)
{
	struct unzip *u = ctx;
	la_ssize_t got = archive_read_data(u->archive, p, n);

	if (got < 0) {
		fail(e, ERR_CORRUPT, "the zip is damaged here: %s",
		    reason(u->archive));
		return -1;
	}
	if (!within_caps(u, (size_t)got, e))
		return -1;
	return (ssize_t)got;
}
