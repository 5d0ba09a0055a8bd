/*
 * 'hl7 node'.
 */
#include "store/worklist/hl7_node.h"

#include "app/worklist/hl7.h"
#include "base/utf8.h"

static bool
take_text(const char *what, char *out, size_t room, const char *text,
    bool may_be_empty, struct err *e)
{
	struct str s = str_trim(str_from(text));
	char shown[100];
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			break;
	if (i == s.n && (s.n > 0 || may_be_empty) && utf8_valid(s) &&
	    str_copy(out, room, s))
		return true;
	return fail(e, ERR_USAGE,
	    "%s '%s' is not allowed; allowed: %s%zu "
	    "bytes of text",
	    what, str_printable(shown, sizeof(shown), s),
	    may_be_empty ? "at most " : "1 to ", room - 1);
}

static bool
take_name(struct hl7_node *n, const char *text, struct err *e)
{
	/* A colon would make it HOST:PORT. */
	if (strchr(text, ':') != NULL)
		return fail(
		    e, ERR_USAGE, "the name of an HL7 node has no colon");
	return take_text("name", n->name, sizeof(n->name), text, false, e);
}

static bool
take_host(struct hl7_node *n, const char *text, struct err *e)
{
	struct str s = str_trim(str_from(text));
	char shown[100];
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '/' ||
		    s.p[i] == '\\')
			break;
	if (s.n > 0 && i == s.n && str_copy(n->host, sizeof(n->host), s))
		return true;
	return fail(e, ERR_USAGE,
	    "host '%s' is not allowed; allowed: a host name or an address",
	    str_printable(shown, sizeof(shown), str_from(text)));
}

static bool
take_port(struct hl7_node *n, const char *text, struct err *e)
{
	char shown[80];
	uint64_t v;

	if (!str_u64(str_from(text), &v) || v > UINT16_MAX)
		return fail(e, ERR_USAGE,
		    "port '%s' is not allowed; allowed: 1 to 65535, or 0 for a "
		    "node that only sends",
		    str_printable(shown, sizeof(shown), str_from(text)));
	n->port = (uint16_t)v;
	return true;
}

static bool
take_options(struct hl7_node *n, const struct hl7_request *r, struct err *e)
{
	if (r->tls && r->no_tls)
		return fail(e, ERR_USAGE, "both --tls and --no-tls");
	if (r->tls || r->no_tls)
		n->tls = r->tls;
	if (r->application != NULL &&
	    !take_text("--app", n->application, sizeof(n->application),
		r->application, true, e))
		return false;
	return r->facility == NULL ||
	       take_text("--facility", n->facility, sizeof(n->facility),
		   r->facility, true, e);
}

static bool
add(struct hl7_request *r, struct err *e)
{
	const char *const *w = r->words.at + 2;
	struct hl7_node n = {0};

	if (r->host != NULL || r->port != NULL)
		return fail(e, ERR_USAGE, "--host and --port belong to 'edit'");
	return take_name(&n, w[0], e) && take_host(&n, w[1], e) &&
	       take_port(&n, w[2], e) && take_options(&n, r, e) &&
	       verb_store(&r->store, verb_data(r->data), true, e) &&
	       hl7_node_put(r->store, &n, true, e);
}

static bool
find(struct hl7_request *r, const char *name, struct hl7_node *out,
    struct err *e)
{
	struct hl7_node *nodes;
	char shown[100];
	struct arena a;
	size_t n = 0, i;
	bool ok;

	*out = (struct hl7_node){0};
	arena_init(&a, 4 * MIB);
	ok = hl7_node_list(r->store, &a, &nodes, &n, e);
	for (i = 0; ok && i < n; i++)
		if (strcmp(nodes[i].name, name) == 0)
			*out = nodes[i];
	arena_fini(&a);
	if (ok && out->name[0] == '\0')
		return fail(e, ERR_MISSING, "there is no HL7 node '%s'",
		    str_printable(shown, sizeof(shown), str_from(name)));
	return ok;
}

static bool
edit(struct hl7_request *r, struct err *e)
{
	struct hl7_node n = {0};

	/* Once without the archive: a wrong word opens nothing. */
	if ((r->host != NULL && !take_host(&n, r->host, e)) ||
	    (r->port != NULL && !take_port(&n, r->port, e)) ||
	    !take_options(&n, r, e))
		return false;
	if (!hl7_need_store(r, e) || !find(r, r->words.at[2], &n, e))
		return false;
	return (r->host == NULL || take_host(&n, r->host, e)) &&
	       (r->port == NULL || take_port(&n, r->port, e)) &&
	       take_options(&n, r, e) && hl7_node_put(r->store, &n, false, e);
}

static bool
delete_node(struct hl7_request *r, struct err *e)
{
	return hl7_need_store(r, e) &&
	       hl7_node_delete(r->store, r->words.at[2], e);
}

static void
put_part(const char *what, const char *text)
{
	if (text[0] == '\0')
		return;
	printf("  %s ", what);
	verb_put(stdout, text);
}

static bool
list(struct hl7_request *r, struct err *e)
{
	struct hl7_node *nodes;
	struct arena a;
	size_t n = 0, i;
	bool ok;

	if (!hl7_need_store(r, e))
		return false;
	arena_init(&a, 4 * MIB);
	ok = hl7_node_list(r->store, &a, &nodes, &n, e);
	for (i = 0; ok && i < n; i++) {
		verb_put(stdout, nodes[i].name);
		printf("  %s %u%s", nodes[i].host, (unsigned)nodes[i].port,
		    nodes[i].tls ? " tls" : "");
		put_part("application", nodes[i].application);
		put_part("facility", nodes[i].facility);
		putchar('\n');
	}
	arena_fini(&a);
	return ok;
}

bool
hl7_nodes(struct hl7_request *r, struct err *e)
{
	static const struct {
		const char *name;
		size_t words;
		bool plain; /* takes no options */
		bool (*run)(struct hl7_request *r, struct err *e);
	} actions[] = {
	    {"add", 5, false, add},
	    {"list", 2, true, list},
	    {"edit", 3, false, edit},
	    {"delete", 3, true, delete_node},
	};
	bool given = r->tls || r->no_tls || r->application != NULL ||
		     r->facility != NULL || r->host != NULL || r->port != NULL;
	char shown[80];
	size_t i;

	for (i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(actions[i].name, r->words.at[1]) != 0)
			continue;
		if (given && actions[i].plain)
			return fail(e, ERR_USAGE,
			    "'hl7 node %s' takes no options", actions[i].name);
		return options_words(
			   &r->words, actions[i].words, actions[i].words, e) &&
		       actions[i].run(r, e);
	}
	return fail(e, ERR_USAGE,
	    "hl7 node: '%s' is not allowed; allowed: add, list, edit or delete",
	    str_printable(shown, sizeof(shown), str_from(r->words.at[1])));
}
