/*
 * Telling the HIS (worklist.notify) that an item of the worklist has another
 * status: an ORM^O01 with order control SC, sent by the job queue. The job is
 * queued in the transaction that changes the item.
 */
#ifndef SERVICE_WORKLIST_NOTIFY_H
#define SERVICE_WORKLIST_NOTIFY_H

#include "base/json.h"
#include "store/worklist/item.h"

struct notify_config {
	char to[256]; /* "HOST:PORT" or the name of an HL7 node; "": nobody */
	char application[65], facility[65]; /* MSH-3, MSH-4 */
};

/* The watch of one change; the config must live as long. */
struct item_watch notify_watch(const struct notify_config *config);

/* Members of an object, for the detail of a job; and back. */
void notify_write(const struct notify_config *config, struct json *j);
void notify_read(struct str object, struct notify_config *out);

#endif
