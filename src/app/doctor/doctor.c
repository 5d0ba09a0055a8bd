/*
 * 'doctor': what is wrong, and what to do; beside a running server or without
 * one. The verb, its list of findings, and how they are shown.
 */
#include "app/doctor/doctor.h"

#include "app/verb.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/os.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

/* A thousand nodes with a few findings each. */
#define ARENA_BYTES (64 * MIB)
/* /proc/net/tcp has a line of 150 bytes for each connection. */
#define PROC_BYTES (8 * MIB)

static const struct sign_info signs[] = {
#define SIGN(id, code, level, means, help)                                     \
	[SIGN_##id] = {code, DOCTOR_##level, means, help},
#include "app/doctor/signs.def"
#undef SIGN
};

static const char *const level_names[] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_NOTE] = "note",
    [DOCTOR_PROBLEM] = "problem",
};

const struct sign_info *
sign_info(enum sign sign)
{
	must(sign < SIGN_COUNT);
	return &signs[sign];
}

void
doctor_init(struct doctor *d, const char *data)
{
	*d = (struct doctor){.data = data};
	settings_init(&d->settings);
	arena_init(&d->arena, ARENA_BYTES);
}

void
doctor_fini(struct doctor *d)
{
	store_close(&d->store);
	arena_fini(&d->arena);
	free(d->found);
	*d = (struct doctor){.data = NULL};
}

PRINTF(2, 0)
static char *
put_text(struct doctor *d, const char *format, va_list args)
{
	char text[1024];
	char *kept;

	vsnprintf(text, sizeof(text), format, args);
	kept = arena_cstr(&d->arena, str_from(text));
	return kept;
}

void
doctor_say(struct doctor *d, enum sign sign, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = put_text(d, format, args);
	va_end(args);
	if (text == NULL)
		return;
	if (d->n == d->room) {
		d->room = d->room * 2 + 64;
		d->found = must_realloc(d->found, d->room * sizeof(*d->found));
	}
	d->found[d->n++] = (struct finding){.sign = sign, .text = text};
}

void
doctor_command(struct doctor *d, const char *format, ...)
{
	va_list args;

	must(d->n > 0);
	va_start(args, format);
	d->found[d->n - 1].command = put_text(d, format, args);
	va_end(args);
}

static bool
plain_word(const char *word)
{
	const char *p;

	for (p = word; *p != '\0'; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
		    !(*p >= '0' && *p <= '9') && strchr("_-.:/@,+", *p) == NULL)
			return false;
	return word[0] != '\0' && word[0] != '-';
}

const char *
doctor_quote(struct doctor *d, const char *word)
{
	const char *quoted;
	struct buf b;

	if (plain_word(word))
		return word;
	buf_init(&b, 16 * KIB);
	buf_text(&b, "'");
	for (; *word != '\0'; word++)
		if (*word == '\'')
			buf_text(&b, "'\\''");
		else
			buf_u8(&b, (uint8_t)*word);
	buf_text(&b, "'");
	quoted = arena_cstr(&d->arena, buf_str(&b));
	buf_fini(&b);
	return quoted != NULL ? quoted : "''";
}

const char *
doctor_path(struct doctor *d, const char *within)
{
	char *path = arena_printf(&d->arena, "%s/%s", d->data, within);

	return path != NULL ? path : "";
}

const struct setting_value *
doctor_setting(const struct doctor *d, const char *key)
{
	enum setting_id id;
	struct err e;

	return settings_find(str_from(key), &id, &e) ? &d->settings.at[id]
						     : NULL;
}

const struct setting_value *
doctor_sibling(const struct doctor *d, const char *key, const char *name)
{
	char sibling[128];
	int section = (int)str_find(str_from(key), '.');

	snprintf(sibling, sizeof(sibling), "%.*s.%s", section, key, name);
	return doctor_setting(d, sibling);
}

bool
doctor_read(struct doctor *d, const char *path, struct str *text, struct err *e)
{
	struct buf b;
	bool ok;

	buf_init(&b, PROC_BYTES);
	ok = settings_read_file(path, &b, e);
	*text = arena_dup(&d->arena, buf_str(&b));
	buf_fini(&b);
	if (ok && text->p == NULL && d->arena.over)
		return fail(e, ERR_LIMIT, "'%s' is too long", path);
	return ok;
}

static size_t
count(const struct doctor *d, enum doctor_level level)
{
	size_t i, n = 0;

	for (i = 0; i < d->n; i++)
		n += signs[d->found[i].sign].level == level;
	return n;
}

/* What stands before the dot of a code. */
static struct str
group_of(enum sign sign)
{
	struct str code = str_from(signs[sign].code);

	return str_of(code.p, str_find(code, '.'));
}

static void
put_finding(const struct finding *f)
{
	const struct sign_info *info = &signs[f->sign];

	printf("  %-8s ", level_names[info->level]);
	verb_put(stdout, f->text);
	putchar('\n');
	if (info->level == DOCTOR_OK)
		return;
	printf("           %s\n", info->means);
	if (info->help[0] != '\0')
		printf("           -> %s\n", info->help);
	if (f->command != NULL) {
		fputs("           $ ", stdout);
		verb_put(stdout, f->command);
		putchar('\n');
	}
}

