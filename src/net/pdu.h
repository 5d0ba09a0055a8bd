/*
 * Protocol data units of the DICOM upper layer (PS3.8 9.3, user information
 * items also PS3.7 Annex D.3.3): bytes in, values out, and back. Pure.
 */
#ifndef NET_PDU_H
#define NET_PDU_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/limit.h"

enum pdu_type {
	PDU_ASSOCIATE_RQ = 1,
	PDU_ASSOCIATE_AC = 2,
	PDU_ASSOCIATE_RJ = 3,
	PDU_DATA_TF = 4,
	PDU_RELEASE_RQ = 5,
	PDU_RELEASE_RP = 6,
	PDU_ABORT = 7
};

#define PDU_HEADER 6
#define PDV_HEADER 6
/* Of the PDV header: the length field, which does not count itself. */
#define PDV_LENGTH 4
/* The message control header, last byte of a PDV's header (PS3.8 E.2). */
#define PDV_IS_COMMAND 1
#define PDV_IS_LAST    2
/* Bytes 11 to 74 of an A-ASSOCIATE PDU: both titles and 32 reserved bytes. */
#define PDU_TITLES 64

enum context_result { /* PS3.8 Table 9-18 */
	CONTEXT_ACCEPTED = 0,
	CONTEXT_USER_REJECTION = 1,
	CONTEXT_NO_REASON = 2,
	CONTEXT_ABSTRACT_SYNTAX = 3,
	CONTEXT_TRANSFER_SYNTAXES = 4
};

struct pdu_context {
	uint8_t id;
	uint8_t result;       /* enum context_result; in an AC */
	struct str abstract;  /* UID without padding; in an RQ */
	struct str *syntaxes; /* proposed; in an AC exactly one */
	size_t syntax_count;
};

struct pdu_role { /* PS3.7 D.3.3.4 */
	struct str sop_class;
	bool scu, scp;
};

struct pdu_extended { /* PS3.7 D.3.3.5 */
	struct str sop_class;
	struct str info;
};

struct pdu_common_extended { /* PS3.7 D.3.3.6 */
	struct str sop_class, service_class;
	struct str *related;
	size_t related_count;
};

struct pdu_user_identity { /* PS3.7 D.3.3.7 */
	uint8_t type; /* 0: absent; 1 name, 2 name + passcode, 3.. tickets */
	bool response_requested;
	struct str primary, secondary;
	bool answered; /* in an AC: the answer item is there */
	struct str answer;
};

/* A-ASSOCIATE-RQ and -AC have the same shape. */
struct pdu_associate {
	uint16_t version;
	char called[17], calling[17]; /* spaces trimmed at both ends */
	/* As received; an AC sends them back (Table 9-17). Empty: made from
	 * the two names. */
	struct str titles;
	struct str application; /* application context UID */
	struct pdu_context *contexts;
	size_t context_count;
	bool has_max_length;
	uint32_t max_length; /* 0: no limit */
	struct str implementation_uid, implementation_version;
	bool has_async;
	uint16_t async_invoked, async_performed; /* 0: no limit */
	struct pdu_role *roles;
	size_t role_count;
	struct pdu_extended *extended;
	size_t extended_count;
	struct pdu_common_extended *common;
	size_t common_count;
	struct pdu_user_identity identity;
};

/* PS3.8 Table 9-21. */
enum reject_result { REJECT_PERMANENT = 1, REJECT_TRANSIENT = 2 };
enum reject_source {
	REJECT_BY_USER = 1,
	REJECT_BY_ACSE = 2,
	REJECT_BY_PRESENTATION = 3
};
enum reject_reason {
	REJECT_USER_NO_REASON = 1,
	REJECT_USER_APPLICATION_CONTEXT = 2,
	REJECT_USER_CALLING_AE = 3,
	REJECT_USER_CALLED_AE = 7,
	REJECT_ACSE_NO_REASON = 1,
	REJECT_ACSE_PROTOCOL_VERSION = 2,
	REJECT_PRESENTATION_CONGESTION = 1,
	REJECT_PRESENTATION_LIMIT = 2
};
struct pdu_reject {
	uint8_t result, source, reason;
};

/* PS3.8 Table 9-26. */
enum abort_source { ABORT_BY_USER = 0, ABORT_BY_PROVIDER = 2 };
enum abort_reason {
	ABORT_NOT_SPECIFIED = 0,
	ABORT_UNRECOGNIZED_PDU = 1,
	ABORT_UNEXPECTED_PDU = 2,
	ABORT_UNRECOGNIZED_PARAMETER = 4,
	ABORT_UNEXPECTED_PARAMETER = 5,
	ABORT_INVALID_PARAMETER = 6
};

/* body: the PDU without its six-byte header. Slices of the result point into
 * body, arrays lie in the arena. Items of unknown types are skipped, of items
 * that may come once the first counts, transfer syntaxes over
 * LIMIT_TRANSFER_SYNTAXES and user sub-items over LIMIT_USER_ITEMS of a kind
 * are left out. ERR_MALFORMED: an item leaves what holds it, a context id is
 * even or comes twice, a request has no context. ERR_LIMIT: the arena's budget.
 * A context without abstract or transfer syntax is given as it is, to be
 * refused.
 */
bool pdu_associate_parse(struct arena *a, enum pdu_type type, struct str body,
    struct pdu_associate *out, struct err *e);
/* The first role item for a class; NULL: none. */
const struct pdu_role *pdu_find_role(
    const struct pdu_associate *v, struct str sop_class);
bool pdu_reject_parse(struct str body, struct pdu_reject *out, struct err *e);
bool pdu_abort_parse(
    struct str body, uint8_t *source, uint8_t *reason, struct err *e);
/* In words: "rejected permanently by the peer's user: called AE title not
 * recognized". */
const char *pdu_reject_text(struct pdu_reject r);
const char *pdu_abort_text(uint8_t source, uint8_t reason);

/* Whole PDUs, header included. An item that does not fit its 16-bit length
 * sets out->over. */
void pdu_associate_build(
    struct buf *out, enum pdu_type type, const struct pdu_associate *v);
void pdu_reject_build(struct buf *out, struct pdu_reject r);
void pdu_release_build(struct buf *out, enum pdu_type type);
void pdu_abort_build(struct buf *out, uint8_t source, uint8_t reason);

#endif
