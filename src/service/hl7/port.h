/*
 * The HL7 port: connections parked like DICOM's, first-byte dispatch (MLLP,
 * token query, TLS), frames to orders, orders to the store in batches, one
 * answer for each in its order. AA only after the order is on disk.
 */
#ifndef SERVICE_HL7_PORT_H
#define SERVICE_HL7_PORT_H

#include "store/worklist/item.h"

struct tls;
struct hl7_port;

struct hl7_config {
	char bind[256];
	uint16_t port; /* 0: closed */
	bool port_auto;
	bool access_open, token_access_open;
	bool send_ack;
	bool token_answer_2023;
	char application[65], facility[65]; /* hl7.sending_… */
	char charset[32];
	char notify[256]; /* worklist.notify */
	struct item_rules rules;
	struct tls *tls; /* NULL: a TLS hello is refused in words */
};

bool hl7_port_open(struct hl7_port **, struct store *,
    const struct hl7_config *, struct err *e) MUST_USE;
bool hl7_port_configure(
    struct hl7_port *, const struct hl7_config *, struct err *e) MUST_USE;
/* Stop listening, end what says nothing; waits for nobody. */
void hl7_port_stop(struct hl7_port *);
/* And let what is under way finish until deadline_ms, break off the rest. */
void hl7_port_close(struct hl7_port **, int64_t deadline_ms);
const char *hl7_port_address(struct hl7_port *);

#endif
