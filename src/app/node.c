/*
 * 'node': the known DICOM nodes, and the callers that were refused.
 */
#include "app/client/echo.h"
#include "app/client/target.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/utf8.h"
#include "net/tls.h"
#include "service/worklist/letters.h"
#include "store/table/node.h"
#include "store/table/node_worklist.h"

#include <inttypes.h>

struct request {
	const char *data, *host, *port, *name;
	const char *aet, *timeout, *certificate, *charset, *worklist;
	bool tls, no_tls, clear, all;
	struct words words;
	struct store *store;
};

struct action {
	const char *name;
	size_t min, max; /* words, the name among them */
	bool creates;
	bool (*run)(struct request *r, struct err *e);
};

/* PS3.5 6.2: 16 characters at most, no backslash, no control characters, not
 * only spaces; leading and trailing spaces do not count. */
static bool
take_ae(struct node *n, const char *text, struct err *e)
{
	struct str s = str_trim(str_from(text));
	char shown[80];
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '\\')
			break;
	if (s.n == 0 || i < s.n || !str_copy(n->ae, sizeof(n->ae), s))
		return fail(e, ERR_USAGE,
		    "AE title '%s' is not allowed; allowed: 1 to 16 characters "
		    "of ASCII without backslash",
		    str_printable(shown, sizeof(shown), str_from(text)));
	return true;
}

static bool
take_host(struct node *n, const char *text, struct err *e)
{
	struct str s = str_trim(str_from(text));
	char shown[80];
	size_t i;

	/* As addresses of IPv6 stand before a port. */
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_of(s.p + 1, s.n - 2);
	for (i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '/' ||
		    s.p[i] == '\\')
			break;
	if (s.n == 0 || i < s.n || !str_copy(n->host, sizeof(n->host), s))
		return fail(e, ERR_USAGE,
		    "host '%s' is not allowed; allowed: a host name or an "
		    "address",
		    str_printable(shown, sizeof(shown), str_from(text)));
	return true;
}

static bool
take_port(struct node *n, const char *text, struct err *e)
{
	uint64_t v;
	char shown[80];

	if (!str_u64(str_from(text), &v) || v > UINT16_MAX)
		return fail(e, ERR_USAGE,
		    "port '%s' is not allowed; allowed: 1 to 65535, or 0 for a "
		    "node that does not listen",
		    str_printable(shown, sizeof(shown), str_from(text)));
	n->port = (uint16_t)v;
	return true;
}

/* A fingerprint as any tool prints it, with or without colons. */
static bool
take_fingerprint(struct node *n, const char *text)
{
	size_t at = 0;
	char c;

	for (; *text != '\0'; text++) {
		c = *text;
		if (c == ':')
			continue;
		if (c >= 'A' && c <= 'F')
			c = (char)(c + ('a' - 'A'));
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) ||
		    at + 1 >= sizeof(n->certificate))
			return false;
		n->certificate[at++] = c;
	}
	n->certificate[at] = '\0';
	return at + 1 == sizeof(n->certificate);
}

static bool
take_certificate(struct node *n, const char *text, struct err *e)
{
	struct node read = {0};
	char shown[80];

	if (strcmp(text, "none") == 0) {
		n->certificate[0] = '\0';
		return true;
	}
	if (!take_fingerprint(&read, text) &&
	    !tls_fingerprint(text, read.certificate, e))
		return fail(e, ERR_USAGE,
		    "--certificate '%s' is not allowed; allowed: the SHA-256 "
		    "fingerprint in 64 hex digits, a PEM file, or none",
		    str_printable(shown, sizeof(shown), str_from(text)));
	memcpy(n->certificate, read.certificate, sizeof(n->certificate));
	return true;
}

