/*
 * What the server does of its own accord for the worklist, by the settings
 * worklist.*: the watched folder, and what goes after its time.
 */
#ifndef APP_WORKLIST_KEEPER_H
#define APP_WORKLIST_KEEPER_H

#include "app/settings.h"
#include "service/hl7/upkeep.h"
#include "service/hl7/watch.h"

struct worklist_keeper {
	struct hl7_watch *watch;
	struct upkeep *upkeep;
};

bool worklist_keeper_open(struct worklist_keeper *, struct store *,
    const struct settings *, struct err *e) MUST_USE;
void worklist_keeper_configure(
    struct worklist_keeper *, struct store *, const struct settings *);
void worklist_keeper_close(struct worklist_keeper *);

#endif
