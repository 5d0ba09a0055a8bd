/*
 * 'settings': see and change what is stored. A running server follows within
 * about a second.
 */
#include "app/settings.h"
#include "app/verb.h"
#include "base/limit.h"
#include "store/table/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct action;

/* One 'settings' command: what was asked, checked before the archive is
 * opened, and the archive. */
struct request {
	const struct action *action;
	const char *file;           /* of export and import */
	enum setting_id id;         /* of get and set */
	struct setting_value value; /* of set */
	bool to_default;
	struct store *store;
	struct settings settings; /* what is in effect, where that is shown */
};

struct action {
	const char *name;
	size_t min, max; /* words, the name among them */
	bool changes, has_key;
	bool (*run)(struct request *r, struct err *e);
};

static bool
get(struct request *r, struct err *e)
{
	(void)e;
	puts(r->settings.at[r->id].text);
	return true;
}

static void
warn_pinned(enum setting_id id)
{
	char name[64];

	settings_variable(id, name);
	if (getenv(name) != NULL)
		fprintf(
		    stderr, "stored, but the variable %s is stronger\n", name);
}

static bool
set(struct request *r, struct err *e)
{
	const struct setting_info *info = settings_info(r->id);

	if (!setting_put(
		r->store, info->key, r->to_default ? NULL : r->value.text, e))
		return false;
	warn_pinned(r->id);
	return true;
}

static bool
list(struct request *r, struct err *e)
{
	const struct setting_info *info;
	const struct setting_value *at;
	struct buf allowed;
	unsigned i;

	(void)e;
	buf_init(&allowed, 256);
	for (i = 0; i < SETTING_COUNT; i++) {
		info = settings_info((enum setting_id)i);
		at = &r->settings.at[i];
		buf_clear(&allowed);
		settings_allowed(info, &allowed);
		printf("%s = %s\n", info->key, at->text);
		printf("    from: %s; default: %s\n",
		    settings_source_name(at->source),
		    info->value[0] != '\0' ? info->value : "(empty)");
		printf("    %s (%s)\n", info->help, buf_cstr(&allowed));
	}
	buf_fini(&allowed);
	return true;
}

/* Stored values as they are, defaults as comments: what is read back by
 * 'import' gives the same settings. */
static void
write_ini(const struct settings *s, FILE *out)
{
	const struct setting_info *info;
	const struct setting_value *at;
	struct str section = {0}, key;
	unsigned i;
	size_t dot;

	for (i = 0; i < SETTING_COUNT; i++) {
		info = settings_info((enum setting_id)i);
		at = &s->at[i];
		key = str_from(info->key);
		dot = str_find(key, '.');
		if (!str_eq(section, str_of(key.p, dot))) {
			fprintf(out, "%s[%.*s]\n", i > 0 ? "\n" : "", (int)dot,
			    info->key);
			section = str_of(key.p, dot);
		}
		fprintf(out, "# %s\n%s%s = %s\n", info->help,
		    at->source == SOURCE_STORED ? "" : "#", info->key + dot + 1,
		    at->text);
	}
}

