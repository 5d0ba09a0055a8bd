/*
 * What is said on one connection of the HL7 port: bytes to frames, frames to
 * orders and token queries, and their answers in the same order.
 */
#ifndef SERVICE_HL7_TALK_H
#define SERVICE_HL7_TALK_H

#include "net/conn.h"
#include "net/mllp.h"
#include "service/hl7/intake.h"

#include <stdatomic.h>

/* What holds for one turn. */
struct talk_rules {
	struct store *store;
	struct hl7_intake_config intake;
	bool messages, queries; /* this peer may send these */
	bool send_ack, form_2023;
	/* Bytes of unfinished frames of all connections. */
	atomic_size_t *held;
};

struct talk {
	struct mllp mllp;
	bool began;          /* something came */
	int64_t start_ms;    /* UTC */
	int64_t frame_ms;    /* since when a frame is unfinished, or 0 */
	uint64_t frame_from; /* bytes of the connection before it */
	size_t held;         /* our part of rules.held */
	uint64_t taken, refused, queries;
	char application[17], facility[17]; /* who sent last */
};

void talk_init(struct talk *t);
void talk_fini(struct talk *t, atomic_size_t *held);
/* Takes what has come, up to a batch, without waiting for more, lets it take
 * effect in one commit, and answers. False: it is over, *e says why (ERR_CLOSED
 * when the peer has ended it, ERR_DENIED when it may not do this). */
bool talk_turn(struct talk *t, struct conn *c, const struct talk_rules *rules,
    struct err *e) MUST_USE;
/* Until when the next bytes must come, if they last came now; 0: a frame is
 * not open. */
int64_t talk_deadline(const struct talk *t, const struct conn *c);
/* That has passed: what is there is refused and journalled. */
void talk_late(struct talk *t, struct conn *c, const struct talk_rules *rules);
/* Before it lies idle. */
void talk_idle(struct talk *t);
/* It has ended: a row of activity and a line in the log, if anything was said,
 * and a refusal if it was for that. */
void talk_record(const struct talk *t, const struct conn *c,
    struct store *store, const struct err *why);

#endif
