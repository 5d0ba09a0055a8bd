/*
 * Listening sockets, parked in a lot like everything else: accepting costs no
 * thread of its own. When descriptors run out, accepting pauses for 100 ms
 * instead of spinning.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "net/conn.h"
#include "net/lot.h"

struct listener;

/* Called in the lot's thread; takes the connection. */
typedef void listen_fn(void *ctx, struct conn *c);

/* bind: "" for all addresses (IPv6 and IPv4), or a numeric address or host
 * name. port 0 takes a free one. ERR_IO names the address and the reason
 * ("port 104 is in use by another program", "ports below 1024 need ..."). */
bool listener_open(struct listener **, struct lot *, const char *bind,
    uint16_t port, listen_fn *fn, void *ctx, struct err *e);
void listener_close(struct listener **);
/* "127.0.0.1:11121", "[::]:11121" */
const char *listener_address(const struct listener *);
uint16_t listener_port(const struct listener *);

#endif
