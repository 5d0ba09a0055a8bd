/*
 * The actions of the verb 'hl7', a file each.
 */
#ifndef APP_WORKLIST_HL7_H
#define APP_WORKLIST_HL7_H

#include "app/worklist/common.h"
#include "hl7/mapping.h"

struct hl7_request {
	const char *data, *timeout, *html, *mapping, *sender, *max;
	const char *application, *facility, *host, *port, *out;
	bool tls, no_tls, queue, failed;
	struct words words; /* the action's name first */
	struct store *store;
	struct settings settings;
};

/* The archive, which must be there, and the settings. */
bool hl7_need_store(struct hl7_request *r, struct err *e) MUST_USE;
/* The archive if there is one; never made. */
bool hl7_want_store(struct hl7_request *r, struct err *e) MUST_USE;

/* The mapping in force for a sender; *from says what it is, in words. */
bool hl7_mapping_load(struct hl7_request *r, struct str application,
    struct str facility, struct arena *a, struct mapping *out,
    const char **from, struct err *e) MUST_USE;
/* A file in the form of 'mapping export'. */
bool hl7_mapping_file(
    const char *path, struct mapping *out, struct err *e) MUST_USE;

bool hl7_send(struct hl7_request *r, struct err *e) MUST_USE;
bool hl7_compare(struct hl7_request *r, struct err *e) MUST_USE;
bool hl7_map(struct hl7_request *r, struct err *e) MUST_USE;
bool hl7_mapping(struct hl7_request *r, struct err *e) MUST_USE;
bool hl7_journal(struct hl7_request *r, struct err *e) MUST_USE;
bool hl7_merges(struct hl7_request *r, struct err *e) MUST_USE;
bool hl7_nodes(struct hl7_request *r, struct err *e) MUST_USE;

#endif
