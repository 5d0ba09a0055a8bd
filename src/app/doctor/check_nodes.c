/*
 * The known nodes: names that resolve, titles that are mistaken for each
 * other, and with --nodes a C-ECHO to each.
 */
#include "app/doctor/doctor.h"

#include "app/client_settings.h"
#include "app/doctor/crowd.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/map.h"
#include "base/os.h"
#include "dicom/dict.h"
#include "service/client/client.h"
#include "store/table/node.h"

#include <inttypes.h>
#include <netdb.h>
#include <sys/socket.h>

#define WAIT_NAMES_MS 12000
#define WAIT_ECHO_MS  30000
#define ECHO_MS       8000

/* A node and what became of it. */
struct visit {
	struct node node;
	struct client client;
	bool ask; /* with C-ECHO */
	bool resolved, local, answered;
	int64_t took_ms;
	char why[300];
};

/* Only an address of this machine can be bound. */
static bool
is_local(const struct addrinfo *at)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool local;

	if (fd < 0)
		return false;
	local = bind(fd, at->ai_addr, at->ai_addrlen) == 0;
	os_close(&fd);
	return local;
}

static bool
find_host(struct visit *v)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	const struct addrinfo *at;
	int code = getaddrinfo(v->node.host, NULL, &hints, &list);

	if (code != 0) {
		snprintf(v->why, sizeof(v->why), "%s", gai_strerror(code));
		return false;
	}
	for (at = list; at != NULL && !v->local; at = at->ai_next)
		v->local = is_local(at);
	freeaddrinfo(list);
	return true;
}

static bool
echo(struct visit *v, struct err *e)
{
	struct str syntax = STR(UID_ImplicitVRLittleEndian);
	struct pdu_context context = {
	    .abstract = STR(UID_Verification),
	    .syntaxes = &syntax,
	    .syntax_count = 1,
	};
	struct client_wish wish = {.contexts = &context, .context_count = 1};
	struct client_end end;
	struct assoc *a;
	bool ok;

	if (!client_open(&a, &v->client, &v->node, &wish, e))
		return false;
	ok = client_echo(a, &end, e);
	client_close(&a);
	if (ok && end.status != 0)
		return fail(e, ERR_PROTOCOL,
		    "node '%s' answers C-ECHO with status %04X", v->node.ae,
		    (unsigned)end.status);
	return ok;
}

static void
visit(void *item)
{
	struct visit *v = item;
	int64_t began = clock_mono_ms();
	struct err e;

	v->resolved = find_host(v);
	if (!v->resolved || !v->ask || v->node.port == 0)
		return;
	v->answered = echo(v, &e);
	v->took_ms = clock_mono_ms() - began;
	if (!v->answered)
		snprintf(v->why, sizeof(v->why), "%.299s", e.text);
}

static void
say_late(struct doctor *d, const struct visit *v)
{
	if (v->ask)
		doctor_say(d, SIGN_NODE_SLOW,
		    "node '%s' (%s) was not through within %d s", v->node.ae,
		    v->node.host, WAIT_ECHO_MS / 1000);
	else
		doctor_say(d, SIGN_NODE_SLOW_NAME,
		    "node '%s': '%s' was not resolved within %d s", v->node.ae,
		    v->node.host, WAIT_NAMES_MS / 1000);
}

static void
say_visit(struct doctor *d, const struct visit *v)
{
	if (!v->resolved) {
		doctor_say(d, SIGN_NODE_NO_ADDRESS,
		    "node '%s': its host '%s' has no address: %s", v->node.ae,
		    v->node.host, v->why);
		doctor_command(d, "fileroom node edit %s --host ADDRESS",
		    doctor_quote(d, v->node.ae));
		return;
	}
	if (!v->ask || v->node.port == 0)
		return;
	if (v->answered)
		doctor_say(d, SIGN_NODE_ANSWERS,
		    "node '%s' (%s port %u) answered in %" PRId64 " ms",
		    v->node.ae, v->node.host, (unsigned)v->node.port,
		    v->took_ms);
	else
		doctor_say(d, SIGN_NODE_SILENT, "%s", v->why);
}

