/*
 * The list of a pack. Only for src/web/pack.
 */
#ifndef WEB_PACK_INSIDE_H
#define WEB_PACK_INSIDE_H

#include "base/filename.h"
#include "base/hasher.h"
#include "base/zip.h"
#include "service/media/medium.h"
#include "web/pack/pack.h"

/* One file of the zip. Its texts lie in the pack's arena. */
struct pack_item {
	uint64_t at;         /* of its local header */
	uint64_t central_at; /* in the central directory */
	uint64_t size;       /* meta header and data set */
	const char *name, *path;
	const char *sop_class, *sop_instance, *syntax;
	uint32_t crc32;
	uint32_t date, time; /* YYYYMMDD, HHMMSS */
	/* Not an instance: a part of the medium. path and what follows it are
	 * NULL. */
	bool beside;
	enum medium_part part;
};

struct pack {
	struct store *store;
	struct arena arena;
	struct medium *medium; /* NULL: named for people */
	bool ended;
	const char *first; /* the first one's name, for people */
	struct filenames names;
	struct map folders, taken;
	struct pack_item *items;
	size_t count, room;
	uint64_t size, central_size; /* so far: the files, their directory */
	struct hasher *tag;
	struct buf scratch;
};

/* As the zip knows it. */
struct zip_entry pack_entry(const struct pack_item *item);
/* What stands before the data set: local header and meta header. */
bool pack_head(struct buf *out, const struct pack_item *item, struct err *e);

#endif