static bool
export_to(const struct settings *s, const char *path, struct err *e)
{
	bool done;
	FILE *out;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (out == NULL) {
		fail_errno(e, "cannot write '%s'", path);
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	write_ini(s, out);
	done = fflush(out) == 0 && !ferror(out) && fsync(fd) == 0;
	/* A pipe or a terminal cannot be flushed to disk. */
	if (!done && (errno == EINVAL || errno == EROFS))
		done = !ferror(out);
	if (!done)
		fail_errno(e, "cannot write '%s'", path);
	(void)fclose(out);
	return done;
}

static bool
export_all(struct request *r, struct err *e)
{
	struct settings stored;

	/* The environment of this command is not the archive's. */
	settings_init(&stored);
	if (!settings_load_stored(&stored, r->store, e))
		return false;
	if (r->file != NULL)
		return export_to(&stored, r->file, e);
	write_ini(&stored, stdout);
	return true;
}

struct import {
	struct setting_value at[SETTING_COUNT];
	bool given[SETTING_COUNT];
};

static bool
import_entry(void *ctx, struct str key, struct str value, struct err *e)
{
	struct import *import = ctx;
	enum setting_id id;

	if (!settings_find(key, &id, e) ||
	    !settings_parse(settings_info(id), value, &import->at[id], e))
		return false;
	import->given[id] = true;
	return true;
}

/* Nothing is stored unless the whole file is right. */
static bool
import_all(struct request *r, struct err *e)
{
	struct import import = {0};
	struct buf text;
	bool done;
	unsigned i, n = 0;

	buf_init(&text, 1 * MIB);
	done = settings_read_file(r->file, &text, e) &&
	       settings_read_ini(
		   r->file, buf_str(&text), import_entry, &import, e);
	buf_fini(&text);
	for (i = 0; i < SETTING_COUNT && done; i++) {
		if (!import.given[i])
			continue;
		done = setting_put(r->store,
		    settings_info((enum setting_id)i)->key, import.at[i].text,
		    e);
		n++;
	}
	if (done)
		printf("%u settings stored\n", n);
	return done;
}

static const struct action actions[] = {
    {"get", 2, 2, false, true, get},
    {"set", 3, 3, true, true, set},
    {"list", 1, 1, false, false, list},
    {"export", 1, 2, false, false, export_all},
    {"import", 2, 2, true, false, import_all},
};

static bool
prepare(struct request *r, const struct words *w, struct err *e)
{
	const char *name = w->n > 0 ? w->at[0] : "";
	const struct action *a;
	size_t i, less;

	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, name))
			r->action = &actions[i];
	a = r->action;
	if (a == NULL)
		return fail(e, ERR_USAGE,
		    "settings: '%s' is not allowed; allowed: get, set, list, "
		    "export or import",
		    name);
	if (r->to_default && a->run != set)
		return fail(e, ERR_USAGE, "--default belongs to 'set'");
	less = r->to_default ? 1 : 0;
	if (!options_words(w, a->min - less, a->max - less, e))
		return false;
	if (!a->has_key) {
		r->file = w->n > 1 ? w->at[1] : NULL;
		return true;
	}
	if (!settings_find(str_from(w->at[1]), &r->id, e))
		return false;
	return w->n < 3 || settings_parse(settings_info(r->id),
			       str_from(w->at[2]), &r->value, e);
}

/* Changing needs nothing of what is stored: a value that cannot be read can
 * be put right. */
static bool
act(struct request *r, const char *data, struct err *e)
{
	bool done = true;

	if (!verb_store(&r->store, data, r->action->changes, e))
		return false;
	if (!r->action->changes) {
		settings_init(&r->settings);
		done = settings_load_environment(&r->settings, environ, e) &&
		       settings_load_stored(&r->settings, r->store, e);
	}
	done = done && r->action->run(r, e);
	store_close(&r->store);
	return done;
}

static int
run(int argc, char **argv)
{
	const char *data = NULL;
	struct request r = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"--default", OPTION_FLAG, &r.to_default},
	};
	struct words words = {0};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	       prepare(&r, &words, &e) && act(&r, verb_data(data), &e);
	words_free(&words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_settings = {
    .name = "settings",
    .summary = "Show, explain and change settings",
    .usage = "settings list\n"
	     "settings get KEY\n"
	     "settings set KEY VALUE\n"
	     "settings set KEY --default\n"
	     "settings export [FILE]\n"
	     "settings import FILE",
    .help =
	"A running server follows within about a second. 'list' shows each\n"
	"key, its value, where it comes from, its default and its meaning.\n"
	"'export' and 'import' use INI files, as does 'serve --config'.\n\n"
	"  --default     with set: back to the default\n",
    .run = run,
};
