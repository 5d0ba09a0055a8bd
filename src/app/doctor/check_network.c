/*
 * This machine in its network: the addresses by which peers reach it, where
 * the server listens, packet filters, its own name.
 */
#include "app/doctor/doctor.h"

#include "app/doctor/firewall.h"
#include "base/limit.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <unistd.h>

#define RULES_BYTES (4 * MIB)

static bool
is_loopback(const struct sockaddr *a)
{
	const void *p = a;

	if (a->sa_family == AF_INET)
		return ntohl(
			   ((const struct sockaddr_in *)p)->sin_addr.s_addr) >>
			   24 ==
		       127;
	return a->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(
		   &((const struct sockaddr_in6 *)p)->sin6_addr);
}

/* One that a peer can use: no loopback, none of the link only. */
static bool
is_for_peers(const struct ifaddrs *i)
{
	const void *p = i->ifa_addr;

	if (p == NULL || (i->ifa_flags & IFF_UP) == 0 ||
	    is_loopback(i->ifa_addr))
		return false;
	if (i->ifa_addr->sa_family == AF_INET)
		return true;
	return i->ifa_addr->sa_family == AF_INET6 &&
	       !IN6_IS_ADDR_LINKLOCAL(
		   &((const struct sockaddr_in6 *)p)->sin6_addr);
}

/* "192.0.2.7 (eth0), 192.0.2.8 (eth1)", how many, and whether there are several
 * of a kind: one of IPv4 and one of IPv6 is no choice to make. */
static size_t
list_addresses(
    const struct ifaddrs *list, char *out, size_t room, bool *several)
{
	size_t n = 0, at = 0, four = 0;
	char text[INET6_ADDRSTRLEN];

	out[0] = '\0';
	for (; list != NULL; list = list->ifa_next) {
		if (!is_for_peers(list) ||
		    getnameinfo(list->ifa_addr,
			list->ifa_addr->sa_family == AF_INET
			    ? sizeof(struct sockaddr_in)
			    : sizeof(struct sockaddr_in6),
			text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		if (at + 100 < room)
			at += (size_t)snprintf(out + at, room - at,
			    "%s%s (%.16s)", n > 0 ? ", " : "", text,
			    list->ifa_name);
		n++;
		four += list->ifa_addr->sa_family == AF_INET;
	}
	*several = four > 1 || n - four > 1;
	return n;
}

static void
check_addresses(struct doctor *d)
{
	struct ifaddrs *list = NULL;
	char text[800];
	bool several;
	size_t n;

	if (getifaddrs(&list) != 0) {
		doctor_say(
		    d, SIGN_NOT_CHECKED, "the addresses of this machine");
		return;
	}
	n = list_addresses(list, text, sizeof(text), &several);
	if (n == 0)
		doctor_say(
		    d, SIGN_NETWORK_NONE, "no address that peers could use");
	else
		doctor_say(d,
		    several ? SIGN_NETWORK_SEVERAL : SIGN_NETWORK_ADDRESSES,
		    "peers reach this machine by: %s", text);
	freeifaddrs(list);
}

static bool
binds_loopback(const char *bind)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	bool loopback;

	if (bind[0] == '\0' || getaddrinfo(bind, NULL, &hints, &list) != 0)
		return false;
	loopback = is_loopback(list->ai_addr);
	freeaddrinfo(list);
	return loopback;
}

/* The open ports that peers are to reach; "dicom.bind" once a section. */
static void
check_port(struct doctor *d, enum setting_id id, const struct buf *rules,
    bool known, bool any)
{
	const char *key = settings_info(id)->key;
	const struct setting_value *bind = doctor_sibling(d, key, "bind");
	uint16_t port = (uint16_t)d->settings.at[id].number;

	if (bind != NULL && binds_loopback(bind->text)) {
		doctor_say(d, SIGN_NETWORK_LOOPBACK,
		    "%s %u is opened on '%s' only", key, (unsigned)port,
		    bind->text);
		return;
	}
	if (!any || !known)
		return;
	switch (firewall_judge(buf_str(rules), port)) {
	case FIREWALL_OPEN:
		doctor_say(d, SIGN_FIREWALL_NONE,
		    "the rules drop nothing that comes to port %u",
		    (unsigned)port);
		break;
	case FIREWALL_NAMED:
		doctor_say(d, SIGN_FIREWALL_NONE,
		    "packets are filtered, and a rule names port %u",
		    (unsigned)port);
		break;
	case FIREWALL_FILTERS:
		doctor_say(d, SIGN_FIREWALL_FILTERS,
		    "packets are filtered, and no rule names port %u",
		    (unsigned)port);
		doctor_command(d,
		    access("/usr/sbin/ufw", X_OK) == 0
			? "ufw allow %u/tcp"
			: "nft add rule inet filter input tcp dport %u accept",
		    (unsigned)port);
		break;
	}
}

static void
check_firewall(struct doctor *d)
{
	bool known, any;
	struct buf rules;
	unsigned i;

	buf_init(&rules, RULES_BYTES);
	firewall_read(&rules, &known, &any);
	if (!any)
		doctor_say(d, SIGN_FIREWALL_NONE,
		    "this kernel has no packet filter loaded");
	else if (!known)
		doctor_say(d, SIGN_FIREWALL_HIDDEN,
		    geteuid() == 0
			? "a packet filter is loaded, but neither nft nor "
			  "iptables-save is here to show its rules"
			: "the rules of the packet filter are for root to "
			  "read");
	for (i = 0; i < SETTING_COUNT; i++)
		if (settings_info((enum setting_id)i)->type ==
			SETTING_TYPE_PORT &&
		    d->settings.at[i].number > 0)
			check_port(d, (enum setting_id)i, &rules, known, any);
	buf_fini(&rules);
}

static void
check_name(struct doctor *d)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	char name[256] = "", text[INET6_ADDRSTRLEN] = "";
	int code;

	if (gethostname(name, sizeof(name) - 1) != 0)
		return;
	code = getaddrinfo(name, NULL, &hints, &list);
	if (code != 0) {
		doctor_say(
		    d, SIGN_HOST_NO_NAME, "'%s': %s", name, gai_strerror(code));
		return;
	}
	(void)getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text),
	    NULL, 0, NI_NUMERICHOST);
	doctor_say(d, SIGN_HOST_NAME, "this machine is '%s' (%s)", name, text);
	freeaddrinfo(list);
}

void
check_network(struct doctor *d)
{
	check_addresses(d);
	check_firewall(d);
	check_name(d);
}
