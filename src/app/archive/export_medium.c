#include "app/archive/export_medium.h"

#include "base/limit.h"
#include "base/map.h"

struct export_medium {
	struct export_out *out;
	struct medium *medium;
	struct map folders; /* made so far */
};

static bool
check_target(struct export_out *out, struct err *e)
{
	static const char *const names[] = {"DICOM", "DICOMDIR", "README.TXT"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (export_out_there(out, names[i]))
			return fail(e, ERR_CONFLICT,
			    "'%s' is there already: a DICOMDIR and its files "
			    "need a folder of their own",
			    names[i]);
	return true;
}

bool
export_medium_begin(struct export_medium **out, struct store *store,
    struct export_out *target, struct err *e)
{
	struct export_medium *m;

	if (!check_target(target, e))
		return false;
	m = must_zalloc(sizeof(*m));
	m->out = target;
	m->medium = medium_new(store);
	map_init(&m->folders);
	*out = m;
	return true;
}

void
export_medium_free(struct export_medium **mp)
{
	struct export_medium *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	medium_free(&m->medium);
	map_fini(&m->folders);
	free(m);
}

static bool
make_folder(struct export_medium *m, const char *path, struct err *e)
{
	bool taken;

	if (map_get(&m->folders, str_from(path)) != NULL)
		return true;
	if (!export_out_folder(m->out, path, &taken, e))
		return false;
	if (taken)
		return fail(e, ERR_CONFLICT, "'%s' is there already", path);
	(void)map_put(&m->folders, str_from(path), m);
	return true;
}

bool
export_medium_place(struct export_medium *m, const struct index_row *row,
    struct medium_place *place, struct err *e)
{
	char folder[sizeof(place->path)];
	size_t i;

	if (!medium_place(m->medium, row, place, e))
		return false;
	for (i = 0; place->path[i] != '\0'; i++) {
		if (place->path[i] != '/')
			continue;
		must(str_copy(folder, sizeof(folder), str_of(place->path, i)));
		if (!make_folder(m, folder, e))
			return false;
	}
	return true;
}

bool
export_medium_add(struct export_medium *m, const struct index_row *row,
    const struct medium_place *place, const struct object_file *file,
    const char *syntax, struct err *e)
{
	return medium_add(m->medium, row, place, file, syntax, e);
}

static bool
write_part(struct export_medium *m, enum medium_part part, struct err *e)
{
	uint64_t size = medium_part_size(m->medium, part), at = 0;
	uint8_t *block;
	bool ok;
	size_t n;

	if (!export_out_begin(m->out, medium_part_name(part), size, e))
		return false;
	block = must_alloc(BLOCK_IO);
	for (ok = true; ok && at < size; at += n) {
		n = size - at < BLOCK_IO ? (size_t)(size - at) : BLOCK_IO;
		ok = medium_part_read(m->medium, part, at, block, n, e) &&
		     export_out_write(m->out, str_of(block, n), e);
	}
	free(block);
	return ok && export_out_end(m->out, e);
}

bool
export_medium_end(struct export_medium *m, uint64_t *others, struct err *e)
{
	*others = medium_others(m->medium);
	return medium_end(m->medium, e) && write_part(m, MEDIUM_README, e) &&
	       write_part(m, MEDIUM_DICOMDIR, e);
}
