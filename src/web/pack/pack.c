/*
 * Making the list: names, places, checksums.
 */
#include "web/pack/pack.h"

#include "web/pack/inside.h"

#include "base/limit.h"
#include "dicom/file.h"
#include "service/naming.h"
#include "store/object.h"

#include <zlib.h>

#define ROWS_ARENA (64 * MIB)

struct pack *
pack_new(struct store *s)
{
	struct pack *p = must_zalloc(sizeof(*p));

	p->store = s;
	arena_init(&p->arena, LIMIT_PACK_ARENA);
	filenames_init(&p->names);
	map_init(&p->folders);
	map_init(&p->taken);
	buf_init(&p->scratch, 2 * LIMIT_META);
	p->tag = hasher_new();
	return p;
}

void
pack_free(struct pack **pp)
{
	struct pack *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	hasher_free(&p->tag);
	medium_free(&p->medium);
	buf_fini(&p->scratch);
	map_fini(&p->taken);
	map_fini(&p->folders);
	filenames_fini(&p->names);
	arena_fini(&p->arena);
	free(p->items);
	free(p);
}

void
pack_as_medium(struct pack *p)
{
	must(p->count == 0 && p->medium == NULL);
	p->medium = medium_new(p->store);
}

size_t
pack_count(const struct pack *p)
{
	return p->count;
}

const char *
pack_first(const struct pack *p)
{
	must(p->count > 0);
	return p->first;
}

struct zip_entry
pack_entry(const struct pack_item *item)
{
	return (struct zip_entry){
	    .name = str_from(item->name),
	    .size = item->size,
	    .crc32 = item->crc32,
	    .year = item->date / 10000,
	    .month = item->date / 100 % 100,
	    .day = item->date % 100,
	    .hour = item->time / 10000,
	    .minute = item->time / 100 % 100,
	    .second = item->time % 100,
	};
}

static bool
put_meta(struct buf *out, const struct pack_item *item, struct err *e)
{
	struct file_meta meta = {
	    .sop_class = str_from(item->sop_class),
	    .sop_instance = str_from(item->sop_instance),
	    .syntax = str_from(item->syntax),
	};

	return file_meta_build(out, &meta, e);
}

bool
pack_head(struct buf *out, const struct pack_item *item, struct err *e)
{
	struct zip_entry entry = pack_entry(item);

	buf_clear(out);
	zip_local(out, &entry);
	return item->beside || put_meta(out, item, e);
}

/* The folder of a patient, study or series: made once for its key. It goes on
 * from 'path'. */
static bool
enter(struct pack *p, struct str key, struct buf *path,
    void (*name)(struct buf *path, const struct index_row *row),
    const struct index_row *row, struct err *e)
{
	char *known = map_get(&p->folders, key);

	if (known != NULL) {
		buf_clear(path);
		buf_text(path, known);
		return true;
	}
	if (path->n > 0)
		buf_u8(path, '/');
	name(path, row);
	if (!filenames_take(&p->names, path, "", e))
		return false;
	known = arena_cstr(&p->arena, buf_str(path));
	if (known == NULL)
		return fail(e, ERR_LIMIT, "too much for one zip");
	(void)map_put(&p->folders, key, known);
	return true;
}

static bool
make_name(struct pack *p, const struct index_row *row, struct buf *path,
    struct err *e)
{
	const struct str *v = row->value;
	struct str patient, study, series;
	struct arena a;
	bool ok;

	arena_init(&a, 64 * KIB);
	patient = str_from(arena_printf(&a, "p%.*s\n%.*s\n%.*s",
	    STR_ARG(v[COLUMN_PatientID]), STR_ARG(v[COLUMN_IssuerOfPatientID]),
	    STR_ARG(v[COLUMN_PatientName])));
	study = str_from(
	    arena_printf(&a, "s%.*s", STR_ARG(v[COLUMN_StudyInstanceUID])));
	series = str_from(
	    arena_printf(&a, "e%.*s\n%.*s", STR_ARG(v[COLUMN_StudyInstanceUID]),
		STR_ARG(v[COLUMN_SeriesInstanceUID])));
	must(!a.over);
	ok = enter(p, patient, path, naming_patient, row, e) &&
	     enter(p, study, path, naming_study, row, e) &&
	     enter(p, series, path, naming_series, row, e);
	arena_fini(&a);
	if (!ok)
		return false;
	buf_u8(path, '/');
	naming_instance(path, row);
	return filenames_take(&p->names, path, ".dcm", e);
}

/* The number that the first n digits are, or 0. */
static uint32_t
digits(struct str s, size_t n)
{
	uint64_t v;

	if (s.n < n || !str_u64(str_of(s.p, n), &v))
		return 0;
	return (uint32_t)v;
}

/* The moment of the study; years that no zip has come out as its first. */
static void
set_time(struct pack_item *item, const struct index_row *row)
{
	uint32_t date = digits(row->value[COLUMN_StudyDate], 8);
	uint32_t time = digits(row->value[COLUMN_StudyTime], 6);

	item->date = date / 100 % 100 > 0 && date % 100 > 0 ? date : 0;
	item->time = time < 240000 ? time : 0;
}

/* On the medium, where the instance's record is made. */
static bool
place_on_medium(struct pack *p, const struct index_row *row, struct buf *path,
    struct err *e)
{
	struct medium_place place;
	struct object_file file;
	bool ok;

	if (!object_open(p->store, (const char *)row->path.p, &file, e))
		return false;
	ok = medium_place(p->medium, row, &place, e) &&
	     medium_add(p->medium, row, &place, &file, file.syntax, e);
	object_close(&file);
	buf_text(path, place.path);
	return ok;
}

