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

/* Who calls, and how: a snapshot of the settings. Holds a reference of tls;
 * whoever keeps a copy takes one of its own (client_copy). */
struct client {
	char ae_title[17];
	/* Where a row of activity is kept of each association; NULL: nowhere.
	 * It must outlive them. */
	struct store *store;
	int timeout_ms;
	struct tls *tls;       /* for nodes that speak TLS */
	char tls_trouble[256]; /* why tls is NULL */
};
void client_copy(struct client *out, const struct client *c);
void client_fini(struct client *c);

struct client_wish {
	const struct pdu_context *contexts; /* ids are filled in */
	size_t context_count;
	const struct pdu_role *roles;
	size_t role_count;
	const struct pdu_extended
	    *extended; /* what is granted: the context's */
	size_t extended_count;
	uint16_t window; /* operations in flight to ask for; 0 or 1: none */
	const struct conn_watch *watch; /* may end every wait; or NULL */
};
/* At least one context has been accepted when it returns true. */
bool client_open(struct assoc **out, const struct client *c,
    const struct node *to, const struct client_wish *wish,
    struct err *e) MUST_USE;
/* Release, or abort when that fails, and free. */
void client_close(struct assoc **a);

/* How a request ended. Counts are what the peer says: they may lie. */
struct client_end {
	uint16_t status;
	char comment[65];
	bool has_counts;
	uint16_t remaining, completed, failed, warning;
	struct str failed_list; /* UIDs, backslashes between; in the arena */
	uint64_t answers;       /* of a C-FIND, read */
	uint64_t unreadable; /* … and not: without an identifier, or none */
	/* What a C-GET brought, by our own count. */
	uint64_t kept;    /* new here; with those put in quarantine */
	uint64_t same;    /* were here already */
	uint64_t refused; /* by us; why the last one was */
	uint64_t foreign; /* kept, and of a study that was not asked for */
	char refusal[160];
};

/* False: the association is of no more use. Otherwise end->status tells. */
bool client_echo(
    struct assoc *a, struct client_end *end, struct err *e) MUST_USE;

/* One answer of a C-FIND (identifier NULL: one that could not be read), or the
 * progress of a C-MOVE or C-GET (identifier NULL, counts in end). False:
 * enough, the request is cancelled (C-CANCEL) and read to its end, but no
 * longer than a timeout: a peer that goes on is aborted (ERR_CANCELLED). */
typedef bool client_answer_fn(
    void *ctx, const struct dataset *identifier, const struct client_end *end);

struct client_query {
	const char *model; /* the SOP Class: Study Root FIND, … */
	const struct dataset *identifier;
	const char *destination;  /* of a C-MOVE */
	client_answer_fn *answer; /* NULL: nobody listens */
	/* Asked five times a second while the peer is silent, and between
	 * messages: true cancels. NULL: nothing does. */
	bool (*stop)(void *ctx);
	void *ctx;
	struct arena *arena; /* answers lie here, reset for each */
	/* The longest silence before an answer; 0: the association's timeout.
	 * A C-MOVE need not show progress (PS3.4 C.4.2.1.6). */
	int patience_ms;
};
bool client_find(struct assoc *a, const struct client_query *q,
    struct client_end *end, struct err *e) MUST_USE;
bool client_move(struct assoc *a, const struct client_query *q,
    struct client_end *end, struct err *e) MUST_USE;
/* What comes goes into the archive through intake; contexts with the peer as
 * SCU of the storage classes must have been negotiated (client_wish_get()).
 * Nothing of what a peer sends becomes a file name. */
struct intake;
bool client_get(struct assoc *a, const struct client_query *q,
    struct intake *intake, struct client_end *end, struct err *e) MUST_USE;
/* The same into any receiver. */
struct receiver;
bool client_get_into(struct assoc *a, const struct client_query *q,
    const struct receiver *to, void *to_ctx, struct client_end *end,
    struct err *e) MUST_USE;

/*
 * What to ask for, in the arena; false: ERR_LIMIT.
 */
/* One context for each class, with the uncompressed syntaxes. */
bool client_wish_plain(struct client_wish *w, struct arena *a,
    const char *const *classes, size_t n, struct err *e) MUST_USE;
/* A C-GET model, and the storage classes with us as SCP. Of the classes given,
 * each in as many stored syntaxes as there are contexts for; of none (n 0),
 * all that the standard has, each in one syntax of the peer's choice. Nothing
 * is to be converted that need not be. */
bool client_wish_get(struct client_wish *w, struct arena *a, const char *model,
    const struct str *classes, size_t n, struct err *e) MUST_USE;

#endif
