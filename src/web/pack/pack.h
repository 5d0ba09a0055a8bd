/*
 * A zip of instances, as they are stored: each with a meta header of its own
 * (PS3.10 7.1) under the names of service/naming.h. What stands where is known
 * before the first byte: an exact length, and any range, at constant memory
 * but for the list.
 */
#ifndef WEB_PACK_PACK_H
#define WEB_PACK_PACK_H

#include "store/index/index.h"
#include "web/http/source.h"

struct pack;

struct pack *pack_new(struct store *);
void pack_free(struct pack **);

/* Before the first instance: under the names of a DICOM medium, with DICOMDIR
 * and README.TXT (service/media/medium.h). */
void pack_as_medium(struct pack *p);

/* May this row be in it? It has all columns. False with an error ends all. */
typedef bool pack_sees(
    void *ctx, const struct index_row *row, bool *sees, struct err *e);

/* The instances that fit the conditions. Each once, also when asked for again.
 * ERR_LIMIT when there are too many for one zip. */
bool pack_add(struct pack *p, const struct condition *conditions, size_t count,
    pack_sees *sees, void *ctx, struct err *e) MUST_USE;
size_t pack_count(const struct pack *p);
/* The name of the first one, for people; only when there is one. */
const char *pack_first(const struct pack *p);

/* No more instances: what stands beside them is made, for which the headers
 * have been read. */
bool pack_end(struct pack *p, struct err *e) MUST_USE;

/* Takes the list, after its end. The tag, of PACK_TAG bytes, is the same for
 * the same bytes, and quoted as an ETag. */
#define PACK_TAG 40
struct source *pack_source(struct pack **p, char tag[PACK_TAG]);

#endif
