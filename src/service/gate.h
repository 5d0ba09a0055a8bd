/*
 * A cap of running exchanges per key: per address of those who ask, per
 * destination of a C-MOVE. What exceeds it waits in order of arrival, without
 * a thread, and is not refused.
 *
 * Not locked: the owner's lock is held in every call.
 */
#ifndef SERVICE_GATE_H
#define SERVICE_GATE_H

#include "base/map.h"

/* What passes the gate; embedded in what it stands for. */
struct gate_pass {
	struct gate_line *line;          /* NULL: neither inside nor waiting */
	struct gate_pass *next, *before; /* of those that wait */
	bool waiting;
};

struct gate {
	struct map lines; /* by key */
	unsigned most;    /* inside, of each line; may be changed any time */
};

void gate_init(struct gate *g, unsigned most);
void gate_fini(struct gate *g); /* empty */
/* True: inside. False: it waits, and gate_leave() of another gives it out. */
bool gate_enter(struct gate *g, struct gate_pass *p, const char *key);
/* Returns the one that is inside instead, or NULL. One that waits leaves the
 * line. Harmless for a pass that never entered. */
struct gate_pass *gate_leave(struct gate *g, struct gate_pass *p);
/* One that waited and is inside now because 'most' has grown; NULL: none. */
struct gate_pass *gate_admit(struct gate *g);
/* Does somebody wait for this one's place? */
bool gate_wanted(const struct gate_pass *p);
/* Take one that waits, in whatever line, out of the gate; NULL when nobody
 * waits. */
struct gate_pass *gate_take_waiting(struct gate *g);

#endif
