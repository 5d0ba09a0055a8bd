/*
 * worklist.on_images: what the arrival of images does to the worklist. After
 * the answer to a C-STORE; for one study of an association every ten seconds at
 * most.
 */
#ifndef SERVICE_WORKLIST_ARRIVAL_H
#define SERVICE_WORKLIST_ARRIVAL_H

#include "service/worklist/notify.h"
#include "store/worklist/arrival.h"

struct arrival_config {
	enum arrival_then then; /* worklist.on_images */
	int quiet_s;            /* worklist.images_quiet_s */
	struct notify_config notify;
};

/* Studies of one association that have been looked at, and when: as many as a
 * sender takes turns with. Some keep one association all day, and the order
 * comes while images do: after a while a study is looked at again. */
struct arrival_seen {
	char study[4][65];
	int64_t looked_ms[4]; /* clock_mono_ms() */
	unsigned next;
};

/* An instance of the study was stored. What fails is logged: the images are
 * safe. */
void arrival_note(struct store *s, const struct arrival_config *config,
    struct arrival_seen *seen, const char *study);

#endif