/* As in (0008,0005); of several values the first may be empty. */
static bool
take_charset(struct node *n, const char *text, struct err *e)
{
	struct str s = str_trim(str_from(text));
	char shown[80];

	if (s.n == 0 || str_eq(s, STR("none"))) {
		n->charset[0] = '\0';
		return true;
	}
	if (!letters_known(s) || !str_copy(n->charset, sizeof(n->charset), s))
		return fail(e, ERR_USAGE,
		    "--charset '%s' is not allowed; allowed: values of "
		    "(0008,0005) as 'ISO_IR 100', 'ISO_IR 192', "
		    "'\\ISO 2022 IR 87' or GB18030, 'ISO_IR 6' for ASCII "
		    "alone, or none",
		    str_printable(shown, sizeof(shown), s));
	return true;
}

static bool
take_worklist(struct node *n, const char *text, struct err *e)
{
	struct node_worklist read;
	struct str s = str_trim(str_from(text));

	if (str_eq(s, STR("none")))
		s = STR("");
	if (!node_worklist_read(s, &read, e))
		return fail_in(e, "--worklist");
	if (!str_copy(n->worklist, sizeof(n->worklist), s))
		return fail(e, ERR_USAGE, "--worklist is too long");
	return true;
}

static bool
take_options(struct node *n, const struct request *r, struct err *e)
{
	if (r->charset != NULL && !take_charset(n, r->charset, e))
		return false;
	if (r->worklist != NULL && !take_worklist(n, r->worklist, e))
		return false;
	if (r->tls && r->no_tls)
		return fail(e, ERR_USAGE, "both --tls and --no-tls");
	if (r->tls || r->no_tls)
		n->tls = r->tls;
	if (r->certificate != NULL && !take_certificate(n, r->certificate, e))
		return false;
	if (r->name == NULL)
		return true;
	if (!utf8_valid(str_from(r->name)) ||
	    !str_copy(n->name, sizeof(n->name), str_from(r->name)))
		return fail(e, ERR_USAGE,
		    "--name: allowed are %zu bytes of UTF-8",
		    sizeof(n->name) - 1);
	return true;
}

static bool
add(struct request *r, struct err *e)
{
	const char *const *w = r->words.at;
	struct node n = {0};

	return take_ae(&n, w[1], e) && take_host(&n, w[2], e) &&
	       take_port(&n, w[3], e) && take_options(&n, r, e) &&
	       (r->store == NULL || node_put(r->store, &n, true, e));
}

static bool
allow(struct request *r, struct err *e)
{
	const char *const *w = r->words.at;
	struct node n = {0};

	return take_ae(&n, w[1], e) && take_host(&n, w[2], e) &&
	       take_options(&n, r, e) &&
	       (r->store == NULL || node_put(r->store, &n, true, e));
}

static bool
edit(struct request *r, struct err *e)
{
	struct node n = {0};
	char ae[sizeof(n.ae)];

	if (!take_ae(&n, r->words.at[1], e))
		return false;
	memcpy(ae, n.ae, sizeof(ae));
	if (r->store != NULL && !node_find(r->store, ae, &n, e))
		return false;
	if (r->host != NULL && !take_host(&n, r->host, e))
		return false;
	if (r->port != NULL && !take_port(&n, r->port, e))
		return false;
	return take_options(&n, r, e) &&
	       (r->store == NULL || node_put(r->store, &n, false, e));
}

static bool
delete_node(struct request *r, struct err *e)
{
	struct node n = {0};

	return take_ae(&n, r->words.at[1], e) &&
	       (r->store == NULL || node_delete(r->store, n.ae, e));
}

static bool
list(struct request *r, struct err *e)
{
	struct arena arena;
	struct node *nodes;
	size_t n, i;
	bool done;

	if (r->store == NULL)
		return true;
	arena_init(&arena, 64 * MIB);
	done = node_list(r->store, &arena, &nodes, &n, e);
	for (i = 0; done && i < n; i++) {
		printf("%-16s %s %u%s", nodes[i].ae, nodes[i].host,
		    (unsigned)nodes[i].port, nodes[i].tls ? " tls" : "");
		if (nodes[i].name[0] != '\0')
			fputs("  ", stdout);
		verb_put(stdout, nodes[i].name);
		if (nodes[i].certificate[0] != '\0')
			printf("  certificate %s", nodes[i].certificate);
		if (nodes[i].charset[0] != '\0')
			printf("  charset '%s'", nodes[i].charset);
		if (nodes[i].worklist[0] != '\0')
			printf("  worklist %s", nodes[i].worklist);
		putchar('\n');
	}
	arena_fini(&arena);
	return done;
}

