/*
 * A port of the server that may be moved while it runs.
 */
#ifndef SERVICE_DOOR_H
#define SERVICE_DOOR_H

#include "net/listen.h"

#define DOOR_ADDRESS_ROOM 320

struct door {
	const char *name; /* for the log: "dicom" */
	struct lot *lot;
	listen_fn *accepted;
	void *ctx;
	struct listener *listener; /* NULL: closed */
	char address[DOOR_ADDRESS_ROOM];
};

/* Where it is to be. */
struct door_place {
	const char *bind;
	uint16_t port; /* 0: closed */
	bool automatic;
};

/* The first four members are set. */
bool door_open(struct door *d, struct door_place at, struct err *e) MUST_USE;
/* Open the new place, then close the old one; on an error the old one stays. */
bool door_move(struct door *d, struct door_place from, struct door_place to,
    struct err *e) MUST_USE;
void door_close(struct door *d);

#endif
