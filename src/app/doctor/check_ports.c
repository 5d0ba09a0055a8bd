/*
 * The ports of the settings table, each tried as the server would open it. A
 * socket is bound and closed again, but never listens, so a server that starts
 * meanwhile is not in our way, nor we in its.
 */
#include "app/doctor/doctor.h"

#include "app/doctor/sockets.h"
#include "base/os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

struct port {
	const char *key;
	uint16_t number;
	const char *bind; /* "" for all addresses */
};

struct ports {
	struct doctor *d;
	struct listening *sockets;
	size_t n;
};

static int
try_address(const struct addrinfo *at)
{
	int fd, on = 1, off = 0, code = 0;

	fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, at->ai_protocol);
	if (fd < 0)
		return errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->ai_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, at->ai_addr, at->ai_addrlen) != 0)
		code = errno;
	os_close(&fd);
	return code;
}

static int
try_family(const struct addrinfo *list, int family)
{
	int code = EADDRNOTAVAIL;

	for (; list != NULL && code != 0; list = list->ai_next)
		if (list->ai_family == family)
			code = try_address(list);
	return code;
}

/* 0, an errno, or -1 when the name does not resolve, with the reason. The
 * families in the order of net/listen.c. */
static int
try_port(const struct port *p, const char **why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	bool all = p->bind[0] == '\0';
	struct addrinfo *list;
	char service[8];
	int code;

	snprintf(service, sizeof(service), "%u", (unsigned)p->number);
	code = getaddrinfo(all ? NULL : p->bind, service, &hints, &list);
	if (code != 0) {
		*why = gai_strerror(code);
		return -1;
	}
	code = try_family(list, all ? AF_INET6 : AF_INET);
	if (code == EADDRNOTAVAIL || code == EAFNOSUPPORT)
		code = try_family(list, all ? AF_INET : AF_INET6);
	freeaddrinfo(list);
	return code;
}

/* Whether the running server has the socket; of a server into whose process
 * we may not look, by its user. */
static bool
is_servers(const struct ports *p, const struct listening *l)
{
	char path[64];
	struct stat st;
	bool seen;

	if (!p->d->served || p->d->process == 0)
		return false;
	if (process_has(p->d->process, l->inode, &seen))
		return true;
	snprintf(path, sizeof(path), "/proc/%lld", (long long)p->d->process);
	return !seen && stat(path, &st) == 0 && st.st_uid == l->user;
}

static const struct listening *
servers_socket(const struct ports *p, uint16_t number)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->sockets[i].port == number &&
		    is_servers(p, &p->sockets[i]))
			return &p->sockets[i];
	return NULL;
}

static void
say_taken(struct ports *p, const struct port *port)
{
	char name[32], address[64];
	int64_t process;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->sockets[i].port == port->number)
			break;
	if (i == p->n) {
		doctor_say(p->d, SIGN_PORT_TAKEN,
		    "%s: port %u is in use by a program that cannot be seen "
		    "from here",
		    port->key, (unsigned)port->number);
		return;
	}
	(void)listening_text(&p->sockets[i], address);
	process = process_of(p->sockets[i].inode);
	if (process == 0)
		doctor_say(p->d, SIGN_PORT_TAKEN,
		    "%s: port %u is in use by a program of user %u, on %s "
		    "(root sees which)",
		    port->key, (unsigned)port->number,
		    (unsigned)p->sockets[i].user, address);
	else
		doctor_say(p->d, SIGN_PORT_TAKEN,
		    "%s: port %u is in use by '%s' (process %" PRId64
		    "), on %s",
		    port->key, (unsigned)port->number,
		    process_name(process, name), process, address);
}

/* Where the server listens instead. */
static void
say_elsewhere(struct ports *p, const struct port *port)
{
	char where[512] = "", address[64];
	size_t i, n = 0;

	for (i = 0; i < p->n; i++)
		if (is_servers(p, &p->sockets[i]) && n + 66 < sizeof(where))
			n += (size_t)snprintf(where + n, sizeof(where) - n,
			    " %s", listening_text(&p->sockets[i], address));
	doctor_say(p->d, SIGN_PORT_ELSEWHERE,
	    "%s is %u, but the server does not listen there; it listens "
	    "on:%s",
	    port->key, (unsigned)port->number,
	    n > 0 ? where : " no port at all");
}

