/*
 * Where a request comes from and what it calls us: trusted proxies, and the
 * names under which we answer. Any other name is refused: a page of somebody
 * else may have let its own name point to us (DNS rebinding).
 */
#ifndef WEB_HTTP_ORIGIN_H
#define WEB_HTTP_ORIGIN_H

#include "web/http/call.h"

#define ORIGIN_NAMES   8
#define ORIGIN_PROXIES 32

struct network {
	uint8_t address[16]; /* IPv4 is mapped */
	unsigned bits;
};

struct origin {
	char names[ORIGIN_NAMES][CALL_HOST];
	size_t name_count;
	struct network proxies[ORIGIN_PROXIES];
	size_t proxy_count;
};

/* "10.0.0.1, 192.168.0.0/16, ::1"; empty or "none": no proxies. ERR_USAGE. */
bool origin_set_proxies(
    struct origin *o, struct str list, struct err *e) MUST_USE;
/* A name or an address by which we are called; a scheme before it and a port
 * behind it do not count. */
void origin_add_name(struct origin *o, struct str name);

/* Is this a trusted proxy's address, or one of this machine for itself? */
bool origin_is_near(const struct origin *o, struct str address);

/* Sets client, local, secure and host of the call from its headers and its
 * peer. False: the request is refused; status, code and words. */
struct origin_refusal {
	unsigned status;
	const char *code, *text;
};
bool origin_take(const struct origin *o, struct call *c, const char *peer,
    bool secure, struct origin_refusal *why) MUST_USE;

#endif
