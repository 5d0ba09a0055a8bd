/*
 * 'worklist': the scheduled procedure steps that modalities ask for.
 */
#include "app/worklist/worklist.h"

static const struct action {
	const char *name;
	const char *options; /* that it takes, each followed by a space */
	size_t min, max;     /* words behind the name */
	bool (*run)(struct worklist_request *r, struct err *e);
} actions[] = {
    {"list",
	"--from --to --today --patient --name --accession --modality "
	"--station --status --max --json ",
	0, 0, worklist_list},
    {"show", "--json ", 1, 1, worklist_show},
    {"new", "", 1, SIZE_MAX - 1, worklist_new},
    {"edit", "", 2, SIZE_MAX - 1, worklist_edit},
    {"duplicate", "", 1, SIZE_MAX - 1, worklist_duplicate},
    {"import", "", 1, SIZE_MAX - 1, worklist_import},
    {"export", "-o --app --facility ", 1, SIZE_MAX - 1, worklist_export},
    {"send", "--app --facility --tls --queue --timeout ", 2, SIZE_MAX - 1,
	worklist_send},
    {"delete", "", 1, SIZE_MAX - 1, worklist_delete},
    {"explain", "", 0, 1, worklist_explain},
    {"exams", "--unscheduled --max ", 0, 0, worklist_exams},
    {"reports", "--max ", 0, 1, worklist_reports},
    {"report", "-o ", 1, 1, worklist_report},
};

bool
worklist_open(struct worklist_request *r, bool create, struct err *e)
{
	if (!verb_store(&r->store, verb_data(r->data), create, e) ||
	    !settings_for_verb(&r->settings, r->store, e))
		return false;
	worklist_rules(&r->settings, &r->rules);
	return true;
}

static bool
check_options(const struct action *a, const struct option *options, size_t n,
    struct err *e)
{
	struct str rest, one;
	bool given, belongs;
	size_t i;

	for (i = 1; i < n; i++) {
		given = options[i].kind == OPTION_FLAG
			    ? *(const bool *)options[i].out
			    : *(const char *const *)options[i].out != NULL;
		rest = str_from(a->options);
		belongs = false;
		while (str_split(&rest, ' ', &one))
			belongs = belongs || str_eq_text(one, options[i].name);
		if (given && !belongs)
			return fail(e, ERR_USAGE,
			    "%s does not belong to 'worklist %s'",
			    options[i].name, a->name);
	}
	return true;
}

static bool
unknown(const char *name, struct err *e)
{
	struct buf names;
	char shown[80];
	size_t i;

	buf_init(&names, KIB);
	for (i = 0; i < ARRAY_LEN(actions); i++)
		buf_printf(&names, "%s%s",
		    i == 0                        ? ""
		    : i + 1 == ARRAY_LEN(actions) ? " or "
						  : ", ",
		    actions[i].name);
	(void)fail(e, ERR_USAGE, "worklist: '%s' is not allowed; allowed: %s",
	    str_printable(shown, sizeof(shown), str_from(name)),
	    buf_cstr(&names));
	buf_fini(&names);
	return false;
}

static bool
act(struct worklist_request *r, const struct option *options, size_t n,
    struct err *e)
{
	const char *name = r->words.n > 0 ? r->words.at[0] : "";
	const struct action *a = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, name))
			a = &actions[i];
	if (a == NULL)
		return unknown(name, e);
	return check_options(a, options, n, e) &&
	       options_words(&r->words, a->min + 1, a->max + 1, e) &&
	       a->run(r, e);
}