static void
put_refusal(const struct refusal *f)
{
	char when[CLOCK_ISO_ROOM];

	printf("%s  ", clock_iso(f->last_ms, when));
	verb_put(stdout, f->calling[0] != '\0' ? f->calling : "(no AE title)");
	printf(" from %s to ", f->address);
	verb_put(stdout, f->called[0] != '\0' ? f->called : "(none)");
	fputs(": ", stdout);
	verb_put(stdout, f->reason);
	if (f->count > 1)
		printf(" (%" PRIu64 " times)", f->count);
	putchar('\n');
}

static bool
refused(struct request *r, struct err *e)
{
	struct refusal *refusals;
	struct arena arena;
	size_t n, i;
	bool done;

	if (r->store == NULL)
		return true;
	if (r->clear)
		return refusal_clear(r->store, e);
	arena_init(&arena, 64 * MIB);
	done = refusal_list(r->store, &arena, &refusals, &n, e);
	for (i = 0; done && i < n; i++)
		put_refusal(&refusals[i]);
	arena_fini(&arena);
	return done;
}

static bool
echo_known(struct request *r, struct target *t, struct err *e)
{
	struct arena arena;
	struct node *nodes, one;
	size_t n;
	bool done;

	if (!r->all)
		return node_find(t->store, r->words.at[1], &one, e) &&
		       echo_one(&t->client, &one, e);
	arena_init(&arena, 64 * MIB);
	done = node_list(t->store, &arena, &nodes, &n, e) &&
	       echo_all(&t->client, nodes, n, e);
	arena_fini(&arena);
	return done;
}

static bool
echo(struct request *r, struct err *e)
{
	struct target_options o = {
	    .data = r->data, .aet = r->aet, .timeout = r->timeout};
	struct target t;
	bool done;

	if (r->all != (r->words.n == 1))
		return fail(
		    e, ERR_USAGE, "'node echo' needs an AE title, or --all");
	if (r->store == NULL)
		return true;
	done = target_with(&t, r->store, &o, e) && echo_known(r, &t, e);
	client_fini(&t.client);
	return done;
}

static const struct action actions[] = {
    {"add", 4, 4, true, add},
    {"allow", 3, 3, true, allow},
    {"list", 1, 1, false, list},
    {"edit", 2, 2, false, edit},
    {"delete", 2, 2, false, delete_node},
    {"refused", 1, 1, false, refused},
    {"echo", 1, 2, false, echo},
};

static bool
check_options(const struct action *a, const struct request *r, struct err *e)
{
	bool adds = a->run == add || a->run == allow || a->run == edit;

	if (r->clear && a->run != refused)
		return fail(e, ERR_USAGE, "--clear belongs to 'refused'");
	if ((r->all || r->aet != NULL || r->timeout != NULL) && a->run != echo)
		return fail(e, ERR_USAGE,
		    "--all, --aet and --timeout belong to 'echo'");
	if ((r->host != NULL || r->port != NULL) && a->run != edit)
		return fail(e, ERR_USAGE, "--host and --port belong to 'edit'");
	if ((r->tls || r->no_tls || r->name != NULL || r->certificate != NULL ||
		r->charset != NULL || r->worklist != NULL) &&
	    !adds)
		return fail(e, ERR_USAGE,
		    "--tls, --no-tls, --certificate, --name, --charset and "
		    "--worklist belong to 'add', 'allow' and 'edit'");
	return true;
}

/* Each action runs once without an archive, which checks its arguments: a
 * wrong command line opens and makes nothing. */