static bool
set_name(struct pack *p, struct pack_item *item, const struct index_row *row,
    struct err *e)
{
	struct buf path;
	bool ok = true;

	buf_init(&path, 4 * KIB);
	if (p->first == NULL || p->medium == NULL)
		ok = make_name(p, row, &path, e);
	if (ok && p->first == NULL)
		p->first = arena_cstr(&p->arena, buf_str(&path));
	if (ok && p->medium != NULL) {
		buf_clear(&path);
		ok = place_on_medium(p, row, &path, e);
	}
	item->name = ok ? arena_cstr(&p->arena, buf_str(&path)) : NULL;
	buf_fini(&path);
	return ok;
}

static bool
set_texts(struct pack *p, struct pack_item *item, const struct index_row *row,
    struct err *e)
{
	struct arena *a = &p->arena;
	bool ok = set_name(p, item, row, e);

	item->path = arena_cstr(a, row->path);
	item->sop_class = arena_cstr(a, row->value[COLUMN_SOPClassUID]);
	item->sop_instance = arena_cstr(a, row->value[COLUMN_SOPInstanceUID]);
	item->syntax = arena_cstr(a, row->syntax);
	if (ok && a->over)
		return fail(e, ERR_LIMIT, "too much for one zip");
	return ok;
}

static bool
set_bytes(struct pack *p, struct pack_item *item, const struct index_row *row,
    struct err *e)
{
	uint32_t crc, head;

	if (!object_checksum(p->store, row, &crc, e))
		return false;
	buf_clear(&p->scratch);
	if (!put_meta(&p->scratch, item, e))
		return false;
	head = (uint32_t)crc32(0, p->scratch.p, (uInt)p->scratch.n);
	item->crc32 = zip_crc_join(head, crc, row->size);
	item->size = p->scratch.n + row->size;
	return true;
}

static void
place(struct pack *p, struct pack_item *item)
{
	struct zip_entry entry = pack_entry(item);

	item->at = p->size;
	item->central_at = p->central_size;
	p->size += zip_local_size(&entry) + item->size;
	p->central_size += zip_central_size(&entry, item->at);
	hasher_add(p->tag, entry.name);
	hasher_add(p->tag, str_of(&item->crc32, sizeof(item->crc32)));
	hasher_add(p->tag, str_of(&item->size, sizeof(item->size)));
	/* Another file may have the same sum. */
	if (!item->beside)
		hasher_add(p->tag, str_from(item->path));
}

static struct pack_item *
new_item(struct pack *p)
{
	struct pack_item *item;

	if (p->count == p->room) {
		p->room = p->room * 2 + 64;
		p->items = must_realloc(p->items, p->room * sizeof(*p->items));
	}
	item = &p->items[p->count];
	*item = (struct pack_item){.at = 0};
	return item;
}

static bool
add_row(struct pack *p, const struct index_row *row, struct err *e)
{
	struct str uid = row->value[COLUMN_SOPInstanceUID];
	struct pack_item *item;

	if (map_get(&p->taken, uid) != NULL)
		return true;
	if (p->count == LIMIT_PACK)
		return fail(e, ERR_LIMIT,
		    "more than %d images in one zip: take fewer studies at "
		    "once",
		    LIMIT_PACK);
	item = new_item(p);
	set_time(item, row);
	if (!set_texts(p, item, row, e) || !set_bytes(p, item, row, e)) {
		/* A file that should be there. */
		if (e->code == ERR_MISSING)
			e->code = ERR_CORRUPT;
		return false;
	}
	place(p, item);
	p->count++;
	(void)map_put(&p->taken, uid, p);
	return true;
}

bool
pack_add(struct pack *p, const struct condition *conditions, size_t count,
    pack_sees *sees, void *ctx, struct err *e)
{
	struct search search = {.level = LEVEL_INSTANCE,
	    .conditions = conditions,
	    .count = count,
	    .want_file = true};
	struct index_row *rows;
	int64_t after = 0;
	struct arena a;
	bool ok = true, seen = true;
	size_t n = LIMIT_ROWS, i;

	memset(search.want, true, sizeof(search.want));
	arena_init(&a, ROWS_ARENA);
	while (ok && n == LIMIT_ROWS) {
		arena_reset(&a);
		ok = index_search(p->store, &search, after, &a, &rows, &n, e);
		for (i = 0; ok && i < n; i++) {
			after = rows[i].id;
			ok = (sees == NULL || sees(ctx, &rows[i], &seen, e)) &&
			     (!seen || add_row(p, &rows[i], e));
		}
	}
	arena_fini(&a);
	return ok;
}

/* As new as the newest of the others. */
static void
add_beside(struct pack *p, enum medium_part part)
{
	struct pack_item *item = new_item(p);
	size_t i;

	item->beside = true;
	item->part = part;
	item->name = medium_part_name(part);
	item->size = medium_part_size(p->medium, part);
	item->crc32 = medium_part_crc32(p->medium, part);
	for (i = 0; i < p->count; i++)
		if (p->items[i].date > item->date)
			item->date = p->items[i].date;
	place(p, item);
	p->count++;
}

bool
pack_end(struct pack *p, struct err *e)
{
	p->ended = true;
	if (p->medium == NULL)
		return true;
	if (!medium_end(p->medium, e))
		return false;
	add_beside(p, MEDIUM_README);
	add_beside(p, MEDIUM_DICOMDIR);
	return true;
}
