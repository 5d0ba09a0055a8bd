/*
 * C-ECHO to nodes, for the verb 'echo' and for 'node echo'.
 */
#ifndef APP_CLIENT_ECHO_H
#define APP_CLIENT_ECHO_H

#include "service/client/client.h"

/* To one node, and print what it says. */
bool echo_one(const struct client *c, const struct node *n, struct err *e);
/* To all, several at a time, as a table. False: one of them did not answer. */
bool echo_all(
    const struct client *c, const struct node *nodes, size_t n, struct err *e);

#endif
