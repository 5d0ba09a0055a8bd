/*
 * The bytes of a pack by their place: heads, data sets, directory, end.
 *
 * One file is open at a time. It is opened by a thread that may wait; what the
 * page cache holds of it is then given by the one that serves all connections.
 */
#include "web/pack/inside.h"

#include "base/limit.h"
#include "store/object.h"

#include <fcntl.h>

struct pack_source {
	struct source source;
	struct pack *pack;
	size_t open_item; /* whose file is open; count: none */
	struct object_file file;
	struct buf part;     /* of what lies in memory: */
	uint64_t part_at;    /* from here, if part.n > 0 */
	uint64_t central_at; /* the end of the last file */
};

static void
free_source(struct source *source)
{
	struct pack_source *s = (struct pack_source *)source;

	if (s->open_item < s->pack->count)
		object_close(&s->file);
	buf_fini(&s->part);
	pack_free(&s->pack);
	free(s);
}

/* The last item that begins at or before 'at'. */
static size_t
item_at(const struct pack *p, uint64_t at, bool central)
{
	size_t low = 0, high = p->count, middle;
	uint64_t begin;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		begin =
		    central ? p->items[middle].central_at : p->items[middle].at;
		if (begin <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static bool
open_item(struct pack_source *s, size_t i, uint64_t size, struct err *e)
{
	struct pack *p = s->pack;
	const struct pack_item *item = &p->items[i];

	if (s->open_item < p->count)
		object_close(&s->file);
	s->open_item = p->count;
	if (!object_open(p->store, item->path, &s->file, e))
		return fail_in(e, "instance %s", item->sop_instance);
	s->open_item = i;
	if (s->file.data_size != size)
		return fail(e, ERR_CORRUPT,
		    "instance %s is not what the index says",
		    item->sop_instance);
	(void)posix_fadvise(s->file.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return true;
}

/* Out of s->part, which holds what is from part_at on. */
static size_t
give_part(const struct pack_source *s, uint64_t at, uint8_t *p, size_t room)
{
	size_t from = (size_t)(at - s->part_at), n = s->part.n - from;

	if (n > room)
		n = room;
	memcpy(p, s->part.p + from, n);
	return n;
}

static bool
in_part(const struct pack_source *s, uint64_t at)
{
	return s->part.n > 0 && at >= s->part_at && at - s->part_at < s->part.n;
}

static bool
read_file(struct pack_source *s, uint64_t at, uint8_t *p, size_t room,
    bool wait, size_t *n, struct err *e)
{
	uint64_t left = s->file.data_size - at;

	if (room > left)
		room = (size_t)left;
	return source_read_fd(
	    s->file.fd, s->file.data_at + at, p, room, wait, n, e);
}

/* Out of what stands beside the instances; it may lie in a file. */
static bool
read_beside(struct pack_source *s, const struct pack_item *item, uint64_t at,
    uint8_t *p, size_t room, bool wait, size_t *n, struct err *e)
{
	*n = 0;
	if (!wait)
		return true;
	if (room > item->size - at)
		room = (size_t)(item->size - at);
	*n = room;
	return medium_part_read(s->pack->medium, item->part, at, p, room, e);
}

/* Of the files: a head, or a data set. */
static bool
read_item(struct pack_source *s, uint64_t at, uint8_t *p, size_t room,
    bool wait, size_t *n, struct err *e)
{
	size_t i = item_at(s->pack, at, false);
	const struct pack_item *item = &s->pack->items[i];
	struct zip_entry entry = pack_entry(item);
	uint64_t off = at - item->at, size;

	*n = 0;
	if (s->part.n == 0 || s->part_at != item->at) {
		if (!pack_head(&s->part, item, e))
			return false;
		s->part_at = item->at;
	}
	if (off < s->part.n) {
		*n = give_part(s, at, p, room);
		return true;
	}
	if (item->beside)
		return read_beside(
		    s, item, off - s->part.n, p, room, wait, n, e);
	size = zip_local_size(&entry) + item->size - s->part.n;
	if (s->open_item != i) {
		if (!wait)
			return true;
		if (!open_item(s, i, size, e))
			return false;
	}
	return read_file(s, off - s->part.n, p, room, wait, n, e);
}

/* The directory and the end, some entries at a time. */
static void
read_central(
    struct pack_source *s, uint64_t at, uint8_t *p, size_t room, size_t *n)
{
	struct pack *pack = s->pack;
	struct zip_entry entry;
	size_t i;

	if (!in_part(s, at)) {
		i = pack->count > 0 ? item_at(pack, at - s->central_at, true)
				    : 0;
		buf_clear(&s->part);
		s->part_at = s->central_at +
			     (i < pack->count ? pack->items[i].central_at : 0);
		for (; i < pack->count && s->part.n < BLOCK_HTTP; i++) {
			entry = pack_entry(&pack->items[i]);
			zip_central(&s->part, &entry, pack->items[i].at);
		}
		if (i == pack->count)
			zip_end(&s->part, pack->count, s->central_at,
			    pack->central_size);
		must(!s->part.over);
	}
	*n = give_part(s, at, p, room);
}

static bool
read_source(struct source *source, uint64_t at, uint8_t *p, size_t room,
    bool wait, size_t *n, struct err *e)
{
	struct pack_source *s = (struct pack_source *)source;
	size_t got;

	*n = 0;
	while (room > 0 && at < source->size) {
		if (at >= s->central_at)
			read_central(s, at, p, room, &got);
		else if (!read_item(s, at, p, room, wait, &got, e))
			return false;
		if (got == 0)
			break;
		p += got;
		at += got;
		room -= got;
		*n += got;
	}
	return true;
}

struct source *
pack_source(struct pack **pp, char tag[PACK_TAG])
{
	struct pack_source *s = must_zalloc(sizeof(*s));
	struct pack *p = *pp;
	struct digest digest;
	struct err e;
	size_t i;

	must(p->ended);
	*pp = NULL;
	s->pack = p;
	s->open_item = p->count;
	s->central_at = p->size;
	s->source.size = p->size + p->central_size +
			 zip_end_size(p->count, p->size, p->central_size);
	s->source.read = read_source;
	s->source.free = free_source;
	buf_init(&s->part, 4 * BLOCK_HTTP);
	/* It follows no file that could fail. */
	must(hasher_end(p->tag, &digest, &e));
	for (i = 0; i < 16; i++)
		snprintf(tag + 1 + 2 * i, 3, "%02x", digest.sha256[i]);
	tag[0] = tag[33] = '"';
	tag[34] = '\0';
	return &s->source;
}
