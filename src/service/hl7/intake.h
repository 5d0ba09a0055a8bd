/*
 * From the bytes of messages to their effect, the same for the port, the
 * watched folder and the command line: parse, map by the sender's mapping,
 * item_take(), acknowledgement.
 */
#ifndef SERVICE_HL7_INTAKE_H
#define SERVICE_HL7_INTAKE_H

#include "hl7/ack.h"
#include "store/worklist/item.h"

struct hl7_intake_config {
	char application[65], facility[65];
	char charset[32];
	char notify[256];        /* worklist.notify */
	struct item_rules rules; /* watch is set here */
	bool replay;     /* take effect though the same has come before */
	int64_t replays; /* this entry of the journal (item.h); 0: none */
};

struct hl7_result {
	enum ack_code code;
	bool repeated;                /* accepted before; no second effect */
	struct order_problem problem; /* for what is not ACK_ACCEPT */
	int64_t journal_id;           /* 0: nothing is kept of it, come again */
	struct ack_out ack;           /* in the arena */
	/* What it was, for the log: "ORM^O01", its control id, its sender. */
	char type[16], control_id[64];
	char application[65], facility[65];
};
/* All messages in one flushed transaction (item_take); results in their order.
 * Never fails: what goes wrong becomes an answer. A batch (FHS, BHS) is to be
 * cut by er7_split() before. */
void hl7_take(struct store *, const struct hl7_intake_config *config,
    const char *source, const struct str *messages, size_t n, struct arena *a,
    struct hl7_result *results);

/* What came in a stream: broken[i], unless NULL, says why messages[i] is not
 * whole. Such a one is refused and journalled, as far as it came. */
void hl7_take_stream(struct store *, const struct hl7_intake_config *config,
    const char *source, const struct str *messages, const char *const *broken,
    size_t n, struct arena *a, struct hl7_result *results);

/* The acknowledgement of a message that is refused before it is read, of a
 * stranger for instance: AR, nothing is kept. */
void hl7_turn_away(const struct hl7_intake_config *config, struct str message,
    const char *why, struct arena *a, struct ack_out *out);

#endif