/* Our own title must lead here. */
static void
check_self(struct doctor *d, const struct visit *v)
{
	const struct setting_value *port =
	    doctor_setting(d, v->node.tls ? "dicom.tls_port" : "dicom.port");

	if (strcmp(v->node.ae, d->settings.at[SETTING_DICOM_AE_TITLE].text) !=
		0 ||
	    !v->resolved)
		return;
	if (v->local &&
	    (port == NULL || port->number < 0 || port->number == v->node.port))
		return;
	doctor_say(d, SIGN_NODE_SELF,
	    "node '%s' is %s port %u; this server is %s port %s", v->node.ae,
	    v->node.host, (unsigned)v->node.port,
	    v->local ? "there, but on" : "this machine,",
	    port != NULL ? port->text : "(none)");
	doctor_command(
	    d, "fileroom node delete %s", doctor_quote(d, v->node.ae));
}

static void
check_alike(struct doctor *d, struct node *nodes, size_t n)
{
	struct node *other;
	struct map titles;
	char lower[17];
	size_t i, j;

	map_init(&titles);
	for (i = 0; i < n; i++) {
		for (j = 0; nodes[i].ae[j] != '\0'; j++)
			lower[j] =
			    nodes[i].ae[j] >= 'A' && nodes[i].ae[j] <= 'Z'
				? (char)(nodes[i].ae[j] + 32)
				: nodes[i].ae[j];
		other = map_put(&titles, str_of(lower, j), &nodes[i]);
		if (other != NULL)
			doctor_say(d, SIGN_NODE_ALIKE, "'%s' and '%s'",
			    other->ae, nodes[i].ae);
	}
	map_fini(&titles);
}

static void
check_portless(struct doctor *d, const struct node *nodes, size_t n)
{
	char names[400] = "";
	size_t at = 0, count = 0, i;

	for (i = 0; i < n; i++) {
		if (nodes[i].port != 0)
			continue;
		if (at + 24 < sizeof(names))
			at += (size_t)snprintf(names + at, sizeof(names) - at,
			    "%s'%s'", count > 0 ? ", " : "", nodes[i].ae);
		count++;
	}
	if (count > 0)
		doctor_say(d, SIGN_NODE_NO_PORT,
		    "nodes without a port: %zu (%s)", count, names);
}

/* As the server calls, but not more patient than all may take. */
static bool
our_client(struct doctor *d, struct client *out)
{
	struct err e;

	if (!client_settings(&d->settings, d->data, out, &e)) {
		doctor_say(d, SIGN_NOT_CHECKED, "nodes: %s", e.text);
		return false;
	}
	if (out->timeout_ms > ECHO_MS)
		out->timeout_ms = ECHO_MS;
	return true;
}

static void
visit_all(struct doctor *d, const struct node *nodes, size_t n)
{
	struct visit *v = must_zalloc((n + 1) * sizeof(*v));
	bool *done = must_zalloc(n + 1), all = true;
	struct client client = {.tls = NULL};
	bool ask = d->ask_nodes && our_client(d, &client);
	size_t i;

	for (i = 0; i < n; i++) {
		v[i].node = nodes[i];
		v[i].ask = ask;
		v[i].client = client;
	}
	crowd_run(
	    v, sizeof(*v), n, visit, ask ? WAIT_ECHO_MS : WAIT_NAMES_MS, done);
	for (i = 0; i < n; i++) {
		all = all && done[i];
		if (!done[i]) {
			say_late(d, &v[i]);
			continue;
		}
		say_visit(d, &v[i]);
		check_self(d, &v[i]);
	}
	/* Those that are late go on with it until the process ends. */
	if (all)
		client_fini(&client);
	free(done);
	free(v);
}

void
check_nodes(struct doctor *d)
{
	struct node *nodes;
	struct err e;
	size_t n;

	if (d->store == NULL)
		return;
	if (!node_list(d->store, &d->arena, &nodes, &n, &e)) {
		doctor_say(d, SIGN_NOT_CHECKED, "nodes: %s", e.text);
		return;
	}
	if (n == 0 &&
	    !strcmp(d->settings.at[SETTING_DICOM_ACCESS].text, "known"))
		doctor_say(d, SIGN_NODES_NONE, "no node is known");
	else
		doctor_say(d, SIGN_NODES_KNOWN, "known nodes: %zu", n);
	check_alike(d, nodes, n);
	check_portless(d, nodes, n);
	visit_all(d, nodes, n);
}
