/*
 * Fileroom as a client (SCU) of another node: one association, one request
 * after the other. Errors say in words what is wrong with the node: its name
 * is not found, nobody listens, it refused and why, it speaks TLS or does not.
 *
 * Codes: ERR_IO cannot be reached, ERR_TIMEOUT, ERR_DENIED rejected the
 * association, ERR_CLOSED broke it off, ERR_UNSUPPORTED accepted none of the
 * contexts, ERR_PROTOCOL nonsense came.
 */
#ifndef SERVICE_CLIENT_CLIENT_H
#define SERVICE_CLIENT_CLIENT_H

#include "dicom/dataset.h"
#include "net/dimse.h"
#include "store/table/node.h"

struct tls;

/* Who calls, and how: a snapshot of the settings. */
struct client {
	char ae_title[17];
	int timeout_ms;
	struct tls *tls; /* for nodes that speak TLS */
};

struct client_wish {
	const struct pdu_context *contexts; /* ids are filled in */
	size_t context_count;
	const struct pdu_role *roles;
	size_t role_count;
	uint16_t window; /* operations in flight to ask for; 0 or 1: none */
};
/* At least one context has been accepted when it returns true. */
bool client_open(struct assoc **out, const struct client *c,
    const struct node *to, const struct client_wish *wish,
    struct err *e) MUST_USE;
/* Release, or abort when that fails, and free. */
void client_close(struct assoc **a);

/* How a request ended. */
struct client_end {
	uint16_t status;
	char comment[65];
	bool has_counts;
	uint16_t remaining, completed, failed, warning;
	struct str failed_list; /* UIDs, backslashes between; in the arena */
};

/* False: the association is of no more use. Otherwise end->status tells. */
bool client_echo(
    struct assoc *a, struct client_end *end, struct err *e) MUST_USE;

/* One answer of a C-FIND, or the progress of a C-MOVE or C-GET (identifier
 * NULL, counts in end). False: enough, the request is cancelled (C-CANCEL)
 * and read to its end. */
typedef bool client_answer_fn(
    void *ctx, const struct dataset *identifier, const struct client_end *end);

struct client_query {
	const char *model; /* the SOP Class: Study Root FIND, … */
	const struct dataset *identifier;
	const char *destination; /* of a C-MOVE */
	client_answer_fn *answer;
	void *ctx;
	struct arena *arena; /* answers lie here, reset for each */
};
bool client_find(struct assoc *a, const struct client_query *q,
    struct client_end *end, struct err *e) MUST_USE;
bool client_move(struct assoc *a, const struct client_query *q,
    struct client_end *end, struct err *e) MUST_USE;
/* What comes goes into the archive through intake; contexts with the peer as
 * SCP of the storage classes must have been negotiated. Nothing of what a peer
 * sends becomes a file name. */
struct intake;
bool client_get(struct assoc *a, const struct client_query *q,
    struct intake *intake, struct client_end *end, struct err *e) MUST_USE;

#endif
