/*
 * The file BACKUP, see manifest.h. Its last line is "end".
 */
#include "store/backup/manifest.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

void
manifest_init(struct manifest *m)
{
	*m = (struct manifest){.objects = 0};
	buf_init(&m->files, MIB);
}

void
manifest_fini(struct manifest *m)
{
	buf_fini(&m->files);
}

/* "name" or "folder/name", no part beginning with a dot. */
bool
manifest_path_valid(struct str path)
{
	size_t i, slashes = 0;

	if (path.n == 0 || path.n > 250 || path.p[path.n - 1] == '/')
		return false;
	for (i = 0; i < path.n; i++) {
		if (path.p[i] < ' ' || path.p[i] == 0x7f)
			return false;
		slashes += path.p[i] == '/';
		if ((i == 0 || path.p[i - 1] == '/') &&
		    (path.p[i] == '.' || path.p[i] == '/'))
			return false;
	}
	return slashes <= 1;
}

void
manifest_build(const struct manifest *m, int64_t made_ms, struct buf *out)
{
	struct str rest = buf_str(&m->files), line;
	char when[CLOCK_ISO_ROOM];

	buf_printf(out, "fileroom-backup %d\n", MANIFEST_FORMAT);
	buf_printf(out, "made %s\n", clock_iso(made_ms, when));
	buf_printf(out, "objects %" PRIu64 "\n", m->objects);
	buf_printf(out, "aside %" PRIu64 "\n", m->aside);
	buf_printf(out, "database %s\n", m->database);
	buf_printf(out, "hash %s\n", m->hash);
	while (m->files.n > 0 && str_split(&rest, '\n', &line))
		if (line.n > 0)
			buf_printf(out, "file %.*s\n", STR_ARG(line));
	buf_text(out, "end\n");
}

static bool
is_hex(struct str s, size_t n)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') &&
		    !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return s.n == n;
}

static bool
take(struct manifest *m, struct str word, struct str value)
{
	const struct str name = STR("database-");

	if (str_eq_text(word, "made"))
		return true;
	if (str_eq_text(word, "objects"))
		return str_u64(value, &m->objects);
	if (str_eq_text(word, "aside"))
		return str_u64(value, &m->aside);
	if (str_eq_text(word, "hash"))
		return is_hex(value, 64) &&
		       str_copy(m->hash, sizeof(m->hash), value);
	if (str_eq_text(word, "database"))
		return str_starts(value, name) &&
		       is_hex(str_of(value.p + name.n, value.n - name.n), 16) &&
		       str_copy(m->database, sizeof(m->database), value);
	if (!str_eq_text(word, "file") || !manifest_path_valid(value))
		return false;
	buf_add(&m->files, value);
	buf_u8(&m->files, '\n');
	return !m->files.over;
}

static bool
take_first(struct str line, struct err *e)
{
	const struct str head = STR("fileroom-backup ");
	uint64_t format;

	if (!str_starts(line, head) ||
	    !str_u64(str_of(line.p + head.n, line.n - head.n), &format))
		return fail(
		    e, ERR_CORRUPT, "'" MANIFEST_NAME "' is none of ours");
	return format == MANIFEST_FORMAT ||
	       fail(e, ERR_UNSUPPORTED,
		   "a newer program made this backup: its format is %" PRIu64
		   ", this program knows %d",
		   format, MANIFEST_FORMAT);
}

bool
manifest_parse(struct str text, struct manifest *out, struct err *e)
{
	struct str line = STR("");
	size_t at;

	(void)str_split(&text, '\n', &line);
	if (!take_first(line, e))
		return false;
	while (str_split(&text, '\n', &line)) {
		if (str_eq_text(line, "end") && out->database[0] != '\0' &&
		    out->hash[0] != '\0')
			return true;
		at = str_find(line, ' ');
		if (at == line.n ||
		    !take(out, str_of(line.p, at),
			str_of(line.p + at + 1, line.n - at - 1)))
			break;
	}
	return fail(e, ERR_CORRUPT,
	    "'" MANIFEST_NAME "' is damaged: make the backup again");
}

bool
manifest_read(int dir, const char *folder, struct manifest *out, struct err *e)
{
	struct buf text;
	uint8_t *p;
	ssize_t n = -1;
	bool ok;
	int fd;

	fd = os->openat(dir, MANIFEST_NAME, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0 && errno == ENOENT)
		return fail(e, ERR_MISSING,
		    "there is no finished backup in '%s'", folder);
	if (fd < 0)
		return fail_errno(
		    e, "cannot open '%s/" MANIFEST_NAME "'", folder);
	buf_init(&text, 4 * MIB);
	p = buf_space(&text, 4 * MIB);
	if (p != NULL)
		n = os_read_full(fd, p, 4 * MIB);
	if (n < 0)
		(void)fail_errno(
		    e, "cannot read '%s/" MANIFEST_NAME "'", folder);
	os_close(&fd);
	buf_filled(&text, n < 0 ? 0 : (size_t)n);
	ok = n >= 0 && manifest_parse(buf_str(&text), out, e);
	buf_fini(&text);
	return ok;
}
