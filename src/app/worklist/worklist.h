/*
 * The actions of the verb 'worklist'.
 */
#ifndef APP_WORKLIST_WORKLIST_H
#define APP_WORKLIST_WORKLIST_H

#include "app/worklist/common.h"

struct worklist_request {
	const char *data, *from, *to, *patient, *name, *accession, *modality;
	const char *station, *status, *max, *out, *application, *facility;
	const char *timeout;
	bool today, json, tls, queue, unscheduled;
	struct words words; /* the action's name first */
	struct store *store;
	struct settings settings;
	struct worklist_rules rules;
};

/* The archive, which must be there (or is made), settings and rules. */
bool worklist_open(
    struct worklist_request *r, bool create, struct err *e) MUST_USE;

bool worklist_list(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_show(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_new(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_edit(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_duplicate(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_delete(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_import(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_export(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_send(struct worklist_request *r, struct err *e) MUST_USE;

bool worklist_exams(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_reports(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_report(struct worklist_request *r, struct err *e) MUST_USE;
bool worklist_explain(struct worklist_request *r, struct err *e) MUST_USE;

/* The words from 'first' on, "FIELD=VALUE": into the item, each value as its
 * field keeps it. Text lies in the arena. Warns of what modalities get cut. */
bool item_assign(const struct words *words, size_t first, struct arena *a,
    struct item *item, struct err *e) MUST_USE;
/* "scheduled", "ON HOLD", "on-hold"; STATUS_NONE: it is none. */
enum order_status item_status_word(struct str word);

#endif