static void
say_tried(struct ports *p, const struct port *port, int code, const char *why)
{
	const char *bind = port->bind[0] != '\0' ? port->bind : "any address";

	if (code == EADDRINUSE)
		say_taken(p, port);
	else if (code == EACCES)
		doctor_say(p->d, SIGN_PORT_RIGHT,
		    "%s: user %u may not open port %u", port->key,
		    (unsigned)geteuid(), (unsigned)port->number);
	else if (code == EADDRNOTAVAIL || code == -1)
		doctor_say(p->d, SIGN_BIND_UNKNOWN,
		    "%s: '%s' is no address of this machine%s%s", port->key,
		    bind, code == -1 ? ": " : "", code == -1 ? why : "");
	else if (code != 0)
		doctor_say(p->d, SIGN_PORT_UNKNOWN, "%s: %s port %u: %s",
		    port->key, bind, (unsigned)port->number,
		    strerrordesc_np(code));
	else if (p->d->served)
		say_elsewhere(p, port);
	else
		doctor_say(p->d, SIGN_PORT_FREE, "%s: port %u is free on %s",
		    port->key, (unsigned)port->number, bind);
}

static void
check_port(struct ports *p, const struct port *port)
{
	const struct listening *ours = servers_socket(p, port->number);
	const char *why = "";
	char address[64];
	int code;

	if (ours != NULL) {
		doctor_say(p->d, SIGN_PORT_OURS, "%s: the server listens on %s",
		    port->key, listening_text(ours, address));
		return;
	}
	code = try_port(port, &why);
	say_tried(p, port, code, why);
}

/* The ports that are open by their settings. */
static size_t
find_ports(struct doctor *d, struct port out[SETTING_COUNT])
{
	const struct setting_value *v, *bind;
	const struct setting_info *info;
	size_t n = 0;
	unsigned i;

	for (i = 0; i < SETTING_COUNT; i++) {
		info = settings_info((enum setting_id)i);
		v = &d->settings.at[i];
		if (info->type != SETTING_TYPE_PORT)
			continue;
		if (v->number == 0) {
			doctor_say(
			    d, SIGN_PORT_CLOSED, "%s is 0: closed", info->key);
			continue;
		}
		if (v->number == SETTING_PORT_AUTO) {
			doctor_say(
			    d, SIGN_PORT_AUTO, "%s is 'auto'", info->key);
			continue;
		}
		bind = doctor_sibling(d, info->key, "bind");
		out[n++] = (struct port){
		    .key = info->key,
		    .number = (uint16_t)v->number,
		    .bind = bind != NULL ? bind->text : "",
		};
	}
	return n;
}

static void
check_twice(struct doctor *d, const struct port *ports, size_t n)
{
	const struct port *a, *b;
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++) {
			a = &ports[i];
			b = &ports[j];
			if (a->number != b->number ||
			    (a->bind[0] != '\0' && b->bind[0] != '\0' &&
				strcmp(a->bind, b->bind) != 0))
				continue;
			doctor_say(d, SIGN_PORT_TWICE, "%s and %s are both %u",
			    a->key, b->key, (unsigned)a->number);
		}
}

void
check_ports(struct doctor *d)
{
	struct port ports[SETTING_COUNT];
	struct ports p = {.d = d};
	struct err e;
	size_t n, i;

	if (!listening_all(&p.sockets, &p.n, &e))
		doctor_say(d, SIGN_NOT_CHECKED, "which programs have ports: %s",
		    e.text);
	n = find_ports(d, ports);
	check_twice(d, ports, n);
	for (i = 0; i < n; i++)
		check_port(&p, &ports[i]);
	free(p.sockets);
}
