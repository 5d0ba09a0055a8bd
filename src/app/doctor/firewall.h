/*
 * Whether a packet filter of this machine keeps peers out, as far as its rules
 * tell. Nothing is changed.
 */
#ifndef APP_DOCTOR_FIREWALL_H
#define APP_DOCTOR_FIREWALL_H

#include "base/buf.h"
#include "base/err.h"

enum firewall {
	FIREWALL_OPEN,   /* the rules drop and reject nothing that comes in */
	FIREWALL_NAMED,  /* they do, and name the port */
	FIREWALL_FILTERS /* they do, and do not */
};
/* What rules as 'nft list ruleset' or 'iptables-save' prints them say about a
 * TCP port. They are not interpreted: a port that is named may be blocked. */
enum firewall firewall_judge(struct str rules, uint16_t port);

/* The rules of this machine. *known false: they cannot be read; *any false:
 * the kernel has no packet filter loaded. */
void firewall_read(struct buf *rules, bool *known, bool *any);

#endif
