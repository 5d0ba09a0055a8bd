/*
 * Associations (PS3.8 section 7 and 9, PS3.7 Annex D): accept one, request
 * one, release, abort. The state machine is PS3.8 Table 9-10 (ul.def); the
 * driver is straight-line and whatever the table does not foresee is AA-8.
 *
 * An association is owned by exactly one worker, or parked; nothing in it is
 * locked. What is worth keeping between messages stands here.
 */
#ifndef NET_ASSOC_H
#define NET_ASSOC_H

#include "dicom/dict.h"
#include "net/conn.h"
#include "net/pdu.h"
#include "net/ul.h"

enum assoc_end {
	ASSOC_OPEN,
	ASSOC_REJECTED, /* refused in the handshake */
	ASSOC_RELEASED, /* orderly */
	ASSOC_ABORTED_BY_PEER,
	ASSOC_ABORTED_BY_US,
	ASSOC_LOST /* the connection broke or went silent */
};

struct assoc_context {
	uint8_t id;
	uint8_t result;      /* enum context_result */
	struct str abstract; /* NUL-terminated in the association's arena */
	struct str syntax;   /* the accepted one; likewise */
	struct syntax layout;
	bool peer_scu, peer_scp; /* what the peer may be, as negotiated */
	struct str extended; /* accepted extended negotiation, maybe empty */
};

struct assoc {
	struct conn *conn;
	struct arena arena; /* lives as long as the association */
	enum ul_state state;
	enum assoc_end end;
	bool requestor; /* we asked for it */
	char calling[17], called[17];
	struct assoc_context *contexts;
	size_t context_count;
	uint32_t max_out; /* greatest PDU length field we may send */
	uint16_t async_invoked, async_performed;
	struct str peer_implementation_uid, peer_implementation_version;
	struct pdu_reject reject; /* valid when end is ASSOC_REJECTED */
	uint16_t next_message_id;
	/* The message being read: see dimse.h. */
	struct buf command;
	struct buf out; /* PDU being built; given back when idle */
	uint32_t pdu_left, pdv_left;
	bool pdv_last, pdv_command, message_open;
	uint8_t pdv_context;
	bool message_small; /* its data set is no object */
	uint64_t message_bytes;
	uint16_t barren;    /* PDUs and PDVs in a row that brought nothing */
	uint64_t looked_at; /* conn.bytes_in when last searched for a cancel */
	/* The message being sent. */
	size_t out_at; /* where the header of the PDU being built is in out */
	bool out_open;
	uint8_t out_context, out_control; /* of its PDV (PS3.8 E.2) */
	bool unsendable; /* output broke off within a PDU: no more of it */
	/* Who keeps account of it: called before it is freed, with its
	 * connection still there. NULL: nobody. */
	void (*freed)(struct assoc *a, void *account);
	void *account;
};

/* What the acceptor's owner decides. */
struct assoc_policy {
	/* Refuse as a whole: return false with *reject filled and reason in
	 * words in *e. */
	bool (*admit)(void *ctx, const struct conn *c,
	    const struct pdu_associate *rq, struct pdu_reject *reject,
	    struct err *e);
	/* Who the peer's user is (PS3.7 D.3.3.7): *proven if it is certain,
	 * which the peer is told if it asks. False as above. NULL: nobody is
	 * asked. */
	bool (*identify)(void *ctx, const struct conn *c,
	    const struct pdu_user_identity *user, bool *proven,
	    struct pdu_reject *reject, struct err *e);
	/* One context: return the index of the chosen transfer syntax, or -1
	 * with *result set. *may_scp: the peer proposes to be SCP of this
	 * class; leave or clear. extended: the peer's proposal, replaced by
	 * our answer (empty for none). */
	int (*choose)(void *ctx, const struct pdu_associate *rq,
	    const struct pdu_context *context, uint8_t *result, bool *may_scp,
	    struct str *extended);
	uint32_t max_length; /* to announce; 0: LIMIT_PDU_IN */
	/* Greatest asynchronous window we grant as performer; what a peer asks
	 * is answered with the lesser. 0 is 1: none. */
	uint16_t async_performed;
};

/* Read the A-ASSOCIATE-RQ and answer it, within WAIT_ARTIM_MS. Takes the
 * connection in every case. On failure *out is NULL or, where the peer could
 * be named, an association with end set, to be recorded and freed. An HTTP
 * request or a TLS hello fails with a text that says so. */
