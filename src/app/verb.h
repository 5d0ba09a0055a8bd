/*
 * Command-line verbs: one file and one const struct verb each, listed in
 * verb.c; and what they share: options, the data folder, how they print.
 */
#ifndef APP_VERB_H
#define APP_VERB_H

#include "store/store.h"

enum { VERB_DONE = 0, VERB_FAILED = 1, VERB_USAGE = 2 };

struct verb {
	const char *name;
	const char *summary; /* one line for the list */
	const char *usage;   /* one line a form, without "fileroom " */
	const char *help;    /* options and what it does; ends with a newline */
	/* argv[0] is the verb. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

/* NULL-terminated, in the order of the list. */
extern const struct verb *const verbs[];
const struct verb *verb_named(const char *name);
/* The whole command line, argv[0] being the program. version: of the program.
 */
int verb_main(int argc, char **argv, const char *version);

/* "fileroom: <text>" to stderr; the exit status that the code asks for. */
int verb_error(const struct err *e);
/* Text from outside (file names, values of objects) as it may stand on a
 * terminal: control characters and what is not UTF-8 are escaped. */
void verb_put(FILE *out, const char *text);
/* The same into a buffer. */
struct buf;
void verb_clean(struct buf *out, struct str text);

/* Words that are no options, and options given several times. */
struct words {
	const char **at;
	size_t n;
};
void words_free(struct words *w);

enum option_kind {
	OPTION_FLAG, /* out: bool */
	OPTION_TEXT, /* out: const char *, NULL when not given */
	OPTION_MANY  /* out: struct words; free it */
};
struct option {
	const char *name; /* "--data", "-o" */
	enum option_kind kind;
	void *out;
};
/* "--name VALUE" and "--name=VALUE" anywhere; after "--" all are words.
 * ERR_USAGE names an option that is unknown, lacks its value, or is given
 * twice. words is to be freed in every case, as are OPTION_MANY's. */
bool options_parse(int argc, char **argv, const struct option *options,
    size_t count, struct words *words, struct err *e) MUST_USE;
/* ERR_USAGE unless min <= words.n <= max. */
bool options_words(
    const struct words *words, size_t min, size_t max, struct err *e) MUST_USE;

/* --data, else FILEROOM_DATA, else ./data. */
const char *verb_data(const char *option);
/* Opens the archive for a verb beside a running server (server false), and
 * says so on stderr where create makes a new one. What is made from now on
 * is readable by its owner only. */
bool verb_store(struct store **store, const char *data, bool create,
    struct err *e) MUST_USE;

extern const struct verb verb_activity;
extern const struct verb verb_backup;
extern const struct verb verb_check;
extern const struct verb verb_doctor;
extern const struct verb verb_dump;
extern const struct verb verb_echo;
extern const struct verb verb_export;
extern const struct verb verb_fetch;
extern const struct verb verb_find;
extern const struct verb verb_get;
extern const struct verb verb_hl7;
extern const struct verb verb_import;
extern const struct verb verb_jobs;
extern const struct verb verb_move;
extern const struct verb verb_node;
extern const struct verb verb_quarantine;
extern const struct verb verb_reindex;
extern const struct verb verb_restore;
extern const struct verb verb_send;
extern const struct verb verb_serve;
extern const struct verb verb_settings;
extern const struct verb verb_store_files;
extern const struct verb verb_user;
extern const struct verb verb_worklist;
extern const struct verb verb_token;
extern const struct verb verb_worklist_find;

#endif
