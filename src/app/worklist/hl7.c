/*
 * 'hl7': messages sent, compared and explained; field mappings, the journal,
 * the HL7 nodes.
 */
#include "app/worklist/hl7.h"

#include <unistd.h>

static const struct action {
	const char *name;
	const char *options; /* that it takes, each followed by a space */
	size_t min, max;     /* words behind the name */
	bool (*run)(struct hl7_request *r, struct err *e);
} actions[] = {
    {"send", "--tls --queue --timeout ", 2, SIZE_MAX - 1, hl7_send},
    {"compare", "--html ", 2, 2, hl7_compare},
    {"map", "--mapping ", 1, 1, hl7_map},
    {"mapping", "--for ", 1, 3 + 3 * 4, hl7_mapping},
    {"journal", "--failed --max -o ", 1, SIZE_MAX - 1, hl7_journal},
    {"merges", "--max ", 1, 3, hl7_merges},
    {"node", "--tls --no-tls --app --facility --host --port ", 1, 4, hl7_nodes},
};

static bool
open_store(struct hl7_request *r, struct err *e)
{
	return verb_store(&r->store, verb_data(r->data), false, e) &&
	       settings_for_verb(&r->settings, r->store, e);
}

bool
hl7_need_store(struct hl7_request *r, struct err *e)
{
	return r->store != NULL || open_store(r, e);
}

bool
hl7_want_store(struct hl7_request *r, struct err *e)
{
	char path[4096];

	if (r->store != NULL)
		return true;
	snprintf(path, sizeof(path), "%s/fileroom.db", verb_data(r->data));
	if (access(path, F_OK) == 0)
		return open_store(r, e);
	settings_init(&r->settings);
	return settings_load_environment(&r->settings, environ, e);
}

static bool
belongs(const struct action *a, const char *option)
{
	struct str rest = str_from(a->options), one;

	while (str_split(&rest, ' ', &one))
		if (str_eq_text(one, option))
			return true;
	return false;
}

static bool
check_options(const struct action *a, const struct option *options, size_t n,
    struct err *e)
{
	bool given;
	size_t i;

	for (i = 1; i < n; i++) {
		given = options[i].kind == OPTION_FLAG
			    ? *(const bool *)options[i].out
			    : *(const char *const *)options[i].out != NULL;
		if (given && !belongs(a, options[i].name))
			return fail(e, ERR_USAGE,
			    "%s does not belong to 'hl7 %s'", options[i].name,
			    a->name);
	}
	return true;
}

static bool
act(struct hl7_request *r, const struct option *options, size_t n,
    struct err *e)
{
	const char *name = r->words.n > 0 ? r->words.at[0] : "";
	const struct action *a = NULL;
	char shown[80];
	size_t i;

	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, name))
			a = &actions[i];
	if (a == NULL)
		return fail(e, ERR_USAGE,
		    "hl7: '%s' is not allowed; allowed: send, compare, map, "
		    "mapping, journal, merges or node",
		    str_printable(shown, sizeof(shown), str_from(name)));
	return check_options(a, options, n, e) &&
	       options_words(&r->words, a->min + 1, a->max + 1, e) &&
	       a->run(r, e);
}

static int
run(int argc, char **argv)
{
	struct hl7_request r = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &r.data}, /* of all of them */
	    {"--timeout", OPTION_TEXT, &r.timeout},
	    {"--html", OPTION_TEXT, &r.html},
	    {"--mapping", OPTION_TEXT, &r.mapping},
	    {"--for", OPTION_TEXT, &r.sender},
	    {"--max", OPTION_TEXT, &r.max},
	    {"--app", OPTION_TEXT, &r.application},
	    {"--facility", OPTION_TEXT, &r.facility},
	    {"--host", OPTION_TEXT, &r.host},
	    {"--port", OPTION_TEXT, &r.port},
	    {"-o", OPTION_TEXT, &r.out},
	    {"--tls", OPTION_FLAG, &r.tls},
	    {"--no-tls", OPTION_FLAG, &r.no_tls},
	    {"--queue", OPTION_FLAG, &r.queue},
	    {"--failed", OPTION_FLAG, &r.failed},
	};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &r.words, &e) &&
	       act(&r, options, ARRAY_LEN(options), &e);
	if (r.store != NULL)
		store_close(&r.store);
	words_free(&r.words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_hl7 = {
    .name = "hl7",
    .summary = "HL7: send, compare and explain messages, mappings, journal",
    .usage =
	"hl7 send HOST:PORT|NODE FILE... [--tls] [--queue] [--timeout S]\n"
	"hl7 compare FILE FILE [--html FILE]\n"
	"hl7 map FILE [--mapping FILE|PRESET]\n"
	"hl7 mapping show [FIELD] [--for APP[/FACILITY]]\n"
	"hl7 mapping set FIELD none|SEGMENT POSITION COMPONENT... [--for ...]\n"
	"hl7 mapping preset NAME [--for ...]\n"
	"hl7 mapping export [FILE] [--for ...]\n"
	"hl7 mapping import FILE [--for ...]\n"
	"hl7 mapping list\n"
	"hl7 mapping delete [--for ...]\n"
	"hl7 journal list [--failed] [--max N]\n"
	"hl7 journal show ID [-o FILE]\n"
	"hl7 journal replay ID...|--failed\n"
	"hl7 merges list [--max N]\n"
	"hl7 merges new PRIOR PATIENT\n"
	"hl7 merges undo ID\n"
	"hl7 node add NAME HOST PORT [--tls] [--app APP] [--facility FACILITY]\n"
	"hl7 node list\n"
	"hl7 node edit NAME [--host HOST] [--port PORT] [--tls|--no-tls] "
	"[--app APP]\n"
	"hl7 node delete NAME",
    .help =
	"send     each message of the files to a host; waits for its\n"
	"         acknowledgement and shows it in words. NODE: an HL7 node\n"
	"compare  two messages, segment by segment\n"
	"map      for each field of the worklist item that a message gives:\n"
	"         where it came from, what stood there, what was made of it\n"
	"mapping  where the fields stand in messages: one general mapping, and\n"
	"         others for single senders (their MSH-3 and MSH-4)\n"
	"journal  every message that came or was sent, and what became of it;\n"
	"         'replay' takes one again after the mapping was mended\n"
	"merges   patients who became one, by messages (ADT^A40) or by hand:\n"
	"         'new' makes what is PRIOR's PATIENT's, 'undo' takes that back.\n"
	"         ID, or ID^^^ISSUER\n"
	"node     hosts that may send to the HL7 port (hl7.access known), and\n"
	"         to which messages are sent; port 0: it only sends\n\n"
	"  --tls          MLLP over TLS\n"
	"  --queue        leave it to the server, which tries again for about\n"
	"                 a day ('fileroom jobs')\n"
	"  --timeout S    seconds to wait for the acknowledgement (default:\n"
	"                 dicom.timeout_s)\n"
	"  --html FILE    compare: as a page for a browser\n"
	"  --mapping M    map: a file of 'mapping export', or a preset: manual,\n"
	"                 ihe-orm, ihe-omi, dcm4chee, conquest (default: that\n"
	"                 of the sender)\n"
	"  --for APP[/FACILITY]\n"
	"                 the mapping of a sender\n"
	"  --failed       those that were refused\n"
	"  -o FILE        the message alone, as it came, into a file\n"
	"  --max N        list N entries (default: 50)\n"
	"  --app, --facility\n"
	"                 MSH-5 and MSH-6 of what is sent to the node\n",
    .run = run,
};