bool assoc_accept(struct assoc **out, struct conn *c,
    const struct assoc_policy *policy, void *ctx, struct err *e);

struct tls;
struct assoc_request {
	const char *host;
	uint16_t port;
	const char *calling, *called;
	const struct pdu_context *contexts; /* ids are filled in: 1, 3, … */
	size_t context_count;
	const struct pdu_role *roles;
	size_t role_count;
	const struct pdu_extended *extended;
	size_t extended_count;
	uint16_t async_invoked; /* 0 or 1: do not ask for a window */
	uint32_t max_length;    /* 0: LIMIT_PDU_IN */
	struct tls *tls;        /* NULL: plain */
	const char *tls_pin; /* the fingerprint to demand; NULL or "": none */
	struct pdu_reject *reject; /* filled with ERR_DENIED; or NULL */
	int timeout_ms;
	const struct conn_watch *watch; /* of the connection; or NULL */
};
/* On failure *out is NULL: ERR_DENIED when the peer rejected us, ERR_CLOSED
 * when it aborted or closed. */
bool assoc_request(
    struct assoc **out, const struct assoc_request *rq, struct err *e);
/* The same over a connection that is there, which it takes in every case. */
bool assoc_request_over(struct assoc **out, struct conn *c,
    const struct assoc_request *rq, struct err *e);

/* Orderly end by us: A-RELEASE-RQ, collision handled, waits for the answer. */
bool assoc_release(struct assoc *a, struct err *e);
/* A-ABORT, then close. */
void assoc_abort(struct assoc *a, uint8_t source, uint8_t reason);
/* Closes whatever is open, frees everything. */
void assoc_free(struct assoc **);
/* Give back buffers before parking; only when nothing is buffered. */
void assoc_idle(struct assoc *a);

/* NULL when the id was not negotiated or not accepted. */
const struct assoc_context *assoc_context(const struct assoc *a, uint8_t id);
/* The first accepted context for an abstract and (if not empty) transfer
 * syntax; NULL when none. */
const struct assoc_context *assoc_find_context(
    const struct assoc *a, struct str abstract, struct str syntax);
const char *assoc_end_text(enum assoc_end end);

/*
 * For the parts of this module and for net/dimse only.
 */

/* How long the peer gets to close after our A-ABORT or A-ASSOCIATE-RJ. */
#define ASSOC_CLOSE_MS 500

struct assoc *assoc_new(struct conn *c, bool requestor);
/* Take a step in the state machine; an empty cell is AA-8. */
enum ul_action assoc_step(struct assoc *a, enum ul_event event);
/* The event of receiving a PDU of this type. */
enum ul_event assoc_event(uint8_t pdu_type);
/* The header of the next PDU; a PDU of fixed length is read whole. A fixed
 * length that is wrong gives type 0, which is no PDU. */
struct assoc_header {
	uint8_t type;
	uint32_t length;
	uint8_t body[4];
};
bool assoc_read_header(
    struct assoc *a, struct assoc_header *h, struct err *e) MUST_USE;
/* Let what is sent gather and leave together (conn_hold), until the flush,
 * whose failure is that of what was sent before. Before anything is read. */
void assoc_gather(struct assoc *a);
bool assoc_flush(struct assoc *a, struct err *e) MUST_USE;
/* Write what is in pdu as one; on failure as assoc_unsent(). */
bool assoc_send(struct assoc *a, const struct buf *pdu, struct err *e) MUST_USE;
/* Wait for a P-DATA-TF: its length, the body unread. Every other PDU is dealt
 * with (a release answered, an abort noted, the rest is AA-8) and false. */
bool assoc_next_data(struct assoc *a, uint32_t *length, struct err *e) MUST_USE;
/* The peer broke the protocol: A-ABORT by the provider with this
 * reason. Always false. */
bool assoc_violated(struct assoc *a, uint8_t reason);
/* A read or a write failed with *e: sets end, aborts where it still can, puts
 * the error in words. Always false. */
bool assoc_unread(struct assoc *a, struct err *e);
bool assoc_unsent(struct assoc *a, struct err *e);
/* The peer's A-ABORT was read. Always false. */
bool assoc_aborted(struct assoc *a, const uint8_t body[4], struct err *e);

#endif
