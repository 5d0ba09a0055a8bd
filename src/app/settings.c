/*
 * The table of settings, the layers that give them values, and INI files.
 */
#include "app/settings.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/os.h"
#include "base/utf8.h"
#include "store/table/setting.h"

#include <fcntl.h>
#include <unistd.h>

#define INI_MAX (1 * MIB)

static const struct setting_info table[] = {
#define SETTING(id, key, type, min, max, choices, value, help)                 \
	[SETTING_##id] = {                                                     \
	    key, SETTING_TYPE_##type, min, max, choices, value, help},
#include "app/settings.def"
#undef SETTING
};

const struct setting_info *
settings_info(enum setting_id id)
{
	must(id < SETTING_COUNT);
	return &table[id];
}

bool
settings_find(struct str key, enum setting_id *out, struct err *e)
{
	char shown[80];
	unsigned i;

	for (i = 0; i < SETTING_COUNT; i++) {
		if (!str_eq_text(key, table[i].key))
			continue;
		*out = (enum setting_id)i;
		return true;
	}
	return fail(e, ERR_USAGE,
	    "'%s' is no setting ('fileroom settings list' shows them)",
	    str_printable(shown, sizeof(shown), key));
}

const char *
settings_source_name(enum setting_source source)
{
	static const char *const names[] = {
	    [SOURCE_DEFAULT] = "default",
	    [SOURCE_STORED] = "stored",
	    [SOURCE_FILE] = "file",
	    [SOURCE_ENVIRONMENT] = "environment",
	    [SOURCE_COMMAND_LINE] = "command line",
	};

	must((size_t)source < ARRAY_LEN(names));
	return names[source];
}

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

void
settings_variable(enum setting_id id, char out[64])
{
	size_t n;

	n = (size_t)snprintf(out, 64, "FILEROOM_%s", settings_info(id)->key);
	must(n < 64);
	while (n-- > 0)
		out[n] = out[n] == '.' ? '_' : upper(out[n]);
}

void
settings_init(struct settings *s)
{
	struct err e;
	unsigned i;

	for (i = 0; i < SETTING_COUNT; i++)
		must(settings_parse(
		    &table[i], str_from(table[i].value), &s->at[i], &e));
}

bool
settings_set(struct settings *s, struct str key, struct str value,
    enum setting_source source, struct err *e)
{
	struct setting_value v;
	enum setting_id id;

	if (!settings_find(key, &id, e) ||
	    !settings_parse(&table[id], value, &v, e))
		return false;
	v.source = source;
	s->at[id] = v;
	return true;
}

bool
settings_set_pair(struct settings *s, const char *pair, struct err *e)
{
	struct str all = str_from(pair);
	size_t at = str_find(all, '=');

	if (at == all.n)
		return fail(e, ERR_USAGE, "--set '%s': not KEY=VALUE", pair);
	return settings_set(s, str_trim(str_of(all.p, at)),
	    str_of(all.p + at + 1, all.n - at - 1), SOURCE_COMMAND_LINE, e);
}

bool
settings_read_file(const char *path, struct buf *out, struct err *e)
{
	uint8_t block[16 * KIB];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return fail_errno(e, "cannot open '%s'", path);
	while ((n = os_read_full(fd, block, sizeof(block))) > 0 && !out->over)
		buf_add(out, str_of(block, (size_t)n));
	if (n < 0)
		fail_errno(e, "cannot read '%s'", path);
	os_close(&fd);
	if (out->over)
		return fail(e, ERR_LIMIT, "'%s' is larger than %zu bytes", path,
		    out->cap);
	return n == 0;
}

/* Tabs are white space in files written by hand. */
static struct str
trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' ||
			      s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static bool
ini_line(struct str line, struct str *section, settings_entry *entry, void *ctx,
    struct err *e)
{
	char key[128];
	struct str name;
	size_t at;

	line = trim(line);
	if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
		return true;
	if (line.p[0] == '[') {
		if (line.p[line.n - 1] != ']')
			return fail(e, ERR_USAGE, "a section without ']'");
		*section = trim(str_of(line.p + 1, line.n - 2));
		return true;
	}
	at = str_find(line, '=');
	if (at == line.n)
		return fail(e, ERR_USAGE, "not a line of the form key = value");
	name = trim(str_of(line.p, at));
	if (name.n + section->n + 2 > sizeof(key))
		return fail(e, ERR_USAGE, "the key is too long");
	snprintf(key, sizeof(key), "%.*s%s%.*s", STR_ARG(*section),
	    section->n > 0 ? "." : "", STR_ARG(name));
	return entry(ctx, str_from(key),
	    trim(str_of(line.p + at + 1, line.n - at - 1)), e);
}

bool
settings_read_ini(const char *name, struct str bytes, settings_entry *entry,
    void *ctx, struct err *e)
{
	struct str rest = bytes, line, section = {0};
	unsigned number = 0;

	if (!utf8_valid(bytes) || str_find(bytes, '\0') < bytes.n)
		return fail(e, ERR_USAGE, "'%s' is not text in UTF-8", name);
	if (str_starts(rest, STR("\xef\xbb\xbf")))
		rest = str_of(rest.p + 3, rest.n - 3);
	while (str_split(&rest, '\n', &line)) {
		number++;
		if (!ini_line(line, &section, entry, ctx, e))
			return fail_in(e, "'%s', line %u", name, number);
	}
	return true;
}

static bool
file_entry(void *ctx, struct str key, struct str value, struct err *e)
{
	return settings_set(ctx, key, value, SOURCE_FILE, e);
}

bool
settings_load_file(struct settings *s, const char *path, struct err *e)
{
	struct buf text;
	bool done;

	buf_init(&text, INI_MAX);
	done = settings_read_file(path, &text, e) &&
	       settings_read_ini(path, buf_str(&text), file_entry, s, e);
	buf_fini(&text);
	if (!done)
		e->code = ERR_USAGE;
	return done;
}

/* Does a variable begin like those of one of our sections? */
static bool
of_our_section(struct str name)
{
	char own[64];
	struct str prefix;
	unsigned i;

	for (i = 0; i < SETTING_COUNT; i++) {
		settings_variable((enum setting_id)i, own);
		prefix = str_from(own);
		/* up to the dot, which is one long in both forms */
		prefix.n = strlen("FILEROOM_") +
			   str_find(str_from(table[i].key), '.') + 1;
		if (str_starts(name, prefix))
			return true;
	}
	return false;
}

static bool
set_variable(
    struct settings *s, struct str name, struct str value, struct err *e)
{
	char own[64], shown[80];
	unsigned i;

	for (i = 0; i < SETTING_COUNT; i++) {
		settings_variable((enum setting_id)i, own);
		if (!str_eq_text(name, own))
			continue;
		if (!settings_set(s, str_from(table[i].key), value,
			SOURCE_ENVIRONMENT, e))
			return fail_in(e, "%s", own);
		return true;
	}
	if (of_our_section(name))
		log_warning("settings",
		    "the variable %s names no setting and is ignored",
		    str_printable(shown, sizeof(shown), name));
	return true;
}

bool
settings_load_environment(struct settings *s, char **environment, struct err *e)
{
	struct str pair;
	size_t at;

	for (; *environment != NULL; environment++) {
		pair = str_from(*environment);
		at = str_find(pair, '=');
		if (at == pair.n || !str_starts(pair, STR("FILEROOM_")))
			continue;
		if (!set_variable(s, str_of(pair.p, at),
			str_of(pair.p + at + 1, pair.n - at - 1), e))
			return false;
	}
	return true;
}

static bool
load_one(struct settings *s, unsigned i, struct store *store,
    struct arena *arena, struct err *e)
{
	char *value;

	if (s->at[i].source > SOURCE_STORED)
		return true;
	if (!setting_get(store, table[i].key, arena, &value, e))
		return fail_in(e, "reading the setting %s", table[i].key);
	if (value == NULL)
		return settings_set(s, str_from(table[i].key),
		    str_from(table[i].value), SOURCE_DEFAULT, e);
	if (!settings_set(
		s, str_from(table[i].key), str_from(value), SOURCE_STORED, e))
		return fail_in(e, "the archive's settings");
	return true;
}

bool
settings_load_stored(struct settings *s, struct store *store, struct err *e)
{
	struct settings next = *s;
	struct arena arena;
	bool done = true;
	unsigned i;

	arena_init(&arena, 1 * MIB);
	for (i = 0; i < SETTING_COUNT && done; i++)
		done = load_one(&next, i, store, &arena, e);
	arena_fini(&arena);
	if (done)
		*s = next;
	return done;
}

void
settings_apply_store(const struct settings *s, struct store *store)
{
	/* In the order of the choices in settings.def. */
	static const enum store_duplicate policies[] = {
	    DUPLICATE_QUARANTINE, DUPLICATE_REPLACE, DUPLICATE_REFUSE};
	int64_t policy = s->at[SETTING_STORE_DUPLICATE].number;

	must(policy >= 0 && (size_t)policy < ARRAY_LEN(policies));
	store_set_duplicate(store, policies[policy]);
	store_set_reserve(store, (uint64_t)s->at[SETTING_STORE_RESERVE].number);
}

bool
settings_for_verb(struct settings *s, struct store *store, struct err *e)
{
	settings_init(s);
	if (!settings_load_environment(s, environ, e) ||
	    !settings_load_stored(s, store, e))
		return false;
	settings_apply_store(s, store);
	return true;
}
