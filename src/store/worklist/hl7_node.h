/*
 * HL7 nodes, and the mappings of senders.
 */
#ifndef STORE_WORKLIST_HL7_NODE_H
#define STORE_WORKLIST_HL7_NODE_H

#include "store/store.h"

/* HL7 nodes that may send (hl7.access known), and to which we send. */
struct hl7_node {
	char name[65]; /* unique */
	char host[256];
	uint16_t port;                      /* 0: only sends */
	char application[65], facility[65]; /* receiving, for what we send */
	bool tls;
};
bool hl7_node_put(struct store *, const struct hl7_node *, bool must_be_new,
    struct err *e) MUST_USE;
bool hl7_node_delete(struct store *, const char *name, struct err *e) MUST_USE;
bool hl7_node_list(struct store *, struct arena *a, struct hl7_node **out,
    size_t *n, struct err *e) MUST_USE;
/* Is, or does resolve, some node to this address? Cached like node_known(). */
bool hl7_node_known(struct store *, const char *address);

/* The mapping in force for a sender, text of mapping.h; "" for both: the
 * general one. Empty text deletes. *found false: the preset "manual". */
bool hl7_mapping_put(struct store *, struct str application,
    struct str facility, struct str text, struct err *e) MUST_USE;
bool hl7_mapping_find(struct store *, struct str application,
    struct str facility, struct arena *a, struct str *text, bool *found,
    struct err *e) MUST_USE;
struct hl7_mapping_row {
	struct str application, facility, text;
};
bool hl7_mapping_list(struct store *, struct arena *a,
    struct hl7_mapping_row **out, size_t *n, struct err *e) MUST_USE;
/* Changes with every change of a mapping or node, by any process. */
bool hl7_version(struct store *, int64_t *out, struct err *e) MUST_USE;

#endif
