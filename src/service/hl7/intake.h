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
	struct item_rules rules;
};

struct hl7_result {
	enum ack_code code;
	struct order_problem problem; /* for what is not ACK_ACCEPT */
	int64_t journal_id;
	struct ack_out ack; /* in the arena */
	/* What it was, for the log: "ORM^O01" and its control id. */
	char type[16], control_id[64];
};
/* All messages in one flushed transaction (item_take); results in their order.
 * Never fails: what goes wrong becomes an answer. */
void hl7_take(struct store *, const struct hl7_intake_config *config,
    const char *source, const struct str *messages, size_t n, struct arena *a,
    struct hl7_result *results);

#endif
