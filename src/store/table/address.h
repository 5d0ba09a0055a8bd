/*
 * Addresses of hosts, to tell whether a caller is one of those we know. Only
 * for src/store.
 */
#ifndef STORE_TABLE_ADDRESS_H
#define STORE_TABLE_ADDRESS_H

#include "base/str.h"

#define ADDRESSES 8

/* An address as IPv6; IPv4 is mapped. */
struct address {
	uint8_t b[16];
};

struct resolved {
	struct address v[ADDRESSES];
	size_t n;
	int64_t at_ms; /* clock_mono_ms() */
};

/* "192.168.1.7", "::1", "[fe80::1%eth0]" */
bool address_parse(const char *text, struct address *out);
/* Numeric, or a name that is looked up: may take long, hold no lock. None
 * when it does not resolve. */
void address_resolve(const char *host, struct resolved *out);
bool address_among(const struct resolved *r, const struct address *a);

#endif
