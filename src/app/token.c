/*
 * 'token': the tokens of studies. Only standard output of the one who asks for
 * a token shows it; lists, errors and logs do not.
 */
#include "app/verb.h"
#include "app/web_settings.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limit.h"
#include "store/table/token.h"
#include "web/link.h"

struct request {
	const char *data, *patient, *issuer;
	struct words words;
	struct store *store;
	struct arena arena;
	struct web_config web;
	bool bare; /* a token was shown without the portal's address */
};

/* Values of objects on one line. */
static void
put(struct str text)
{
	struct buf clean;

	buf_init(&clean, MIB);
	verb_clean(&clean, text);
	printf("%.*s", STR_ARG(buf_str(&clean)));
	buf_fini(&clean);
}

/* The address, where the portal has one. */
static void
put_token(struct request *r, const char *token)
{
	struct buf link;

	buf_init(&link, 4 * KIB);
	if (link_token(&r->web, str_from(token), &link))
		printf("%.*s", STR_ARG(buf_str(&link)));
	else
		fputs(token, stdout);
	r->bare = link.n == 0;
	buf_fini(&link);
}

static bool
show_study(struct request *r, struct err *e)
{
	struct token_study t;
	char shown[80];

	if (token_of_study(
		r->store, str_from(r->words.at[0]), &r->arena, &t, e)) {
		put_token(r, t.token);
		putchar('\n');
		return true;
	}
	if (e->code != ERR_MISSING)
		return false;
	return fail(e, ERR_MISSING, "study '%s' is not in the archive",
	    str_printable(shown, sizeof(shown), str_from(r->words.at[0])));
}

static bool
show_patient(struct request *r, struct err *e)
{
	struct str issuer = str_from(r->issuer);
	size_t n, i, hidden = 0;
	struct token_study *v;
	char shown[80];

	if (!token_of_patient(r->store, str_from(r->patient),
		r->issuer != NULL ? &issuer : NULL, &r->arena, &v, &n, e))
		return false;
	for (i = 0; i < n; i++) {
		if (v[i].token[0] == '\0') {
			hidden++;
			continue;
		}
		put_token(r, v[i].token);
		printf("  %s  %-8s  ", v[i].study, v[i].date);
		put(v[i].description);
		putchar('\n');
	}
	if (n == 0)
		return fail(e, ERR_MISSING,
		    "no study of patient '%s' is in the archive",
		    str_printable(shown, sizeof(shown), str_from(r->patient)));
	if (n == LIMIT_TOKENS)
		fprintf(stderr, "the newest %zu studies\n", n);
	return hidden == 0 ||
	       fail(e, ERR_DENIED,
		   "%zu of %zu tokens were made with another key: they still "
		   "open their studies, but cannot be shown; put that key "
		   "back, or revoke them to get others",
		   hidden, n);
}

static void
put_listed(const struct token_study *t)
{
	char when[CLOCK_ISO_ROOM];

	printf("%s  %s  ", clock_iso(t->issued_ms, when), t->study);
	if (!t->there)
		fputs("(not in the archive)", stdout);
	else
		printf("%-8s  ", t->date);
	put(t->description);
	putchar('\n');
}

static bool
list(struct request *r, struct err *e)
{
	struct token_study *v;
	char after[65] = "";
	size_t n, i;

	do {
		arena_reset(&r->arena);
		if (!token_list(
			r->store, str_from(after), &r->arena, &v, &n, e))
			return false;
		for (i = 0; i < n; i++)
			put_listed(&v[i]);
		if (n > 0)
			memcpy(after, v[n - 1].study, sizeof(after));
	} while (n == LIMIT_ROWS);
	return true;
}

static bool
revoke(struct request *r, struct err *e)
{
	size_t i;

	for (i = 1; i < r->words.n; i++)
		if (!token_revoke(r->store, str_from(r->words.at[i]), e))
			return false;
	return true;
}

static bool
new_key(struct request *r, struct err *e)
{
	return token_new_key(r->store, e);
}

static const struct action {
	const char *name;
	size_t min, max;
	bool (*run)(struct request *r, struct err *e);
} actions[] = {
    {"list", 1, 1, list},
    {"revoke", 2, SIZE_MAX, revoke},
    {"new-key", 1, 1, new_key},
};
static const struct action of_study = {"", 1, 1, show_study};
static const struct action of_patient = {"", 0, 0, show_patient};

static const struct action *
action_of(const struct request *r)
{
	size_t i;

	for (i = 0; r->words.n > 0 && i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, r->words.at[0]))
			return &actions[i];
	return r->patient != NULL ? &of_patient : &of_study;
}

static bool
read_settings(struct request *r, struct err *e)
{
	struct settings s;

	if (!settings_for_verb(&s, r->store, e))
		return false;
	web_settings(&s, &r->web);
	return true;
}

static bool
act(struct request *r, struct err *e)
{
	const struct action *a = action_of(r);
	bool done;

	if (r->patient != NULL && a != &of_patient)
		return fail(e, ERR_USAGE, "--patient stands alone");
	if (r->issuer != NULL && r->patient == NULL)
		return fail(e, ERR_USAGE, "--issuer belongs to --patient");
	if (!options_words(&r->words, a->min, a->max, e))
		return false;
	if (!verb_store(&r->store, verb_data(r->data), false, e))
		return false;
	arena_init(&r->arena, LIMIT_EXCHANGE);
	done = read_settings(r, e) && a->run(r, e);
	if (r->bare)
		fputs("the token alone: the portal's address is known when "
		      "http.server_name is set\n",
		    stderr);
	arena_fini(&r->arena);
	store_close(&r->store);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request r = {.data = NULL};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &r.data},
	    {"--patient", OPTION_TEXT, &r.patient},
	    {"--issuer", OPTION_TEXT, &r.issuer},
	};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &r.words, &e) &&
	       act(&r, &e);
	words_free(&r.words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_token = {
    .name = "token",
    .summary = "Tokens that open one study without an account",
    .usage = "token STUDY_UID\n"
	     "token --patient ID [--issuer TEXT]\n"
	     "token list\n"
	     "token revoke STUDY_UID...\n"
	     "token new-key",
    .help =
	"A token is 64 letters and digits. Who has it may see the one study\n"
	"it belongs to. It is made when it is first asked for, here, by a HIS\n"
	"on the HL7 port or in the portal, and stays the same until it is\n"
	"revoked; then it opens nothing, and the next one asked for differs.\n"
	"Where http.server_name is set, the portal's address is shown with it.\n"
	"A patient's are shown newest study first, each with its study, date\n"
	"and description; 'list' names the studies that have one, and when it\n"
	"was made.\n\n"
	"Tokens are kept under the key in DATA/token.key: keep a copy of it\n"
	"with the copies of the archive. 'new-key' gives a lost key up: its\n"
	"tokens still open their studies, but cannot be shown.\n\n"
	"  --patient ID  of all studies of the patient\n"
	"  --issuer TEXT the issuer of the Patient ID (default: any)\n",
    .run = run,
};
