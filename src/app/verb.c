/*
 * The list of verbs, 'help', and what verbs share: the parser of options, the
 * data folder, printing of errors and of text from outside.
 */
#include "app/verb.h"
#include "base/buf.h"
#include "base/limit.h"
#include "base/utf8.h"

#include <sys/stat.h>
#include <unistd.h>

const struct verb *const verbs[] = {
    &verb_serve,
    &verb_import,
    &verb_export,
    &verb_send,
    &verb_fetch,
    &verb_jobs,
    &verb_check,
    &verb_backup,
    &verb_restore,
    &verb_doctor,
    &verb_quarantine,
    &verb_reindex,
    &verb_node,
    &verb_user,
    &verb_echo,
    &verb_find,
    &verb_store_files,
    &verb_move,
    &verb_get,
    &verb_worklist,
    &verb_worklist_find,
    &verb_hl7,
    &verb_token,
    &verb_settings,
    &verb_activity,
    &verb_dump,
    NULL,
};

const struct verb *
verb_named(const char *name)
{
	size_t i;

	for (i = 0; verbs[i] != NULL; i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

static bool
misleading(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

void
verb_clean(struct buf *out, struct str s)
{
	uint32_t c;
	size_t n;

	while (s.n > 0) {
		n = utf8_next(s, &c);
		if (n == 0) {
			buf_printf(out, "\\x%02x", s.p[0]);
			n = 1;
		} else if (misleading(c)) {
			buf_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x",
			    (unsigned)c);
		} else {
			buf_add(out, str_of(s.p, n));
		}
		s = str_of(s.p + n, s.n - n);
	}
}

void
verb_put(FILE *out, const char *text)
{
	struct buf clean;

	buf_init(&clean, MIB);
	verb_clean(&clean, str_from(text));
	if (clean.n > 0)
		fwrite(clean.p, 1, clean.n, out);
	buf_fini(&clean);
}

/* The one of this process, for its help. */
static const struct verb *running;

int
verb_error(const struct err *e)
{
	fflush(stdout);
	fputs("fileroom: ", stderr);
	verb_put(stderr, e->text);
	fputc('\n', stderr);
	return e->code == ERR_USAGE ? VERB_USAGE : VERB_FAILED;
}

static void
put_usage(FILE *out, const struct verb *v)
{
	struct str rest = str_from(v->usage), line;
	const char *head = "usage: ";

	while (str_split(&rest, '\n', &line)) {
		/* What goes on in a second line is no other usage. */
		fprintf(out, "%s%s%.*s\n", head,
		    line.n > 0 && line.p[0] == ' ' ? "         " : "fileroom ",
		    STR_ARG(line));
		head = "       ";
	}
}

static void
put_help(const struct verb *v)
{
	put_usage(stdout, v);
	printf("\n%s.\n\n%s", v->summary, v->help);
	fputs("\n  --data DIR    the archive's folder (default: FILEROOM_DATA, "
	      "else ./data)\n",
	    stdout);
}

static void
put_list(FILE *out)
{
	size_t i;

	fputs("usage: fileroom VERB [ARGUMENTS]\n\n", out);
	for (i = 0; verbs[i] != NULL; i++)
		fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("  help       explain a verb: fileroom help VERB\n"
	      "  version    print the version of this program\n",
	    out);
}

static int
unknown_verb(const char *name)
{
	struct err e;

	fail(&e, ERR_USAGE, "unknown verb '%s' ('fileroom help' lists them)",
	    name);
	return verb_error(&e);
}

static int
help(int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2) {
		put_list(stdout);
		return VERB_DONE;
	}
	if (!strcmp(argv[1], "version")) {
		fputs("usage: fileroom version\n\n"
		      "Print name and version; also --version and -V.\n",
		    stdout);
		return VERB_DONE;
	}
	v = verb_named(argv[1]);
	if (v == NULL)
		return unknown_verb(argv[1]);
	put_help(v);
	return VERB_DONE;
}

static bool
asks_version(const char *word)
{
	return !strcmp(word, "version") || !strcmp(word, "--version") ||
	       !strcmp(word, "-V");
}

static int
say_version(int argc, char **argv, const char *version)
{
	struct err e;

	if (argc > 1) {
		fail(&e, ERR_USAGE, "unexpected argument '%s'", argv[1]);
		return verb_error(&e);
	}
	printf("fileroom %s\n", version);
	return VERB_DONE;
}

static bool
asks_help(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help"))
			return true;
	return false;
}

/* A full disk or a closed pipe behind stdout is a failure like any other. */
static int
flushed(int status)
{
	struct err e;
	bool ok = fflush(stdout) == 0;

	if (status != VERB_DONE || (ok && ferror(stdout) == 0))
		return status;
	/* Why an earlier write failed is no longer known. */
	if (ok)
		fail(&e, ERR_IO,
		    "cannot write all to standard output: no room is left, or "
		    "nobody reads it");
	else
		fail_errno(&e, "cannot write to standard output");
	return verb_error(&e);
}

int
verb_main(int argc, char **argv, const char *version)
{
	const struct verb *v;

	if (argc < 2) {
		put_list(stderr);
		return VERB_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help"))
		return flushed(help(argc - 1, argv + 1));
	if (asks_version(argv[1]))
		return flushed(say_version(argc - 1, argv + 1, version));
	v = verb_named(argv[1]);
	if (v == NULL)
		return unknown_verb(argv[1]);
	if (asks_help(argc - 1, argv + 1)) {
		put_help(v);
		return flushed(VERB_DONE);
	}
	running = v;
	return flushed(v->run(argc - 1, argv + 1));
}

void
words_free(struct words *w)
{
	free(w->at);
	*w = (struct words){0};
}

/* The list never holds more than there are arguments. */
static void
words_add(struct words *w, int argc, const char *word)
{
	if (w->at == NULL)
		w->at = must_zalloc((size_t)argc * sizeof(*w->at));
	must(w->n < (size_t)argc);
	w->at[w->n++] = word;
}

static const struct option *
option_find(const struct option *options, size_t count, struct str name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (str_eq_text(name, options[i].name))
			return &options[i];
	return NULL;
}

static bool
take_flag(const struct option *o, const char *value, struct err *e)
{
	bool *flag = o->out;

	if (value != NULL)
		return fail(e, ERR_USAGE, "option %s takes no value", o->name);
	*flag = true;
	return true;
}

static bool
take_value(const struct option *o, const char *value, int argc, struct err *e)
{
	const char **text = o->out;

	if (value == NULL)
		return fail(e, ERR_USAGE, "option %s needs a value", o->name);
	if (o->kind == OPTION_MANY) {
		words_add(o->out, argc, value);
		return true;
	}
	if (*text != NULL)
		return fail(e, ERR_USAGE, "option %s is given twice", o->name);
	*text = value;
	return true;
}

/* "-" and "-1" are values. */
static bool
is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] != '\0' &&
	       !(arg[1] >= '0' && arg[1] <= '9');
}

