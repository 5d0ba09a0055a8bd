/*
 * 'user': the users of the portal.
 */
#include "app/verb.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limit.h"
#include "store/table/password.h"
#include "store/table/user.h"

#include <termios.h>
#include <unistd.h>

struct request {
	const char *data, *role, *rights, *active, *own, *name;
	const char *text[USER_TEXTS];
	bool password_stdin, json;
	struct words words;
	struct store *store;
};

struct action {
	const char *name;
	size_t min, max; /* words, the name among them */
	bool (*run)(struct request *r, struct err *e);
};

/* One line of the terminal, without showing it. */
static bool
ask(const char *what, char *out, size_t room, struct err *e)
{
	struct termios as_it_is, silent;
	bool terminal = tcgetattr(STDIN_FILENO, &as_it_is) == 0;
	bool ok;

	if (terminal) {
		silent = as_it_is;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
		fprintf(stderr, "%s: ", what);
	}
	ok = fgets(out, (int)room, stdin) != NULL;
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &as_it_is);
		fputc('\n', stderr);
	}
	if (!ok)
		return fail(e, ERR_USAGE, "no password was given");
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}

static bool
take_password(const struct request *r, char hash[PASSWORD_ROOM], struct err *e)
{
	char first[4 * PASSWORD_MOST + 2], again[4 * PASSWORD_MOST + 2];
	bool ok;

	if (!r->password_stdin && !isatty(STDIN_FILENO))
		return fail(e, ERR_USAGE,
		    "give the password on standard input and add "
		    "--password-stdin");
	ok = ask("Password", first, sizeof(first), e);
	if (ok && !r->password_stdin) {
		ok = ask("Once more", again, sizeof(again), e);
		if (ok && strcmp(first, again) != 0)
			ok = fail(e, ERR_USAGE, "the two differ");
	}
	ok = ok && password_check(str_from(first), e) &&
	     password_hash(str_from(first), hash, e);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(again, sizeof(again));
	return ok;
}

static bool
take_yes(const char *option, const char *text, bool *out, struct err *e)
{
	if (text == NULL)
		return true;
	*out = strcmp(text, "yes") == 0;
	return *out || strcmp(text, "no") == 0 ||
	       fail(e, ERR_USAGE, "%s '%.40s' is not allowed; allowed: yes, no",
		   option, text);
}

static bool
take_options(const struct request *r, struct user *u, struct err *e)
{
	int i;

	if (r->role != NULL) {
		u->admin = strcmp(r->role, "admin") == 0;
		if (!u->admin && strcmp(r->role, "user") != 0)
			return fail(e, ERR_USAGE,
			    "--role '%.40s' is not allowed; allowed: admin, "
			    "user",
			    r->role);
	}
	if (r->rights != NULL &&
	    !rights_parse(str_from(r->rights), &u->rights, e))
		return fail_in(e, "--rights");
	for (i = 0; i < USER_TEXTS; i++)
		if (r->text[i] != NULL &&
		    !str_copy(u->text[i], USER_TEXT_ROOM, str_from(r->text[i])))
			return fail(e, ERR_USAGE,
			    "'%.40s…' is longer than %d bytes", r->text[i],
			    USER_TEXT_ROOM - 1);
	return take_yes("--active", r->active, &u->active, e) &&
	       take_yes("--only-own", r->own, &u->only_own, e);
}

static bool
add(struct request *r, struct err *e)
{
	struct user u = {.active = true, .rights = RIGHTS_USUAL};

	if (!str_copy(u.name, sizeof(u.name), str_from(r->words.at[1])))
		return fail(e, ERR_USAGE, "the user name is too long");
	return take_options(r, &u, e) && take_password(r, u.hash, e) &&
	       user_add(r->store, &u, false, e);
}

static bool
named(struct request *r, struct user *u, struct err *e)
{
	return user_find(r->store, str_from(r->words.at[1]), u, e);
}

static bool
edit(struct request *r, struct err *e)
{
	struct user u;

	if (!named(r, &u, e) || !take_options(r, &u, e))
		return false;
	if (r->name != NULL &&
	    !str_copy(u.name, sizeof(u.name), str_from(r->name)))
		return fail(e, ERR_USAGE, "the user name is too long");
	return user_put(r->store, &u, e);
}

static bool
password(struct request *r, struct err *e)
{
	char hash[PASSWORD_ROOM];
	struct user u;

	return named(r, &u, e) && take_password(r, hash, e) &&
	       user_set_password(r->store, u.id, hash, e);
}

static bool delete (struct request *r, struct err *e)
{
	struct user u;

	return named(r, &u, e) && user_delete(r->store, u.id, e);
}

static void
put_rights(const struct user *u, struct buf *out)
{
	unsigned i;

	for (i = 0; i < RIGHT_COUNT; i++)
		if (u->rights & 1U << i)
			buf_printf(
			    out, "%s%s", out->n > 0 ? "," : "", right_name(i));
}