static bool
act(struct request *r, struct err *e)
{
	const char *name = r->words.n > 0 ? r->words.at[0] : "";
	const struct action *a = NULL;
	size_t i;
	bool done;

	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, name))
			a = &actions[i];
	if (a == NULL)
		return fail(e, ERR_USAGE,
		    "node: '%s' is not allowed; allowed: add, allow, list, "
		    "edit, delete, refused or echo",
		    name);
	if (!check_options(a, r, e) ||
	    !options_words(&r->words, a->min, a->max, e) || !a->run(r, e))
		return false;
	if (!verb_store(&r->store, verb_data(r->data), a->creates, e))
		return false;
	done = a->run(r, e);
	store_close(&r->store);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request r = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &r.data},
	    {"--host", OPTION_TEXT, &r.host},
	    {"--port", OPTION_TEXT, &r.port},
	    {"--name", OPTION_TEXT, &r.name},
	    {"--certificate", OPTION_TEXT, &r.certificate},
	    {"--charset", OPTION_TEXT, &r.charset},
	    {"--worklist", OPTION_TEXT, &r.worklist},
	    {"--tls", OPTION_FLAG, &r.tls},
	    {"--no-tls", OPTION_FLAG, &r.no_tls},
	    {"--clear", OPTION_FLAG, &r.clear},
	    {"--all", OPTION_FLAG, &r.all},
	    {"--aet", OPTION_TEXT, &r.aet},
	    {"--timeout", OPTION_TEXT, &r.timeout},
	};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &r.words, &e) &&
	       act(&r, &e);
	words_free(&r.words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_node = {
    .name = "node",
    .summary = "Known DICOM nodes, and callers that were refused",
    .usage = "node add AETITLE HOST PORT [--tls] [--certificate CERT] "
	     "[--name TEXT] [--charset SET] [--worklist OPTIONS]\n"
	     "node allow AETITLE HOST [--certificate CERT] [--name TEXT] "
	     "[--charset SET] [--worklist OPTIONS]\n"
	     "node list\n"
	     "node edit AETITLE [--host HOST] [--port PORT] [--tls|--no-tls] "
	     "[--certificate CERT] [--name TEXT] "
	     "[--charset SET] [--worklist OPTIONS]\n"
	     "node delete AETITLE\n"
	     "node refused [--clear]\n"
	     "node echo AETITLE|--all [--aet TITLE] [--timeout S]",
    .help =
	"With dicom.access = known only known nodes, from their address,\n"
	"may store and query; C-ECHO is for everyone. 'allow' adds a node\n"
	"that only calls us and does not listen itself. 'refused' shows who\n"
	"was turned away, when last, and why. 'echo' asks whether a node, or\n"
	"each of them, answers us.\n\n"
	"  --tls         the node speaks TLS\n"
	"  --certificate CERT\n"
	"                the one certificate that the node may show in TLS,\n"
	"                calling or called: its SHA-256 fingerprint, or a PEM\n"
	"                file; none: any\n"
	"  --name TEXT   a description for people\n"
	"  --charset SET the character set of worklist answers to it, as in\n"
	"                (0008,0005); 'ISO_IR 6' is ASCII alone; what the set\n"
	"                lacks is written in its letters; none: as it asks\n"
	"  --worklist OPTIONS\n"
	"                what it gets of the worklist, separated by commas;\n"
	"                station: asking for no station means its own AE title;\n"
	"                without_ae: items for no station; ignore_ae: the AE\n"
	"                title it asks for counts not; started: items that have\n"
	"                begun; moment: ranges of date and time are one; days: so\n"
	"                many around each date; limit: answers at most.\n"
	"                Allowed: station=yes|no|default,\n"
	"                without_ae=show|hide|default, ignore_ae=yes|no,\n"
	"                started=show|hide, moment=yes|no, days=0..31,\n"
	"                limit=0..100000; none: as in the settings\n"
	"  --clear       forget the refused callers\n"
	"  --all         echo: every known node\n" TARGET_HELP,
    .run = run,
};