/* By group, in the order in which the groups were first heard of. */
static void
put_list(const struct doctor *d)
{
	size_t i, j;

	for (i = 0; i < d->n; i++) {
		struct str group = group_of(d->found[i].sign);

		for (j = 0; j < i; j++)
			if (str_eq(group_of(d->found[j].sign), group))
				break;
		if (j < i)
			continue;
		printf("%.*s\n", STR_ARG(group));
		for (j = i; j < d->n; j++)
			if (str_eq(group_of(d->found[j].sign), group))
				put_finding(&d->found[j]);
	}
	printf("%zu problems, %zu notes\n", count(d, DOCTOR_PROBLEM),
	    count(d, DOCTOR_NOTE));
}

static void
put_json(const struct doctor *d)
{
	struct json j;
	struct buf b;
	size_t i;

	buf_init(&b, 2 * ARENA_BYTES);
	json_init(&j, &b);
	json_object(&j);
	json_key(&j, "problems");
	json_i64(&j, (int64_t)count(d, DOCTOR_PROBLEM));
	json_key(&j, "notes");
	json_i64(&j, (int64_t)count(d, DOCTOR_NOTE));
	json_key(&j, "findings");
	json_array(&j);
	for (i = 0; i < d->n; i++) {
		const struct sign_info *info = &signs[d->found[i].sign];

		json_object(&j);
		json_key(&j, "level");
		json_text(&j, level_names[info->level]);
		json_key(&j, "code");
		json_text(&j, info->code);
		json_key(&j, "what");
		json_text(&j, d->found[i].text);
		json_key(&j, "means");
		json_text(&j, info->means);
		json_key(&j, "do");
		json_text(&j, info->help);
		if (d->found[i].command != NULL) {
			json_key(&j, "command");
			json_text(&j, d->found[i].command);
		}
		json_end_object(&j);
	}
	json_end_array(&j);
	json_end_object(&j);
	fwrite(b.p, 1, b.n, stdout);
	putchar('\n');
	buf_fini(&b);
}

struct doctor_options {
	const char *data, *config;
	struct words set;
	bool deep, nodes, json;
};

/* Those of the command line win, as for the server. */
static bool
pin_settings(struct doctor *d, const struct doctor_options *o, struct err *e)
{
	size_t i;

	if (o->config != NULL &&
	    !settings_load_file(&d->settings, o->config, e))
		return false;
	if (!settings_load_environment(&d->settings, environ, e))
		return false;
	for (i = 0; i < o->set.n; i++)
		if (!settings_set_pair(&d->settings, o->set.at[i], e))
			return false;
	return true;
}

static int
examine(const struct doctor_options *o)
{
	struct doctor d;
	struct err e;
	int status;

	doctor_init(&d, verb_data(o->data));
	d.deep = o->deep;
	d.ask_nodes = o->nodes;
	if (!pin_settings(&d, o, &e)) {
		doctor_fini(&d);
		return verb_error(&e);
	}
	check_archive(&d);
	check_disk(&d);
	check_ports(&d);
	check_network(&d);
	check_nodes(&d);
	check_refused(&d);
	check_certificates(&d);
	check_worklist(&d);
	check_host(&d);
	check_clock(&d, clock_utc_ms());
	if (o->json)
		put_json(&d);
	else
		put_list(&d);
	status = count(&d, DOCTOR_PROBLEM) > 0 ? VERB_FAILED : VERB_DONE;
	doctor_fini(&d);
	return status;
}

static int
run(int argc, char **argv)
{
	struct doctor_options o = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &o.data},
	    {"--config", OPTION_TEXT, &o.config},
	    {"--set", OPTION_MANY, &o.set},
	    {"--deep", OPTION_FLAG, &o.deep},
	    {"--nodes", OPTION_FLAG, &o.nodes},
	    {"--json", OPTION_FLAG, &o.json},
	};
	struct words words = {0};
	struct err e;
	int status;

	if (options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	    options_words(&words, 0, 0, &e))
		status = examine(&o);
	else
		status = verb_error(&e);
	words_free(&words);
	words_free(&o.set);
	return status;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .summary = "What is wrong with archive, disk, network, nodes; what to do",
    .usage = "doctor [--deep] [--nodes] [--json] [--config FILE] "
	     "[--set KEY=VALUE]...",
    .help =
	"Looks at the archive, its disk, the ports, the network, the known\n"
	"nodes, certificates, and this machine; says what is well ('ok'),\n"
	"what should be known ('note'), and what is wrong ('problem'), with\n"
	"what to do. Changes nothing. Beside a running server or without one.\n"
	"Exit status 1 when there is a problem.\n\n"
	"  --deep            read the whole index too\n"
	"  --nodes           echo every known node\n"
	"  --json            for programs\n"
	"  --config FILE     what the server is started with, if it is: else\n"
	"  --set KEY=VALUE   its ports are not those that are looked for\n",
    .run = run,
};
