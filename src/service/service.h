/*
 * A service: what the server does for a peer on one kind of request. One file
 * and one const struct service each; the list in service.c is what negotiation
 * and the conformance statement are made from.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "net/dimse.h"
#include "service/client/client.h"
#include "service/worklist/arrival.h"
#include "store/table/live.h"
#include "store/object.h"
#include "store/store.h"

/* worklist.* of the settings. */
struct worklist_config {
	bool calling_ae_as_station;
	bool hide_without_ae; /* worklist.without_ae is hide */
	bool log_queries;
	char uid_root[65], uid_for[256];
};

/* What services may read of the settings: a snapshot, replaced as a whole. */
struct service_config {
	char ae_title[17];
	bool access_open; /* dicom.access is open */
	bool check_called_ae;
	int timeout_ms; /* dicom.timeout_s */
	bool debug;
	struct arrival_config arrival;
	struct worklist_config worklist;
};

/* What the peer is still to be told: service/commitment/report.h. */
struct session_report {
	int64_t wake_ms; /* clock_mono_ms; 0: nothing to be woken for */
	int64_t id;      /* the commitment whose report is unanswered; 0 */
	int pause_ms;
	uint16_t message_id;
};

/* One association being served. */
struct session {
	struct assoc *assoc;
	struct store *store;
	struct intake *intake; /* made at the first C-STORE */
	struct activity activity;
	struct live live;
	struct service_config config; /* as it was when it began */
	struct arena arena;           /* of the exchange; reset after each */
	/* How we call other nodes, by the settings of now; client_fini(). */
	void (*client)(struct session *s, struct client *out);
	/* Is the server about to stop? NULL: there is none. */
	bool (*stopping)(struct session *s);
	/* What came while the request waited for its turn: its identifier, if
	 * it was read already, and a C-CANCEL. */
	bool identifier_read, cancelled;
	struct buf identifier;
	struct {
		int64_t tell_ms; /* when the peer hears of it again */
		uint64_t total;  /* see struct service */
	} line;
	struct session_report report;
	struct arrival_seen arrived;
	unsigned worklist_queries; /* in activity only if the site wants it */
};

/* Where a request is served. POOL_MOVE: in line with others that have the same
 * Move Destination. */
enum service_pool { POOL_STORE, POOL_RETRIEVE, POOL_MOVE };

struct service {
	const char
	    *name; /* "Storage", for pages and the conformance statement */
	uint16_t command; /* the request it serves */
	enum service_pool pool;
	/* Is this abstract syntax one of ours (SCP)? */
	bool (*serves)(struct str abstract);
	/* Is a transfer syntax acceptable for it? */
	bool (*takes)(struct str syntax);
	/* The answer to an extended negotiation item; NULL: none. Writes at
	 * most room bytes, returns the count. */
	size_t (*extended)(struct str proposed, uint8_t *answer, size_t room);
	/* Serve rq, whose data set (if any) is unread. True: answered, the
	 * association goes on. False: it cannot go on (the peer has gone, or
	 * the stream is out of step); *e says why. */
	bool (*serve)(struct session *s, const struct dimse *rq, struct err *e);
	/* The request, whose identifier is read, waits for its turn: tell the
	 * peer (PS3.4 C.4.2.3.1). *total keeps what there is to do, UINT64_MAX
	 * at first. False: the peer has gone. NULL: nothing to tell. */
	bool (*wait)(struct session *s, const struct dimse *rq, uint64_t *total,
	    struct err *e);
};

/* NULL-terminated. */
extern const struct service *const services[];
const struct service *service_for_command(
    uint16_t command, struct str sop_class);
const struct service *service_for_abstract(struct str abstract);

/* The one place where our errors become DIMSE statuses. */
uint16_t dimse_status(enum err_code code);
/* What a peer is told of an error: what concerns it, not where our files lie.
 * Static, or the text of why. */
const char *service_comment(const struct err *why);

/* Send a response without data set. comment: NULL for none. The same return
 * value as serve(), and so for the two below. */
bool service_answer(struct session *s, const struct dimse *rq, uint16_t status,
    const char *comment, struct err *e) MUST_USE;
/* The same after reading what is left of the request's data set. */
bool service_refuse(struct session *s, const struct dimse *rq, uint16_t status,
    const char *comment, struct err *e) MUST_USE;
/* Refuse because of why, which is logged. */
bool service_fail(struct session *s, const struct dimse *rq,
    const struct err *why, struct err *e) MUST_USE;
/* The same with a status other than dimse_status() gives. */
bool service_fail_as(struct session *s, const struct dimse *rq, uint16_t status,
    const struct err *why, struct err *e) MUST_USE;
/* Refuse because of the value of an attribute of the identifier. */
bool service_fail_key(struct session *s, const struct dimse *rq, uint32_t tag,
    const struct err *why, struct err *e) MUST_USE;
/* Read the identifier of a C-FIND, C-GET or C-MOVE and answer it; one that is
 * too large is refused. Returns as serve(). It may have been read before, by a
 * call of its own, which is false when the association has ended. */
bool service_read_identifier(struct session *s, struct err *e) MUST_USE;
typedef bool service_answer_fn(struct session *s, const struct dimse *rq,
    struct str identifier, struct err *e);
bool service_identifier(struct session *s, const struct dimse *rq,
    service_answer_fn *answer, struct err *e) MUST_USE;
/* dimse_cancelled() said ERR_CLOSED: read up to the peer's abort or the end of
 * the stream, so that the association knows how it ended. Always false. */
bool service_gone(struct session *s, struct err *e);
/* What takes long comes to an end: the server stops. */
bool service_stopping(struct session *s);

/* Implicit, explicit (both orders) and deflated: what data sets without Pixel
 * Data come in. */
bool service_takes_plain(struct str syntax);

extern const struct service service_echo;
extern const struct service service_store;
extern const struct service service_find;
extern const struct service service_get;
extern const struct service service_move;
extern const struct service service_worklist;
extern const struct service service_commitment, service_commitment_result;
extern const struct service service_mpps_create, service_mpps_set,
    service_mpps_get;

#endif
