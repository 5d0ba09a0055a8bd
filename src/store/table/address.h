/*
 * Addresses of hosts, to tell whether a caller is one of those we know. Only
 * for src/store.
 */
#ifndef STORE_TABLE_ADDRESS_H
#define STORE_TABLE_ADDRESS_H

#include "base/str.h"

#include <sys/socket.h>

#define ADDRESSES 8

/* An address as IPv6; IPv4 is mapped. */
struct address {
	uint8_t b[16];
};

/* "192.168.1.7", "::1", "[fe80::1%eth0]" */
bool address_parse(const char *text, struct address *out);
/* False when it is neither IPv4 nor IPv6. */
bool address_of(const struct sockaddr *from, struct address *out);

#endif