bool
options_parse(int argc, char **argv, const struct option *options, size_t count,
    struct words *words, struct err *e)
{
	const struct option *o;
	const char *value;
	struct str arg;
	size_t at;
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!is_option(argv[i])) {
			words_add(words, argc, argv[i]);
			continue;
		}
		arg = str_from(argv[i]);
		at = argv[i][1] == '-' ? str_find(arg, '=') : arg.n;
		o = option_find(options, count, str_of(arg.p, at));
		if (o == NULL)
			return fail(e, ERR_USAGE,
			    "unknown option '%.*s' for '%s'", (int)at, argv[i],
			    argv[0]);
		value = at < arg.n ? argv[i] + at + 1 : NULL;
		if (o->kind == OPTION_FLAG) {
			if (!take_flag(o, value, e))
				return false;
			continue;
		}
		/* "--set --data x" lacks a value: it has not one called --data.
		 */
		if (value == NULL && i + 1 < argc &&
		    option_find(options, count, str_from(argv[i + 1])) == NULL)
			value = argv[++i];
		if (!take_value(o, value, argc, e))
			return false;
	}
	for (i++; i < argc; i++)
		words_add(words, argc, argv[i]);
	return true;
}

bool
options_words(const struct words *words, size_t min, size_t max, struct err *e)
{
	const char *verb = running != NULL ? running->name : "VERB";

	if (words->n < min)
		return fail(e, ERR_USAGE,
		    "an argument is missing: see 'fileroom help %s'", verb);
	if (words->n > max)
		return fail(e, ERR_USAGE,
		    "unexpected argument '%s': see 'fileroom help %s'",
		    words->at[max], verb);
	return true;
}

const char *
verb_data(const char *option)
{
	const char *data = option != NULL ? option : getenv("FILEROOM_DATA");

	return data != NULL && data[0] != '\0' ? data : "data";
}

bool
verb_store(struct store **store, const char *data, bool create, struct err *e)
{
	struct store_config config = {.folder = data, .create = create};
	char path[4096];
	bool is_new;

	(void)umask(077);
	snprintf(path, sizeof(path), "%s/fileroom.db", data);
	is_new = access(path, F_OK) != 0;
	if (!store_open(store, &config, e))
		return false;
	if (is_new) {
		fputs("made a new archive in '", stderr);
		verb_put(stderr, data);
		fputs("'\n", stderr);
	}
	return true;
}
