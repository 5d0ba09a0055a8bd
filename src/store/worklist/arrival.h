/*
 * Items of the worklist whose images arrive (worklist.on_images): for scanners
 * that say nothing of their exams. Items that a performed procedure step is
 * about (mpps.h) follow that and are left alone.
 *
 * An item is that of a study by its Study Instance UID; where no item has
 * that, by the accession number, of the same patient. Of several those whose
 * modality is one of the study's count; where none is, the only one.
 */
#ifndef STORE_WORKLIST_ARRIVAL_H
#define STORE_WORKLIST_ARRIVAL_H

#include "store/worklist/item.h"

/* In the order of the setting's choices. */
enum arrival_then {
	ARRIVAL_MARK,  /* STARTED, and COMPLETED by arrival_settle() */
	ARRIVAL_HIDE,  /* COMPLETED at once: scanners see it no longer */
	ARRIVAL_DELETE /* told of as COMPLETED */
};

/* Images of a study that is in the index have arrived. Nothing is written
 * where there is no item to change. *n: items that changed; *open: some are
 * STARTED, and arrival_settle() has something to do later. */
bool arrival_begin(struct store *, struct str study, enum arrival_then then,
    const struct item_watch *watch, size_t *n, bool *open,
    struct err *e) MUST_USE;
/* Those that are open become COMPLETED if no image has come for so long.
 * *due_ms: when to ask again (UTC); 0: never. */
bool arrival_settle(struct store *, struct str study, int64_t quiet_ms,
    const struct item_watch *watch, size_t *n, int64_t *due_ms,
    struct err *e) MUST_USE;

#endif