static void
list_json(const struct user *u, size_t n)
{
	struct buf out, rights;
	struct json j;
	size_t i;
	int t;

	buf_init(&out, 64 * MIB);
	buf_init(&rights, KIB);
	json_init(&j, &out);
	json_array(&j);
	for (i = 0; i < n; i++) {
		json_object(&j);
		json_key(&j, "name");
		json_text(&j, u[i].name);
		json_key(&j, "role");
		json_text(&j, u[i].admin ? "admin" : "user");
		json_key(&j, "active");
		json_bool(&j, u[i].active);
		json_key(&j, "rights");
		buf_clear(&rights);
		put_rights(&u[i], &rights);
		json_str(&j, buf_str(&rights));
		for (t = 0; t < USER_TEXTS; t++) {
			json_key(&j, user_text_name((enum user_text)t));
			json_text(&j, u[i].text[t]);
		}
		json_key(&j, "only_own");
		json_bool(&j, u[i].only_own);
		json_key(&j, "second_factor");
		json_bool(&j, u[i].second);
		json_end_object(&j);
	}
	json_end_array(&j);
	puts(buf_cstr(&out));
	buf_fini(&out);
	buf_fini(&rights);
}

static bool
list(struct request *r, struct err *e)
{
	struct user *u;
	struct arena a;
	struct buf rights;
	size_t i, n;
	bool ok;

	arena_init(&a, 2 * USERS_MAX * sizeof(*u));
	buf_init(&rights, KIB);
	ok = user_list(r->store, &a, &u, &n, e);
	if (ok && r->json)
		list_json(u, n);
	for (i = 0; ok && !r->json && i < n; i++) {
		buf_clear(&rights);
		put_rights(&u[i], &rights);
		verb_put(stdout, u[i].name);
		printf("\t%s\t%s\t%s\n", u[i].admin ? "admin" : "user",
		    u[i].active ? "active" : "inactive",
		    u[i].admin ? "all" : buf_cstr(&rights));
	}
	buf_fini(&rights);
	arena_fini(&a);
	return ok;
}

static const struct action actions[] = {
    {"add", 2, 2, add},
    {"list", 1, 1, list},
    {"edit", 2, 2, edit},
    {"password", 2, 2, password},
    {"delete", 2, 2, delete},
};

static bool
act(struct request *r, struct err *e)
{
	const char *name = r->words.n > 0 ? r->words.at[0] : "";
	size_t i;

	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, name))
			break;
	if (i == ARRAY_LEN(actions))
		return fail(e, ERR_USAGE,
		    "user '%.40s': allowed: add, list, edit, password, delete",
		    name);
	if (r->name != NULL && actions[i].run != edit)
		return fail(e, ERR_USAGE, "--name is for 'user edit' only");
	return options_words(&r->words, actions[i].min, actions[i].max, e) &&
	       verb_store(&r->store, verb_data(r->data), i == 0, e) &&
	       actions[i].run(r, e);
}

static int
run(int argc, char **argv)
{
	struct request r = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &r.data},
	    {"--name", OPTION_TEXT, &r.name},
	    {"--role", OPTION_TEXT, &r.role},
	    {"--rights", OPTION_TEXT, &r.rights},
	    {"--active", OPTION_TEXT, &r.active},
	    {"--salute", OPTION_TEXT, &r.text[USER_SALUTE]},
	    {"--first-name", OPTION_TEXT, &r.text[USER_FIRST_NAME]},
	    {"--last-name", OPTION_TEXT, &r.text[USER_LAST_NAME]},
	    {"--email", OPTION_TEXT, &r.text[USER_EMAIL]},
	    {"--phone", OPTION_TEXT, &r.text[USER_PHONE]},
	    {"--institution", OPTION_TEXT, &r.text[USER_INSTITUTION]},
	    {"--department", OPTION_TEXT, &r.text[USER_DEPARTMENT]},
	    {"--only-institution", OPTION_TEXT, &r.text[USER_ONLY_INSTITUTION]},
	    {"--only-referring", OPTION_TEXT, &r.text[USER_ONLY_REFERRING]},
	    {"--only-modality", OPTION_TEXT, &r.text[USER_ONLY_MODALITY]},
	    {"--only-own", OPTION_TEXT, &r.own},
	    {"--password-stdin", OPTION_FLAG, &r.password_stdin},
	    {"--json", OPTION_FLAG, &r.json},
	};
	struct err e;
	int status = VERB_DONE;

	if (!options_parse(
		argc, argv, options, ARRAY_LEN(options), &r.words, &e) ||
	    !act(&r, &e))
		status = verb_error(&e);
	if (r.store != NULL)
		store_close(&r.store);
	words_free(&r.words);
	return status;
}

const struct verb verb_user = {
    .name = "user",
    .summary = "Add, list and change the users of the portal",
    .usage = "user add NAME [--role admin|user] [--rights R,R…] "
	     "[--password-stdin] [FIELDS]\n"
	     "user edit NAME [--name NEW] [--role …] [--rights …] "
	     "[--active yes|no] [FIELDS]\n"
	     "user password NAME [--password-stdin]\n"
	     "user list [--json]\n"
	     "user delete NAME",
    .help =
	"Rights: search, download, share (these three a new user has), upload,\n"
	"send, retrieve, edit, delete, worklist, activity, settings, users; an\n"
	"admin has all. A password has 8 to 1,024 characters and is asked for\n"
	"on the terminal, or read as a line of standard input.\n"
	"\n"
	"Fields: --salute --first-name --last-name --email --phone\n"
	"--institution --department TEXT; and what limits the studies seen:\n"
	"--only-institution, --only-referring PATTERN (with * and ?),\n"
	"--only-modality CT,MR…, --only-own yes|no (own uploads).\n"
	"\n"
	"A running server follows at once; sessions end with the password, with\n"
	"the name, or when a user is not active any more.\n",
    .run = run,
};
