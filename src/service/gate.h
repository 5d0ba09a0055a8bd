/*
 * The cap of running exchanges per address (LIMIT_RUNNING_PER_ADDRESS): what
 * exceeds it waits in order of arrival, without a thread, and is not refused.
 *
 * Not locked: the owner's lock is held in every call.
 */
#ifndef SERVICE_GATE_H
#define SERVICE_GATE_H

#include "base/map.h"

/* What passes the gate; embedded in what it stands for. */
struct gate_pass {
	struct gate_line *line; /* NULL: neither inside nor waiting */
	struct gate_pass *next; /* the next that waits */
	bool waiting;
};

struct gate {
	struct map lines; /* by address */
};

void gate_init(struct gate *g);
void gate_fini(struct gate *g); /* empty */
/* True: inside. False: it waits, and gate_leave() of another gives it out. */
bool gate_enter(struct gate *g, struct gate_pass *p, const char *address);
/* Returns the one that is inside instead, or NULL. Harmless for a pass that
 * never entered. */
struct gate_pass *gate_leave(struct gate *g, struct gate_pass *p);
/* Does somebody wait for this one's place? */
bool gate_wanted(const struct gate_pass *p);
/* Take one that waits, of whatever address, out of the gate; NULL when nobody
 * waits. */
struct gate_pass *gate_take_waiting(struct gate *g);

#endif