static int
run(int argc, char **argv)
{
	struct worklist_request r = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &r.data}, /* of all of them */
	    {"--from", OPTION_TEXT, &r.from},
	    {"--to", OPTION_TEXT, &r.to},
	    {"--today", OPTION_FLAG, &r.today},
	    {"--patient", OPTION_TEXT, &r.patient},
	    {"--name", OPTION_TEXT, &r.name},
	    {"--accession", OPTION_TEXT, &r.accession},
	    {"--modality", OPTION_TEXT, &r.modality},
	    {"--station", OPTION_TEXT, &r.station},
	    {"--status", OPTION_TEXT, &r.status},
	    {"--max", OPTION_TEXT, &r.max},
	    {"--json", OPTION_FLAG, &r.json},
	    {"-o", OPTION_TEXT, &r.out},
	    {"--app", OPTION_TEXT, &r.application},
	    {"--facility", OPTION_TEXT, &r.facility},
	    {"--tls", OPTION_FLAG, &r.tls},
	    {"--queue", OPTION_FLAG, &r.queue},
	    {"--timeout", OPTION_TEXT, &r.timeout},
	    {"--unscheduled", OPTION_FLAG, &r.unscheduled},
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

const struct verb verb_worklist = {
    .name = "worklist",
    .summary = "The worklist that modalities ask for",
    .usage =
	"worklist list [--today] [--from DATE] [--to DATE] [--patient ID] "
	"[--name NAME]\n"
	"         [--accession NUMBER] [--modality M] [--station AETITLE] "
	"[--status STATUS]\n"
	"         [--max N] [--json]\n"
	"worklist show ID [--json]\n"
	"worklist new FIELD=VALUE...\n"
	"worklist edit ID FIELD=VALUE...\n"
	"worklist duplicate ID [FIELD=VALUE...]\n"
	"worklist import FILE...\n"
	"worklist export ID... [-o FILE] [--app APP] [--facility FACILITY]\n"
	"worklist send ID... HOST:PORT|NODE [--app APP] "
	"[--facility FACILITY]\n"
	"         [--tls] [--queue] [--timeout S]\n"
	"worklist delete ID...\n"
	"worklist explain [AETITLE]\n"
	"worklist exams [--unscheduled] [--max N]\n"
	"worklist reports [STUDY_UID] [--max N]\n"
	"worklist report ID [-o FILE]",
    .help =
	"list       the items, by the date they are scheduled for\n"
	"show       one of them, with all that is known\n"
	"new        an item by hand; PATIENT ID, PATIENT NAME and REQUESTED\n"
	"           PROCEDURE ID are required. FIELD is a keyword or a name\n"
	"           ('fileroom hl7 mapping show' lists them), _ standing for a\n"
	"           space: PATIENT_NAME='Doe^Jane'\n"
	"edit       other values; FIELD= empties one\n"
	"duplicate  a second item, with a Study Instance UID of its own, and\n"
	"           without the numbers of the order\n"
	"import     the HL7 messages of files, as if they had come to the port\n"
	"export     as HL7 messages (ORM^O01), into a file or to the standard\n"
	"           output\n"
	"send       the same to an HL7 host or HL7 node\n"
	"delete     for good\n"
	"explain    why a modality shows the patients it shows, or none: what\n"
	"           it asked last, how many items each condition removes, and\n"
	"           what items have where one condition alone keeps them away;\n"
	"           without AETITLE who has asked\n"
	"exams      what modalities told of exams (MPPS), the newest first, and\n"
	"           of how many items each is\n"
	"reports    that came as HL7 (ORU), of all studies or of one\n"
	"report     one of them: its text; with -o its PDF (without one the\n"
	"           text) into a file\n\n"
	"  --from, --to DATE  YYYY-MM-DD, YYYYMMDD, today, yesterday, tomorrow\n"
	"  --name NAME        that begin so, regardless of case and accents;\n"
	"                     * and ? stand for other letters\n"
	"  --status STATUS    scheduled, arrived, started, completed,\n"
	"                     discontinued, canceled, held; with commas\n"
	"  --max N            at most N (default: 500; with --json all)\n"
	"  --unscheduled      exams for which no item was found so far\n"
	"  --app, --facility  MSH-5 and MSH-6\n"
	"  --tls              MLLP over TLS\n"
	"  --queue            leave it to the server, which tries again\n",
    .run = run,
};
