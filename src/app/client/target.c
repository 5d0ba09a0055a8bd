/*
 * Nodes and settings of a verb.
 */
#include "app/client/target.h"

#include "app/client_settings.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#define FORM "allowed: a known node's AE title, or AETITLE@HOST:PORT[+tls]"

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

void
interrupt_catch(void)
{
	struct sigaction action = {
	    .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

bool
interrupted(void)
{
	return stopped != 0;
}

/* PS3.5 6.2 AE: as 'node add' takes them. */
static bool
take_title(char out[17], struct str s)
{
	size_t i;

	s = str_trim(s);
	for (i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '\\')
			return false;
	return s.n > 0 && str_copy(out, 17, s);
}

static bool
bad_node(const char *word, const char *what, struct err *e)
{
	char shown[100];

	return fail(e, ERR_USAGE, "node '%s': %s; %s",
	    str_printable(shown, sizeof(shown), str_from(word)), what, FORM);
}

/* Where the port's colon is: behind the bracket of an IPv6 address. */
static size_t
find_last(struct str s, uint8_t c)
{
	size_t i;

	for (i = s.n; i > 0; i--)
		if (s.p[i - 1] == c)
			return i - 1;
	return s.n;
}

static bool
take_host(struct node *n, struct str s)
{
	size_t i;

	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_of(s.p + 1, s.n - 2);
	else if (str_find(s, ':') < s.n)
		return false;
	for (i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '/' ||
		    s.p[i] == '\\' || s.p[i] == '[' || s.p[i] == ']')
			return false;
	return s.n > 0 && str_copy(n->host, sizeof(n->host), s);
}

bool
target_parse(const char *word, struct node *out, struct err *e)
{
	struct str s = str_from(word), rest;
	size_t at = find_last(s, '@'), colon;
	uint64_t port;

	*out = (struct node){0};
	if (at == s.n)
		return bad_node(word, "it names no host", e);
	if (!take_title(out->ae, str_of(s.p, at)))
		return bad_node(
		    word, "an AE title has 1 to 16 characters of ASCII", e);
	rest = str_of(s.p + at + 1, s.n - at - 1);
	out->tls = str_ends(rest, STR("+tls"));
	if (out->tls)
		rest.n -= 4;
	colon = find_last(rest, ':');
	if (colon == rest.n)
		return bad_node(word, "it names no port", e);
	if (!str_u64(str_of(rest.p + colon + 1, rest.n - colon - 1), &port) ||
	    port == 0 || port > UINT16_MAX)
		return bad_node(word, "a port is a number up to 65535", e);
	out->port = (uint16_t)port;
	if (!take_host(out, str_of(rest.p, colon)))
		return bad_node(word,
		    "the host is a name, an address, or an IPv6 address in "
		    "brackets",
		    e);
	return true;
}

bool
target_node(struct target *t, const char *word, struct node *out, struct err *e)
{
	struct err why;
	char shown[100];

	if (str_find(str_from(word), '@') < strlen(word))
		return target_parse(word, out, e);
	(void)str_printable(shown, sizeof(shown), str_from(word));
	if (t->store == NULL)
		return fail(e, ERR_USAGE,
		    "node '%s': there is no archive in '%s' that could know "
		    "it; " FORM,
		    shown, t->data);
	if (node_find(t->store, word, out, &why))
		return true;
	if (why.code != ERR_MISSING) {
		*e = why;
		return false;
	}
	return fail(e, ERR_USAGE,
	    "node '%s' is not known ('fileroom node list' shows who is); " FORM,
	    shown);
}

static bool
take_options(struct target *t, const struct target_options *o, struct err *e)
{
	uint64_t seconds;

	if (o->aet != NULL && !take_title(t->client.ae_title, str_from(o->aet)))
		return fail(e, ERR_USAGE,
		    "--aet: allowed are 1 to 16 characters of ASCII without "
		    "backslash");
	if (o->timeout == NULL)
		return true;
	if (!str_u64(str_from(o->timeout), &seconds) || seconds == 0 ||
	    seconds > 86400)
		return fail(
		    e, ERR_USAGE, "--timeout: allowed are 1 to 86400 seconds");
	t->client.timeout_ms = (int)seconds * 1000;
	t->patient = true;
	return true;
}

static bool
load_settings(struct target *t, struct err *e)
{
	if (t->store != NULL)
		return settings_for_verb(&t->settings, t->store, e);
	settings_init(&t->settings);
	return settings_load_environment(&t->settings, environ, e);
}

/* A file of the command line, which is not looked for beneath the archive. */
static bool
set_file(struct settings *s, struct str key, const char *name, struct err *e)
{
	char path[PATH_MAX];

	if (name == NULL)
		return true;
	if (realpath(name, path) == NULL) {
		fail_errno(e, "cannot open '%.200s'", name);
		e->code = ERR_USAGE;
		return false;
	}
	return settings_set(s, key, str_from(path), SOURCE_COMMAND_LINE, e);
}

static bool
set_options(struct settings *s, const struct target_options *o, struct err *e)
{
	return set_file(s, STR("dicom.tls_cert"), o->tls_cert, e) &&
	       set_file(s, STR("dicom.tls_key"), o->tls_key, e) &&
	       set_file(s, STR("dicom.tls_ca"), o->tls_ca, e);
}

bool
target_with(struct target *t, struct store *store,
    const struct target_options *o, struct err *e)
{
	*t = (struct target){.data = verb_data(o->data), .store = store};
	return load_settings(t, e) && set_options(&t->settings, o, e) &&
	       client_settings(&t->settings, t->data, &t->client, e) &&
	       take_options(t, o, e);
}

bool
target_open(struct target *t, const struct target_options *o, struct err *e)
{
	const char *data = verb_data(o->data);
	struct store *store = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/fileroom.db", data);
	if (access(path, F_OK) == 0 && !verb_store(&store, data, false, e))
		return false;
	if (target_with(t, store, o, e))
		return true;
	target_close(t);
	return false;
}

void
target_close(struct target *t)
{
	client_fini(&t->client);
	if (t->store != NULL)
		store_close(&t->store);
}

bool
target_needs_store(const struct target *t, struct err *e)
{
	return t->store != NULL ||
	       fail(e, ERR_MISSING, "there is no archive in '%s' (--data)",
		   t->data);
}
