/*
 * Descriptions of backups of any bytes: what is taken names nothing outside the
 * folder, and written again is taken again as the same.
 */
#include "store/backup/manifest.h"

#include "base/limit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_files(const struct manifest *m)
{
	struct str rest = buf_str(&m->files), line;

	while (m->files.n > 0 && str_split(&rest, '\n', &line))
		must(line.n == 0 || manifest_path_valid(line));
	must(strchr(m->database, '/') == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest m, again;
	struct buf text;
	struct err e;

	if (size > 64 * KIB)
		return 0;
	manifest_init(&m);
	manifest_init(&again);
	buf_init(&text, MIB);
	if (manifest_parse(str_of(data, size), &m, &e)) {
		check_files(&m);
		manifest_build(&m, 0, &text);
		must(manifest_parse(buf_str(&text), &again, &e));
		must(again.objects == m.objects && again.aside == m.aside);
		must(!strcmp(again.database, m.database) &&
		     !strcmp(again.hash, m.hash));
		must(str_eq(buf_str(&again.files), buf_str(&m.files)));
	}
	buf_fini(&text);
	manifest_fini(&again);
	manifest_fini(&m);
	return 0;
}
