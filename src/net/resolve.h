/*
 * Addresses of a host name, with a deadline: getaddrinfo() has none, and a
 * name service that does not answer would hold a worker for minutes.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/conn.h"

#include <netdb.h>

/* ERR_IO: there is no such host; ERR_TIMEOUT: no answer until deadline_ms
 * (clock_mono_ms); ERR_CANCELLED: watch (may be NULL) or the end of the
 * program stopped it; ERR_LIMIT: too many look-ups hang already. *out is for
 * freeaddrinfo(). */
bool resolve(const char *host, uint16_t port, int64_t deadline_ms,
    const struct conn_watch *watch, struct addrinfo **out,
    struct err *e) MUST_USE;

#endif
