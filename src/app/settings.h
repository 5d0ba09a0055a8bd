/*
 * The settings of the program: one table (settings.def), typed values, and
 * the layers they come from. A later layer wins:
 *
 *   default < stored in the archive < --config FILE < FILEROOM_SECTION_KEY
 *           < --set KEY=VALUE
 *
 * Values above the stored layer are pinned: what is stored does not change
 * them. Every error names the key, the value and what is allowed, and has the
 * code ERR_USAGE.
 */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include "base/buf.h"
#include "store/store.h"

enum setting_id {
#define SETTING(id, key, type, min, max, choices, value, help) SETTING_##id,
#include "app/settings.def"
#undef SETTING
	SETTING_COUNT
};

enum setting_type {
	SETTING_TYPE_AE,
	SETTING_TYPE_ADDRESS,
	SETTING_TYPE_INT,
	SETTING_TYPE_PORT,
	SETTING_TYPE_BOOL,
	SETTING_TYPE_CHOICE,
	SETTING_TYPE_PATH,
	SETTING_TYPE_UID_ROOT,
	SETTING_TYPE_AE_LIST,
	SETTING_TYPE_TEXT,
	SETTING_TYPE_CHARSET,
	SETTING_TYPE_NETWORKS,
	SETTING_TYPE_LINK, /* https://… or http://…, or nothing */
	SETTING_TYPE_SIZE
};

enum setting_source {
	SOURCE_DEFAULT,
	SOURCE_STORED,
	SOURCE_FILE,
	SOURCE_ENVIRONMENT,
	SOURCE_COMMAND_LINE
};

struct setting_info {
	const char *key;
	enum setting_type type;
	int64_t min, max;
	const char *choices; /* separated by '|' */
	const char *value;   /* the default */
	const char *help;
};

#define SETTING_TEXT_ROOM 256
#define SETTING_PORT_AUTO (-1)

struct setting_value {
	char text[SETTING_TEXT_ROOM]; /* in its canonical form */
	/* INT and SIZE: the value; BOOL: 0 or 1; CHOICE: the place in the
	 * list; PORT: 0 for closed or SETTING_PORT_AUTO. */
	int64_t number;
	enum setting_source source;
};

struct settings {
	struct setting_value at[SETTING_COUNT];
};

const struct setting_info *settings_info(enum setting_id id);
/* ERR_USAGE names a key that is not there. */
bool settings_find(
    struct str key, enum setting_id *out, struct err *e) MUST_USE;
/* "default", "stored", ... for people. */
const char *settings_source_name(enum setting_source source);
/* "dicom.port" gives "FILEROOM_DICOM_PORT". */
void settings_variable(enum setting_id id, char out[64]);

/* settings_value.c: the grammar of each type. value is read as the type
 * demands, out gets the canonical text and the number. */
bool settings_parse(const struct setting_info *info, struct str value,
    struct setting_value *out, struct err *e) MUST_USE;
/* What the type allows, in words. */
void settings_allowed(const struct setting_info *info, struct buf *out);
/* "2 GiB", "500MB", "4096". Exact; false on anything else. */
bool size_parse(struct str text, uint64_t *bytes) MUST_USE;
/* In the greatest unit that is exact: "2 GiB", "500 MB", "4097". */
const char *size_text(uint64_t bytes, char out[32]);

/* All defaults. */
void settings_init(struct settings *s);
bool settings_set(struct settings *s, struct str key, struct str value,
    enum setting_source source, struct err *e) MUST_USE;
/* "KEY=VALUE" of --set. */
bool settings_set_pair(
    struct settings *s, const char *pair, struct err *e) MUST_USE;
bool settings_load_file(
    struct settings *s, const char *path, struct err *e) MUST_USE;
/* Variables of our sections that name no setting are logged as a warning. */
bool settings_load_environment(
    struct settings *s, char **environment, struct err *e) MUST_USE;
/* Replaces what is not pinned by what is stored now, or the default. On an
 * error *s is as it was. */
bool settings_load_stored(
    struct settings *s, struct store *store, struct err *e) MUST_USE;
/* What a verb sees: stored values and the environment, handed to the store. */
bool settings_for_verb(
    struct settings *s, struct store *store, struct err *e) MUST_USE;
/* store.duplicate and store.reserve take effect. */
void settings_apply_store(const struct settings *s, struct store *store);

/* An INI file: [section], key = value, comments after # or ; at the start of
 * a line. Calls entry with "section.key"; its error is prefixed with the
 * file's name and the line. */
typedef bool settings_entry(
    void *ctx, struct str key, struct str value, struct err *e);
bool settings_read_ini(const char *name, struct str bytes,
    settings_entry *entry, void *ctx, struct err *e) MUST_USE;
/* Read a whole small file; at most 1 MiB. */
bool settings_read_file(
    const char *path, struct buf *out, struct err *e) MUST_USE;

#endif
