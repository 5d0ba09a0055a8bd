/*
 * DIMSE messages over an association (PS3.7 sections 6.3, 9, 10, Annex E;
 * PS3.8 Annex E for fragments): commands as values, data sets as streams.
 *
 * The reader gives a message's data set in the fragments as they arrive; it is
 * never held whole. A message is finished when dimse_read_part() gave an empty
 * part (or at once, when it has no data set).
 */
#ifndef NET_DIMSE_H
#define NET_DIMSE_H

#include "net/assoc.h"
#include <sys/types.h>

enum dimse_command {
	C_STORE_RQ = 0x0001,
	C_STORE_RSP = 0x8001,
	C_GET_RQ = 0x0010,
	C_GET_RSP = 0x8010,
	C_FIND_RQ = 0x0020,
	C_FIND_RSP = 0x8020,
	C_MOVE_RQ = 0x0021,
	C_MOVE_RSP = 0x8021,
	C_ECHO_RQ = 0x0030,
	C_ECHO_RSP = 0x8030,
	N_EVENT_REPORT_RQ = 0x0100,
	N_EVENT_REPORT_RSP = 0x8100,
	N_GET_RQ = 0x0110,
	N_GET_RSP = 0x8110,
	N_SET_RQ = 0x0120,
	N_SET_RSP = 0x8120,
	N_ACTION_RQ = 0x0130,
	N_ACTION_RSP = 0x8130,
	N_CREATE_RQ = 0x0140,
	N_CREATE_RSP = 0x8140,
	N_DELETE_RQ = 0x0150,
	N_DELETE_RSP = 0x8150,
	C_CANCEL_RQ = 0x0fff
};
const char *dimse_command_name(uint16_t command); /* "C-STORE-RQ" */

/* Attributes that one command names: more than any SOP Class of ours has. */
#define DIMSE_ATTRIBUTES 64

/* Text values are kept NUL-terminated here: a command lives across reads. */
struct dimse {
	uint8_t context;
	uint16_t command;
	uint16_t message_id; /* (0000,0110) or (0000,0120) by command */
	bool has_data;       /* Command Data Set Type is not 0101H */
	bool is_response;
	uint16_t priority;
	uint16_t status;
	char sop_class[65];     /* affected or requested */
	char sop_instance[65];  /* affected or requested; as sent, cut at 64 */
	bool sop_instance_long; /* it was longer and is cut */
	char destination[17];   /* (0000,0600) */
	char originator_ae[17]; /* (0000,1030) */
	uint16_t originator_id; /* (0000,1031) */
	bool has_counts;        /* sub-operation counts, to send or received */
	uint16_t remaining, completed, failed, warning;
	uint16_t event_or_action; /* (0000,1002) or (0000,1008) */
	char comment[65];         /* (0000,0902) */
	uint32_t offending;       /* (0000,0901), first; 0: none */
	uint16_t error_id;        /* (0000,0903); 0: none */
	uint16_t attribute_count;
	/* (0000,1005): asked for by N-GET, or told of by the failure of an
	 * N-CREATE or N-SET; the first ones where there are more. */
	uint32_t attributes[DIMSE_ATTRIBUTES];
	bool attributes_cut;
};

/* A command set (PS3.7 6.3.1) from bytes: unknown elements are skipped, of a
 * repeated one the first counts, the group length is not believed. has_data,
 * command and message_id must be there, and a status in a response; texts that
 * are missing are empty. context is left alone. */
bool dimse_command_parse(
    struct str bytes, struct dimse *out, struct err *e) MUST_USE;
/* Append the command set of m with the fields its command has (PS3.7 9.3 and
 * 10.3), optional ones when they are set. */
void dimse_command_build(struct buf *out, const struct dimse *m);

/* Read the next command, draining what is left of a data set before it. False
 * with ERR_CLOSED when the association has ended (a->end tells how; an
 * A-RELEASE-RQ was answered), ERR_PROTOCOL or ERR_MALFORMED after an A-ABORT
 * was sent, ERR_TIMEOUT likewise. */
bool dimse_read(struct assoc *a, struct dimse *out, struct err *e) MUST_USE;
/* The next part of the data set; empty at its end. Valid until the next call
 * on this association. */
bool dimse_read_part(struct assoc *a, struct str *part, struct err *e) MUST_USE;
/* Read the rest of the data set and drop it: the association stays in step. */
bool dimse_drain(struct assoc *a, struct err *e) MUST_USE;
/* The whole data set into out (capped); ERR_LIMIT past the cap, after which
 * the rest has been drained. */
bool dimse_read_all(struct assoc *a, struct buf *out, struct err *e) MUST_USE;

/* Send a message with a data set in memory (empty: none); m->has_data does not
 * matter. One write where it fits. */
bool dimse_send(struct assoc *a, const struct dimse *m, struct str data,
    struct err *e) MUST_USE;
/* Send a message whose data set is 'size' bytes of a file from 'at'. */
bool dimse_send_file(struct assoc *a, const struct dimse *m, int fd, off_t at,
    uint64_t size, struct err *e) MUST_USE;
/* Send a message in parts of unknown total: begin, any number of parts, end. */
bool dimse_send_begin(
    struct assoc *a, const struct dimse *m, struct err *e) MUST_USE;
bool dimse_send_part(struct assoc *a, struct str part, struct err *e) MUST_USE;
bool dimse_send_end(struct assoc *a, struct err *e) MUST_USE;

/* A response to rq: its command | 0x8000, context, id and UIDs copied. */
struct dimse dimse_response(const struct dimse *rq, uint16_t status);
/* Put a text (cut at 64 characters) into comment. */
void dimse_comment(struct dimse *m, const char *text);
/* One more for (0000,1005), while there is room. */
void dimse_attribute(struct dimse *m, uint32_t tag);

/* While a request of the peer is being served: has a C-CANCEL-RQ for
 * message_id arrived? Never blocks. Reads it when it did. Anything else that
 * arrives stays unread. Also true when the peer has aborted or gone, for the
 * work is then as much in vain: e->code is ERR_CANCELLED or ERR_CLOSED. (Found
 * behind at most BLOCK_IO of other PDUs, and not in fragments.) */
bool dimse_cancelled(struct assoc *a, uint16_t message_id, struct err *e);

#endif
