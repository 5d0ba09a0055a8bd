/*
 * Acknowledgements (HL7 2.5.1 chapter 2.9): original and enhanced mode, with
 * the sender's own delimiters and the names turned round.
 */
#ifndef HL7_ACK_H
#define HL7_ACK_H

#include "hl7/order.h"

enum ack_code { ACK_ACCEPT, ACK_ERROR, ACK_REJECT };

struct ack_config {
	const char *application, *facility; /* when MSH-5 and 6 are empty */
	const char *now;                    /* YYYYMMDDHHMMSS */
	const char *control_id;             /* ours */
};
/* Append the frameless message(s) to be sent for m: none, one, or in enhanced
 * mode commit and application acknowledgement; each is to be framed by itself.
 * *n: how many. problem: NULL for accept. */
struct ack_out {
	struct str text[2];
	size_t n;
};
void ack_build(struct arena *a, const struct er7_message *m, enum ack_code code,
    const struct order_problem *problem, const struct ack_config *config,
    struct ack_out *out);
/* The same for bytes of which not even the MSH could be read: AR, or nothing
 * when there is nobody to name. */
void ack_build_unreadable(struct arena *a, struct str bytes,
    const struct order_problem *problem, const struct ack_config *config,
    struct ack_out *out);
/* An answer to what we sent: MSA-1 and -2. False: m is none. */
bool ack_read(struct arena *a, const struct er7_message *m, char code[3],
    struct str *control_id, struct str *text);

#endif
