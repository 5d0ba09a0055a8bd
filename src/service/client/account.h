/*
 * The activity of associations that we open: a row each, as those that others
 * open have (service/record.h). What is asked in one is counted where it is
 * asked. Of an attempt that gave none there is a row too, with the reason.
 */
#ifndef SERVICE_CLIENT_ACCOUNT_H
#define SERVICE_CLIENT_ACCOUNT_H

#include "service/client/client.h"
#include "store/table/activity.h"

/* The association has begun; its row is written when it is freed. */
void account_begin(struct assoc *a, const struct client *c, int64_t start_ms);
void account_failed(const struct client *c, const struct node *to,
    int64_t start_ms, const struct err *why);
/* The row to count in; never NULL, though nobody may ever read it. */
struct activity *account(const struct assoc *a);
/* The last thing worth telling; a peer's bytes may be among it. */
void account_note(const struct assoc *a, const char *text);

#endif
