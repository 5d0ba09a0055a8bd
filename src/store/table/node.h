/*
 * Known DICOM nodes (F12), and callers that were refused.
 */
#ifndef STORE_NODE_H
#define STORE_NODE_H

#include "store/store.h"

#define NODE_CERTIFICATE_ROOM 65

struct node {
	char ae[17];
	char host[256]; /* name or address */
	uint16_t port;  /* 0: does not listen */
	bool tls;
	char name[128]; /* free text, UTF-8 */
	/* SHA-256 of the certificate that is the node's, in lower-case hex;
	 * empty: any, or none. */
	char certificate[NODE_CERTIFICATE_ROOM];
	/* The character set its worklist is written in; empty: as it asks. */
	char charset[64];
	char worklist[128]; /* options, node_worklist.h */
};

/* AE titles compare case-sensitively after trimming (A3). */
bool node_put(struct store *, const struct node *, bool must_be_new,
    struct err *e) MUST_USE; /* ERR_CONFLICT */
bool node_delete(struct store *, const char *ae, struct err *e) MUST_USE;
bool node_find(struct store *, const char *ae, struct node *out,
    struct err *e) MUST_USE; /* ERR_MISSING */
bool node_list(struct store *, struct arena *a, struct node **out, size_t *n,
    struct err *e) MUST_USE;
/* Is there a node with this AE title whose host is, or resolves to, this
 * address? Cached; follows changes by other processes within a second. Names
 * are looked up in the background, from node_prepare() or the first question
 * on: waits for that a moment at most. *why
 * says in words what was missing ("AE title unknown", "address is not …"). */
bool node_known(
    struct store *, const char *ae, const char *address, const char **why);

/* Begin to look up the names of the known nodes. */
void node_prepare(struct store *);

/* The certificate bound to the node with this AE title; empty when there is
 * none, or no such node. Cached likewise. */
bool node_certificate(struct store *, const char *ae,
    char out[NODE_CERTIFICATE_ROOM], struct err *e) MUST_USE;

/* The node with this AE title, cached likewise. False: there is none, or the
 * nodes cannot be read. */
bool node_recall(struct store *, const char *ae, struct node *out) MUST_USE;

struct refusal {
	char calling[17], called[17], address[48];
	char reason[160];
	int64_t first_ms, last_ms;
	uint64_t count;
};
/* One row per caller and reason, counted; the oldest of more than 1,000 rows
 * go. Never blocks on a flush. */
void refusal_record(struct store *, const struct refusal *);
bool refusal_list(struct store *, struct arena *a, struct refusal **out,
    size_t *n, struct err *e) MUST_USE;
bool refusal_clear(struct store *, struct err *e) MUST_USE;

#endif
